#include "base/check.h"
#include "registry/draft.h"

/* A view on its way from names to the fields of its source. */
struct resolver {
    const struct parse *parse;
    const struct view_draft *draft;
    const struct source_definition *source;
    const struct entity_definition *entity;
    bool *used; /* one for each field of the source */
};

/* --- expressions --------------------------------------------------------------------------- */

static enum status expression_check(const struct resolver *resolver, const struct node *node,
                                    const char *what, struct bytes *out)
{
    const struct parse *parse = resolver->parse;
    size_t skipped = 0;
    enum status status = text_read(parse, node, what, out);
    if (status != STATUS_OK)
        return status;
    *out = trimmed(*out, &skipped);
    if (out->size == 0 || memchr(out->data, '\0', out->size) != NULL)
        return mistake(parse, node, "found no text; %s takes an expression of SQL", what);
    if (out->size > EXPRESSION_SIZE_MAX)
        return mistake_limit(parse, node, "%s has %zu bytes; an expression has at most %d", what,
                             out->size, EXPRESSION_SIZE_MAX);
    if (parse->is_stored)
        return STATUS_OK;

    struct error reason = {0};
    size_t offset = 0;
    status = parse->checks->check_expression(*out, resolver->source->fields,
                                             resolver->source->fields_count, resolver->used,
                                             &offset, &reason);
    if (status != STATUS_OK)
        return mistake_inside(parse, node, skipped + offset, "%s: %s", what, reason.text);
    return STATUS_OK;
}

/* --- the argument of a feature ------------------------------------------------------------- */

static const char *said(const struct resolver *resolver, const struct feature_draft *draft,
                        const char *key)
{
    return arena_format(resolver->parse->arena, "feature %s, %s",
                        quoted(resolver->parse->arena, draft->name), key)
        .data;
}

/* The type: of an expression; without one it is a double. */
static enum status expression_type(const struct resolver *resolver,
                                   const struct feature_draft *draft, struct type *out)
{
    static const struct bytes names[] = {{"bool", 4},        {"int", 3},    {"double", 6},
                                         {"decimal(2)", 10}, {"string", 6}, {"timestamp", 9}};
    struct bytes text = {0};
    *out = (struct type){.kind = VALUE_DOUBLE};
    if (draft->type == NULL)
        return STATUS_OK;
    enum status status = text_read(resolver->parse, draft->type, "type", &text);
    if (status != STATUS_OK || type_parse(text, out))
        return status;
    return mistake(
        resolver->parse, draft->type, "there is no type %s%s", quoted(resolver->parse->arena, text),
        hint_names(resolver->parse->arena, text, "types", names, sizeof(names) / sizeof(names[0])));
}

/* `*` and `true` stand for no argument. One spelling for each aggregation, so that the other makes
 * no new version. */
static enum status resolve_no_argument(const struct resolver *resolver,
                                       const struct feature_draft *draft,
                                       struct feature_definition *out)
{
    bool is_count = bytes_equal_text(out->aggregation, "count");
    out->argument_kind = ARGUMENT_NONE;
    out->argument = bytes_of_text(is_count ? "*" : "true");
    if (draft->type != NULL)
        return mistake(resolver->parse, draft->type,
                       "%s: there is no expression that it could be the type of; leave it out",
                       said(resolver, draft, "type"));
    return STATUS_OK;
}

static enum status resolve_field_argument(const struct resolver *resolver,
                                          const struct feature_draft *draft, size_t index,
                                          struct feature_definition *out)
{
    const struct field_definition *field = &resolver->source->fields[index];
    char field_type[TYPE_TEXT_SIZE];
    struct type type;
    out->argument_kind = ARGUMENT_FIELD;
    out->argument = field->name;
    out->argument_type = field->type;
    resolver->used[index] = true;
    if (draft->type == NULL)
        return STATUS_OK;
    enum status status = expression_type(resolver, draft, &type);
    if (status == STATUS_OK && !type_equal(type, field->type))
        return mistake(
            resolver->parse, draft->type,
            "%s: the field %s by itself keeps its type %s; leave 'type' out, or write an "
            "expression",
            said(resolver, draft, "type"), quoted(resolver->parse->arena, field->name),
            type_name(field->type, field_type));
    return status;
}

