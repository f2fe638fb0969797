/* The pure parts of libasof: addresses, numbers of calls, requests, answers, frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/endian.h"
#include "libasof/call_table.h"
#include "libasof/patience.h"
#include "libasof/push.h"
#include "libasof/wire.h"
#include "protocol/protobuf.h"
#include "protocol/rpc_message.h"

/* ---- addresses ---- */

static void address_is_host_and_port(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        const char *port;
        const char *shown;
    } cases[] = {
        {"127.0.0.1:7000", "127.0.0.1", "7000", "127.0.0.1:7000"},
        {"example.org", "example.org", "6391", "example.org:6391"},
        {"asof://example.org:1", "example.org", "1", "example.org:1"},
        {"[::1]:65535", "::1", "65535", "[::1]:65535"},
        {"::1", "::1", "6391", "[::1]:6391"},
        {"[fe80::2]", "fe80::2", "6391", "[fe80::2]:6391"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address;
        assert_int_equal(address_parse(cases[i].text, &address, NULL), ASOF_OK);
        assert_string_equal(address.host, cases[i].host);
        assert_string_equal(address.port, cases[i].port);
        assert_string_equal(address.text, cases[i].shown);
    }
}

static void address_says_what_would_be_right(void **state)
{
    static const char *const wrong[] = {"",     ":1",      "a:",     "a:0",      "a:65536",
                                        "a:1x", "asof://", "[::1",   "http://a", "a b:1",
                                        "a/b",  "[]",      "x[::1]", "a:-1",     "[::1]:"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct address address;
        struct asof_error error;
        assert_int_equal(address_parse(wrong[i], &address, &error), ASOF_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, "must be HOST:PORT"));
    }
    assert_int_equal(address_parse(NULL, &(struct address){0}, NULL), ASOF_INVALID_ARGUMENT);
}

/* ---- numbers of calls ---- */

static void numbers_are_not_given_twice(void **state)
{
    struct call_table *table = test_malloc(sizeof(*table));
    uint32_t numbers[ASOF_CALLS_MAX];
    uint32_t later;
    int owner;
    (void)state;
    call_table_init(table);
    for (size_t i = 0; i < ASOF_CALLS_MAX; i++) {
        assert_true(call_table_add(table, &owner, &numbers[i]));
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(numbers[i], numbers[j]);
    }
    assert_false(call_table_add(table, &owner, &later));
    call_table_remove(table, numbers[5]);
    call_table_remove(table, numbers[5]);
    assert_true(call_table_add(table, &owner, &later));

    assert_int_not_equal(later, numbers[5]);
    assert_null(call_table_find(table, numbers[5]));
    assert_ptr_equal(call_table_find(table, later), &owner);
    assert_int_equal(call_table_count(table), ASOF_CALLS_MAX);
    test_free(table);
}

/* ---- standing back ---- */

static void pauses_double_up_to_their_limit(void **state)
{
    struct asof_options options;
    uint64_t random = 1;
    (void)state;
    options_complete(NULL, &options);
    for (int tries = 0; tries < 100; tries++) {
        int64_t whole_us = tries < 7 ? INT64_C(10000) << tries : 1000000;
        int64_t wait_us = backoff_us(&options, tries, &random);
        assert_in_range(wait_us, whole_us / 2, whole_us);
    }
}

/* ---- requests ---- */

/* The server's own parser reads what was built. */
static void request_is_what_the_server_reads(void **state)
{
    static const char *const names[] = {"c42", "c43"};
    static const int64_t ids[] = {INT64_MIN, 7};
    static const int64_t at_us[] = {-5, 1700000000000000};
    struct asof_request *request = asof_request_create();
    struct arena *arena = arena_create(4096);
    struct columns_question question;
    struct asof_bytes message;
    struct error err;
    (void)state;
    for (int round = 0; round < 2; round++) { /* prepared once, asked twice */
        if (round == 0)
            asof_request_add_feature(request, "v.f");
        asof_request_set_key_texts(request, "card", names, 1);
        asof_request_set_key_texts(request, "card", names, 2);
        asof_request_set_key_ints(request, "id", ids, 2);
        asof_request_set_at(request, at_us, 2);
        asof_request_set_exclusive(request, true);
        asof_request_set_event_times(request, true);
        assert_int_equal(asof_request_message(request, &message, NULL), ASOF_OK);
        assert_int_equal(rpc_get_parse(bytes_of(message.data, message.size), ASOF_ROWS_MAX, arena,
                                       &question, &err),
                         STATUS_OK);

        assert_int_equal(question.features_count, 1);
        assert_true(bytes_equal_text(question.features[0], "v.f"));
        assert_int_equal(question.rows_count, 2);
        assert_int_equal(question.keys_count, 2);
        assert_true(bytes_equal_text(question.keys[0].strings[1], "c43"));
        assert_memory_equal(question.keys[1].ints, ids, sizeof(ids));
        assert_memory_equal(question.at_us, at_us, sizeof(at_us));
        assert_true(question.is_exclusive && question.has_event_times);
        asof_request_clear_rows(request);
    }
    asof_request_destroy(&request);
    assert_null(request);
    arena_destroy(&arena);
}

