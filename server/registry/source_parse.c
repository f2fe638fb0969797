#include "base/time_text.h"
#include "registry/draft.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* --- fields -------------------------------------------------------------------------------- */

/* The timestamp types differ in how an event writes them, which only fields know. */
static bool timestamp_parse(struct bytes text, struct field_definition *out)
{
    static const char *const names[] = {
        [TIME_RFC3339] = "timestamp",         [TIME_SECONDS] = "timestamp_s",
        [TIME_MILLISECONDS] = "timestamp_ms", [TIME_MICROSECONDS] = "timestamp_us",
        [TIME_NANOSECONDS] = "timestamp_ns",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (bytes_equal_text(text, names[i])) {
            out->type = (struct type){.kind = VALUE_TIMESTAMP};
            out->unit = (enum time_unit)i;
            return true;
        }
    }
    return false;
}

enum status field_type_parse(const struct parse *parse, const struct node *node,
                             struct field_definition *out)
{
    static const struct bytes names[] = {
        {"bool", 4},          {"int", 3},          {"double", 6},       {"decimal(2)", 10},
        {"string", 6},        {"timestamp", 9},    {"timestamp_s", 11}, {"timestamp_ms", 12},
        {"timestamp_us", 12}, {"timestamp_ns", 12}};
    struct bytes text = {0};
    enum status status = text_read(parse, node, "a field", &text);
    if (status != STATUS_OK)
        return status;
    if (timestamp_parse(text, out) || type_parse(text, &out->type))
        return STATUS_OK;
    if (bytes_start_with(text, bytes_of_text("decimal")))
        return mistake(parse, node,
                       "%s is no type; a decimal has its digits after the point, decimal(0) to "
                       "decimal(18)",
                       quoted(parse->arena, text));
    return mistake(parse, node, "there is no type %s%s", quoted(parse->arena, text),
                   hint_names(parse->arena, text, "types", names, COUNT_OF(names)));
}

/* The name of a member of events, or of a part of a record of Kafka. */
static enum status field_name_read(const struct parse *parse, const struct node *node,
                                   struct bytes *out)
{
    if (node->kind != NODE_TEXT || node->text.size == 0 || node->text.data[0] != '_')
        return name_read(parse, node, "field", out);
    *out = node->text;
    if (field_name_is_valid(*out))
        return STATUS_OK;
    return mistake(parse, node,
                   "%s cannot name this field; of a record of Kafka there are _key, "
                   "_timestamp and _header.NAME (letters, digits, '_', '-' and '.', at most %d in "
                   "all)",
                   quoted(parse->arena, *out), NAME_SIZE_MAX);
}

enum status field_definition_parse(const struct parse *parse, const struct node *name,
                                   const struct node *type, struct field_definition *out)
{
    enum status status = field_name_read(parse, name, &out->name);
    if (status != STATUS_OK)
        return status;
    bool is_word_of_sql = bytes_equal_text(out->name, "true") ||
                          bytes_equal_text(out->name, "false") ||
                          bytes_equal_text(out->name, "null");
    if (is_word_of_sql)
        return mistake(parse, name, "%s is a value in SQL; give the field another name",
                       quoted(parse->arena, out->name));
    return field_type_parse(parse, type, out);
}

static enum status fields_parse(const struct parse *parse, const struct node *node,
                                struct source_definition *out)
{
    if (node->kind != NODE_MAPPING || node->items_count == 0)
        return mistake(parse, node,
                       "found %s; fields are a mapping like {ts: timestamp_ms, card: "
                       "string}",
                       node->kind == NODE_MAPPING ? "no field" : node_kind_name(node));
    size_t count = node->items_count / 2;
    if (count > SOURCE_FIELDS_MAX)
        return mistake_limit(parse, node, "found %zu fields; a source has at most %d", count,
                             SOURCE_FIELDS_MAX);
    struct field_definition *fields = ARENA_NEW_ARRAY(parse->arena, count, struct field_definition);
    for (size_t i = 0; i < count; i++) {
        enum status status =
            field_definition_parse(parse, node->items[2 * i], node->items[2 * i + 1], &fields[i]);
        if (status != STATUS_OK)
            return status;
    }
    out->fields = fields;
    out->fields_count = count;
    return STATUS_OK;
}

