/* Network: a loop, listeners, connections; bytes only. What the bytes mean is the handler's.
 *
 * 1. One read() a readiness; the handler sees all bytes that it has not consumed yet, in one piece.
 * 2. Replies are appended to the connection's output and written after the handler ran.
 * 3. A connection whose output is above NETWORK_OUTPUT_PAUSE_BYTES is neither read nor handled
 * until it drained; a handler asks network_connection_is_ready between its requests.
 * 4. A connection is freed only when no code of its handler runs, so a handler may close its own.
 * 5. A listener deals its connections out to several loops in turn; each then belongs to its loop.
 * 6. A peer that ends its stream still gets the replies to all that it sent.
 *
 * Thread: the one that runs the loop; network_loop_post, any. */
#ifndef ASOF_NETWORK_NETWORK_H
#define ASOF_NETWORK_NETWORK_H

#include <stdatomic.h>

#include "base/buffer.h"
#include "base/status.h"

enum {
    NETWORK_READ_SIZE = 64 * 1024,            /* of one read */
    NETWORK_OUTPUT_PAUSE_BYTES = 1024 * 1024, /* unsent, of one connection */
    NETWORK_HELD_BYTES_MAX =
        1024 * 1024 * 1024,                  /* in the buffers of all connections of all loops */
    NETWORK_OUTPUT_SCARCE_BYTES = 64 * 1024, /* unsent, that is too much where all hold too much */
    NETWORK_DRAIN_DEADLINE_S = 30,   /* closed when no byte of its output goes out for so long */
    NETWORK_PARTIAL_DEADLINE_S = 60, /* closed when a begun request is not whole by then */
    NETWORK_LINGER_DEADLINE_S = 2,   /* a peer that was told goodbye has so long to say it back */
    NETWORK_ACCEPTS_MAX = 256,       /* connections taken in one turn */
    NETWORK_BACKLOG = 511,
    NETWORK_ADDRESS_TEXT_SIZE = 80,
};

struct network_loop;
struct network_listener;

/* What all connections of several loops may hold together, in buffers and beside them; beyond it,
 * connections that hold much are closed. */
struct network_budget {
    size_t bytes_max;
    _Atomic size_t bytes; /* held as of the end of each loop's last turn */
};

/* Something to be done on a loop's thread. Lies in what it is about. */
struct network_call {
    void (*run)(struct network_call *call); /* may free it */
    struct network_call *next;              /* the loop's, while it is posted */
};

struct network_connection;

/* What a listener does with its connections. */
struct network_handler {
    void *context; /* borrowed for the life of the listener and its connections */

    /* A connection came; returns what the other two get as session. */
    void *(*opened)(void *context, struct network_connection *connection);

    /* Takes whole requests from the front of input (borrowed for the call) and returns how many
     * bytes they were. It is called again with the rest when more has come. */
    size_t (*received)(void *session, struct bytes input);

    /* Whether there is more to send than the output had room for: when it has, received is called,
     * though there may be no input. NULL: there never is. */
    bool (*has_more)(void *session);

    /* Whether replies will come without further input; the connection is kept open for them when
     * the peer has ended, and the handler resumes it with the last. NULL: they never do. */
    bool (*owes)(void *session);

    /* The connection is gone; the last call for this session. */
    void (*closed)(void *session);

    struct bytes
        full_reply;         /* what a connection beyond connections_max reads before it is closed */
    size_t input_max_bytes; /* a connection whose request is not whole by then is closed */
    unsigned idle_max_s;    /* the same for one that sends no whole request for so long; 0: never */
};

/* A loop that takes connections, and what handles them there. */
struct network_seat {
    struct network_loop *loop;
    struct network_handler handler;
};

struct network_listen_options {
    const char *address;     /* "127.0.0.1", "::1", "localhost", "*" */
    uint16_t port;           /* 0: any free one */
    const char *port_option; /* "--resp-port": for error texts */
    size_t connections_max;
    const struct network_seat *seats; /* at least one; copied */
    size_t seats_count;
};

/* Owned by the caller. UNAVAILABLE: the system has no event mechanism left for us. */
MUST_USE enum status network_loop_create(struct network_loop **out, struct error *err);

/* Before its first turn: the loop holds bytes of this budget (borrowed for its life) instead of one
 * of its own, of NETWORK_HELD_BYTES_MAX. */
void network_loop_set_budget(struct network_loop *loop, struct network_budget *budget);

