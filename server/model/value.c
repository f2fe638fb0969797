#include "model/value.h"

#include <math.h>
#include <stdio.h>

#include "base/check.h"
#include "base/number.h"
#include "model/value_text.h"

static const char *const kind_names[] = {
    [VALUE_NULL] = "null",     [VALUE_OVERFLOW] = "overflow",   [VALUE_BOOL] = "bool",
    [VALUE_INT] = "int",       [VALUE_DOUBLE] = "double",       [VALUE_DECIMAL] = "decimal",
    [VALUE_STRING] = "string", [VALUE_TIMESTAMP] = "timestamp", [VALUE_LIST] = "list",
};

struct value value_double(double real)
{
    if (!isfinite(real))
        return value_overflow();
    return (struct value){.kind = VALUE_DOUBLE, .real = real == 0 ? 0.0 : real};
}

int value_compare(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind) /* of one type, so one of them is NULL or overflow */
        return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case VALUE_NULL:
    case VALUE_OVERFLOW:
        return 0;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_DECIMAL:
    case VALUE_TIMESTAMP:
        return (a->integer > b->integer) - (a->integer < b->integer);
    case VALUE_DOUBLE:
        return (a->real > b->real) - (a->real < b->real);
    case VALUE_STRING:
        return bytes_compare(a->text, b->text);
    case VALUE_LIST:
        break;
    }
    CHECK(a->kind != VALUE_LIST);
    return 0;
}

const char *type_name(struct type type, char text[TYPE_TEXT_SIZE])
{
    const char *list = type.is_list ? "list of " : "";
    if (type.kind == VALUE_DECIMAL)
        snprintf(text, TYPE_TEXT_SIZE, "%sdecimal(%u)", list, type.digits);
    else
        snprintf(text, TYPE_TEXT_SIZE, "%s%s", list, kind_names[type.kind]);
    return text;
}

bool type_parse(struct bytes text, struct type *out)
{
    static const enum value_kind plain[] = {VALUE_BOOL, VALUE_INT, VALUE_DOUBLE, VALUE_STRING,
                                            VALUE_TIMESTAMP};
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (bytes_equal_text(text, kind_names[plain[i]])) {
            *out = (struct type){.kind = plain[i]};
            return true;
        }
    }

    struct bytes begin = bytes_of_text("decimal(");
    if (!bytes_start_with(text, begin) || text.data[text.size - 1] != ')')
        return false;
    int64_t digits;
    struct bytes number = bytes_of(text.data + begin.size, text.size - begin.size - 1);
    if (number_parse_int(number, &digits) != NUMBER_OK || digits < 0 || digits > DECIMAL_DIGITS_MAX)
        return false;
    *out = (struct type){.kind = VALUE_DECIMAL, .digits = (uint8_t)digits};
    return true;
}

/* The number's text; false where the value is no number. */
static bool value_append_number(const struct value *value, struct buffer *out)
{
    char *end = buffer_reserve(out, NUMBER_TEXT_SIZE);
    size_t size;
    if (value->kind == VALUE_DOUBLE)
        size = number_format_double(value->real, end);
    else if (value->kind == VALUE_DECIMAL)
        size = number_format_decimal(value->integer, value->digits, end);
    else if (value_is_integral(value->kind))
        size = number_format_int(value->integer, end);
    else
        return false;
    buffer_added(out, size);
    return true;
}

void value_append_text(const struct value *value, struct buffer *out)
{
    if (value_append_number(value, out))
        return;
    CHECK(value->kind == VALUE_STRING || value->kind == VALUE_LIST);
    if (value->kind == VALUE_STRING)
        buffer_append(out, value->text);
    else
        value_append_json(value, out);
}

bool value_parse_text(struct bytes text, struct type type, struct value *out)
{
    CHECK(!type.is_list);
    return value_of_text(text, type, out);
}

static void value_append_json_list(const struct value_list *list, struct buffer *out)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        CHECK(list->items[i].kind != VALUE_LIST);
        value_append_json(&list->items[i], out);
    }
    buffer_append_byte(out, ']');
}

void value_append_json(const struct value *value, struct buffer *out)
{
    switch (value->kind) {
    case VALUE_NULL:
    case VALUE_OVERFLOW:
        buffer_append_text(out, "null");
        break;
    case VALUE_BOOL:
        buffer_append_text(out, value->integer ? "true" : "false");
        break;
    case VALUE_INT:
    case VALUE_DOUBLE:
    case VALUE_DECIMAL:
    case VALUE_TIMESTAMP:
        value_append_number(value, out);
        break;
    case VALUE_STRING:
        json_append_string(out, value->text);
        break;
    case VALUE_LIST:
        value_append_json_list(&value->list, out);
        break;
    }
}

void json_append_string(struct buffer *out, struct bytes text)
{
    buffer_append_byte(out, '"');
    size_t plain = 0; /* where the run of bytes that need no escape begins */
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f)
            continue;
        buffer_append(out, bytes_of(text.data + plain, i - plain));
        plain = i + 1;
        if (byte == '"' || byte == '\\') {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, (char)byte);
        } else {
            buffer_format(out, "\\u%04x", byte);
        }
    }
    buffer_append(out, bytes_of(text.data + plain, text.size - plain));
    buffer_append_byte(out, '"');
}
