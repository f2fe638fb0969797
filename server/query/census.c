#include "query/census.h"

#include <stdlib.h>

#include "base/check.h"
#include "model/entity.h"
#include "query/composite.h"
#include "query/gathering.h"
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
    struct gathering *gathering; /* owned: of a stream view; else NULL */
    struct census_table *tables; /* owned: else; merged, as an entity may be in some of them only */
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

/* What history says of the moment, it says of every entity, be there one or not. */
static enum status check_history(struct census *census, struct error *err)
{
    struct arena *arena = census->query->scan_arena;
    struct answer answer;
    struct target target = census->target;
    const uint32_t none = 0;
    arena_reset(arena);
    target.entity = entity_least(target.view, arena);
    enum status status =
        query_read(census->query, &target, &none, 0, census->moment, arena, &answer, err);
    if (status == STATUS_OK && answer.is_out_of_history)
        return error_set(err, STATUS_INVALID, "T lies before the history that view '%.*s' keeps",
                         BYTES_ARGS(target.view->name));
    return status;
}

static enum status open_tables(struct census *census, struct error *err)
{
    const struct query *query = census->query;
    const struct target *target = &census->target;
    if (target->view->kind != VIEW_STREAM)
        return add_tables(census, err);
    const struct timeline_bounds bounds = query_bounds(query, target, census->moment);
    census->gathering = gathering_open(query->storage, &query->reading, target->version, &bounds);
    return STATUS_OK;
}

enum status census_open(struct query *query, const struct target *target, struct moment moment,
                        struct census **out, struct error *err)
{
    struct census *census = calloc(1, sizeof(*census));
    CHECK(census != NULL && query->snapshot != NULL);
    census->query = query;
    census->target = *target;
    census->moment = moment;
    enum status status = check_history(census, err);
    if (status == STATUS_OK)
        status = open_tables(census, err);
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
    gathering_close(&census->gathering);
    buffer_fini(&census->entity);
    free(census);
    *out = NULL;
}

/* The least entity of all tables, taken from each that has it. NOT_FOUND: there are no more. */
static enum status take_entity(struct census *census, struct bytes *entity, struct error *err)
{
    struct bytes least = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < census->tables_count; i++) {
        struct bytes here = census->tables[i].entity;
        if (here.data != NULL && (least.data == NULL || bytes_compare(here, least) < 0))
            least = here;
    }
    if (least.data == NULL)
        return STATUS_NOT_FOUND;
    buffer_reset(&census->entity, SIZE_MAX);
    buffer_append(&census->entity, least);
    for (size_t i = 0; i < census->tables_count && status == STATUS_OK; i++)
        if (census->tables[i].entity.data != NULL &&
            bytes_equal(census->tables[i].entity, buffer_bytes(&census->entity)))
            status = table_step(&census->tables[i], err);
    *entity = buffer_bytes(&census->entity);
    return status;
}

/* The next entity and its answer, whether it is found or not. */
static enum status census_step(struct census *census, struct arena *arena, struct bytes *entity,
                               struct answer *answer, struct error *err)
{
    struct query *query = census->query;
    struct target *target = &census->target;
    bool is_whole = false;
    enum status status = STATUS_OK;
    if (census->gathering != NULL)
        status = gathering_next(census->gathering, entity, &is_whole, err);
    else
        status = take_entity(census, entity, err);
    if (status != STATUS_OK)
        return status;
    arena_reset(arena);
    target->entity = *entity;
    if (!is_whole)
        return query_read(query, target, NULL, 0, census->moment, arena, answer, err);
    const struct timeline_reader events = gathering_reader(census->gathering);
    return query_read_events(query, target, census->moment, &events, arena, answer, err);
}

enum status census_next(struct census *census, struct arena *arena, struct bytes *entity,
                        struct answer *answer, struct error *err)
{
    for (size_t i = 0; i < EXAMINED_MAX; i++) {
        enum status status = census_step(census, arena, entity, answer, err);
        if (status != STATUS_OK || answer->is_found)
            return status;
    }
    return STATUS_AGAIN;
}
