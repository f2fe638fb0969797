/* Events are collected by entity, each in blocks of its own: files of history are sorted by time,
 * so that for most entities there is nothing left to sort, and what is written behind each other
 * lies behind each other. */
#include "storage/event_sort.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/map.h"
#include "storage/event_files.h"
#include "storage/event_runs.h"

enum {
    INGEST_FILES_MAX = 4, /* of one call */
    MEMORY_CHUNK_SIZE = 256 * 1024,
    ENTITIES_CAPACITY_MIN = 1024,
    ENTITY_COST = 64, /* bytes about, in the map and the list of entities */
    BLOCK_SIZE_MIN = 64,
    BLOCK_SIZE_MAX = 4096, /* but of larger events */
};

/* identity and row stand behind it. */
struct stored_event {
    int64_t time_us;
    uint32_t identity_size;
    uint32_t row_size;
};

/* Some events of an entity, in the order in which they came. */
struct block {
    struct block *next;
    uint32_t used; /* of bytes; of the last block: see the entity */
    uint32_t size;
    _Alignas(struct stored_event) char bytes[];
};

/* What each event asks for stands first, beside the name: most of the time goes to memory that is
 * far. */
struct entity {
    int64_t newest_us; /* of the event that came last */
    char *room;        /* of the last block: where its next event goes */
    uint32_t room_size;
    bool is_sorted; /* events came in the order of their keys, no two with the same */
    const struct stored_event *newest; /* that came last; NULL: none came */
    struct block *first, *last;        /* NULL: there is none */
    size_t count;                      /* of its events */
    struct bytes name;
};

struct event_sort {
    struct storage *storage; /* borrowed */
    uint32_t table_id;
    size_t memory_bytes;
    char *prefix; /* owned: of paths */
    struct event_runs runs;
    struct event_files files;
    size_t ingested_count; /* of the files */
    bool is_finished;
    /* What was added and is in no run. */
    struct arena *memory;     /* owned: entities, names, blocks */
    struct map *map;          /* owned: name -> struct entity */
    struct entity **entities; /* owned, the structs in memory */
    size_t entities_count;
    size_t entities_capacity;
};

struct event_sort *event_sort_create(struct storage *storage,
                                     const struct event_sort_options *options)
{
    struct event_sort *sort = calloc(1, sizeof(*sort));
    CHECK(sort != NULL);
    CHECK(asprintf(&sort->prefix, "%s/%s", options->directory, options->name) > 0);
    sort->storage = storage;
    sort->table_id = options->table_id;
    sort->memory_bytes = options->memory_bytes;
    sort->runs.prefix = bytes_of_text(sort->prefix);
    event_files_init(&sort->files, storage, options->table_id, bytes_of_text(sort->prefix));
    sort->memory = arena_create(MEMORY_CHUNK_SIZE);
    sort->map = map_create();
    return sort;
}

void event_sort_destroy(struct event_sort **out)
{
    struct event_sort *sort = *out;
    if (sort == NULL)
        return;
    event_runs_fini(&sort->runs);
    event_files_fini(&sort->files);
    arena_destroy(&sort->memory);
    map_destroy(&sort->map);
    free(sort->entities);
    free(sort->prefix);
    free(sort);
    *out = NULL;
}

/* ---- collecting ---- */

static struct entity *add_entity(struct event_sort *sort, struct bytes name)
{
    struct bytes copy = arena_copy(sort->memory, name);
    struct entity *entity = ARENA_NEW(sort->memory, struct entity);
    entity->name = copy;
    entity->is_sorted = true;
    CHECK(map_put(sort->map, entity->name, entity));
    if (sort->entities_count == sort->entities_capacity) {
        sort->entities_capacity = 2 * sort->entities_capacity + ENTITIES_CAPACITY_MIN;
        sort->entities =
            reallocarray(sort->entities, sort->entities_capacity, sizeof(*sort->entities));
        CHECK(sort->entities != NULL);
    }
    sort->entities[sort->entities_count++] = entity;
    return entity;
}

static size_t aligned_size(size_t size)
{
    return (size + sizeof(int64_t) - 1) & ~(sizeof(int64_t) - 1);
}

/* Ends the entity's last block. */
static void end_block(struct entity *entity)
{
    if (entity->last != NULL)
        entity->last->used = entity->last->size - entity->room_size;
}

