/* Sorted puts: the events of a batch, kept until it is written and then given in the order of their
 * keys. Neighbours in RocksDB's memtable are then inserted one after the other, which finds the way
 * to them in the processor's cache (docs/decisions/0008).
 *
 * 1. Of puts with the same key the last one counts, as it would in a write batch.
 * 2. A mark is at most one; what was put after it can be taken back until they were sorted.
 *
 * Zero is valid and empty. Thread: one at a time. */
#ifndef ASOF_STORAGE_SORTED_PUTS_H
#define ASOF_STORAGE_SORTED_PUTS_H

#include "base/buffer.h"

struct sorted_put {
    size_t offset; /* of its key in bytes; the value stands behind it */
    uint32_t key_size;
    uint32_t value_size;
    uint32_t head_size; /* of the key's first part: table and entity */
    uint32_t number;    /* puts before it */
};

struct sorted_puts {
    struct buffer bytes;     /* owned: keys and values */
    struct sorted_put *puts; /* owned */
    size_t count;
    size_t capacity;
    size_t mark_count; /* where the mark is */
    size_t mark_size;
};

/* Frees the memory and leaves it empty. */
void sorted_puts_fini(struct sorted_puts *puts);

/* Empties it; keeps at most keep_max bytes of memory for keys and values. */
void sorted_puts_reset(struct sorted_puts *puts, size_t keep_max);

/* A put is begun, its key appended to the buffer, then it is ended with its value. */
struct buffer *sorted_puts_begin(struct sorted_puts *puts);
void sorted_puts_end(struct sorted_puts *puts, size_t head_size, struct bytes value);

/* Sets the mark; goes back to it. */
void sorted_puts_mark(struct sorted_puts *puts);
void sorted_puts_undo(struct sorted_puts *puts);

/* Sorts them and drops those that a later one replaces. The mark is gone. */
void sorted_puts_sort(struct sorted_puts *puts);

/* The bytes of keys and values. */
static inline size_t sorted_puts_size_bytes(const struct sorted_puts *puts)
{
    return puts->bytes.size;
}

/* The i-th put's key, its first part, its value; borrowed until the next change. */
static inline struct bytes sorted_puts_key(const struct sorted_puts *puts, size_t i)
{
    return bytes_of(buffer_bytes(&puts->bytes).data + puts->puts[i].offset, puts->puts[i].key_size);
}

static inline struct bytes sorted_puts_head(const struct sorted_puts *puts, size_t i)
{
    return bytes_of(buffer_bytes(&puts->bytes).data + puts->puts[i].offset,
                    puts->puts[i].head_size);
}

static inline struct bytes sorted_puts_value(const struct sorted_puts *puts, size_t i)
{
    const struct sorted_put *put = &puts->puts[i];
    return bytes_of(buffer_bytes(&puts->bytes).data + put->offset + put->key_size, put->value_size);
}

#endif
