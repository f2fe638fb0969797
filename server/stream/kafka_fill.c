#include "stream/kafka_fill.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/number.h"
#include "base/time_text.h"
#include "registry/meaning.h"
#include "stream/fill.h"
#include "stream/intake.h"

enum {
    MEMBERS_MAX = 64,     /* versions that are filled together; further ones are filled next */
    STEP_ITEMS_MAX = 256, /* so that a step is a few milliseconds */
    FILL_MARK_SIZE = 1,
};

#define RETRY_US (5 * US_PER_SECOND)

/* A partition that is read again. */
struct part {
    uint32_t topic; /* index into the source's topics */
    uint32_t number;
    uint32_t epoch; /* of its assignment */
    bool is_assigned;
    bool is_done;
    bool is_doubted; /* it was told that its log is another one */
    bool is_moved;   /* its position is to be stored */
    const struct record_mark
        *expected; /* what the next record must be, if it is still there; or NULL */
    const struct kafka_item *last_item; /* of this step, borrowed until its end */
    struct fill_position at;
};

struct kafka_fill {
    uint32_t source_id;
    uint64_t generation; /* of the storage that it was read from */
    struct buffer text;  /* owned: the definition of the source's Kafka, to be compared */
    uint32_t tables[MEMBERS_MAX];
    struct view_input
        *inputs[MEMBERS_MAX]; /* of these tables; borrowed from the runtime, of this step */
    size_t tables_count;
    struct part *parts; /* owned */
    size_t parts_count;
    struct kafka_consumer *consumer; /* owned; NULL: not started */
    uint32_t epoch;                  /* the last that was given */
    int64_t newest_us;               /* largest event time of this step */
    uint64_t refused;                /* records that the source can't take */
    struct kafka_item items[STEP_ITEMS_MAX];
};

/* ---- rows ---- */

static struct bytes mark_key(struct arena *arena, uint32_t table_id)
{
    return arena_format(arena, "fill/%u", table_id);
}

static struct bytes part_key(struct arena *arena, uint32_t table_id, struct bytes topic,
                             uint32_t number)
{
    return arena_format(arena, "fill/%u/%.*s/%u", table_id, BYTES_ARGS(topic), number);
}

struct bytes kafka_fill_from_key(struct arena *arena, uint32_t table_id)
{
    return arena_format(arena, "fill_from/%u", table_id);
}

static const struct kafka_definition *kafka_of(const struct source_runtime *source)
{
    return source->source->definition->kafka;
}

/* "TOPIC/PARTITION" behind a prefix of the key; false: it is something else, or of a topic that the
 * source does not read any more. */
static bool place_read(const struct source_runtime *source, struct bytes suffix, uint32_t *topic,
                       uint32_t *number)
{
    const struct kafka_definition *kafka = kafka_of(source);
    const char *slash = memrchr(suffix.data, '/', suffix.size);
    int64_t value;
    if (slash == NULL)
        return false;
    struct bytes name = bytes_of(suffix.data, (size_t)(slash - suffix.data));
    if (number_parse_int(bytes_after(suffix, name.size + 1), &value) != NUMBER_OK || value < 0 ||
        value >= KAFKA_PARTITIONS_MAX)
        return false;
    *number = (uint32_t)value;
    for (*topic = 0; *topic < kafka->topics_count; ++*topic)
        if (bytes_equal(kafka->topics[*topic], name))
            return true;
    return false;
}

/* Rows of partitions while they are read. */
struct parts_scan {
    const struct source_runtime *source;
    size_t prefix_size;
    struct part *parts; /* malloc, moved to the caller */
    size_t count;
    int64_t from_us;     /* of the source's own positions: where to begin, or FILL_FOUND */
    bool is_of_source;   /* they are its own positions */
    struct buffer *seen; /* gets all rows as they are, to be compared; may be NULL */
};

static void add_part(struct parts_scan *scan, struct part part)
{
    scan->parts = realloc(scan->parts, (scan->count + 1) * sizeof(*scan->parts));
    CHECK(scan->parts != NULL);
    scan->parts[scan->count++] = part;
}

