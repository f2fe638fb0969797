#include "base/time_text.h"
#include "features_world.h"
#include "features/row.h"
#include "random.h"

static void each_aggregation_skips_null(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events events = {0};
    begin(&fixture, true, NULL);
    add(&fixture, "count", NULL, "forever", NULL);
    add(&fixture, "count", "n", "forever", NULL);
    add(&fixture, "sum", "n", "forever", NULL);
    add(&fixture, "avg", "n", "forever", NULL);
    add(&fixture, "min", "n", "forever", NULL);
    add(&fixture, "max", "s", "forever", NULL);
    add(&fixture, "variance", "n", "forever", NULL);
    add(&fixture, "stddev", "n", "forever", NULL);
    add(&fixture, "first", "s", "forever", NULL);
    add(&fixture, "last", "s", "forever", NULL);
    add(&fixture, "count_distinct", "s", "forever", NULL);
    add(&fixture, "last_n", "n", "last(3)", NULL);
    add(&fixture, "time_since_last", "n", "forever", NULL);
    add(&fixture, "time_since_first", NULL, "forever", NULL);
    add(&fixture, "duration", NULL, "session(1m)", NULL);
    compile(&fixture);

    struct answer answer = ask(&fixture, &events, 0, false);
    assert_values(&answer, "0 0 null null null null null null null null 0 null null null null");
    assert_false(answer.is_found);
    assert_int_equal(answer.statuses[0], FEATURE_NOT_FOUND);

    put(&fixture, &events, 1000000, "a", value_null(), value_null(), NULL);
    put(&fixture, &events, 2000000, "b", value_int(2), value_null(), "z");
    put(&fixture, &events, 3000000, "c", value_int(5), value_null(), "b");
    put(&fixture, &events, 4000000, "d", value_null(), value_null(), "b");
    put(&fixture, &events, 5000000, "e", value_null(), value_null(), NULL);
    answer = ask(&fixture, &events, 5500000, false);
    assert_values(&answer, "5 2 7 3.5 2 \"z\" 4.5 2.1213203435596424 \"z\" \"b\" 2 [5] 2.5 4.5 4");
    assert_true(answer.is_found);
    assert_int_equal(answer.event_time_us, 5000000);
    assert_int_equal(answer.statuses[0], FEATURE_PRESENT);
    end(&fixture);
}

static void the_greatest_of_a_repeated_event_counts(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events events = {0};
    begin(&fixture, true, NULL);
    add(&fixture, "count", NULL, "forever", NULL);
    add(&fixture, "sum", "n", "forever", NULL);
    add(&fixture, "last", "s", "forever", NULL);
    compile(&fixture);
    put(&fixture, &events, 1, "a", value_int(2), value_null(), "x");
    put(&fixture, &events, 1, "a", value_int(9), value_null(), NULL);
    put(&fixture, &events, 1, "a", value_int(9), value_null(), "b");
    put(&fixture, &events, 1, "a", value_null(), value_null(), "z");
    put(&fixture, &events, 1, "b", value_int(1), value_null(), "c");
    put(&fixture, &events, 2, "a", value_int(4), value_null(), NULL);

    struct answer answer = ask(&fixture, &events, 2, false);

    assert_values(&answer, "3 14 \"c\"");
    end(&fixture);
}

static void without_an_id_each_event_is_its_own(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events events = {0};
    begin(&fixture, false, NULL);
    add(&fixture, "count", NULL, "forever", NULL);
    compile(&fixture);
    put(&fixture, &events, 1, "a", value_int(2), value_null(), "x");
    put(&fixture, &events, 1, "b", value_int(2), value_null(), "x");

    struct answer answer = ask(&fixture, &events, 1, false);

    assert_values(&answer, "2");
    end(&fixture);
}

