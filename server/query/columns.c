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

enum { ROWS_AT_A_TIME = 16 }; /* whose memory is fetched ahead; patience is asked between them */

/* A group of the plan that is being read. */
struct group {
    const struct columns_group *plan;
    struct target target;
    struct columns_view *view;
    int64_t *now_us; /* the T of all rows, where none was asked */
};

struct reading {
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
    struct buffer key; /* owned: of the entity being encoded */
};

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
        if (!bytes_are_utf8(value.text))
            return error_set(err, STATUS_INVALID, "key '%.*s' of row %zu is not valid UTF-8",
                             BYTES_ARGS(field->name), row);
    }
    entity_append_value(&value, out);
    return STATUS_OK;
}

/* The encoded entity of the row, in scratch. */
static enum status reading_encode(struct reading *reading, const struct group *group, size_t row,
                                  struct bytes *entity, struct error *err)
{
    const struct view_definition *view = group->target.view;
    struct buffer *key = &reading->key;
    enum status status = STATUS_OK;
    key->start = key->size = 0;
    for (size_t i = 0; i < view->keys_count && status == STATUS_OK; i++)
        status = key_append(&view->fields[view->key_fields[i]],
                            &reading->question->keys[group->plan->keys[i]], row, key, err);
    if (status == STATUS_OK && key->size > ENTITY_SIZE_MAX)
        status = error_set(err, STATUS_LIMIT, "row %zu: an entity has at most %d bytes", row,
                           ENTITY_SIZE_MAX);
    if (status == STATUS_OK)
        *entity = arena_copy(reading->scratch, buffer_bytes(key));
    return status;
}

/* ---- values ---- */

/* Copies a value out of scratch. Items of lists are no lists. */
static struct value reading_copy(struct reading *reading, const struct value *value)
{
    struct value copy = *value;
    if (value->kind == VALUE_STRING) {
        copy.text = arena_copy(reading->arena, value->text);
        reading->size_bytes += value->text.size;
    }
    return copy;
}

static struct value reading_copy_list(struct reading *reading, const struct value *value)
{
    struct value copy = *value;
    struct value *items = ARENA_NEW_ARRAY(reading->arena, value->list.count, struct value);
    for (size_t i = 0; i < value->list.count; i++)
        items[i] = reading_copy(reading, &value->list.items[i]);
    copy.list.items = items;
    reading->size_bytes += value->list.count * sizeof(*items);
    return copy;
}

static enum status reading_check_size(const struct reading *reading, struct error *err)
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

static struct column *group_column(const struct reading *reading, const struct group *group,
                                   size_t i)
{
    return &reading->columns[group->plan->columns[i]];
}

static enum status refuse_text(const struct column *column, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, "a finished row of '%.*s' is not of its types",
                     BYTES_ARGS(column->view));
}

/* What a cell of a finished row says at that T. */
static bool cell_value(const struct hot_cell *cell, struct type type, int64_t counted_us,
                       struct value *value)
{
    *value = value_null();
    if (cell->is_relative)
        *value = relative_value(cell->base_us, counted_us);
    else if (cell->has_text)
        return value_parse_text(cell->text, type, value);
    return true;
}

/* Of a finished row. AGAIN: it does not know all that is asked. */
static enum status read_row_cells(struct reading *reading, const struct group *group,
                                  const struct hot_row *finished, int64_t counted_us, size_t row,
                                  struct error *err)
{
    for (size_t i = 0; i < group->plan->count; i++) {
        struct column *column = group_column(reading, group, i);
        const struct hot_cell cell = hot_row_cell(finished, group->plan->features[i]);
        struct value value;
        if (!cell.is_known)
            return STATUS_AGAIN;
        if (!cell_value(&cell, column->type, counted_us, &value))
            return refuse_text(column, err);
        column->statuses[row] = cell.status;
        column->values[row] = value.kind == VALUE_STRING ? reading_copy(reading, &value) : value;
    }
    reading->rows_hit++;
    return reading_check_size(reading, err);
}

