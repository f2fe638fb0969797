/* RESP: the parser and the writer, and what the door says to hostile bytes. Commands that need
 * definitions are tested from outside, with a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "door_world.h"
#include "protocol/resp.h"

/* ---- helpers ---- */

static void assert_bytes(struct bytes actual, struct bytes expected, const char *about)
{
    if (bytes_equal(actual, expected))
        return;
    print_message("input    %s\nanswer   %.*s\nexpected %.*s\n", about, BYTES_ARGS(actual),
                  BYTES_ARGS(expected));
    fail();
}

/* Sends the bytes in two pieces, cut at each position, each time to a new session. */
static void assert_answer(struct door_world *world, struct bytes input, const char *expected,
                          bool is_closed)
{
    for (size_t cut = 0; cut <= input.size; cut++) {
        struct peer peer;
        peer_open(&peer, world);

        peer_send(&peer, world, bytes_of(input.data, cut));
        peer_send(&peer, world, bytes_after(input, cut));

        assert_bytes(buffer_bytes(&peer.output), bytes_of_text(expected), input.data);
        assert_int_equal(resp_session_is_closing(peer.session), is_closed);
        peer_close(&peer);
    }
}

struct exchange {
    const char *input;
    const char *answer;
    bool is_closed;
};

static void assert_exchanges(const struct exchange *exchanges, size_t count)
{
    struct door_world world;
    door_world_open(&world);
    for (size_t i = 0; i < count; i++)
        assert_answer(&world, bytes_of_text(exchanges[i].input), exchanges[i].answer,
                      exchanges[i].is_closed);
    door_world_close(&world);
}

#define ASSERT_EXCHANGES(exchanges)                                                                \
    assert_exchanges((exchanges), sizeof(exchanges) / sizeof((exchanges)[0]))

/* ---- requests ---- */

#define BAD_COUNT  "-ERR Protocol error: invalid multibulk length\r\n"
#define BAD_SIZE   "-ERR Protocol error: invalid bulk length\r\n"
#define UNBALANCED "-ERR Protocol error: unbalanced quotes in request\r\n"

