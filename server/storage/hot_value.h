/* What a cell of a finished row says, as a value. Thread: any. */
#ifndef ASOF_STORAGE_HOT_VALUE_H
#define ASOF_STORAGE_HOT_VALUE_H

#include "features/features.h"
#include "model/value_text.h"
#include "storage/hot_row.h"

/* Of a known cell of a feature of that type, which is no list, at the T that counts; a string is
 * borrowed from the row. false: the row is not of its types. */
static inline bool hot_cell_value(const struct hot_cell *cell, struct type type, int64_t counted_us,
                                  struct value *value)
{
    if (cell->is_relative)
        *value = relative_value(cell->base_us, counted_us);
    else if (cell->has_text)
        return value_of_text(cell->text, type, value);
    else
        *value = value_null();
    return true;
}

#endif
