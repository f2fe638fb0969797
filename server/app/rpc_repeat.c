/* Calls that repeat. A model server asks GetFeatures for the same features of one entity after the other:
 * such a message is recognised by its bytes (protocol/rpc_shape.h), with the views and features found
 * before, as long as the same definitions are in force; and its answer is put into moulds
 * (protocol/rpc_mould.h) straight from finished rows. Of the light frame several are answered together, so
 * that their rows come from memory at the same time, and without a call being made of each.
 *
 * Only what finished rows answer is answered here, and only with what the ordinary way would say;
 * everything else is left to that. */
#include <stdlib.h>

#include "app/rpc_call.h"
#include "base/check.h"
#include "model/entity.h"
#include "protocol/light.h"
#include "protocol/rpc_message.h"
#include "protocol/rpc_mould.h"
#include "protocol/rpc_shape.h"
#include "query/columns.h"
#include "storage/hot_value.h"

enum {
    REPEATS_MAX = 8,             /* that are remembered; the least recently used goes */
    REPEAT_SIZE_MAX = 16 * 1024, /* bytes of a message */
    REPEAT_COLUMNS_MAX = 128,
    REPEAT_VIEWS_MAX = 8,
    REPEAT_LEARN_EVERY = 16, /* where features change all the time, learning must not cost */
    GROUP_MAX = 16,          /* calls that are answered together */
    FETCHED_AHEAD = 3,       /* calls whose rows are fetched while one is answered */
    ROWS_FIELD_SIZE = 2,     /* GetFeaturesResponse.rows, of one row */
    REPEATED_SIZE_MAX = 1024 * 1024, /* of the columns of an answer, at most, as far as can be said before */
};

_Static_assert(2 * (NETWORK_OUTPUT_PAUSE_BYTES + REPEATED_SIZE_MAX) < GRPC_QUEUED_BYTES_MAX,
               "where a connection is ready there is room for such an answer");

struct repeat_column {
    uint32_t view;
    uint32_t feature; /* index into the view's */
    struct rpc_mould mould;
};

struct rpc_repeat {
    struct rpc_shape shape;
    uint64_t catalog_number; /* of the definitions that all below hangs on */
    struct target targets[REPEAT_VIEWS_MAX]; /* without an entity */
    size_t views_count;
    struct repeat_column *columns; /* owned */
    size_t columns_count;
    size_t strings_count; /* of these */
    bool is_exclusive; /* as in the question, as are the next two */
    bool has_event_times;
    bool is_without_statuses;
    uint64_t used; /* larger: more recently; 0: free */
};

/* One call of a group. */
struct repeated {
    uint32_t call; /* of the light frame */
    size_t end;    /* behind its bytes in the input */
    struct bytes entity;
    uint64_t places[REPEAT_VIEWS_MAX]; /* of its rows */
    char encoded[RPC_SHAPE_ENTITY_MAX + ENTITY_END_SIZE];
};

struct rpc_repeats {
    struct rpc_repeat rows[REPEATS_MAX];
    struct rpc_repeat *latest; /* borrowed: the last that matched, or NULL */
    uint64_t clock;
    uint64_t unlearned; /* calls that came the ordinary way */
    size_t group_size;  /* of the next group: twice as many while rows answer them all, 1 after a
                           miss */
    struct repeated group[GROUP_MAX];
    struct buffer views; /* owned: of the answers of a group */
};

struct rpc_repeats *rpc_repeats_create(void)
{
    struct rpc_repeats *repeats = calloc(1, sizeof(*repeats));
    CHECK(repeats != NULL);
    repeats->group_size = 1;
    return repeats;
}

void rpc_repeats_destroy(struct rpc_repeats **repeats)
{
    if (*repeats == NULL)
        return;
    for (size_t i = 0; i < REPEATS_MAX; i++) {
        rpc_shape_fini(&(*repeats)->rows[i].shape);
        free((*repeats)->rows[i].columns);
    }
    buffer_fini(&(*repeats)->views);
    free(*repeats);
    *repeats = NULL;
}

/* ---- learning ---- */

/* Whether the message, but for its entity, says all of what the question is. */
static bool may_repeat(struct bytes message, const struct columns_question *question,
                       const struct columns *columns)
{
    return message.size <= REPEAT_SIZE_MAX && question->rows_count == 1 &&
           question->keys_count == 1 && question->at_count == 0 && question->request_count == 0 &&
           columns->columns_count <= REPEAT_COLUMNS_MAX && columns->views_count <= REPEAT_VIEWS_MAX;
}

