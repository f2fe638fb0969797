/* Fill: a new version of a view reads its source's log from the beginning, while ingestion already
 * writes to it. Both write the same rows for the same events, so where they meet does not matter:
 * a fill is done once it has read the log to where it ended when the fill began, and it may begin
 * again.
 *
 * While events are pushed it works in smaller pieces and half of the time, so that pushes need not
 * wait long for it.
 *
 * Its position is kept in the row "fill/TABLE", written with the events up to there. What reads
 * Kafka is filled by kafka_fill.h. */
#include "stream/fill.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/time_text.h"
#include "stream/kafka_fill.h"

enum {
    FILL_STEP_EVENTS_MAX = 500,            /* so that a step is a few milliseconds */
    FILL_BUSY_EVENTS_MAX = 100,            /* while events are pushed, and */
    FILL_BUSY_PART = 2,                    /* of the time */
    FILL_STEP_BYTES_MAX = 4 * 1024 * 1024, /* of rows, for the same reason */
    FILL_ROW_SIZE = 8,
};

#define FILL_RETRY_US (5 * US_PER_SECOND)

static struct bytes fill_key(struct arena *arena, uint32_t table_id)
{
    return arena_format(arena, "fill/%u", table_id);
}

static enum status position_read(const struct stream *stream, const struct view_version *version,
                                 uint64_t *position, struct error *err)
{
    struct bytes row;
    struct arena *arena = arena_create(256);
    enum status status =
        storage_get_row(stream->storage, fill_key(arena, version->table_id), arena, &row, err);
    *position = 0;
    if (status == STATUS_OK && row.size == FILL_ROW_SIZE)
        *position = be64_read(row.data);
    arena_destroy(&arena);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- which ---- */

typedef bool (*filling_fn)(void *context, struct source_runtime *source, struct view_input *input);

/* Calls take for each filling version, until it returns false. */
static void each_filling(const struct stream *stream, filling_fn take, void *context)
{
    for (size_t i = 0; i < stream->runtime->sources_count; i++) {
        struct source_runtime *source = &stream->runtime->sources[i];
        for (size_t j = 0; j < source->inputs_count; j++)
            if (source->inputs[j].version->state == VERSION_FILLING &&
                !take(context, source, &source->inputs[j]))
                return;
    }
}

struct found {
    struct source_runtime *source;
    struct view_input *input;
};

static bool find_oldest(void *context, struct source_runtime *source, struct view_input *input)
{
    struct found *found = context;
    if (source->source->definition->kafka != NULL)
        return true;
    if (found->input == NULL || input->version->table_id < found->input->version->table_id)
        *found = (struct found){.source = source, .input = input};
    return true;
}

struct progress_list {
    const struct stream *stream;
    struct fill_progress *progress;
    size_t count;
    size_t max;
};

static bool list_progress(void *context, struct source_runtime *source, struct view_input *input)
{
    struct progress_list *list = context;
    if (list->count == list->max)
        return false;
    struct fill_progress *progress = &list->progress[list->count++];
    *progress = (struct fill_progress){.view = input->view->name,
                                       .version = input->view->version,
                                       .events_total = source->state->committed.next_sequence};
    if (source->source->definition->kafka != NULL)
        kafka_fill_progress(list->stream, input->version->table_id, &progress->events_done,
                            &progress->events_total);
    else if (position_read(list->stream, input->version, &progress->events_done, NULL) != STATUS_OK)
        progress->events_done = 0;
    return true;
}

size_t stream_fills(const struct stream *stream, struct fill_progress *progress,
                    size_t progress_max)
{
    struct progress_list list = {.stream = stream, .progress = progress, .max = progress_max};
    each_filling(stream, list_progress, &list);
    return list.count;
}

/* ---- going live ---- */

/* Rows that make versions live, and what to say then. */
struct live_list {
    struct stream *stream;
    struct arena *arena;
    struct registry_row *rows; /* rows_max of them, in the arena */
    size_t rows_count;
    size_t rows_max;
};

static void list_live(struct live_list *list, const struct view_input *input)
{
    struct registry_plan plan;
    const struct view *view = registry_find_view(list->stream->registry, input->view->name);
    CHECK(view != NULL);
    registry_plan_live(list->stream->registry, view, input->version, clock_now_us(), list->arena,
                       &plan);
    CHECK(list->rows_count + plan.rows_count <= list->rows_max);
    for (size_t i = 0; i < plan.rows_count; i++)
        list->rows[list->rows_count++] = plan.rows[i];
}

static enum status write_live(struct stream *stream, const struct live_list *list,
                              struct error *err)
{
    const struct registry_plan plan = {.rows = list->rows, .rows_count = list->rows_count};
    return list->rows_count == 0 ? STATUS_OK : stream_write_definitions(stream, &plan, err);
}

static bool list_empty(void *context, struct source_runtime *source, struct view_input *input)
{
    struct live_list *list = context;
    bool is_empty = source->source->definition->kafka != NULL
                        ? kafka_fill_is_empty(list->stream, source, input->version->table_id)
                        : source->state->committed.next_sequence == 0;
    if (is_empty)
        list_live(list, input);
    return true;
}

static bool count_filling(void *context, struct source_runtime *source, struct view_input *input)
{
    (void)source, (void)input;
    ++*(size_t *)context;
    return true;
}

enum status stream_finish_empty_fills(struct stream *stream, struct error *err)
{
    size_t filling = 0;
    each_filling(stream, count_filling, &filling);
    struct live_list list = {
        .stream = stream, .arena = arena_create(STREAM_CHUNK_SIZE), .rows_max = 2 * filling};
    list.rows = ARENA_NEW_ARRAY(list.arena, list.rows_max, struct registry_row);
    each_filling(stream, list_empty, &list);
    enum status status = write_live(stream, &list, err);
    arena_destroy(&list.arena);
    return status;
}

static void tell_live(const struct stream *stream, const char *name, uint32_t version)
{
    const struct fill_work *work = &stream->fill_work;
    const struct view *view = registry_find_view(stream->registry, bytes_of_text(name));
    if (view->active == version)
        log_info("view %s@%u is filled and active", name, version);
    else
        log_info("view %s@%u is filled and ready: `asof promote %s@%u` makes it the active one",
                 name, version, name, version);
    if (work->mismatched > 0)
        log_warn("view %s@%u lacks %llu events of the log that do not fit its definition", name,
                 version, (unsigned long long)work->mismatched);
    if (work->expired > 0)
        log_warn("view %s@%u lacks %llu events that are beyond its source's retention", name,
                 version, (unsigned long long)work->expired);
}

enum status fill_make_live(struct stream *stream, const struct view_input *input, struct error *err)
{
    char name[NAME_SIZE_MAX + 1];
    uint32_t version = input->view->version;
    bytes_to_text(input->view->name, name, sizeof(name));
    struct live_list list = {
        .stream = stream, .arena = arena_create(STREAM_CHUNK_SIZE), .rows_max = 2};
    list.rows = ARENA_NEW_ARRAY(list.arena, list.rows_max, struct registry_row);
    list_live(&list, input);
    enum status status = write_live(stream, &list, err);
    arena_destroy(&list.arena);
    if (status == STATUS_OK)
        tell_live(stream, name, version);
    return status;
}

/* ---- a step ---- */

/* What a step found on its way. */
struct step {
    uint64_t position;
    int64_t newest_us; /* largest event time by the source's definition of now */
    bool is_done;      /* the log has no more */
};

/* The event time by the source's definition of now, or TIME_MIN_US: its clock may go by another
 * field since the event came. */
static int64_t event_time(const struct source_runtime *source, const struct decoded_event *event)
{
    const struct value *time = &event->values[source->source->definition->event_time_field];
    return time->kind == VALUE_TIMESTAMP ? time->integer : TIME_MIN_US;
}

void fill_put(struct stream *stream, struct view_input *input, const struct decoded_event *event,
              struct bytes place)
{
    struct input_scratch *scratch = &stream->scratch;
    int64_t time_us;
    switch (input_reduce(input, event, place, scratch, &time_us, NULL)) {
    case INPUT_TAKEN:
        input_put(input, stream->fill_batch, stream->storage, scratch, time_us);
        break;
    case INPUT_LATE: /* a version has no horizon before it is live */
        CHECK(false);
        break;
    case INPUT_NULL_KEY:
        stream->counters.events_null_key_total++;
        break;
    case INPUT_FILTERED:
        stream->counters.events_filtered_total++;
        break;
    case INPUT_MISMATCHED:
    case INPUT_REFUSED:
        stream->counters.events_mismatched_total++;
        stream->fill_work.mismatched++;
        break;
    }
}

/* Whether events came since the last piece. */
static bool is_busy(const struct stream *stream)
{
    return stream->counters.events_accepted_total != stream->fill_accepted_total;
}

static void fill_event(struct stream *stream, const struct found *found,
                       const struct push_event *text, struct step *step)
{
    struct decoded_event event;
    char place[SEQUENCE_SIZE];
    be64_write(place, step->position);
    if (decoder_decode(found->source->decoder, text, stream->event_arena, &event, NULL) !=
        STATUS_OK) {
        stream->counters.events_mismatched_total++;
        stream->fill_work.mismatched++;
        return;
    }
    int64_t event_us = event_time(found->source, &event);
    if (event_us > step->newest_us)
        step->newest_us = event_us;
    fill_put(stream, found->input, &event, bytes_of(place, sizeof(place)));
}

/* Fills from one block, from step->position on, at most *left events; moves both. */
static enum status fill_from_block(struct stream *stream, const struct found *found,
                                   uint64_t first_sequence, struct bytes block, struct step *step,
                                   size_t *left, struct error *err)
{
    struct log_reader reader;
    enum status status = log_reader_start(&reader, block, err);
    if (status != STATUS_OK)
        return status;
    if (step->position < first_sequence) {
        stream->fill_work.expired += first_sequence - step->position;
        step->position = first_sequence;
    }
    uint64_t skipped = step->position - first_sequence;
    if (skipped >= reader.count)
        return STATUS_OK;
    status = log_reader_skip(&reader, (uint32_t)skipped, err);
    while (status == STATUS_OK && *left > 0 &&
           batch_size_bytes(stream->fill_batch) < FILL_STEP_BYTES_MAX) {
        struct push_event event;
        arena_reset(stream->event_arena);
        status = log_reader_next(&reader, stream->event_arena, &event, err);
        if (status != STATUS_OK)
            break;
        fill_event(stream, found, &event, step);
        step->position++;
        --*left;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Reads a piece of events into the fill's batch. */
static enum status fill_read(struct stream *stream, const struct found *found, struct step *step,
                             struct error *err)
{
    uint64_t until = stream->fill_work.until_sequence;
    size_t left = is_busy(stream) ? FILL_BUSY_EVENTS_MAX : FILL_STEP_EVENTS_MAX;
    if (step->position + left > until)
        left = step->position < until ? (size_t)(until - step->position) : 0;
    struct log_cursor *cursor =
        log_cursor_open(stream->storage, found->source->source->id, step->position);
    enum status status = STATUS_OK;
    while (left > 0 && status == STATUS_OK &&
           batch_size_bytes(stream->fill_batch) < FILL_STEP_BYTES_MAX) {
        uint64_t first_sequence;
        struct bytes block;
        status = log_cursor_next(cursor, &first_sequence, &block, err);
        if (status == STATUS_OK)
            status = fill_from_block(stream, found, first_sequence, block, step, &left, err);
    }
    log_cursor_close(&cursor);
    bool is_end = status == STATUS_NOT_FOUND;
    step->is_done = is_end || (status == STATUS_OK && step->position >= until);
    return is_end ? STATUS_OK : status;
}

enum status fill_commit(struct stream *stream, struct source_state *state, int64_t newest_us,
                        bool is_synced, struct error *err)
{
    struct source_marks marks = state->committed;
    bool is_newer = newest_us > marks.newest_us;
    if (is_newer) {
        marks.newest_us = newest_us;
        stream_put_marks(stream, stream->fill_batch, state->source_id, &marks);
    }
    enum status status = storage_write(stream->storage, stream->fill_batch, is_synced, err);
    if (status == STATUS_OK && is_newer) {
        state_set_committed(state, marks);
        state->pending = marks;
    }
    return status;
}

static enum status fill_write(struct stream *stream, const struct found *found,
                              const struct step *step, struct error *err)
{
    char row[FILL_ROW_SIZE];
    arena_reset(stream->event_arena);
    struct bytes key = fill_key(stream->event_arena, found->input->version->table_id);
    be64_write(row, step->position);
    if (step->is_done)
        batch_delete_row(stream->fill_batch, stream->storage, key);
    else
        batch_put_row(stream->fill_batch, stream->storage, key, bytes_of(row, sizeof(row)));
    return fill_commit(stream, found->source->state, step->newest_us, false, err);
}

static enum status fill_piece(struct stream *stream, const struct found *found, struct error *err)
{
    struct step step = {.newest_us = TIME_MIN_US};
    uint32_t table_id = found->input->version->table_id;
    if (stream->fill_work.table_id != table_id)
        stream->fill_work = (struct fill_work){
            .table_id = table_id, .until_sequence = found->source->state->committed.next_sequence};
    batch_clear(stream->fill_batch);
    enum status status = position_read(stream, found->input->version, &step.position, err);
    if (status == STATUS_OK)
        status = fill_read(stream, found, &step, err);
    fault_point("fill.read");
    if (status == STATUS_OK)
        status = fill_write(stream, found, &step, err);
    fault_point("fill.written");
    if (status == STATUS_OK && step.is_done)
        status = fill_make_live(stream, found->input, err);
    return status;
}

bool fill_step(struct stream *stream)
{
    struct found found = {0};
    struct error err = {0};
    each_filling(stream, find_oldest, &found);
    int64_t begun_mono_us = clock_mono_us();
    if (found.input == NULL || begun_mono_us < stream->fill_retry_mono_us ||
        (is_busy(stream) && begun_mono_us < stream->fill_busy_mono_us))
        return false;
    if (stream_prepare(stream, &err) != STATUS_OK ||
        fill_piece(stream, &found, &err) != STATUS_OK) {
        log_error("fill of %.*s@%u: %s; trying again", BYTES_ARGS(found.input->view->name),
                  found.input->view->version, err.text);
        stream->fill_retry_mono_us = clock_mono_us() + FILL_RETRY_US;
        return false;
    }
    int64_t now_mono_us = clock_mono_us();
    stream->fill_busy_mono_us = now_mono_us + (FILL_BUSY_PART - 1) * (now_mono_us - begun_mono_us);
    stream->fill_accepted_total = stream->counters.events_accepted_total;
    return true;
}
