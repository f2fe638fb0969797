/* Snapshot: one row for each entity of a view that exists at a moment: its keys, then its features,
 * as a read of that entity as of that moment answers. See docs/exports.md.
 *
 * Private to export/, but for the spec. Thread: export's. */
#ifndef ASOF_EXPORT_SNAPSHOT_H
#define ASOF_EXPORT_SNAPSHOT_H

#include "export/export.h"

struct snapshot_spec {
    struct bytes view; /* "view", "view@2"; a service, too */
    bool has_at;       /* else: now, by the clock of the view's source */
    int64_t at_us;
    bool with_statuses;
    struct export_output output;
};

/* Of the table in jobs.c. */
MUST_USE enum status snapshot_run(struct export_job *job, struct error *err);

#endif
