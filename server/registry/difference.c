#include "registry/difference.h"

#include "base/time_text.h"
#include "registry/meaning.h"
#include "registry/parse.h"

/* Beyond this the rest is left to `asof describe`. */
enum { DIFFERENCE_SIZE_MAX = 600, EXPRESSION_SHOWN_MAX = 60 };

struct difference {
    struct buffer text;
    struct arena *arena;
    struct bytes subject; /* the feature, for "payments_5m: "; empty: the whole */
    bool is_cut;
};

/* --- words --------------------------------------------------------------------------------- */

/* The start of a further part; false where it is long enough. */
static bool part_begin(struct difference *difference)
{
    if (difference->text.size > DIFFERENCE_SIZE_MAX && !difference->is_cut) {
        buffer_append_text(&difference->text, "; and more");
        difference->is_cut = true;
    }
    if (difference->is_cut)
        return false;
    if (difference->text.size > 0)
        buffer_append_text(&difference->text, "; ");
    return true;
}

static void say_one(struct difference *difference, const char *sign, struct bytes name)
{
    if (part_begin(difference))
        buffer_format(&difference->text, "%s %.*s", sign, BYTES_ARGS(name));
}

static const char *shown(const struct difference *difference, struct bytes text)
{
    if (text.size == 0)
        return "none";
    return text.size <= EXPRESSION_SHOWN_MAX ? quoted(difference->arena, text) : "another";
}

/* "over 5m -> 10m", if the texts differ. */
static void say_change(struct difference *difference, const char *what, struct bytes before,
                       struct bytes after)
{
    if (bytes_equal(before, after) || !part_begin(difference))
        return;
    if (difference->subject.size > 0)
        buffer_format(&difference->text, "%.*s: ", BYTES_ARGS(difference->subject));
    buffer_format(&difference->text, "%s %.*s -> %.*s", what, BYTES_ARGS(before),
                  BYTES_ARGS(after));
}

/* The same for texts that a person typed; empty ones are "none". */
static void say_change_quoted(struct difference *difference, const char *what, struct bytes before,
                              struct bytes after)
{
    if (!bytes_equal(before, after))
        say_change(
            difference, what, bytes_of_text(shown(difference, before)),
            bytes_of_text(after.size > EXPRESSION_SHOWN_MAX && before.size > EXPRESSION_SHOWN_MAX
                              ? "yet another"
                              : shown(difference, after)));
}

static struct bytes duration_text(const struct difference *difference, int64_t duration_us)
{
    char text[DURATION_TEXT_SIZE];
    if (duration_us == DURATION_NONE)
        return bytes_of_text("none");
    return arena_copy(difference->arena, bytes_of(text, duration_format(duration_us, text)));
}

static struct bytes type_text(const struct difference *difference, struct type type)
{
    char text[TYPE_TEXT_SIZE];
    return arena_copy(difference->arena, bytes_of_text(type_name(type, text)));
}

static struct bytes difference_end(struct difference *difference)
{
    return buffer_to_arena(&difference->text, difference->arena);
}

/* --- fields -------------------------------------------------------------------------------- */

static struct bytes field_name_at(const struct field_definition *fields, ssize_t index)
{
    return index < 0 ? (struct bytes){0} : fields[index].name;
}

static void say_field(struct difference *difference, const struct field_definition *before,
                      const struct field_definition *after)
{
    char old_type[TYPE_TEXT_SIZE];
    char new_type[TYPE_TEXT_SIZE];
    const char *what = arena_format(difference->arena, "field %.*s", BYTES_ARGS(after->name)).data;
    say_change(difference, what, bytes_of_text(field_type_name(before, old_type)),
               bytes_of_text(field_type_name(after, new_type)));
}

/* Whether the fields that both have stand in another order. */
static bool fields_are_reordered(const struct field_definition *before, size_t before_count,
                                 const struct field_definition *after, size_t after_count)
{
    ssize_t last = -1;
    for (size_t i = 0; i < after_count; i++) {
        ssize_t place = field_find(before, before_count, after[i].name);
        if (place >= 0 && place < last)
            return true;
        last = place >= 0 ? place : last;
    }
    return false;
}

static void say_fields(struct difference *difference, const struct field_definition *before,
                       size_t before_count, const struct field_definition *after,
                       size_t after_count)
{
    for (size_t i = 0; i < after_count; i++) {
        ssize_t old = field_find(before, before_count, after[i].name);
        if (old < 0)
            say_one(difference, "+ field", after[i].name);
        else
            say_field(difference, &before[old], &after[i]);
    }
    for (size_t i = 0; i < before_count; i++)
        if (field_find(after, after_count, before[i].name) < 0)
            say_one(difference, "- field", before[i].name);
    if (fields_are_reordered(before, before_count, after, after_count) && part_begin(difference))
        buffer_append_text(&difference->text, "another order of fields");
}

