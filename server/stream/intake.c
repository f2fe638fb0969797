#include "stream/intake.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/time_text.h"
#include "registry/json.h"
#include "registry/meaning.h"
#include "stream/dead_letters.h"
#include "stream/kafka_fill.h"

enum {
    INTAKE_SOURCES_MAX = 64,
    TURN_ITEMS_MAX = 1024, /* so that a turn is a few milliseconds and pushes do not wait for it */
};

/* A batch that is larger is committed within the turn. */
#define TURN_BATCH_SIZE_MAX ((size_t)8 * 1024 * 1024)

/* How long after a write that failed, and how often a source is tried that can't be read. */
#define RETRY_US          US_PER_SECOND
#define RESTART_US        (10 * US_PER_SECOND)
#define CAUGHT_UP_LOOK_US US_PER_SECOND

struct intake {
    stream_wake_fn wake;
    void *context;                                    /* borrowed */
    struct kafka_source *sources[INTAKE_SOURCES_MAX]; /* owned */
    size_t sources_count;
    struct kafka_consumer *retired[INTAKE_SOURCES_MAX]; /* owned: they are stopping */
    size_t retired_count;
    size_t turn;           /* the source that is asked first */
    int64_t retry_mono_us; /* after a failure: nothing before this */
    int64_t look_mono_us;  /* whether sources are caught up */
    bool has_failed;       /* it was told */
    struct kafka_item items[TURN_ITEMS_MAX];
};

struct intake *intake_create(stream_wake_fn wake, void *context)
{
    struct intake *intake = calloc(1, sizeof(*intake));
    CHECK(intake != NULL);
    intake->wake = wake;
    intake->context = context;
    return intake;
}

void intake_destroy(struct intake **intake)
{
    struct intake *it = *intake;
    if (it == NULL)
        return;
    for (size_t i = 0; i < it->sources_count; i++) /* all at once, then one after the other */
        if (it->sources[i]->consumer != NULL)
            kafka_consumer_stop(it->sources[i]->consumer);
    for (size_t i = 0; i < it->sources_count; i++)
        kafka_source_destroy(&it->sources[i]);
    for (size_t i = 0; i < it->retired_count; i++)
        kafka_consumer_destroy(&it->retired[i]);
    free(it);
    *intake = NULL;
}

/* ---- sources come and go ---- */

static void reap(struct intake *intake)
{
    for (size_t i = intake->retired_count; i > 0; i--) {
        if (!kafka_consumer_has_stopped(intake->retired[i - 1]))
            continue;
        kafka_consumer_destroy(&intake->retired[i - 1]);
        intake->retired[i - 1] = intake->retired[--intake->retired_count];
    }
}

/* It ends by itself, unless too many are about to. */
void intake_retire_consumer(struct intake *intake, struct kafka_consumer *consumer)
{
    reap(intake);
    if (intake->retired_count == INTAKE_SOURCES_MAX) {
        kafka_consumer_destroy(&consumer);
        return;
    }
    kafka_consumer_stop(consumer);
    intake->retired[intake->retired_count++] = consumer;
}

enum status intake_start_consumer(struct intake *intake, const struct source_runtime *source,
                                  struct kafka_consumer **out, struct error *err)
{
    const struct source_definition *definition = source->source->definition;
    return kafka_consumer_start(definition->name, definition->kafka, intake->wake, intake->context,
                                out, err);
}

static void retire(struct intake *intake, size_t index)
{
    struct kafka_source *source = intake->sources[index];
    intake->sources[index] = intake->sources[--intake->sources_count];
    if (source->consumer != NULL)
        intake_retire_consumer(intake, source->consumer);
    source->consumer = NULL;
    kafka_source_destroy(&source);
}

static const struct source *find_registered(const struct registry *registry, uint32_t source_id)
{
    for (size_t i = 0; i < registry->sources_count; i++)
        if (registry->sources[i].id == source_id)
            return &registry->sources[i];
    return NULL;
}

