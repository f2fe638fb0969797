/* Calls that are recognised by their bytes say what they say when they are parsed, to the byte, whatever
 * happens to definitions and entities in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "app/rpc_call.h"
#include "base/endian.h"
#include "door_world.h"
#include "protocol/light.h"
#include "protocol/protobuf.h"
#include "protocol/rpc_shape.h"
#include "random.h"

enum { STEPS = 6000, GROUP_CALLS_MAX = 40, ENTITIES_COUNT = 12, ARENA_SIZE = 4096 };

#define SOURCE                                                                                     \
    "sources: {s: {fields: {id: string, ts: timestamp_us, k: string, n: int, x: double, "          \
    "d: decimal(2), text: string}, event_time: ts, event_id: id, clock: event}}\n"                 \
    "entities: {k: {keys: [k]}, kn: {keys: [k, n]}}\n"                                             \
    "views:\n"                                                                                     \
    "  pair: {source: s, entity: kn, features: {n: {count: '*', over: forever}}}\n"                \
    "  lists: {source: s, entity: k, features: {l: {last_n: n, over: last(3)}}}\n"                 \
    "  w: {source: s, entity: k, features: {avg: {avg: x, over: 60ms}, dev: {stddev: x, over: "    \
    "80ms}, seen: {last: ts, over: forever}}}\n"                                                   \
    "  v: {source: s, entity: k, features: {n: {count: '*', over: 50ms}, "                         \
    "sum: {sum: n, over: 30ms}, dec: {sum: d, over: 40ms}, last: {last: text, over: forever}, "    \
    "idle: {time_since_last: true, over: forever}, top: {max: n, over: 20ms, default: -7}, "       \
    "big: {sum: 'n * 4000000000000000000', type: int, over: 50ms}"

static const char *const definitions[] = {SOURCE "}}\n",
                                          SOURCE ", least: {min: n, over: 90ms}}}\n",
                                          SOURCE ", most: {max: n, over: 90ms}}}\n"};
enum { DEFINITIONS_COUNT = sizeof(definitions) / sizeof(definitions[0]) };

/* What is asked; entity and key are added. */
struct asked {
    const char *features[8];
    bool is_exclusive;
    bool has_event_times;
    bool is_without_statuses;
    bool has_at;
};

static const struct asked asked[] = {
    {.features = {"v.n", "v.sum", "v.last", "v.idle", "v.dec", "v.top", "v.big"}},
    {.features = {"v.n", "v.sum", "v.last", "v.idle", "v.dec", "v.top", "v.big"},
     .is_without_statuses = true},
    {.features = {"v.top", "w.avg", "v.last", "w.seen", "w.dev"}, .has_event_times = true},
    {.features = {"w.*", "v.n"}, .is_exclusive = true},
    {.features = {"v@1.sum", "v.sum", "v.sum"}},
    {.features = {"v.last", "v.last"}, .has_event_times = true, .is_exclusive = true},
    {.features = {"v.least", "v.n"}},
    {.features = {"lists.l", "v.n"}},
    {.features = {"pair.n"}},
    {.features = {"v.n"}, .has_at = true},
};
enum { ASKED_COUNT = sizeof(asked) / sizeof(asked[0]) };

static const struct bytes entities[ENTITIES_COUNT] = {
    {"a", 1},        {"b", 1},          {"c", 1},
    {"nobody", 6},   {"c42-long-1", 10}, {"c42-long-2", 10},
    {"z\0y", 3},     {"\xc3\xa4", 2},   {"\xff", 1},
    {"", 0},         {"\xc3\xa4 and more", 11}, {"z\0y and more", 12},
};

struct world {
    struct door_world server;
    struct arena *arena;
    struct arena *rows;
    struct rpc_repeats *repeats;
    int64_t t_us;
    uint64_t repeated; /* calls that were recognised */
};

static void world_apply(struct world *world, const char *text, bool is_promoting)
{
    struct error err = {0};
    struct registry_plan plan;
    const struct definition_file file = {.name = bytes_of_text("f"), .text = bytes_of_text(text)};
    if (stream_apply(world->server.stream, &file, 1, is_promoting, world->arena, &plan, &err) !=
        STATUS_OK)
        fail_msg("%s", err.text);
    while (stream_step(world->server.stream))
        ;
    arena_reset(world->arena);
}

static void world_open(struct world *world)
{
    *world = (struct world){.t_us = 1700000000000000};
    door_world_open(&world->server);
    world->arena = arena_create(ARENA_SIZE);
    world->rows = arena_create(ARENA_SIZE);
    world->repeats = rpc_repeats_create();
    world_apply(world, definitions[0], true);
}

