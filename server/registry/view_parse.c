#include "registry/draft.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { FEATURE_SLOTS = 7 };

/* --- features ------------------------------------------------------------------------------ */

static bool is_aggregation(const struct parse *parse, struct bytes name)
{
    for (const char *const *it = parse->checks->aggregation_names; *it != NULL; it++)
        if (bytes_equal_text(name, *it))
            return true;
    return false;
}

/* The names of aggregations, followed by room for others. */
static struct bytes *aggregation_names(const struct parse *parse, size_t others_max, size_t *count)
{
    size_t all = 0;
    while (parse->checks->aggregation_names[all] != NULL)
        all++;
    struct bytes *names = ARENA_NEW_ARRAY(parse->arena, all + others_max, struct bytes);
    for (size_t i = 0; i < all; i++)
        names[i] = bytes_of_text(parse->checks->aggregation_names[i]);
    *count = all;
    return names;
}

static enum status mistake_feature_key(const struct parse *parse, const struct node *key,
                                       const struct key_slot *slots)
{
    bool is_rest_of_text = memchr(key->text.data, ')', key->text.size) != NULL;
    if (is_rest_of_text) /* over: tumbling(1d, offset 5h) */
        return mistake(
            parse, key,
            "found %s as a key, as a comma ends a text in {...}; put the text in quotes, "
            "like over: 'tumbling(1d, offset 5h)'",
            quoted(parse->arena, key->text));
    size_t count = 0;
    struct bytes *names = aggregation_names(parse, FEATURE_SLOTS, &count);
    for (size_t i = 0; i < FEATURE_SLOTS; i++)
        names[count++] = bytes_of_text(slots[i].name);
    return mistake(parse, key, "a feature has no key and there is no aggregation %s%s",
                   quoted(parse->arena, key->text),
                   hint_names(parse->arena, key->text, "aggregations and keys", names, count));
}

static enum status feature_read_key(const struct parse *parse, const struct node *key,
                                    const struct node *value, const struct key_slot *slots,
                                    struct feature_draft *out)
{
    const struct key_slot *slot = slot_find(slots, FEATURE_SLOTS, key->text);
    if (slot != NULL) {
        *slot->value = value;
        return STATUS_OK;
    }
    if (!is_aggregation(parse, key->text))
        return mistake_feature_key(parse, key, slots);
    if (out->aggregation != NULL)
        return mistake(parse, key,
                       "found a second aggregation %s; a feature has one, make two of it",
                       quoted(parse->arena, key->text));
    out->aggregation = key;
    out->argument = value;
    return STATUS_OK;
}

static enum status feature_check_complete(const struct parse *parse,
                                          const struct feature_draft *draft)
{
    if (draft->aggregation == NULL) {
        size_t count = 0;
        struct bytes *names = aggregation_names(parse, 0, &count);
        return mistake(parse, draft->name_node, "feature %s has no aggregation%s",
                       quoted(parse->arena, draft->name),
                       hint_names(parse->arena, bytes_of_text(""), "aggregations", names, count));
    }
    if (draft->over == NULL)
        return mistake(parse, draft->name_node,
                       "feature %s has no window; add over: 5m, or last(5), session(30m), forever",
                       quoted(parse->arena, draft->name));
    return STATUS_OK;
}

static enum status feature_draft_parse(const struct parse *parse, const struct node *name,
                                       const struct node *body, struct feature_draft *out)
{
    struct annotation_nodes annotations = {0};
    const struct key_slot slots[FEATURE_SLOTS] = {
        ANNOTATION_SLOTS(&annotations), {"over", &out->over, NULL},
        {"where", &out->where, NULL},   {"default", &out->default_value, NULL},
        {"type", &out->type, NULL},
    };
    out->name_node = name;
    enum status status = name_read(parse, name, "feature", &out->name);
    if (status != STATUS_OK)
        return status;
    if (body->kind != NODE_MAPPING)
        return mistake(parse, body, "found %s; a feature is a mapping like {count: '*', over: 5m}",
                       node_kind_name(body));
    for (size_t i = 0; i < body->items_count && status == STATUS_OK; i += 2)
        status = feature_read_key(parse, body->items[i], body->items[i + 1], slots, out);
    if (status == STATUS_OK)
        status = feature_check_complete(parse, out);
    if (status == STATUS_OK)
        status = annotations_read(parse, &annotations, &out->annotations);
    return status;
}