static bool is_same(const struct kafka_source *ours, const struct source *source)
{
    struct buffer text = {0};
    if (source == NULL || source->definition->kafka == NULL)
        return false;
    kafka_append(source->definition->kafka, WITH_SECRETS, &text);
    bool is_equal = bytes_equal(buffer_bytes(&text), buffer_bytes(&ours->text));
    buffer_fini(&text);
    return is_equal;
}

static void retire_changed(struct intake *intake, const struct registry *registry)
{
    for (size_t i = intake->sources_count; i > 0; i--) {
        const struct source *source = find_registered(registry, intake->sources[i - 1]->source_id);
        if (is_same(intake->sources[i - 1], source))
            kafka_source_bind(intake->sources[i - 1], source);
        else
            retire(intake, i - 1);
    }
}

static bool is_read(const struct intake *intake, uint32_t source_id)
{
    for (size_t i = 0; i < intake->sources_count; i++)
        if (intake->sources[i]->source_id == source_id)
            return true;
    return false;
}

void intake_reconcile(struct stream *stream)
{
    struct intake *intake = stream->intake;
    const struct registry *registry = stream->registry;
    if (intake == NULL)
        return;
    retire_changed(intake, registry);
    for (size_t i = 0; i < registry->sources_count; i++) {
        const struct source *source = &registry->sources[i];
        struct source_state *state = runtime_find(stream->runtime, source->definition->name)->state;
        state->is_catching_up = source->definition->kafka != NULL;
        if (source->definition->kafka == NULL)
            atomic_store_explicit(&state->time.waiting_us, 0, memory_order_relaxed);
        if (source->definition->kafka == NULL || is_read(intake, source->id))
            continue;
        if (intake->sources_count == INTAKE_SOURCES_MAX) {
            log_error("source '%.*s' is not read: there can be at most %d that read Kafka",
                      BYTES_ARGS(source->definition->name), INTAKE_SOURCES_MAX);
            continue;
        }
        intake->sources[intake->sources_count++] = kafka_source_create(source);
    }
}

void intake_forget(struct stream *stream)
{
    for (size_t i = 0; stream->intake != NULL && i < stream->intake->sources_count; i++)
        stream->intake->sources[i]->is_loaded = false;
}

/* ---- a turn ---- */

static enum status start(struct intake *intake, struct kafka_source *source, struct error *err)
{
    int64_t now_us = clock_mono_us();
    if (now_us < source->restart_mono_us)
        return STATUS_AGAIN;
    source->restart_mono_us = now_us + RESTART_US;
    return kafka_consumer_start(source->name, source->definition, intake->wake, intake->context,
                                &source->consumer, err);
}

/* Starts its consumer, and has it read from what is stored. false: not now. */
static bool is_ready(struct stream *stream, struct kafka_source *source)
{
    struct error err = {0};
    enum status status = STATUS_OK;
    if (source->consumer == NULL)
        status = start(stream->intake, source, &err);
    if (status == STATUS_OK && !source->is_loaded)
        status = kafka_source_load(stream, source, &err);
    if (status == STATUS_OK) {
        source->failure.text[0] = '\0';
    } else if (status != STATUS_AGAIN) {
        log_error("source '%.*s' is not read: %s", BYTES_ARGS(source->name), err.text);
        source->failure = err;
    }
    return status == STATUS_OK;
}

/* Writes the open batch; a failure has everything read again from what is stored, a while later. */
static bool commit(struct stream *stream)
{
    struct intake *intake = stream->intake;
    struct error err = {0};
    bool is_dirty = false;
    for (size_t i = 0; i < intake->sources_count; i++) {
        kafka_source_put_positions(stream, intake->sources[i]);
        is_dirty |= intake->sources[i]->is_dirty;
        if (intake->sources[i]->is_dirty)
            stream_mark_moved(stream, intake->sources[i]->source_id);
        intake->sources[i]->is_dirty = false;
    }
    if (!is_dirty || stream_commit(stream, &err) == STATUS_OK) {
        intake->has_failed = intake->has_failed && !is_dirty;
        return true;
    }
    if (!intake->has_failed)
        log_error("what Kafka brought is not written: %s; trying again", err.text);
    intake->has_failed = true;
    intake->retry_mono_us = clock_mono_us() + RETRY_US;
    intake_forget(stream);
    return false;
}

