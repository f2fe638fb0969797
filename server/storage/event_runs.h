/* Event runs: sorted events on the disk for a while, each run ascending, and their merge.
 *
 *     run       records
 *     record    time i64, sizes of entity, identity and row u32 each, 4 bytes 0; entity, identity,
 * row
 *
 * The entity is left out, and its size 0, where it is that of the record before. By the machine's
 * order of bytes, as nobody else reads it.
 *
 * Private to storage/. Thread: one at a time. */
#ifndef ASOF_STORAGE_EVENT_RUNS_H
#define ASOF_STORAGE_EVENT_RUNS_H

#include "storage/event_files.h"
#include "storage/event_sort.h"

struct event_runs {
    struct bytes prefix; /* borrowed: what the paths begin with */
    size_t count;        /* of runs that were begun */
    void *file;          /* owned: the FILE that is being written, or NULL */
    struct bytes entity; /* borrowed: of the last event that was put */
};

/* Begins a run, takes its events in order, ends it. The events of an entity have it from the same
 * place in memory. LIMIT: too many runs. IO: err. */
MUST_USE enum status event_runs_begin(struct event_runs *runs, struct error *err);
MUST_USE enum status event_runs_put(struct event_runs *runs, const struct sorted_event *event,
                                    struct error *err);
MUST_USE enum status event_runs_end(struct event_runs *runs, struct error *err);

/* Gives the events of all runs in the order of their keys to the files; of those with the same key
 * the one of the latest run. IO, CORRUPT, UNAVAILABLE: err. */
MUST_USE enum status event_runs_merge(struct event_runs *runs, struct event_files *files,
                                      struct error *err);

/* Removes the runs. */
void event_runs_fini(struct event_runs *runs);

#endif
