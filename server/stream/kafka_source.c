#include "stream/kafka_source.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/time_text.h"
#include "registry/meaning.h"
#include "stream/dead_letters.h"

/* A partition whose end was seen within this has nothing old to offer. */
#define CAUGHT_UP_US (60 * US_PER_SECOND)

/* How often a topic is verified that a broker says it does not know. */
#define SUSPECT_US US_PER_SECOND

#define MIRROR_US (5 * US_PER_SECOND)

struct kafka_source *kafka_source_create(const struct source *source)
{
    struct kafka_source *it = calloc(1, sizeof(*it));
    CHECK(it != NULL);
    it->source_id = source->id;
    it->created_us = clock_now_us();
    kafka_append(source->definition->kafka, WITH_SECRETS, &it->text);
    it->topics_count = source->definition->kafka->topics_count;
    kafka_source_bind(it, source);
    return it;
}

void kafka_source_bind(struct kafka_source *source, const struct source *definition)
{
    source->name = definition->definition->name;
    source->definition = definition->definition->kafka;
    if (source->sender != NULL && !letter_sender_fits(source->sender, definition))
        letter_sender_destroy(&source->sender);
    if (source->sender == NULL && definition->definition->letters_topic.size > 0)
        source->sender = letter_sender_create(definition);
    for (size_t i = 0; i < source->topics_count; i++)
        source->topics[i].name = source->definition->topics[i];
}

void kafka_source_destroy(struct kafka_source **source)
{
    struct kafka_source *it = *source;
    if (it == NULL)
        return;
    kafka_consumer_destroy(&it->consumer);
    letter_sender_destroy(&it->sender);
    for (size_t i = 0; i < it->topics_count; i++)
        free(it->topics[i].partitions);
    buffer_fini(&it->text);
    free(it);
    *source = NULL;
}

const char *partition_state_name(const struct kafka_partition *partition)
{
    switch (partition->state) {
    case PARTITION_FINDING:
        return "finding";
    case PARTITION_READING:
        return partition->check == CHECK_NOTHING ? "reading" : "verifying";
    case PARTITION_GAP:
        return "gap";
    case PARTITION_GONE:
        return "gone";
    }
    return "";
}

/* ---- reading from somewhere ---- */

/* A partition of a source, as the steps below pass it on. */
struct at {
    struct stream *stream;
    struct kafka_source *source;
    struct kafka_topic *topic;
    struct kafka_partition *partition;
    uint32_t topic_index;
    uint32_t number;
};

static struct at at_of(struct stream *stream, struct kafka_source *source, uint32_t topic,
                       uint32_t number)
{
    return (struct at){.stream = stream,
                       .source = source,
                       .topic = &source->topics[topic],
                       .partition = &source->topics[topic].partitions[number],
                       .topic_index = topic,
                       .number = number};
}

static void assign(const struct at *at, enum partition_check check, int64_t offset)
{
    at->partition->state = PARTITION_READING;
    at->partition->check = check;
    at->partition->epoch = ++at->source->epoch;
    kafka_consumer_assign(at->source->consumer, at->topic_index, at->number, at->partition->epoch,
                          offset);
}

/* Goes on from its position, once the last record is known to be what it was. */
static void begin(const struct at *at)
{
    const struct position *position = &at->partition->position;
    at->partition->ended_mono_us = 0;
    at->partition->is_old = position->first.offset >= 0;
    if (position->last.offset >= 0) {
        at->topic->is_verified = false;
        assign(at, CHECK_LAST, position->last.offset);
    } else {
        assign(at, CHECK_NOTHING, position->next);
    }
}

static void unassign(const struct at *at, enum partition_state state)
{
    at->partition->state = state;
    at->partition->epoch = ++at->source->epoch;
    kafka_consumer_unassign(at->source->consumer, at->topic_index, at->number);
}

