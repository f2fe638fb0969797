/* gRPC's server reflection, v1 and v1alpha: what the files of proto/ say, for tools as grpcurl.
 * Thread: any. */
#ifndef ASOF_PROTOCOL_RPC_REFLECTION_H
#define ASOF_PROTOCOL_RPC_REFLECTION_H

#include "base/buffer.h"
#include "base/status.h"

/* Appends the ServerReflectionResponse to a ServerReflectionRequest. scratch is the caller's, to be
 * used again. INVALID: the bytes are no such request. */
MUST_USE enum status rpc_reflection_answer(struct bytes request, struct buffer *scratch,
                                           struct buffer *out, struct error *err);

#endif