/* Where a fill begins and ends, by where the source is. */
static bool begin_at(const struct parts_scan *scan, const struct position *source,
                     struct fill_position *out)
{
    bool is_found = scan->from_us == FILL_FOUND;
    int64_t first = source->first.offset >= 0 ? source->first.offset : source->next;
    *out = (struct fill_position){.position = position_at(source->origin, is_found ? first : 0),
                                  .end = source->next,
                                  .find_us = scan->from_us};
    if (is_found)
        out->position.first = source->first;
    return !is_found || first < source->next;
}

static enum status scan_part(void *context, struct bytes key, struct bytes value, struct error *err)
{
    struct parts_scan *scan = context;
    struct part part = {0};
    struct position position;
    struct bytes suffix = bytes_after(key, scan->prefix_size);
    if (scan->seen != NULL) {
        buffer_append(scan->seen, suffix);
        buffer_append(scan->seen, value);
    }
    if (!place_read(scan->source, suffix, &part.topic, &part.number))
        return STATUS_OK;
    bool is_read =
        scan->is_of_source ? position_read(value, &position) : fill_position_read(value, &part.at);
    if (!is_read)
        return error_set(err, STATUS_CORRUPT, "the stored position of a partition can't be read");
    if (!scan->is_of_source || begin_at(scan, &position, &part.at))
        add_part(scan, part);
    return STATUS_OK;
}

static enum status scan_parts(struct stream *stream, struct parts_scan *scan, struct bytes prefix,
                              struct error *err)
{
    scan->prefix_size = prefix.size;
    return storage_scan_rows(stream->storage, prefix, scan_part, scan, err);
}

/* Where the source itself is. */
static enum status scan_source(struct stream *stream, struct parts_scan *scan, struct error *err)
{
    scan->is_of_source = true;
    return scan_parts(stream, scan,
                      arena_format(stream->event_arena, "kafka/%u/", scan->source->source->id),
                      err);
}

/* Where the fill of a version is. */
static enum status scan_table(struct stream *stream, struct parts_scan *scan, uint32_t table_id,
                              struct error *err)
{
    return scan_parts(stream, scan, arena_format(stream->event_arena, "fill/%u/", table_id), err);
}

static void put_part(struct stream *stream, const struct kafka_fill *fill, struct bytes topic,
                     struct part *part)
{
    char row[FILL_POSITION_SIZE];
    if (part->last_item != NULL)
        part->at.position.last = record_mark_of(part->last_item);
    if (part->at.position.last.offset >= 0 && part->at.position.first.offset < 0)
        part->at.position.first = part->at.position.last;
    part->last_item = NULL;
    part->is_moved = false;
    fill_position_write(&part->at, row);
    for (size_t i = 0; i < fill->tables_count; i++)
        batch_put_row(stream->fill_batch, stream->storage,
                      part_key(stream->event_arena, fill->tables[i], topic, part->number),
                      bytes_of(row, sizeof(row)));
}

/* ---- which ---- */

static bool is_filling(const struct view_input *input)
{
    return input->version->state == VERSION_FILLING;
}

/* The source of the oldest version that waits to be filled from Kafka, or NULL. */
static struct source_runtime *find_oldest(const struct stream *stream, uint32_t *table_id)
{
    struct source_runtime *found = NULL;
    *table_id = UINT32_MAX;
    for (size_t i = 0; i < stream->runtime->sources_count; i++) {
        struct source_runtime *source = &stream->runtime->sources[i];
        for (size_t j = 0; kafka_of(source) != NULL && j < source->inputs_count; j++) {
            uint32_t table = source->inputs[j].version->table_id;
            if (!is_filling(&source->inputs[j]) || table >= *table_id)
                continue;
            found = source;
            *table_id = table;
        }
    }
    return found;
}

/* Finds the members among the inputs of the source. false: one of them is not to be filled any
 * more. */
static bool bind(struct kafka_fill *fill, struct source_runtime *source)
{
    size_t found = 0;
    for (size_t i = 0; i < fill->tables_count; i++) {
        for (size_t j = 0; j < source->inputs_count; j++) {
            if (source->inputs[j].version->table_id != fill->tables[i] ||
                !is_filling(&source->inputs[j]))
                continue;
            fill->inputs[i] = &source->inputs[j];
            found++;
        }
    }
    return found == fill->tables_count;
}

