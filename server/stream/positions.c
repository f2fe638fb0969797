#include "stream/positions.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/endian.h"

enum { MARK_SIZE = 24, MARKS_OFFSET = 12 };

_Static_assert(MARKS_OFFSET + 2 * MARK_SIZE == POSITION_SIZE, "a position is a disk format");

struct bytes origins_key(struct arena *arena, uint32_t source_id)
{
    return arena_format(arena, "kafka/%u", source_id);
}

struct bytes topic_key(struct arena *arena, uint32_t source_id, struct bytes topic)
{
    return arena_format(arena, "kafka/%u/%.*s", source_id, BYTES_ARGS(topic));
}

struct bytes position_key(struct arena *arena, uint32_t source_id, struct bytes topic,
                          uint32_t partition)
{
    return arena_format(arena, "kafka/%u/%.*s/%u", source_id, BYTES_ARGS(topic), partition);
}

static void mark_write(const struct record_mark *mark, char *row)
{
    be64_write_signed(row, mark->offset);
    be64_write_signed(row + 8, mark->timestamp_ms);
    be64_write(row + 16, mark->digest);
}

static struct record_mark mark_read(const char *row)
{
    return (struct record_mark){.offset = be64_read_signed(row),
                                .timestamp_ms = be64_read_signed(row + 8),
                                .digest = be64_read(row + 16)};
}

void position_write(const struct position *position, char row[POSITION_SIZE])
{
    be32_write(row, position->origin);
    be64_write_signed(row + 4, position->next);
    mark_write(&position->first, row + MARKS_OFFSET);
    mark_write(&position->last, row + MARKS_OFFSET + MARK_SIZE);
}

bool position_read(struct bytes row, struct position *out)
{
    if (row.size != POSITION_SIZE)
        return false;
    *out = (struct position){.origin = be32_read(row.data),
                             .next = be64_read_signed(row.data + 4),
                             .first = mark_read(row.data + MARKS_OFFSET),
                             .last = mark_read(row.data + MARKS_OFFSET + MARK_SIZE)};
    bool has_first = out->first.offset >= 0;
    bool has_last = out->last.offset >= 0;
    return out->next >= 0 && out->first.offset >= -1 && out->last.offset >= -1 &&
           (!has_last ||
            (has_first && out->first.offset <= out->last.offset && out->last.offset < out->next));
}

void fill_position_write(const struct fill_position *position, char row[FILL_POSITION_SIZE])
{
    position_write(&position->position, row);
    be64_write_signed(row + POSITION_SIZE, position->end);
    be64_write_signed(row + POSITION_SIZE + 8, position->find_us);
}

bool fill_position_read(struct bytes row, struct fill_position *out)
{
    if (row.size != FILL_POSITION_SIZE ||
        !position_read(bytes_of(row.data, POSITION_SIZE), &out->position))
        return false;
    out->end = be64_read_signed(row.data + POSITION_SIZE);
    out->find_us = be64_read_signed(row.data + POSITION_SIZE + 8);
    return out->end >= 0;
}

void topic_row_write(const struct topic_row *topic, char row[TOPIC_ROW_SIZE])
{
    be32_write(row, topic->origin);
    be32_write(row + 4, topic->partitions_count);
}

bool topic_row_read(struct bytes row, struct topic_row *out)
{
    if (row.size != TOPIC_ROW_SIZE)
        return false;
    *out = (struct topic_row){.origin = be32_read(row.data),
                              .partitions_count = be32_read(row.data + 4)};
    return true;
}

struct position position_at(uint32_t origin, int64_t offset)
{
    return (struct position){
        .origin = origin, .next = offset, .first.offset = -1, .last.offset = -1};
}

struct record_mark record_mark_of(const struct kafka_item *message)
{
    uint64_t key = XXH3_64bits(message->key.data, message->key.size);
    return (struct record_mark){
        .offset = message->offset,
        .timestamp_ms = message->timestamp_ms,
        .digest = XXH3_64bits_withSeed(message->value.data, message->value.size, key),
    };
}

bool record_mark_equal(const struct record_mark *a, const struct record_mark *b)
{
    return a->offset == b->offset && a->timestamp_ms == b->timestamp_ms && a->digest == b->digest;
}

void kafka_place_write(uint32_t origin, uint32_t partition, int64_t offset,
                       char place[KAFKA_PLACE_SIZE])
{
    be32_write(place, origin);
    be32_write(place + 4, partition);
    be64_write_signed(place + 8, offset);
}
