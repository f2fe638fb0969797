/* File backfill: a view version takes history from files, while pushes and reads go on.
 *
 *     writer's thread       file_backfill_begin
 *                           file_backfill_begin_file   is the file known? what orders its rows
 *     one other thread      file_backfill_take ...     each row becomes an event of the view, as a
 * push's file_backfill_finish_file  sorted files writer's thread       file_backfill_commit_file
 * until it does not say AGAIN: the rows are there file_backfill_end
 *
 * 1. A file is taken whole: nothing of one in which a row can't be decoded, so that who mends it
 * and sends it again has no row twice.
 * 2. Each row of a file counts once, however often the file comes, and wherever a process died. A
 * file is known by its bytes, not its name. With an event id a row is the event of that id. Without
 * one it is told apart by its file's number and its own: identity  [number of the file in this
 * table u32 BE][row from 0 u64 BE] which no event of a log (8 bytes) or of Kafka (16) has; and rows
 * at or behind `until` are not taken, so the stream has no event that is a row too. The number is
 * stored, synced, before the first row.
 * 3. Rows of equal time are ordered by their file's number, then by row: as if they had been pushed
 * in the order of the files.
 * 4. `now` moves, as by pushes, when the file is there: to its newest row, if the source's was
 * older. ahead_max is asked of each row.
 * 5. From begin to end the version's horizon stands still, and its table gets no partials. A row at
 * or before the horizon is late, and skipped.
 *
 * Kept in the default family, under "backfill/TABLE/IDENTITY" (32 hex digits of the hash, the
 * size): number of the file u32, state u8, has_until u8, until i64, counts u64 each; big-endian
 *
 * Thread: as drawn; the calls of one backfill never overlap. */
#ifndef ASOF_STREAM_FILE_BACKFILL_H
#define ASOF_STREAM_FILE_BACKFILL_H

#include "stream/stream.h"

struct file_backfill;

struct file_backfill_options {
    struct bytes view;
    uint32_t version;    /* 0: the newest */
    bool has_until;      /* needed where the view's source has no event id */
    int64_t until_us;    /* rows at or behind it are not taken */
    const char *spool;   /* a directory on the disk of the database; copied */
    size_t memory_bytes; /* for sorting, about */
};

/* What a file is known by. */
struct file_identity {
    uint64_t hash[2]; /* of all its bytes */
    uint64_t size_bytes;
};

#define FILE_BACKFILL_COUNTS(X)                                                                    \
    X(rows)         /* read */                                                                     \
    X(taken)        /* events of the view */                                                       \
    X(behind_until) /* at or behind it */                                                          \
    X(late)         /* at or before the version's horizon */                                       \
    X(null_keys)    /* a key of the entity is NULL */                                              \
    X(filtered)     /* the view's where is not true */

struct file_backfill_counts {
#define FILE_BACKFILL_COUNT(name) uint64_t name;
    FILE_BACKFILL_COUNTS(FILE_BACKFILL_COUNT)
#undef FILE_BACKFILL_COUNT
};

/* Begins. Owned by the caller, who ends it before the stream is closed. NOT_FOUND: no such version.
 * INVALID: no view over a stream, or `until` is needed; err says what to do. IO, CORRUPT, LIMIT:
 * err. */
MUST_USE enum status file_backfill_begin(struct stream *stream,
                                         const struct file_backfill_options *options,
                                         struct file_backfill **out, struct error *err);

/* Accepts NULL and leaves NULL behind. */
void file_backfill_end(struct stream *stream, struct file_backfill **backfill);

/* The version's definition; good until the end. Any thread. */
const struct view_definition *file_backfill_view(const struct file_backfill *backfill);

/* *is_known: it was taken before, by the same `until`; counts are those of then. Else its rows are
 * to be taken. What was begun of another file and not committed is dropped. IO, UNAVAILABLE,
 * CORRUPT, LIMIT: err. */
MUST_USE enum status file_backfill_begin_file(struct stream *stream, struct file_backfill *backfill,
                                              const struct file_identity *identity, bool *is_known,
                                              struct error *err);

/* Takes the next row: a value for each of the view's fields, in their order, of its type or NULL;
 * or a JSON object, as pushes are. INVALID, LIMIT: err says what is wrong with it; the file is not
 * to be committed then. UNAVAILABLE, IO: the disk. */
MUST_USE enum status file_backfill_take(struct file_backfill *backfill, const struct value *values,
                                        struct error *err);
MUST_USE enum status file_backfill_take_json(struct file_backfill *backfill, struct bytes text,
                                             struct error *err);

/* What became of the file's rows so far. */
const struct file_backfill_counts *file_backfill_counts(const struct file_backfill *backfill);

/* All rows were taken. UNAVAILABLE, IO, CORRUPT: err. */
MUST_USE enum status file_backfill_finish_file(struct file_backfill *backfill, struct error *err);

/* Makes the rows visible, durably, a piece at a time. AGAIN: to be called again a moment later.
 * NOT_FOUND: the version was dropped meanwhile. UNAVAILABLE, IO: err; to be done again from
 * file_backfill_begin_file on, some of the rows may be there. */
MUST_USE enum status file_backfill_commit_file(struct stream *stream,
                                               struct file_backfill *backfill, struct error *err);

/* ---- of the stream ---- */

/* Whether the table is being backfilled. Thread: the writer's. */
bool file_backfill_holds(const struct stream *stream, uint32_t table_id);

/* Deletes what is known of the files of a table that is gone. */
MUST_USE enum status file_backfill_forget(struct stream *stream, uint32_t table_id,
                                          struct error *err);

#endif
