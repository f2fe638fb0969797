/* The life of an event: its text is decoded once, reduced for each view version of its source, put
 * into the open batch together with the raw text, and committed with all that came meanwhile. */
#include "base/clock.h"
#include "base/endian.h"
#include "base/time_text.h"
#include "model/field_text.h"
#include "stream/stream_private.h"

/* Where a push began, to go back there when one of its events is refused. */
struct push_start {
    struct source_marks marks;
    size_t block_size;
    uint32_t block_count;
    size_t arrivals_count;
    struct stream_counters counters;
};

/* ---- producers ---- */

/* A producer's name may hold any byte. */
static struct bytes producer_key(struct arena *arena, uint32_t source_id, struct bytes producer)
{
    struct bytes prefix = arena_format(arena, "producer/%u/", source_id);
    char *key = arena_allocate(arena, prefix.size + producer.size);
    memcpy(key, prefix.data, prefix.size);
    memcpy(key + prefix.size, producer.data, producer.size);
    return bytes_of(key, prefix.size + producer.size);
}

/* Whether the producer's push was accepted before, or is in the open batch. */
static enum status producer_is_repeated(struct stream *stream, uint32_t source_id,
                                        const struct push *push, bool *out, struct error *err)
{
    struct bytes value;
    *out = false;
    if (push->producer.size == 0)
        return STATUS_OK;
    arena_reset(stream->event_arena);
    struct bytes key = producer_key(stream->event_arena, source_id, push->producer);
    for (size_t i = stream->producers_count; i > 0; i--) {
        const struct pending_producer *pending = &stream->producers[i - 1];
        if (bytes_equal(pending->row_key, key)) {
            *out = push->producer_sequence <= pending->sequence;
            return STATUS_OK;
        }
    }
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &value, err);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (status == STATUS_OK)
        *out = value.size == PRODUCER_ROW_SIZE && push->producer_sequence <= be64_read(value.data);
    return status;
}

static void producer_put(struct stream *stream, uint32_t source_id, const struct push *push)
{
    char row[PRODUCER_ROW_SIZE];
    be64_write(row, push->producer_sequence);
    be64_write_signed(row + 8, clock_now_us());
    struct bytes key = producer_key(stream->batch_arena, source_id, push->producer);
    stream->producers[stream->producers_count++] =
        (struct pending_producer){.row_key = key, .sequence = push->producer_sequence};
    batch_put_row(stream->batch, stream->storage, key, bytes_of(row, sizeof(row)));
}

/* ---- one event ---- */

/* `now` for the next event, with what the open batch brought. */
static int64_t source_now_us(const struct source_runtime *source)
{
    return source->source->definition->clock == CLOCK_EVENT ? source->state->pending.newest_us
                                                            : clock_now_us();
}

/* Refuses what is too far ahead of now. */
static enum status check_ahead(const struct source_runtime *source, int64_t time_us,
                               enum refusal *why, struct error *err)
{
    const struct source_definition *definition = source->source->definition;
    int64_t now_us = source_now_us(source);
    bool is_first = definition->clock == CLOCK_EVENT && now_us == TIME_MIN_US;
    if (definition->ahead_max_us == DURATION_NONE || is_first ||
        time_us <= now_us + definition->ahead_max_us)
        return STATUS_OK;
    char time[TIME_TEXT_SIZE];
    char now[TIME_TEXT_SIZE];
    char ahead[DURATION_TEXT_SIZE];
    time_format(time_us, time);
    time_format(now_us, now);
    duration_format(definition->ahead_max_us, ahead);
    *why = REFUSED_AHEAD;
    return error_set(err, STATUS_INVALID,
                     "event time %s is more than ahead_max (%s) ahead of now, %s", time, ahead,
                     now);
}

/* The first slot that a version can't take which is the one that its view's name reads, or -1. */
static ssize_t find_mismatch(const struct source_runtime *source, const struct decoded_event *event,
                             const struct field_definition **field)
{
    for (size_t i = 0; i < source->inputs_count; i++) {
        const struct view_input *input = &source->inputs[i];
        for (size_t j = 0; input->is_shown && j < input->view->fields_count; j++) {
            *field = &input->view->fields[j];
            if (event->mismatched[input->slots[j]])
                return (ssize_t)input->slots[j];
        }
    }
    return -1;
}

