/* Address: where a server is, as users write it. Thread: any. */
#ifndef ASOF_LIBASOF_ADDRESS_H
#define ASOF_LIBASOF_ADDRESS_H

#include <netdb.h>

#include "failure.h"

enum { ADDRESS_HOST_SIZE = 256, ADDRESS_PORT_SIZE = 8, ADDRESS_TEXT_SIZE = 280 };

struct address {
    char host[ADDRESS_HOST_SIZE];
    char port[ADDRESS_PORT_SIZE];
    char text[ADDRESS_TEXT_SIZE]; /* for people: "HOST:PORT" */
};

/* "HOST:PORT", "[IPV6]:PORT", "HOST", also behind "asof://". INVALID_ARGUMENT: it is none. */
MUST_USE enum asof_code address_parse(const char *text, struct address *address,
                                      struct asof_error *error);

/* All socket addresses of it; owned by the caller: freeaddrinfo. May wait for the system's
 * resolver. UNAVAILABLE: there are none. */
MUST_USE enum asof_code address_resolve(const struct address *address, struct addrinfo **out,
                                        struct asof_error *error);

#endif
