#include "stream/file_backfill.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/time_text.h"
#include "storage/event_sort.h"
#include "stream/fill.h"
#include "stream/stream_private.h"

enum {
    FILE_NUMBER_SIZE = 4,
    FILE_PLACE_SIZE = FILE_NUMBER_SIZE + 8,
    COUNTS_COUNT = sizeof(struct file_backfill_counts) / sizeof(uint64_t),
    RECORD_SIZE = FILE_NUMBER_SIZE + 2 + 8 + 8 * COUNTS_COUNT,
    SORT_NAME_SIZE = 64,
    ROW_CHUNK_SIZE = 64 * 1024,
    FORGOTTEN_FILES_MAX = 1000, /* of one batch */
};

/* What is stored of a file. */
struct record {
    uint32_t number;
    bool is_done;
    bool has_until;
    int64_t until_us;
    struct file_backfill_counts counts; /* where it is done */
};

struct file_backfill {
    struct file_backfill *next; /* of those that are under way */
    struct registry *registry;  /* owned: the definition is in it, whatever is applied meanwhile */
    const struct view_definition *view;
    const struct source_definition *source;
    uint32_t table_id;
    bool has_until;
    int64_t until_us;
    int64_t horizon_us;
    char *spool; /* owned */
    size_t memory_bytes;
    /* Of the thread that takes rows. */
    struct view_input input;
    struct input_scratch scratch;
    bool *mismatched;        /* owned: none is */
    struct decoder *decoder; /* owned: of JSON; NULL before the first */
    struct arena *arena;     /* owned: of the row at hand */
    /* The file at hand. */
    struct file_identity identity;
    struct record record;
    struct event_sort *sort; /* owned; NULL: no file is at hand */
    int64_t newest_us;       /* of its rows and of the source before it */
    int64_t wall_us;         /* when it was begun */
    struct file_backfill_counts counts;
};

/* ---- what is stored of files ---- */

static struct bytes records_prefix(struct arena *arena, uint32_t table_id)
{
    return arena_format(arena, "backfill/%u/", table_id);
}

static struct bytes record_key(struct arena *arena, uint32_t table_id,
                               const struct file_identity *identity)
{
    return arena_format(arena, "backfill/%u/%016" PRIx64 "%016" PRIx64 "-%" PRIu64, table_id,
                        identity->hash[0], identity->hash[1], identity->size_bytes);
}

static void record_write(const struct record *record, char row[RECORD_SIZE])
{
    uint64_t counts[COUNTS_COUNT];
    memcpy(counts, &record->counts, sizeof(counts));
    be32_write(row, record->number);
    row[4] = (char)record->is_done;
    row[5] = (char)record->has_until;
    be64_write_signed(row + 6, record->until_us);
    for (size_t i = 0; i < COUNTS_COUNT; i++)
        be64_write(row + 14 + 8 * i, counts[i]);
}

static bool record_read(struct bytes row, struct record *record)
{
    uint64_t counts[COUNTS_COUNT];
    if (row.size != RECORD_SIZE)
        return false;
    *record = (struct record){.number = be32_read(row.data),
                              .is_done = row.data[4] != 0,
                              .has_until = row.data[5] != 0,
                              .until_us = be64_read_signed(row.data + 6)};
    for (size_t i = 0; i < COUNTS_COUNT; i++)
        counts[i] = be64_read(row.data + 14 + 8 * i);
    memcpy(&record->counts, counts, sizeof(counts));
    return true;
}

static enum status refuse_record(struct error *err)
{
    return error_set(err, STATUS_CORRUPT, "what is stored of a backfilled file can't be read");
}

static enum status take_largest(void *context, struct bytes key, struct bytes value,
                                struct error *err)
{
    struct record record;
    uint64_t *next = context;
    (void)key;
    if (!record_read(value, &record))
        return refuse_record(err);
    if (record.number >= *next)
        *next = (uint64_t)record.number + 1;
    return STATUS_OK;
}

/* Gives a new file its number, durably: its rows will be stored under it. */
static enum status number_file(struct stream *stream, struct file_backfill *backfill,
                               struct error *err)
{
    uint64_t next = 0;
    arena_reset(stream->event_arena);
    enum status status =
        storage_scan_rows(stream->storage, records_prefix(stream->event_arena, backfill->table_id),
                          take_largest, &next, err);
    if (status == STATUS_OK && next > UINT32_MAX)
        status = error_set(err, STATUS_LIMIT, "a view version takes at most 2^32 files");
    backfill->record = (struct record){.number = (uint32_t)next};
    return status;
}

