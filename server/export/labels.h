/* Labels: the rows of a labels file as a table of a job's database, which stays as it is while the
 * features are read: all its columns, and one with the number of each row; and what SQL makes times
 * and keys of them.
 *
 *     time     a timestamp of any unit, with or without a zone (then UTC), a date, an RFC 3339
 * text, or an integer of microseconds since 1970. Of CSV and NDJSON it becomes a timestamp in the
 * table. key      of a string key: text, or an integer as text; of an int key: an integer, a text
 * of one, or a number without a fraction, as pandas makes of integers with NULLs, and databases
 * DECIMAL(38,0). others   of CSV booleans, integers, doubles, where all rows are such, else texts;
 * of NDJSON what they are: no text is taken for a time or the like.
 *
 * Private to export/. Thread: the job's. */
#ifndef ASOF_EXPORT_LABELS_H
#define ASOF_EXPORT_LABELS_H

#include "export/duck.h"
#include "export/export.h"
#include "model/definition.h"

enum { LABELS_COLUMNS_MAX = 4096 };

#define LABELS_TABLE "labels"

struct labels_column {
    struct bytes name;
    struct bytes type; /* in DuckDB's words */
};

struct labels {
    struct duck *duck;             /* borrowed */
    struct arena *arena;           /* borrowed: of all below */
    struct labels_column *columns; /* of the file */
    size_t columns_count;
    const struct labels_column *time;
    char delimiter;        /* of CSV */
    struct bytes row_name; /* of the column with the number of the row, from 0 */
    uint64_t rows_count;
};

/* What is read. */
struct labels_file {
    int descriptor;
    enum export_format format;
    struct bytes time_column; /* empty: event_timestamp */
    const struct bytes
        *text_columns; /* of CSV and NDJSON, those that are text, whatever they look like */
    size_t text_columns_count;
};

/* Makes the table. INVALID: it can't be read, lacks the time column, or that has another type or a
 * NULL: err says what is there and what would be right. Else as duck_run. */
MUST_USE enum status labels_load(struct labels *labels, struct duck *duck,
                                 const struct labels_file *file, struct arena *arena,
                                 struct error *err);

/* The column of that name, or NULL. */
const struct labels_column *labels_find(const struct labels *labels, struct bytes name);

/* Append SQL for the moment of a row, a timestamp or an integer of microseconds; for its key, as a
 * value of the type; and for a column to be read and converted (NULL where the labels have no such
 * column). INVALID: the column is missing or of a type that can't be one; err tells both. */
void labels_append_time(const struct labels *labels, struct buffer *sql);
MUST_USE enum status labels_append_key(const struct labels *labels, struct bytes name,
                                       struct type type, struct buffer *sql, struct error *err);
void labels_append_value(const struct labels *labels, struct bytes name, struct buffer *sql);

#endif
