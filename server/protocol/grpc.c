/* How a stream of HTTP/2 becomes a call:
 *
 *     HEADERS of the request            call_begin: path, timeout; began
 *     DATA                              5 bytes (flag, size), message; again and again
 *     END_STREAM                        ended
 *     HEADERS :status 200, DATA ...     with the first message of the answer
 *     HEADERS grpc-status               trailers; alone, where there was no message
 *
 * nghttp2 asks for the bytes of an answer when windows have room (call_read); a call without bytes
 * is deferred until it gets some. */
#include "protocol/grpc.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/endian.h"

enum { PREFIX_SIZE = 5, TIMEOUT_DIGITS_MAX = 8 };

struct grpc_call {
    struct grpc_session *session; /* borrowed */
    int32_t stream_id;
    void *owner; /* the handler's */
    struct buffer path;
    struct buffer content_type;
    int64_t timeout_us;
    struct grpc_trace trace;
    size_t headers_bytes;
    size_t unopened_bytes; /* that came, and by which its window was not opened again */
    bool is_post;
    bool has_begun; /* the handler knows it */
    bool has_ended; /* the peer sends no more */
    bool was_ended; /* and the handler was told so */
    bool is_held;
    bool is_giving;    /* a message of it is being given to the handler */
    bool has_answered; /* the headers of the answer were submitted */
    bool is_deferred;  /* nghttp2 waits for bytes of it */
    bool is_finished;
    enum grpc_code code;
    struct buffer text;   /* encoded, of the trailers */
    struct buffer input;  /* messages that are not whole, or not taken */
    struct buffer output; /* messages that are not sent */
    TAILQ_ENTRY(grpc_call) link;
};

struct grpc_session {
    nghttp2_session *http; /* owned */
    const struct grpc_handler *handler;
    void *context;
    TAILQ_HEAD(, grpc_call) calls; /* owned */
    size_t calls_count;
    size_t arriving_bytes; /* in the inputs of all calls */
    size_t queued_bytes;   /* in the outputs of all calls */
    bool is_scarce;        /* memory, so that little may arrive */
};

/* ---- texts ---- */

bool grpc_timeout_parse(struct bytes text, int64_t *timeout_us)
{
    static const struct {
        char unit;
        int64_t multiply;
        int64_t divide;
    } units[] = {{'H', INT64_C(3600) * 1000 * 1000, 1},
                 {'M', 60 * 1000 * 1000, 1},
                 {'S', 1000 * 1000, 1},
                 {'m', 1000, 1},
                 {'u', 1, 1},
                 {'n', 1, 1000}};
    int64_t count = 0;
    if (text.size < 2 || text.size > TIMEOUT_DIGITS_MAX + 1)
        return false;
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        count = count * 10 + (text.data[i] - '0');
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (text.data[text.size - 1] == units[i].unit) {
            *timeout_us = (count * units[i].multiply + units[i].divide - 1) / units[i].divide;
            return true;
        }
    return false;
}

/* Whether there are so many lower-case hexadecimal digits, not all of them 0. */
static bool is_trace_part(struct bytes text)
{
    bool is_zero = true;
    for (size_t i = 0; i < text.size; i++) {
        char digit = text.data[i];
        if (!(digit >= '0' && digit <= '9') && !(digit >= 'a' && digit <= 'f'))
            return false;
        is_zero &= digit == '0';
    }
    return !is_zero;
}

/* Later versions than 00 may have more behind the flags. */
bool grpc_trace_parse(struct bytes text, struct grpc_trace *trace)
{
    enum { TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, SIZE = 55 };
    static const char hex[] = "0123456789abcdef";
    const char *at = text.data;
    if (text.size < SIZE || at[TRACE_AT - 1] != '-' || at[PARENT_AT - 1] != '-' ||
        at[FLAGS_AT - 1] != '-')
        return false;
    for (size_t i = 0; i < 2; i++)
        if (memchr(hex, at[i], 16) == NULL || memchr(hex, at[FLAGS_AT + i], 16) == NULL)
            return false;
    struct bytes trace_id = bytes_of(at + TRACE_AT, sizeof(trace->trace_id) - 1);
    struct bytes parent_id = bytes_of(at + PARENT_AT, sizeof(trace->parent_id) - 1);
    bool is_first = at[0] == '0' && at[1] == '0';
    bool is_none = at[0] == 'f' && at[1] == 'f';
    bool ends_well = text.size == SIZE || (!is_first && at[SIZE] == '-');
    if (is_none || !ends_well || !is_trace_part(trace_id) || !is_trace_part(parent_id))
        return false;
    (void)bytes_to_text(trace_id, trace->trace_id, sizeof(trace->trace_id));
    (void)bytes_to_text(parent_id, trace->parent_id, sizeof(trace->parent_id));
    return true;
}

