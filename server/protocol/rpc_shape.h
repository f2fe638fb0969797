/* Shape: the bytes of a GetFeaturesRequest of one entity that comes again and again and of which only
 * the entity changes, a string of one key. Such a message is recognised by comparing bytes, without
 * being parsed. Pure, no IO.
 *
 *     features ... , tag   size   name of the key, tag   size   c4217   statuses, event times ...
 *     head                        middle                        entity  tail
 *
 * A message that matches means what the one means that the shape was made of, but for the entity; of
 * other ways to write one it knows nothing. Thread: one at a time. */
#ifndef ASOF_PROTOCOL_RPC_SHAPE_H
#define ASOF_PROTOCOL_RPC_SHAPE_H

#include "base/buffer.h"
#include "base/status.h"

enum { RPC_SHAPE_ENTITY_MAX = 127 }; /* bytes; of a size of one byte */

/* Zero matches nothing. */
struct rpc_shape {
    struct buffer memory; /* owned: head, middle and tail */
    size_t head_size;
    size_t middle_size;
};

/* Takes the shape of a message. false: it is not of one entity of one key, or not written like this. */
MUST_USE bool rpc_shape_set(struct rpc_shape *shape, struct bytes message);
void rpc_shape_fini(struct rpc_shape *shape);

/* Whether the message is of this shape; then *entity is what changes, borrowed from it. */
MUST_USE bool rpc_shape_match(const struct rpc_shape *shape, struct bytes message,
                              struct bytes *entity);

#endif
