/* How a question of many rows is answered: its features are grouped by the version of the view that
 * they are of; each group reads all rows, a few at a time, and puts what it read into the columns.
 */
#include "query/columns.h"

#include "base/check.h"
#include "base/number.h"
#include "base/time_text.h"
#include "features/features.h"
#include "model/entity.h"
#include "query/columns_plan.h"
#include "query/query_room.h"
#include "storage/hot_value.h"

enum {
    ROWS_AT_A_TIME = 16, /* whose memory is fetched ahead */
    /* Values that are read by those who may not wait: more take longer than a turn of a loop,
     * though all are in memory, and what was read till then would be read again. */
    CELLS_AT_ONCE = 100 * 1000,
};

/* A group of the plan that is being read. */
struct group {
    const struct columns_group *plan;
    struct target target;
    struct columns_view *view;
    int64_t *now_us;                     /* the T of all rows, where none was asked */
    const struct value_column **request; /* those columns that it takes */
    size_t request_count;
};

struct columns_reading {
    struct query *query;
    const struct columns_question *question;
    struct arena *arena;
    struct arena *scratch; /* of a few rows */
    struct column *columns;
    size_t columns_count;
    struct group *groups;
    size_t groups_count;
    size_t size_bytes; /* of texts so far */
    size_t rows_hit;   /* that finished rows answered */
};

/* Rows that are read together. */
struct rows {
    size_t first;
    size_t count;
    struct bytes entities[ROWS_AT_A_TIME]; /* encoded, of the group that is read */
};

/* ---- request values ---- */

/* Finds which columns each group takes. */
static enum status reading_find_request(struct columns_reading *reading, struct error *err)
{
    const struct columns_question *question = reading->question;
    for (size_t i = 0; i < question->request_count; i++) {
        const struct value_column *column = &question->request[i];
        bool is_taken = false;
        for (size_t j = 0; j < reading->groups_count; j++) {
            struct group *group = &reading->groups[j];
            if (!query_takes_request(&group->target, column->name))
                continue;
            if (group->request == NULL)
                group->request = (const struct value_column **)arena_allocate_array(
                    reading->arena, question->request_count, sizeof(struct value_column *));
            group->request[group->request_count++] = column;
            is_taken = true;
        }
        char shown[NAME_SIZE_MAX + 1];
        if (!is_taken)
            return error_set(err, STATUS_INVALID,
                             "nothing that is asked takes a request value '%s'",
                             bytes_to_text(column->name, shown, sizeof(shown)));
    }
    return STATUS_OK;
}

/* Gives the row its values, in scratch. */
static enum status group_set_request(struct columns_reading *reading, const struct group *group,
                                     struct target *target, size_t row, struct error *err)
{
    struct bytes names[COLUMNS_REQUEST_MAX];
    struct bytes texts[COLUMNS_REQUEST_MAX];
    char numbers[COLUMNS_REQUEST_MAX][NUMBER_TEXT_SIZE];
    size_t count = 0;
    if (group->request_count == 0)
        return STATUS_OK;
    for (size_t i = 0; i < group->request_count; i++) {
        const struct value_column *column = group->request[i];
        names[count] = column->name;
        count += value_column_text(column, row, numbers[count], &texts[count]);
    }
    enum status status = query_set_request(target, names, texts, count, reading->scratch, err);
    return status == STATUS_OK ? STATUS_OK : error_prefix(err, status, "row %zu", row);
}

/* ---- entities ---- */

static enum status key_append(const struct field_definition *field, const struct key_column *column,
                              size_t row, struct buffer *out, struct error *err)
{
    char text[NUMBER_TEXT_SIZE];
    struct value value = {.kind = field->type.kind};
    if (field->type.kind == VALUE_INT && column->ints != NULL) {
        value.integer = column->ints[row];
    } else if (field->type.kind == VALUE_INT) {
        char shown[NAME_SIZE_MAX];
        if (number_parse_int(column->strings[row], &value.integer) != NUMBER_OK)
            return error_set(err, STATUS_INVALID, "key '%.*s' of row %zu is an int, got '%s'",
                             BYTES_ARGS(field->name), row,
                             bytes_to_text(column->strings[row], shown, sizeof(shown)));
    } else if (column->ints != NULL) {
        value.text = bytes_of(text, number_format_int(column->ints[row], text));
    } else {
        value.text = column->strings[row];
        if (entity_put_plain(value.text, buffer_reserve(out, value.text.size + ENTITY_END_SIZE))) {
            buffer_added(out, value.text.size + ENTITY_END_SIZE);
            return STATUS_OK;
        }
        if (!bytes_are_utf8(value.text))
            return error_set(err, STATUS_INVALID, "key '%.*s' of row %zu is not valid UTF-8",
                             BYTES_ARGS(field->name), row);
    }
    entity_append_value(&value, out);
    return STATUS_OK;
}

