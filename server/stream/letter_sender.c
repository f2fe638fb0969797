#include "stream/letter_sender.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/time_text.h"
#include "registry/json.h"
#include "stream/dead_letters.h"
#include "stream/kafka_producer.h"

enum {
    WINDOW_MAX = 256,               /* letters that are under way together */
    WINDOW_BYTES_MAX = 1024 * 1024, /* of their rows; one letter may pass it */
    LOOKS_MAX = 1024, /* letters that are looked for in one step: many may be dropped */
    SENT_ROW_SIZE = 8,
    OUR_HEADERS_MAX = 9,
};

#define RETRY_US US_PER_SECOND

/* A letter that is under way. */
struct sending {
    uint64_t sequence;
    enum kafka_delivery delivery;
    unsigned tries; /* of making it smaller; see send_smaller */
};

struct letter_sender {
    char topic[KAFKA_TOPIC_SIZE_MAX];
    size_t topic_size;
    struct kafka_producer *producer; /* owned; NULL: not made yet */
    struct sending window[WINDOW_MAX];
    size_t window_count;
    uint64_t looked; /* all letters up to this one are in the window, or not there */
    bool is_loaded;
    int64_t retry_mono_us;
    struct error failure; /* that was told last; empty: none */
};

struct letter_sender *letter_sender_create(const struct source *source)
{
    struct letter_sender *sender = calloc(1, sizeof(*sender));
    struct bytes topic = source->definition->letters_topic;
    CHECK(sender != NULL && topic.size <= sizeof(sender->topic));
    memcpy(sender->topic, topic.data, topic.size);
    sender->topic_size = topic.size;
    return sender;
}

void letter_sender_destroy(struct letter_sender **sender)
{
    if (*sender == NULL)
        return;
    kafka_producer_destroy(&(*sender)->producer);
    free(*sender);
    *sender = NULL;
}

static struct bytes topic_of(const struct letter_sender *sender)
{
    return bytes_of(sender->topic, sender->topic_size);
}

bool letter_sender_fits(const struct letter_sender *sender, const struct source *source)
{
    return bytes_equal(topic_of(sender), source->definition->letters_topic);
}

/* ---- how far it is ---- */

static struct bytes sent_key(struct arena *arena, uint32_t source_id)
{
    return arena_format(arena, "letters_sent/%u", source_id);
}

static enum status load(struct stream *stream, struct letter_sender *sender,
                        struct source_state *state, struct error *err)
{
    struct bytes row;
    arena_reset(stream->event_arena);
    enum status status =
        storage_get_row(stream->storage, sent_key(stream->event_arena, state->source_id),
                        stream->event_arena, &row, err);
    if (status == STATUS_OK && row.size != SENT_ROW_SIZE)
        return error_set(err, STATUS_CORRUPT, "how far dead letters were produced can't be read");
    state->letters_sent = status == STATUS_OK ? be64_read(row.data) : 0;
    sender->looked = state->letters_sent;
    sender->is_loaded = status == STATUS_OK || status == STATUS_NOT_FOUND;
    return sender->is_loaded ? STATUS_OK : status;
}

static enum status store(struct stream *stream, struct letter_sender *sender,
                         struct source_state *state, struct error *err)
{
    char row[SENT_ROW_SIZE];
    struct batch *batch = batch_create();
    arena_reset(stream->event_arena);
    be64_write(row, sender->looked);
    batch_put_row(batch, stream->storage, sent_key(stream->event_arena, state->source_id),
                  bytes_of(row, sizeof(row)));
    enum status status = storage_write(stream->storage, batch, false, err);
    if (status == STATUS_OK)
        state->letters_sent = sender->looked;
    batch_destroy(&batch);
    return status;
}

/* ---- a letter as a record ---- */

/* Headers of a record while they are collected. */
struct header_list {
    struct arena *arena;
    struct kafka_header *items; /* in the arena, as what they hold */
    size_t count;
};

static void add_header(struct header_list *list, const char *name, struct bytes value)
{
    list->items[list->count++] = (struct kafka_header){.name = bytes_of_text(name), .value = value};
}