/* Fields have the types that the source says. Those of a batch view's own writes have the types of
 * its active version: a newer one changes nothing for who writes before it is promoted. */
static enum status check_types(const struct source_runtime *source,
                               const struct decoded_event *event, struct error *err)
{
    char type[TYPE_TEXT_SIZE];
    const struct field_definition *field = NULL;
    ssize_t slot = event->first_mismatch;
    if (source->source->definition->is_writes)
        slot = find_mismatch(source, event, &field);
    if (slot < 0)
        return STATUS_OK;
    if (slot == event->first_mismatch)
        return error_set(err, STATUS_INVALID, "%s", event->mismatch.text);
    return error_set(err, STATUS_INVALID, "field '%.*s': expected %s", BYTES_ARGS(field->name),
                     field_type_name(field, type));
}

/* Checks what the source itself asks of each event, and takes its time. */
static enum status check_event(const struct source_runtime *source,
                               const struct decoded_event *event, int64_t *time_us,
                               enum refusal *why, struct error *err)
{
    const struct source_definition *definition = source->source->definition;
    const struct field_definition *fields = definition->fields;
    *why = REFUSED_WRONG_TYPE;
    if (check_types(source, event, err) != STATUS_OK)
        return STATUS_INVALID;
    *why = REFUSED_NO_TIME;
    if (event->values[definition->event_time_field].kind == VALUE_NULL)
        return error_set(err, STATUS_INVALID, "field '%.*s', the event time, is missing",
                         BYTES_ARGS(fields[definition->event_time_field].name));
    *why = REFUSED_NO_ID;
    if (definition->event_id_field >= 0 &&
        event->values[definition->event_id_field].kind == VALUE_NULL)
        return error_set(err, STATUS_INVALID, "field '%.*s', the event id, is missing",
                         BYTES_ARGS(fields[definition->event_id_field].name));

    *time_us = event->values[definition->event_time_field].integer;
    return check_ahead(source, *time_us, why, err);
}

/* Refuses an event that is late for every view of its source. */
static enum status refuse_late(const struct source_runtime *source, int64_t time_us,
                               struct error *err)
{
    char time[TIME_TEXT_SIZE];
    char horizon[TIME_TEXT_SIZE];
    int64_t horizon_us = INT64_MAX;
    for (size_t i = 0; i < source->inputs_count; i++)
        if (source->inputs[i].fold->horizon_us < horizon_us)
            horizon_us = source->inputs[i].fold->horizon_us;
    time_format(time_us, time);
    time_format(horizon_us, horizon);
    return error_set(err, STATUS_INVALID,
                     "event time %s is late for every view of source '%.*s': by their history they "
                     "take what is after %s",
                     time, BYTES_ARGS(source->source->definition->name), horizon);
}

/* A place in the log, and when the event was put there. */
struct arrived {
    struct bytes place;
    int64_t appended_us;
};

static enum status put_for_views(struct stream *stream, struct source_runtime *source,
                                 const struct decoded_event *event, struct arrived arrived,
                                 int64_t event_us, enum refusal *why, struct error *err)
{
    struct stream_counters *counters = &stream->counters;
    struct input_scratch *scratch = &stream->scratch;
    bool is_replay = source->source->definition->clock == CLOCK_EVENT;
    bool is_first = true;
    size_t late_count = 0;
    for (size_t i = 0; i < source->inputs_count; i++) {
        struct view_input *input = &source->inputs[i];
        int64_t time_us = 0;
        switch (input_reduce(input, event, arrived.place, scratch, &time_us, err)) {
        case INPUT_TAKEN:
            input_put(input, stream->batch, stream->storage, scratch, time_us);
            if (input->freshness != NULL) {
                arrivals_add(&stream->arrivals, source, is_first, input->freshness,
                             is_replay ? TIME_MIN_US : time_us, arrived.appended_us);
                is_first = false;
            }
            break;
        case INPUT_LATE:
            late_count++;
            break;
        case INPUT_NULL_KEY:
            counters->events_null_key_total++;
            break;
        case INPUT_FILTERED:
            counters->events_filtered_total++;
            break;
        case INPUT_MISMATCHED:
            counters->events_mismatched_total++;
            break;
        case INPUT_REFUSED:
            *why = REFUSED_TOO_LONG;
            return STATUS_INVALID;
        }
    }
    *why = REFUSED_LATE;
    if (late_count > 0 && late_count == source->inputs_count)
        return refuse_late(source, event_us, err);
    counters->events_late_total += late_count;
    return STATUS_OK;
}

