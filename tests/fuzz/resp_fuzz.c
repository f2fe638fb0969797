/* Any bytes, in any pieces, into a session of the RESP door: they must neither crash it nor make
 * its answers depend on how they were cut. The first byte of the input is the size of the pieces.
 */
#include <stdint.h>

#include "../unit/door_world.h"
#include "protocol/resp.h"
#include "protocol/resp_shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct door_world world; /* with an empty database, all through */

static void close_world(void)
{
    door_world_close(&world);
}

/* Feeds input in pieces; what is left of the answers is in output. */
static void feed(struct resp_door *door, struct bytes input, size_t piece, struct buffer *output)
{
    struct resp_session *session = resp_session_open(door, output);
    struct buffer waiting = {0};
    for (size_t at = 0; at < input.size && !resp_session_is_closing(session); at += piece) {
        struct bytes rest = bytes_after(input, at);
        rest.size = rest.size < piece ? rest.size : piece;
        buffer_append(&waiting, rest);
        buffer_consume(&waiting, resp_session_receive(session, buffer_bytes(&waiting)));
    }
    resp_session_close(&session);
    buffer_fini(&waiting);
}

/* Commands that look at definitions, the clock or the process are not for this door, which has no
 * writer at work, and whose answers are compared. */
static bool is_for_this_door(struct bytes input)
{
    static const char *const words[] = {
        "asof",   "exists", "get",  "hexists", "hkeys", "hlen",  "hstrlen",  "hvals",
        "info",   "scan",   "time", "ttl",     "type",  "xadd",  "encoding", "list",
        "client", "hello",  "hset", "hmset",   "del",   "unlink"};
    for (size_t i = 0; i < input.size; i++)
        for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
            struct bytes word = bytes_of(input.data + i, strlen(words[w]));
            if (word.size <= input.size - i && bytes_equal_nocase(word, words[w]))
                return false;
        }
    return true;
}

static void compare_pieces(struct bytes input, size_t piece)
{
    struct resp_door *door = door_world_new_door(&world);
    struct buffer whole = {0};
    struct buffer pieces = {0};
    feed(door, input, input.size + 1, &whole);
    feed(door, input, piece, &pieces);
    CHECK(bytes_equal(buffer_bytes(&whole), buffer_bytes(&pieces)));
    buffer_fini(&whole);
    buffer_fini(&pieces);
    resp_door_destroy(&door);
}

/* What matches the shape of the request before is a whole request of the same arguments but one. */
static void compare_shape(struct resp_shape *shape, struct bytes input,
                          const struct resp_request *request, size_t consumed)
{
    struct resp_shape parsed = {0};
    struct bytes argument;
    size_t size;
    bool is_matched = resp_shape_match(shape, input, &argument, &size);
    if (request->count >= 2)
        resp_shape_set(&parsed, request->arguments, request->count);
    if (is_matched) {
        CHECK(request->count >= 2);
        CHECK(size == consumed);
        CHECK(bytes_equal(argument, request->arguments[1]));
        CHECK(resp_shape_equal(shape, &parsed));
    }
    resp_shape_fini(shape);
    *shape = parsed;
}

/* The parser alone takes anything: arguments must lie within the input. */
static void parse_all(struct bytes input)
{
    struct resp_parser parser = {0};
    struct resp_request request;
    struct resp_shape shape = {0};
    size_t consumed;
    size_t at = 0;
    while (resp_parse(&parser, bytes_after(input, at), &request, &consumed) == RESP_COMPLETE) {
        CHECK(consumed > 0);
        CHECK(consumed <= input.size - at);
        CHECK(request.count > 0);
        size_t sum = 0;
        for (size_t i = 0; i < request.count; i++)
            for (size_t j = 0; j < request.arguments[i].size; j++)
                sum += (unsigned char)request.arguments[i].data[j];
        CHECK(sum <= 255 * consumed);
        compare_shape(&shape, bytes_after(input, at), &request, consumed);
        at += consumed;
    }
    if (at < input.size) {
        struct bytes argument;
        CHECK(!resp_shape_match(&shape, bytes_after(input, at), &argument, &consumed));
    }
    resp_shape_fini(&shape);
    resp_parser_fini(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (world.door == NULL) {
        door_world_open(&world);
        CHECK(atexit(close_world) == 0);
    }
    struct bytes input = bytes_of(data + 1, size - 1);
    parse_all(input);
    if (is_for_this_door(input))
        compare_pieces(input, (size_t)data[0] + 1);
    return 0;
}
