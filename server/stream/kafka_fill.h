/* Kafka fill: new versions of views of a source that reads Kafka read its topics again, by a second
 * consumer with positions of its own, while the source goes on.
 *
 * 1. It begins with the first record that the source has read of each partition (or at a given
 * time), and ends where the source was when the fill began: a version takes what comes from before
 * that on. Both write the same rows for the same records, so that what both read counts once.
 * 2. All versions of a source that wait to be filled are filled together, one source at a time.
 * 3. Positions are stored in the batch that holds the events up to there:
 *        fill/TABLE                    it has begun: FILL_MARK_SIZE bytes
 *        fill/TABLE/TOPIC/PARTITION    struct fill_position
 *        fill_from/TABLE               where to begin, if not with the first record: microseconds,
 * i64 Versions whose rows are the same go on together after a restart.
 *
 * Private to stream/. Thread: the one that owns the stream. */
#ifndef ASOF_STREAM_KAFKA_FILL_H
#define ASOF_STREAM_KAFKA_FILL_H

#include "stream/stream_private.h"

enum { FILL_FROM_SIZE = 8 }; /* of the row "fill_from/TABLE" */

/* Does a bounded piece, as stream_step. The open batch is empty. */
bool kafka_fill_step(struct stream *stream);

/* Forgets the fill under way, but not what is stored of it. */
void kafka_fill_close(struct stream *stream);

/* Whether the source has read nothing that the version of that table would have to read. */
bool kafka_fill_is_empty(struct stream *stream, const struct source_runtime *source,
                         uint32_t table_id);

/* What a fill that begins now would read. IO, CORRUPT: err. */
MUST_USE enum status kafka_fill_estimate(struct stream *stream, const struct source_runtime *source,
                                         struct backfill *backfill, struct error *err);

/* The key of the row that says where a fill begins, in the arena. */
struct bytes kafka_fill_from_key(struct arena *arena, uint32_t table_id);

/* Deletes what is stored of the fill of a table. */
MUST_USE enum status kafka_fill_forget(struct stream *stream, uint32_t table_id, struct error *err);

/* How far the version of that table is, in records. */
void kafka_fill_progress(const struct stream *stream, uint32_t table_id, uint64_t *done,
                         uint64_t *total);

#endif
