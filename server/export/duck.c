#include "export/duck.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "export/duck_room.h"

/* ---- texts of SQL ---- */

static void append_quoted(struct buffer *sql, struct bytes text, char quote)
{
    buffer_append_byte(sql, quote);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\0')
            continue; /* SQL would end there */
        if (text.data[i] == quote)
            buffer_append_byte(sql, quote);
        buffer_append_byte(sql, text.data[i]);
    }
    buffer_append_byte(sql, quote);
}

void duck_append_text(struct buffer *sql, struct bytes text)
{
    append_quoted(sql, text, '\'');
}

void duck_append_name(struct buffer *sql, struct bytes name)
{
    append_quoted(sql, name, '"');
}

const char *duck_path(int descriptor, char path[DUCK_PATH_SIZE])
{
    snprintf(path, DUCK_PATH_SIZE, "/proc/self/fd/%d", descriptor);
    return path;
}

/* ---- failures ---- */

static enum status status_of(duckdb_error_type type)
{
    if (type == DUCKDB_ERROR_INTERRUPT)
        return STATUS_CANCELLED;
    if (type == DUCKDB_ERROR_OUT_OF_MEMORY)
        return STATUS_LIMIT;
    return type == DUCKDB_ERROR_IO ? STATUS_IO : STATUS_INVALID;
}

/* The kind of an error whose text alone is at hand. */
static enum status status_of_text(const char *text)
{
    static const struct {
        const char *start;
        enum status status;
    } kinds[] = {
        {"INTERRUPT", STATUS_CANCELLED}, {"Out of Memory", STATUS_LIMIT}, {"IO Error", STATUS_IO}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strncmp(text, kinds[i].start, strlen(kinds[i].start)) == 0)
            return kinds[i].status;
    return STATUS_INVALID;
}

/* Takes out the names of files, as nobody gave them those of duck_path: 'in file
 * "/proc/self/fd/21", at byte 1'. */
static void hide_paths(char *text)
{
    static const char *const starts[] = {" \"/proc/self/fd/", " '/proc/self/fd/"};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        for (char *at = text; (at = strstr(at, starts[i])) != NULL;) {
            char *end = at + strlen(starts[i]);
            end += strcspn(end, "\"'");
            end += *end != '\0';
            memmove(at, end, strlen(end) + 1);
        }
    }
}

/* Of DuckDB's texts, what it found. Left out are the line of the file itself, advice on options
 * that nobody gave, and what points into SQL that nobody wrote. */
static void shorten(const char *text, char out[ERROR_TEXT_SIZE])
{
    static const char *const ends[] = {"Possible ",        "LINE ",    "Candidate ", "Stack Trace",
                                       "The search space", "  file =", "Try "};
    static const char kind[] = "Invalid Input Error: ";
    static const char skipped[] = "Original Line:";
    static const char no_csv[] = "Error when sniffing";
    struct buffer kept = {0};
    text += bytes_start_with(bytes_of_text(text), bytes_of_text(kind)) ? strlen(kind) : 0;
    if (bytes_start_with(bytes_of_text(text), bytes_of_text(no_csv)))
        text = "it is no CSV: a quote is not closed, or lines end differently";
    for (bool is_over = *text == '\0'; !is_over;) {
        struct bytes line = bytes_of(text, strcspn(text, "\n"));
        text += line.size + (text[line.size] != '\0');
        text += strspn(text, "\t");
        if (!bytes_start_with(line, bytes_of_text(skipped)) && line.size > 0)
            buffer_format(&kept, "%s%.*s", kept.size > 0 ? "; " : "", BYTES_ARGS(line));
        is_over = *text == '\0';
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
            is_over |= strncmp(text, ends[i], strlen(ends[i])) == 0;
    }
    bytes_to_text(buffer_bytes(&kept), out, ERROR_TEXT_SIZE);
    hide_paths(out);
    buffer_fini(&kept);
}

static enum status fail_with(struct duck *duck, enum status status, const char *text,
                             struct error *err)
{
    char line[ERROR_TEXT_SIZE];
    if (duck->fill_status != STATUS_OK) { /* then DuckDB's text is only about that */
        *err = duck->fill_err;
        return duck->fill_status;
    }
    if (duck_is_interrupted(duck))
        return error_set(err, STATUS_CANCELLED, "it was cancelled");
    shorten(text, line);
    if (status == STATUS_LIMIT)
        return error_set(err, status, "%s: the server allows so much (--export-memory)", line);
    return error_set(err, status, "%s", line);
}

