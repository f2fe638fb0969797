/* Readers: who asks much waits behind itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/readers.h"

enum { JOBS_COUNT = 12 };

struct job {
    struct reader_job base;
    struct log *log;
    int number;
};

/* What ran, in that order; one reader has it, and whoever waits for its end. */
struct log {
    int numbers[JOBS_COUNT];
    size_t run_count;
    size_t done_count;
};

static void run(struct reader_job *base, struct query *query, struct arena *arena)
{
    struct job *job = (struct job *)base;
    assert_non_null(query);
    assert_non_null(arena);
    job->log->numbers[job->log->run_count++] = job->number;
}

static void done(struct reader_job *base)
{
    ((struct job *)base)->log->done_count++;
}

struct world {
    struct epoch *epoch;
    struct catalog_board *board;
    struct readers *readers;
    struct network_loop *loop;
    struct log log;
    struct job jobs[JOBS_COUNT];
};

/* Posts a job for each of these connections to readers that have not begun. */
static void world_begin(struct world *world, const uint64_t connections[JOBS_COUNT])
{
    struct error err;
    *world = (struct world){.epoch = epoch_create()};
    world->board = catalog_board_create(world->epoch);
    world->readers =
        readers_create(&(struct query_options){.board = world->board, .epoch = world->epoch}, 1);
    assert_int_equal(network_loop_create(&world->loop, &err), STATUS_OK);
    for (int i = 0; i < JOBS_COUNT; i++) {
        world->jobs[i] = (struct job){
            .base = {.run = run, .done = done, .loop = world->loop, .connection = connections[i]},
            .log = &world->log,
            .number = i};
        readers_post(world->readers, &world->jobs[i].base);
    }
}

/* Runs those that are posted, and says what ran. */
static void world_run(struct world *world, size_t jobs_count)
{
    readers_start(world->readers);
    while (world->log.done_count < jobs_count)
        network_loop_turn(world->loop, true);
    readers_stop(world->readers);
    assert_int_equal(world->log.run_count, jobs_count);
}

static void world_end(struct world *world)
{
    readers_destroy(&world->readers);
    network_loop_destroy(&world->loop);
    catalog_board_destroy(&world->board);
    epoch_destroy(&world->epoch);
}

static void connections_take_turns(void **state)
{
    (void)state;
    static const uint64_t connections[JOBS_COUNT] = {1, 1, 1, 1, 1, 1,
                                                     2, 2, 2, 3, 3, 1 + READERS_LANES};
    static const int expected[JOBS_COUNT] = {0, 6, 9, 1, 7, 10, 2, 8, 3, 4, 5, 11};
    struct world world;
    world_begin(&world, connections);

    world_run(&world, JOBS_COUNT);

    assert_memory_equal(world.log.numbers, expected, sizeof(expected));
    assert_false(readers_withdraw(world.readers, &world.jobs[0].base));
    world_end(&world);
}

static void what_is_withdrawn_does_not_run_and_holds_up_nobody(void **state)
{
    (void)state;
    static const uint64_t connections[JOBS_COUNT] = {1, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3};
    static const int withdrawn[] = {0, 2, 4, 5, 6, 11};
    static const int expected[] = {1, 7, 3, 8, 9, 10};
    struct world world;
    world_begin(&world, connections);

    for (size_t i = 0; i < sizeof(withdrawn) / sizeof(withdrawn[0]); i++) {
        assert_true(readers_withdraw(world.readers, &world.jobs[withdrawn[i]].base));
        assert_false(readers_withdraw(world.readers, &world.jobs[withdrawn[i]].base));
    }
    world_run(&world, sizeof(expected) / sizeof(expected[0]));

    assert_memory_equal(world.log.numbers, expected, sizeof(expected));
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_take_turns),
        cmocka_unit_test(what_is_withdrawn_does_not_run_and_holds_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