void grpc_text_encode(struct bytes text, struct buffer *out)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < ' ' || byte > '~' || byte == '%')
            buffer_format(out, "%%%02X", byte);
        else
            buffer_append_byte(out, (char)byte);
    }
}

/* ---- answers ---- */

static nghttp2_nv header(const char *name, struct bytes value)
{
    /* nghttp2 takes pointers that are not const, and copies what they point to. */
    union {
        const char *given;
        uint8_t *taken;
    } n = {name}, v = {value.data};
    return (nghttp2_nv){.name = n.taken,
                        .value = v.taken,
                        .namelen = strlen(name),
                        .valuelen = value.size,
                        .flags = NGHTTP2_NV_FLAG_NONE};
}

/* The trailers of the call; returns how many. */
static size_t call_trailers(const struct grpc_call *call, char code[4], nghttp2_nv headers[2])
{
    int size = snprintf(code, 4, "%d", (int)call->code);
    headers[0] = header("grpc-status", bytes_of(code, (size_t)size));
    if (call->text.size == 0)
        return 1;
    headers[1] = header("grpc-message", buffer_bytes(&call->text));
    return 2;
}

/* nghttp2 takes bytes of the answer, as much as windows allow. */
static ssize_t call_read(nghttp2_session *http, int32_t stream_id, uint8_t *data, size_t data_size,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct grpc_call *call = source->ptr;
    struct grpc_session *session = context;
    size_t size = call->output.size < data_size ? call->output.size : data_size;
    if (size == 0 && !call->is_finished) {
        call->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (size > 0) {
        memcpy(data, buffer_bytes(&call->output).data, size);
        buffer_consume(&call->output, size);
        session->queued_bytes -= size;
    }
    if (call->output.size == 0 && call->is_finished) {
        char code[4];
        nghttp2_nv headers[2];
        size_t count = call_trailers(call, code, headers);
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(http, stream_id, headers, count) != 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)size;
}

static void call_resume(struct grpc_call *call)
{
    if (!call->is_deferred)
        return;
    call->is_deferred = false;
    (void)nghttp2_session_resume_data(call->session->http, call->stream_id);
}

/* Submits the headers of an answer that has messages. */
static void call_answer(struct grpc_call *call)
{
    const nghttp2_nv headers[] = {header(":status", bytes_of_text("200")),
                                  header("content-type", bytes_of_text("application/grpc"))};
    const nghttp2_data_provider provider = {.source = {.ptr = call}, .read_callback = call_read};
    call->has_answered = true;
    (void)nghttp2_submit_response(call->session->http, call->stream_id, headers, 2, &provider);
}

void grpc_call_send(struct grpc_call *call, struct bytes message)
{
    struct grpc_session *session = call->session;
    char prefix[PREFIX_SIZE] = {0};
    if (call->is_finished)
        return;
    if (!grpc_session_may_queue(session, message.size)) {
        grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED,
                         bytes_of_text("too many answers of this connection wait to be read"));
        return;
    }
    be32_write(prefix + 1, (uint32_t)message.size);
    buffer_append(&call->output, bytes_of(prefix, PREFIX_SIZE));
    buffer_append(&call->output, message);
    session->queued_bytes += message.size + PREFIX_SIZE;
    if (!call->has_answered)
        call_answer(call);
    call_resume(call);
}

static void call_drop_input(struct grpc_call *call)
{
    call->session->arriving_bytes -= call->input.size;
    buffer_fini(&call->input);
}

/* An answer of trailers alone. */
static void call_answer_trailers(struct grpc_call *call)
{
    char code[4];
    nghttp2_nv headers[4] = {header(":status", bytes_of_text("200")),
                             header("content-type", bytes_of_text("application/grpc"))};
    size_t count = 2 + call_trailers(call, code, headers + 2);
    call->has_answered = true;
    (void)nghttp2_submit_response(call->session->http, call->stream_id, headers, count, NULL);
}

void grpc_call_finish(struct grpc_call *call, enum grpc_code code, struct bytes text)
{
    if (call->is_finished)
        return;
    call->is_finished = true;
    call->code = code;
    if (text.size > GRPC_TEXT_SIZE_MAX)
        text.size = GRPC_TEXT_SIZE_MAX;
    grpc_text_encode(text, &call->text);
    if (!call->is_giving)
        call_drop_input(call);
    if (!call->has_answered)
        call_answer_trailers(call);
    else
        call_resume(call);
}

