/* The life of a training set: labels are read into a table; for each kind of entity they are sorted
 * by entity and moment, and what the features are there becomes a table of its own, packed
 * (cells.h) and sorted back by row; all tables, side by side, are unpacked and written. */
#include "export/training.h"

#include "base/check.h"
#include "base/time_text.h"
#include "export/backfill_file.h"
#include "export/cells.h"
#include "export/export_room.h"
#include "export/labels.h"
#include "export/table.h"
#include "export/training_plan.h"
#include "model/entity.h"

enum {
    ROW_ARENA_SIZE = 16 * 1024,
    CHECK_ROWS = 64, /* between two looks at whether to go on */
};

struct training {
    struct export_job *job; /* borrowed */
    const struct training_spec *spec;
    struct arena *arena; /* the job's */
    struct query *query; /* the job's */
    struct duck *duck;   /* the job's */
    struct labels labels;
    struct training_plan plan;
    uint64_t rows_done;
    struct buffer sql; /* owned, as the next */
    struct buffer entity;
    struct buffer cells;
    struct arena *row_arena;
};

/* A group while it is read. */
struct reading {
    struct training *training;
    struct training_group *group;
    struct duck_reader *labels; /* sorted: row, time, keys, request values */
    uint64_t index;             /* of the row at hand, from 1 */
};

/* The columns of a group's table; and what is in front of the keys, in the labels as they are read.
 */
enum { ROW_COLUMN, CELLS_COLUMN, GROUP_COLUMNS };
enum { LABEL_ROW, LABEL_TIME, LABEL_KEYS };

static enum status run_sql(struct training *training, struct error *err)
{
    buffer_append_byte(&training->sql, '\0');
    enum status status = duck_run(training->duck, buffer_bytes(&training->sql).data, err);
    training->sql.start = training->sql.size = 0;
    return status;
}

/* ---- a row ---- */

/* The moment that the labels give. */
static enum status take_time(const struct reading *reading, const struct duck_rows *rows, size_t i,
                             int64_t *t_us, struct error *err)
{
    struct value time = duck_value(rows, LABEL_TIME, i, reading->training->row_arena);
    bool is_time = time.kind == VALUE_TIMESTAMP || time.kind == VALUE_INT;
    if (is_time && time_is_valid(time.integer)) {
        *t_us = time.integer;
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID,
                     "row %llu of the labels has a time that is not in the years 1 to 9999",
                     (unsigned long long)reading->index);
}

/* The entity, encoded. NOT_FOUND: a key is NULL. */
static enum status take_entity(const struct reading *reading, const struct duck_rows *rows,
                               size_t i, struct error *err)
{
    struct training *training = reading->training;
    struct buffer *entity = &training->entity;
    entity->start = entity->size = 0;
    for (size_t j = 0; j < reading->group->keys_count; j++) {
        struct value key = duck_value(rows, LABEL_KEYS + j, i, training->row_arena);
        if (key.kind == VALUE_NULL)
            return STATUS_NOT_FOUND;
        entity_append_value(&key, entity);
    }
    if (entity->size > ENTITY_SIZE_MAX)
        return error_set(err, STATUS_LIMIT,
                         "row %llu of the labels: an entity has at most %d bytes",
                         (unsigned long long)reading->index, ENTITY_SIZE_MAX);
    return STATUS_OK;
}

static void put_nothing(const struct reading *reading)
{
    const struct cell nothing = {.status = FEATURE_NOT_FOUND};
    for (size_t j = 0; j < reading->group->values_count; j++)
        cells_append(&nothing, &reading->training->cells);
}

/* The request values of an on-demand view, which are to be of their types as exactly as those of a
 * read. */
static enum status take_request(const struct reading *reading, const struct training_view *view,
                                const struct duck_rows *rows, size_t i, const struct request **out,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct arena *arena = reading->training->row_arena;
    size_t count = view->target.view->request_count;
    size_t first = LABEL_KEYS + reading->group->keys_count + view->request_place;
    *out = NULL;
    if (count == 0)
        return STATUS_OK;
    struct value *values = ARENA_NEW_ARRAY(arena, count, struct value);
    const struct value **steps =
        (const struct value **)arena_allocate_array(arena, 1, sizeof(*steps));
    struct request *request = ARENA_NEW(arena, struct request);
    for (size_t j = 0; j < count && status == STATUS_OK; j++) {
        const struct field_definition *field = &view->target.view->request[j];
        const struct value value = duck_value(rows, first + j, i, arena);
        status = backfill_convert(field, &value, arena, &values[j], err);
        if (status != STATUS_OK)
            return error_prefix(err, status, "row %llu of the labels, '%.*s'",
                                (unsigned long long)reading->index, BYTES_ARGS(field->name));
    }
    steps[0] = values; /* a view by itself is one step */
    request->values = steps;
    *out = request;
    return STATUS_OK;
}

