/* What duck.c and duck_values.c share. Only they include it. */
#ifndef ASOF_EXPORT_DUCK_ROOM_H
#define ASOF_EXPORT_DUCK_ROOM_H

#include <pthread.h>
#include <stdatomic.h>

#include "export/duck.h"
#include "export/duck_library.h"

/* How DuckDB keeps the values of a column. */
struct duck_shape {
    struct type type;     /* as we see it; VALUE_NULL: not at all */
    duckdb_type physical; /* of a decimal, the integer that holds it; of a list, of the items */
};

struct duck_vector {
    struct duck_shape shape;
    const void *data;         /* borrowed from the chunk, as the next */
    const uint64_t *validity; /* NULL: all are there */
    const void *items;        /* of a list */
    const uint64_t *items_validity;
};

struct duck_rows {
    duckdb_data_chunk chunk; /* owned */
    size_t count;
    struct duck_vector *vectors; /* owned, one a column */
};

struct duck_reader {
    struct duck *duck; /* borrowed */
    struct duck_reader *next;
    duckdb_connection connection; /* owned, as all below */
    duckdb_result result;
    bool has_result;
    struct duck_column *columns;
    struct duck_shape *shapes;
    size_t columns_count;
    struct duck_rows rows;
};

/* A column of a chunk that is being filled. */
struct duck_out {
    duckdb_vector vector;
    void *data;
    uint64_t *validity; /* NULL: nothing is NULL yet */
    duckdb_vector items;
    size_t items_count;
};

struct duck_sheet {
    const struct duck_functions *library;
    const struct duck_column *columns; /* borrowed */
    size_t columns_count;
    struct duck_out *outs; /* owned */
};

/* A source, for DuckDB to call. */
struct duck_filler {
    struct duck *duck; /* borrowed */
    struct duck_source source;
    struct duck_sheet sheet;
    struct duck_filler *next;
};

struct duck {
    const struct duck_functions *library;
    duckdb_database database;     /* owned, as all below */
    duckdb_connection connection; /* of duck_run */
    struct duck_filler *sources;
    enum status fill_status; /* what a source failed with */
    struct error fill_err;
    atomic_bool is_interrupted;
    pthread_mutex_t mutex;       /* guards the list of readers */
    struct duck_reader *readers; /* their own */
};

bool duck_is_interrupted(struct duck *duck);

/* ---- duck_values.c ---- */

struct duck_shape duck_shape_of(const struct duck_functions *library, duckdb_logical_type type);

/* The type in which values of ours are written; to be destroyed. */
duckdb_logical_type duck_type_of(const struct duck_functions *library, struct type type);

/* Points rows->vectors into rows->chunk. */
void duck_rows_open(const struct duck_functions *library, struct duck_rows *rows,
                    const struct duck_shape *shapes, size_t columns_count);

/* Points the sheet into the chunk, and tells the chunk afterwards how long its lists are. */
void duck_sheet_open(struct duck_sheet *sheet, duckdb_data_chunk chunk);
void duck_sheet_close(struct duck_sheet *sheet);

#endif
