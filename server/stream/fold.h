/* Fold: what a view's `history` lets go. A version has a horizon, min(now, newest accepted event of
 * its source) - history - the reach of its bounded windows, which only moves forward:
 *
 *     events at or before it         late when they come: skipped by the version and counted
 *                                    there before: in no bounded window of a T inside the history,
 *                                    so a pass over the table takes them out of the timelines
 *
 * 1. What is taken out is at or before a horizon that was stored before or with it, in the row
 *    "horizon/TABLE"; so nothing that came later can be older.
 * 2. Answers at every T inside the history are the same before, during and after a pass.
 * 3. A version that is being filled has no horizon: all of the log counts. While one is backfilled
 * from files, its horizon stands still.
 *
 * Private to stream/. Thread: the one that owns the stream. */
#ifndef ASOF_STREAM_FOLD_H
#define ASOF_STREAM_FOLD_H

#include "base/buffer.h"
#include "base/status.h"

struct runtime;
struct source_runtime;
struct stream;

/* A walk over all entities of a table, a piece at a time; begins anew after a restart. */
struct fold_pass {
    bool is_running;
    int64_t horizon_us;     /* of the version when the pass began */
    struct buffer position; /* owned: of the event scan */
    uint64_t events_count;  /* that it has taken out */
    int64_t begun_mono_us;
    int64_t next_mono_us; /* the next pass begins no earlier */
};

/* What is known of a version with a `history`; lives as long as the stream. */
struct fold {
    uint32_t table_id;
    int64_t kept_us;    /* history and the reach of the bounded windows */
    int64_t horizon_us; /* INT64_MIN: none yet */
    int64_t folded_us;  /* horizon of the last pass that went to its end, INT64_MIN: none */
    bool is_held;       /* the horizon stands still: the version takes history from files */
    struct fold_pass pass;
};

/* Gives all live versions of the runtime that have a `history` their fold. IO, CORRUPT: what is
 * stored can't be read. */
MUST_USE enum status fold_bind(struct stream *stream, struct runtime *runtime, struct error *err);

/* Reads again what is stored, after the database was opened again. */
MUST_USE enum status fold_reread(struct stream *stream, struct error *err);

void fold_destroy_all(struct stream *stream);

/* Moves the horizons of the source's versions to where now and what is committed put them. */
void fold_move_horizons(struct source_runtime *source);

/* Does a bounded piece of a pass that is due. Returns whether it should be called again at once. A
 * failure is logged and tried again later. The open batch is empty. */
bool fold_step(struct stream *stream);

#endif