/* Fills in what a record without a value has instead of its members: the entity's key from the
 * record's, as it is or as JSON with all of them, and the time of the record. */
static enum status decode_tombstone(struct stream *stream, struct source_runtime *source,
                                    const struct event_record *record, struct decoded_event *event,
                                    struct error *err)
{
    bool is_json = record->key.size > 0 && record->key.data[0] == '{';
    const struct push_event named = {.record = record,
                                     .format = EVENT_JSON,
                                     .text = is_json ? record->key : bytes_of_text("{}")};
    enum status status = decoder_decode(source->decoder, &named, stream->event_arena, event, err);
    if (status == STATUS_OK && event->first_mismatch >= 0)
        status = error_set(err, STATUS_INVALID, "%s", event->mismatch.text);
    for (size_t i = 0; i < source->inputs_count && status == STATUS_OK; i++) {
        const struct view_input *input = &source->inputs[i];
        size_t key = input->slots[input->view->key_fields[0]];
        event->values[input->slots[input->view->event_time_field]] =
            (struct value){.kind = VALUE_TIMESTAMP, .integer = record->timestamp_ms * US_PER_MS};
        if (is_json || record->key.data == NULL || input->view->keys_count > 1 ||
            event->values[key].kind != VALUE_NULL)
            continue;
        const struct raw_value raw = {.kind = RAW_TEXT, .text = record->key};
        status = field_text_parse(&input->view->fields[input->view->key_fields[0]], &raw,
                                  stream->event_arena, &event->values[key], err);
    }
    event->is_deletion = true;
    return status == STATUS_OK ? status
                               : error_prefix(err, status, "the key of a record without a value");
}

/* Takes a record without a value, of a source that batch views take their writes from. */
static enum status take_tombstone(struct stream *stream, struct source_runtime *source,
                                  const struct event_record *record, struct decoded_event *event,
                                  int64_t *time_us, enum refusal *why, struct error *err)
{
    enum status status = decode_tombstone(stream, source, record, event, err);
    *why = status == STATUS_OK ? REFUSED_NO_TIME : REFUSED_UNDECODABLE;
    *time_us = record->timestamp_ms * US_PER_MS;
    if (status == STATUS_OK && record->timestamp_ms < 0)
        status = error_set(err, STATUS_INVALID, "a record without a value has no timestamp");
    return status == STATUS_OK ? check_ahead(source, *time_us, why, err) : status;
}

enum status ingest_decode(struct stream *stream, struct source_runtime *source,
                          const struct push_event *text, struct decoded_event *event,
                          int64_t *time_us, enum refusal *why, struct error *err)
{
    const struct event_record *record = text->record;
    *why = REFUSED_UNDECODABLE;
    if (record != NULL && text->text.data == NULL && source->writes_count > 0)
        return take_tombstone(stream, source, record, event, time_us, why, err);
    enum status status = decoder_decode(source->decoder, text, stream->event_arena, event, err);
    return status == STATUS_OK ? check_event(source, event, time_us, why, err) : status;
}

