/* Client: what calls and streams share of a client. Thread: any. */
#ifndef ASOF_LIBASOF_CLIENT_H
#define ASOF_LIBASOF_CLIENT_H

#include "patience.h"
#include "address.h"

/* FAILED_PRECONDITION: the client was made by the parent of this process. */
MUST_USE enum asof_code client_check_process(const struct asof_client *client,
                                             struct asof_error *error);

const struct address *client_address(const struct asof_client *client);

/* Complete. */
const struct asof_options *client_options(const struct asof_client *client);

#endif
