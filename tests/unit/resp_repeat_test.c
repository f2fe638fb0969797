/* Requests that are recognised by their bytes say what they say when they are parsed. Two servers
 * get the same commands: one as pipelines that repeat, cut anywhere, the other one by one and as
 * lines, which are always parsed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "door_world.h"
#include "random.h"

enum { WORDS_MAX = 16, COMMANDS = 4000, BATCH_MAX = 40 };

#define SOURCE                                                                                     \
    "sources: {s: {fields: {id: string, ts: timestamp_us, k: string, n: int, text: string}, "      \
    "event_time: ts, event_id: id, clock: event}}\n"                                               \
    "entities: {k: {keys: [k]}, kn: {keys: [k, n]}}\n"                                             \
    "views:\n"                                                                                     \
    "  pair: {source: s, entity: kn, features: {n: {count: '*', over: forever}}}\n"                \
    "  v: {source: s, entity: k, features: {n: {count: '*', over: 50ms}, "                         \
    "sum: {sum: n, over: 30ms}, last: {last: text, over: forever}, "                               \
    "idle: {time_since_last: true, over: forever}, top: {max: n, over: 20ms, default: -7}"

static const char first_definitions[] = SOURCE "}}\n";
static const char second_definitions[] = SOURCE ", least: {min: n, over: 90ms}}}\n";

struct command {
    char memory[1024];
    size_t size;
    struct bytes words[WORDS_MAX];
    size_t count;
};

static void add(struct command *command, struct bytes word)
{
    assert_true(command->count < WORDS_MAX && command->size + word.size <= sizeof(command->memory));
    char *at = command->memory + command->size;
    if (word.size > 0)
        memcpy(at, word.data, word.size);
    command->words[command->count++] = bytes_of(at, word.size);
    command->size += word.size;
}

static void add_text(struct command *command, const char *word)
{
    add(command, bytes_of_text(word));
}

/* Keys of few entities, some of them strange, of views that are there and others that are not. */
static void add_key(struct command *command, struct random *random)
{
    static const char *const views[] = {
        "v:", "v:", "v:", "v:", "v@1:", "v@9:", "pair:", "none:", ""};
    static const struct {
        const char *text;
        size_t size;
    } entities[] = {{"a", 1},        {"b", 1},       {"c", 1},    {"nobody", 6},
                    {"a|3", 3},      {"a\\|b|4", 6}, {"z\0y", 3}, {"z\0\xffy", 4},
                    {"\xc3\xa4", 2}, {"\xff", 1},    {"", 0},     {"a\r\nb", 4}};
    char key[64];
    const char *view = views[random_below(random, sizeof(views) / sizeof(views[0]))];
    size_t which = random_below(random, 3) > 0
                       ? random_below(random, 4)
                       : random_below(random, sizeof(entities) / sizeof(entities[0]));
    memcpy(key, view, strlen(view));
    memcpy(key + strlen(view), entities[which].text, entities[which].size);
    add(command, bytes_of(key, strlen(view) + entities[which].size));
}

static void make_read(struct command *command, struct random *random)
{
    static const char *const lists[][4] = {{"n", "sum", "last", "idle"},
                                           {"n", NULL},
                                           {"top", "n", "n", NULL},
                                           {"idle", "nope", NULL},
                                           {"least", "sum", NULL}};
    size_t which =
        random_below(random, 2) == 0 ? 0 : random_below(random, sizeof(lists) / sizeof(lists[0]));
    add_text(command, random_below(random, 20) == 0 ? "hmget" : "HMGET");
    add_key(command, random);
    for (size_t i = 0; i < 4 && lists[which][i] != NULL; i++)
        add_text(command, lists[which][i]);
}

static void make_push(struct command *command, struct random *random, int64_t *t_us)
{
    char text[128];
    static const char *const keys[] = {"a", "b", "c", "z\\u0000y"};
    *t_us += (int64_t)random_below(random, 12000);
    int64_t late_us = random_below(random, 4) == 0 ? (int64_t)random_below(random, 40000) : 0;
    int size = snprintf(text, sizeof(text),
                        "{\"id\":\"%llu\",\"ts\":%lld,\"k\":\"%s\",\"n\":%llu,\"text\":\"t%llu\"}",
                        (unsigned long long)random_below(random, 500), (long long)(*t_us - late_us),
                        keys[random_below(random, 4)], (unsigned long long)random_below(random, 6),
                        (unsigned long long)random_below(random, 1000));
    add_text(command, "ASOF.PUSH");
    add_text(command, "s");
    add(command, bytes_of(text, (size_t)size));
}

