/* Epoch: nothing is freed while a reader may hold it, and everything is in the end. */
#include "base/epoch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 20 * 1000, THREADS = 3 };

static _Atomic size_t freed_count;

static void count_free(void *memory)
{
    atomic_fetch_add(&freed_count, 1);
    free(memory);
}

static void test_kept_while_a_reader_is_there(void **state)
{
    (void)state;
    freed_count = 0;
    struct epoch *epoch = epoch_create();
    struct epoch_reader *reader = epoch_join(epoch);
    epoch_enter(reader);
    epoch_retire(epoch, malloc(1), count_free);
    epoch_collect(epoch);
    assert_int_equal(freed_count, 0);
    epoch_quiet(reader);
    epoch_collect(epoch);
    assert_int_equal(freed_count, 1);

    epoch_retire(epoch, malloc(1), count_free);
    epoch_leave(reader);
    epoch_collect(epoch);
    assert_int_equal(freed_count, 2);
    epoch_wait(epoch); /* nobody is there: returns at once */

    epoch_enter(reader);
    epoch_retire(epoch, malloc(1), count_free);
    epoch_part(&reader);
    epoch_destroy(&epoch);
    assert_int_equal(freed_count, 3);
}

/* One writer replaces a number, readers check that it is never one that was overwritten. */
struct shared {
    struct epoch *epoch;
    uint64_t *_Atomic number;
    _Atomic bool is_done;
};

static const uint64_t good = UINT64_C(0x600d600d600d600d);

static void spoil(void *memory)
{
    *(uint64_t *)memory = 0;
    count_free(memory);
}

static void *read_numbers(void *context)
{
    struct shared *shared = context;
    struct epoch_reader *reader = epoch_join(shared->epoch);
    size_t wrong = 0;
    epoch_enter(reader);
    for (size_t i = 0; !atomic_load(&shared->is_done); i++) {
        wrong += *atomic_load_explicit(&shared->number, memory_order_acquire) != good;
        if (i % 8 == 0)
            epoch_quiet(reader);
        if (i % 64 == 0) {
            epoch_leave(reader);
            epoch_enter(reader);
        }
    }
    epoch_part(&reader);
    return (void *)wrong;
}

static uint64_t *new_number(void)
{
    uint64_t *number = malloc(sizeof(*number));
    assert_non_null(number);
    *number = good;
    return number;
}

static void test_readers_see_no_freed_memory(void **state)
{
    (void)state;
    freed_count = 0;
    struct shared shared = {.epoch = epoch_create()};
    pthread_t threads[THREADS];
    atomic_store(&shared.number, new_number());
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_numbers, &shared), 0);
    for (size_t i = 0; i < ROUNDS; i++) {
        uint64_t *old = atomic_exchange(&shared.number, new_number());
        if (i % 1000 == 0) {
            epoch_wait(shared.epoch);
            spoil(old);
        } else {
            epoch_retire(shared.epoch, old, spoil);
        }
    }
    atomic_store(&shared.is_done, true);
    for (size_t i = 0; i < THREADS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    spoil(atomic_load(&shared.number));
    epoch_destroy(&shared.epoch);
    assert_int_equal(freed_count, ROUNDS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_while_a_reader_is_there),
        cmocka_unit_test(test_readers_see_no_freed_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
