#include "features/plain_condition.h"

#include "base/check.h"
#include "base/number.h"

enum { DIGITS_MAX = 15, PARAMETER_DIGITS_MAX = 6 };

/* Takes a text from the front. */
static bool take(struct bytes *left, const char *text)
{
    size_t size = strlen(text);
    if (left->size < size || memcmp(left->data, text, size) != 0)
        return false;
    *left = bytes_after(*left, size);
    return true;
}

static void skip_spaces(struct bytes *left)
{
    while (take(left, " "))
        continue;
}

static bool take_digits(struct bytes *left, size_t digits_max, int64_t *out)
{
    size_t size = 0;
    *out = 0;
    while (size < left->size && left->data[size] >= '0' && left->data[size] <= '9') {
        if (size == digits_max)
            return false;
        *out = *out * 10 + (left->data[size++] - '0');
    }
    *left = bytes_after(*left, size);
    return size > 0;
}

static bool take_field(struct bytes *left, struct plain_condition *out)
{
    int64_t parameter;
    if (!take(left, "CAST(?") || !take_digits(left, PARAMETER_DIGITS_MAX, &parameter) ||
        parameter == 0 || !take(left, " AS "))
        return false;
    out->field = (size_t)parameter - 1;
    out->affinity = take(left, "TEXT)")      ? PLAIN_TEXT
                    : take(left, "INTEGER)") ? PLAIN_INTEGER
                                             : PLAIN_REAL;
    return out->affinity != PLAIN_REAL || take(left, "REAL)");
}

static bool take_operator(struct bytes *left, enum plain_operator *out)
{
    static const struct {
        const char *text;
        enum plain_operator operator;
    } operators[] = {{"<=", PLAIN_LESS_EQUAL}, {">=", PLAIN_GREATER_EQUAL}, {"<>", PLAIN_UNEQUAL},
                     {"!=", PLAIN_UNEQUAL},    {"==", PLAIN_EQUAL},         {"=", PLAIN_EQUAL},
                     {"<", PLAIN_LESS},        {">", PLAIN_GREATER}};
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        if (take(left, operators[i].text)) {
            *out = operators[i].operator;
            return true;
        }
    return false;
}

/* A text between quotes, with none inside. */
static bool take_text(struct bytes *left, struct bytes *out)
{
    if (!take(left, "'"))
        return false;
    const char *end = left->size == 0 ? NULL : memchr(left->data, '\'', left->size);
    if (end == NULL)
        return false;
    *out = bytes_of(left->data, (size_t)(end - left->data));
    *left = bytes_after(*left, out->size + 1);
    return true;
}

bool plain_condition_parse(struct bytes translated, struct plain_condition *out)
{
    struct bytes left = translated;
    skip_spaces(&left);
    if (!take_field(&left, out))
        return false;
    skip_spaces(&left);
    if (!take_operator(&left, &out->operator))
        return false;
    skip_spaces(&left);
    bool is_literal = out->affinity == PLAIN_TEXT ? take_text(&left, &out->text)
                                                  : take_digits(&left, DIGITS_MAX, &out->number);
    skip_spaces(&left);
    return is_literal && left.size == 0;
}

double decimal_to_double(const struct value *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    const int64_t exact_max = INT64_C(1) << 53;
    if (value->integer >= -exact_max && value->integer <= exact_max)
        return (double)value->integer / powers[value->digits];
    char text[NUMBER_TEXT_SIZE];
    double nearest = 0;
    size_t size = number_format_decimal(value->integer, value->digits, text);
    CHECK(number_parse_double(bytes_of(text, size), &nearest) == NUMBER_OK);
    return nearest;
}

static int compare_doubles(double a, double b)
{
    return (a > b) - (a < b);
}

/* The order of the value and the literal. */
static int compare(const struct plain_condition *condition, const struct value *value)
{
    double number = (double)condition->number;
    if (condition->affinity == PLAIN_TEXT)
        return bytes_compare(value->text, condition->text);
    if (value->kind == VALUE_DOUBLE)
        return compare_doubles(value->real, number);
    if (value->kind == VALUE_DECIMAL)
        return compare_doubles(decimal_to_double(value), number);
    return (value->integer > condition->number) - (value->integer < condition->number);
}

static bool holds(enum plain_operator operator, int order)
{
    switch (operator) {
    case PLAIN_EQUAL:
        return order == 0;
    case PLAIN_UNEQUAL:
        return order != 0;
    case PLAIN_LESS:
        return order < 0;
    case PLAIN_LESS_EQUAL:
        return order <= 0;
    case PLAIN_GREATER:
        return order > 0;
    case PLAIN_GREATER_EQUAL:
        return order >= 0;
    }
    return false;
}

bool plain_condition_evaluate(const struct plain_condition *condition, const struct value *value,
                              bool *is_true)
{
    enum plain_affinity affinity = PLAIN_INTEGER;
    *is_true = false;
    switch (value->kind) {
    case VALUE_NULL:
    case VALUE_OVERFLOW:
    case VALUE_LIST:
        return true;
    case VALUE_STRING:
        affinity = PLAIN_TEXT;
        break;
    case VALUE_DOUBLE:
    case VALUE_DECIMAL:
        affinity = PLAIN_REAL;
        break;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_TIMESTAMP:
        break;
    }
    if (affinity != condition->affinity)
        return false;
    *is_true = holds(condition->operator, compare(condition, value));
    return true;
}
