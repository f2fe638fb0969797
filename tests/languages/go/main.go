// Asks a server what tests/languages/README.md says, by grpc-go, and prints what it got as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	asof "asof/languages/asof/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

const (
	parallelCalls = 1000
	pushes        = 100
	drainWorkers  = 16
	largeRows     = 1000
	slowRows      = 10000
	callTimeout   = 60 * time.Second
	messageBytes  = 64 << 20
)

func fail(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTimeout)
}

func entities(rows int, key string) []*asof.KeyColumn {
	keys := make([]string, rows)
	for i := range keys {
		keys[i] = key
	}
	return []*asof.KeyColumn{{Key: "k", Strings: keys}}
}

// Many rows, each of another moment: more than can be read in a millisecond.
func slow() *asof.GetFeaturesRequest {
	request := &asof.GetFeaturesRequest{Features: []string{"things.*"}, Keys: entities(slowRows, "a")}
	for i := 0; i < slowRows; i++ {
		request.AtUs = append(request.AtUs, int64(1_000_000+i))
	}
	return request
}

func answer(store asof.FeatureStoreClient) json.RawMessage {
	ctx, cancel := patience()
	defer cancel()
	got, err := store.GetFeatures(ctx, &asof.GetFeaturesRequest{
		Features: []string{"things.*"}, WithEventTimes: true,
		Keys: []*asof.KeyColumn{{Key: "k", Strings: []string{"a", "ü", "nobody"}}}})
	fail("GetFeatures", err)
	text, err := protojson.Marshal(got)
	fail("JSON", err)
	return text
}

func push(store asof.FeatureStoreClient) uint64 {
	ctx, cancel := patience()
	defer cancel()
	stream, err := store.PushStream(ctx)
	fail("PushStream", err)
	acknowledged := uint64(0)
	for i := 0; i < pushes; i++ {
		event := fmt.Sprintf(`{"id":"go%d","at":1100000,"k":"go","i":1}`, i)
		fail("PushStream.Send", stream.Send(&asof.PushRequest{Source: "events", Json: [][]byte{[]byte(event)}}))
		got, err := stream.Recv()
		fail("PushStream.Recv", err)
		acknowledged += got.Events
	}
	fail("PushStream.CloseSend", stream.CloseSend())
	if _, err = stream.Recv(); err != io.EOF {
		fail("the end of PushStream", fmt.Errorf("%v", err))
	}
	return acknowledged
}

func readStream(store asof.FeatureStoreClient) (rows uint32, chunks int) {
	ctx, cancel := patience()
	defer cancel()
	stream, err := store.GetFeaturesStream(ctx, &asof.GetFeaturesRequest{
		Features: []string{"things.i_sum"}, Keys: entities(slowRows, "a"), ChunkRows: 1000})
	fail("GetFeaturesStream", err)
	for {
		chunk, err := stream.Recv()
		if err == io.EOF {
			return rows, chunks
		}
		fail("GetFeaturesStream.Recv", err)
		rows += chunk.Rows
		chunks++
	}
}

func deadline(store asof.FeatureStoreClient) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := store.GetFeatures(ctx, slow())
	return status.Code(err).String()
}

func cancelled(store asof.FeatureStoreClient) string {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(2*time.Millisecond, cancel)
	_, err := store.GetFeatures(ctx, slow())
	return status.Code(err).String()
}

func large(store asof.FeatureStoreClient) int {
	ctx, cancel := patience()
	defer cancel()
	got, err := store.GetFeatures(ctx, &asof.GetFeaturesRequest{
		Features: []string{"things.s_last"}, Keys: entities(largeRows, "large")})
	fail("a large answer", err)
	bytes := 0
	for _, text := range got.Columns[0].Strings {
		bytes += len(text)
	}
	return bytes
}

func parallel(store asof.FeatureStoreClient) int64 {
	var done sync.WaitGroup
	var answered atomic.Int64
	for i := 0; i < parallelCalls; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			ctx, cancel := patience()
			defer cancel()
			_, err := store.GetFeatures(ctx, &asof.GetFeaturesRequest{
				Features: []string{"things.i_sum"}, Keys: entities(1, "a")})
			fail("one of many calls", err)
			answered.Add(1)
		}()
	}
	done.Wait()
	return answered.Load()
}

func drain(store asof.FeatureStoreClient, seconds int) map[string]any {
	var done sync.WaitGroup
	var answered, failed atomic.Int64
	var first atomic.Value
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	for i := 0; i < drainWorkers; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for time.Now().Before(until) {
				ctx, cancel := patience()
				_, err := store.GetFeatures(ctx, &asof.GetFeaturesRequest{
					Features: []string{"things.i_sum"}, Keys: entities(1, "a")}, grpc.WaitForReady(true))
				cancel()
				if err == nil {
					answered.Add(1)
				} else {
					failed.Add(1)
					first.CompareAndSwap(nil, err.Error())
				}
			}
		}()
	}
	done.Wait()
	return map[string]any{"answered": answered.Load(), "failed": failed.Load(), "failure": first.Load()}
}

func main() {
	connection, err := grpc.NewClient(os.Args[2], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytes), grpc.MaxCallSendMsgSize(messageBytes)))
	fail("connecting", err)
	defer connection.Close()
	store := asof.NewFeatureStoreClient(connection)
	var result map[string]any
	if os.Args[1] == "drain" {
		seconds, err := strconv.Atoi(os.Args[3])
		fail("seconds", err)
		result = drain(store, seconds)
	} else {
		rows, chunks := readStream(store)
		result = map[string]any{"answer": answer(store), "pushed": push(store), "rows": rows, "chunks": chunks,
			"deadline": deadline(store), "cancelled": cancelled(store), "large": large(store),
			"parallel": parallel(store)}
	}
	fail("printing", json.NewEncoder(os.Stdout).Encode(result))
}
