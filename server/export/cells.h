/* Cells: the values of a row with their statuses, as one piece of bytes: what waits in a table to
 * be sorted back. A table of many columns costs DuckDB a block of memory for each, however few rows
 * there are; one of bytes does not.
 *
 *     cell   kind of the value | status << 4, then an integer or double in 8 bytes, or the size of
 * a text and the text, or the number of a list's items and a cell for each
 *
 * Private to export/. Thread: any. */
#ifndef ASOF_EXPORT_CELLS_H
#define ASOF_EXPORT_CELLS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "model/answer.h"
#include "model/value.h"

struct cell {
    struct value value; /* digits of decimals are not kept: they are the column's */
    enum feature_status status;
};

void cells_append(const struct cell *cell, struct buffer *out);

/* Takes the first cell of rest; a text is borrowed from it, items are in the arena. false: that is
 * none. */
bool cells_take(struct bytes *rest, struct arena *arena, struct cell *cell);

#endif
