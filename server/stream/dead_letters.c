#include "stream/dead_letters.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "base/time_text.h"
#include "registry/json.h"
#include "stream/positions.h"

enum {
    LETTERS_COUNT_MAX = 10 * 1000,            /* of one source */
    LETTERS_BYTES_MAX = 64 * 1024 * 1024,     /* the same */
    EXPIRED_LETTERS_MAX = 1000,               /* of one call */
    LETTERS_REPLY_SIZE_MAX = 8 * 1024 * 1024, /* of a list; the rest is asked for with `after` */
};

static struct bytes letters_prefix(struct arena *arena, uint32_t source_id)
{
    return arena_format(arena, "letter/%u/", source_id);
}

struct bytes letter_key(struct arena *arena, uint32_t source_id, uint64_t sequence)
{
    return arena_format(arena, "letter/%u/%020llu", source_id, (unsigned long long)sequence);
}

static struct bytes marks_key(struct arena *arena, uint32_t source_id)
{
    return arena_format(arena, "letters/%u", source_id);
}

/* ---- marks ---- */

enum status dead_letters_load(struct stream *stream, struct source_state *state, struct error *err)
{
    struct bytes row;
    struct letter_marks marks = {.next_sequence = 1};
    struct bytes key = marks_key(stream->event_arena, state->source_id);
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &row, err);
    if (status == STATUS_OK && !letter_marks_read(row, &marks))
        return error_set(err, STATUS_CORRUPT,
                         "the state of the dead letters of source %u can't be "
                         "read",
                         state->source_id);
    state->letters = state->letters_committed = marks;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* The number behind the last '/' of the key; 0: it is not one of ours. */
static uint64_t sequence_of(struct bytes key)
{
    const char *slash = memrchr(key.data, '/', key.size);
    int64_t value = 0;
    size_t head = slash == NULL ? key.size : (size_t)(slash - key.data) + 1;
    while (head + 1 < key.size && key.data[head] == '0')
        head++;
    return number_parse_int(bytes_after(key, head), &value) == NUMBER_OK ? (uint64_t)value : 0;
}

/* What is deleted, while letters are looked through. */
struct eviction {
    struct stream *stream;
    const struct source_runtime *source;
    struct letter_marks *marks;
    int64_t before_us; /* of those that are too old */
    size_t left;       /* the same */
};

/* Deletes a letter by itself, whether or not it was produced to the topic. */
static void evict(struct eviction *eviction, struct bytes key, struct bytes value)
{
    struct stream *stream = eviction->stream;
    struct letter_marks *marks = eviction->marks;
    batch_delete_row(stream->batch, stream->storage, key);
    marks->count -= marks->count > 0;
    marks->bytes -= value.size < marks->bytes ? value.size : marks->bytes;
    if (eviction->source->source->definition->letters_topic.size > 0 &&
        sequence_of(key) > eviction->source->state->letters_sent)
        stream->counters.dead_letters_unsent_total++;
}

static enum status evict_letter(void *context, struct bytes key, struct bytes value,
                                struct error *err)
{
    struct eviction *eviction = context;
    (void)err;
    if (eviction->marks->count <= LETTERS_COUNT_MAX && eviction->marks->bytes <= LETTERS_BYTES_MAX)
        return STATUS_AGAIN; /* enough */
    evict(eviction, key, value);
    eviction->marks->evicted++;
    eviction->stream->counters.dead_letters_evicted_total++;
    return STATUS_OK;
}

/* Letters stand in the order in which they came. */
static enum status expire_letter(void *context, struct bytes key, struct bytes value,
                                 struct error *err)
{
    struct eviction *eviction = context;
    struct dead_letter letter;
    arena_reset(eviction->stream->event_arena);
    bool is_kept =
        dead_letter_decode(value, eviction->stream->event_arena, &letter, err) == STATUS_OK &&
        letter.time_us >= eviction->before_us;
    if (is_kept || eviction->left == 0)
        return STATUS_AGAIN; /* enough */
    eviction->left--;
    evict(eviction, key, value);
    eviction->source->state->is_moved = true;
    eviction->stream->counters.dead_letters_expired_total++;
    return STATUS_OK;
}