enum status ingest_event(struct stream *stream, struct source_runtime *source,
                         const struct push_event *text, struct bytes place, int64_t *time_us,
                         enum refusal *why, struct error *err)
{
    struct decoded_event event;
    const struct event_record *record = text->record;
    struct arrived arrived = {.place = place, .appended_us = stream->pushed_us};
    if (record != NULL)
        arrived.appended_us = record->timestamp_ms * US_PER_MS;
    arena_reset(stream->event_arena);
    enum status status = ingest_decode(stream, source, text, &event, time_us, why, err);
    if (status == STATUS_OK)
        status = put_for_views(stream, source, &event, arrived, *time_us, why, err);
    if (status == STATUS_OK && *time_us > source->state->pending.newest_us)
        source->state->pending.newest_us = *time_us;
    return status;
}

bool ingest_record(struct stream *stream, struct source_runtime *source,
                   const struct push_event *text, struct bytes place, enum refusal *why,
                   struct error *err)
{
    const struct stream_counters counters = stream->counters;
    size_t arrivals_count = stream->arrivals.count;
    int64_t time_us;
    batch_mark(stream->batch);
    if (ingest_event(stream, source, text, place, &time_us, why, err) == STATUS_OK) {
        batch_forget_mark(stream->batch);
        stream->counters.events_accepted_total++;
        return true;
    }
    batch_undo_to_mark(stream->batch);
    stream->counters = counters;
    stream->arrivals.count = arrivals_count;
    return false;
}

/* ---- writes that say no time ---- */

/* Whether the event that was decoded last is a write of a batch view that does not name its time.
 */
static bool is_undated(const struct source_runtime *source)
{
    const struct source_definition *definition = source->source->definition;
    return definition->is_writes &&
           !decoder_has_named(source->decoder, (size_t)definition->event_time_field);
}

/* An object with a member in front of all others. */
static struct bytes json_with(struct bytes object, struct bytes member, struct arena *arena)
{
    const char *begin = memchr(object.data, '{', object.size);
    struct bytes rest = bytes_after(object, (size_t)(begin - object.data) + 1);
    size_t blanks = 0;
    while (blanks < rest.size && strchr(" \t\r\n", rest.data[blanks]) != NULL)
        blanks++;
    rest = bytes_after(rest, blanks);
    bool is_empty = rest.size > 0 && rest.data[0] == '}';
    return arena_format(arena, "{%.*s%s%.*s", BYTES_ARGS(member), is_empty ? "" : ",",
                        BYTES_ARGS(rest));
}

/* The event as of the moment of its push, by which it is kept: so it means the same when it is read
 * from the log again. It was decoded before, and its memory is the batch's. */
static struct push_event event_dated(struct stream *stream, const struct push_event *text)
{
    struct arena *arena = stream->batch_arena;
    struct push_event dated = *text;
    char time[TIME_TEXT_SIZE];
    time_format(stream->pushed_us, time);
    if (text->format == EVENT_JSON) {
        struct bytes member = arena_format(arena, "\"" WRITES_TIME_FIELD "\":\"%s\"", time);
        dated.text = json_with(text->text, member, arena);
        return dated;
    }
    struct bytes *pairs = ARENA_NEW_ARRAY(arena, 2 * (text->pairs_count + 1), struct bytes);
    memcpy(pairs, text->pairs, 2 * text->pairs_count * sizeof(*pairs));
    pairs[2 * text->pairs_count] = bytes_of_text(WRITES_TIME_FIELD);
    pairs[2 * text->pairs_count + 1] = arena_copy(arena, bytes_of_text(time));
    dated.pairs = pairs;
    dated.pairs_count++;
    return dated;
}

static enum status push_event(struct stream *stream, struct source_runtime *source,
                              const struct push_event *text, struct push_result *result,
                              struct error *err)
{
    struct source_marks *marks = &source->state->pending;
    char place[SEQUENCE_SIZE];
    enum refusal why;
    int64_t time_us = 0;
    struct push_event dated;
    be64_write(place, marks->next_sequence);
    enum status status =
        ingest_event(stream, source, text, bytes_of(place, sizeof(place)), &time_us, &why, err);
    if (status != STATUS_OK && why == REFUSED_NO_TIME && is_undated(source)) {
        dated = event_dated(stream, text);
        text = &dated;
        status =
            ingest_event(stream, source, text, bytes_of(place, sizeof(place)), &time_us, &why, err);
    }
    if (status == STATUS_OK && batch_size_bytes(stream->batch) > BATCH_PUT_SIZE_MAX)
        status = error_set(err, STATUS_LIMIT,
                           "the rows of all views of one batch pass %d MiB here; push fewer events "
                           "at a time",
                           BATCH_PUT_SIZE_MAX >> 20);
    if (status != STATUS_OK)
        return status;