static enum status fail_of_result(struct duck *duck, duckdb_result *result, struct error *err)
{
    const char *text = duck->library->result_error(result);
    return fail_with(duck, status_of(duck->library->result_error_type(result)),
                     text == NULL ? "DuckDB failed" : text, err);
}

static enum status fail_of_text(struct duck *duck, const char *text, struct error *err)
{
    if (text == NULL)
        text = "DuckDB failed";
    return fail_with(duck, status_of_text(text), text, err);
}

/* ---- opening ---- */

bool duck_is_interrupted(struct duck *duck)
{
    return atomic_load(&duck->is_interrupted);
}

void duck_interrupt(struct duck *duck)
{
    pthread_mutex_lock(&duck->mutex);
    atomic_store(&duck->is_interrupted, true);
    duck->library->interrupt(duck->connection);
    for (struct duck_reader *it = duck->readers; it != NULL; it = it->next)
        duck->library->interrupt(it->connection);
    pthread_mutex_unlock(&duck->mutex);
}

double duck_progress(struct duck *duck)
{
    double percentage = duck->library->query_progress(duck->connection).percentage;
    return percentage < 0 ? -1 : percentage / 100;
}

static enum status open_database(struct duck *duck, const struct duck_options *options,
                                 struct error *err)
{
    const struct duck_functions *library = duck->library;
    char memory[32];
    snprintf(memory, sizeof(memory), "%zuB", options->memory_bytes);
    const char *const settings[][2] = {
        {"threads", "1"},
        {"max_memory", memory},
        {"temp_directory", options->spool},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
        {"allow_unsigned_extensions", "false"},
    };
    duckdb_config config = NULL;
    char *text = NULL;
    enum status status = STATUS_OK;
    CHECK(library->create_config(&config) == DuckDBSuccess);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        CHECK(library->set_config(config, settings[i][0], settings[i][1]) == DuckDBSuccess);
    if (library->open_ext(":memory:", &duck->database, config, &text) != DuckDBSuccess)
        status = error_set(err, STATUS_UNAVAILABLE, "DuckDB: %.900s", text);
    else if (library->connect(duck->database, &duck->connection) != DuckDBSuccess)
        status = error_set(err, STATUS_UNAVAILABLE, "DuckDB: no connection");
    if (text != NULL)
        library->free(text);
    library->destroy_config(&config);
    return status;
}

static void append_setting(struct buffer *sql, const char *name, const char *const *paths,
                           size_t count)
{
    buffer_format(sql, "SET GLOBAL %s = [", name);
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(sql, i == 0 ? "" : ", ");
        duck_append_text(sql, bytes_of_text(paths[i]));
    }
    buffer_append_text(sql, "];");
}

/* Nothing that SQL says from here on reaches more than what was named. */
static enum status lock_database(struct duck *duck, const struct duck_options *options,
                                 struct error *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, "SET GLOBAL TimeZone = 'UTC'; SET enable_progress_bar = true;"
                             "SET enable_progress_bar_print = false;");
    append_setting(&sql, "allowed_paths", options->paths, options->paths_count);
    append_setting(&sql, "allowed_directories", options->directories, options->directories_count);
    buffer_append_text(&sql, "SET enable_external_access = false; SET lock_configuration = true");
    buffer_append_byte(&sql, '\0');
    enum status status = duck_run(duck, buffer_bytes(&sql).data, err);
    buffer_fini(&sql);
    return status;
}

enum status duck_open(const struct duck_options *options, struct duck **out, struct error *err)
{
    const struct duck_functions *library;
    enum status status = duck_library_open(options->library, &library, err);
    if (status != STATUS_OK)
        return status;
    struct duck *duck = calloc(1, sizeof(*duck));
    CHECK(duck != NULL);
    CHECK(pthread_mutex_init(&duck->mutex, NULL) == 0);
    duck->library = library;
    status = open_database(duck, options, err);
    if (status == STATUS_OK)
        status = lock_database(duck, options, err);
    if (status != STATUS_OK)
        duck_close(&duck);
    *out = duck;
    return status;
}

