/* Log block: the raw events of one source in one commit, as they came, for fills and exports.
 *
 *     format   1 byte, 1
 *     now      8 bytes, the source's clock at the commit, microseconds, big-endian
 *     count    4 bytes, big-endian
 *     events   count times: 1 byte enum event_format, varint size, bytes
 *              (EVENT_PAIRS: varint count, then for each name and text: varint size, bytes)
 *
 * It is a disk format: it changes only with STORAGE_FORMAT. RocksDB compresses it.
 * Thread: a builder or reader belongs to one. */
#ifndef ASOF_STREAM_LOG_BLOCK_H
#define ASOF_STREAM_LOG_BLOCK_H

#include "base/arena.h"
#include "stream/stream.h"

/* A block while it grows; zero is a valid start. */
struct log_block {
    struct buffer events; /* owned */
    uint32_t count;
};

void log_block_fini(struct log_block *block);

/* Appends a copy of the event. */
void log_block_add(struct log_block *block, const struct push_event *event);

/* Appends the finished block to out. */
void log_block_finish(const struct log_block *block, int64_t now_us, struct buffer *out);

/* A block that is read. */
struct log_reader {
    int64_t now_us;
    uint32_t count;     /* of events in all */
    uint32_t next;      /* index of the next event */
    struct bytes left;  /* borrowed from the block */
};

/* CORRUPT: it is no block. */
MUST_USE enum status log_reader_start(struct log_reader *reader, struct bytes block,
                                      struct error *err);

/* The next event; its bytes are borrowed from the block, its pairs are in the arena. NOT_FOUND: no
 * more. CORRUPT: err. */
MUST_USE enum status log_reader_next(struct log_reader *reader, struct arena *arena,
                                     struct push_event *event, struct error *err);

/* Passes over count events. */
MUST_USE enum status log_reader_skip(struct log_reader *reader, uint32_t count, struct error *err);

#endif
