#include "stream/fold.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/time_text.h"
#include "model/entity.h"
#include "stream/file_backfill.h"
#include "stream/stream_private.h"

enum {
    HORIZON_ROW_SIZE = 16,       /* "horizon/TABLE": horizon, folded; big-endian, signs flipped */
    FOLD_STEP_EVENTS_MAX = 1000, /* taken out or looked at, so that a step is a few milliseconds */
    FOLD_STEP_ENTITIES_MAX = 300,
    FOLD_STEP_BYTES_MAX = 4 * 1024 * 1024, /* of bases, for the same reason */
    FOLD_PARTS = 16,                       /* a pass begins when so much of what is kept can go */
    FOLD_BUSY_PART = 4,                    /* of the time, while events are pushed */
    FOLD_PASS_PART = 4,                    /* of the time, passes over one table */
    FOLD_FLUSH_EVENTS_MIN = 10 * 1000,     /* a pass that took out so many makes room on the disk */
};

#define FOLD_LOOK_INTERVAL_US (US_PER_SECOND / 10) /* how often due passes are looked for */
#define FOLD_RETRY_US         (5 * US_PER_SECOND)

static void buffer_set(struct buffer *buffer, struct bytes bytes)
{
    buffer->start = buffer->size = 0;
    buffer_append(buffer, bytes);
}

/* ---- horizons ---- */

static struct bytes horizon_key(struct arena *arena, uint32_t table_id)
{
    return arena_format(arena, "horizon/%u", table_id);
}

static void horizon_put(struct stream *stream, const struct fold *fold, int64_t horizon_us,
                        int64_t folded_us)
{
    char row[HORIZON_ROW_SIZE];
    be64_write_signed(row, horizon_us);
    be64_write_signed(row + 8, folded_us);
    arena_reset(stream->event_arena);
    batch_put_row(stream->fill_batch, stream->storage,
                  horizon_key(stream->event_arena, fold->table_id), bytes_of(row, sizeof(row)));
}

/* Whether these can be horizons: near enough to event times that sums do not overflow. */
static bool horizons_are_sane(int64_t horizon_us, int64_t folded_us)
{
    bool is_folded_sane = folded_us == INT64_MIN || folded_us >= 2 * TIME_MIN_US;
    return is_folded_sane && folded_us <= horizon_us && horizon_us >= 2 * TIME_MIN_US &&
           horizon_us <= TIME_MAX_US;
}

static enum status horizon_read(struct stream *stream, struct fold *fold, struct error *err)
{
    struct bytes row;
    struct arena *arena = arena_create(256);
    enum status status =
        storage_get_row(stream->storage, horizon_key(arena, fold->table_id), arena, &row, err);
    int64_t horizon_us = INT64_MIN;
    fold->folded_us = INT64_MIN;
    if (status == STATUS_OK) {
        bool has_size = row.size == HORIZON_ROW_SIZE;
        horizon_us = has_size ? be64_read_signed(row.data) : INT64_MIN;
        fold->folded_us = has_size ? be64_read_signed(row.data + 8) : INT64_MIN;
        if (!horizons_are_sane(horizon_us, fold->folded_us))
            status = error_set(err, STATUS_CORRUPT, "the horizon of table %u can't be read",
                               fold->table_id);
    }
    if (status == STATUS_OK && horizon_us > fold->horizon_us)
        fold->horizon_us = horizon_us;
    arena_destroy(&arena);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* The fold of the version, read from storage when it is new. */
static enum status fold_find(struct stream *stream, const struct view_input *input,
                             struct fold **out, struct error *err)
{
    for (size_t i = 0; i < stream->folds_count; i++) {
        *out = stream->folds[i];
        if (stream->folds[i]->table_id == input->version->table_id)
            return STATUS_OK;
    }
    struct fold *fold = calloc(1, sizeof(*fold));
    CHECK(fold != NULL);
    *fold = (struct fold){
        .table_id = input->version->table_id,
        .kept_us = input->view->history_us + view_plan_reach_us(input->plan),
        .horizon_us = INT64_MIN,
        .is_held = file_backfill_holds(stream, input->version->table_id),
    };
    enum status status = horizon_read(stream, fold, err);
    if (status != STATUS_OK) {
        free(fold);
        return status;
    }
    stream->folds = realloc(stream->folds, (stream->folds_count + 1) * sizeof(*stream->folds));
    CHECK(stream->folds != NULL);
    stream->folds[stream->folds_count++] = fold;
    *out = fold;
    return STATUS_OK;
}

/* `now` of the source was there already when the horizon was set, so it is not behind that. */
static void raise_floor(struct source_state *state, const struct fold *fold)
{
    if (fold->horizon_us != INT64_MIN)
        source_time_raise_floor(&state->time, fold->horizon_us + fold->kept_us);
}

enum status fold_bind(struct stream *stream, struct runtime *runtime, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < runtime->sources_count; i++) {
        struct source_runtime *source = &runtime->sources[i];
        for (size_t j = 0; j < source->inputs_count && status == STATUS_OK; j++) {
            struct view_input *input = &source->inputs[j];
            if (input->view->history_us == DURATION_NONE || input->version->state != VERSION_LIVE)
                continue;
            status = fold_find(stream, input, &input->fold, err);
            if (status == STATUS_OK)
                raise_floor(source->state, input->fold);
        }
    }
    return status;
}