/* Whether the fill is still that of the source as it is defined now. */
static bool still_stands(const struct stream *stream, struct kafka_fill *fill,
                         struct source_runtime *source, uint32_t oldest)
{
    struct buffer text = {0};
    if (source == NULL || source->source->id != fill->source_id || fill->tables[0] != oldest ||
        fill->generation != storage_generation(stream->storage) || !bind(fill, source))
        return false;
    kafka_append(kafka_of(source), WITH_SECRETS, &text);
    bool is_same = bytes_equal(buffer_bytes(&text), buffer_bytes(&fill->text));
    buffer_fini(&text);
    return is_same;
}

/* ---- beginning and going on ---- */

static enum status read_from(struct stream *stream, uint32_t table_id, int64_t *from_us,
                             struct error *err)
{
    struct bytes row;
    struct bytes key = kafka_fill_from_key(stream->event_arena, table_id);
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &row, err);
    *from_us = FILL_FOUND;
    if (status == STATUS_OK && row.size != FILL_FROM_SIZE)
        return error_set(err, STATUS_CORRUPT, "where the fill begins can't be read");
    if (status == STATUS_OK)
        *from_us = be64_read_signed(row.data);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* What is stored of the fill of a version. */
struct stored {
    bool has_begun;
    int64_t from_us;    /* where it is to begin, if it has not */
    struct buffer rows; /* owned: of its partitions, as they are */
};

static enum status read_stored(struct stream *stream, const struct source_runtime *source,
                               uint32_t table_id, struct stored *out, struct parts_scan *scan,
                               struct error *err)
{
    struct bytes row;
    *out = (struct stored){.from_us = FILL_FOUND};
    *scan = (struct parts_scan){.source = source, .from_us = FILL_FOUND, .seen = &out->rows};
    enum status status = storage_get_row(stream->storage, mark_key(stream->event_arena, table_id),
                                         stream->event_arena, &row, err);
    out->has_begun = status == STATUS_OK;
    if (status == STATUS_NOT_FOUND)
        return read_from(stream, table_id, &out->from_us, err);
    return status == STATUS_OK ? scan_table(stream, scan, table_id, err) : status;
}

/* Takes the version to the others if what is stored of it is the same. */
static enum status join(struct stream *stream, struct kafka_fill *fill,
                        const struct source_runtime *source, const struct view_input *input,
                        const struct stored *first, struct error *err)
{
    struct stored stored;
    struct parts_scan scan;
    uint32_t table_id = input->version->table_id;
    if (!is_filling(input) || table_id == fill->tables[0] || fill->tables_count == MEMBERS_MAX)
        return STATUS_OK;
    enum status status = read_stored(stream, source, table_id, &stored, &scan, err);
    bool is_same = stored.has_begun == first->has_begun && stored.from_us == first->from_us &&
                   bytes_equal(buffer_bytes(&stored.rows), buffer_bytes(&first->rows));
    if (status == STATUS_OK && is_same)
        fill->tables[fill->tables_count++] = table_id;
    buffer_fini(&stored.rows);
    free(scan.parts);
    return status;
}

/* A fill that has not begun: its partitions are those of the source. */
static enum status begin(struct stream *stream, struct kafka_fill *fill,
                         const struct source_runtime *source, int64_t from_us, struct error *err)
{
    struct parts_scan scan = {.source = source, .from_us = from_us};
    enum status status = scan_source(stream, &scan, err);
    fill->parts = scan.parts;
    fill->parts_count = scan.count;
    if (status != STATUS_OK)
        return status;
    batch_clear(stream->fill_batch);
    for (size_t i = 0; i < fill->parts_count; i++)
        put_part(stream, fill, kafka_of(source)->topics[fill->parts[i].topic], &fill->parts[i]);
    for (size_t i = 0; i < fill->tables_count; i++) {
        batch_put_row(stream->fill_batch, stream->storage,
                      mark_key(stream->event_arena, fill->tables[i]),
                      bytes_of("\1", FILL_MARK_SIZE));
        batch_delete_row(stream->fill_batch, stream->storage,
                         kafka_fill_from_key(stream->event_arena, fill->tables[i]));
    }
    return storage_write(stream->storage, stream->fill_batch, false, err);
}

static bool is_through(const struct part *part)
{
    return part->at.find_us == FILL_FOUND && part->at.position.next >= part->at.end;
}

