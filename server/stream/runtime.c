#include "stream/runtime.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/map.h"
#include "features/batch_row.h"
#include "model/entity.h"

enum {
    RUNTIME_CHUNK_SIZE = 16 * 1024,
    EVENT_ID_SIZE_MAX = 1024,
    DIGEST_SIZE = 8, /* behind an event id: events that the view can tell apart are all kept */
};

static struct write_input *write_input_create(const struct view_definition *view,
                                              const struct decoder *decoder, struct arena *arena)
{
    struct write_input *write = ARENA_NEW(arena, struct write_input);
    size_t *features = ARENA_NEW_ARRAY(arena, view->features_count, size_t);
    for (size_t i = 0; i < view->features_count; i++) {
        ssize_t field = field_find(view->fields, view->fields_count, view->features[i].name);
        CHECK(field >= 0);
        features[i] = (size_t)field;
    }
    *write = (struct write_input){
        .decoder = decoder,
        .features = features,
        .deleted_field = -1,
        .values = ARENA_NEW_ARRAY(arena, view->features_count, struct value),
        .is_named = ARENA_NEW_ARRAY(arena, view->features_count, bool),
    };
    if (view_has_writes(view))
        write->deleted_field =
            field_find(view->fields, view->fields_count, bytes_of_text(WRITES_DELETED_FIELD));
    return write;
}

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
    if (view->kind == VIEW_BATCH)
        input->write = write_input_create(view, runtime->decoder, arena);
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
            shown = view_newest_version(view);
        for (size_t j = 0; j < view->versions_count; j++) {
            if (!bytes_equal(view->versions[j].definition->source, name) ||
                view->versions[j].state == VERSION_DROPPING)
                continue;
            enum status status = input_init(&source->inputs[source->inputs_count++], source,
                                            &view->versions[j], arena, err);
            if (status != STATUS_OK)
                return status;
            source->writes_count += view->versions[j].definition->kind == VIEW_BATCH;
            source->inputs[source->inputs_count - 1].is_shown = &view->versions[j] == shown;
        }
    }
    return STATUS_OK;
}

enum status runtime_create(const struct registry *registry, find_state_fn find_state, void *context,
                           struct runtime **out, struct error *err)
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
    const struct value *id = &input->fields[input->view->event_id_field];
    struct buffer text = {0};
    if (id->kind != VALUE_STRING)
        value_append_text(id, &text);
    struct bytes bytes = id->kind == VALUE_STRING ? id->text : buffer_bytes(&text);
    enum status status = STATUS_OK;
    if (bytes.size > EVENT_ID_SIZE_MAX) {
        status = error_set(err, STATUS_LIMIT, "an event id has at most %d bytes, got %zu",
                           EVENT_ID_SIZE_MAX, bytes.size);
    } else {
        entity_append_string(bytes, identity);
        be64_write(buffer_reserve(identity, DIGEST_SIZE), digest);
        buffer_added(identity, DIGEST_SIZE);
    }
    buffer_fini(&text);
    return status;
}

/* Appends the write that the event is for a batch view, whose fields are taken. false: it names no
 * feature. */
static bool take_write(const struct view_input *input, bool is_deletion, struct buffer *out)
{
    const struct write_input *write = input->write;
    const struct value *deleted =
        write->deleted_field < 0 ? NULL : &input->fields[write->deleted_field];
    bool is_whole =
        is_deletion || (deleted != NULL && deleted->kind == VALUE_BOOL && deleted->integer != 0);
    for (size_t i = 0; i < input->view->features_count; i++) {
        size_t field = write->features[i];
        write->values[i] = is_deletion ? value_null() : input->fields[field];
        write->is_named[i] = is_whole || decoder_has_named(write->decoder, input->slots[field]);
    }
    return batch_write_encode(input->view, write->values, write->is_named, out);
}

/* What the view keeps of the event, whose fields are taken. false: it is none of its events. */
static bool take_row(struct view_input *input, bool is_deletion, struct buffer *row,
                     uint64_t *digest)
{
    row->start = row->size = 0;
    if (input->write != NULL)
        return take_write(input, is_deletion, row);
    return !is_deletion && reducer_reduce(input->reducer, input->fields, row, digest);
}

enum input_result input_reduce(struct view_input *input, const struct decoded_event *event,
                               struct bytes place, struct input_scratch *scratch, int64_t *time_us,
                               struct error *err)
{
    uint64_t digest = 0;
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
    if (!take_row(input, event->is_deletion, &scratch->row, &digest))
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

void input_put(const struct view_input *input, struct batch *batch, struct storage *storage,
               const struct input_scratch *scratch, int64_t time_us)
{
    struct bytes entity = buffer_bytes(&scratch->entity);
    struct bytes identity = buffer_bytes(&scratch->identity);
    struct bytes row = buffer_bytes(&scratch->row);
    if (input->write != NULL)
        batch_put_write(batch, storage, input->version->table_id, entity, time_us, identity, row);
    else
        batch_put_event(batch, storage, input->version->table_id, entity, time_us, identity, row);
}
