/* Expressions from definitions: what the check takes, SQLite prepares and evaluates. */
#include "base/check.h"
#include "features/expression.h"

static const struct field_definition fields[] = {
    {.name = {"s", 1}, .type = {.kind = VALUE_STRING}},
    {.name = {"n", 1}, .type = {.kind = VALUE_INT}},
    {.name = {"x", 1}, .type = {.kind = VALUE_DOUBLE}},
    {.name = {"d", 1}, .type = {.kind = VALUE_DECIMAL, .digits = 2}},
};
enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void evaluate(struct bytes text, enum value_kind kind)
{
    const struct expression expressions[] = {{.text = text, .type = {.kind = kind}},
                                             {.text = text, .is_condition = true}};
    const struct value values[FIELDS_COUNT] = {
        value_text(bytes_of_text("text")), value_int(INT64_MIN), value_double(0.5),
        {.kind = VALUE_DECIMAL, .digits = 2, .integer = 1234}};
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
    if (expression_check(text, fields, FIELDS_COUNT, used, &offset, &err) == STATUS_OK)
        evaluate(text, kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))]);
    else
        CHECK(offset <= text.size);
    return 0;
}
