/* The life of a read: a key names a view, a version and an entity; the moment becomes a T by the
 * clock of the view's source; the entity's events are walked back from there by the one function.
 */
#include "query/query.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"
#include "features/features.h"
#include "model/entity.h"
#include "query/batch_read.h"
#include "query/columns_plan.h"
#include "query/composite.h"
#include "query/query_room.h"

enum {
    SCAN_CHUNK_SIZE = 16 * 1024,
    WANT_PARTIALS_EVENTS =
        512, /* read one by one for one answer: more than partials leave to be read */
};

struct query *query_create(const struct query_options *options)
{
    struct query *query = calloc(1, sizeof(*query));
    CHECK(query != NULL);
    query->storage = options->storage;
    query->board = options->board;
    query->reader = epoch_join(options->epoch);
    query->scan_arena = arena_create(SCAN_CHUNK_SIZE);
    query->derived = derived_cache_create();
    query->plans = columns_plans_create();
    return query;
}

void query_destroy(struct query **query)
{
    if (*query == NULL)
        return;
    epoch_part(&(*query)->reader);
    arena_destroy(&(*query)->scan_arena);
    derived_cache_destroy(&(*query)->derived);
    columns_plans_destroy(&(*query)->plans);
    buffer_fini(&(*query)->key);
    query_now_destroy(&(*query)->taken_now);
    free(*query);
    *query = NULL;
}

void query_begin(struct query *query)
{
    if (query->is_begun)
        return;
    epoch_enter(query->reader);
    query->is_begun = true;
    query_refresh(query);
}

void query_end(struct query *query)
{
    if (query->is_begun)
        epoch_leave(query->reader);
    query->is_begun = false;
    query->catalog = NULL;
}

void query_refresh(struct query *query)
{
    query->catalog = catalog_look(query->board);
}

void query_set_waiting(struct query *query, bool may_wait)
{
    query->reading.never_waits = !may_wait;
}

void query_set_patience(struct query *query, const struct patience *patience)
{
    query->reading.patience = patience;
}

bool query_may_go_on(const struct query *query)
{
    return patience_lasts(query->reading.patience);
}

/* A derived view has no clock of its own: the views that it reads go by theirs. */
static int64_t readable_now_us(const struct readable *readable)
{
    return readable->time == NULL ? clock_now_us()
                                  : source_time_now_us(readable->time, readable->clock);
}

/* The same, where the wall clock was looked at already. */
static int64_t readable_at_us(const struct readable *readable, int64_t wall_us)
{
    return readable->time == NULL ? wall_us
                                  : source_time_at_us(readable->time, readable->clock, wall_us);
}

struct query_now {
    uint64_t catalog_number;
    int64_t times_us[]; /* one a readable of that catalog */
};

static struct query_now *now_create(const struct catalog *catalog)
{
    struct query_now *now =
        malloc(sizeof(*now) + catalog->readables_count * sizeof(now->times_us[0]));
    CHECK(now != NULL);
    now->catalog_number = catalog->number;
    return now;
}

/* One look at the wall clock is for all. */
static void now_look(struct query_now *now, const struct catalog *catalog)
{
    int64_t wall_us = clock_now_us();
    for (size_t i = 0; i < catalog->readables_count; i++)
        now->times_us[i] = readable_at_us(&catalog->readables[i], wall_us);
}

struct query_now *query_now_take(const struct query *query)
{
    struct query_now *now = now_create(query->catalog);
    now_look(now, query->catalog);
    return now;
}

/* The same, in memory that is kept from pin to pin. */
static const struct query_now *take_again(struct query *query)
{
    struct query_now *now = query->taken_now;
    if (now == NULL || now->catalog_number != query->catalog->number) {
        query_now_destroy(&query->taken_now);
        query->taken_now = now = now_create(query->catalog);
    }
    now_look(now, query->catalog);
    return now;
}

void query_now_destroy(struct query_now **now)
{
    free(*now);
    *now = NULL;
}

enum status query_keep_now(struct query *query, const struct query_now *now, struct error *err)
{
    if (now->catalog_number != query->catalog->number)
        return error_set(err, STATUS_UNAVAILABLE,
                         "the definitions changed while the answer was read; ask again");
    query->kept_now = now;
    return STATUS_OK;
}

void query_forget_now(struct query *query)
{
    query->kept_now = NULL;
}