static void where_filters_what_the_window_selected(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events events = {0};
    begin(&fixture, true, "n IS NOT NULL");
    add(&fixture, "count", NULL, "last(2)", "n > 10");
    add(&fixture, "count", NULL, "last(2)", NULL);
    add(&fixture, "last_n", "n", "last(2)", "n > 10");
    compile(&fixture);
    assert_true(put(&fixture, &events, 1, "a", value_int(20), value_null(), NULL));
    assert_false(put(&fixture, &events, 2, "b", value_null(), value_null(), NULL));
    assert_true(put(&fixture, &events, 3, "c", value_int(30), value_null(), NULL));
    assert_true(put(&fixture, &events, 4, "d", value_int(5), value_null(), NULL));

    struct answer answer = ask(&fixture, &events, 4, false);

    assert_values(&answer, "1 2 [30]");
    end(&fixture);
}

static void exclusive_is_the_lookup_one_microsecond_before(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events events = {0};
    begin(&fixture, true, NULL);
    add(&fixture, "count", NULL, "5s", NULL);
    add(&fixture, "time_since_last", NULL, "forever", NULL);
    compile(&fixture);
    put(&fixture, &events, 1000000, "a", value_int(1), value_null(), NULL);
    put(&fixture, &events, 6000000, "b", value_int(1), value_null(), NULL);

    struct answer inclusive = ask(&fixture, &events, 6000000, false);
    assert_values(&inclusive, "1 0");
    struct answer exclusive = ask(&fixture, &events, 6000000, true);
    assert_values(&exclusive, "1 4.999999");
    assert_int_equal(exclusive.t_us, 6000000);
    assert_int_equal(exclusive.event_time_us, 1000000);
    end(&fixture);
}

static void what_the_type_can_not_hold_is_overflow(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events events = {0};
    begin(&fixture, true, NULL);
    add(&fixture, "sum", "n", "forever", NULL);
    add(&fixture, "avg", "n", "forever", NULL);
    add(&fixture, "sum", "x", "forever", NULL);
    add(&fixture, "variance", "x", "forever", NULL);
    add(&fixture, "max", "x * 10", "forever", NULL);
    add(&fixture, "count", "x * 10", "forever", NULL);
    add(&fixture, "last", "x * 10", "forever", NULL);
    compile(&fixture);
    put(&fixture, &events, 1, "a", value_int(INT64_MAX), value_double(1.7e308), NULL);
    put(&fixture, &events, 2, "b", value_int(INT64_MAX), value_double(1.7e308), NULL);
    put(&fixture, &events, 3, "c", value_int(1), value_double(1), NULL);

    struct answer answer = ask(&fixture, &events, 3, false);

    assert_values(&answer, "overflow 6148914691236517000 overflow overflow overflow 3 10");
    assert_int_equal(answer.statuses[0], FEATURE_OVERFLOW);
    end(&fixture);
}

static void not_found_is_when_the_newest_event_lies_in_no_window(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events events = {0};
    const uint32_t first = 0;
    begin(&fixture, true, NULL);
    add(&fixture, "count", NULL, "5s", NULL);
    add(&fixture, "sum", "n", "10s", NULL);
    compile(&fixture);
    fixture.features[1].default_value = value_int(-1);
    put(&fixture, &events, 1000000, "a", value_null(), value_null(), NULL);

    struct answer answer = ask(&fixture, &events, 7000000, false);
    assert_values(&answer, "0 -1");
    assert_int_equal(answer.statuses[0], FEATURE_PRESENT);
    assert_int_equal(answer.statuses[1], FEATURE_NULL);
    answer = ask(&fixture, &events, 11000000, false);
    assert_values(&answer, "0 -1");
    assert_int_equal(answer.statuses[0], FEATURE_NOT_FOUND);
    assert_int_equal(answer.statuses[1], FEATURE_NOT_FOUND);
    assert_false(answer.has_event_time);

    /* The view's windows decide, not those of the features that were asked. */
    const struct question question = {
        .view = &fixture.view, .features = &first, .features_count = 1, .t_us = 7000000};
    events.next = 1;
    assert_int_equal(
        features_evaluate(fixture.plan, &question, back, &events, fixture.arena, &answer, NULL),
        STATUS_OK);
    assert_int_equal(answer.statuses[0], FEATURE_PRESENT);
    end(&fixture);
}

