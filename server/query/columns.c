/* How a question of many rows is answered: its features are grouped by the version of the view that
 * they are of; each group reads all rows, a few at a time, and puts what it read into the columns.
 */
#include "query/columns.h"

#include "base/check.h"
#include "base/number.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include "model/entity.h"

enum { ROWS_AT_A_TIME = 16 }; /* whose memory is fetched ahead; patience is asked between them */

/* The features of one version of a view that are read together. */
struct group {
    struct target target;
    const struct key_column *keys[ENTITY_KEYS_MAX]; /* of the entity's keys, in its order */
    size_t count;
    uint32_t *features;      /* indexes into the view's, as they stand in columns */
    struct column **columns; /* their columns */
    bool is_typed;           /* read without finished rows: their texts of lists are JSON */
    struct columns_view *view;
    int64_t *now_us;                     /* the T of all rows, where none was asked */
    const struct value_column **request; /* those columns that it takes */
    size_t request_count;
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
    struct buffer key; /* owned: of the entity being encoded */
};

/* ---- names ---- */

/* A feature as it was typed. */
struct feature_name {
    struct bytes view;
    uint32_t number; /* 0: the active version */
    struct bytes feature;
};

static enum status name_split(struct bytes text, struct feature_name *name, struct error *err)
{
    char shown[2 * NAME_SIZE_MAX];
    const char *dot = text.size == 0 ? NULL : memchr(text.data, '.', text.size);
    if (dot == NULL)
        return error_set(err, STATUS_NOT_FOUND,
                         "no service '%s'; a feature is view.feature or view@2.feature",
                         bytes_to_text(text, shown, sizeof(shown)));
    struct bytes view = bytes_of(text.data, (size_t)(dot - text.data));
    *name = (struct feature_name){.view = view, .feature = bytes_after(text, view.size + 1)};
    const char *at = view.size == 0 ? NULL : memchr(view.data, '@', view.size);
    if (at == NULL)
        return STATUS_OK;
    int64_t number;
    name->view.size = (size_t)(at - view.data);
    if (number_parse_int(bytes_after(view, name->view.size + 1), &number) != NUMBER_OK ||
        number < 1 || number > UINT32_MAX)
        return error_set(err, STATUS_INVALID,
                         "'%s' is no feature: behind @ stands the number of "
                         "a version",
                         bytes_to_text(text, shown, sizeof(shown)));
    name->number = (uint32_t)number;
    return STATUS_OK;
}

static enum status unknown_feature(const struct target *target, struct bytes name,
                                   struct error *err)
{
    struct suggest suggest = {.name = name};
    char hint[SUGGEST_TEXT_SIZE];
    char shown[NAME_SIZE_MAX + 1];
    for (size_t i = 0; i < target->view->features_count; i++)
        suggest_consider(&suggest, target->view->features[i].name);
    return error_set(err, STATUS_NOT_FOUND, "%.*s@%u has no feature '%s'%s",
                     BYTES_ARGS(target->view->name), target->view->version,
                     bytes_to_text(name, shown, sizeof(shown)), suggest_text(&suggest, hint));
}

/* ---- groups ---- */

/* Finds the key columns of the view's entity. */
static enum status group_find_keys(struct group *group, const struct columns_question *question,
                                   struct error *err)
{
    const struct view_definition *view = group->target.view;
    for (size_t i = 0; i < view->keys_count; i++) {
        struct bytes name = view->fields[view->key_fields[i]].name;
        for (size_t j = 0; j < question->keys_count && group->keys[i] == NULL; j++)
            if (bytes_equal(question->keys[j].name, name))
                group->keys[i] = &question->keys[j];
        if (group->keys[i] == NULL)
            return error_set(err, STATUS_INVALID,
                             "view '%.*s' needs the key '%.*s' of its entity '%.*s'; the request "
                             "has no such key column",
                             BYTES_ARGS(view->name), BYTES_ARGS(name), BYTES_ARGS(view->entity));
    }
    return STATUS_OK;
}

