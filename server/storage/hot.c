/* Shards by hash; in each a table of chains that readers walk by acquiring loads, and a mutex for
 * those who change it. A row that was linked is never changed: a newer one takes its place. */
#include "storage/hot.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    SHARDS_MAX = 16,           /* a power of two, as are the next three */
    SHARD_BYTES_MIN = 1 << 20, /* fewer shards where these would be smaller */
    STRIPES = 256,             /* counts of forgetting, of one shard */
    BUCKETS_MIN = 64,          /* of one shard; doubled when there are more rows */
    CHAIN_MAX = 32,            /* rows of one bucket: where keys collide on purpose, no more */
    WALK_MAX = 2 * CHAIN_MAX,  /* steps of a reader, who may come from one chain into another */
    LOOKS_MAX = 256,           /* of the hand, at rows that are in use, to make room for one */
    ROW_PART = 8,              /* the largest row that is kept: this part of a shard */
    COUNTER_SLOTS = 16,        /* so that threads seldom count in the same cache line */
    CACHE_LINE = 64,
    ROW_LINES = 4, /* of a row, that are fetched ahead */
};

struct entry {
    _Atomic(struct entry *) next; /* of its bucket */
    uint32_t hash;                /* the upper half: what chooses the bucket */
    uint32_t table_id;
    struct hot_row row; /* last, as it ends open */
};

struct table {
    size_t mask; /* buckets - 1 */
    _Atomic(struct entry *) buckets[];
};

struct shard {
    _Alignas(CACHE_LINE) pthread_mutex_t lock; /* guards changes of all below */
    size_t hand;                               /* the bucket that the clock looks at next */
    size_t bytes;                              /* of entries and table */
    size_t rows;
    uint64_t evictions_total;
    _Alignas(CACHE_LINE) _Atomic(struct table *) table; /* owned, as all entries */
    _Atomic uint64_t stripes[STRIPES];
};

struct counter_slot {
    _Alignas(CACHE_LINE) _Atomic uint64_t hits_total;
    _Atomic uint64_t misses_total;
};

struct hot {
    struct counter_slot slots[COUNTER_SLOTS];
    struct epoch *epoch; /* borrowed, or NULL */
    uint64_t seed;       /* of hashes: keys are chosen by others */
    size_t bytes_max;    /* of one shard; 0: nothing is kept */
    size_t shards_count;
    struct shard shards[];
};

/* ---- life ---- */

static size_t table_bytes(size_t buckets)
{
    return sizeof(struct table) + buckets * sizeof(_Atomic(struct entry *));
}

static struct table *table_create(size_t buckets)
{
    struct table *table = calloc(1, table_bytes(buckets));
    CHECK(table != NULL);
    table->mask = buckets - 1;
    return table;
}

static void shard_init(struct shard *shard)
{
    CHECK(pthread_mutex_init(&shard->lock, NULL) == 0);
    shard->table = table_create(BUCKETS_MIN);
    shard->bytes = table_bytes(BUCKETS_MIN);
}

struct hot *hot_create(size_t bytes_max, struct epoch *epoch)
{
    size_t shards_count = SHARDS_MAX;
    while (shards_count > 1 && bytes_max / shards_count < SHARD_BYTES_MIN)
        shards_count /= 2;
    size_t size = sizeof(struct hot) + shards_count * sizeof(struct shard);
    struct hot *hot = aligned_alloc(CACHE_LINE, size);
    CHECK(hot != NULL);
    memset(hot, 0, size);
    hot->epoch = epoch;
    hot->bytes_max = bytes_max / shards_count;
    hot->shards_count = shards_count;
    if (getrandom(&hot->seed, sizeof(hot->seed), GRND_NONBLOCK) < 0)
        hot->seed = (uintptr_t)hot; /* chains are bounded without it, too */
    for (size_t i = 0; i < shards_count; i++)
        shard_init(&hot->shards[i]);
    return hot;
}