/* Begins a block with room for so much; it is twice as large as the one before it. */
static void add_block(struct event_sort *sort, struct entity *entity, size_t size)
{
    size_t wanted = entity->last == NULL ? BLOCK_SIZE_MIN : 2 * (size_t)entity->last->size;
    if (wanted > BLOCK_SIZE_MAX)
        wanted = BLOCK_SIZE_MAX;
    if (wanted < size)
        wanted = size;
    CHECK(wanted <= UINT32_MAX);
    struct block *block = arena_allocate(sort->memory, sizeof(*block) + wanted);
    *block = (struct block){.size = (uint32_t)wanted};
    end_block(entity);
    *(entity->last == NULL ? &entity->first : &entity->last->next) = block;
    entity->last = block;
    entity->room = block->bytes;
    entity->room_size = block->size;
}

/* Room for an event of the entity. */
static struct stored_event *find_room(struct event_sort *sort, struct entity *entity, size_t size)
{
    size_t aligned = aligned_size(size);
    if (entity->room_size < aligned)
        add_block(sort, entity, aligned);
    char *room = entity->room;
    entity->room += aligned;
    entity->room_size -= (uint32_t)aligned;
    return (struct stored_event *)(void *)room;
}

static struct bytes identity_of(const struct stored_event *event)
{
    return bytes_of((const char *)(event + 1), event->identity_size);
}

static const struct stored_event *event_after(const struct stored_event *event)
{
    size_t size = sizeof(*event) + event->identity_size + event->row_size;
    return (const struct stored_event *)(const void *)((const char *)event + aligned_size(size));
}

static int compare_events(const struct stored_event *a, const struct stored_event *b)
{
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    return bytes_compare(identity_of(a), identity_of(b));
}

static void add(struct event_sort *sort, struct bytes name, int64_t time_us, struct bytes identity,
                struct bytes row)
{
    struct entity *entity = map_get(sort->map, name);
    if (entity == NULL)
        entity = add_entity(sort, name);
    struct stored_event *event = find_room(sort, entity, sizeof(*event) + identity.size + row.size);
    *event = (struct stored_event){.time_us = time_us,
                                   .identity_size = (uint32_t)identity.size,
                                   .row_size = (uint32_t)row.size};
    char *bytes = (char *)(event + 1);
    if (identity.size > 0)
        memcpy(bytes, identity.data, identity.size);
    if (row.size > 0)
        memcpy(bytes + identity.size, row.data, row.size);
    bool is_first = entity->newest == NULL;
    if (!is_first && time_us <= entity->newest_us && compare_events(entity->newest, event) >= 0)
        entity->is_sorted = false;
    entity->newest = event;
    entity->newest_us = time_us;
    entity->count++;
}

static void forget_collected(struct event_sort *sort)
{
    map_destroy(&sort->map);
    sort->map = map_create();
    arena_reset(sort->memory);
    sort->entities_count = 0;
}

/* ---- sorting ---- */

/* An event and its place in the order of arrival. */
struct arrived_event {
    const struct stored_event *event;
    size_t number;
};

/* Of two with the same key the one that came last comes first, and counts. */
static int compare_arrived(const void *left, const void *right)
{
    const struct arrived_event *a = left;
    const struct arrived_event *b = right;
    int order = compare_events(a->event, b->event);
    return order != 0 ? order : (a->number < b->number) - (a->number > b->number);
}

static enum status put_event(struct event_sort *sort, const struct entity *entity,
                             const struct stored_event *event, bool is_run, struct error *err)
{
    struct bytes identity = identity_of(event);
    const struct sorted_event sorted = {
        .entity = entity->name,
        .time_us = event->time_us,
        .identity = identity,
        .row = bytes_of(identity.data + identity.size, event->row_size)};
    return is_run ? event_runs_put(&sort->runs, &sorted, err)
                  : event_files_put(&sort->files, &sorted, err);
}

/* Puts the events as they came. */
static enum status put_sorted(struct event_sort *sort, const struct entity *entity, bool is_run,
                              struct error *err)
{
    enum status status = STATUS_OK;
    for (const struct block *block = entity->first; block != NULL; block = block->next) {
        const struct stored_event *it = (const struct stored_event *)(const void *)block->bytes;
        if (block->next != NULL)
            __builtin_prefetch(block->next->bytes);
        while ((const char *)it < block->bytes + block->used && status == STATUS_OK) {
            status = put_event(sort, entity, it, is_run, err);
            it = event_after(it);
        }
    }
    return status;
}

static enum status put_unsorted(struct event_sort *sort, const struct entity *entity, bool is_run,
                                struct error *err)
{
    size_t count = 0;
    enum status status = STATUS_OK;
    struct arrived_event *events = reallocarray(NULL, entity->count, sizeof(*events));
    CHECK(events != NULL);
    for (const struct block *block = entity->first; block != NULL; block = block->next)
        for (const struct stored_event *it = (const void *)block->bytes;
             (const char *)it < block->bytes + block->used; it = event_after(it)) {
            events[count] = (struct arrived_event){.event = it, .number = count};
            count++;
        }
    CHECK(count == entity->count);
    qsort(events, count, sizeof(*events), compare_arrived);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = put_event(sort, entity, events[i].event, is_run, err);
    free(events);
    return status;
}

