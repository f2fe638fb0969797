/* What the names in an on-demand view and in a service stand for. */
#include <stdlib.h>

#include "model/reference.h"
#include "registry/derived.h"

struct resolver {
    const struct parse *parse;
    const struct view_draft *draft;
    const struct derived_lookup *lookup; /* NULL: nothing is checked */
    struct view_definition *out;
    struct feature_reference *inputs;
    struct field_definition *fields; /* of request and inputs, by the names that expressions have */
    uint32_t *used; /* indexes into inputs: what the expression at hand reads, used_count of them */
    size_t used_count;
};

/* --- references ---------------------------------------------------------------------------- */

static const struct feature_definition *feature_of(const struct view_definition *view,
                                                   struct bytes name)
{
    ssize_t index = feature_find(view, name);
    return index < 0 ? NULL : &view->features[index];
}

static enum status no_such_view(const struct resolver *resolver,
                                const struct feature_reference *reference, struct error *err)
{
    struct arena *arena = resolver->parse->arena;
    const struct derived_lookup *lookup = resolver->lookup;
    size_t count = 0;
    if (reference->version > 0 && lookup->find_view(lookup->context, reference->view, 0) != NULL)
        return error_set(err, STATUS_INVALID, "view %s has no version %u",
                         quoted(arena, reference->view), reference->version);
    const struct bytes *names = lookup->list_views(lookup->context, arena, &count);
    return error_set(err, STATUS_INVALID, "there is no view %s%s", quoted(arena, reference->view),
                     hint_names(arena, reference->view, "views", names, count));
}

static enum status no_such_feature(const struct resolver *resolver,
                                   const struct view_definition *view, struct bytes name,
                                   struct error *err)
{
    struct arena *arena = resolver->parse->arena;
    struct bytes *names = ARENA_NEW_ARRAY(arena, view->features_count, struct bytes);
    for (size_t i = 0; i < view->features_count; i++)
        names[i] = view->features[i].name;
    return error_set(err, STATUS_INVALID, "view %s has no feature %s%s", quoted(arena, view->name),
                     quoted(arena, name),
                     hint_names(arena, name, "features", names, view->features_count));
}

/* The feature that a reference names; *view is the one that it is of. */
static enum status reference_find(const struct resolver *resolver,
                                  const struct feature_reference *reference,
                                  const struct view_definition **view,
                                  const struct feature_definition **feature, struct error *err)
{
    struct arena *arena = resolver->parse->arena;
    const struct derived_lookup *lookup = resolver->lookup;
    *view = lookup->find_view(lookup->context, reference->view, reference->version);
    if (*view == NULL)
        return no_such_view(resolver, reference, err);
    if ((*view)->kind == VIEW_SERVICE)
        return error_set(err, STATUS_INVALID, "%s is a service; name the features of its views",
                         quoted(arena, reference->view));
    if ((*view)->kind == VIEW_ON_DEMAND && resolver->draft->kind == VIEW_ON_DEMAND)
        return error_set(err, STATUS_INVALID,
                         "%s is an on-demand view, too; write its expression out",
                         quoted(arena, reference->view));
    *feature = feature_of(*view, reference->feature);
    if (*feature == NULL)
        return no_such_feature(resolver, *view, reference->feature, err);
    return STATUS_OK;
}

/* --- the names of an expression ------------------------------------------------------------ */

static enum status check_input(const struct resolver *resolver,
                               const struct feature_reference *reference, struct type *type,
                               struct error *err)
{
    struct arena *arena = resolver->parse->arena;
    const struct view_definition *view = NULL;
    const struct feature_definition *feature = NULL;
    char text[TYPE_TEXT_SIZE];
    enum status status = reference_find(resolver, reference, &view, &feature, err);
    if (status != STATUS_OK)
        return status;
    if (!bytes_equal(view->entity, resolver->out->entity))
        return error_set(err, STATUS_INVALID,
                         "view %s is of entity %s, and this one of %s; a service reads both",
                         quoted(arena, view->name), quoted(arena, view->entity),
                         quoted(arena, resolver->out->entity));
    if (feature->type.is_list)
        return error_set(err, STATUS_INVALID, "%s is a %s; an expression takes single values",
                         quoted(arena, feature->name), type_name(feature->type, text));
    *type = feature->type;
    return STATUS_OK;
}

/* Notes that the expression at hand reads the input. */
static void use_input(struct resolver *resolver, size_t index)
{
    for (size_t i = 0; i < resolver->used_count; i++)
        if (resolver->used[i] == index)
            return;
    resolver->used[resolver->used_count++] = (uint32_t)index;
}