/* Appends the encoded entity of the row. */
static enum status row_encode(const struct columns_reading *reading, const struct group *group,
                              size_t row, struct buffer *out, struct error *err)
{
    const struct view_definition *view = group->target.view;
    size_t begin = out->size;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < view->keys_count && status == STATUS_OK; i++)
        status = key_append(&view->fields[view->key_fields[i]],
                            &reading->question->keys[group->plan->keys[i]], row, out, err);
    if (status == STATUS_OK && out->size - begin > ENTITY_SIZE_MAX)
        status = error_set(err, STATUS_LIMIT, "row %zu: an entity has at most %d bytes", row,
                           ENTITY_SIZE_MAX);
    return status;
}

/* The encoded entities of these rows; borrowed until the next are made. */
static enum status rows_encode(struct columns_reading *reading, const struct group *group,
                               struct rows *rows, struct error *err)
{
    struct buffer *out = &reading->query->key;
    size_t ends[ROWS_AT_A_TIME];
    enum status status = STATUS_OK;
    out->start = out->size = 0;
    for (size_t i = 0; i < rows->count && status == STATUS_OK; i++) {
        status = row_encode(reading, group, rows->first + i, out, err);
        ends[i] = out->size;
    }
    for (size_t i = 0, begin = 0; i < rows->count && status == STATUS_OK; begin = ends[i++])
        rows->entities[i] = bytes_of(out->memory + begin, ends[i] - begin);
    return status;
}

/* ---- values ---- */

/* Copies a value out of scratch. Items of lists are no lists. */
static struct value reading_copy(struct columns_reading *reading, const struct value *value)
{
    struct value copy = *value;
    if (value->kind == VALUE_STRING) {
        copy.text = arena_copy(reading->arena, value->text);
        reading->size_bytes += value->text.size;
    }
    return copy;
}

static struct value reading_copy_list(struct columns_reading *reading, const struct value *value)
{
    struct value copy = *value;
    struct value *items = ARENA_NEW_ARRAY(reading->arena, value->list.count, struct value);
    for (size_t i = 0; i < value->list.count; i++)
        items[i] = reading_copy(reading, &value->list.items[i]);
    copy.list.items = items;
    reading->size_bytes += value->list.count * sizeof(*items);
    return copy;
}

static enum status reading_check_size(const struct columns_reading *reading, struct error *err)
{
    if (reading->size_bytes <= COLUMNS_SIZE_MAX)
        return STATUS_OK;
    return error_set(err, STATUS_LIMIT,
                     "the values of this answer are larger than %d MiB; ask for "
                     "fewer",
                     COLUMNS_SIZE_MAX >> 20);
}

/* Now of a derived view is the latest of what it reads, which an answer tells. */
static void group_note_row(const struct group *group, size_t row, int64_t t_us, bool is_found,
                           int64_t event_time_us)
{
    *group->now_us = t_us;
    if (group->view->event_times_us != NULL)
        group->view->event_times_us[row] = is_found ? event_time_us : COLUMNS_NO_EVENT_TIME;
}

static struct column *group_column(const struct columns_reading *reading, const struct group *group,
                                   size_t i)
{
    return &reading->columns[group->plan->columns[i]];
}

static enum status refuse_text(const struct column *column, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, "a finished row of '%.*s' is not of its types",
                     BYTES_ARGS(column->view));
}

/* Of a finished row. AGAIN: it does not know all that is asked. */
static enum status read_row_cells(struct columns_reading *reading, const struct group *group,
                                  const struct hot_row *finished, int64_t counted_us, size_t row,
                                  struct error *err)
{
    for (size_t i = 0; i < group->plan->count; i++) {
        struct column *column = group_column(reading, group, i);
        const struct hot_cell cell = hot_row_cell(finished, group->plan->features[i]);
        struct value *value = &column->values[row];
        if (!cell.is_known)
            return STATUS_AGAIN;
        if (!hot_cell_value(&cell, column->type, counted_us, value))
            return refuse_text(column, err);
        column->statuses[row] = cell.status;
        if (value->kind == VALUE_STRING)
            *value = reading_copy(reading, value);
    }
    reading->rows_hit++;
    return reading_check_size(reading, err);
}

