/* Shards by hash; in each a table of chains that readers walk by acquiring loads, and a mutex for
 * those who change it. What an entry keeps is never changed once it was linked, but for a row that
 * is made stale: a newer one takes its place. */
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
    BUCKETS_MIN = 64,          /* of one shard; doubled when there are more entries */
    CHAIN_MAX = 32,            /* entries of one bucket: where keys collide on purpose, no more */
    WALK_MAX = 2 * CHAIN_MAX,  /* steps of a reader, who may come from one chain into another */
    LOOKS_MAX = 256,           /* of the hand, at entries that are in use, to make room for one */
    ENTRY_PART = 8,            /* the largest entry that is kept: this part of a shard */
    COUNTER_SLOTS = 16,        /* so that threads seldom count in the same cache line */
    CACHE_LINE = 64,
    ROW_LINES = 4, /* of a row, that are fetched ahead */
};

/* What an entry keeps of its entity. */
enum kind { KIND_ROW, KIND_EDGES };

#define KIND_BIT UINT32_C(0x80000000)

struct entry {
    _Atomic(struct entry *) next; /* of its bucket */
    uint32_t hash; /* the upper half, which chooses the bucket; its first bit is the kind */
    uint32_t table_id;
    _Alignas(uint64_t) char kept[]; /* a struct hot_row or struct edges */
};

struct table {
    size_t mask; /* buckets - 1 */
    _Atomic(struct entry *) buckets[];
};

struct shard {
    _Alignas(CACHE_LINE) pthread_mutex_t lock; /* guards changes of all below */
    size_t hand;                               /* the bucket that the clock looks at next */
    size_t bytes;                              /* of entries and table */
    size_t counts[KIND_EDGES + 1];             /* of entries, by kind */
    uint64_t evictions_total;
    _Alignas(CACHE_LINE) _Atomic(struct table *) table; /* owned, as all entries */
    _Atomic uint64_t stripes[STRIPES];
};