/* By way of finished rows. */
static enum status read_row_texts(struct reading *reading, const struct group *group,
                                  const struct target *target, struct moment moment, size_t row,
                                  struct error *err)
{
    struct text_answer answer;
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

static enum status read_row_values(struct reading *reading, const struct group *group,
                                   const struct target *target, struct moment moment, size_t row,
                                   struct error *err)
{
    struct answer answer;
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
static enum status read_row_now(struct reading *reading, const struct group *group,
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

/* Reads rows from first on, at most ROWS_AT_A_TIME of them: first the memory of all is fetched. */
static enum status read_some_rows(struct reading *reading, const struct group *group, size_t first,
                                  size_t count, struct error *err)
{
    struct target targets[ROWS_AT_A_TIME];
    uint64_t places[ROWS_AT_A_TIME];
    bool is_derived = group->target.plan == NULL;
    bool is_fetched = reading->question->at_count == 0 && !group->plan->is_typed && !is_derived;
    enum status status = STATUS_OK;
    arena_reset(reading->scratch);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        targets[i] = group->target;
        status = reading_encode(reading, group, first + i, &targets[i].entity, err);
        if (status == STATUS_OK && is_fetched)
            places[i] = query_prefetch_place(reading->query, &targets[i]);
    }
    for (size_t i = 0; i < count && status == STATUS_OK && is_fetched; i++)
        query_prefetch_row(reading->query, places[i]);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct moment moment = moment_of(reading->question, first + i);
        if (is_fetched)
            status = read_row_now(reading, group, &targets[i], places[i], first + i, err);
        else if (group->plan->is_typed || !moment.is_now)
            status = read_row_values(reading, group, &targets[i], moment, first + i, err);
        else
            status = read_row_texts(reading, group, &targets[i], moment, first + i, err);
    }
    return status;
}

static enum status read_group(struct reading *reading, const struct group *group,
                              const struct columns_patience *patience, struct error *err)
{
    enum status status = STATUS_OK;
    size_t rows = reading->question->rows_count;
    for (size_t row = 0; row < rows && status == STATUS_OK; row += ROWS_AT_A_TIME) {
        size_t count = rows - row < ROWS_AT_A_TIME ? rows - row : ROWS_AT_A_TIME;
        if (!patience->may_go_on(patience->context))
            return STATUS_CANCELLED;
        status = read_some_rows(reading, group, row, count, err);
    }
    return status;
}

/* ---- the whole ---- */

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
    for (size_t i = 0; i < question->at_count; i++)
        if (!time_is_valid(question->at_us[i]))
            return error_set(err, STATUS_INVALID,
                             "at_us is microseconds since 1970, in the years 1 to 9999, got %lld",
                             (long long)question->at_us[i]);
    return STATUS_OK;
}

/* Makes room for what the plan reads. */
static enum status reading_start(struct reading *reading, const struct columns_plan *plan,
                                 struct error *err)
{
    size_t rows = reading->question->rows_count;
    size_t count = plan->columns_count;
    if (count * rows > COLUMNS_CELLS_MAX)
        return error_set(err, STATUS_LIMIT, "an answer has at most %d values, asked for %zu",
                         COLUMNS_CELLS_MAX, count * rows);
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
    return STATUS_OK;
}

static struct columns_view *reading_make_views(struct reading *reading)
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
static enum status read_groups(struct reading *reading, bool with_snapshot,
                               const struct columns_patience *patience,
                               const struct columns_view **views, struct error *err)
{
    enum status status = STATUS_OK;
    reading->size_bytes = 0;
    query_pin(reading->query, with_snapshot);
    *views = reading_make_views(reading);
    for (size_t i = 0; i < reading->groups_count && status == STATUS_OK; i++)
        status = read_group(reading, &reading->groups[i], patience, err);
    query_unpin(reading->query);
    return status;
}

static bool reading_has_derived(const struct reading *reading)
{
    bool has_derived = false;
    for (size_t i = 0; i < reading->groups_count; i++)
        has_derived |= view_kind_is_derived(reading->groups[i].target.view->kind);
    return has_derived;
}

/* A derived view reads several in one state: where a write came in between, all is read again. */
enum status query_read_columns(struct query *query, const struct columns_question *question,
                               const struct columns_patience *patience, struct arena *arena,
                               struct arena *scratch, struct columns *columns, struct error *err)
{
    struct reading reading = {
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
    status = read_groups(&reading, false, patience, &views, err);
    bool is_one_state = changes % 2 == 0 && changes == query_storage_changes(query);
    if (status == STATUS_OK && !is_one_state && reading_has_derived(&reading))
        status = read_groups(&reading, true, patience, &views, err);
    buffer_fini(&reading.key);
    query_count_rows(query, reading.rows_hit);
    *columns = (struct columns){.rows_count = question->rows_count,
                                .columns = reading.columns,
                                .columns_count = reading.columns_count,
                                .views = views,
                                .views_count = reading.groups_count};
    return status;
}