static void bytes_that_are_no_request_are_answered_as_by_redis(void **state)
{
    (void)state;
    static const struct exchange exchanges[] = {
        {"\r\n", "", false},
        {"\n", "", false},
        {"\r\n\r\n\n\n\r\n", "", false},
        {"*0\r\n", "", false},
        {"*-1\r\n", "", false},
        {"*-10\r\n", "", false},
        {"*0\r\n\r\n*-1\r\nPING\r\n", "+PONG\r\n", false},
        {"*abc\r\n", BAD_COUNT, true},
        {"*1x\r\n", BAD_COUNT, true},
        {"*\r\n", BAD_COUNT, true},
        {"*+1\r\n", BAD_COUNT, true},
        {"* 1\r\n", BAD_COUNT, true},
        {"*01\r\n", BAD_COUNT, true},
        {"*-9223372036854775809\r\n", BAD_COUNT, true},
        {"*2147483648\r\n", BAD_COUNT, true},
        {"*3000000000\r\n", BAD_COUNT, true},
        {"*9223372036854775807\r\n", BAD_COUNT, true},
        {"*18446744073709551617\r\n", BAD_COUNT, true},
        {"*1048576\r\n", "", false},
        {"*1048577\r\n", BAD_COUNT, true},
        {"*1\r\nfoo\r\n", "-ERR Protocol error: expected '$', got 'f'\r\n", true},
        {"*1\r\n:5\r\n", "-ERR Protocol error: expected '$', got ':'\r\n", true},
        {"*1\r\n*1\r\n", "-ERR Protocol error: expected '$', got '*'\r\n", true},
        {"*1\r\n\r\n", "-ERR Protocol error: expected '$', got ' '\r\n", true},
        {"*1\r\n$-1\r\n", BAD_SIZE, true},
        {"*1\r\n$-10\r\n", BAD_SIZE, true},
        {"*1\r\n$blabla\r\n", BAD_SIZE, true},
        {"*1\r\n$\r\n", BAD_SIZE, true},
        {"*1\r\n$04\r\nPING\r\n", BAD_SIZE, true},
        {"*1\r\n$16777217\r\n", BAD_SIZE, true},
        {"*1\r\n$2000000000\r\n", BAD_SIZE, true},
        {"*1\r\n$9223372036854775807\r\n", BAD_SIZE, true},
        {"*1\r\n$16777216\r\n", "", false},
        {"*1\r\n$0\r\n\r\n", "-ERR unknown command '', with args beginning with: \r\n", false},
        {"*2\r\n$4\r\nECHO\r\n$3\r\nabcXX", "$3\r\nabc\r\n", false},
        {"*1\n$4\nPING\n\r\n", BAD_COUNT, true},
        {"set \"\"\"a\"\"\" b\r\n", UNBALANCED, true},
        {"set 'a b\r\n", UNBALANCED, true},
        {"set \"a\"b c\r\n", UNBALANCED, true},
        {"echo \"\\x41\\x42\"\r\n", "$2\r\nAB\r\n", false},
        {"echo 'it\\'s'\r\n", "$4\r\nit's\r\n", false},
        {"echo \"\\n\\r\\t\\b\\a\\q\\\"\"\n", "$7\r\n\n\r\t\b\aq\"\r\n", false},
        {"echo \"\\xzz\"\r\n", "$3\r\nxzz\r\n", false},
        {"echo \"a\\\r\n", UNBALANCED, true},
        {"  \techo \t a  \r\n", "$1\r\na\r\n", false},
        {"echo ''\r\n", "$0\r\n\r\n", false},
        {"echo fo\"o b\"\r\n", "$5\r\nfoo b\r\n", false},
        {"PING\r\nPING\r\n*1\r\n$4\r\nping\r\n", "+PONG\r\n+PONG\r\n+PONG\r\n", false},
        {"%1\r\n", "-ERR unknown command '%1', with args beginning with: \r\n", false},
        {"+PING\r\n", "-ERR unknown command '+PING', with args beginning with: \r\n", false},
        {"*abc\r\nPING\r\n", BAD_COUNT, true},
        {"POST / HTTP/1.1\r\nPING\r\n", "", true},
        {"Host: localhost\r\n", "", true},
    };

    ASSERT_EXCHANGES(exchanges);
}

static void a_nul_makes_an_inline_request_wait(void **state)
{
    (void)state;
    struct door_world world;
    door_world_open(&world);
    static const char hello_of_tls[] = "\x16\x03\x01\x00\x02\x01\n\x0a";

    assert_answer(&world, bytes_of("PI\0NG\r\nPING\r\n", 13), "", false);
    assert_answer(&world, bytes_of(hello_of_tls, sizeof(hello_of_tls) - 1), "", false);

    door_world_close(&world);
}

static void a_light_frame_is_told_of_its_port(void **state)
{
    (void)state;
    struct door_world world;
    door_world_open(&world);
    static const char frame[] = "\0\0\0\x0a\0\0\0\x07\x01\x07\0\0\0\0";

    assert_answer(&world, bytes_of(frame, sizeof(frame) - 1),
                  "-ERR Protocol error: RPC has a port of its own\r\n", true);

    door_world_close(&world);
}