static enum status load(struct stream *stream, struct kafka_fill *fill,
                        struct source_runtime *source, struct error *err)
{
    struct stored first;
    struct parts_scan scan;
    arena_reset(stream->event_arena);
    enum status status = read_stored(stream, source, fill->tables[0], &first, &scan, err);
    fill->parts = scan.parts;
    fill->parts_count = scan.count;
    for (size_t i = 0; i < source->inputs_count && status == STATUS_OK; i++)
        status = join(stream, fill, source, &source->inputs[i], &first, err);
    if (status == STATUS_OK && !first.has_begun)
        status = begin(stream, fill, source, first.from_us, err);
    for (size_t i = 0; i < fill->parts_count; i++)
        fill->parts[i].is_done = is_through(&fill->parts[i]);
    buffer_fini(&first.rows);
    return status;
}

static enum status open(struct stream *stream, struct source_runtime *source, uint32_t table_id,
                        struct error *err)
{
    struct kafka_fill *fill = calloc(1, sizeof(*fill));
    CHECK(fill != NULL);
    stream->kafka_fill = fill;
    stream->fill_work = (struct fill_work){.table_id = table_id};
    fill->source_id = source->source->id;
    fill->generation = storage_generation(stream->storage);
    fill->tables[fill->tables_count++] = table_id;
    kafka_append(kafka_of(source), WITH_SECRETS, &fill->text);
    enum status status = load(stream, fill, source, err);
    bool is_bound = bind(fill, source);
    CHECK(is_bound);
    if (status == STATUS_OK)
        status = intake_start_consumer(stream->intake, source, &fill->consumer, err);
    if (status != STATUS_OK)
        kafka_fill_close(stream);
    return status;
}

void kafka_fill_close(struct stream *stream)
{
    struct kafka_fill *fill = stream->kafka_fill;
    if (fill == NULL)
        return;
    if (fill->consumer != NULL)
        intake_retire_consumer(stream->intake, fill->consumer);
    buffer_fini(&fill->text);
    free(fill->parts);
    free(fill);
    stream->kafka_fill = NULL;
}

/* ---- partitions ---- */

static void assign(struct kafka_fill *fill, struct part *part, int64_t offset,
                   const struct record_mark *expected)
{
    part->expected = expected;
    part->is_assigned = true;
    part->epoch = ++fill->epoch;
    kafka_consumer_assign(fill->consumer, part->topic, part->number, part->epoch, offset);
}

static void unassign(struct kafka_fill *fill, struct part *part)
{
    part->is_assigned = false;
    part->epoch = ++fill->epoch;
    kafka_consumer_unassign(fill->consumer, part->topic, part->number);
}

/* Goes on where it is, with a record that must be the one that it was: the last one that was read
 * here, or the first one that the source had read. */
static void go_on(struct kafka_fill *fill, struct part *part)
{
    const struct position *position = &part->at.position;
    if (part->at.find_us != FILL_FOUND) {
        part->is_assigned = true;
        part->epoch = ++fill->epoch;
        kafka_consumer_find(fill->consumer, part->topic, part->number, part->epoch, KAFKA_AT,
                            part->at.find_us);
    } else if (position->last.offset >= 0) {
        assign(fill, part, position->last.offset, &position->last);
    } else {
        bool is_first = position->first.offset == position->next;
        assign(fill, part, position->next, is_first ? &position->first : NULL);
    }
}

static void finish(struct kafka_fill *fill, struct part *part)
{
    part->is_done = true;
    if (part->is_assigned)
        unassign(fill, part);
}

static void move_to(struct kafka_fill *fill, struct part *part, int64_t next)
{
    part->at.position.next = next;
    part->is_moved = true;
    if (is_through(part))
        finish(fill, part);
}

/* The log is not what it was. The source will find out what it is: nothing is read before. */
static void doubt(struct kafka_fill *fill, const struct source_runtime *source, struct part *part)
{
    struct bytes topic = kafka_of(source)->topics[part->topic];
    if (!part->is_doubted)
        log_warn(
            "source '%.*s': topic %.*s, partition %u is not the log that it was; new versions read "
            "it again when it is known what it is",
            BYTES_ARGS(source->source->definition->name), BYTES_ARGS(topic), part->number);
    part->is_doubted = true;
    unassign(fill, part);
}

