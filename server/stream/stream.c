#include "stream/stream.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/time_text.h"
#include "stream/stream_private.h"

enum {
    STATE_ROW_SIZE = 16,      /* next sequence, newest event time */
    TRIM_BLOCKS_MAX = 64,     /* of one call */
};

/* How long a producer's last sequence is kept after its last push. */
#define PRODUCER_KEPT_US (7 * US_PER_DAY)

struct bytes stream_state_key(struct arena *arena, uint32_t source_id)
{
    return arena_format(arena, "state/%u", source_id);
}

/* ---- states of sources ---- */

static enum status state_read(struct stream *stream, struct source_state *state, struct error *err)
{
    struct bytes row;
    struct bytes key = stream_state_key(stream->event_arena, state->source_id);
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &row, err);
    state->committed = (struct source_marks){.newest_us = TIME_MIN_US};
    if (status == STATUS_OK && row.size != STATE_ROW_SIZE)
        status = error_set(err, STATUS_CORRUPT, "the state of source %u can't be read",
                           state->source_id);
    if (status == STATUS_OK) {
        state->committed.next_sequence = be64_read(row.data);
        state->committed.newest_us = be64_read_signed(row.data + 8);
    }
    state->pending = state->committed;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

struct source_state *stream_find_state(void *context, uint32_t source_id)
{
    struct stream *stream = context;
    struct error err;
    for (size_t i = 0; i < stream->states_count; i++)
        if (stream->states[i].source_id == source_id)
            return &stream->states[i];
    CHECK(stream->states_count < SOURCES_MAX);
    struct source_state *state = &stream->states[stream->states_count++];
    state->source_id = source_id;
    if (state_read(stream, state, &err) != STATUS_OK)
        log_error("%s", err.text);
    return state;
}

static bool state_is_dirty(const struct source_state *state)
{
    return state->block.count > 0;
}

int64_t stream_now_us(void *context, struct bytes source)
{
    struct stream *stream = context;
    const struct source_runtime *runtime = runtime_find(stream->runtime, source);
    if (runtime == NULL || runtime->source->definition->clock == CLOCK_WALL)
        return clock_now_us();
    return runtime->state->committed.newest_us;
}

/* ---- opening ---- */

static enum status expire_producer(void *context, struct bytes key, struct bytes value,
                                   struct error *err)
{
    struct stream *stream = context;
    (void)err;
    bool is_old = value.size != PRODUCER_ROW_SIZE ||
                  be64_read_signed(value.data + 8) < clock_now_us() - PRODUCER_KEPT_US;
    if (is_old)
        batch_delete_row(stream->batch, stream->storage, key);
    return STATUS_OK;
}

static enum status expire_producers(struct stream *stream, struct error *err)
{
    enum status status = storage_scan_rows(stream->storage, bytes_of_text("producer/"),
                                           expire_producer, stream, err);
    if (status == STATUS_OK && !batch_is_empty(stream->batch))
        status = storage_write(stream->storage, stream->batch, false, err);
    batch_clear(stream->batch);
    return status;
}

enum status stream_open(struct storage *storage, registry_changed_fn changed, void *context,
                        struct stream **out, struct error *err)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    CHECK(stream != NULL);
    stream->storage = storage;
    stream->changed = changed;
    stream->changed_context = context;
    stream->states = calloc(SOURCES_MAX, sizeof(*stream->states));
    CHECK(stream->states != NULL);
    stream->batch = batch_create();
    stream->fill_batch = batch_create();
    stream->batch_arena = arena_create(STREAM_CHUNK_SIZE);
    stream->event_arena = arena_create(STREAM_CHUNK_SIZE);

    enum status status = expire_producers(stream, err);
    if (status == STATUS_OK)
        status = stream_reload(stream, err);
    if (status == STATUS_OK)
        status = stream_finish_empty_fills(stream, err);
    if (status == STATUS_OK) {
        *out = stream;
        stream = NULL; /* moved to the caller */
    }
    stream_close(&stream);
    return status;
}

void stream_close(struct stream **stream)
{
    struct stream *it = *stream;
    if (it == NULL)
        return;
    runtime_destroy(&it->runtime);
    registry_destroy(&it->registry);
    for (size_t i = 0; i < it->states_count; i++)
        log_block_fini(&it->states[i].block);
    free(it->states);
    batch_destroy(&it->batch);
    batch_destroy(&it->fill_batch);
    arena_destroy(&it->batch_arena);
    arena_destroy(&it->event_arena);
    buffer_fini(&it->scratch.entity);
    buffer_fini(&it->scratch.identity);
    buffer_fini(&it->scratch.row);
    free(it);
    *stream = NULL;
}

