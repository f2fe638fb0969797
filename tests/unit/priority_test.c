#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/resource.h>

#include "base/priority.h"

static void note_nice(void *context)
{
    *(int *)context = getpriority(PRIO_PROCESS, 0);
}

static void *note_nice_of_thread(void *context)
{
    note_nice(context);
    return NULL;
}

static void what_runs_in_the_background_is_nice_and_nobody_else_is(void **state)
{
    (void)state;
    int before = getpriority(PRIO_PROCESS, 0);
    int inside = before;
    priority_run_background(note_nice, &inside);
    assert_true(inside > before || before >= 5);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

static void a_prompt_thread_is_as_nice_as_it_was(void **state)
{
    (void)state;
    int before = getpriority(PRIO_PROCESS, 0);
    int inherited;
    pthread_t thread;
    priority_set_prompt();
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
    assert_int_equal(pthread_create(&thread, NULL, note_nice_of_thread, &inherited), 0);
    pthread_join(thread, NULL);
    assert_int_equal(inherited, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_runs_in_the_background_is_nice_and_nobody_else_is),
        cmocka_unit_test(a_prompt_thread_is_as_nice_as_it_was),
    };
    return cmocka_run_group_tests_name("priority", tests, NULL, NULL);
}