void duck_close(struct duck **out)
{
    struct duck *duck = *out;
    if (duck == NULL)
        return;
    CHECK(duck->readers == NULL);
    if (duck->connection != NULL)
        duck->library->disconnect(&duck->connection);
    if (duck->database != NULL)
        duck->library->close(&duck->database);
    while (duck->sources != NULL) {
        struct duck_filler *filler = duck->sources;
        duck->sources = filler->next;
        free(filler->sheet.outs);
        free(filler);
    }
    pthread_mutex_destroy(&duck->mutex);
    free(duck);
    *out = NULL;
}

/* ---- statements ---- */

enum status duck_run(struct duck *duck, const char *sql, struct error *err)
{
    duckdb_result result;
    enum status status = STATUS_OK;
    if (duck_is_interrupted(duck))
        return error_set(err, STATUS_CANCELLED, "it was cancelled");
    if (duck->library->query(duck->connection, sql, &result) != DuckDBSuccess)
        status = fail_of_result(duck, &result, err);
    duck->library->destroy_result(&result);
    return status;
}

static void link_reader(struct duck *duck, struct duck_reader *reader)
{
    pthread_mutex_lock(&duck->mutex);
    reader->next = duck->readers;
    duck->readers = reader;
    pthread_mutex_unlock(&duck->mutex);
}

static void unlink_reader(struct duck *duck, struct duck_reader *reader)
{
    pthread_mutex_lock(&duck->mutex);
    struct duck_reader **place = &duck->readers;
    while (*place != reader)
        place = &(*place)->next;
    *place = reader->next;
    pthread_mutex_unlock(&duck->mutex);
}

static void read_columns(struct duck_reader *reader)
{
    const struct duck_functions *library = reader->duck->library;
    reader->columns_count = library->column_count(&reader->result);
    reader->columns = calloc(reader->columns_count + 1, sizeof(*reader->columns));
    reader->shapes = calloc(reader->columns_count + 1, sizeof(*reader->shapes));
    CHECK(reader->columns != NULL && reader->shapes != NULL);
    for (size_t i = 0; i < reader->columns_count; i++) {
        duckdb_logical_type type = library->column_logical_type(&reader->result, i);
        reader->shapes[i] = duck_shape_of(library, type);
        reader->columns[i] = (struct duck_column){.name = library->column_name(&reader->result, i),
                                                  .type = reader->shapes[i].type};
        library->destroy_logical_type(&type);
    }
}

static enum status begin_query(struct duck_reader *reader, const char *sql, struct error *err)
{
    struct duck *duck = reader->duck;
    const struct duck_functions *library = duck->library;
    duckdb_prepared_statement prepared = NULL;
    duckdb_pending_result pending = NULL;
    enum status status = STATUS_OK;
    if (library->prepare(reader->connection, sql, &prepared) != DuckDBSuccess) {
        status = fail_of_text(duck, library->prepare_error(prepared), err);
    } else if (library->pending_prepared_streaming(prepared, &pending) != DuckDBSuccess) {
        status = fail_of_text(duck, library->pending_error(pending), err);
    } else {
        reader->has_result = true;
        if (library->execute_pending(pending, &reader->result) != DuckDBSuccess)
            status = fail_of_result(duck, &reader->result, err);
    }
    library->destroy_pending(&pending);
    library->destroy_prepare(&prepared);
    if (status == STATUS_OK)
        read_columns(reader);
    return status;
}

enum status duck_query(struct duck *duck, const char *sql, struct duck_reader **out,
                       struct error *err)
{
    struct duck_reader *reader = calloc(1, sizeof(*reader));
    CHECK(reader != NULL);
    reader->duck = duck;
    CHECK(duck->library->connect(duck->database, &reader->connection) == DuckDBSuccess);
    link_reader(duck, reader);
    enum status status = duck_is_interrupted(duck)
                             ? error_set(err, STATUS_CANCELLED, "it was cancelled")
                             : begin_query(reader, sql, err);
    if (status != STATUS_OK)
        duck_reader_close(&reader);
    *out = reader;
    return status;
}