/* Whether the source reads the topic from another origin by now: nothing of the old one is left. */
static bool origin_is_gone(struct stream *stream, const struct source_runtime *source,
                           const struct part *part)
{
    struct bytes row;
    struct position position;
    struct bytes key = position_key(stream->event_arena, source->source->id,
                                    kafka_of(source)->topics[part->topic], part->number);
    enum status status = storage_get_row(stream->storage, key, stream->event_arena, &row, NULL);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND;
    return position_read(row, &position) && position.origin != part->at.position.origin;
}

static void take_topic(struct stream *stream, struct kafka_fill *fill,
                       const struct source_runtime *source, const struct kafka_item *item)
{
    for (size_t i = 0; i < fill->parts_count; i++) {
        struct part *part = &fill->parts[i];
        if (part->topic != item->topic || part->is_done)
            continue;
        if (origin_is_gone(stream, source, part)) {
            stream->fill_work.expired += (uint64_t)(part->at.end - part->at.position.next);
            part->at.find_us = FILL_FOUND;
            move_to(fill, part, part->at.end);
        } else if (part->number >= item->count && part->is_assigned) {
            unassign(fill, part);
        } else if (part->number < item->count && !part->is_assigned) {
            go_on(fill, part);
        }
    }
}

/* A broker did not know the topic: each partition looks again whether it is what it was, at the
 * next news. */
static void take_suspect(struct kafka_fill *fill, uint32_t topic)
{
    for (size_t i = 0; i < fill->parts_count; i++)
        if (fill->parts[i].topic == topic && fill->parts[i].is_assigned)
            unassign(fill, &fill->parts[i]);
}

static void take_out_of_range(struct stream *stream, struct kafka_fill *fill,
                              const struct source_runtime *source, struct part *part,
                              const struct kafka_item *item)
{
    int64_t next = part->at.position.next;
    if (next > item->high) {
        doubt(fill, source, part);
        return;
    }
    if (next < item->low) {
        int64_t resume = item->low < part->at.end ? item->low : part->at.end;
        stream->fill_work.expired += (uint64_t)(resume - next);
        part->at.position.last.offset = -1;
        move_to(fill, part, resume);
    }
    if (!part->is_done)
        assign(fill, part, part->at.position.next, NULL);
}

/* ---- records ---- */

static void take_event(struct stream *stream, struct kafka_fill *fill,
                       struct source_runtime *source, const struct part *part,
                       const struct kafka_item *item)
{
    struct event_record record = {.key = item->key, .timestamp_ms = item->timestamp_ms};
    struct decoded_event event;
    char place[KAFKA_PLACE_SIZE];
    enum refusal why;
    struct error err;
    int64_t time_us;
    arena_reset(stream->event_arena);
    if (decoder_takes_headers(source->decoder))
        record.headers_count = kafka_item_headers(item, stream->event_arena, &record.headers);
    const struct push_event text = {.format = EVENT_JSON, .text = item->value, .record = &record};
    if (ingest_decode(stream, source, &text, &event, &time_us, &why, &err) != STATUS_OK) {
        fill->refused++; /* it is a dead letter, if it was one then */
        return;
    }
    if (time_us > fill->newest_us)
        fill->newest_us = time_us;
    kafka_place_write(part->at.position.origin, part->number, item->offset, place);
    for (size_t i = 0; i < fill->tables_count; i++)
        fill_put(stream, fill->inputs[i], &event, bytes_of(place, sizeof(place)));
}

/* Whether the record that begins an assignment is the one that it was, or gone by compaction. */
static bool is_expected(struct part *part, const struct kafka_item *item)
{
    const struct record_mark *expected = part->expected;
    part->expected = NULL;
    if (expected == NULL || expected->offset != item->offset)
        return true;
    struct record_mark found = record_mark_of(item);
    return record_mark_equal(expected, &found);
}

static void take_message(struct stream *stream, struct kafka_fill *fill,
                         struct source_runtime *source, struct part *part,
                         const struct kafka_item *item)
{
    if (!is_expected(part, item)) {
        doubt(fill, source, part);
        return;
    }
    if (item->offset < part->at.position.next)
        return;
    if (item->offset < part->at.end) {
        take_event(stream, fill, source, part, item);
        part->last_item = item;
    }
    move_to(fill, part, item->offset < part->at.end ? item->offset + 1 : part->at.end);
}