/* Takes at most items_max items of the source. Returns how many; *is_well is false when a commit
 * failed. */
static size_t take(struct stream *stream, struct kafka_source *source, size_t items_max,
                   bool *is_well)
{
    struct kafka_item *items = stream->intake->items;
    struct source_runtime *runtime = runtime_find(stream->runtime, source->name);
    CHECK(runtime != NULL);
    size_t count = kafka_consumer_take(source->consumer, items, items_max);
    if (count > 0)
        fold_move_horizons(runtime);
    for (size_t i = 0; i < count && *is_well && source->is_loaded; i++) {
        kafka_source_take(stream, source, runtime, &items[i]);
        if (batch_size_bytes(stream->batch) > TURN_BATCH_SIZE_MAX)
            *is_well = commit(stream);
    }
    kafka_source_put_positions(stream, source);
    for (size_t i = 0; i < count; i++)
        kafka_item_release(&items[i]);
    return count;
}

static void look_around(struct stream *stream)
{
    struct intake *intake = stream->intake;
    int64_t now_us = clock_mono_us();
    if (now_us < intake->look_mono_us)
        return;
    intake->look_mono_us = now_us + CAUGHT_UP_LOOK_US;
    reap(intake);
    for (size_t i = 0; i < intake->sources_count; i++) {
        struct kafka_source *source = intake->sources[i];
        struct source_runtime *runtime = runtime_find(stream->runtime, source->name);
        CHECK(runtime != NULL);
        runtime->state->is_catching_up = !kafka_source_is_caught_up(source);
        atomic_store_explicit(&runtime->state->time.waiting_us, kafka_source_waits_since(source),
                              memory_order_relaxed);
        if (source->consumer != NULL)
            kafka_source_mirror(source);
    }
}

/* Produces dead letters to the topics for them. Returns whether there are more. */
static bool send_letters(struct stream *stream)
{
    struct intake *intake = stream->intake;
    bool has_more = false;
    for (size_t i = 0; i < intake->sources_count; i++) {
        struct kafka_source *source = intake->sources[i];
        if (source->sender != NULL)
            has_more |= letter_sender_step(stream, source->sender,
                                           runtime_find(stream->runtime, source->name),
                                           intake->wake, intake->context);
    }
    return has_more;
}

bool intake_step(struct stream *stream)
{
    struct intake *intake = stream->intake;
    struct error err;
    if (intake == NULL || clock_mono_us() < intake->retry_mono_us ||
        stream_prepare(stream, &err) != STATUS_OK)
        return false;
    bool is_well = true;
    size_t left = TURN_ITEMS_MAX;
    for (size_t i = 0; i < intake->sources_count && left > 0 && is_well; i++) {
        struct kafka_source *source = intake->sources[(intake->turn + i) % intake->sources_count];
        if (is_ready(stream, source))
            left -= take(stream, source, left, &is_well);
    }
    intake->turn++;
    if (is_well)
        is_well = commit(stream);
    look_around(stream);
    bool has_letters = is_well && send_letters(stream);
    return is_well && (left == 0 || has_letters);
}

/* ---- how far it is ---- */

static void member_signed(struct buffer *out, const char *name, int64_t value)
{
    json_name(out, name);
    if (value < 0)
        buffer_append_text(out, "null");
    else
        buffer_format(out, "%lld", (long long)value);
}

