/* Kafka producer: records for one topic, sent by librdkafka's own threads. Nothing here waits: what
 * became of a record is known later.
 *
 * Private to stream/. Thread: its owner's. */
#ifndef ASOF_STREAM_KAFKA_PRODUCER_H
#define ASOF_STREAM_KAFKA_PRODUCER_H

#include "stream/kafka.h"

/* What became of a record. */
enum kafka_delivery {
    DELIVERY_PENDING,
    DELIVERY_DONE,      /* all replicas that there are have it */
    DELIVERY_TOO_LARGE, /* for the topic, or this client */
    DELIVERY_FAILED,    /* kafka_producer_error says why */
};

struct kafka_record {
    struct bytes key;   /* data is NULL where there is none */
    struct bytes value; /* the same */
    const struct kafka_header *headers;
    size_t headers_count;
};

struct kafka_producer;

/* name is that of the source, for the log; brokers and properties are those of the definition,
 * which is not needed afterwards. wake is called on another thread when something became of a
 * record. INVALID: librdkafka does not take the properties together. Owned by the caller. */
MUST_USE enum status kafka_producer_create(struct bytes name,
                                           const struct kafka_definition *definition,
                                           struct bytes topic, kafka_wake_fn wake, void *context,
                                           struct kafka_producer **out, struct error *err);

/* Forgets what was not delivered. Accepts NULL and leaves NULL behind. */
void kafka_producer_destroy(struct kafka_producer **producer);

/* Sends a copy. What became of it is written to *delivery, which must live as long as the producer.
 */
void kafka_producer_send(struct kafka_producer *producer, const struct kafka_record *record,
                         enum kafka_delivery *delivery);

/* Takes note of what became of records. */
void kafka_producer_poll(struct kafka_producer *producer);

/* What went wrong last; "": nothing did. Borrowed until the next call. */
const char *kafka_producer_error(const struct kafka_producer *producer);

#endif