/* --- sources and entities ------------------------------------------------------------------ */

static struct bytes topics_text(const struct kafka_definition *kafka, struct arena *arena)
{
    struct buffer text = {0};
    for (size_t i = 0; i < kafka->topics_count; i++)
        buffer_format(&text, "%s%.*s", i == 0 ? "" : ", ", BYTES_ARGS(kafka->topics[i]));
    return buffer_to_arena(&text, arena);
}

/* Names only: values may be passwords. */
static bool properties_are_equal(const struct kafka_definition *before,
                                 const struct kafka_definition *after)
{
    bool is_equal = before->properties_count == after->properties_count;
    for (size_t i = 0; is_equal && i < 2 * before->properties_count; i++)
        is_equal = bytes_equal(before->properties[i], after->properties[i]);
    return is_equal;
}

static void say_kafka(struct difference *difference, const struct kafka_definition *before,
                      const struct kafka_definition *after)
{
    char old_start[TIME_TEXT_SIZE];
    char new_start[TIME_TEXT_SIZE];
    if (before == NULL || after == NULL) {
        if (before != after)
            say_one(difference, after != NULL ? "+" : "-", bytes_of_text("kafka"));
        return;
    }
    say_change(difference, "brokers", before->brokers, after->brokers);
    say_change(difference, "topic", topics_text(before, difference->arena),
               topics_text(after, difference->arena));
    say_change(difference, "start", start_text(before, old_start), start_text(after, new_start));
    say_change(difference, "on_gap", bytes_of_text(gap_name(before->on_gap)),
               bytes_of_text(gap_name(after->on_gap)));
    say_change_quoted(difference, "group", before->group, after->group);
    if (!properties_are_equal(before, after) && part_begin(difference))
        buffer_append_text(&difference->text, "other properties");
}

struct bytes source_difference(const struct source_definition *before,
                               const struct source_definition *after, struct arena *arena)
{
    struct difference difference = {.arena = arena};
    say_fields(&difference, before->fields, before->fields_count, after->fields,
               after->fields_count);
    say_change_quoted(&difference, "event_time", before->fields[before->event_time_field].name,
                      after->fields[after->event_time_field].name);
    say_change_quoted(&difference, "event_id",
                      field_name_at(before->fields, before->event_id_field),
                      field_name_at(after->fields, after->event_id_field));
    say_change(&difference, "clock", bytes_of_text(clock_name(before->clock)),
               bytes_of_text(clock_name(after->clock)));
    say_change(&difference, "durability", bytes_of_text(durability_name(before->durability)),
               bytes_of_text(durability_name(after->durability)));
    say_change(&difference, "retention", duration_text(&difference, before->retention_us),
               duration_text(&difference, after->retention_us));
    say_change(&difference, "ahead_max", duration_text(&difference, before->ahead_max_us),
               duration_text(&difference, after->ahead_max_us));
    say_change(&difference, "freshness_slo", duration_text(&difference, before->freshness_slo_us),
               duration_text(&difference, after->freshness_slo_us));
    say_kafka(&difference, before->kafka, after->kafka);
    say_change_quoted(&difference, "topic of dead letters", before->letters_topic,
                      after->letters_topic);
    say_change(&difference, "retention of dead letters",
               duration_text(&difference, before->letters_retention_us),
               duration_text(&difference, after->letters_retention_us));
    return difference_end(&difference);
}

static struct bytes keys_text(const struct bytes *keys, size_t count, struct arena *arena)
{
    struct buffer text = {0};
    for (size_t i = 0; i < count; i++)
        buffer_format(&text, "%s%.*s", i == 0 ? "" : ", ", BYTES_ARGS(keys[i]));
    return buffer_to_arena(&text, arena);
}

struct bytes entity_difference(const struct entity_definition *before,
                               const struct entity_definition *after, struct arena *arena)
{
    struct difference difference = {.arena = arena};
    say_change(&difference, "keys", keys_text(before->keys, before->keys_count, arena),
               keys_text(after->keys, after->keys_count, arena));
    return difference_end(&difference);
}

/* --- views --------------------------------------------------------------------------------- */

static struct bytes window_text(const struct difference *difference, const struct window *window)
{
    struct buffer text = {0};
    window_append_text(window, &text);
    return buffer_to_arena(&text, difference->arena);
}

static struct bytes default_text(const struct difference *difference, const struct value *value)
{
    struct buffer text = {0};
    if (value->kind != VALUE_NULL)
        default_append(value, &text);
    return buffer_to_arena(&text, difference->arena);
}