static void add_number(struct header_list *list, const char *name, int64_t value)
{
    add_header(list, name, arena_format(list->arena, "%lld", (long long)value));
}

/* The record's own headers, and behind them what is said of it. */
static struct header_list headers_of(const struct source_runtime *source,
                                     const struct dead_letter *letter, bool has_value,
                                     struct arena *arena)
{
    struct header_list list = {.arena = arena};
    bool is_cut = letter->value.size != letter->value_size;
    list.items =
        ARENA_NEW_ARRAY(arena, letter->headers_count + OUR_HEADERS_MAX, struct kafka_header);
    for (size_t i = 0; i < letter->headers_count; i++)
        list.items[list.count++] = letter->headers[i];
    add_header(&list, "asof.reason", bytes_of_text(refusal_name(letter->reason)));
    add_header(&list, "asof.error", letter->error);
    add_header(&list, "asof.source", source->source->definition->name);
    add_header(&list, "asof.topic", letter->topic);
    add_number(&list, "asof.partition", letter->partition);
    add_number(&list, "asof.offset", letter->offset);
    if (letter->timestamp_ms >= 0)
        add_number(&list, "asof.timestamp", letter->timestamp_ms);
    if (!has_value || is_cut)
        add_header(&list, "asof.value", bytes_of_text(has_value ? "cut" : "left out"));
    return list;
}

/* Reads a letter and sends it. NOT_FOUND: it was dropped. */
static enum status send_letter(struct stream *stream, struct letter_sender *sender,
                               const struct source_runtime *source, struct sending *sending,
                               size_t *size, struct error *err)
{
    struct bytes row;
    struct dead_letter letter;
    struct arena *arena = arena_create(STREAM_CHUNK_SIZE);
    bool has_value = sending->tries < 2;
    struct bytes key = letter_key(arena, source->source->id, sending->sequence);
    enum status status = storage_get_row(stream->storage, key, arena, &row, err);
    if (status == STATUS_OK)
        status = dead_letter_decode(row, arena, &letter, err);
    if (status == STATUS_OK) {
        struct header_list headers = headers_of(source, &letter, has_value, arena);
        const struct kafka_record record = {.key = letter.key,
                                            .value = has_value ? letter.value : (struct bytes){0},
                                            .headers = headers.items,
                                            .headers_count = headers.count};
        kafka_producer_send(sender->producer, &record, &sending->delivery);
        *size = row.size;
    }
    arena_destroy(&arena);
    return status;
}

/* ---- a step ---- */

static void fail(struct letter_sender *sender, const struct source_runtime *source, const char *why)
{
    if (strcmp(sender->failure.text, why) != 0)
        log_error("source '%.*s': dead letters are not produced to topic %.*s: %s; trying again",
                  BYTES_ARGS(source->source->definition->name), BYTES_ARGS(topic_of(sender)), why);
    error_set(&sender->failure, STATUS_UNAVAILABLE, "%s", why);
    sender->retry_mono_us = clock_mono_us() + RETRY_US;
    sender->looked = source->state->letters_sent;
    sender->window_count = 0;
}

/* Sends letters behind those that were looked at, until the window is full. */
static enum status fill_window(struct stream *stream, struct letter_sender *sender,
                               const struct source_runtime *source, struct error *err)
{
    uint64_t last = source->state->letters_committed.next_sequence - 1;
    size_t bytes = 0;
    for (size_t looks = 0; sender->looked < last && sender->window_count < WINDOW_MAX &&
                           bytes < WINDOW_BYTES_MAX && looks < LOOKS_MAX;
         looks++) {
        struct sending *sending = &sender->window[sender->window_count];
        size_t size = 0;
        *sending = (struct sending){.sequence = sender->looked + 1};
        enum status status = send_letter(stream, sender, source, sending, &size, err);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND)
            return status;
        sender->window_count += status == STATUS_OK;
        sender->looked++;
        bytes += size;
    }
    return STATUS_OK;
}

/* Sends a letter again that was too large; brokers say that of all that come together. So first it
 * is sent alone, then without its value, and then it is given up: its headers alone are too large.
 */