/* Leaves what the features are of a row in cells, in the order of their places. */
static enum status read_row(struct reading *reading, const struct duck_rows *rows, size_t i,
                            struct error *err)
{
    struct training *training = reading->training;
    int64_t t_us = 0;
    enum status status = take_time(reading, rows, i, &t_us, err);
    if (status != STATUS_OK)
        return status;
    status = take_entity(reading, rows, i, err);
    if (status == STATUS_NOT_FOUND) {
        put_nothing(reading);
        return STATUS_OK;
    }
    struct bytes entity = buffer_bytes(&training->entity);
    for (size_t j = 0; j < reading->group->views_count && status == STATUS_OK; j++) {
        struct training_view *view = &reading->group->views[j];
        struct moments_answer answer;
        const struct request *request;
        status = take_request(reading, view, rows, i, &request, err);
        if (status == STATUS_OK)
            status = moments_read(view->moments, entity, t_us, request, &answer, err);
        for (size_t k = 0; k < view->features_count && status == STATUS_OK; k++) {
            const struct cell cell = {.value = answer.values[k], .status = answer.statuses[k]};
            cells_append(&cell, &training->cells);
        }
    }
    return status;
}

/* ---- a group ---- */

/* The next rows of the group's table: one for each of the labels that are read. */
static enum status fill(void *context, struct duck_sheet *sheet, size_t *count, struct error *err)
{
    struct reading *reading = context;
    struct training *training = reading->training;
    uint64_t total = training->labels.rows_count * training->plan.groups_count;
    const struct duck_rows *rows;
    *count = 0;
    enum status status = duck_reader_next(reading->labels, &rows, err);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < duck_rows_count(rows); i++) {
        if (i % CHECK_ROWS == 0)
            status = export_job_check(training->job, err);
        if (status != STATUS_OK)
            break;
        arena_reset(training->row_arena);
        struct value row = duck_value(rows, LABEL_ROW, i, training->row_arena);
        reading->index = (uint64_t)row.integer + 1;
        training->cells.start = training->cells.size = 0;
        status = read_row(reading, rows, i, err);
        struct value cells = value_text(buffer_bytes(&training->cells));
        duck_put(sheet, ROW_COLUMN, i, &row);
        duck_put(sheet, CELLS_COLUMN, i, &cells);
        ++*count;
    }
    training->rows_done += *count;
    export_job_tell(training->job, "reading", training->rows_done, total);
    return status;
}

/* Begins to read the labels as the group needs them, by entity and moment. */
static enum status sort_labels(struct reading *reading, struct error *err)
{
    struct training *training = reading->training;
    const struct training_group *group = reading->group;
    struct buffer *sql = &training->sql;
    enum status status = STATUS_OK;
    buffer_append_text(sql, "SELECT ");
    duck_append_name(sql, training->labels.row_name);
    buffer_append_text(sql, ", ");
    labels_append_time(&training->labels, sql);
    for (size_t i = 0; i < group->keys_count && status == STATUS_OK; i++) {
        buffer_append_text(sql, ", ");
        status =
            labels_append_key(&training->labels, group->keys[i], group->key_types[i], sql, err);
    }
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < group->views_count; i++) {
        const struct view_definition *view = group->views[i].target.view;
        for (size_t j = 0; j < view->request_count; j++) {
            buffer_append_text(sql, ", ");
            labels_append_value(&training->labels, view->request[j].name, sql);
        }
    }
    buffer_append_text(sql, " FROM " LABELS_TABLE " ORDER BY ");
    for (size_t i = 0; i < group->keys_count; i++)
        buffer_format(sql, "%zu, ", LABEL_KEYS + i + 1);
    buffer_format(sql, "%d", LABEL_TIME + 1);
    buffer_append_byte(sql, '\0');
    status = duck_query(training->duck, buffer_bytes(sql).data, &reading->labels, err);
    sql->start = sql->size = 0;
    return status;
}

static void open_views(struct training *training, struct training_group *group)
{
    for (size_t i = 0; i < group->views_count; i++) {
        const struct moments_question question = {.target = &group->views[i].target,
                                                  .features = group->views[i].features,
                                                  .features_count = group->views[i].features_count,
                                                  .is_exclusive = training->spec->is_exclusive};
        group->views[i].moments = moments_open(training->query, &question);
    }
}

