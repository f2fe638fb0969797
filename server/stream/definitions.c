/* Definitions: from files to rows to the snapshot in force. */
#include <stdlib.h>

#include "base/check.h"
#include "base/fault.h"
#include "base/map.h"
#include "stream/intake.h"

enum { DEFINITION_ROWS_MAX = 100 * 1000 };

/* Rows as they are collected from storage. */
struct row_list {
    struct arena *arena;
    struct registry_row *rows; /* owned, malloc */
    size_t count;
    size_t capacity;
};

static void list_add(struct row_list *list, struct bytes key, struct bytes value)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 64;
        list->rows = realloc(list->rows, list->capacity * sizeof(*list->rows));
        CHECK(list->rows != NULL);
    }
    list->rows[list->count++] = (struct registry_row){.key = key, .value = value};
}

static enum status collect_row(void *context, struct bytes key, struct bytes value,
                               struct error *err)
{
    struct row_list *list = context;
    if (list->count == DEFINITION_ROWS_MAX)
        return error_set(err, STATUS_LIMIT,
                         "there can be at most %d sources, entities, views and "
                         "versions",
                         DEFINITION_ROWS_MAX);
    list_add(list, arena_copy(list->arena, key), arena_copy(list->arena, value));
    return STATUS_OK;
}

/* Rows of definitions; plans may have others beside them, which go into the same batch. */
static const char *const prefixes[] = {"source/", "entity/", "view/"};

enum { PREFIXES_COUNT = sizeof(prefixes) / sizeof(prefixes[0]) };

static bool is_definition(struct bytes key)
{
    for (size_t i = 0; i < PREFIXES_COUNT; i++)
        if (bytes_start_with(key, bytes_of_text(prefixes[i])))
            return true;
    return false;
}

/* Puts the planned rows over the stored ones; the later of two with one key wins, as in a batch. */
static void overlay_rows(struct row_list *list, const struct registry_plan *plan)
{
    struct row_list stored = *list;
    struct map *latest = map_create();
    for (size_t i = plan->rows_count; i > 0; i--)
        map_put(latest, plan->rows[i - 1].key, (void *)(uintptr_t)&plan->rows[i - 1]);

    *list = (struct row_list){.arena = stored.arena};
    for (size_t i = 0; i < stored.count; i++)
        if (map_get(latest, stored.rows[i].key) == NULL)
            list_add(list, stored.rows[i].key, stored.rows[i].value);
    for (size_t i = 0; i < plan->rows_count; i++)
        if (is_definition(plan->rows[i].key) &&
            map_get(latest, plan->rows[i].key) == &plan->rows[i] &&
            plan->rows[i].value.data != NULL)
            list_add(list, plan->rows[i].key, plan->rows[i].value);
    free(stored.rows);
    map_destroy(&latest);
}

/* Those of features, and of Kafka. */
static const struct definition_checks *checks(void)
{
    static struct definition_checks all;
    all = *features_checks();
    all.check_kafka_property = kafka_check_property;
    return &all;
}

/* The snapshot of what is stored with the planned rows (or NULL) over it. */
static enum status load_snapshot(struct stream *stream, const struct registry_plan *plan,
                                 struct registry **out, struct error *err)
{
    struct row_list list = {.arena = arena_create(STREAM_CHUNK_SIZE)};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < PREFIXES_COUNT && status == STATUS_OK; i++)
        status =
            storage_scan_rows(stream->storage, bytes_of_text(prefixes[i]), collect_row, &list, err);
    if (status == STATUS_OK && plan != NULL)
        overlay_rows(&list, plan);
    if (status == STATUS_OK)
        status = registry_load(list.rows, list.count, checks(), out, err);
    free(list.rows);
    arena_destroy(&list.arena);
    return status;
}

enum status stream_load_registry(struct stream *stream, struct registry **out, struct error *err)
{
    return load_snapshot(stream, NULL, out, err);
}

/* A snapshot with what the stream makes of it. */
struct prepared {
    struct registry *registry;
    struct runtime *runtime;
};

static enum status prepare(struct stream *stream, const struct registry_plan *plan,
                           struct prepared *prepared, struct error *err)
{
    enum status status = load_snapshot(stream, plan, &prepared->registry, err);
    if (status == STATUS_OK)
        status =
            runtime_create(prepared->registry, stream_find_state, stream, &prepared->runtime, err);
    if (status == STATUS_OK)
        status = fold_bind(stream, prepared->runtime, err);
    if (status != STATUS_OK) {
        runtime_destroy(&prepared->runtime);
        registry_destroy(&prepared->registry);
    }
    return status;
}

/* Makes it the one in force. */
static void swap(struct stream *stream, struct prepared *prepared)
{
    struct prepared old = {.registry = stream->registry, .runtime = stream->runtime};
    stream->registry = prepared->registry;
    stream->runtime = prepared->runtime;
    stream->waiting.is_to_look = true;
    arrivals_bind(&stream->arrivals, stream->runtime);
    stream->changed(stream->changed_context, stream, prepared->registry);
    intake_reconcile(stream);
    runtime_destroy(&old.runtime);
    registry_destroy(&old.registry);
}

enum status stream_reload(struct stream *stream, struct error *err)
{
    struct prepared prepared = {0};
    enum status status = prepare(stream, NULL, &prepared, err);
    if (status == STATUS_OK)
        swap(stream, &prepared);
    return status;
}

enum status stream_write_definitions(struct stream *stream, const struct registry_plan *plan,
                                     struct error *err)
{
    struct prepared prepared = {0};
    enum status status = prepare(stream, plan, &prepared, err);
    if (status != STATUS_OK)
        return status;
    struct batch *batch = batch_create();
    for (size_t i = 0; i < plan->rows_count; i++)
        if (plan->rows[i].value.data != NULL)
            batch_put_row(batch, stream->storage, plan->rows[i].key, plan->rows[i].value);
        else
            batch_delete_row(batch, stream->storage, plan->rows[i].key);
    fault_point("definitions.before");
    status = storage_write(stream->storage, batch, true, err);
    batch_destroy(&batch);
    if (status == STATUS_OK) {
        fault_point("definitions.written");
        swap(stream, &prepared);
        fault_point("definitions.published");
        return STATUS_OK;
    }
    runtime_destroy(&prepared.runtime);
    registry_destroy(&prepared.registry);
    return status;
}

enum status stream_plan(struct stream *stream, const struct definition_file *files,
                        size_t files_count, struct arena *arena, struct registry_plan *plan,
                        struct error *err)
{
    return registry_plan(stream->registry, files, files_count, checks(), arena, plan, err);
}

enum status stream_apply(struct stream *stream, const struct definition_file *files,
                         size_t files_count, bool is_promoting, struct arena *arena,
                         struct registry_plan *plan, struct error *err)
{
    enum status status = stream_commit(stream, err);
    if (status == STATUS_OK)
        status = stream_prepare(stream, err);
    if (status == STATUS_OK)
        status = (is_promoting ? registry_plan_promoting : registry_plan)(
            stream->registry, files, files_count, checks(), arena, plan, err);
    if (status == STATUS_OK && plan->rows_count > 0)
        status = stream_write_definitions(stream, plan, err);
    if (status == STATUS_OK)
        status = stream_finish_empty_fills(stream, err);
    return status == STATUS_OK ? versions_promote_waiting(stream, err) : status;
}