static void a_row_that_is_cut_or_grown_is_corrupt(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events events = {0};
    struct answer answer;
    begin(&fixture, true, NULL);
    add(&fixture, "sum", "n", "forever", "n > 1");
    add(&fixture, "last", "s", "forever", NULL);
    compile(&fixture);
    put(&fixture, &events, 1, "a", value_int(300), value_double(0.5), "some text");
    struct bytes row = events.events[0].row;
    const struct question question = {.view = &fixture.view, .t_us = 1};

    for (size_t size = 0; size <= row.size + 1; size++) {
        char copy[64] = {0};
        memcpy(copy, row.data, size < row.size ? size : row.size);
        events.events[0].row = bytes_of(copy, size);
        events.next = 1;
        enum status status =
            features_evaluate(fixture.plan, &question, back, &events, fixture.arena, &answer, NULL);
        assert_int_equal(status, size == row.size ? STATUS_OK : STATUS_CORRUPT);
    }
    end(&fixture);
}

/* The oracle of the property below: counts, sums and extremes by looping over all events. */
static void assert_brute_force(const struct answer *answer, const int64_t *times, const int64_t *ns,
                               size_t count, int64_t t)
{
    int64_t sliding = 0, hopping_sum = 0, tumbling_max = 0, session = 0, session_start = t;
    bool has_hopping = false, has_tumbling = false, is_session_open = true;
    for (size_t i = count; i > 0; i--) {
        int64_t e = times[i - 1];
        if (e > t)
            continue;
        sliding += e > t - 10;
        if (e >= ((t - 20) - (((t - 20) % 7) + 7) % 7)) {
            hopping_sum += ns[i - 1];
            has_hopping = true;
        }
        if (e >= (t - 3) - (((t - 3) % 16) + 16) % 16 + 3) {
            tumbling_max = !has_tumbling || ns[i - 1] > tumbling_max ? ns[i - 1] : tumbling_max;
            has_tumbling = true;
        }
        is_session_open = is_session_open && session_start - e <= 4;
        session += is_session_open;
        session_start = e;
    }
    assert_int_equal(answer->values[0].integer, sliding);
    assert_int_equal(answer->values[1].kind, has_hopping ? VALUE_INT : VALUE_NULL);
    if (has_hopping)
        assert_int_equal(answer->values[1].integer, hopping_sum);
    assert_int_equal(answer->values[2].kind, has_tumbling ? VALUE_INT : VALUE_NULL);
    if (has_tumbling)
        assert_int_equal(answer->values[2].integer, tumbling_max);
    assert_int_equal(answer->values[3].integer, session);
}

static void random_timelines_agree_with_brute_force(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct fixture fixture;
    begin(&fixture, false, NULL);
    add(&fixture, "count", NULL, "1s", NULL);
    add(&fixture, "sum", "n", "1s step 1s", NULL);
    add(&fixture, "max", "n", "tumbling(1s)", NULL);
    add(&fixture, "count", NULL, "session(1s)", NULL);
    /* Windows of a few microseconds, so that edges are hit. */
    fixture.features[0].window.size_us = 10;
    fixture.features[1].window.size_us = 20;
    fixture.features[1].window.step_us = 7;
    fixture.features[2].window.size_us = 16;
    fixture.features[2].window.offset_us = 3;
    fixture.features[3].window.size_us = 4;
    compile(&fixture);
    for (size_t round = 0; round < 300; round++) {
        struct events events = {0};
        int64_t times[EVENTS_MAX];
        int64_t ns[EVENTS_MAX];
        int64_t time = -60;
        for (size_t i = 0; i < EVENTS_MAX; i++) {
            time += (int64_t)random_below(&random, 7);
            times[i] = time;
            ns[i] = (int64_t)random_below(&random, 100) - 50;
            put(&fixture, &events, time, "i", value_int(ns[i]), value_null(), NULL);
        }
        for (int64_t t = -70; t < time + 30; t += 1 + (int64_t)random_below(&random, 3)) {
            struct answer answer = ask(&fixture, &events, t, false);
            assert_brute_force(&answer, times, ns, EVENTS_MAX, t);
        }
        arena_reset(fixture.arena);
    }
    end(&fixture);
}

