/* Health: whether the process makes progress, and whether it can do what it is for.
 *
 *     /healthz  the threads move: a process that fails this is best started again
 *     /readyz   the same, and it takes writes and is not about to stop
 *
 * Whoever asks is the clock: a thread is stuck when what it counts stood still from one question to
 * a later one, HEALTH_STALL_MAX_US apart; the threads themselves look at no clock. now_mono_us is
 * clock_mono_us().
 *
 * Thread: one that asks; health_note_stopping, any. */
#ifndef ASOF_APP_HEALTH_H
#define ASOF_APP_HEALTH_H

#include "app/worker.h"
#include "app/writer.h"

/* The longest that a thread may be at one thing: RocksDB can hold up a write while it compacts. */
#define HEALTH_STALL_MAX_US INT64_C(30000000)

enum health_question { HEALTH_ALIVE, HEALTH_READY };

struct health;

/* The writer and the workers are borrowed. Owned by the caller. */
struct health *health_create(struct writer *writer, struct worker *const *workers,
                             size_t workers_count, int64_t now_mono_us);
void health_destroy(struct health **health);

/* From now on it is not ready, and threads may end. */
void health_note_stopping(struct health *health);

/* Appends, verbose, a line for each check, else one for each that failed, or "ok". Returns whether
 * none failed. */
bool health_ask(struct health *health, enum health_question question, int64_t now_mono_us,
                bool is_verbose, struct buffer *out);

#endif
