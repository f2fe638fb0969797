/* Dead letters: the rows of what sources could not take; put in the batch that moves the offset
 * past it, bounded by count and bytes a source: the oldest make room. What doors may do with them
 * is in stream.h.
 *
 * Private to stream/. Thread: the one that owns the stream. */
#ifndef ASOF_STREAM_DEAD_LETTERS_H
#define ASOF_STREAM_DEAD_LETTERS_H

#include "stream/dead_letter.h"
#include "stream/stream_private.h"

/* Puts the letter into the open batch. */
void dead_letters_put(struct stream *stream, struct source_state *state,
                      const struct dead_letter *letter);

/* Before the open batch is written: makes room, and puts the marks into it. */
MUST_USE enum status dead_letters_settle(struct stream *stream, const struct source_runtime *source,
                                         struct error *err);

/* The key of a letter's row, in the arena. */
struct bytes letter_key(struct arena *arena, uint32_t source_id, uint64_t sequence);

/* Deletes letters that are beyond the retention of their source, a bounded number of them, and
 * commits that. The open batch is empty. A failure is logged and tried again later. */
void dead_letters_expire(struct stream *stream, struct source_runtime *source);

/* Reads the marks of a source. IO, CORRUPT: err. */
MUST_USE enum status dead_letters_load(struct stream *stream, struct source_state *state,
                                       struct error *err);

#endif
