#include "stream/runtime.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/map.h"
#include "model/entity.h"

enum {
    RUNTIME_CHUNK_SIZE = 16 * 1024,
    EVENT_ID_SIZE_MAX = 1024,
    DIGEST_SIZE = 8,   /* behind an event id: events that the view can tell apart are all kept */
};

static enum status input_init(struct view_input *input, struct source_runtime *runtime,
                              const struct view_version *version, struct arena *arena,
                              struct error *err)
{
    const struct view_definition *view = version->definition;
    *input = (struct view_input){
        .version = version,
        .view = view,
        .plan = view_plan_create(view),
        .slots = ARENA_NEW_ARRAY(arena, view->fields_count, size_t),
        .fields = ARENA_NEW_ARRAY(arena, view->fields_count, struct value),
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < view->fields_count && status == STATUS_OK; i++)
        status = decoder_slot(runtime->decoder, &view->fields[i], &input->slots[i], err);
    if (status == STATUS_OK)
        status = reducer_create(input->plan, &input->reducer, err);
    if (status != STATUS_OK)
        error_prefix(err, status, "view '%.*s@%u'", BYTES_ARGS(view->name), view->version);
    return status;
}

static size_t count_versions(const struct registry *registry)
{
    size_t count = 0;
    for (size_t i = 0; i < registry->views_count; i++)
        count += registry->views[i].versions_count;
    return count;
}

static enum status add_inputs(struct source_runtime *source, const struct registry *registry,
                              struct arena *arena, struct error *err)
{
    struct bytes name = source->source->definition->name;
    source->inputs = ARENA_NEW_ARRAY(arena, count_versions(registry), struct view_input);
    for (size_t i = 0; i < registry->views_count; i++) {
        const struct view *view = &registry->views[i];
        const struct view_version *shown = view_find_version(view, 0);
        if (shown == NULL)
            shown = &view->versions[view->versions_count - 1];
        for (size_t j = 0; j < view->versions_count; j++) {
            if (!bytes_equal(view->versions[j].definition->source, name))
                continue;
            enum status status = input_init(&source->inputs[source->inputs_count++], source,
                                            &view->versions[j], arena, err);
            if (status != STATUS_OK)
                return status;
            source->inputs[source->inputs_count - 1].is_shown = &view->versions[j] == shown;
        }
    }
    return STATUS_OK;
}

enum status runtime_create(const struct registry *registry,
                           find_state_fn find_state, void *context, struct runtime **out,
                           struct error *err)
{
    enum status status = STATUS_OK;
    struct arena *arena = arena_create(RUNTIME_CHUNK_SIZE);
    struct runtime *runtime = ARENA_NEW(arena, struct runtime);
    runtime->arena = arena;
    runtime->names = map_create();
    runtime->sources = ARENA_NEW_ARRAY(arena, registry->sources_count, struct source_runtime);
    for (size_t i = 0; i < registry->sources_count && status == STATUS_OK; i++) {
        const struct source_definition *definition = registry->sources[i].definition;
        struct source_runtime *source = &runtime->sources[runtime->sources_count++];
        source->source = &registry->sources[i];
        source->decoder = decoder_create(definition->fields, definition->fields_count);
        CHECK(map_put(runtime->names, definition->name, source));
        status = find_state(context, registry->sources[i].id, &source->state, err);
        if (status == STATUS_OK)
            status = add_inputs(source, registry, arena, err);
    }
    if (status == STATUS_OK) {
        *out = runtime;
        runtime = NULL; /* moved to the caller */
    }
    runtime_destroy(&runtime);
    return status;
}

void runtime_destroy(struct runtime **runtime)
{
    struct runtime *it = *runtime;
    if (it == NULL)
        return;
    for (size_t i = 0; i < it->sources_count; i++) {
        struct source_runtime *source = &it->sources[i];
        for (size_t j = 0; j < source->inputs_count; j++) {
            reducer_destroy(&source->inputs[j].reducer);
            view_plan_destroy(&source->inputs[j].plan);
        }
        decoder_destroy(&source->decoder);
    }
    map_destroy(&it->names);
    struct arena *arena = it->arena;
    arena_destroy(&arena);
    *runtime = NULL;
}

struct source_runtime *runtime_find(const struct runtime *runtime, struct bytes source)
{
    return map_get(runtime->names, source);
}

/* Fills input->fields. false: one is not what the view's version knows. */
static bool take_fields(struct view_input *input, const struct decoded_event *event)
{
    for (size_t i = 0; i < input->view->fields_count; i++) {
        size_t slot = input->slots[i];
        if (event->mismatched[slot])
            return false;
        input->fields[i] = event->values[slot];
    }
    return input->fields[input->view->event_time_field].kind != VALUE_NULL;
}

/* Leaves the encoded entity in scratch. false: a key is NULL. */
static bool take_entity(struct view_input *input, struct buffer *entity)
{
    entity->start = entity->size = 0;
    for (size_t i = 0; i < input->view->keys_count; i++) {
        const struct value *key = &input->fields[input->view->key_fields[i]];
        if (key->kind == VALUE_NULL)
            return false;
        entity_append_value(key, entity);
    }
    return true;
}

/* The event id as text with the row's digest behind it, or the event's place. */
static enum status take_identity(struct view_input *input, struct bytes place, uint64_t digest,
                                 struct buffer *identity, struct error *err)
{
    identity->start = identity->size = 0;
    if (input->view->event_id_field < 0) {
        CHECK(place.size <= EVENT_PLACE_SIZE_MAX);
        buffer_append(identity, place);
        return STATUS_OK;
    }
    struct buffer text = {0};
    value_append_text(&input->fields[input->view->event_id_field], &text);
    size_t text_size = text.size;
    if (text_size <= EVENT_ID_SIZE_MAX) {
        entity_append_string(buffer_bytes(&text), identity);
        be64_write(buffer_reserve(identity, DIGEST_SIZE), digest);
        buffer_added(identity, DIGEST_SIZE);
    }
    buffer_fini(&text);
    if (text_size > EVENT_ID_SIZE_MAX)
        return error_set(err, STATUS_LIMIT, "an event id has at most %d bytes, got %zu",
                         EVENT_ID_SIZE_MAX, text_size);
    return STATUS_OK;
}

enum input_result input_reduce(struct view_input *input, const struct decoded_event *event,
                               struct bytes place, struct input_scratch *scratch, int64_t *time_us,
                               struct error *err)
{
    uint64_t digest;
    if (!take_fields(input, event))
        return INPUT_MISMATCHED;
    bool has_id = input->view->event_id_field < 0 ||
                  input->fields[input->view->event_id_field].kind != VALUE_NULL;
    if (!has_id)
        return INPUT_MISMATCHED;
    *time_us = input->fields[input->view->event_time_field].integer;
    if (input->fold != NULL && *time_us <= input->fold->horizon_us)
        return INPUT_LATE;
    if (!take_entity(input, &scratch->entity))
        return INPUT_NULL_KEY;
    scratch->row.start = scratch->row.size = 0;
    if (!reducer_reduce(input->reducer, input->fields, &scratch->row, &digest))
        return INPUT_FILTERED;
    if (scratch->entity.size > ENTITY_SIZE_MAX) {
        error_set(err, STATUS_LIMIT, "the keys of entity '%.*s' have at most %d bytes",
                  BYTES_ARGS(input->view->entity), ENTITY_SIZE_MAX);
        return INPUT_REFUSED;
    }
    if (take_identity(input, place, digest, &scratch->identity, err) != STATUS_OK)
        return INPUT_REFUSED;
    return INPUT_TAKEN;
}