static void put_record(struct stream *stream, const struct file_backfill *backfill)
{
    char row[RECORD_SIZE];
    arena_reset(stream->event_arena);
    record_write(&backfill->record, row);
    batch_put_row(stream->fill_batch, stream->storage,
                  record_key(stream->event_arena, backfill->table_id, &backfill->identity),
                  bytes_of(row, sizeof(row)));
}

/* Reads or makes the record of the file at hand. */
static enum status find_record(struct stream *stream, struct file_backfill *backfill,
                               struct error *err)
{
    struct bytes row;
    arena_reset(stream->event_arena);
    struct bytes key = record_key(stream->event_arena, backfill->table_id, &backfill->identity);
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &row, err);
    if (status == STATUS_OK)
        return record_read(row, &backfill->record) ? STATUS_OK : refuse_record(err);
    if (status != STATUS_NOT_FOUND)
        return status;
    status = number_file(stream, backfill, err);
    if (status != STATUS_OK)
        return status;
    batch_clear(stream->fill_batch);
    put_record(stream, backfill);
    return storage_write(stream->storage, stream->fill_batch, true, err);
}

struct forgetting {
    struct storage *storage;
    struct batch *deletes;
    size_t left;
};

static enum status forget_record(void *context, struct bytes key, struct bytes value,
                                 struct error *err)
{
    struct forgetting *forgetting = context;
    (void)value, (void)err;
    batch_delete_row(forgetting->deletes, forgetting->storage, key);
    return --forgetting->left > 0 ? STATUS_OK : STATUS_AGAIN;
}

enum status file_backfill_forget(struct stream *stream, uint32_t table_id, struct error *err)
{
    enum status status = STATUS_AGAIN;
    while (status == STATUS_AGAIN) {
        struct forgetting forgetting = {
            .storage = stream->storage, .deletes = stream->fill_batch, .left = FORGOTTEN_FILES_MAX};
        arena_reset(stream->event_arena);
        batch_clear(stream->fill_batch);
        status = storage_scan_rows(stream->storage, records_prefix(stream->event_arena, table_id),
                                   forget_record, &forgetting, err);
        bool is_whole = status == STATUS_OK || status == STATUS_AGAIN;
        if (!is_whole || batch_is_empty(stream->fill_batch))
            break;
        enum status written = storage_write(stream->storage, stream->fill_batch, false, err);
        status = written == STATUS_OK ? status : written;
    }
    return status;
}

/* ---- begin and end ---- */

bool file_backfill_holds(const struct stream *stream, uint32_t table_id)
{
    for (const struct file_backfill *it = stream->file_backfills; it != NULL; it = it->next)
        if (it->table_id == table_id)
            return true;
    return false;
}

/* Lets the horizon of the version stand still, or go on. */
static void hold_horizon(struct stream *stream, uint32_t table_id)
{
    for (size_t i = 0; i < stream->folds_count; i++)
        if (stream->folds[i]->table_id == table_id)
            stream->folds[i]->is_held = file_backfill_holds(stream, table_id);
}

static int64_t find_horizon_us(const struct stream *stream, uint32_t table_id)
{
    for (size_t i = 0; i < stream->folds_count; i++)
        if (stream->folds[i]->table_id == table_id)
            return stream->folds[i]->horizon_us;
    return INT64_MIN;
}

static enum status refuse_kind(const struct view_definition *view, struct error *err)
{
    if (view->kind == VIEW_BATCH)
        return error_set(err, STATUS_INVALID,
                         "'%.*s' is a batch view; `asof push %.*s FILE` writes the rows of a file "
                         "(its keys, features and " WRITES_TIME_FIELD ")",
                         BYTES_ARGS(view->name), BYTES_ARGS(view->name));
    return error_set(err, STATUS_INVALID,
                     "'%.*s' keeps nothing itself; backfill the views that it reads",
                     BYTES_ARGS(view->name));
}

