/* Backfill file: a file of history, row by row, as the fields of a view.
 *
 *     Parquet   by the columns' names; each has its field's type, or one whose values are of it
 *     CSV       by the names in the first line, in any order; a cell is what XADD takes for the
 * field, an empty one without quotes NULL NDJSON    an object a line, as a push takes it
 *
 * Columns that are no field of the view are not read; a field without a column is NULL, but for the
 * event time, the event id and the keys, which there must be.
 *
 * Thread: one at a time. */
#ifndef ASOF_EXPORT_BACKFILL_FILE_H
#define ASOF_EXPORT_BACKFILL_FILE_H

#include "export/duck.h"
#include "model/definition.h"

enum {
    BACKFILL_LINE_MAX = 1024 * 1024
}; /* bytes of a line of NDJSON: more than an event may have */

enum backfill_format { BACKFILL_PARQUET, BACKFILL_CSV, BACKFILL_NDJSON };

/* What takes the rows: one of these for each. What they return ends the reading, if it is not OK.
 */
struct backfill_rows {
    void *context;
    /* A value for each of the view's fields, borrowed for the call. */
    enum status (*take)(void *context, const struct value *values, struct error *err);
    enum status (*take_json)(void *context, struct bytes text, struct error *err);
    /* Now and then; rows_total: 0 where it is not known. */
    enum status (*check)(void *context, uint64_t rows_done, uint64_t rows_total, struct error *err);
};

/* Hashes all bytes of the file. IO: err. */
MUST_USE enum status backfill_file_hash(int descriptor, uint64_t hash[2], uint64_t *size_bytes,
                                        struct error *err);

/* Reads the file. duck reaches it by its descriptor. INVALID: err says which row (from 1) and
 * column is wrong, and what would be right; IO, LIMIT, CANCELLED: err. */
MUST_USE enum status backfill_file_read(struct duck *duck, int descriptor,
                                        enum backfill_format format,
                                        const struct view_definition *view,
                                        const struct backfill_rows *rows, struct error *err);

/* A value that DuckDB read as one of the field's type; a text is borrowed, or in the arena.
 * INVALID: err says what was expected. */
MUST_USE enum status backfill_convert(const struct field_definition *field,
                                      const struct value *value, struct arena *arena,
                                      struct value *out, struct error *err);

#endif
