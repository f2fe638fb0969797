/* Table: rows of cells, aligned in columns, for people. Columns are as wide as their widest cell in
 * code points; a last column that is not right-aligned is not padded. Thread: one at a time. */
#ifndef ASOF_CLIENT_TABLE_H
#define ASOF_CLIENT_TABLE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "terminal.h"

/* More columns than this are our bug: VIEW_FEATURES_MAX and some. */
enum { TABLE_COLUMNS_MAX = 1024 };

struct table_column {
    const char *title; /* borrowed by the table */
    bool is_right;     /* numbers */
};

struct table;

/* Owned by the caller. columns are copied. */
struct table *table_create(const struct table_column *columns, size_t columns_count);

/* Frees it, and forgets it. */
void table_destroy(struct table **table);

/* How many columns it was made with. */
size_t table_columns_count(const struct table *table);

/* The next cell, row by row; control characters are escaped. The text is copied. */
void table_add(struct table *table, struct bytes text);
void table_add_text(struct table *table, const char *text);
void table_add_style(struct table *table, const char *text, enum style style);

/* Appends header and rows, each line after indent spaces; the last row must be complete. Columns
 * without a title in any place give no header line. */
void table_append(const struct table *table, size_t indent, const struct terminal *terminal,
                  struct buffer *out);

#endif
