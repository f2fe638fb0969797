/* Partials as the storage keeps them, on real timelines. */
#include "features_world.h"
#include "features/condense.h"
#include "features/partial.h"
#include "random.h"
#include "storage_world.h"

enum { TABLE = 7, LEVELS_ALL = CHUNK_LEVELS - 1 };

/* A view, the entity "e" of it, and a batch. */
struct world {
    struct fixture fixture;
    struct buffer entity_memory; /* owned */
    struct bytes entity;
    struct batch *batch; /* owned */
};

static void world_begin(struct world *world)
{
    *world = (struct world){.batch = batch_create()};
    world->entity = entity_of(&world->entity_memory, "e");
    begin(&world->fixture, true, NULL);
    add(&world->fixture, "count", NULL, "7d", NULL);
    add(&world->fixture, "sum", "n", "20s", NULL);
    add(&world->fixture, "avg", "x", "1m step 5s", "n > 3");
    add(&world->fixture, "max", "s", "forever", NULL);
    add(&world->fixture, "count_distinct", "n", "session(1s)", NULL);
    add(&world->fixture, "stddev", "x", "tumbling(10s)", NULL);
    add(&world->fixture, "last_n", "n", "last(3)", NULL);
    compile(&world->fixture);
}

static void world_end(struct world *world)
{
    end(&world->fixture);
    batch_destroy(&world->batch);
    buffer_fini(&world->entity_memory);
}

/* Puts an event into the batch. */
static void put_event(struct world *world, int64_t time_us, const char *id, int64_t n)
{
    static struct events one;
    one.count = 0;
    put(&world->fixture, &one, time_us, id, value_int(n % 9), value_double((double)n / 7),
        n % 3 == 0 ? "a" : "bc");
    batch_put_event(world->batch, storage, TABLE, world->entity, time_us, one.events[0].identity,
                    one.events[0].row);
}

static void commit(struct world *world)
{
    write_batch(world->batch, false);
    batch_clear(world->batch);
}

/* count events, one each step_us from start_us on. */
static void put_run(struct world *world, int64_t start_us, int64_t step_us, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char id[24];
        snprintf(id, sizeof(id), "%zu", i);
        put_event(world, start_us + (int64_t)i * step_us, id, (int64_t)i);
    }
    commit(world);
}

static struct timeline *open_timeline(const struct world *world, int64_t t_us)
{
    return timeline_open(storage, &reading, TABLE, world->entity, t_us);
}

static void put_partial(void *context, const struct timeline_chunk *chunk)
{
    struct world *world = context;
    batch_put_partial(world->batch, storage, TABLE, world->entity, chunk);
}

/* Makes the partials of a range, or steps_max steps of that. */
static void condense(struct world *world, int64_t from_us, int64_t to_us, int64_t closed_us,
                     size_t steps_max)
{
    struct condense work;
    struct arena *arena = arena_create(64 * 1024);
    condense_start(&work, from_us, to_us, closed_us);
    for (size_t i = 0; i < steps_max && !condense_is_done(&work); i++) {
        struct timeline *timeline = open_timeline(world, TIME_MAX_US);
        const struct timeline_reader reader = timeline_reader_of(timeline);
        struct error err;
        arena_reset(arena);
        if (condense_step(&work, world->fixture.plan, &reader, arena, put_partial, world, &err) !=
            STATUS_OK)
            fail_msg("%s", err.text);
        timeline_close(&timeline);
        commit(world);
    }
    arena_destroy(&arena);
}

/* Whether there is a partial of that chunk; then its count of events. */
static bool find_partial(const struct world *world, int64_t end_us, unsigned level, uint64_t *count)
{
    struct timeline *timeline = open_timeline(world, TIME_MAX_US);
    struct timeline_chunk chunk;
    struct partial partial;
    bool is_there = timeline_chunk_seek(timeline, end_us, level, &chunk, NULL) == STATUS_OK &&
                    chunk.end_us == end_us && chunk.level == level;
    if (is_there) {
        struct bytes left = chunk.partial;
        partial_init(&partial, world->fixture.plan, world->fixture.arena);
        assert_true(partial_decode_head(&partial, &left));
        *count = partial.run.count;
    }
    timeline_close(&timeline);
    return is_there;
}