static void take_found(struct kafka_fill *fill, struct part *part, const struct kafka_item *item)
{
    int64_t next = item->offset < part->at.end ? item->offset : part->at.end;
    part->at.find_us = FILL_FOUND;
    move_to(fill, part, next);
    if (!part->is_done)
        go_on(fill, part);
}

static void take_item(struct stream *stream, struct kafka_fill *fill, struct source_runtime *source,
                      const struct kafka_item *item)
{
    struct part *part = NULL;
    if (item->kind == KAFKA_TOPIC || item->kind == KAFKA_SUSPECT) {
        if (item->kind == KAFKA_TOPIC)
            take_topic(stream, fill, source, item);
        else
            take_suspect(fill, item->topic);
        return;
    }
    for (size_t i = 0; i < fill->parts_count && part == NULL; i++)
        if (fill->parts[i].topic == item->topic && fill->parts[i].number == item->partition)
            part = &fill->parts[i];
    if (part == NULL || part->epoch != item->epoch || part->is_done)
        return;
    switch (item->kind) {
    case KAFKA_MESSAGE:
        take_message(stream, fill, source, part, item);
        break;
    case KAFKA_END:
        if (item->offset >= part->at.end)
            move_to(fill, part, part->at.end);
        else if (item->offset < part->at.position.next)
            doubt(fill, source, part);
        break;
    case KAFKA_FOUND:
        take_found(fill, part, item);
        break;
    case KAFKA_OUT_OF_RANGE:
        take_out_of_range(stream, fill, source, part, item);
        break;
    case KAFKA_TOPIC:
    case KAFKA_SUSPECT:
        break;
    }
}

/* ---- a step ---- */

static enum status write_step(struct stream *stream, struct kafka_fill *fill,
                              const struct source_runtime *source, struct error *err)
{
    bool is_moved = false;
    arena_reset(stream->event_arena);
    for (size_t i = 0; i < fill->parts_count; i++) {
        is_moved |= fill->parts[i].is_moved;
        if (fill->parts[i].is_moved)
            put_part(stream, fill, kafka_of(source)->topics[fill->parts[i].topic], &fill->parts[i]);
    }
    return is_moved ? fill_commit(stream, source->state, fill->newest_us, false, err) : STATUS_OK;
}

static bool is_done(const struct kafka_fill *fill)
{
    for (size_t i = 0; i < fill->parts_count; i++)
        if (!fill->parts[i].is_done)
            return false;
    return true;
}

static enum status forget_row(void *context, struct bytes key, struct bytes value,
                              struct error *err)
{
    struct stream *stream = context;
    (void)value, (void)err;
    batch_delete_row(stream->fill_batch, stream->storage, key);
    return STATUS_OK;
}

enum status kafka_fill_forget(struct stream *stream, uint32_t table_id, struct error *err)
{
    batch_clear(stream->fill_batch);
    arena_reset(stream->event_arena);
    batch_delete_row(stream->fill_batch, stream->storage, mark_key(stream->event_arena, table_id));
    batch_delete_row(stream->fill_batch, stream->storage,
                     kafka_fill_from_key(stream->event_arena, table_id));
    enum status status =
        storage_scan_rows(stream->storage, arena_format(stream->event_arena, "fill/%u/", table_id),
                          forget_row, stream, err);
    return status == STATUS_OK ? storage_write(stream->storage, stream->fill_batch, false, err)
                               : status;
}

static struct view_input *find_input(const struct stream *stream, uint32_t table_id)
{
    for (size_t i = 0; i < stream->runtime->sources_count; i++) {
        struct source_runtime *source = &stream->runtime->sources[i];
        for (size_t j = 0; j < source->inputs_count; j++)
            if (source->inputs[j].version->table_id == table_id)
                return &source->inputs[j];
    }
    return NULL;
}

/* Makes the versions live, each by itself, and forgets what was stored of their fill. A snapshot is
 * made with each, so they are looked for again. */
