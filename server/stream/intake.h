/* Intake: the sources that read Kafka, and their turns: what came is put into a batch with its
 * offsets, and that is written without a sync, as Kafka has it all.
 *
 * Private to stream/. Thread: the one that owns the stream. */
#ifndef ASOF_STREAM_INTAKE_H
#define ASOF_STREAM_INTAKE_H

#include "stream/kafka_source.h"

/* Owned by the caller; reads nothing before it is reconciled. */
struct intake *intake_create(stream_wake_fn wake, void *context);

/* Stops all consumers and waits for them. */
void intake_destroy(struct intake **intake);

/* Follows the snapshot in force: starts and stops consumers. The stream may have no intake. The
 * open batch is empty. */
void intake_reconcile(struct stream *stream);

/* Starts a consumer of the source's topics beside its own. Owned by the caller, who gives it back
 * to be ended without waiting for that. INVALID: as kafka_consumer_start. */
MUST_USE enum status intake_start_consumer(struct intake *intake,
                                           const struct source_runtime *source,
                                           struct kafka_consumer **out, struct error *err);
void intake_retire_consumer(struct intake *intake, struct kafka_consumer *consumer);

/* Has all sources read again from what is stored. */
void intake_forget(struct stream *stream);

/* Takes a bounded piece of what came, and commits it. Returns whether there is more. */
bool intake_step(struct stream *stream);

#endif
