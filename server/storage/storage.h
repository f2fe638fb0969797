/* Storage: registry rows, timelines and the embedded log, in one RocksDB.
 *
 *     column family   key                                              value
 *     default         text, see registry.h and stream/                 text or a small record
 *     events          [table u32 BE][entity][00][time i64 BE, sign     row, see features/row.h
 *                     flipped][identity]
 *     log             [source u32 BE][first sequence u64 BE]           a block of raw events
 *
 * [identity] is what orders and tells apart events of equal time; [00] tells events from what later
 * formats keep beside them.
 *
 * 1. A batch is written whole or not at all.
 * 2. DIR/FORMAT holds the number of the on-disk format; a newer one is refused before anything is
 *    opened. DIR/LOCK is held while the storage is open.
 *
 * 3. After a failed write reads go on; writes are refused until storage_heal opened the database
 *    again. What of the failed write reached the disk is there then, so whoever remembers what is
 *    stored reads it again when storage_generation has changed.
 *
 * Thread: reads, any; one writer. Every cursor must be closed before the storage. */
#ifndef ASOF_STORAGE_STORAGE_H
#define ASOF_STORAGE_STORAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "storage/hot.h"

#define STORAGE_FORMAT 1

struct storage;

struct storage_options {
    size_t block_cache_bytes;
    size_t write_buffer_bytes; /* of a column family's memtable; the log has half of it */
    size_t hot_bytes;          /* of finished rows, see hot.h; 0: none are kept */
};

/* Opens or creates the database in directory (made when it is missing, not its parents).
 * UNAVAILABLE: another server holds it. INVALID: a newer format, or a directory of something else.
 * IO, CORRUPT: err. Owned by the caller. */
MUST_USE enum status storage_open(const char *directory, const struct storage_options *options,
                                  struct storage **out, struct error *err);
void storage_close(struct storage **storage);

/* Each thread that reads or writes calls it once before; storage_open does for its own. Without it
 * everything works, slower. */
void storage_begin_thread(void);

/* ---- writing ---- */

struct batch;

struct batch *batch_create(void);
void batch_destroy(struct batch **batch);
void batch_clear(struct batch *batch);
size_t batch_size_bytes(const struct batch *batch);
bool batch_is_empty(const struct batch *batch);

void batch_put_row(struct batch *batch, struct storage *storage, struct bytes key, struct bytes value);
void batch_delete_row(struct batch *batch, struct storage *storage, struct bytes key);
/* Events are written behind all else of the batch, sorted by key. */
void batch_put_event(struct batch *batch, struct storage *storage, uint32_t table_id,
                     struct bytes entity, int64_t time_us, struct bytes identity, struct bytes row);
void batch_put_log(struct batch *batch, struct storage *storage, uint32_t source_id,
                   uint64_t first_sequence, struct bytes block);
void batch_delete_log(struct batch *batch, struct storage *storage, uint32_t source_id,
                      uint64_t first_sequence);

/* Marks where the batch is; there is at most one mark. It is ended once: by going back to it (what
 * was put since is gone), or by keeping what was put. */
void batch_mark(struct batch *batch);
void batch_undo_to_mark(struct batch *batch);
void batch_forget_mark(struct batch *batch);

/* Writes the batch; with sync it is on disk when this returns. The batch must be cleared before it
 * is used again.
 * UNAVAILABLE: nothing was written, as the disk is nearly full or an earlier write failed. IO: the
 * write failed; it may or may not be there after storage_heal or a restart. */
MUST_USE enum status storage_write(struct storage *storage, struct batch *batch, bool sync,
                                   struct error *err);

/* Opens the database again after a failed write, once there is room; call it now and then, when no
 * batch is half filled and no cursor is open. */
void storage_heal(struct storage *storage);

/* Changes when the database was opened again. */
uint64_t storage_generation(const struct storage *storage);

/* ---- rows ---- */

/* Copies the value into the arena. NOT_FOUND: no such row. */
MUST_USE enum status storage_get_row(struct storage *storage, struct bytes key, struct arena *arena,
                                     struct bytes *value, struct error *err);

typedef enum status (*storage_row_fn)(void *context, struct bytes key, struct bytes value,
                                      struct error *err);

/* Calls take for each row whose key begins with prefix, in order; stops when it does not say OK. */
MUST_USE enum status storage_scan_rows(struct storage *storage, struct bytes prefix,
                                       storage_row_fn take, void *context, struct error *err);

/* ---- timelines ---- */

struct timeline;

/* A cursor over the events of one entity at or before t_us; a consistent view of this moment.
 * Owned by the caller. */
struct timeline *timeline_open(struct storage *storage, uint32_t table_id, struct bytes entity,
                               int64_t t_us);
void timeline_close(struct timeline **timeline);

/* Steps to the newest event that was not given yet; the bytes are borrowed until the next step.
 * NOT_FOUND: no more. */
MUST_USE enum status timeline_back(struct timeline *timeline, int64_t *time_us,
                                   struct bytes *identity, struct bytes *row, struct error *err);

/* The time of the entity's oldest event after t_us, INT64_MAX where there is none. */
MUST_USE enum status timeline_next_us(struct storage *storage, uint32_t table_id,
                                      struct bytes entity, int64_t t_us, int64_t *next_us,
                                      struct error *err);

/* The finished rows; a row is forgotten when an event of its entity is written. */
struct hot *storage_hot(struct storage *storage);

struct entity_scan;

/* A cursor over the distinct entities of a table, in order, behind `after` (empty: from the first).
 * encoded_size tells how many bytes at the start of a key are the entity (0: corrupt). */
typedef size_t (*entity_size_fn)(const void *context, struct bytes key);
struct entity_scan *entity_scan_open(struct storage *storage, uint32_t table_id, struct bytes after,
                                     entity_size_fn encoded_size, const void *context);
void entity_scan_close(struct entity_scan **scan);

/* The next entity, borrowed until the next step. NOT_FOUND: no more. */
MUST_USE enum status entity_scan_next(struct entity_scan *scan, struct bytes *entity,
                                      struct error *err);

/* ---- the log ---- */

struct log_cursor;

/* A cursor over a source's blocks from the one that holds `sequence` on (or the first behind it). */
struct log_cursor *log_cursor_open(struct storage *storage, uint32_t source_id, uint64_t sequence);
void log_cursor_close(struct log_cursor **cursor);

/* The next block, borrowed until the next step. NOT_FOUND: no more. */
MUST_USE enum status log_cursor_next(struct log_cursor *cursor, uint64_t *first_sequence,
                                     struct bytes *block, struct error *err);

/* ---- the rest ---- */

/* Compacts everything; blocks. For tests and tools. */
MUST_USE enum status storage_compact(struct storage *storage, struct error *err);

#endif
