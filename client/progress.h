/* Progress: one line on standard error that is written over and over while something long runs, and
 * is gone when it ends. Shown only to terminals. Thread: one at a time. */
#ifndef ASOF_CLIENT_PROGRESS_H
#define ASOF_CLIENT_PROGRESS_H

#include <stdint.h>

#include "base/buffer.h"
#include "terminal.h"

struct progress_state {
    const char *label;
    const char *unit; /* of what is counted; NULL: events */
    uint64_t events_done;
    double fraction; /* 0..1, below 0 where the end is not known */
    int64_t elapsed_us;
    int64_t left_us; /* 0: as elapsed_us and fraction say */
};

struct progress {
    const struct terminal *terminal; /* borrowed */
    int64_t shown_mono_us;           /* when the line was last written; 0: never */
};

/* Appends the line: label, bar, percent, events, rate, time left; at most columns wide. Pure. */
void progress_append(const struct progress_state *state, size_t columns, struct buffer *out);

/* Writes the line, if that is not too early. */
void progress_show(struct progress *progress, const struct progress_state *state,
                   int64_t now_mono_us);

/* Takes the line away; call it before anything else is written to the terminal. */
void progress_clear(struct progress *progress);

#endif
