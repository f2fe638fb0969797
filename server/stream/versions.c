/* Versions: which one of a view is read, and which one goes. A change is one row or two, written in
 * one batch; the new snapshot is shown to all readers in one step. A version that was dropped is
 * not in the runtime any more, so nothing is written to it, and no reader finds it; its table is
 * emptied a piece at a time, also by the next process, and the row that says so goes last. */
#include "base/check.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/time_text.h"
#include "stream/file_backfill.h"
#include "stream/kafka_fill.h"

enum {
    VERSIONS_CHUNK_SIZE = 4096,
    DROP_STEP_KEYS_MAX = 1000, /* so that a step is a few milliseconds */
    SAMPLED_BLOCKS_MAX = 256,  /* of a log whose size is estimated */
};

#define DROP_RETRY_US    (5 * US_PER_SECOND)
#define WAITING_RETRY_US (5 * US_PER_SECOND)

/* What is open is committed, and what is known is what is stored. */
static enum status begin(struct stream *stream, struct error *err)
{
    enum status status = stream_commit(stream, err);
    return status == STATUS_OK ? stream_prepare(stream, err) : status;
}

static enum status write_plan(struct stream *stream, const struct registry_plan *plan,
                              struct error *err)
{
    return plan->rows_count == 0 ? STATUS_OK : stream_write_definitions(stream, plan, err);
}

enum status stream_promote(struct stream *stream, struct bytes view, uint32_t number,
                           bool is_forced, struct error *err)
{
    struct registry_plan plan;
    struct arena *arena = arena_create(VERSIONS_CHUNK_SIZE);
    enum status status = begin(stream, err);
    if (status == STATUS_OK)
        status = registry_plan_promote(stream->registry, view, number, is_forced, clock_now_us(),
                                       arena, &plan, err);
    if (status == STATUS_OK)
        status = write_plan(stream, &plan, err);
    arena_destroy(&arena);
    return status;
}

enum status stream_rollback(struct stream *stream, struct bytes view, uint32_t *number,
                            struct error *err)
{
    struct registry_plan plan;
    struct arena *arena = arena_create(VERSIONS_CHUNK_SIZE);
    enum status status = begin(stream, err);
    if (status == STATUS_OK)
        status = registry_plan_rollback(stream->registry, view, clock_now_us(), arena, number,
                                        &plan, err);
    if (status == STATUS_OK)
        status = write_plan(stream, &plan, err);
    arena_destroy(&arena);
    return status;
}

/* ---- waiting to be promoted ---- */

/* One promotion may be what the next one waits for. */
enum status versions_promote_waiting(struct stream *stream, struct error *err)
{
    enum status status = STATUS_OK;
    while (stream->waiting.is_to_look && status == STATUS_OK) {
        struct registry_plan plan;
        struct arena *arena = arena_create(VERSIONS_CHUNK_SIZE);
        registry_plan_waiting(stream->registry, clock_now_us(), arena, &plan);
        stream->waiting.is_to_look = plan.rows_count > 0;
        status = write_plan(stream, &plan, err);
        arena_destroy(&arena);
    }
    return status;
}

void waiting_step(struct stream *stream)
{
    struct error err = {0};
    if (!stream->waiting.is_to_look || clock_mono_us() < stream->waiting.retry_mono_us)
        return;
    enum status status = stream_prepare(stream, &err);
    if (status == STATUS_OK)
        status = versions_promote_waiting(stream, &err);
    if (status == STATUS_OK)
        return;
    log_error("a version that waits to be promoted: %s; trying again", err.text);
    stream->waiting.retry_mono_us = clock_mono_us() + WAITING_RETRY_US;
}

/* ---- dropping ---- */

static uint32_t find_table(const struct registry *registry, struct bytes view, uint32_t number)
{
    return view_find_version(registry_find_view(registry, view), number)->table_id;
}

enum status stream_drop(struct stream *stream, struct bytes view, uint32_t number,
                        struct error *err)
{
    struct registry_plan plan;
    struct arena *arena = arena_create(VERSIONS_CHUNK_SIZE);
    enum status status = begin(stream, err);
    if (status == STATUS_OK)
        status = registry_plan_drop(stream->registry, view, number, arena, &plan, err);
    uint32_t table_id = status == STATUS_OK ? find_table(stream->registry, view, number) : 0;
    if (status == STATUS_OK)
        status = write_plan(stream, &plan, err);
    if (status == STATUS_OK) /* no reader has it any more, so nothing of it is kept again */
        hot_forget_table(storage_hot(stream->storage), table_id);
    arena_destroy(&arena);
    return status;
}

/* A version that is being dropped, or NULL. */
static const struct view_version *find_dropping(const struct registry *registry)
{
    for (size_t i = 0; i < registry->views_count; i++)
        for (size_t j = 0; j < registry->views[i].versions_count; j++)
            if (registry->views[i].versions[j].state == VERSION_DROPPING)
                return &registry->views[i].versions[j];
    return NULL;
}

