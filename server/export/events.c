#include "export/events.h"

#include "base/time_text.h"
#include "export/table.h"
#include "stream/decoder.h"
#include "stream/log_block.h"

#define SEQUENCE_COLUMN "asof_sequence"

enum {
    EVENT_CHUNK_SIZE = 16 * 1024,
    CHECKED_EVENTS = 256, /* between two looks at whether to go on */
    SHOWN_NAME_SIZE = 80,
};

struct events {
    struct export_job *job; /* borrowed, as all down to the source */
    const struct events_spec *spec;
    const struct source *source;
    struct decoder *decoder; /* owned, as the next two */
    struct log_cursor *cursor;
    struct arena *event; /* of one event */
    struct table table;
    struct log_reader reader; /* of the block at hand */
    bool has_block;
    bool is_ended;
    uint64_t sequence; /* of the next event of the block */
    uint64_t seen;
    uint64_t rows;
};

/* ---- what is asked ---- */

static enum status find_source(struct events *events, struct query *query, struct error *err)
{
    const struct events_spec *spec = events->spec;
    char shown[SHOWN_NAME_SIZE];
    bytes_to_text(spec->source, shown, sizeof(shown));
    events->source = registry_find_source(query_registry(query), spec->source);
    if (events->source == NULL)
        return error_set(err, STATUS_NOT_FOUND, "no source '%s'; `asof list` shows the sources",
                         shown);
    if (events->source->definition->kafka != NULL)
        return error_set(err, STATUS_INVALID,
                         "source '%s' reads Kafka, where its events are kept; read them from there",
                         shown);
    bool has_range = spec->from_us != 0 || spec->to_us != 0;
    if (has_range && spec->from_us >= spec->to_us)
        return error_set(err, STATUS_INVALID,
                         "the range of times is empty: from must lie before to");
    export_job_set_subject(events->job, spec->source);
    return STATUS_OK;
}

static enum status add_columns(struct events *events, struct error *err)
{
    const struct source_definition *source = events->source->definition;
    enum status status = STATUS_OK;
    table_init(&events->table, export_job_arena(events->job), source->fields_count + 1);
    for (size_t i = 0; i < source->fields_count && status == STATUS_OK; i++)
        status = table_add(&events->table, source->fields[i].name, source->fields[i].type, err);
    if (status == STATUS_OK)
        status = table_add(&events->table, bytes_of_text(SEQUENCE_COLUMN),
                           (struct type){.kind = VALUE_INT}, err);
    if (status == STATUS_OK &&
        (events->spec->output.partition_by_count > 0 || events->spec->output.hash_buckets > 0))
        return error_set(err, STATUS_INVALID,
                         "events are exported to one file, without partitions");
    table_note(&events->table, "asof.source", source->name);
    return status;
}

/* ---- rows ---- */

/* Goes to the next event: by the next block, where the one at hand is through. NOT_FOUND: that was
 * all. */
static enum status next_event(struct events *events, struct push_event *event, struct error *err)
{
    for (;;) {
        struct bytes block;
        enum status status = STATUS_NOT_FOUND;
        arena_reset(events->event);
        if (events->has_block)
            status = log_reader_next(&events->reader, events->event, event, err);
        if (status != STATUS_NOT_FOUND) {
            events->sequence += status == STATUS_OK;
            return status;
        }
        status = log_cursor_next(events->cursor, &events->sequence, &block, err);
        if (status == STATUS_OK)
            status = log_reader_start(&events->reader, block, err);
        if (status != STATUS_OK)
            return status;
        events->has_block = true;
    }
}

static bool is_in_range(const struct events *events, int64_t time_us)
{
    const struct events_spec *spec = events->spec;
    bool is_all = spec->from_us == 0 && spec->to_us == 0;
    return is_all || (time_us >= spec->from_us && time_us < spec->to_us);
}

/* Puts the event, if it is one of those. What was accepted can be decoded; a field whose type
 * changed since is NULL where its value is not of the new type. */
static enum status put_event(struct events *events, const struct push_event *event,
                             struct duck_sheet *sheet, size_t *count, struct error *err)
{
    const struct source_definition *source = events->source->definition;
    struct decoded_event decoded;
    enum status status = decoder_decode(events->decoder, event, events->event, &decoded, err);
    if (status != STATUS_OK)
        return error_prefix(err, STATUS_CORRUPT, "event %llu of the log",
                            (unsigned long long)events->sequence - 1);
    const struct value *time = &decoded.values[source->event_time_field];
    if (time->kind != VALUE_TIMESTAMP || !is_in_range(events, time->integer))
        return STATUS_OK;
    for (size_t i = 0; i < source->fields_count; i++)
        duck_put(sheet, i, *count, &decoded.values[i]);
    struct value sequence = value_int((int64_t)events->sequence - 1);
    duck_put(sheet, source->fields_count, (*count)++, &sequence);
    return STATUS_OK;
}

static enum status fill(void *context, struct duck_sheet *sheet, size_t *count, struct error *err)
{
    struct events *events = context;
    enum status status = STATUS_OK;
    *count = 0;
    while (*count < DUCK_ROWS_MAX && !events->is_ended && status == STATUS_OK) {
        struct push_event event;
        if (events->seen++ % CHECKED_EVENTS == 0)
            status = export_job_check(events->job, err);
        if (status == STATUS_OK)
            status = next_event(events, &event, err);
        events->is_ended = status == STATUS_NOT_FOUND;
        if (status == STATUS_OK)
            status = put_event(events, &event, sheet, count, err);
        else if (status == STATUS_NOT_FOUND)
            status = STATUS_OK;
    }
    if (events->is_ended) { /* the writer need not wait for this any more, should it have to */
        log_cursor_close(&events->cursor);
        export_job_end_query(events->job);
    }
    events->rows += *count;
    export_job_tell(events->job, "reading", events->rows, 0);
    return status;
}

/* ---- the job ---- */

static enum status prepare(struct events *events, struct error *err)
{
    struct query *query;
    enum status status = export_job_query(events->job, &query, err);
    if (status == STATUS_OK)
        status = find_source(events, query, err);
    if (status == STATUS_OK)
        status = add_columns(events, err);
    if (status != STATUS_OK)
        return status;
    events->decoder = decoder_create(events->source->definition->fields,
                                     events->source->definition->fields_count);
    events->cursor =
        log_cursor_open(export_job_options(events->job)->query.storage, events->source->id, 0);
    return STATUS_OK;
}

enum status events_run(struct export_job *job, struct error *err)
{
    struct events events = {.job = job, .spec = export_job_spec(job)};
    struct place *place = NULL;
    enum status status = prepare(&events, err);
    events.event = arena_create(EVENT_CHUNK_SIZE);
    if (status == STATUS_OK)
        status = export_job_place(job, &events.spec->output, &place, err);
    if (status == STATUS_OK)
        status = table_write(&events.table, job, place, &events.spec->output, fill, &events, err);
    if (status == STATUS_OK)
        status = export_job_finish(job, events.rows, err);
    if (events.cursor != NULL)
        log_cursor_close(&events.cursor);
    decoder_destroy(&events.decoder);
    arena_destroy(&events.event);
    table_fini(&events.table);
    return status;
}