static enum status take_reference(struct resolver *resolver, struct bytes name,
                                  const struct feature_reference *reference, struct error *err)
{
    struct view_definition *out = resolver->out;
    struct type type = {0};
    ssize_t known = field_find(resolver->fields, out->request_count + out->inputs_count, name);
    if (known >= 0) {
        use_input(resolver, (size_t)known - out->request_count);
        return STATUS_OK;
    }
    if (resolver->lookup != NULL) {
        enum status status = check_input(resolver, reference, &type, err);
        if (status != STATUS_OK)
            return status;
    }
    if (out->inputs_count == DERIVED_INPUTS_MAX)
        return error_set(err, STATUS_LIMIT, "an on-demand view reads at most %d features",
                         DERIVED_INPUTS_MAX);
    resolver->fields[out->request_count + out->inputs_count] =
        (struct field_definition){.name = name, .type = type};
    use_input(resolver, out->inputs_count);
    resolver->inputs[out->inputs_count++] = *reference;
    return STATUS_OK;
}

static enum status refuse_request(const struct resolver *resolver, struct bytes name,
                                  struct error *err)
{
    struct arena *arena = resolver->parse->arena;
    const struct view_definition *out = resolver->out;
    if (out->request_count == 0)
        return error_set(err, STATUS_INVALID,
                         "the view has no request value %s; add request: {%.*s: TYPE}",
                         quoted(arena, name), BYTES_ARGS(name));
    return error_set(err, STATUS_INVALID, "the view has no request value %s%s", quoted(arena, name),
                     hint_fields(arena, name, out->request, out->request_count));
}

/* The expression_name_fn of an on-demand view. */
static enum status take_name(void *context, struct bytes name, size_t offset, struct error *err)
{
    struct resolver *resolver = context;
    const struct view_definition *out = resolver->out;
    struct bytes request = request_reference_name(name);
    struct feature_reference reference;
    (void)offset;
    if (request.size > 0)
        return field_find(out->request, out->request_count, request) >= 0
                   ? STATUS_OK
                   : refuse_request(resolver, request, err);
    struct bytes kept = arena_copy(resolver->parse->arena, name);
    if (feature_reference_parse(kept, &reference))
        return take_reference(resolver, kept, &reference, err);
    return error_set(err, STATUS_INVALID, "unknown name %s; write view.feature or request.NAME",
                     quoted(resolver->parse->arena, name));
}

/* --- expressions --------------------------------------------------------------------------- */

static enum status expression_check(struct resolver *resolver, const struct feature_draft *draft,
                                    size_t skipped, struct bytes text)
{
    const struct parse *parse = resolver->parse;
    const struct view_definition *out = resolver->out;
    struct error reason = {0};
    size_t offset = 0;
    enum status status = parse->checks->list_names(text, take_name, resolver, &offset, &reason);
    if (status == STATUS_OK && resolver->lookup != NULL) {
        size_t count = out->request_count + out->inputs_count;
        bool *used = ARENA_NEW_ARRAY(parse->arena, count, bool);
        status =
            parse->checks->check_expression(text, resolver->fields, count, used, &offset, &reason);
    }
    if (status == STATUS_OK)
        return STATUS_OK;
    return mistake_inside(parse, draft->argument, skipped + offset, "feature %s: %s",
                          quoted(parse->arena, draft->name), reason.text);
}

/* The type of a bare name; false: the expression is more than one. */
static bool bare_type(const struct resolver *resolver, struct bytes text, struct type *out)
{
    const struct view_definition *view = resolver->out;
    ssize_t index = field_find(resolver->fields, view->request_count + view->inputs_count, text);
    if (index < 0)
        return false;
    *out = resolver->fields[index].type;
    return true;
}

/* What was stored names its type, as a bare name takes the type that it had when it was planned. */
static enum status type_resolve(const struct resolver *resolver, const struct feature_draft *draft,
                                struct feature_definition *out)
{
    struct bytes text = {0};
    out->type = (struct type){.kind = VALUE_DOUBLE};
    out->argument_kind = ARGUMENT_EXPRESSION;
    if (bare_type(resolver, out->argument, &out->type))
        out->argument_kind = ARGUMENT_FIELD;
    if (resolver->lookup == NULL)
        out->type = (struct type){.kind = VALUE_DOUBLE};
    if (draft->type != NULL) {
        enum status status = text_read(resolver->parse, draft->type, "type", &text);
        if (status != STATUS_OK)
            return status;
        if (!type_parse(text, &out->type))
            return mistake(resolver->parse, draft->type, "there is no type %s",
                           quoted(resolver->parse->arena, text));
    }
    out->argument_type = out->type;
    return STATUS_OK;
}

