/* The RPC door: proto/asof/v1 over gRPC, or in the light frame; the first four bytes of a
 * connection tell which.
 *
 * 1. A call is answered once: with its messages, or with a code and a sentence.
 * 2. A push is answered after its commit, never before.
 * 3. What waits for the disk, or takes long, is read by a reader, and holds up no other connection.
 * 4. A call that has a deadline is answered by then; what it began to write goes on.
 * 5. Everything a peer can make grow has a named limit (here and in protocol/grpc.h).
 *
 * Each worker has a door of its own, beside that of the Redis protocol, with the same query. It is
 * used as that is: see resp_door.h.
 *
 * Thread: the loop's. */
#ifndef ASOF_APP_RPC_DOOR_H
#define ASOF_APP_RPC_DOOR_H

#include "app/readers.h"
#include "app/rpc_counters.h"
#include "app/writer.h"
#include "export/export.h"
#include "network/network.h"
#include "query/query.h"

enum {
    RPC_TURN_US = 2 * 1000,         /* of all connections: then others, and time, have their turn */
    RPC_RUN_US = 3 * 1000,          /* of one read on a worker, */
    RPC_RUN_LEAST_US = 1000,        /* and of one that gives way to a deadline */
    RPC_READ_US = 10 * 1000 * 1000, /* of one read on a reader, whatever its deadline */
    RPC_STALL_US = 30 * 1000 * 1000, /* closed when none of its answers is taken, or none of a
                                      * large request comes, for so long */
    RPC_READING_BYTES_MAX = 256 * 1024 * 1024, /* of requests that wait for a reader, of a worker */
    RPC_QUEUED_BYTES_MAX =
        512 * 1024 * 1024,      /* of answers, of a worker; of requests that write, of all */
    RPC_LIGHT_CALLS_MAX = 1024, /* in flight, of one connection of the light frame */
    RPC_OFFLINE_MAX = 64,       /* calls of the Offline service that are open, of a worker */
    RPC_PARTS_BYTES =
        NETWORK_OUTPUT_PAUSE_BYTES, /* of a stream that wait to be read: no more parts are made */
    RPC_PARTS_BYTES_MAX = 64 * 1024 * 1024, /* of all of a connection, but for one part of each */
};

struct rpc_door;

struct rpc_door_options {
    struct query *query; /* the worker's; borrowed, as are all below */
    struct writer *writer;
    struct readers *readers;
    struct export *export;
    struct network_loop *loop; /* where jobs come back */
};

/* Owned by the caller; destroyed after its last session. */
struct rpc_door *rpc_door_create(const struct rpc_door_options *options);
void rpc_door_destroy(struct rpc_door **door);

/* For network_listen; borrows the door. */
struct network_handler rpc_door_handler(struct rpc_door *door);

/* Sends what came back meanwhile. What the query gave is void. */
void rpc_door_turn_end(struct rpc_door *door);

/* Asks all peers to begin no more calls here; with is_last, ignores those that they begin still,
 * and does nothing new. */
void rpc_door_drain(struct rpc_door *door, bool is_last);

size_t rpc_door_sessions(const struct rpc_door *door);

/* Calls whose answers are not sent. */
size_t rpc_door_calls(const struct rpc_door *door);

const struct rpc_counters *rpc_door_counters(const struct rpc_door *door);

#endif