enum status fold_reread(struct stream *stream, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < stream->folds_count && status == STATUS_OK; i++) {
        stream->folds[i]->pass.is_running = false;
        status = horizon_read(stream, stream->folds[i], err);
    }
    return status;
}

void fold_destroy_all(struct stream *stream)
{
    for (size_t i = 0; i < stream->folds_count; i++) {
        buffer_fini(&stream->folds[i]->pass.position);
        free(stream->folds[i]);
    }
    free(stream->folds);
    stream->folds = NULL;
    stream->folds_count = 0;
}

void fold_move_horizons(struct source_runtime *source)
{
    int64_t newest_us = source->state->committed.newest_us;
    bool is_read = false;
    if (source->state->is_catching_up)
        return;
    for (size_t i = 0; i < source->inputs_count; i++) {
        struct fold *fold = source->inputs[i].fold;
        if (fold == NULL || fold->is_held || newest_us == TIME_MIN_US)
            continue;
        if (!is_read && source->source->definition->clock == CLOCK_WALL) {
            int64_t now_us = clock_now_us();
            newest_us = now_us < newest_us ? now_us : newest_us;
        }
        is_read = true;
        if (newest_us - fold->kept_us > fold->horizon_us)
            fold->horizon_us = newest_us - fold->kept_us;
        raise_floor(source->state, fold);
    }
}

/* ---- a piece of a pass ---- */

/* One piece on its way. What goes of an entity are its events before a limit; those of one time go
 * together, so that repeats of an event do. */
struct piece {
    struct stream *stream;
    const struct view_input *input;
    struct fold *fold;
    size_t events_left;
    size_t entities_left;
    uint64_t events_count; /* taken out */
    bool is_done;          /* the pass is at its end */
    /* The entity at hand. */
    struct buffer entity; /* owned; empty: none */
    int64_t limit_us;     /* events before this go */
    int64_t oldest_us;    /* of those that went, where entity_count is not 0 */
    int64_t newest_us;
    uint64_t entity_count;
};

/* The entity's events at or before t_us. */
static struct timeline *open_timeline(const struct piece *piece, int64_t t_us)
{
    const struct storage_reading reading = {0};
    const struct timeline_bounds bounds = {
        .t_us = t_us, .oldest_us = INT64_MIN, .has_base = view_plan_has_base(piece->input->plan)};
    return timeline_open_within(piece->stream->storage, &reading, piece->fold->table_id,
                                buffer_bytes(&piece->entity), &bounds);
}

/* Sets the limit to the n-th newest event at or before the horizon, repeats counted once. Where
 * there are fewer, all of them stay. */
