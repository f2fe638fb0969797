#include "lookup.h"

#include <inttypes.h>

#include "base/number.h"
#include "base/time_text.h"
#include "model/answer.h"
#include "text.h"

/* ---- one row ---- */

static enum value_kind kind_of(enum asof_kind kind)
{
    switch (kind) {
    case ASOF_KIND_BOOL:
        return VALUE_BOOL;
    case ASOF_KIND_INT:
        return VALUE_INT;
    case ASOF_KIND_DOUBLE:
        return VALUE_DOUBLE;
    case ASOF_KIND_DECIMAL:
        return VALUE_DECIMAL;
    case ASOF_KIND_STRING:
        return VALUE_STRING;
    case ASOF_KIND_TIMESTAMP:
        return VALUE_TIMESTAMP;
    }
    return VALUE_NULL;
}

/* The value at that place among all of the column. */
static struct value value_at(struct asof_result *result, size_t index, struct type type,
                             size_t place)
{
    struct value value = {.kind = type.kind, .digits = type.digits};
    if (type.kind == VALUE_DOUBLE) {
        value.real = asof_result_doubles(result, index)[place];
    } else if (type.kind == VALUE_STRING) {
        struct asof_bytes text = asof_result_strings(result, index)[place];
        value.text = bytes_of(text.data, text.size);
    } else {
        value.integer = asof_result_integers(result, index)[place];
    }
    return value;
}

static struct value list_at(struct asof_result *result, size_t index, struct type type, size_t row,
                            struct arena *arena)
{
    const uint32_t *sizes = asof_result_sizes(result, index);
    size_t first = 0;
    for (size_t i = 0; i < row; i++)
        first += sizes[i];
    struct value *items = ARENA_NEW_ARRAY(arena, sizes[row], struct value);
    for (size_t i = 0; i < sizes[row]; i++)
        items[i] = value_at(result, index, type, first + i);
    return (struct value){.kind = VALUE_LIST, .list = {.items = items, .count = sizes[row]}};
}

static bool read_feature(struct asof_result *result, size_t index, size_t row, struct arena *arena,
                         struct lookup_feature *out)
{
    const struct asof_column *column = asof_result_column(result, index);
    struct bytes name = bytes_of(column->feature.data, column->feature.size);
    const char *dot = name.size == 0 ? NULL : memchr(name.data, '.', name.size);
    int status = (int)asof_column_status(column, row);
    struct type type = {.kind = kind_of(column->kind), .digits = (uint8_t)column->digits};
    if (dot == NULL || type.kind == VALUE_NULL || column->digits > DECIMAL_DIGITS_MAX ||
        status < ASOF_STATUS_OUT_OF_HISTORY || status > ASOF_STATUS_PRESENT)
        return false;
    *out = (struct lookup_feature){
        .name = arena_copy(arena, bytes_after(name, (size_t)(dot - name.data) + 1)),
        .status = bytes_of_text(
            feature_status_name((enum feature_status)(status - ASOF_STATUS_OUT_OF_HISTORY))),
        .type = {.kind = type.kind, .digits = type.digits, .is_list = column->is_list},
        .is_null = !asof_column_has_value(column, row),
    };
    if (out->is_null)
        return true;
    struct value value = column->is_list ? list_at(result, index, type, row, arena)
                                         : value_at(result, index, type, row);
    struct buffer text = {0};
    value_append_text(&value, &text);
    out->value = arena_copy(arena, buffer_bytes(&text));
    buffer_fini(&text);
    return true;
}

static bool read_view(const struct asof_result *result, size_t row, struct arena *arena,
                      struct lookup *out)
{
    const struct asof_view *view = asof_result_view(result, 0);
    if (view == NULL || asof_result_views_count(result) != 1 || view->at_count == 0 ||
        row >= asof_result_rows(result))
        return false;
    out->view =
        arena_format(arena, "%.*s@%u", (int)view->name.size, view->name.data, view->version);
    out->at_us = view->at_us[view->at_count == 1 ? 0 : row];
    if (view->event_times_us != NULL && view->event_times_us[row] != ASOF_NO_EVENT_TIME) {
        out->has_event_time = true;
        out->event_time_us = view->event_times_us[row];
    }
    return time_is_valid(out->at_us) && time_is_valid(out->event_time_us);
}

enum status lookup_read(struct asof_result *result, size_t row, struct arena *arena,
                        struct lookup *out, struct error *err)
{
    size_t count = asof_result_columns_count(result);
    struct lookup_feature *features = ARENA_NEW_ARRAY(arena, count, struct lookup_feature);
    *out = (struct lookup){.features = features, .features_count = count};
    bool is_right = read_view(result, row, arena, out);
    for (size_t i = 0; i < count && is_right; i++) {
        const char *out_of_history = feature_status_name(FEATURE_OUT_OF_HISTORY);
        is_right = read_feature(result, i, row, arena, &features[i]);
        out->is_out_of_history |= is_right && bytes_equal_text(features[i].status, out_of_history);
    }
    if (!is_right)
        return error_set(err, STATUS_CORRUPT, "the server's answer is not understood");
    return STATUS_OK;
}

/* ---- entities ---- */

bool lookup_split_entity(const char *entity, size_t keys_count, struct arena *arena,
                         struct asof_bytes *keys)
{
    size_t size = strlen(entity);
    if (keys_count == 1) {
        keys[0] = (struct asof_bytes){.data = entity, .size = size};
        return true;
    }
    char *text = arena_allocate(arena, size + 1);
    size_t end = 0, count = 0, start = 0;
    for (size_t i = 0; i <= size; i++) {
        bool is_end = i == size || entity[i] == '|';
        if (is_end && count == keys_count)
            return false;
        if (is_end) {
            keys[count++] = (struct asof_bytes){.data = text + start, .size = end - start};
            start = end;
        } else {
            bool is_escape = entity[i] == '\\' && (entity[i + 1] == '|' || entity[i + 1] == '\\');
            text[end++] = entity[is_escape ? ++i : i];
        }
    }
    return count == keys_count;
}

/* ---- how it is shown ---- */

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
        buffer_append(out, feature->value); /* a number, or a list, which was written as JSON */
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
