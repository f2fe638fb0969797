/* The only file that knows RocksDB. */
#include "storage/storage.h"

#include <rocksdb/c.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "storage/directory.h"
#include "storage/sorted_puts.h"

enum {
    PATH_SIZE_MAX = 4096,
    TABLE_SIZE = 4,    /* table id in front of an event's key */
    KIND_SIZE = 1,     /* behind the entity */
    KIND_EVENT = 0x00,
    KIND_END = 0xff,   /* above all kinds */
    TIME_SIZE = 8,
    LOG_KEY_SIZE = 12, /* source id, first sequence */
    BLOCK_SIZE = 8 * 1024,
    BACKGROUND_JOBS = 2,
    LOGGED_BUFFERS_MAX = 4, /* write buffers of data in the write-ahead logs, which a start reads */
    ZSTD_WINDOW_BITS = -14, /* RocksDB's default, like the strategy 0 and no dictionary */
    ZSTD_LEVEL = 1,         /* level 3 costs 2% more of a push, and blocks as small get no smaller */
    INFO_LOGS_KEPT = 3,
    INFO_LOG_LEVEL = 2, /* warnings */
    PERF_LEVEL_OFF = 1,
    RESERVE_PART = 20, /* a twentieth of the disk is kept free, */
    RESERVE_MAX_BYTES = 256 * 1024 * 1024, /* at most so much: flushes and compactions need room */
    REOPEN_INTERVAL_US = 1000 * 1000,
    EVENTS_KEPT_BYTES = 1024 * 1024, /* of an empty batch */
};

enum family { FAMILY_ROWS, FAMILY_EVENTS, FAMILY_LOG, FAMILIES_COUNT };

static const char *const family_names[FAMILIES_COUNT] = {"default", "events", "log"};

static const int family_compressions[FAMILIES_COUNT] = {
    rocksdb_lz4_compression, rocksdb_lz4_compression, rocksdb_zstd_compression};

struct storage {
    char path[PATH_SIZE_MAX]; /* of the database */
    rocksdb_t *database;      /* owned, as all below; NULL while it could not be opened again */
    rocksdb_column_family_handle_t *families[FAMILIES_COUNT];
    rocksdb_options_t *options;
    rocksdb_options_t *family_options[FAMILIES_COUNT];
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_synced;
    rocksdb_writeoptions_t *write_unsynced;
    rocksdb_readoptions_t *read_options;
    struct hot *hot;
    int lock_fd;
    bool is_failed;           /* a write failed: no more of them before it was opened again */
    uint64_t generation;      /* counts the times that it was opened */
    int64_t reopened_mono_us; /* when that was tried last */
};

/* Turns RocksDB's text (freed here) into a status. */
static enum status storage_failed(const char *what, char *text, struct error *err)
{
    enum status status = strncmp(text, "Corruption", strlen("Corruption")) == 0 ? STATUS_CORRUPT
                                                                                : STATUS_IO;
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
    rocksdb_options_set_write_buffer_size(out, family == FAMILY_LOG ? buffer_bytes / 2
                                                                    : buffer_bytes);
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
    storage->write_synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(storage->write_synced, 1);
    storage->write_unsynced = rocksdb_writeoptions_create();
    storage->read_options = rocksdb_readoptions_create();
    storage->hot = hot_create(options->hot_bytes);
}

static enum status database_open(struct storage *storage, struct error *err)
{
    char *failure = NULL;
    storage->database = rocksdb_open_column_families(
        storage->options, storage->path, FAMILIES_COUNT, family_names,
        (const rocksdb_options_t *const *)storage->family_options, storage->families, &failure);
    return failure == NULL ? STATUS_OK : storage_failed("open the database", failure, err);
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
    storage_begin_thread();
    enum status status = directory_claim(directory, &storage->lock_fd, err);
    if (status != STATUS_OK)
        goto out;
    options_create(storage, options);
    if (snprintf(storage->path, sizeof(storage->path), "%s/rocksdb", directory) >= PATH_SIZE_MAX) {
        status = error_set(err, STATUS_LIMIT, "the path of the data directory is too long");
        goto out;
    }
    status = database_open(storage, err);
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
        rocksdb_readoptions_destroy(it->read_options);
    }
    hot_destroy(&it->hot);
    if (it->lock_fd >= 0)
        close(it->lock_fd);
    free(it);
    *storage = NULL;
}

/* ---- keys ---- */