static void request_tells_its_mistakes(void **state)
{
    static const int64_t values[3] = {1, 2, 3};
    struct asof_request *request = asof_request_create();
    struct asof_bytes message;
    struct asof_error error;
    char name[80];
    (void)state;
    asof_request_set_key_ints(request, "a", values, 3);
    asof_request_set_key_ints(request, "b", values, 2);
    assert_int_equal(asof_request_message(request, &message, &error), ASOF_INVALID_ARGUMENT);
    assert_string_equal(error.text, "column 'b' must have a value for each of the 3 rows");

    asof_request_set_key_ints(request, "b", values, 3);
    asof_request_set_value_ints(request, "amount", values, NULL, 1);
    assert_int_equal(asof_request_message(request, &message, &error), ASOF_OK);
    asof_request_set_at(request, values, 2);
    assert_int_equal(asof_request_message(request, &message, &error), ASOF_INVALID_ARGUMENT);

    asof_request_clear_rows(request);
    for (int i = 0; i <= ASOF_COLUMNS_MAX; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        asof_request_set_key_ints(request, name, values, 1);
    }
    assert_int_equal(asof_request_message(request, &message, &error), ASOF_INVALID_ARGUMENT);
    assert_string_equal(error.text, "at most 64 columns are taken");

    asof_request_reset(request);
    memset(name, 'n', 65);
    name[65] = '\0';
    asof_request_set_key_ints(request, name, values, 1);
    assert_int_equal(asof_request_message(request, &message, &error), ASOF_INVALID_ARGUMENT);
    asof_request_reset(request);
    for (int i = 0; i <= ASOF_FEATURES_MAX; i++)
        asof_request_add_feature(request, "v.f");
    assert_int_equal(asof_request_message(request, &message, &error), ASOF_INVALID_ARGUMENT);
    asof_request_destroy(&request);
}

static void push_has_the_producer_that_its_owner_named(void **state)
{
    struct asof_push *push = asof_push_create("payments");
    struct bytes ours;
    struct bytes of_owner;
    (void)state;
    asof_push_add_json(push, "{}", 2);
    assert_false(push_has_producer(push));
    assert_int_equal(push_encode(push, "p", 5, &ours, NULL), ASOF_OK);
    assert_memory_equal(ours.data, "\x0a\x08payments\x12\x02{}\x1a\x01p\x20\x05", ours.size);

    asof_push_set_producer(push, "mine", 9);
    assert_true(push_has_producer(push));
    assert_int_equal(push_encode(push, "p", 5, &of_owner, NULL), ASOF_OK);
    assert_memory_equal(of_owner.data, "\x0a\x08payments\x12\x02{}\x1a\x04mine\x20\x09",
                        of_owner.size);
    asof_push_destroy(&push);
}

/* ---- answers ---- */

static void append_packed(struct buffer *out, uint32_t number, const int64_t *values, size_t count)
{
    struct buffer packed = {0};
    for (size_t i = 0; i < count; i++)
        varint_append(&packed, varint_zigzag(values[i]));
    protobuf_append_item(out, number, buffer_bytes(&packed));
    buffer_fini(&packed);
}

/* rows 2, one column of doubles behind `shift` bytes of a field that nobody knows, one of ints in
 * three fields. */
