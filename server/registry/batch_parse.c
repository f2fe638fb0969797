/* Batch views: their features are fields that are written as they are, and what writes them is a
 * source, of the view's own name unless the view names one. */
#include <stdlib.h>

#include "base/time_text.h"
#include "registry/draft.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* --- features ------------------------------------------------------------------------------ */

/* `segment: string`, or `segment: {type: string, default: none, description: ...}`. */
enum status batch_feature_draft_parse(const struct parse *parse, const struct node *name,
                                      const struct node *body, struct feature_draft *out)
{
    struct annotation_nodes annotations = {0};
    const struct key_slot slots[] = {
        ANNOTATION_SLOTS(&annotations),
        {"type", &out->type, NULL},
        {"default", &out->default_value, NULL},
        {"over", NULL, "a batch view has no windows: its features are written as they are"},
        {"where", NULL, "a batch view has no conditions: its features are written as they are"},
    };
    out->name_node = name;
    enum status status = name_read(parse, name, "feature", &out->name);
    if (status != STATUS_OK)
        return status;
    if (body->kind == NODE_TEXT && !node_is_null(body)) {
        out->type = body;
        return STATUS_OK;
    }
    if (body->kind != NODE_MAPPING)
        return mistake(parse, body,
                       "found %s; a feature of a batch view is a type, like %.*s: string, or a "
                       "mapping like {type: string, default: none}",
                       node_kind_name(body), BYTES_ARGS(out->name));
    status = mapping_read(parse, body, "a feature of a batch view", slots, COUNT_OF(slots));
    if (status == STATUS_OK && out->type == NULL)
        return mistake(parse, name, "feature %s has no type; add type: string, or another one",
                       quoted(parse->arena, out->name));
    if (status == STATUS_OK)
        status = annotations_read(parse, &annotations, &out->annotations);
    return status;
}

static enum status feature_resolve(const struct parse *parse, const struct feature_draft *draft,
                                   const struct source_definition *source, bool *used,
                                   struct feature_definition *out)
{
    struct field_definition field = {0};
    char type[TYPE_TEXT_SIZE];
    ssize_t index = field_find(source->fields, source->fields_count, draft->name);
    enum status status = field_type_parse(parse, draft->type, &field);
    if (status != STATUS_OK)
        return status;
    if (index < 0)
        return mistake(
            parse, draft->name_node, "feature %s is no field of source %s%s",
            quoted(parse->arena, draft->name), quoted(parse->arena, source->name),
            hint_fields(parse->arena, draft->name, source->fields, source->fields_count));
    if (!type_equal(field.type, source->fields[index].type))
        return mistake(parse, draft->type, "feature %s is a field of type %s in source %s",
                       quoted(parse->arena, draft->name),
                       field_type_name(&source->fields[index], type),
                       quoted(parse->arena, source->name));
    used[index] = true;
    *out = (struct feature_definition){.name = draft->name,
                                       .annotations = draft->annotations,
                                       .aggregation = bytes_of_text("last"),
                                       .argument_kind = ARGUMENT_FIELD,
                                       .argument = draft->name,
                                       .argument_type = field.type,
                                       .window = {.kind = WINDOW_FOREVER},
                                       .type = field.type,
                                       .default_value = value_null()};
    if (draft->default_value == NULL)
        return STATUS_OK;
    return default_parse(parse, draft->default_value, out->type, &out->default_value);
}

enum status batch_features_resolve(const struct parse *parse, const struct view_draft *draft,
                                   const struct source_definition *source, bool *used,
                                   struct view_definition *out)
{
    struct feature_definition *features =
        ARENA_NEW_ARRAY(parse->arena, draft->features_count, struct feature_definition);
    enum status status = STATUS_OK;
    ssize_t deleted =
        field_find(source->fields, source->fields_count, bytes_of_text(WRITES_DELETED_FIELD));
    if (bytes_equal(source->name, draft->name) && deleted >= 0)
        used[deleted] = true;
    for (size_t i = 0; i < draft->features_count && status == STATUS_OK; i++)
        status = feature_resolve(parse, &draft->features[i], source, used, &features[i]);
    out->features = features;
    out->features_count = draft->features_count;
    return status != STATUS_OK ? status
                               : duration_read(parse, draft->ttl, "ttl", "none", &out->ttl_us);
}

/* --- the source of the view's name --------------------------------------------------------- */

static int compare_fields(const void *a, const void *b)
{
    const struct field_definition *left = a;
    const struct field_definition *right = b;
    return bytes_compare(left->name, right->name);
}

/* Adds a field that there is not yet. */
static enum status field_add(const struct parse *parse, const struct node *node,
                             struct field_definition field, struct source_definition *source,
                             struct field_definition *fields)
{
    if (field_find(fields, source->fields_count, field.name) >= 0)
        return mistake(parse, node,
                       "feature %s has the name of a key or of what each write brings along "
                       "(" WRITES_TIME_FIELD ", " WRITES_DELETED_FIELD "); give it another one",
                       quoted(parse->arena, field.name));
    fields[source->fields_count++] = field;
    return STATUS_OK;
}

enum status writes_source_make(const struct parse *parse, const struct view_draft *draft,
                               const struct entity_definition *entity,
                               struct source_definition *out)
{
    size_t count = entity->keys_count + 2 + draft->features_count;
    if (count > SOURCE_FIELDS_MAX)
        return mistake_limit(parse, draft->name_node,
                             "found %zu features; a batch view with this entity has at most %zu",
                             draft->features_count, SOURCE_FIELDS_MAX - 2 - entity->keys_count);
    struct field_definition *fields = ARENA_NEW_ARRAY(parse->arena, count, struct field_definition);
    *out = (struct source_definition){.name = draft->name,
                                      .is_writes = true,
                                      .fields = fields,
                                      .event_time_field = entity->keys_count,
                                      .event_id_field = -1,
                                      .clock = CLOCK_WALL,
                                      .durability = DURABILITY_FSYNC,
                                      .retention_us = DURATION_NONE,
                                      .freshness_slo_us = DURATION_NONE,
                                      .letters_retention_us = DURATION_NONE,
                                      .ahead_max_us = US_PER_HOUR};
    for (size_t i = 0; i < entity->keys_count; i++)
        fields[out->fields_count++] =
            (struct field_definition){.name = entity->keys[i], .type = {.kind = VALUE_STRING}};
    const struct field_definition own[] = {
        {.name = bytes_of_text(WRITES_TIME_FIELD), .type = {.kind = VALUE_TIMESTAMP}},
        {.name = bytes_of_text(WRITES_DELETED_FIELD), .type = {.kind = VALUE_BOOL}}};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(own) && status == STATUS_OK; i++)
        status = field_add(parse, draft->entity, own[i], out, fields);
    for (size_t i = 0; i < draft->features_count && status == STATUS_OK; i++) {
        struct field_definition field = {0};
        status = field_type_parse(parse, draft->features[i].type, &field);
        field.name = draft->features[i].name;
        if (status == STATUS_OK)
            status = field_add(parse, draft->features[i].name_node, field, out, fields);
    }
    /* Features in another order make no new version, so they must make no other fields. */
    if (status == STATUS_OK)
        qsort(fields + entity->keys_count + COUNT_OF(own), draft->features_count, sizeof(*fields),
              compare_fields);
    return status;
}