/* Times come before the snapshot, so that it holds all that they count; and again behind it, as
 * what it lacks was taken out by then. */
void query_pin(struct query *query, bool with_snapshot)
{
    CHECK(query->pinned_now == NULL);
    query->pinned_now = query->kept_now != NULL ? query->kept_now : take_again(query);
    if (!with_snapshot)
        return;
    query->reading.snapshot = query->snapshot =
        storage_snapshot_take(query->storage, query->reading.never_waits);
    query->snapshot_now = query_now_take(query);
}

void query_unpin(struct query *query)
{
    query->reading.snapshot = NULL;
    storage_snapshot_release(&query->snapshot);
    query_now_destroy(&query->snapshot_now);
    query->pinned_now = NULL;
}

bool query_is_pinned(const struct query *query)
{
    return query->pinned_now != NULL;
}

uint64_t query_storage_changes(const struct query *query)
{
    return storage_changes(query->storage);
}

const struct registry *query_registry(const struct query *query)
{
    return query->catalog->registry;
}

uint64_t query_catalog_number(const struct query *query)
{
    return query->catalog->number;
}

/* ---- one entity ---- */

/* The T that counts. */
static int64_t counted_us(const struct question *question)
{
    return question->t_us - question->is_exclusive;
}

/* The index of the i-th feature that is asked. */
static uint32_t asked_feature(const struct question *question, size_t i)
{
    return question->features == NULL ? (uint32_t)i : question->features[i];
}

int64_t query_now_us(const struct query *query, const struct target *target)
{
    return query->pinned_now == NULL
               ? readable_now_us(target->readable)
               : query->pinned_now->times_us[target->readable - query->catalog->readables];
}

/* The question with its T. false: T is out of history. */
static bool ask(const struct target *target, const struct reading *reading,
                struct question *question)
{
    const struct view_definition *view = target->view;
    *question = (struct question){
        .view = view,
        .entity = target->entity,
        .features = reading->features,
        .features_count =
            reading->features == NULL ? view->features_count : reading->features_count,
        .t_us = reading->moment.is_now ? reading->now_us : reading->moment.t_us,
        .is_exclusive = reading->moment.is_exclusive,
    };
    return view->history_us == DURATION_NONE ||
           counted_us(question) >= reading->now_us - view->history_us;
}

static void answer_out_of_history(const struct question *question, struct arena *arena,
                                  struct answer *answer)
{
    size_t count = question->features_count;
    enum feature_status *statuses = ARENA_NEW_ARRAY(arena, count, enum feature_status);
    for (size_t i = 0; i < count; i++)
        statuses[i] = FEATURE_OUT_OF_HISTORY;
    *answer = (struct answer){.t_us = question->t_us,
                              .is_out_of_history = true,
                              .values = ARENA_NEW_ARRAY(arena, count, struct value),
                              .statuses = statuses,
                              .count = count};
}

/* Asks for partials where a walk was slow for the want of them; also where it was given up for
 * that. */
static void want_partials(struct query *query, const struct target *target,
                          const struct walk_report *report)
{
    if (report->events >= WANT_PARTIALS_EVENTS)
        storage_want_partials(query->storage, target->version->table_id, target->entity,
                              report->longest.oldest_us, report->longest.newest_us);
}

int64_t query_kept_from_us(const struct query *query, const struct target *target)
{
    int64_t history_us = target->view->history_us;
    if (history_us == DURATION_NONE)
        return INT64_MIN;
    int64_t now_us =
        query->snapshot_now == NULL
            ? readable_now_us(target->readable)
            : query->snapshot_now->times_us[target->readable - query->catalog->readables];
    return now_us - history_us;
}

/* Whether what T needs may have been taken out since the question was asked, or before the state
 * that is read. */
static bool is_out_of_history(const struct query *query, const struct target *target,
                              const struct question *question)
{
    return counted_us(question) < query_kept_from_us(query, target);
}

/* What of the entity's events may count at T. */
static struct timeline_bounds bounds_of(const struct target *target,
                                        const struct question *question)
{
    struct timeline_bounds bounds = {.t_us = counted_us(question), .oldest_us = INT64_MIN};
    if (target->view->history_us != DURATION_NONE) {
        bounds.oldest_us = view_plan_oldest_us(target->plan, bounds.t_us);
        bounds.has_base = view_plan_has_base(target->plan);
    }
    return bounds;
}

