import asof.v1.FeatureStoreGrpc;
import asof.v1.GetFeaturesRequest;
import asof.v1.GetFeaturesResponse;
import asof.v1.KeyColumn;
import asof.v1.PushRequest;
import asof.v1.PushResponse;
import com.google.protobuf.ByteString;
import com.google.protobuf.util.JsonFormat;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.StreamObserver;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

/** Asks a server what tests/languages/README.md says, by grpc-java, and prints what it got as JSON. */
final class Languages {
    private static final int PARALLEL_CALLS = 1000;
    private static final int PUSHES = 100;
    private static final int DRAIN_WORKERS = 16;
    private static final int LARGE_ROWS = 1000;
    private static final int SLOW_ROWS = 10000;
    private static final int CALL_TIMEOUT_S = 60;
    private static final int MESSAGE_BYTES = 64 << 20;

    private final ManagedChannel channel;

    private Languages(ManagedChannel channel) {
        this.channel = channel;
    }

    private FeatureStoreGrpc.FeatureStoreBlockingStub store() {
        return FeatureStoreGrpc.newBlockingStub(channel).withDeadlineAfter(CALL_TIMEOUT_S, TimeUnit.SECONDS);
    }

    private static GetFeaturesRequest.Builder request(String features, int rows, String key) {
        return GetFeaturesRequest.newBuilder().addFeatures(features).addKeys(
                KeyColumn.newBuilder().setKey("k").addAllStrings(Collections.nCopies(rows, key)));
    }

    /** Many rows, each of another moment: more than can be read in a millisecond. */
    private static GetFeaturesRequest slow() {
        GetFeaturesRequest.Builder request = request("things.*", SLOW_ROWS, "a");
        for (int i = 0; i < SLOW_ROWS; i++) {
            request.addAtUs(1_000_000 + i);
        }
        return request.build();
    }

    private String answer() throws Exception {
        GetFeaturesResponse answer = store().getFeatures(GetFeaturesRequest.newBuilder()
                .addFeatures("things.*").setWithEventTimes(true)
                .addKeys(KeyColumn.newBuilder().setKey("k").addStrings("a").addStrings("ü").addStrings("nobody"))
                .build());
        return JsonFormat.printer().omittingInsignificantWhitespace().print(answer);
    }

    private long push() throws Exception {
        AtomicLong acknowledged = new AtomicLong();
        CompletableFuture<Long> done = new CompletableFuture<>();
        StreamObserver<PushRequest> requests = FeatureStoreGrpc.newStub(channel)
                .withDeadlineAfter(CALL_TIMEOUT_S, TimeUnit.SECONDS).pushStream(new StreamObserver<PushResponse>() {
                    @Override
                    public void onNext(PushResponse answer) {
                        acknowledged.addAndGet(answer.getEvents());
                    }

                    @Override
                    public void onError(Throwable failure) {
                        done.completeExceptionally(failure);
                    }

                    @Override
                    public void onCompleted() {
                        done.complete(acknowledged.get());
                    }
                });
        for (int i = 0; i < PUSHES; i++) {
            String event = "{\"id\":\"java" + i + "\",\"at\":1100000,\"k\":\"java\",\"i\":1}";
            requests.onNext(PushRequest.newBuilder().setSource("events").addJson(ByteString.copyFromUtf8(event)).build());
        }
        requests.onCompleted();
        return done.get();
    }

    private long[] readStream() {
        long rows = 0;
        long chunks = 0;
        Iterator<GetFeaturesResponse> stream =
                store().getFeaturesStream(request("things.i_sum", SLOW_ROWS, "a").setChunkRows(1000).build());
        while (stream.hasNext()) {
            rows += stream.next().getRows();
            chunks++;
        }
        return new long[] {rows, chunks};
    }

    private String deadline() {
        try {
            FeatureStoreGrpc.newBlockingStub(channel).withDeadlineAfter(1, TimeUnit.MILLISECONDS).getFeatures(slow());
            return "OK";
        } catch (StatusRuntimeException failure) {
            return failure.getStatus().getCode().name();
        }
    }

    private String cancelled() throws Exception {
        Future<GetFeaturesResponse> call = FeatureStoreGrpc.newFutureStub(channel).getFeatures(slow());
        Thread.sleep(2);
        return call.cancel(true) && call.isCancelled() ? Status.Code.CANCELLED.name() : "OK";
    }

    private long large() {
        long bytes = 0;
        for (String text : store().getFeatures(request("things.s_last", LARGE_ROWS, "large").build())
                .getColumns(0).getStringsList()) {
            bytes += text.getBytes(StandardCharsets.UTF_8).length;
        }
        return bytes;
    }

    private long parallel() throws Exception {
        FeatureStoreGrpc.FeatureStoreFutureStub store =
                FeatureStoreGrpc.newFutureStub(channel).withDeadlineAfter(CALL_TIMEOUT_S, TimeUnit.SECONDS);
        List<Future<GetFeaturesResponse>> calls = new ArrayList<>();
        for (int i = 0; i < PARALLEL_CALLS; i++) {
            calls.add(store.getFeatures(request("things.i_sum", 1, "a").build()));
        }
        long answered = 0;
        for (Future<GetFeaturesResponse> call : calls) {
            answered += call.get().getRows();
        }
        return answered;
    }

    private String check() throws Exception {
        long[] read = readStream();
        return String.format(
                "{\"answer\":%s,\"pushed\":%d,\"rows\":%d,\"chunks\":%d,\"deadline\":\"%s\",\"cancelled\":\"%s\","
                        + "\"large\":%d,\"parallel\":%d}",
                answer(), push(), read[0], read[1], deadline(), cancelled(), large(), parallel());
    }

    private String drain(int seconds) throws Exception {
        AtomicLong answered = new AtomicLong();
        AtomicLong failed = new AtomicLong();
        AtomicReference<String> first = new AtomicReference<>("");
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        List<Thread> workers = new ArrayList<>();
        for (int i = 0; i < DRAIN_WORKERS; i++) {
            Thread worker = new Thread(() -> {
                while (System.nanoTime() < until) {
                    try {
                        store().withWaitForReady().getFeatures(request("things.i_sum", 1, "a").build());
                        answered.incrementAndGet();
                    } catch (StatusRuntimeException failure) {
                        failed.incrementAndGet();
                        first.compareAndSet("", failure.getMessage());
                    }
                }
            });
            worker.start();
            workers.add(worker);
        }
        for (Thread worker : workers) {
            worker.join();
        }
        return String.format("{\"answered\":%d,\"failed\":%d,\"failure\":\"%s\"}", answered.get(), failed.get(),
                first.get().replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", " "));
    }

    public static void main(String[] words) throws Exception {
        ManagedChannel channel = NettyChannelBuilder.forTarget(words[1]).usePlaintext()
                .maxInboundMessageSize(MESSAGE_BYTES).build();
        Languages languages = new Languages(channel);
        System.out.println(
                words[0].equals("drain") ? languages.drain(Integer.parseInt(words[2])) : languages.check());
        channel.shutdownNow().awaitTermination(CALL_TIMEOUT_S, TimeUnit.SECONDS);
    }
}