/* Reads the group into a table of that number, in the labels' order. */
static enum status read_group(struct training *training, size_t number, struct error *err)
{
    struct reading reading = {.training = training, .group = &training->plan.groups[number]};
    static const struct duck_column columns[GROUP_COLUMNS] = {
        [ROW_COLUMN] = {.name = "row", .type = {.kind = VALUE_INT}},
        [CELLS_COLUMN] = {.name = "cells", .type = {.kind = VALUE_STRING}, .is_bytes = true}};
    const struct duck_source source = {.name =
                                           arena_format(training->arena, "read_%zu", number).data,
                                       .columns = columns,
                                       .columns_count = GROUP_COLUMNS,
                                       .fill = fill,
                                       .context = &reading};
    export_job_tell(training->job, "sorting", 0, training->labels.rows_count);
    enum status status = duck_add_source(training->duck, &source, err);
    if (status == STATUS_OK)
        status = sort_labels(&reading, err);
    if (status == STATUS_OK) {
        open_views(training, reading.group);
        buffer_format(&training->sql, "CREATE TABLE group_%zu AS SELECT * FROM %s() ORDER BY row",
                      number, source.name);
        status = run_sql(training, err);
    }
    for (size_t i = 0; i < reading.group->views_count; i++)
        moments_close(&reading.group->views[i].moments);
    duck_reader_close(&reading.labels);
    return status;
}

/* ---- unpacking ---- */

/* A group's table while it is read again, in the labels' order. */
struct unpacking {
    struct duck_reader *reader; /* owned */
    const struct duck_rows *rows;
    size_t next;       /* of rows */
    size_t rows_count; /* of rows; 0: none were read yet */
    size_t *columns;   /* of each place, among those of the set */
};

struct unpackings {
    struct training *training;
    struct unpacking *groups;
    uint64_t rows_done;
};

/* The bytes of the group's next row. NOT_FOUND: no more. */
static enum status next_cells(struct unpacking *unpacking, struct bytes *cells, struct error *err)
{
    if (unpacking->next == unpacking->rows_count) {
        enum status status = duck_reader_next(unpacking->reader, &unpacking->rows, err);
        if (status != STATUS_OK)
            return status;
        unpacking->next = 0;
        unpacking->rows_count = duck_rows_count(unpacking->rows);
    }
    *cells = duck_bytes(unpacking->rows, 0, unpacking->next++);
    return STATUS_OK;
}

static enum status unpack_row(struct unpackings *all, size_t group, struct duck_sheet *sheet,
                              size_t i, struct error *err)
{
    struct training *training = all->training;
    struct unpacking *unpacking = &all->groups[group];
    size_t stride = 1 + (size_t)training->spec->has_statuses;
    struct bytes rest;
    enum status status = next_cells(unpacking, &rest, err);
    for (size_t j = 0; j < training->plan.groups[group].values_count && status == STATUS_OK; j++) {
        struct cell cell;
        size_t column = unpacking->columns[j] * stride;
        if (!cells_take(&rest, training->row_arena, &cell))
            return error_set(err, STATUS_CORRUPT, "what was sorted is not what was read");
        duck_put(sheet, column, i, &cell.value);
        if (stride == 1)
            continue;
        struct value name = value_text(bytes_of_text(feature_status_name(cell.status)));
        duck_put(sheet, column + 1, i, &name);
    }
    return status;
}

/* The next rows of all groups, side by side. */
static enum status unpack(void *context, struct duck_sheet *sheet, size_t *count, struct error *err)
{
    struct unpackings *all = context;
    struct training *training = all->training;
    uint64_t total = training->labels.rows_count;
    enum status status = export_job_check(training->job, err);
    for (*count = 0; *count < DUCK_ROWS_MAX && status == STATUS_OK && all->rows_done < total;
         ++*count, all->rows_done++) {
        arena_reset(training->row_arena);
        for (size_t i = 0; i < training->plan.groups_count && status == STATUS_OK; i++)
            status = unpack_row(all, i, sheet, *count, err);
    }
    export_job_tell(training->job, "writing", all->rows_done, total);
    return status == STATUS_NOT_FOUND
               ? error_set(err, STATUS_CORRUPT, "what was sorted has fewer rows than was read")
               : status;
}