/* The group of the target's version, made where it is missing. */
static enum status reading_find_group(struct reading *reading, const struct target *target,
                                      size_t *index, struct error *err)
{
    for (*index = 0; *index < reading->groups_count; ++*index)
        if (reading->groups[*index].target.version == target->version)
            return STATUS_OK;
    reading->groups[reading->groups_count++] = (struct group){.target = *target};
    return group_find_keys(&reading->groups[*index], reading->question, err);
}

/* What one name of the question stands for: a feature of a group's view, or all of them. */
struct asked {
    size_t group;
    uint32_t first;
    size_t count;
};

static enum status reading_resolve(struct reading *reading, struct bytes text, struct asked *asked,
                                   struct error *err)
{
    struct feature_name name = {0};
    struct target target = {0};
    enum status status = name_split(text, &name, err);
    if (status == STATUS_OK)
        status = query_find_view(reading->query, name.view, name.number, &target, err);
    if (status != STATUS_OK)
        return status;
    bool is_all = bytes_equal_text(name.feature, "*");
    ssize_t feature = is_all ? 0 : feature_find(target.view, name.feature);
    if (feature < 0)
        return unknown_feature(&target, name.feature, err);
    asked->first = (uint32_t)feature;
    asked->count = is_all ? target.view->features_count : 1;
    return reading_find_group(reading, &target, &asked->group, err);
}

static void reading_add_column(struct reading *reading, struct group *group, uint32_t feature)
{
    const struct view_definition *view = group->target.view;
    size_t rows = reading->question->rows_count;
    struct column *column = &reading->columns[reading->columns_count++];
    *column = (struct column){
        .view = view->name,
        .feature = view->features[feature].name,
        .view_index = (size_t)(group - reading->groups),
        .type = view->features[feature].type,
        .values = arena_allocate(reading->arena, rows * sizeof(*column->values)),
        .statuses = arena_allocate(reading->arena, rows * sizeof(*column->statuses)),
    };
    group->features[group->count] = feature;
    group->columns[group->count++] = column;
    group->is_typed |= column->type.is_list;
}

/* Makes the columns that were asked for. */
static void reading_make_columns(struct reading *reading, const struct asked *asked, size_t count)
{
    for (size_t i = 0; i < reading->groups_count; i++) {
        struct group *group = &reading->groups[i];
        group->features = ARENA_NEW_ARRAY(reading->arena, group->count, uint32_t);
        group->columns = ARENA_NEW_ARRAY(reading->arena, group->count, struct column *);
        group->count = 0;
    }
    for (size_t i = 0; i < reading->question->features_count; i++)
        for (size_t j = 0; j < asked[i].count; j++)
            reading_add_column(reading, &reading->groups[asked[i].group],
                               asked[i].first + (uint32_t)j);
    CHECK(reading->columns_count == count);
}

/* ---- request values ---- */