/* An entity and eight bytes of its name: behind those that all names begin with. */
struct named_entity {
    uint64_t head;
    struct entity *entity;
};

static int compare_entities(const void *left, const void *right)
{
    const struct named_entity *a = left;
    const struct named_entity *b = right;
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    return bytes_compare(a->entity->name, b->entity->name);
}

static size_t common_size(struct bytes a, struct bytes b)
{
    size_t size = 0;
    while (size < a.size && size < b.size && a.data[size] == b.data[size])
        size++;
    return size;
}

static struct named_entity *entities_by_name(const struct event_sort *sort)
{
    struct named_entity *named = calloc(sort->entities_count + 1, sizeof(*named));
    CHECK(named != NULL);
    size_t common = sort->entities_count == 0 ? 0 : sort->entities[0]->name.size;
    for (size_t i = 1; i < sort->entities_count; i++) {
        struct bytes first = bytes_of(sort->entities[0]->name.data, common);
        common = common_size(first, sort->entities[i]->name);
    }
    for (size_t i = 0; i < sort->entities_count; i++) {
        uint64_t head = 0;
        struct bytes rest = bytes_after(sort->entities[i]->name, common);
        if (rest.size > 0)
            memcpy(&head, rest.data, rest.size < sizeof(head) ? rest.size : sizeof(head));
        named[i] = (struct named_entity){.head = be64toh(head), .entity = sort->entities[i]};
    }
    qsort(named, sort->entities_count, sizeof(*named), compare_entities);
    return named;
}

/* Gives what was collected, in order, to the run that is open or to the files. */
static enum status put_collected(struct event_sort *sort, bool is_run, struct error *err)
{
    enum status status = STATUS_OK;
    struct named_entity *named = entities_by_name(sort);
    for (size_t i = 0; i < sort->entities_count && status == STATUS_OK; i++) {
        struct entity *entity = named[i].entity;
        end_block(entity);
        status = entity->is_sorted ? put_sorted(sort, entity, is_run, err)
                                   : put_unsorted(sort, entity, is_run, err);
    }
    free(named);
    return status;
}

static enum status write_run(struct event_sort *sort, struct error *err)
{
    enum status status = event_runs_begin(&sort->runs, err);
    if (status == STATUS_OK)
        status = put_collected(sort, true, err);
    if (status == STATUS_OK)
        status = event_runs_end(&sort->runs, err);
    forget_collected(sort);
    return status;
}

/* ---- the door ---- */

enum status event_sort_add(struct event_sort *sort, struct bytes entity, int64_t time_us,
                           struct bytes identity, struct bytes row, struct error *err)
{
    CHECK(!sort->is_finished);
    add(sort, entity, time_us, identity, row);
    size_t size = arena_used_bytes(sort->memory) + sort->entities_count * ENTITY_COST;
    bool is_full = size >= sort->memory_bytes;
    return is_full ? write_run(sort, err) : STATUS_OK;
}

enum status event_sort_finish(struct event_sort *sort, struct error *err)
{
    enum status status = STATUS_OK;
    CHECK(!sort->is_finished);
    sort->is_finished = true;
    if (sort->runs.count > 0 && sort->entities_count > 0)
        status = write_run(sort, err);
    else
        status = put_collected(sort, false, err);
    if (status == STATUS_OK && sort->runs.count > 0)
        status = event_runs_merge(&sort->runs, &sort->files, err);
    if (status == STATUS_OK)
        status = event_files_finish(&sort->files, err);
    forget_collected(sort);
    event_runs_fini(&sort->runs);
    return status;
}

enum status event_sort_ingest(struct event_sort *sort, struct error *err)
{
    struct event_files *files = &sort->files;
    CHECK(sort->is_finished);
    size_t count = files->paths_count - sort->ingested_count;
    if (count > INGEST_FILES_MAX)
        count = INGEST_FILES_MAX;
    if (count == 0)
        return STATUS_OK;
    if (!storage_can_ingest(sort->storage))
        return STATUS_AGAIN;
    char **paths = files->paths + sort->ingested_count;
    enum status status =
        storage_ingest(sort->storage, sort->table_id, (const char *const *)paths, count, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        free(paths[i]);
        paths[i] = NULL;
    }
    sort->ingested_count += count;
    return sort->ingested_count == files->paths_count ? STATUS_OK : STATUS_AGAIN;
}
