#include "stream/kafka.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/time_text.h"
#include "stream/kafka_properties.h"

enum {
    CALL_MS = 2000,        /* a question to a broker: a stop waits that long */
    POLL_MS = 20,          /* an idle poll: a command waits that long */
    GATHER_MAX = 512,      /* items that are put into the queue together */
    ERROR_SIZE = 256,      /* of what is told of a broker */
    CONF_ERROR_SIZE = 512, /* of what librdkafka says of properties */
    STOP_MAX_MS =
        10 * 1000, /* that a stop waits for the client; a call to a broker may be under way */
    STOP_LOOK_MS = 2,
    END_OF_ALL = -1, /* to a broker's ListOffsets: the offset behind the last record */
    BEGINNING_OF_ALL = -2,
};

/* How long the first message of a batch waits for company. */
#define LINGER_US (2 * US_PER_MS)

/* How often partitions are looked for that were added, and topics that came and went. */
#define DISCOVERY_US (3 * US_PER_SECOND)
#define RETRY_US     US_PER_SECOND

enum command_kind { COMMAND_ASSIGN, COMMAND_UNASSIGN, COMMAND_FIND, COMMAND_MIRROR };

struct command {
    enum command_kind kind;
    enum kafka_start start; /* of FIND */
    uint32_t topic;
    uint32_t partition;
    uint32_t epoch;
    int64_t offset; /* of FIND the time in milliseconds */
};

struct command_list {
    struct command *items; /* owned */
    size_t count;
    size_t capacity;
};

/* A partition, as its consumer's thread knows it. */
struct place {
    bool is_assigned;
    uint32_t epoch;
};

struct topic {
    char *name;               /* owned */
    rd_kafka_topic_t *handle; /* owned */
    struct place *places;     /* owned */
    size_t places_count;
};

struct kafka_consumer {
    char *source;       /* owned: its name, for the log */
    rd_kafka_t *client; /* owned */
    struct topic topics[KAFKA_TOPICS_MAX];
    size_t topics_count;
    bool has_group;
    kafka_wake_fn wake;
    void *context; /* borrowed */
    pthread_t thread;

    /* The consumer's thread's own. */
    struct command_list asks; /* what brokers did not answer yet: FIND, and ASSIGN for a range */
    int64_t ask_mono_us;
    int64_t discovery_mono_us;
    struct kafka_item *gathered; /* owned: GATHER_MAX of them */
    size_t gathered_count;

    _Atomic bool is_stopping;
    _Atomic bool has_stopped;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t has_room;
    struct kafka_item *queue; /* owned: a ring of KAFKA_QUEUE_ITEMS_MAX */
    size_t queue_first;
    size_t queue_count;
    size_t queue_bytes;
    struct command_list commands;
    char error[ERROR_SIZE];
};

/* ---- lists ---- */

static void list_add(struct command_list *list, struct command command)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 16;
        list->items = realloc(list->items, list->capacity * sizeof(*list->items));
        CHECK(list->items != NULL);
    }
    list->items[list->count++] = command;
}

static void list_fini(struct command_list *list)
{
    free(list->items);
    *list = (struct command_list){0};
}

/* ---- what is wrong ---- */

static void set_error(struct kafka_consumer *consumer, const char *text)
{
    pthread_mutex_lock(&consumer->mutex);
    snprintf(consumer->error, sizeof(consumer->error), "%s", text);
    pthread_mutex_unlock(&consumer->mutex);
}

void kafka_consumer_error(struct kafka_consumer *consumer, char *text, size_t text_size)
{
    pthread_mutex_lock(&consumer->mutex);
    snprintf(text, text_size, "%s", consumer->error);
    pthread_mutex_unlock(&consumer->mutex);
}

static void error_happened(rd_kafka_t *client, int error, const char *reason, void *opaque)
{
    (void)client, (void)error;
    set_error(opaque, reason);
}

static void log_line(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    const int syslog_warning = 4;
    const struct kafka_consumer *consumer = rd_kafka_opaque(client);
    enum log_level ours = level <= syslog_warning ? LOG_WARN : LOG_DEBUG;
    log_write(ours, "source '%s': %s: %s", consumer->source, facility, text);
}

/* ---- items ---- */

void kafka_item_release(struct kafka_item *item)
{
    if (item->message != NULL)
        rd_kafka_message_destroy(item->message);
    item->message = NULL;
}

