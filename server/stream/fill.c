/* Fill: a new version of a view reads its source's log from the beginning, while ingestion already
 * writes to it. Both write the same rows for the same events, so where they meet does not matter:
 * a fill is done once it has read all that was there when ingestion began, and it may begin again.
 *
 * Its position is kept in the row "fill/TABLE", written with the events up to there. */
#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/time_text.h"
#include "stream/stream_private.h"

enum {
    FILL_STEP_EVENTS_MAX = 500, /* so that a step is a few milliseconds */
    FILL_ROW_SIZE = 8,
};

#define FILL_RETRY_US (5 * US_PER_SECOND)

struct bytes stream_fill_key(struct arena *arena, uint32_t table_id)
{
    return arena_format(arena, "fill/%u", table_id);
}

static enum status position_read(const struct stream *stream, const struct view_version *version,
                                 uint64_t *position, struct error *err)
{
    struct bytes row;
    struct arena *arena = arena_create(256);
    enum status status = storage_get_row(stream->storage, stream_fill_key(arena, version->table_id),
                                         arena, &row, err);
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
    if (found->input == NULL || input->version->table_id < found->input->version->table_id)
        *found = (struct found){.source = source, .input = input};
    return true;
}

static bool find_empty(void *context, struct source_runtime *source, struct view_input *input)
{
    if (source->state->committed.next_sequence > 0)
        return true;
    *(struct found *)context = (struct found){.source = source, .input = input};
    return false;
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
    if (position_read(list->stream, input->version, &progress->events_done, NULL) != STATUS_OK)
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

static enum status make_live(struct stream *stream, const struct view_input *input,
                             struct error *err)
{
    struct registry_plan plan;
    struct arena *arena = arena_create(STREAM_CHUNK_SIZE);
    const struct view *view = registry_find_view(stream->registry, input->view->name);
    CHECK(view != NULL);
    log_info("view %.*s@%u is live", BYTES_ARGS(input->view->name), input->view->version);
    registry_plan_live(stream->registry, view, input->version, arena, &plan);
    enum status status = stream_write_definitions(stream, &plan, err);
    arena_destroy(&arena);
    return status;
}

enum status stream_finish_empty_fills(struct stream *stream, struct error *err)
{
    enum status status = STATUS_OK;
    struct found found = {0};
    each_filling(stream, find_empty, &found);
    while (found.input != NULL && status == STATUS_OK) {
        status = make_live(stream, found.input, err);
        found = (struct found){0};
        each_filling(stream, find_empty, &found);
    }
    return status;
}

/* ---- a step ---- */

static void fill_event(struct stream *stream, const struct found *found,
                       const struct push_event *text, uint64_t sequence)
{
    struct input_scratch *scratch = &stream->scratch;
    struct decoded_event event;
    int64_t time_us;
    if (decoder_decode(found->source->decoder, text, stream->event_arena, &event, NULL) !=
        STATUS_OK) {
        stream->counters.events_mismatched_total++;
        return;
    }
    enum input_result result = input_reduce(found->input, &event, sequence, scratch, &time_us,
                                            NULL);
    if (result == INPUT_TAKEN)
        batch_put_event(stream->fill_batch, stream->storage, found->input->version->table_id,
                        buffer_bytes(&scratch->entity), time_us,
                        buffer_bytes(&scratch->identity), buffer_bytes(&scratch->row));
    else if (result == INPUT_MISMATCHED || result == INPUT_REFUSED)
        stream->counters.events_mismatched_total++;
    else if (result == INPUT_NULL_KEY)
        stream->counters.events_null_key_total++;
    else
        stream->counters.events_filtered_total++;
}

/* Fills from one block, from *position on, at most *left events; moves both. */
static enum status fill_from_block(struct stream *stream, const struct found *found,
                                   uint64_t first_sequence, struct bytes block, uint64_t *position,
                                   size_t *left, struct error *err)
{
    struct log_reader reader;
    enum status status = log_reader_start(&reader, block, err);
    if (status != STATUS_OK)
        return status;
    if (*position < first_sequence)
        *position = first_sequence; /* what was before is beyond the retention */
    uint64_t skipped = *position - first_sequence;
    if (skipped >= reader.count)
        return STATUS_OK;
    status = log_reader_skip(&reader, (uint32_t)skipped, err);
    while (status == STATUS_OK && *left > 0) {
        struct push_event event;
        arena_reset(stream->event_arena);
        status = log_reader_next(&reader, stream->event_arena, &event, err);
        if (status != STATUS_OK)
            break;
        fill_event(stream, found, &event, *position);
        ++*position;
        --*left;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Reads at most FILL_STEP_EVENTS_MAX events into the fill's batch. *is_done: the log has no more. */
static enum status fill_read(struct stream *stream, const struct found *found, uint64_t *position,
                             bool *is_done, struct error *err)
{
    size_t left = FILL_STEP_EVENTS_MAX;
    struct log_cursor *cursor = log_cursor_open(stream->storage, found->source->source->id,
                                                *position);
    enum status status = STATUS_OK;
    while (left > 0 && status == STATUS_OK) {
        uint64_t first_sequence;
        struct bytes block;
        status = log_cursor_next(cursor, &first_sequence, &block, err);
        if (status == STATUS_OK)
            status = fill_from_block(stream, found, first_sequence, block, position, &left, err);
    }
    log_cursor_close(&cursor);
    *is_done = status == STATUS_NOT_FOUND;
    return *is_done ? STATUS_OK : status;
}

static enum status fill_write(struct stream *stream, const struct found *found, uint64_t position,
                              bool is_done, struct error *err)
{
    char row[FILL_ROW_SIZE];
    arena_reset(stream->event_arena);
    struct bytes key = stream_fill_key(stream->event_arena, found->input->version->table_id);
    be64_write(row, position);
    if (is_done)
        batch_delete_row(stream->fill_batch, stream->storage, key);
    else
        batch_put_row(stream->fill_batch, stream->storage, key, bytes_of(row, sizeof(row)));
    return storage_write(stream->storage, stream->fill_batch, false, err);
}

static enum status fill_step(struct stream *stream, const struct found *found, struct error *err)
{
    uint64_t position;
    bool is_done = false;
    batch_clear(stream->fill_batch);
    enum status status = position_read(stream, found->input->version, &position, err);
    if (status == STATUS_OK)
        status = fill_read(stream, found, &position, &is_done, err);
    if (status == STATUS_OK)
        status = fill_write(stream, found, position, is_done, err);
    if (status == STATUS_OK && is_done)
        status = make_live(stream, found->input, err);
    return status;
}

bool stream_step(struct stream *stream)
{
    struct found found = {0};
    struct error err;
    each_filling(stream, find_oldest, &found);
    if (found.input == NULL || clock_mono_us() < stream->fill_retry_mono_us)
        return false;
    if (stream_is_dirty(stream)) /* the snapshot may change, so nothing may hang on the old one */
        return true;
    if (fill_step(stream, &found, &err) != STATUS_OK) {
        log_error("fill of %.*s@%u: %s; trying again", BYTES_ARGS(found.input->view->name),
                  found.input->view->version, err.text);
        stream->fill_retry_mono_us = clock_mono_us() + FILL_RETRY_US;
        return false;
    }
    return true;
}