void dead_letters_expire(struct stream *stream, struct source_runtime *source)
{
    struct error err = {0};
    struct source_state *state = source->state;
    struct eviction eviction = {.stream = stream,
                                .source = source,
                                .marks = &state->letters,
                                .left = EXPIRED_LETTERS_MAX,
                                .before_us = clock_now_us() -
                                             source->source->definition->letters_retention_us};
    if (state->letters.count == 0)
        return;
    struct bytes prefix = letters_prefix(stream->batch_arena, state->source_id);
    enum status status = storage_scan_rows(stream->storage, prefix, expire_letter, &eviction, &err);
    if (status == STATUS_OK || status == STATUS_AGAIN)
        status = stream_commit(stream, &err);
    if (status != STATUS_OK)
        log_error("retention of the dead letters of source '%.*s': %s",
                  BYTES_ARGS(source->source->definition->name), err.text);
}

enum status dead_letters_settle(struct stream *stream, const struct source_runtime *source,
                                struct error *err)
{
    char row[LETTER_MARKS_SIZE];
    struct source_state *state = source->state;
    struct eviction eviction = {.stream = stream, .source = source, .marks = &state->letters};
    enum status status = STATUS_OK;
    if (memcmp(&state->letters, &state->letters_committed, sizeof(state->letters)) == 0)
        return STATUS_OK;
    if (state->letters.count > LETTERS_COUNT_MAX || state->letters.bytes > LETTERS_BYTES_MAX)
        status = storage_scan_rows(stream->storage,
                                   letters_prefix(stream->batch_arena, state->source_id),
                                   evict_letter, &eviction, err);
    letter_marks_write(&state->letters, row);
    batch_put_row(stream->batch, stream->storage, marks_key(stream->batch_arena, state->source_id),
                  bytes_of(row, sizeof(row)));
    return status == STATUS_AGAIN ? STATUS_OK : status;
}

/* ---- putting ---- */

void dead_letters_put(struct stream *stream, struct source_state *state,
                      const struct dead_letter *letter)
{
    struct buffer row = {0};
    dead_letter_encode(letter, &row);
    batch_put_row(stream->batch, stream->storage,
                  letter_key(stream->batch_arena, state->source_id, state->letters.next_sequence++),
                  buffer_bytes(&row));
    state->letters.count++;
    state->letters.bytes += row.size;
    state->letters.by_reason[letter->reason]++;
    state->is_moved = true;
    stream->counters.dead_letters_total++;
    buffer_fini(&row);
}

/* ---- as JSON ---- */

static void member_number(struct buffer *out, const char *name, uint64_t value)
{
    json_name(out, name);
    buffer_format(out, "%llu", (unsigned long long)value);
}

static void member_signed(struct buffer *out, const char *name, int64_t value)
{
    json_name(out, name);
    buffer_format(out, "%lld", (long long)value);
}

/* "key": "text", or "key_base64" where it is no text, or null. */
static void member_part(struct buffer *out, const char *name, struct bytes part,
                        struct arena *arena)
{
    bool is_text = bytes_are_utf8(part);
    json_name(out, is_text ? name : arena_format(arena, "%s_base64", name).data);
    if (part.data == NULL) {
        buffer_append_text(out, "null");
    } else if (is_text) {
        json_text(out, part);
    } else {
        buffer_append_byte(out, '"');
        base64_append(part, out);
        buffer_append_byte(out, '"');
    }
}

static void append_headers(struct buffer *out, const struct dead_letter *letter,
                           struct arena *arena)
{
    json_name(out, "headers");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < letter->headers_count; i++) {
        json_comma(out);
        buffer_append_byte(out, '{');
        member_part(out, "name", letter->headers[i].name, arena);
        member_part(out, "value", letter->headers[i].value, arena);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
}

static void append_letter(struct buffer *out, uint64_t sequence, const struct dead_letter *letter,
                          bool is_full, struct arena *arena)
{
    char time[TIME_TEXT_SIZE];
    json_comma(out);
    buffer_append_byte(out, '{');
    member_number(out, "id", sequence);
    json_member_text(out, "reason", bytes_of_text(refusal_name(letter->reason)));
    json_member_text(out, "error", letter->error);
    json_member_text(out, "time", bytes_of(time, time_format(letter->time_us, time)));
    json_member_text(out, "topic", letter->topic);
    member_number(out, "partition", letter->partition);
    member_signed(out, "offset", letter->offset);
    member_signed(out, "timestamp_ms", letter->timestamp_ms);
    member_number(out, "size", letter->value_size);
    if (is_full) {
        member_part(out, "key", letter->key, arena);
        append_headers(out, letter, arena);
        member_part(out, "value", letter->value, arena);
    }
    buffer_append_byte(out, '}');
}

