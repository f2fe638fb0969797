/* Expressions from definitions: what the check takes, SQLite prepares and evaluates. */
#include "base/check.h"
#include "features/expression.h"
#include "features/features.h"

static const struct field_definition fields[] = {
    {.name = {"s", 1}, .type = {.kind = VALUE_STRING}},
    {.name = {"n", 1}, .type = {.kind = VALUE_INT}},
    {.name = {"x", 1}, .type = {.kind = VALUE_DOUBLE}},
    {.name = {"d", 1}, .type = {.kind = VALUE_DECIMAL, .digits = 2}},
    {.name = {"v.n", 3}, .type = {.kind = VALUE_INT}},
    {.name = {"v@2.s", 5}, .type = {.kind = VALUE_STRING}},
    {.name = {"request.x", 9}, .type = {.kind = VALUE_DOUBLE}},
};
enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every name that is listed is one that the check knows. */
static enum status take_name(void *context, struct bytes name, size_t offset, struct error *err)
{
    size_t *names_count = context;
    (void)offset, (void)err;
    CHECK(field_find(fields, FIELDS_COUNT, name) >= 0);
    (*names_count)++;
    return STATUS_OK;
}

/* As an on-demand view over the last fields, of which the very last is asked for. */
static void compute(struct bytes text, enum value_kind kind)
{
    const struct feature_definition features[] = {
        {.name = bytes_of_text("f"), .argument = text, .type = {.kind = kind}},
        {.name = bytes_of_text("g"),
         .argument = bytes_of_text("v.n"),
         .type = {.kind = VALUE_INT}}};
    const struct view_definition view = {.kind = VIEW_ON_DEMAND,
                                         .fields = fields,
                                         .fields_count = FIELDS_COUNT,
                                         .inputs_count = FIELDS_COUNT - 1,
                                         .request_count = 1,
                                         .features = features,
                                         .features_count = 2};
    const enum feature_status found[FIELDS_COUNT - 1] = {FEATURE_PRESENT, FEATURE_PRESENT,
                                                         FEATURE_NULL,    FEATURE_OVERFLOW,
                                                         FEATURE_PRESENT, FEATURE_EXPIRED};
    const struct value values[FIELDS_COUNT] = {value_text(bytes_of_text("text")),
                                               value_int(INT64_MIN),
                                               value_null(),
                                               value_overflow(),
                                               value_int(7),
                                               value_null(),
                                               value_double(0.5)};
    struct value results[2];
    enum feature_status statuses[2];
    struct on_demand *on_demand = NULL;
    CHECK(on_demand_create(&view, &on_demand, NULL) == STATUS_OK);
    on_demand_evaluate(on_demand, values, found, results, statuses);
    CHECK((statuses[0] == FEATURE_PRESENT) == (results[0].kind == kind));
    CHECK(statuses[1] == FEATURE_PRESENT && results[1].integer == 7);
    on_demand_destroy(&on_demand);
}

static void evaluate(struct bytes text, enum value_kind kind)
{
    const struct expression expressions[] = {{.text = text, .type = {.kind = kind}},
                                             {.text = text, .is_condition = true}};
    const struct value values[FIELDS_COUNT] = {
        value_text(bytes_of_text("text")),
        value_int(INT64_MIN),
        value_double(0.5),
        {.kind = VALUE_DECIMAL, .digits = 2, .integer = 1234},
        value_int(7),
        value_text(bytes_of_text("other")),
        value_double(-1e300)};
    struct value results[2];
    struct expression_set *set = NULL;
    CHECK(expression_set_create(expressions, 2, fields, FIELDS_COUNT, &set, NULL) == STATUS_OK);
    expression_set_evaluate(set, values, results);
    CHECK(results[0].kind == kind || results[0].kind == VALUE_NULL ||
          results[0].kind == VALUE_OVERFLOW);
    CHECK(results[1].kind == VALUE_BOOL);
    expression_set_destroy(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum value_kind kinds[] = {VALUE_DOUBLE, VALUE_INT, VALUE_STRING, VALUE_BOOL,
                                            VALUE_TIMESTAMP};
    bool used[FIELDS_COUNT] = {0};
    size_t offset;
    struct error err;
    if (size == 0)
        return 0;
    struct bytes text = bytes_of(data + 1, size - 1);
    const enum value_kind kind = kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))];
    size_t names_count = 0;
    if (expression_check(text, fields, FIELDS_COUNT, used, &offset, &err) == STATUS_OK) {
        CHECK(features_checks()->list_names(text, take_name, &names_count, &offset, &err) ==
              STATUS_OK);
        for (size_t i = 0; i < FIELDS_COUNT; i++)
            CHECK(!used[i] || names_count-- > 0);
        evaluate(text, kind);
        compute(text, kind);
    } else {
        CHECK(offset <= text.size);
    }
    return 0;
}
