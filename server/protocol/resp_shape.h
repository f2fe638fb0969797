/* Shape: the bytes of a request that comes again and again and of which only the argument behind
 * the command's name changes: "HMGET key f g h". Such a request is recognised by comparing bytes,
 * without being parsed. Pure, no IO.
 *
 *     *4\r\n$5\r\nHMGET\r\n$  14\r\nfeatures:c4217  \r\n$1\r\nf\r\n$1\r\ng\r\n
 *     head                                          tail
 *
 * What matches is what resp_parse takes for a whole request of the same arguments; of other ways to
 * write one it knows nothing. Thread: one at a time. */
#ifndef ASOF_PROTOCOL_RESP_SHAPE_H
#define ASOF_PROTOCOL_RESP_SHAPE_H

#include "base/buffer.h"
#include "base/status.h"

/* Zero matches nothing. */
struct resp_shape {
    struct buffer memory; /* owned: head and tail */
    size_t head_size;
};

/* Takes the shape of count arguments (at least 2), whatever arguments[1] is. */
void resp_shape_set(struct resp_shape *shape, const struct bytes *arguments, size_t count);
void resp_shape_fini(struct resp_shape *shape);

size_t resp_shape_size(const struct resp_shape *shape);

/* Whether a whole request of this shape is at the front of input; then *argument is what changes,
 * borrowed from input, and *size the size of the request. */
MUST_USE bool resp_shape_match(const struct resp_shape *shape, struct bytes input,
                               struct bytes *argument, size_t *size);

/* Whether both match the same requests. */
bool resp_shape_equal(const struct resp_shape *a, const struct resp_shape *b);

#endif
