/* Kafka: one consumer of the topics of one source, on a thread of its own that only fetches. What
 * it fetched waits in a bounded queue; nothing here knows what it means.
 *
 *     owner's thread                          consumer's thread
 *     kafka_consumer_assign, _find   ->       reads partitions from there on, looks for offsets
 *     kafka_consumer_take            <-       messages, ends, and news of topics, in order
 *
 * 1. Partitions are read from where they were assigned, never from an offset that a broker keeps.
 * 2. Each item of a partition carries the epoch of the assignment that it came by, so that who
 * assigns anew can tell what is older.
 * 3. While the queue is full nothing is polled, and librdkafka's own queue fills up to its bound
 *    (queued.max.messages.kbytes); then it stops fetching. There is no group whose heartbeat would
 *    suffer.
 * 4. A broker that is not there is waited for, for ever; kafka_consumer_error says so.
 *
 * Thread: each function says. */
#ifndef ASOF_STREAM_KAFKA_H
#define ASOF_STREAM_KAFKA_H

#include "base/arena.h"
#include "base/status.h"
#include "model/definition.h"

enum {
    KAFKA_QUEUE_ITEMS_MAX = 8192,
    KAFKA_QUEUE_BYTES_MAX = 16 * 1024 * 1024, /* of keys and values; one message may pass it */
    KAFKA_PARTITIONS_MAX = 4096,              /* of one topic */
    KAFKA_HEADERS_MAX = 256,                  /* of one message: further ones are not looked at */
};

enum kafka_item_kind {
    KAFKA_MESSAGE,
    KAFKA_END,          /* everything before `offset` was read */
    KAFKA_TOPIC,        /* it has `count` partitions; 0: it is not there */
    KAFKA_FOUND,        /* what kafka_consumer_find looked for is `offset` */
    KAFKA_OUT_OF_RANGE, /* the next offset is not between the log's `low` and `high` */
    KAFKA_SUSPECT,      /* a broker did not know the topic: it may be another one by now */
};

struct kafka_item {
    enum kafka_item_kind kind;
    uint32_t topic; /* index into the definition's topics */
    uint32_t partition;
    uint32_t epoch;
    uint32_t count;
    int64_t offset;
    int64_t low;
    int64_t high;
    int64_t timestamp_ms; /* of a message; -1: it has none */
    struct bytes key;     /* data is NULL where there is none; borrowed until the release */
    struct bytes value;   /* the same */
    void *message;        /* librdkafka's, or NULL */
};

struct kafka_header {
    struct bytes name;
    struct bytes value; /* data is NULL where there is none */
};

struct kafka_consumer;

/* Is called on the consumer's thread when there is something to take. */
typedef void (*kafka_wake_fn)(void *context);

/* Starts its thread. name is that of the source, for the log; definition is not needed afterwards.
 * INVALID: librdkafka does not take the properties together. Owned by the caller. Thread: any. */
MUST_USE enum status kafka_consumer_start(struct bytes name,
                                          const struct kafka_definition *definition,
                                          kafka_wake_fn wake, void *context,
                                          struct kafka_consumer **out, struct error *err);

/* Asks the thread to end, which may take seconds; whether it has. Thread: any. */
void kafka_consumer_stop(struct kafka_consumer *consumer);
bool kafka_consumer_has_stopped(struct kafka_consumer *consumer);

/* Stops, waits for the thread (10 s at most: then it is left alone, and what it has) and frees all.
 * Every item must have been released. Accepts NULL and leaves NULL behind. Thread: any. */
void kafka_consumer_destroy(struct kafka_consumer **consumer);

/* ---- what it is to do; thread: the owner's ---- */

/* Reads the partition from offset on, whatever it did before. */
void kafka_consumer_assign(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition,
                           uint32_t epoch, int64_t offset);

/* Does not read the partition any more. */
void kafka_consumer_unassign(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition);

/* Looks for an offset of the partition and answers by KAFKA_FOUND, when that can be known. */
void kafka_consumer_find(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition,
                         uint32_t epoch, enum kafka_start start, int64_t start_us);

/* Tells the broker what was read, for tools that look at its groups; may be lost. */
void kafka_consumer_mirror(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition,
                           int64_t next_offset);

/* ---- what it brought; thread: the owner's ---- */

/* Takes at most items_max items; each is released by who took it. Returns how many. */
size_t kafka_consumer_take(struct kafka_consumer *consumer, struct kafka_item *items,
                           size_t items_max);
void kafka_item_release(struct kafka_item *item);

/* The headers of a message, in the arena; their bytes are borrowed until the release. */
size_t kafka_item_headers(const struct kafka_item *item, struct arena *arena,
                          const struct kafka_header **out);

/* The end of the partition's log as of the last fetch; -1: not known yet. */
int64_t kafka_consumer_high(struct kafka_consumer *consumer, uint32_t topic, uint32_t partition);

/* Why nothing comes, copied into text; empty: nothing is known to be wrong. */
void kafka_consumer_error(struct kafka_consumer *consumer, char *text, size_t text_size);

/* ---- definitions ---- */

/* Whether a property may be passed to librdkafka with this value. INVALID: err. Thread: any. */
MUST_USE enum status kafka_check_property(struct bytes name, struct bytes value, struct error *err);

#endif
