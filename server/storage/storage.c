/* Opens, writes and reads the database. Only this file, sorted_file.c and what they share know
 * RocksDB. */
#include "storage/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/priority.h"
#include "storage/batch_rows.h"
#include "storage/database.h"
#include "storage/directory.h"
#include "storage/disk.h"
#include "storage/hot_tell.h"
#include "storage/partials.h"
#include "storage/range.h"
#include "storage/sorted_puts.h"

enum {
    BLOCK_SIZE = 8 * 1024,
    BACKGROUND_JOBS = 2,
    LOGGED_BUFFERS_MAX = 4, /* write buffers of data in the write-ahead logs, which a start reads */
    ZSTD_WINDOW_BITS = -14, /* RocksDB's default, like the strategy 0 and no dictionary */
    ZSTD_LEVEL = 1, /* level 3 costs 2% more of a push, and blocks as small get no smaller */
    INFO_LOGS_KEPT = 3,
    INFO_LOG_LEVEL = 4, /* fatal: on a full disk Debian's library aborts at the log's next line */
    PERF_LEVEL_OFF = 1,
    DELETIONS_WINDOW = 4096,  /* keys in a row of a file, of which */
    DELETIONS_TRIGGER = 1024, /* so many are deletions, make it compacted */
    REOPEN_INTERVAL_US = 1000 * 1000,
    STEPS_A_LOOK =
        64, /* of an iterator, between two looks at the patience: some 20 us from memory */
    EVENTS_KEPT_BYTES = 1024 * 1024, /* of an empty batch */
};

static const char *const family_names[FAMILIES_COUNT] = {"default", "events", "log"};

static const int family_compressions[FAMILIES_COUNT] = {
    rocksdb_lz4_compression, rocksdb_lz4_compression, rocksdb_zstd_compression};

enum status storage_failed(const char *what, char *text, struct error *err)
{
    enum status status = STATUS_IO;
    if (bytes_start_with(bytes_of_text(text), bytes_of_text("Corruption")))
        status = STATUS_CORRUPT;
    else if (bytes_start_with(bytes_of_text(text), bytes_of_text("Result incomplete")))
        status = STATUS_AGAIN; /* it would have had to wait, and was told not to */
    error_set(err, status, "%s: %s", what, text);
    rocksdb_free(text);
    return status;
}

/* ---- opening ---- */

static rocksdb_options_t *family_options_create(struct storage *storage, enum family family,
                                                const struct storage_options *options)
{
    rocksdb_options_t *out = rocksdb_options_create();
    size_t buffer_bytes = options->write_buffer_bytes;
    rocksdb_options_set_block_based_table_factory(out, storage->table_options);
    rocksdb_options_set_compression(out, family_compressions[family]);
    rocksdb_options_set_compression_options(out, ZSTD_WINDOW_BITS, ZSTD_LEVEL, 0, 0);
    /* The log's keys ascend: it is as fast with less, and its files are never merged. */
    rocksdb_options_set_write_buffer_size(out,
                                          family == FAMILY_LOG ? buffer_bytes / 2 : buffer_bytes);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(out, 1);
    return out;
}

static void options_create(struct storage *storage, const struct storage_options *options)
{
    storage->cache = rocksdb_cache_create_lru(options->block_cache_bytes);
    storage->table_options = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(storage->table_options, storage->cache);
    rocksdb_block_based_options_set_block_size(storage->table_options, BLOCK_SIZE);
    rocksdb_block_based_options_set_format_version(storage->table_options, 5);

    storage->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(storage->options, 1);
    rocksdb_options_set_create_missing_column_families(storage->options, 1);
    rocksdb_options_set_max_background_jobs(storage->options, BACKGROUND_JOBS);
    rocksdb_options_set_max_open_files(storage->options, -1);
    /* The rows' few bytes would keep every log, as they never fill a write buffer. */
    rocksdb_options_set_max_total_wal_size(storage->options,
                                           LOGGED_BUFFERS_MAX * options->write_buffer_bytes);
    rocksdb_options_set_info_log_level(storage->options, INFO_LOG_LEVEL);
    rocksdb_options_set_keep_log_file_num(storage->options, INFO_LOGS_KEPT);

    for (size_t i = 0; i < FAMILIES_COUNT; i++)
        storage->family_options[i] = family_options_create(storage, i, options);
    /* Files in which folding left mostly deletions are compacted, so that the space comes back. */
    rocksdb_options_add_compact_on_deletion_collector_factory(
        storage->family_options[FAMILY_EVENTS], DELETIONS_WINDOW, DELETIONS_TRIGGER);
    storage->write_synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(storage->write_synced, 1);
    storage->write_unsynced = rocksdb_writeoptions_create();
    storage->hot = hot_create(options->hot_bytes, options->epoch);
    storage->partials = partials_create();
}