static void find(const struct at *at)
{
    const struct kafka_definition *definition = at->source->definition;
    bool is_first = at->number < at->topic->row.partitions_count;
    at->partition->state = PARTITION_FINDING;
    at->partition->epoch = ++at->source->epoch;
    kafka_consumer_find(at->source->consumer, at->topic_index, at->number, at->partition->epoch,
                        is_first ? definition->start : KAFKA_EARLIEST, definition->start_us);
}

/* ---- what is stored ---- */

static enum status corrupt(const struct kafka_source *source, const char *what, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, "source '%.*s': the stored %s can't be read",
                     BYTES_ARGS(source->name), what);
}

static enum status load_origins(struct stream *stream, struct kafka_source *source,
                                struct error *err)
{
    struct bytes row;
    struct bytes key = origins_key(stream->event_arena, source->source_id);
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &row, err);
    source->next_origin = 1;
    if (status == STATUS_OK && row.size != ORIGINS_ROW_SIZE)
        return corrupt(source, "count of origins", err);
    if (status == STATUS_OK)
        source->next_origin = be32_read(row.data);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Reads the position of a partition and goes on from there, or finds out where to begin. */
static enum status load_partition(const struct at *at, struct error *err)
{
    struct stream *stream = at->stream;
    struct bytes row;
    struct bytes key =
        position_key(stream->event_arena, at->source->source_id, at->topic->name, at->number);
    *at->partition = (struct kafka_partition){0};
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &row, err);
    if (status == STATUS_NOT_FOUND) {
        find(at);
        return STATUS_OK;
    }
    if (status == STATUS_OK && !position_read(row, &at->partition->position))
        status = corrupt(at->source, "position of a partition", err);
    if (status == STATUS_OK)
        begin(at);
    return status;
}

static enum status load_topic(struct stream *stream, struct kafka_source *source, uint32_t index,
                              struct error *err)
{
    struct kafka_topic *topic = &source->topics[index];
    struct bytes row;
    struct bytes key = topic_key(stream->event_arena, source->source_id, topic->name);
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &row, err);
    topic->is_known = status == STATUS_OK;
    if (status == STATUS_OK && !topic_row_read(row, &topic->row))
        return corrupt(source, "state of a topic", err);
    if (status == STATUS_NOT_FOUND) {
        topic->partitions_count = 0; /* the next news of it makes them again */
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < topic->partitions_count && status == STATUS_OK; i++) {
        const struct at at = at_of(stream, source, index, i);
        status = load_partition(&at, err);
    }
    return status;
}

enum status kafka_source_load(struct stream *stream, struct kafka_source *source, struct error *err)
{
    arena_reset(stream->event_arena);
    enum status status = load_origins(stream, source, err);
    for (uint32_t i = 0; i < source->topics_count && status == STATUS_OK; i++) {
        status = load_topic(stream, source, i, err);
    }
    source->is_loaded = status == STATUS_OK;
    source->is_dirty = false;
    return status;
}

static void put_topic(struct stream *stream, struct kafka_source *source,
                      const struct kafka_topic *topic)
{
    char origins[ORIGINS_ROW_SIZE];
    char row[TOPIC_ROW_SIZE];
    be32_write(origins, source->next_origin);
    topic_row_write(&topic->row, row);
    batch_put_row(stream->batch, stream->storage,
                  origins_key(stream->batch_arena, source->source_id),
                  bytes_of(origins, sizeof(origins)));
    batch_put_row(stream->batch, stream->storage,
                  topic_key(stream->batch_arena, source->source_id, topic->name),
                  bytes_of(row, sizeof(row)));
    source->is_dirty = true;
}

static void put_position(const struct at *at)
{
    char row[POSITION_SIZE];
    struct stream *stream = at->stream;
    struct kafka_partition *partition = at->partition;
    if (partition->last_item != NULL) {
        partition->position.last = record_mark_of(partition->last_item);
        if (partition->position.first.offset < 0)
            partition->position.first = partition->position.last;
    }
    partition->last_item = NULL;
    partition->is_moved = false;
    position_write(&partition->position, row);
    batch_put_row(
        stream->batch, stream->storage,
        position_key(stream->batch_arena, at->source->source_id, at->topic->name, at->number),
        bytes_of(row, sizeof(row)));
    at->source->is_dirty = true;
}