    log_block_add(&source->state->block, text);
    result->last_sequence = marks->next_sequence++;
    result->last_time_us = time_us;
    return STATUS_OK;
}

/* ---- one push ---- */

static void push_undo(struct stream *stream, struct source_state *state,
                      const struct push_start *start)
{
    batch_undo_to_mark(stream->batch);
    state->pending = start->marks;
    log_block_undo(&state->block, start->block_size, start->block_count);
    stream->counters = start->counters;
    stream->arrivals.count = start->arrivals_count;
    stream->counters.events_refused_total++;
}

enum status ingest_push(struct stream *stream, struct source_runtime *source,
                        const struct push *push, struct push_result *result, struct error *err)
{
    struct push_start start = {.marks = source->state->pending,
                               .block_size = source->state->block.events.size,
                               .block_count = source->state->block.count,
                               .arrivals_count = stream->arrivals.count,
                               .counters = stream->counters};
    stream->pushed_us = clock_now_us();
    fold_move_horizons(source);
    batch_mark(stream->batch);
    for (size_t i = 0; i < push->events_count; i++) {
        enum status status = push_event(stream, source, &push->events[i], result, err);
        if (status != STATUS_OK) {
            push_undo(stream, source->state, &start);
            return error_prefix(err, STATUS_INVALID, "event %zu", i + 1);
        }
    }
    batch_forget_mark(stream->batch);
    stream->counters.events_accepted_total += push->events_count;
    return STATUS_OK;
}

static enum status check_push(const struct push *push, struct error *err)
{
    if (push->events_count > PUSH_EVENTS_MAX)
        return error_set(err, STATUS_LIMIT, "a push has at most %d events, got %zu",
                         PUSH_EVENTS_MAX, push->events_count);
    if (push->producer.size > NAME_SIZE_MAX)
        return error_set(err, STATUS_LIMIT, "the name of a producer has at most %d bytes",
                         NAME_SIZE_MAX);
    return STATUS_OK;
}

bool ingest_is_full(const struct stream *stream)
{
    size_t size = batch_size_bytes(stream->batch);
    for (size_t i = 0; i < stream->states_count; i++)
        size += stream->states[i].block.events.size;
    return size > BATCH_SIZE_MAX || stream->producers_count == PENDING_PRODUCERS_MAX;
}

enum status stream_push(struct stream *stream, const struct push *push, struct push_result *result,
                        struct error *err)
{
    bool is_repeated = false;
    *result = (struct push_result){.events_count = push->events_count};
    enum status status = stream_prepare(stream, err);
    if (status != STATUS_OK)
        return status;
    struct source_runtime *source = runtime_find(stream->runtime, push->source);
    if (source == NULL)
        return error_set(err, STATUS_NOT_FOUND, "no source '%.*s'; `asof list` shows the sources",
                         BYTES_ARGS(push->source));
    if (source->source->definition->kafka != NULL)
        return error_set(err, STATUS_INVALID,
                         "source '%.*s' reads Kafka; produce to its topic instead",
                         BYTES_ARGS(push->source));
    status = check_push(push, err);
    if (status != STATUS_OK)
        return status;
    if (stream_is_dirty(stream) && ingest_is_full(stream))
        return STATUS_AGAIN;
    status = producer_is_repeated(stream, source->source->id, push, &is_repeated, err);
    if (status != STATUS_OK)
        return status;
    if (is_repeated) {
        stream->counters.pushes_repeated_total++;
        return STATUS_OK;
    }
    status = ingest_push(stream, source, push, result, err);
    if (status == STATUS_OK && push->producer.size > 0)
        producer_put(stream, source->source->id, push);
    return status;
}