/* Finds the version in the backfill's own snapshot. */
static enum status find_version(struct file_backfill *backfill,
                                const struct file_backfill_options *options, struct error *err)
{
    const struct view *view = registry_find_view(backfill->registry, options->view);
    const struct view_version *version = NULL;
    if (view != NULL)
        version = options->version == 0 ? view_newest_version(view)
                                        : view_find_version(view, options->version);
    if (view == NULL)
        return error_set(err, STATUS_NOT_FOUND, "there is no view '%.*s'; `asof list` shows them",
                         BYTES_ARGS(options->view));
    if (version == NULL || version->state == VERSION_DROPPING)
        return error_set(err, STATUS_NOT_FOUND, "view '%.*s' has no version %u",
                         BYTES_ARGS(options->view), options->version);
    backfill->view = version->definition;
    backfill->table_id = version->table_id;
    if (backfill->view->kind != VIEW_STREAM)
        return refuse_kind(backfill->view, err);
    backfill->source = registry_find_source(backfill->registry, backfill->view->source)->definition;
    if (backfill->view->event_id_field < 0 && !options->has_until)
        return error_set(
            err, STATUS_INVALID,
            "source '%.*s' has no event_id, so an event that is in the stream and in a "
            "file would count twice; say by --until from which moment on the stream "
            "has the events",
            BYTES_ARGS(backfill->view->source));
    return STATUS_OK;
}

/* Makes what reduces rows: the fields of the view are its slots. */
static enum status make_input(struct file_backfill *backfill, struct error *err)
{
    struct view_input *input = &backfill->input;
    size_t count = backfill->view->fields_count;
    struct arena *arena = backfill->registry->arena;
    *input = (struct view_input){.view = backfill->view,
                                 .plan = view_plan_create(backfill->view),
                                 .slots = ARENA_NEW_ARRAY(arena, count, size_t),
                                 .fields = ARENA_NEW_ARRAY(arena, count, struct value)};
    for (size_t i = 0; i < count; i++)
        input->slots[i] = i;
    backfill->mismatched = ARENA_NEW_ARRAY(arena, count, bool);
    return reducer_create(input->plan, &input->reducer, err);
}

static void destroy(struct file_backfill *backfill)
{
    event_sort_destroy(&backfill->sort);
    reducer_destroy(&backfill->input.reducer);
    view_plan_destroy(&backfill->input.plan);
    decoder_destroy(&backfill->decoder);
    registry_destroy(&backfill->registry);
    arena_destroy(&backfill->arena);
    buffer_fini(&backfill->scratch.entity);
    buffer_fini(&backfill->scratch.identity);
    buffer_fini(&backfill->scratch.row);
    free(backfill->spool);
    free(backfill);
}

enum status file_backfill_begin(struct stream *stream, const struct file_backfill_options *options,
                                struct file_backfill **out, struct error *err)
{
    struct file_backfill *backfill = calloc(1, sizeof(*backfill));
    CHECK(backfill != NULL);
    backfill->arena = arena_create(ROW_CHUNK_SIZE);
    backfill->spool = strdup(options->spool);
    CHECK(backfill->spool != NULL);
    backfill->memory_bytes = options->memory_bytes;
    backfill->has_until = options->has_until;
    backfill->until_us = options->until_us;
    enum status status = stream_load_registry(stream, &backfill->registry, err);
    if (status == STATUS_OK)
        status = find_version(backfill, options, err);
    if (status == STATUS_OK)
        status = make_input(backfill, err);
    if (status != STATUS_OK) {
        destroy(backfill);
        return status;
    }
    backfill->next = stream->file_backfills;
    stream->file_backfills = backfill;
    hold_horizon(stream, backfill->table_id);
    *out = backfill;
    return STATUS_OK;
}

void file_backfill_end(struct stream *stream, struct file_backfill **out)
{
    struct file_backfill *backfill = *out;
    if (backfill == NULL)
        return;
    struct file_backfill **place = &stream->file_backfills;
    while (*place != backfill)
        place = &(*place)->next;
    *place = backfill->next;
    hold_horizon(stream, backfill->table_id);
    destroy(backfill);
    *out = NULL;
}

const struct view_definition *file_backfill_view(const struct file_backfill *backfill)
{
    return backfill->view;
}

const struct file_backfill_counts *file_backfill_counts(const struct file_backfill *backfill)
{
    return &backfill->counts;
}

/* ---- a file ---- */

/* What is open is committed, and what is known is what is stored. */
static enum status prepare(struct stream *stream, struct error *err)
{
    enum status status = stream_commit(stream, err);
    return status == STATUS_OK ? stream_prepare(stream, err) : status;
}