void kafka_source_put_positions(struct stream *stream, struct kafka_source *source)
{
    for (uint32_t i = 0; i < source->topics_count; i++) {
        for (uint32_t j = 0; j < source->topics[i].partitions_count; j++) {
            const struct at at = at_of(stream, source, i, j);
            if (at.partition->is_moved)
                put_position(&at);
        }
    }
}

/* ---- what is not there any more ---- */

/* The topic's name stands for another log: all that was read of the old one is read no further, the
 * new one from its beginning. A partition that was new when the topic was looked at again may have
 * read the new log since, and keeps its position; but not where another one has shown that it was
 * the old log then. */
static void begin_new_origin(const struct at *at)
{
    struct kafka_source *source = at->source;
    struct kafka_topic *topic = at->topic;
    log_warn(
        "source '%.*s': topic %.*s was deleted and created again; it is read from its beginning, "
        "as a new origin",
        BYTES_ARGS(source->name), BYTES_ARGS(topic->name));
    at->stream->counters.kafka_origins_total++;
    topic->row = (struct topic_row){.origin = source->next_origin++};
    put_topic(at->stream, source, topic);
    for (uint32_t i = 0; i < topic->partitions_count; i++) {
        const struct at other = at_of(at->stream, source, at->topic_index, i);
        bool is_of_old_log = other.partition->is_old || topic->is_verified;
        if (!is_of_old_log || other.partition->position.origin == 0)
            continue;
        *other.partition = (struct kafka_partition){0};
        batch_delete_row(at->stream->batch, at->stream->storage,
                         position_key(at->stream->batch_arena, source->source_id, topic->name, i));
        find(&other);
    }
    topic->is_verified = true;
}

/* Records from the position on are gone; `resume` is the next one that is there. */
static void meet_gap(const struct at *at, int64_t resume)
{
    struct position *position = &at->partition->position;
    int64_t lost = resume > position->next ? resume - position->next : 0;
    const char *place =
        arena_format(at->stream->event_arena, "source '%.*s': topic %.*s, partition %u",
                     BYTES_ARGS(at->source->name), BYTES_ARGS(at->topic->name), at->number)
            .data;
    at->stream->counters.kafka_gaps_total++;
    if (at->source->definition->on_gap == KAFKA_STOP) {
        log_error(
            "%s: what stood behind offset %lld is not there any more, the log goes on at %lld; "
            "this partition is not read until the source says on_gap: skip",
            place, (long long)position->next, (long long)resume);
        unassign(at, PARTITION_GAP);
        return;
    }
    log_warn("%s: what stood behind offset %lld is not there any more; going on at %lld", place,
             (long long)position->next, (long long)resume);
    at->stream->counters.kafka_lost_total += (uint64_t)lost;
    position->next = resume;
    position->last.offset = -1;
    at->partition->is_moved = true;
    assign(at, CHECK_NOTHING, resume);
}

/* The last record is not what it was, or not there: the first one says whether it is the same log.
 */
static void check_first(const struct at *at, int64_t resume)
{
    if (at->partition->position.first.offset < 0) {
        meet_gap(at, resume);
        return;
    }
    at->partition->resume = resume;
    assign(at, CHECK_FIRST, at->partition->position.first.offset);
}

static void take_out_of_range(const struct at *at, const struct kafka_item *item)
{
    struct kafka_partition *partition = at->partition;
    const struct position *position = &partition->position;
    if (partition->check == CHECK_FIRST) {
        if (item->high <= position->first.offset)
            begin_new_origin(at);
        else
            meet_gap(at, partition->resume);
    } else if (position->next < item->low) {
        meet_gap(at, item->low);
    } else if (position->next > item->high) {
        check_first(at, item->high);
    } else {
        assign(at, CHECK_NOTHING, position->next); /* only the last record is gone */
    }
}