/* Finds what the view of an answer is read by. false: not by finished rows of one string. */
static bool learn_view(struct query *query, const struct columns_view *view, struct target *target)
{
    struct error err;
    if (query_find_view(query, view->name, view->version, target, &err) != STATUS_OK ||
        target->plan == NULL)
        return false;
    const struct view_definition *definition = target->view;
    return definition->keys_count == 1 &&
           definition->fields[definition->key_fields[0]].type.kind == VALUE_STRING;
}

static bool learn_column(const struct rpc_repeat *repeat, const struct column *column,
                         struct repeat_column *out)
{
    ssize_t feature = feature_find(repeat->targets[column->view_index].view, column->feature);
    CHECK(feature >= 0);
    out->view = (uint32_t)column->view_index;
    out->feature = (uint32_t)feature;
    return rpc_mould_set(&out->mould, column);
}

/* Fills all but the shape. false: it can't be repeated. */
static bool learn(struct query *query, const struct columns_question *question,
                  const struct columns *columns, struct rpc_repeat *repeat)
{
    bool can_be = true;
    repeat->catalog_number = query_catalog_number(query);
    repeat->is_exclusive = question->is_exclusive;
    repeat->has_event_times = question->has_event_times;
    repeat->is_without_statuses = question->is_without_statuses;
    repeat->views_count = columns->views_count;
    for (size_t i = 0; i < columns->views_count && can_be; i++)
        can_be = learn_view(query, &columns->views[i], &repeat->targets[i]);
    if (!can_be)
        return false;
    repeat->columns_count = columns->columns_count;
    repeat->columns = reallocarray(repeat->columns, columns->columns_count, sizeof(*repeat->columns));
    CHECK(repeat->columns != NULL);
    repeat->strings_count = 0;
    for (size_t i = 0; i < columns->columns_count && can_be; i++) {
        can_be = learn_column(repeat, &columns->columns[i], &repeat->columns[i]);
        repeat->strings_count += columns->columns[i].type.kind == VALUE_STRING;
    }
    return can_be;
}

/* The row that the message matches, or else the least recently used. */
static struct rpc_repeat *choose_row(struct rpc_repeats *repeats, struct bytes message)
{
    struct bytes entity;
    struct rpc_repeat *oldest = &repeats->rows[0];
    for (size_t i = 0; i < REPEATS_MAX; i++) {
        struct rpc_repeat *row = &repeats->rows[i];
        if (rpc_shape_match(&row->shape, message, &entity))
            return row;
        if (row->used < oldest->used)
            oldest = row;
    }
    return oldest;
}

void rpc_repeat_learn(const struct rpc_work *work, const struct columns_question *question,
                      const struct columns *columns)
{
    struct rpc_repeats *repeats = work->repeats;
    if (repeats == NULL || !may_repeat(work->request, question, columns) ||
        ++repeats->unlearned % REPEAT_LEARN_EVERY != 0)
        return;
    struct rpc_repeat *row = choose_row(repeats, work->request);
    row->used = 0;
    if (rpc_shape_set(&row->shape, work->request) && learn(work->query, question, columns, row))
        row->used = ++repeats->clock;
}

/* ---- recognising ---- */

/* Takes the call of that message, if it is one of these. */
static bool take_message(const struct rpc_repeat *repeat, struct bytes message,
                         struct repeated *repeated)
{
    struct bytes entity;
    if (!rpc_shape_match(&repeat->shape, message, &entity) ||
        !entity_put_plain(entity, repeated->encoded))
        return false;
    repeated->entity = bytes_of(repeated->encoded, entity.size + ENTITY_END_SIZE);
    return true;
}

/* The row that the message repeats, or NULL. */
static struct rpc_repeat *find_row(struct rpc_repeats *repeats, const struct query *query,
                                   struct bytes message, struct repeated *first)
{
    uint64_t number = query_catalog_number(query);
    struct rpc_repeat *latest = repeats->latest;
    if (latest != NULL && latest->used > 0 && latest->catalog_number == number &&
        take_message(latest, message, first))
        return latest;
    for (size_t i = 0; i < REPEATS_MAX; i++) {
        struct rpc_repeat *row = &repeats->rows[i];
        if (row->used > 0 && row != latest && row->catalog_number == number &&
            take_message(row, message, first)) {
            repeats->latest = row;
            row->used = ++repeats->clock;
            return row;
        }
    }
    return NULL;
}

/* ---- answering ---- */

/* The answers of a group. */
struct answering {
    struct query *query;
    const struct rpc_repeat *repeat;
    struct buffer *views; /* of an answer, where all have the same */
    int64_t now_us[REPEAT_VIEWS_MAX];
};

static void answering_append_views(const struct answering *answering, int64_t *event_times_us,
                                   struct buffer *out)
{
    for (size_t i = 0; i < answering->repeat->views_count; i++) {
        const struct view_definition *view = answering->repeat->targets[i].view;
        const struct columns_view told = {
            .name = view->name,
            .version = view->version,
            .at_us = &answering->now_us[i],
            .at_count = 1,
            .event_times_us = event_times_us == NULL ? NULL : &event_times_us[i],
        };
        rpc_view_append(&told, 1, out);
    }
}