static enum status database_open(struct storage *storage, struct error *err)
{
    char *failure = NULL;
    storage->database = rocksdb_open_column_families(
        storage->options, storage->path, FAMILIES_COUNT, family_names,
        (const rocksdb_options_t *const *)storage->family_options, storage->families, &failure);
    return failure == NULL ? STATUS_OK : storage_failed("open the database", failure, err);
}

struct opening {
    struct storage *storage;
    struct error *err;
    enum status status;
};

static void opening_run(void *context)
{
    struct opening *opening = context;
    opening->status = database_open(opening->storage, opening->err);
}

/* RocksDB's threads, which flush and compact, begin with what the thread has that opens the first
 * database: they leave the core to reads, as the writer does. */
static enum status database_open_first(struct storage *storage, struct error *err)
{
    struct opening opening = {.storage = storage, .err = err};
    priority_run_background(opening_run, &opening);
    return opening.status;
}

/* Handles go before the database: Debian's library aborts otherwise. */
static void database_close(struct storage *storage)
{
    for (size_t i = 0; i < FAMILIES_COUNT; i++)
        if (storage->families[i] != NULL)
            rocksdb_column_family_handle_destroy(storage->families[i]);
    memset(storage->families, 0, sizeof(storage->families));
    if (storage->database != NULL)
        rocksdb_close(storage->database);
    storage->database = NULL;
}

/* By default each comparison of keys is counted in a variable of its thread, which a shared library
 * reaches by a call: 7% of the instructions of a push. */
void storage_begin_thread(void)
{
    rocksdb_set_perf_level(PERF_LEVEL_OFF);
}

enum status storage_open(const char *directory, const struct storage_options *options,
                         struct storage **out, struct error *err)
{
    struct storage *storage = calloc(1, sizeof(*storage));
    CHECK(storage != NULL);
    sharing_init(&storage->sharing);
    storage_begin_thread();
    enum status status = directory_claim(
        directory, options->format == 0 ? STORAGE_FORMAT : options->format, &storage->lock_fd, err);
    if (status != STATUS_OK)
        goto out;
    options_create(storage, options);
    if (snprintf(storage->path, sizeof(storage->path), "%s/rocksdb", directory) >=
        STORAGE_PATH_SIZE_MAX) {
        status = error_set(err, STATUS_LIMIT, "the path of the data directory is too long");
        goto out;
    }
    status = database_open_first(storage, err);
    if (status != STATUS_OK)
        goto out;
    *out = storage;
    storage = NULL; /* moved to the caller */
out:
    storage_close(&storage);
    return status;
}

void storage_close(struct storage **storage)
{
    struct storage *it = *storage;
    if (it == NULL)
        return;
    database_close(it);
    if (it->options != NULL) {
        for (size_t i = 0; i < FAMILIES_COUNT; i++)
            rocksdb_options_destroy(it->family_options[i]);
        rocksdb_options_destroy(it->options);
        rocksdb_block_based_options_destroy(it->table_options);
        rocksdb_cache_destroy(it->cache);
        rocksdb_writeoptions_destroy(it->write_synced);
        rocksdb_writeoptions_destroy(it->write_unsynced);
    }
    hot_destroy(&it->hot);
    partials_destroy(&it->partials);
    if (it->lock_fd >= 0)
        close(it->lock_fd);
    sharing_fini(&it->sharing);
    free(it);
    *storage = NULL;
}

static const struct storage_reading read_newest;

/* ---- writing ---- */