/* Of an evaluation whose answer is to be kept. */
struct keeping {
    uint64_t ticket; /* taken before it */
    int64_t next_us; /* the time of the next event behind T */
    bool is_by_edges;
};

/* Keeps the entity's edges for the next time, where events come between reads. */
static void keep_edges(struct query *query, const struct target *target,
                       const struct timeline *timeline, uint64_t ticket)
{
    struct hot *hot = storage_hot(query->storage);
    struct edges_draft draft;
    if (hot_wants_edges(hot, target->version->table_id, target->entity) &&
        timeline_edges(timeline, &draft))
        hot_keep_edges(hot, target->version->table_id, target->entity, ticket, &draft);
}

/* keeping: NULL where nothing shall be kept. */
static enum status evaluate_stored(struct query *query, const struct target *target,
                                   const struct question *question, struct arena *arena,
                                   struct answer *answer, struct keeping *keeping,
                                   struct error *err)
{
    struct walk_report report;
    const struct timeline_bounds bounds = bounds_of(target, question);
    struct timeline *timeline = timeline_open_within(
        query->storage, &query->reading, target->version->table_id, target->entity, &bounds);
    const struct timeline_reader reader = timeline_reader_of(timeline);
    enum status status =
        features_walk(target->plan, question, &reader, arena, answer, &report, err);
    if (status == STATUS_OK || status == STATUS_CANCELLED)
        want_partials(query, target, &report);
    if (status == STATUS_OK && keeping != NULL)
        status = timeline_next_us(timeline, &keeping->next_us, err);
    if (status == STATUS_OK && keeping != NULL)
        keep_edges(query, target, timeline, keeping->ticket);
    timeline_close(&timeline);
    return status;
}

/* AGAIN: there are no edges of the entity, or these are not all that is needed. */
static enum status evaluate_edges(struct query *query, const struct target *target,
                                  const struct question *question, struct arena *arena,
                                  struct answer *answer, struct keeping *keeping, struct error *err)
{
    struct walk_report report;
    struct edges_cursor cursor;
    const struct edges *edges =
        hot_find_edges(storage_hot(query->storage), target->version->table_id, target->entity);
    if (edges == NULL)
        return STATUS_AGAIN;
    const struct timeline_bounds bounds = bounds_of(target, question);
    edges_cursor_start(&cursor, edges, bounds.t_us, bounds.oldest_us);
    const struct timeline_reader reader = edges_reader_of(&cursor);
    keeping->next_us = cursor.next_us;
    return features_walk(target->plan, question, &reader, arena, answer, &report, err);
}

/* Of a stream view: by the edges, where they are enough, else by what is stored. */
static enum status evaluate_events(struct query *query, const struct target *target,
                                   const struct question *question, struct arena *arena,
                                   struct answer *answer, struct keeping *keeping,
                                   struct error *err)
{
    enum status status = STATUS_AGAIN;
    if (keeping != NULL) {
        status = evaluate_edges(query, target, question, arena, answer, keeping, err);
        keeping->is_by_edges = status == STATUS_OK;
    }
    return status != STATUS_AGAIN
               ? status
               : evaluate_stored(query, target, question, arena, answer, keeping, err);
}

/* The same, of a view of any kind. */
static enum status evaluate(struct query *query, const struct target *target,
                            const struct question *question, struct arena *arena,
                            struct answer *answer, struct keeping *keeping, struct error *err)
{
    enum status status =
        target->view->kind == VIEW_BATCH
            ? batch_read(query->storage, &query->reading, target, question, arena, answer,
                         keeping == NULL ? NULL : &keeping->next_us, err)
            : evaluate_events(query, target, question, arena, answer, keeping, err);
    if (!is_out_of_history(query, target, question))
        return status;
    answer_out_of_history(question, arena, answer);
    return STATUS_OK;
}

enum status query_read_base(struct query *query, const struct target *target,
                            const struct reading *reading, struct arena *arena,
                            struct answer *answer, struct error *err)
{
    struct question question;
    if (ask(target, reading, &question))
        return evaluate(query, target, &question, arena, answer, NULL, err);
    answer_out_of_history(&question, arena, answer);
    return STATUS_OK;
}

