/* Dead letter: a record of Kafka that a source could not take, as it is stored, with why and
 * whence.
 *
 *     letter/SOURCE/SEQUENCE (20 digits)   one record:
 *         reason     1 byte, enum refusal + 1
 *         time, origin, partition, offset, timestamp    varints (zigzag where they have a sign)
 *         error, topic                                  varint size, bytes
 *         key, value                                    varint size + 1 (0: none), bytes
 *         size of the value as it came                  varint
 *         headers                                       varint count, each: name, value as the key
 *     letters/SOURCE                       struct letter_marks, LETTER_MARKS_SIZE bytes, big-endian
 *
 * in the default family. It is a disk format. Private to stream/. Thread: any. */
#ifndef ASOF_STREAM_DEAD_LETTER_H
#define ASOF_STREAM_DEAD_LETTER_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "stream/kafka.h"

/* Why an event is not taken. */
enum refusal {
    REFUSED_UNDECODABLE,
    REFUSED_WRONG_TYPE,
    REFUSED_NO_TIME,
    REFUSED_NO_ID,
    REFUSED_AHEAD,
    REFUSED_LATE,
    REFUSED_TOO_LONG, /* a key or an event id */
    REFUSALS_COUNT,
};

enum {
    LETTER_VALUE_SIZE_MAX = 1024 * 1024, /* of the value; longer ones are cut */
    LETTER_PART_SIZE_MAX = 64 * 1024,    /* of the key and of a header */
    LETTER_HEADERS_MAX = 32,
    LETTER_MARKS_SIZE = 8 * (4 + REFUSALS_COUNT),
};

struct dead_letter {
    enum refusal reason;
    int64_t time_us; /* when it was put here */
    struct bytes error;
    struct bytes topic;
    uint32_t origin; /* see positions.h */
    uint32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    struct bytes key;    /* data is NULL where there was none */
    struct bytes value;  /* the same */
    uint64_t value_size; /* as it came */
    const struct kafka_header *headers;
    size_t headers_count;
};

/* What is known of a source's letters without reading them. */
struct letter_marks {
    uint64_t next_sequence;
    uint64_t count;                     /* that are there */
    uint64_t bytes;                     /* of their rows */
    uint64_t evicted;                   /* that made room */
    uint64_t by_reason[REFUSALS_COUNT]; /* that ever came */
};

/* "undecodable", "wrong_type", ... */
const char *refusal_name(enum refusal reason);

/* Appends the row; what is too long is cut. */
void dead_letter_encode(const struct dead_letter *letter, struct buffer *out);

/* Reads a row; its bytes are borrowed, the headers are in the arena. CORRUPT: err. */
MUST_USE enum status dead_letter_decode(struct bytes row, struct arena *arena,
                                        struct dead_letter *out, struct error *err);

void letter_marks_write(const struct letter_marks *marks, char row[LETTER_MARKS_SIZE]);

/* false: it is not what was written. */
MUST_USE bool letter_marks_read(struct bytes row, struct letter_marks *out);

#endif
