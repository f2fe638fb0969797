/* Log block: raw events of one source, as they came, for fills and exports; one commit writes one
 * block or, when it is large, a few.
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

enum {
    LOG_PIECE_SIZE = 1024 * 1024, /* a block of more events than this is cut into pieces */
    LOG_PIECES_MAX = 256,
};

/* Where a piece of a block ends. */
struct log_cut {
    size_t size; /* of the events up to there */
    uint32_t count;
};

/* The raw events of a commit while they are collected; zero is a valid start. */
struct log_block {
    struct buffer events; /* owned */
    uint32_t count;
    struct log_cut cuts[LOG_PIECES_MAX]; /* between pieces, cuts_count of them */
    size_t cuts_count;
};

void log_block_fini(struct log_block *block);

/* Empties it; keeps its memory unless that is more than keep_max. */
void log_block_reset(struct log_block *block, size_t keep_max);

/* Appends a copy of the event. */
void log_block_add(struct log_block *block, const struct push_event *event);

/* Goes back to the size and count that it had before. */
void log_block_undo(struct log_block *block, size_t size, uint32_t count);

/* In how many pieces it is written; 0 where it is empty. */
size_t log_block_pieces(const struct log_block *block);

/* Appends the piece, as a block of its own, to out. Returns its number of events. */
uint32_t log_block_finish(const struct log_block *block, size_t piece, int64_t now_us,
                          struct buffer *out);

/* A block that is read. */
struct log_reader {
    int64_t now_us;
    uint32_t count;    /* of events in all */
    uint32_t next;     /* index of the next event */
    struct bytes left; /* borrowed from the block */
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
