/* The entities of one version, to be listed for people. */
#include "query/query_room.h"

#include "model/entity.h"
#include "query/composite.h"

static size_t encoded_size(const void *context, struct bytes key)
{
    return entity_encoded_size(context, key);
}

/* The table that has the entities: of a derived view, that of the first view that it reads. */
static enum status find_table(const struct target *target, uint32_t *table_id, struct error *err)
{
    const struct composite *composite = target->readable->composite;
    *table_id = target->version->table_id;
    if (composite == NULL)
        return STATUS_OK;
    *table_id = composite->bases[0].readable->version->table_id;
    if (composite->bases[0].has_all_keys)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID,
                     "'%.*s' reads views of several entities; list those of each view",
                     BYTES_ARGS(target->view->name));
}

/* The encoding of the entity that was typed, or nothing for the first. */
static enum status find_position(struct query *query, struct bytes version, struct bytes after,
                                 struct arena *arena, struct target *target, struct error *err)
{
    struct bytes name;
    uint32_t number;
    if (!query_split_version(version, &name, &number))
        return error_set(err, STATUS_NOT_FOUND, "there is no such view; name one, or view@2");
    enum status status = query_find_view(query, name, number, target, err);
    if (status != STATUS_OK)
        return status;
    return after.size == 0 ? STATUS_OK
                           : entity_parse(target->view, after, arena, &target->entity, err);
}

enum status query_list_entities(struct query *query, struct bytes version, struct bytes after,
                                size_t entities_max, struct arena *arena, scan_emit_fn emit,
                                void *context, struct error *err)
{
    struct target target = {0};
    struct buffer text = {0};
    struct bytes entity;
    uint32_t table_id = 0;
    enum status status = find_position(query, version, after, arena, &target, err);
    if (status == STATUS_OK)
        status = find_table(&target, &table_id, err);
    if (status != STATUS_OK)
        return status;
    struct entity_scan *entities = entity_scan_open(query->storage, &query->reading, table_id,
                                                    target.entity, encoded_size, target.view);
    for (size_t i = 0; i < entities_max && status == STATUS_OK; i++) {
        status = entity_scan_next(entities, &entity, err);
        text.start = text.size = 0;
        if (status == STATUS_OK)
            status = entity_append_text(target.view, entity, &text);
        if (status == STATUS_OK)
            emit(context, buffer_bytes(&text));
    }
    entity_scan_close(&entities);
    buffer_fini(&text);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
