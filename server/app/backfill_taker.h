/* Backfill taker: joins a backfill of export/ and of stream/: what belongs to the writer's thread
 * goes there as a job, for which export's thread waits.
 *
 * Thread: export's. The writer runs as long as export does. */
#ifndef ASOF_APP_BACKFILL_TAKER_H
#define ASOF_APP_BACKFILL_TAKER_H

#include "app/writer.h"
#include "export/backfill.h"

/* Its context is the struct writer. */
extern const struct backfill_taker backfill_taker;

#endif
