/* Streams: a call with many messages, on a wire of its own. */
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "channel.h"
#include "client.h"
#include "push.h"

enum {
    STREAM_CALL = 1,                    /* its number; the wire has no other call */
    STREAM_AHEAD_MAX = 4 * 1024 * 1024, /* bytes of answers that are taken in while sending */
};

struct letter {
    struct asof_message *message; /* owned */
    TAILQ_ENTRY(letter) link;
};

struct asof_stream {
    struct wire wire;
    struct patience patience;   /* its cancel is ours or the caller's */
    struct asof_cancel *cancel; /* owned; NULL: the caller's is used */
    pid_t process;
    TAILQ_HEAD(, letter) letters; /* arrived, not received yet; owned */
    size_t letters_size;
    bool has_ended; /* nothing will arrive any more */
    bool is_done;   /* as it should; else ended says why */
    struct asof_error ended;
};

/* ---- what arrives ---- */

static void stream_end_with(struct asof_stream *stream, enum asof_code code)
{
    stream->has_ended = true;
    stream->is_done = code == ASOF_OK;
}

static void stream_keep(struct asof_stream *stream, struct asof_message *message)
{
    struct letter *letter = calloc(1, sizeof(*letter));
    CHECK(letter != NULL);
    letter->message = message;
    stream->letters_size += message->size;
    TAILQ_INSERT_TAIL(&stream->letters, letter, link);
}

static void stream_take(struct asof_stream *stream, struct arrival *arrival)
{
    if (arrival->call != STREAM_CALL) {
        asof_message_destroy(&arrival->message);
        return;
    }
    if (arrival->message != NULL)
        stream_keep(stream, arrival->message);
    if (arrival->kind == LIGHT_FAILED)
        stream_end_with(stream, failure_as_told(&stream->ended, arrival->code, arrival->text));
    else if (arrival->kind != LIGHT_PART)
        stream_end_with(stream, ASOF_OK);
}

/* Takes in what has come, if it is not too much already. */
static void stream_read(struct asof_stream *stream)
{
    struct arrival arrival;
    if (stream->letters_size < STREAM_AHEAD_MAX)
        wire_receive(&stream->wire);
    while (!stream->has_ended && wire_next(&stream->wire, &arrival))
        stream_take(stream, &arrival);
    if (stream->wire.state != WIRE_OPEN && !stream->has_ended)
        stream_end_with(stream, failure_set(&stream->ended, stream->wire.error.code, "%s",
                                            stream->wire.error.text));
}

/* Ends by cancel or deadline, where it is time. */
static void stream_look(struct asof_stream *stream)
{
    if (stream->has_ended)
        return;
    patience_ask(&stream->patience);
    enum asof_code code = patience_look(&stream->patience, &stream->ended);
    if (code != ASOF_OK)
        stream_end_with(stream, code);
}

/* Sends and takes in as far as that goes; waits until more does. */
static void stream_turn(struct asof_stream *stream, int64_t until_us)
{
    struct wire *wire = &stream->wire;
    bool is_reading = stream->letters_size < STREAM_AHEAD_MAX;
    short events = (short)((is_reading ? POLLIN : 0) | (wire->output.size > 0 ? POLLOUT : 0));
    short has = patience_wait(&stream->patience, wire->fd, events, until_us);
    if ((has & POLLOUT) != 0)
        wire_flush(wire);
    if ((has & ~POLLOUT) != 0 || wire->state != WIRE_OPEN)
        stream_read(stream);
    stream_look(stream);
}

/* ---- sending ---- */

static enum asof_code stream_check_process(const struct asof_stream *stream,
                                           struct asof_error *error)
{
    return stream->process == getpid() ? ASOF_OK
                                       : failure_set(error, ASOF_FAILED_PRECONDITION,
                                                     "the stream was opened before a fork");
}

/* Why nothing can be sent, or OK. */
static enum asof_code stream_check(const struct asof_stream *stream, struct bytes request,
                                   struct asof_error *error)
{
    enum asof_code code = stream_check_process(stream, error);
    if (code != ASOF_OK)
        return code;
    if (stream->has_ended && !stream->is_done)
        return failure_set(error, stream->ended.code, "%s", stream->ended.text);
    if (stream->has_ended)
        return failure_set(error, ASOF_FAILED_PRECONDITION, "the server has ended the stream");
    if (request.size > ASOF_REQUEST_SIZE_MAX)
        return failure_set(error, ASOF_RESOURCE_EXHAUSTED,
                           "a message has at most %d bytes, got %zu", ASOF_REQUEST_SIZE_MAX,
                           request.size);
    return ASOF_OK;
}

/* Waits until what was appended has been given to the system. */
static enum asof_code stream_flush(struct asof_stream *stream, struct asof_error *error)
{
    wire_flush(&stream->wire);
    if (stream->wire.state != WIRE_OPEN)
        stream_read(stream);
    while (!stream->has_ended && stream->wire.output.size > 0)
        stream_turn(stream, PATIENCE_FOREVER);
    return stream_check(stream, bytes_of(NULL, 0), error);
}

static enum asof_code stream_append(struct asof_stream *stream, enum light_kind kind,
                                    struct bytes message, struct asof_error *error)
{
    stream_look(stream);
    enum asof_code code = stream_check(stream, message, error);
    if (code != ASOF_OK)
        return code;
    wire_append(&stream->wire, STREAM_CALL, kind, message);
    return stream_flush(stream, error);
}