/* Closes all listeners and connections (calling closed for each); accepts NULL. */
void network_loop_destroy(struct network_loop **loop);

/* SIGTERM and SIGINT wake the loop and ask it to stop, instead of ending the process. */
void network_loop_take_signals(struct network_loop *loop);

/* Asks the loop to stop; it only sets what is_stopping says. */
void network_loop_stop(struct network_loop *loop);
bool network_loop_is_stopping(const struct network_loop *loop);

/* Handles what is ready, and returns; with wait it waits for something first, at most a second. */
void network_loop_turn(struct network_loop *loop, bool wait);

/* Wakes the loop and has the call run in its next turn; calls of one thread run in their order. A
 * call that is posted when the loop is destroyed is run then. */
void network_loop_post(struct network_loop *loop, struct network_call *call);

/* Runs the calls that are posted, and nothing else: where a program ends. */
void network_loop_run_calls(struct network_loop *loop);

/* Calls run once, on the loop's thread, when it was set for; setting it again replaces that. */
struct network_timer;
typedef void (*network_timer_fn)(void *context);

/* Owned by the loop, like context borrowed for the life of that. */
struct network_timer *network_timer_create(struct network_loop *loop, network_timer_fn run,
                                           void *context);
void network_timer_set(struct network_timer *timer, int64_t delay_us);

/* Listens on this loop, which outlives the loops of the seats. INVALID: no such address.
 * UNAVAILABLE: the port is taken or not allowed; err says what to choose instead. */
MUST_USE enum status network_listen(struct network_loop *loop,
                                    const struct network_listen_options *options,
                                    struct network_listener **out, struct error *err);

/* Takes no more connections; those that it took stay. */
void network_listener_close(struct network_listener *listener);

uint16_t network_listener_port(const struct network_listener *listener);

/* "127.0.0.1:6390", "[::1]:6390" */
void network_listener_address(const struct network_listener *listener,
                              char text[NETWORK_ADDRESS_TEXT_SIZE]);

/* What will be sent; the handler appends to it. Borrowed for the life of the connection. */
struct buffer *network_connection_output(struct network_connection *connection);

/* Whether the handler should go on with the next request: not closing, not paused, output drained.
 */
bool network_connection_is_ready(const struct network_connection *connection);

/* The handler is not called again before network_connection_resume. */
void network_connection_pause(struct network_connection *connection);

/* Sends what is in the output, and goes on with the bytes already there in the next turn, which
 * then does not wait. Harmless for a connection that was not paused. */
void network_connection_resume(struct network_connection *connection);

/* Takes no more bytes, and closes once the output was sent. What the peer is still sending is
 * thrown away for NETWORK_LINGER_DEADLINE_S, as a close over unread bytes would take the last reply
 * along. */
void network_connection_close(struct network_connection *connection);

/* Counts bytes that the handler keeps for the connection beside its buffers as held by it, in place
 * of those of the last call. false: all connections together hold more than half of what they may,
 * so that no more should be kept. */
bool network_connection_keep(struct network_connection *connection, size_t bytes);

/* From 1, in the order of accepting by its listener, never used again. */
uint64_t network_connection_id(const struct network_connection *connection);
int network_connection_descriptor(const struct network_connection *connection);
void network_connection_peer(const struct network_connection *connection,
                             char text[NETWORK_ADDRESS_TEXT_SIZE]);

#define NETWORK_COUNTERS(X)                                                                        \
    X(connections_opened_total, "Connections accepted.")                                           \
    X(connections_refused_total, "Connections closed at once, beyond the largest number.")         \
    X(connections_stalled_total, "Connections closed because they did not read their replies.")    \
    X(connections_partial_total, "Connections closed with a request that never became whole.")     \
    X(connections_idle_total, "Connections closed because they asked nothing for too long.")       \
    X(connections_oversized_total, "Connections closed because buffers were full.")                \
    X(accept_failures_total, "Times that accepting had to pause (too many open files).")           \
    X(input_bytes_total, "Bytes read.")                                                            \
    X(output_bytes_total, "Bytes written.")

struct network_counters {
#define NETWORK_COUNTER_FIELD(name, help) uint64_t name;
    NETWORK_COUNTERS(NETWORK_COUNTER_FIELD)
#undef NETWORK_COUNTER_FIELD
};

const struct network_counters *network_loop_counters(const struct network_loop *loop);
size_t network_loop_connections(const struct network_loop *loop);

#endif
