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

static void connections_take_turns(void **state)
{
    (void)state;
    static const uint64_t connections[JOBS_COUNT] = {1, 1, 1, 1, 1, 1,
                                                     2, 2, 2, 3, 3, 1 + READERS_LANES};
    static const int expected[JOBS_COUNT] = {0, 6, 9, 1, 7, 10, 2, 8, 3, 4, 5, 11};
    struct epoch *epoch = epoch_create();
    struct catalog_board *board = catalog_board_create(epoch);
    struct readers *readers =
        readers_create(&(struct query_options){.board = board, .epoch = epoch}, 1);
    struct network_loop *loop = NULL;
    struct log log = {0};
    struct job jobs[JOBS_COUNT];
    struct error err;
    assert_int_equal(network_loop_create(&loop, &err), STATUS_OK);

    for (int i = 0; i < JOBS_COUNT; i++) {
        jobs[i] = (struct job){
            .base = {.run = run, .done = done, .loop = loop, .connection = connections[i]},
            .log = &log,
            .number = i};
        readers_post(readers, &jobs[i].base);
    }
    readers_start(readers);
    while (log.done_count < JOBS_COUNT)
        network_loop_turn(loop, true);

    assert_memory_equal(log.numbers, expected, sizeof(expected));
    readers_stop(readers);
    readers_destroy(&readers);
    network_loop_destroy(&loop);
    catalog_board_destroy(&board);
    epoch_destroy(&epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(connections_take_turns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