/* The version's source as the stream has it. NOT_FOUND: the version is gone. */
static enum status find_source(struct stream *stream, const struct file_backfill *backfill,
                               struct source_runtime **out, struct error *err)
{
    const struct view *view = registry_find_view(stream->registry, backfill->view->name);
    const struct view_version *version =
        view == NULL ? NULL : view_find_version(view, backfill->view->version);
    *out = runtime_find(stream->runtime, backfill->view->source);
    if (version != NULL && version->table_id == backfill->table_id &&
        version->state != VERSION_DROPPING && *out != NULL)
        return STATUS_OK;
    return error_set(err, STATUS_NOT_FOUND, "view %.*s@%u was dropped meanwhile",
                     BYTES_ARGS(backfill->view->name), backfill->view->version);
}

enum status file_backfill_begin_file(struct stream *stream, struct file_backfill *backfill,
                                     const struct file_identity *identity, bool *is_known,
                                     struct error *err)
{
    struct source_runtime *source;
    char name[SORT_NAME_SIZE];
    event_sort_destroy(&backfill->sort);
    backfill->identity = *identity;
    backfill->counts = (struct file_backfill_counts){0};
    enum status status = prepare(stream, err);
    if (status == STATUS_OK)
        status = find_source(stream, backfill, &source, err);
    if (status == STATUS_OK)
        status = find_record(stream, backfill, err);
    if (status != STATUS_OK)
        return status;
    fault_point("backfill.begun");
    const struct record *record = &backfill->record;
    *is_known = record->is_done && record->has_until == backfill->has_until &&
                record->until_us == backfill->until_us;
    if (*is_known)
        backfill->counts = record->counts;
    if (*is_known)
        return STATUS_OK;
    backfill->newest_us = source->state->committed.newest_us;
    backfill->wall_us = clock_now_us();
    backfill->horizon_us = find_horizon_us(stream, backfill->table_id);
    (void)snprintf(name, sizeof(name), "backfill-%" PRIu64, stream->backfilled_files++);
    backfill->sort = event_sort_create(
        stream->storage, &(struct event_sort_options){.table_id = backfill->table_id,
                                                      .directory = backfill->spool,
                                                      .name = name,
                                                      .memory_bytes = backfill->memory_bytes});
    return STATUS_OK;
}

/* ---- rows ---- */

static enum status refuse_field(const struct file_backfill *backfill, size_t field,
                                const char *what, struct error *err)
{
    return error_set(err, STATUS_INVALID, "column '%.*s', %s, is NULL",
                     BYTES_ARGS(backfill->view->fields[field].name), what);
}

/* Refuses what is too far ahead of now, as of a push. */
static enum status check_ahead(const struct file_backfill *backfill, int64_t time_us,
                               struct error *err)
{
    int64_t ahead_us = backfill->source->ahead_max_us;
    bool is_event_clock = backfill->source->clock == CLOCK_EVENT;
    int64_t now_us = is_event_clock ? backfill->newest_us : backfill->wall_us;
    if (ahead_us == DURATION_NONE || now_us == TIME_MIN_US || time_us <= now_us + ahead_us)
        return STATUS_OK;
    char time[TIME_TEXT_SIZE];
    char now[TIME_TEXT_SIZE];
    char ahead[DURATION_TEXT_SIZE];
    time_format(time_us, time);
    time_format(now_us, now);
    duration_format(ahead_us, ahead);
    return error_set(err, STATUS_INVALID,
                     "event time %s is more than ahead_max (%s) ahead of now, %s", time, ahead,
                     now);
}

static enum status add_event(struct file_backfill *backfill, int64_t time_us, struct error *err)
{
    backfill->counts.taken++;
    return event_sort_add(backfill->sort, buffer_bytes(&backfill->scratch.entity), time_us,
                          buffer_bytes(&backfill->scratch.identity),
                          buffer_bytes(&backfill->scratch.row), err);
}

