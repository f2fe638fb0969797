/* Any bytes behind the preface into a session of gRPC that answers each message with itself, holds
 * a call now and then, and is closed in the middle: every call that began is gone once. */
#include <stdint.h>

#include "base/check.h"
#include "protocol/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLICE_SIZE = 61, OUTPUT_MAX = 64 * 1024 };

struct counts {
    size_t began;
    size_t gone;
    size_t messages;
    struct grpc_call *held;
};

static void began(void *context, struct grpc_call *call, struct bytes path, int64_t timeout_us)
{
    struct counts *counts = context;
    const struct grpc_trace *trace = grpc_call_trace(call);
    CHECK(path.size <= GRPC_PATH_SIZE_MAX);
    CHECK(strspn(trace->trace_id, "0123456789abcdef") % (sizeof(trace->trace_id) - 1) == 0);
    CHECK(strspn(trace->parent_id, "0123456789abcdef") % (sizeof(trace->parent_id) - 1) == 0);
    CHECK(timeout_us >= GRPC_NO_TIMEOUT);
    grpc_call_set_owner(call, counts);
    counts->began++;
}

static void message(void *context, struct grpc_call *call, struct bytes bytes)
{
    struct counts *counts = context;
    CHECK(grpc_call_owner(call) == counts);
    grpc_call_send(call, bytes);
    if (++counts->messages % 3 == 0 && counts->held == NULL) {
        grpc_call_hold(call);
        counts->held = call;
    }
}

static void ended(void *context, struct grpc_call *call)
{
    (void)context;
    grpc_call_finish(call, GRPC_NOT_FOUND, bytes_of_text("\xff%"));
}

static void gone(void *context, struct grpc_call *call)
{
    struct counts *counts = context;
    counts->gone++;
    if (counts->held == call)
        counts->held = NULL;
}

static const struct grpc_handler handler = {
    .began = began, .message = message, .ended = ended, .gone = gone};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct counts counts = {0};
    struct buffer output = {0};
    struct grpc_trace trace = {0};
    CHECK(grpc_trace_parse(bytes_of(data, size), &trace) == (trace.parent_id[0] != '\0'));
    struct grpc_session *session = grpc_session_create(&handler, &counts);
    bool is_open = grpc_session_receive(session, bytes_of(preface, sizeof(preface) - 1));
    CHECK(is_open);
    for (size_t taken = 0; taken < size && is_open; taken += SLICE_SIZE) {
        size_t left = size - taken;
        is_open = grpc_session_receive(
            session, bytes_of(data + taken, left < SLICE_SIZE ? left : SLICE_SIZE));
        if (counts.held != NULL) {
            struct grpc_call *held = counts.held;
            counts.held = NULL;
            grpc_call_let_go(held);
        }
        grpc_session_send(session, &output, OUTPUT_MAX);
        buffer_reset(&output, OUTPUT_MAX);
    }
    CHECK(grpc_session_queued_bytes(session) <= GRPC_QUEUED_BYTES_MAX);
    grpc_session_destroy(&session);
    CHECK(counts.began == counts.gone);
    buffer_fini(&output);
    return 0;
}
