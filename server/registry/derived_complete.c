/* Derived definitions in a snapshot: which versions their names stand for in it, and so their types
 * and keys. */
#include <stdarg.h>
#include <stdio.h>

#include "model/reference.h"
#include "registry/derived.h"

enum { LACK_SIZE = 512 };

struct completion {
    const struct registry *registry;
    struct view_version *version;
    struct view_definition *out;
    struct field_definition *keys; /* ENTITY_KEYS_MAX of them */
};

/* Says what is lacking; the first thing is kept. */
static void lack(struct completion *completion, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void lack(struct completion *completion, const char *format, ...)
{
    char text[LACK_SIZE];
    va_list arguments;
    if (completion->version->lack.size > 0)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    completion->version->lack =
        arena_format(completion->registry->arena, "%.*s@%u can't be read: %s",
                     BYTES_ARGS(completion->out->name), completion->out->version, text);
}

static void lack_version(struct completion *completion, const struct feature_reference *input)
{
    const struct view *view = registry_find_view(completion->registry, input->view);
    if (view == NULL)
        lack(completion, "there is no view '%.*s'", BYTES_ARGS(input->view));
    else if (input->version == 0)
        lack(completion, "view '%.*s' is being filled and not shown yet", BYTES_ARGS(input->view));
    else
        lack(completion, "version %u of view '%.*s' is not there, or being filled", input->version,
             BYTES_ARGS(input->view));
}

static void take_key(struct completion *completion, const struct field_definition *key)
{
    struct view_definition *out = completion->out;
    ssize_t index = field_find(completion->keys, out->keys_count, key->name);
    if (index >= 0 && !type_equal(completion->keys[index].type, key->type))
        lack(completion, "the key '%.*s' has different types in the views that it reads",
             BYTES_ARGS(key->name));
    if (index >= 0)
        return;
    if (out->keys_count == ENTITY_KEYS_MAX)
        lack(completion, "the views that it reads have more than %d keys together",
             ENTITY_KEYS_MAX);
    else
        completion->keys[out->keys_count++] = *key;
}

static void take_keys(struct completion *completion, const struct view_definition *view)
{
    for (size_t i = 0; i < view->keys_count; i++)
        take_key(completion, &view->fields[view->key_fields[i]]);
}

/* The feature that an input stands for, and what its view adds to the keys; NULL: that lacks. */
static const struct feature_definition *take_input(struct completion *completion,
                                                   const struct feature_reference *input)
{
    const struct view_version *version = registry_find_input(completion->registry, input);
    if (version == NULL) {
        lack_version(completion, input);
        return NULL;
    }
    const struct view_definition *view = version->definition;
    ssize_t index = feature_find(view, input->feature);
    if (version->lack.size > 0)
        lack(completion, "%.*s", BYTES_ARGS(version->lack));
    take_keys(completion, view);
    if (index < 0) {
        lack(completion, "%.*s@%u has no feature '%.*s'", BYTES_ARGS(view->name), view->version,
             BYTES_ARGS(input->feature));
        return NULL;
    }
    return &view->features[index];
}

static struct bytes reference_text(const struct feature_reference *input, struct arena *arena)
{
    struct buffer text = {0};
    feature_reference_append(input, &text);
    return buffer_to_arena(&text, arena);
}

/* Inputs, then request values, then keys. */
static void fill_fields(struct completion *completion, struct field_definition *fields)
{
    struct view_definition *out = completion->out;
    struct arena *arena = completion->registry->arena;
    size_t *key_fields = ARENA_NEW_ARRAY(arena, ENTITY_KEYS_MAX, size_t);
    size_t count = out->inputs_count;
    for (size_t i = 0; i < out->request_count; i++) {
        fields[count] = out->request[i];
        fields[count++].name =
            arena_format(arena, "request.%.*s", BYTES_ARGS(out->request[i].name));
    }
    for (size_t i = 0; i < out->keys_count; i++) {
        key_fields[i] = count;
        fields[count++] = completion->keys[i];
    }
    out->fields = fields;
    out->fields_count = count;
    out->key_fields = key_fields;
}

/* The entity of a service whose views share one. */
static void share_entity(struct completion *completion)
{
    struct view_definition *out = completion->out;
    for (size_t i = 0; i < out->inputs_count; i++) {
        const struct view_version *version =
            registry_find_input(completion->registry, &out->inputs[i]);
        struct bytes entity = version == NULL ? (struct bytes){0} : version->definition->entity;
        bool is_shared = entity.size > 0 && (i == 0 || bytes_equal(out->entity, entity));
        out->entity = is_shared ? entity : (struct bytes){0};
        if (!is_shared)
            return;
    }
}

/* What is active may read more than what was active when the service was applied. */
static void check_inputs(struct completion *completion)
{
    const struct view_definition *out = completion->out;
    size_t count = 0;
    const struct view_version **versions = (const struct view_version **)arena_allocate_array(
        completion->registry->arena, out->inputs_count, sizeof(struct view_version *));
    for (size_t i = 0; i < out->inputs_count; i++) {
        size_t first = 0;
        versions[i] = registry_find_input(completion->registry, &out->inputs[i]);
        while (versions[first] != versions[i])
            first++;
        if (versions[i] != NULL && first == i)
            count += versions[i]->definition->inputs_count;
    }
    if (count > SERVICE_INPUTS_MAX)
        lack(completion, "its on-demand views read more than %d features", SERVICE_INPUTS_MAX);
}

void derived_complete(const struct registry *registry, struct view_version *version)
{
    struct arena *arena = registry->arena;
    struct view_definition *out = ARENA_NEW(arena, struct view_definition);
    *out = *version->definition;
    struct completion completion = {
        .registry = registry,
        .version = version,
        .out = out,
        .keys = ARENA_NEW_ARRAY(arena, ENTITY_KEYS_MAX, struct field_definition)};
    struct field_definition *fields = ARENA_NEW_ARRAY(
        arena, out->inputs_count + out->request_count + ENTITY_KEYS_MAX, struct field_definition);
    struct feature_definition *features =
        ARENA_NEW_ARRAY(arena, out->features_count, struct feature_definition);
    memcpy(features, out->features, out->features_count * sizeof(*features));
    for (size_t i = 0; i < out->inputs_count; i++) {
        const struct feature_definition *input = take_input(&completion, &out->inputs[i]);
        fields[i].name = reference_text(&out->inputs[i], arena);
        if (input == NULL)
            continue;
        fields[i].type = input->type;
        if (out->kind == VIEW_SERVICE)
            features[i].type = input->type;
        else if (input->type.is_list)
            lack(&completion, "%.*s is a list", BYTES_ARGS(fields[i].name));
    }
    out->features = features;
    fill_fields(&completion, fields);
    if (out->kind == VIEW_SERVICE) {
        share_entity(&completion);
        check_inputs(&completion);
    }
    version->definition = out;
}