static enum status make_live(struct stream *stream, const struct kafka_fill *fill,
                             struct error *err)
{
    enum status status = STATUS_OK;
    if (fill->refused > 0)
        log_warn("a fill from Kafka passed over %llu records that their source does not take",
                 (unsigned long long)fill->refused);
    for (size_t i = 0; i < fill->tables_count && status == STATUS_OK; i++) {
        const struct view_input *input = find_input(stream, fill->tables[i]);
        CHECK(input != NULL && is_filling(input));
        status = fill_make_live(stream, input, err);
        if (status == STATUS_OK)
            status = kafka_fill_forget(stream, fill->tables[i], err);
    }
    return status;
}

static enum status step(struct stream *stream, struct kafka_fill *fill,
                        struct source_runtime *source, bool *has_more, struct error *err)
{
    batch_clear(stream->fill_batch);
    fill->newest_us = TIME_MIN_US;
    size_t count = kafka_consumer_take(fill->consumer, fill->items, STEP_ITEMS_MAX);
    for (size_t i = 0; i < count; i++)
        take_item(stream, fill, source, &fill->items[i]);
    enum status status = write_step(stream, fill, source, err);
    for (size_t i = 0; i < count; i++)
        kafka_item_release(&fill->items[i]);
    *has_more = count == STEP_ITEMS_MAX;
    if (status == STATUS_OK && is_done(fill)) {
        status = make_live(stream, fill, err);
        kafka_fill_close(stream);
        *has_more = true;
    }
    return status;
}

bool kafka_fill_step(struct stream *stream)
{
    struct error err = {0};
    uint32_t oldest;
    bool has_more = false;
    if (stream->intake == NULL)
        return false;
    struct source_runtime *source = find_oldest(stream, &oldest);
    if (stream->kafka_fill != NULL && !still_stands(stream, stream->kafka_fill, source, oldest))
        kafka_fill_close(stream);
    if (source == NULL || clock_mono_us() < stream->fill_retry_mono_us)
        return false;
    enum status status = stream_prepare(stream, &err);
    if (status == STATUS_OK && stream->kafka_fill == NULL)
        status = open(stream, source, oldest, &err);
    if (status == STATUS_OK)
        status = step(stream, stream->kafka_fill, source, &has_more, &err);
    if (status != STATUS_OK) {
        log_error("fill from Kafka: %s; trying again", err.text);
        stream->fill_retry_mono_us = clock_mono_us() + RETRY_US;
        kafka_fill_close(stream);
    }
    return has_more;
}

/* ---- what is told ---- */

bool kafka_fill_is_empty(struct stream *stream, const struct source_runtime *source,
                         uint32_t table_id)
{
    struct parts_scan scan = {.source = source};
    arena_reset(stream->event_arena);
    bool is_read = read_from(stream, table_id, &scan.from_us, NULL) == STATUS_OK &&
                   scan_source(stream, &scan, NULL) == STATUS_OK;
    free(scan.parts);
    return is_read && scan.count == 0;
}

enum status kafka_fill_estimate(struct stream *stream, const struct source_runtime *source,
                                struct backfill *backfill, struct error *err)
{
    struct parts_scan scan = {.source = source, .from_us = FILL_FOUND};
    arena_reset(stream->event_arena);
    enum status status = scan_source(stream, &scan, err);
    for (size_t i = 0; i < scan.count; i++) {
        const struct fill_position *at = &scan.parts[i].at;
        int64_t from_us = at->position.first.timestamp_ms * US_PER_MS;
        backfill->events_count += (uint64_t)(at->end - at->position.next);
        if (i == 0 || from_us < backfill->from_us)
            backfill->from_us = from_us;
    }
    free(scan.parts);
    return status;
}

void kafka_fill_progress(const struct stream *stream, uint32_t table_id, uint64_t *done,
                         uint64_t *total)
{
    const struct kafka_fill *fill = stream->kafka_fill;
    bool is_member = false;
    *done = *total = 0;
    for (size_t i = 0; fill != NULL && i < fill->tables_count; i++)
        is_member |= fill->tables[i] == table_id;
    for (size_t i = 0; is_member && i < fill->parts_count; i++) {
        const struct fill_position *at = &fill->parts[i].at;
        int64_t first = at->position.first.offset >= 0 ? at->position.first.offset : 0;
        int64_t next = at->find_us == FILL_FOUND ? at->position.next : first;
        *done += next > first ? (uint64_t)(next - first) : 0;
        *total += at->end > first ? (uint64_t)(at->end - first) : 0;
    }
}