static struct asof_message *make_answer(size_t shift)
{
    static const double doubles[] = {1.5, -0.0};
    static const int64_t integers[] = {INT64_MIN, INT64_MAX};
    struct buffer column = {0};
    struct buffer view = {0};
    struct buffer answer = {0};
    protobuf_append_integer(&answer, 1, 2);
    protobuf_append_item(&answer, 15, bytes_of("padding", shift));
    protobuf_append_bytes(&column, 1, bytes_of_text("v.d"));
    protobuf_append_integer(&column, 3, ASOF_KIND_DOUBLE);
    protobuf_append_item(&column, 7, bytes_of(doubles, sizeof(doubles)));
    protobuf_append_item(&answer, 2, buffer_bytes(&column));
    buffer_reset(&column, 0);
    protobuf_append_bytes(&column, 1, bytes_of_text("v.i"));
    protobuf_append_integer(&column, 3, ASOF_KIND_INT);
    protobuf_append_bytes(&column, 6, bytes_of("\x06\x85", 2));
    append_packed(&column, 8, integers, 1);
    append_packed(&column, 8, integers, 0);
    append_packed(&column, 8, integers + 1, 1);
    protobuf_append_item(&answer, 2, buffer_bytes(&column));
    protobuf_append_bytes(&view, 1, bytes_of_text("v"));
    protobuf_append_integer(&view, 2, 3);
    append_packed(&view, 3, integers, 2);
    protobuf_append_item(&answer, 3, buffer_bytes(&view));
    struct asof_message *message = message_create(buffer_bytes(&answer));
    buffer_fini(&column);
    buffer_fini(&view);
    buffer_fini(&answer);
    return message;
}

static void answer_is_read_wherever_its_doubles_lie(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        struct asof_message *message = make_answer(shift);
        struct asof_result *result = NULL;
        assert_int_equal(asof_result_create(&message, &result, NULL), ASOF_OK);
        assert_null(message);

        const double *doubles = asof_result_doubles(result, asof_result_find(result, "v.d"));
        const int64_t *integers = asof_result_integers(result, asof_result_find(result, "v.i"));
        const struct asof_column *column = asof_result_column(result, 1);
        const struct asof_view *view = asof_result_view(result, 0);
        assert_int_equal((uintptr_t)doubles % sizeof(double), 0);
        assert_true(doubles[0] == 1.5 && doubles[1] == 0 && __builtin_signbit(doubles[1]));
        assert_true(integers[0] == INT64_MIN && integers[1] == INT64_MAX);
        assert_int_equal(asof_column_status(column, 1), ASOF_STATUS_NULL);
        assert_true(asof_column_has_value(column, 0) && !asof_column_has_value(column, 1));
        assert_int_equal(view->version, 3);
        assert_int_equal(view->at_count, 2);
        assert_null(view->event_times_us);
        assert_null(asof_result_doubles(result, 1));
        assert_null(asof_result_strings(result, 0));
        assert_null(asof_result_sizes(result, 0));
        assert_null(asof_result_column(result, 2));
        assert_true(asof_result_find(result, "v.x") == SIZE_MAX);
        asof_result_destroy(&result);
    }
}

static void answer_that_breaks_off_is_none(void **state)
{
    struct asof_message *whole = make_answer(3);
    size_t refused = 0;
    (void)state;
    for (size_t size = 0; size < whole->size; size++) {
        struct asof_message *message = message_create(bytes_of(whole->data, size));
        struct asof_result *result = NULL;
        enum asof_code code = asof_result_create(&message, &result, NULL);
        assert_true((code == ASOF_OK) == (message == NULL));
        refused += code == ASOF_INTERNAL;
        asof_message_destroy(&message);
        asof_result_destroy(&result);
    }
    assert_true(refused > whole->size / 2);
    asof_message_destroy(&whole);
}

/* ---- frames ---- */

/* A wire whose other end is *peer. */
static void connect_pair(struct wire *wire, size_t answer_size_max, int *peer)
{
    static const struct address address = {.text = "somewhere"};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    wire_init(wire, &address, answer_size_max);
    wire_adopt(wire, pair[0]);
    *peer = pair[1];
}

static void put_frame(int peer, uint32_t call, enum light_kind kind, struct bytes body)
{
    char head[9];
    be32_write(head, (uint32_t)body.size + 5);
    be32_write(head + 4, call);
    head[8] = (char)kind;
    assert_int_equal(write(peer, head, sizeof(head)), sizeof(head));
    assert_int_equal(write(peer, body.data, body.size), body.size);
}