enum asof_code asof_stream_send(struct asof_stream *stream, struct asof_bytes request,
                                struct asof_error *error)
{
    return stream_append(stream, LIGHT_MESSAGE, bytes_from(request), error);
}

enum asof_code asof_stream_end(struct asof_stream *stream, struct asof_error *error)
{
    return stream_append(stream, LIGHT_END, bytes_of(NULL, 0), error);
}

void asof_stream_cancel(struct asof_stream *stream)
{
    asof_cancel_fire(stream->patience.cancel);
}

/* ---- receiving ---- */

static struct asof_message *stream_next(struct asof_stream *stream)
{
    struct letter *letter = TAILQ_FIRST(&stream->letters);
    if (letter == NULL)
        return NULL;
    struct asof_message *message = letter->message;
    stream->letters_size -= message->size;
    TAILQ_REMOVE(&stream->letters, letter, link);
    free(letter);
    return message;
}

enum asof_arrival asof_stream_receive(struct asof_stream *stream, int wait_ms,
                                      struct asof_message **message, struct asof_error *error)
{
    int64_t until_us = wait_ms < 0 ? PATIENCE_FOREVER : clock_mono_us() + (int64_t)wait_ms * 1000;
    if (stream_check_process(stream, error) != ASOF_OK)
        return ASOF_ARRIVAL_FAILED;
    bool is_late = false;
    while (TAILQ_EMPTY(&stream->letters) && !stream->has_ended && !is_late) {
        stream_turn(stream, until_us);
        is_late = until_us != PATIENCE_FOREVER && clock_mono_us() >= until_us;
    }
    if (!TAILQ_EMPTY(&stream->letters)) {
        *message = stream_next(stream);
        return ASOF_ARRIVAL_MESSAGE;
    }
    if (!stream->has_ended)
        return ASOF_ARRIVAL_NOTHING;
    if (stream->is_done)
        return ASOF_ARRIVAL_DONE;
    if (error != NULL)
        *error = stream->ended;
    return ASOF_ARRIVAL_FAILED;
}

/* ---- life ---- */

static struct asof_stream *stream_create(const struct asof_client *client,
                                         const struct asof_call_options *options)
{
    struct asof_stream *stream = calloc(1, sizeof(*stream));
    CHECK(stream != NULL);
    wire_init(&stream->wire, client_address(client), client_options(client)->answer_size_max);
    TAILQ_INIT(&stream->letters);
    stream->process = getpid();
    patience_begin(&stream->patience, options, 0);
    if (stream->patience.cancel == NULL)
        stream->patience.cancel = stream->cancel = asof_cancel_create();
    return stream;
}

enum asof_code asof_stream_open(struct asof_client *client, unsigned method,
                                struct asof_bytes request, const struct asof_call_options *options,
                                struct asof_stream **stream, struct asof_error *error)
{
    struct bytes message = bytes_from(request);
    int64_t connect_us = (int64_t)client_options(client)->connect_timeout_ms * 1000;
    enum asof_code code = client_check_process(client, error);
    if (code != ASOF_OK)
        return code;
    struct asof_stream *opened = stream_create(client, options);
    code = stream_check(opened, message, error);
    if (code == ASOF_OK && opened->patience.cancel == NULL)
        code = failure_set(error, ASOF_RESOURCE_EXHAUSTED, "no descriptor is left for a stream");
    if (code == ASOF_OK)
        code = channel_connect(&opened->wire, &opened->patience, connect_us, error);
    if (code == ASOF_OK) {
        wire_append_call(&opened->wire, STREAM_CALL, method, patience_left_ms(&opened->patience),
                         message);
        code = stream_flush(opened, error);
    }
    if (code != ASOF_OK && !opened->has_ended)
        asof_stream_destroy(&opened);
    else
        code = ASOF_OK; /* how it ended is told by the first that is received */
    if (code == ASOF_OK)
        *stream = opened;
    return code;
}

void asof_stream_destroy(struct asof_stream **out)
{
    struct asof_stream *stream = *out;
    if (stream == NULL)
        return;
    while (!TAILQ_EMPTY(&stream->letters)) {
        struct asof_message *message = stream_next(stream);
        asof_message_destroy(&message);
    }
    wire_fini(&stream->wire);
    asof_cancel_destroy(&stream->cancel);
    free(stream);
    *out = NULL;
}

/* ---- the feature store's ---- */

enum asof_code asof_get_stream(struct asof_client *client, struct asof_request *request,
                               const struct asof_call_options *options, struct asof_stream **stream,
                               struct asof_error *error)
{
    struct asof_bytes message;
    enum asof_code code = asof_request_message(request, &message, error);
    if (code == ASOF_OK)
        code = asof_stream_open(client, ASOF_METHOD_GET_FEATURES_STREAM, message, options, stream,
                                error);
    return code;
}

enum asof_code asof_push_stream(struct asof_client *client, struct asof_push *push,
                                const struct asof_call_options *options,
                                struct asof_stream **stream, struct asof_error *error)
{
    struct asof_bytes message;
    enum asof_code code = asof_push_message(push, &message, error);
    if (code == ASOF_OK)
        code = asof_stream_open(client, ASOF_METHOD_PUSH_STREAM, message, options, stream, error);
    return code;
}

enum asof_code asof_stream_push(struct asof_stream *stream, struct asof_push *push,
                                struct asof_error *error)
{
    struct asof_bytes message;
    enum asof_code code = asof_push_message(push, &message, error);
    if (code == ASOF_OK)
        code = asof_stream_send(stream, message, error);
    return code;
}
