/* Events that come by sorted files, against the same events put one by one. */
#include "storage/event_sort.h"

#include "features_world.h"
#include "features/condense.h"
#include "random.h"
#include "storage_world.h"

/* All events go into both tables; only the first gets files and partials. */
enum { TABLE = 7, TWIN = 8, ENTITIES = 4, SMALL_MEMORY = 2000, LARGE_MEMORY = 64 << 20 };

struct world {
    struct fixture fixture;
    struct buffer names[ENTITIES]; /* owned */
    struct bytes entities[ENTITIES];
    struct batch *batch;      /* owned: of the table */
    struct batch *twin_batch; /* owned */
    struct event_sort *sort;  /* owned, or NULL */
};

static void open_with_hot_tier(void)
{
    const struct storage_options with_hot = {
        .block_cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20, .hot_bytes = 1 << 20};
    struct error err;
    storage_close(&storage);
    if (storage_open(directory, &with_hot, &storage, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static void world_begin(struct world *world)
{
    static const char *const names[ENTITIES] = {"a", "aa", "b", "long enough to be another"};
    open_with_hot_tier();
    *world = (struct world){.batch = batch_create(), .twin_batch = batch_create()};
    for (size_t i = 0; i < ENTITIES; i++)
        world->entities[i] = entity_of(&world->names[i], names[i]);
    begin(&world->fixture, true, NULL);
    add(&world->fixture, "count", NULL, "7d", NULL);
    add(&world->fixture, "sum", "x", "20s", NULL);
    add(&world->fixture, "max", "s", "forever", NULL);
    add(&world->fixture, "stddev", "x", "tumbling(10s)", NULL);
    add(&world->fixture, "last_n", "n", "last(3)", NULL);
    compile(&world->fixture);
}

static void world_end(struct world *world)
{
    event_sort_destroy(&world->sort);
    end(&world->fixture);
    batch_destroy(&world->batch);
    batch_destroy(&world->twin_batch);
    for (size_t i = 0; i < ENTITIES; i++)
        buffer_fini(&world->names[i]);
}

static struct event_sort *sort_create(size_t memory_bytes)
{
    return event_sort_create(storage, &(struct event_sort_options){.table_id = TABLE,
                                                                   .directory = directory,
                                                                   .name = "sort",
                                                                   .memory_bytes = memory_bytes});
}

static void sort_finish(struct event_sort *sort)
{
    struct error err;
    if (event_sort_finish(sort, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

/* Takes all files in, however often it must be asked. */
static void sort_ingest(struct event_sort *sort)
{
    struct error err = {0};
    enum status status;
    while ((status = event_sort_ingest(sort, &err)) == STATUS_AGAIN)
        usleep(1000); /* RocksDB's flush */
    if (status != STATUS_OK)
        fail_msg("%s", err.text);
}

static void put_twin(struct world *world, size_t entity, const struct timeline_event *event)
{
    batch_put_event(world->twin_batch, storage, TWIN, world->entities[entity], event->time_us,
                    event->identity, event->row);
    write_batch(world->twin_batch, false);
    batch_clear(world->twin_batch);
}

static void put_live(struct world *world, size_t entity, const struct timeline_event *event)
{
    batch_put_event(world->batch, storage, TABLE, world->entities[entity], event->time_us,
                    event->identity, event->row);
    write_batch(world->batch, false);
    batch_clear(world->batch);
}

static const struct timeline_event *make_event(struct world *world, int64_t time_us, const char *id,
                                               int64_t n)
{
    static struct events one;
    one.count = 0;
    put(&world->fixture, &one, time_us, id, value_int(n % 9), value_double((double)n / 7),
        n % 3 == 0 ? "a" : "bc");
    return &one.events[0];
}

static void sort_add(struct world *world, struct event_sort *sort, size_t entity,
                     const struct timeline_event *event)
{
    struct error err;
    if (event_sort_add(sort, world->entities[entity], event->time_us, event->identity, event->row,
                       &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

struct condensing_of {
    struct world *world;
    size_t entity;
};

static void put_partial(void *context, const struct timeline_chunk *chunk)
{
    const struct condensing_of *it = context;
    batch_put_partial(it->world->batch, storage, TABLE, it->world->entities[it->entity], chunk);
}

static void condense(struct world *world, size_t entity, int64_t closed_us)
{
    struct condense work;
    struct condensing_of it = {world, entity};
    struct arena *arena = arena_create(64 * 1024);
    condense_start(&work, CONDENSE_FROM_BEGINNING, closed_us, closed_us);
    while (!condense_is_done(&work)) {
        struct error err;
        struct timeline *timeline =
            timeline_open(storage, &reading, TABLE, world->entities[entity], TIME_MAX_US);
        const struct timeline_reader reader = timeline_reader_of(timeline);
        arena_reset(arena);
        if (condense_step(&work, world->fixture.plan, &reader, arena, put_partial, &it, &err) !=
            STATUS_OK)
            fail_msg("%s", err.text);
        timeline_close(&timeline);
        write_batch(world->batch, false);
        batch_clear(world->batch);
    }
    arena_destroy(&arena);
}

/* The fast walk of the table and the plain one of its twin; returns the chunks that were taken. */
static uint64_t compare_at(const struct world *world, size_t entity, int64_t t_us)
{
    const struct question question = {.view = &world->fixture.view, .t_us = t_us};
    struct bytes name = world->entities[entity];
    struct arena *arena = arena_create(64 * 1024);
    struct timeline *timeline = timeline_open(storage, &reading, TABLE, name, t_us);
    const struct timeline_reader reader = timeline_reader_of(timeline);
    struct answer plain;
    struct answer fast;
    struct walk_report report;
    struct error err;
    assert_int_equal(
        features_walk(world->fixture.plan, &question, &reader, arena, &fast, &report, &err),
        STATUS_OK);
    timeline_close(&timeline);
    timeline = timeline_open(storage, &reading, TWIN, name, t_us);
    assert_int_equal(features_evaluate(world->fixture.plan, &question, timeline_back, timeline,
                                       arena, &plain, &err),
                     STATUS_OK);
    timeline_close(&timeline);
    assert_same_answer(&plain, &fast);
    arena_destroy(&arena);
    return report.chunks;
}

static void compare_all(const struct world *world, struct random *random, int64_t now_us,
                        uint64_t *chunks)
{
    for (size_t i = 0; i < ENTITIES; i++) {
        *chunks += compare_at(world, i, now_us);
        *chunks += compare_at(world, i, (int64_t)random_below(random, (uint64_t)now_us + 1));
    }
}

/* Whether a row that was read just now is still found. */
static void keep_row(const struct world *world, size_t entity, uint64_t ticket)
{
    const struct hot_cell cell = {.is_known = true, .status = FEATURE_NULL};
    const struct hot_draft draft = {
        .valid_until_us = INT64_MAX, .is_found = true, .cells = &cell, .count = 1};
    hot_keep(storage_hot(storage), TABLE, world->entities[entity], ticket, &draft);
}

static bool row_is_kept(const struct world *world, size_t entity)
{
    return hot_find(storage_hot(storage), TABLE, world->entities[entity]) != NULL;
}

static uint64_t take_ticket(const struct world *world, size_t entity)
{
    return hot_ticket(storage_hot(storage), TABLE, world->entities[entity]);
}

static void files_are_as_good_as_puts(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct world world;
    uint64_t chunks = 0;
    int64_t now_us = 20 * US_PER_SECOND;
    world_begin(&world);
    for (size_t round = 0; round < 25; round++) {
        bool has_partials = random_below(&random, 3) > 0;
        size_t files_count = random_below(&random, 300);
        world.sort = NULL;
        if (has_partials)
            for (size_t i = 0; i < ENTITIES; i++)
                condense(&world, i, now_us);
        world.sort = sort_create(random_below(&random, 2) == 0 ? SMALL_MEMORY : LARGE_MEMORY);
        struct events *held = calloc(1, sizeof(*held));
        static size_t entities[EVENTS_MAX];
        for (size_t i = 0; i < files_count + 100; i++) {
            char id[24];
            size_t entity = random_below(&random, ENTITIES);
            int64_t time_us = (int64_t)random_below(&random, (uint64_t)now_us);
            snprintf(id, sizeof(id), "%u", (unsigned)random_below(&random, 300));
            const struct timeline_event *event =
                make_event(&world, time_us, id, (int64_t)random_below(&random, 1000));
            bool is_live = random_below(&random, 4) == 0;
            if (is_live)
                put_live(&world, entity, event);
            else
                sort_add(&world, world.sort, entity, event);
            if (is_live) {
                put_twin(&world, entity, event);
            } else { /* to be seen once the file is taken in */
                entities[held->count] = entity;
                held->events[held->count++] = *event;
            }
        }
        now_us += (int64_t)random_below(&random, US_PER_SECOND);
        compare_all(&world, &random, now_us, &chunks);
        sort_finish(world.sort);
        compare_all(&world, &random, now_us, &chunks);
        size_t watched = random_below(&random, ENTITIES);
        uint64_t old_ticket = take_ticket(&world, watched);
        keep_row(&world, watched, old_ticket);
        assert_true(row_is_kept(&world, watched));

        sort_ingest(world.sort);

        assert_false(row_is_kept(&world, watched));
        keep_row(&world, watched, old_ticket); /* what was read before the files were there */
        assert_false(row_is_kept(&world, watched));
        for (size_t i = 0; i < held->count; i++)
            put_twin(&world, entities[i], &held->events[i]);
        compare_all(&world, &random, now_us, &chunks);
        event_sort_destroy(&world.sort);
        free(held);
        if (random_below(&random, 6) == 0)
            open_with_hot_tier();
    }
    assert_true(chunks > 50);
    world_end(&world);
}

static size_t count_events(const struct world *world, size_t entity)
{
    struct timeline *timeline =
        timeline_open(storage, &reading, TABLE, world->entities[entity], TIME_MAX_US);
    struct timeline_event event;
    size_t count = 0;
    while (timeline_back(timeline, &event, NULL) == STATUS_OK)
        count++;
    timeline_close(&timeline);
    return count;
}

static void add_run(struct world *world, struct event_sort *sort, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char id[24];
        snprintf(id, sizeof(id), "%zu", i);
        sort_add(world, sort, i % ENTITIES,
                 make_event(world, (int64_t)(i * 7919 % count) * US_PER_MS, id, (int64_t)i));
    }
}

static void the_same_file_twice_is_there_once(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world);
    for (size_t pass = 0; pass < 2; pass++) {
        world.sort = sort_create(pass == 0 ? SMALL_MEMORY : LARGE_MEMORY);
        add_run(&world, world.sort, 1000);
        add_run(&world, world.sort, 1000);
        sort_finish(world.sort);
        sort_ingest(world.sort);
        event_sort_destroy(&world.sort);
        size_t count = 0;
        for (size_t i = 0; i < ENTITIES; i++)
            count += count_events(&world, i);
        assert_int_equal(count, 1000);
    }
    world_end(&world);
}

static void what_is_not_taken_in_leaves_nothing_behind(void **state)
{
    (void)state;
    struct world world;
    char command[160];
    world_begin(&world);
    for (size_t stage = 0; stage < 2; stage++) {
        world.sort = sort_create(SMALL_MEMORY);
        add_run(&world, world.sort, 500);
        if (stage == 1)
            sort_finish(world.sort);
        event_sort_destroy(&world.sort);
    }
    for (size_t i = 0; i < ENTITIES; i++)
        assert_int_equal(count_events(&world, i), 0);
    snprintf(command, sizeof(command), "! ls %s/sort* >/dev/null 2>&1", directory);
    assert_int_equal(system(command), 0);
    world_end(&world);
}

static void nothing_is_a_sort_too(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world);
    world.sort = sort_create(LARGE_MEMORY);
    sort_finish(world.sort);
    sort_ingest(world.sort);
    world_end(&world);
}

static void a_directory_that_is_gone_is_an_error(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    enum status status = STATUS_OK;
    world_begin(&world);
    world.sort =
        event_sort_create(storage, &(struct event_sort_options){.table_id = TABLE,
                                                                .directory = "/nowhere/at/all",
                                                                .name = "sort",
                                                                .memory_bytes = LARGE_MEMORY});
    const struct timeline_event *event = make_event(&world, 1, "1", 1);

    status = event_sort_add(world.sort, world.entities[0], event->time_us, event->identity,
                            event->row, &err);
    if (status == STATUS_OK)
        status = event_sort_finish(world.sort, &err);

    assert_int_equal(status, STATUS_IO);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    world_end(&world);
}

int main(void)
{
#define WITH_STORAGE(test) cmocka_unit_test_setup_teardown(test, storage_begin, storage_end)
    const struct CMUnitTest tests[] = {
        WITH_STORAGE(files_are_as_good_as_puts),
        WITH_STORAGE(the_same_file_twice_is_there_once),
        WITH_STORAGE(what_is_not_taken_in_leaves_nothing_behind),
        WITH_STORAGE(nothing_is_a_sort_too),
        WITH_STORAGE(a_directory_that_is_gone_is_an_error),
    };
    return cmocka_run_group_tests_name("event_sort", tests, NULL, NULL);
}