static void call_is_sent_to_the_byte(void **state)
{
    struct wire wire;
    char sent[64];
    int peer;
    (void)state;
    connect_pair(&wire, 1000, &peer);
    wire_append_call(&wire, 7, 7, 0, bytes_of(NULL, 0));
    wire_append(&wire, 7, LIGHT_CANCEL, bytes_of(NULL, 0));
    wire_flush(&wire);
    assert_int_equal(read(peer, sent, sizeof(sent)), 23);
    assert_memory_equal(sent, "\0\0\0\x0a\0\0\0\x07\x01\x07\0\0\0\0\0\0\0\x05\0\0\0\x07\x02", 23);
    assert_true(wire.sent == 23 && wire.appended == 23);
    wire_fini(&wire);
    close(peer);
}

static void answer_that_is_too_large_is_passed_over(void **state)
{
    struct wire wire;
    struct arrival arrival;
    char body[1001] = {0};
    int peer;
    (void)state;
    connect_pair(&wire, 1000, &peer);
    put_frame(peer, 1, LIGHT_ANSWER, bytes_of(body, 1001));
    put_frame(peer, 2, LIGHT_ANSWER, bytes_of(body, 1000));
    assert_true(wire_receive(&wire));
    assert_true(wire_next(&wire, &arrival));
    assert_int_equal(arrival.kind, LIGHT_FAILED);
    assert_int_equal(arrival.call, 1);
    assert_int_equal(arrival.code, ASOF_RESOURCE_EXHAUSTED);
    assert_true(wire_next(&wire, &arrival));
    assert_int_equal(arrival.call, 2);
    assert_int_equal(arrival.message->size, 1000);
    asof_message_destroy(&arrival.message);
    wire_fini(&wire);
    close(peer);
}

static void memory_grows_as_bytes_come_not_as_they_are_promised(void **state)
{
    struct wire wire;
    struct arrival arrival;
    char head[9];
    int peer;
    (void)state;
    connect_pair(&wire, 512 * 1024 * 1024, &peer);
    be32_write(head, 512 * 1024 * 1024);
    be32_write(head + 4, 1);
    head[8] = LIGHT_ANSWER;
    assert_int_equal(write(peer, head, sizeof(head)), sizeof(head));
    assert_true(wire_receive(&wire));
    assert_false(wire_next(&wire, &arrival));
    assert_non_null(wire.large);
    assert_true(wire.large->capacity <= 1024 * 1024);
    close(peer);
    assert_false(wire_receive(&wire));
    assert_int_equal(wire.state, WIRE_BROKEN);
    assert_int_equal(wire.error.code, ASOF_UNAVAILABLE);
    wire_fini(&wire);
}

static void strangers_are_told_by_their_first_words(void **state)
{
    static const struct {
        const char *said;
        const char *told;
    } cases[] = {{"-ERR max number of clients reached\r\n", "the Redis protocol"},
                 {"HTTP/1.1 400 Bad Request\r\n", "speaks HTTP"},
                 {"SSH-2.0-OpenSSH", "is no frame of docs/rpc.md"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wire wire;
        struct arrival arrival;
        int peer;
        connect_pair(&wire, 1000, &peer);
        assert_true(write(peer, cases[i].said, strlen(cases[i].said)) > 0);
        assert_true(wire_receive(&wire));
        assert_false(wire_next(&wire, &arrival));
        assert_int_equal(wire.state, WIRE_BROKEN);
        assert_non_null(strstr(wire.error.text, cases[i].told));
        wire_fini(&wire);
        close(peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_is_host_and_port),
        cmocka_unit_test(address_says_what_would_be_right),
        cmocka_unit_test(numbers_are_not_given_twice),
        cmocka_unit_test(pauses_double_up_to_their_limit),
        cmocka_unit_test(request_is_what_the_server_reads),
        cmocka_unit_test(request_tells_its_mistakes),
        cmocka_unit_test(push_has_the_producer_that_its_owner_named),
        cmocka_unit_test(answer_is_read_wherever_its_doubles_lie),
        cmocka_unit_test(answer_that_breaks_off_is_none),
        cmocka_unit_test(call_is_sent_to_the_byte),
        cmocka_unit_test(answer_that_is_too_large_is_passed_over),
        cmocka_unit_test(memory_grows_as_bytes_come_not_as_they_are_promised),
        cmocka_unit_test(strangers_are_told_by_their_first_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
