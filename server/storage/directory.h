/* Directory: the data directory before the database in it is touched: whose it is, who holds it,
 * which format it has.
 *
 *     DIR/FORMAT    "asof data format 2\n"
 *     DIR/LOCK      held (flock) by the server that runs, with its process id as text
 *     DIR/rocksdb/  the database
 *
 * Thread: the one that opens the storage. */
#ifndef ASOF_STORAGE_DIRECTORY_H
#define ASOF_STORAGE_DIRECTORY_H

#include "base/status.h"

/* Makes the directory if it is missing, checks its format (written where it is new), and takes its
 * lock. *lock_fd is owned by the caller; closing it gives the lock back.
 * UNAVAILABLE: another server holds it. INVALID: a newer format, or something else's directory. */
MUST_USE enum status directory_claim(const char *directory, int *lock_fd, struct error *err);

#endif
