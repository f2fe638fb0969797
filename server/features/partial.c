#include "features/partial.h"

#include <endian.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "base/varint.h"

enum { LAYOUT_SIZE = 4, CHECKSUM_SIZE = 8 };

void partial_init(struct partial *partial, const struct view_plan *plan, struct arena *arena)
{
    *partial = (struct partial){.plan = plan,
                                .slots = ARENA_NEW_ARRAY(arena, plan->slots_count, struct slot)};
    for (size_t i = 0; i < plan->slots_count; i++)
        if (slot_is_mergeable(&plan->slots[i]))
            slot_init(&partial->slots[i], &plan->slots[i], arena);
}

static uint64_t event_digest(const struct event *event)
{
    uint64_t digest =
        XXH3_64bits_withSeed(event->identity.data, event->identity.size, (uint64_t)event->time_us);
    return XXH3_64bits_withSeed(event->row.data, event->row.size, digest);
}

void partial_add(struct partial *partial, const struct event *event)
{
    run_merge(&partial->run,
              &(struct run){.count = 1, .newest_us = event->time_us, .oldest_us = event->time_us});
    partial->checksum += event_digest(event);
    for (size_t i = 0; i < partial->plan->slots_count; i++)
        if (slot_is_mergeable(&partial->plan->slots[i]))
            slot_add(&partial->slots[i], event);
}

void partial_merge(struct partial *partial, const struct partial *older)
{
    CHECK(partial->plan == older->plan);
    run_merge(&partial->run, &older->run);
    partial->checksum += older->checksum;
    for (size_t i = 0; i < partial->plan->slots_count; i++)
        if (slot_is_mergeable(&partial->plan->slots[i]))
            slot_merge(&partial->slots[i], &older->slots[i]);
}

static uint32_t layout_of(const struct view_plan *plan)
{
    return (uint32_t)plan->slots_digest;
}

void partial_encode(const struct partial *partial, struct buffer *out)
{
    const struct run *run = &partial->run;
    uint32_t layout = htole32(layout_of(partial->plan));
    uint64_t checksum = htole64(partial->checksum);
    buffer_append(out, bytes_of(&layout, LAYOUT_SIZE));
    buffer_append(out, bytes_of(&checksum, CHECKSUM_SIZE));
    varint_append(out, run->count);
    if (run->count > 0) {
        time_span_append(out, run->newest_us, run->oldest_us);
        varint_append(out, (uint64_t)run->gap_max_us);
    }
    for (size_t i = 0; i < partial->plan->slots_count; i++)
        if (slot_is_mergeable(&partial->plan->slots[i]))
            slot_encode(&partial->slots[i], out);
}

static bool run_decode(struct run *run, struct bytes *left)
{
    uint64_t gap_us;
    *run = (struct run){0};
    if (!count_take(left, &run->count))
        return false;
    if (run->count == 0)
        return true;
    if (!time_span_take(left, &run->newest_us, &run->oldest_us) || !varint_take(left, &gap_us) ||
        gap_us > (uint64_t)(run->newest_us - run->oldest_us))
        return false;
    run->gap_max_us = (int64_t)gap_us;
    return true;
}

bool partial_decode_head(struct partial *partial, struct bytes *left)
{
    uint32_t layout;
    uint64_t checksum;
    if (left->size < LAYOUT_SIZE + CHECKSUM_SIZE)
        return false;
    memcpy(&layout, left->data, LAYOUT_SIZE);
    memcpy(&checksum, left->data + LAYOUT_SIZE, CHECKSUM_SIZE);
    *left = bytes_after(*left, LAYOUT_SIZE + CHECKSUM_SIZE);
    partial->checksum = le64toh(checksum);
    return le32toh(layout) == layout_of(partial->plan) && run_decode(&partial->run, left);
}

bool partial_decode_slots(struct partial *partial, const bool *is_wanted, struct bytes *left)
{
    for (size_t i = 0; i < partial->plan->slots_count; i++) {
        bool is_kept = is_wanted == NULL || is_wanted[i];
        if (slot_is_mergeable(&partial->plan->slots[i]) &&
            !slot_decode(is_kept ? &partial->slots[i] : NULL, left))
            return false;
    }
    return left->size == 0;
}
