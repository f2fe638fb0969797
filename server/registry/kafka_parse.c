/* What stands behind kafka: in a source. */
#include "base/time_text.h"
#include "registry/draft.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum {
    BROKERS_SIZE_MAX = 4096,
    GROUP_SIZE_MAX = 249,
    PROPERTY_NAME_SIZE_MAX = 128, /* as parse.h says of keys of tags */
    PROPERTY_VALUE_SIZE_MAX = 64 * 1024,
};

/* ---- topics ---- */

static bool topic_is_valid(struct bytes name)
{
    static const char others[] = "._-";
    if (name.size == 0 || name.size > KAFKA_TOPIC_SIZE_MAX || bytes_equal_text(name, ".") ||
        bytes_equal_text(name, ".."))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char letter = name.data[i];
        bool is_letter = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                         (letter >= '0' && letter <= '9');
        if (!is_letter && memchr(others, letter, sizeof(others) - 1) == NULL)
            return false;
    }
    return true;
}

enum status topic_read(const struct parse *parse, const struct node *node, struct bytes *out)
{
    enum status status = text_read(parse, node, "topic", out);
    if (status == STATUS_OK && !topic_is_valid(*out))
        return mistake(parse, node,
                       "%s is no name of a topic: letters, digits, '.', '_' and '-', "
                       "at most %d",
                       quoted(parse->arena, *out), KAFKA_TOPIC_SIZE_MAX);
    return status;
}

static enum status topic_add(const struct parse *parse, const struct node *node,
                             struct bytes *topics, size_t *count)
{
    enum status status = topic_read(parse, node, &topics[*count]);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < *count; i++)
        if (bytes_equal(topics[i], topics[*count]))
            return mistake(parse, node, "the topic %s stands here twice; leave one out",
                           quoted(parse->arena, topics[i]));
    (*count)++;
    return STATUS_OK;
}

/* One topic, or a list of them. */
static enum status topics_parse(const struct parse *parse, const struct node *node,
                                struct kafka_definition *out)
{
    bool is_list = node->kind == NODE_LIST;
    size_t count = is_list ? node->items_count : 1;
    if (count == 0)
        return mistake(parse, node, "found no topic; name one");
    if (count > KAFKA_TOPICS_MAX)
        return mistake_limit(parse, node, "found %zu topics; a source reads at most %d", count,
                             KAFKA_TOPICS_MAX);
    struct bytes *topics = ARENA_NEW_ARRAY(parse->arena, count, struct bytes);
    for (size_t i = 0; i < count; i++) {
        enum status status =
            topic_add(parse, is_list ? node->items[i] : node, topics, &out->topics_count);
        if (status != STATUS_OK)
            return status;
    }
    out->topics = topics;
    return STATUS_OK;
}

/* ---- properties ---- */

static enum status property_parse(const struct parse *parse, const struct node *name,
                                  const struct node *value, struct bytes *out)
{
    struct error why = {0};
    enum status status = text_read(parse, value, "a property", &out[1]);
    out[0] = name->text;
    if (status != STATUS_OK)
        return status;
    if (out[0].size > PROPERTY_NAME_SIZE_MAX || out[1].size > PROPERTY_VALUE_SIZE_MAX)
        return mistake_limit(parse, name, "a property's name has at most %d bytes and its value %d",
                             PROPERTY_NAME_SIZE_MAX, PROPERTY_VALUE_SIZE_MAX);
    if (parse->is_stored || parse->checks->check_kafka_property == NULL)
        return STATUS_OK;
    status = parse->checks->check_kafka_property(out[0], out[1], &why);
    return status == STATUS_OK ? STATUS_OK : mistake(parse, name, "%s", why.text);
}

static enum status properties_parse(const struct parse *parse, const struct node *node,
                                    struct kafka_definition *out)
{
    if (node == NULL)
        return STATUS_OK;
    if (node->kind != NODE_MAPPING)
        return mistake(parse, node,
                       "found %s; properties are a mapping like "
                       "{security.protocol: ssl}",
                       node_kind_name(node));
    if (node->items_count / 2 > KAFKA_PROPERTIES_MAX)
        return mistake_limit(parse, node, "found %zu properties; at most %d are taken",
                             node->items_count / 2, KAFKA_PROPERTIES_MAX);
    struct bytes *properties = ARENA_NEW_ARRAY(parse->arena, node->items_count + 1, struct bytes);
    for (size_t i = 0; i < node->items_count; i += 2) {
        enum status status =
            property_parse(parse, node->items[i], node->items[i + 1], &properties[i]);
        if (status != STATUS_OK)
            return status;
    }
    out->properties = properties;
    out->properties_count = node->items_count / 2;
    return STATUS_OK;
}