static void take_end(const struct at *at, const struct kafka_item *item)
{
    struct kafka_partition *partition = at->partition;
    struct position *position = &partition->position;
    if (partition->check == CHECK_FIRST) {
        begin_new_origin(at);
        return;
    }
    if (item->offset < position->next) { /* only while the last record is looked for */
        check_first(at, item->offset);
        return;
    }
    partition->check = CHECK_NOTHING;
    partition->ended_mono_us = clock_mono_us();
    if (item->offset > position->next) { /* over control records and aborted ones */
        position->next = item->offset;
        partition->is_moved = true;
    }
}

/* ---- topics ---- */

static void lose_topic(struct stream *stream, struct kafka_source *source, uint32_t index)
{
    struct kafka_topic *topic = &source->topics[index];
    if (!topic->is_missing)
        log_warn("source '%.*s': there is no topic %.*s; waiting for it", BYTES_ARGS(source->name),
                 BYTES_ARGS(topic->name));
    topic->is_missing = true;
    for (uint32_t i = 0; i < topic->partitions_count; i++) {
        const struct at at = at_of(stream, source, index, i);
        if (at.partition->state != PARTITION_GONE)
            unassign(&at, PARTITION_GONE);
    }
}

/* Looks again whether the topic is what it was. */
static void verify_topic(struct stream *stream, struct kafka_source *source, uint32_t index)
{
    struct kafka_topic *topic = &source->topics[index];
    int64_t now_us = clock_mono_us();
    if (now_us < topic->suspect_mono_us || topic->is_missing)
        return;
    topic->suspect_mono_us = now_us + SUSPECT_US;
    kafka_source_put_positions(stream, source); /* so that last records are known */
    for (uint32_t i = 0; i < topic->partitions_count; i++) {
        const struct at at = at_of(stream, source, index, i);
        if (at.partition->state == PARTITION_READING)
            begin(&at);
    }
}

static void grow_topic(struct kafka_topic *topic, size_t count)
{
    topic->partitions = realloc(topic->partitions, count * sizeof(*topic->partitions));
    CHECK(topic->partitions != NULL);
    memset(&topic->partitions[topic->partitions_count], 0,
           (count - topic->partitions_count) * sizeof(*topic->partitions));
    topic->partitions_count = count;
}

/* A partition that was not known: what is stored of it says where it goes on. */
static void meet_partition(const struct at *at)
{
    struct error err = {0};
    if (load_partition(at, &err) == STATUS_OK)
        return;
    log_error("%s", err.text);
    at->source->is_loaded = false; /* tried again */
}

/* One that was away. What is stored of it may be older than what the open batch says. */
static void meet_again(const struct at *at)
{
    if (at->partition->position.origin != 0)
        begin(at);
    else
        find(at);
}

static void take_topic(struct stream *stream, struct kafka_source *source,
                       const struct kafka_item *item)
{
    struct kafka_topic *topic = &source->topics[item->topic];
    size_t known_count = topic->partitions_count;
    if (item->count == 0) {
        lose_topic(stream, source, item->topic);
        return;
    }
    topic->is_missing = false;
    kafka_source_put_positions(stream, source); /* so that last records are known */
    if (!topic->is_known) {
        topic->row =
            (struct topic_row){.origin = source->next_origin++, .partitions_count = item->count};
        topic->is_known = topic->is_verified = true;
        put_topic(stream, source, topic);
    }
    if (item->count > known_count)
        grow_topic(topic, item->count);
    for (uint32_t i = 0; i < topic->partitions_count; i++) {
        const struct at at = at_of(stream, source, item->topic, i);
        bool is_there = i < item->count;
        if (is_there && i >= known_count)
            meet_partition(&at);
        else if (is_there && at.partition->state == PARTITION_GONE)
            meet_again(&at);
        else if (!is_there && at.partition->state != PARTITION_GONE)
            unassign(&at, PARTITION_GONE);
    }
    if (item->count < known_count)
        verify_topic(stream, source, item->topic);
}