/* ---- going through them ---- */

static enum status find_source(struct stream *stream, struct bytes name,
                               struct source_runtime **out, struct error *err)
{
    enum status status = stream_prepare(stream, err);
    if (status != STATUS_OK)
        return status;
    *out = runtime_find(stream->runtime, name);
    if (*out == NULL)
        return error_set(err, STATUS_NOT_FOUND, "no source '%.*s'; `asof list` shows the sources",
                         BYTES_ARGS(name));
    return STATUS_OK;
}

struct visit;
typedef enum status (*visit_fn)(struct visit *visit, uint64_t sequence, struct bytes row,
                                struct error *err);

struct visit {
    struct stream *stream;
    struct source_runtime *source;
    const struct letter_choice *choice;
    visit_fn take;
    struct buffer *out; /* JSON */
    size_t left;
    struct letter_result *result;
};

static enum status visit_row(void *context, struct bytes key, struct bytes value, struct error *err)
{
    struct visit *visit = context;
    uint64_t sequence = sequence_of(key);
    if (sequence <= visit->choice->after)
        return STATUS_OK;
    bool is_full = visit->out != NULL && visit->out->size > LETTERS_REPLY_SIZE_MAX;
    if (visit->left == 0 || is_full) {
        visit->result->has_more = true;
        return STATUS_AGAIN;
    }
    visit->left--;
    visit->result->last = sequence;
    return visit->take(visit, sequence, value, err);
}

static enum status visit_one(struct visit *visit, uint64_t sequence, struct error *err)
{
    struct stream *stream = visit->stream;
    struct bytes row;
    struct arena *arena = arena_create(STREAM_CHUNK_SIZE);
    struct bytes key = letter_key(arena, visit->source->source->id, sequence);
    enum status status = storage_get_row(stream->storage, key, arena, &row, err);
    if (status == STATUS_NOT_FOUND)
        error_set(err, status, "source '%.*s' has no dead letter %llu",
                  BYTES_ARGS(visit->source->source->definition->name),
                  (unsigned long long)sequence);
    visit->result->last = sequence;
    if (status == STATUS_OK)
        status = visit->take(visit, sequence, row, err);
    arena_destroy(&arena);
    return status;
}

