/* Stored partials: whatever the bytes, what is decoded can be merged, finished and encoded, and what
 * was decoded whole encodes to bytes that decode again. For libFuzzer. */
#include "base/check.h"
#include "features/partial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct field_definition fields[] = {
    {.name = {"ts", 2}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_MICROSECONDS},
    {.name = {"key", 3}, .type = {.kind = VALUE_STRING}},
    {.name = {"d", 1}, .type = {.kind = VALUE_DECIMAL, .digits = 4}},
    {.name = {"x", 1}, .type = {.kind = VALUE_DOUBLE}},
    {.name = {"s", 1}, .type = {.kind = VALUE_STRING}},
};
enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]) };

static const char *const features[][2] = {
    {"count", NULL}, {"sum", "d"}, {"avg", "x"},   {"min", "s"},      {"max", "x"},
    {"first", "d"},  {"last", "s"}, {"stddev", "d"}, {"variance", "x"}, {"count_distinct", "s"},
    {"time_since_last", NULL},      {"time_since_first", "d"},
};
enum { FEATURES_COUNT = sizeof(features) / sizeof(features[0]) };

static struct view_plan *plan_create(void)
{
    static const size_t key_fields[] = {1};
    static struct feature_definition definitions[FEATURES_COUNT];
    static struct view_definition view = {.name = {"v", 1},
                                          .fields = fields,
                                          .fields_count = FIELDS_COUNT,
                                          .event_id_field = -1,
                                          .key_fields = key_fields,
                                          .keys_count = 1,
                                          .features = definitions,
                                          .features_count = FEATURES_COUNT};
    for (size_t i = 0; i < FEATURES_COUNT; i++) {
        enum feature_part wrong;
        struct feature_definition *feature = &definitions[i];
        feature->aggregation = bytes_of_text(features[i][0]);
        feature->argument = bytes_of_text(features[i][1]);
        feature->window.kind = WINDOW_FOREVER;
        if (features[i][1] != NULL) {
            ssize_t field = field_find(fields, FIELDS_COUNT, feature->argument);
            feature->argument_kind = ARGUMENT_FIELD;
            feature->argument_type = fields[field].type;
        }
        CHECK(features_checks()->check_feature(feature, &wrong, NULL) == STATUS_OK);
    }
    return view_plan_create(&view);
}

static bool decode(struct partial *partial, struct bytes bytes)
{
    return partial_decode_head(partial, &bytes) && partial_decode_slots(partial, NULL, &bytes);
}

static void use(const struct view_plan *plan, struct partial *partial, struct arena *arena)
{
    struct partial again;
    struct buffer out = {0};
    partial_encode(partial, &out);
    partial_init(&again, plan, arena);
    CHECK(decode(&again, buffer_bytes(&out)));
    if (again.run.count > 0 && again.run.newest_us == partial->run.oldest_us)
        partial_merge(partial, &again);
    for (size_t i = 0; i < FEATURES_COUNT; i++)
        slot_result(&partial->slots[plan->features[i].slot], &plan->features[i], 0);
    buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { LAYOUT_SIZE = 4 };
    struct view_plan *plan = plan_create();
    struct arena *arena = arena_create(64 * 1024);
    struct partial partial;
    struct buffer bytes = {0};
    /* The layout is known, so that the fuzzer need not find it. */
    const uint32_t layout = (uint32_t)plan->slots_digest;
    buffer_append(&bytes, bytes_of(&layout, LAYOUT_SIZE));
    buffer_append(&bytes, bytes_of(data, size));
    partial_init(&partial, plan, arena);
    if (decode(&partial, buffer_bytes(&bytes)))
        use(plan, &partial, arena);
    buffer_fini(&bytes);
    arena_destroy(&arena);
    view_plan_destroy(&plan);
    return 0;
}