/* Finds which columns each group takes. */
static enum status reading_find_request(struct reading *reading, struct error *err)
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
static enum status group_set_request(struct reading *reading, const struct group *group,
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
        status = key_append(&view->fields[view->key_fields[i]], group->keys[i], row, key, err);
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

/* By way of finished rows. */
static enum status read_row_texts(struct reading *reading, const struct group *group,
                                  const struct target *target, struct moment moment, size_t row,
                                  struct error *err)
{
    struct text_answer answer;
    enum status status = query_read_texts(reading->query, target, group->features, group->count,
                                          moment, reading->scratch, &answer, err);
    for (size_t i = 0; i < group->count && status == STATUS_OK; i++) {
        struct column *column = group->columns[i];
        struct value value = value_null();
        if (answer.texts[i].data != NULL &&
            !value_parse_text(answer.texts[i], column->type, &value))
            status = error_set(err, STATUS_CORRUPT, "a finished row of '%.*s' is not of its types",
                               BYTES_ARGS(column->view));
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
    enum status status = query_read(reading->query, target, group->features, group->count, moment,
                                    reading->scratch, &answer, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < group->count; i++) {
        const struct value *value = &answer.values[i];
        group->columns[i]->statuses[row] = answer.statuses[i];
        group->columns[i]->values[row] = value->kind == VALUE_LIST
                                             ? reading_copy_list(reading, value)
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

/* Reads rows from first on, at most ROWS_AT_A_TIME of them: first the memory of all is fetched. */
static enum status read_some_rows(struct reading *reading, const struct group *group, size_t first,
                                  size_t count, struct error *err)
{
    struct target targets[ROWS_AT_A_TIME];
    uint64_t places[ROWS_AT_A_TIME];
    bool is_fetched = reading->question->at_count == 0 && !group->is_typed;
    enum status status = STATUS_OK;
    arena_reset(reading->scratch);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        targets[i] = group->target;
        status = reading_encode(reading, group, first + i, &targets[i].entity, err);
        if (status == STATUS_OK)
            status = group_set_request(reading, group, &targets[i], first + i, err);
        if (status == STATUS_OK && is_fetched)
            places[i] = query_prefetch_place(reading->query, &targets[i]);
    }
    for (size_t i = 0; i < count && status == STATUS_OK && is_fetched; i++)
        query_prefetch_row(reading->query, places[i]);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct moment moment = moment_of(reading->question, first + i);
        status = group->is_typed
                     ? read_row_values(reading, group, &targets[i], moment, first + i, err)
                     : read_row_texts(reading, group, &targets[i], moment, first + i, err);
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
    return STATUS_OK;
}

/* Finds what the names stand for, and makes room for it. */
static enum status reading_plan(struct reading *reading, struct error *err)
{
    const struct columns_question *question = reading->question;
    struct asked *asked = ARENA_NEW_ARRAY(reading->arena, question->features_count, struct asked);
    enum status status = STATUS_OK;
    size_t count = 0;
    reading->groups = ARENA_NEW_ARRAY(reading->arena, question->features_count, struct group);
    for (size_t i = 0; i < question->features_count && status == STATUS_OK; i++) {
        status = reading_resolve(reading, question->features[i], &asked[i], err);
        count += asked[i].count;
        if (status == STATUS_OK)
            reading->groups[asked[i].group].count += asked[i].count;
    }
    if (status != STATUS_OK)
        return status;
    if (count > COLUMNS_FEATURES_MAX)
        return error_set(err, STATUS_LIMIT, "a request reads at most %d features, asked for %zu",
                         COLUMNS_FEATURES_MAX, count);
    if (count * question->rows_count > COLUMNS_CELLS_MAX)
        return error_set(err, STATUS_LIMIT, "an answer has at most %d values, asked for %zu",
                         COLUMNS_CELLS_MAX, count * question->rows_count);
    reading->columns = ARENA_NEW_ARRAY(reading->arena, count, struct column);
    reading_make_columns(reading, asked, count);
    return reading_find_request(reading, err);
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
    enum status status = query_check_columns(question, COLUMNS_ROWS_MAX, err);
    if (status == STATUS_OK)
        status = reading_plan(&reading, err);
    if (status != STATUS_OK)
        return status;
    uint64_t changes = query_storage_changes(query);
    status = read_groups(&reading, false, patience, &views, err);
    bool is_one_state = changes % 2 == 0 && changes == query_storage_changes(query);
    if (status == STATUS_OK && !is_one_state && reading_has_derived(&reading))
        status = read_groups(&reading, true, patience, &views, err);
    buffer_fini(&reading.key);
    *columns = (struct columns){.rows_count = question->rows_count,
                                .columns = reading.columns,
                                .columns_count = reading.columns_count,
                                .views = views,
                                .views_count = reading.groups_count,
                                .is_without_statuses = question->is_without_statuses};
    return status;
}