struct counter_slot {
    _Alignas(CACHE_LINE) _Atomic uint64_t hits_total;
    _Atomic uint64_t misses_total;
    _Atomic uint64_t edge_hits_total;
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

/* The lower half of a hash chooses shard and stripe, the upper half the bucket: one for both kinds.
 */
static uint64_t hash_of(const struct hot *hot, uint32_t table_id, struct bytes entity)
{
    return XXH3_64bits_withSeed(entity.data, entity.size, hot->seed ^ table_id);
}

static uint32_t hash_upper(uint64_t hash, enum kind kind)
{
    return (uint32_t)(hash >> 32 & ~KIND_BIT) | (kind == KIND_EDGES ? KIND_BIT : 0);
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
    return &table->buckets[hash_upper(hash, KIND_ROW) & table->mask];
}

static struct entry *load(_Atomic(struct entry *) *place)
{
    return atomic_load_explicit(place, memory_order_acquire);
}

static struct hot_row *row_of(struct entry *entry)
{
    return (struct hot_row *)(void *)entry->kept;
}

static struct edges *edges_of(struct entry *entry)
{
    return (struct edges *)(void *)entry->kept;
}

static enum kind kind_of(const struct entry *entry)
{
    return entry->hash & KIND_BIT ? KIND_EDGES : KIND_ROW;
}

static struct bytes entity_of(struct entry *entry)
{
    return kind_of(entry) == KIND_ROW ? hot_row_entity(row_of(entry))
                                      : edges_entity(edges_of(entry));
}

static _Atomic bool *is_used_of(struct entry *entry)
{
    return kind_of(entry) == KIND_ROW ? &row_of(entry)->is_used : &edges_of(entry)->is_used;
}

/* What an entry is known by. */
struct name {
    uint64_t hash;
    enum kind kind;
    uint32_t table_id;
    struct bytes entity;
};

static struct name name_of(const struct hot *hot, enum kind kind, uint32_t table_id,
                           struct bytes entity)
{
    return (struct name){.hash = hash_of(hot, table_id, entity),
                         .kind = kind,
                         .table_id = table_id,
                         .entity = entity};
}

static bool entry_is(struct entry *entry, const struct name *name)
{
    return entry->hash == hash_upper(name->hash, name->kind) && entry->table_id == name->table_id &&
           bytes_equal(entity_of(entry), name->entity);
}

/* The entry, as who reads finds it without the lock. */
static struct entry *look_up(struct hot *hot, const struct name *name)
{
    struct entry *entry = load(bucket_of(shard_of(hot, name->hash), name->hash));
    for (size_t i = 0; entry != NULL && i < WALK_MAX; i++) {
        if (entry_is(entry, name))
            return entry;
        entry = load(&entry->next);
    }
    return NULL;
}

static void note_use(struct entry *entry)
{
    _Atomic bool *is_used = is_used_of(entry);
    if (!atomic_load_explicit(is_used, memory_order_relaxed))
        atomic_store_explicit(is_used, true, memory_order_relaxed);
}

static bool row_is_stale(struct entry *entry)
{
    return atomic_load_explicit(&row_of(entry)->is_stale, memory_order_acquire);
}

const struct hot_row *hot_find(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    return hot_find_at(hot, hash_of(hot, table_id, entity), table_id, entity);
}

const struct hot_row *hot_find_at(struct hot *hot, uint64_t place, uint32_t table_id,
                                  struct bytes entity)
{
    const struct name name = {
        .hash = place, .kind = KIND_ROW, .table_id = table_id, .entity = entity};
    struct entry *entry = look_up(hot, &name);
    if (entry == NULL || row_is_stale(entry))
        return NULL;
    note_use(entry);
    return row_of(entry);
}

const struct edges *hot_find_edges(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    const struct name name = name_of(hot, KIND_EDGES, table_id, entity);
    struct entry *entry = look_up(hot, &name);
    if (entry == NULL)
        return NULL;
    note_use(entry);
    return edges_of(entry);
}

bool hot_wants_edges(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    struct name name = name_of(hot, KIND_ROW, table_id, entity);
    struct entry *entry = look_up(hot, &name);
    if (entry != NULL && row_is_stale(entry))
        return true;
    name.kind = KIND_EDGES; /* there are some, which did not do */
    return look_up(hot, &name) != NULL;
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

/* Where the pointer to the entry is, or would be; *steps: entries before it. */
static _Atomic(struct entry *) *find_place(struct shard *shard, const struct name *name,
                                           size_t *steps)
{
    _Atomic(struct entry *) *place = bucket_of(shard, name->hash);
    struct entry *entry;
    for (*steps = 0; (entry = load(place)) != NULL; ++*steps) {
        if (entry_is(entry, name))
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
    shard->counts[kind_of(entry)]--;
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
        _Atomic bool *is_used = is_used_of(entry);
        if (*looks < LOOKS_MAX && atomic_load_explicit(is_used, memory_order_relaxed)) {
            atomic_store_explicit(is_used, false, memory_order_relaxed);
            ++*looks;
            place = &entry->next;
            continue;
        }
        drop(hot, shard, place);
        shard->evictions_total++;
    }
}

static size_t entries_count(const struct shard *shard)
{
    return shard->counts[KIND_ROW] + shard->counts[KIND_EDGES];
}

/* Drops entries until `needed` more bytes fit. */
static void make_room(struct hot *hot, struct shard *shard, size_t needed)
{
    size_t looks = 0;
    while (shard->bytes + needed > hot->bytes_max && entries_count(shard) > 0)
        sweep_bucket(hot, shard, &looks);
}

/* Twice as many buckets. Whoever walks a chain meanwhile comes out in another, and may miss. */
static void grow(struct hot *hot, struct shard *shard)
{
    struct table *old = atomic_load_explicit(&shard->table, memory_order_relaxed);
    size_t buckets = (old->mask + 1) * 2;
    size_t more_bytes = table_bytes(buckets) - table_bytes(old->mask + 1);
    if (shard->bytes + more_bytes > hot->bytes_max || buckets > KIND_BIT)
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

/* Links the entry in place of the old one of that name; false: there is no room. */
static bool shard_put(struct hot *hot, struct shard *shard, const struct name *name,
                      struct entry *entry)
{
    size_t bytes = malloc_usable_size(entry);
    size_t steps;
    _Atomic(struct entry *) *old = find_place(shard, name, &steps);
    if (load(old) != NULL)
        drop(hot, shard, old);
    else if (steps >= CHAIN_MAX)
        return false;
    make_room(hot, shard, bytes);
    if (shard->bytes + bytes > hot->bytes_max)
        return false;
    shard->counts[name->kind]++;
    shard->bytes += bytes;
    if (entries_count(shard) > atomic_load_explicit(&shard->table, memory_order_relaxed)->mask)
        grow(hot, shard);
    _Atomic(struct entry *) *bucket = bucket_of(shard, name->hash);
    store(&entry->next, load(bucket));
    store(bucket, entry);
    return true;
}

/* ---- keeping ---- */

/* An entry with room for what is kept; NULL: that is too large for the memory there is. */
static struct entry *entry_create(const struct hot *hot, const struct name *name, size_t kept_size)
{
    size_t size = offsetof(struct entry, kept) + kept_size;
    if (size > hot->bytes_max / ENTRY_PART)
        return NULL;
    struct entry *entry = malloc(size);
    CHECK(entry != NULL);
    entry->hash = hash_upper(name->hash, name->kind);
    entry->table_id = name->table_id;
    return entry;
}

static void keep(struct hot *hot, const struct name *name, uint64_t ticket, struct entry *entry)
{
    struct shard *shard = shard_of(hot, name->hash);
    pthread_mutex_lock(&shard->lock);
    _Atomic uint64_t *stripe = stripe_of(shard, name->hash);
    bool is_kept = atomic_load_explicit(stripe, memory_order_relaxed) == ticket &&
                   shard_put(hot, shard, name, entry);
    pthread_mutex_unlock(&shard->lock);
    if (!is_kept)
        free(entry);
}

void hot_keep(struct hot *hot, uint32_t table_id, struct bytes entity, uint64_t ticket,
              const struct hot_draft *draft)
{
    const struct name name = name_of(hot, KIND_ROW, table_id, entity);
    struct entry *entry = entry_create(hot, &name, hot_row_size(entity, draft));
    if (entry == NULL)
        return;
    hot_row_pack(row_of(entry), entity, draft);
    atomic_init(&row_of(entry)->is_used, true); /* so that the hand spares it once */
    atomic_init(&row_of(entry)->is_stale, false);
    keep(hot, &name, ticket, entry);
}

static struct entry *edges_entry(const struct hot *hot, const struct name *name,
                                 const struct edges_draft *draft, bool is_used)
{
    struct entry *entry = entry_create(hot, name, edges_size(name->entity, draft));
    if (entry == NULL)
        return NULL;
    edges_pack(edges_of(entry), name->entity, draft);
    atomic_init(&edges_of(entry)->is_used, is_used);
    return entry;
}

void hot_keep_edges(struct hot *hot, uint32_t table_id, struct bytes entity, uint64_t ticket,
                    const struct edges_draft *draft)
{
    const struct name name = name_of(hot, KIND_EDGES, table_id, entity);
    struct entry *entry = edges_entry(hot, &name, draft, true);
    if (entry != NULL)
        keep(hot, &name, ticket, entry);
}

/* ---- writing and forgetting ---- */

static void void_tickets(struct shard *shard, uint64_t hash)
{
    atomic_fetch_add_explicit(stripe_of(shard, hash), 1, memory_order_release);
}

/* New edges are as much in use as the old ones: a write is no read. */
static void add_to_edges(struct hot *hot, struct shard *shard, const struct name *name,
                         const struct timeline_event *events, size_t count)
{
    size_t steps;
    struct edges_draft draft;
    struct entry *newer = NULL;
    _Atomic(struct entry *) *place = find_place(shard, name, &steps);
    struct entry *old = load(place);
    if (old == NULL)
        return;
    bool is_used = atomic_load_explicit(is_used_of(old), memory_order_relaxed);
    if (edges_merge(edges_of(old), events, count, &draft))
        newer = edges_entry(hot, name, &draft, is_used);
    if (newer == NULL)
        drop(hot, shard, place);
    else if (!shard_put(hot, shard, name, newer))
        free(newer);
}

/* The row stays until it is replaced or evicted: it tells that the entity is read, too. */
static void make_row_stale(struct shard *shard, const struct name *name)
{
    size_t steps;
    struct entry *entry = load(find_place(shard, name, &steps));
    if (entry == NULL || row_is_stale(entry))
        return;
    atomic_store_explicit(&row_of(entry)->is_stale, true, memory_order_release);
    atomic_store_explicit(&row_of(entry)->is_used, false, memory_order_relaxed);
}

/* Change first, then count: see hot.h. */
void hot_write(struct hot *hot, uint32_t table_id, struct bytes entity,
               const struct timeline_event *events, size_t count)
{
    if (hot->bytes_max == 0)
        return;
    struct name name = name_of(hot, KIND_ROW, table_id, entity);
    struct shard *shard = shard_of(hot, name.hash);
    pthread_mutex_lock(&shard->lock);
    make_row_stale(shard, &name);
    name.kind = KIND_EDGES;
    add_to_edges(hot, shard, &name, events, count);
    void_tickets(shard, name.hash);
    pthread_mutex_unlock(&shard->lock);
}

static void drop_named(struct hot *hot, struct shard *shard, const struct name *name)
{
    size_t steps;
    _Atomic(struct entry *) *place = find_place(shard, name, &steps);
    if (load(place) != NULL)
        drop(hot, shard, place);
}

void hot_forget(struct hot *hot, uint32_t table_id, struct bytes entity)
{
    if (hot->bytes_max == 0)
        return;
    struct name name = name_of(hot, KIND_ROW, table_id, entity);
    struct shard *shard = shard_of(hot, name.hash);
    pthread_mutex_lock(&shard->lock);
    drop_named(hot, shard, &name);
    name.kind = KIND_EDGES;
    drop_named(hot, shard, &name);
    void_tickets(shard, name.hash);
    pthread_mutex_unlock(&shard->lock);
}

static void void_all_tickets(struct shard *shard)
{
    for (size_t i = 0; i < STRIPES; i++)
        atomic_fetch_add_explicit(&shard->stripes[i], 1, memory_order_release);
}

static void shard_forget_all(struct hot *hot, struct shard *shard)
{
    struct table *table = atomic_load_explicit(&shard->table, memory_order_relaxed);
    for (size_t i = 0; i <= table->mask; i++)
        while (load(&table->buckets[i]) != NULL)
            drop(hot, shard, &table->buckets[i]);
    void_all_tickets(shard);
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
    void_all_tickets(shard);
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

void hot_count(struct hot *hot, uint64_t hits, uint64_t misses, uint64_t edge_hits)
{
    struct counter_slot *slot = own_slot(hot);
    if (hits > 0)
        atomic_fetch_add_explicit(&slot->hits_total, hits, memory_order_relaxed);
    if (misses > 0)
        atomic_fetch_add_explicit(&slot->misses_total, misses, memory_order_relaxed);
    if (edge_hits > 0)
        atomic_fetch_add_explicit(&slot->edge_hits_total, edge_hits, memory_order_relaxed);
}

struct hot_counters hot_counters(struct hot *hot)
{
    struct hot_counters sum = {0};
    for (size_t i = 0; i < COUNTER_SLOTS; i++) {
        sum.hits_total += atomic_load_explicit(&hot->slots[i].hits_total, memory_order_relaxed);
        sum.misses_total += atomic_load_explicit(&hot->slots[i].misses_total, memory_order_relaxed);
        sum.edge_hits_total +=
            atomic_load_explicit(&hot->slots[i].edge_hits_total, memory_order_relaxed);
    }
    for (size_t i = 0; i < hot->shards_count; i++) {
        struct shard *shard = &hot->shards[i];
        pthread_mutex_lock(&shard->lock);
        sum.evictions_total += shard->evictions_total;
        sum.rows += shard->counts[KIND_ROW];
        sum.edges += shard->counts[KIND_EDGES];
        sum.bytes += shard->bytes;
        pthread_mutex_unlock(&shard->lock);
    }
    return sum;
}
