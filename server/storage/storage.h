/* Storage: registry rows, timelines and the embedded log, in one RocksDB.
 *
 *     column family   key                                              value
 *     default         text, see registry.h and stream/                 text or a small record
 *     events          [table u32 BE][entity][00][time i64 BE, sign     row, see features/row.h
 *                     flipped][identity]
 *                     [table u32 BE][entity][01][end of a chunk    partial, see features/partial.h
 *                     as the time above][level u8]
 *                     [table u32 BE][entity][02]                   base, see features/base.h:
 * begins with the time of the newest folded event [table u32 BE][entity][03]                   of a
 * batch view: the row of all writes of the entity, see features/batch_row.h log             [source
 * u32 BE][first sequence u64 BE]           a block of raw events
 *
 * [identity] is what orders and tells apart events of equal time; [00] tells events from what is
 * kept beside them. Partials can be missing, and are never wrong: who puts an event deletes those
 * that cover it. migrations/ brings directories of older formats to this one.
 *
 * 1. A batch is written whole or not at all.
 * 2. DIR/FORMAT holds the number of the on-disk format; another one is refused before anything is
 *    opened. DIR/LOCK is held while the storage is open.
 *
 * 3. After a failed write reads go on; writes are refused until storage_heal opened the database
 *    again. What of the failed write reached the disk is there then, so whoever remembers what is
 *    stored reads it again when storage_generation has changed.
 *
 * 4. A cursor keeps the database from being opened again: it is closed soon, by the thread that
 * opened it. A thread has cursors of one storage at a time.
 *
 * Thread: reads, any; one writer. Every cursor must be closed before the storage. */
#ifndef ASOF_STORAGE_STORAGE_H
#define ASOF_STORAGE_STORAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/patience.h"
#include "base/status.h"
#include "features/chunk.h"
#include "features/features.h"
#include "storage/hot.h"

#define STORAGE_FORMAT 3

struct storage;

struct storage_options {
    size_t block_cache_bytes;
    size_t write_buffer_bytes; /* of a column family's memtable; the log has half of it */
    size_t hot_bytes;          /* of finished rows and edges, see hot.h; 0: none are kept */
    struct epoch *epoch;       /* of those who read finished rows; borrowed; NULL: one thread */
    int format;                /* of the directory, for who migrates it; 0: STORAGE_FORMAT */
};

/* Opens or creates the database in directory (made when it is missing, not its parents).
 * UNAVAILABLE: another server holds it. INVALID: another format, or a directory of something else.
 * IO, CORRUPT: err. Owned by the caller. */
MUST_USE enum status storage_open(const char *directory, const struct storage_options *options,
                                  struct storage **out, struct error *err);
void storage_close(struct storage **storage);

/* Each thread that reads or writes calls it once before; storage_open does for its own. Without it
 * everything works, slower. */
void storage_begin_thread(void);

/* ---- writing ---- */

struct batch;

/* An empty one. Owned by the caller. */
struct batch *batch_create(void);

/* Drops what it holds. Accepts NULL and leaves NULL behind. */
void batch_destroy(struct batch **batch);

/* Empties it; marks are gone. */
void batch_clear(struct batch *batch);

/* Bytes of keys and values, about what the write-ahead log will take. */
size_t batch_size_bytes(const struct batch *batch);

/* Whether nothing was put or deleted since it was made or cleared. */
bool batch_is_empty(const struct batch *batch);

/* Puts a row of text, or deletes it; everything is copied, as by all that put. While the database
 * is closed nothing is taken: the write will be refused. */
void batch_put_row(struct batch *batch, struct storage *storage, struct bytes key,
                   struct bytes value);
void batch_delete_row(struct batch *batch, struct storage *storage, struct bytes key);

/* Events are written behind all else of the batch, sorted by key. */
void batch_put_event(struct batch *batch, struct storage *storage, uint32_t table_id,
                     struct bytes entity, int64_t time_us, struct bytes identity, struct bytes row);

/* The same for a batch view: row is a write of features/batch_row.h. What each entity has as its
 * newest row follows when the batch is written. */
void batch_put_write(struct batch *batch, struct storage *storage, uint32_t table_id,
                     struct bytes entity, int64_t time_us, struct bytes identity,
                     struct bytes write);

/* Puts the partial of a chunk, built from all events of it that are stored. There must be no other
 * batch with events of the table that is still to be written. */
void batch_put_partial(struct batch *batch, struct storage *storage, uint32_t table_id,
                       struct bytes entity, const struct timeline_chunk *chunk);

/* Deletes the partials of all chunks that hold a time from oldest_us to newest_us. batch_put_event
 * does this by itself; for who deletes events. IO: err. */
MUST_USE enum status batch_delete_partials(struct batch *batch, struct storage *storage,
                                           uint32_t table_id, struct bytes entity,
                                           int64_t oldest_us, int64_t newest_us, struct error *err);

/* Deletes one event, which is not told to whoever keeps finished rows: only events that no answer
 * hangs on may go. */