/* Calls take for each letter that was chosen. */
static enum status visit_letters(struct visit *visit, struct error *err)
{
    if (visit->choice->ids_count == 0) {
        struct arena *arena = arena_create(256);
        enum status status = storage_scan_rows(visit->stream->storage,
                                               letters_prefix(arena, visit->source->source->id),
                                               visit_row, visit, err);
        arena_destroy(&arena);
        return status == STATUS_AGAIN ? STATUS_OK : status;
    }
    for (size_t i = 0; i < visit->choice->ids_count; i++) {
        enum status status = visit_one(visit, visit->choice->ids[i], err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status list_letter(struct visit *visit, uint64_t sequence, struct bytes row,
                               struct error *err)
{
    struct dead_letter letter;
    arena_reset(visit->stream->event_arena);
    enum status status = dead_letter_decode(row, visit->stream->event_arena, &letter, err);
    if (status == STATUS_OK)
        append_letter(visit->out, sequence, &letter, visit->choice->is_full,
                      visit->stream->event_arena);
    return status;
}

static void append_marks(struct buffer *out, const struct source_runtime *source)
{
    const struct letter_marks *marks = &source->state->letters_committed;
    json_member_text(out, "source", source->source->definition->name);
    member_number(out, "count", marks->count);
    member_number(out, "bytes", marks->bytes);
    member_number(out, "evicted", marks->evicted);
    json_name(out, "reasons");
    buffer_append_byte(out, '{');
    for (int i = 0; i < REFUSALS_COUNT; i++)
        member_number(out, refusal_name((enum refusal)i), marks->by_reason[i]);
    buffer_append_byte(out, '}');
}

enum status stream_list_letters(struct stream *stream, struct bytes source,
                                const struct letter_choice *choice, struct buffer *out,
                                struct error *err)
{
    struct letter_result result = {0};
    struct visit visit = {.stream = stream,
                          .choice = choice,
                          .take = list_letter,
                          .out = out,
                          .left = choice->count_max,
                          .result = &result};
    enum status status = find_source(stream, source, &visit.source, err);
    if (status != STATUS_OK)
        return status;
    buffer_append_byte(out, '{');
    append_marks(out, visit.source);
    json_name(out, "letters");
    buffer_append_byte(out, '[');
    status = visit_letters(&visit, err);
    buffer_append_byte(out, ']');
    member_number(out, "last", result.last);
    json_name(out, "has_more");
    buffer_append_text(out, result.has_more ? "true}" : "false}");
    return status;
}

/* ---- dropping and trying again ---- */

static void delete_letter(struct visit *visit, uint64_t sequence, size_t size)
{
    struct stream *stream = visit->stream;
    struct letter_marks *marks = &visit->source->state->letters;
    batch_delete_row(stream->batch, stream->storage,
                     letter_key(stream->batch_arena, visit->source->source->id, sequence));
    marks->count -= marks->count > 0;
    marks->bytes -= size < marks->bytes ? size : marks->bytes;
    visit->source->state->is_moved = true;
    visit->result->done_count++;
}

static enum status drop_letter(struct visit *visit, uint64_t sequence, struct bytes row,
                               struct error *err)
{
    (void)err;
    delete_letter(visit, sequence, row.size);
    return STATUS_OK;
}

/* Whether the letter has all that the source's fields are taken from. */
static bool letter_is_whole(const struct source_runtime *source, const struct dead_letter *letter)
{
    bool is_whole = letter->value.size == letter->value_size;
    if (decoder_takes_record(source->decoder))
        is_whole &= letter->key.size < LETTER_PART_SIZE_MAX;
    if (decoder_takes_headers(source->decoder)) {
        is_whole &= letter->headers_count < LETTER_HEADERS_MAX;
        for (size_t i = 0; i < letter->headers_count; i++)
            is_whole &= letter->headers[i].value.size < LETTER_PART_SIZE_MAX;
    }
    return is_whole;
}

/* Takes the event as if it came now, at the place that it had. */
static enum status retry_letter(struct visit *visit, uint64_t sequence, struct bytes row,
                                struct error *err)
{
    struct arena *arena = arena_create(STREAM_CHUNK_SIZE);
    struct dead_letter letter;
    char place[KAFKA_PLACE_SIZE];
    struct error refused = {0};
    enum refusal why;
    enum status status = dead_letter_decode(row, arena, &letter, err);
    if (status == STATUS_OK) {
        const struct event_record record = {.key = letter.key,
                                            .timestamp_ms = letter.timestamp_ms,
                                            .headers = letter.headers,
                                            .headers_count = letter.headers_count};
        const struct push_event text = {
            .format = EVENT_JSON, .text = letter.value, .record = &record};
        kafka_place_write(letter.origin, letter.partition, letter.offset, place);
        if (letter_is_whole(visit->source, &letter) &&
            ingest_record(visit->stream, visit->source, &text, bytes_of(place, sizeof(place)), &why,
                          &refused))
            delete_letter(visit, sequence, row.size);
        else
            visit->result->failed_count++;
    }
    arena_destroy(&arena);
    return status;
}

static enum status change_letters(struct stream *stream, struct bytes source,
                                  const struct letter_choice *choice, visit_fn take,
                                  struct letter_result *result, struct error *err)
{
    struct visit visit = {.stream = stream,
                          .choice = choice,
                          .take = take,
                          .left = choice->count_max,
                          .result = result};
    *result = (struct letter_result){0};
    if (stream_is_dirty(stream))
        return STATUS_AGAIN;
    enum status status = find_source(stream, source, &visit.source, err);
    return status == STATUS_OK ? visit_letters(&visit, err) : status;
}

enum status stream_drop_letters(struct stream *stream, struct bytes source,
                                const struct letter_choice *choice, struct letter_result *result,
                                struct error *err)
{
    return change_letters(stream, source, choice, drop_letter, result, err);
}

enum status stream_retry_letters(struct stream *stream, struct bytes source,
                                 const struct letter_choice *choice, struct letter_result *result,
                                 struct error *err)
{
    return change_letters(stream, source, choice, retry_letter, result, err);
}
