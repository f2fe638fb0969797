/* Epoch: when memory that readers look at without a lock may be freed.
 *
 *     reader   pointer = atomic load; use it; ...; epoch_quiet (or sleeps: epoch_leave,
 * epoch_enter) changer  unlink by an atomic store; epoch_retire (freed later) or epoch_wait
 * (returns when nobody can hold it any more)
 *
 * 1. A reader may use what it loaded since it entered or was last quiet; between reads it must be
 *    quiet often, as nothing retired is freed before (an event loop: once a turn).
 * 2. A reader that sleeps has left; one that has left holds nothing.
 * 3. Readers never wait. epoch_wait waits for the slowest reader's turn.
 *
 * Thread: a reader is its thread's; retire and wait, any (wait: not one that has entered). */
#ifndef ASOF_BASE_EPOCH_H
#define ASOF_BASE_EPOCH_H

#include <stddef.h>
#include <stdint.h>

enum { EPOCH_READERS_MAX = 256 }; /* more are a mistake of the program */

struct epoch;
struct epoch_reader;

/* Owned by the caller; destroyed after its last reader, which frees what is still retired. */
struct epoch *epoch_create(void);
void epoch_destroy(struct epoch **epoch);

/* A reader that has left. Owned by the caller. */
struct epoch_reader *epoch_join(struct epoch *epoch);
void epoch_part(struct epoch_reader **reader);

void epoch_enter(struct epoch_reader *reader);
void epoch_leave(struct epoch_reader *reader);

/* Says that the reader, which has entered, holds nothing that it loaded before. */
void epoch_quiet(struct epoch_reader *reader);

/* Frees memory by free_memory once no reader can hold it: in a later call of epoch_retire or
 * epoch_collect, on that thread. */
void epoch_retire(struct epoch *epoch, void *memory, void (*free_memory)(void *memory));

/* Frees what may be freed. */
void epoch_collect(struct epoch *epoch);

/* Returns when no reader holds anything that was unlinked before the call. */
void epoch_wait(struct epoch *epoch);

#endif