void hot_destroy(struct hot **out)
{
    struct hot *hot = *out;
    if (hot == NULL)
        return;
    hot_forget_all(hot);
    for (size_t i = 0; i < hot->shards_count; i++) {
        free(hot->shards[i].table);
        pthread_mutex_destroy(&hot->shards[i].lock);
    }
    free(hot);
    *out = NULL;
}

/* ---- finding ---- */

/* The lower half of a hash chooses shard and stripe, the upper half the bucket. */
static uint64_t hash_of(const struct hot *hot, uint32_t table_id, struct bytes entity)
{
    return XXH3_64bits_withSeed(entity.data, entity.size, hot->seed ^ table_id);
}

static uint32_t hash_upper(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static struct shard *shard_of(struct hot *hot, uint64_t hash)
{
    return &hot->shards[hash & (hot->shards_count - 1)];
}

static _Atomic uint64_t *stripe_of(struct shard *shard, uint64_t hash)
{
    return &shard->stripes[hash / SHARDS_MAX % STRIPES];
}

static _Atomic(struct entry *) *bucket_of(struct shard *shard, uint64_t hash)
{
    struct table *table = atomic_load_explicit(&shard->table, memory_order_acquire);
    return &table->buckets[hash_upper(hash) & table->mask];
}

static struct entry *load(_Atomic(struct entry *) *place)
{
    return atomic_load_explicit(place, memory_order_acquire);
}

static bool entry_is(const struct entry *entry, uint64_t hash, uint32_t table_id,
                     struct bytes entity)
{
    return entry->hash == hash_upper(hash) && entry->table_id == table_id &&
           bytes_equal(hot_row_entity(&entry->row), entity);
}

const struct hot_row *hot_find(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    uint64_t hash = hash_of(hot, table_id, entity);
    struct entry *entry = load(bucket_of(shard_of(hot, hash), hash));
    for (size_t i = 0; entry != NULL && i < WALK_MAX; i++) {
        if (entry_is(entry, hash, table_id, entity)) {
            if (!atomic_load_explicit(&entry->row.is_used, memory_order_relaxed))
                atomic_store_explicit(&entry->row.is_used, true, memory_order_relaxed);
            return &entry->row;
        }
        entry = load(&entry->next);
    }
    return NULL;
}

uint64_t hot_prefetch_place(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    uint64_t hash = hash_of(hot, table_id, entity);
    __builtin_prefetch(bucket_of(shard_of(hot, hash), hash));
    return hash;
}

void hot_prefetch_row(struct hot *hot, uint64_t place)
{
    const char *entry = (const char *)load(bucket_of(shard_of(hot, place), place));
    for (size_t i = 0; entry != NULL && i < ROW_LINES; i++)
        __builtin_prefetch(entry + i * CACHE_LINE);
}

uint64_t hot_ticket(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    uint64_t hash = hash_of(hot, table_id, entity);
    return atomic_load_explicit(stripe_of(shard_of(hot, hash), hash), memory_order_acquire);
}

/* ---- changing, under the shard's lock ---- */

/* Where the pointer to the entity's entry is, or would be; *steps: entries before it. */
static _Atomic(struct entry *) *find_place(struct shard *shard, uint64_t hash, uint32_t table_id,
                                           struct bytes entity, size_t *steps)
{
    _Atomic(struct entry *) *place = bucket_of(shard, hash);
    struct entry *entry;
    for (*steps = 0; (entry = load(place)) != NULL; ++*steps) {
        if (entry_is(entry, hash, table_id, entity))
            break;
        place = &entry->next;
    }
    return place;
}

/* Links, or unlinks what is there; who looks sees the whole entry. */
static void store(_Atomic(struct entry *) *place, struct entry *entry)
{
    atomic_store_explicit(place, entry, memory_order_release);
}

static void retire(struct hot *hot, void *memory)
{
    if (hot->epoch == NULL)
        free(memory);
    else
        epoch_retire(hot->epoch, memory, free);
}

/* A reader that stands on the entry goes on by its next, which stays. */
static void drop(struct hot *hot, struct shard *shard, _Atomic(struct entry *) *place)
{
    struct entry *entry = load(place);
    store(place, load(&entry->next));
    shard->rows--;
    shard->bytes -= malloc_usable_size(entry);
    retire(hot, entry);
}

/* Lets the hand go over one bucket. */
static void sweep_bucket(struct hot *hot, struct shard *shard, size_t *looks)
{
    struct table *table = atomic_load_explicit(&shard->table, memory_order_relaxed);
    _Atomic(struct entry *) *place = &table->buckets[shard->hand++ & table->mask];
    struct entry *entry;
    while ((entry = load(place)) != NULL) {
        if (*looks < LOOKS_MAX && atomic_load_explicit(&entry->row.is_used, memory_order_relaxed)) {
            atomic_store_explicit(&entry->row.is_used, false, memory_order_relaxed);
            ++*looks;
            place = &entry->next;
            continue;
        }
        drop(hot, shard, place);
        shard->evictions_total++;
    }
}

/* Drops rows until `needed` more bytes fit. */
static void make_room(struct hot *hot, struct shard *shard, size_t needed)
{
    size_t looks = 0;
    while (shard->bytes + needed > hot->bytes_max && shard->rows > 0)
        sweep_bucket(hot, shard, &looks);
}

/* Twice as many buckets. Whoever walks a chain meanwhile comes out in another, and may miss. */
static void grow(struct hot *hot, struct shard *shard)
{
    struct table *old = atomic_load_explicit(&shard->table, memory_order_relaxed);
    size_t buckets = (old->mask + 1) * 2;
    size_t more_bytes = table_bytes(buckets) - table_bytes(old->mask + 1);
    if (shard->bytes + more_bytes > hot->bytes_max || buckets - 1 > UINT32_MAX)
        return;
    struct table *table = table_create(buckets);
    for (size_t i = 0; i <= old->mask; i++) {
        struct entry *entry = load(&old->buckets[i]);
        while (entry != NULL) {
            struct entry *next = load(&entry->next);
            _Atomic(struct entry *) *bucket = &table->buckets[entry->hash & table->mask];
            store(&entry->next, load(bucket));
            store(bucket, entry);
            entry = next;
        }
    }
    shard->bytes += more_bytes;
    atomic_store_explicit(&shard->table, table, memory_order_release);
    retire(hot, old);
}

/* Links the entry in place of the entity's old one; false: there is no room. */
static bool shard_put(struct hot *hot, struct shard *shard, uint64_t hash, struct entry *entry)
{
    size_t bytes = malloc_usable_size(entry);
    size_t steps;
    struct bytes entity = hot_row_entity(&entry->row);
    _Atomic(struct entry *) *old = find_place(shard, hash, entry->table_id, entity, &steps);
    if (load(old) != NULL)
        drop(hot, shard, old);
    else if (steps >= CHAIN_MAX)
        return false;
    make_room(hot, shard, bytes);
    if (shard->bytes + bytes > hot->bytes_max)
        return false;
    shard->rows++;
    shard->bytes += bytes;
    if (shard->rows > atomic_load_explicit(&shard->table, memory_order_relaxed)->mask)
        grow(hot, shard);
    _Atomic(struct entry *) *bucket = bucket_of(shard, hash);
    store(&entry->next, load(bucket));
    store(bucket, entry);
    return true;
}

/* ---- keeping and forgetting ---- */

void hot_keep(struct hot *hot, uint32_t table_id, struct bytes entity, uint64_t ticket,
              const struct hot_draft *draft)
{
    size_t size = offsetof(struct entry, row) + hot_row_size(entity, draft);
    if (size > hot->bytes_max / ROW_PART)
        return;
    uint64_t hash = hash_of(hot, table_id, entity);
    struct shard *shard = shard_of(hot, hash);
    struct entry *entry = malloc(size);
    CHECK(entry != NULL);
    entry->hash = hash_upper(hash);
    entry->table_id = table_id;
    hot_row_pack(&entry->row, entity, draft);
    atomic_init(&entry->row.is_used, true); /* so that the hand spares it once */

    pthread_mutex_lock(&shard->lock);
    bool is_kept = atomic_load_explicit(stripe_of(shard, hash), memory_order_relaxed) == ticket &&
                   shard_put(hot, shard, hash, entry);
    pthread_mutex_unlock(&shard->lock);
    if (!is_kept)
        free(entry);
}

/* Drop first, then count: see hot.h. */
void hot_forget(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    if (hot->bytes_max == 0)
        return;
    size_t steps;
    uint64_t hash = hash_of(hot, table_id, entity);
    struct shard *shard = shard_of(hot, hash);
    pthread_mutex_lock(&shard->lock);
    _Atomic(struct entry *) *place = find_place(shard, hash, table_id, entity, &steps);
    if (load(place) != NULL)
        drop(hot, shard, place);
    atomic_fetch_add_explicit(stripe_of(shard, hash), 1, memory_order_release);
    pthread_mutex_unlock(&shard->lock);
}

static void shard_forget_all(struct hot *hot, struct shard *shard)
{
    struct table *table = atomic_load_explicit(&shard->table, memory_order_relaxed);
    for (size_t i = 0; i <= table->mask; i++)
        while (load(&table->buckets[i]) != NULL)
            drop(hot, shard, &table->buckets[i]);
    for (size_t i = 0; i < STRIPES; i++)
        atomic_fetch_add_explicit(&shard->stripes[i], 1, memory_order_release);
}

void hot_forget_all(struct hot *hot)
{
    for (size_t i = 0; i < hot->shards_count; i++) {
        pthread_mutex_lock(&hot->shards[i].lock);
        shard_forget_all(hot, &hot->shards[i]);
        pthread_mutex_unlock(&hot->shards[i].lock);
    }
}

static void shard_forget_table(struct hot *hot, struct shard *shard, uint32_t table_id)
{
    struct table *table = atomic_load_explicit(&shard->table, memory_order_relaxed);
    for (size_t i = 0; i <= table->mask; i++) {
        _Atomic(struct entry *) *place = &table->buckets[i];
        struct entry *entry;
        while ((entry = load(place)) != NULL)
            if (entry->table_id == table_id)
                drop(hot, shard, place);
            else
                place = &entry->next;
    }
}

void hot_forget_table(struct hot *hot, uint32_t table_id)
{
    for (size_t i = 0; i < hot->shards_count; i++) {
        pthread_mutex_lock(&hot->shards[i].lock);
        shard_forget_table(hot, &hot->shards[i], table_id);
        pthread_mutex_unlock(&hot->shards[i].lock);
    }
}

/* ---- counters ---- */

/* Of the process, not of one tier: only which slot a thread uses. */
static struct counter_slot *own_slot(struct hot *hot)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned number;
    if (number == 0)
        number = 1 + atomic_fetch_add(&threads, 1) % COUNTER_SLOTS;
    return &hot->slots[number - 1];
}

void hot_count(struct hot *hot, uint64_t hits, uint64_t misses)
{
    struct counter_slot *slot = own_slot(hot);
    if (hits > 0)
        atomic_fetch_add_explicit(&slot->hits_total, hits, memory_order_relaxed);
    if (misses > 0)
        atomic_fetch_add_explicit(&slot->misses_total, misses, memory_order_relaxed);
}

struct hot_counters hot_counters(struct hot *hot)
{
    struct hot_counters sum = {0};
    for (size_t i = 0; i < COUNTER_SLOTS; i++) {
        sum.hits_total += atomic_load_explicit(&hot->slots[i].hits_total, memory_order_relaxed);
        sum.misses_total += atomic_load_explicit(&hot->slots[i].misses_total, memory_order_relaxed);
    }
    for (size_t i = 0; i < hot->shards_count; i++) {
        struct shard *shard = &hot->shards[i];
        pthread_mutex_lock(&shard->lock);
        sum.evictions_total += shard->evictions_total;
        sum.rows += shard->rows;
        sum.bytes += shard->bytes;
        pthread_mutex_unlock(&shard->lock);
    }
    return sum;
}
