#include "stream/stream.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/map.h"
#include "base/time_text.h"
#include "stream/dead_letters.h"
#include "stream/intake.h"
#include "stream/kafka_fill.h"

enum {
    STATE_ROW_SIZE = 16,               /* next sequence, newest event time */
    TRIM_BLOCKS_MAX = 2000,            /* of one source in one call */
    EXPIRED_PRODUCERS_MAX = 10 * 1000, /* of one call */
};

/* How often old producers are looked for. */
#define EXPIRY_INTERVAL_US US_PER_HOUR

/* How often old dead letters are looked for. */
#define LETTERS_INTERVAL_US US_PER_SECOND

/* How long a producer's last sequence is kept after its last push. */
#define PRODUCER_KEPT_US (7 * US_PER_DAY)

static struct bytes state_key(struct arena *arena, uint32_t source_id)
{
    return arena_format(arena, "state/%u", source_id);
}

/* ---- states of sources ---- */

static enum status state_read(struct stream *stream, struct source_state *state, struct error *err)
{
    struct bytes row;
    struct bytes key = state_key(stream->event_arena, state->source_id);
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &row, err);
    struct source_marks marks = {.newest_us = TIME_MIN_US};
    if (status == STATUS_OK && row.size != STATE_ROW_SIZE)
        status = error_set(err, STATUS_CORRUPT, "the state of source %u can't be read",
                           state->source_id);
    if (status == STATUS_OK) {
        marks.next_sequence = be64_read(row.data);
        marks.newest_us = be64_read_signed(row.data + 8);
    }
    state_set_committed(state, marks);
    state->pending = marks;
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        status = dead_letters_load(stream, state, err);
    return status;
}

void stream_mark_moved(struct stream *stream, uint32_t source_id)
{
    for (size_t i = 0; i < stream->states_count; i++)
        if (stream->states[i].source_id == source_id)
            stream->states[i].is_moved = true;
}

enum status stream_find_state(void *context, uint32_t source_id, struct source_state **out,
                              struct error *err)
{
    struct stream *stream = context;
    for (size_t i = 0; i < stream->states_count; i++) {
        *out = &stream->states[i];
        if (stream->states[i].source_id == source_id)
            return STATUS_OK;
    }
    if (stream->states_count == SOURCES_MAX)
        return error_set(err, STATUS_LIMIT, "there can be at most %d sources", SOURCES_MAX);
    struct source_state *state = &stream->states[stream->states_count];
    state->source_id = source_id;
    enum status status = state_read(stream, state, err);
    if (status != STATUS_OK)
        return status;
    stream->states_count++;
    *out = state;
    return STATUS_OK;
}

/* After a failed write the store may hold more than was acknowledged: what is remembered of it is
 * read again, before anything is built on it. The open batch is empty. */
static enum status reread_states(struct stream *stream, struct error *err)
{
    uint64_t generation = storage_generation(stream->storage);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < stream->states_count && status == STATUS_OK; i++)
        status = state_read(stream, &stream->states[i], err);
    if (status == STATUS_OK)
        status = fold_reread(stream, err);
    if (status == STATUS_OK)
        stream->generation = generation;
    intake_forget(stream);
    return status;
}

/* What was put into the open batch hangs on the snapshot and the horizons, which steps may change.
 */
bool stream_step(struct stream *stream)
{
    if (stream_is_dirty(stream))
        return true;
    bool has_more = intake_step(stream);
    has_more |= fill_step(stream);
    waiting_step(stream);
    has_more |= drop_step(stream);
    has_more |= kafka_fill_step(stream);
    has_more |= condensing_step(stream);
    return fold_step(stream) || has_more;
}

enum status stream_prepare(struct stream *stream, struct error *err)
{
    bool is_current = stream->generation == storage_generation(stream->storage);
    return is_current || stream_is_dirty(stream) ? STATUS_OK : reread_states(stream, err);
}

static bool state_is_dirty(const struct source_state *state)
{
    return state->block.count > 0 || state->is_moved;
}

const struct source_time *stream_find_time(void *context, struct bytes source)
{
    struct stream *stream = context;
    const struct source_runtime *runtime = runtime_find(stream->runtime, source);
    CHECK(runtime != NULL);
    return &runtime->state->time;
}

const struct freshness *stream_find_freshness(struct stream *stream, struct bytes view)
{
    return arrivals_find_view(&stream->arrivals, view);
}

/* ---- opening ---- */

