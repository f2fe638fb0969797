#include "registry/rows.h"

#include "base/number.h"
#include "registry/derived.h"
#include "registry/draft.h"
#include "registry/json.h"
#include "registry/meaning.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct bytes state_names[] = {[VERSION_FILLING] = {"filling", 7},
                                           [VERSION_LIVE] = {"live", 4},
                                           [VERSION_DROPPING] = {"dropping", 8}};

static const struct bytes cause_names[] = {[SWITCH_FILLED] = {"filled", 6},
                                           [SWITCH_PROMOTED] = {"promoted", 8},
                                           [SWITCH_ROLLED_BACK] = {"rolled back", 11}};

const char *version_state_name(enum version_state state)
{
    return state_names[state].data;
}

const char *switch_cause_name(enum switch_cause cause)
{
    return cause_names[cause].data;
}

/* --- writing ------------------------------------------------------------------------------- */

static struct registry_row row_make(struct bytes key, struct buffer *value, struct arena *arena)
{
    return (struct registry_row){.key = key, .value = buffer_to_arena(value, arena)};
}

struct registry_row source_to_row(const struct source *source, struct arena *arena)
{
    struct buffer value = {0};
    buffer_format(&value, "{\"id\": %u, \"definition\": ", source->id);
    source_append_definition(source->definition, WITH_ANNOTATIONS, &value);
    buffer_append_byte(&value, '}');
    return row_make(arena_format(arena, "source/%.*s", BYTES_ARGS(source->definition->name)),
                    &value, arena);
}

struct registry_row entity_to_row(const struct entity_definition *entity, struct arena *arena)
{
    struct buffer value = {0};
    buffer_append_text(&value, "{\"definition\": ");
    entity_append_definition(entity, WITH_ANNOTATIONS, &value);
    buffer_append_byte(&value, '}');
    return row_make(arena_format(arena, "entity/%.*s", BYTES_ARGS(entity->name)), &value, arena);
}

struct registry_row view_to_row(const struct view *view, struct arena *arena)
{
    struct buffer value = {0};
    buffer_format(&value,
                  "{\"active\": %u, \"newest\": %u, \"newest_table\": %u, "
                  "\"promoted_when_filled\": %u, \"before\": [",
                  view->active, view->newest_number, view->newest_table,
                  view->promoted_when_filled);
    for (size_t i = 0; i < view->before_count; i++)
        buffer_format(&value, i == 0 ? "%u" : ", %u", view->before[i]);
    buffer_append_text(&value, "], \"switches\": [");
    for (size_t i = 0; i < view->switches_count; i++)
        buffer_format(&value, "%s{\"version\": %u, \"cause\": \"%s\", \"at_us\": %lld}",
                      i == 0 ? "" : ", ", view->switches[i].version,
                      switch_cause_name(view->switches[i].cause),
                      (long long)view->switches[i].at_us);
    buffer_append_text(&value, "]}");
    return row_make(arena_format(arena, "view/%.*s", BYTES_ARGS(view->name)), &value, arena);
}

struct registry_row version_to_row(const struct view_version *version, struct arena *arena)
{
    const struct view_definition *view = version->definition;
    struct buffer value = {0};
    buffer_format(&value, "{\"table\": %u, \"state\": \"%s\", \"definition\": ", version->table_id,
                  version_state_name(version->state));
    view_append_definition(view, &value);
    buffer_append_text(&value, ", \"resolved\": ");
    view_append_resolved(view, &value);
    buffer_append_byte(&value, '}');
    return row_make(arena_format(arena, "view/%.*s@%u", BYTES_ARGS(view->name), view->version),
                    &value, arena);
}

/* --- keys ---------------------------------------------------------------------------------- */