static void make_other(struct command *command, struct random *random, int64_t t_us)
{
    static const char *const others[][3] = {{"MULTI"},
                                            {"EXEC"},
                                            {"EXEC"},
                                            {"EXEC"},
                                            {"HELLO", "2"},
                                            {"HELLO", "3"},
                                            {"ASOF.AT", "now"},
                                            {"ASOF.AT", "now"},
                                            {"ASOF.AT", "now"},
                                            {"ASOF.AT", "now", "EXCLUSIVE"},
                                            {"HGET", "v:a", "n"},
                                            {"HGETALL", "v:b"},
                                            {"PING"}};
    char moment[32];
    size_t which = random_below(random, 1 + sizeof(others) / sizeof(others[0]));
    if (which > 0) {
        for (size_t i = 0; i < 3 && others[which - 1][i] != NULL; i++)
            add_text(command, others[which - 1][i]);
        return;
    }
    snprintf(moment, sizeof(moment), "%lld", (long long)t_us - 30000);
    add_text(command, "ASOF.AT");
    add_text(command, moment);
}

static void encode_array(const struct command *command, struct buffer *out)
{
    buffer_format(out, "*%zu\r\n", command->count);
    for (size_t i = 0; i < command->count; i++) {
        buffer_format(out, "$%zu\r\n", command->words[i].size);
        buffer_append(out, command->words[i]);
        buffer_append(out, bytes_of("\r\n", 2));
    }
}

static void encode_line(const struct command *command, struct buffer *out)
{
    for (size_t i = 0; i < command->count; i++) {
        buffer_append_text(out, i == 0 ? "\"" : " \"");
        for (size_t j = 0; j < command->words[i].size; j++)
            buffer_format(out, "\\x%02x", (unsigned char)command->words[i].data[j]);
        buffer_append_byte(out, '"');
    }
    buffer_append_text(out, "\r\n");
}

struct server {
    struct door_world world;
    struct peer peer;
};

static void server_open(struct server *server)
{
    door_world_open(&server->world);
    peer_open(&server->peer, &server->world);
}

static void server_close(struct server *server)
{
    peer_close(&server->peer);
    door_world_close(&server->world);
}

/* Registers the definitions, and fills what is new. */
static void server_apply(struct server *server, const char *definitions)
{
    enum { TURNS = 100 };
    const struct command command = {
        .words = {bytes_of_text("ASOF.APPLY"), bytes_of_text("f"), bytes_of_text(definitions)},
        .count = 3};
    struct buffer bytes = {0};
    struct peer peer;
    peer_open(&peer, &server->world);
    encode_array(&command, &bytes);
    peer_send(&peer, &server->world, buffer_bytes(&bytes));
    for (size_t i = 0; i < TURNS; i++)
        writer_turn(server->world.writer);
    if (peer.output.size == 0 || buffer_bytes(&peer.output).data[0] != '$')
        fail_msg("%.*s", BYTES_ARGS(buffer_bytes(&peer.output)));
    buffer_fini(&bytes);
    peer_close(&peer);
}

static void send_cut(struct server *server, struct bytes bytes, struct random *random)
{
    while (bytes.size > 0) {
        size_t piece = 1 + random_below(random, 2 * bytes.size);
        piece = piece < bytes.size ? piece : bytes.size;
        peer_send(&server->peer, &server->world, bytes_of(bytes.data, piece));
        bytes = bytes_after(bytes, piece);
    }
}

static void assert_same_output(struct server *a, struct server *b)
{
    struct bytes one = buffer_bytes(&a->peer.output);
    struct bytes other = buffer_bytes(&b->peer.output);
    if (!bytes_equal(one, other))
        fail_msg("repeated\n%.*s\nparsed\n%.*s", BYTES_ARGS(one), BYTES_ARGS(other));
    buffer_consume(&a->peer.output, one.size);
    buffer_consume(&b->peer.output, other.size);
}

/* Sends a command to both: behind others in a pipeline, and by itself as a line. */
static void send_both(struct server *repeated, struct server *parsed, const struct command *command)
{
    struct buffer array = {0}, line = {0};
    encode_array(command, &array);
    encode_line(command, &line);
    peer_send(&repeated->peer, &repeated->world, buffer_bytes(&array));
    peer_send(&parsed->peer, &parsed->world, buffer_bytes(&line));
    buffer_fini(&array);
    buffer_fini(&line);
    assert_same_output(repeated, parsed);
}

/* Whatever state the random commands left behind, a read that is said again as of now is
 * recognised. */
