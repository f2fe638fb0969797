#include "lookup.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>

#include "base/number.h"
#include "base/time_text.h"
#include "text.h"

enum { FEATURE_PARTS = 3 }; /* name, value, status */

static struct bytes reply_text(const struct redisReply *reply)
{
    bool is_text = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
    return is_text ? bytes_of(reply->str, reply->len) : bytes_of(NULL, 0);
}

/* An integer, also one that was written as text. */
static bool reply_integer(const struct redisReply *reply, int64_t *out)
{
    if (reply->type != REDIS_REPLY_INTEGER)
        return number_parse_int(reply_text(reply), out) == NUMBER_OK;
    *out = reply->integer;
    return true;
}

struct type lookup_type(yajl_val description, struct bytes feature)
{
    static const char list_prefix[] = "list of ";
    struct type type = {.kind = VALUE_STRING};
    for (size_t i = 0; i < tree_count(description, "features"); i++) {
        yajl_val item = tree_item(description, "features", i);
        if (!bytes_equal_text(feature, tree_text(item, "name")))
            continue;
        struct bytes name = bytes_of_text(tree_text(item, "type"));
        bool is_list = bytes_start_with(name, bytes_of_text(list_prefix));
        if (is_list)
            name = bytes_after(name, strlen(list_prefix));
        if (type_parse(name, &type))
            type.is_list = is_list;
        break;
    }
    return type;
}

static bool read_features(const struct redisReply *reply, yajl_val description, struct arena *arena,
                          struct lookup *out)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % FEATURE_PARTS != 0)
        return false;
    size_t count = reply->elements / FEATURE_PARTS;
    struct lookup_feature *features = ARENA_NEW_ARRAY(arena, count, struct lookup_feature);
    for (size_t i = 0; i < count; i++) {
        struct redisReply **parts = &reply->element[i * FEATURE_PARTS];
        features[i] = (struct lookup_feature){
            .name = reply_text(parts[0]),
            .value = reply_text(parts[1]),
            .status = reply_text(parts[2]),
            .is_null = parts[1]->type == REDIS_REPLY_NIL,
            .type = lookup_type(description, reply_text(parts[0])),
        };
        if (!features[i].is_null && features[i].value.data == NULL)
            return false;
    }
    out->features = features;
    out->features_count = count;
    return true;
}

/* One of the pairs; an unknown name is one that a later server added. */
static bool read_pair(const struct redisReply *name, const struct redisReply *value,
                      yajl_val description, struct arena *arena, struct lookup *out)
{
    struct bytes key = reply_text(name);
    if (bytes_equal_text(key, "view"))
        out->view = reply_text(value);
    else if (bytes_equal_text(key, "at"))
        return reply_integer(value, &out->at_us);
    else if (bytes_equal_text(key, "event_time") && value->type != REDIS_REPLY_NIL)
        return out->has_event_time = reply_integer(value, &out->event_time_us);
    else if (bytes_equal_text(key, "features"))
        return read_features(value, description, arena, out);
    return true;
}

enum status lookup_read(const struct redisReply *reply, yajl_val description, struct arena *arena,
                        struct lookup *out, struct error *err)
{
    *out = (struct lookup){0};
    bool is_right = reply->type == REDIS_REPLY_ARRAY && reply->elements % 2 == 0;
    for (size_t i = 0; is_right && i < reply->elements; i += 2)
        is_right = read_pair(reply->element[i], reply->element[i + 1], description, arena, out);
    is_right = is_right && time_is_valid(out->at_us) && time_is_valid(out->event_time_us);
    if (!is_right || out->view.size == 0 || out->features == NULL)
        return error_set(err, STATUS_CORRUPT, "the server's answer to ASOF.GET is not understood");
    return STATUS_OK;
}

static bool value_time(const struct lookup_feature *feature, int64_t *time_us)
{
    return feature->type.kind == VALUE_TIMESTAMP && !feature->type.is_list &&
           number_parse_int(feature->value, time_us) == NUMBER_OK && time_is_valid(*time_us);
}

static bool is_bool(const struct lookup_feature *feature)
{
    return feature->type.kind == VALUE_BOOL && !feature->type.is_list;
}

static const char *bool_text(struct bytes value)
{
    return bytes_equal_text(value, "1") ? "true" : "false";
}

void lookup_append_text(const struct lookup_feature *feature, struct buffer *out)
{
    char time_text[TIME_TEXT_SIZE];
    int64_t time_us;
    if (feature->is_null && bytes_equal_text(feature->status, "overflow")) {
        buffer_append(out, feature->status);
    } else if (feature->is_null) {
        buffer_append_byte(out, '-');
    } else if (value_time(feature, &time_us)) {
        buffer_append(out, bytes_of(time_text, time_format(time_us, time_text)));
    } else if (is_bool(feature)) {
        buffer_append_text(out, bool_text(feature->value));
    } else {
        buffer_append(out, feature->value);
    }
}

static void append_value_json(const struct lookup_feature *feature, struct buffer *out)
{
    bool is_text = feature->type.kind == VALUE_STRING && !feature->type.is_list;
    if (feature->is_null)
        buffer_append_text(out, "null");
    else if (is_bool(feature))
        buffer_append_text(out, bool_text(feature->value));
    else if (is_text || feature->value.size == 0)
        text_append_json(out, feature->value);
    else
        buffer_append(out,
                      feature->value); /* a number, or a list, which the server wrote as JSON */
}

void lookup_append_json(const struct lookup *lookup, struct bytes entity, struct buffer *out)
{
    buffer_append_text(out, "{\"view\":");
    text_append_json(out, lookup->view);
    buffer_append_text(out, ",\"entity\":");
    text_append_json(out, entity);
    buffer_format(out, ",\"at\":%" PRId64 ",\"event_time\":", lookup->at_us);
    if (lookup->has_event_time)
        buffer_format(out, "%" PRId64, lookup->event_time_us);
    else
        buffer_append_text(out, "null");

    buffer_append_text(out, ",\"features\":{");
    for (size_t i = 0; i < lookup->features_count; i++) {
        buffer_append_text(out, i > 0 ? "," : "");
        text_append_json(out, lookup->features[i].name);
        buffer_append_text(out, ":{\"value\":");
        append_value_json(&lookup->features[i], out);
        buffer_append_text(out, ",\"status\":");
        text_append_json(out, lookup->features[i].status);
        buffer_append_byte(out, '}');
    }
    buffer_append_text(out, "}}");
}