static void say_feature(struct difference *difference, const struct feature_definition *before,
                        const struct feature_definition *after)
{
    difference->subject = after->name;
    say_change(difference, "aggregation", before->aggregation, after->aggregation);
    say_change_quoted(difference, "argument", before->argument, after->argument);
    say_change(difference, "over", window_text(difference, &before->window),
               window_text(difference, &after->window));
    say_change_quoted(difference, "where", before->where, after->where);
    say_change(difference, "type", type_text(difference, before->type),
               type_text(difference, after->type));
    if (before->argument_kind == ARGUMENT_EXPRESSION && after->argument_kind == ARGUMENT_EXPRESSION)
        say_change(difference, "type of the argument", type_text(difference, before->argument_type),
                   type_text(difference, after->argument_type));
    say_change_quoted(difference, "default", default_text(difference, &before->default_value),
                      default_text(difference, &after->default_value));
    difference->subject = (struct bytes){0};
}

static struct bytes view_keys_text(const struct view_definition *view, struct arena *arena)
{
    struct bytes keys[ENTITY_KEYS_MAX];
    for (size_t i = 0; i < view->keys_count; i++)
        keys[i] = view->fields[view->key_fields[i]].name;
    return keys_text(keys, view->keys_count, arena);
}

/* Fields that a view has begun or ceased to use follow from its features; those it goes on using
 * may have changed by themselves. */
static void say_used_fields(struct difference *difference, const struct view_definition *before,
                            const struct view_definition *after)
{
    for (size_t i = 0; i < after->fields_count; i++) {
        ssize_t old = field_find(before->fields, before->fields_count, after->fields[i].name);
        if (old >= 0)
            say_field(difference, &before->fields[old], &after->fields[i]);
    }
    if (fields_are_reordered(before->fields, before->fields_count, after->fields,
                             after->fields_count) &&
        part_begin(difference))
        buffer_append_text(&difference->text, "another order of fields");
}

static void say_view(struct difference *difference, const struct view_definition *before,
                     const struct view_definition *after)
{
    say_change(difference, "kind", bytes_of_text(view_kind_name(before->kind)),
               bytes_of_text(view_kind_name(after->kind)));
    say_change(difference, "source", before->source, after->source);
    say_change(difference, "entity", before->entity, after->entity);
    say_change(difference, "keys", view_keys_text(before, difference->arena),
               view_keys_text(after, difference->arena));
    say_change_quoted(difference, "event_time", before->fields[before->event_time_field].name,
                      after->fields[after->event_time_field].name);
    say_change_quoted(difference, "event_id", field_name_at(before->fields, before->event_id_field),
                      field_name_at(after->fields, after->event_id_field));
    say_change_quoted(difference, "where", before->where, after->where);
    say_change(difference, "history", duration_text(difference, before->history_us),
               duration_text(difference, after->history_us));
    say_change(difference, "ttl", duration_text(difference, before->ttl_us),
               duration_text(difference, after->ttl_us));
    say_used_fields(difference, before, after);
}

/* Whether features that both have stand in another order, which is that of a service's answers. */
static bool features_are_reordered(const struct view_definition *before,
                                   const struct view_definition *after)
{
    ssize_t last = -1;
    for (size_t i = 0; i < after->features_count; i++) {
        ssize_t place = feature_find(before, after->features[i].name);
        if (place >= 0 && place < last)
            return true;
        last = place >= 0 ? place : last;
    }
    return false;
}

static void say_derived(struct difference *difference, const struct view_definition *before,
                        const struct view_definition *after)
{
    say_change(difference, "kind", bytes_of_text(view_kind_name(before->kind)),
               bytes_of_text(view_kind_name(after->kind)));
    if (after->kind == VIEW_SERVICE && features_are_reordered(before, after) &&
        part_begin(difference))
        buffer_append_text(&difference->text, "another order of features");
    if (before->kind != VIEW_ON_DEMAND || after->kind != VIEW_ON_DEMAND)
        return;
    say_change(difference, "entity", before->entity, after->entity);
    say_fields(difference, before->request, before->request_count, after->request,
               after->request_count);
}

struct bytes view_difference(const struct view_definition *before,
                             const struct view_definition *after, struct arena *arena)
{
    struct difference difference = {.arena = arena};
    if (view_kind_is_derived(before->kind) || view_kind_is_derived(after->kind))
        say_derived(&difference, before, after);
    else
        say_view(&difference, before, after);
    for (size_t i = 0; i < after->features_count; i++) {
        ssize_t old = feature_find(before, after->features[i].name);
        if (old < 0)
            say_one(&difference, "+", after->features[i].name);
        else if (after->kind != VIEW_SERVICE) /* whose features are but names */
            say_feature(&difference, &before->features[old], &after->features[i]);
    }
    for (size_t i = 0; i < before->features_count; i++)
        if (feature_find(after, before->features[i].name) < 0)
            say_one(&difference, "-", before->features[i].name);
    return difference_end(&difference);
}
