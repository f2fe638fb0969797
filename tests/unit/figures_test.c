/* Figures: one table behind INFO, /metrics and docs/metrics.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "app/figures.h"
#include "base/time_text.h"
#include "document.h"

static const struct writer_histograms no_observations = {
    .commit_time = {.scale = &histogram_durations},
    .commit_events = {.scale = &histogram_sizes},
    .push_time = {.scale = &histogram_durations},
};

static bool has(const struct buffer *text, const char *line)
{
    return memmem(buffer_bytes(text).data, text->size, line, strlen(line)) != NULL;
}

static void counters_of_all_rooms_are_told_twice(void **state)
{
    (void)state;
    struct figures figures = {.workers = 3,
                              .version = "1.2.3",
                              .doors = {.connections = 4,
                                        .network = {.input_bytes_total = 5},
                                        .resp = {.commands_total = 6}},
                              .stream = {.events_accepted_total = UINT64_MAX},
                              .hot = {.rows = 8},
                              .histograms = &no_observations};
    static const char *const info_lines[] = {
        "workers:3\r\n",
        "connections:4\r\n",
        "network_input_bytes_total:5\r\n",
        "resp_commands_total:6\r\n",
        "stream_events_accepted_total:18446744073709551615\r\n",
        "hot_rows:8\r\n"};
    static const char *const metric_lines[] = {
        "\nasof_workers 3\n",
        "\nasof_connections 4\n",
        "\nasof_network_input_bytes_total 5\n",
        "\nasof_resp_commands_total 6\n",
        "\nasof_stream_events_accepted_total 18446744073709551615\n",
        "\nasof_hot_rows 8\n",
        "\n# TYPE asof_hot_rows gauge\n",
        "\n# TYPE asof_resp_commands_total counter\n",
        "\nasof_build_info{version=\"1.2.3\"} 1\n"};
    struct buffer info = {0};
    struct buffer metrics = {0};

    figures_append_info(&figures, &info);
    figures_append_metrics(&figures, &metrics);

    for (size_t i = 0; i < sizeof(info_lines) / sizeof(info_lines[0]); i++)
        assert_true(has(&info, info_lines[i]));
    for (size_t i = 0; i < sizeof(metric_lines) / sizeof(metric_lines[0]); i++)
        assert_true(has(&metrics, metric_lines[i]));
    buffer_fini(&info);
    buffer_fini(&metrics);
}

/* A replay's events are old by intent, and a source without events has no newest. */
static void sources_tell_only_what_they_have(void **state)
{
    (void)state;
    const struct source_figures sources[] = {
        {.name = bytes_of_text("live"),
         .clock = CLOCK_WALL,
         .events_total = 7,
         .newest_us = 90 * US_PER_SECOND,
         .accepted_us = 95 * US_PER_SECOND},
        {.name = bytes_of_text("replay"),
         .clock = CLOCK_EVENT,
         .events_total = 8,
         .newest_us = 10 * US_PER_SECOND},
        {.name = bytes_of_text("new"), .clock = CLOCK_WALL, .newest_us = TIME_MIN_US},
    };
    const struct figures figures = {.version = "",
                                    .sources = 3,
                                    .source_list = sources,
                                    .now_us = 100 * US_PER_SECOND,
                                    .histograms = &no_observations};
    static const char *const there[] = {
        "\nasof_source_events_total{source=\"live\"} 7\n",
        "\nasof_source_events_total{source=\"replay\"} 8\n",
        "\nasof_source_events_total{source=\"new\"} 0\n",
        "\nasof_source_newest_event_timestamp_seconds{source=\"live\"} 90\n",
        "\nasof_source_newest_event_timestamp_seconds{source=\"replay\"} 10\n",
        "\nasof_source_event_lag_seconds{source=\"live\"} 10\n",
        "\nasof_source_idle_seconds{source=\"live\"} 5\n",
    };
    static const char *const missing[] = {
        "newest_event_timestamp_seconds{source=\"new\"}",
        "event_lag_seconds{source=\"replay\"}",
        "event_lag_seconds{source=\"new\"}",
        "idle_seconds{source=\"replay\"}",
        "idle_seconds{source=\"new\"}",
    };
    struct buffer metrics = {0};

    figures_append_metrics(&figures, &metrics);

    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
        assert_true(has(&metrics, there[i]));
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        assert_false(has(&metrics, missing[i]));
    buffer_fini(&metrics);
}

static void the_document_of_metrics_is_the_table(void **state)
{
    (void)state;
    struct buffer expected = {0};
    buffer_append_text(&expected,
                       "# Metrics of asofd\n\n`/metrics` of the HTTP door, in Prometheus' "
                       "text format. Plain numbers of asof are also in `redis-cli INFO\n"
                       "asof`, without `asof_`. Counters begin at 0 with each start, but "
                       "where it says otherwise. What to watch and\nwhen to act: "
                       "[operations.md](operations.md).\n\n");
    figures_append_markdown(&expected);
    assert_document("docs/metrics.md", &expected);
    buffer_fini(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_of_all_rooms_are_told_twice),
        cmocka_unit_test(sources_tell_only_what_they_have),
        cmocka_unit_test(the_document_of_metrics_is_the_table),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