static void world_close(struct world *world)
{
    rpc_repeats_destroy(&world->repeats);
    arena_destroy(&world->arena);
    arena_destroy(&world->rows);
    door_world_close(&world->server);
}

static void world_push(struct world *world, struct random *random)
{
    static const char *const keys[] = {"a",          "b",          "c",       "c42-long-1",
                                       "c42-long-2", "z\\u0000y", "\xc3\xa4"};
    struct error err = {0};
    struct push_result result;
    char text[256];
    world->t_us += (int64_t)random_below(random, 12000);
    int64_t late_us = random_below(random, 4) == 0 ? (int64_t)random_below(random, 40000) : 0;
    int size = snprintf(
        text, sizeof(text),
        "{\"id\":\"%llu\",\"ts\":%lld,\"k\":\"%s\",\"n\":%lld,\"x\":%llu.%llu,\"d\":%lld.%02llu,\"text\":\"t%llu\"}",
        (unsigned long long)random_below(random, 500), (long long)(world->t_us - late_us),
        keys[random_below(random, 7)], (long long)random_below(random, 2000) - 500,
        (unsigned long long)random_below(random, 3000), (unsigned long long)random_next(random),
        (long long)random_below(random, 100000) - 9000, (unsigned long long)random_below(random, 100),
        (unsigned long long)random_below(random, 1000));
    const struct push_event event = {.format = EVENT_JSON, .text = bytes_of(text, (size_t)size)};
    const struct push push = {.source = bytes_of_text("s"), .events = &event, .events_count = 1};
    if (stream_push(world->server.stream, &push, &result, &err) != STATUS_OK ||
        stream_commit(world->server.stream, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static void append_message(const struct asked *what, struct bytes entity, struct buffer *out)
{
    enum { FEATURES = 1, KEYS, AT_US, EXCLUSIVE, EVENT_TIMES = 6, WITHOUT_STATUSES, NAME = 1, STRINGS };
    struct buffer key = {0};
    for (size_t i = 0; i < 8 && what->features[i] != NULL; i++)
        protobuf_append_item(out, FEATURES, bytes_of_text(what->features[i]));
    protobuf_append_item(&key, NAME, bytes_of_text("k"));
    protobuf_append_item(&key, STRINGS, entity);
    protobuf_append_item(out, KEYS, buffer_bytes(&key));
    protobuf_append_integer(out, AT_US, what->has_at ? 1700000000000000 : 0);
    protobuf_append_integer(out, EXCLUSIVE, what->is_exclusive);
    protobuf_append_integer(out, EVENT_TIMES, what->has_event_times);
    protobuf_append_integer(out, WITHOUT_STATUSES, what->is_without_statuses);
    buffer_fini(&key);
}

static struct rpc_work work_of(struct world *world, struct bytes message, struct buffer *reply)
{
    arena_reset(world->arena);
    buffer_reset(reply, SIZE_MAX);
    return (struct rpc_work){.request = message,
                             .query = world->server.query,
                             .arena = world->arena,
                             .rows = world->rows,
                             .reply = reply,
                             .until_mono_us = INT64_MAX};
}

/* What the ordinary way says of a message, behind a byte that is its status. */
static void ask_plainly(struct world *world, struct bytes message, struct buffer *out)
{
    struct buffer reply = {0};
    struct error err = {0};
    struct rpc_work work = work_of(world, message, &reply);
    query_begin(work.query);
    enum status status = rpc_method_of_features()->run(&work, &err);
    query_end(work.query);
    buffer_append_byte(out, (char)status);
    buffer_append(out, status == STATUS_OK ? buffer_bytes(&reply) : bytes_of_text(err.text));
    buffer_fini(&reply);
}

/* Asks as the door does, where the call may be recognised. */
static void ask_again(struct world *world, struct bytes message, struct buffer *out)
{
    struct buffer reply = {0};
    struct error err = {0};
    struct rpc_work work = work_of(world, message, &reply);
    work.repeats = world->repeats;
    query_begin(work.query);
    bool is_repeated = rpc_repeat_answer(&work);
    assert_int_equal(is_repeated, reply.size > 0);
    world->repeated += is_repeated;
    buffer_reset(&reply, SIZE_MAX);
    enum status status = rpc_method_of_features()->run(&work, &err);
    query_end(work.query);
    buffer_append_byte(out, (char)status);
    buffer_append(out, status == STATUS_OK ? buffer_bytes(&reply) : bytes_of_text(err.text));
    buffer_fini(&reply);
}

static void assert_same(struct world *world, struct bytes message)
{
    struct buffer plain = {0};
    struct buffer again = {0};
    ask_plainly(world, message, &plain);
    ask_again(world, message, &again);
    assert_true(bytes_equal(buffer_bytes(&plain), buffer_bytes(&again)));
    buffer_fini(&plain);
    buffer_fini(&again);
}

/* ---- groups of frames ---- */

static void append_frame(uint32_t call, struct bytes message, struct buffer *out)
{
    char head[LIGHT_CALL_HEAD_SIZE] = {0};
    be32_write(head, (uint32_t)(LIGHT_CALL_HEAD_SIZE - sizeof(uint32_t) + message.size));
    be32_write(head + 4, call);
    head[8] = LIGHT_CALL;
    head[9] = (char)rpc_method_of_features()->number;
    buffer_append(out, bytes_of(head, sizeof(head)));
    buffer_append(out, message);
}

/* Answers the frame at the front of input as the door does without us; returns its size. */
static size_t answer_plainly(struct world *world, struct bytes input, struct buffer *out)
{
    struct light_frame frame;
    struct buffer told = {0};
    size_t size = 0;
    assert_int_equal(light_parse(input, &frame, &size), LIGHT_FRAME);
    ask_plainly(world, frame.message, &told);
    light_append_answer(frame.call, buffer_bytes(&told), out);
    buffer_fini(&told);
    return size;
}

/* The same, with a status in front of each answer as ask_plainly puts it. */
static size_t answer_repeated(struct world *world, struct bytes input, struct buffer *out)
{
    size_t answered;
    struct buffer told = {0};
    query_begin(world->server.query);
    size_t size =
        rpc_repeat_answer_frames(world->repeats, world->server.query, input, &told, &answered);
    query_end(world->server.query);
    assert_int_equal(size > 0, answered > 0);
    world->repeated += answered;
    for (size_t at = 0; at < told.size; answered--) {
        enum { HEAD_SIZE = 9 };
        char *frame = told.memory + at;
        size_t message_size = be32_read(frame) + 4 - HEAD_SIZE;
        struct buffer message = {0};
        assert_int_equal(frame[8], LIGHT_ANSWER);
        buffer_append_byte(&message, STATUS_OK);
        buffer_append(&message, bytes_of(frame + HEAD_SIZE, message_size));
        light_append_answer(be32_read(frame + 4), buffer_bytes(&message), out);
        buffer_fini(&message);
        at += HEAD_SIZE + message_size;
    }
    assert_int_equal(answered, 0);
    buffer_fini(&told);
    return size;
}

static void assert_same_frames(struct world *world, struct bytes input)
{
    struct buffer plain = {0};
    struct buffer repeated = {0};
    for (size_t at = 0; at < input.size;)
        at += answer_plainly(world, bytes_after(input, at), &plain);
    for (size_t at = 0; at < input.size;) {
        size_t size = answer_repeated(world, bytes_after(input, at), &repeated);
        at += size > 0 ? size : answer_plainly(world, bytes_after(input, at), &repeated);
    }
    assert_true(bytes_equal(buffer_bytes(&plain), buffer_bytes(&repeated)));
    buffer_fini(&plain);
    buffer_fini(&repeated);
}

static struct bytes draw_entity(struct random *random)
{
    bool is_common = random_below(random, 4) > 0;
    return entities[random_below(random, is_common ? 6 : ENTITIES_COUNT)];
}

static void ask_group(struct world *world, struct random *random)
{
    struct buffer input = {0};
    struct buffer message = {0};
    size_t count = 1 + random_below(random, GROUP_CALLS_MAX);
    const struct asked *what = &asked[random_below(random, ASKED_COUNT)];
    for (size_t i = 0; i < count; i++) {
        if (random_below(random, 12) == 0)
            what = &asked[random_below(random, ASKED_COUNT)];
        buffer_reset(&message, SIZE_MAX);
        append_message(what, draw_entity(random), &message);
        append_frame((uint32_t)random_next(random), buffer_bytes(&message), &input);
    }
    assert_same_frames(world, buffer_bytes(&input));
    buffer_fini(&input);
    buffer_fini(&message);
}

static void ask_one(struct world *world, struct random *random)
{
    struct buffer message = {0};
    append_message(&asked[random_below(random, ASKED_COUNT)], draw_entity(random), &message);
    assert_same(world, buffer_bytes(&message));
    buffer_fini(&message);
}

static void repeated_calls_say_what_parsed_ones_say(void **state)
{
    (void)state;
    static struct world world;
    struct random random = random_begin(__func__);
    world_open(&world);
    for (size_t i = 1; i <= STEPS; i++) {
        size_t kind = random_below(&random, 20);
        if (kind < 3)
            world_push(&world, &random);
        else if (kind < 6)
            ask_group(&world, &random);
        else
            ask_one(&world, &random);
        if (i % (STEPS / DEFINITIONS_COUNT) == 0 && i < STEPS)
            world_apply(&world, definitions[i / (STEPS / DEFINITIONS_COUNT)], true);
    }
    assert_in_range(world.repeated, STEPS, UINT64_MAX);
    world_close(&world);
}

/* Asks one entity until it is recognised. */
static void ask_until_repeated(struct world *world, const struct asked *what)
{
    enum { TIMES = 100 };
    struct buffer message = {0};
    append_message(what, entities[0], &message);
    uint64_t before = world->repeated;
    for (size_t i = 0; i < TIMES; i++)
        assert_same(world, buffer_bytes(&message));
    assert_in_range(world->repeated, before + TIMES / 2, before + TIMES);
    buffer_fini(&message);
}

static void world_promote(struct world *world)
{
    struct error err = {0};
    enum status status =
        stream_promote(world->server.stream, bytes_of_text("v"), 2, true, &err);
    assert_int_equal(status, STATUS_OK);
}

static void promote_and_drop_are_seen_by_the_next_call(void **state)
{
    (void)state;
    static struct world world;
    struct random random = {.state = 7};
    struct error err = {0};
    struct buffer message = {0};
    uint32_t number;
    world_open(&world);
    for (size_t i = 0; i < 50; i++)
        world_push(&world, &random);
    append_message(&asked[0], entities[0], &message);
    ask_until_repeated(&world, &asked[0]);

    world_apply(&world, definitions[1], false);
    world_promote(&world);
    assert_same(&world, buffer_bytes(&message));
    ask_until_repeated(&world, &asked[0]);
    assert_int_equal(stream_rollback(world.server.stream, bytes_of_text("v"), &number, &err),
                     STATUS_OK);
    assert_same(&world, buffer_bytes(&message));
    ask_until_repeated(&world, &asked[4]); /* a pinned version */
    world_promote(&world);
    assert_int_equal(stream_drop(world.server.stream, bytes_of_text("v"), 1, &err), STATUS_OK);
    buffer_reset(&message, SIZE_MAX);
    append_message(&asked[4], entities[0], &message);
    assert_same(&world, buffer_bytes(&message)); /* says that there is no such version */
    buffer_fini(&message);
    world_close(&world);
}

/* ---- shapes ---- */

static void a_shape_matches_its_like_and_nothing_else(void **state)
{
    (void)state;
    struct rpc_shape shape = {0};
    struct buffer message = {0};
    struct bytes entity;
    char large[200];
    memset(large, 'x', sizeof(large));
    append_message(&asked[2], bytes_of_text("c42"), &message);
    assert_false(rpc_shape_match(&shape, buffer_bytes(&message), &entity));
    assert_true(rpc_shape_set(&shape, buffer_bytes(&message)));

    for (size_t size = 0; size <= sizeof(large); size++) {
        buffer_reset(&message, SIZE_MAX);
        append_message(&asked[2], bytes_of(large, size), &message);
        /* The column is its name, and a tag and a size for the entity; and has a size of one byte. */
        bool fits = 3 + 2 + size <= RPC_SHAPE_ENTITY_MAX;
        assert_int_equal(rpc_shape_match(&shape, buffer_bytes(&message), &entity), fits);
        assert_true(!fits || bytes_equal(entity, bytes_of(large, size)));
        if (size != 5)
            continue;
        for (size_t at = 0; at < message.size; at++) {
            bool is_entity = message.memory + at >= entity.data && message.memory + at < entity.data + size;
            struct bytes other;
            message.memory[at] ^= 1;
            assert_int_equal(rpc_shape_match(&shape, buffer_bytes(&message), &other), is_entity);
            message.memory[at] ^= 1;
            assert_false(rpc_shape_match(&shape, bytes_of(message.memory, at), &other));
        }
    }
    for (size_t i = 0; i < ASKED_COUNT; i++) {
        buffer_reset(&message, SIZE_MAX);
        append_message(&asked[i], bytes_of_text("c42"), &message);
        assert_int_equal(rpc_shape_match(&shape, buffer_bytes(&message), &entity), i == 2);
    }
    buffer_fini(&message);
    rpc_shape_fini(&shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_calls_say_what_parsed_ones_say),
        cmocka_unit_test(promote_and_drop_are_seen_by_the_next_call),
        cmocka_unit_test(a_shape_matches_its_like_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