static struct reading reading_of_all(const struct query *query, const struct target *target,
                                     struct moment moment)
{
    return (struct reading){.moment = moment, .now_us = query_now_us(query, target)};
}

struct timeline_bounds query_bounds(const struct query *query, const struct target *target,
                                    struct moment moment)
{
    const struct reading reading = reading_of_all(query, target, moment);
    struct question question;
    (void)ask(target, &reading, &question);
    return bounds_of(target, &question);
}

enum status query_read_events(struct query *query, const struct target *target,
                              struct moment moment, const struct timeline_reader *events,
                              struct arena *arena, struct answer *answer, struct error *err)
{
    const struct reading reading = reading_of_all(query, target, moment);
    struct question question;
    struct walk_report report;
    enum status status = STATUS_OK;
    bool is_known = ask(target, &reading, &question);
    if (is_known)
        status = features_walk(target->plan, &question, events, arena, answer, &report, err);
    if (!is_known || is_out_of_history(query, target, &question))
        answer_out_of_history(&question, arena, answer);
    return status;
}

enum status query_read(struct query *query, const struct target *target, const uint32_t *features,
                       size_t features_count, struct moment moment, struct arena *arena,
                       struct answer *answer, struct error *err)
{
    const struct reading reading = {features, features_count, moment, query_now_us(query, target)};
    return target->readable->composite == NULL
               ? query_read_base(query, target, &reading, arena, answer, err)
               : derived_read(query, target, &reading, arena, answer, err);
}

/* ---- texts, by way of finished rows ---- */

static struct bytes relative_text(int64_t base_us, int64_t at_us, struct arena *arena)
{
    struct value value = relative_value(base_us, at_us);
    char *text = arena_allocate(arena, NUMBER_TEXT_SIZE);
    CHECK(value.kind == VALUE_DOUBLE);
    return bytes_of(text, number_format_double(value.real, text));
}

/* Answers from the row; false: it does not know all that is asked. */
static bool text_answer_from(const struct hot_row *row, const struct question *question,
                             struct arena *arena, struct text_answer *out)
{
    size_t count = question->features_count;
    size_t size = 0;
    struct bytes *texts = arena_allocate(arena, count * sizeof(*texts));
    enum feature_status *statuses = arena_allocate(arena, count * sizeof(*statuses));
    *out = (struct text_answer){.t_us = question->t_us,
                                .is_found = row->is_found,
                                .event_time_us = row->event_time_us,
                                .texts = texts,
                                .statuses = statuses,
                                .count = count};
    for (size_t i = 0; i < count; i++) {
        const struct hot_cell cell = hot_row_cell(row, asked_feature(question, i));
        if (!cell.is_known)
            return false;
        texts[i] = (struct bytes){0};
        if (cell.is_relative)
            texts[i] = relative_text(cell.base_us, counted_us(question), arena);
        else if (cell.has_text)
            texts[i] = cell.text;
        statuses[i] = cell.status;
        size += texts[i].size;
        out->overflows_count += cell.status == FEATURE_OVERFLOW;
    }
    return size <= QUERY_TEXTS_SIZE_MAX;
}

/* Whether finished rows are asked and kept: for reads as of the past they are not, these would push
 * out what is read now; nor where an older state is read. */
static bool uses_rows(const struct query *query, struct moment moment)
{
    return moment.is_now && query->snapshot == NULL;
}

/* Answers from the entity's row. */
static bool answer_from_row(struct query *query, const struct target *target,
                            const struct question *question, struct moment moment,
                            struct arena *arena, struct text_answer *out)
{
    if (!uses_rows(query, moment))
        return false;
    struct hot *hot = storage_hot(query->storage);
    const struct hot_row *row = hot_find(hot, target->version->table_id, target->entity);
    if (row == NULL || !hot_row_holds(row, counted_us(question)) ||
        !text_answer_from(row, question, arena, out))
        return false;
    hot_count(hot, 1, 0, 0);
    return true;
}

bool query_peek_texts(struct query *query, const struct target *target, const uint32_t *features,
                      size_t features_count, int64_t now_us, struct arena *arena,
                      struct text_answer *answer)
{
    const struct question question = {
        .view = target->view,
        .entity = target->entity,
        .features = features,
        .features_count = features == NULL ? target->view->features_count : features_count,
        .t_us = now_us,
    };
    return answer_from_row(query, target, &question, (struct moment){.is_now = true}, arena,
                           answer);
}