/* By way of finished rows. */
static enum status read_row_texts(struct columns_reading *reading, const struct group *group,
                                  const struct target *target, struct moment moment, size_t row,
                                  struct error *err)
{
    struct text_answer answer;
    if (!query_may_go_on(reading->query))
        return STATUS_CANCELLED;
    enum status status =
        query_read_texts(reading->query, target, group->plan->features, group->plan->count, moment,
                         reading->scratch, &answer, err);
    for (size_t i = 0; i < group->plan->count && status == STATUS_OK; i++) {
        struct column *column = group_column(reading, group, i);
        struct value value = value_null();
        if (answer.texts[i].data != NULL &&
            !value_parse_text(answer.texts[i], column->type, &value))
            status = refuse_text(column, err);
        column->statuses[row] = answer.statuses[i];
        column->values[row] = reading_copy(reading, &value);
    }
    if (status == STATUS_OK)
        group_note_row(group, row, answer.t_us, answer.is_found, answer.event_time_us);
    return status == STATUS_OK ? reading_check_size(reading, err) : status;
}

static enum status read_row_values(struct columns_reading *reading, const struct group *group,
                                   const struct target *target, struct moment moment, size_t row,
                                   struct error *err)
{
    struct answer answer;
    if (!query_may_go_on(reading->query))
        return STATUS_CANCELLED;
    enum status status = query_read(reading->query, target, group->plan->features,
                                    group->plan->count, moment, reading->scratch, &answer, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < group->plan->count; i++) {
        const struct value *value = &answer.values[i];
        struct column *column = group_column(reading, group, i);
        column->statuses[row] = answer.statuses[i];
        column->values[row] = value->kind == VALUE_LIST ? reading_copy_list(reading, value)
                                                        : reading_copy(reading, value);
    }
    group_note_row(group, row, answer.t_us, answer.is_found, answer.event_time_us);
    return reading_check_size(reading, err);
}

/* ---- rows ---- */

static struct moment moment_of(const struct columns_question *question, size_t row)
{
    struct moment moment = {.is_now = question->at_count == 0,
                            .is_exclusive = question->is_exclusive};
    if (question->at_count > 0)
        moment.t_us = question->at_us[question->at_count == 1 ? 0 : row];
    return moment;
}

/* Reads as of now, by the finished row at that place if there is one. */
static enum status read_row_now(struct columns_reading *reading, const struct group *group,
                                const struct target *target, uint64_t place, size_t row,
                                struct error *err)
{
    const struct moment moment = moment_of(reading->question, row);
    int64_t now_us = *group->now_us;
    int64_t counted_us = now_us - moment.is_exclusive;
    const struct hot_row *finished = query_peek_row(reading->query, target, place, counted_us);
    enum status status = STATUS_AGAIN;
    if (finished != NULL)
        status = read_row_cells(reading, group, finished, counted_us, row, err);
    if (status == STATUS_AGAIN)
        return read_row_texts(reading, group, target, moment, row, err);
    if (status == STATUS_OK)
        group_note_row(group, row, now_us, finished->is_found, finished->event_time_us);
    return status;
}

/* Reads a group's rows: first the memory of all is fetched. */
static enum status read_group(struct columns_reading *reading, const struct group *group,
                              const struct rows *rows, struct error *err)
{
    struct target target = group->target;
    uint64_t places[ROWS_AT_A_TIME];
    bool is_derived = target.plan == NULL;
    bool is_fetched = reading->question->at_count == 0 && !group->plan->is_typed && !is_derived;
    enum status status = STATUS_OK;
    arena_reset(reading->scratch);
    for (size_t i = 0; i < rows->count && is_fetched; i++) {
        target.entity = rows->entities[i];
        places[i] = query_prefetch_place(reading->query, &target);
    }
    for (size_t i = 0; i < rows->count && is_fetched; i++)
        query_prefetch_row(reading->query, places[i]);
    for (size_t i = 0; i < rows->count && status == STATUS_OK; i++) {
        size_t row = rows->first + i;
        struct moment moment = moment_of(reading->question, row);
        target.entity = rows->entities[i];
        target.request = NULL;
        status = group_set_request(reading, group, &target, row, err);
        if (status != STATUS_OK)
            break;
        if (is_fetched)
            status = read_row_now(reading, group, &target, places[i], row, err);
        else if (group->plan->is_typed || !moment.is_now)
            status = read_row_values(reading, group, &target, moment, row, err);
        else
            status = read_row_texts(reading, group, &target, moment, row, err);
    }
    return status;
}