/* ---- requests ---- */

static struct grpc_call *call_create(struct grpc_session *session, int32_t stream_id)
{
    struct grpc_call *call = calloc(1, sizeof(*call));
    CHECK(call != NULL);
    call->session = session;
    call->stream_id = stream_id;
    call->timeout_us = GRPC_NO_TIMEOUT;
    TAILQ_INSERT_TAIL(&session->calls, call, link);
    session->calls_count++;
    return call;
}

static void call_destroy(struct grpc_call *call)
{
    struct grpc_session *session = call->session;
    if (call->has_begun)
        session->handler->gone(session->context, call);
    TAILQ_REMOVE(&session->calls, call, link);
    session->calls_count--;
    session->queued_bytes -= call->output.size;
    call_drop_input(call);
    buffer_fini(&call->output);
    buffer_fini(&call->path);
    buffer_fini(&call->content_type);
    buffer_fini(&call->text);
    free(call);
}

static void call_end(struct grpc_call *call)
{
    if (!call->has_ended || call->was_ended || call->is_held || call->is_finished)
        return;
    call->was_ended = true;
    if (call->input.size > 0)
        grpc_call_finish(call, GRPC_INTERNAL, bytes_of_text("the last message is cut"));
    else
        call->session->handler->ended(call->session->context, call);
}

/* A peer that speaks HTTP/2 but not gRPC. */
static void call_refuse(struct grpc_call *call, const char *http_status)
{
    const nghttp2_nv headers[] = {header(":status", bytes_of_text(http_status))};
    call->is_finished = call->has_answered = true;
    (void)nghttp2_submit_response(call->session->http, call->stream_id, headers, 1, NULL);
}

static void call_begin(struct grpc_call *call)
{
    struct grpc_session *session = call->session;
    struct bytes type = buffer_bytes(&call->content_type);
    struct bytes grpc = bytes_of_text("application/grpc");
    bool is_grpc =
        bytes_start_with(type, grpc) &&
        (type.size == grpc.size || type.data[grpc.size] == '+' || type.data[grpc.size] == ';');
    if (call->headers_bytes > GRPC_HEADERS_SIZE_MAX) {
        char text[64];
        snprintf(text, sizeof(text), "the headers of a call have at most %d bytes",
                 GRPC_HEADERS_SIZE_MAX);
        grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, bytes_of_text(text));
        return;
    }
    if (!call->is_post || !is_grpc) {
        call_refuse(call, call->is_post ? "415" : "405");
        return;
    }
    call->has_begun = true;
    session->handler->began(session->context, call, buffer_bytes(&call->path), call->timeout_us);
}

/* The size of the message at the front of bytes; false: the call was finished for it. */
static bool call_check_prefix(struct grpc_call *call, struct bytes bytes, size_t *size)
{
    *size = be32_read(bytes.data + 1);
    if (bytes.data[0] == 0 && *size <= GRPC_MESSAGE_SIZE_MAX)
        return true;
    if (bytes.data[0] == 1) {
        grpc_call_finish(call, GRPC_UNIMPLEMENTED,
                         bytes_of_text("compressed messages are not taken; send them as they are"));
    } else if (bytes.data[0] != 0) {
        grpc_call_finish(call, GRPC_INTERNAL, bytes_of_text("the bytes are no gRPC message"));
    } else {
        char text[64];
        snprintf(text, sizeof(text), "a request has at most %d bytes", GRPC_MESSAGE_SIZE_MAX);
        grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, bytes_of_text(text));
    }
    return false;
}

/* Gives whole messages at the front of bytes, and returns how many bytes they were. */
static size_t call_give(struct grpc_call *call, struct bytes bytes)
{
    struct grpc_session *session = call->session;
    size_t given = 0;
    while (!call->is_finished && !call->is_held && bytes.size - given >= PREFIX_SIZE) {
        struct bytes left = bytes_after(bytes, given);
        size_t size;
        if (!call_check_prefix(call, left, &size) || left.size < PREFIX_SIZE + size)
            break;
        session->handler->message(session->context, call, bytes_of(left.data + PREFIX_SIZE, size));
        given += PREFIX_SIZE + size;
    }
    return given;
}