static size_t item_bytes(const struct kafka_item *item)
{
    return item->key.size + item->value.size;
}

static void gather(struct kafka_consumer *consumer, struct kafka_item item)
{
    CHECK(consumer->gathered_count < GATHER_MAX);
    consumer->gathered[consumer->gathered_count++] = item;
}

/* Puts what was gathered into the queue, which has room for it. */
static void publish(struct kafka_consumer *consumer)
{
    if (consumer->gathered_count == 0)
        return;
    pthread_mutex_lock(&consumer->mutex);
    for (size_t i = 0; i < consumer->gathered_count; i++) {
        size_t place = (consumer->queue_first + consumer->queue_count++) % KAFKA_QUEUE_ITEMS_MAX;
        consumer->queue[place] = consumer->gathered[i];
        consumer->queue_bytes += item_bytes(&consumer->gathered[i]);
    }
    CHECK(consumer->queue_count <= KAFKA_QUEUE_ITEMS_MAX);
    pthread_mutex_unlock(&consumer->mutex);
    consumer->gathered_count = 0;
    consumer->wake(consumer->context);
}

static bool has_room(const struct kafka_consumer *consumer)
{
    return consumer->queue_count + GATHER_MAX <= KAFKA_QUEUE_ITEMS_MAX &&
           consumer->queue_bytes < KAFKA_QUEUE_BYTES_MAX;
}

/* Waits a little for room in the queue. Returns whether there is. */
static bool wait_for_room(struct kafka_consumer *consumer)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += POLL_MS * 1000 * 1000;
    if (until.tv_nsec >= 1000 * 1000 * 1000) {
        until.tv_nsec -= 1000 * 1000 * 1000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&consumer->mutex);
    if (!has_room(consumer) && !consumer->is_stopping)
        pthread_cond_timedwait(&consumer->has_room, &consumer->mutex, &until);
    bool is_there = has_room(consumer);
    pthread_mutex_unlock(&consumer->mutex);
    return is_there;
}

size_t kafka_consumer_take(struct kafka_consumer *consumer, struct kafka_item *items,
                           size_t items_max)
{
    pthread_mutex_lock(&consumer->mutex);
    bool was_full = !has_room(consumer);
    size_t count = consumer->queue_count < items_max ? consumer->queue_count : items_max;
    for (size_t i = 0; i < count; i++) {
        items[i] = consumer->queue[consumer->queue_first];
        consumer->queue_first = (consumer->queue_first + 1) % KAFKA_QUEUE_ITEMS_MAX;
        consumer->queue_bytes -= item_bytes(&items[i]);
    }
    consumer->queue_count -= count;
    pthread_mutex_unlock(&consumer->mutex);
    if (was_full && count > 0)
        pthread_cond_signal(&consumer->has_room);
    return count;
}

