/* On-demand views and services as their files have them. */
#include "registry/derived.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum view_kind derived_kind_of(const struct parse *parse, const struct node *body)
{
    const struct node *kind = body->kind == NODE_MAPPING ? node_get(body, "kind") : NULL;
    if (kind == NULL || kind->kind != NODE_TEXT)
        return VIEW_STREAM;
    if (bytes_equal_text(kind->text, view_kind_name(VIEW_ON_DEMAND)))
        return VIEW_ON_DEMAND;
    bool is_service =
        parse->is_stored && bytes_equal_text(kind->text, view_kind_name(VIEW_SERVICE));
    return is_service ? VIEW_SERVICE : VIEW_STREAM;
}

static struct feature_draft *drafts_allocate(const struct parse *parse, const struct node *node,
                                             size_t count, enum status *status)
{
    *status = STATUS_OK;
    if (count > VIEW_FEATURES_MAX) {
        *status = mistake_limit(parse, node, "found %zu features; at most %d are taken", count,
                                VIEW_FEATURES_MAX);
        return NULL;
    }
    return ARENA_NEW_ARRAY(parse->arena, count, struct feature_draft);
}

/* --- on-demand views ----------------------------------------------------------------------- */

static enum status expression_map_parse(const struct parse *parse, const struct node *body,
                                        struct feature_draft *out)
{
    struct annotation_nodes annotations = {0};
    const struct key_slot slots[] = {
        ANNOTATION_SLOTS(&annotations),
        {"expression", &out->argument, NULL},
        {"type", &out->type, NULL},
        {"default", &out->default_value, NULL},
    };
    enum status status =
        mapping_read(parse, body, "a feature of an on-demand view", slots, COUNT_OF(slots));
    if (status == STATUS_OK && out->argument == NULL)
        return mistake(parse, out->name_node, "feature %s has no expression; add expression: SQL",
                       quoted(parse->arena, out->name));
    if (status == STATUS_OK)
        status = annotations_read(parse, &annotations, &out->annotations);
    return status;
}

static enum status expression_draft_parse(const struct parse *parse, const struct node *name,
                                          const struct node *body, struct feature_draft *out)
{
    out->name_node = name;
    enum status status = name_read(parse, name, "feature", &out->name);
    if (status != STATUS_OK)
        return status;
    if (body->kind == NODE_MAPPING)
        return expression_map_parse(parse, body, out);
    if (body->kind != NODE_TEXT)
        return mistake(
            parse, body,
            "found %s; a feature of an on-demand view is an expression, like "
            "request.amount / card_payments.amount_avg_7d, or {expression: SQL, type: int}",
            node_kind_name(body));
    out->argument = body;
    return STATUS_OK;
}

static enum status expressions_parse(const struct parse *parse, const struct node *node,
                                     struct view_draft *out)
{
    enum status status;
    if (node->kind != NODE_MAPPING || node->items_count == 0)
        return mistake(parse, node,
                       "found %s; features of an on-demand view are a mapping like {ratio: "
                       "request.amount / card_payments.amount_avg_7d}",
                       node->kind == NODE_MAPPING ? "no feature" : node_kind_name(node));
    size_t count = node->items_count / 2;
    struct feature_draft *features = drafts_allocate(parse, node, count, &status);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status =
            expression_draft_parse(parse, node->items[2 * i], node->items[2 * i + 1], &features[i]);
    out->features = features;
    out->features_count = count;
    return status;
}

static enum status on_demand_parse(const struct parse *parse, const struct node *body,
                                   struct view_draft *out)
{
    static const char *const nothing_stored =
        "an on-demand view keeps nothing of its own: it reads other views, by view.feature";
    struct annotation_nodes annotations = {0};
    const struct node *features = NULL;
    const struct node *kind = NULL;
    const struct key_slot slots[] = {
        ANNOTATION_SLOTS(&annotations),  {"kind", &kind, NULL},
        {"entity", &out->entity, NULL},  {"request", &out->request, NULL},
        {"features", &features, NULL},   {"source", NULL, nothing_stored},
        {"where", NULL, nothing_stored}, {"history", NULL, nothing_stored},
        {"ttl", NULL, nothing_stored},
    };
    enum status status = mapping_read(parse, body, "an on-demand view", slots, COUNT_OF(slots));
    if (status != STATUS_OK)
        return status;
    if (out->entity == NULL || features == NULL)
        return mistake(parse, out->name_node, "view %s is not complete; add %s",
                       quoted(parse->arena, out->name),
                       out->entity == NULL ? "entity: NAME" : "features: {NAME: EXPRESSION}");
    status = annotations_read(parse, &annotations, &out->annotations);
    if (status == STATUS_OK)
        status = expressions_parse(parse, features, out);
    return status;
}

/* --- services ------------------------------------------------------------------------------ */

static enum status references_parse(const struct parse *parse, const struct node *node,
                                    struct view_draft *out)
{
    enum status status;
    if (node->kind != NODE_LIST || node->items_count == 0)
        return mistake(
            parse, node,
            "found %s; features of a service are a list like [card_payments.payments_5m, "
            "card_profile.segment]",
            node->kind == NODE_LIST ? "no feature" : node_kind_name(node));
    size_t count = node->items_count;
    struct feature_draft *features = drafts_allocate(parse, node, count, &status);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        features[i].name_node = features[i].argument = node->items[i];
        status = text_read(parse, node->items[i], "a feature of a service", &features[i].name);
    }
    out->features = features;
    out->features_count = count;
    return status;
}

static enum status service_parse(const struct parse *parse, const struct node *body,
                                 struct view_draft *out)
{
    static const char *const not_stored = "a service has no kind";
    struct annotation_nodes annotations = {0};
    const struct node *features = NULL;
    const struct node *kind = NULL;
    const struct key_slot slots[] = {
        ANNOTATION_SLOTS(&annotations),
        {"features", &features, NULL},
        {"kind", parse->is_stored ? &kind : NULL, parse->is_stored ? NULL : not_stored},
    };
    enum status status = mapping_read(parse, body, "a service", slots, COUNT_OF(slots));
    if (status != STATUS_OK)
        return status;
    if (features == NULL)
        return mistake(parse, out->name_node,
                       "service %s is not complete; add features: [VIEW.FEATURE, ...]",
                       quoted(parse->arena, out->name));
    status = annotations_read(parse, &annotations, &out->annotations);
    if (status == STATUS_OK)
        status = references_parse(parse, features, out);
    return status;
}

enum status derived_draft_parse(const struct parse *parse, enum view_kind kind,
                                const struct node *name, const struct node *body,
                                struct view_draft *out)
{
    bool is_service = kind == VIEW_SERVICE;
    *out = (struct view_draft){.kind = kind, .name_node = name};
    enum status status = name_read(parse, name, is_service ? "service" : "view", &out->name);
    if (status == STATUS_OK)
        status = is_service ? service_parse(parse, body, out) : on_demand_parse(parse, body, out);
    return status;
}