/* The fast walk and the plain one at that T; returns the chunks that were taken. */
static uint64_t compare_at(const struct world *world, int64_t t_us)
{
    const struct question question = {.view = &world->fixture.view, .t_us = t_us};
    struct arena *arena = arena_create(64 * 1024);
    struct timeline *timeline = open_timeline(world, t_us);
    const struct timeline_reader reader = timeline_reader_of(timeline);
    struct answer plain;
    struct answer fast;
    struct walk_report report;
    struct error err;
    int64_t next_us;
    int64_t later_us = INT64_MAX;
    assert_int_equal(
        features_walk(world->fixture.plan, &question, &reader, arena, &fast, &report, &err),
        STATUS_OK);
    assert_int_equal(timeline_next_us(timeline, &next_us, &err), STATUS_OK);
    timeline_close(&timeline);
    timeline = open_timeline(world, t_us);
    assert_int_equal(features_evaluate(world->fixture.plan, &question, timeline_back, timeline,
                                       arena, &plain, &err),
                     STATUS_OK);
    timeline_close(&timeline);
    timeline = open_timeline(world, TIME_MAX_US);
    struct timeline_event event;
    while (timeline_back(timeline, &event, &err) == STATUS_OK && event.time_us > t_us)
        later_us = event.time_us;
    timeline_close(&timeline);

    assert_same_answer(&plain, &fast);
    assert_int_equal(next_us, later_us);
    arena_destroy(&arena);
    return report.chunks;
}

static void reads_with_partials_are_plain(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct world world;
    uint64_t chunks = 0;
    int64_t now_us = 0;
    world_begin(&world);
    for (size_t i = 0; i < 1500; i++) {
        char id[24];
        bool is_refused = random_below(&random, 20) == 0;
        int64_t late_us =
            random_below(&random, 12) == 0 ? (int64_t)random_below(&random, 20 * US_PER_SECOND) : 0;
        now_us += (int64_t)random_below(&random, 60 * US_PER_MS);
        snprintf(id, sizeof(id), "%u", (unsigned)random_below(&random, 1000));
        batch_mark(world.batch);
        put_event(&world, now_us - late_us, id, (int64_t)random_below(&random, 1000));
        if (is_refused)
            batch_undo_to_mark(world.batch);
        else
            batch_forget_mark(world.batch);
        commit(&world);
        if (random_below(&random, 50) == 0)
            condense(&world, now_us - (int64_t)random_below(&random, 30 * US_PER_SECOND), now_us,
                     now_us - (int64_t)random_below(&random, US_PER_SECOND),
                     random_below(&random, 8));
        if (random_below(&random, 300) == 0)
            condense(&world, CONDENSE_FROM_BEGINNING, now_us, now_us, SIZE_MAX);
        if (random_below(&random, 300) == 0)
            reopen();
        if (random_below(&random, 5) == 0)
            chunks +=
                compare_at(&world, now_us - (int64_t)random_below(&random, 2) *
                                                (int64_t)random_below(&random, (uint64_t)now_us));
    }
    assert_true(chunks > 100);
    world_end(&world);
}

static void each_full_chunk_has_a_partial(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct world world;
    int64_t time_us = 0;
    world_begin(&world);
    for (size_t i = 0; i < 8000; i++) {
        char id[24];
        time_us += (int64_t)random_below(&random, random_below(&random, 50) == 0 ? 2 * US_PER_SECOND
                                                                                 : 8 * US_PER_MS);
        snprintf(id, sizeof(id), "%zu", i);
        put_event(&world, time_us, id, 1);
    }
    commit(&world);

    condense(&world, CONDENSE_FROM_BEGINNING, time_us, time_us, SIZE_MAX);

    size_t checked = 0;
    for (unsigned level = 0; level < CHUNK_LEVELS; level++) {
        int64_t size_us = chunk_size_us(level);
        for (int64_t end_us = size_us; end_us <= chunk_start_us(time_us, 0); end_us += size_us) {
            struct timeline *timeline = open_timeline(&world, end_us - 1);
            struct timeline_event event;
            uint64_t count = 0;
            uint64_t stored = 0;
            while (timeline_back(timeline, &event, NULL) == STATUS_OK &&
                   event.time_us >= end_us - size_us)
                count++;
            timeline_close(&timeline);
            assert_int_equal(find_partial(&world, end_us, level, &stored),
                             count >= CHUNK_EVENTS_MIN);
            checked += count >= CHUNK_EVENTS_MIN;
            if (count >= CHUNK_EVENTS_MIN)
                assert_int_equal(stored, count);
        }
    }
    assert_true(checked > 100);
    world_end(&world);
}

