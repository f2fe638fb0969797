#include "storage/hot.h"

#include <stdlib.h>
#include <sys/queue.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

enum {
    BUCKETS_MIN = 1024,     /* a power of two; doubled when there is a row a bucket */
    ALLOCATION_BYTES = 16,  /* what malloc takes besides, about */
    ALIGNMENT = 8,
};

/* One row in one piece of memory: this, then statuses, is_known, values, the entity, texts. */
struct entry {
    struct entry *next;     /* of its bucket */
    TAILQ_ENTRY(entry) link; /* of the clock, in the order of keeping */
    uint64_t hash;
    uint32_t table_id;
    bool is_used;           /* read since the hand came by */
    size_t bytes;           /* of this piece */
    struct bytes entity;
    struct hot_row row;
};

TAILQ_HEAD(entry_list, entry);

struct hot {
    size_t bytes_max;
    struct entry **buckets; /* owned, as all entries */
    size_t buckets_count;
    struct entry_list clock; /* the hand is at the first */
    struct hot_counters counters;
};

struct hot *hot_create(size_t bytes_max)
{
    struct hot *hot = calloc(1, sizeof(*hot));
    CHECK(hot != NULL);
    hot->bytes_max = bytes_max;
    hot->buckets_count = BUCKETS_MIN;
    hot->buckets = calloc(hot->buckets_count, sizeof(*hot->buckets));
    CHECK(hot->buckets != NULL);
    TAILQ_INIT(&hot->clock);
    return hot;
}

void hot_destroy(struct hot **hot)
{
    if (*hot == NULL)
        return;
    hot_forget_all(*hot);
    free((*hot)->buckets);
    free(*hot);
    *hot = NULL;
}

struct hot_counters *hot_counters(struct hot *hot)
{
    return &hot->counters;
}

static uint64_t hash_of(uint32_t table_id, struct bytes entity)
{
    return XXH3_64bits_withSeed(entity.data, entity.size, table_id);
}

/* Where the pointer to the entry is, or would be. */
static struct entry **find_place(struct hot *hot, uint64_t hash, uint32_t table_id,
                                 struct bytes entity)
{
    struct entry **place = &hot->buckets[hash & (hot->buckets_count - 1)];
    while (*place != NULL && ((*place)->hash != hash || (*place)->table_id != table_id ||
                              !bytes_equal((*place)->entity, entity)))
        place = &(*place)->next;
    return place;
}

const struct hot_row *hot_find(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    struct entry *entry = *find_place(hot, hash_of(table_id, entity), table_id, entity);
    if (entry == NULL)
        return NULL;
    entry->is_used = true;
    return &entry->row;
}

static void drop(struct hot *hot, struct entry **place)
{
    struct entry *entry = *place;
    *place = entry->next;
    TAILQ_REMOVE(&hot->clock, entry, link);
    hot->counters.rows--;
    hot->counters.bytes -= entry->bytes;
    free(entry);
}

void hot_forget(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    struct entry **place = find_place(hot, hash_of(table_id, entity), table_id, entity);
    if (*place != NULL)
        drop(hot, place);
}

static void drop_entry(struct hot *hot, struct entry *entry)
{
    drop(hot, find_place(hot, entry->hash, entry->table_id, entry->entity));
}

void hot_forget_all(struct hot *hot)
{
    while (!TAILQ_EMPTY(&hot->clock))
        drop_entry(hot, TAILQ_FIRST(&hot->clock));
}

/* Drops rows until `needed` more bytes fit. The hand passes each row at most twice. */
static void make_room(struct hot *hot, size_t needed)
{
    while (hot->counters.bytes + needed > hot->bytes_max && !TAILQ_EMPTY(&hot->clock)) {
        struct entry *entry = TAILQ_FIRST(&hot->clock);
        if (entry->is_used) {
            entry->is_used = false;
            TAILQ_REMOVE(&hot->clock, entry, link);
            TAILQ_INSERT_TAIL(&hot->clock, entry, link);
            continue;
        }
        drop_entry(hot, entry);
        hot->counters.evictions_total++;
    }
}

