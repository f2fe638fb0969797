#include "model/columns.h"

#include <math.h>

bool value_column_text(const struct value_column *column, size_t row,
                       char scratch[NUMBER_TEXT_SIZE], struct bytes *text)
{
    size_t index = column->count == 1 ? 0 : row;
    *text = (struct bytes){0};
    if (column->nulls.size > 0 && column->nulls.data[index] != 0)
        return false;
    if (column->ints != NULL)
        *text = bytes_of(scratch, number_format_int(column->ints[index], scratch));
    else if (column->doubles != NULL && !isfinite(column->doubles[index]))
        *text = bytes_of_text(isnan(column->doubles[index]) ? "nan" : "infinity"); /* of no type */
    else if (column->doubles != NULL)
        *text = bytes_of(scratch, number_format_double(column->doubles[index], scratch));
    else
        *text = column->strings[index];
    return true;
}
