/* Calls by their deadlines: the earliest is always the first, whatever comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "app/rpc_call.h"

enum { CALLS_COUNT = 200, STEPS_COUNT = 20 * 1000, SEED = 5 };

static const struct rpc_call *earliest_of(const struct rpc_call *calls)
{
    const struct rpc_call *earliest = NULL;
    for (size_t i = 0; i < CALLS_COUNT; i++)
        if (calls[i].waiting_place != 0 &&
            (earliest == NULL || calls[i].deadline_mono_us < earliest->deadline_mono_us))
            earliest = &calls[i];
    return earliest;
}

static void the_earliest_is_the_first(void **state)
{
    (void)state;
    struct rpc_call *calls = calloc(CALLS_COUNT, sizeof(*calls));
    struct rpc_deadlines deadlines = {0};
    size_t most = 0;
    srand(SEED);
    assert_non_null(calls);

    for (size_t step = 0; step < STEPS_COUNT; step++) {
        struct rpc_call *call = &calls[rand() % CALLS_COUNT];
        if (rand() % 3 == 0) {
            rpc_deadlines_remove(&deadlines, call);
        } else if (call->waiting_place == 0) {
            call->deadline_mono_us = rand() % 100;
            rpc_deadlines_add(&deadlines, call);
        }
        const struct rpc_call *earliest = earliest_of(calls);
        most = deadlines.count > most ? deadlines.count : most;
        assert_true((earliest == NULL) == (deadlines.count == 0));
        if (earliest != NULL)
            assert_int_equal(deadlines.calls[0]->deadline_mono_us, earliest->deadline_mono_us);
    }

    assert_true(most > CALLS_COUNT / 2);
    for (size_t i = 0; i < CALLS_COUNT; i++)
        rpc_deadlines_remove(&deadlines, &calls[i]);
    assert_int_equal(deadlines.count, 0);
    free(deadlines.calls);
    free(calls);
}

static void what_is_added_twice_is_there_once(void **state)
{
    (void)state;
    struct rpc_call call = {.deadline_mono_us = 7};
    struct rpc_deadlines deadlines = {0};

    rpc_deadlines_add(&deadlines, &call);
    rpc_deadlines_add(&deadlines, &call);
    assert_int_equal(deadlines.count, 1);
    rpc_deadlines_remove(&deadlines, &call);
    rpc_deadlines_remove(&deadlines, &call);

    assert_int_equal(deadlines.count, 0);
    free(deadlines.calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_is_the_first),
        cmocka_unit_test(what_is_added_twice_is_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
