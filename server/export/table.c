#include "export/table.h"

#include <strings.h>

#include "base/check.h"

/* A row group is kept until it is written. With DuckDB's 122,880 rows a set of 10 features took 18
 * MB more, and was no smaller; and with 30,720 one of 190 columns did not fit into 256 MiB. */
enum {
    GROUP_ROWS_MIN = DUCK_ROWS_MAX,
    GROUP_ROWS_MAX = 15 * DUCK_ROWS_MAX,
    GROUP_CELLS = 640 * 1024
};

/* DuckDB takes a dictionary's largest size for each column of texts at once, 1 MiB if not told: 90
 * columns of statuses need no more than some bytes each. All share so much. */
enum {
    DICTIONARIES_SIZE = 32 * 1024 * 1024,
    DICTIONARY_SIZE_MIN = 16 * 1024,
    DICTIONARY_SIZE_MAX = 1024 * 1024
};

enum { TABLE_NARROW_COLUMNS = 40 }; /* so many are written as DuckDB does if not told */

void table_init(struct table *table, struct arena *arena, size_t columns_max)
{
    *table = (struct table){.arena = arena, .columns_max = columns_max};
    table->columns = ARENA_NEW_ARRAY(arena, columns_max + 1, struct duck_column);
}

void table_fini(struct table *table)
{
    buffer_fini(&table->metadata);
}

ssize_t table_find(const struct table *table, struct bytes name)
{
    for (size_t i = 0; i < table->columns_count; i++)
        if (bytes_equal_nocase(name, table->columns[i].name))
            return (ssize_t)i;
    return -1;
}

enum status table_add(struct table *table, struct bytes name, struct type type, struct error *err)
{
    if (table->columns_count == table->columns_max)
        return error_set(err, STATUS_LIMIT, "the result would have more than %zu columns",
                         table->columns_max);
    while (table_find(table, name) >= 0)
        name = arena_format(table->arena, "%.*s_", BYTES_ARGS(name));
    table->columns[table->columns_count++] =
        (struct duck_column){.name = arena_copy(table->arena, name).data, .type = type};
    return STATUS_OK;
}

void table_note(struct table *table, const char *name, struct bytes value)
{
    if (table->metadata.size > 0)
        buffer_append_text(&table->metadata, ", ");
    duck_append_text(&table->metadata, bytes_of_text(name));
    buffer_append_text(&table->metadata, ": ");
    duck_append_text(&table->metadata, value);
}

/* The bucket is the last column, whatever it is called. */
static void append_partitions(const struct table *table, const struct export_output *output,
                              struct buffer *sql)
{
    buffer_append_text(sql, ", PARTITION_BY (");
    for (size_t i = 0; i < output->partition_by_count; i++) {
        buffer_append_text(sql, i == 0 ? "" : ", ");
        duck_append_name(sql, output->partition_by[i]);
    }
    if (output->hash_buckets > 0) {
        buffer_append_text(sql, output->partition_by_count > 0 ? ", " : "");
        duck_append_name(sql, bytes_of_text(table->columns[table->columns_count - 1].name));
    }
    buffer_append_text(sql, ")");
}

static size_t clamp(size_t number, size_t least, size_t most)
{
    if (number < least)
        return least;
    return number < most ? number : most;
}

void table_append_sizes(size_t columns, struct buffer *sql)
{
    size_t rows = GROUP_CELLS / columns / DUCK_ROWS_MAX * DUCK_ROWS_MAX;
    buffer_format(sql, ", ROW_GROUP_SIZE %zu, STRING_DICTIONARY_PAGE_SIZE_LIMIT %zu",
                  clamp(rows, GROUP_ROWS_MIN, GROUP_ROWS_MAX),
                  clamp(DICTIONARIES_SIZE / columns, DICTIONARY_SIZE_MIN, DICTIONARY_SIZE_MAX));
}

void table_append_options(const struct table *table, const struct export_output *output,
                          struct buffer *sql)
{
    static const char *const formats[] = {
        [EXPORT_PARQUET] = "FORMAT parquet, COMPRESSION zstd",
        [EXPORT_CSV] = "FORMAT csv, HEADER true",
        [EXPORT_NDJSON] = "FORMAT json",
    };
    bool is_directory = output->partition_by_count > 0 || output->hash_buckets > 0;
    buffer_format(sql, "(%s", formats[output->format]);
    if (output->format == EXPORT_PARQUET && table->columns_count > TABLE_NARROW_COLUMNS)
        table_append_sizes(table->columns_count, sql);
    if (output->format == EXPORT_PARQUET && table->metadata.size > 0) {
        buffer_append_text(sql, ", KV_METADATA {");
        buffer_append(sql, buffer_bytes(&table->metadata));
        buffer_append_text(sql, "}");
    }
    if (is_directory)
        append_partitions(table, output, sql);
    else
        buffer_append_text(sql, ", USE_TMP_FILE false");
    buffer_append_text(sql, is_directory ? ", OVERWRITE_OR_IGNORE true)" : ")");
}

enum status table_write(struct table *table, struct export_job *job, struct place *place,
                        const struct export_output *output, duck_fill_fn fill, void *context,
                        struct error *err)
{
    char path[DUCK_PATH_SIZE];
    struct buffer sql = {0};
    struct duck *duck = NULL;
    int descriptor = place_descriptor(place);
    bool is_directory = output->partition_by_count > 0 || output->hash_buckets > 0;
    const struct duck_source source = {.name = "result_rows",
                                       .columns = table->columns,
                                       .columns_count = table->columns_count,
                                       .fill = fill,
                                       .context = context};
    enum status status = export_job_duck(job, &descriptor, is_directory ? 0 : 1, &descriptor,
                                         is_directory ? 1 : 0, &duck, err);
    if (status == STATUS_OK)
        status = duck_add_source(duck, &source, err);
    if (status != STATUS_OK)
        return status;
    buffer_append_text(&sql, "COPY (SELECT * FROM result_rows()) TO ");
    duck_append_text(&sql, bytes_of_text(duck_path(descriptor, path)));
    buffer_append_byte(&sql, ' ');
    table_append_options(table, output, &sql);
    buffer_append_byte(&sql, '\0');
    status = duck_run(duck, buffer_bytes(&sql).data, err);
    buffer_fini(&sql);
    return status;
}
