/* Kafka properties: what librdkafka is told of a source's consumer, and of the producer of its dead
 * letters. Private to stream/kafka*.c. */
#ifndef ASOF_STREAM_KAFKA_PROPERTIES_H
#define ASOF_STREAM_KAFKA_PROPERTIES_H

#include <librdkafka/rdkafka.h>

#include "base/status.h"
#include "model/definition.h"

/* Sets ours that may be other, then those of the definition, then ours that may not. INVALID: err.
 * Thread: any. */
MUST_USE enum status kafka_properties_set(rd_kafka_conf_t *conf,
                                          const struct kafka_definition *definition,
                                          struct error *err);

/* The same for a producer to the same brokers. */
MUST_USE enum status kafka_properties_set_producer(rd_kafka_conf_t *conf,
                                                   const struct kafka_definition *definition,
                                                   struct error *err);

#endif