void batch_delete_event(struct batch *batch, struct storage *storage, uint32_t table_id,
                        struct bytes entity, int64_t time_us, struct bytes identity);

/* Puts what an entity's oldest events were folded to, or deletes it. */
void batch_put_base(struct batch *batch, struct storage *storage, uint32_t table_id,
                    struct bytes entity, struct bytes base);
void batch_delete_base(struct batch *batch, struct storage *storage, uint32_t table_id,
                       struct bytes entity);

/* Puts a block of a source's log under the sequence of its first event, or deletes it. */
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

/* What storage_write would say of a batch of that size before it writes. Thread: the writer's. */
MUST_USE enum status storage_can_write(const struct storage *storage, size_t size_bytes,
                                       struct error *err);

/* Opens the database again after a failed write, once there is room; call it now and then, when no
 * batch is half filled and no cursor is open. */
void storage_heal(struct storage *storage);

/* Whether a write failed and the database is to be opened again, which who holds a snapshot
 * hinders. Thread: any. */
bool storage_is_failed(const struct storage *storage);

/* Changes when the database was opened again. Thread: the writer's. */
uint64_t storage_generation(const struct storage *storage);

/* Odd while a batch is written or the database opened again, else a number that each of these
 * changes. Thread: any. */
uint64_t storage_changes(const struct storage *storage);

/* ---- rows ---- */

struct storage_reading;

/* Copies the value into the arena. NOT_FOUND: no such row. */
MUST_USE enum status storage_get_row(struct storage *storage, struct bytes key, struct arena *arena,
                                     struct bytes *value, struct error *err);

typedef enum status (*storage_row_fn)(void *context, struct bytes key, struct bytes value,
                                      struct error *err);

/* Calls take for each row whose key begins with prefix, in order; stops when it does not say OK. */
MUST_USE enum status storage_scan_rows(struct storage *storage, struct bytes prefix,
                                       storage_row_fn take, void *context, struct error *err);

/* The same of the state that reading says. */
MUST_USE enum status storage_scan_rows_of(struct storage *storage,
                                          const struct storage_reading *reading,
                                          struct bytes prefix, storage_row_fn take, void *context,
                                          struct error *err);

/* ---- batch rows ---- */

/* Appends the row of all writes of an entity of a batch view. NOT_FOUND: there are none. AGAIN: it
 * would have to wait for the disk. UNAVAILABLE, IO, CORRUPT: err. */
MUST_USE enum status storage_get_batch_row(struct storage *storage,
                                           const struct storage_reading *reading, uint32_t table_id,
                                           struct bytes entity, struct buffer *row,
                                           struct error *err);

/* ---- timelines ---- */

/* One state of the database, to be read again and again; it keeps what compactions would free, and
 * the database from being opened again: it is released soon. Where the database is closed, or one
 * that never waits would have to, there is no such state: then reads over it say UNAVAILABLE or
 * AGAIN. */
struct storage_snapshot;
struct storage_snapshot *storage_snapshot_take(struct storage *storage, bool never_waits);
void storage_snapshot_release(struct storage_snapshot **snapshot);

/* How to read; all zero: the newest state, and what is not in memory is waited for. */
struct storage_reading {
    const struct storage_snapshot *snapshot; /* borrowed, or NULL: the newest state */
    const struct patience
        *patience;    /* borrowed: where it has ended, iterators say CANCELLED; or NULL */
    bool never_waits; /* what is not in memory is answered by AGAIN */
    bool is_passing;  /* what is read will not be read again soon: it takes no one's place in memory
                       */
    bool is_long_run; /* many keys are read in their order: the disk is read a good piece at a time
                       */
};

struct timeline;

/* A cursor over the events of one entity at or before t_us, and over its partials; a consistent
 * view of this moment. Owned by the caller. */
struct timeline *timeline_open(struct storage *storage, const struct storage_reading *reading,
                               uint32_t table_id, struct bytes entity, int64_t t_us);

/* Where what is old may have been taken out. */
struct timeline_bounds {
    int64_t t_us;
    int64_t oldest_us; /* events before it are not given */
    bool has_base; /* the entity may have a base: only events behind what was folded are given */
};

struct timeline *timeline_open_within(struct storage *storage,
                                      const struct storage_reading *reading, uint32_t table_id,
                                      struct bytes entity, const struct timeline_bounds *bounds);
void timeline_close(struct timeline **timeline);

/* Steps to the newest event that was not given yet, behind the oldest to the base, if there is one;
 * the bytes are borrowed until the next step. NOT_FOUND: no more. timeline is a struct timeline,
 * here and below. */
MUST_USE enum status timeline_back(void *timeline, struct timeline_event *event, struct error *err);

/* See struct timeline_reader. */
void timeline_seek(void *timeline, int64_t before_us);
MUST_USE enum status timeline_fetch(void *timeline, int64_t from_us, size_t events_max,
                                    struct error *err);
