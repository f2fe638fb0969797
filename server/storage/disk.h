/* Disk: how much room there is beside the database. Private to storage/. Thread: any. */
#ifndef ASOF_STORAGE_DISK_H
#define ASOF_STORAGE_DISK_H

#include <stdint.h>

#include "base/status.h"

/* Whether needed_bytes more fit on the disk of the open file, beside a reserve for flushes and
 * compactions; path is for the message. UNAVAILABLE: they do not. IO: it can't be told. */
MUST_USE enum status disk_check_room(int descriptor, const char *path, uint64_t needed_bytes,
                                     struct error *err);

/* Bytes of the write-ahead logs in the directory, which opening the database writes to sorted
 * files. */
uint64_t disk_log_bytes(const char *path);

#endif
