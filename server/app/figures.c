#include "app/figures.h"

#include "admin/exposition.h"
#include "base/time_text.h"

/* A family of metrics: a number of struct figures, which INFO tells too, or what write appends. */
struct family {
    const char *name; /* with "asof_" for those of asof; INFO leaves that out */
    const char *help;
    enum metric_kind kind;
    size_t offset; /* of a uint64_t in struct figures, where write is NULL */
    void (*write)(const struct figures *figures, const char *name, struct buffer *out);
};

/* ---- families with more than a number ---- */

static double seconds_of(int64_t time_us)
{
    return (double)time_us / (double)US_PER_SECOND;
}

static void write_build(const struct figures *figures, const char *name, struct buffer *out)
{
    const struct metric_label label = {.name = "version", .value = bytes_of_text(figures->version)};
    exposition_integer(out, name, &label, 1);
}

static void write_ready(const struct figures *figures, const char *name, struct buffer *out)
{
    exposition_integer(out, name, NULL, figures->is_ready);
}

static void write_refusing(const struct figures *figures, const char *name, struct buffer *out)
{
    exposition_integer(out, name, NULL, figures->is_disk_refusing);
}

static void write_uptime(const struct figures *figures, const char *name, struct buffer *out)
{
    exposition_double(out, name, NULL, seconds_of(figures->uptime_us));
}

static void write_commit_time(const struct figures *figures, const char *name, struct buffer *out)
{
    exposition_histogram(out, name, NULL, &figures->histograms->commit_time);
}

static void write_commit_events(const struct figures *figures, const char *name, struct buffer *out)
{
    exposition_histogram(out, name, NULL, &figures->histograms->commit_events);
}

static void write_push_time(const struct figures *figures, const char *name, struct buffer *out)
{
    exposition_histogram(out, name, NULL, &figures->histograms->push_time);
}

static struct metric_label label_of(const struct source_figures *source)
{
    return (struct metric_label){.name = "source", .value = source->name};
}

static void write_source_events(const struct figures *figures, const char *name, struct buffer *out)
{
    for (size_t i = 0; i < figures->sources; i++) {
        const struct metric_label label = label_of(&figures->source_list[i]);
        exposition_integer(out, name, &label, figures->source_list[i].events_total);
    }
}

static void write_source_newest(const struct figures *figures, const char *name, struct buffer *out)
{
    for (size_t i = 0; i < figures->sources; i++) {
        const struct source_figures *source = &figures->source_list[i];
        const struct metric_label label = label_of(source);
        if (source->newest_us != TIME_MIN_US)
            exposition_double(out, name, &label, seconds_of(source->newest_us));
    }
}

/* Of sources that go by the wall clock: a replay's events are old by intent. */
static void write_source_lag(const struct figures *figures, const char *name, struct buffer *out)
{
    for (size_t i = 0; i < figures->sources; i++) {
        const struct source_figures *source = &figures->source_list[i];
        const struct metric_label label = label_of(source);
        if (source->clock == CLOCK_WALL && source->newest_us != TIME_MIN_US)
            exposition_double(out, name, &label, seconds_of(figures->now_us - source->newest_us));
    }
}

static void write_source_idle(const struct figures *figures, const char *name, struct buffer *out)
{
    for (size_t i = 0; i < figures->sources; i++) {
        const struct source_figures *source = &figures->source_list[i];
        const struct metric_label label = label_of(source);
        if (source->accepted_us != 0)
            exposition_double(out, name, &label, seconds_of(figures->now_us - source->accepted_us));
    }
}

static void write_source_waiting(const struct figures *figures, const char *name,
                                 struct buffer *out)
{
    for (size_t i = 0; i < figures->sources; i++) {
        const struct metric_label label = label_of(&figures->source_list[i]);
        exposition_double(out, name, &label, seconds_of(figures->source_list[i].fresh.waiting_us));
    }
}

static void write_source_slo(const struct figures *figures, const char *name, struct buffer *out)
{
    for (size_t i = 0; i < figures->sources; i++) {
        const struct source_figures *source = &figures->source_list[i];
        const struct metric_label label = label_of(source);
        if (source->slo_us != DURATION_NONE)
            exposition_double(out, name, &label, seconds_of(source->slo_us));
    }
}

static void write_source_breach(const struct figures *figures, const char *name, struct buffer *out)
{
    for (size_t i = 0; i < figures->sources; i++) {
        const struct source_figures *source = &figures->source_list[i];
        const struct metric_label label = label_of(source);
        if (source->slo_us != DURATION_NONE)
            exposition_integer(out, name, &label, source->fresh.is_breached);
    }
}

