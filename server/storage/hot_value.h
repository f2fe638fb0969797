/* What a cell of a finished row says, as a value. Thread: any. */
#ifndef ASOF_STORAGE_HOT_VALUE_H
#define ASOF_STORAGE_HOT_VALUE_H

#include "base/number_short.h"
#include "features/features.h"
#include "model/value_text.h"
#include "storage/hot_row.h"

/* Takes a short number from a row, where other bytes stand before each text. false: it is another. In line, as
 * most of a read is this. */
static inline __attribute__((always_inline)) bool
hot_text_number(struct bytes text, struct type type, struct value *value)
{
    enum { DIGITS_MAX = 10 }; /* behind the point: a short number of so many fits 64 bits */
    uint64_t magnitude;
    unsigned fraction;
    if (text.size == 0 || text.size > NUMBER_SHORT_SIZE_MAX || type.kind == VALUE_STRING ||
        !number_take_short(text, &magnitude, &fraction))
        return false;
    value->kind = type.kind;
    value->digits = type.digits;
    if (type.kind == VALUE_DOUBLE) { /* both are doubles, so that this rounds once */
        value->real = (double)magnitude / number_exact_powers_of_ten[fraction];
        return true;
    }
    if (fraction > type.digits || type.digits > DIGITS_MAX)
        return false;
    value->integer = (int64_t)(magnitude * number_powers_of_ten[type.digits - fraction]);
    return true;
}

/* The value that a text of a row says. false: it is not of that type. */
static inline __attribute__((always_inline)) bool hot_text_value(struct bytes text, struct type type, struct value *value)
{
    return hot_text_number(text, type, value) || value_of_text(text, type, value);
}

/* Of a known cell of a feature of that type, which is no list, at the T that counts; a string is
 * borrowed from the row. false: the row is not of its types. */
static inline bool hot_cell_value(const struct hot_cell *cell, struct type type, int64_t counted_us,
                                  struct value *value)
{
    if (cell->is_relative)
        *value = relative_value(cell->base_us, counted_us);
    else if (cell->has_text)
        return hot_text_value(cell->text, type, value);
    else
        *value = value_null();
    return true;
}

#endif
