#include "query/diff.h"

#include <math.h>

#include "base/number.h"

void view_diff_start(struct view_diff *diff, const struct view_definition *left,
                     const struct view_definition *right, struct arena *arena)
{
    *diff = (struct view_diff){.left = left, .right = right};
    diff->features = ARENA_NEW_ARRAY(arena, left->features_count + 1, struct feature_diff);
    for (size_t i = 0; i < left->features_count; i++) {
        ssize_t index = feature_find(right, left->features[i].name);
        if (index >= 0)
            diff->features[diff->features_count++] = (struct feature_diff){
                .name = left->features[i].name, .left = (uint32_t)i, .right = (uint32_t)index};
    }
}

/* ---- two values ---- */

/* The value's text in the arena; without data for NULL and an overflow. */
static struct bytes text_of(const struct value *value, struct arena *arena)
{
    struct buffer text = {0};
    if (value->kind == VALUE_NULL || value->kind == VALUE_OVERFLOW)
        return (struct bytes){0};
    value_append_text(value, &text);
    struct bytes copy = arena_copy(arena, buffer_bytes(&text));
    buffer_fini(&text);
    return copy;
}

/* false: it is no number. */
static bool number_of(const struct value *value, double *out)
{
    if (value->kind == VALUE_DOUBLE)
        *out = value->real;
    else if (value->kind == VALUE_DECIMAL)
        *out = (double)value->integer / pow(10, value->digits);
    else if (value_is_integral(value->kind))
        *out = (double)value->integer;
    else
        return false;
    return true;
}

static bool texts_are_equal(struct bytes left, struct bytes right)
{
    return (left.data == NULL) == (right.data == NULL) && bytes_equal(left, right);
}

static void compare(struct feature_diff *feature, const struct value *left,
                    const struct value *right, struct bytes entity, struct arena *arena)
{
    double left_number;
    double right_number;
    struct bytes left_text = text_of(left, arena);
    struct bytes right_text = text_of(right, arena);
    if (texts_are_equal(left_text, right_text))
        return;
    double apart = 0;
    if (number_of(left, &left_number) && number_of(right, &right_number)) {
        apart = fabs(left_number - right_number);
        feature->measured_count++;
        feature->apart_sum += apart;
    }
    if (feature->differing_count++ == 0 || apart > feature->apart_max) {
        feature->entity = entity;
        feature->left_text = left_text;
        feature->right_text = right_text;
    }
    feature->apart_max = apart > feature->apart_max ? apart : feature->apart_max;
}

/* ---- an entity ---- */

static enum status read_side(struct query *query, const struct target *target, struct moment moment,
                             struct arena *arena, struct answer *answer, struct error *err)
{
    enum status status = query_read(query, target, NULL, 0, moment, arena, answer, err);
    if (status == STATUS_OK && answer->is_out_of_history)
        return error_set(err, STATUS_INVALID, "T lies before the history that %.*s@%u keeps",
                         BYTES_ARGS(target->view->name), target->view->version);
    return status;
}

enum status view_diff_add(struct view_diff *diff, struct query *query, const struct target *left,
                          const struct target *right, struct moment moment, struct bytes entity,
                          struct arena *arena, struct error *err)
{
    struct answer left_answer;
    struct answer right_answer;
    enum status status = read_side(query, left, moment, arena, &left_answer, err);
    if (status == STATUS_OK)
        status = read_side(query, right, moment, arena, &right_answer, err);
    if (status != STATUS_OK || (!left_answer.is_found && !right_answer.is_found))
        return status;
    diff->compared_count++;
    diff->only_left_count += !right_answer.is_found;
    diff->only_right_count += !left_answer.is_found;
    for (size_t i = 0; i < diff->features_count; i++) {
        struct feature_diff *feature = &diff->features[i];
        compare(feature, &left_answer.values[feature->left], &right_answer.values[feature->right],
                entity, arena);
    }
    return STATUS_OK;
}

/* ---- JSON ---- */

static void append_text_or_null(struct buffer *out, const char *name, struct bytes text)
{
    buffer_format(out, ",\"%s\":", name);
    if (text.data == NULL)
        buffer_append_text(out, "null");
    else
        json_append_string(out, text);
}

static void append_number(struct buffer *out, const char *name, double number)
{
    struct value value = value_double(number);
    buffer_format(out, ",\"%s\":", name);
    value_append_json(&value, out);
}

static void append_feature(const struct feature_diff *feature, struct buffer *out)
{
    buffer_append_text(out, "{\"name\":");
    json_append_string(out, feature->name);
    buffer_format(out, ",\"differing\":%zu,\"measured\":%zu", feature->differing_count,
                  feature->measured_count);
    append_number(out, "apart_sum", feature->apart_sum);
    append_number(out, "apart_max", feature->apart_max);
    append_text_or_null(out, "entity", feature->entity);
    append_text_or_null(out, "left", feature->left_text);
    append_text_or_null(out, "right", feature->right_text);
    buffer_append_byte(out, '}');
}

static void append_missing(const char *name, const struct view_definition *view,
                           const struct view_definition *other, struct buffer *out)
{
    bool is_first = true;
    buffer_format(out, ",\"%s\":[", name);
    for (size_t i = 0; i < view->features_count; i++) {
        if (feature_find(other, view->features[i].name) >= 0)
            continue;
        if (!is_first)
            buffer_append_byte(out, ',');
        json_append_string(out, view->features[i].name);
        is_first = false;
    }
    buffer_append_byte(out, ']');
}

void view_diff_append_json(const struct view_diff *diff, struct buffer *out)
{
    buffer_format(out, "{\"compared\":%zu,\"only_left\":%zu,\"only_right\":%zu,\"features\":[",
                  diff->compared_count, diff->only_left_count, diff->only_right_count);
    for (size_t i = 0; i < diff->features_count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        append_feature(&diff->features[i], out);
    }
    buffer_append_byte(out, ']');
    append_missing("features_left", diff->left, diff->right, out);
    append_missing("features_right", diff->right, diff->left, out);
    buffer_append_byte(out, '}');
}
