/* Reads of now, by rows and edges, answer what the store's events say: random events (late, again,
 * the same id with other values, NULL, of the future), random features, evictions, folding,
 * restarts. Who asks for the past gets no row and no edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/time_text.h"
#include "door_world.h"
#include "random.h"

enum { ENTITIES = 6, TURNS = 1500, PUSH_MAX = 4, TEXT_SIZE = 160, FEATURES_MAX = 16 };

#define FEATURES                                                                                   \
    "{n_50ms: {sum: n, over: 50ms}, n_step: {count: '*', over: 100ms step 20ms, where: n > 3}, "   \
    "top: {max: n, over: tumbling(40ms)}, run: {count: '*', over: session(30ms)}, "                \
    "texts: {last_n: text, over: last(3)}, idle: {time_since_last: true, over: 200ms}"

#define OVER_ALL                                                                                   \
    ", avg: {avg: n, over: forever}, kinds: {count_distinct: text, over: forever}, "               \
    "first: {first: text, over: forever, default: none}"

/* The clock, a part that needs all events, and how much history. */
static const char definitions[] =
    "sources: {s: {fields: {id: string, ts: timestamp_us, k: string, n: int, text: string}, "
    "event_time: ts, event_id: id, clock: %s}}\n"
    "entities: {k: {keys: [k]}}\n"
    "views:\n"
    "  v: {source: s, entity: k%s, features: " FEATURES "%s}}\n";

struct kind {
    const char *clock;
    const char *history;
    const char *features;
    size_t hot_bytes;
};

struct world {
    struct door_world server;
    struct random random;
    struct arena *arena;
    int64_t t_us; /* about now, by the clock of the source */
    bool is_wall;
};

static void apply(struct world *world, const struct kind *kind)
{
    char text[1024];
    int size =
        snprintf(text, sizeof(text), definitions, kind->clock, kind->history, kind->features);
    door_world_apply(&world->server, bytes_of(text, (size_t)size));
}

/* A few events, most of them of the last moments. */
static void push_some(struct world *world)
{
    char texts[PUSH_MAX][TEXT_SIZE];
    struct push_event events[PUSH_MAX];
    struct random *random = &world->random;
    size_t count = 1 + random_below(random, PUSH_MAX);
    world->t_us =
        world->is_wall ? clock_now_us() : world->t_us + (int64_t)random_below(random, 15000);
    for (size_t i = 0; i < count; i++) {
        static const char *const numbers[] = {"null", "1", "4", "7", "-3"};
        int64_t late_us = random_below(random, 4) == 0 ? (int64_t)random_below(random, 60000) : 0;
        if (world->is_wall && random_below(random, 8) == 0)
            late_us = -(int64_t)random_below(random, 5000);
        int size = snprintf(texts[i], TEXT_SIZE,
                            "{\"id\":\"%u\",\"ts\":%lld,\"k\":\"k%u\",\"n\":%s,\"text\":\"%u\"}",
                            (unsigned)random_below(random, 300),
                            (long long)(world->t_us - late_us) / 1000 * 1000,
                            (unsigned)random_below(random, ENTITIES),
                            numbers[random_below(random, 5)], (unsigned)random_below(random, 9));
        events[i] =
            (struct push_event){.format = EVENT_JSON, .text = bytes_of(texts[i], (size_t)size)};
    }
    door_world_push(&world->server, events, count);
}

