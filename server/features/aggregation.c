#include "features/aggregation.h"

#include "base/time_text.h"
#include "base/varint.h"
#include "features/row.h"

static const struct aggregation *const aggregations[] = {
    &aggregation_count,
    &aggregation_sum,
    &aggregation_avg,
    &aggregation_min,
    &aggregation_max,
    &aggregation_stddev,
    &aggregation_variance,
    &aggregation_first,
    &aggregation_last,
    &aggregation_count_distinct,
    &aggregation_time_since_last,
    &aggregation_time_since_first,
    &aggregation_last_n,
    &aggregation_duration,
};

enum { AGGREGATIONS_COUNT = sizeof(aggregations) / sizeof(aggregations[0]) };

/* Of events in one state: far more than there can be, so that sums of some counts stay numbers. */
#define COUNT_MAX (UINT64_C(1) << 55)

const char *const aggregation_names[] = {"count",
                                         "sum",
                                         "avg",
                                         "min",
                                         "max",
                                         "stddev",
                                         "variance",
                                         "first",
                                         "last",
                                         "count_distinct",
                                         "time_since_last",
                                         "time_since_first",
                                         "last_n",
                                         "duration",
                                         NULL};
_Static_assert(sizeof(aggregation_names) / sizeof(aggregation_names[0]) == AGGREGATIONS_COUNT + 1,
               "a name for each aggregation");

const struct aggregation *aggregation_find(struct bytes name)
{
    for (size_t i = 0; i < AGGREGATIONS_COUNT; i++)
        if (bytes_equal_text(name, aggregations[i]->name))
            return aggregations[i];
    return NULL;
}

static const char *rule_text(enum argument_rule rule)
{
    static const char *const texts[] = {
        [TAKES_NOTHING] = "takes no field, write `true`",
        [TAKES_ANYTHING] = "takes '*' or true, a field or an expression",
        [TAKES_VALUE] = "takes a field or an expression",
        [TAKES_ORDERED] = "takes numbers, timestamps and strings",
        [TAKES_NUMBER] = "takes numbers (int, double, decimal)",
    };
    return texts[rule];
}

static bool rule_allows(enum argument_rule rule, const struct feature_definition *feature)
{
    bool has_argument = feature->argument_kind != ARGUMENT_NONE;
    enum value_kind kind = feature->argument_type.kind;
    switch (rule) {
    case TAKES_NOTHING:
        return !has_argument;
    case TAKES_ANYTHING:
        return true;
    case TAKES_VALUE:
        return has_argument;
    case TAKES_ORDERED:
        return has_argument && kind != VALUE_BOOL;
    case TAKES_NUMBER:
        return has_argument && type_is_number(feature->argument_type);
    }
    return false;
}

static enum status check_argument(const struct aggregation *aggregation,
                                  const struct feature_definition *feature,
                                  enum feature_part *wrong, struct error *err)
{
    char type[TYPE_TEXT_SIZE];
    *wrong = FEATURE_ARGUMENT;
    if (rule_allows(aggregation->argument, feature))
        return STATUS_OK;
    if (feature->argument_kind == ARGUMENT_NONE || aggregation->argument == TAKES_NOTHING)
        return error_set(err, STATUS_INVALID, "%s %s", aggregation->name,
                         rule_text(aggregation->argument));
    return error_set(err, STATUS_INVALID, "%s %s, got '%.*s' of type %s", aggregation->name,
                     rule_text(aggregation->argument), BYTES_ARGS(feature->argument),
                     type_name(feature->argument_type, type));
}

static enum status check_window(const struct aggregation *aggregation,
                                const struct feature_definition *feature, enum feature_part *wrong,
                                struct error *err)
{
    *wrong = FEATURE_WINDOW;
    if (!aggregation->needs_window || feature->window.kind == aggregation->window_kind)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "%s is only available over %s", aggregation->name,
                     aggregation->window_kind == WINDOW_LAST ? "last(n), as in `over: last(5)`"
                                                             : "a session, as in "
                                                               "`over: session(30m)`");
}

enum status aggregation_check(struct feature_definition *feature, enum feature_part *wrong,
                              struct error *err)
{
    const struct aggregation *aggregation = aggregation_find(feature->aggregation);
    *wrong = FEATURE_AGGREGATION;
    if (aggregation == NULL)
        return error_set(err, STATUS_INVALID, "unknown aggregation '%.*s'",
                         BYTES_ARGS(feature->aggregation));
    enum status status = check_argument(aggregation, feature, wrong, err);
    if (status == STATUS_OK)
        status = check_window(aggregation, feature, wrong, err);
    if (status == STATUS_OK) {
        feature->type =
            aggregation->has_fixed_type ? aggregation->fixed_type : feature->argument_type;
        feature->type.is_list = aggregation->is_list;
    }
    return status;
}

void kept_value_set(struct kept_value *kept, const struct value *value, struct arena *arena)
{
    kept->value = *value;
    if (value->kind != VALUE_STRING)
        return;
    size_t size = value->text.size;
    if (size > kept->capacity) {
        kept->capacity = size * 2;
        kept->memory = arena_allocate(arena, kept->capacity);
    }
    if (size > 0)
        memcpy(kept->memory, value->text.data, size);
    kept->value.text = bytes_of(kept->memory, size);
}

struct value kept_value_finish(const void *state, const struct aggregate_context *context)
{
    (void)context;
    return ((const struct kept_value *)state)->value;
}

void kept_value_encode(const void *state, struct buffer *out)
{
    row_append_value(&((const struct kept_value *)state)->value, out);
}

bool kept_value_decode(void *state, const struct aggregate_context *context, struct bytes *left)
{
    return row_take_value(context->argument_type, left, &((struct kept_value *)state)->value);
}

void time_span_append(struct buffer *out, int64_t newest_us, int64_t oldest_us)
{
    varint_append(out, varint_zigzag(newest_us));
    varint_append(out, (uint64_t)(newest_us - oldest_us));
}

bool time_span_take(struct bytes *left, int64_t *newest_us, int64_t *oldest_us)
{
    uint64_t newest;
    uint64_t span;
    if (!varint_take(left, &newest) || !varint_take(left, &span))
        return false;
    *newest_us = varint_unzigzag(newest);
    if (!time_is_valid(*newest_us) || span > (uint64_t)(*newest_us - TIME_MIN_US))
        return false;
    *oldest_us = *newest_us - (int64_t)span;
    return true;
}

bool count_take(struct bytes *left, uint64_t *count)
{
    return varint_take(left, count) && *count <= COUNT_MAX;
}