static void assert_same_values(const struct answer *a, const struct answer *b)
{
    assert_int_equal(a->is_found, b->is_found);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->statuses[i], b->statuses[i]);
        assert_int_equal(value_compare(&a->values[i], &b->values[i]), 0);
    }
}

/* Whether the answers differ in anything. */
static bool is_changed(const struct answer *a, const struct answer *b)
{
    bool changed = a->is_found != b->is_found;
    for (size_t i = 0; i < a->count; i++)
        changed |=
            a->statuses[i] != b->statuses[i] || value_compare(&a->values[i], &b->values[i]) != 0;
    return changed;
}

static void an_answer_holds_until_the_moment_it_names(void **state)
{
    (void)state;
    static const char *const overs[] = {"1s",          "1s step 1s", "tumbling(1s)",
                                        "session(1s)", "last(2)",    "forever"};
    struct random random = random_begin(__func__);
    size_t changes = 0;
    for (size_t round = 0; round < 600; round++) {
        struct fixture fixture;
        struct events events = {0};
        begin(&fixture, false, NULL);
        for (size_t i = 0; i < 2; i++) {
            add(&fixture, i == 0 ? "sum" : "count", "n", overs[random_below(&random, 6)], NULL);
            struct window *window = &fixture.features[i].window;
            window->size_us = window->size_us > 0 ? 5 + (int64_t)random_below(&random, 20) : 0;
            window->step_us = window->step_us > 0 ? 1 + (int64_t)random_below(&random, 5) : 0;
        }
        compile(&fixture);
        int64_t time = -20;
        for (size_t i = 0; i < 10; i++) {
            time += (int64_t)random_below(&random, 9);
            put(&fixture, &events, time, "i", value_int((int64_t)(1 << i)), value_null(), NULL);
        }
        int64_t t = time + (int64_t)random_below(&random, 30);
        struct answer first = ask(&fixture, &events, t, false);
        assert_true(first.valid_until_us > t);
        for (int64_t later = t; later < first.valid_until_us && later < t + 80; later++) {
            struct answer answer = ask(&fixture, &events, later, false);
            assert_same_values(&first, &answer);
        }
        if (first.valid_until_us < INT64_MAX) {
            struct answer answer = ask(&fixture, &events, first.valid_until_us, false);
            changes += is_changed(&first, &answer);
        }
        end(&fixture);
    }
    assert_true(changes > 100); /* it is no moment that is always too early */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_aggregation_skips_null),
        cmocka_unit_test(the_greatest_of_a_repeated_event_counts),
        cmocka_unit_test(without_an_id_each_event_is_its_own),
        cmocka_unit_test(where_filters_what_the_window_selected),
        cmocka_unit_test(exclusive_is_the_lookup_one_microsecond_before),
        cmocka_unit_test(what_the_type_can_not_hold_is_overflow),
        cmocka_unit_test(not_found_is_when_the_newest_event_lies_in_no_window),
        cmocka_unit_test(a_row_that_is_cut_or_grown_is_corrupt),
        cmocka_unit_test(random_timelines_agree_with_brute_force),
        cmocka_unit_test(an_answer_holds_until_the_moment_it_names),
    };
    return cmocka_run_group_tests_name("evaluate", tests, NULL, NULL);
}
