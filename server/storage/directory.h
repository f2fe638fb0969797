/* Directory: the data directory before the database in it is touched: whose it is, who holds it,
 * which format it has.
 *
 *     DIR/FORMAT    "asof data format 3\n"
 *     DIR/LOCK      held (flock) by the server that runs, with its process id as text
 *     DIR/rocksdb/  the database
 *
 * Thread: the one that opens the storage. */
#ifndef ASOF_STORAGE_DIRECTORY_H
#define ASOF_STORAGE_DIRECTORY_H

#include "base/status.h"

/* Makes the directory if it is missing, checks that its format is the one asked for (written where
 * it is new), and takes its lock. *lock_fd is owned by the caller; closing it gives the lock back.
 * UNAVAILABLE: another server holds it. INVALID: another format, or something else's directory. */
MUST_USE enum status directory_claim(const char *directory, int format, int *lock_fd,
                                     struct error *err);

/* The format of a directory that is there. NOT_FOUND: it is none of asofd. INVALID: newer than this
 * asofd knows. CORRUPT, IO: err. */
MUST_USE enum status directory_read_format(const char *directory, int *format, struct error *err);

/* Makes it another one, durably: the last act of a migration. The caller holds the lock. */
MUST_USE enum status directory_write_format(const char *directory, int format, struct error *err);

#endif
