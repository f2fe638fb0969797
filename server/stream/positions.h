/* Positions: how far a source has read each partition of its topics; stored with the events up to
 * there, in one batch, and so true after every crash.
 *
 *     kafka/SOURCE                    origins that were given, u32
 *     kafka/SOURCE/TOPIC              origin of the topic, u32; partitions that it had at first,
 * u32 kafka/SOURCE/TOPIC/PARTITION    struct position, POSITION_SIZE bytes
 *
 * all big-endian, in the default family. An origin is a number for what a topic's name stood for: a
 * topic that was deleted and created again is another one, whose offsets begin anew. A broker does
 * not tell that to our client, so a position remembers two records, its first and its last, by time
 * and digest: whether they are still there, and the same, says whether it is the same log.
 *
 * Private to stream/. Thread: any. */
#ifndef ASOF_STREAM_POSITIONS_H
#define ASOF_STREAM_POSITIONS_H

#include "base/arena.h"
#include "base/status.h"
#include "stream/kafka.h"

enum { POSITION_SIZE = 60, TOPIC_ROW_SIZE = 8, ORIGINS_ROW_SIZE = 4, KAFKA_PLACE_SIZE = 16 };

/* A record that was read. */
struct record_mark {
    int64_t offset; /* -1: none */
    int64_t timestamp_ms;
    uint64_t digest; /* of key and value */
};

struct position {
    uint32_t origin;
    int64_t next; /* offset of the first record that was not read */
    struct record_mark first;
    struct record_mark last;
};

/* How far a fill has read a partition again; see kafka_fill.h. */
#define FILL_FOUND INT64_MIN

struct fill_position {
    struct position position;
    int64_t end;     /* up to here */
    int64_t find_us; /* it begins with the first record of this time, which is not found yet; or
                        FILL_FOUND */
};

enum { FILL_POSITION_SIZE = POSITION_SIZE + 16 };

struct topic_row {
    uint32_t origin;
    uint32_t partitions_count; /* those from `start` on; later ones begin at their beginning */
};

/* The keys of the three rows above, in the arena. */
struct bytes origins_key(struct arena *arena, uint32_t source_id);
struct bytes topic_key(struct arena *arena, uint32_t source_id, struct bytes topic);
struct bytes position_key(struct arena *arena, uint32_t source_id, struct bytes topic,
                          uint32_t partition);

/* Writes the row of a position. */
void position_write(const struct position *position, char row[POSITION_SIZE]);

/* Reads one. false: it is not what was written. */
MUST_USE bool position_read(struct bytes row, struct position *out);

/* The same for how far a fill is. */
void fill_position_write(const struct fill_position *position, char row[FILL_POSITION_SIZE]);
MUST_USE bool fill_position_read(struct bytes row, struct fill_position *out);

/* The same for the row of a topic. */
void topic_row_write(const struct topic_row *topic, char row[TOPIC_ROW_SIZE]);
MUST_USE bool topic_row_read(struct bytes row, struct topic_row *out);

/* A position from which nothing was read yet. */
struct position position_at(uint32_t origin, int64_t offset);

/* What is remembered of a record, and whether two are of the same one. */
struct record_mark record_mark_of(const struct kafka_item *message);
bool record_mark_equal(const struct record_mark *a, const struct record_mark *b);

/* What orders and tells apart events without an id: origin, partition, offset. */
void kafka_place_write(uint32_t origin, uint32_t partition, int64_t offset,
                       char place[KAFKA_PLACE_SIZE]);

#endif