uint64_t query_prefetch_place(struct query *query, const struct target *target)
{
    return hot_prefetch_place(storage_hot(query->storage), target->version->table_id,
                              target->entity);
}

void query_prefetch_row(struct query *query, uint64_t place)
{
    hot_prefetch_row(storage_hot(query->storage), place);
}

const struct hot_row *query_peek_row(struct query *query, const struct target *target,
                                     uint64_t place, int64_t counted_us)
{
    if (query->snapshot != NULL)
        return NULL;
    const struct hot_row *row =
        hot_find_at(storage_hot(query->storage), place, target->version->table_id, target->entity);
    return row != NULL && hot_row_holds(row, counted_us) ? row : NULL;
}

void query_count_rows(struct query *query, size_t count)
{
    if (count > 0)
        hot_count(storage_hot(query->storage), count, 0, 0);
}

static struct hot_cell cell_of(const struct answer *answer, const struct text_answer *texts,
                               size_t i)
{
    return (struct hot_cell){.is_known = true,
                             .has_text = texts->texts[i].data != NULL,
                             .is_relative = answer->bases_us[i] != ANSWER_NO_BASE,
                             .status = answer->statuses[i],
                             .text = texts->texts[i],
                             .base_us = answer->bases_us[i]};
}

/* Keeps the answer, together with what an older row knows that still holds. */
static void keep_row(struct hot *hot, const struct target *target, const struct question *question,
                     uint64_t ticket, int64_t until_us, struct arena *arena,
                     const struct answer *answer, const struct text_answer *texts)
{
    size_t count = target->view->features_count;
    uint32_t table_id = target->version->table_id;
    struct hot_cell *cells = ARENA_NEW_ARRAY(arena, count, struct hot_cell);
    const struct hot_row *old = hot_find(hot, table_id, target->entity); /* behind the ticket */
    if (old != NULL && hot_row_holds(old, counted_us(question))) {
        for (size_t i = 0; i < count; i++)
            cells[i] = hot_row_cell(old, i);
        until_us = old->valid_until_us < until_us ? old->valid_until_us : until_us;
    }
    for (size_t i = 0; i < answer->count; i++)
        cells[asked_feature(question, i)] = cell_of(answer, texts, i);
    const struct hot_draft draft = {.valid_from_us = counted_us(question),
                                    .valid_until_us = until_us,
                                    .is_found = answer->is_found,
                                    .event_time_us = answer->event_time_us,
                                    .cells = cells,
                                    .count = count};
    hot_keep(hot, table_id, target->entity, ticket, &draft);
}

/* Evaluates, and keeps a row where there shall be one. */
static enum status read_and_keep(struct query *query, const struct target *target,
                                 const struct question *question, bool is_kept, struct arena *arena,
                                 struct text_answer *out, struct error *err)
{
    struct hot *hot = storage_hot(query->storage);
    struct keeping keeping = {.ticket = hot_ticket(hot, target->version->table_id, target->entity)};
    struct answer answer;
    enum status status =
        evaluate(query, target, question, arena, &answer, is_kept ? &keeping : NULL, err);
    if (status == STATUS_OK)
        status = query_check_size(&answer, err);
    if (status != STATUS_OK)
        return status;
    query_text_answer_of(&answer, arena, out);
    if (!is_kept || answer.is_out_of_history)
        return STATUS_OK;
    hot_count(hot, 0, 1, keeping.is_by_edges);
    int64_t until_us =
        answer.valid_until_us < keeping.next_us ? answer.valid_until_us : keeping.next_us;
    keep_row(hot, target, question, keeping.ticket, until_us, arena, &answer, out);
    return STATUS_OK;
}

enum status query_read_base_texts(struct query *query, const struct target *target,
                                  const struct reading *reading, struct arena *arena,
                                  struct text_answer *answer, struct error *err)
{
    struct question question;
    if (!ask(target, reading, &question)) {
        struct answer nothing;
        answer_out_of_history(&question, arena, &nothing);
        query_text_answer_of(&nothing, arena, answer);
        return STATUS_OK;
    }
    if (answer_from_row(query, target, &question, reading->moment, arena, answer))
        return STATUS_OK;
    return read_and_keep(query, target, &question, uses_rows(query, reading->moment), arena, answer,
                         err);
}