struct batch {
    rocksdb_writebatch_t *writes;  /* owned: all puts but those of events */
    struct sorted_puts events;     /* they join the writes when the batch is written */
    struct buffer key;             /* owned: of the partial at hand */
    struct written_tables written; /* tables of batch views that it has writes of */
};

struct batch *batch_create(void)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    CHECK(batch != NULL);
    batch->writes = rocksdb_writebatch_create();
    return batch;
}

void batch_destroy(struct batch **batch)
{
    if (*batch == NULL)
        return;
    rocksdb_writebatch_destroy((*batch)->writes);
    sorted_puts_fini(&(*batch)->events);
    written_tables_fini(&(*batch)->written);
    buffer_fini(&(*batch)->key);
    free(*batch);
    *batch = NULL;
}

void batch_clear(struct batch *batch)
{
    rocksdb_writebatch_clear(batch->writes);
    sorted_puts_reset(&batch->events, EVENTS_KEPT_BYTES);
    batch->written.count = 0;
}

size_t batch_size_bytes(const struct batch *batch)
{
    size_t size;
    rocksdb_writebatch_data(batch->writes, &size);
    return size + sorted_puts_size_bytes(&batch->events);
}

bool batch_is_empty(const struct batch *batch)
{
    return rocksdb_writebatch_count(batch->writes) == 0 && batch->events.count == 0;
}

void batch_mark(struct batch *batch)
{
    rocksdb_writebatch_set_save_point(batch->writes);
    sorted_puts_mark(&batch->events);
}

void batch_undo_to_mark(struct batch *batch)
{
    char *failure = NULL;
    rocksdb_writebatch_rollback_to_save_point(batch->writes, &failure);
    CHECK(failure == NULL);
    sorted_puts_undo(&batch->events);
}

void batch_forget_mark(struct batch *batch)
{
    char *failure = NULL;
    rocksdb_writebatch_pop_save_point(batch->writes, &failure);
    CHECK(failure == NULL);
}

void batch_put(struct batch *batch, struct storage *storage, enum family family, struct bytes key,
               struct bytes value)
{
    if (storage->database != NULL) /* else the write will be refused */
        rocksdb_writebatch_put_cf(batch->writes, storage->families[family], key.data, key.size,
                                  value.data, value.size);
}

void batch_delete(struct batch *batch, struct storage *storage, enum family family,
                  struct bytes key)
{
    if (storage->database != NULL)
        rocksdb_writebatch_delete_cf(batch->writes, storage->families[family], key.data, key.size);
}

void batch_put_row(struct batch *batch, struct storage *storage, struct bytes key,
                   struct bytes value)
{
    batch_put(batch, storage, FAMILY_ROWS, key, value);
}

void batch_delete_row(struct batch *batch, struct storage *storage, struct bytes key)
{
    batch_delete(batch, storage, FAMILY_ROWS, key);
}

/* Sets the batch's key to that of a partial. */
static void set_partial_key(struct batch *batch, uint32_t table_id, struct bytes entity,
                            int64_t end_us, unsigned level)
{
    batch->key.start = batch->key.size = 0;
    key_append_prefix(&batch->key, table_id, entity, KIND_PARTIAL);
    key_append_time(&batch->key, end_us);
    buffer_append_byte(&batch->key, (char)level);
}

/* Deletes the partials of the levels whose chunks hold the time. */
static void delete_covering(struct batch *batch, struct storage *storage, uint32_t table_id,
                            struct bytes entity, int64_t time_us, uint32_t levels)
{
    for (unsigned level = 0; level < CHUNK_LEVELS; level++)
        if (levels >> level & 1) {
            set_partial_key(batch, table_id, entity, chunk_end_us(time_us, level), level);
            batch_delete(batch, storage, FAMILY_EVENTS, buffer_bytes(&batch->key));
        }
}

void batch_put_event(struct batch *batch, struct storage *storage, uint32_t table_id,
                     struct bytes entity, int64_t time_us, struct bytes identity, struct bytes row)
{
    if (storage->database == NULL) /* the write will be refused */
        return;
    uint32_t levels = partials_note_event(storage, table_id, entity, time_us);
    if (levels != 0)
        delete_covering(batch, storage, table_id, entity, time_us, levels);
    struct buffer *key = sorted_puts_begin(&batch->events);
    key_append_prefix(key, table_id, entity, KIND_EVENT);
    key_append_time(key, time_us);
    buffer_append(key, identity);
    sorted_puts_end(&batch->events, TABLE_SIZE + entity.size, row);
}