/* Sends pieces of 1 KiB of filler behind the start until the session closes. */
static void assert_flood(const char *start, size_t start_size, char filler, const char *expected)
{
    struct door_world world;
    door_world_open(&world);
    struct peer peer;
    char piece[1024];
    memset(piece, filler, sizeof(piece));
    peer_open(&peer, &world);

    peer_send(&peer, &world, bytes_of(start, start_size));
    size_t sent = 0;
    while (sent <= RESP_LINE_SIZE_MAX && !resp_session_is_closing(peer.session)) {
        peer_send(&peer, &world, bytes_of(piece, sizeof(piece)));
        sent += sizeof(piece);
    }

    assert_true(sent >= RESP_LINE_SIZE_MAX);

    assert_bytes(buffer_bytes(&peer.output), bytes_of_text(expected), start);
    assert_true(resp_session_is_closing(peer.session));
    peer_close(&peer);
    door_world_close(&world);
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    assert_flood("x", 1, 'x', "-ERR Protocol error: too big inline request\r\n");
    assert_flood("*", 1, '1', "-ERR Protocol error: too big mbulk count string\r\n");
    assert_flood("*1\r\n$", 5, '1', "-ERR Protocol error: too big bulk count string\r\n");
    assert_flood("x\0", 2, 'x', "-ERR Protocol error: too big inline request\r\n");
    assert_flood("*\0", 2, 'x', "-ERR Protocol error: too big mbulk count string\r\n");
    assert_flood("*1\r\n$\0", 6, 'x', "-ERR Protocol error: too big bulk count string\r\n");
}

static void a_long_line_that_ends_is_taken(void **state)
{
    (void)state;
    struct resp_parser parser = {0};
    struct resp_request request;
    size_t consumed;
    struct buffer input = {0};
    buffer_append_text(&input, "ECHO ");
    for (size_t i = 0; i < 70000; i++)
        buffer_append_byte(&input, 'y');
    buffer_append_byte(&input, '\n');

    enum resp_result result = resp_parse(&parser, buffer_bytes(&input), &request, &consumed);

    assert_int_equal(result, RESP_COMPLETE);
    assert_int_equal(request.count, 2);
    assert_int_equal(request.arguments[1].size, 70000);
    assert_int_equal(consumed, input.size);
    buffer_fini(&input);
    resp_parser_fini(&parser);
}

static void a_request_above_the_size_limit_is_refused(void **state)
{
    (void)state;
    struct resp_parser parser = {0};
    struct resp_request request;
    size_t consumed;
    struct buffer input = {0};
    buffer_append_text(&input, "*5\r\n");
    enum resp_result result = RESP_INCOMPLETE;
    for (size_t i = 0; i < 4 && result == RESP_INCOMPLETE; i++) {
        buffer_format(&input, "$%d\r\n", RESP_BULK_SIZE_MAX);
        size_t bulk = RESP_BULK_SIZE_MAX + 2;
        memset(buffer_reserve(&input, bulk), 'x', bulk);
        buffer_added(&input, bulk);
        result = resp_parse(&parser, buffer_bytes(&input), &request, &consumed);
    }

    assert_int_equal(result, RESP_BROKEN);
    assert_string_equal(parser.problem, "Protocol error: request larger than 64 MiB");
    buffer_fini(&input);
    resp_parser_fini(&parser);
}

static void a_request_in_many_pieces_is_looked_at_once(void **state)
{
    (void)state;
    enum { ARGUMENTS = 5000 };
    struct resp_parser parser = {0};
    struct resp_request request;
    struct buffer input = {0};
    size_t consumed = 0;
    buffer_format(&input, "*%d\r\n", ARGUMENTS);
    for (size_t i = 0; i < ARGUMENTS; i++) {
        assert_int_equal(resp_parse(&parser, buffer_bytes(&input), &request, &consumed),
                         RESP_INCOMPLETE);
        assert_int_equal(parser.offset, input.size);
        assert_int_equal(consumed, 0);
        buffer_format(&input, "$5\r\n%05zu\r\n", i);
    }

    assert_int_equal(resp_parse(&parser, buffer_bytes(&input), &request, &consumed), RESP_COMPLETE);

    assert_int_equal(request.count, ARGUMENTS);
    assert_int_equal(consumed, input.size);
    assert_true(bytes_equal_text(request.arguments[0], "00000"));
    assert_true(bytes_equal_text(request.arguments[4999], "04999"));
    buffer_fini(&input);
    resp_parser_fini(&parser);
}

