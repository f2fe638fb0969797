/* A session of gRPC against bytes that are written out: HPACK's literals, no compression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/endian.h"
#include "protocol/grpc.h"

enum { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_RESET = 3, END_STREAM = 1, END_HEADERS = 4 };

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define POST_A_B                                                                                   \
    "\x83\x86\x44\x04/a/b\x41\x01x\x5f\x10"                                                        \
    "application/grpc"
#define TIMEOUT_100M                                                                               \
    "\x00\x0cgrpc-timeout\x04"                                                                     \
    "100m"

/* A peer, and what its session told. */
struct peer {
    struct grpc_session *session;
    struct buffer output;
    struct grpc_call *last;
    struct buffer messages; /* of all calls, with '|' behind each */
    int64_t timeout_us;
    size_t began;
    size_t ended;
    size_t gone;
    bool is_echo; /* answers each message with itself, and the end with OK */
    bool is_held; /* holds a call at each message */
};

static void peer_began(void *context, struct grpc_call *call, struct bytes path, int64_t timeout_us)
{
    struct peer *peer = context;
    assert_true(bytes_equal_text(path, "/a/b"));
    peer->began++;
    peer->last = call;
    peer->timeout_us = timeout_us;
}

static void peer_message(void *context, struct grpc_call *call, struct bytes message)
{
    struct peer *peer = context;
    buffer_append(&peer->messages, message);
    buffer_append_byte(&peer->messages, '|');
    if (peer->is_echo)
        grpc_call_send(call, message);
    if (peer->is_held)
        grpc_call_hold(call);
}

static void peer_ended(void *context, struct grpc_call *call)
{
    struct peer *peer = context;
    peer->ended++;
    if (peer->is_echo)
        grpc_call_finish(call, GRPC_OK, bytes_of(NULL, 0));
}

static void peer_gone(void *context, struct grpc_call *call)
{
    struct peer *peer = context;
    peer->gone++;
    if (peer->last == call)
        peer->last = NULL;
}

static const struct grpc_handler peer_handler = {
    .began = peer_began, .message = peer_message, .ended = peer_ended, .gone = peer_gone};

static void append_frame(struct buffer *out, unsigned kind, unsigned flags, uint32_t stream,
                         struct bytes payload)
{
    char head[9];
    be32_write(head, (uint32_t)payload.size << 8 | kind);
    head[4] = (char)flags;
    be32_write(head + 5, stream);
    buffer_append(out, bytes_of(head, sizeof(head)));
    buffer_append(out, payload);
}

static void append_headers(struct buffer *out, uint32_t stream, const char *block, size_t size)
{
    append_frame(out, FRAME_HEADERS, END_HEADERS, stream, bytes_of(block, size));
}

static void append_message(struct buffer *out, uint32_t stream, unsigned flags, const char *text)
{
    struct buffer message = {0};
    char prefix[5] = {0};
    be32_write(prefix + 1, (uint32_t)strlen(text));
    buffer_append(&message, bytes_of(prefix, sizeof(prefix)));
    buffer_append_text(&message, text);
    append_frame(out, FRAME_DATA, flags, stream, buffer_bytes(&message));
    buffer_fini(&message);
}

static void peer_open(struct peer *peer, struct buffer *input)
{
    peer->session = grpc_session_create(&peer_handler, peer);
    buffer_append_text(input, PREFACE);
    append_frame(input, 4, 0, 0, bytes_of(NULL, 0));
}

static void peer_receive(struct peer *peer, struct buffer *input)
{
    assert_true(grpc_session_receive(peer->session, buffer_bytes(input)));
    buffer_reset(input, SIZE_MAX);
    grpc_session_send(peer->session, &peer->output, SIZE_MAX);
}

static void peer_close(struct peer *peer, struct buffer *input)
{
    grpc_session_destroy(&peer->session);
    buffer_fini(&peer->output);
    buffer_fini(&peer->messages);
    buffer_fini(input);
}

static bool output_has(const struct peer *peer, const char *text, size_t size)
{
    struct bytes output = buffer_bytes(&peer->output);
    return output.size > 0 && memmem(output.data, output.size, text, size) != NULL;
}

