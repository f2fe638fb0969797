#include "storage/partials.h"

#include <pthread.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "base/endian.h"
#include "storage/range.h"

enum {
    SLOTS_COUNT = 16 * 1024,
    TABLES_MAX = 1024 * 1024, /* tables beyond have no partials */
    WANTS_MAX = 256,
    FIRST_EVENTS = 4096, /* of an entity, before it is given partials unasked */
    GROWTH_EVENTS = 512, /* of one that has some, before it is given more */
    SEAL_ROW_SIZE = 10,
    ALL_LEVELS = (1 << CHUNK_LEVELS) - 1,
};

/* Wanted ranges of an entity are one where so little lies between them. */
#define WANTS_JOIN_US (60 * US_PER_SECOND)

/* Events that come so much later than others are waited for. */
#define LATENESS_MAX_US (10 * US_PER_MINUTE)

/* Of a table. */
struct seal {
    bool is_loaded;
    int64_t stored_us; /* the latest end of a chunk with a partial when the table was first used, */
    int64_t ends_us;   /* and now */
    uint32_t levels;   /* of all partials that there were, as bits */
};

/* Of the entities with a hash. */
struct partials_slot {
    int64_t
        sealed_us; /* the latest end of a chunk of them that was given a partial since the start */
    int64_t lateness_us; /* how far behind that an event came */
    uint32_t events;     /* since partials were wanted last */
};

struct want {
    uint32_t table_id;
    struct buffer entity; /* owned */
    int64_t from_us;
    int64_t to_us;
};

struct partials {
    struct seal *seals; /* owned; by table id */
    size_t seals_count;
    struct partials_slot *slots; /* owned: SLOTS_COUNT of them */
    pthread_mutex_t lock;
    struct want wants[WANTS_MAX]; /* guarded by lock, as what follows; a ring */
    size_t wants_first;
    size_t wants_count;
};

struct partials *partials_create(void)
{
    struct partials *partials = calloc(1, sizeof(*partials));
    CHECK(partials != NULL && pthread_mutex_init(&partials->lock, NULL) == 0);
    partials->slots = calloc(SLOTS_COUNT, sizeof(*partials->slots));
    CHECK(partials->slots != NULL);
    for (size_t i = 0; i < SLOTS_COUNT; i++)
        partials->slots[i].sealed_us = INT64_MIN;
    return partials;
}

void partials_destroy(struct partials **partials)
{
    if (*partials == NULL)
        return;
    for (size_t i = 0; i < WANTS_MAX; i++)
        buffer_fini(&(*partials)->wants[i].entity);
    pthread_mutex_destroy(&(*partials)->lock);
    free((*partials)->seals);
    free((*partials)->slots);
    free(*partials);
    *partials = NULL;
}

/* ---- seals ---- */

static struct bytes seal_key(struct arena *arena, uint32_t table_id)
{
    return arena_format(arena, "seal/%u", table_id);
}

/* What can't be read is as if there were all. */
static void seal_load(struct storage *storage, uint32_t table_id, struct seal *seal)
{
    struct bytes row;
    struct arena *arena = arena_create(256);
    enum status status = storage_get_row(storage, seal_key(arena, table_id), arena, &row, NULL);
    *seal = (struct seal){.is_loaded = true, .stored_us = INT64_MAX, .levels = ALL_LEVELS};
    if (status == STATUS_NOT_FOUND)
        *seal = (struct seal){.is_loaded = true, .stored_us = INT64_MIN};
    if (status == STATUS_OK && row.size == SEAL_ROW_SIZE) {
        seal->stored_us = be64_read_signed(row.data);
        seal->levels = (uint32_t)(unsigned char)row.data[TIME_SIZE] << 8 |
                       (unsigned char)row.data[TIME_SIZE + 1];
    }
    seal->ends_us = seal->stored_us;
    arena_destroy(&arena);
}

static struct seal *seal_of(struct storage *storage, uint32_t table_id)
{
    struct partials *partials = storage_partials(storage);
    CHECK(table_id < TABLES_MAX);
    if (table_id >= partials->seals_count) {
        size_t count = 2 * ((size_t)table_id + 1);
        partials->seals = reallocarray(partials->seals, count, sizeof(*partials->seals));
        CHECK(partials->seals != NULL);
        memset(partials->seals + partials->seals_count, 0,
               (count - partials->seals_count) * sizeof(*partials->seals));
        partials->seals_count = count;
    }
    struct seal *seal = &partials->seals[table_id];
    if (!seal->is_loaded)
        seal_load(storage, table_id, seal);
    return seal;
}

uint32_t partials_levels(struct storage *storage, uint32_t table_id)
{
    return table_id < TABLES_MAX ? seal_of(storage, table_id)->levels : 0;
}

static struct partials_slot *slot_of(struct partials *partials, uint32_t table_id,
                                     struct bytes entity)
{
    uint64_t hash = XXH3_64bits_withSeed(entity.data, entity.size, table_id);
    return &partials->slots[hash % SLOTS_COUNT];
}