static void grow(struct hot *hot)
{
    struct entry **old = hot->buckets;
    size_t old_count = hot->buckets_count;
    hot->buckets_count *= 2;
    hot->buckets = calloc(hot->buckets_count, sizeof(*hot->buckets));
    CHECK(hot->buckets != NULL);
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct entry *entry = old[i];
            old[i] = entry->next;
            struct entry **bucket = &hot->buckets[entry->hash & (hot->buckets_count - 1)];
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(old);
}

/* ---- the piece of memory ---- */

static size_t aligned(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static size_t value_bytes(const struct value *value)
{
    size_t size = 0;
    if (value->kind == VALUE_STRING)
        return aligned(value->text.size);
    if (value->kind != VALUE_LIST)
        return 0;
    size = value->list.count * sizeof(struct value);
    for (size_t i = 0; i < value->list.count; i++)
        size += value_bytes(&value->list.items[i]);
    return size;
}

static size_t row_bytes(struct bytes entity, const struct hot_row *row)
{
    size_t size = sizeof(struct entry) + aligned(row->count * sizeof(*row->statuses)) +
                  aligned(row->count * sizeof(*row->is_known)) +
                  row->count * sizeof(*row->values) + aligned(entity.size);
    for (size_t i = 0; i < row->count; i++)
        size += row->is_known[i] ? value_bytes(&row->values[i]) : 0;
    return size;
}

/* Takes size bytes of the piece. */
static void *take(char **memory, size_t size)
{
    void *taken = *memory;
    *memory += aligned(size);
    return taken;
}

static void *take_copy(char **memory, const void *data, size_t size)
{
    void *copy = take(memory, size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* Copies what the value borrows into the piece. */
static void own_value(struct value *value, char **memory)
{
    if (value->kind == VALUE_STRING) {
        value->text.data = take_copy(memory, value->text.data, value->text.size);
    } else if (value->kind == VALUE_LIST) {
        size_t size = value->list.count * sizeof(struct value);
        struct value *items = take_copy(memory, value->list.items, size);
        value->list.items = items;
        for (size_t i = 0; i < value->list.count; i++) {
            CHECK(items[i].kind != VALUE_LIST);
            if (items[i].kind == VALUE_STRING)
                items[i].text.data = take_copy(memory, items[i].text.data, items[i].text.size);
        }
    }
}

static struct entry *entry_create(uint32_t table_id, struct bytes entity, uint64_t hash,
                                  const struct hot_row *row, size_t size)
{
    struct entry *entry = malloc(size);
    CHECK(entry != NULL);
    char *memory = (char *)entry;
    take(&memory, sizeof(*entry));
    *entry = (struct entry){.hash = hash,
                            .table_id = table_id,
                            .bytes = size + ALLOCATION_BYTES,
                            .row = *row};
    entry->row.statuses = take_copy(&memory, row->statuses, row->count * sizeof(*row->statuses));
    entry->row.is_known = take_copy(&memory, row->is_known, row->count * sizeof(*row->is_known));
    struct value *values = take_copy(&memory, row->values, row->count * sizeof(*row->values));
    entry->row.values = values;
    entry->entity = bytes_of(take_copy(&memory, entity.data, entity.size), entity.size);
    for (size_t i = 0; i < row->count; i++)
        if (row->is_known[i])
            own_value(&values[i], &memory);
    CHECK(memory <= (char *)entry + size);
    return entry;
}

void hot_keep(struct hot *hot, uint32_t table_id, struct bytes entity, const struct hot_row *row)
{
    uint64_t hash = hash_of(table_id, entity);
    size_t size = row_bytes(entity, row);
    struct entry *entry = NULL;
    if (size + ALLOCATION_BYTES <= hot->bytes_max)
        entry = entry_create(table_id, entity, hash, row, size); /* row may lie in what goes now */
    hot_forget(hot, table_id, entity);
    if (entry == NULL)
        return;
    make_room(hot, entry->bytes);
    if (hot->counters.rows >= hot->buckets_count)
        grow(hot);
    struct entry **bucket = &hot->buckets[hash & (hot->buckets_count - 1)];
    entry->next = *bucket;
    *bucket = entry;
    TAILQ_INSERT_TAIL(&hot->clock, entry, link);
    hot->counters.rows++;
    hot->counters.bytes += entry->bytes;
}