static enum status limit_to_last(struct piece *piece, uint32_t n, struct error *err)
{
    struct timeline_event event;
    struct buffer newer = {0}; /* identity of the event before */
    struct timeline *timeline = open_timeline(piece, piece->fold->pass.horizon_us);
    enum status status = STATUS_OK;
    for (uint32_t count = 0; count < n;) {
        status = timeline_back(timeline, &event, err);
        if (status == STATUS_OK && event.is_base)
            status = STATUS_NOT_FOUND;
        if (status != STATUS_OK)
            break;
        struct bytes identity = view_plan_identity(piece->input->plan, event.identity);
        bool is_repeated = count > 0 && event.time_us == piece->limit_us &&
                           bytes_equal(identity, buffer_bytes(&newer));
        count += !is_repeated;
        piece->limit_us = event.time_us;
        buffer_set(&newer, identity);
    }
    timeline_close(&timeline);
    buffer_fini(&newer);
    if (status == STATUS_NOT_FOUND)
        piece->limit_us = INT64_MIN;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Begins with an entity: which of its events go? */
static enum status piece_enter(struct piece *piece, struct bytes entity, struct error *err)
{
    uint32_t last_count = view_plan_last_count(piece->input->plan);
    buffer_set(&piece->entity, entity);
    piece->limit_us = piece->fold->pass.horizon_us + 1;
    piece->entity_count = 0;
    piece->entities_left--;
    return last_count > 0 ? limit_to_last(piece, last_count, err) : STATUS_OK;
}

/* Folds what went of the entity into its base. */
static enum status fold_entity(struct piece *piece, struct error *err)
{
    struct stream *stream = piece->stream;
    struct buffer base = {0};
    arena_reset(stream->event_arena);
    struct timeline *timeline = open_timeline(piece, piece->newest_us);
    enum status status =
        features_fold(piece->input->plan, timeline_back, timeline, stream->event_arena, &base, err);
    timeline_close(&timeline);
    if (status == STATUS_OK)
        batch_put_base(stream->fill_batch, stream->storage, piece->fold->table_id,
                       buffer_bytes(&piece->entity), buffer_bytes(&base));
    buffer_fini(&base);
    return status;
}

/* Ends with the entity at hand: no partial holds what went, and the base does. */
static enum status piece_leave(struct piece *piece, struct error *err)
{
    struct stream *stream = piece->stream;
    if (piece->entity_count == 0)
        return STATUS_OK;
    piece->entity_count = 0;
    enum status status = batch_delete_partials(stream->fill_batch, stream->storage,
                                               piece->fold->table_id, buffer_bytes(&piece->entity),
                                               piece->oldest_us, piece->newest_us, err);
    bool has_base = view_plan_has_base(piece->input->plan);
    return status == STATUS_OK && has_base ? fold_entity(piece, err) : status;
}

static void piece_take(struct piece *piece, const struct scanned_event *event)
{
    batch_delete_event(piece->stream->fill_batch, piece->stream->storage, piece->fold->table_id,
                       event->entity, event->time_us, event->identity);
    if (piece->entity_count++ == 0)
        piece->oldest_us = event->time_us;
    piece->newest_us = event->time_us;
    piece->events_count++;
    piece->events_left -= piece->events_left > 0;
}

/* A base alone goes when no window will ever reach it. */
static void piece_take_base(struct piece *piece, const struct scanned_event *event)
{
    if (view_plan_base_until_us(piece->input->plan, event->row) > piece->fold->pass.horizon_us)
        return;
    batch_delete_base(piece->stream->fill_batch, piece->stream->storage, piece->fold->table_id,
                      event->entity);
}

/* Does what is to be done with one event or base. AGAIN: the piece is large enough, and begins here
 * the next time. */
static enum status piece_see(struct piece *piece, struct event_scan *scan,
                             const struct scanned_event *event, struct error *err)
{
    enum status status = STATUS_OK;
    bool is_new = !bytes_equal(event->entity, buffer_bytes(&piece->entity));
    if (is_new || event->is_base)
        status = piece_leave(piece, err);
    if (status != STATUS_OK)
        return status;
    if (is_new && (piece->entities_left == 0 ||
                   batch_size_bytes(piece->stream->fill_batch) > FOLD_STEP_BYTES_MAX))
        return STATUS_AGAIN;
    if (is_new && event->is_base) {
        piece->entities_left--;
        piece_take_base(piece, event);
        return STATUS_OK;
    }
    if (is_new)
        status = piece_enter(piece, event->entity, err);
    if (status != STATUS_OK || event->is_base)
        return status;
    if (event->time_us >= piece->limit_us) {
        event_scan_skip_entity(scan);
        return STATUS_OK;
    }
    bool is_one_time = piece->entity_count > 0 && event->time_us == piece->newest_us;
    if (piece->events_left == 0 && !is_one_time)
        return STATUS_AGAIN;
    piece_take(piece, event);
    return STATUS_OK;
}

/* Takes events out into the batch until the piece is large enough or the scan at its end. */
static enum status piece_fill(struct piece *piece, struct event_scan *scan, struct error *err)
{
    struct scanned_event event;
    enum status status;
    while ((status = event_scan_next(scan, &event, err)) == STATUS_OK)
        if ((status = piece_see(piece, scan, &event, err)) != STATUS_OK)
            break;
    piece->is_done = status == STATUS_NOT_FOUND;
    if (status == STATUS_NOT_FOUND || status == STATUS_AGAIN)
        status = piece_leave(piece, err);
    return status;
}

static size_t encoded_size(const void *context, struct bytes key)
{
    return entity_encoded_size(context, key);
}

static void pass_begin(struct fold_pass *pass, int64_t horizon_us)
{
    pass->is_running = true;
    pass->horizon_us = horizon_us;
    pass->position.start = pass->position.size = 0;
    pass->events_count = 0;
    pass->begun_mono_us = clock_mono_us();
}

static void pass_end(struct stream *stream, struct fold *fold)
{
    struct fold_pass *pass = &fold->pass;
    int64_t now_us = clock_mono_us();
    pass->is_running = false;
    pass->next_mono_us = now_us + (FOLD_PASS_PART - 1) * (now_us - pass->begun_mono_us);
    fold->folded_us = pass->horizon_us;
    stream->counters.fold_passes_total++;
    if (pass->events_count >= FOLD_FLUSH_EVENTS_MIN)
        storage_flush_events(stream->storage);
}

static enum status fold_piece(struct stream *stream, const struct view_input *input,
                              struct error *err)
{
    struct fold *fold = input->fold;
    struct piece piece = {.stream = stream,
                          .input = input,
                          .fold = fold,
                          .events_left = FOLD_STEP_EVENTS_MAX,
                          .entities_left = FOLD_STEP_ENTITIES_MAX};
    const struct storage_reading read_newest = {0};
    bool is_first = fold->pass.position.size == 0;
    batch_clear(stream->fill_batch);
    struct event_scan *scan =
        event_scan_open(stream->storage, &read_newest, fold->table_id,
                        buffer_bytes(&fold->pass.position), encoded_size, input->view);
    enum status status = piece_fill(&piece, scan, err);
    if (status == STATUS_OK && (is_first || piece.is_done))
        horizon_put(stream, fold, fold->pass.horizon_us,
                    piece.is_done ? fold->pass.horizon_us : fold->folded_us);
    if (status == STATUS_OK && !batch_is_empty(stream->fill_batch))
        status = storage_write(stream->storage, stream->fill_batch, false, err);
    if (status == STATUS_OK) {
        buffer_set(&fold->pass.position, event_scan_position(scan));
        fold->pass.events_count += piece.events_count;
        stream->counters.events_folded_total += piece.events_count;
        if (piece.is_done)
            pass_end(stream, fold);
    }
    event_scan_close(&scan);
    buffer_fini(&piece.entity);
    return status;
}

/* ---- when ---- */

/* Whether a pass should begin: enough can go, and the last one was long enough ago. */
static bool fold_is_due(const struct fold *fold, int64_t now_mono_us)
{
    if (fold->horizon_us == INT64_MIN || now_mono_us < fold->pass.next_mono_us)
        return false;
    return fold->folded_us == INT64_MIN ||
           fold->horizon_us - fold->folded_us > fold->kept_us / FOLD_PARTS;
}

/* The version whose pass is running, or one that is due, or NULL. */
static struct view_input *find_work(struct stream *stream, int64_t now_mono_us)
{
    struct view_input *due = NULL;
    for (size_t i = 0; i < stream->runtime->sources_count; i++) {
        struct source_runtime *source = &stream->runtime->sources[i];
        fold_move_horizons(source);
        for (size_t j = 0; j < source->inputs_count; j++) {
            struct view_input *input = &source->inputs[j];
            if (input->fold == NULL)
                continue;
            if (input->fold->pass.is_running)
                return input;
            if (due == NULL && fold_is_due(input->fold, now_mono_us))
                due = input;
        }
    }
    return due;
}

/* Whether to leave the time to pushes: some came since the last piece, and that was a moment ago.
 */
static bool must_wait(struct stream *stream, int64_t now_mono_us)
{
    bool is_busy = stream->counters.events_accepted_total != stream->fold_accepted_total;
    return now_mono_us < stream->fold_look_mono_us ||
           (is_busy && now_mono_us < stream->fold_busy_mono_us);
}

bool fold_step(struct stream *stream)
{
    struct error err = {0};
    int64_t now_mono_us = clock_mono_us();
    if (stream->folds_count == 0 || must_wait(stream, now_mono_us))
        return false;
    enum status status = stream_prepare(stream, &err);
    struct view_input *input = status == STATUS_OK ? find_work(stream, now_mono_us) : NULL;
    if (status == STATUS_OK && input == NULL) {
        stream->fold_look_mono_us = now_mono_us + FOLD_LOOK_INTERVAL_US;
        return false;
    }
    if (status == STATUS_OK && !input->fold->pass.is_running)
        pass_begin(&input->fold->pass, input->fold->horizon_us);
    if (status == STATUS_OK)
        status = fold_piece(stream, input, &err);
    if (status != STATUS_OK) {
        log_error("folding of what is beyond a history: %s; trying again", err.text);
        stream->fold_look_mono_us = now_mono_us + FOLD_RETRY_US;
        return false;
    }
    int64_t taken_us = clock_mono_us() - now_mono_us;
    stream->fold_busy_mono_us = now_mono_us + FOLD_BUSY_PART * taken_us;
    stream->fold_accepted_total = stream->counters.events_accepted_total;
    return true;
}
