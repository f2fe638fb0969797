/* The life of a training set: labels are read into a table; for each kind of entity they are sorted by entity and
 * moment, and what the features are there becomes a table of its own, sorted back by row; all tables, side by side,
 * are written. */
#include "export/training.h"

#include "base/check.h"
#include "base/time_text.h"
#include "export/backfill_file.h"
#include "export/export_room.h"
#include "export/labels.h"
#include "export/training_plan.h"
#include "model/entity.h"

enum {
    ROW_ARENA_SIZE = 16 * 1024,
    CHECK_ROWS = 64, /* between two looks at whether to go on */
};

/* A row group is kept until it is written: with DuckDB's 122,880 rows a set of 10 features took 18 MB more, and
 * was no smaller. */
#define ROW_GROUP_ROWS "30720"

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
    struct arena *row_arena;
};

/* A group while it is read. */
struct reading {
    struct training *training;
    struct training_group *group;
    struct duck_reader *labels; /* sorted: row, time, keys, request values */
    uint64_t index;             /* of the row at hand, from 1 */
};

/* What is in front of the values, in the table of a group; and of the keys, in the labels as they are read. */
enum { ROW_COLUMN, COLUMNS_BEFORE_VALUES };
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
        return error_set(err, STATUS_LIMIT, "row %llu of the labels: an entity has at most %d bytes",
                         (unsigned long long)reading->index, ENTITY_SIZE_MAX);
    return STATUS_OK;
}

static void put_value(const struct training *training, struct duck_sheet *sheet, size_t place,
                      size_t i, const struct value *value, enum feature_status status)
{
    bool has_statuses = training->spec->has_statuses;
    size_t column = COLUMNS_BEFORE_VALUES + place * (1 + (size_t)has_statuses);
    duck_put(sheet, column, i, value);
    if (!has_statuses)
        return;
    struct value name = value_text(bytes_of_text(feature_status_name(status)));
    duck_put(sheet, column + 1, i, &name);
}

static void put_nothing(const struct reading *reading, struct duck_sheet *sheet, size_t i)
{
    struct value null = value_null();
    for (size_t j = 0; j < reading->group->values_count; j++)
        put_value(reading->training, sheet, j, i, &null, FEATURE_NOT_FOUND);
}

/* The request values of an on-demand view, which are to be of their types as exactly as those of a read. */
static enum status take_request(const struct reading *reading, const struct training_view *view,
                                const struct duck_rows *rows, size_t i,
                                const struct request **out, struct error *err)
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

static enum status put_row(struct reading *reading, const struct duck_rows *rows, size_t i,
                           struct duck_sheet *sheet, struct error *err)
{
    struct training *training = reading->training;
    int64_t t_us = 0;
    enum status status = take_time(reading, rows, i, &t_us, err);
    if (status != STATUS_OK)
        return status;
    status = take_entity(reading, rows, i, err);
    if (status == STATUS_NOT_FOUND) {
        put_nothing(reading, sheet, i);
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
        for (size_t k = 0; k < view->features_count && status == STATUS_OK; k++)
            put_value(training, sheet, view->place + k, i, &answer.values[k], answer.statuses[k]);
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
        duck_put(sheet, ROW_COLUMN, i, &row);
        status = put_row(reading, rows, i, sheet, err);
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
        status = labels_append_key(&training->labels, group->keys[i], group->key_types[i], sql,
                                   err);
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

/* The columns of the group's table: the row, then each value, with its status. */
static const struct duck_column *make_columns(const struct training *training, size_t group,
                                              size_t *count)
{
    const struct training_plan *plan = &training->plan;
    size_t stride = 1 + (size_t)training->spec->has_statuses;
    *count = COLUMNS_BEFORE_VALUES + plan->groups[group].values_count * stride;
    struct duck_column *columns = ARENA_NEW_ARRAY(training->arena, *count, struct duck_column);
    columns[ROW_COLUMN] =
        (struct duck_column){.name = "row", .type = {.kind = VALUE_INT}};
    for (size_t i = 0; i < plan->columns_count; i++) {
        const struct training_column *column = &plan->columns[i];
        size_t place = COLUMNS_BEFORE_VALUES + column->place * stride;
        if (column->group != group)
            continue;
        columns[place] = (struct duck_column){
            .name = arena_format(training->arena, "v%zu", column->place).data,
            .type = column->feature->type};
        if (stride > 1)
            columns[place + 1] = (struct duck_column){
                .name = arena_format(training->arena, "s%zu", column->place).data,
                .type = {.kind = VALUE_STRING}};
    }
    return columns;
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
    struct duck_source source = {.name = arena_format(training->arena, "read_%zu", number).data,
                                 .fill = fill,
                                 .context = &reading};
    source.columns = make_columns(training, number, &source.columns_count);
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
    buffer_format(sql, ", asof_exclusive: '%s'}",
                  training->spec->is_exclusive ? "true" : "false");
    buffer_fini(&json);
}

static void append_options(const struct training *training, struct buffer *sql)
{
    static const char *const formats[] = {
        [EXPORT_PARQUET] = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE " ROW_GROUP_ROWS,
        [EXPORT_CSV] = "FORMAT csv, HEADER",
        [EXPORT_NDJSON] = "FORMAT json",
    };
    buffer_append_text(sql, " (");
    buffer_append_text(sql, formats[training->spec->output.format]);
    buffer_append_text(sql, ", USE_TMP_FILE false");
    if (training->spec->output.format == EXPORT_PARQUET)
        append_metadata(training, sql);
    buffer_append_byte(sql, ')');
}

/* All columns, in their order. */
static void append_select(const struct training *training, struct buffer *sql)
{
    buffer_append_text(sql, "SELECT " LABELS_TABLE ".* EXCLUDE (");
    duck_append_name(sql, training->labels.row_name);
    buffer_append_byte(sql, ')');
    for (size_t i = 0; i < training->plan.columns_count; i++) {
        const struct training_column *column = &training->plan.columns[i];
        buffer_format(sql, ", group_%zu.v%zu AS ", column->group, column->place);
        duck_append_name(sql, column->name);
        if (!training->spec->has_statuses)
            continue;
        buffer_format(sql, ", group_%zu.s%zu AS ", column->group, column->place);
        duck_append_name(sql, training_status_name(column, training->arena));
    }
    buffer_append_text(sql, " FROM " LABELS_TABLE);
    for (size_t i = 0; i < training->plan.groups_count; i++)
        buffer_format(sql, " POSITIONAL JOIN group_%zu", i);
}

static enum status write_set(struct training *training, const struct place *place,
                             struct error *err)
{
    char path[DUCK_PATH_SIZE];
    struct buffer *sql = &training->sql;
    export_job_tell(training->job, "writing", 0, training->labels.rows_count);
    buffer_append_text(sql, "COPY (");
    append_select(training, sql);
    buffer_append_text(sql, ") TO ");
    duck_append_text(sql, bytes_of_text(duck_path(place_descriptor(place), path)));
    append_options(training, sql);
    enum status status = run_sql(training, err);
    return status == STATUS_OK
               ? export_job_finish(training->job, training->labels.rows_count, err)
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

/* Once all is read: what was read was all there to the end, and the state of storage is no longer needed. */
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
        status = training_plan_make(&training.plan, training.query, training.spec, training.arena,
                                    err);
    if (status == STATUS_OK) {
        tell_subject(&training);
        status = make_set(&training, err);
    }
    buffer_fini(&training.sql);
    buffer_fini(&training.entity);
    arena_destroy(&training.row_arena);
    return status;
}
