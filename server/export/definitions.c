#include "export/definitions.h"

#include <stdlib.h>

#include "base/check.h"
#include "features/features.h"

enum { ROWS_CHUNK_SIZE = 64 * 1024 };

struct definitions {
    struct query_options live;
    struct query *live_query; /* owned, as all below; begun only in passing */
    struct epoch *epoch;      /* of this copy: nobody else holds it */
    struct catalog_board *board;
    struct registry *registry;
    struct query *query;
};

/* ---- rows ---- */

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
    (void)err;
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 64;
        list->rows = realloc(list->rows, list->capacity * sizeof(*list->rows));
        CHECK(list->rows != NULL);
    }
    list->rows[list->count++] = (struct registry_row){.key = arena_copy(list->arena, key),
                                                      .value = arena_copy(list->arena, value)};
    return STATUS_OK;
}

/* All rows of one state, so that they go together. */
static enum status load_registry(struct storage *storage, struct registry **out, struct error *err)
{
    static const char *const prefixes[] = {"source/", "entity/", "view/"};
    struct row_list list = {.arena = arena_create(ROWS_CHUNK_SIZE)};
    struct storage_snapshot *snapshot = storage_snapshot_take(storage, false);
    const struct storage_reading reading = {.snapshot = snapshot};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && status == STATUS_OK; i++)
        status = storage_scan_rows_of(storage, &reading, bytes_of_text(prefixes[i]), collect_row,
                                      &list, err);
    storage_snapshot_release(&snapshot);
    if (status == STATUS_OK)
        status = registry_load(list.rows, list.count, features_checks(), out, err);
    free(list.rows);
    arena_destroy(&list.arena);
    return status;
}

/* ---- the copy ---- */

/* The times of sources outlive what is in force; a source without a version that can be read has
 * none. */
static const struct source_time *find_time(void *context, struct bytes source)
{
    struct definitions *definitions = context;
    const struct catalog *catalog = catalog_look(definitions->live.board);
    for (size_t i = 0; i < catalog->readables_count; i++) {
        const struct readable *readable = &catalog->readables[i];
        if (readable->time != NULL && bytes_equal(readable->version->definition->source, source))
            return readable->time;
    }
    return NULL;
}

enum status definitions_open(const struct query_options *live, struct definitions **out,
                             struct error *err)
{
    struct definitions *definitions = calloc(1, sizeof(*definitions));
    CHECK(definitions != NULL);
    definitions->live = *live;
    definitions->live_query = query_create(live);
    definitions->epoch = epoch_create();
    definitions->board = catalog_board_create(definitions->epoch);
    enum status status = load_registry(live->storage, &definitions->registry, err);
    if (status == STATUS_OK) {
        const struct query_options options = {
            .storage = live->storage, .board = definitions->board, .epoch = definitions->epoch};
        query_begin(definitions->live_query);
        catalog_publish(definitions->board, definitions->registry, find_time, definitions);
        query_end(definitions->live_query);
        definitions->query = query_create(&options);
        query_begin(definitions->query);
        query_pin(definitions->query, true);
    } else {
        definitions_close(&definitions);
    }
    *out = definitions;
    return status;
}

void definitions_close(struct definitions **out)
{
    struct definitions *definitions = *out;
    if (definitions == NULL)
        return;
    definitions_release(definitions);
    if (definitions->query != NULL)
        query_end(definitions->query);
    query_destroy(&definitions->query);
    catalog_board_destroy(&definitions->board);
    registry_destroy(&definitions->registry);
    epoch_destroy(&definitions->epoch);
    query_destroy(&definitions->live_query);
    free(definitions);
    *out = NULL;
}

struct query *definitions_query(struct definitions *definitions)
{
    return definitions->query;
}

void definitions_release(struct definitions *definitions)
{
    if (definitions->query != NULL && query_is_pinned(definitions->query))
        query_unpin(definitions->query);
}

enum status definitions_check(struct definitions *definitions, const struct target *target,
                              struct error *err)
{
    query_begin(definitions->live_query);
    const struct registry *registry = query_registry(definitions->live_query);
    const struct view *view = registry_find_view(registry, target->view->name);
    const struct view_version *version =
        view == NULL ? NULL : view_find_version(view, target->view->version);
    bool is_there = version != NULL && version->table_id == target->version->table_id;
    query_end(definitions->live_query);
    return is_there ? STATUS_OK
                    : error_set(err, STATUS_UNAVAILABLE,
                                "version %u of view '%.*s' was dropped meanwhile",
                                target->view->version, BYTES_ARGS(target->view->name));
}