/* ---- messages ---- */

/* Whether the record that begins an assignment lets it go on. */
static bool passes_check(const struct at *at, const struct kafka_item *item)
{
    struct kafka_partition *partition = at->partition;
    struct position *position = &partition->position;
    struct record_mark found;
    switch (partition->check) {
    case CHECK_NOTHING:
        return true;
    case CHECK_LAST:
        found = record_mark_of(item);
        if (item->offset == position->last.offset && !record_mark_equal(&found, &position->last)) {
            check_first(at, position->next);
            return false;
        }
        at->topic->is_verified |= item->offset == position->last.offset;
        partition->check = CHECK_NOTHING;
        return true;
    case CHECK_FIRST:
        found = record_mark_of(item);
        if (item->offset == position->first.offset && !record_mark_equal(&found, &position->first))
            begin_new_origin(at);
        else
            meet_gap(at, partition->resume);
        return false;
    }
    return false;
}

static void bury(const struct at *at, struct source_state *state, const struct kafka_item *item,
                 enum refusal why, const struct error *err)
{
    struct stream *stream = at->stream;
    const struct kafka_header *headers;
    arena_reset(stream->event_arena);
    struct dead_letter letter = {
        .reason = why,
        .time_us = clock_now_us(),
        .error = bytes_of_text(err->text),
        .topic = at->topic->name,
        .origin = at->partition->position.origin,
        .partition = at->number,
        .offset = item->offset,
        .timestamp_ms = item->timestamp_ms,
        .key = item->key,
        .value = item->value,
    };
    letter.value_size = item->value.size;
    letter.headers_count = kafka_item_headers(item, stream->event_arena, &headers);
    letter.headers = headers;
    dead_letters_put(stream, state, &letter);
}

static void take_message(const struct at *at, struct source_runtime *runtime,
                         const struct kafka_item *item)
{
    struct stream *stream = at->stream;
    struct kafka_partition *partition = at->partition;
    struct event_record record = {.key = item->key, .timestamp_ms = item->timestamp_ms};
    struct error err = {0};
    char place[KAFKA_PLACE_SIZE];
    enum refusal why;
    if (!passes_check(at, item) || item->offset < partition->position.next)
        return;
    if (decoder_takes_headers(runtime->decoder))
        record.headers_count = kafka_item_headers(item, stream->batch_arena, &record.headers);
    kafka_place_write(partition->position.origin, at->number, item->offset, place);
    const struct push_event text = {.format = EVENT_JSON, .text = item->value, .record = &record};
    if (!ingest_record(stream, runtime, &text, bytes_of(place, sizeof(place)), &why, &err))
        bury(at, runtime->state, item, why, &err);
    partition->position.next = item->offset + 1;
    partition->last_item = item;
    partition->is_moved = true;
    if (partition->position.first.offset < 0)
        partition->position.first = record_mark_of(item);
}

static void take_found(const struct at *at, const struct kafka_item *item)
{
    if (at->partition->state != PARTITION_FINDING)
        return;
    at->partition->position = position_at(at->topic->row.origin, item->offset);
    at->partition->is_moved = true;
    begin(at);
}

void kafka_source_take(struct stream *stream, struct kafka_source *source,
                       struct source_runtime *runtime, const struct kafka_item *item)
{
    CHECK(item->topic < source->topics_count);
    if (item->kind == KAFKA_TOPIC) {
        take_topic(stream, source, item);
        return;
    }
    if (item->kind == KAFKA_SUSPECT) {
        verify_topic(stream, source, item->topic);
        return;
    }
    if (item->partition >= source->topics[item->topic].partitions_count)
        return;
    const struct at at = at_of(stream, source, item->topic, item->partition);
    if (at.partition->epoch != item->epoch)
        return;
    switch (item->kind) {
    case KAFKA_MESSAGE:
        take_message(&at, runtime, item);
        break;
    case KAFKA_END:
        take_end(&at, item);
        break;
    case KAFKA_FOUND:
        take_found(&at, item);
        break;
    case KAFKA_OUT_OF_RANGE:
        take_out_of_range(&at, item);
        break;
    case KAFKA_TOPIC:
    case KAFKA_SUSPECT:
        break;
    }
}

