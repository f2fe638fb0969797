/* A view whose features have all states that can be merged and stored, for fuzzers of stored
 * states. */
#ifndef ASOF_TESTS_STATE_WORLD_H
#define ASOF_TESTS_STATE_WORLD_H

#include "base/check.h"
#include "features/features.h"

static const struct field_definition state_fields[] = {
    {.name = {"ts", 2}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_MICROSECONDS},
    {.name = {"key", 3}, .type = {.kind = VALUE_STRING}},
    {.name = {"d", 1}, .type = {.kind = VALUE_DECIMAL, .digits = 4}},
    {.name = {"x", 1}, .type = {.kind = VALUE_DOUBLE}},
    {.name = {"s", 1}, .type = {.kind = VALUE_STRING}},
};
enum { STATE_FIELDS_COUNT = sizeof(state_fields) / sizeof(state_fields[0]) };

static const char *const state_features[][2] = {
    {"count", NULL},
    {"sum", "d"},
    {"avg", "x"},
    {"min", "s"},
    {"max", "x"},
    {"first", "d"},
    {"last", "s"},
    {"stddev", "d"},
    {"variance", "x"},
    {"count_distinct", "s"},
    {"time_since_last", NULL},
    {"time_since_first", "d"},
};
enum { STATE_FEATURES_COUNT = sizeof(state_features) / sizeof(state_features[0]) };

/* The plan, its features over the windows in turn. Owned by the caller; one at a time. */
static inline struct view_plan *state_world_plan(const struct window *windows, size_t windows_count)
{
    static const size_t key_fields[] = {1};
    static struct feature_definition definitions[STATE_FEATURES_COUNT];
    static struct view_definition view = {.name = {"v", 1},
                                          .fields = state_fields,
                                          .fields_count = STATE_FIELDS_COUNT,
                                          .event_id_field = -1,
                                          .key_fields = key_fields,
                                          .keys_count = 1,
                                          .features = definitions,
                                          .features_count = STATE_FEATURES_COUNT};
    for (size_t i = 0; i < STATE_FEATURES_COUNT; i++) {
        enum feature_part wrong;
        struct feature_definition *feature = &definitions[i];
        feature->aggregation = bytes_of_text(state_features[i][0]);
        feature->argument = bytes_of_text(state_features[i][1]);
        feature->window = windows[i % windows_count];
        if (state_features[i][1] != NULL) {
            ssize_t field = field_find(state_fields, STATE_FIELDS_COUNT, feature->argument);
            feature->argument_kind = ARGUMENT_FIELD;
            feature->argument_type = state_fields[field].type;
        }
        CHECK(features_checks()->check_feature(feature, &wrong, NULL) == STATUS_OK);
    }
    return view_plan_create(&view);
}

#endif