static void append_partition(struct kafka_source *source, uint32_t index, uint32_t number,
                             struct buffer *out)
{
    const struct kafka_topic *topic = &source->topics[index];
    const struct kafka_partition *partition = &topic->partitions[number];
    int64_t next = partition->state == PARTITION_FINDING ? -1 : partition->position.next;
    int64_t high =
        source->consumer == NULL ? -1 : kafka_consumer_high(source->consumer, index, number);
    int64_t lag = next < 0 || high < 0 ? -1 : high > next ? high - next : 0;
    int64_t read_ms =
        partition->position.last.offset >= 0 ? partition->position.last.timestamp_ms : -1;
    int64_t age_ms = clock_now_us() / US_PER_MS - read_ms;
    json_comma(out);
    buffer_append_byte(out, '{');
    json_member_text(out, "topic", topic->name);
    member_signed(out, "partition", number);
    json_member_text(out, "state", bytes_of_text(partition_state_name(partition)));
    member_signed(out, "next_offset", next);
    member_signed(out, "high_offset", high);
    member_signed(out, "lag", lag);
    json_name(out, "lag_seconds");
    if (lag < 0 || (lag > 0 && read_ms < 0))
        buffer_append_text(out, "null");
    else
        buffer_format(out, "%.3f", lag > 0 && age_ms > 0 ? (double)age_ms / 1000 : 0.0);
    buffer_append_byte(out, '}');
}

static void append_freshness(const struct source_runtime *runtime, struct buffer *out)
{
    const struct source_time *time = &runtime->state->time;
    struct source_fresh fresh =
        source_fresh_at(time, runtime->source->definition->freshness_slo_us, clock_now_us());
    json_name(out, "waiting_seconds");
    buffer_format(out, "%.3f", (double)fresh.waiting_us / US_PER_SECOND);
    json_member_duration(out, "freshness_slo", runtime->source->definition->freshness_slo_us);
    json_name(out, "is_fresh");
    buffer_append_text(out, fresh.is_breached ? "false" : "true");
    member_signed(out, "missed",
                  (int64_t)atomic_load_explicit(&time->missed_total, memory_order_relaxed));
}

static void append_source(const struct stream *stream, struct kafka_source *source,
                          struct buffer *out)
{
    char error[ERROR_TEXT_SIZE] = "";
    json_comma(out);
    buffer_append_byte(out, '{');
    json_member_text(out, "source", source->name);
    if (source->consumer != NULL)
        kafka_consumer_error(source->consumer, error, sizeof(error));
    json_member_text_or_null(
        out, "error",
        bytes_of_text(source->failure.text[0] != '\0' ? source->failure.text : error));
    append_freshness(runtime_find(stream->runtime, source->name), out);
    letter_sender_append(source->sender, runtime_find(stream->runtime, source->name)->state, out);
    json_name(out, "partitions");
    buffer_append_byte(out, '[');
    for (uint32_t i = 0; i < source->topics_count; i++)
        for (uint32_t j = 0; j < source->topics[i].partitions_count; j++)
            append_partition(source, i, j, out);
    buffer_append_text(out, "]}");
}

enum status stream_append_lag(struct stream *stream, struct bytes name, struct buffer *out,
                              struct error *err)
{
    const struct intake *intake = stream->intake;
    size_t found_count = 0;
    buffer_append_byte(out, '[');
    for (size_t i = 0; intake != NULL && i < intake->sources_count; i++) {
        if (name.size > 0 && !bytes_equal(name, intake->sources[i]->name))
            continue;
        append_source(stream, intake->sources[i], out);
        found_count++;
    }
    buffer_append_byte(out, ']');
    if (name.size > 0 && found_count == 0)
        return error_set(err, STATUS_NOT_FOUND,
                         "no source '%.*s' reads Kafka; `asof lag` shows "
                         "those that do",
                         BYTES_ARGS(name));
    return STATUS_OK;
}

/* ---- life ---- */

void stream_start_kafka(struct stream *stream, stream_wake_fn wake, void *context)
{
    CHECK(stream->intake == NULL);
    stream->intake = intake_create(wake, context);
    intake_reconcile(stream);
}

void stream_stop_kafka(struct stream *stream)
{
    kafka_fill_close(stream);
    intake_destroy(&stream->intake);
}