/* Reads some rows of all groups. */
static enum status read_rows(struct columns_reading *reading, struct rows *rows, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < reading->groups_count && status == STATUS_OK; i++) {
        const struct group *group = &reading->groups[i];
        if (!query_may_go_on(reading->query))
            return STATUS_CANCELLED;
        if (!group->plan->has_last_entity)
            status = rows_encode(reading, group, rows, err);
        if (status == STATUS_OK)
            status = read_group(reading, group, rows, err);
    }
    return status;
}

/* ---- the whole ---- */

static enum status refuse_twice(const char *what, struct bytes name, struct error *err)
{
    char shown[NAME_SIZE_MAX + 1];
    return error_set(err, STATUS_INVALID, "%s column '%s' stands twice", what,
                     bytes_to_text(name, shown, sizeof(shown)));
}

/* A second column of one name would be ignored, or be taken in place of the first. */
static enum status check_names(const struct columns_question *question, struct error *err)
{
    for (size_t i = 1; i < question->keys_count; i++)
        for (size_t j = 0; j < i; j++)
            if (bytes_equal(question->keys[i].name, question->keys[j].name))
                return refuse_twice("key", question->keys[i].name, err);
    for (size_t i = 1; i < question->request_count; i++)
        for (size_t j = 0; j < i; j++)
            if (bytes_equal(question->request[i].name, question->request[j].name))
                return refuse_twice("request", question->request[i].name, err);
    return STATUS_OK;
}

enum status query_check_columns(const struct columns_question *question, size_t rows_max,
                                struct error *err)
{
    if (question->features_count == 0)
        return error_set(err, STATUS_INVALID, "the request names no feature");
    if (question->features_count > COLUMNS_FEATURES_MAX)
        return error_set(err, STATUS_LIMIT, "a request names at most %d features",
                         COLUMNS_FEATURES_MAX);
    if (question->rows_count == 0)
        return error_set(err, STATUS_INVALID, "the request has no entity");
    if (question->rows_count > rows_max)
        return error_set(err, STATUS_LIMIT, "an answer has at most %zu rows, asked for %zu",
                         rows_max, question->rows_count);
    for (size_t i = 0; i < question->keys_count; i++)
        if (question->keys[i].count != question->rows_count)
            return error_set(
                err, STATUS_INVALID, "key column '%.*s' has %zu values, the first has %zu",
                BYTES_ARGS(question->keys[i].name), question->keys[i].count, question->rows_count);
    if (question->at_count > 1 && question->at_count != question->rows_count)
        return error_set(err, STATUS_INVALID,
                         "at_us has %zu values for %zu rows; give none, one, "
                         "or one a row",
                         question->at_count, question->rows_count);
    if (question->request_count > COLUMNS_REQUEST_MAX)
        return error_set(err, STATUS_LIMIT, "a request has at most %d request columns",
                         COLUMNS_REQUEST_MAX);
    for (size_t i = 0; i < question->request_count; i++)
        if (question->request[i].count != 1 && question->request[i].count != question->rows_count)
            return error_set(
                err, STATUS_INVALID,
                "request column '%.*s' has %zu values for %zu rows; give one, or one a "
                "row",
                BYTES_ARGS(question->request[i].name), question->request[i].count,
                question->rows_count);
    for (size_t i = 0; i < question->at_count; i++)
        if (!time_is_valid(question->at_us[i]))
            return error_set(err, STATUS_INVALID,
                             "at_us is microseconds since 1970, in the years 1 to 9999, got %lld",
                             (long long)question->at_us[i]);
    return check_names(question, err);
}

