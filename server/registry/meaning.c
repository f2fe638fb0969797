#include "registry/meaning.h"

#include <stdlib.h>

#include "base/number.h"
#include "base/time_text.h"
#include "registry/derived.h"
#include "registry/json.h"

const char *clock_name(enum source_clock clock)
{
    static const char *const names[] = {[CLOCK_WALL] = "wall", [CLOCK_EVENT] = "event"};
    return names[clock];
}

const char *durability_name(enum durability durability)
{
    static const char *const names[] = {[DURABILITY_FSYNC] = "fsync", [DURABILITY_OS] = "os"};
    return names[durability];
}

const char *gap_name(enum kafka_gap gap)
{
    static const char *const names[] = {[KAFKA_STOP] = "stop", [KAFKA_SKIP] = "skip"};
    return names[gap];
}

struct bytes start_text(const struct kafka_definition *kafka, char text[TIME_TEXT_SIZE])
{
    switch (kafka->start) {
    case KAFKA_EARLIEST:
        return bytes_of_text("earliest");
    case KAFKA_LATEST:
        return bytes_of_text("latest");
    case KAFKA_AT:
        break;
    }
    return bytes_of(text, time_format(kafka->start_us, text));
}

struct bytes buffer_to_arena(struct buffer *buffer, struct arena *arena)
{
    struct bytes copy = arena_copy(arena, buffer_bytes(buffer));
    buffer_fini(buffer);
    return copy;
}

/* --- parts --------------------------------------------------------------------------------- */

void tags_append(const struct annotations *annotations, struct buffer *out)
{
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < annotations->tags_count; i++) {
        json_name_bytes(out, annotations->tags[2 * i]);
        json_text(out, annotations->tags[2 * i + 1]);
    }
    buffer_append_byte(out, '}');
}

void annotations_append(const struct annotations *annotations, struct buffer *out)
{
    if (annotations->description.size > 0)
        json_member_text(out, "description", annotations->description);
    if (annotations->owner.size > 0)
        json_member_text(out, "owner", annotations->owner);
    if (annotations->tags_count > 0) {
        json_name(out, "tags");
        tags_append(annotations, out);
    }
}

void fields_append(const struct field_definition *fields, size_t fields_count, struct buffer *out)
{
    char type[TYPE_TEXT_SIZE];
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < fields_count; i++) {
        json_name_bytes(out, fields[i].name);
        json_text(out, bytes_of_text(field_type_name(&fields[i], type)));
    }
    buffer_append_byte(out, '}');
}

static void append_keys(const struct bytes *keys, size_t count, struct buffer *out)
{
    json_name(out, "keys");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        json_comma(out);
        json_text(out, keys[i]);
    }
    buffer_append_byte(out, ']');
}

static void append_window(const struct window *window, struct buffer *out)
{
    struct buffer text = {0};
    window_append_text(window, &text);
    json_name(out, "over");
    json_text(out, buffer_bytes(&text));
    buffer_fini(&text);
}

static void append_type(const char *name, struct type type, struct buffer *out)
{
    char text[TYPE_TEXT_SIZE];
    json_member_text(out, name, bytes_of_text(type_name(type, text)));
}

void default_append(const struct value *value, struct buffer *out)
{
    char time[TIME_TEXT_SIZE];
    if (value->kind == VALUE_STRING)
        json_text(out, value->text);
    else if (value->kind == VALUE_TIMESTAMP)
        json_text(out, bytes_of(time, time_format(value->integer, time)));
    else if (value->kind == VALUE_BOOL)
        buffer_append_text(out, value->integer != 0 ? "true" : "false");
    else
        value_append_text(value, out);
}

/* --- sources and entities ------------------------------------------------------------------ */

/* Whether the value of a property is nobody's business but that of client and broker. */
static bool property_is_secret(struct bytes name)
{
    static const char *const words[] = {"password", "secret", "key.pem", "sasl.oauthbearer.config"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (name.size > 0 && memmem(name.data, name.size, words[i], strlen(words[i])) != NULL)
            return true;
    return false;
}

void kafka_append(const struct kafka_definition *kafka, enum secret_choice choice,
                  struct buffer *out)
{
    char time[TIME_TEXT_SIZE];
    buffer_append_byte(out, '{');
    json_member_text(out, "brokers", kafka->brokers);
    json_name(out, "topic");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < kafka->topics_count; i++) {
        json_comma(out);
        json_text(out, kafka->topics[i]);
    }
    buffer_append_byte(out, ']');
    json_member_text(out, "start", start_text(kafka, time));
    json_member_text(out, "on_gap", bytes_of_text(gap_name(kafka->on_gap)));
    if (kafka->group.size > 0)
        json_member_text(out, "group", kafka->group);
    if (kafka->properties_count > 0) {
        json_name(out, "properties");
        buffer_append_byte(out, '{');
        for (size_t i = 0; i < kafka->properties_count; i++) {
            const struct bytes *property = &kafka->properties[2 * i];
            bool is_hidden = choice == WITHOUT_SECRETS && property_is_secret(property[0]);
            json_name_bytes(out, property[0]);
            json_text(out, is_hidden ? bytes_of_text("(hidden)") : property[1]);
        }
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, '}');
}

