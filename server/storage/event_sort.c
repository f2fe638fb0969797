/* Events are collected by entity, and sorted within each: files of history are sorted by time, so
 * that for most entities there is nothing left to do, and entities are fewer than events. */
#include "storage/event_sort.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/map.h"
#include "storage/event_files.h"
#include "storage/event_runs.h"

enum {
    INGEST_FILES_MAX = 4, /* of one call */
    NAMES_CHUNK_SIZE = 64 * 1024,
    EVENTS_CAPACITY_MIN = 1024,
    ENTITY_COST = 128,   /* bytes of memory about, beside its name */
    PREFETCH_EVENTS = 4, /* that lie anywhere in memory, ahead of the one that is written */
};

struct entity {
    struct bytes name; /* in the arena of names */
    size_t count;      /* of its events */
    size_t next;       /* where the next one of them stands in the order, while they are sorted */
};

/* identity and row stand in the bytes, at offset. */
struct event {
    int64_t time_us;
    size_t offset;
    uint32_t entity; /* index */
    uint32_t identity_size;
    uint32_t row_size;
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
    struct arena *names;      /* owned */
    struct map *map;          /* owned: name -> struct entity */
    struct entity **entities; /* owned, the structs in the arena */
    size_t entities_count;
    size_t entities_capacity;
    struct event *events; /* owned */
    size_t events_count;
    size_t events_capacity;
    struct buffer bytes; /* owned */
    size_t names_size;
    struct buffer key; /* owned: scratch */
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
    sort->names = arena_create(NAMES_CHUNK_SIZE);
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
    arena_destroy(&sort->names);
    map_destroy(&sort->map);
    free(sort->entities);
    free(sort->events);
    buffer_fini(&sort->bytes);
    buffer_fini(&sort->key);
    free(sort->prefix);
    free(sort);
    *out = NULL;
}

/* ---- collecting ---- */

static uint32_t find_entity(struct event_sort *sort, struct bytes name)
{
    struct entity *entity = map_get(sort->map, name);
    if (entity == NULL) {
        entity = ARENA_NEW(sort->names, struct entity);
        entity->name = arena_copy(sort->names, name);
        entity->next = sort->entities_count;
        CHECK(map_put(sort->map, entity->name, entity));
        if (sort->entities_count == sort->entities_capacity) {
            sort->entities_capacity = 2 * sort->entities_capacity + EVENTS_CAPACITY_MIN;
            sort->entities =
                reallocarray(sort->entities, sort->entities_capacity, sizeof(*sort->entities));
            CHECK(sort->entities != NULL);
        }
        sort->entities[sort->entities_count++] = entity;
        sort->names_size += name.size + ENTITY_COST;
    }
    entity->count++;
    return (uint32_t)entity->next;
}

static void add(struct event_sort *sort, struct bytes entity, int64_t time_us,
                struct bytes identity, struct bytes row)
{
    if (sort->events_count == sort->events_capacity) {
        sort->events_capacity = 2 * sort->events_capacity + EVENTS_CAPACITY_MIN;
        sort->events = reallocarray(sort->events, sort->events_capacity, sizeof(*sort->events));
        CHECK(sort->events != NULL);
    }
    sort->events[sort->events_count++] = (struct event){.time_us = time_us,
                                                        .offset = sort->bytes.size,
                                                        .entity = find_entity(sort, entity),
                                                        .identity_size = (uint32_t)identity.size,
                                                        .row_size = (uint32_t)row.size};
    buffer_append(&sort->bytes, identity);
    buffer_append(&sort->bytes, row);
}

static void forget_collected(struct event_sort *sort)
{
    map_destroy(&sort->map);
    sort->map = map_create();
    arena_reset(sort->names);
    sort->entities_count = sort->events_count = sort->names_size = 0;
    sort->bytes.start = sort->bytes.size = 0;
}

/* ---- sorting ---- */

static struct bytes identity_of(const struct event_sort *sort, const struct event *event)
{
    return bytes_of(sort->bytes.memory + event->offset, event->identity_size);
}

/* Of two with the same key the one that was added last comes first, and counts. */
static int compare_events(const void *left, const void *right, void *context)
{
    const struct event_sort *sort = context;
    const struct event *a = &sort->events[*(const uint32_t *)left];
    const struct event *b = &sort->events[*(const uint32_t *)right];
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    int order = bytes_compare(identity_of(sort, a), identity_of(sort, b));
    return order != 0 ? order : (a < b) - (a > b);
}

