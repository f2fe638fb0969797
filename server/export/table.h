/* Table: what a result consists of: its columns, whose names are all different, and how DuckDB
 * writes it.
 *
 * Private to export/. Thread: one. */
#ifndef ASOF_EXPORT_TABLE_H
#define ASOF_EXPORT_TABLE_H

#include "export/export_room.h"

/* The column of partitions by hash, which goes into the names of directories. */
#define TABLE_BUCKET_COLUMN "entity_bucket"

enum { TABLE_COLUMNS_MAX = 8192 };

struct table {
    struct arena *arena;         /* borrowed */
    struct duck_column *columns; /* in the arena, as their names */
    size_t columns_count;
    size_t columns_max;
    struct buffer metadata; /* owned: "'name': 'value', ..." */
};

/* An empty one. */
void table_init(struct table *table, struct arena *arena, size_t columns_max);
void table_fini(struct table *table);

/* Adds a column. Where a column is called so already (letters alike in both cases), it gets '_'
 * behind its name, as many as it needs. LIMIT: there are too many. */
MUST_USE enum status table_add(struct table *table, struct bytes name, struct type type,
                               struct error *err);

/* Says something of the result, in the metadata of Parquet; other formats have none. */
void table_note(struct table *table, const char *name, struct bytes value);

/* The column of that name, or -1. */
ssize_t table_find(const struct table *table, struct bytes name);

/* Has the rows of fill written to the place, by a database that the job opens. */
MUST_USE enum status table_write(struct table *table, struct export_job *job, struct place *place,
                                 const struct export_output *output, duck_fill_fn fill,
                                 void *context, struct error *err);

/* Appends what stands behind COPY ... TO 'path': the options of the output, in brackets. */
void table_append_options(const struct table *table, const struct export_output *output,
                          struct buffer *sql);

/* Appends to the options of Parquet what keeps a result of so many columns within the memory: small
 * row groups, in whole chunks, and small dictionaries. */
void table_append_sizes(size_t columns, struct buffer *sql);

#endif