size_t kafka_item_headers(const struct kafka_item *item, struct arena *arena,
                          const struct kafka_header **out)
{
    rd_kafka_headers_t *list = NULL;
    size_t count = 0;
    *out = NULL;
    if (item->message == NULL ||
        rd_kafka_message_headers(item->message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    size_t total = rd_kafka_header_cnt(list);
    size_t max = total < KAFKA_HEADERS_MAX ? total : KAFKA_HEADERS_MAX;
    struct kafka_header *headers = ARENA_NEW_ARRAY(arena, max + 1, struct kafka_header);
    for (; count < max; count++) {
        const char *name;
        const void *value;
        size_t size;
        if (rd_kafka_header_get_all(list, count, &name, &value, &size) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        headers[count] =
            (struct kafka_header){.name = bytes_of_text(name), .value = bytes_of(value, size)};
    }
    *out = headers;
    return count;
}

/* ---- messages ---- */

/* The index of the topic; topics_count: none of ours. */
static uint32_t topic_find(const struct kafka_consumer *consumer, const rd_kafka_topic_t *handle)
{
    const char *name = handle == NULL ? "" : rd_kafka_topic_name(handle);
    uint32_t index = 0;
    while (index < consumer->topics_count && strcmp(consumer->topics[index].name, name) != 0)
        index++;
    return index;
}

static struct place *place_find(struct kafka_consumer *consumer, uint32_t topic, int32_t partition)
{
    if (topic >= consumer->topics_count || partition < 0 ||
        (size_t)partition >= consumer->topics[topic].places_count)
        return NULL;
    return &consumer->topics[topic].places[partition];
}

/* The item of a message; it owns the message then. */
static struct kafka_item item_of(rd_kafka_message_t *message, uint32_t topic, uint32_t epoch)
{
    rd_kafka_timestamp_type_t kind;
    struct kafka_item item = {
        .kind = KAFKA_MESSAGE,
        .topic = topic,
        .partition = (uint32_t)message->partition,
        .epoch = epoch,
        .offset = message->offset,
        .timestamp_ms = rd_kafka_message_timestamp(message, &kind),
        .key = bytes_of(message->key, message->key_len),
        .value = bytes_of(message->payload, message->len),
        .message = message,
    };
    return item;
}

/* What is no message: an end, or something that is wrong. */
static void take_event(struct kafka_consumer *consumer, const rd_kafka_message_t *message,
                       uint32_t topic, const struct place *place)
{
    struct kafka_item item = {.topic = topic, .partition = (uint32_t)message->partition};
    item.epoch = place == NULL ? 0 : place->epoch;
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        item.kind = KAFKA_END;
        item.offset = message->offset;
        if (place != NULL)
            gather(consumer, item);
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        if (place != NULL)
            list_add(&consumer->asks, (struct command){.kind = COMMAND_ASSIGN,
                                                       .topic = topic,
                                                       .partition = item.partition,
                                                       .epoch = item.epoch});
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        item.kind = KAFKA_SUSPECT;
        if (topic < consumer->topics_count)
            gather(consumer, item);
        break;
    default:
        set_error(consumer, rd_kafka_message_errstr(message));
    }
}

static void take_message(struct kafka_consumer *consumer, rd_kafka_message_t *message)
{
    uint32_t topic = topic_find(consumer, message->rkt);
    const struct place *place = place_find(consumer, topic, message->partition);
    bool is_ours = place != NULL && place->is_assigned;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && is_ours) {
        gather(consumer, item_of(message, topic, place->epoch));
        return;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        take_event(consumer, message, topic, is_ours ? place : NULL);
    rd_kafka_message_destroy(message);
}

/* Polls until there is a batch: what comes within the linger time, or as much as is put into the
 * queue at once. */
static void poll_batch(struct kafka_consumer *consumer)
{
    int64_t until_mono_us = 0;
    size_t bytes = 0;
    int wait_ms = POLL_MS;
    while (consumer->gathered_count < GATHER_MAX && bytes < KAFKA_QUEUE_BYTES_MAX) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->client, wait_ms);
        if (message != NULL) {
            bytes += message->len + message->key_len;
            take_message(consumer, message);
        }
        int64_t now_us = clock_mono_us();
        if (until_mono_us == 0)
            until_mono_us = now_us + LINGER_US;
        bool is_over = now_us >= until_mono_us;
        if (message == NULL && (is_over || consumer->gathered_count == 0))
            break;
        wait_ms = is_over ? 0 : 1;
    }
}

/* ---- topics ---- */

static void report_topic(struct kafka_consumer *consumer, uint32_t index, size_t count)
{
    struct topic *topic = &consumer->topics[index];
    if (count > KAFKA_PARTITIONS_MAX) {
        log_error("source '%s': topic %s has %zu partitions; %d are read", consumer->source,
                  topic->name, count, KAFKA_PARTITIONS_MAX);
        count = KAFKA_PARTITIONS_MAX;
    }
    if (count > topic->places_count) {
        topic->places = realloc(topic->places, count * sizeof(*topic->places));
        CHECK(topic->places != NULL);
        memset(&topic->places[topic->places_count], 0,
               (count - topic->places_count) * sizeof(*topic->places));
        topic->places_count = count;
    }
    gather(consumer,
           (struct kafka_item){.kind = KAFKA_TOPIC, .topic = index, .count = (uint32_t)count});
}

/* Asks for the partitions of a topic. false: no broker answered. */
static bool discover_topic(struct kafka_consumer *consumer, uint32_t index)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t error =
        rd_kafka_metadata(consumer->client, 0, consumer->topics[index].handle, &metadata, CALL_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        set_error(consumer, rd_kafka_err2str(error));
        return false;
    }
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
        bool is_missing = topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        bool is_known = topic->err == RD_KAFKA_RESP_ERR_NO_ERROR && topic->partition_cnt > 0;
        if (is_known || is_missing)
            report_topic(consumer, index, is_missing ? 0 : (size_t)topic->partition_cnt);
        if (!is_known)
            set_error(consumer, rd_kafka_err2str(topic->err));
        else
            set_error(consumer, "");
    }
    rd_kafka_metadata_destroy(metadata);
    return true;
}

