/* Events: the raw events of a source that its embedded log keeps, with the types of the source's
 * fields, in the order in which they were accepted. See docs/exports.md.
 *
 * Private to export/, but for the spec. Thread: export's. */
#ifndef ASOF_EXPORT_EVENTS_H
#define ASOF_EXPORT_EVENTS_H

#include "export/export.h"

struct events_spec {
    struct bytes source;
    int64_t from_us; /* event times, from this one */
    int64_t to_us;   /* to before this one; both 0: all */
    struct export_output output;
};

/* Of the table in jobs.c. */
MUST_USE enum status events_run(struct export_job *job, struct error *err);

#endif