static void write_source_missed(const struct figures *figures, const char *name, struct buffer *out)
{
    for (size_t i = 0; i < figures->sources; i++) {
        const struct source_figures *source = &figures->source_list[i];
        const struct metric_label label = label_of(source);
        if (source->slo_us != DURATION_NONE)
            exposition_integer(out, name, &label, source->missed_total);
    }
}

/* A histogram of each view that is written to, out of those that hold one of it at offset. */
static void write_freshness(const struct figures *figures, const char *name, size_t offset,
                            struct buffer *out)
{
    for (size_t i = 0; i < figures->views; i++) {
        const struct view_figures *view = &figures->view_list[i];
        const struct metric_label label = {.name = "view", .value = view->name};
        if (view->freshness != NULL)
            exposition_histogram(out, name, &label,
                                 (const void *)((const char *)view->freshness + offset));
    }
}

static void write_event_freshness(const struct figures *figures, const char *name,
                                  struct buffer *out)
{
    write_freshness(figures, name, offsetof(struct freshness, since_event), out);
}

static void write_append_freshness(const struct figures *figures, const char *name,
                                   struct buffer *out)
{
    write_freshness(figures, name, offsetof(struct freshness, since_append), out);
}

static void write_cpu(const struct figures *figures, const char *name, struct buffer *out)
{
    uint64_t used_us = figures->process.user_us + figures->process.system_us;
    exposition_double(out, name, NULL, seconds_of((int64_t)used_us));
}

static void write_resident(const struct figures *figures, const char *name, struct buffer *out)
{
    exposition_integer(out, name, NULL, figures->process.resident_bytes);
}

static void write_start(const struct figures *figures, const char *name, struct buffer *out)
{
    exposition_double(out, name, NULL, seconds_of(figures->start_us));
}

static void write_descriptors(const struct figures *figures, const char *name, struct buffer *out)
{
    exposition_integer(out, name, NULL, figures->process.descriptors);
}

static void write_descriptors_max(const struct figures *figures, const char *name,
                                  struct buffer *out)
{
    exposition_integer(out, name, NULL, figures->process.descriptors_max);
}

/* ---- the table ---- */

/* Counters end in _total; whatever else is a plain number goes up and down. With its prefix a name
 * is never shorter than that end. */
