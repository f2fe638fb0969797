#include "base/number.h"
#include "registry/json.h"
#include "registry/meaning.h"
#include "registry/parse.h"
#include "registry/registry.h"
#include "registry/rows.h"

enum { DESCRIBE_CHUNK_SIZE = 4096 };

/* --- parts --------------------------------------------------------------------------------- */

static void member_number(struct buffer *out, const char *name, uint64_t number)
{
    json_name(out, name);
    buffer_format(out, "%llu", (unsigned long long)number);
}

static void append_names(struct buffer *out, const char *name, const struct bytes *names,
                         size_t count)
{
    json_name(out, name);
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        json_comma(out);
        json_text(out, names[i]);
    }
    buffer_append_byte(out, ']');
}

static void append_keys(struct buffer *out, const struct view_definition *view)
{
    struct bytes keys[ENTITY_KEYS_MAX];
    for (size_t i = 0; i < view->keys_count; i++)
        keys[i] = view->fields[view->key_fields[i]].name;
    append_names(out, "keys", keys, view->keys_count);
}

static void append_annotations(struct buffer *out, const struct annotations *annotations)
{
    json_member_text(out, "description", annotations->description);
    json_member_text(out, "owner", annotations->owner);
    json_name(out, "tags");
    tags_append(annotations, out);
}

/* What people call it: a version that is whole is the active one, or ready to be that. */
static const char *shown_state(const struct view *view, const struct view_version *version)
{
    if (version->state != VERSION_LIVE)
        return version_state_name(version->state);
    return version->definition->version == view->active ? "active" : "ready";
}

/* Which version was the active one since when; times are microseconds. */
static void append_switches(struct buffer *out, const struct view *view)
{
    json_name(out, "switches");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < view->switches_count; i++) {
        json_comma(out);
        buffer_format(out, "{\"version\": %u,\"cause\": \"%s\",\"at_us\": %lld}",
                      view->switches[i].version, switch_cause_name(view->switches[i].cause),
                      (long long)view->switches[i].at_us);
    }
    buffer_append_byte(out, ']');
}

static void append_versions(struct buffer *out, const struct view *view)
{
    json_name(out, "versions");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < view->versions_count; i++) {
        json_comma(out);
        buffer_append_byte(out, '{');
        member_number(out, "version", view->versions[i].definition->version);
        json_member_text(out, "state", bytes_of_text(shown_state(view, &view->versions[i])));
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
}

/* A batch view's own writes are no source that anybody knows. */
static void append_source(struct buffer *out, const struct view_definition *view)
{
    json_member_text_or_null(out, "source",
                             view_has_writes(view) ? (struct bytes){0} : view->source);
}

/* The version that a person means by the bare name: the active one, or the one being filled. */
static const struct view_version *shown_version(const struct view *view)
{
    const struct view_version *active = view_find_version(view, 0);
    return active != NULL ? active : view_newest_version(view);
}

/* --- everything in short ------------------------------------------------------------------- */

static void list_source(struct buffer *out, const struct source_definition *source)
{
    json_comma(out);
    buffer_append_byte(out, '{');
    json_member_text(out, "name", source->name);
    json_member_text(out, "description", source->annotations.description);
    json_member_text(out, "clock", bytes_of_text(clock_name(source->clock)));
    member_number(out, "fields", source->fields_count);
    if (source->kafka != NULL)
        json_member_text(out, "topic", source->kafka->topics[0]);
    buffer_append_byte(out, '}');
}

static void list_entity(struct buffer *out, const struct entity_definition *entity)
{
    json_comma(out);
    buffer_append_byte(out, '{');
    json_member_text(out, "name", entity->name);
    json_member_text(out, "description", entity->annotations.description);
    append_names(out, "keys", entity->keys, entity->keys_count);
    buffer_append_byte(out, '}');
}

static void list_service(struct buffer *out, const struct view *view)
{
    const struct view_definition *definition = shown_version(view)->definition;
    if (definition->kind != VIEW_SERVICE)
        return;
    json_comma(out);
    buffer_append_byte(out, '{');
    json_member_text(out, "name", view->name);
    member_number(out, "active", view->active);
    json_member_text(out, "entity", definition->entity);
    append_keys(out, definition);
    member_number(out, "features", definition->features_count);
    json_member_text(out, "description", definition->annotations.description);
    append_versions(out, view);
    buffer_append_byte(out, '}');
}

static void list_view(struct buffer *out, const struct view *view)
{
    const struct view_definition *definition = shown_version(view)->definition;
    if (definition->kind == VIEW_SERVICE)
        return;
    json_comma(out);
    buffer_append_byte(out, '{');
    json_member_text(out, "name", view->name);
    json_member_text(out, "kind", bytes_of_text(view_kind_name(definition->kind)));
    member_number(out, "active", view->active);
    append_source(out, definition);
    json_member_text(out, "entity", definition->entity);
    member_number(out, "features", definition->features_count);
    json_member_text(out, "description", definition->annotations.description);
    append_versions(out, view);
    buffer_append_byte(out, '}');
}