void letters_append(const struct source_definition *source, struct buffer *out)
{
    bool has_topic = source->letters_topic.size > 0;
    if (!has_topic && source->letters_retention_us == DURATION_NONE)
        return;
    json_name(out, "dead_letters");
    buffer_append_byte(out, '{');
    if (has_topic)
        json_member_text(out, "topic", source->letters_topic);
    if (source->letters_retention_us != DURATION_NONE)
        json_member_duration(out, "retention", source->letters_retention_us);
    buffer_append_byte(out, '}');
}

void source_append_definition(const struct source_definition *source, enum annotation_choice choice,
                              struct buffer *out)
{
    buffer_append_byte(out, '{');
    if (choice == WITH_ANNOTATIONS)
        annotations_append(&source->annotations, out);
    json_name(out, "fields");
    fields_append(source->fields, source->fields_count, out);
    json_member_text(out, "event_time", source->fields[source->event_time_field].name);
    if (source->event_id_field >= 0)
        json_member_text(out, "event_id", source->fields[source->event_id_field].name);
    if (source->is_writes)
        json_member_text(out, "writes", bytes_of_text("true"));
    json_member_text(out, "clock", bytes_of_text(clock_name(source->clock)));
    json_member_text(out, "durability", bytes_of_text(durability_name(source->durability)));
    if (source->retention_us != DURATION_NONE)
        json_member_duration(out, "retention", source->retention_us);
    if (source->ahead_max_us == DURATION_NONE)
        json_member_text(out, "ahead_max", bytes_of_text("none"));
    else
        json_member_duration(out, "ahead_max", source->ahead_max_us);
    if (source->freshness_slo_us != DURATION_NONE)
        json_member_duration(out, "freshness_slo", source->freshness_slo_us);
    if (source->kafka != NULL) {
        json_name(out, "kafka");
        kafka_append(source->kafka, WITH_SECRETS, out);
        letters_append(source, out);
    }
    buffer_append_byte(out, '}');
}

void entity_append_definition(const struct entity_definition *entity, enum annotation_choice choice,
                              struct buffer *out)
{
    buffer_append_byte(out, '{');
    if (choice == WITH_ANNOTATIONS)
        annotations_append(&entity->annotations, out);
    append_keys(entity->keys, entity->keys_count, out);
    buffer_append_byte(out, '}');
}

/* --- views --------------------------------------------------------------------------------- */

static bool type_is_double(struct type type)
{
    return type_equal(type, (struct type){.kind = VALUE_DOUBLE});
}

static void append_default(const struct feature_definition *feature, struct buffer *out)
{
    if (feature->default_value.kind == VALUE_NULL)
        return;
    json_name(out, "default");
    default_append(&feature->default_value, out);
}

/* A feature of a batch view, in the source's own spelling of its type. */
static void append_batch_feature(const struct view_definition *view,
                                 const struct feature_definition *feature, struct buffer *out)
{
    char type[TYPE_TEXT_SIZE];
    ssize_t field = field_find(view->fields, view->fields_count, feature->name);
    json_name_bytes(out, feature->name);
    buffer_append_byte(out, '{');
    annotations_append(&feature->annotations, out);
    json_member_text(out, "type", bytes_of_text(field_type_name(&view->fields[field], type)));
    append_default(feature, out);
    buffer_append_byte(out, '}');
}

static void append_feature_definition(const struct feature_definition *feature, struct buffer *out)
{
    json_name_bytes(out, feature->name);
    buffer_append_byte(out, '{');
    annotations_append(&feature->annotations, out);
    json_name_bytes(out, feature->aggregation);
    json_text(out, feature->argument);
    append_window(&feature->window, out);
    if (feature->where.size > 0)
        json_member_text(out, "where", feature->where);
    append_default(feature, out);
    if (feature->argument_kind == ARGUMENT_EXPRESSION && !type_is_double(feature->argument_type))
        append_type("type", feature->argument_type, out);
    buffer_append_byte(out, '}');
}

/* A stream view's kind goes without saying, as it did before there were others. */
static void append_view_keys(const struct view_definition *view, struct buffer *out)
{
    if (view->kind != VIEW_STREAM)
        json_member_text(out, "kind", bytes_of_text(view_kind_name(view->kind)));
    if (!view_has_writes(view))
        json_member_text(out, "source", view->source);
    json_member_text(out, "entity", view->entity);
    if (view->where.size > 0)
        json_member_text(out, "where", view->where);
    if (view->history_us != DURATION_NONE)
        json_member_duration(out, "history", view->history_us);
    if (view->ttl_us != DURATION_NONE)
        json_member_duration(out, "ttl", view->ttl_us);
}