static enum status resolve_expression_argument(const struct resolver *resolver,
                                               const struct feature_draft *draft,
                                               struct feature_definition *out)
{
    const char *aggregation =
        arena_format(resolver->parse->arena, "%.*s", BYTES_ARGS(out->aggregation)).data;
    out->argument_kind = ARGUMENT_EXPRESSION;
    enum status status = expression_type(resolver, draft, &out->argument_type);
    if (status == STATUS_OK)
        status = expression_check(resolver, draft->argument, said(resolver, draft, aggregation),
                                  &out->argument);
    return status;
}

/* A text in double quotes is a name in SQL. */
static struct bytes without_quotes(struct bytes text)
{
    bool is_quoted = text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"';
    return is_quoted ? bytes_of(text.data + 1, text.size - 2) : text;
}

static enum status argument_resolve(const struct resolver *resolver,
                                    const struct feature_draft *draft,
                                    struct feature_definition *out)
{
    const struct source_definition *source = resolver->source;
    const struct parse *parse = resolver->parse;
    struct bytes text = {0};
    size_t skipped = 0;
    enum status status = text_read(parse, draft->argument, "an aggregation", &text);
    if (status != STATUS_OK)
        return status;
    text = trimmed(text, &skipped);
    if (bytes_equal_text(text, "*") || bytes_equal_text(text, "true"))
        return resolve_no_argument(resolver, draft, out);

    ssize_t index = field_find(source->fields, source->fields_count, without_quotes(text));
    if (index >= 0)
        return resolve_field_argument(resolver, draft, (size_t)index, out);
    bool is_value = bytes_equal_text(text, "false") || bytes_equal_text(text, "null");
    if (name_is_valid(text) && !is_value)
        return mistake(parse, draft->argument, "feature %s: source %s has no field %s%s",
                       quoted(parse->arena, draft->name), quoted(parse->arena, source->name),
                       quoted(parse->arena, text),
                       hint_fields(parse->arena, text, source->fields, source->fields_count));
    return resolve_expression_argument(resolver, draft, out);
}

/* --- features ------------------------------------------------------------------------------ */

static enum status window_resolve(const struct resolver *resolver,
                                  const struct feature_draft *draft, struct window *out)
{
    struct bytes text = {0};
    struct error reason = {0};
    enum status status = text_read(resolver->parse, draft->over, "over", &text);
    if (status == STATUS_OK && window_parse(text, out, &reason) != STATUS_OK)
        return mistake(resolver->parse, draft->over, "%s: %s", said(resolver, draft, "over"),
                       reason.text);
    return status;
}

/* Where the part of a feature stands that does not fit the others. */
static const struct node *part_node(const struct feature_draft *draft, enum feature_part part)
{
    switch (part) {
    case FEATURE_AGGREGATION:
        return draft->aggregation;
    case FEATURE_ARGUMENT:
        return draft->argument;
    case FEATURE_WINDOW:
        return draft->over;
    case FEATURE_TYPE:
        return draft->type != NULL ? draft->type : draft->argument;
    }
    CHECK(part <= FEATURE_TYPE);
    return NULL;
}

static enum status result_resolve(const struct resolver *resolver,
                                  const struct feature_draft *draft, struct feature_definition *out)
{
    struct error reason = {0};
    enum feature_part wrong = FEATURE_AGGREGATION;
    if (resolver->parse->checks->check_feature(out, &wrong, &reason) != STATUS_OK)
        return mistake(resolver->parse, part_node(draft, wrong), "feature %s: %s",
                       quoted(resolver->parse->arena, draft->name), reason.text);
    if (draft->default_value == NULL)
        return STATUS_OK;
    return default_parse(resolver->parse, draft->default_value, out->type, &out->default_value);
}

static enum status feature_resolve(const struct resolver *resolver,
                                   const struct feature_draft *draft,
                                   struct feature_definition *out)
{
    out->name = draft->name;
    out->annotations = draft->annotations;
    out->aggregation = draft->aggregation->text;
    out->default_value = value_null();
    enum status status = window_resolve(resolver, draft, &out->window);
    if (status == STATUS_OK)
        status = argument_resolve(resolver, draft, out);
    if (status == STATUS_OK && draft->where != NULL)
        status =
            expression_check(resolver, draft->where, said(resolver, draft, "where"), &out->where);
    if (status == STATUS_OK)
        status = result_resolve(resolver, draft, out);
    return status;
}

static enum status features_resolve(const struct resolver *resolver, struct view_definition *out)
{
    const struct view_draft *draft = resolver->draft;
    struct feature_definition *features =
        ARENA_NEW_ARRAY(resolver->parse->arena, draft->features_count, struct feature_definition);
    for (size_t i = 0; i < draft->features_count; i++) {
        enum status status = feature_resolve(resolver, &draft->features[i], &features[i]);
        if (status != STATUS_OK)
            return status;
    }
    out->features = features;
    out->features_count = draft->features_count;
    return STATUS_OK;
}