static enum status field_read(const struct parse *parse, const struct node *node, const char *what,
                              const struct source_definition *source, ssize_t *out)
{
    struct bytes name = {0};
    enum status status = text_read(parse, node, what, &name);
    if (status != STATUS_OK)
        return status;
    *out = field_find(source->fields, source->fields_count, name);
    if (*out < 0)
        return mistake(parse, node, "%s names the field %s, which is not there%s", what,
                       quoted(parse->arena, name),
                       hint_fields(parse->arena, name, source->fields, source->fields_count));
    return STATUS_OK;
}

static enum status event_time_parse(const struct parse *parse, const struct node *node,
                                    struct source_definition *out)
{
    ssize_t index = -1;
    char type[TYPE_TEXT_SIZE];
    enum status status = field_read(parse, node, "event_time", out, &index);
    if (status != STATUS_OK)
        return status;
    const struct field_definition *field = &out->fields[index];
    if (field->type.kind != VALUE_TIMESTAMP)
        return mistake(parse, node,
                       "event_time names the field %s of type %s; it must be a timestamp, like "
                       "timestamp_ms",
                       quoted(parse->arena, field->name), field_type_name(field, type));
    out->event_time_field = (size_t)index;
    return STATUS_OK;
}

enum status source_parse_event(const struct parse *parse, const struct event_nodes *nodes,
                               struct source_definition *out)
{
    if (nodes->fields == NULL)
        return mistake(parse, nodes->owner,
                       "a source without fields; add fields: {NAME: TYPE, ...}");
    if (nodes->event_time == NULL)
        return mistake(parse, nodes->owner,
                       "a source without event_time; add event_time: FIELD, a timestamp");
    enum status status = fields_parse(parse, nodes->fields, out);
    if (status == STATUS_OK)
        status = event_time_parse(parse, nodes->event_time, out);
    out->event_id_field = -1;
    if (status == STATUS_OK && nodes->event_id != NULL)
        status = field_read(parse, nodes->event_id, "event_id", out, &out->event_id_field);
    return status;
}

/* --- sources ------------------------------------------------------------------------------- */

struct source_nodes {
    struct annotation_nodes annotations;
    struct event_nodes event;
    const struct node *format;
    const struct node *clock;
    const struct node *durability;
    const struct node *retention;
    const struct node *ahead_max;
    const struct node *freshness_slo;
    const struct node *kafka;
    const struct node *dead_letters;
    const struct node *start;
    const struct node *on_gap;
    const struct node *writes;
};

static enum status source_read_keys(const struct parse *parse, const struct node *body,
                                    struct source_nodes *nodes)
{
    const char *not_typed = "asof itself says so of the writes of a batch view; leave it out";
    const struct key_slot slots[] = {
        ANNOTATION_SLOTS(&nodes->annotations),
        {"writes", &nodes->writes, parse->is_stored ? NULL : not_typed},
        {"format", &nodes->format, NULL},
        {"fields", &nodes->event.fields, NULL},
        {"event_time", &nodes->event.event_time, NULL},
        {"event_id", &nodes->event.event_id, NULL},
        {"clock", &nodes->clock, NULL},
        {"durability", &nodes->durability, NULL},
        {"retention", &nodes->retention, NULL},
        {"ahead_max", &nodes->ahead_max, NULL},
        {"kafka", &nodes->kafka, NULL},
        {"start", &nodes->start, NULL},
        {"on_gap", &nodes->on_gap, NULL},
        {"freshness_slo", &nodes->freshness_slo, NULL},
        {"dead_letters", &nodes->dead_letters, NULL},
    };
    return mapping_read(parse, body, "a source", slots, COUNT_OF(slots));
}

