/* What the files of this room share: the structs behind network.h. Nobody else includes it. */
#ifndef ASOF_NETWORK_ROOM_H
#define ASOF_NETWORK_ROOM_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "network/network.h"

TAILQ_HEAD(connection_list, network_connection);
LIST_HEAD(listener_list, network_listener);
LIST_HEAD(timer_list, network_timer);

struct network_loop {
    struct event_base *base; /* owned */
    struct event tick;       /* once a second: deadlines, accept pauses */
    struct event signals[2]; /* SIGTERM, SIGINT; added by take_signals */
    bool has_signals;
    bool is_stopping;
    struct event posted;         /* what wakes for calls */
    int wake_descriptor;         /* an eventfd */
    pthread_mutex_t calls_mutex; /* guards the two below */
    struct network_call *first_call;
    struct network_call *last_call;
    uint64_t ticks;                     /* seconds since the loop began, from 1; 0 is "never" */
    struct listener_list listeners;     /* owned */
    struct timer_list timers;           /* owned */
    struct connection_list connections; /* owned: all */
    size_t connections_count;
    struct connection_list ready; /* those to be looked at at the start of the next turn */
    size_t ready_count;
    size_t held_bytes;     /* capacity of all buffers of connections, and what is kept beside */
    size_t budgeted_bytes; /* of them, those that the budget knows of */
    struct network_budget *budget; /* borrowed, or: */
    struct network_budget own_budget;
    struct buffer spare_input; /* lent to whoever reads, so that idle ones hold none */
    struct buffer spare_output;
    struct network_counters counters;
};

struct network_timer {
    int descriptor; /* a timerfd: libevent's own time is as coarse as the system's ticks, of some ms
                     */
    struct event event;
    network_timer_fn run;
    void *context; /* borrowed */
    LIST_ENTRY(network_timer) link;
};

struct network_listener {
    struct network_loop *loop; /* borrowed */
    struct event event;
    int descriptor; /* -1 once it is closed */
    bool is_paused; /* until the next tick, after accept failed */
    size_t connections_max;
    _Atomic size_t connections_count; /* on all seats */
    struct network_seat *seats;       /* owned */
    size_t seats_count;
    size_t next_seat;
    uint64_t last_id;
    LIST_ENTRY(network_listener) link;
};

struct network_connection {
    struct network_loop *loop;             /* borrowed */
    struct network_listener *listener;     /* borrowed; outlives its connections */
    const struct network_handler *handler; /* borrowed from the listener */
    void *session;                         /* the handler's */
    int descriptor;
    uint64_t id;
    struct event readable;
    struct event writable;
    bool is_reading; /* readable is added */
    bool is_writing; /* writable is added */
    bool is_paused;  /* by the handler */
    bool has_ended;  /* the peer sends no more, and may still read */
    bool is_closing;
    bool is_lingering;     /* all is sent and said to be: what still comes is thrown away */
    bool is_dead;          /* broken or at its end: nothing to linger for */
    bool is_listed;        /* in loop->ready */
    struct buffer input;   /* not consumed yet */
    struct buffer output;  /* not sent yet */
    size_t kept_bytes;     /* by the handler, beside the buffers */
    size_t held_bytes;     /* what of loop->held_bytes is ours */
    uint64_t drained_tick; /* when output last went out, while there is some */
    uint64_t partial_tick; /* when the request began that is not whole; 0: there is none */
    uint64_t asked_tick;   /* when the last whole request was handled, or it was accepted */
    uint64_t linger_tick;  /* when lingering began */
    TAILQ_ENTRY(network_connection) link;
    TAILQ_ENTRY(network_connection) ready_link;
};

/* What the connections of all loops of the budget hold. */
static inline size_t loop_all_held_bytes(const struct network_loop *loop)
{
    size_t others =
        atomic_load_explicit(&loop->budget->bytes, memory_order_relaxed) - loop->budgeted_bytes;
    return others + loop->held_bytes;
}

/* Whether that is more than they may. */
static inline bool loop_is_over_budget(const struct network_loop *loop)
{
    return loop_all_held_bytes(loop) > loop->budget->bytes_max;
}

/* Takes the descriptor (owned from now on) as a new connection of the listener, on the thread of
 * the seat's loop. */
void connection_open(struct network_listener *listener, const struct network_seat *seat,
                     int descriptor, uint64_t id);

/* Looks at its deadlines; may free it. */
void connection_tick(struct network_connection *connection);

/* Handles, sends, arms its events; may free it. */
void connection_proceed(struct network_connection *connection);

/* Frees it now. */
void connection_free(struct network_connection *connection);

void listener_tick(struct network_listener *listener);
void listener_free(struct network_listener *listener);

/* Writes "host:port" of a socket address. */
void address_format(const struct sockaddr_storage *address, socklen_t size,
                    char text[NETWORK_ADDRESS_TEXT_SIZE]);

#endif