/* --- fields -------------------------------------------------------------------------------- */

/* Checks that the source has the entity's keys; keys gets their indexes in the source. */
static enum status keys_resolve(const struct resolver *resolver, size_t *keys)
{
    const struct source_definition *source = resolver->source;
    const struct parse *parse = resolver->parse;
    for (size_t i = 0; i < resolver->entity->keys_count; i++) {
        struct bytes key = resolver->entity->keys[i];
        ssize_t index = field_find(source->fields, source->fields_count, key);
        char type[TYPE_TEXT_SIZE];
        if (index < 0)
            return mistake(parse, resolver->draft->entity,
                           "the key %s of entity %s is no field of source %s%s",
                           quoted(parse->arena, key), quoted(parse->arena, resolver->entity->name),
                           quoted(parse->arena, source->name),
                           hint_fields(parse->arena, key, source->fields, source->fields_count));
        enum value_kind kind = source->fields[index].type.kind;
        if (kind != VALUE_STRING && kind != VALUE_INT)
            return mistake(
                parse, resolver->draft->entity,
                "the key %s of entity %s is a %s in source %s; a key must be a string or "
                "an int",
                quoted(parse->arena, key), quoted(parse->arena, resolver->entity->name),
                field_type_name(&source->fields[index], type), quoted(parse->arena, source->name));
        resolver->used[index] = true;
        keys[i] = (size_t)index;
    }
    return STATUS_OK;
}

/* Takes over the fields that are used, in the source's order. keys holds indexes into the source.
 */
static void fields_resolve(const struct resolver *resolver, size_t *keys,
                           struct view_definition *out)
{
    const struct source_definition *source = resolver->source;
    struct arena *arena = resolver->parse->arena;
    struct field_definition *fields =
        ARENA_NEW_ARRAY(arena, source->fields_count, struct field_definition);
    size_t *places = ARENA_NEW_ARRAY(arena, source->fields_count, size_t);
    size_t count = 0;
    for (size_t i = 0; i < source->fields_count; i++) {
        if (!resolver->used[i])
            continue;
        places[i] = count;
        fields[count++] = source->fields[i];
    }
    for (size_t i = 0; i < resolver->entity->keys_count; i++)
        keys[i] = places[keys[i]];
    out->fields = fields;
    out->fields_count = count;
    out->event_time_field = places[source->event_time_field];
    bool has_event_id = source->event_id_field >= 0 && resolver->draft->kind != VIEW_BATCH;
    out->event_id_field = has_event_id ? (ssize_t)places[source->event_id_field] : -1;
    out->key_fields = keys;
    out->keys_count = resolver->entity->keys_count;
}

enum status view_resolve(const struct parse *parse, const struct view_draft *draft,
                         const struct source_definition *source,
                         const struct entity_definition *entity, struct view_definition *out)
{
    struct resolver resolver = {.parse = parse, .draft = draft, .source = source, .entity = entity};
    resolver.used = ARENA_NEW_ARRAY(parse->arena, source->fields_count, bool);
    size_t *keys = ARENA_NEW_ARRAY(parse->arena, entity->keys_count, size_t);
    *out = (struct view_definition){.name = draft->name,
                                    .kind = draft->kind,
                                    .annotations = draft->annotations,
                                    .ttl_us = DURATION_NONE};
    out->source = draft->source == NULL ? draft->name : draft->source->text;
    out->entity = draft->entity->text;
    out->history_us = DURATION_NONE;

    for (size_t i = 0; i < source->fields_count; i++)
        resolver.used[i] = parse->is_stored;
    resolver.used[source->event_time_field] = true;
    bool has_event_id = source->event_id_field >= 0 && draft->kind != VIEW_BATCH;
    if (has_event_id)
        resolver.used[source->event_id_field] = true;

    enum status status = keys_resolve(&resolver, keys);
    if (status == STATUS_OK && draft->where != NULL)
        status = expression_check(&resolver, draft->where, "where", &out->where);
    if (status == STATUS_OK)
        status = duration_read(parse, draft->history, "history", "everything", &out->history_us);
    if (status == STATUS_OK)
        status = draft->kind == VIEW_BATCH
                     ? batch_features_resolve(parse, draft, source, resolver.used, out)
                     : features_resolve(&resolver, out);
    if (status == STATUS_OK)
        fields_resolve(&resolver, keys, out);
    return status;
}