/* Many events of one moment, as a source that tells seconds has them, where a piece of work ends.
 */
static void bursts_have_partials(void **state)
{
    (void)state;
    enum { BURST = 64, BURSTS = 100 };
    const int64_t period_us = 50 * US_PER_MINUTE;
    struct world world;
    world_begin(&world);
    for (size_t i = 0; i < BURSTS * BURST; i++) {
        char id[24];
        snprintf(id, sizeof(id), "%zu", i);
        put_event(&world, (int64_t)(i / BURST) * period_us, id, (int64_t)i);
    }
    commit(&world);

    condense(&world, CONDENSE_FROM_BEGINNING, BURSTS * period_us, BURSTS * period_us, SIZE_MAX);

    for (int64_t i = 0; i < BURSTS; i++) {
        uint64_t count = 0;
        assert_true(find_partial(&world, chunk_end_us(i * period_us, 0), 0, &count));
        assert_int_equal(count, BURST);
    }
    assert_in_range(compare_at(&world, BURSTS * period_us), 1, BURSTS);
    world_end(&world);
}

static void a_late_event_deletes_what_covers_it(void **state)
{
    (void)state;
    const int64_t second_us = US_PER_SECOND;
    struct world world;
    uint64_t count;
    world_begin(&world);
    put_run(&world, 0, 20 * US_PER_MS, 1000); /* 20 s */
    condense(&world, CONDENSE_FROM_BEGINNING, 20 * second_us, 20 * second_us, SIZE_MAX);
    assert_true(find_partial(&world, 8 * second_us, 3, &count));
    assert_true(find_partial(&world, 10 * second_us, 4, &count));

    batch_mark(world.batch);
    put_event(&world, 7 * second_us + 1, "late", 1);
    batch_undo_to_mark(world.batch);
    commit(&world);
    assert_true(find_partial(&world, 8 * second_us, 3, &count)); /* the push was refused */

    put_event(&world, 7 * second_us + 1, "late", 1);
    commit(&world);

    assert_false(find_partial(&world, 8 * second_us, 3, &count));
    assert_false(find_partial(&world, 10 * second_us, 4, &count));
    assert_false(find_partial(&world, 15 * second_us, 5, &count));
    assert_true(find_partial(&world, 9 * second_us, 3, &count));
    assert_true(find_partial(&world, 5 * second_us, 4, &count));

    condense(&world, 7 * second_us + 1, 7 * second_us + 1, 20 * second_us, SIZE_MAX);
    assert_true(find_partial(&world, 8 * second_us, 3, &count));
    assert_int_equal(count, 51);
    assert_true(find_partial(&world, 15 * second_us, 5, &count));
    assert_int_equal(count, 751);

    reopen();
    put_event(&world, 7 * second_us + 2, "later", 1);
    commit(&world);
    assert_false(find_partial(&world, 15 * second_us, 5, &count));
    assert_true(find_partial(&world, 9 * second_us, 3, &count));
    world_end(&world);
}

