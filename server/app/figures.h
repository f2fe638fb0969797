/* Figures: what the server tells of itself, from one table: INFO's section asof, /metrics, and
 * docs/metrics.md. What is counted where is told by the tables of the rooms; a new counter of a
 * room is in all three by itself.
 *
 * Thread: any; a struct figures belongs to its caller. */
#ifndef ASOF_APP_FIGURES_H
#define ASOF_APP_FIGURES_H

#include "app/resp_door.h"
#include "app/writer.h"
#include "base/process.h"
#include "export/export.h"

/* What is told of each source. */
struct source_figures {
    struct bytes name; /* borrowed */
    enum source_clock clock;
    uint64_t events_total;
    int64_t newest_us;   /* TIME_MIN_US before the first event */
    int64_t accepted_us; /* wall time of the last commit; 0: none since the start */
    int64_t slo_us;      /* freshness_slo, or DURATION_NONE */
    struct source_fresh fresh;
    uint64_t missed_total;
};

/* What is told of each view. */
struct view_figures {
    struct bytes name;                 /* borrowed */
    const struct freshness *freshness; /* borrowed; NULL: no stream writes to it */
};

/* All at a moment. */
struct figures {
    uint64_t workers;
    uint64_t sources;
    uint64_t views;
    uint64_t fills;
    uint64_t queued_bytes;
    struct resp_figures doors; /* of the Redis protocol, all workers together */
    struct stream_counters stream;
    struct hot_counters hot;
    struct export_counters export;

    /* Below, what only /metrics tells. */
    bool is_ready;
    bool is_disk_refusing;
    int64_t now_us;
    int64_t start_us;
    int64_t uptime_us;
    const char *version;
    struct process_figures process;
    const struct writer_histograms *histograms; /* borrowed */
    const struct source_figures *source_list;   /* borrowed; as many as sources says */
    const struct view_figures *view_list;       /* borrowed; as many as views says */
};

/* Lines "name:value\r\n". */
void figures_append_info(const struct figures *figures, struct buffer *out);

/* Prometheus' text format. */
void figures_append_metrics(const struct figures *figures, struct buffer *out);

/* The table of docs/metrics.md, in Markdown. */
void figures_append_markdown(struct buffer *out);

#endif