static enum status expression_resolve(struct resolver *resolver, const struct feature_draft *draft,
                                      struct feature_definition *out)
{
    const struct parse *parse = resolver->parse;
    struct bytes text = {0};
    size_t skipped = 0;
    *out = (struct feature_definition){.name = draft->name, .annotations = draft->annotations};
    enum status status = text_read(parse, draft->argument, "an expression", &text);
    if (status != STATUS_OK)
        return status;
    out->argument = trimmed(text, &skipped);
    if (out->argument.size > EXPRESSION_SIZE_MAX)
        return mistake_limit(parse, draft->argument,
                             "feature %s: an expression has at most %d bytes",
                             quoted(parse->arena, draft->name), EXPRESSION_SIZE_MAX);
    resolver->used_count = 0;
    status = expression_check(resolver, draft, skipped, out->argument);
    uint32_t *inputs = ARENA_NEW_ARRAY(parse->arena, resolver->used_count + 1, uint32_t);
    memcpy(inputs, resolver->used, resolver->used_count * sizeof(*inputs));
    out->inputs = inputs;
    out->inputs_count = resolver->used_count;
    if (status == STATUS_OK)
        status = type_resolve(resolver, draft, out);
    out->default_value = value_null();
    if (status == STATUS_OK && draft->default_value != NULL)
        status = default_parse(parse, draft->default_value, out->type, &out->default_value);
    return status;
}

/* --- on-demand views ----------------------------------------------------------------------- */

static int compare_fields(const void *a, const void *b)
{
    const struct field_definition *left = a;
    const struct field_definition *right = b;
    return bytes_compare(left->name, right->name);
}

/* The fields of request:, sorted by name, as their order means nothing. */
static enum status request_resolve(struct resolver *resolver)
{
    const struct parse *parse = resolver->parse;
    const struct node *node = resolver->draft->request;
    enum status status = STATUS_OK;
    if (node == NULL || node_is_null(node))
        return STATUS_OK;
    if (node->kind != NODE_MAPPING)
        return mistake(parse, node, "found %s; request is a mapping like {amount: decimal(2)}",
                       node_kind_name(node));
    size_t count = node->items_count / 2;
    if (count > SOURCE_FIELDS_MAX)
        return mistake_limit(parse, node, "found %zu request values; a view has at most %d", count,
                             SOURCE_FIELDS_MAX);
    struct field_definition *request =
        ARENA_NEW_ARRAY(parse->arena, count, struct field_definition);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status =
            field_definition_parse(parse, node->items[2 * i], node->items[2 * i + 1], &request[i]);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        if (!name_is_valid(request[i].name))
            status = mistake(parse, node->items[2 * i], "%s cannot name a request value",
                             quoted(parse->arena, request[i].name));
    if (status != STATUS_OK)
        return status;
    qsort(request, count, sizeof(request[0]), compare_fields);
    resolver->out->request = request;
    resolver->out->request_count = count;
    return STATUS_OK;
}

static void request_to_fields(struct resolver *resolver)
{
    const struct view_definition *out = resolver->out;
    for (size_t i = 0; i < out->request_count; i++) {
        resolver->fields[i] = out->request[i];
        resolver->fields[i].name =
            arena_format(resolver->parse->arena, "request.%.*s", BYTES_ARGS(out->request[i].name));
    }
}

static enum status on_demand_resolve(struct resolver *resolver)
{
    const struct view_draft *draft = resolver->draft;
    const struct parse *parse = resolver->parse;
    struct arena *arena = parse->arena;
    struct feature_definition *features =
        ARENA_NEW_ARRAY(arena, draft->features_count, struct feature_definition);
    enum status status = text_read(parse, draft->entity, "entity", &resolver->out->entity);
    if (status == STATUS_OK)
        status = request_resolve(resolver);
    if (status != STATUS_OK)
        return status;
    resolver->inputs = ARENA_NEW_ARRAY(arena, DERIVED_INPUTS_MAX, struct feature_reference);
    resolver->used = ARENA_NEW_ARRAY(arena, DERIVED_INPUTS_MAX, uint32_t);
    resolver->fields = ARENA_NEW_ARRAY(arena, resolver->out->request_count + DERIVED_INPUTS_MAX,
                                       struct field_definition);
    request_to_fields(resolver);
    for (size_t i = 0; i < draft->features_count && status == STATUS_OK; i++)
        status = expression_resolve(resolver, &draft->features[i], &features[i]);
    resolver->out->features = features;
    if (status == STATUS_OK && resolver->out->inputs_count == 0)
        return mistake(parse, draft->name_node,
                       "view %s reads no feature of another view; an on-demand view reads one at "
                       "least, as view.feature",
                       quoted(parse->arena, draft->name));
    return status;
}

/* --- services ------------------------------------------------------------------------------ */

