/* Histograms, and Prometheus' text format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/exposition.h"

static void assert_text(struct buffer *out, const char *expected)
{
    buffer_append_byte(out, '\0');
    assert_string_equal(buffer_bytes(out).data, expected);
    buffer_fini(out);
}

static void a_value_on_a_bound_belongs_below_it(void **state)
{
    (void)state;
    static const int64_t bounds[] = {10, 20};
    const struct histogram_scale scale = {.bounds = bounds, .bounds_count = 2, .unit = 1};
    struct histogram histogram = {.scale = &scale};
    static const int64_t values[] = {-5, 0, 10, 11, 20, 21, 1000000};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        histogram_observe(&histogram, values[i]);

    const struct histogram_reading reading = histogram_read(&histogram);
    assert_int_equal(reading.at_most[0], 3);
    assert_int_equal(reading.at_most[1], 5);
    assert_int_equal(reading.at_most[2], 7);
    assert_int_equal(reading.sum, 10 + 11 + 20 + 21 + 1000000);
}

static void bounds_ascend(void **state)
{
    (void)state;
    const struct histogram_scale *scales[] = {&histogram_durations, &histogram_sizes};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 1; j < scales[i]->bounds_count; j++)
            assert_true(scales[i]->bounds[j - 1] < scales[i]->bounds[j]);
}

static void a_histogram_is_shown_in_its_unit(void **state)
{
    (void)state;
    static const int64_t bounds[] = {500, 2000000};
    const struct histogram_scale scale = {.bounds = bounds, .bounds_count = 2, .unit = 1e6};
    struct histogram histogram = {.scale = &scale};
    struct buffer out = {0};
    histogram_observe(&histogram, 250);
    histogram_observe(&histogram, 1000000);
    histogram_observe(&histogram, 3000000);

    exposition_head(&out, "a_seconds", METRIC_HISTOGRAM, "How long.");
    exposition_histogram(&out, "a_seconds", NULL, &histogram);

    assert_text(&out, "# HELP a_seconds How long.\n"
                      "# TYPE a_seconds histogram\n"
                      "a_seconds_bucket{le=\"0.0005\"} 1\n"
                      "a_seconds_bucket{le=\"2\"} 2\n"
                      "a_seconds_bucket{le=\"+Inf\"} 3\n"
                      "a_seconds_sum 4.00025\n"
                      "a_seconds_count 3\n");
}

static void help_and_labels_are_escaped(void **state)
{
    (void)state;
    struct buffer out = {0};
    const struct metric_label label = {.name = "source", .value = bytes_of_text("a\"b\\c\nd")};

    exposition_head(&out, "a_total", METRIC_COUNTER, "A \"quote\", a \\ and a\nline.");
    exposition_integer(&out, "a_total", &label, UINT64_MAX);
    exposition_double(&out, "a_total", NULL, -0.25);

    assert_text(&out, "# HELP a_total A \"quote\", a \\\\ and a\\nline.\n"
                      "# TYPE a_total counter\n"
                      "a_total{source=\"a\\\"b\\\\c\\nd\"} 18446744073709551615\n"
                      "a_total -0.25\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_on_a_bound_belongs_below_it),
        cmocka_unit_test(bounds_ascend),
        cmocka_unit_test(a_histogram_is_shown_in_its_unit),
        cmocka_unit_test(help_and_labels_are_escaped),
    };
    return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
