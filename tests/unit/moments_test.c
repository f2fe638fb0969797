/* Moments of many entities answer as reads of each by itself: of stream views with everything kept
 * and with folded events, of a batch view, of an on-demand view. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/time_text.h"
#include "door_world.h"
#include "query/moments.h"
#include "random.h"
#include "same_value.h"

enum {
    ENTITIES = 5,
    TURNS = 400,
    PUSH_MAX = 4,
    TEXT_SIZE = 160,
    FEATURES_MAX = 16,
    MOMENTS = 60,
    FOLD_WITHIN_US = 10 * 1000 * 1000
};

#define START_US INT64_C(1700000000000000)

#define FEATURES                                                                                   \
    "{n_50ms: {sum: n, over: 50ms}, n_step: {count: '*', over: 100ms step 20ms, where: n > 3}, "   \
    "top: {max: n, over: tumbling(40ms)}, run: {count: '*', over: session(30ms)}, "                \
    "texts: {last_n: text, over: last(3)}, idle: {time_since_last: true, over: 200ms}, "           \
    "spread: {stddev: n, over: 2s}, avg: {avg: n, over: forever}, "                                \
    "kinds: {count_distinct: text, over: forever}, first: {first: text, over: forever, default: "  \
    "none}}"

static const char definitions[] =
    "sources: {s: {fields: {id: string, ts: timestamp_us, k: string, n: int, text: string}, "
    "event_time: ts, event_id: id, clock: event}}\n"
    "entities: {k: {keys: [k]}}\n"
    "views:\n"
    "  whole: {source: s, entity: k, features: " FEATURES "}\n"
    "  short: {source: s, entity: k, history: 300ms, features: " FEATURES "}\n"
    "  b: {kind: batch, source: s, entity: k, features: {n: int, text: string}, ttl: 100ms}\n"
    "  o: {kind: on_demand, entity: k, request: {x: int}, features: {sum: whole.n_50ms + "
    "request.x}}\n";

struct world {
    struct door_world server;
    struct random random;
    struct arena *arena;
    int64_t t_us; /* about now, by the clock of the source */
};

/* A few events, some of them late, some again. */
static void push_some(struct world *world)
{
    char texts[PUSH_MAX][TEXT_SIZE];
    struct push_event events[PUSH_MAX];
    struct random *random = &world->random;
    size_t count = 1 + random_below(random, PUSH_MAX);
    world->t_us += (int64_t)random_below(random, 15000);
    for (size_t i = 0; i < count; i++) {
        static const char *const numbers[] = {"null", "1", "4", "7", "-3"};
        int64_t late_us = random_below(random, 4) == 0 ? (int64_t)random_below(random, 60000) : 0;
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

static void assert_same(const struct moments_answer *swept, const struct answer *plain)
{
    for (size_t i = 0; i < plain->count; i++) {
        assert_int_equal(swept->statuses[i], plain->statuses[i]);
        assert_same_value(&plain->values[i], &swept->values[i]);
    }
}

/* Moments of one entity, from before its first event on. */
static void compare_entity(struct world *world, struct moments *moments, const char *view,
                           unsigned entity, bool is_exclusive, uint64_t *founds)
{
    struct query *query = world->server.query;
    struct target target;
    struct error err;
    int64_t t_us = START_US - 1000;
    char key[32];
    snprintf(key, sizeof(key), "%s:k%u", view, entity);
    for (size_t i = 0; i < MOMENTS; i++) {
        struct moments_answer swept;
        struct answer plain;
        const struct value x = value_int((int64_t)random_below(&world->random, 9));
        const struct value *const steps[] = {&x};
        const struct request request = {.values = steps};
        const struct moment moment = {.t_us = t_us, .is_exclusive = is_exclusive};
        arena_reset(world->arena);
        assert_int_equal(query_find(query, bytes_of_text(key), world->arena, &target, &err),
                         STATUS_OK);
        target.request = target.view->kind == VIEW_ON_DEMAND ? &request : NULL;
        assert_int_equal(query_read(query, &target, NULL, 0, moment, world->arena, &plain, &err),
                         STATUS_OK);
        if (moments_read(moments, target.entity, t_us, target.request, &swept, &err) != STATUS_OK)
            fail_msg("%s", err.text);
        assert_same(&swept, &plain);
        *founds += plain.is_found;
        if (random_below(&world->random, 8) > 0)
            t_us += (int64_t)random_below(&world->random,
                                          2 * (uint64_t)(world->t_us - START_US) / MOMENTS);
        if (random_below(&world->random, 4) == 0) /* an edge of events, or of windows */
            t_us = t_us / 1000 * 1000 + 1000 + (int64_t)random_below(&world->random, 3) - 1;
    }
}

static uint64_t compare(struct world *world, const char *view)
{
    struct query *query = world->server.query;
    uint32_t features[FEATURES_MAX];
    struct target target;
    struct error err;
    uint64_t founds = 0;
    query_begin(query);
    query_pin(query, true);
    for (int is_exclusive = 0; is_exclusive < 2; is_exclusive++) {
        assert_int_equal(query_find_view(query, bytes_of_text(view), 0, &target, &err), STATUS_OK);
        for (uint32_t i = 0; i < target.view->features_count; i++)
            features[i] = i;
        const struct moments_question question = {.target = &target,
                                                  .features = features,
                                                  .features_count = target.view->features_count,
                                                  .is_exclusive = is_exclusive};
        struct moments *moments = moments_open(query, &question);
        for (unsigned i = 0; i <= ENTITIES; i++) /* the last one has no events */
            compare_entity(world, moments, view, i, is_exclusive, &founds);
        moments_close(&moments);
    }
    query_unpin(query);
    query_end(query);
    return founds;
}

/* What is to be folded is looked for now and then: a fast machine is done with all pushes before.
 */
static void wait_for_fold(struct world *world)
{
    struct stream *stream = world->server.stream;
    int64_t until_us = clock_mono_us() + FOLD_WITHIN_US;
    while (stream_counters(stream)->events_folded_total == 0 && clock_mono_us() < until_us)
        stream_step(stream);
    assert_true(stream_counters(stream)->events_folded_total > 0);
}

static void moments_are_reads(void **state)
{
    (void)state;
    struct world world = {.random = random_begin(__func__), .t_us = START_US};
    world.arena = arena_create(4096);
    door_world_open(&world.server);
    door_world_apply(&world.server, bytes_of_text(definitions));
    for (int turn = 0; turn < TURNS; turn++)
        push_some(&world);
    wait_for_fold(&world);

    assert_true(compare(&world, "whole") > MOMENTS);
    assert_true(compare(&world, "short") > 0);
    assert_true(compare(&world, "b") > 0);
    assert_true(compare(&world, "o") > 0);

    door_world_close(&world.server);
    arena_destroy(&world.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_reads),
    };
    return cmocka_run_group_tests_name("moments", tests, NULL, NULL);
}