/* ---- the rest ---- */

static enum status start_parse(const struct parse *parse, const struct node *node,
                               struct kafka_definition *out)
{
    struct bytes text = {0};
    if (node == NULL)
        return STATUS_OK;
    enum status status = text_read(parse, node, "start", &text);
    if (status != STATUS_OK || bytes_equal_text(text, "earliest"))
        return status;
    out->start = bytes_equal_text(text, "latest") ? KAFKA_LATEST : KAFKA_AT;
    if (out->start == KAFKA_AT && !time_parse(text, &out->start_us))
        return mistake(parse, node,
                       "start is earliest, latest or a time like "
                       "2026-01-31T12:00:00Z, found %s",
                       quoted(parse->arena, text));
    return STATUS_OK;
}

static enum status bounded_text_read(const struct parse *parse, const struct node *node,
                                     const char *what, size_t size_max, struct bytes *out)
{
    enum status status = text_read(parse, node, what, out);
    if (status == STATUS_OK && out->size > size_max)
        return mistake_limit(parse, node, "%s has at most %zu bytes", what, size_max);
    return status;
}

/* A key may stand in kafka: or beside it, but once. */
static enum status choose(const struct parse *parse, const struct node *inside,
                          const struct node *beside, const char *what, const struct node **out)
{
    *out = inside != NULL ? inside : beside;
    if (inside != NULL && beside != NULL)
        return mistake(parse, beside, "%s stands in kafka: too; leave one out", what);
    return STATUS_OK;
}

enum status kafka_parse(const struct parse *parse, const struct kafka_nodes *nodes,
                        const struct kafka_definition **out)
{
    static const struct bytes gaps[] = {[KAFKA_STOP] = {"stop", 4}, [KAFKA_SKIP] = {"skip", 4}};
    struct kafka_definition *kafka = ARENA_NEW(parse->arena, struct kafka_definition);
    const struct node *brokers = NULL, *topic = NULL, *start = NULL, *on_gap = NULL;
    const struct node *group = NULL, *properties = NULL;
    size_t gap = KAFKA_STOP;
    const struct key_slot slots[] = {
        {"brokers", &brokers, NULL},
        {"topic", &topic, NULL},
        {"start", &start, NULL},
        {"on_gap", &on_gap, NULL},
        {"group", &group, NULL},
        {"properties", &properties, NULL},
        {"dead_letter_topic", NULL, "it stands beside kafka:, as dead_letters: {topic: NAME}"},
    };
    enum status status = mapping_read(parse, nodes->body, "kafka", slots, COUNT_OF(slots));
    if (status == STATUS_OK && (brokers == NULL || topic == NULL))
        status = mistake(parse, nodes->body,
                         "kafka needs brokers and a topic, like {brokers: "
                         "\"localhost:9092\", topic: payments}");
    if (status == STATUS_OK)
        status = bounded_text_read(parse, brokers, "brokers", BROKERS_SIZE_MAX, &kafka->brokers);
    if (status == STATUS_OK)
        status = topics_parse(parse, topic, kafka);
    if (status == STATUS_OK)
        status = choose(parse, start, nodes->start, "start", &start);
    if (status == STATUS_OK)
        status = start_parse(parse, start, kafka);
    if (status == STATUS_OK)
        status = choose(parse, on_gap, nodes->on_gap, "on_gap", &on_gap);
    if (status == STATUS_OK)
        status = word_read(parse, on_gap, "on_gap", gaps, COUNT_OF(gaps), &gap);
    if (status == STATUS_OK && group != NULL)
        status = bounded_text_read(parse, group, "group", GROUP_SIZE_MAX, &kafka->group);
    if (status == STATUS_OK)
        status = properties_parse(parse, properties, kafka);
    kafka->on_gap = (enum kafka_gap)gap;
    *out = kafka;
    return status;
}
