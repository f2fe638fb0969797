/* Database: the open database, and all that is kept beside it in memory; what storage.c and
 * sorted_file.c share.
 *
 * Private to these two. Thread: as storage.h says. */
#ifndef ASOF_STORAGE_DATABASE_H
#define ASOF_STORAGE_DATABASE_H

#include <rocksdb/c.h>
#include <stdatomic.h>

#include "storage/partials.h"
#include "storage/range.h"
#include "storage/sharing.h"

enum { STORAGE_PATH_SIZE_MAX = 4096 };

struct storage {
    char path[STORAGE_PATH_SIZE_MAX]; /* of the database */
    struct sharing sharing; /* by who reads; who opens the database again takes it alone */
    rocksdb_t *database;    /* owned, as all below; NULL while it could not be opened again */
    rocksdb_column_family_handle_t *families[FAMILIES_COUNT];
    rocksdb_options_t *options;
    rocksdb_options_t *family_options[FAMILIES_COUNT];
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_synced;
    rocksdb_writeoptions_t *write_unsynced;
    struct hot *hot;
    struct partials *partials;
    int lock_fd;
    atomic_bool is_failed;    /* a write failed: no more of them before it was opened again */
    uint64_t generation;      /* counts the times that it was opened */
    _Atomic uint64_t changes; /* see storage_changes */
    int64_t reopened_mono_us; /* when that was tried last */
};

/* Turns RocksDB's text (freed here) into a status. */
MUST_USE enum status storage_failed(const char *what, char *text, struct error *err);

/* A write failed: no more of them before the database was opened again. */
void storage_note_failure(struct storage *storage);

#endif
