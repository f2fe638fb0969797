#include "table.h"

#include <stdlib.h>

#include "base/check.h"
#include "text.h"

enum { ARENA_CHUNK_SIZE = 16 * 1024, GAP = 2 };

struct cell {
    struct bytes text; /* in the arena */
    int style;         /* enum style, or -1 */
};

struct table {
    struct arena *arena; /* owned: titles, texts of cells */
    struct table_column *columns;
    size_t *widths;
    size_t columns_count;
    struct cell *cells; /* owned */
    size_t cells_count;
    size_t cells_capacity;
    bool has_header;
};

struct table *table_create(const struct table_column *columns, size_t columns_count)
{
    CHECK(columns_count > 0);
    CHECK(columns_count <= TABLE_COLUMNS_MAX);
    struct table *table = calloc(1, sizeof(*table));
    CHECK(table != NULL);
    table->arena = arena_create(ARENA_CHUNK_SIZE);
    table->columns = ARENA_NEW_ARRAY(table->arena, columns_count, struct table_column);
    table->widths = ARENA_NEW_ARRAY(table->arena, columns_count, size_t);
    table->columns_count = columns_count;
    for (size_t i = 0; i < columns_count; i++) {
        table->columns[i] = columns[i];
        table->widths[i] = text_width(bytes_of_text(columns[i].title));
        table->has_header = table->has_header || table->widths[i] > 0;
    }
    return table;
}

void table_destroy(struct table **table)
{
    if (*table == NULL)
        return;
    arena_destroy(&(*table)->arena);
    free((*table)->cells);
    free(*table);
    *table = NULL;
}

size_t table_columns_count(const struct table *table)
{
    return table->columns_count;
}

static void add_cell(struct table *table, struct bytes text, int style)
{
    if (table->cells_count == table->cells_capacity) {
        table->cells_capacity = table->cells_capacity > 0 ? table->cells_capacity * 2 : 64;
        table->cells = realloc(table->cells, table->cells_capacity * sizeof(*table->cells));
        CHECK(table->cells != NULL);
    }
    struct buffer visible = {0};
    text_append_visible(&visible, text);
    struct cell *cell = &table->cells[table->cells_count];
    *cell = (struct cell){.text = arena_copy(table->arena, buffer_bytes(&visible)), .style = style};
    buffer_fini(&visible);

    size_t *width = &table->widths[table->cells_count % table->columns_count];
    size_t cell_width = text_width(cell->text);
    *width = cell_width > *width ? cell_width : *width;
    table->cells_count++;
}

void table_add(struct table *table, struct bytes text)
{
    add_cell(table, text, -1);
}

void table_add_text(struct table *table, const char *text)
{
    add_cell(table, bytes_of_text(text), -1);
}

void table_add_style(struct table *table, const char *text, enum style style)
{
    add_cell(table, bytes_of_text(text), (int)style);
}

static void append_spaces(struct buffer *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_append_byte(out, ' ');
}

static void append_cell(const struct table *table, size_t column, const struct cell *cell,
                        const struct terminal *terminal, struct buffer *out)
{
    size_t padding = table->widths[column] - text_width(cell->text);
    bool is_right = table->columns[column].is_right;
    bool is_last = column + 1 == table->columns_count;

    if (is_right)
        append_spaces(out, padding);
    if (cell->style >= 0)
        buffer_append_text(out, terminal_begin(terminal, (enum style)cell->style));
    buffer_append(out, cell->text);
    if (cell->style >= 0)
        buffer_append_text(out, terminal_end(terminal));
    if (!is_last)
        append_spaces(out, (is_right ? 0 : padding) + GAP);
}

static void append_header(const struct table *table, size_t indent, const struct terminal *terminal,
                          struct buffer *out)
{
    append_spaces(out, indent);
    for (size_t i = 0; i < table->columns_count; i++) {
        struct cell title = {.text = bytes_of_text(table->columns[i].title), .style = STYLE_BOLD};
        append_cell(table, i, &title, terminal, out);
    }
    buffer_append_byte(out, '\n');
}

/* Cells at the end that are empty leave no spaces behind. */
static void end_line(struct buffer *out)
{
    while (out->size > 0 && out->memory[out->start + out->size - 1] == ' ')
        out->size--;
    buffer_append_byte(out, '\n');
}

void table_append(const struct table *table, size_t indent, const struct terminal *terminal,
                  struct buffer *out)
{
    CHECK(table->cells_count % table->columns_count == 0);
    if (table->has_header)
        append_header(table, indent, terminal, out);
    for (size_t i = 0; i < table->cells_count; i += table->columns_count) {
        append_spaces(out, indent);
        for (size_t j = 0; j < table->columns_count; j++)
            append_cell(table, j, &table->cells[i + j], terminal, out);
        end_line(out);
    }
}