/* Gives what waits in the input. */
static void call_give_input(struct grpc_call *call)
{
    if (call->is_giving)
        return;
    call->is_giving = true;
    size_t given = call_give(call, buffer_bytes(&call->input));
    call->is_giving = false;
    if (call->is_finished) {
        call_drop_input(call);
        return;
    }
    buffer_consume(&call->input, given);
    call->session->arriving_bytes -= given;
    call_end(call);
}

static void call_keep(struct grpc_call *call, struct bytes bytes)
{
    struct grpc_session *session = call->session;
    if (call->is_finished || bytes.size == 0)
        return;
    size_t arriving_max = session->is_scarce ? GRPC_ARRIVING_SCARCE_BYTES : GRPC_ARRIVING_BYTES_MAX;
    if (session->arriving_bytes + bytes.size > arriving_max) {
        grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED,
                         bytes_of_text("too many requests of this connection are under way"));
        return;
    }
    buffer_append(&call->input, bytes);
    session->arriving_bytes += bytes.size;
}

static void call_take(struct grpc_call *call, struct bytes bytes)
{
    if (call->is_finished)
        return;
    if (call->input.size == 0 && !call->is_held) { /* mostly a message comes whole */
        call->is_giving = true;
        size_t given = call_give(call, bytes);
        call->is_giving = false;
        call_keep(call, bytes_after(bytes, given));
        return;
    }
    call_keep(call, bytes);
    call_give_input(call);
}

/* The window of a call that is held stays shut once it is full. */
static void call_open_window(struct grpc_call *call)
{
    if (call->is_held || call->unopened_bytes == 0)
        return;
    (void)nghttp2_session_consume_stream(call->session->http, call->stream_id,
                                         call->unopened_bytes);
    call->unopened_bytes = 0;
}

void grpc_call_hold(struct grpc_call *call)
{
    call->is_held = true;
}

void grpc_call_let_go(struct grpc_call *call)
{
    call->is_held = false;
    call_give_input(call);
    call_open_window(call);
}

/* ---- what nghttp2 tells ---- */

static struct grpc_call *call_of(nghttp2_session *http, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(http, stream_id);
}