void duck_reader_close(struct duck_reader **out)
{
    struct duck_reader *reader = *out;
    if (reader == NULL)
        return;
    struct duck *duck = reader->duck;
    unlink_reader(duck, reader);
    if (reader->rows.chunk != NULL)
        duck->library->destroy_data_chunk(&reader->rows.chunk);
    if (reader->has_result)
        duck->library->destroy_result(&reader->result);
    duck->library->disconnect(&reader->connection);
    free(reader->rows.vectors);
    free(reader->shapes);
    free(reader->columns);
    free(reader);
    *out = NULL;
}

const struct duck_column *duck_reader_columns(const struct duck_reader *reader, size_t *count)
{
    *count = reader->columns_count;
    return reader->columns;
}

enum status duck_reader_next(struct duck_reader *reader, const struct duck_rows **rows,
                             struct error *err)
{
    struct duck *duck = reader->duck;
    const struct duck_functions *library = duck->library;
    if (reader->rows.chunk != NULL)
        library->destroy_data_chunk(&reader->rows.chunk);
    if (duck_is_interrupted(duck))
        return error_set(err, STATUS_CANCELLED, "it was cancelled");
    reader->rows.chunk = library->fetch_chunk(reader->result);
    if (reader->rows.chunk == NULL) {
        const char *text = library->result_error(&reader->result);
        bool is_failed = text != NULL && text[0] != '\0';
        return is_failed ? fail_of_result(duck, &reader->result, err) : STATUS_NOT_FOUND;
    }
    reader->rows.count = library->data_chunk_get_size(reader->rows.chunk);
    if (reader->rows.count == 0)
        return STATUS_NOT_FOUND;
    duck_rows_open(library, &reader->rows, reader->shapes, reader->columns_count);
    *rows = &reader->rows;
    return STATUS_OK;
}

/* ---- sources ---- */

static void bind_source(duckdb_bind_info info)
{
    const struct duck_functions *library = duck_library();
    const struct duck_filler *filler = library->bind_get_extra_info(info);
    for (size_t i = 0; i < filler->source.columns_count; i++) {
        const struct duck_column *column = &filler->source.columns[i];
        duckdb_logical_type type = column->is_bytes ? library->create_logical_type(DUCKDB_TYPE_BLOB)
                                                    : duck_type_of(library, column->type);
        library->bind_add_result_column(info, column->name, type);
        library->destroy_logical_type(&type);
    }
}

static void init_source(duckdb_init_info info)
{
    duck_library()->init_set_max_threads(info, 1);
}

static void fill_source(duckdb_function_info info, duckdb_data_chunk chunk)
{
    const struct duck_functions *library = duck_library();
    struct duck_filler *filler = library->function_get_extra_info(info);
    struct duck *duck = filler->duck;
    size_t count = 0;
    duck_sheet_open(&filler->sheet, chunk);
    if (duck->fill_status == STATUS_OK)
        duck->fill_status =
            filler->source.fill(filler->source.context, &filler->sheet, &count, &duck->fill_err);
    duck_sheet_close(&filler->sheet);
    if (duck->fill_status != STATUS_OK) {
        library->function_set_error(info, duck->fill_err.text);
        count = 0;
    }
    CHECK(count <= DUCK_ROWS_MAX);
    library->data_chunk_set_size(chunk, count);
}

enum status duck_add_source(struct duck *duck, const struct duck_source *source, struct error *err)
{
    const struct duck_functions *library = duck->library;
    struct duck_filler *filler = calloc(1, sizeof(*filler));
    CHECK(filler != NULL);
    *filler = (struct duck_filler){
        .duck = duck,
        .source = *source,
        .sheet = {.library = library,
                  .columns = source->columns,
                  .columns_count = source->columns_count,
                  .outs = calloc(source->columns_count + 1, sizeof(struct duck_out))},
        .next = duck->sources};
    CHECK(filler->sheet.outs != NULL);
    duck->sources = filler;
    duckdb_table_function function = library->create_table_function();
    library->table_function_set_name(function, source->name);
    library->table_function_set_extra_info(function, filler, NULL);
    library->table_function_set_bind(function, bind_source);
    library->table_function_set_init(function, init_source);
    library->table_function_set_function(function, fill_source);
    duckdb_state state = library->register_table_function(duck->connection, function);
    library->destroy_table_function(&function);
    return state == DuckDBSuccess
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "DuckDB takes no function of the name %.64s",
                           source->name);
}
