#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "features/expression.h"

static const struct field_definition fields[] = {
    {.name = {"amount", 6}, .type = {.kind = VALUE_DECIMAL, .digits = 2}},
    {.name = {"country", 7}, .type = {.kind = VALUE_STRING}},
    {.name = {"n", 1}, .type = {.kind = VALUE_INT}},
    {.name = {"x", 1}, .type = {.kind = VALUE_DOUBLE}},
    {.name = {"ok", 2}, .type = {.kind = VALUE_BOOL}},
    {.name = {"order", 5}, .type = {.kind = VALUE_INT}},
};
enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]) };

/* amount 12.34, country "DE", n 7, x NULL, ok true, order 3 */
static void fill(struct value *values)
{
    values[0] = (struct value){.kind = VALUE_DECIMAL, .digits = 2, .integer = 1234};
    values[1] = value_text(bytes_of_text("DE"));
    values[2] = value_int(7);
    values[3] = value_null();
    values[4] = (struct value){.kind = VALUE_BOOL, .integer = 1};
    values[5] = value_int(3);
}

static void check(const char *text, struct type type, bool is_condition, const char *expected)
{
    struct expression expression = {
        .text = bytes_of_text(text), .is_condition = is_condition, .type = type};
    struct expression_set *set = NULL;
    struct value values[FIELDS_COUNT];
    struct value result;
    struct error err;
    struct buffer shown = {0};

    if (expression_set_create(&expression, 1, fields, FIELDS_COUNT, &set, &err) != STATUS_OK)
        fail_msg("%s: %s", text, err.text);
    fill(values);
    expression_set_evaluate(set, values, &result);
    if (result.kind == VALUE_OVERFLOW)
        buffer_append_text(&shown, "overflow");
    else
        value_append_json(&result, &shown);
    buffer_append_byte(&shown, '\0');
    assert_string_equal(buffer_bytes(&shown).data, expected);
    buffer_fini(&shown);
    expression_set_destroy(&set);
}

static void results_take_their_type(void **state)
{
    (void)state;
    const struct type real = {.kind = VALUE_DOUBLE};
    const struct type integer = {.kind = VALUE_INT};
    const struct type text = {.kind = VALUE_STRING};
    const struct type boolean = {.kind = VALUE_BOOL};
    const struct type decimal = {.kind = VALUE_DECIMAL, .digits = 3};

    check("amount * 2", real, false, "24.68");
    check("n", real, false, "7");
    check("n / 2", real, false, "3");
    check("n / 2.0", integer, false, "3");
    check("-n / 2.0", integer, false, "-3");
    check("n / 2.0", decimal, false, "3.5");
    check("x + 1", real, false, "null");
    check("lower(country) || '!'", text, false, "\"de!\"");
    check("n > 3", boolean, false, "true");
    check("x > 3", boolean, false, "null");
    check("CASE WHEN n = 7 THEN 1 ELSE 2 END", integer, false, "1");
    check("CAST('12' AS INTEGER) + n", integer, false, "19");
    check("\"order\" + order", integer, false, "6");
    check("max(n, order, 5)", integer, false, "7");
    check("AMOUNT", real, false, "12.34");
}

static void what_a_type_can_not_hold_is_overflow(void **state)
{
    (void)state;
    const struct type real = {.kind = VALUE_DOUBLE};
    const struct type integer = {.kind = VALUE_INT};
    const struct type decimal = {.kind = VALUE_DECIMAL, .digits = 18};

    check("1e308 * 10", real, false, "overflow");
    check("1e30", integer, false, "overflow");
    check("n", decimal, false, "overflow");
    check("abs(-9223372036854775807 - 1)", integer, false, "overflow");
}

static void conditions_are_true_or_not(void **state)
{
    (void)state;
    const struct type none = {0};

    check("country = 'DE'", none, true, "true");
    check("country = 'FR'", none, true, "false");
    check("x > 1", none, true, "false");
    check("NOT x > 1", none, true, "false");
    check("x IS NULL", none, true, "true");
    check("x IS NOT DISTINCT FROM NULL", none, true, "true");
    check("ok", none, true, "true");
    check("country IN ('FR', 'DE') AND amount BETWEEN 12 AND 13", none, true, "true");
    check("country LIKE 'd%'", none, true, "true");
    check("n = '7'", none, true, "true"); /* the column's affinity converts the text */
}