enum status query_read_texts(struct query *query, const struct target *target,
                             const uint32_t *features, size_t features_count, struct moment moment,
                             struct arena *arena, struct text_answer *answer, struct error *err)
{
    const struct reading reading = {features, features_count, moment, query_now_us(query, target)};
    return target->readable->composite == NULL
               ? query_read_base_texts(query, target, &reading, arena, answer, err)
               : derived_read_texts(query, target, &reading, arena, answer, err);
}

/* ---- all entities ---- */

/* One scan under way. A position is "view\0" and the encoding of the last entity examined. */
struct scan {
    struct query *query;
    struct buffer *position;
    size_t left;    /* entities to examine */
    bool is_enough; /* there was another one */
    struct moment moment;
    scan_emit_fn emit;
    void *context;
    struct buffer key; /* owned: of the entity that is emitted */
};

static size_t encoded_size(const void *context, struct bytes key)
{
    return entity_encoded_size(context, key);
}

static void position_set(struct buffer *position, struct bytes view, struct bytes entity)
{
    position->start = position->size = 0;
    buffer_append(position, view);
    buffer_append_byte(position, '\0');
    buffer_append(position, entity);
}

static enum status examine(struct scan *scan, const struct target *target, struct error *err)
{
    struct answer answer;
    const uint32_t none = 0;
    arena_reset(scan->query->scan_arena);
    enum status status = query_read(scan->query, target, &none, 0, scan->moment,
                                    scan->query->scan_arena, &answer, err);
    if (status == STATUS_OK && answer.is_out_of_history)
        return error_set(err, STATUS_INVALID, "T lies before the history that view '%.*s' keeps",
                         BYTES_ARGS(target->view->name));
    if (status != STATUS_OK || !answer.is_found)
        return status;
    scan->key.start = scan->key.size = 0;
    buffer_append(&scan->key, target->view->name);
    buffer_append_byte(&scan->key, ':');
    status = entity_append_text(target->view, target->entity, &scan->key);
    if (status == STATUS_OK)
        scan->emit(scan->context, buffer_bytes(&scan->key));
    return status;
}

/* Goes through the entities of one view behind `after`, until enough were examined. */
static enum status scan_view(struct scan *scan, const struct readable *readable, struct bytes after,
                             struct error *err)
{
    struct target target = query_target_of(readable);
    struct entity_scan *entities =
        entity_scan_open(scan->query->storage, &scan->query->reading, readable->version->table_id,
                         after, encoded_size, target.view);
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        scan->is_enough = scan->left == 0;
        if (scan->is_enough)
            break;
        status = entity_scan_next(entities, &target.entity, err);
        if (status != STATUS_OK)
            break;
        scan->left--;
        status = examine(scan, &target, err);
        position_set(scan->position, target.view->name, target.entity);
    }
    entity_scan_close(&entities);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status query_scan(struct query *query, struct buffer *position, size_t examined_max,
                       struct moment moment, scan_emit_fn emit, void *context, struct error *err)
{
    struct scan scan = {.query = query,
                        .position = position,
                        .left = examined_max,
                        .moment = moment,
                        .emit = emit,
                        .context = context};
    struct buffer start = {0};
    buffer_append(&start, buffer_bytes(position));
    struct bytes from = buffer_bytes(&start);
    const char *end = from.size > 0 ? memchr(from.data, '\0', from.size) : NULL;
    struct bytes from_view = bytes_of(from.data, end == NULL ? 0 : (size_t)(end - from.data));
    struct bytes from_entity =
        end == NULL ? (struct bytes){0} : bytes_after(from, from_view.size + 1);

    const struct registry *registry = query->catalog->registry;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < registry->views_count && status == STATUS_OK && !scan.is_enough; i++) {
        const struct view *view = &registry->views[i];
        int order = bytes_compare(view->name, from_view);
        if (view->active == 0 || order < 0)
            continue;
        if (view_kind_is_derived(view_find_version(view, 0)->definition->kind))
            continue; /* its entities are those of the views that it reads */
        status = scan_view(&scan, catalog_find(query->catalog, view_find_version(view, 0)),
                           order == 0 ? from_entity : (struct bytes){0}, err);
    }
    if (status == STATUS_OK && !scan.is_enough)
        position->start = position->size = 0;
    buffer_fini(&scan.key);
    buffer_fini(&start);
    return status;
}