/* Appends [table][entity][kind]. */
static void key_append_prefix(struct buffer *key, uint32_t table_id, struct bytes entity,
                              unsigned kind)
{
    be32_write(buffer_reserve(key, TABLE_SIZE), table_id);
    buffer_added(key, TABLE_SIZE);
    buffer_append(key, entity);
    buffer_append_byte(key, (char)kind);
}

static void key_append_time(struct buffer *key, int64_t time_us)
{
    be64_write_signed(buffer_reserve(key, TIME_SIZE), time_us);
    buffer_added(key, TIME_SIZE);
}

static void log_key_write(char key[LOG_KEY_SIZE], uint32_t source_id, uint64_t sequence)
{
    be32_write(key, source_id);
    be64_write(key + TABLE_SIZE, sequence);
}

/* ---- writing ---- */

struct batch {
    rocksdb_writebatch_t *writes; /* owned: all puts but those of events */
    struct sorted_puts events;    /* they join the writes when the batch is written */
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
    free(*batch);
    *batch = NULL;
}

void batch_clear(struct batch *batch)
{
    rocksdb_writebatch_clear(batch->writes);
    sorted_puts_reset(&batch->events, EVENTS_KEPT_BYTES);
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

static void batch_put(struct batch *batch, struct storage *storage, enum family family,
                      struct bytes key, struct bytes value)
{
    if (storage->database != NULL) /* else the write will be refused */
        rocksdb_writebatch_put_cf(batch->writes, storage->families[family], key.data, key.size,
                                  value.data, value.size);
}

static void batch_delete(struct batch *batch, struct storage *storage, enum family family,
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

/* Forgets the finished rows of all entities that the batch, whose events are sorted, has events of. */
static void forget_rows(struct storage *storage, const struct batch *batch)
{
    struct bytes last = {0};
    for (size_t i = 0; i < batch->events.count; i++) {
        struct bytes head = sorted_puts_head(&batch->events, i);
        if (!bytes_equal(head, last))
            hot_forget(storage->hot, be32_read(head.data), bytes_after(head, TABLE_SIZE));
        last = head;
    }
}

void batch_put_event(struct batch *batch, struct storage *storage, uint32_t table_id,
                     struct bytes entity, int64_t time_us, struct bytes identity, struct bytes row)
{
    if (storage->database == NULL) /* the write will be refused */
        return;
    struct buffer *key = sorted_puts_begin(&batch->events);
    key_append_prefix(key, table_id, entity, KIND_EVENT);
    key_append_time(key, time_us);
    buffer_append(key, identity);
    sorted_puts_end(&batch->events, TABLE_SIZE + entity.size, row);
}

/* Puts the events behind what the batch writes otherwise. */
static void batch_add_events(struct batch *batch, struct storage *storage)
{
    sorted_puts_sort(&batch->events);
    for (size_t i = 0; i < batch->events.count; i++)
        batch_put(batch, storage, FAMILY_EVENTS, sorted_puts_key(&batch->events, i),
                  sorted_puts_value(&batch->events, i));
}

void batch_put_log(struct batch *batch, struct storage *storage, uint32_t source_id,
                   uint64_t first_sequence, struct bytes block)
{
    char key[LOG_KEY_SIZE];
    log_key_write(key, source_id, first_sequence);
    batch_put(batch, storage, FAMILY_LOG, bytes_of(key, sizeof(key)), block);
}

void batch_delete_log(struct batch *batch, struct storage *storage, uint32_t source_id,
                      uint64_t first_sequence)
{
    char key[LOG_KEY_SIZE];
    log_key_write(key, source_id, first_sequence);
    batch_delete(batch, storage, FAMILY_LOG, bytes_of(key, sizeof(key)));
}

/* ---- a disk that is full or fails ----
 *
 * RocksDB must not be written to again after a failed write: Debian's library aborts, others stay
 * read-only. So writes are refused while the disk is nearly full; once one failed, reads go on, and
 * the database is opened again when there is room for what that has to write. */

/* Bytes of the write-ahead logs, which opening writes to sorted files. */
static uint64_t database_log_bytes(const struct storage *storage)
{
    uint64_t total = 0;
    DIR *entries = opendir(storage->path);
    struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        struct stat info;
        const char *dot = strrchr(entry->d_name, '.');
        if (dot != NULL && strcmp(dot, ".log") == 0 &&
            fstatat(dirfd(entries), entry->d_name, &info, 0) == 0)
            total += (uint64_t)info.st_size;
    }
    if (entries != NULL)
        closedir(entries);
    return total;
}

static enum status check_room(const struct storage *storage, uint64_t needed_bytes,
                              struct error *err)
{
    struct statvfs disk;
    if (fstatvfs(storage->lock_fd, &disk) != 0)
        return error_set(err, STATUS_IO, "%s: %s", storage->path, error_errno());
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t reserve_bytes = (uint64_t)disk.f_blocks * disk.f_frsize / RESERVE_PART;
    if (reserve_bytes > RESERVE_MAX_BYTES)
        reserve_bytes = RESERVE_MAX_BYTES;
    if (free_bytes >= needed_bytes + reserve_bytes)
        return STATUS_OK;
    return error_set(err, STATUS_UNAVAILABLE,
                     "the disk of %s is nearly full: %llu MiB are free, %llu are needed; reads go "
                     "on, make room and push again", storage->path,
                     (unsigned long long)(free_bytes >> 20),
                     (unsigned long long)((needed_bytes + reserve_bytes) >> 20));
}

/* Opens the database again after a failed write, at most once a second. What of that write reached
 * the disk is then there. */
static enum status storage_reopen(struct storage *storage, struct error *err)
{
    int64_t now_us = clock_mono_us();
    if (now_us - storage->reopened_mono_us < REOPEN_INTERVAL_US)
        return error_set(err, STATUS_UNAVAILABLE, "a write failed a moment ago; reads go on");
    storage->reopened_mono_us = now_us;
    enum status status = check_room(storage, database_log_bytes(storage), err);
    if (status != STATUS_OK)
        return status;
    database_close(storage);
    status = database_open(storage, err);
    if (status != STATUS_OK) {
        database_close(storage);
        return error_prefix(err, status, "after a failed write");
    }
    storage->is_failed = false;
    storage->generation++;
    hot_forget_all(storage->hot); /* the write that failed may be there after all */
    log_info("the database was opened again after a failed write");
    return STATUS_OK;
}

uint64_t storage_generation(const struct storage *storage)
{
    return storage->generation;
}

void storage_heal(struct storage *storage)
{
    struct error err;
    if (storage->is_failed && storage_reopen(storage, &err) != STATUS_OK)
        log_debug("%s", err.text);
}

enum status storage_write(struct storage *storage, struct batch *batch, bool sync,
                          struct error *err)
{
    char *failure = NULL;
    if (storage->is_failed)
        return error_set(err, STATUS_UNAVAILABLE,
                         "a write failed and the database is not yet open again; reads go on");
    enum status status = check_room(storage, batch_size_bytes(batch), err);
    if (status != STATUS_OK)
        return status;
    batch_add_events(batch, storage);
    rocksdb_write(storage->database, sync ? storage->write_synced : storage->write_unsynced,
                  batch->writes, &failure);
    forget_rows(storage, batch);
    if (failure == NULL)
        return STATUS_OK;
    storage->is_failed = true;
    storage->reopened_mono_us = clock_mono_us();
    return storage_failed("write to the database", failure, err);
}

/* ---- iterators ---- */

static enum status database_is_closed(struct error *err)
{
    return error_set(err, STATUS_UNAVAILABLE,
                     "the database could not be opened again after a failed write; see the log");
}

/* An iterator within [lower, upper), with what it borrows. */
struct range {
    rocksdb_readoptions_t *options; /* owned */
    rocksdb_iterator_t *iterator;   /* owned */
    struct buffer lower;            /* owned */
    struct buffer upper;            /* owned */
};

/* Opens the iterator once lower and upper are set; there is none while the database is closed. */
static void range_open(struct range *range, struct storage *storage, enum family family)
{
    struct bytes lower = buffer_bytes(&range->lower);
    struct bytes upper = buffer_bytes(&range->upper);
    if (storage->database == NULL)
        return;
    range->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_total_order_seek(range->options, 1);
    rocksdb_readoptions_set_iterate_lower_bound(range->options, lower.data, lower.size);
    if (upper.size > 0)
        rocksdb_readoptions_set_iterate_upper_bound(range->options, upper.data, upper.size);
    range->iterator = rocksdb_create_iterator_cf(storage->database, range->options,
                                                 storage->families[family]);
}

static void range_close(struct range *range)
{
    if (range->iterator != NULL) {
        rocksdb_iter_destroy(range->iterator);
        rocksdb_readoptions_destroy(range->options);
    }
    buffer_fini(&range->lower);
    buffer_fini(&range->upper);
}

/* Moves, where there is an iterator. */
static void range_seek(struct range *range, struct bytes key)
{
    if (range->iterator != NULL)
        rocksdb_iter_seek(range->iterator, key.data, key.size);
}

static void range_seek_to_last(struct range *range)
{
    if (range->iterator != NULL)
        rocksdb_iter_seek_to_last(range->iterator);
}

static struct bytes range_key(const struct range *range)
{
    size_t size;
    const char *key = rocksdb_iter_key(range->iterator, &size);
    return bytes_of(key, size);
}

static struct bytes range_value(const struct range *range)
{
    size_t size;
    const char *value = rocksdb_iter_value(range->iterator, &size);
    return bytes_of(value, size);
}

/* OK where the iterator stands on a key, NOT_FOUND at the end of the range. */
static enum status range_status(const struct range *range, struct error *err)
{
    char *failure = NULL;
    if (range->iterator == NULL)
        return database_is_closed(err);
    if (rocksdb_iter_valid(range->iterator))
        return STATUS_OK;
    rocksdb_iter_get_error(range->iterator, &failure);
    return failure == NULL ? STATUS_NOT_FOUND
                           : storage_failed("read from the database", failure, err);
}

/* ---- rows ---- */

enum status storage_get_row(struct storage *storage, struct bytes key, struct arena *arena,
                            struct bytes *value, struct error *err)
{
    char *failure = NULL;
    size_t size;
    if (storage->database == NULL)
        return database_is_closed(err);
    char *found = rocksdb_get_cf(storage->database, storage->read_options,
                                 storage->families[FAMILY_ROWS], key.data, key.size, &size,
                                 &failure);
    if (failure != NULL)
        return storage_failed("read from the database", failure, err);
    if (found == NULL)
        return STATUS_NOT_FOUND;
    *value = arena_copy(arena, bytes_of(found, size));
    rocksdb_free(found);
    return STATUS_OK;
}

enum status storage_scan_rows(struct storage *storage, struct bytes prefix, storage_row_fn take,
                              void *context, struct error *err)
{
    struct range range = {0};
    enum status status;
    buffer_append(&range.lower, prefix);
    range_open(&range, storage, FAMILY_ROWS);
    range_seek(&range, prefix);
    while ((status = range_status(&range, err)) == STATUS_OK) {
        if (!bytes_start_with(range_key(&range), prefix))
            break;
        status = take(context, range_key(&range), range_value(&range), err);
        if (status != STATUS_OK)
            break;
        rocksdb_iter_next(range.iterator);
    }
    range_close(&range);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- timelines ---- */

struct timeline {
    struct range range;
    size_t prefix_size; /* of a key, in front of the time */
    bool is_started;
};

struct timeline *timeline_open(struct storage *storage, uint32_t table_id, struct bytes entity,
                               int64_t t_us)
{
    struct timeline *timeline = calloc(1, sizeof(*timeline));
    CHECK(timeline != NULL && t_us < INT64_MAX);
    key_append_prefix(&timeline->range.lower, table_id, entity, KIND_EVENT);
    key_append_prefix(&timeline->range.upper, table_id, entity, KIND_EVENT);
    key_append_time(&timeline->range.upper, t_us + 1);
    timeline->prefix_size = timeline->range.lower.size;
    range_open(&timeline->range, storage, FAMILY_EVENTS);
    return timeline;
}

void timeline_close(struct timeline **timeline)
{
    if (*timeline == NULL)
        return;
    range_close(&(*timeline)->range);
    free(*timeline);
    *timeline = NULL;
}

enum status timeline_back(struct timeline *timeline, int64_t *time_us, struct bytes *identity,
                          struct bytes *row, struct error *err)
{
    if (timeline->is_started)
        rocksdb_iter_prev(timeline->range.iterator);
    else
        range_seek_to_last(&timeline->range);
    timeline->is_started = true;

    enum status status = range_status(&timeline->range, err);
    if (status != STATUS_OK)
        return status;
    struct bytes tail = bytes_after(range_key(&timeline->range), timeline->prefix_size);
    if (tail.size < TIME_SIZE)
        return error_set(err, STATUS_CORRUPT, "the key of a stored event is too short");
    *time_us = be64_read_signed(tail.data);
    *identity = bytes_after(tail, TIME_SIZE);
    *row = range_value(&timeline->range);
    return STATUS_OK;
}

enum status timeline_next_us(struct storage *storage, uint32_t table_id, struct bytes entity,
                             int64_t t_us, int64_t *next_us, struct error *err)
{
    struct range range = {0};
    *next_us = INT64_MAX;
    key_append_prefix(&range.lower, table_id, entity, KIND_EVENT);
    size_t prefix_size = range.lower.size;
    key_append_time(&range.lower, t_us + 1);
    key_append_prefix(&range.upper, table_id, entity, KIND_EVENT + 1);
    range_open(&range, storage, FAMILY_EVENTS);
    range_seek(&range, buffer_bytes(&range.lower));
    enum status status = range_status(&range, err);
    if (status == STATUS_OK)
        *next_us = be64_read_signed(range_key(&range).data + prefix_size);
    range_close(&range);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

struct hot *storage_hot(struct storage *storage)
{
    return storage->hot;
}

struct entity_scan {
    struct range range;
    entity_size_fn encoded_size;
    const void *context;
    struct buffer target; /* owned: where to seek for the next entity */
};

struct entity_scan *entity_scan_open(struct storage *storage, uint32_t table_id, struct bytes after,
                                     entity_size_fn encoded_size, const void *context)
{
    struct entity_scan *scan = calloc(1, sizeof(*scan));
    CHECK(scan != NULL && table_id < UINT32_MAX);
    scan->encoded_size = encoded_size;
    scan->context = context;
    be32_write(buffer_reserve(&scan->range.lower, TABLE_SIZE), table_id);
    buffer_added(&scan->range.lower, TABLE_SIZE);
    be32_write(buffer_reserve(&scan->range.upper, TABLE_SIZE), table_id + 1);
    buffer_added(&scan->range.upper, TABLE_SIZE);
    if (after.size > 0)
        key_append_prefix(&scan->target, table_id, after, KIND_END);
    else
        buffer_append(&scan->target, buffer_bytes(&scan->range.lower));
    range_open(&scan->range, storage, FAMILY_EVENTS);
    return scan;
}

void entity_scan_close(struct entity_scan **scan)
{
    if (*scan == NULL)
        return;
    range_close(&(*scan)->range);
    buffer_fini(&(*scan)->target);
    free(*scan);
    *scan = NULL;
}

enum status entity_scan_next(struct entity_scan *scan, struct bytes *entity, struct error *err)
{
    range_seek(&scan->range, buffer_bytes(&scan->target));
    enum status status = range_status(&scan->range, err);
    if (status != STATUS_OK)
        return status;

    struct bytes key = range_key(&scan->range);
    size_t size = scan->encoded_size(scan->context, bytes_after(key, TABLE_SIZE));
    if (size == 0)
        return error_set(err, STATUS_CORRUPT, "the key of a stored event is none of its view");
    scan->target.start = scan->target.size = 0;
    buffer_append(&scan->target, bytes_of(key.data, TABLE_SIZE + size));
    buffer_append_byte(&scan->target, (char)KIND_END);
    *entity = bytes_of(buffer_bytes(&scan->target).data + TABLE_SIZE, size);
    return STATUS_OK;
}

/* ---- the log ---- */

struct log_cursor {
    struct range range;
    bool is_started;
};

struct log_cursor *log_cursor_open(struct storage *storage, uint32_t source_id, uint64_t sequence)
{
    char key[LOG_KEY_SIZE];
    struct log_cursor *cursor = calloc(1, sizeof(*cursor));
    CHECK(cursor != NULL && source_id < UINT32_MAX);
    log_key_write(key, source_id, 0);
    buffer_append(&cursor->range.lower, bytes_of(key, sizeof(key)));
    log_key_write(key, source_id + 1, 0);
    buffer_append(&cursor->range.upper, bytes_of(key, sizeof(key)));
    range_open(&cursor->range, storage, FAMILY_LOG);

    log_key_write(key, source_id, sequence);
    if (cursor->range.iterator != NULL)
        rocksdb_iter_seek_for_prev(cursor->range.iterator, key, sizeof(key));
    if (range_status(&cursor->range, NULL) != STATUS_OK)
        range_seek(&cursor->range, bytes_of(key, sizeof(key)));
    return cursor;
}

void log_cursor_close(struct log_cursor **cursor)
{
    if (*cursor == NULL)
        return;
    range_close(&(*cursor)->range);
    free(*cursor);
    *cursor = NULL;
}

enum status log_cursor_next(struct log_cursor *cursor, uint64_t *first_sequence,
                            struct bytes *block, struct error *err)
{
    if (cursor->is_started)
        rocksdb_iter_next(cursor->range.iterator);
    cursor->is_started = true;
    enum status status = range_status(&cursor->range, err);
    if (status != STATUS_OK)
        return status;
    struct bytes key = range_key(&cursor->range);
    if (key.size != LOG_KEY_SIZE)
        return error_set(err, STATUS_CORRUPT, "the key of a log block has a wrong size");
    *first_sequence = be64_read(key.data + TABLE_SIZE);
    *block = range_value(&cursor->range);
    return STATUS_OK;
}

/* ---- the rest ---- */

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