static void a_declared_count_allocates_nothing(void **state)
{
    (void)state;
    struct resp_parser parser = {0};
    struct resp_request request;
    size_t consumed;

    enum resp_result result =
        resp_parse(&parser, bytes_of_text("*1048576\r\n$1\r\na\r\n"), &request, &consumed);

    assert_int_equal(result, RESP_INCOMPLETE);
    assert_true(parser.arguments_capacity <= 16);
    resp_parser_fini(&parser);
}

static void a_request_that_was_not_consumed_comes_again(void **state)
{
    (void)state;
    struct resp_parser parser = {0};
    struct resp_request request;
    size_t consumed;
    struct bytes input = bytes_of_text("*2\r\n$4\r\nECHO\r\n$1\r\na\r\n*x\r\n");

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(resp_parse(&parser, input, &request, &consumed), RESP_COMPLETE);
        assert_int_equal(request.count, 2);
    }
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(resp_parse(&parser, bytes_after(input, 21), &request, &consumed),
                         RESP_BROKEN);

    resp_parser_fini(&parser);
}

/* ---- replies ---- */

static void each_reply_has_its_shape_in_both_versions(void **state)
{
    (void)state;
    static const char *const expected[] = {
        [2] = "+OK\r\n-ERR a  b\r\n:-7\r\n:12\r\n$0\r\n\r\n$3\r\nabc\r\n$-1\r\n*-1\r\n*3\r\n*2\r\n"
              "*4\r\n$2\r\nhi\r\n$3\r\n0.5\r\n",
        [3] = "+OK\r\n-ERR a  b\r\n:-7\r\n:12\r\n$0\r\n\r\n$3\r\nabc\r\n_\r\n_\r\n*3\r\n~2\r\n"
              "%2\r\n=6\r\ntxt:hi\r\n,0.5\r\n",
    };
    for (unsigned version = 2; version <= 3; version++) {
        struct buffer out = {0};
        struct resp_writer writer = {.out = &out, .version = version};

        resp_write_simple(writer, "OK");
        resp_write_error(writer, bytes_of_text("ERR a\r\nb"));
        resp_write_integer(writer, -7);
        resp_write_integer(writer, 12);
        resp_write_bulk(writer, bytes_of(NULL, 0));
        resp_write_text(writer, "abc");
        resp_write_null(writer);
        resp_write_null_array(writer);
        resp_write_array(writer, 3);
        resp_write_set(writer, 2);
        resp_write_map(writer, 2);
        resp_write_verbatim(writer, bytes_of_text("hi"));
        resp_write_double(writer, 0.5);

        assert_bytes(buffer_bytes(&out), bytes_of_text(expected[version]), "replies");
        buffer_fini(&out);
    }
}

/* ---- sessions ---- */