static void assert_repeats_are_recognised(struct server *repeated, struct server *parsed)
{
    enum { TIMES = 100 };
    const struct resp_counters *counters = resp_door_counters(repeated->world.door);
    struct command leave = {0}, present = {0}, read = {0};
    add_text(&leave, "EXEC");
    add_text(&present, "ASOF.AT");
    add_text(&present, "now");
    add_text(&read, "HMGET");
    add_text(&read, "v:a");
    add_text(&read, "sum");
    send_both(repeated, parsed, &leave);
    send_both(repeated, parsed, &present);
    uint64_t before = counters->repeats_total;
    for (size_t i = 0; i < TIMES; i++)
        send_both(repeated, parsed, &read);
    assert_in_range(counters->repeats_total - before, TIMES / 2, TIMES);
}

static void repeated_requests_say_what_parsed_ones_say(void **state)
{
    (void)state;
    static struct server repeated, parsed;
    struct random random = random_begin(__func__);
    struct buffer pipeline = {0};
    int64_t t_us = 1700000000000000;
    server_open(&repeated);
    server_open(&parsed);
    server_apply(&repeated, first_definitions);
    server_apply(&parsed, first_definitions);
    for (size_t i = 1; i <= COMMANDS; i++) {
        struct command command = {0};
        struct buffer line = {0};
        size_t kind = random_below(&random, 40);
        if (kind == 0)
            make_other(&command, &random, t_us);
        else if (kind <= 3)
            make_push(&command, &random, &t_us);
        else
            make_read(&command, &random);
        encode_array(&command, &pipeline);
        encode_line(&command, &line);
        peer_send(&parsed.peer, &parsed.world, buffer_bytes(&line));
        buffer_fini(&line);
        if (i % (COMMANDS / 2) != 0 && random_below(&random, BATCH_MAX) != 0)
            continue;
        send_cut(&repeated, buffer_bytes(&pipeline), &random);
        buffer_consume(&pipeline, pipeline.size);
        assert_same_output(&repeated, &parsed);
        if (i == COMMANDS / 2) {
            server_apply(&repeated, second_definitions);
            server_apply(&parsed, second_definitions);
        }
    }
    assert_repeats_are_recognised(&repeated, &parsed);
    const struct resp_counters *counters = resp_door_counters(repeated.world.door);
    const struct resp_counters *expected = resp_door_counters(parsed.world.door);
    assert_int_equal(expected->repeats_total, 0);
    assert_int_equal(counters->commands_total, expected->commands_total);
    assert_int_equal(counters->entities_found_total, expected->entities_found_total);
    assert_int_equal(counters->entities_missed_total, expected->entities_missed_total);
    assert_int_equal(counters->errors_total, expected->errors_total);
    buffer_fini(&pipeline);
    server_close(&repeated);
    server_close(&parsed);
}

/* The same pipeline, cut in two at each byte. */
static void a_pipeline_that_is_cut_anywhere_says_the_same(void **state)
{
    (void)state;
    enum { REQUESTS = 24 };
    static struct server server;
    struct random random = {.state = 1};
    struct buffer pipeline = {0};
    struct buffer expected = {0};
    int64_t t_us = 1700000000000000;
    server_open(&server);
    server_apply(&server, first_definitions);
    for (size_t i = 0; i < 30 + REQUESTS; i++) {
        struct command command = {0};
        if (i < 30)
            make_push(&command, &random, &t_us);
        else
            make_read(&command, &random);
        if (i == 30) {
            peer_send(&server.peer, &server.world, buffer_bytes(&pipeline));
            buffer_consume(&pipeline, pipeline.size);
        }
        encode_array(&command, &pipeline);
    }
    for (size_t cut = 0; cut <= pipeline.size; cut++) {
        buffer_consume(&server.peer.output, server.peer.output.size);
        peer_send(&server.peer, &server.world, bytes_of(buffer_bytes(&pipeline).data, cut));
        peer_send(&server.peer, &server.world, bytes_after(buffer_bytes(&pipeline), cut));
        if (cut == 0)
            buffer_append(&expected, buffer_bytes(&server.peer.output));
        assert_true(bytes_equal(buffer_bytes(&server.peer.output), buffer_bytes(&expected)));
    }
    assert_true(resp_door_counters(server.world.door)->repeats_total > pipeline.size);
    buffer_fini(&pipeline);
    buffer_fini(&expected);
    server_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_requests_say_what_parsed_ones_say),
        cmocka_unit_test(a_pipeline_that_is_cut_anywhere_says_the_same),
    };
    return cmocka_run_group_tests_name("resp_repeat", tests, NULL, NULL);
}
