/* The life of a read: a key names a view, a version and an entity; the moment becomes a T by the
 * clock of the view's source; the entity's events are walked back from there by the one function. */
#include "query/query.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"
#include "features/features.h"
#include "model/entity.h"

enum { SCAN_CHUNK_SIZE = 16 * 1024 };

struct query {
    struct storage *storage;          /* borrowed */
    struct catalog_board *board;      /* borrowed */
    struct epoch_reader *reader;      /* owned */
    bool is_begun;
    const struct catalog *catalog;    /* the board's; good while is_begun */
    struct storage_reading reading;
    struct storage_snapshot *snapshot; /* owned, while pinned with one */
    int64_t *pinned_now_us;            /* owned: one a readable, while pinned */
    struct arena *scan_arena;         /* owned: until the next entity of a scan */
};

struct query *query_create(const struct query_options *options)
{
    struct query *query = calloc(1, sizeof(*query));
    CHECK(query != NULL);
    query->storage = options->storage;
    query->board = options->board;
    query->reader = epoch_join(options->epoch);
    query->scan_arena = arena_create(SCAN_CHUNK_SIZE);
    return query;
}

void query_destroy(struct query **query)
{
    if (*query == NULL)
        return;
    epoch_part(&(*query)->reader);
    arena_destroy(&(*query)->scan_arena);
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

static int64_t readable_now_us(const struct readable *readable)
{
    return source_time_now_us(readable->time, readable->clock);
}

/* Times come before the snapshot, so that it holds all that they count. */
void query_pin(struct query *query, bool with_snapshot)
{
    size_t count = query->catalog->readables_count;
    CHECK(query->pinned_now_us == NULL);
    query->pinned_now_us = calloc(count + 1, sizeof(*query->pinned_now_us));
    CHECK(query->pinned_now_us != NULL);
    for (size_t i = 0; i < count; i++)
        query->pinned_now_us[i] = readable_now_us(&query->catalog->readables[i]);
    if (with_snapshot)
        query->reading.snapshot = query->snapshot = storage_snapshot_take(query->storage);
}

void query_unpin(struct query *query)
{
    query->reading.snapshot = NULL;
    storage_snapshot_release(&query->snapshot);
    free(query->pinned_now_us);
    query->pinned_now_us = NULL;
}

uint64_t query_storage_changes(const struct query *query)
{
    return storage_changes(query->storage);
}

const struct registry *query_registry(const struct query *query)
{
    return query->catalog->registry;
}

/* ---- names ---- */

/* Splits "view@2:entity". false: there is no ':' or the number is none. */
static bool split_key(struct bytes key, struct bytes *view, uint32_t *number, struct bytes *entity)
{
    const char *colon = memchr(key.data, ':', key.size);
    if (colon == NULL)
        return false;
    *view = bytes_of(key.data, (size_t)(colon - key.data));
    *entity = bytes_after(key, view->size + 1);
    *number = 0;

    const char *at = memchr(view->data, '@', view->size);
    if (at == NULL)
        return true;
    int64_t parsed;
    struct bytes text = bytes_after(*view, (size_t)(at - view->data) + 1);
    if (number_parse_int(text, &parsed) != NUMBER_OK || parsed < 1 || parsed > UINT32_MAX)
        return false;
    *number = (uint32_t)parsed;
    *view = bytes_of(view->data, (size_t)(at - view->data));
    return true;
}

static enum status find_version(const struct query *query, struct bytes name, uint32_t number,
                                const struct view_version **version, struct error *err)
{
    char shown[NAME_SIZE_MAX + 1];
    const struct view *view = registry_find_view(query->catalog->registry, name);
    if (view == NULL)
        return error_set(err, STATUS_NOT_FOUND, "no view '%s'; `asof list` shows the views",
                         bytes_to_text(name, shown, sizeof(shown)));
    if (number == 0 && view->active == 0)
        return error_set(err, STATUS_UNAVAILABLE,
                         "view '%.*s' is being filled from its source's log and not shown yet; "
                         "`asof list` shows how far it is", BYTES_ARGS(view->name));
    *version = view_find_version(view, number);
    if (*version == NULL)
        return error_set(err, STATUS_NOT_FOUND, "view '%.*s' has no version %u",
                         BYTES_ARGS(view->name), number);
    if ((*version)->state == VERSION_FILLING)
        return error_set(err, STATUS_UNAVAILABLE,
                         "version %u of view '%.*s' is being filled and not shown yet", number,
                         BYTES_ARGS(view->name));
    return STATUS_OK;
}

static struct target target_of(const struct readable *readable)
{
    return (struct target){.view = readable->version->definition,
                           .version = readable->version,
                           .plan = readable->plan,
                           .readable = readable};
}

enum status query_find(struct query *query, struct bytes key, struct arena *arena,
                       struct target *target, struct error *err)
{
    struct bytes name;
    struct bytes entity;
    uint32_t number;
    const struct view_version *version = NULL;
    char shown[NAME_SIZE_MAX + 1];
    if (!split_key(key, &name, &number, &entity))
        return error_set(err, STATUS_NOT_FOUND, "'%s' is no key: keys are view:entity or "
                         "view@2:entity", bytes_to_text(key, shown, sizeof(shown)));
    enum status status = find_version(query, name, number, &version, err);
    if (status != STATUS_OK)
        return status;
    *target = target_of(catalog_find(query->catalog, version));
    return entity_parse(version->definition, entity, arena, &target->entity, err);
}

/* ---- one entity ---- */

static int64_t now_us(const struct query *query, const struct target *target)
{
    return query->pinned_now_us == NULL
               ? readable_now_us(target->readable)
               : query->pinned_now_us[target->readable - query->catalog->readables];
}

static bool is_out_of_history(const struct query *query, const struct target *target,
                              const struct question *question)
{
    const struct view_definition *view = question->view;
    int64_t counted_us = question->t_us - question->is_exclusive;
    return view->history_us != DURATION_NONE &&
           counted_us < now_us(query, target) - view->history_us;
}

static void answer_out_of_history(const struct question *question, struct arena *arena,
                                  struct answer *answer)
{
    size_t count = question->features == NULL ? question->view->features_count
                                              : question->features_count;
    enum feature_status *statuses = ARENA_NEW_ARRAY(arena, count, enum feature_status);
    for (size_t i = 0; i < count; i++)
        statuses[i] = FEATURE_OUT_OF_HISTORY;
    *answer = (struct answer){.t_us = question->t_us,
                              .is_out_of_history = true,
                              .values = ARENA_NEW_ARRAY(arena, count, struct value),
                              .statuses = statuses,
                              .count = count};
}

static enum status step_back(void *timeline, struct timeline_event *event, struct error *err)
{
    return timeline_back(timeline, &event->time_us, &event->identity, &event->row, err);
}

static enum status evaluate(struct query *query, const struct target *target,
                            const struct question *question, struct arena *arena,
                            struct answer *answer, struct error *err)
{
    struct timeline *timeline = timeline_open(query->storage, &query->reading,
                                              target->version->table_id,
                                              target->entity,
                                              question->t_us - question->is_exclusive);
    enum status status = features_evaluate(target->plan, question, step_back, timeline, arena,
                                           answer, err);
    timeline_close(&timeline);
    return status;
}

/* ---- finished rows ---- */

/* The index of the i-th feature that is asked. */
static uint32_t asked_feature(const struct question *question, size_t i)
{
    return question->features == NULL ? (uint32_t)i : question->features[i];
}

/* Answers from the row, if it knows all that is asked at this T. */
static bool answer_from_row(const struct hot_row *row, const struct question *question,
                            size_t asked_count, struct arena *arena, struct answer *answer)
{
    int64_t counted_us = question->t_us - question->is_exclusive;
    if (row == NULL || counted_us < row->valid_from_us || counted_us >= row->valid_until_us)
        return false;
    struct value *values = arena_allocate(arena, asked_count * sizeof(*values));
    enum feature_status *statuses = arena_allocate(arena, asked_count * sizeof(*statuses));
    for (size_t i = 0; i < asked_count; i++) {
        uint32_t feature = asked_feature(question, i);
        if (!row->is_known[feature])
            return false;
        values[i] = row->values[feature];
        statuses[i] = row->statuses[feature];
    }
    *answer = (struct answer){.t_us = question->t_us,
                              .has_event_time = row->is_found,
                              .event_time_us = row->event_time_us,
                              .is_found = row->is_found,
                              .valid_until_us = row->valid_until_us,
                              .values = values,
                              .statuses = statuses,
                              .count = asked_count};
    return true;
}

/* Keeps the answer, together with what an older row knows that still holds. */
static void keep_answer(struct query *query, const struct target *target,
                        const struct question *question, int64_t until_us,
                        const struct hot_row *old, struct arena *arena,
                        const struct answer *answer)
{
    size_t count = target->view->features_count;
    int64_t counted_us = question->t_us - question->is_exclusive;
    bool *is_known = ARENA_NEW_ARRAY(arena, count, bool);
    struct value *values = ARENA_NEW_ARRAY(arena, count, struct value);
    enum feature_status *statuses = ARENA_NEW_ARRAY(arena, count, enum feature_status);
    bool old_holds = old != NULL && counted_us >= old->valid_from_us &&
                     counted_us < old->valid_until_us;
    if (old_holds) {
        memcpy(is_known, old->is_known, count * sizeof(*is_known));
        memcpy(values, old->values, count * sizeof(*values));
        memcpy(statuses, old->statuses, count * sizeof(*statuses));
        until_us = old->valid_until_us < until_us ? old->valid_until_us : until_us;
    }
    for (size_t i = 0; i < answer->count; i++) {
        uint32_t feature = asked_feature(question, i);
        is_known[feature] = true;
        values[feature] = answer->values[i];
        statuses[feature] = answer->statuses[i];
    }
    const struct hot_row row = {.valid_from_us = counted_us,
                                .valid_until_us = until_us,
                                .is_found = answer->is_found,
                                .event_time_us = answer->event_time_us,
                                .count = count,
                                .is_known = is_known,
                                .values = values,
                                .statuses = statuses};
    hot_keep(storage_hot(query->storage), target->version->table_id, target->entity, &row);
}

/* Reads through the finished rows: what T alone changes is not kept. */
static enum status read_through(struct query *query, const struct target *target,
                                const struct question *question, struct arena *arena,
                                struct answer *answer, struct error *err)
{
    struct hot *hot = storage_hot(query->storage);
    size_t asked_count = question->features == NULL ? target->view->features_count
                                                    : question->features_count;
    const struct hot_row *row = hot_find(hot, target->version->table_id, target->entity);
    if (answer_from_row(row, question, asked_count, arena, answer)) {
        hot_counters(hot)->hits_total++;
        return STATUS_OK;
    }
    hot_counters(hot)->misses_total++;
    int64_t next_us;
    enum status status = evaluate(query, target, question, arena, answer, err);
    if (status == STATUS_OK)
        status = timeline_next_us(query->storage, &query->reading, target->version->table_id,
                                  target->entity,
                                  question->t_us - question->is_exclusive, &next_us, err);
    if (status != STATUS_OK)
        return status;
    int64_t until_us = answer->valid_until_us < next_us ? answer->valid_until_us : next_us;
    keep_answer(query, target, question, until_us, row, arena, answer);
    return STATUS_OK;
}

/* Whether the row of the entity may be kept and asked: reads as of the past are not, they would
 * push out what is read now; nor are features that change with T alone. */
static bool is_keepable(const struct target *target, const struct question *question,
                        struct moment moment)
{
    size_t count = question->features == NULL ? target->view->features_count
                                              : question->features_count;
    if (!moment.is_now || count == 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (view_plan_is_relative(target->plan, asked_feature(question, i)))
            return false;
    return true;
}

enum status query_read(struct query *query, const struct target *target, const uint32_t *features,
                       size_t features_count, struct moment moment, struct arena *arena,
                       struct answer *answer, struct error *err)
{
    const struct question question = {
        .view = target->view,
        .entity = target->entity,
        .features = features,
        .features_count = features_count,
        .t_us = moment.is_now ? now_us(query, target) : moment.t_us,
        .is_exclusive = moment.is_exclusive,
    };
    if (is_out_of_history(query, target, &question)) {
        answer_out_of_history(&question, arena, answer);
        return STATUS_OK;
    }
    if (query->snapshot == NULL && is_keepable(target, &question, moment))
        return read_through(query, target, &question, arena, answer, err);
    return evaluate(query, target, &question, arena, answer, err);
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
static enum status scan_view(struct scan *scan, const struct readable *readable,
                             struct bytes after, struct error *err)
{
    struct target target = target_of(readable);
    struct entity_scan *entities = entity_scan_open(scan->query->storage, &scan->query->reading,
                                                    readable->version->table_id, after,
                                                    encoded_size, target.view);
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
    struct bytes from_entity = end == NULL ? (struct bytes){0}
                                           : bytes_after(from, from_view.size + 1);

    const struct registry *registry = query->catalog->registry;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < registry->views_count && status == STATUS_OK && !scan.is_enough; i++) {
        const struct view *view = &registry->views[i];
        int order = bytes_compare(view->name, from_view);
        if (view->active == 0 || order < 0)
            continue;
        status = scan_view(&scan, catalog_find(query->catalog, view_find_version(view, 0)),
                           order == 0 ? from_entity : (struct bytes){0}, err);
    }
    if (status == STATUS_OK && !scan.is_enough)
        position->start = position->size = 0;
    buffer_fini(&scan.key);
    buffer_fini(&start);
    return status;
}
