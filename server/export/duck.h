/* Duck: DuckDB in memory, for one job: it reads and writes Parquet, CSV and NDJSON (its parquet,
 * json and icu extensions are in the library), sorts and joins, within the job's memory, and spills
 * what is more.
 *
 * 1. The library is opened at the first duck_open, not when the server starts: it costs 65 MB of
 * address space and some milliseconds, and many servers never export.
 * 2. SQL reaches the files and directories that are named in the options and the spool, nothing
 * else: no network, no extensions, no settings. Let it read and write files by descriptor
 * (duck_path), so that whoever swaps a link meanwhile gains nothing.
 * 3. All works on the thread that calls: DuckDB starts none of its own, and a source's fill is
 * called within duck_run, duck_query or duck_reader_next.
 * 4. Times are UTC.
 *
 * Values are those of model/value.h. What DuckDB has as
 *     BOOLEAN · TINYINT to BIGINT, UTINYINT to UINTEGER · FLOAT, DOUBLE · DECIMAL of 18 digits at
 * most · VARCHAR · TIMESTAMP of any unit, TIMESTAMPTZ, DATE · lists of these is read as bool, int,
 * double, decimal, string, timestamp (floored to microseconds), list. A double that is not finite
 * and a timestamp beyond microseconds are VALUE_OVERFLOW. For all else (and to learn what a column
 * is called in SQL: DESCRIBE SELECT ...) cast in SQL. They are written as BOOLEAN, BIGINT, DOUBLE,
 * DECIMAL(18,n), VARCHAR, TIMESTAMPTZ, lists; NULL and VALUE_OVERFLOW as NULL.
 *
 * Thread: one at a time; duck_interrupt and duck_progress, any. */
#ifndef ASOF_EXPORT_DUCK_H
#define ASOF_EXPORT_DUCK_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "model/value.h"

enum {
    DUCK_ROWS_MAX = 2048, /* of a chunk */
    DUCK_PATH_SIZE = 64,
};

/* What read_csv is told in any case, as it would guess else. DuckDB's own buffers have 30 MiB, of
 * which it takes several: 100,000 lines of 13 columns needed more than 64 MiB. Those of 4 hold any
 * line that it takes. */
#define DUCK_CSV                                                                                   \
    "header = true, quote = '\"', escape = '\"', comment = '', skip = 0, buffer_size = 4194304"

struct duck;

struct duck_options {
    const char *library; /* of libduckdb.so; NULL or empty: beside the program, or in ../lib/asof */
    size_t memory_bytes;
    const char *spool;        /* a directory for what is more than that */
    const char *const *paths; /* of files that may be read and written; borrowed for the call */
    size_t paths_count;
    const char *const *directories; /* all files below may be */
    size_t directories_count;
};

/* Owned by the caller. UNAVAILABLE: there is no library, or another version; err says where it was
 * looked for. */
MUST_USE enum status duck_open(const struct duck_options *options, struct duck **out,
                               struct error *err);

/* After its readers. Accepts NULL and leaves NULL behind. */
void duck_close(struct duck **duck);

/* The path under which an open file is named in options and SQL: it needs no quoting, and whatever
 * becomes of the file's name, it is that file. For a directory too. */
const char *duck_path(int descriptor, char path[DUCK_PATH_SIZE]);

/* Appends 'text' or "name" as SQL reads it back, whatever is in there. */
void duck_append_text(struct buffer *sql, struct bytes text);
void duck_append_name(struct buffer *sql, struct bytes name);

/* Runs a statement to its end. INVALID: DuckDB refuses it, or the data that it read; LIMIT: more
 * memory is needed than there is; IO; CANCELLED; what a source's fill failed with. In each case err
 * has a sentence. */
MUST_USE enum status duck_run(struct duck *duck, const char *sql, struct error *err);

/* Ends what runs and what will be run by CANCELLED. */
void duck_interrupt(struct duck *duck);

/* Of the statement that runs, from 0 to 1; negative: not known. */
double duck_progress(struct duck *duck);

/* ---- reading ---- */

struct duck_column {
    const char *name;
    struct type type; /* .kind is VALUE_NULL where values can't be read: cast it */
    bool is_bytes;    /* of a source: a BLOB, which is put as a text that need not be UTF-8 */
};

struct duck_reader;
struct duck_rows;

/* Begins a query whose rows are read as it goes, so that its result needs no memory. Several may be
 * open, and statements run in between. Owned by the caller. Fails as duck_run. */
MUST_USE enum status duck_query(struct duck *duck, const char *sql, struct duck_reader **out,
                                struct error *err);
void duck_reader_close(struct duck_reader **reader);

/* Borrowed from the reader. */
const struct duck_column *duck_reader_columns(const struct duck_reader *reader, size_t *count);

/* The next rows, DUCK_ROWS_MAX at most, borrowed until the next step. NOT_FOUND: no more. Else as
 * duck_run. */
MUST_USE enum status duck_reader_next(struct duck_reader *reader, const struct duck_rows **rows,
                                      struct error *err);
size_t duck_rows_count(const struct duck_rows *rows);

/* The value; texts are borrowed from rows, a list's items are in the arena. */
struct value duck_value(const struct duck_rows *rows, size_t column, size_t row,
                        struct arena *arena);

/* Of a BLOB, borrowed from rows; nothing of a NULL. */
struct bytes duck_bytes(const struct duck_rows *rows, size_t column, size_t row);

/* ---- writing ---- */

struct duck_sheet;

/* Fills rows 0 to n - 1 of the sheet, each column of each, and returns n by *count, DUCK_ROWS_MAX
 * at most; 0: that was all. */
typedef enum status (*duck_fill_fn)(void *context, struct duck_sheet *sheet, size_t *count,
                                    struct error *err);

/* Rows that SQL can ask for: SELECT * FROM NAME(), once. */
struct duck_source {
    const char *name;
    const struct duck_column *columns; /* borrowed as long as the duck is open, as the context */
    size_t columns_count;
    duck_fill_fn fill;
    void *context;
};

/* Copied, but for what is borrowed. */
MUST_USE enum status duck_add_source(struct duck *duck, const struct duck_source *source,
                                     struct error *err);

/* Copied. The value is NULL, VALUE_OVERFLOW or of the column's type; a text is UTF-8. */
void duck_put(struct duck_sheet *sheet, size_t column, size_t row, const struct value *value);

#endif
