#include "app/monitor.h"

#include <pthread.h>
#include <stdlib.h>

#include "admin/admin.h"
#include "admin/exposition.h"
#include "app/health.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/version.h"
#include "protocol/http.h"

enum { NAMES_CHUNK_SIZE = 4096 };

/* A source that is defined. */
struct monitored_source {
    struct bytes name; /* in the arena */
    enum source_clock clock;
    int64_t slo_us;
    const struct source_time *time; /* borrowed from the stream */
};

struct monitor {
    struct monitor_rooms rooms;
    int64_t start_us;
    int64_t start_mono_us;
    struct health *health;            /* owned */
    struct admin *admin;              /* owned; NULL: the door is closed */
    pthread_mutex_t mutex;            /* guards all below */
    struct arena *arena;              /* owned: of names */
    struct monitored_source *sources; /* owned */
    size_t sources_count;
    struct view_figures *views; /* owned; names are in the arena */
    size_t views_count;
    size_t fills_count;
};

/* ---- definitions ---- */

static size_t count_fills(const struct registry *registry)
{
    size_t fills = 0;
    for (size_t i = 0; i < registry->views_count; i++)
        for (size_t j = 0; j < registry->views[i].versions_count; j++)
            fills += registry->views[i].versions[j].state == VERSION_FILLING;
    return fills;
}

void monitor_note_definitions(struct monitor *monitor, struct stream *stream,
                              const struct registry *registry)
{
    pthread_mutex_lock(&monitor->mutex);
    arena_reset(monitor->arena);
    monitor->sources =
        realloc(monitor->sources, (registry->sources_count + 1) * sizeof(*monitor->sources));
    CHECK(monitor->sources != NULL);
    for (size_t i = 0; i < registry->sources_count; i++) {
        const struct source_definition *source = registry->sources[i].definition;
        monitor->sources[i] =
            (struct monitored_source){.name = arena_copy(monitor->arena, source->name),
                                      .clock = source->clock,
                                      .slo_us = source->freshness_slo_us,
                                      .time = stream_find_time(stream, source->name)};
    }
    monitor->sources_count = registry->sources_count;
    monitor->views = realloc(monitor->views, (registry->views_count + 1) * sizeof(*monitor->views));
    CHECK(monitor->views != NULL);
    for (size_t i = 0; i < registry->views_count; i++)
        monitor->views[i] = (struct view_figures){
            .name = arena_copy(monitor->arena, registry->views[i].name),
            .freshness = stream_find_freshness(stream, registry->views[i].name)};
    monitor->views_count = registry->views_count;
    monitor->fills_count = count_fills(registry);
    pthread_mutex_unlock(&monitor->mutex);
}

/* ---- figures ---- */

void monitor_read_figures(void *context, struct resp_figures *figures)
{
    const struct monitor *monitor = context;
    *figures = (struct resp_figures){0};
    for (size_t i = 0; i < monitor->rooms.workers_count; i++)
        worker_add_figures(monitor->rooms.workers[i], figures);
}

/* What INFO tells. */
static void read_numbers(struct monitor *monitor, struct figures *figures)
{
    const struct monitor_rooms *rooms = &monitor->rooms;
    *figures = (struct figures){.workers = rooms->workers_count,
                                .queued_bytes = writer_queued_bytes(rooms->writer),
                                .hot = hot_counters(storage_hot(rooms->storage))};
    monitor_read_figures(monitor, &figures->doors);
    writer_read_counters(rooms->writer, &figures->stream);
    export_read_counters(rooms->export, &figures->export);
    pthread_mutex_lock(&monitor->mutex);
    figures->sources = monitor->sources_count;
    figures->views = monitor->views_count;
    figures->fills = monitor->fills_count;
    pthread_mutex_unlock(&monitor->mutex);
}

void monitor_append_info(void *context, struct buffer *out)
{
    struct figures figures;
    read_numbers(context, &figures);
    figures_append_info(&figures, out);
}

/* Copies the lists of sources, with where they are, and of views into the arena. */
static void read_lists(struct monitor *monitor, struct arena *arena, struct figures *figures)
{
    int64_t now_us = clock_now_us();
    pthread_mutex_lock(&monitor->mutex);
    struct source_figures *list =
        ARENA_NEW_ARRAY(arena, monitor->sources_count + 1, struct source_figures);
    for (size_t i = 0; i < monitor->sources_count; i++) {
        const struct monitored_source *source = &monitor->sources[i];
        list[i] = (struct source_figures){
            .name = arena_copy(arena, source->name),
            .clock = source->clock,
            .newest_us = atomic_load_explicit(&source->time->newest_us, memory_order_relaxed),
            .events_total = atomic_load_explicit(&source->time->events_total, memory_order_relaxed),
            .accepted_us = atomic_load_explicit(&source->time->accepted_us, memory_order_relaxed),
            .slo_us = source->slo_us,
            .fresh = source_fresh_at(source->time, source->slo_us, now_us),
            .missed_total = atomic_load_explicit(&source->time->missed_total, memory_order_relaxed),
        };
    }
    figures->source_list = list;
    figures->sources = monitor->sources_count;
    struct view_figures *views =
        ARENA_NEW_ARRAY(arena, monitor->views_count + 1, struct view_figures);
    for (size_t i = 0; i < monitor->views_count; i++)
        views[i] = (struct view_figures){.name = arena_copy(arena, monitor->views[i].name),
                                         .freshness = monitor->views[i].freshness};
    figures->view_list = views;
    figures->views = monitor->views_count;
    pthread_mutex_unlock(&monitor->mutex);
}