static void commands_are_refused_in_the_words_of_redis(void **state)
{
    (void)state;
    static const struct exchange exchanges[] = {
        {"PING x y z\r\n", "-ERR wrong number of arguments for 'ping' command\r\n", false},
        {"HMGET a\r\n", "-ERR wrong number of arguments for 'hmget' command\r\n", false},
        {"CLIENT\r\n", "-ERR wrong number of arguments for 'client' command\r\n", false},
        {"CLIENT SETNAME\r\n", "-ERR wrong number of arguments for 'client|setname' command\r\n",
         false},
        {"foo bar baz\r\n",
         "-ERR unknown command 'foo', with args beginning with: 'bar' 'baz' \r\n", false},
        {"CLIENT MAINT_NOTIFICATIONS ON\r\n",
         "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n", false},
        {"\"a\\r\\nb\"\r\n", "-ERR unknown command 'a  b', with args beginning with: \r\n", false},
        {"HELLO 1\r\n", "-NOPROTO unsupported protocol version\r\n", false},
        {"HELLO 4\r\n", "-NOPROTO unsupported protocol version\r\n", false},
        {"HELLO abc\r\n", "-ERR Protocol version is not an integer or out of range\r\n", false},
        {"HELLO 3 FOO\r\n", "-ERR Syntax error in HELLO option 'FOO'\r\n", false},
        {"HELLO 3 AUTH u\r\n", "-ERR Syntax error in HELLO option 'AUTH'\r\n", false},
        {"SELECT 0\r\n", "+OK\r\n", false},
        {"SELECT 1\r\n", "-ERR DB index is out of range\r\n", false},
        {"SELECT -1\r\n", "-ERR DB index is out of range\r\n", false},
        {"SELECT abc\r\n", "-ERR value is not an integer or out of range\r\n", false},
        {"SCAN abc\r\n", "-ERR invalid cursor\r\n", false},
        {"SCAN 18446744073709551616\r\n", "-ERR invalid cursor\r\n", false},
        {"SCAN 0 COUNT 0\r\n", "-ERR syntax error\r\n", false},
        {"SCAN 0 FOO\r\n", "-ERR syntax error\r\n", false},
        {"SCAN 0 COUNT abc\r\n", "-ERR value is not an integer or out of range\r\n", false},
        {"SCAN 0 TYPE foo\r\n", "*2\r\n$1\r\n0\r\n*0\r\n", false},
        {"HSCAN k 0 NOVALUES\r\n", "-ERR syntax error\r\n", false},
        {"QUIT\r\nPING\r\n", "+OK\r\n", true},
        {"EXEC\r\n", "-ERR EXEC without MULTI\r\n", false},
        {"DISCARD\r\n", "-ERR DISCARD without MULTI\r\n", false},
        {"CLIENT SETNAME \"a b\"\r\n",
         "-ERR Client names cannot contain spaces, newlines or special characters.\r\n", false},
        {"CLIENT GETNAME\r\nCLIENT SETNAME x\r\nCLIENT GETNAME\r\n", "$-1\r\n+OK\r\n$1\r\nx\r\n",
         false},
        {"COMMAND INFO nosuch\r\n", "*1\r\n*-1\r\n", false},
        {"ROLE\r\n", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", false},
        {"XADD payments MAXLEN 10 * a b\r\n",
         "-ERR XADD takes no MAXLEN or MINID: a source keeps its events as long as its `retention` "
         "says\r\n",
         false},
        {"XADD payments * a b c\r\n", "-ERR wrong number of arguments for 'xadd' command\r\n",
         false},
        {"ASOF.AT now\r\nASOF.AT 0 EXCLUSIVE\r\nASOF.AT 2026-01-31T12:00:00Z\r\n",
         "+OK\r\n+OK\r\n+OK\r\n", false},
        {"ASOF.AT now LATER\r\n", "-ERR syntax error\r\n", false},
    };

    ASSERT_EXCHANGES(exchanges);
}

static void an_unknown_command_is_shown_cut(void **state)
{
    (void)state;
    struct door_world world;
    door_world_open(&world);
    struct buffer input = {0};
    struct buffer expected = {0};
    char name[200];
    char argument[300];
    memset(name, 'n', sizeof(name));
    memset(argument, 'a', sizeof(argument));
    buffer_format(&input, "%.*s %.*s %.*s\r\n", 200, name, 300, argument, 300, argument);
    buffer_format(&expected, "-ERR unknown command '%.*s', with args beginning with: '%.*s' \r\n",
                  128, name, 128, argument);
    buffer_append_byte(&expected, '\0');

    struct peer peer;
    peer_open(&peer, &world);
    peer_send(&peer, &world, buffer_bytes(&input));
    assert_bytes(buffer_bytes(&peer.output), bytes_of_text(expected.memory), "a long command");

    peer_close(&peer);
    buffer_fini(&input);
    buffer_fini(&expected);
    door_world_close(&world);
}

static void hello_answers_in_the_version_it_chose(void **state)
{
    (void)state;
    static const struct exchange exchanges[] = {
        {"HELLO 3 SETNAME me\r\nCLIENT GETNAME\r\nHGET\r\n",
         "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n"
         "$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
         "$7\r\nmodules\r\n*0\r\n$2\r\nme\r\n-ERR wrong number of arguments for 'hget' command\r\n",
         false},
    };
    struct door_world world;
    door_world_open(&world);
    struct peer peer;
    peer_open(&peer, &world);

    peer_send(&peer, &world, bytes_of_text(exchanges[0].input));

    assert_bytes(buffer_bytes(&peer.output), bytes_of_text(exchanges[0].answer), "HELLO 3");
    peer_close(&peer);
    door_world_close(&world);
}

static void a_transaction_queues_reads_and_refuses_pushes(void **state)
{
    (void)state;
    static const struct exchange exchanges[] = {
        {"MULTI\r\nPING\r\nECHO a\r\nEXEC\r\nEXEC\r\n",
         "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+PONG\r\n$1\r\na\r\n-ERR EXEC without MULTI\r\n",
         false},
        {"MULTI\r\nPING\r\nDISCARD\r\nPING\r\n", "+OK\r\n+QUEUED\r\n+OK\r\n+PONG\r\n", false},
        {"MULTI\r\nEXEC\r\n", "+OK\r\n*0\r\n", false},
        {"foo\r\nMULTI\r\nPING\r\nEXEC\r\n",
         "-ERR unknown command 'foo', with args beginning with: \r\n+OK\r\n+QUEUED\r\n*1\r\n"
         "+PONG\r\n",
         false},
        {"MULTI\r\nfoo\r\nEXEC\r\n",
         "+OK\r\n-ERR unknown command 'foo', with args beginning with: \r\n"
         "-EXECABORT Transaction discarded because of previous errors.\r\n",
         false},
        {"MULTI\r\nXADD payments * a b\r\nEXEC\r\nPING\r\n",
         "+OK\r\n-ERR a transaction can only read; a push is whole or not at all by itself\r\n"
         "-EXECABORT Transaction discarded because of previous errors.\r\n+PONG\r\n",
         false},
        {"MULTI\r\nMULTI\r\n", "+OK\r\n-ERR MULTI calls can not be nested\r\n", false},
        {"MULTI\r\nMEMORY HELP\r\nEXEC\r\n",
         "+OK\r\n+QUEUED\r\n*1\r\n*1\r\n+memory usage: Not known by key.\r\n", false},
    };

    ASSERT_EXCHANGES(exchanges);
}

static void a_transaction_has_a_limit(void **state)
{
    (void)state;
    struct door_world world;
    door_world_open(&world);
    struct peer peer;
    peer_open(&peer, &world);

    peer_send(&peer, &world, bytes_of_text("MULTI\r\n"));
    for (size_t i = 0; i < RESP_MULTI_COMMANDS_MAX; i++)
        peer_send(&peer, &world, bytes_of_text("PING\r\n"));
    buffer_reset(&peer.output, SIZE_MAX);
    peer_send(&peer, &world, bytes_of_text("PING\r\n"));
    peer_send(&peer, &world, bytes_of_text("EXEC\r\n"));

    assert_bytes(buffer_bytes(&peer.output),
                 bytes_of_text("-ERR the transaction is too long\r\n"
                               "-EXECABORT Transaction discarded because of previous errors.\r\n"),
                 "a long transaction");
    peer_close(&peer);
    door_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_are_no_request_are_answered_as_by_redis),
        cmocka_unit_test(a_nul_makes_an_inline_request_wait),
        cmocka_unit_test(a_light_frame_is_told_of_its_port),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(a_long_line_that_ends_is_taken),
        cmocka_unit_test(a_request_above_the_size_limit_is_refused),
        cmocka_unit_test(a_request_in_many_pieces_is_looked_at_once),
        cmocka_unit_test(a_declared_count_allocates_nothing),
        cmocka_unit_test(a_request_that_was_not_consumed_comes_again),
        cmocka_unit_test(each_reply_has_its_shape_in_both_versions),
        cmocka_unit_test(commands_are_refused_in_the_words_of_redis),
        cmocka_unit_test(an_unknown_command_is_shown_cut),
        cmocka_unit_test(hello_answers_in_the_version_it_chose),
        cmocka_unit_test(a_transaction_queues_reads_and_refuses_pushes),
        cmocka_unit_test(a_transaction_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