static enum status send_smaller(struct stream *stream, struct letter_sender *sender,
                                const struct source_runtime *source, struct sending *sending,
                                struct error *err)
{
    size_t size;
    enum status status = STATUS_NOT_FOUND;
    if (++sending->tries <= 2)
        status = send_letter(stream, sender, source, sending, &size, err);
    else
        stream->counters.dead_letters_unsent_total++;
    if (status != STATUS_NOT_FOUND)
        return status;
    sending->delivery = DELIVERY_DONE;
    return STATUS_OK;
}

/* Whether the window is delivered. AGAIN: not yet. UNAVAILABLE: it is not to be. */
static enum status look_at_window(struct stream *stream, struct letter_sender *sender,
                                  const struct source_runtime *source, struct error *err)
{
    struct sending *too_large = NULL;
    bool is_pending = false;
    for (size_t i = 0; i < sender->window_count; i++) {
        struct sending *sending = &sender->window[i];
        if (sending->delivery == DELIVERY_FAILED)
            return error_set(err, STATUS_UNAVAILABLE, "%s", kafka_producer_error(sender->producer));
        if (sending->delivery == DELIVERY_TOO_LARGE && too_large == NULL)
            too_large = sending;
        is_pending |= sending->delivery == DELIVERY_PENDING;
    }
    if (is_pending)
        return STATUS_AGAIN;
    if (too_large == NULL)
        return STATUS_OK;
    enum status status = send_smaller(stream, sender, source, too_large, err);
    return status == STATUS_OK ? STATUS_AGAIN : status;
}

/* The window is delivered: its end is stored. */
static enum status close_window(struct stream *stream, struct letter_sender *sender,
                                const struct source_runtime *source, struct error *err)
{
    enum status status = store(stream, sender, source->state, err);
    if (status != STATUS_OK)
        return status;
    stream->counters.dead_letters_produced_total += sender->window_count;
    sender->window_count = 0;
    sender->failure = (struct error){0};
    return STATUS_OK;
}

static enum status step(struct stream *stream, struct letter_sender *sender,
                        const struct source_runtime *source, struct error *err)
{
    enum status status = STATUS_OK;
    if (sender->window_count == 0)
        status = fill_window(stream, sender, source, err);
    kafka_producer_poll(sender->producer);
    if (status == STATUS_OK)
        status = look_at_window(stream, sender, source, err);
    if (status == STATUS_OK && sender->looked > source->state->letters_sent)
        status = close_window(stream, sender, source, err);
    return status;
}

bool letter_sender_step(struct stream *stream, struct letter_sender *sender,
                        const struct source_runtime *source, stream_wake_fn wake, void *context)
{
    struct error err = {0};
    enum status status = STATUS_OK;
    const struct letter_marks *marks = &source->state->letters_committed;
    if (clock_mono_us() < sender->retry_mono_us)
        return false;
    if (!sender->is_loaded)
        status = load(stream, sender, source->state, &err);
    bool has_work = sender->window_count > 0 || sender->looked + 1 < marks->next_sequence;
    if (status == STATUS_OK && has_work && sender->producer == NULL)
        status = kafka_producer_create(source->source->definition->name,
                                       source->source->definition->kafka, topic_of(sender), wake,
                                       context, &sender->producer, &err);
    if (status == STATUS_OK && has_work)
        status = step(stream, sender, source, &err);
    if (status != STATUS_OK && status != STATUS_AGAIN)
        fail(sender, source, err.text);
    return status == STATUS_OK && sender->looked + 1 < marks->next_sequence;
}

void letter_sender_append(const struct letter_sender *sender, const struct source_state *state,
                          struct buffer *out)
{
    json_name(out, "dead_letter_topic");
    if (sender == NULL) {
        buffer_append_text(out, "null");
        return;
    }
    buffer_append_byte(out, '{');
    json_member_text(out, "topic", topic_of(sender));
    json_name(out, "unsent");
    buffer_format(
        out, "%llu",
        (unsigned long long)(state->letters_committed.next_sequence - 1 - state->letters_sent));
    json_member_text_or_null(out, "error", bytes_of_text(sender->failure.text));
    buffer_append_byte(out, '}');
}