static enum status features_parse(const struct parse *parse, const struct node *node,
                                  struct view_draft *out)
{
    if (node->kind != NODE_MAPPING || node->items_count == 0)
        return mistake(parse, node,
                       "found %s; features are a mapping like {payments_5m: {count: "
                       "'*', over: 5m}}",
                       node->kind == NODE_MAPPING ? "no feature" : node_kind_name(node));
    size_t count = node->items_count / 2;
    if (count > VIEW_FEATURES_MAX)
        return mistake_limit(parse, node, "found %zu features; a view has at most %d", count,
                             VIEW_FEATURES_MAX);
    struct feature_draft *features = ARENA_NEW_ARRAY(parse->arena, count, struct feature_draft);
    for (size_t i = 0; i < count; i++) {
        const struct node *name = node->items[2 * i];
        const struct node *body = node->items[2 * i + 1];
        enum status status = out->kind == VIEW_BATCH
                                 ? batch_feature_draft_parse(parse, name, body, &features[i])
                                 : feature_draft_parse(parse, name, body, &features[i]);
        if (status != STATUS_OK)
            return status;
    }
    out->features = features;
    out->features_count = count;
    return STATUS_OK;
}

/* --- views --------------------------------------------------------------------------------- */

/* Before the other keys, as they depend on it. */
static enum status kind_parse(const struct parse *parse, const struct node *body,
                              enum view_kind *out)
{
    static const struct bytes kinds[] = {[VIEW_STREAM] = {"stream", 6},
                                         [VIEW_BATCH] = {"batch", 5},
                                         [VIEW_ON_DEMAND] = {"on_demand", 9}};
    size_t kind = VIEW_STREAM;
    const struct node *node = node_get(body, "kind");
    enum status status = word_read(parse, node, "kind", kinds, COUNT_OF(kinds), &kind);
    *out = (enum view_kind)kind;
    return status;
}

static enum status view_check_complete(const struct parse *parse, const struct view_draft *draft,
                                       const struct node *features)
{
    const char *missing = NULL;
    if (features == NULL)
        missing = draft->kind == VIEW_BATCH ? "features: {NAME: TYPE}"
                                            : "features: {NAME: {count: '*', over: 5m}}";
    if (draft->entity == NULL)
        missing = "entity: NAME";
    if (draft->source == NULL && draft->kind == VIEW_STREAM)
        missing = "source: NAME";
    if (missing == NULL)
        return STATUS_OK;
    return mistake(parse, draft->name_node, "view %s is not complete; add %s",
                   quoted(parse->arena, draft->name), missing);
}

enum status view_draft_parse(const struct parse *parse, const struct node *name,
                             const struct node *body, struct view_draft *out)
{
    struct annotation_nodes annotations = {0};
    const struct node *features = NULL;
    const struct node *kind = NULL;
    out->name_node = name;
    enum status status = name_read(parse, name, "view", &out->name);
    if (status == STATUS_OK)
        status = kind_parse(parse, body, &out->kind);
    if (status != STATUS_OK)
        return status;
    bool is_batch = out->kind == VIEW_BATCH;
    const struct key_slot slots[] = {
        ANNOTATION_SLOTS(&annotations),
        {"kind", &kind, NULL},
        {"source", &out->source, NULL},
        {"entity", &out->entity, NULL},
        {"where", &out->where, is_batch ? "a batch view keeps every write; leave it out" : NULL},
        {"history", &out->history, NULL},
        {"features", &features, NULL},
        {"ttl", &out->ttl, is_batch ? NULL : "only batch views have it; add kind: batch"},
        {"request", NULL, "only on-demand views have it; add kind: on_demand"},
    };
    status = mapping_read(parse, body, "a view", slots, COUNT_OF(slots));
    if (status == STATUS_OK)
        status = view_check_complete(parse, out, features);
    if (status == STATUS_OK)
        status = annotations_read(parse, &annotations, &out->annotations);
    if (status == STATUS_OK)
        status = features_parse(parse, features, out);
    return status;
}