/* The columns of the set, with statuses if asked: "c0", ... */
static const struct duck_column *set_columns(const struct training *training, size_t *count)
{
    const struct training_plan *plan = &training->plan;
    size_t stride = 1 + (size_t)training->spec->has_statuses;
    *count = plan->columns_count * stride;
    struct duck_column *columns = ARENA_NEW_ARRAY(training->arena, *count, struct duck_column);
    for (size_t i = 0; i < *count; i++)
        columns[i] =
            (struct duck_column){.name = arena_format(training->arena, "c%zu", i).data,
                                 .type = i % stride == 0 ? plan->columns[i / stride].feature->type
                                                         : (struct type){.kind = VALUE_STRING}};
    return columns;
}

static enum status open_unpacking(struct unpackings *all, size_t number, struct error *err)
{
    struct training *training = all->training;
    const struct training_plan *plan = &training->plan;
    struct unpacking *unpacking = &all->groups[number];
    unpacking->columns =
        ARENA_NEW_ARRAY(training->arena, plan->groups[number].values_count, size_t);
    for (size_t i = 0; i < plan->columns_count; i++)
        if (plan->columns[i].group == number)
            unpacking->columns[plan->columns[i].place] = i;
    struct bytes sql = arena_format(training->arena, "SELECT cells FROM group_%zu", number);
    return duck_query(training->duck, sql.data, &unpacking->reader, err);
}

/* Makes the function unpacked() of SQL, once: all features of all rows. */
static enum status open_unpackings(struct unpackings *all, struct error *err)
{
    struct training *training = all->training;
    size_t groups_count = training->plan.groups_count;
    struct duck_source source = {.name = "unpacked", .fill = unpack, .context = all};
    source.columns = set_columns(training, &source.columns_count);
    all->groups = ARENA_NEW_ARRAY(training->arena, groups_count, struct unpacking);
    memset(all->groups, 0, groups_count * sizeof(*all->groups));
    enum status status = duck_add_source(training->duck, &source, err);
    for (size_t i = 0; i < groups_count && status == STATUS_OK; i++)
        status = open_unpacking(all, i, err);
    return status;
}

static void close_unpackings(struct unpackings *all)
{
    for (size_t i = 0; all->groups != NULL && i < all->training->plan.groups_count; i++)
        duck_reader_close(&all->groups[i].reader);
}

/* ---- writing ---- */

/* The definitions that the features are of, so that a file can say what it holds. */
static void append_metadata(const struct training *training, struct buffer *sql)
{
    struct buffer json = {0};
    buffer_append_byte(&json, '[');
    for (size_t i = 0; i < training->plan.columns_count; i++) {
        const struct training_column *column = &training->plan.columns[i];
        buffer_append_text(&json, i == 0 ? "{\"column\":" : ",{\"column\":");
        json_append_string(&json, column->name);
        buffer_format(&json, ",\"feature\":\"%.*s@%u.%.*s\"}", BYTES_ARGS(column->view->name),
                      column->view->version, BYTES_ARGS(column->feature->name));
    }
    buffer_append_byte(&json, ']');
    buffer_append_text(sql, ", KV_METADATA {asof_features: ");
    duck_append_text(sql, buffer_bytes(&json));
    buffer_format(sql, ", asof_exclusive: '%s'}", training->spec->is_exclusive ? "true" : "false");
    buffer_fini(&json);
}

static void append_options(const struct training *training, struct buffer *sql)
{
    static const char *const formats[] = {
        [EXPORT_PARQUET] = "FORMAT parquet, COMPRESSION zstd",
        [EXPORT_CSV] = "FORMAT csv, HEADER",
        [EXPORT_NDJSON] = "FORMAT json",
    };
    size_t stride = 1 + (size_t)training->spec->has_statuses;
    buffer_append_text(sql, " (");
    buffer_append_text(sql, formats[training->spec->output.format]);
    buffer_append_text(sql, ", USE_TMP_FILE false");
    if (training->spec->output.format == EXPORT_PARQUET) {
        table_append_sizes(training->labels.columns_count + training->plan.columns_count * stride,
                           sql);
        append_metadata(training, sql);
    }
    buffer_append_byte(sql, ')');
}