/* What a plain condition says is what SQLite says of the same in parentheses, which is none. */
static void plain_conditions_are_as_sqlites(void **state)
{
    (void)state;
    static const char *const conditions[] = {"country = 'DE'",
                                             "country <> 'DE'",
                                             "country<'DE'",
                                             "country >= ''",
                                             "country == 'D'",
                                             "country != 'DEF'",
                                             "COUNTRY = 'DE'",
                                             "n > 7",
                                             "n <= 7",
                                             "n = 007",
                                             "x < 3",
                                             "x = 0",
                                             "x >= 12",
                                             "amount > 12",
                                             "amount = 12",
                                             "amount < 1234",
                                             "ok = 1",
                                             "ok <> 1",
                                             "order > 3",
                                             "n > 999999999999999",
                                             "n > 9223372036854775807",
                                             "n > -1",
                                             "n = '7'",
                                             "country = 7",
                                             "n < 7.5",
                                             "country = 'D''E'",
                                             "country > 'ZZ'",
                                             "x > 9007199254740993"};
    static const int64_t numbers[] = {0,  1,    -1,   3,         7,         8,
                                      12, 1200, 1234, INT64_MIN, INT64_MAX, 999999999999999};
    static const double reals[] = {0,  -0.5,  3,      2.9999999999999996,
                                   12, 1e300, -1e300, 9007199254740992.0};
    static const char *const texts[] = {"", "D", "DE", "DEF", "D'E", "de", "\xc3\x9f", "7"};

    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        char quoted[64];
        snprintf(quoted, sizeof(quoted), "(%s)", conditions[i]);
        const struct expression plain = {.text = bytes_of_text(conditions[i]),
                                         .is_condition = true};
        const struct expression other = {.text = bytes_of_text(quoted), .is_condition = true};
        struct expression_set *sets[2];
        struct error err;
        assert_int_equal(expression_set_create(&plain, 1, fields, FIELDS_COUNT, &sets[0], &err),
                         STATUS_OK);
        assert_int_equal(expression_set_create(&other, 1, fields, FIELDS_COUNT, &sets[1], &err),
                         STATUS_OK);
        for (size_t j = 0; j < 1000; j++) {
            struct value values[FIELDS_COUNT], results[2];
            int64_t number = numbers[j % 12];
            bool is_decimal = number > -1000000000000000000 && number < 1000000000000000000;
            values[0] = (struct value){
                .kind = VALUE_DECIMAL, .digits = 2, .integer = is_decimal ? number : 0};
            values[1] = value_text(bytes_of_text(texts[j % 8]));
            values[2] = values[5] = value_int(number);
            values[3] = value_double(reals[j / 12 % 8]);
            values[4] = (struct value){.kind = VALUE_BOOL, .integer = j & 1};
            if (j % 7 == 0)
                values[j / 7 % FIELDS_COUNT] = j % 2 == 0 ? value_null() : value_overflow();
            for (size_t k = 0; k < 2; k++)
                expression_set_evaluate(sets[k], values, &results[k]);
            assert_int_equal(results[0].kind, VALUE_BOOL);
            if (results[0].integer != results[1].integer)
                fail_msg("%s: %d, SQLite %d, row %zu", conditions[i], (int)results[0].integer,
                         (int)results[1].integer, j);
        }
        expression_set_destroy(&sets[0]);
        expression_set_destroy(&sets[1]);
    }
}

static void one_that_fails_leaves_the_others(void **state)
{
    (void)state;
    const struct expression expressions[] = {
        {.text = bytes_of_text("n + 1"), .type = {.kind = VALUE_INT}},
        {.text = bytes_of_text("abs(-9223372036854775807 - 1) > n"), .is_condition = true},
        {.text = bytes_of_text("country || country"), .type = {.kind = VALUE_STRING}},
    };
    struct expression_set *set = NULL;
    struct value values[FIELDS_COUNT];
    struct value results[3];
    assert_int_equal(expression_set_create(expressions, 3, fields, FIELDS_COUNT, &set, NULL),
                     STATUS_OK);
    fill(values);

    expression_set_evaluate(set, values, results);

    assert_int_equal(results[0].integer, 8);
    assert_int_equal(results[1].integer, 0);
    assert_true(bytes_equal_text(results[2].text, "DEDE"));
    expression_set_destroy(&set);
}

static void what_is_not_allowed_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
        const char *message;
    } cases[] = {
        {"amont > 1", 0, "unknown field 'amont'; did you mean 'amount'?"},
        {"n + amoun", 4, "unknown field 'amoun'; did you mean 'amount'?"},
        {"n; drop table x", 1, "';' can't stand in an expression"},
        {"n -- comment", 2, "'--' can't stand"},
        {"(SELECT 1)", 1, "unknown field 'SELECT'"},
        {"random()", 0, "function random() is not available here"},
        {"date('now')", 0, "function date() is not available here"},
        {"current_timestamp", 0, "unknown field 'current_timestamp'"},
        {"sum(n)", 0, "function sum() is not available here"},
        {"min(n)", 0, "misuse of aggregate"},
        {"n + ", 0, "incomplete input"},
        {"n + )", 4, "')' outside of parentheses"},
        {"(n", 2, "a '(' is never closed"},
        {"n, n", 1, "',' outside of parentheses"},
        {"'abc", 0, "a quote ' is never closed"},
        {"x'00'", 0, "blobs can't stand"},
        {"?1", 0, "'?' can't stand"},
        {"", 0, "an empty expression"},
        {"country -> 'a'", 8, "'->' can't stand"},
        {"\"nope\"", 0, "unknown field 'nope'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool used[FIELDS_COUNT] = {0};
        size_t offset = 999;
        struct error err = {0};
        enum status status = expression_check(bytes_of_text(cases[i].text), fields, FIELDS_COUNT,
                                              used, &offset, &err);
        if (status != STATUS_INVALID || strstr(err.text, cases[i].message) == NULL ||
            offset != cases[i].offset)
            fail_msg("%s: %s at %zu: %s", cases[i].text, status_name(status), offset, err.text);
    }
}

static void fields_that_are_named_are_marked(void **state)
{
    (void)state;
    bool used[FIELDS_COUNT] = {0};
    size_t offset;

    assert_int_equal(expression_check(bytes_of_text("amount > 1 AND country = 'n'"), fields,
                                      FIELDS_COUNT, used, &offset, NULL),
                     STATUS_OK);

    assert_true(used[0] && used[1]);
    assert_false(used[2] || used[3] || used[4] || used[5]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_take_their_type),
        cmocka_unit_test(what_a_type_can_not_hold_is_overflow),
        cmocka_unit_test(conditions_are_true_or_not),
        cmocka_unit_test(plain_conditions_are_as_sqlites),
        cmocka_unit_test(one_that_fails_leaves_the_others),
        cmocka_unit_test(what_is_not_allowed_is_refused_with_its_place),
        cmocka_unit_test(fields_that_are_named_are_marked),
    };
    return cmocka_run_group_tests_name("expression", tests, NULL, NULL);
}