static void discover(struct kafka_consumer *consumer)
{
    int64_t now_us = clock_mono_us();
    bool is_answered = true;
    if (now_us < consumer->discovery_mono_us)
        return;
    for (uint32_t i = 0; i < consumer->topics_count && is_answered && !consumer->is_stopping; i++)
        is_answered = discover_topic(consumer, i);
    consumer->discovery_mono_us = clock_mono_us() + (is_answered ? DISCOVERY_US : RETRY_US);
}

/* ---- questions about offsets ---- */

/* The offset at a time in milliseconds, or at an end. -1: behind the last record, of a time. */
static rd_kafka_resp_err_t query_offset(struct kafka_consumer *consumer, const struct command *ask,
                                        int64_t at, int64_t *out)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_add(
        list, consumer->topics[ask->topic].name, (int32_t)ask->partition);
    element->offset = at;
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(consumer->client, list, CALL_MS);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = list->elems[0].err;
    *out = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

static rd_kafka_resp_err_t query_start(struct kafka_consumer *consumer, const struct command *ask,
                                       int64_t *out)
{
    int64_t at = ask->start == KAFKA_EARLIEST ? BEGINNING_OF_ALL : END_OF_ALL;
    if (ask->start == KAFKA_AT)
        at = ask->offset;
    rd_kafka_resp_err_t error = query_offset(consumer, ask, at, out);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && *out < 0)
        error = query_offset(consumer, ask, END_OF_ALL, out);
    return error;
}