void registry_list_json(const struct registry *registry, struct buffer *out)
{
    buffer_append_text(out, "{\"sources\": [");
    for (size_t i = 0; i < registry->sources_count; i++)
        if (!registry->sources[i].definition->is_writes)
            list_source(out, registry->sources[i].definition);
    buffer_append_text(out, "],\"entities\": [");
    for (size_t i = 0; i < registry->entities_count; i++)
        list_entity(out, &registry->entities[i]);
    buffer_append_text(out, "],\"views\": [");
    for (size_t i = 0; i < registry->views_count; i++)
        list_view(out, &registry->views[i]);
    buffer_append_text(out, "],\"services\": [");
    for (size_t i = 0; i < registry->views_count; i++)
        list_service(out, &registry->views[i]);
    buffer_append_text(out, "]}");
}

/* --- one definition in full ---------------------------------------------------------------- */

static void append_fields(struct buffer *out, const struct field_definition *fields,
                          size_t fields_count)
{
    char type[TYPE_TEXT_SIZE];
    json_name(out, "fields");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < fields_count; i++) {
        json_comma(out);
        buffer_append_byte(out, '{');
        json_member_text(out, "name", fields[i].name);
        json_member_text(out, "type", bytes_of_text(field_type_name(&fields[i], type)));
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
}

static void describe_source(struct buffer *out, const struct source_definition *source)
{
    struct bytes event_id = {0};
    if (source->event_id_field >= 0)
        event_id = source->fields[source->event_id_field].name;
    buffer_append_text(out, "{\"noun\": \"source\"");
    json_member_text(out, "name", source->name);
    append_annotations(out, &source->annotations);
    append_fields(out, source->fields, source->fields_count);
    json_member_text(out, "event_time", source->fields[source->event_time_field].name);
    json_member_text_or_null(out, "event_id", event_id);
    json_member_text(out, "clock", bytes_of_text(clock_name(source->clock)));
    json_member_text(out, "durability", bytes_of_text(durability_name(source->durability)));
    json_member_duration(out, "retention", source->retention_us);
    json_member_duration(out, "ahead_max", source->ahead_max_us);
    json_member_duration(out, "freshness_slo", source->freshness_slo_us);
    if (source->kafka != NULL) {
        json_name(out, "kafka");
        kafka_append(source->kafka, WITHOUT_SECRETS, out);
        letters_append(source, out);
    }
    buffer_append_byte(out, '}');
}

static void describe_entity(struct buffer *out, const struct entity_definition *entity)
{
    buffer_append_text(out, "{\"noun\": \"entity\"");
    json_member_text(out, "name", entity->name);
    append_annotations(out, &entity->annotations);
    append_names(out, "keys", entity->keys, entity->keys_count);
    buffer_append_byte(out, '}');
}

static void describe_feature(struct buffer *out, const struct feature_definition *feature)
{
    struct buffer window = {0};
    char type[TYPE_TEXT_SIZE];
    window_append_text(&feature->window, &window);
    json_comma(out);
    buffer_append_byte(out, '{');
    json_member_text(out, "name", feature->name);
    json_member_text(out, "aggregation", feature->aggregation);
    json_member_text(out, "argument", feature->argument);
    json_member_text(out, "over", buffer_bytes(&window));
    json_member_text_or_null(out, "where", feature->where);
    json_member_text(out, "type", bytes_of_text(type_name(feature->type, type)));
    json_name(out, "default");
    value_append_json(&feature->default_value, out);
    append_annotations(out, &feature->annotations);
    buffer_append_byte(out, '}');
    buffer_fini(&window);
}

/* A feature that has no window: an expression of an on-demand view, or a type alone. */
static void describe_plain_feature(struct buffer *out, const struct view_definition *view,
                                   const struct feature_definition *feature)
{
    char type[TYPE_TEXT_SIZE];
    json_comma(out);
    buffer_append_byte(out, '{');
    json_member_text(out, "name", feature->name);
    if (view->kind == VIEW_ON_DEMAND)
        json_member_text(out, "expression", feature->argument);
    json_member_text(out, "type", bytes_of_text(type_name(feature->type, type)));
    json_name(out, "default");
    value_append_json(&feature->default_value, out);
    append_annotations(out, &feature->annotations);
    buffer_append_byte(out, '}');
}

/* What a read may bring along, and why the version can't be read, where that is so. */
static void append_derived(struct buffer *out, const struct view *view,
                           const struct view_definition *definition)
{
    const struct view_version *version = view_find_version(view, definition->version);
    json_name(out, "request");
    fields_append(definition->request, definition->request_count, out);
    json_member_text_or_null(out, "lack", version == NULL ? (struct bytes){0} : version->lack);
}

/* How long values hold, and, where the view takes its writes itself, what these may name. */
static void describe_batch(struct buffer *out, const struct view_definition *view)
{
    json_member_duration(out, "ttl", view->ttl_us);
    if (view_has_writes(view))
        append_fields(out, view->fields, view->fields_count);
}