/* ---- pages ---- */

static unsigned health_page(struct monitor *monitor, enum health_question question,
                            struct bytes query, struct buffer *body)
{
    bool is_verbose = http_query_has(query, "verbose");
    return health_ask(monitor->health, question, clock_mono_us(), is_verbose, body) ? 200 : 503;
}

static unsigned write_healthz(void *context, struct bytes query, struct buffer *body)
{
    return health_page(context, HEALTH_ALIVE, query, body);
}

static unsigned write_readyz(void *context, struct bytes query, struct buffer *body)
{
    return health_page(context, HEALTH_READY, query, body);
}

static unsigned write_metrics(void *context, struct bytes query, struct buffer *body)
{
    struct monitor *monitor = context;
    struct arena *arena = arena_create(NAMES_CHUNK_SIZE);
    struct buffer reasons = {0};
    struct error refusal;
    struct figures figures;
    int64_t now_mono_us = clock_mono_us();
    (void)query;
    read_numbers(monitor, &figures);
    read_lists(monitor, arena, &figures);
    figures.is_ready = health_ask(monitor->health, HEALTH_READY, now_mono_us, false, &reasons);
    figures.is_disk_refusing = writer_check_disk(monitor->rooms.writer, &refusal) != STATUS_OK;
    figures.now_us = clock_now_us();
    figures.start_us = monitor->start_us;
    figures.uptime_us = now_mono_us - monitor->start_mono_us;
    figures.version = ASOF_VERSION;
    figures.process = process_read();
    figures.histograms = writer_histograms(monitor->rooms.writer);
    figures_append_metrics(&figures, body);
    buffer_fini(&reasons);
    arena_destroy(&arena);
    return 200;
}

static const char text_type[] = "text/plain; charset=utf-8";

static const struct admin_page pages[] = {
    {"/healthz", text_type, write_healthz},
    {"/readyz", text_type, write_readyz},
    {"/metrics", EXPOSITION_CONTENT_TYPE, write_metrics},
};

/* ---- life ---- */

struct monitor *monitor_create(void)
{
    struct monitor *monitor = calloc(1, sizeof(*monitor));
    CHECK(monitor != NULL && pthread_mutex_init(&monitor->mutex, NULL) == 0);
    monitor->start_us = clock_now_us();
    monitor->start_mono_us = clock_mono_us();
    monitor->arena = arena_create(NAMES_CHUNK_SIZE);
    return monitor;
}

void monitor_destroy(struct monitor **out)
{
    struct monitor *monitor = *out;
    if (monitor == NULL)
        return;
    admin_close(&monitor->admin);
    health_destroy(&monitor->health);
    arena_destroy(&monitor->arena);
    free(monitor->sources);
    free(monitor->views);
    pthread_mutex_destroy(&monitor->mutex);
    free(monitor);
    *out = NULL;
}

enum status monitor_open(struct monitor *monitor, const struct monitor_rooms *rooms,
                         const struct server_options *options, struct error *err)
{
    monitor->rooms = *rooms;
    monitor->health =
        health_create(rooms->writer, rooms->workers, rooms->workers_count, clock_mono_us());
    if (options->http_port == PORT_OFF)
        return STATUS_OK;
    const struct admin_options admin = {.address = options->listen,
                                        .port = (uint16_t)options->http_port,
                                        .pages = pages,
                                        .pages_count = sizeof(pages) / sizeof(pages[0]),
                                        .context = monitor};
    return admin_open(&admin, &monitor->admin, err);
}

void monitor_start(struct monitor *monitor)
{
    if (monitor->admin != NULL)
        admin_start(monitor->admin);
}

void monitor_note_stopping(struct monitor *monitor)
{
    if (monitor->health != NULL)
        health_note_stopping(monitor->health);
}

void monitor_stop(struct monitor *monitor)
{
    if (monitor->admin != NULL)
        admin_stop(monitor->admin);
}

void monitor_address(const struct monitor *monitor, char text[NETWORK_ADDRESS_TEXT_SIZE])
{
    memcpy(text, "off", sizeof("off"));
    if (monitor->admin != NULL)
        admin_address(monitor->admin, text);
}