static void a_call_is_given_and_answered(void **state)
{
    (void)state;
    struct peer peer = {.is_echo = true};
    struct buffer input = {0};
    peer_open(&peer, &input);
    append_headers(&input, 1, POST_A_B TIMEOUT_100M, sizeof(POST_A_B TIMEOUT_100M) - 1);
    append_message(&input, 1, END_STREAM, "hello");

    peer_receive(&peer, &input);

    assert_true(bytes_equal_text(buffer_bytes(&peer.messages), "hello|"));
    assert_int_equal(peer.timeout_us, 100 * 1000);
    assert_int_equal(peer.ended, 1);
    assert_int_equal(peer.gone, 1);
    assert_true(output_has(&peer, "\0\0\0\0\x05hello", 10));
    assert_int_equal(grpc_session_queued_bytes(peer.session), 0);
    assert_int_equal(grpc_session_calls(peer.session), 0);
    peer_close(&peer, &input);
}

static void messages_are_whole_however_their_bytes_come(void **state)
{
    (void)state;
    struct peer peer = {.is_echo = true};
    struct buffer input = {0};
    struct buffer byte = {0};
    peer_open(&peer, &input);
    append_headers(&input, 1, POST_A_B, sizeof(POST_A_B) - 1);
    append_frame(&input, FRAME_DATA, 0, 1, bytes_of("\0\0\0\0\x02", 5));
    append_frame(&input, FRAME_DATA, 0, 1, bytes_of("x", 1));
    append_frame(&input, FRAME_DATA, 0, 1, bytes_of("y\0\0\0\0\0\0\0\0", 9));
    append_frame(&input, FRAME_DATA, END_STREAM, 1, bytes_of("\0\x01z", 3));

    for (size_t i = 0; i < input.size; i++) {
        buffer_append_byte(&byte, buffer_bytes(&input).data[i]);
        peer_receive(&peer, &byte);
    }

    assert_true(bytes_equal_text(buffer_bytes(&peer.messages), "xy||z|"));
    assert_int_equal(peer.gone, 1);
    buffer_fini(&byte);
    peer_close(&peer, &input);
}

static void a_call_that_is_held_gets_what_came_when_it_is_let_go(void **state)
{
    (void)state;
    struct peer peer = {.is_held = true};
    struct buffer input = {0};
    peer_open(&peer, &input);
    append_headers(&input, 1, POST_A_B, sizeof(POST_A_B) - 1);
    append_message(&input, 1, 0, "one");
    append_message(&input, 1, END_STREAM, "two");
    peer_receive(&peer, &input);
    assert_true(bytes_equal_text(buffer_bytes(&peer.messages), "one|"));

    grpc_call_let_go(peer.last);
    assert_true(bytes_equal_text(buffer_bytes(&peer.messages), "one|two|"));
    assert_int_equal(peer.ended, 0);
    grpc_call_let_go(peer.last);

    assert_int_equal(peer.ended, 1);
    grpc_call_finish(peer.last, GRPC_NOT_FOUND, bytes_of_text("n\xc3\xbcx"));
    assert_true(grpc_session_has_more(peer.session));
    grpc_session_send(peer.session, &peer.output, SIZE_MAX);
    assert_int_equal(peer.gone, 1);
    peer_close(&peer, &input);
}

static void a_peer_that_leaves_takes_its_call_along(void **state)
{
    (void)state;
    struct peer peer = {0};
    struct buffer input = {0};
    peer_open(&peer, &input);
    append_headers(&input, 1, POST_A_B, sizeof(POST_A_B) - 1);
    append_headers(&input, 3, POST_A_B, sizeof(POST_A_B) - 1);
    append_frame(&input, FRAME_RESET, 0, 1, bytes_of("\0\0\0\x08", 4));

    peer_receive(&peer, &input);
    assert_int_equal(peer.began, 2);
    assert_int_equal(peer.gone, 1);
    grpc_session_destroy(&peer.session);

    assert_int_equal(peer.gone, 2);
    peer_close(&peer, &input);
}

static void what_is_not_grpc_is_refused_without_a_call(void **state)
{
    (void)state;
    struct peer peer = {0};
    struct buffer input = {0};
    peer_open(&peer, &input);
    append_headers(&input, 1, "\x82\x86\x84\x41\x01x", 6); /* GET / */
    append_headers(&input, 3, "\x83\x86\x84\x41\x01x\x5f\x08text/csv", 16);

    peer_receive(&peer, &input);

    assert_int_equal(peer.began, 0);
    assert_int_equal(grpc_session_queued_bytes(peer.session), 0);
    peer_close(&peer, &input);
}