static enum status source_parse_options(const struct parse *parse, const struct source_nodes *nodes,
                                        struct source_definition *out)
{
    static const struct bytes formats[] = {{"json", 4}};
    static const struct bytes clocks[] = {[CLOCK_WALL] = {"wall", 4}, [CLOCK_EVENT] = {"event", 5}};
    static const struct bytes durabilities[] = {
        [DURABILITY_FSYNC] = {"fsync", 5}, [DURABILITY_OS] = {"os", 2}};
    size_t format = 0;
    size_t clock = CLOCK_WALL;
    size_t durability = DURABILITY_FSYNC;
    out->retention_us = DURATION_NONE;

    enum status status =
        word_read(parse, nodes->format, "format", formats, COUNT_OF(formats), &format);
    if (status == STATUS_OK)
        status = word_read(parse, nodes->clock, "clock", clocks, COUNT_OF(clocks), &clock);
    if (status == STATUS_OK)
        status = word_read(parse, nodes->durability, "durability", durabilities,
                           COUNT_OF(durabilities), &durability);
    if (status == STATUS_OK)
        status = duration_read(parse, nodes->retention, "retention", "forever", &out->retention_us);
    out->clock = (enum source_clock)clock;
    out->durability = (enum durability)durability;
    out->ahead_max_us = out->clock == CLOCK_WALL ? US_PER_HOUR : DURATION_NONE;
    if (status == STATUS_OK)
        status = duration_read(parse, nodes->ahead_max, "ahead_max", "none", &out->ahead_max_us);
    out->freshness_slo_us = DURATION_NONE;
    if (status == STATUS_OK)
        status = duration_read(parse, nodes->freshness_slo, "freshness_slo", "none",
                               &out->freshness_slo_us);
    return status;
}

/* ---- what is for Kafka only ---- */

/* Nothing that is pushed has a key or headers, and the broker's time is in milliseconds. */
static enum status record_fields_check(const struct parse *parse, const struct node *fields,
                                       const struct source_definition *source)
{
    char type[TYPE_TEXT_SIZE];
    for (size_t i = 0; i < source->fields_count; i++) {
        const struct field_definition *field = &source->fields[i];
        struct bytes header;
        enum record_part part = record_part_of(field->name, &header);
        bool is_milliseconds =
            field->type.kind == VALUE_TIMESTAMP && field->unit == TIME_MILLISECONDS;
        if (part != RECORD_MEMBER && source->kafka == NULL)
            return mistake(parse, fields->items[2 * i],
                           "%s is a part of a record of Kafka, and this "
                           "source is pushed to; add kafka:",
                           quoted(parse->arena, field->name));
        if (part == RECORD_TIMESTAMP && !is_milliseconds)
            return mistake(parse, fields->items[2 * i + 1],
                           "_timestamp is a timestamp_ms, as brokers "
                           "have it, found %s",
                           field_type_name(field, type));
    }
    return STATUS_OK;
}

static enum status dead_letters_parse(const struct parse *parse, const struct node *node,
                                      struct source_definition *out)
{
    const struct node *topic = NULL, *retention = NULL;
    const struct key_slot slots[] = {{"topic", &topic, NULL}, {"retention", &retention, NULL}};
    out->letters_retention_us = DURATION_NONE;
    if (node == NULL)
        return STATUS_OK;
    if (out->kafka == NULL)
        return mistake(parse, node,
                       "dead_letters are for a source that reads Kafka; what is pushed "
                       "and can't be taken is refused");
    enum status status = mapping_read(parse, node, "dead_letters", slots, COUNT_OF(slots));
    if (status == STATUS_OK && topic != NULL)
        status = topic_read(parse, topic, &out->letters_topic);
    for (size_t i = 0; i < out->kafka->topics_count && status == STATUS_OK; i++)
        if (bytes_equal(out->kafka->topics[i], out->letters_topic))
            status = mistake(parse, topic,
                             "the source reads %s itself; dead letters need a topic of "
                             "their own",
                             quoted(parse->arena, out->letters_topic));
    if (status == STATUS_OK)
        status =
            duration_read(parse, retention, "retention", "forever", &out->letters_retention_us);
    return status;
}