static int compare_entities(const void *left, const void *right)
{
    const struct entity *const *a = left;
    const struct entity *const *b = right;
    return bytes_compare((*a)->name, (*b)->name);
}

/* Puts the indexes of events in the order of entities, those of one in the order in which they
 * came. */
static uint32_t *order_by_entity(struct event_sort *sort, struct entity **by_name)
{
    size_t start = 0;
    uint32_t *order = malloc((sort->events_count + 1) * sizeof(*order));
    CHECK(order != NULL);
    memcpy(by_name, sort->entities, sort->entities_count * sizeof(struct entity *));
    qsort(by_name, sort->entities_count, sizeof(struct entity *), compare_entities);
    for (size_t i = 0; i < sort->entities_count; i++) {
        by_name[i]->next = start;
        start += by_name[i]->count;
    }
    for (size_t i = 0; i < sort->events_count; i++)
        order[sort->entities[sort->events[i].entity]->next++] = (uint32_t)i;
    return order;
}

static void order_by_time(const struct event_sort *sort, uint32_t *order, size_t count)
{
    bool is_sorted = true;
    for (size_t i = 1; i < count && is_sorted; i++)
        is_sorted = compare_events(&order[i - 1], &order[i], (void *)(uintptr_t)sort) < 0;
    if (!is_sorted)
        qsort_r(order, count, sizeof(*order), compare_events, (void *)(uintptr_t)sort);
}

/* Sets the key of the event. */
static struct sorted_event sorted_event_of(struct event_sort *sort, const struct entity *entity,
                                           const struct event *event)
{
    sort->key.start = sort->key.size = 0;
    key_append_prefix(&sort->key, sort->table_id, entity->name, KIND_EVENT);
    key_append_time(&sort->key, event->time_us);
    buffer_append(&sort->key, identity_of(sort, event));
    return (struct sorted_event){
        .key = buffer_bytes(&sort->key),
        .head_size = TABLE_SIZE + entity->name.size,
        .row = bytes_of(sort->bytes.memory + event->offset + event->identity_size, event->row_size),
    };
}

static enum status put_entity(struct event_sort *sort, const struct entity *entity, uint32_t *order,
                              bool is_run, struct error *err)
{
    enum status status = STATUS_OK;
    order_by_time(sort, order, entity->count);
    for (size_t i = 0; i < entity->count && status == STATUS_OK; i++) {
        if (i + PREFETCH_EVENTS < entity->count)
            __builtin_prefetch(sort->bytes.memory +
                               sort->events[order[i + PREFETCH_EVENTS]].offset);
        const struct event *event = &sort->events[order[i]];
        const struct event *before = i == 0 ? NULL : &sort->events[order[i - 1]];
        if (before != NULL && before->time_us == event->time_us &&
            bytes_equal(identity_of(sort, before), identity_of(sort, event)))
            continue;
        const struct sorted_event sorted = sorted_event_of(sort, entity, event);
        status = is_run ? event_runs_put(&sort->runs, &sorted, err)
                        : event_files_put(&sort->files, &sorted, err);
    }
    return status;
}

/* Gives what was collected, in order, to the run that is open or to the files. */
static enum status put_collected(struct event_sort *sort, bool is_run, struct error *err)
{
    size_t first = 0;
    enum status status = STATUS_OK;
    struct entity **by_name = malloc((sort->entities_count + 1) * sizeof(struct entity *));
    CHECK(by_name != NULL);
    uint32_t *order = order_by_entity(sort, by_name);
    for (size_t i = 0; i < sort->entities_count && status == STATUS_OK; i++) {
        status = put_entity(sort, by_name[i], order + first, is_run, err);
        first += by_name[i]->count;
    }
    free(order);
    free(by_name);
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
    size_t event_cost = sizeof(struct event) + sizeof(uint32_t);
    size_t size = sort->bytes.size + sort->names_size + sort->events_count * event_cost;
    bool is_full = size >= sort->memory_bytes || sort->events_count == UINT32_MAX;
    return is_full ? write_run(sort, err) : STATUS_OK;
}

enum status event_sort_finish(struct event_sort *sort, struct error *err)
{
    enum status status = STATUS_OK;
    CHECK(!sort->is_finished);
    sort->is_finished = true;
    if (sort->runs.count > 0 && sort->events_count > 0)
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