static int on_begin_headers(nghttp2_session *http, const nghttp2_frame *frame, void *context)
{
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct grpc_call *call = call_create(context, frame->hd.stream_id);
    (void)nghttp2_session_set_stream_user_data(http, frame->hd.stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *http, const nghttp2_frame *frame, const uint8_t *name_data,
                     size_t name_size, const uint8_t *value_data, size_t value_size, uint8_t flags,
                     void *context)
{
    (void)flags;
    (void)context;
    struct grpc_call *call = call_of(http, frame->hd.stream_id);
    struct bytes name = bytes_of(name_data, name_size);
    struct bytes value = bytes_of(value_data, value_size);
    if (call == NULL)
        return 0;
    call->headers_bytes += name_size + value_size;
    if (call->has_begun || call->headers_bytes > GRPC_HEADERS_SIZE_MAX)
        return 0; /* trailers say nothing; what is too much, call_begin refuses */
    if (bytes_equal_text(name, ":method"))
        call->is_post = bytes_equal_text(value, "POST");
    else if (bytes_equal_text(name, ":path") && value_size <= GRPC_PATH_SIZE_MAX)
        buffer_append(&call->path, value);
    else if (bytes_equal_text(name, "content-type") && call->content_type.size == 0 &&
             value_size <= GRPC_TYPE_SIZE_MAX)
        buffer_append(&call->content_type, value);
    else if (bytes_equal_text(name, "grpc-timeout") &&
             !grpc_timeout_parse(value, &call->timeout_us))
        call->timeout_us = GRPC_NO_TIMEOUT;
    else if (bytes_equal_text(name, "traceparent"))
        (void)grpc_trace_parse(value, &call->trace);
    return 0;
}

static int on_frame_recv(nghttp2_session *http, const nghttp2_frame *frame, void *context)
{
    (void)context;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct grpc_call *call = call_of(http, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        call_begin(call);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        call->has_ended = true;
        call_end(call);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *http, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t size, void *context)
{
    (void)flags;
    (void)context;
    struct grpc_call *call = call_of(http, stream_id);
    (void)nghttp2_session_consume_connection(http, size);
    if (call == NULL)
        return 0;
    call_take(call, bytes_of(data, size));
    call->unopened_bytes += size;
    call_open_window(call);
    return 0;
}

/* Said only now: a reset that is submitted with the answer would overtake it. */
static int on_frame_send(nghttp2_session *http, const nghttp2_frame *frame, void *context)
{
    (void)context;
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    const struct grpc_call *call = call_of(http, frame->hd.stream_id);
    if (call != NULL && !call->has_ended)
        (void)nghttp2_submit_rst_stream(http, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *http, int32_t stream_id, uint32_t error_code,
                           void *context)
{
    (void)error_code;
    (void)context;
    struct grpc_call *call = call_of(http, stream_id);
    if (call == NULL)
        return 0;
    (void)nghttp2_session_set_stream_user_data(http, stream_id, NULL);
    call_destroy(call);
    return 0;
}

/* ---- sessions ---- */

static nghttp2_session *http_create(struct grpc_session *session)
{
    nghttp2_session *http = NULL;
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_no_auto_window_update(option, 1);
    /* Else DATA that a peer's cancel overtook, as Netty sends it now and then, ends the connection
     * and all of its calls. */
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_stream_reset_rate_limit(option, GRPC_RESETS_BURST, GRPC_RESETS_PER_S);
    CHECK(nghttp2_session_server_new2(&http, callbacks, session, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return http;
}

struct grpc_session *grpc_session_create(const struct grpc_handler *handler, void *context)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_CALLS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS_SIZE_MAX},
    };
    struct grpc_session *session = calloc(1, sizeof(*session));
    CHECK(session != NULL);
    session->handler = handler;
    session->context = context;
    TAILQ_INIT(&session->calls);
    session->http = http_create(session);
    CHECK(nghttp2_submit_settings(session->http, NGHTTP2_FLAG_NONE, settings,
                                  sizeof(settings) / sizeof(settings[0])) == 0);
    CHECK(nghttp2_session_set_local_window_size(session->http, NGHTTP2_FLAG_NONE, 0,
                                                GRPC_CONNECTION_WINDOW_BYTES) == 0);
    return session;
}

void grpc_session_destroy(struct grpc_session **out)
{
    struct grpc_session *session = *out;
    if (session == NULL)
        return;
    while (!TAILQ_EMPTY(&session->calls))
        call_destroy(TAILQ_FIRST(&session->calls));
    nghttp2_session_del(session->http); /* behind its calls, and without telling of them */
    free(session);
    *out = NULL;
}

bool grpc_session_receive(struct grpc_session *session, struct bytes bytes)
{
    ssize_t size = nghttp2_session_mem_recv(session->http, (const uint8_t *)bytes.data, bytes.size);
    return size >= 0;
}

void grpc_session_send(struct grpc_session *session, struct buffer *output, size_t output_max)
{
    const uint8_t *data;
    ssize_t size;
    while (output->size < output_max && (size = nghttp2_session_mem_send(session->http, &data)) > 0)
        buffer_append(output, bytes_of(data, (size_t)size));
}

bool grpc_session_has_more(const struct grpc_session *session)
{
    return nghttp2_session_want_write(session->http) != 0;
}

bool grpc_session_is_over(const struct grpc_session *session)
{
    return nghttp2_session_want_read(session->http) == 0 &&
           nghttp2_session_want_write(session->http) == 0;
}

size_t grpc_session_calls(const struct grpc_session *session)
{
    return session->calls_count;
}

size_t grpc_session_queued_bytes(const struct grpc_session *session)
{
    return session->queued_bytes;
}

bool grpc_session_may_queue(const struct grpc_session *session, size_t size)
{
    return session->queued_bytes + size + PREFIX_SIZE <= GRPC_QUEUED_BYTES_MAX;
}

size_t grpc_session_arriving_bytes(const struct grpc_session *session)
{
    return session->arriving_bytes;
}

void grpc_session_set_scarce(struct grpc_session *session, bool is_scarce)
{
    session->is_scarce = is_scarce;
}

void grpc_session_drain(struct grpc_session *session)
{
    (void)nghttp2_submit_shutdown_notice(session->http);
}

void grpc_session_leave(struct grpc_session *session)
{
    (void)nghttp2_submit_goaway(session->http, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session->http),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

void grpc_call_set_owner(struct grpc_call *call, void *owner)
{
    call->owner = owner;
}

void *grpc_call_owner(const struct grpc_call *call)
{
    return call->owner;
}

const struct grpc_trace *grpc_call_trace(const struct grpc_call *call)
{
    return &call->trace;
}

bool grpc_call_is_finished(const struct grpc_call *call)
{
    return call->is_finished;
}

size_t grpc_call_queued_bytes(const struct grpc_call *call)
{
    return call->output.size;
}
