/* Partials of the chunks of entities that have many events, made by the writer between commits: one
 * entity at a time, a step of bounded work at a time (features/condense.h). */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/time_text.h"
#include "features/condense.h"
#include "stream/file_backfill.h"
#include "stream/stream_private.h"

enum { CHUNK_SIZE = 256 * 1024 };

/* Chunks that ended before the newest event by less are not made yet: events of several connections
 * pass each other. */
#define GRACE_US (100 * US_PER_MS)

/* The entity at work. */
struct condensing {
    struct partials_want want;
    bool is_active;
    struct condense work;
    struct batch *batch; /* owned: of the step at hand */
    struct arena *arena; /* owned: the same */
};

struct condensing *condensing_create(void)
{
    struct condensing *it = calloc(1, sizeof(*it));
    CHECK(it != NULL);
    it->batch = batch_create();
    it->arena = arena_create(CHUNK_SIZE);
    return it;
}

void condensing_destroy(struct condensing **out)
{
    struct condensing *it = *out;
    if (it == NULL)
        return;
    batch_destroy(&it->batch);
    arena_destroy(&it->arena);
    buffer_fini(&it->want.entity);
    free(it);
    *out = NULL;
}

/* The live version with that table, or NULL; also while files are on their way into it, as they
 * delete the partials that there were when they were begun. */
static const struct view_input *find_input(const struct stream *stream, uint32_t table_id)
{
    if (file_backfill_holds(stream, table_id))
        return NULL;
    for (size_t i = 0; i < stream->runtime->sources_count; i++) {
        const struct source_runtime *source = &stream->runtime->sources[i];
        for (size_t j = 0; j < source->inputs_count; j++)
            if (source->inputs[j].version->table_id == table_id &&
                source->inputs[j].version->state != VERSION_FILLING)
                return &source->inputs[j];
    }
    return NULL;
}

static struct timeline *open_timeline(const struct stream *stream)
{
    static const struct storage_reading newest;
    const struct partials_want *want = &stream->condensing->want;
    return timeline_open(stream->storage, &newest, want->table_id, buffer_bytes(&want->entity),
                         TIME_MAX_US);
}

/* Begins with what is wanted, unless there is nothing to be made. */
static enum status begin_work(struct stream *stream, struct error *err)
{
    struct condensing *it = stream->condensing;
    struct bytes entity = buffer_bytes(&it->want.entity);
    int64_t from_us = it->want.from_us;
    int64_t to_us = it->want.to_us;
    struct timeline *timeline = open_timeline(stream);
    struct timeline_event newest;
    struct timeline_chunk chunk;
    enum status status = timeline_back(timeline, &newest, err);
    if (status == STATUS_OK) {
        status = timeline_chunk_seek(timeline, INT64_MAX, CHUNK_LEVELS - 1, &chunk, err);
        bool has_partials = status == STATUS_OK;
        if (!has_partials)
            from_us = CONDENSE_FROM_BEGINNING;
        else if (from_us == PARTIALS_GROWTH)
            from_us = chunk.end_us;
        if (!has_partials || to_us > newest.time_us)
            to_us = newest.time_us;
    }
    timeline_close(&timeline);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    int64_t grace_us = 2 * storage_partials_grace_us(stream->storage, it->want.table_id, entity);
    it->is_active = status == STATUS_OK || from_us == CONDENSE_FROM_BEGINNING;
    if (it->is_active)
        condense_start(&it->work, from_us, to_us,
                       newest.time_us - (grace_us > GRACE_US ? grace_us : GRACE_US));
    return STATUS_OK;
}

static void put_partial(void *context, const struct timeline_chunk *chunk)
{
    struct stream *stream = context;
    struct condensing *it = stream->condensing;
    batch_put_partial(it->batch, stream->storage, it->want.table_id, buffer_bytes(&it->want.entity),
                      chunk);
    stream->counters.partials_built_total++;
}

/* Reads, makes and writes what one step does. */
static enum status work_on(struct stream *stream, const struct view_input *input, struct error *err)
{
    struct condensing *it = stream->condensing;
    struct timeline *timeline = open_timeline(stream);
    const struct timeline_reader reader = timeline_reader_of(timeline);
    arena_reset(it->arena);
    batch_clear(it->batch);
    enum status status =
        condense_step(&it->work, input->plan, &reader, it->arena, put_partial, stream, err);
    timeline_close(&timeline);
    if (status == STATUS_OK && !batch_is_empty(it->batch))
        status = storage_write(stream->storage, it->batch, false, err);
    it->is_active = status == STATUS_OK && !condense_is_done(&it->work);
    return status;
}

bool condensing_step(struct stream *stream)
{
    struct condensing *it = stream->condensing;
    struct error err;
    enum status status = STATUS_OK;
    CHECK(!stream_is_dirty(stream)); /* an event in the open batch would be missing in a partial */
    if (!it->is_active && !storage_take_want(stream->storage, &it->want))
        return false;
    const struct view_input *input = find_input(stream, it->want.table_id);
    if (input == NULL) {
        it->is_active = false;
        return true;
    }
    if (!it->is_active)
        status = begin_work(stream, &err);
    if (status == STATUS_OK && it->is_active)
        status = work_on(stream, input, &err);
    if (status != STATUS_OK) {
        it->is_active = false;
        log_debug("partials of a busy entity are not made: %s", err.text);
    }
    return true;
}
