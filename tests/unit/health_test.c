/* Health: a thread that stands still is found by who asks, and only then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/health.h"
#include "base/time_text.h"
#include "door_world.h"

static struct door_world world;
static struct health *health;

static int open_world(void **state)
{
    (void)state;
    door_world_open(&world);
    health = health_create(world.writer, NULL, 0, 0);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    health_destroy(&health);
    door_world_close(&world);
    return 0;
}

static void assert_answer(enum health_question question, int64_t now_us, bool is_well,
                          const char *text)
{
    struct buffer out = {0};
    assert_int_equal(health_ask(health, question, now_us, false, &out), is_well);
    buffer_append_byte(&out, '\0');
    assert_string_equal(buffer_bytes(&out).data, text);
    buffer_fini(&out);
}

static void a_writer_that_stands_still_is_not_alive(void **state)
{
    (void)state;
    int64_t second_us = HEALTH_STALL_MAX_US + US_PER_SECOND;

    assert_answer(HEALTH_ALIVE, HEALTH_STALL_MAX_US, true, "ok\n");
    assert_answer(HEALTH_ALIVE, second_us, false, "writer: no progress for 31 s\n");
    assert_answer(HEALTH_READY, second_us, false, "writer: no progress for 31 s\n");

    writer_turn(world.writer);
    assert_answer(HEALTH_ALIVE, second_us, true, "ok\n");
    assert_answer(HEALTH_READY, second_us, true, "ok\n");
}

/* Nobody asked for an hour, and it worked meanwhile. */
static void progress_between_questions_is_progress(void **state)
{
    (void)state;
    assert_answer(HEALTH_ALIVE, 0, true, "ok\n");
    writer_turn(world.writer);

    assert_answer(HEALTH_ALIVE, US_PER_HOUR, true, "ok\n");

    assert_answer(HEALTH_ALIVE, US_PER_HOUR + HEALTH_STALL_MAX_US, true, "ok\n");
    assert_answer(HEALTH_ALIVE, US_PER_HOUR + HEALTH_STALL_MAX_US + 1, false,
                  "writer: no progress for 30 s\n");
}

static void one_that_stops_is_alive_and_not_ready(void **state)
{
    (void)state;
    health_note_stopping(health);

    assert_answer(HEALTH_ALIVE, US_PER_HOUR, true, "ok\n");
    assert_answer(HEALTH_READY, US_PER_HOUR, false, "serving: the server is asked to stop\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_writer_that_stands_still_is_not_alive, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(progress_between_questions_is_progress, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(one_that_stops_is_alive_and_not_ready, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
