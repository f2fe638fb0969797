/* Admin: the HTTP door, for probes, Prometheus and people. Pages are what app hands it.
 *
 * 1. It has a loop and a thread of its own: a busy worker delays no probe, and one request is
 * answered at a time.
 * 2. GET and HEAD only, no bodies; anything else is refused with a sentence.
 * 3. What peers can hold has named limits: the head of a request (HTTP_HEAD_SIZE_MAX), connections,
 *    their buffers, and how long one may be without a whole request.
 *
 * Thread: open, start, stop and close, main. */
#ifndef ASOF_ADMIN_ADMIN_H
#define ASOF_ADMIN_ADMIN_H

#include "base/buffer.h"
#include "base/status.h"
#include "network/network.h"

enum {
    ADMIN_CONNECTIONS_MAX = 256,
    ADMIN_HELD_BYTES_MAX = 64 * 1024 * 1024, /* in the buffers of all of them */
    ADMIN_IDLE_MAX_S = 10, /* a connection without a whole request for so long is closed */
};

struct admin;

/* Appends the page's body and returns the code of HTTP: 200, or 503. Thread: the door's. */
typedef unsigned (*admin_page_fn)(void *context, struct bytes query, struct buffer *body);

struct admin_page {
    const char *path; /* "/metrics" */
    const char *content_type;
    admin_page_fn write;
};

struct admin_options {
    const char *address;            /* as network_listen takes it */
    uint16_t port;                  /* 0: any free one */
    const struct admin_page *pages; /* borrowed for its life, as the context */
    size_t pages_count;
    void *context;
};

/* Listens; answers once it is started. INVALID, UNAVAILABLE: as network_listen. Owned by the
 * caller. */
MUST_USE enum status admin_open(const struct admin_options *options, struct admin **out,
                                struct error *err);

/* Ends its connections; behind admin_stop. Accepts NULL and leaves NULL behind. */
void admin_close(struct admin **admin);

/* Serves on a thread of its own until admin_stop, which waits for the end of that. Stopping what
 * was not started is harmless. */
void admin_start(struct admin *admin);
void admin_stop(struct admin *admin);

/* "127.0.0.1:6392" */
void admin_address(const struct admin *admin, char text[NETWORK_ADDRESS_TEXT_SIZE]);

#endif