#define KIND_OF(name)                                                                              \
    (__builtin_strcmp(&("asof_" #name)[sizeof("asof_" #name) - sizeof("_total")], "_total") == 0   \
         ? METRIC_COUNTER                                                                          \
         : METRIC_GAUGE)

#define SERVER_NUMBERS(X)                                                                          \
    X(workers, workers, "Threads that serve connections.")                                         \
    X(connections, doors.connections, "Connections of both protocols that are open.")              \
    X(rpc_connections, doors.rpc_sessions, "Of these, those of RPC.")                              \
    X(rpc_calls, doors.rpc_calls, "Calls of RPC that are not at their end.")                       \
    X(sources, sources, "Sources that are defined.")                                               \
    X(views, views, "Views that are defined.")                                                     \
    X(fills, fills, "Versions of views that are being filled from the log.")                       \
    X(queued_bytes, queued_bytes, "Commands that write and are not done, in bytes.")

#define WRITTEN_FAMILIES(X)                                                                        \
    X("asof_build_info", GAUGE, write_build, "1, with the version as a label.")                    \
    X("asof_uptime_seconds", GAUGE, write_uptime, "Since the server started.")                     \
    X("asof_ready", GAUGE, write_ready, "1 where /readyz says 200, else 0.")                       \
    X("asof_disk_refuses_writes", GAUGE, write_refusing,                                           \
      "1 where writes are refused because the disk is nearly full or failed.")                     \
    X("asof_commit_duration_seconds", HISTOGRAM, write_commit_time,                                \
      "Time to write a batch, with its fsync.")                                                    \
    X("asof_commit_events", HISTOGRAM, write_commit_events, "Events in a batch that was written.") \
    X("asof_push_duration_seconds", HISTOGRAM, write_push_time,                                    \
      "From the arrival of a push at the writer to the end of its commit.")                        \
    X("asof_source_events_total", COUNTER, write_source_events,                                    \
      "Events that the source accepted, ever; it goes on behind a restart.")                       \
    X("asof_source_newest_event_timestamp_seconds", GAUGE, write_source_newest,                    \
      "The newest event time that the source accepted.")                                           \
    X("asof_source_event_lag_seconds", GAUGE, write_source_lag,                                    \
      "Now minus the newest event time; only of sources with clock wall.")                         \
    X("asof_source_idle_seconds", GAUGE, write_source_idle,                                        \
      "Since the source accepted an event; not there before the first since the start.")           \
    X("asof_source_waiting_seconds", GAUGE, write_source_waiting,                                  \
      "How long something may have waited to be read from Kafka; 0 where nothing does, as of an "  \
      "idle source.")                                                                              \
    X("asof_source_freshness_slo_seconds", GAUGE, write_source_slo,                                \
      "freshness_slo of a source that has one.")                                                   \
    X("asof_source_freshness_breached", GAUGE, write_source_breach,                                \
      "1 where something may have waited for longer than freshness_slo.")                          \
    X("asof_source_freshness_missed_total", COUNTER, write_source_missed,                          \
      "Events that could be read later behind their append than freshness_slo says.")              \
    X("asof_view_event_freshness_seconds", HISTOGRAM, write_event_freshness,                       \
      "From the time of an event until it could be read; only of sources with clock wall.")        \
    X("asof_view_append_freshness_seconds", HISTOGRAM, write_append_freshness,                     \
      "From the append of an event to Kafka, or its push, until it could be read.")                \
    X("process_cpu_seconds_total", COUNTER, write_cpu, "CPU time, of user and system.")            \
    X("process_resident_memory_bytes", GAUGE, write_resident, "Memory in use.")                    \
    X("process_start_time_seconds", GAUGE, write_start, "When it started, in Unix time.")          \
    X("process_open_fds", GAUGE, write_descriptors, "Descriptors that are open.")                  \
    X("process_max_fds", GAUGE, write_descriptors_max, "Descriptors that may be open.")

#define NUMBER(name_, field, help_)                                                                \
    {.name = "asof_" #name_,                                                                       \
     .help = help_,                                                                                \
     .kind = KIND_OF(name_),                                                                       \
     .offset = offsetof(struct figures, field)},
#define STREAM_NUMBER(name, help)  NUMBER(stream_##name, stream.name, help)
#define NETWORK_NUMBER(name, help) NUMBER(network_##name, doors.network.name, help)
#define RESP_NUMBER(name, help)    NUMBER(resp_##name, doors.resp.name, help)
#define RPC_NUMBER(name, help)     NUMBER(rpc_##name, doors.rpc.name, help)
#define EXPORT_NUMBER(name, help)  NUMBER(export_##name, export.name, help)
#define HOT_NUMBER(name, help)     NUMBER(hot_##name, hot.name, help)
#define WRITTEN(name_, kind_, write_, help_)                                                       \
    {.name = name_, .help = help_, .kind = METRIC_##kind_, .write = write_},

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "counts are read as 64 bits");

/* clang-format off */
static const struct family families[] = {
    SERVER_NUMBERS(NUMBER)
    STREAM_COUNTERS(STREAM_NUMBER)
    NETWORK_COUNTERS(NETWORK_NUMBER)
    RESP_COUNTERS(RESP_NUMBER)
    RPC_COUNTERS(RPC_NUMBER)
    HOT_COUNTERS(HOT_NUMBER)
    EXPORT_COUNTERS(EXPORT_NUMBER)
    WRITTEN_FAMILIES(WRITTEN)
};
/* clang-format on */

enum { FAMILIES_COUNT = sizeof(families) / sizeof(families[0]) };

static uint64_t number_of(const struct figures *figures, const struct family *family)
{
    uint64_t number;
    memcpy(&number, (const char *)figures + family->offset, sizeof(number));
    return number;
}

/* ---- the three texts ---- */

void figures_append_info(const struct figures *figures, struct buffer *out)
{
    for (size_t i = 0; i < FAMILIES_COUNT; i++)
        if (families[i].write == NULL)
            buffer_format(out, "%s:%llu\r\n", families[i].name + strlen("asof_"),
                          (unsigned long long)number_of(figures, &families[i]));
}

void figures_append_metrics(const struct figures *figures, struct buffer *out)
{
    for (size_t i = 0; i < FAMILIES_COUNT; i++) {
        const struct family *family = &families[i];
        exposition_head(out, family->name, family->kind, family->help);
        if (family->write != NULL)
            family->write(figures, family->name, out);
        else
            exposition_integer(out, family->name, NULL, number_of(figures, family));
    }
}

void figures_append_markdown(struct buffer *out)
{
    buffer_append_text(out, "| metric | kind | what it tells |\n|---|---|---|\n");
    for (size_t i = 0; i < FAMILIES_COUNT; i++)
        buffer_format(out, "| `%s` | %s | %s |\n", families[i].name,
                      metric_kind_name(families[i].kind), families[i].help);
}