void batch_put_write(struct batch *batch, struct storage *storage, uint32_t table_id,
                     struct bytes entity, int64_t time_us, struct bytes identity,
                     struct bytes write)
{
    written_tables_add(&batch->written, table_id);
    batch_put_event(batch, storage, table_id, entity, time_us, identity, write);
}

/* Puts the events behind what the batch writes otherwise, and the rows that change with them. */
static enum status batch_add_events(struct batch *batch, struct storage *storage, struct error *err)
{
    sorted_puts_sort(&batch->events);
    enum status status = batch_rows_update(batch, storage, &batch->written, &batch->events, err);
    for (size_t i = 0; i < batch->events.count; i++)
        batch_put(batch, storage, FAMILY_EVENTS, sorted_puts_key(&batch->events, i),
                  sorted_puts_value(&batch->events, i));
    return status;
}

void batch_put_partial_row(struct batch *batch, struct storage *storage, uint32_t table_id,
                           struct bytes entity, const struct timeline_chunk *chunk)
{
    set_partial_key(batch, table_id, entity, chunk->end_us, chunk->level);
    batch_put(batch, storage, FAMILY_EVENTS, buffer_bytes(&batch->key), chunk->partial);
}

enum status batch_delete_partials(struct batch *batch, struct storage *storage, uint32_t table_id,
                                  struct bytes entity, int64_t oldest_us, int64_t newest_us,
                                  struct error *err)
{
    /* Chunks hold a time of the range if they end in it, or if they hold its newest time. */
    struct range range = {0};
    enum status status;
    uint32_t levels = partials_levels(storage, table_id);
    if (levels == 0)
        return STATUS_OK;
    key_append_prefix(&range.lower, table_id, entity, KIND_PARTIAL);
    key_append_time(&range.lower, oldest_us + 1);
    key_append_prefix(&range.upper, table_id, entity, KIND_PARTIAL);
    key_append_time(&range.upper, newest_us + 1);
    range_open(&range, storage, &read_newest, FAMILY_EVENTS);
    range_seek(&range, buffer_bytes(&range.lower));
    while ((status = range_status(&range, err)) == STATUS_OK) {
        batch_delete(batch, storage, FAMILY_EVENTS, range_key(&range));
        range_next(&range);
    }
    range_close(&range);
    delete_covering(batch, storage, table_id, entity, newest_us, levels);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void batch_delete_event(struct batch *batch, struct storage *storage, uint32_t table_id,
                        struct bytes entity, int64_t time_us, struct bytes identity)
{
    batch->key.start = batch->key.size = 0;
    key_append_prefix(&batch->key, table_id, entity, KIND_EVENT);
    key_append_time(&batch->key, time_us);
    buffer_append(&batch->key, identity);
    batch_delete(batch, storage, FAMILY_EVENTS, buffer_bytes(&batch->key));
}

/* ---- a disk that is full or fails ----
 *
 * RocksDB must not be written to again after a failed write: Debian's library aborts, others stay
 * read-only. So writes are refused while the disk is nearly full; once one failed, reads go on, and
 * the database is opened again when there is room for what that has to write. */

static enum status check_room(const struct storage *storage, uint64_t needed_bytes,
                              struct error *err)
{
    return disk_check_room(storage->lock_fd, storage->path, needed_bytes, err);
}

/* Opens the database again after a failed write, at most once a second. What of that write reached
 * the disk is then there. */
static enum status storage_reopen(struct storage *storage, struct error *err)
{
    int64_t now_us = clock_mono_us();
    if (now_us - storage->reopened_mono_us < REOPEN_INTERVAL_US)
        return error_set(err, STATUS_UNAVAILABLE, "a write failed a moment ago; reads go on");
    storage->reopened_mono_us = now_us;
    enum status status = check_room(storage, disk_log_bytes(storage->path), err);
    if (status != STATUS_OK)
        return status;
    atomic_fetch_add(&storage->changes, 1); /* the write that failed may be there after all */
    sharing_stop(&storage->sharing);
    database_close(storage);
    status = database_open(storage, err);
    if (status != STATUS_OK)
        database_close(storage);
    hot_forget_all(storage->hot);
    sharing_go_on(&storage->sharing);
    atomic_fetch_add(&storage->changes, 1);
    if (status != STATUS_OK)
        return error_prefix(err, status, "after a failed write");
    storage->is_failed = false;
    storage->generation++;
    log_info("the database was opened again after a failed write");
    return STATUS_OK;
}

bool storage_is_failed(const struct storage *storage)
{
    return storage->is_failed;
}

uint64_t storage_generation(const struct storage *storage)
{
    return storage->generation;
}

uint64_t storage_changes(const struct storage *storage)
{
    return atomic_load(&storage->changes);
}

void storage_note_failure(struct storage *storage)
{
    storage->is_failed = true;
    storage->reopened_mono_us = clock_mono_us();
}

void storage_heal(struct storage *storage)
{
    struct error err;
    if (storage->is_failed && storage_reopen(storage, &err) != STATUS_OK)
        log_debug("%s", err.text);
}

enum status storage_can_write(const struct storage *storage, size_t size_bytes, struct error *err)
{
    if (storage->is_failed)
        return error_set(err, STATUS_UNAVAILABLE,
                         "a write failed and the database is not yet open again; reads go on");
    return check_room(storage, size_bytes, err);
}

enum status storage_write(struct storage *storage, struct batch *batch, bool sync,
                          struct error *err)
{
    char *failure = NULL;
    enum status status = storage_can_write(storage, batch_size_bytes(batch), err);
    if (status != STATUS_OK)
        return status;
    status = batch_add_events(batch, storage, err);
    if (status != STATUS_OK)
        return status;
    atomic_fetch_add(&storage->changes, 1);
    rocksdb_write(storage->database, sync ? storage->write_synced : storage->write_unsynced,
                  batch->writes, &failure);
    hot_tell(storage->hot, &batch->events, failure == NULL);
    atomic_fetch_add(&storage->changes, 1);
    if (failure == NULL)
        return STATUS_OK;
    storage_note_failure(storage);
    return storage_failed("write to the database", failure, err);
}

/* ---- iterators ---- */

/* Says why the database can't be read now. */
static enum status reading_refused(enum status status, struct error *err)
{
    if (status == STATUS_AGAIN)
        return error_set(err, status, "the database is being opened again after a failed write");
    return error_set(err, STATUS_UNAVAILABLE,
                     "the database could not be opened again after a failed write; see the log");
}

/* Shares the database until sharing_end, where this says OK. AGAIN: it would have to wait. */
static enum status reading_begin(struct storage *storage, bool never_waits)
{
    if (!sharing_begin(&storage->sharing, never_waits))
        return STATUS_AGAIN;
    if (storage->database != NULL)
        return STATUS_OK;
    sharing_end(&storage->sharing);
    return STATUS_UNAVAILABLE;
}

struct storage_snapshot {
    struct storage *storage;
    enum status status; /* OK: the database is shared until the release */
    const rocksdb_snapshot_t *snapshot;
};

struct storage_snapshot *storage_snapshot_take(struct storage *storage, bool never_waits)
{
    struct storage_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    CHECK(snapshot != NULL);
    snapshot->storage = storage;
    snapshot->status = reading_begin(storage, never_waits);
    if (snapshot->status == STATUS_OK)
        snapshot->snapshot = rocksdb_create_snapshot(storage->database);
    return snapshot;
}

void storage_snapshot_release(struct storage_snapshot **out)
{
    struct storage_snapshot *snapshot = *out;
    if (snapshot == NULL)
        return;
    if (snapshot->status == STATUS_OK) {
        rocksdb_release_snapshot(snapshot->storage->database, snapshot->snapshot);
        sharing_end(&snapshot->storage->sharing);
    }
    free(snapshot);
    *out = NULL;
}

/* The same as reading_begin; what has no snapshot can't be read over it. */
static enum status reading_begin_over(struct storage *storage,
                                      const struct storage_reading *reading)
{
    if (reading->snapshot != NULL && reading->snapshot->status != STATUS_OK)
        return reading->snapshot->status;
    return reading_begin(storage, reading->never_waits);
}

static rocksdb_readoptions_t *reading_options(const struct storage_reading *reading)
{
    enum { ONLY_BLOCK_CACHE = 1, LONG_RUN_READ_SIZE = 256 * 1024 };
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    if (reading->snapshot != NULL)
        rocksdb_readoptions_set_snapshot(options, reading->snapshot->snapshot);
    if (reading->never_waits)
        rocksdb_readoptions_set_read_tier(options, ONLY_BLOCK_CACHE);
    if (reading->is_passing)
        rocksdb_readoptions_set_fill_cache(options, 0);
    if (reading->is_long_run)
        rocksdb_readoptions_set_readahead_size(options, LONG_RUN_READ_SIZE);
    return options;
}

void range_open(struct range *range, struct storage *storage, const struct storage_reading *reading,
                enum family family)
{
    struct bytes lower = buffer_bytes(&range->lower);
    struct bytes upper = buffer_bytes(&range->upper);
    range->refusal = reading_begin_over(storage, reading);
    if (range->refusal != STATUS_OK)
        return;
    range->storage = storage;
    range->patience = reading->patience;
    range->options = reading_options(reading);
    rocksdb_readoptions_set_total_order_seek(range->options, 1);
    rocksdb_readoptions_set_iterate_lower_bound(range->options, lower.data, lower.size);
    if (upper.size > 0)
        rocksdb_readoptions_set_iterate_upper_bound(range->options, upper.data, upper.size);
    range->iterator =
        rocksdb_create_iterator_cf(storage->database, range->options, storage->families[family]);
}

void range_close(struct range *range)
{
    if (range->iterator != NULL) {
        rocksdb_iter_destroy(range->iterator);
        rocksdb_readoptions_destroy(range->options);
        sharing_end(&range->storage->sharing);
    }
    buffer_fini(&range->lower);
    buffer_fini(&range->upper);
}

/* Before each move. */
static void range_count_step(struct range *range)
{
    if (++range->steps_count % STEPS_A_LOOK == 0)
        range->is_given_up |= !patience_lasts(range->patience);
}

void range_seek(struct range *range, struct bytes key)
{
    range_count_step(range);
    if (range->iterator != NULL)
        rocksdb_iter_seek(range->iterator, key.data, key.size);
}

void range_seek_to_last(struct range *range)
{
    if (range->iterator != NULL)
        rocksdb_iter_seek_to_last(range->iterator);
}

void range_seek_for_prev(struct range *range, struct bytes key)
{
    range_count_step(range);
    if (range->iterator != NULL)
        rocksdb_iter_seek_for_prev(range->iterator, key.data, key.size);
}

void range_next(struct range *range)
{
    range_count_step(range);
    rocksdb_iter_next(range->iterator);
}

void range_back(struct range *range)
{
    range_count_step(range);
    if (rocksdb_iter_valid(range->iterator)) /* else it would stop the process */
        rocksdb_iter_prev(range->iterator);
}

struct bytes range_key(const struct range *range)
{
    size_t size;
    const char *key = rocksdb_iter_key(range->iterator, &size);
    return bytes_of(key, size);
}

struct bytes range_value(const struct range *range)
{
    size_t size;
    const char *value = rocksdb_iter_value(range->iterator, &size);
    return bytes_of(value, size);
}

enum status range_status(const struct range *range, struct error *err)
{
    char *failure = NULL;
    if (range->iterator == NULL)
        return reading_refused(range->refusal, err);
    if (range->is_given_up)
        return error_set(err, STATUS_CANCELLED, "the read was given up");
    if (rocksdb_iter_valid(range->iterator))
        return STATUS_OK;
    rocksdb_iter_get_error(range->iterator, &failure);
    return failure == NULL ? STATUS_NOT_FOUND
                           : storage_failed("read from the database", failure, err);
}

/* Finds the value, which the caller frees with rocksdb_free. NOT_FOUND: there is none. */
static enum status family_get(struct storage *storage, const struct storage_reading *reading,
                              enum family family, struct bytes key, char **found, size_t *size,
                              struct error *err)
{
    char *failure = NULL;
    enum status refusal = reading_begin_over(storage, reading);
    if (refusal != STATUS_OK)
        return reading_refused(refusal, err);
    rocksdb_readoptions_t *options = reading_options(reading);
    *found = rocksdb_get_cf(storage->database, options, storage->families[family], key.data,
                            key.size, size, &failure);
    rocksdb_readoptions_destroy(options);
    sharing_end(&storage->sharing);
    if (failure != NULL)
        return storage_failed("read from the database", failure, err);
    return *found == NULL ? STATUS_NOT_FOUND : STATUS_OK;
}

enum status storage_get_kind(struct storage *storage, const struct storage_reading *reading,
                             uint32_t table_id, struct bytes entity, unsigned kind,
                             struct buffer *out, struct error *err)
{
    char *found;
    size_t size;
    struct buffer key = {0};
    key_append_prefix(&key, table_id, entity, kind);
    enum status status =
        family_get(storage, reading, FAMILY_EVENTS, buffer_bytes(&key), &found, &size, err);
    buffer_fini(&key);
    if (status != STATUS_OK)
        return status;
    buffer_append(out, bytes_of(found, size));
    rocksdb_free(found);
    return STATUS_OK;
}

/* ---- rows ---- */

enum status storage_get_row(struct storage *storage, struct bytes key, struct arena *arena,
                            struct bytes *value, struct error *err)
{
    char *found;
    size_t size;
    enum status status = family_get(storage, &read_newest, FAMILY_ROWS, key, &found, &size, err);
    if (status != STATUS_OK)
        return status;
    *value = arena_copy(arena, bytes_of(found, size));
    rocksdb_free(found);
    return STATUS_OK;
}

enum status storage_scan_rows_of(struct storage *storage, const struct storage_reading *reading,
                                 struct bytes prefix, storage_row_fn take, void *context,
                                 struct error *err)
{
    struct range range = {0};
    enum status status;
    buffer_append(&range.lower, prefix);
    range_open(&range, storage, reading, FAMILY_ROWS);
    range_seek(&range, prefix);
    while ((status = range_status(&range, err)) == STATUS_OK) {
        if (!bytes_start_with(range_key(&range), prefix))
            break;
        status = take(context, range_key(&range), range_value(&range), err);
        if (status != STATUS_OK)
            break;
        range_next(&range);
    }
    range_close(&range);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

struct hot *storage_hot(struct storage *storage)
{
    return storage->hot;
}

struct partials *storage_partials(struct storage *storage)
{
    return storage->partials;
}

/* ---- the rest ---- */

void storage_flush_events(struct storage *storage)
{
    char *failure = NULL;
    if (storage->database == NULL || storage->is_failed)
        return;
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(flush, 0);
    rocksdb_flush_cf(storage->database, flush, storage->families[FAMILY_EVENTS], &failure);
    rocksdb_flushoptions_destroy(flush);
    if (failure != NULL) { /* the next write will say it */
        log_debug("flush of events: %s", failure);
        rocksdb_free(failure);
    }
}

enum status storage_drop_files(struct storage *storage, enum family family, struct bytes lower,
                               struct bytes upper, struct error *err)
{
    char *failure = NULL;
    enum status status = storage_can_write(storage, 0, err);
    if (status != STATUS_OK)
        return status;
    rocksdb_column_family_handle_t *handle = storage->families[family];
    rocksdb_delete_file_in_range_cf(storage->database, handle, lower.data, lower.size, upper.data,
                                    upper.size, &failure);
    if (failure == NULL)
        rocksdb_suggest_compact_range_cf(storage->database, handle, lower.data, lower.size,
                                         upper.data, upper.size, &failure);
    return failure == NULL ? STATUS_OK : storage_failed("free files", failure, err);
}

enum status storage_compact(struct storage *storage, struct error *err)
{
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    char *failure = NULL;
    for (size_t i = 0; i < FAMILIES_COUNT && failure == NULL; i++) {
        rocksdb_flush_cf(storage->database, flush, storage->families[i], &failure);
        if (failure == NULL)
            rocksdb_compact_range_cf(storage->database, storage->families[i], NULL, 0, NULL, 0);
    }
    rocksdb_flushoptions_destroy(flush);
    return failure == NULL ? STATUS_OK : storage_failed("compact the database", failure, err);
}