/* ---- the whole ---- */

static bool is_caught_up(const struct kafka_source *source, uint32_t topic, uint32_t number)
{
    const struct kafka_partition *partition = &source->topics[topic].partitions[number];
    if (partition->ended_mono_us == 0)
        return false;
    return partition->ended_mono_us > clock_mono_us() - CAUGHT_UP_US ||
           kafka_consumer_high(source->consumer, topic, number) <= partition->position.next;
}

bool kafka_source_is_caught_up(const struct kafka_source *source)
{
    bool is_known = source->consumer != NULL;
    for (uint32_t i = 0; i < source->topics_count && is_known; i++) {
        for (uint32_t j = 0; j < source->topics[i].partitions_count; j++)
            if (!is_caught_up(source, i, j))
                return false;
        is_known = source->topics[i].is_known;
    }
    return is_known;
}

/* Since when a record of the partition may wait to be read; 0: none does. A record that waits is
 * younger than the last one that was read, and than the moment when there was none. */
static int64_t partition_waits_since(struct kafka_source *source, uint32_t topic, uint32_t number,
                                     bool is_in_touch)
{
    struct kafka_partition *partition = &source->topics[topic].partitions[number];
    const struct position *position = &partition->position;
    int64_t now_us = clock_now_us();
    bool is_level = partition->state == PARTITION_GONE ||
                    (partition->state == PARTITION_READING && is_in_touch &&
                     partition->check == CHECK_NOTHING && partition->ended_mono_us > 0 &&
                     kafka_consumer_high(source->consumer, topic, number) <= position->next);
    if (is_level)
        partition->level_us = now_us;
    if (is_level)
        return 0;
    int64_t read_us = position->last.offset >= 0 ? position->last.timestamp_ms * US_PER_MS : 0;
    int64_t since_us = read_us > partition->level_us ? read_us : partition->level_us;
    if (since_us <= 0)
        since_us = source->created_us;
    return since_us < now_us ? since_us : now_us;
}

int64_t kafka_source_waits_since(struct kafka_source *source)
{
    char error[2] = "";
    int64_t since_us = 0;
    if (source->consumer != NULL)
        kafka_consumer_error(source->consumer, error, sizeof(error));
    bool is_in_touch = source->consumer != NULL && error[0] == '\0';
    for (uint32_t i = 0; i < source->topics_count; i++) {
        const struct kafka_topic *topic = &source->topics[i];
        if (!topic->is_known && !topic->is_missing && since_us == 0)
            since_us = source->created_us;
        for (uint32_t j = 0; j < topic->partitions_count; j++) {
            int64_t one_us = partition_waits_since(source, i, j, is_in_touch);
            if (one_us != 0 && (since_us == 0 || one_us < since_us))
                since_us = one_us;
        }
    }
    return since_us;
}

void kafka_source_mirror(struct kafka_source *source)
{
    int64_t now_us = clock_mono_us();
    if (source->definition->group.size == 0 || now_us < source->mirror_mono_us)
        return;
    source->mirror_mono_us = now_us + MIRROR_US;
    for (uint32_t i = 0; i < source->topics_count; i++)
        for (uint32_t j = 0; j < source->topics[i].partitions_count; j++)
            if (source->topics[i].partitions[j].state == PARTITION_READING)
                kafka_consumer_mirror(source->consumer, i, j,
                                      source->topics[i].partitions[j].position.next);
}