/* Makes room for what the plan reads. */
static enum status reading_start(struct columns_reading *reading, const struct columns_plan *plan,
                                 struct error *err)
{
    size_t rows = reading->question->rows_count;
    size_t count = plan->columns_count;
    if (count * rows > COLUMNS_CELLS_MAX)
        return error_set(err, STATUS_LIMIT, "an answer has at most %d values, asked for %zu",
                         COLUMNS_CELLS_MAX, count * rows);
    if (reading->query->reading.never_waits && count * rows > CELLS_AT_ONCE)
        return STATUS_AGAIN;
    reading->columns = arena_allocate(reading->arena, count * sizeof(*reading->columns));
    reading->columns_count = count;
    struct value *values = arena_allocate(reading->arena, count * rows * sizeof(*values));
    enum feature_status *statuses =
        arena_allocate(reading->arena, count * rows * sizeof(*statuses));
    for (size_t i = 0; i < count; i++) {
        reading->columns[i] = plan->columns[i];
        reading->columns[i].values = values + i * rows;
        reading->columns[i].statuses = statuses + i * rows;
    }
    reading->groups = ARENA_NEW_ARRAY(reading->arena, plan->groups_count, struct group);
    reading->groups_count = plan->groups_count;
    for (size_t i = 0; i < plan->groups_count; i++)
        reading->groups[i] =
            (struct group){.plan = &plan->groups[i], .target = plan->groups[i].target};
    return reading_find_request(reading, err);
}

static struct columns_view *reading_make_views(struct columns_reading *reading)
{
    const struct columns_question *question = reading->question;
    struct columns_view *views =
        ARENA_NEW_ARRAY(reading->arena, reading->groups_count, struct columns_view);
    for (size_t i = 0; i < reading->groups_count; i++) {
        struct group *group = &reading->groups[i];
        int64_t *now_us = arena_allocate(reading->arena, sizeof(*now_us));
        *now_us = query_now_us(reading->query, &group->target);
        views[i] = (struct columns_view){
            .name = group->target.view->name,
            .version = group->target.view->version,
            .at_us = question->at_count > 0 ? question->at_us : now_us,
            .at_count = question->at_count > 0 ? question->at_count : 1,
        };
        if (question->has_event_times)
            views[i].event_times_us =
                ARENA_NEW_ARRAY(reading->arena, question->rows_count, int64_t);
        group->view = &views[i];
        group->now_us = now_us;
    }
    return views;
}

/* Reads all groups with one now, and, with a snapshot, in one state. */
static enum status read_groups(struct columns_reading *reading, bool with_snapshot,
                               const struct columns_view **views, struct error *err)
{
    enum status status = STATUS_OK;
    reading->size_bytes = 0;
    query_pin(reading->query, with_snapshot);
    *views = reading_make_views(reading);
    size_t count = reading->question->rows_count;
    for (size_t row = 0; row < count && status == STATUS_OK; row += ROWS_AT_A_TIME) {
        struct rows rows = {.first = row, .count = count - row};
        if (rows.count > ROWS_AT_A_TIME)
            rows.count = ROWS_AT_A_TIME;
        status = read_rows(reading, &rows, err);
    }
    query_unpin(reading->query);
    return status;
}

static bool reading_has_derived(const struct columns_reading *reading)
{
    bool has_derived = false;
    for (size_t i = 0; i < reading->groups_count; i++)
        has_derived |= view_kind_is_derived(reading->groups[i].target.view->kind);
    return has_derived;
}

/* A derived view reads several in one state: where a write came in between, all is read again. */
enum status query_read_columns(struct query *query, const struct columns_question *question,
                               struct arena *arena, struct arena *scratch, struct columns *columns,
                               struct error *err)
{
    struct columns_reading reading = {
        .query = query, .question = question, .arena = arena, .scratch = scratch};
    const struct columns_view *views = NULL;
    const struct columns_plan *plan = NULL;
    enum status status = query_check_columns(question, COLUMNS_ROWS_MAX, err);
    if (status == STATUS_OK)
        status = columns_plan_find(query, question, &plan, err);
    if (status == STATUS_OK)
        status = reading_start(&reading, plan, err);
    if (status != STATUS_OK)
        return status;
    uint64_t changes = query_storage_changes(query);
    status = read_groups(&reading, false, &views, err);
    bool is_one_state = changes % 2 == 0 && changes == query_storage_changes(query);
    if (status == STATUS_OK && !is_one_state && reading_has_derived(&reading))
        status = read_groups(&reading, true, &views, err);
    query_count_rows(query, reading.rows_hit);
    *columns = (struct columns){.rows_count = question->rows_count,
                                .columns = reading.columns,
                                .columns_count = reading.columns_count,
                                .views = views,
                                .is_without_statuses = question->is_without_statuses,
                                .views_count = reading.groups_count};
    return status;
}