static void little_may_arrive_while_memory_is_scarce(void **state)
{
    (void)state;
    enum { PART_SIZE = 16 * 1024, PARTS = 5 };
    struct peer peer = {0};
    struct buffer input = {0};
    struct buffer part = {0};
    memset(buffer_reserve(&part, PART_SIZE), 'x', PART_SIZE);
    buffer_added(&part, PART_SIZE);
    peer_open(&peer, &input);
    append_headers(&input, 1, POST_A_B, sizeof(POST_A_B) - 1);
    append_frame(&input, FRAME_DATA, 0, 1, bytes_of("\0\0\x02\0\0", 5)); /* of 128 KiB */
    for (size_t i = 0; i < PARTS; i++)
        append_frame(&input, FRAME_DATA, 0, 1, buffer_bytes(&part));

    peer_receive(&peer, &input);
    assert_int_equal(grpc_session_arriving_bytes(peer.session), PARTS * PART_SIZE + 5);
    assert_int_equal(peer.gone, 0);
    grpc_session_set_scarce(peer.session, true);
    append_frame(&input, FRAME_DATA, 0, 1, bytes_of("y", 1));
    peer_receive(&peer, &input);

    assert_int_equal(grpc_session_arriving_bytes(peer.session), 0);
    assert_int_equal(peer.gone, 1);
    buffer_fini(&part);
    peer_close(&peer, &input);
}

static void timeouts_are_read_in_all_their_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {{"1H", INT64_C(3600000000)},
                 {"2M", 120000000},
                 {"3S", 3000000},
                 {"4m", 4000},
                 {"5u", 5},
                 {"1500n", 2},
                 {"0m", 0},
                 {"99999999H", INT64_C(99999999) * 3600000000}};
    static const char *const broken[] = {"", "m", "1", "1x", "-1m", "1.5S", "123456789m", " 1m"};
    int64_t us;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(grpc_timeout_parse(bytes_of_text(cases[i].text), &us));
        assert_true(us == cases[i].us);
    }
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        assert_false(grpc_timeout_parse(bytes_of_text(broken[i]), &us));
}

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define ZEROS  "00000000000000000000000000000000"

static void traces_are_taken_where_they_are_well_formed(void **state)
{
    (void)state;
    static const char *const good[] = {"00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-00",
                                       "01-" TRACE "-" PARENT "-ff",
                                       "cc-" TRACE "-" PARENT "-01-what comes later"};
    static const char *const broken[] = {
        "",
        "00-" TRACE "-" PARENT "-0",
        "00-" TRACE "-" PARENT "-01-",
        "01-" TRACE "-" PARENT "-01x",
        "ff-" TRACE "-" PARENT "-01",
        "0x-" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "-0\n",
        "00-4BF92f3577b34da6a3ce929d0e0e4736-" PARENT "-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473\x1b-" PARENT "-01",
        "00-" ZEROS "-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "00_" TRACE "-" PARENT "-01",
        "00-" TRACE "_" PARENT "-01",
        "00-" TRACE "-" PARENT "_01",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct grpc_trace trace = {0};
        assert_true(grpc_trace_parse(bytes_of_text(good[i]), &trace));
        assert_string_equal(trace.trace_id, TRACE);
        assert_string_equal(trace.parent_id, PARENT);
    }
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct grpc_trace trace = {0};
        assert_false(grpc_trace_parse(bytes_of_text(broken[i]), &trace));
        assert_string_equal(trace.trace_id, "");
        assert_string_equal(trace.parent_id, "");
    }
}

static void texts_are_percent_encoded(void **state)
{
    (void)state;
    struct buffer out = {0};
    grpc_text_encode(bytes_of_text("50% of \xc3\xbc\n~"), &out);
    assert_true(bytes_equal_text(buffer_bytes(&out), "50%25 of %C3%BC%0A~"));
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_given_and_answered),
        cmocka_unit_test(messages_are_whole_however_their_bytes_come),
        cmocka_unit_test(a_call_that_is_held_gets_what_came_when_it_is_let_go),
        cmocka_unit_test(a_peer_that_leaves_takes_its_call_along),
        cmocka_unit_test(what_is_not_grpc_is_refused_without_a_call),
        cmocka_unit_test(little_may_arrive_while_memory_is_scarce),
        cmocka_unit_test(timeouts_are_read_in_all_their_units),
        cmocka_unit_test(traces_are_taken_where_they_are_well_formed),
        cmocka_unit_test(texts_are_percent_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