/* Reduces a row that the source accepts. */
static enum status reduce(struct file_backfill *backfill, const struct decoded_event *event,
                          struct error *err)
{
    char place[FILE_PLACE_SIZE];
    int64_t time_us;
    be32_write(place, backfill->record.number);
    be64_write(place + FILE_NUMBER_SIZE, backfill->counts.rows);
    switch (input_reduce(&backfill->input, event, bytes_of(place, sizeof(place)),
                         &backfill->scratch, &time_us, err)) {
    case INPUT_TAKEN:
        return add_event(backfill, time_us, err);
    case INPUT_NULL_KEY:
        backfill->counts.null_keys++;
        return STATUS_OK;
    case INPUT_FILTERED:
        backfill->counts.filtered++;
        return STATUS_OK;
    case INPUT_REFUSED:
        return STATUS_INVALID;
    case INPUT_LATE:
    case INPUT_MISMATCHED:
        break;
    }
    CHECK(false); /* both were looked at before */
    return STATUS_INVALID;
}

static enum status take(struct file_backfill *backfill, const struct decoded_event *event,
                        struct error *err)
{
    const struct view_definition *view = backfill->view;
    const struct value *time = &event->values[view->event_time_field];
    if (time->kind == VALUE_NULL)
        return refuse_field(backfill, view->event_time_field, "the event time", err);
    if (backfill->has_until && time->integer >= backfill->until_us) {
        backfill->counts.behind_until++;
        return STATUS_OK;
    }
    if (view->event_id_field >= 0 && event->values[view->event_id_field].kind == VALUE_NULL)
        return refuse_field(backfill, (size_t)view->event_id_field, "the event id", err);
    enum status status = check_ahead(backfill, time->integer, err);
    if (status != STATUS_OK)
        return status;
    if (time->integer > backfill->newest_us)
        backfill->newest_us = time->integer;
    if (time->integer <= backfill->horizon_us) {
        backfill->counts.late++;
        return STATUS_OK;
    }
    return reduce(backfill, event, err);
}

enum status file_backfill_take(struct file_backfill *backfill, const struct value *values,
                               struct error *err)
{
    const struct decoded_event event = {.values = (struct value *)(uintptr_t)values,
                                        .mismatched = backfill->mismatched,
                                        .first_mismatch = -1};
    enum status status = take(backfill, &event, err);
    backfill->counts.rows++;
    return status;
}

enum status file_backfill_take_json(struct file_backfill *backfill, struct bytes text,
                                    struct error *err)
{
    const struct push_event push = {.format = EVENT_JSON, .text = text};
    struct decoded_event event;
    if (backfill->decoder == NULL)
        backfill->decoder = decoder_create(backfill->view->fields, backfill->view->fields_count);
    arena_reset(backfill->arena);
    enum status status = decoder_decode(backfill->decoder, &push, backfill->arena, &event, err);
    if (status == STATUS_OK && event.first_mismatch >= 0)
        status = error_set(err, STATUS_INVALID, "%s", event.mismatch.text);
    if (status == STATUS_OK)
        status = take(backfill, &event, err);
    backfill->counts.rows++;
    return status;
}

/* ---- the end of a file ---- */

enum status file_backfill_finish_file(struct file_backfill *backfill, struct error *err)
{
    CHECK(backfill->sort != NULL);
    return event_sort_finish(backfill->sort, err);
}

/* Remembers that the file is there, and moves `now`. */
static enum status write_done(struct stream *stream, struct file_backfill *backfill,
                              struct source_state *state, struct error *err)
{
    backfill->record = (struct record){.number = backfill->record.number,
                                       .is_done = true,
                                       .has_until = backfill->has_until,
                                       .until_us = backfill->until_us,
                                       .counts = backfill->counts};
    batch_clear(stream->fill_batch);
    put_record(stream, backfill);
    return fill_commit(stream, state, backfill->newest_us, true, err);
}

enum status file_backfill_commit_file(struct stream *stream, struct file_backfill *backfill,
                                      struct error *err)
{
    struct source_runtime *source;
    enum status status = prepare(stream, err);
    if (status == STATUS_OK)
        status = find_source(stream, backfill, &source, err);
    if (status == STATUS_OK)
        status = event_sort_ingest(backfill->sort, err);
    fault_point("backfill.ingested");
    if (status == STATUS_OK)
        status = write_done(stream, backfill, source->state, err);
    fault_point("backfill.done");
    if (status != STATUS_OK)
        return status;
    stream->counters.events_backfilled_total += backfill->counts.taken;
    stream->counters.events_null_key_total += backfill->counts.null_keys;
    stream->counters.events_filtered_total += backfill->counts.filtered;
    stream->counters.events_late_total += backfill->counts.late;
    event_sort_destroy(&backfill->sort);
    return STATUS_OK;
}