/* Asks the broker. false: it did not answer. */
static bool answer_ask(struct kafka_consumer *consumer, const struct command *ask)
{
    struct kafka_item item = {
        .topic = ask->topic, .partition = ask->partition, .epoch = ask->epoch};
    rd_kafka_resp_err_t error;
    if (ask->kind == COMMAND_FIND) {
        item.kind = KAFKA_FOUND;
        error = query_start(consumer, ask, &item.offset);
    } else {
        item.kind = KAFKA_OUT_OF_RANGE;
        error = query_offset(consumer, ask, BEGINNING_OF_ALL, &item.low);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            error = query_offset(consumer, ask, END_OF_ALL, &item.high);
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        gather(consumer, item);
    else
        set_error(consumer, rd_kafka_err2str(error));
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* What is not answered is asked again, unless it belongs to an older assignment. */
static void answer_asks(struct kafka_consumer *consumer)
{
    struct command_list *asks = &consumer->asks;
    if (clock_mono_us() < consumer->ask_mono_us)
        return;
    while (asks->count > 0 && consumer->gathered_count < GATHER_MAX && !consumer->is_stopping) {
        const struct command *ask = &asks->items[asks->count - 1];
        const struct place *place = place_find(consumer, ask->topic, (int32_t)ask->partition);
        bool is_current = place != NULL && place->epoch == ask->epoch;
        if (is_current && !answer_ask(consumer, ask)) {
            consumer->ask_mono_us = clock_mono_us() + RETRY_US;
            return;
        }
        asks->count--;
    }
}

/* ---- commands ---- */

static void tell_failure(struct kafka_consumer *consumer, const char *what, rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    log_error("source '%s': %s: %s", consumer->source, what, rd_kafka_error_string(error));
    set_error(consumer, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

static void run_assignment(struct kafka_consumer *consumer, const struct command *command,
                           struct place *place)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_add(
        list, consumer->topics[command->topic].name, (int32_t)command->partition);
    element->offset = command->offset;
    if (place->is_assigned)
        tell_failure(consumer, "unassign", rd_kafka_incremental_unassign(consumer->client, list));
    place->is_assigned = command->kind == COMMAND_ASSIGN;
    if (place->is_assigned)
        tell_failure(consumer, "assign", rd_kafka_incremental_assign(consumer->client, list));
    rd_kafka_topic_partition_list_destroy(list);
}

static void run_mirror(struct kafka_consumer *consumer, const struct command *command)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, consumer->topics[command->topic].name,
                                      (int32_t)command->partition)
        ->offset = command->offset;
    rd_kafka_commit(consumer->client, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

static void run_command(struct kafka_consumer *consumer, const struct command *command)
{
    struct place *place = place_find(consumer, command->topic, (int32_t)command->partition);
    if (place == NULL)
        return;
    switch (command->kind) {
    case COMMAND_ASSIGN:
    case COMMAND_UNASSIGN:
        place->epoch = command->epoch;
        run_assignment(consumer, command, place);
        break;
    case COMMAND_FIND:
        place->epoch = command->epoch;
        run_assignment(consumer, command, place); /* what it reads now is not to be mistaken */
        list_add(&consumer->asks, *command);
        break;
    case COMMAND_MIRROR:
        if (consumer->has_group)
            run_mirror(consumer, command);
        break;
    }
}

static void run_commands(struct kafka_consumer *consumer)
{
    pthread_mutex_lock(&consumer->mutex);
    struct command_list commands = consumer->commands;
    consumer->commands = (struct command_list){0};
    pthread_mutex_unlock(&consumer->mutex);
    for (size_t i = 0; i < commands.count; i++)
        run_command(consumer, &commands.items[i]);
    list_fini(&commands);
}

static void post(struct kafka_consumer *consumer, struct command command)
{
    pthread_mutex_lock(&consumer->mutex);
    list_add(&consumer->commands, command);
    pthread_mutex_unlock(&consumer->mutex);
}

void kafka_consumer_assign(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition,
                           uint32_t epoch, int64_t offset)
{
    post(consumer, (struct command){.kind = COMMAND_ASSIGN,
                                    .topic = topic,
                                    .partition = partition,
                                    .epoch = epoch,
                                    .offset = offset});
}

void kafka_consumer_unassign(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition)
{
    post(consumer,
         (struct command){.kind = COMMAND_UNASSIGN, .topic = topic, .partition = partition});
}

void kafka_consumer_find(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition,
                         uint32_t epoch, enum kafka_start start, int64_t start_us)
{
    int64_t ms = start_us / US_PER_MS + (start_us % US_PER_MS > 0); /* the first at or after it */
    bool is_all = start == KAFKA_AT && ms < 0; /* before there can be records */
    post(consumer, (struct command){.kind = COMMAND_FIND,
                                    .topic = topic,
                                    .partition = partition,
                                    .epoch = epoch,
                                    .offset = ms,
                                    .start = is_all ? KAFKA_EARLIEST : start});
}

void kafka_consumer_mirror(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition,
                           int64_t next_offset)
{
    post(consumer, (struct command){.kind = COMMAND_MIRROR,
                                    .topic = topic,
                                    .partition = partition,
                                    .offset = next_offset});
}

int64_t kafka_consumer_high(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition)
{
    int64_t low, high;
    CHECK(topic < consumer->topics_count);
    rd_kafka_resp_err_t error = rd_kafka_get_watermark_offsets(
        consumer->client, consumer->topics[topic].name, (int32_t)partition, &low, &high);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : -1;
}

/* ---- life ---- */

/* Every message is given back before the client goes, which else would wait for ever. */
static void release_everything(struct kafka_consumer *consumer)
{
    pthread_mutex_lock(&consumer->mutex);
    for (; consumer->queue_count > 0; consumer->queue_count--) {
        kafka_item_release(&consumer->queue[consumer->queue_first]);
        consumer->queue_first = (consumer->queue_first + 1) % KAFKA_QUEUE_ITEMS_MAX;
    }
    pthread_mutex_unlock(&consumer->mutex);
    while (consumer->gathered_count > 0)
        kafka_item_release(&consumer->gathered[--consumer->gathered_count]);
}

static void close_client(struct kafka_consumer *consumer)
{
    for (size_t i = 0; i < consumer->topics_count; i++)
        if (consumer->topics[i].handle != NULL)
            rd_kafka_topic_destroy(consumer->topics[i].handle);
    if (consumer->client != NULL) /* no group is to be left: nothing waits for a coordinator */
        rd_kafka_destroy_flags(consumer->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    consumer->client = NULL;
}

static void *consumer_main(void *context)
{
    struct kafka_consumer *consumer = context;
    while (!consumer->is_stopping) {
        run_commands(consumer);
        if (!wait_for_room(consumer))
            continue;
        discover(consumer);
        answer_asks(consumer);
        if (consumer->gathered_count == 0)
            poll_batch(consumer);
        publish(consumer);
    }
    release_everything(consumer);
    close_client(consumer);
    consumer->has_stopped = true;
    return NULL;
}

/* Frees all but what the thread closes. */
static void consumer_free(struct kafka_consumer *consumer)
{
    for (size_t i = 0; i < consumer->topics_count; i++) {
        free(consumer->topics[i].name);
        free(consumer->topics[i].places);
    }
    list_fini(&consumer->asks);
    list_fini(&consumer->commands);
    free(consumer->gathered);
    free(consumer->queue);
    free(consumer->source);
    pthread_cond_destroy(&consumer->has_room);
    pthread_mutex_destroy(&consumer->mutex);
    free(consumer);
}

static struct kafka_consumer *consumer_create(struct bytes name,
                                              const struct kafka_definition *definition)
{
    struct kafka_consumer *consumer = calloc(1, sizeof(*consumer));
    pthread_condattr_t monotonic;
    CHECK(consumer != NULL);
    consumer->source = strndup(name.data, name.size);
    consumer->gathered = calloc(GATHER_MAX, sizeof(*consumer->gathered));
    consumer->queue = calloc(KAFKA_QUEUE_ITEMS_MAX, sizeof(*consumer->queue));
    CHECK(consumer->source != NULL && consumer->gathered != NULL && consumer->queue != NULL);
    CHECK(definition->topics_count <= KAFKA_TOPICS_MAX);
    consumer->has_group = definition->group.size > 0;
    for (size_t i = 0; i < definition->topics_count; i++) {
        struct bytes topic = definition->topics[i];
        consumer->topics[consumer->topics_count].name = strndup(topic.data, topic.size);
        CHECK(consumer->topics[consumer->topics_count++].name != NULL);
    }
    CHECK(pthread_mutex_init(&consumer->mutex, NULL) == 0);
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&consumer->has_room, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    return consumer;
}

/* Makes the client with its topics. */
static enum status open_client(struct kafka_consumer *consumer,
                               const struct kafka_definition *definition, struct error *err)
{
    char why[CONF_ERROR_SIZE];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, consumer);
    rd_kafka_conf_set_log_cb(conf, log_line);
    rd_kafka_conf_set_error_cb(conf, error_happened);
    enum status status = kafka_properties_set(conf, definition, err);
    if (status == STATUS_OK) {
        consumer->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
        if (consumer->client == NULL)
            status = error_set(err, STATUS_INVALID, "kafka: %s", why);
    }
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    rd_kafka_poll_set_consumer(consumer->client);
    for (size_t i = 0; i < consumer->topics_count; i++) {
        consumer->topics[i].handle =
            rd_kafka_topic_new(consumer->client, consumer->topics[i].name, NULL);
        CHECK(consumer->topics[i].handle != NULL);
    }
    return STATUS_OK;
}

enum status kafka_consumer_start(struct bytes name, const struct kafka_definition *definition,
                                 kafka_wake_fn wake, void *context, struct kafka_consumer **out,
                                 struct error *err)
{
    struct kafka_consumer *consumer = consumer_create(name, definition);
    consumer->wake = wake;
    consumer->context = context;
    enum status status = open_client(consumer, definition, err);
    if (status != STATUS_OK) {
        consumer_free(consumer);
        return status;
    }
    CHECK(pthread_create(&consumer->thread, NULL, consumer_main, consumer) == 0);
    *out = consumer;
    return STATUS_OK;
}

void kafka_consumer_stop(struct kafka_consumer *consumer)
{
    consumer->is_stopping = true;
    pthread_cond_signal(&consumer->has_room);
}

bool kafka_consumer_has_stopped(struct kafka_consumer *consumer)
{
    return consumer->has_stopped;
}

void kafka_consumer_destroy(struct kafka_consumer **out)
{
    struct kafka_consumer *consumer = *out;
    if (consumer == NULL)
        return;
    *out = NULL;
    kafka_consumer_stop(consumer);
    for (int waited_ms = 0; !consumer->has_stopped && waited_ms < STOP_MAX_MS;
         waited_ms += STOP_LOOK_MS)
        nanosleep(&(struct timespec){.tv_nsec = STOP_LOOK_MS * 1000 * 1000}, NULL);
    if (!consumer
             ->has_stopped) { /* librdkafka 2.0.2 never ends some clients whose topic was deleted */
        log_warn("source '%s': its client does not end; it is left alone", consumer->source);
        pthread_detach(consumer->thread);
        return;
    }
    pthread_join(consumer->thread, NULL);
    consumer_free(consumer);
}
