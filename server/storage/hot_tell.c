#include "storage/hot_tell.h"

#include "base/endian.h"
#include "storage/range.h"

/* The i-th put as a timeline gives it; borrowed from the puts. */
static struct timeline_event put_event(const struct sorted_puts *puts, size_t i)
{
    struct bytes tail =
        bytes_after(sorted_puts_key(puts, i), sorted_puts_head(puts, i).size + KIND_SIZE);
    return (struct timeline_event){.time_us = be64_read_signed(tail.data),
                                   .identity = bytes_after(tail, TIME_SIZE),
                                   .row = sorted_puts_value(puts, i)};
}

/* Tells the hot tier `count` events of one entity, from the i-th put on. Where it is not known
 * whether they were written, or they are many, the entity is forgotten. */
static void tell_entity(struct hot *hot, const struct sorted_puts *puts, size_t i, size_t count,
                        bool is_written)
{
    struct timeline_event events[EDGES_EVENTS_MAX];
    struct bytes head = sorted_puts_head(puts, i);
    uint32_t table_id = be32_read(head.data);
    struct bytes entity = bytes_after(head, TABLE_SIZE);
    if (!is_written || count > EDGES_EVENTS_MAX) {
        hot_forget(hot, table_id, entity);
        return;
    }
    for (size_t j = 0; j < count; j++)
        events[j] = put_event(puts, i + j);
    hot_write(hot, table_id, entity, events, count);
}

void hot_tell(struct hot *hot, const struct sorted_puts *puts, bool is_written)
{
    size_t first = 0;
    for (size_t i = 1; i <= puts->count; i++) {
        if (i < puts->count &&
            bytes_equal(sorted_puts_head(puts, i), sorted_puts_head(puts, first)))
            continue;
        tell_entity(hot, puts, first, i - first, is_written);
        first = i;
    }
}