uint32_t partials_note_event(struct storage *storage, uint32_t table_id, struct bytes entity,
                             int64_t time_us)
{
    if (table_id >= TABLES_MAX)
        return 0;
    struct partials *partials = storage_partials(storage);
    const struct seal *seal = seal_of(storage, table_id);
    struct partials_slot *slot = slot_of(partials, table_id, entity);
    if (++slot->events >= (slot->sealed_us == INT64_MIN ? FIRST_EVENTS : GROWTH_EVENTS)) {
        slot->events = 0;
        storage_want_partials(storage, table_id, entity, PARTIALS_GROWTH, PARTIALS_GROWTH);
    }
    bool is_late = time_us < slot->sealed_us;
    if (!is_late && time_us >= seal->stored_us)
        return 0;
    if (is_late && slot->sealed_us - time_us > slot->lateness_us)
        slot->lateness_us = slot->sealed_us - time_us;
    storage_want_partials(storage, table_id, entity, time_us, time_us);
    return seal->levels;
}

int64_t storage_partials_grace_us(struct storage *storage, uint32_t table_id, struct bytes entity)
{
    struct partials_slot *slot = slot_of(storage_partials(storage), table_id, entity);
    int64_t lateness_us = slot->lateness_us;
    slot->lateness_us /= 2;
    return lateness_us < LATENESS_MAX_US ? lateness_us : LATENESS_MAX_US;
}

void batch_put_partial(struct batch *batch, struct storage *storage, uint32_t table_id,
                       struct bytes entity, const struct timeline_chunk *chunk)
{
    char row[SEAL_ROW_SIZE];
    if (table_id >= TABLES_MAX)
        return;
    struct seal *seal = seal_of(storage, table_id);
    struct partials_slot *slot = slot_of(storage_partials(storage), table_id, entity);
    batch_put_partial_row(batch, storage, table_id, entity, chunk);
    if (chunk->end_us > slot->sealed_us)
        slot->sealed_us = chunk->end_us;
    if (chunk->end_us <= seal->ends_us && (seal->levels >> chunk->level & 1))
        return;
    if (chunk->end_us > seal->ends_us)
        seal->ends_us = chunk->end_us;
    seal->levels |= UINT32_C(1) << chunk->level;
    be64_write_signed(row, seal->ends_us);
    row[TIME_SIZE] = (char)(seal->levels >> 8);
    row[TIME_SIZE + 1] = (char)seal->levels;
    struct arena *arena = arena_create(256);
    batch_put_row(batch, storage, seal_key(arena, table_id), bytes_of(row, sizeof(row)));
    arena_destroy(&arena);
}

/* ---- wants ---- */

static struct want *want_at(struct partials *partials, size_t i)
{
    return &partials->wants[(partials->wants_first + i) % WANTS_MAX];
}

/* Whether one range can stand for both. Growth is a range of its own. */
static bool ranges_join(const struct want *want, int64_t from_us, int64_t to_us)
{
    if (from_us == PARTIALS_GROWTH || want->from_us == PARTIALS_GROWTH)
        return from_us == want->from_us;
    return from_us <= want->to_us + WANTS_JOIN_US && to_us >= want->from_us - WANTS_JOIN_US;
}

static bool join_want(struct partials *partials, uint32_t table_id, struct bytes entity,
                      int64_t from_us, int64_t to_us)
{
    for (size_t i = 0; i < partials->wants_count; i++) {
        struct want *want = want_at(partials, i);
        if (want->table_id != table_id || !bytes_equal(buffer_bytes(&want->entity), entity) ||
            !ranges_join(want, from_us, to_us))
            continue;
        want->from_us = from_us < want->from_us ? from_us : want->from_us;
        want->to_us = to_us > want->to_us ? to_us : want->to_us;
        return true;
    }
    return false;
}

void storage_want_partials(struct storage *storage, uint32_t table_id, struct bytes entity,
                           int64_t from_us, int64_t to_us)
{
    struct partials *partials = storage_partials(storage);
    pthread_mutex_lock(&partials->lock);
    if (!join_want(partials, table_id, entity, from_us, to_us) &&
        partials->wants_count < WANTS_MAX) {
        struct want *want = want_at(partials, partials->wants_count++);
        want->table_id = table_id;
        want->from_us = from_us;
        want->to_us = to_us;
        want->entity.size = 0;
        buffer_append(&want->entity, entity);
    }
    pthread_mutex_unlock(&partials->lock);
}

bool storage_take_want(struct storage *storage, struct partials_want *out)
{
    struct partials *partials = storage_partials(storage);
    pthread_mutex_lock(&partials->lock);
    bool is_there = partials->wants_count > 0;
    if (is_there) {
        const struct want *want = want_at(partials, 0);
        out->table_id = want->table_id;
        out->from_us = want->from_us;
        out->to_us = want->to_us;
        out->entity.size = 0;
        buffer_append(&out->entity, buffer_bytes(&want->entity));
        partials->wants_first = (partials->wants_first + 1) % WANTS_MAX;
        partials->wants_count--;
    }
    pthread_mutex_unlock(&partials->lock);
    return is_there;
}