static void read_at(struct world *world, const struct target *target, const uint32_t *features,
                    size_t count, struct moment moment, struct text_answer *answer)
{
    struct error err;
    if (query_read_texts(world->server.query, target, features, count, moment, world->arena, answer,
                         &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static void assert_same(const struct text_answer *fast, const struct text_answer *plain)
{
    assert_int_equal(fast->t_us, plain->t_us);
    assert_int_equal(fast->is_found, plain->is_found);
    assert_false(fast->is_out_of_history || plain->is_out_of_history);
    if (plain->is_found)
        assert_int_equal(fast->event_time_us, plain->event_time_us);
    for (size_t i = 0; i < plain->count; i++) {
        assert_int_equal(fast->statuses[i], plain->statuses[i]);
        assert_int_equal(fast->texts[i].data == NULL, plain->texts[i].data == NULL);
        assert_true(bytes_equal(fast->texts[i], plain->texts[i]));
    }
}

/* Some features of an entity as of now, and again as of the T that it was answered for. */
static void read_some(struct world *world)
{
    struct target target;
    struct text_answer fast;
    struct text_answer plain;
    struct error err;
    uint32_t features[FEATURES_MAX];
    struct moment moment = {.is_now = true, .is_exclusive = random_below(&world->random, 5) == 0};
    arena_reset(world->arena);
    query_begin(world->server.query);
    struct bytes key =
        arena_format(world->arena, "v:k%u", (unsigned)random_below(&world->random, ENTITIES));
    if (query_find(world->server.query, key, world->arena, &target, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    size_t count = 1 + random_below(&world->random, target.view->features_count);
    for (size_t i = 0; i < count; i++)
        features[i] = (uint32_t)random_below(&world->random, target.view->features_count);
    read_at(world, &target, features, count, moment, &fast);
    moment = (struct moment){.t_us = fast.t_us, .is_exclusive = moment.is_exclusive};
    read_at(world, &target, features, count, moment, &plain);
    assert_same(&fast, &plain);
    query_end(world->server.query);
}

static void restart(struct world *world, const struct storage_options *options)
{
    struct door_world *server = &world->server;
    struct error err;
    resp_door_destroy(&server->door);
    query_destroy(&server->query);
    writer_destroy(&server->writer);
    stream_close(&server->stream);
    storage_close(&server->storage);
    if (storage_open(server->directory, options, &server->storage, &err) != STATUS_OK ||
        stream_open(server->storage, door_world_changed, server, &server->stream, &err) !=
            STATUS_OK)
        fail_msg("%s", err.text);
    server->writer = writer_create(server->storage, server->stream);
    server->query = query_create(&(struct query_options){
        .storage = server->storage, .board = server->board, .epoch = server->epoch});
    server->door = door_world_new_door(server);
}

/* Returns how many reads were made of edges. */
static uint64_t run(const struct kind *kind, const char *name)
{
    struct world world = {.random = random_begin(name), .t_us = INT64_C(1700000000000000)};
    world.is_wall = kind->clock[0] == 'w';
    world.arena = arena_create(4096);
    struct storage_options options = {
        .block_cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20, .hot_bytes = kind->hot_bytes};
    door_world_open_with(&world.server, &options);
    options.epoch = world.server.epoch;
    restart(&world, &options); /* from here on with the epoch */
    apply(&world, kind);
    uint64_t edge_hits = 0;
    uint64_t folded = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        push_some(&world);
        for (uint64_t i = random_below(&world.random, 6); i > 0; i--)
            read_some(&world);
        if (turn % 500 != 499)
            continue;
        edge_hits += hot_counters(storage_hot(world.server.storage)).edge_hits_total;
        folded += stream_counters(world.server.stream)->events_folded_total;
        restart(&world, &options);
    }
    assert_int_equal(folded > 0, kind->history[0] != '\0');
    door_world_close(&world.server);
    arena_destroy(&world.arena);
    return edge_hits;
}

static void reads_by_an_event_clock_are_those_of_the_store(void **state)
{
    (void)state;
    const struct kind kind = {
        .clock = "event", .history = "", .features = OVER_ALL, .hot_bytes = 1 << 20};
    assert_true(run(&kind, __func__) > TURNS / 10);
}

static void reads_by_the_wall_clock_are_those_of_the_store(void **state)
{
    (void)state;
    const struct kind kind = {.clock = "wall", .history = "", .features = "", .hot_bytes = 1 << 20};
    assert_true(run(&kind, __func__) > TURNS / 10);
}

static void reads_while_memory_is_short_are_those_of_the_store(void **state)
{
    (void)state;
    const struct kind kind = {
        .clock = "event", .history = "", .features = OVER_ALL, .hot_bytes = 3000};
    assert_true(run(&kind, __func__) > 0);
}

static void reads_while_events_are_folded_are_those_of_the_store(void **state)
{
    (void)state;
    const struct kind kind = {.clock = "event",
                              .history = ", history: 300ms",
                              .features = OVER_ALL,
                              .hot_bytes = 1 << 20};
    assert_true(run(&kind, __func__) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_by_an_event_clock_are_those_of_the_store),
        cmocka_unit_test(reads_by_the_wall_clock_are_those_of_the_store),
        cmocka_unit_test(reads_while_memory_is_short_are_those_of_the_store),
        cmocka_unit_test(reads_while_events_are_folded_are_those_of_the_store),
    };
    return cmocka_run_group_tests_name("edge_reads", tests, NULL, NULL);
}
