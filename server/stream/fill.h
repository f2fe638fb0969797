/* Fill: what filling a version from the embedded log and from Kafka have in common.
 *
 * Private to stream/. Thread: the one that owns the stream. */
#ifndef ASOF_STREAM_FILL_H
#define ASOF_STREAM_FILL_H

#include "stream/stream_private.h"

/* Puts a decoded event into the fill's batch, if the filling version takes it; place is as
 * input_reduce has it. */
void fill_put(struct stream *stream, struct view_input *input, const struct decoded_event *event,
              struct bytes place);

/* Writes the fill's batch; newest_us is the largest event time in it. IO, UNAVAILABLE: err. The
 * open batch is empty. */
MUST_USE enum status fill_commit(struct stream *stream, struct source_state *state,
                                 int64_t newest_us, bool is_synced, struct error *err);

/* Makes the version live: the snapshot is another one when it returns OK. */
MUST_USE enum status fill_make_live(struct stream *stream, const struct view_input *input,
                                    struct error *err);

#endif
