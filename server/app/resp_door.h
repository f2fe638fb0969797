/* The RESP door: Redis's commands, answered from query and stream.
 *
 * 1. Replies of a connection stand in the order of its requests.
 * 2. A push is answered after its commit, never before. Pushes go to the writer's thread and gather
 *    there for a commit; a connection that sends something else behind a push waits for its reply.
 * 3. Everything a peer can make grow has a named limit.
 *
 * How app uses it:
 *
 *     door = resp_door_create(&options);
 *     network_listen(..., .seats = {{loop, resp_door_handler(door)}, ...})
 *     while (!network_loop_is_stopping(loop)) {
 *         network_loop_turn(loop, true);
 *         resp_door_turn_end(door);
 *     }
 *     writer_stop(writer);                     no more jobs on their way
 *     network_loop_destroy(&loop);             ends the sessions
 *     resp_door_destroy(&door);
 *
 * Each worker has a door of its own; they share what the options point to.
 *
 * Thread: the loop's. */
#ifndef ASOF_APP_RESP_DOOR_H
#define ASOF_APP_RESP_DOOR_H

#include "base/buffer.h"
#include "network/network.h"
#include "app/readers.h"
#include "app/resp_cursors.h"
#include "app/rpc_counters.h"
#include "app/writer.h"
#include "query/query.h"

enum {
    RESP_OWED_MAX = 10 * 1000,                 /* pushes of one connection that wait for a commit */
    RESP_OWED_BYTES_MAX = 64 * 1024 * 1024,    /* their bytes */
    RESP_QUEUED_BYTES_MAX = 512 * 1024 * 1024, /* the same, of all connections */
    RESP_MULTI_COMMANDS_MAX = 10 * 1000,       /* queued by one MULTI */
    RESP_MULTI_SIZE_MAX = 8 * 1024 * 1024,     /* bytes of their arguments */
    RESP_TURN_US = 5 * 1000,                   /* of one connection: then others have their turn */
    RESP_EXEC_US = 1000 * 1000,                /* of one EXEC; behind it come errors */
    RESP_EXEC_SIZE_MAX = 64 * 1024 * 1024,     /* replies of one EXEC; behind it come errors */
    RESP_FIELDS_MAX = 1024,                    /* of one HMGET or ASOF.GET; keys of one EXISTS */
    RESP_SCAN_EXAMINED_MAX = 2000,             /* entities of one SCAN, whatever its COUNT */
    RESP_CLIENT_NAME_SIZE = 65,                /* with its NUL */
};

struct resp_door;
struct resp_session;

#define RESP_COUNTERS(X)                                                                           \
    X(commands_total, "Commands run, those of transactions too.")                                  \
    X(repeats_total, "Of these, reads whose request was recognised by its bytes.")                 \
    X(errors_total, "Error replies.")                                                              \
    X(protocol_errors_total, "Connections closed because their bytes are not RESP.")               \
    X(http_refused_total, "Connections closed because they speak HTTP.")                           \
    X(entities_found_total, "Reads of an entity that was found.")                                  \
    X(entities_missed_total, "Reads of a key outside all views or of an entity not found.")        \
    X(rehearsals_total, "Commands that had to wait for the disk, and for which a reader did.")     \
    X(disk_waits_total,                                                                            \
      "Commands that a worker waited for the disk with, as what was read was gone.")               \
    X(overflows_total, "Values answered with nil because their type can't hold them.")             \
    X(commits_failed_total, "Pushes that were not answered OK because their commit failed.")

struct resp_counters {
#define RESP_COUNTER_FIELD(name, help) uint64_t name;
    RESP_COUNTERS(RESP_COUNTER_FIELD)
#undef RESP_COUNTER_FIELD
};

/* What the workers did together, for INFO. */
struct resp_figures {
    struct network_counters network;
    size_t connections; /* of both doors */
    size_t rpc_sessions;
    size_t rpc_calls; /* that are not answered */
    struct resp_counters resp;
    struct rpc_counters rpc;
};

struct resp_door_options {
    struct query *query; /* the worker's; borrowed, as are all below */
    struct writer *writer;
    struct readers *readers;      /* NULL: the door waits for the disk itself */
    struct network_loop *loop;    /* where jobs come back; NULL: on the writer's thread */
    struct resp_cursors *cursors; /* of all doors */
    const char *version;          /* of asof: "0.1.0" */
    size_t connections_max;

    /* Adds up all workers. NULL: the door is the only one, and nobody counts connections. */
    void (*read_figures)(void *context, struct resp_figures *figures);

    /* Appends lines "name:value\r\n" to the section "asof" of INFO. NULL: nothing to add. */
    void (*append_info)(void *context, struct buffer *out);

    void *context;
};

/* Owned by the caller; destroyed after its last session. */
struct resp_door *resp_door_create(const struct resp_door_options *options);
void resp_door_destroy(struct resp_door **door);

/* Makes a ring of the doors of all workers, for what is asked of all of them; before any has a
 * session. A door by itself needs none. */
void resp_doors_join(struct resp_door *const *doors, size_t count);

/* The port to tell in INFO and CONFIG GET; before the first session. */
void resp_door_set_port(struct resp_door *door, uint16_t port);

/* For network_listen; borrows the door. */
struct network_handler resp_door_handler(struct resp_door *door);

/* Sends the replies of jobs that came back, and lets those who waited go on in the next turn. What
 * the query gave is void. */
void resp_door_turn_end(struct resp_door *door);

/* A session without a socket, for tests: replies go to output (borrowed). receive returns how many
 * bytes of input it took; call it again with the rest after resp_door_turn_end. */
struct resp_session *resp_session_open(struct resp_door *door, struct buffer *output);
size_t resp_session_receive(struct resp_session *session, struct bytes input);
bool resp_session_is_closing(const struct resp_session *session);
void resp_session_close(struct resp_session **session);

const struct resp_counters *resp_door_counters(const struct resp_door *door);

#endif