static enum status source_parse_kafka(const struct parse *parse, const struct source_nodes *nodes,
                                      struct source_definition *out)
{
    const struct kafka_nodes kafka = {
        .body = nodes->kafka, .start = nodes->start, .on_gap = nodes->on_gap};
    if (nodes->kafka == NULL && nodes->start != NULL)
        return mistake(parse, nodes->start, "start is for a source that reads Kafka; add kafka:");
    if (nodes->kafka == NULL && nodes->on_gap != NULL)
        return mistake(parse, nodes->on_gap, "on_gap is for a source that reads Kafka; add kafka:");
    if (nodes->kafka == NULL)
        return STATUS_OK;
    if (nodes->retention != NULL)
        return mistake(parse, nodes->retention,
                       "retention is that of the embedded log, and the log of a source that reads "
                       "Kafka is Kafka; leave it out");
    return kafka_parse(parse, &kafka, &out->kafka);
}

enum status source_parse(const struct parse *parse, const struct node *name,
                         const struct node *body, struct source_definition *out)
{
    struct source_nodes nodes = {.event.owner = name};
    enum status status = name_read(parse, name, "source", &out->name);
    if (status == STATUS_OK)
        status = source_read_keys(parse, body, &nodes);
    if (status == STATUS_OK)
        status = annotations_read(parse, &nodes.annotations, &out->annotations);
    if (status == STATUS_OK)
        status = source_parse_event(parse, &nodes.event, out);
    if (status == STATUS_OK)
        status = source_parse_options(parse, &nodes, out);
    if (status == STATUS_OK)
        status = source_parse_kafka(parse, &nodes, out);
    if (status == STATUS_OK)
        status = record_fields_check(parse, nodes.event.fields, out);
    if (status == STATUS_OK)
        status = dead_letters_parse(parse, nodes.dead_letters, out);
    out->is_writes = nodes.writes != NULL;
    return status;
}

/* --- entities ------------------------------------------------------------------------------ */

static enum status key_add(const struct parse *parse, const struct node *node, struct bytes *keys,
                           size_t *count)
{
    enum status status = field_name_read(parse, node, &keys[*count]);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < *count; i++)
        if (bytes_equal(keys[i], keys[*count]))
            return mistake(parse, node, "the key %s stands here twice; leave one out",
                           quoted(parse->arena, keys[i]));
    (*count)++;
    return STATUS_OK;
}

enum status keys_parse(const struct parse *parse, const struct node *node,
                       struct entity_definition *out)
{
    if (node->kind != NODE_LIST || node->items_count == 0)
        return mistake(parse, node, "found %s; keys are a list of fields, like [card]",
                       node->kind == NODE_LIST ? "no key" : node_kind_name(node));
    if (node->items_count > ENTITY_KEYS_MAX)
        return mistake_limit(parse, node, "found %zu keys; an entity has at most %d",
                             node->items_count, ENTITY_KEYS_MAX);
    struct bytes *keys = ARENA_NEW_ARRAY(parse->arena, node->items_count, struct bytes);
    size_t count = 0;
    for (size_t i = 0; i < node->items_count; i++) {
        enum status status = key_add(parse, node->items[i], keys, &count);
        if (status != STATUS_OK)
            return status;
    }
    out->keys = keys;
    out->keys_count = count;
    return STATUS_OK;
}

enum status entity_definition_parse(const struct parse *parse, const struct node *name,
                                    const struct node *body, struct entity_definition *out)
{
    struct annotation_nodes annotations = {0};
    const struct node *keys = NULL;
    const struct key_slot slots[] = {ANNOTATION_SLOTS(&annotations), {"keys", &keys, NULL}};
    enum status status = name_read(parse, name, "entity", &out->name);
    if (status == STATUS_OK)
        status = mapping_read(parse, body, "an entity", slots, COUNT_OF(slots));
    if (status == STATUS_OK)
        status = annotations_read(parse, &annotations, &out->annotations);
    if (status != STATUS_OK)
        return status;
    if (keys == NULL)
        return mistake(parse, name, "an entity without keys; add keys: [FIELD, ...]");
    return keys_parse(parse, keys, out);
}