/* All columns, in their order. */
static void append_select(const struct training *training, struct buffer *sql)
{
    size_t stride = 1 + (size_t)training->spec->has_statuses;
    buffer_append_text(sql, "SELECT " LABELS_TABLE ".* EXCLUDE (");
    duck_append_name(sql, training->labels.row_name);
    buffer_append_byte(sql, ')');
    for (size_t i = 0; i < training->plan.columns_count; i++) {
        const struct training_column *column = &training->plan.columns[i];
        buffer_format(sql, ", features.c%zu AS ", i * stride);
        duck_append_name(sql, column->name);
        if (stride == 1)
            continue;
        buffer_format(sql, ", features.c%zu AS ", i * stride + 1);
        duck_append_name(sql, training_status_name(column, training->arena));
    }
    buffer_append_text(sql, " FROM " LABELS_TABLE " POSITIONAL JOIN unpacked() AS features");
}

static enum status write_set(struct training *training, const struct place *place,
                             struct error *err)
{
    char path[DUCK_PATH_SIZE];
    struct buffer *sql = &training->sql;
    struct unpackings all = {.training = training};
    enum status status = open_unpackings(&all, err);
    buffer_append_text(sql, "COPY (");
    append_select(training, sql);
    buffer_append_text(sql, ") TO ");
    duck_append_text(sql, bytes_of_text(duck_path(place_descriptor(place), path)));
    append_options(training, sql);
    if (status == STATUS_OK)
        status = run_sql(training, err);
    close_unpackings(&all);
    return status == STATUS_OK ? export_job_finish(training->job, training->labels.rows_count, err)
                               : status;
}

/* ---- the whole ---- */

static void tell_subject(const struct training *training)
{
    struct bytes subject = training->spec->service;
    if (subject.size == 0)
        subject = arena_format(training->arena, "%zu features", training->plan.columns_count);
    export_job_set_subject(training->job, subject);
}

static enum status load_labels(struct training *training, struct error *err)
{
    const struct training_plan *plan = &training->plan;
    struct bytes *keys =
        ARENA_NEW_ARRAY(training->arena, plan->groups_count * ENTITY_KEYS_MAX, struct bytes);
    struct labels_file file = {.descriptor = training->spec->labels,
                               .format = training->spec->labels_format,
                               .time_column = training->spec->time_column,
                               .text_columns = keys};
    for (size_t i = 0; i < plan->groups_count; i++)
        for (size_t j = 0; j < plan->groups[i].keys_count; j++)
            if (plan->groups[i].key_types[j].kind == VALUE_STRING)
                keys[file.text_columns_count++] = plan->groups[i].keys[j];
    export_job_tell(training->job, "sorting", 0, 0);
    enum status status =
        labels_load(&training->labels, training->duck, &file, training->arena, err);
    return status == STATUS_OK ? training_plan_name(&training->plan, training->spec,
                                                    &training->labels, training->arena, err)
                               : status;
}

/* Once all is read: what was read was all there to the end, and the state of storage is no longer
 * needed. */
static enum status end_reading(struct training *training, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < training->plan.groups_count; i++) {
        const struct training_group *group = &training->plan.groups[i];
        for (size_t j = 0; j < group->views_count && status == STATUS_OK; j++)
            status = export_job_check_version(training->job, &group->views[j].target, err);
    }
    export_job_end_query(training->job);
    return status;
}

static enum status make_set(struct training *training, struct error *err)
{
    struct place *place;
    const int labels = training->spec->labels;
    export_job_limit_memory(training->job, training->spec->memory_bytes);
    enum status status = export_job_place(training->job, &training->spec->output, &place, err);
    if (status != STATUS_OK)
        return status;
    const int files[] = {labels, place_descriptor(place)};
    status = export_job_duck(training->job, files, sizeof(files) / sizeof(files[0]), NULL, 0,
                             &training->duck, err);
    if (status == STATUS_OK)
        status = load_labels(training, err);
    for (size_t i = 0; i < training->plan.groups_count && status == STATUS_OK; i++)
        status = read_group(training, i, err);
    if (status == STATUS_OK)
        status = end_reading(training, err);
    return status == STATUS_OK ? write_set(training, place, err) : status;
}

enum status training_run(struct export_job *job, struct error *err)
{
    struct training training = {.job = job,
                                .spec = export_job_spec(job),
                                .arena = export_job_arena(job),
                                .row_arena = arena_create(ROW_ARENA_SIZE)};
    enum status status = export_job_query(job, &training.query, err);
    if (status == STATUS_OK)
        status =
            training_plan_make(&training.plan, training.query, training.spec, training.arena, err);
    if (status == STATUS_OK) {
        tell_subject(&training);
        status = make_set(&training, err);
    }
    buffer_fini(&training.sql);
    buffer_fini(&training.entity);
    buffer_fini(&training.cells);
    arena_destroy(&training.row_arena);
    return status;
}
