/* Worker: an event loop on a thread of its own, with what it reads by and the doors on it. All
 * workers share the storage, the finished rows, the catalog and the writer.
 *
 * Thread: create, start, stop and destroy, main; the figures, any. */
#ifndef ASOF_APP_WORKER_H
#define ASOF_APP_WORKER_H

#include "app/resp_door.h"
#include "app/rpc_door.h"

enum { WORKERS_MAX = 128 };

struct worker;

struct worker_options {
    struct network_budget *budget; /* of all workers; borrowed */
    struct query_options query;
    struct export *export;         /* borrowed */
    struct resp_door_options door; /* without query and loop, which are the worker's */
};

/* Owned by the caller. UNAVAILABLE: the system has no event mechanism left for us. */
MUST_USE enum status worker_create(const struct worker_options *options, struct worker **out,
                                   struct error *err);

/* Ends its connections. Accepts NULL and leaves NULL behind. */
void worker_destroy(struct worker **worker);

struct network_loop *worker_loop(struct worker *worker);
struct resp_door *worker_door(struct worker *worker);
struct rpc_door *worker_rpc_door(struct worker *worker);

/* Turns its loop until that is asked to stop, on this thread; or on one of its own until
 * worker_stop, which waits for the end of that. Stopping what was not started is harmless. */
void worker_run(struct worker *worker);
void worker_start(struct worker *worker);
void worker_stop(struct worker *worker);

/* Drains its RPC door, see rpc_door_drain: at once where the worker was not started, else in its
 * next turn; not again before that. */
void worker_drain(struct worker *worker, bool is_last);

/* One more turn behind the last: sends what came back from the writer meanwhile. */
void worker_finish(struct worker *worker);

/* Counts its turns, of which there is one a second at least. Thread: any. */
uint64_t worker_turns(const struct worker *worker);

/* Adds what it did, as of the end of its last turn. */
void worker_add_figures(struct worker *worker, struct resp_figures *sum);

#endif