MUST_USE enum status timeline_chunk_seek(void *timeline, int64_t end_us, unsigned level_max,
                                         struct timeline_chunk *chunk, struct error *err);
MUST_USE enum status timeline_chunk_back(void *timeline, struct timeline_chunk *chunk,
                                         struct error *err);

/* All of that. */
struct timeline_reader timeline_reader_of(struct timeline *timeline);

/* Leaves in draft what was read, borrowed until the timeline is closed, if that are all events of
 * the entity from some time on, few, and all that a walk needed. false: it is not. */
bool timeline_edges(const struct timeline *timeline, struct edges_draft *draft);

/* The time of the entity's oldest event after t_us, INT64_MAX where there is none; often known from
 * what was read. */
MUST_USE enum status timeline_next_us(struct timeline *timeline, int64_t *next_us,
                                      struct error *err);

/* Partials that somebody would like to have: of the chunks that hold times from from_us to to_us,
 * or, where both are PARTIALS_GROWTH, of all behind the newest that the entity has. */
struct partials_want {
    uint32_t table_id;
    struct buffer entity; /* owned by whoever made this struct; begins as zeros */
    int64_t from_us;
    int64_t to_us;
};

#define PARTIALS_GROWTH INT64_MAX

/* Says that these partials would make reads faster; dropped when too many are wanted. Thread: any.
 */
void storage_want_partials(struct storage *storage, uint32_t table_id, struct bytes entity,
                           int64_t from_us, int64_t to_us);

/* Takes what was wanted first. false: nothing is. Thread: the writer's. */
bool storage_take_want(struct storage *storage, struct partials_want *want);

/* How late events of the entity came of late, at most; halved with each call. Thread: the writer's.
 */
int64_t storage_partials_grace_us(struct storage *storage, uint32_t table_id, struct bytes entity);

/* The finished rows and edges; storage_write tells them each event. */
struct hot *storage_hot(struct storage *storage);

struct entity_scan;

/* A cursor over the distinct entities of a table, in order, behind `after` (empty: from the first).
 * encoded_size tells how many bytes at the start of a key are the entity (0: corrupt). */
typedef size_t (*entity_size_fn)(const void *context, struct bytes key);
struct entity_scan *entity_scan_open(struct storage *storage, const struct storage_reading *reading,
                                     uint32_t table_id, struct bytes after,
                                     entity_size_fn encoded_size, const void *context);
void entity_scan_close(struct entity_scan **scan);

/* The next entity, borrowed until the next step. NOT_FOUND: no more. */
MUST_USE enum status entity_scan_next(struct entity_scan *scan, struct bytes *entity,
                                      struct error *err);

struct event_scan;

/* An event of any entity of a table. */
struct scanned_event {
    struct bytes entity; /* as all bytes here: borrowed until the next step */
    bool is_base;        /* row is its base, the others are empty: given behind its last event */
    int64_t time_us;
    struct bytes identity;
    struct bytes row;
};

/* A cursor over all events and bases of a table, entity by entity, each from its oldest on; it
 * begins at a position (empty: the first), with what lies there too. */
struct event_scan *event_scan_open(struct storage *storage, const struct storage_reading *reading,
                                   uint32_t table_id, struct bytes from,
                                   entity_size_fn encoded_size, const void *context);
void event_scan_close(struct event_scan **scan);

/* The next event or base. NOT_FOUND: no more. */
MUST_USE enum status event_scan_next(struct event_scan *scan, struct scanned_event *event,
                                     struct error *err);

/* Passes over what is left of the entity of the event that was given last: costs one seek. */
void event_scan_skip_entity(struct event_scan *scan);

/* Where the cursor is, for event_scan_open: what was given last, or behind an entity that was
 * skipped. Borrowed until the next step. */
struct bytes event_scan_position(const struct event_scan *scan);

/* Empties a table that nobody reads or writes any more: frees the files that hold nothing else,
 * then deletes at most keys_max keys a call. position is where to go on, empty at first and kept by
 * the caller. *is_done: there is nothing left. */
MUST_USE enum status storage_drop_table(struct storage *storage, uint32_t table_id, size_t keys_max,
                                        struct buffer *position, bool *is_done, struct error *err);

/* ---- the log ---- */

struct log_cursor;

/* A cursor over a source's blocks from the one that holds `sequence` on (or the first behind it).
 */
struct log_cursor *log_cursor_open(struct storage *storage, uint32_t source_id, uint64_t sequence);
void log_cursor_close(struct log_cursor **cursor);

/* The next block, borrowed until the next step. NOT_FOUND: no more. */
MUST_USE enum status log_cursor_next(struct log_cursor *cursor, uint64_t *first_sequence,
                                     struct bytes *block, struct error *err);

/* ---- the rest ---- */

/* Begins to write what is in memory of events to sorted files, without waiting for it; files that
 * hold mostly deletions are then compacted by themselves. */
void storage_flush_events(struct storage *storage);

/* Compacts everything; blocks. For tests and tools. */
MUST_USE enum status storage_compact(struct storage *storage, struct error *err);

#endif