/* One look at the clock is for all calls of the group, which came before it. */
static void answering_start(struct answering *answering)
{
    const struct rpc_repeat *repeat = answering->repeat;
    query_pin(answering->query, false);
    for (size_t i = 0; i < repeat->views_count; i++)
        answering->now_us[i] = query_now_us(answering->query, &repeat->targets[i]);
    query_unpin(answering->query);
    answering->views->start = answering->views->size = 0;
    if (!repeat->has_event_times)
        answering_append_views(answering, NULL, answering->views);
}

/* The finished row of a view. */
struct found {
    const struct hot_row *row;
    const char *texts;
    int64_t counted_us; /* the T that counts */
};

/* Finds the rows of the call. false: one is not there. */
static bool find_rows(const struct answering *answering, const struct repeated *repeated,
                      struct found founds[REPEAT_VIEWS_MAX])
{
    const struct rpc_repeat *repeat = answering->repeat;
    for (size_t i = 0; i < repeat->views_count; i++) {
        struct target target = repeat->targets[i];
        struct found *found = &founds[i];
        target.entity = repeated->entity;
        found->counted_us = answering->now_us[i] - repeat->is_exclusive;
        found->row = query_peek_row(answering->query, &target, repeated->places[i], found->counted_us);
        if (found->row == NULL)
            return false;
        found->texts = hot_row_texts(found->row);
    }
    return true;
}

/* The bytes that the columns take at most; 0: too many. */
static size_t columns_size_max(const struct rpc_repeat *repeat, const struct found *founds)
{
    size_t texts = 0;
    for (size_t i = 0; i < repeat->views_count && repeat->strings_count > 0; i++)
        texts += hot_row_texts_size(founds[i].row);
    size_t size = repeat->columns_count * RPC_MOULDED_SIZE_MAX + repeat->strings_count * texts;
    return size > REPEATED_SIZE_MAX ? 0 : size;
}

/* Puts a column that is not simply a number that is present. NULL: the row does not know it. By itself, as the
 * loop over columns needs the registers. */
static __attribute__((noinline)) char *put_other(const struct rpc_repeat *repeat, const struct repeat_column *column,
                       const struct found *found, char *at)
{
    const struct rpc_mould *mould = &column->mould;
    const struct hot_cell cell = hot_row_cell_at(found->row, found->texts, column->feature);
    struct value value;
    if (!cell.is_known || !hot_cell_value(&cell, mould->type, found->counted_us, &value))
        return NULL;
    return mould->type.kind == VALUE_STRING
               ? rpc_mould_put_text(mould, &value, cell.status, repeat->is_without_statuses, at)
               : rpc_mould_put(mould, &value, cell.status, repeat->is_without_statuses, at);
}

/* Puts the columns where there is room for them. NULL: a row does not know all that is asked. */
static char *put_columns(const struct rpc_repeat *repeat, const struct found *founds, char *at)
{
    const struct repeat_column *end = repeat->columns + repeat->columns_count;
    for (const struct repeat_column *column = repeat->columns; column < end; column++) {
        const struct found *found = &founds[column->view];
        struct value value;
        struct bytes text;
        if (column->mould.type.kind != VALUE_STRING &&
            hot_row_present_text(found->row, found->texts, column->feature, &text) &&
            hot_text_value(text, column->mould.type, &value)) {
            at = rpc_mould_put(&column->mould, &value, FEATURE_PRESENT, false, at);
            continue;
        }
        at = put_other(repeat, column, found, at);
        if (at == NULL)
            return NULL;
    }
    return at;
}

/* Appends the answer to one call. false: rows do not do, and out is as it was. */
static bool append_answer(const struct answering *answering, const struct repeated *repeated,
                          struct buffer *out)
{
    const struct rpc_repeat *repeat = answering->repeat;
    struct bytes views = buffer_bytes(answering->views);
    struct found founds[REPEAT_VIEWS_MAX];
    int64_t event_times_us[REPEAT_VIEWS_MAX];
    if (!find_rows(answering, repeated, founds))
        return false;
    size_t size_max = columns_size_max(repeat, founds);
    if (size_max == 0)
        return false;
    char *begin = buffer_reserve(out, ROWS_FIELD_SIZE + size_max + views.size);
    char *at = put_varint(put_tag(begin, ANSWER_ROWS, PROTOBUF_VARINT), 1);
    at = put_columns(repeat, founds, at);
    if (at == NULL)
        return false;
    at = put_bytes(at, views);
    buffer_added(out, (size_t)(at - begin));
    if (!repeat->has_event_times)
        return true;
    for (size_t i = 0; i < repeat->views_count; i++)
        event_times_us[i] =
            founds[i].row->is_found ? founds[i].row->event_time_us : COLUMNS_NO_EVENT_TIME;
    answering_append_views(answering, event_times_us, out);
    return true;
}

