/* Wire: one connection of the light frame (docs/rpc.md), seen from the client. It never waits,
 * takes no lock and knows no calls: frames go in, arrivals come out.
 *
 * 1. Once broken it stays so: wire_error says why, and nothing is sent or received any more.
 * 2. An answer takes memory as its bytes come, not as its head promises; one above answer_size_max
 * is passed over and told as RESOURCE_EXHAUSTED of its call.
 * 3. What waits to be sent is counted, so that its user knows whether a frame ever left.
 * Thread: one at a time. */
#ifndef ASOF_LIBASOF_WIRE_H
#define ASOF_LIBASOF_WIRE_H

#include "address.h"
#include "base/buffer.h"
#include "message.h"
#include "protocol/light.h"

enum {
    WIRE_READ_SIZE = 64 * 1024,
    WIRE_OUTPUT_MAX = 64 * 1024 * 1024,        /* unsent bytes; the user asks wire_has_room */
    WIRE_ANSWER_SIZE_MAX = 1024 * 1024 * 1024, /* no frame is larger: it would be no frame */
};

enum wire_state { WIRE_CLOSED, WIRE_CONNECTING, WIRE_OPEN, WIRE_BROKEN };

struct wire {
    int fd; /* owned; -1: none. A broken one stays, shut down, until wire_fini: others may poll it
             */
    enum wire_state state;
    size_t answer_size_max;
    struct buffer output;
    struct buffer input;        /* what arrived and is not told */
    struct asof_message *large; /* owned: of a frame that is larger than input shall become */
    size_t large_size;          /* of its whole body */
    size_t skipped;             /* bytes of a body that is passed over, still to come */
    uint64_t appended;          /* bytes, since it was opened */
    uint64_t sent;
    bool has_received; /* anything, since it was opened */
    struct asof_error error;
    struct address address; /* for sentences */
};

/* A frame of the server. */
struct arrival {
    enum light_kind kind; /* ANSWER, FAILED, PART or DONE */
    uint32_t call;
    unsigned code;                /* of FAILED */
    struct bytes text;            /* of FAILED; borrowed until the next call for the wire */
    struct asof_message *message; /* of ANSWER and PART; the taker's */
};

void wire_init(struct wire *wire, const struct address *address, size_t answer_size_max);

/* Closes it. */
void wire_fini(struct wire *wire);

/* Begins to connect, from any state. UNAVAILABLE: that can't be. */
MUST_USE enum asof_code wire_connect(struct wire *wire, const struct addrinfo *target);

/* Of CONNECTING, once it is writable: goes on to OPEN or BROKEN. */
void wire_finish_connecting(struct wire *wire);

/* A connection of somebody else's making, open; moved. */
void wire_adopt(struct wire *wire, int fd);

/* Appends a frame. The wire must be OPEN or CONNECTING. */
void wire_append_call(struct wire *wire, uint32_t call, unsigned method, uint32_t timeout_ms,
                      struct bytes message);
void wire_append(struct wire *wire, uint32_t call, enum light_kind kind, struct bytes message);

static inline bool wire_has_room(const struct wire *wire, size_t size)
{
    return wire->output.size + size <= WIRE_OUTPUT_MAX;
}

/* Sends what the system takes; what is left is in output. */
void wire_flush(struct wire *wire);

/* Reads once. false: nothing was there, or it is broken now. */
bool wire_receive(struct wire *wire);

/* Takes the next whole frame. false: there is none, or the server's bytes are none and it is broken
 * now. */
bool wire_next(struct wire *wire, struct arrival *arrival);

/* Whether the peer has closed it, as far as is known without reading. Breaks it then. */
bool wire_is_stale(struct wire *wire);

/* Breaks it for a reason of the user's. */
void wire_break(struct wire *wire, enum asof_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
