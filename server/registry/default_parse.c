#include "base/number.h"
#include "base/time_text.h"
#include "registry/draft.h"

static bool number_read(struct bytes text, struct type type, struct value *out)
{
    if (type.kind == VALUE_DOUBLE) {
        double real = 0;
        bool is_number = number_parse_double(text, &real) == NUMBER_OK;
        *out = value_double(real);
        return is_number;
    }
    out->kind = type.kind;
    out->digits = type.digits;
    if (type.kind == VALUE_DECIMAL)
        return number_parse_decimal(text, type.digits, &out->integer) == NUMBER_OK;
    return number_parse_int(text, &out->integer) == NUMBER_OK;
}

static bool bool_read(struct bytes text, struct value *out)
{
    bool is_true = bytes_equal_text(text, "true");
    *out = (struct value){.kind = VALUE_BOOL, .integer = is_true};
    return is_true || bytes_equal_text(text, "false");
}

/* RFC 3339, or an integer of microseconds, as T is typed everywhere. */
static bool timestamp_read(struct bytes text, struct value *out)
{
    out->kind = VALUE_TIMESTAMP;
    return time_parse(text, &out->integer) ||
           (number_parse_int(text, &out->integer) == NUMBER_OK && time_is_valid(out->integer));
}

static bool default_read(const struct node *node, struct type type, struct value *out)
{
    switch (type.kind) {
    case VALUE_BOOL:
        return node->is_plain && bool_read(node->text, out);
    case VALUE_INT:
    case VALUE_DOUBLE:
    case VALUE_DECIMAL:
        return node->is_plain && number_read(node->text, type, out);
    case VALUE_TIMESTAMP:
        return timestamp_read(node->text, out);
    case VALUE_STRING:
        *out = value_text(node->text);
        return node->text.size <= VALUE_STRING_SIZE_MAX;
    case VALUE_NULL:
    case VALUE_OVERFLOW:
    case VALUE_LIST:
        break;
    }
    return false;
}

enum status default_parse(const struct parse *parse, const struct node *node, struct type type,
                          struct value *out)
{
    char name[TYPE_TEXT_SIZE];
    struct value value = value_null();
    if (type.is_list)
        return mistake(parse, node, "found a default of a %s; a list has none, leave it out",
                       type_name(type, name));
    if (node->kind != NODE_TEXT || node_is_null(node))
        return mistake(parse, node, "found %s; a default is a value of type %s",
                       node_kind_name(node), type_name(type, name));
    if (!default_read(node, type, &value))
        return mistake(parse, node, "the default %s is no %s, which is the type of this feature",
                       quoted(parse->arena, node->text), type_name(type, name));
    *out = value;
    return STATUS_OK;
}
