/* Values of texts, for loops over many: the same as value_parse_text of value.h. Thread: any. */
#ifndef ASOF_MODEL_VALUE_TEXT_H
#define ASOF_MODEL_VALUE_TEXT_H

#include "base/number.h"
#include "model/value.h"

static inline bool value_of_text(struct bytes text, struct type type, struct value *out)
{
    out->kind = type.kind;
    out->digits = type.digits;
    switch (type.kind) {
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_TIMESTAMP:
        return number_parse_int(text, &out->integer) == NUMBER_OK;
    case VALUE_DOUBLE:
        return number_parse_double(text, &out->real) == NUMBER_OK;
    case VALUE_DECIMAL:
        return number_parse_decimal(text, type.digits, &out->integer) == NUMBER_OK;
    case VALUE_STRING:
        out->text = text;
        return true;
    case VALUE_NULL:
    case VALUE_OVERFLOW:
    case VALUE_LIST:
        break;
    }
    return false;
}

#endif
