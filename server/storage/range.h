/* Range: keys of the events family, and an iterator within two of them; what the files of storage/
 * walk the database with. storage.c makes them; only it knows RocksDB.
 *
 * Private to storage/. Thread: a range belongs to one. */
#ifndef ASOF_STORAGE_RANGE_H
#define ASOF_STORAGE_RANGE_H

#include "base/buffer.h"
#include "base/endian.h"
#include "storage/storage.h"

enum {
    TABLE_SIZE = 4, /* table id in front of an event's key */
    KIND_SIZE = 1,  /* behind the entity */
    KIND_EVENT = 0x00,
    KIND_PARTIAL = 0x01,
    KIND_BASE = 0x02,
    KIND_ROW = 0x03,
    KIND_END = 0xff, /* above all kinds */
    TIME_SIZE = 8,
    LEVEL_SIZE = 1, /* behind the end of a partial's chunk */
};

enum family { FAMILY_ROWS, FAMILY_EVENTS, FAMILY_LOG, FAMILIES_COUNT };

/* Appends [table][entity][kind]. */
static inline void key_append_prefix(struct buffer *key, uint32_t table_id, struct bytes entity,
                                     unsigned kind)
{
    be32_write(buffer_reserve(key, TABLE_SIZE), table_id);
    buffer_added(key, TABLE_SIZE);
    buffer_append(key, entity);
    buffer_append_byte(key, (char)kind);
}

/* Appends the time of an event, or the end of a chunk. */
static inline void key_append_time(struct buffer *key, int64_t time_us)
{
    be64_write_signed(buffer_reserve(key, TIME_SIZE), time_us);
    buffer_added(key, TIME_SIZE);
}

/* Puts or deletes a row of the family. */
void batch_put(struct batch *batch, struct storage *storage, enum family family, struct bytes key,
               struct bytes value);
void batch_delete(struct batch *batch, struct storage *storage, enum family family,
                  struct bytes key);

/* Frees the files of the family that lie within [lower, upper) as a whole, and marks the others
 * that reach into it to be compacted. */
MUST_USE enum status storage_drop_files(struct storage *storage, enum family family,
                                        struct bytes lower, struct bytes upper, struct error *err);

/* Puts the row of a partial into the batch, and nothing else. */
void batch_put_partial_row(struct batch *batch, struct storage *storage, uint32_t table_id,
                           struct bytes entity, const struct timeline_chunk *chunk);

/* Appends the value under the entity's one key of that kind to out. NOT_FOUND: there is none.
 * UNAVAILABLE: the database is closed. AGAIN: it would have to wait and was told not to. IO,
 * CORRUPT: err. */
MUST_USE enum status storage_get_kind(struct storage *storage,
                                      const struct storage_reading *reading, uint32_t table_id,
                                      struct bytes entity, unsigned kind, struct buffer *out,
                                      struct error *err);

struct rocksdb_readoptions_t;
struct rocksdb_iterator_t;

/* An iterator within [lower, upper), with what it borrows; zero is a valid start. */
struct range {
    struct storage *storage;               /* shared while there is an iterator */
    enum status refusal;                   /* why there is none */
    struct rocksdb_readoptions_t *options; /* owned */
    struct rocksdb_iterator_t *iterator;   /* owned */
    const struct patience *patience;       /* borrowed, or NULL */
    unsigned steps_count;
    bool is_given_up;    /* patience has ended */
    struct buffer lower; /* owned */
    struct buffer upper; /* owned */
};

/* Opens the iterator once lower and upper are set; there is none while the database is closed, or
 * where one would have to wait. What reading points to is borrowed until the close. */
void range_open(struct range *range, struct storage *storage, const struct storage_reading *reading,
                enum family family);
void range_close(struct range *range);

/* Moves to the first key at or behind key, to the last at or before it, or to the last of all;
 * where there is an iterator. */
void range_seek(struct range *range, struct bytes key);
void range_seek_for_prev(struct range *range, struct bytes key);
void range_seek_to_last(struct range *range);

/* Moves from a key to the next one, or to the one before. */
void range_next(struct range *range);
void range_back(struct range *range);

/* OK where the iterator stands on a key, NOT_FOUND at the end of the range. UNAVAILABLE: the
 * database is closed. AGAIN: it would have to wait and was told not to. CANCELLED: patience ended.
 * IO, CORRUPT: err. */
MUST_USE enum status range_status(const struct range *range, struct error *err);

/* Where the iterator stands; borrowed until it moves. */
struct bytes range_key(const struct range *range);
struct bytes range_value(const struct range *range);

#endif
