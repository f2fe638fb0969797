/* Letter sender: produces the dead letters of one source to a topic, from the rows that keep them.
 *
 * 1. At least once: how far it has come is stored ("letters_sent/SOURCE", the number of the last
 * letter, u64 big-endian) after the brokers have a window of them; what is in between is sent
 * again.
 * 2. It waits for nothing: the stream goes on whether the topic takes them or not.
 * 3. A letter that the topic's brokers find too large is sent without its value; one that is too
 * large even so is counted.
 *
 * Private to stream/. Thread: the one that owns the stream. */
#ifndef ASOF_STREAM_LETTER_SENDER_H
#define ASOF_STREAM_LETTER_SENDER_H

#include "stream/stream_private.h"

struct letter_sender;

/* For the topic of the source's definition; produces nothing before its first step. Owned by the
 * caller. */
struct letter_sender *letter_sender_create(const struct source *source);

/* What was not delivered is sent by the next one. Accepts NULL and leaves NULL behind. */
void letter_sender_destroy(struct letter_sender **sender);

/* Whether it is for the topic of this definition. */
bool letter_sender_fits(const struct letter_sender *sender, const struct source *source);

/* Does a bounded piece. source is as it is in force; wake is as kafka_producer_create has it.
 * Returns whether there is more to do at once. A failure is logged once and tried again later. The
 * open batch is empty. */
bool letter_sender_step(struct stream *stream, struct letter_sender *sender,
                        const struct source_runtime *source, stream_wake_fn wake, void *context);

/* Appends the member "dead_letter_topic" of an object: its name, how many letters it lacks, and
 * why. */
void letter_sender_append(const struct letter_sender *sender, const struct source_state *state,
                          struct buffer *out);

#endif