/* Counts the keys that the views of a service have together. */
static enum status check_keys(const struct resolver *resolver, const struct node *node,
                              const struct view_definition *view, struct bytes *keys, size_t *count)
{
    for (size_t i = 0; i < view->keys_count; i++) {
        struct bytes key = view->fields[view->key_fields[i]].name;
        size_t j = 0;
        while (j < *count && !bytes_equal(keys[j], key))
            j++;
        if (j == ENTITY_KEYS_MAX)
            return mistake_limit(resolver->parse, node,
                                 "the entities of these views have more than %d keys together",
                                 ENTITY_KEYS_MAX);
        keys[j] = key;
        *count = j == *count ? j + 1 : *count;
    }
    return STATUS_OK;
}

static enum status listed_resolve(struct resolver *resolver, const struct feature_draft *draft,
                                  struct feature_reference *reference)
{
    const struct parse *parse = resolver->parse;
    const struct view_definition *view = NULL;
    const struct feature_definition *feature = NULL;
    struct error reason = {0};
    if (!feature_reference_parse(draft->name, reference))
        return mistake(parse, draft->argument,
                       "found %s; a service lists features as view.feature, or view@2.feature",
                       quoted(parse->arena, draft->name));
    if (resolver->lookup != NULL &&
        reference_find(resolver, reference, &view, &feature, &reason) != STATUS_OK)
        return mistake(parse, draft->argument, "%s", reason.text);
    return STATUS_OK;
}

static enum status service_resolve(struct resolver *resolver)
{
    const struct view_draft *draft = resolver->draft;
    struct arena *arena = resolver->parse->arena;
    struct feature_definition *features =
        ARENA_NEW_ARRAY(arena, draft->features_count, struct feature_definition);
    struct view_definition listed = {.features = features};
    resolver->inputs = ARENA_NEW_ARRAY(arena, draft->features_count, struct feature_reference);
    for (size_t i = 0; i < draft->features_count; i++) {
        const struct feature_draft *feature = &draft->features[i];
        if (feature_find(&listed, feature->name) >= 0)
            return mistake(resolver->parse, feature->argument,
                           "the feature %s is there twice; leave one out",
                           quoted(arena, feature->name));
        enum status status = listed_resolve(resolver, feature, &resolver->inputs[i]);
        if (status != STATUS_OK)
            return status;
        features[i] = (struct feature_definition){
            .name = feature->name, .argument_kind = ARGUMENT_FIELD, .argument = feature->name};
        listed.features_count++;
    }
    resolver->out->features = features;
    resolver->out->inputs_count = draft->features_count;
    return STATUS_OK;
}

/* Whether an earlier feature of a service is of the same view. */
static bool is_listed_before(const struct resolver *resolver, size_t index)
{
    const struct feature_reference *inputs = resolver->inputs;
    for (size_t i = 0; i < index; i++)
        if (inputs[i].version == inputs[index].version &&
            bytes_equal(inputs[i].view, inputs[index].view))
            return true;
    return false;
}

/* The keys of all views that a service reads are its own; what it reads by way of them is bounded.
 */
static enum status service_check_views(const struct resolver *resolver)
{
    const struct derived_lookup *lookup = resolver->lookup;
    struct bytes keys[ENTITY_KEYS_MAX];
    size_t count = 0;
    size_t inputs_count = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < resolver->draft->features_count && status == STATUS_OK; i++) {
        const struct feature_reference *input = &resolver->inputs[i];
        const struct view_definition *view =
            lookup->find_view(lookup->context, input->view, input->version);
        status = check_keys(resolver, resolver->draft->features[i].argument, view, keys, &count);
        inputs_count += is_listed_before(resolver, i) ? 0 : view->inputs_count;
    }
    if (status == STATUS_OK && inputs_count > SERVICE_INPUTS_MAX)
        return mistake_limit(
            resolver->parse, resolver->draft->name_node,
            "the on-demand views of this service read %zu features; at most %d are "
            "taken",
            inputs_count, SERVICE_INPUTS_MAX);
    return status;
}

enum status derived_resolve(const struct parse *parse, const struct view_draft *draft,
                            const struct derived_lookup *lookup, struct view_definition *out)
{
    struct resolver resolver = {.parse = parse, .draft = draft, .lookup = lookup, .out = out};
    *out = (struct view_definition){.name = draft->name,
                                    .kind = draft->kind,
                                    .annotations = draft->annotations,
                                    .event_id_field = -1,
                                    .history_us = DURATION_NONE,
                                    .ttl_us = DURATION_NONE,
                                    .features_count = draft->features_count};
    enum status status =
        draft->kind == VIEW_SERVICE ? service_resolve(&resolver) : on_demand_resolve(&resolver);
    if (status == STATUS_OK && draft->kind == VIEW_SERVICE && lookup != NULL)
        status = service_check_views(&resolver);
    out->inputs = resolver.inputs;
    return status;
}