static void find_places(const struct answering *answering, struct repeated *repeated)
{
    for (size_t i = 0; i < answering->repeat->views_count; i++) {
        struct target target = answering->repeat->targets[i];
        target.entity = repeated->entity;
        repeated->places[i] = query_prefetch_place(answering->query, &target);
    }
}

bool rpc_repeat_answer(const struct rpc_work *work)
{
    struct rpc_repeats *repeats = work->repeats;
    if (repeats == NULL || repeats->clock == 0)
        return false;
    struct repeated *first = &repeats->group[0];
    struct answering answering = {
        .query = work->query,
        .repeat = find_row(repeats, work->query, work->request, first),
        .views = &repeats->views,
    };
    if (answering.repeat == NULL)
        return false;
    answering_start(&answering);
    find_places(&answering, first);
    if (!append_answer(&answering, first, work->reply))
        return false;
    query_count_rows(work->query, answering.repeat->views_count);
    return true;
}

/* ---- the light frame ---- */

/* The message at the front of input, if it is a GetFeatures; *size is that of its frame. */
static bool take_frame(struct bytes input, const struct rpc_method *method,
                       struct light_frame *frame, size_t *size)
{
    return light_parse(input, frame, size) == LIGHT_FRAME && frame->kind == LIGHT_CALL &&
           frame->method == method->number;
}

/* Takes the calls behind the first that repeat it, and finds where their rows are. */
static size_t take_group(const struct answering *answering, const struct rpc_method *method,
                         struct rpc_repeats *repeats, struct bytes input)
{
    struct repeated *group = repeats->group;
    size_t count = 1;
    find_places(answering, &group[0]);
    for (; count < repeats->group_size; count++) {
        struct light_frame frame;
        size_t size;
        size_t begin = group[count - 1].end;
        if (!take_frame(bytes_after(input, begin), method, &frame, &size) ||
            !take_message(answering->repeat, frame.message, &group[count]))
            break;
        group[count].call = frame.call;
        group[count].end = begin + size;
        find_places(answering, &group[count]);
    }
    return count;
}

static void fetch_rows(const struct answering *answering, const struct repeated *repeated)
{
    for (size_t i = 0; i < answering->repeat->views_count; i++)
        query_prefetch_row(answering->query, repeated->places[i]);
}

static bool answer_frame(const struct answering *answering, const struct repeated *repeated,
                         struct buffer *out)
{
    size_t size = out->size;
    size_t begun = light_begin_answer(repeated->call, out);
    if (!append_answer(answering, repeated, out)) {
        out->size = size;
        return false;
    }
    light_end_answer(begun, out);
    return true;
}

/* Answers the group as far as rows do; returns how many. While one is answered, the rows of the next few are on
 * their way from memory. */
static size_t answer_group(const struct answering *answering, const struct repeated *group,
                           size_t count, struct buffer *output)
{
    size_t done = 0;
    for (size_t i = 0; i < FETCHED_AHEAD && i < count && count > 1; i++)
        fetch_rows(answering, &group[i]);
    for (; done < count && output->size <= NETWORK_OUTPUT_PAUSE_BYTES; done++) {
        if (done + FETCHED_AHEAD < count)
            fetch_rows(answering, &group[done + FETCHED_AHEAD]);
        if (!answer_frame(answering, &group[done], output))
            break;
    }
    return done;
}

size_t rpc_repeat_answer_frames(struct rpc_repeats *repeats, struct query *query, struct bytes input,
                                struct buffer *output, size_t *answered)
{
    const struct rpc_method *method = rpc_method_of_features();
    struct repeated *group = repeats->group;
    struct light_frame frame;
    *answered = 0;
    if (repeats->clock == 0 || !take_frame(input, method, &frame, &group[0].end))
        return 0;
    struct answering answering = {.query = query,
                                  .repeat = find_row(repeats, query, frame.message, &group[0]),
                                  .views = &repeats->views};
    if (answering.repeat == NULL)
        return 0;
    group[0].call = frame.call;
    size_t count = take_group(&answering, method, repeats, input);
    answering_start(&answering);
    size_t done = answer_group(&answering, group, count, output);
    size_t next_size = done == count ? 2 * repeats->group_size : 1;
    repeats->group_size = next_size < GROUP_MAX ? next_size : GROUP_MAX;
    query_count_rows(query, done * answering.repeat->views_count);
    *answered = done;
    return done == 0 ? 0 : group[done - 1].end;
}