void view_append_definition(const struct view_definition *view, struct buffer *out)
{
    if (view_kind_is_derived(view->kind)) {
        derived_append_definition(view, WITH_ANNOTATIONS, out);
        return;
    }
    buffer_append_byte(out, '{');
    annotations_append(&view->annotations, out);
    append_view_keys(view, out);
    json_name(out, "features");
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < view->features_count; i++)
        if (view->kind == VIEW_BATCH)
            append_batch_feature(view, &view->features[i], out);
        else
            append_feature_definition(&view->features[i], out);
    buffer_append_text(out, "}}");
}

static void append_used_fields(const struct view_definition *view, struct buffer *out)
{
    struct bytes keys[ENTITY_KEYS_MAX];
    json_name(out, "fields");
    fields_append(view->fields, view->fields_count, out);
    json_member_text(out, "event_time", view->fields[view->event_time_field].name);
    if (view->event_id_field >= 0)
        json_member_text(out, "event_id", view->fields[view->event_id_field].name);
    for (size_t i = 0; i < view->keys_count; i++)
        keys[i] = view->fields[view->key_fields[i]].name;
    append_keys(keys, view->keys_count, out);
}

void view_append_resolved(const struct view_definition *view, struct buffer *out)
{
    char type[TYPE_TEXT_SIZE];
    if (view_kind_is_derived(view->kind)) { /* each snapshot resolves it anew */
        buffer_append_text(out, "{}");
        return;
    }
    buffer_append_byte(out, '{');
    append_used_fields(view, out);
    json_name(out, "types");
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < view->features_count; i++) {
        json_name_bytes(out, view->features[i].name);
        json_text(out, bytes_of_text(type_name(view->features[i].type, type)));
    }
    buffer_append_text(out, "}}");
}

/* --- comparing views ----------------------------------------------------------------------- */

static int compare_features(const void *a, const void *b)
{
    const struct feature_definition *const *left = a;
    const struct feature_definition *const *right = b;
    return bytes_compare((*left)->name, (*right)->name);
}

const struct feature_definition **features_sorted(const struct view_definition *view,
                                                  struct arena *arena)
{
    const struct feature_definition **sorted =
        (const struct feature_definition **)arena_allocate_array(
            arena, view->features_count + 1, sizeof(struct feature_definition *));
    for (size_t i = 0; i < view->features_count; i++)
        sorted[i] = &view->features[i];
    qsort(sorted, view->features_count, sizeof(sorted[0]), compare_features);
    return sorted;
}

static void append_feature_meaning(const struct feature_definition *feature, struct buffer *out)
{
    static const char *const kinds[] = {
        [ARGUMENT_NONE] = "none", [ARGUMENT_FIELD] = "field", [ARGUMENT_EXPRESSION] = "expression"};
    json_name_bytes(out, feature->name);
    buffer_append_byte(out, '{');
    json_member_text(out, "aggregation", feature->aggregation);
    json_member_text(out, "argument_kind", bytes_of_text(kinds[feature->argument_kind]));
    json_member_text(out, "argument", feature->argument);
    if (feature->argument_kind != ARGUMENT_NONE)
        append_type("argument_type", feature->argument_type, out);
    json_member_text(out, "where", feature->where);
    append_window(&feature->window, out);
    append_default(feature, out);
    append_type("type", feature->type, out);
    buffer_append_byte(out, '}');
}

void view_append_meaning(const struct view_definition *view, struct buffer *out)
{
    if (view_kind_is_derived(view->kind)) {
        derived_append_definition(view, WITHOUT_ANNOTATIONS, out);
        return;
    }
    struct arena *arena = arena_create(4096);
    const struct feature_definition **features = features_sorted(view, arena);
    buffer_append_byte(out, '{');
    append_view_keys(view, out);
    append_used_fields(view, out);
    json_name(out, "features");
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < view->features_count; i++)
        append_feature_meaning(features[i], out);
    buffer_append_text(out, "}}");
    arena_destroy(&arena);
}

void view_append_annotations(const struct view_definition *view, struct buffer *out)
{
    struct arena *arena = arena_create(4096);
    const struct feature_definition **features = features_sorted(view, arena);
    buffer_append_byte(out, '{');
    annotations_append(&view->annotations, out);
    for (size_t i = 0; i < view->features_count; i++) {
        json_name_bytes(out, features[i]->name);
        buffer_append_byte(out, '{');
        annotations_append(&features[i]->annotations, out);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, '}');
    arena_destroy(&arena);
}