/* Rows to delete, while they are looked for. */
struct expiry {
    struct storage *storage;
    struct batch *deletes;
    size_t left;
    int64_t before_us;
};

static enum status expire_producer(void *context, struct bytes key, struct bytes value,
                                   struct error *err)
{
    struct expiry *expiry = context;
    (void)err;
    bool is_old =
        value.size != PRODUCER_ROW_SIZE || be64_read_signed(value.data + 8) < expiry->before_us;
    if (!is_old)
        return STATUS_OK;
    batch_delete_row(expiry->deletes, expiry->storage, key);
    return --expiry->left > 0 ? STATUS_OK : STATUS_AGAIN;
}

/* Forgets producers that have not pushed for long, a bounded number of them. */
static void expire_producers(struct stream *stream)
{
    struct error err;
    struct expiry expiry = {.storage = stream->storage,
                            .deletes = batch_create(),
                            .left = EXPIRED_PRODUCERS_MAX,
                            .before_us = clock_now_us() - PRODUCER_KEPT_US};
    enum status status = storage_scan_rows(stream->storage, bytes_of_text("producer/"),
                                           expire_producer, &expiry, &err);
    if ((status == STATUS_OK || status == STATUS_AGAIN) && !batch_is_empty(expiry.deletes))
        status = storage_write(stream->storage, expiry.deletes, false, &err);
    if (status != STATUS_OK && status != STATUS_AGAIN)
        log_warn("old producers are not forgotten: %s", err.text);
    batch_destroy(&expiry.deletes);
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
    arrivals_init(&stream->arrivals);
    stream->batch = batch_create();
    stream->written_rows = map_create();
    stream->fill_batch = batch_create();
    stream->condensing = condensing_create();
    stream->batch_arena = arena_create(STREAM_CHUNK_SIZE);
    stream->event_arena = arena_create(STREAM_CHUNK_SIZE);

    stream->generation = storage_generation(storage);
    enum status status = stream_reload(stream, err);
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
    kafka_fill_close(it);
    intake_destroy(&it->intake);
    runtime_destroy(&it->runtime);
    registry_destroy(&it->registry);
    for (size_t i = 0; i < it->states_count; i++)
        log_block_fini(&it->states[i].block);
    free(it->states);
    arrivals_fini(&it->arrivals);
    fold_destroy_all(it);
    batch_destroy(&it->batch);
    map_destroy(&it->written_rows);
    batch_destroy(&it->fill_batch);
    condensing_destroy(&it->condensing);
    arena_destroy(&it->batch_arena);
    arena_destroy(&it->event_arena);
    buffer_fini(&it->scratch.entity);
    buffer_fini(&it->scratch.identity);
    buffer_fini(&it->scratch.row);
    buffer_fini(&it->drop.position);
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

void stream_put_marks(struct stream *stream, struct batch *batch, uint32_t source_id,
                      const struct source_marks *marks)
{
    char row[STATE_ROW_SIZE];
    be64_write(row, marks->next_sequence);
    be64_write_signed(row + 8, marks->newest_us);
    batch_put_row(batch, stream->storage, state_key(stream->batch_arena, source_id),
                  bytes_of(row, sizeof(row)));
}

/* Puts the raw events, in blocks, and the new marks of a source into the batch. */
static void put_source(struct stream *stream, const struct source_runtime *source)
{
    struct source_state *state = source->state;
    bool is_event_clock = source->source->definition->clock == CLOCK_EVENT;
    int64_t now_us = is_event_clock ? state->pending.newest_us : clock_now_us();
    uint64_t sequence = state->committed.next_sequence;
    struct buffer block = {0};
    for (size_t i = 0; i < log_block_pieces(&state->block); i++) {
        block.start = block.size = 0;
        uint32_t count = log_block_finish(&state->block, i, now_us, &block);
        batch_put_log(stream->batch, stream->storage, state->source_id, sequence,
                      buffer_bytes(&block));
        sequence += count;
    }
    CHECK(sequence == state->pending.next_sequence);
    buffer_fini(&block);

    stream_put_marks(stream, stream->batch, state->source_id, &state->pending);
}

static void forget_batch(struct stream *stream, bool is_written)
{
    const size_t block_kept_max = 1024 * 1024;
    if (is_written)
        arrivals_observe(&stream->arrivals, clock_now_us());
    stream->arrivals.count = 0;
    for (size_t i = 0; i < stream->states_count; i++) {
        struct source_state *state = &stream->states[i];
        if (is_written && state_is_dirty(state))
            atomic_store_explicit(&state->time.accepted_us, clock_now_us(), memory_order_relaxed);
        if (is_written) {
            state_set_committed(state, state->pending);
            state->letters_committed = state->letters;
        }
        state->pending = state->committed;
        state->letters = state->letters_committed;
        state->is_moved = false;
        state->row_writes_count = 0;
        log_block_reset(&state->block, block_kept_max);
    }
    batch_clear(stream->batch);
    arena_reset(stream->batch_arena);
    stream->producers_count = 0;
    if (map_count(stream->written_rows) > 0) {
        map_destroy(&stream->written_rows);
        stream->written_rows = map_create();
    }
}

enum status stream_commit(struct stream *stream, struct error *err)
{
    bool is_dirty = stream_is_dirty(stream);
    bool is_synced = false;
    enum status status = STATUS_OK;
    CHECK(!is_dirty || stream->generation == storage_generation(stream->storage));
    for (size_t i = 0; i < stream->runtime->sources_count; i++) {
        const struct source_runtime *source = &stream->runtime->sources[i];
        if (!state_is_dirty(source->state))
            continue;
        put_source(stream, source);
        if (status == STATUS_OK)
            status = dead_letters_settle(stream, source, err);
        is_synced |= source->state->block.count > 0 &&
                     source->source->definition->durability == DURABILITY_FSYNC;
    }
    if (is_dirty && status == STATUS_OK) {
        status = storage_write(stream->storage, stream->batch, is_synced, err);
        stream->counters.batches_committed_total += status == STATUS_OK;
    }
    forget_batch(stream, status == STATUS_OK);
    return status;
}

/* ---- retention ---- */

/* Whether the block may go. One that can't be read may, once: there is nothing in it to be had. */
static bool block_is_old(const struct source_runtime *source, struct bytes block,
                         int64_t kept_from_us)
{
    struct log_reader reader;
    struct error err;
    if (log_reader_start(&reader, block, &err) == STATUS_OK)
        return reader.now_us < kept_from_us;
    log_error("source '%.*s': %s; it is deleted", BYTES_ARGS(source->source->definition->name),
              err.text);
    return true;
}

/* Deletes the oldest blocks of a source's log that its retention does not cover. */
static enum status trim_source(struct stream *stream, struct source_runtime *source,
                               struct error *err)
{
    int64_t now_us = source_time_now_us(&source->state->time, source->source->definition->clock);
    int64_t kept_from_us = now_us - source->source->definition->retention_us;
    struct batch *deletes = batch_create();
    uint64_t first_sequence = source->state->first_sequence;
    struct log_cursor *cursor =
        log_cursor_open(stream->storage, source->source->id, first_sequence);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < TRIM_BLOCKS_MAX && status == STATUS_OK; i++) {
        struct bytes block;
        status = log_cursor_next(cursor, &first_sequence, &block, err);
        if (status != STATUS_OK || !block_is_old(source, block, kept_from_us))
            break;
        batch_delete_log(deletes, stream->storage, source->source->id, first_sequence);
    }
    log_cursor_close(&cursor);
    if ((status == STATUS_OK || status == STATUS_NOT_FOUND) && !batch_is_empty(deletes))
        status = storage_write(stream->storage, deletes, false, err);
    if (status == STATUS_OK)
        source->state->first_sequence =
            first_sequence; /* the next call need not pass what is gone */
    batch_destroy(&deletes);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void stream_trim(struct stream *stream)
{
    struct error err;
    if (stream_prepare(stream, &err) != STATUS_OK)
        return;
    int64_t now_mono_us = clock_mono_us();
    bool expires_letters = now_mono_us >= stream->letters_mono_us && !stream_is_dirty(stream);
    if (now_mono_us >= stream->expiry_mono_us) {
        stream->expiry_mono_us = now_mono_us + EXPIRY_INTERVAL_US;
        expire_producers(stream);
    }
    if (expires_letters)
        stream->letters_mono_us = now_mono_us + LETTERS_INTERVAL_US;
    for (size_t i = 0; i < stream->runtime->sources_count; i++) {
        struct source_runtime *source = &stream->runtime->sources[i];
        if (expires_letters && source->source->definition->letters_retention_us != DURATION_NONE)
            dead_letters_expire(stream, source);
        if (source->source->definition->retention_us == DURATION_NONE)
            continue;
        if (trim_source(stream, source, &err) != STATUS_OK)
            log_error("retention of source '%.*s': %s",
                      BYTES_ARGS(source->source->definition->name), err.text);
    }
}