static void describe_view(struct buffer *out, const struct view *view,
                          const struct view_definition *definition)
{
    buffer_format(out, "{\"noun\": \"%s\"", definition->kind == VIEW_SERVICE ? "service" : "view");
    json_member_text(out, "name", view->name);
    member_number(out, "version", definition->version);
    member_number(out, "active", view->active);
    append_versions(out, view);
    append_switches(out, view);
    append_annotations(out, &definition->annotations);
    json_member_text(out, "kind", bytes_of_text(view_kind_name(definition->kind)));
    append_source(out, definition);
    json_member_text(out, "entity", definition->entity);
    append_keys(out, definition);
    json_member_text_or_null(out, "where", definition->where);
    json_member_duration(out, "history", definition->history_us);
    if (definition->kind == VIEW_BATCH)
        describe_batch(out, definition);
    json_name(out, "features");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < definition->features_count; i++)
        if (definition->kind == VIEW_STREAM)
            describe_feature(out, &definition->features[i]);
        else
            describe_plain_feature(out, definition, &definition->features[i]);
    buffer_append_byte(out, ']');
    if (view_kind_is_derived(definition->kind))
        append_derived(out, view, definition);
    buffer_append_byte(out, '}');
}

/* --- by name ------------------------------------------------------------------------------- */

static enum status view_not_found(const struct registry *registry, struct bytes name,
                                  struct error *err)
{
    struct arena *arena = arena_create(DESCRIBE_CHUNK_SIZE);
    struct bytes *names = ARENA_NEW_ARRAY(arena, registry->views_count + 1, struct bytes);
    for (size_t i = 0; i < registry->views_count; i++)
        names[i] = registry->views[i].name;
    error_set(err, STATUS_NOT_FOUND, "there is no view %s%s", quoted(arena, name),
              hint_names(arena, name, "views", names, registry->views_count));
    arena_destroy(&arena);
    return STATUS_NOT_FOUND;
}

static enum status name_not_found(const struct registry *registry, struct bytes name,
                                  struct error *err)
{
    struct arena *arena = arena_create(DESCRIBE_CHUNK_SIZE);
    size_t count = 0;
    struct bytes *names = ARENA_NEW_ARRAY(
        arena, registry->views_count + registry->sources_count + registry->entities_count + 1,
        struct bytes);
    for (size_t i = 0; i < registry->views_count; i++)
        names[count++] = registry->views[i].name;
    for (size_t i = 0; i < registry->sources_count; i++)
        names[count++] = registry->sources[i].definition->name;
    for (size_t i = 0; i < registry->entities_count; i++)
        names[count++] = registry->entities[i].name;
    error_set(err, STATUS_NOT_FOUND, "there is no view, source or entity %s%s", quoted(arena, name),
              hint_names(arena, name, "names", names, count));
    arena_destroy(&arena);
    return STATUS_NOT_FOUND;
}

static enum status version_not_found(const struct view *view, struct error *err)
{
    struct buffer versions = {0};
    for (size_t i = 0; i < view->versions_count; i++)
        buffer_format(&versions, "%s%.*s@%u", i == 0 ? "" : ", ", BYTES_ARGS(view->name),
                      view->versions[i].definition->version);
    error_set(err, STATUS_NOT_FOUND, "view '%.*s' has no such version; there are %.*s",
              BYTES_ARGS(view->name), BYTES_ARGS(buffer_bytes(&versions)));
    buffer_fini(&versions);
    return STATUS_NOT_FOUND;
}

/* "view@2"; suffix is what stands behind the @. */
static enum status describe_version(const struct view *view, struct bytes suffix,
                                    struct buffer *out, struct error *err)
{
    int64_t number = 0;
    bool is_number =
        number_parse_int(suffix, &number) == NUMBER_OK && number > 0 && number <= UINT32_MAX;
    const struct view_version *version =
        is_number ? view_find_version(view, (uint32_t)number) : NULL;
    if (version == NULL)
        return version_not_found(view, err);
    describe_view(out, view, version->definition);
    return STATUS_OK;
}

enum status registry_describe_json(const struct registry *registry, struct bytes name,
                                   struct buffer *out, struct error *err)
{
    const char *at = name.size == 0 ? NULL : memchr(name.data, '@', name.size);
    struct bytes bare = name;
    if (at != NULL)
        bare.size = (size_t)(at - name.data);
    const struct view *view = registry_find_view(registry, bare);
    if (at != NULL)
        return view == NULL ? view_not_found(registry, bare, err)
                            : describe_version(view, bytes_after(name, bare.size + 1), out, err);

    const struct source *source = registry_find_source(registry, name);
    const struct entity_definition *entity = registry_find_entity(registry, name);
    if (view != NULL)
        describe_view(out, view, shown_version(view)->definition);
    else if (source != NULL)
        describe_source(out, source->definition);
    else if (entity != NULL)
        describe_entity(out, entity);
    else
        return name_not_found(registry, name, err);
    return STATUS_OK;
}
