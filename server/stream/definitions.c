/* Definitions: from files to rows to the snapshot in force. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "stream/stream_private.h"

enum { DEFINITION_ROWS_MAX = 1000 * 1000 };

/* Rows as they are collected from storage. */
struct row_list {
    struct arena *arena;
    struct registry_row *rows; /* owned, malloc */
    size_t count;
    size_t capacity;
};

static enum status collect_row(void *context, struct bytes key, struct bytes value,
                               struct error *err)
{
    struct row_list *list = context;
    if (list->count == DEFINITION_ROWS_MAX)
        return error_set(err, STATUS_LIMIT, "more than %d definitions", DEFINITION_ROWS_MAX);
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 64;
        list->rows = realloc(list->rows, list->capacity * sizeof(*list->rows));
        CHECK(list->rows != NULL);
    }
    list->rows[list->count++] = (struct registry_row){.key = arena_copy(list->arena, key),
                                                      .value = arena_copy(list->arena, value)};
    return STATUS_OK;
}

static enum status load_snapshot(struct stream *stream, struct registry **out, struct error *err)
{
    static const char *const prefixes[] = {"source/", "entity/", "view/"};
    struct row_list list = {.arena = arena_create(STREAM_CHUNK_SIZE)};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && status == STATUS_OK; i++)
        status = storage_scan_rows(stream->storage, bytes_of_text(prefixes[i]), collect_row, &list,
                                   err);
    if (status == STATUS_OK)
        status = registry_load(list.rows, list.count, features_checks(), out, err);
    free(list.rows);
    arena_destroy(&list.arena);
    return status;
}

enum status stream_reload(struct stream *stream, struct error *err)
{
    struct registry *registry = NULL;
    struct runtime *runtime = NULL;
    enum status status = load_snapshot(stream, &registry, err);
    if (status == STATUS_OK)
        status = runtime_create(registry, stream_find_state, stream, &runtime, err);
    if (status != STATUS_OK) {
        registry_destroy(&registry);
        return status;
    }
    struct registry *old_registry = stream->registry;
    struct runtime *old_runtime = stream->runtime;
    stream->registry = registry;
    stream->runtime = runtime;
    stream->changed(stream->changed_context, registry);
    runtime_destroy(&old_runtime);
    registry_destroy(&old_registry);
    return STATUS_OK;
}

enum status stream_write_definitions(struct stream *stream, const struct registry_plan *plan,
                                     struct error *err)
{
    struct batch *batch = batch_create();
    for (size_t i = 0; i < plan->rows_count; i++)
        batch_put_row(batch, stream->storage, plan->rows[i].key, plan->rows[i].value);
    enum status status = storage_write(stream->storage, batch, true, err);
    batch_destroy(&batch);
    return status == STATUS_OK ? stream_reload(stream, err) : status;
}

enum status stream_plan(struct stream *stream, const struct definition_file *files,
                        size_t files_count, struct arena *arena, struct registry_plan *plan,
                        struct error *err)
{
    return registry_plan(stream->registry, files, files_count, features_checks(), arena, plan, err);
}

enum status stream_apply(struct stream *stream, const struct definition_file *files,
                         size_t files_count, struct arena *arena, struct registry_plan *plan,
                         struct error *err)
{
    enum status status = stream_commit(stream, err);
    if (status == STATUS_OK)
        status = stream_plan(stream, files, files_count, arena, plan, err);
    if (status == STATUS_OK && plan->rows_count > 0)
        status = stream_write_definitions(stream, plan, err);
    if (status == STATUS_OK)
        status = stream_finish_empty_fills(stream, err);
    return status;
}
