/* CSV event: a row of a CSV file as the JSON object of an event, typed by the source's fields.
 *
 * 1. The client converts, the server judges: a cell that is not of its field's type becomes a JSON
 *    string, which the server refuses with a reason.
 * 2. An empty cell without quotes is NULL (left out), "" in quotes is the empty string.
 * Thread: one at a time. */
#ifndef ASOF_CLIENT_CSV_EVENT_H
#define ASOF_CLIENT_CSV_EVENT_H

#include "base/arena.h"
#include "csv.h"

/* A field of the source, as ASOF.DESCRIBE names it. */
struct source_field {
    struct bytes name;
    struct bytes type; /* "decimal(2)", "timestamp_ms" */
};

struct csv_column {
    struct bytes key;  /* "name": in JSON; empty: the column is no field of the source */
    struct bytes name; /* as the header says */
    enum csv_cell { CSV_CELL_TEXT, CSV_CELL_NUMBER, CSV_CELL_BOOL } cell;
};

struct csv_columns {
    const struct csv_column *columns; /* in the arena that it was made in */
    size_t count;
};

/* Reads the header. Everything of out is in the arena. INVALID: a field twice, or no column is a
 * field of the source. */
MUST_USE enum status csv_columns_read(const struct csv_record *header,
                                      const struct source_field *fields, size_t fields_count,
                                      struct arena *arena, struct csv_columns *out,
                                      struct error *err);

/* Appends the row as a JSON object. INVALID, nothing appended: not as many cells as columns, or a
 * cell that is not UTF-8. */
MUST_USE enum status csv_event_append(const struct csv_columns *columns,
                                      const struct csv_record *row, struct buffer *out,
                                      struct error *err);

#endif