const struct registry *stream_registry(const struct stream *stream)
{
    return stream->registry;
}

const struct stream_counters *stream_counters(const struct stream *stream)
{
    return &stream->counters;
}

/* ---- commit ---- */

bool stream_is_dirty(const struct stream *stream)
{
    for (size_t i = 0; i < stream->states_count; i++)
        if (state_is_dirty(&stream->states[i]))
            return true;
    return false;
}

/* Puts the block of raw events and the new marks of a source into the batch. */
static void put_source(struct stream *stream, const struct source_runtime *source)
{
    struct source_state *state = source->state;
    bool is_event_clock = source->source->definition->clock == CLOCK_EVENT;
    int64_t now_us = is_event_clock ? state->pending.newest_us : clock_now_us();
    struct buffer block = {0};
    log_block_finish(&state->block, now_us, &block);
    batch_put_log(stream->batch, stream->storage, state->source_id,
                  state->committed.next_sequence, buffer_bytes(&block));
    buffer_fini(&block);

    char row[STATE_ROW_SIZE];
    be64_write(row, state->pending.next_sequence);
    be64_write_signed(row + 8, state->pending.newest_us);
    batch_put_row(stream->batch, stream->storage,
                  stream_state_key(stream->batch_arena, state->source_id),
                  bytes_of(row, sizeof(row)));
}

static void forget_batch(struct stream *stream, bool is_written)
{
    const size_t block_kept_max = 1024 * 1024;
    for (size_t i = 0; i < stream->states_count; i++) {
        struct source_state *state = &stream->states[i];
        if (is_written)
            state->committed = state->pending;
        state->pending = state->committed;
        buffer_reset(&state->block.events, block_kept_max);
        state->block.count = 0;
    }
    batch_clear(stream->batch);
    arena_reset(stream->batch_arena);
    stream->producers_count = 0;
}

enum status stream_commit(struct stream *stream, struct error *err)
{
    bool is_dirty = stream_is_dirty(stream);
    bool is_synced = false;
    for (size_t i = 0; i < stream->runtime->sources_count; i++) {
        const struct source_runtime *source = &stream->runtime->sources[i];
        if (!state_is_dirty(source->state))
            continue;
        put_source(stream, source);
        is_synced |= source->source->definition->durability == DURABILITY_FSYNC;
    }
    enum status status = STATUS_OK;
    if (is_dirty) {
        status = storage_write(stream->storage, stream->batch, is_synced, err);
        stream->counters.batches_committed_total += status == STATUS_OK;
    }
    forget_batch(stream, status == STATUS_OK);
    return status;
}

/* ---- retention ---- */

/* Deletes the oldest blocks of a source's log that its retention does not cover. */
static enum status trim_source(struct stream *stream, const struct source_runtime *source,
                               struct error *err)
{
    int64_t now_us = stream_now_us(stream, source->source->definition->name);
    int64_t kept_from_us = now_us - source->source->definition->retention_us;
    struct batch *deletes = batch_create();
    struct log_cursor *cursor = log_cursor_open(stream->storage, source->source->id, 0);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < TRIM_BLOCKS_MAX && status == STATUS_OK; i++) {
        uint64_t first_sequence;
        struct bytes block;
        struct log_reader reader;
        status = log_cursor_next(cursor, &first_sequence, &block, err);
        if (status == STATUS_OK)
            status = log_reader_start(&reader, block, err);
        if (status != STATUS_OK || reader.now_us >= kept_from_us)
            break;
        batch_delete_log(deletes, stream->storage, source->source->id, first_sequence);
    }
    log_cursor_close(&cursor);
    if ((status == STATUS_OK || status == STATUS_NOT_FOUND) && !batch_is_empty(deletes))
        status = storage_write(stream->storage, deletes, false, err);
    batch_destroy(&deletes);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void stream_trim(struct stream *stream)
{
    struct error err;
    for (size_t i = 0; i < stream->runtime->sources_count; i++) {
        const struct source_runtime *source = &stream->runtime->sources[i];
        if (source->source->definition->retention_us == DURATION_NONE)
            continue;
        if (trim_source(stream, source, &err) != STATUS_OK)
            log_error("retention of source '%.*s': %s",
                      BYTES_ARGS(source->source->definition->name), err.text);
    }
}
