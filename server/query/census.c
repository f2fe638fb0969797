#include "query/census.h"

#include <stdlib.h>

#include "base/check.h"
#include "model/entity.h"
#include "query/composite.h"
#include "query/query_room.h"

enum {
    EXAMINED_MAX = 1000, /* entities in one step */
};

/* The entities of one table, and the one that it is at. */
struct census_table {
    struct entity_scan *scan; /* owned */
    struct bytes entity;      /* borrowed from the scan; data NULL: there are no more */
};

struct census {
    struct query *query; /* borrowed */
    struct target target;
    struct moment moment;
    struct census_table *tables; /* owned: merged, as an entity may be in some of them only */
    size_t tables_count;
    struct buffer entity; /* owned: that was given last */
};

static size_t encoded_size(const void *context, struct bytes key)
{
    return entity_encoded_size(context, key);
}

static enum status table_step(struct census_table *table, struct error *err)
{
    enum status status = entity_scan_next(table->scan, &table->entity, err);
    if (status != STATUS_NOT_FOUND)
        return status;
    table->entity = (struct bytes){0};
    return STATUS_OK;
}

static enum status add_table(struct census *census, const struct readable *readable,
                             struct error *err)
{
    struct census_table *table = &census->tables[census->tables_count++];
    table->scan = entity_scan_open(census->query->storage, &census->query->reading,
                                   readable->version->table_id, (struct bytes){0}, encoded_size,
                                   readable->version->definition);
    return table_step(table, err);
}

/* Of a derived view, those of all views that it reads; their keys stand in the same order as its
 * own. */
static enum status add_tables(struct census *census, struct error *err)
{
    const struct composite *composite = census->target.readable->composite;
    size_t count = composite == NULL ? 1 : composite->bases_count;
    enum status status = STATUS_OK;
    census->tables = calloc(count, sizeof(*census->tables));
    CHECK(census->tables != NULL);
    if (composite == NULL)
        return add_table(census, census->target.readable, err);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status =
            composite->bases[i].has_all_keys
                ? add_table(census, composite->bases[i].readable, err)
                : error_set(err, STATUS_INVALID,
                            "'%.*s' reads views of several entities, so it has no entities of its "
                            "own; export each view",
                            BYTES_ARGS(census->target.view->name));
    return status;
}

/* What history says of the moment, it says of all entities. */
static enum status check_history(struct census *census, struct error *err)
{
    struct arena *arena = census->query->scan_arena;
    struct answer answer;
    struct target target = census->target;
    struct bytes least = {0};
    const uint32_t none = 0;
    for (size_t i = 0; i < census->tables_count; i++)
        if (census->tables[i].entity.data != NULL)
            least = census->tables[i].entity;
    if (least.data == NULL)
        return STATUS_OK;
    arena_reset(arena);
    target.entity = least;
    enum status status =
        query_read(census->query, &target, &none, 0, census->moment, arena, &answer, err);
    if (status == STATUS_OK && answer.is_out_of_history)
        return error_set(err, STATUS_INVALID, "T lies before the history that view '%.*s' keeps",
                         BYTES_ARGS(target.view->name));
    return status;
}

enum status census_open(struct query *query, const struct target *target, struct moment moment,
                        struct census **out, struct error *err)
{
    struct census *census = calloc(1, sizeof(*census));
    CHECK(census != NULL && query->snapshot != NULL);
    census->query = query;
    census->target = *target;
    census->moment = moment;
    enum status status = add_tables(census, err);
    if (status == STATUS_OK)
        status = check_history(census, err);
    if (status != STATUS_OK)
        census_close(&census);
    *out = census;
    return status;
}

void census_close(struct census **out)
{
    struct census *census = *out;
    if (census == NULL)
        return;
    for (size_t i = 0; i < census->tables_count; i++)
        if (census->tables[i].scan != NULL)
            entity_scan_close(&census->tables[i].scan);
    free(census->tables);
    buffer_fini(&census->entity);
    free(census);
    *out = NULL;
}

/* The least entity of all tables, taken from each that has it. NOT_FOUND: there are no more. */
static enum status take_entity(struct census *census, struct error *err)
{
    struct bytes least = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < census->tables_count; i++) {
        struct bytes entity = census->tables[i].entity;
        if (entity.data != NULL && (least.data == NULL || bytes_compare(entity, least) < 0))
            least = entity;
    }
    if (least.data == NULL)
        return STATUS_NOT_FOUND;
    buffer_reset(&census->entity, SIZE_MAX);
    buffer_append(&census->entity, least);
    for (size_t i = 0; i < census->tables_count && status == STATUS_OK; i++)
        if (census->tables[i].entity.data != NULL &&
            bytes_equal(census->tables[i].entity, buffer_bytes(&census->entity)))
            status = table_step(&census->tables[i], err);
    return status;
}

enum status census_next(struct census *census, struct arena *arena, struct bytes *entity,
                        struct answer *answer, struct error *err)
{
    for (size_t i = 0; i < EXAMINED_MAX; i++) {
        enum status status = take_entity(census, err);
        if (status != STATUS_OK)
            return status;
        arena_reset(arena);
        census->target.entity = *entity = buffer_bytes(&census->entity);
        status =
            query_read(census->query, &census->target, NULL, 0, census->moment, arena, answer, err);
        if (status != STATUS_OK || answer->is_found)
            return status;
    }
    return STATUS_AGAIN;
}