/* Its last rows go: the version's own, and those that were kept beside its table. */
static enum status forget_version(struct stream *stream, const struct view_version *version,
                                  struct error *err)
{
    enum { BESIDE_COUNT = 2 };
    static const char *const beside[BESIDE_COUNT] = {"fill/%u", "horizon/%u"};
    struct registry_plan plan;
    struct registry_row rows[1 + BESIDE_COUNT];
    struct arena *arena = arena_create(VERSIONS_CHUNK_SIZE);
    const struct view_definition *view = version->definition;
    struct bytes name = arena_copy(arena, view->name);
    uint32_t number = view->version;
    registry_plan_gone(view, arena, &plan);
    rows[0] = plan.rows[0];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    for (size_t i = 0; i < BESIDE_COUNT; i++)
        rows[1 + i] =
            (struct registry_row){.key = arena_format(arena, beside[i], version->table_id)};
#pragma GCC diagnostic pop
    plan = (struct registry_plan){.rows = rows, .rows_count = 1 + BESIDE_COUNT};
    enum status status = kafka_fill_forget(stream, version->table_id, err);
    if (status == STATUS_OK)
        status = file_backfill_forget(stream, version->table_id, err);
    if (status == STATUS_OK)
        status = stream_write_definitions(stream, &plan, err);
    if (status == STATUS_OK)
        log_info("view %.*s@%u is dropped and its space given back", BYTES_ARGS(name), number);
    arena_destroy(&arena);
    return status;
}

static enum status drop_piece(struct stream *stream, const struct view_version *version,
                              struct error *err)
{
    bool is_done = false;
    if (stream->drop.table_id != version->table_id) {
        stream->drop.table_id = version->table_id;
        stream->drop.position.start = stream->drop.position.size = 0;
    }
    fault_point("drop.piece");
    enum status status = storage_drop_table(stream->storage, version->table_id, DROP_STEP_KEYS_MAX,
                                            &stream->drop.position, &is_done, err);
    return status == STATUS_OK && is_done ? forget_version(stream, version, err) : status;
}

bool drop_step(struct stream *stream)
{
    struct error err = {0};
    const struct view_version *version = find_dropping(stream->registry);
    if (version == NULL || clock_mono_us() < stream->drop.retry_mono_us)
        return false;
    enum status status = stream_prepare(stream, &err);
    if (status == STATUS_OK)
        status = drop_piece(stream, version, &err);
    if (status == STATUS_OK)
        return true;
    log_error("dropping of %.*s@%u: %s; trying again", BYTES_ARGS(version->definition->name),
              version->definition->version, err.text);
    stream->drop.retry_mono_us = clock_mono_us() + DROP_RETRY_US;
    return false;
}

/* ---- what a fill would read ---- */

/* Adds what the first blocks of the log say; *events: in them. */
static enum status sample_log(struct log_cursor *cursor, struct backfill *backfill,
                              uint64_t *events, uint64_t *first_sequence, struct error *err)
{
    uint64_t sequence;
    struct bytes block;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < SAMPLED_BLOCKS_MAX && status == STATUS_OK; i++) {
        struct log_reader reader;
        status = log_cursor_next(cursor, &sequence, &block, err);
        if (status == STATUS_OK)
            status = log_reader_start(&reader, block, err);
        if (status != STATUS_OK)
            break;
        if (i == 0) {
            *first_sequence = sequence;
            backfill->from_us = reader.now_us;
        }
        *events += reader.count;
        backfill->size_bytes += block.size;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status stream_find_backfill(struct stream *stream, struct bytes source,
                                 struct backfill *backfill, struct error *err)
{
    uint64_t events = 0;
    uint64_t first_sequence = 0;
    *backfill = (struct backfill){0};
    const struct source_runtime *runtime = runtime_find(stream->runtime, source);
    if (runtime != NULL && runtime->source->definition->kafka != NULL)
        return kafka_fill_estimate(stream, runtime, backfill, err);
    if (runtime == NULL)
        return error_set(err, STATUS_NOT_FOUND, "there is no log of source '%.*s'",
                         BYTES_ARGS(source));
    struct log_cursor *cursor =
        log_cursor_open(stream->storage, runtime->source->id, runtime->state->first_sequence);
    enum status status = sample_log(cursor, backfill, &events, &first_sequence, err);
    log_cursor_close(&cursor);
    if (status != STATUS_OK || events == 0)
        return status;
    backfill->events_count = runtime->state->committed.next_sequence - first_sequence;
    backfill->size_bytes =
        (uint64_t)((double)backfill->size_bytes / (double)events * (double)backfill->events_count);
    return STATUS_OK;
}