static void partials_of_deleted_events_go(void **state)
{
    (void)state;
    const int64_t second_us = US_PER_SECOND;
    struct world world;
    struct error err;
    uint64_t count;
    world_begin(&world);
    put_run(&world, 0, 20 * US_PER_MS, 1000);
    condense(&world, CONDENSE_FROM_BEGINNING, 20 * second_us, 20 * second_us, SIZE_MAX);

    assert_int_equal(batch_delete_partials(world.batch, storage, TABLE, world.entity,
                                           2 * second_us + 1, 6 * second_us, &err),
                     STATUS_OK);
    commit(&world);

    const struct {
        int64_t end_s;
        unsigned level;
        bool is_kept;
    } cases[] = {{2, 3, true},  {3, 3, false},  {6, 3, false}, {7, 3, false}, {8, 3, true},
                 {5, 4, false}, {10, 4, false}, {15, 4, true}, {15, 5, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(find_partial(&world, cases[i].end_s * second_us, cases[i].level, &count),
                         cases[i].is_kept);
    world_end(&world);
}

static size_t string_size(const void *context, struct bytes key)
{
    (void)context;
    const char *end = memchr(key.data, '\0', key.size);
    return end == NULL ? 0 : (size_t)(end - key.data) + 2; /* the end of an encoded string */
}

static void partials_are_no_events_and_no_entities(void **state)
{
    (void)state;
    struct world world;
    struct bytes entity;
    world_begin(&world);
    put_run(&world, 0, 20 * US_PER_MS, 200);
    condense(&world, CONDENSE_FROM_BEGINNING, 4 * US_PER_SECOND, 4 * US_PER_SECOND, SIZE_MAX);

    struct timeline *timeline = open_timeline(&world, TIME_MAX_US);
    struct timeline_event event;
    size_t count = 0;
    while (timeline_back(timeline, &event, NULL) == STATUS_OK)
        count++;
    timeline_close(&timeline);
    assert_int_equal(count, 200);

    struct entity_scan *scan =
        entity_scan_open(storage, &reading, TABLE, (struct bytes){0}, string_size, NULL);
    assert_int_equal(entity_scan_next(scan, &entity, NULL), STATUS_OK);
    assert_true(bytes_equal(entity, world.entity));
    assert_int_equal(entity_scan_next(scan, &entity, NULL), STATUS_NOT_FOUND);
    entity_scan_close(&scan);
    world_end(&world);
}

static void wants_come_back_once_and_in_order(void **state)
{
    (void)state;
    struct partials_want want = {0};
    struct bytes a = bytes_of_text("a");
    struct bytes b = bytes_of_text("b");
    storage_want_partials(storage, TABLE, a, PARTIALS_GROWTH, PARTIALS_GROWTH);
    storage_want_partials(storage, TABLE, b, 100, 200);
    storage_want_partials(storage, TABLE, a, PARTIALS_GROWTH, PARTIALS_GROWTH);
    storage_want_partials(storage, TABLE, b, 150, 300);
    storage_want_partials(storage, TABLE, b, US_PER_DAY, US_PER_DAY);

    assert_true(storage_take_want(storage, &want));
    assert_true(bytes_equal(buffer_bytes(&want.entity), a));
    assert_int_equal(want.from_us, PARTIALS_GROWTH);
    assert_true(storage_take_want(storage, &want));
    assert_true(bytes_equal(buffer_bytes(&want.entity), b));
    assert_int_equal(want.from_us, 100);
    assert_int_equal(want.to_us, 300);
    assert_true(storage_take_want(storage, &want));
    assert_int_equal(want.from_us, US_PER_DAY);
    assert_false(storage_take_want(storage, &want));

    for (size_t i = 0; i < 100000; i++)
        storage_want_partials(storage, TABLE, b, (int64_t)i * US_PER_DAY, (int64_t)i * US_PER_DAY);
    size_t count = 0;
    while (storage_take_want(storage, &want))
        count++;
    assert_in_range(count, 1, 1000);
    buffer_fini(&want.entity);
}

static void a_busy_entity_is_wanted_before_it_is_read(void **state)
{
    (void)state;
    struct partials_want want = {0};
    struct world world;
    world_begin(&world);
    put_run(&world, 0, US_PER_SECOND, 100);
    assert_false(storage_take_want(storage, &want));

    put_run(&world, 0, US_PER_SECOND, 5000);

    assert_true(storage_take_want(storage, &want));
    assert_true(bytes_equal(buffer_bytes(&want.entity), world.entity));
    assert_int_equal(want.table_id, TABLE);
    assert_int_equal(want.from_us, PARTIALS_GROWTH);
    buffer_fini(&want.entity);
    world_end(&world);
}

int main(void)
{
#define WITH_STORAGE(test) cmocka_unit_test_setup_teardown(test, storage_begin, storage_end)
    const struct CMUnitTest tests[] = {
        WITH_STORAGE(reads_with_partials_are_plain),
        WITH_STORAGE(each_full_chunk_has_a_partial),
        WITH_STORAGE(bursts_have_partials),
        WITH_STORAGE(a_late_event_deletes_what_covers_it),
        WITH_STORAGE(partials_of_deleted_events_go),
        WITH_STORAGE(partials_are_no_events_and_no_entities),
        WITH_STORAGE(wants_come_back_once_and_in_order),
        WITH_STORAGE(a_busy_entity_is_wanted_before_it_is_read),
    };
    return cmocka_run_group_tests_name("partials", tests, NULL, NULL);
}