static bool uint32_parse(struct bytes text, uint32_t *out)
{
    int64_t value = 0;
    if (number_parse_int(text, &value) != NUMBER_OK || value < 0 || value >= UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* Whether the key begins with the prefix, which is taken off. */
static bool take_prefix(struct bytes *key, const char *prefix)
{
    if (!bytes_start_with(*key, bytes_of_text(prefix)))
        return false;
    *key = bytes_after(*key, strlen(prefix));
    return true;
}

bool row_key_parse(struct bytes key, struct row_key *out)
{
    *out = (struct row_key){0};
    if (take_prefix(&key, "source/"))
        out->kind = ROW_SOURCE;
    else if (take_prefix(&key, "entity/"))
        out->kind = ROW_ENTITY;
    else if (take_prefix(&key, "view/"))
        out->kind = ROW_VIEW;
    else
        return false;

    const char *at = key.size == 0 ? NULL : memchr(key.data, '@', key.size);
    out->name = key;
    if (out->kind == ROW_VIEW && at != NULL) {
        out->kind = ROW_VERSION;
        out->name.size = (size_t)(at - key.data);
        if (!uint32_parse(bytes_after(key, out->name.size + 1), &out->version) || out->version == 0)
            return false;
    }
    return name_is_valid(out->name);
}

/* --- reading ------------------------------------------------------------------------------- */

/* The one document of a row. */
static enum status row_read(const struct parse *parse, const struct registry_row *row,
                            struct arena *scratch, const struct node **out)
{
    struct document *document = NULL;
    enum status status =
        documents_read(row->key, row->value, parse->arena, scratch, &document, parse->err);
    if (status != STATUS_OK)
        return status;
    if (document == NULL || document->next != NULL)
        return error_set(parse->err, STATUS_INVALID, "row %s is not one document",
                         quoted(parse->arena, row->key));
    *out = document->root;
    return STATUS_OK;
}

/* Where a name stands that is only in the key of its row. */
static struct node name_node_of(const struct row_key *key, const struct registry_row *row)
{
    return (struct node){
        .kind = NODE_TEXT, .text = key->name, .file = row->key, .line = 1, .column = 1};
}

static enum status number_read(const struct parse *parse, const struct node *owner,
                               const struct node *node, const char *what, uint32_t *out)
{
    if (node == NULL || node->kind != NODE_TEXT || !uint32_parse(node->text, out))
        return mistake(parse, node == NULL ? owner : node, "there is no number %s", what);
    return STATUS_OK;
}

enum status row_to_source(const struct parse *parse, const struct row_key *key,
                          const struct registry_row *row, struct arena *scratch, struct source *out)
{
    const struct node *root = NULL;
    const struct node *id = NULL;
    const struct node *body = NULL;
    const struct node name = name_node_of(key, row);
    const struct key_slot slots[] = {{"id", &id, NULL}, {"definition", &body, NULL}};
    struct source_definition *definition = ARENA_NEW(parse->arena, struct source_definition);

    enum status status = row_read(parse, row, scratch, &root);
    if (status == STATUS_OK)
        status = mapping_read(parse, root, "a row of a source", slots, COUNT_OF(slots));
    if (status == STATUS_OK)
        status = number_read(parse, root, id, "id", &out->id);
    if (status == STATUS_OK && (body == NULL || out->id == 0))
        status = mistake(parse, root, "there is no id or no definition");
    if (status == STATUS_OK)
        status = source_parse(parse, &name, body, definition);
    out->definition = definition;
    return status;
}

enum status row_to_entity(const struct parse *parse, const struct row_key *key,
                          const struct registry_row *row, struct arena *scratch,
                          struct entity_definition *out)
{
    const struct node *root = NULL;
    const struct node *body = NULL;
    const struct node name = name_node_of(key, row);
    const struct key_slot slots[] = {{"definition", &body, NULL}};

    enum status status = row_read(parse, row, scratch, &root);
    if (status == STATUS_OK)
        status = mapping_read(parse, root, "a row of an entity", slots, COUNT_OF(slots));
    if (status == STATUS_OK && body == NULL)
        status = mistake(parse, root, "there is no definition");
    if (status == STATUS_OK)
        status = entity_definition_parse(parse, &name, body, out);
    return status;
}

static enum status list_check(const struct parse *parse, const struct node *owner,
                              const struct node *node, const char *what, size_t count_max)
{
    if (node == NULL || node->kind != NODE_LIST || node->items_count > count_max)
        return mistake(parse, node == NULL ? owner : node, "there is no list %s of at most %zu",
                       what, count_max);
    return STATUS_OK;
}

static enum status before_read(const struct parse *parse, const struct node *owner,
                               const struct node *node, struct view *out)
{
    enum status status = list_check(parse, owner, node, "before", VIEW_BEFORE_MAX);
    if (status != STATUS_OK)
        return status;
    uint32_t *before = ARENA_NEW_ARRAY(parse->arena, node->items_count + 1, uint32_t);
    for (size_t i = 0; i < node->items_count && status == STATUS_OK; i++)
        status = number_read(parse, node, node->items[i], "before", &before[i]);
    out->before = before;
    out->before_count = node->items_count;
    return status;
}

static enum status switch_read(const struct parse *parse, const struct node *node,
                               struct version_switch *out)
{
    const struct node *version = NULL;
    const struct node *cause = NULL;
    const struct node *at = NULL;
    const struct key_slot slots[] = {
        {"version", &version, NULL}, {"cause", &cause, NULL}, {"at_us", &at, NULL}};
    size_t index = 0;
    enum status status = mapping_read(parse, node, "a switch", slots, COUNT_OF(slots));
    if (status == STATUS_OK)
        status = number_read(parse, node, version, "version", &out->version);
    if (status == STATUS_OK)
        status = word_read(parse, cause, "cause", cause_names, COUNT_OF(cause_names), &index);
    if (status == STATUS_OK && (at == NULL || at->kind != NODE_TEXT ||
                                number_parse_int(at->text, &out->at_us) != NUMBER_OK))
        status = mistake(parse, node, "there is no time at_us");
    out->cause = (enum switch_cause)index;
    return status;
}

static enum status switches_read(const struct parse *parse, const struct node *owner,
                                 const struct node *node, struct view *out)
{
    enum status status = list_check(parse, owner, node, "switches", VIEW_SWITCHES_MAX);
    if (status != STATUS_OK)
        return status;
    struct version_switch *switches =
        ARENA_NEW_ARRAY(parse->arena, node->items_count + 1, struct version_switch);
    for (size_t i = 0; i < node->items_count && status == STATUS_OK; i++)
        status = switch_read(parse, node->items[i], &switches[i]);
    out->switches = switches;
    out->switches_count = node->items_count;
    return status;
}

struct view_nodes {
    const struct node *root;
    const struct node *active;
    const struct node *newest;
    const struct node *newest_table;
    const struct node *promoted;
    const struct node *before;
    const struct node *switches;
};

static enum status view_read_numbers(const struct parse *parse, const struct view_nodes *nodes,
                                     struct view *out)
{
    const struct node *root = nodes->root;
    enum status status = number_read(parse, root, nodes->active, "active", &out->active);
    if (status == STATUS_OK)
        status = number_read(parse, root, nodes->newest, "newest", &out->newest_number);
    if (status == STATUS_OK)
        status = number_read(parse, root, nodes->newest_table, "newest_table", &out->newest_table);
    if (status == STATUS_OK)
        status = number_read(parse, root, nodes->promoted, "promoted_when_filled",
                             &out->promoted_when_filled);
    return status;
}

enum status row_to_view(const struct parse *parse, const struct row_key *key,
                        const struct registry_row *row, struct arena *scratch, struct view *out)
{
    struct view_nodes nodes = {0};
    const struct key_slot slots[] = {
        {"active", &nodes.active, NULL},
        {"newest", &nodes.newest, NULL},
        {"newest_table", &nodes.newest_table, NULL},
        {"promoted_when_filled", &nodes.promoted, NULL},
        {"before", &nodes.before, NULL},
        {"switches", &nodes.switches, NULL},
    };
    enum status status = row_read(parse, row, scratch, &nodes.root);
    if (status == STATUS_OK)
        status = mapping_read(parse, nodes.root, "a row of a view", slots, COUNT_OF(slots));
    if (status == STATUS_OK)
        status = view_read_numbers(parse, &nodes, out);
    if (status == STATUS_OK)
        status = before_read(parse, nodes.root, nodes.before, out);
    if (status == STATUS_OK)
        status = switches_read(parse, nodes.root, nodes.switches, out);
    out->name = key->name;
    return status;
}

/* --- reading a version --------------------------------------------------------------------- */

struct version_nodes {
    const struct node *root;
    const struct node *table;
    const struct node *state;
    const struct node *definition;
    const struct node *resolved;
};

/* What a version keeps of its source and entity, as far as it needs them. */
struct resolved {
    struct source_definition source;
    struct entity_definition entity;
    const struct node *types;
};

static enum status version_read_keys(const struct parse *parse, struct version_nodes *nodes,
                                     struct view_version *out)
{
    const struct key_slot slots[] = {
        {"table", &nodes->table, NULL},
        {"state", &nodes->state, NULL},
        {"definition", &nodes->definition, NULL},
        {"resolved", &nodes->resolved, NULL},
    };
    size_t state = 0;
    enum status status =
        mapping_read(parse, nodes->root, "a row of a version", slots, COUNT_OF(slots));
    if (status == STATUS_OK)
        status = number_read(parse, nodes->root, nodes->table, "table", &out->table_id);
    if (status == STATUS_OK && (nodes->state == NULL || nodes->definition == NULL ||
                                nodes->resolved == NULL || out->table_id == 0))
        status = mistake(parse, nodes->root, "a part of the version is not there");
    if (status == STATUS_OK)
        status =
            word_read(parse, nodes->state, "state", state_names, COUNT_OF(state_names), &state);
    out->state = (enum version_state)state;
    return status;
}

static enum status resolved_read(const struct parse *parse, const struct node *node,
                                 const struct view_draft *draft, struct resolved *out)
{
    struct event_nodes event = {.owner = node};
    const struct node *keys = NULL;
    const struct key_slot slots[] = {
        {"fields", &event.fields, NULL},     {"event_time", &event.event_time, NULL},
        {"event_id", &event.event_id, NULL}, {"keys", &keys, NULL},
        {"types", &out->types, NULL},
    };
    enum status status =
        mapping_read(parse, node, "what a view is resolved to", slots, COUNT_OF(slots));
    if (status == STATUS_OK && (keys == NULL || out->types == NULL))
        status = mistake(parse, node, "there are no keys or no types");
    out->source.name = draft->name;
    if (status == STATUS_OK && draft->source != NULL)
        status = name_read(parse, draft->source, "source", &out->source.name);
    if (status == STATUS_OK)
        status = name_read(parse, draft->entity, "entity", &out->entity.name);
    if (status == STATUS_OK)
        status = source_parse_event(parse, &event, &out->source);
    if (status == STATUS_OK)
        status = keys_parse(parse, keys, &out->entity);
    return status;
}

/* A version keeps its meaning for ever: a server that would compute another type must say so. */
static enum status types_check(const struct parse *parse, const struct node *types,
                               const struct view_definition *view)
{
    char text[TYPE_TEXT_SIZE];
    for (size_t i = 0; i < view->features_count; i++) {
        const struct feature_definition *feature = &view->features[i];
        const char *name = quoted(parse->arena, feature->name);
        const struct node *type = NULL;
        for (size_t j = 0; types->kind == NODE_MAPPING && j < types->items_count; j += 2)
            if (bytes_equal(types->items[j]->text, feature->name))
                type = types->items[j + 1];
        if (type == NULL || type->kind != NODE_TEXT)
            return mistake(parse, types, "there is no type of feature %s", name);
        if (!bytes_equal_text(type->text, type_name(feature->type, text)))
            return mistake(parse, type, "feature %s was made with the type %s and would be %s now",
                           name, quoted(parse->arena, type->text), text);
    }
    return STATUS_OK;
}

static enum status derived_read(const struct parse *parse, enum view_kind kind,
                                const struct node *name, const struct node *body,
                                struct view_definition *out)
{
    struct view_draft draft = {0};
    enum status status = derived_draft_parse(parse, kind, name, body, &draft);
    return status == STATUS_OK ? derived_resolve(parse, &draft, NULL, out) : status;
}

static enum status resolved_view_read(const struct parse *parse, const struct node *name,
                                      const struct version_nodes *nodes,
                                      struct view_definition *out)
{
    struct view_draft draft = {0};
    struct resolved resolved = {0};
    enum status status = view_draft_parse(parse, name, nodes->definition, &draft);
    if (status == STATUS_OK)
        status = resolved_read(parse, nodes->resolved, &draft, &resolved);
    if (status == STATUS_OK)
        status = view_resolve(parse, &draft, &resolved.source, &resolved.entity, out);
    if (status == STATUS_OK)
        status = types_check(parse, resolved.types, out);
    return status;
}

enum status row_to_version(const struct parse *parse, const struct row_key *key,
                           const struct registry_row *row, struct arena *scratch,
                           struct view_version *out)
{
    struct version_nodes nodes = {0};
    enum view_kind kind = VIEW_STREAM;
    const struct node name = name_node_of(key, row);
    struct view_definition *view = ARENA_NEW(parse->arena, struct view_definition);

    enum status status = row_read(parse, row, scratch, &nodes.root);
    if (status == STATUS_OK)
        status = version_read_keys(parse, &nodes, out);
    if (status == STATUS_OK)
        kind = derived_kind_of(parse, nodes.definition);
    if (status == STATUS_OK)
        status = view_kind_is_derived(kind)
                     ? derived_read(parse, kind, &name, nodes.definition, view)
                     : resolved_view_read(parse, &name, &nodes, view);
    view->version = key->version;
    out->definition = view;
    return status;
}
