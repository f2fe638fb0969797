/* Readers: a few threads that wait for the disk, so that workers need not. What a worker could not
 * read from memory, a reader reads; then it is in memory, and the worker reads it again.
 *
 * 1. Jobs wait in lanes, one for each connection (or a few, whose numbers are READERS_LANES apart).
 * The lanes take turns, and jobs of one are taken in the order of posting, by whoever is free; each
 *    comes back once. So who asks much waits behind itself.
 * 2. What waits is bounded by who posts.
 * 3. A run is to be bounded in time: definitions that are applied meanwhile wait for it.
 *
 * Thread: create, start, stop and destroy belong to one; post, any. */
#ifndef ASOF_APP_READERS_H
#define ASOF_APP_READERS_H

#include <sys/queue.h>

#include "network/network.h"
#include "query/query.h"

enum { READERS_MAX = 64, READERS_LANES = 1024 };

struct reader_job {
    /* On a reader's thread, with a query of its own, which has begun and may wait; the arena is the
     * call's. */
    void (*run)(struct reader_job *job, struct query *query, struct arena *arena);

    /* Afterwards, on the thread of the loop. Frees the job. */
    void (*done)(struct reader_job *job);

    struct network_loop *loop; /* borrowed */
    uint64_t connection;       /* the number of the one that it is for */

    /* The readers' own. */
    struct network_call call;
    bool is_waiting; /* in its lane */
    TAILQ_ENTRY(reader_job) link;
};

struct readers;

/* What options point to is borrowed. Owned by the caller. */
struct readers *readers_create(const struct query_options *options, size_t count);

/* After a stop. Accepts NULL and leaves NULL behind. */
void readers_destroy(struct readers **readers);

/* Stopping gives back what is queued without running it and returns when the threads have ended; of
 * what was not started it is harmless. */
void readers_start(struct readers *readers);
void readers_stop(struct readers *readers);

/* Hands the job over; it comes back by done, from a stop on without having run. */
void readers_post(struct readers *readers, struct reader_job *job);

/* Takes a job back that was posted and is not wanted any more, if no reader has begun with it: else
 * false, and it comes back by done. Thread: the one of its loop. */
bool readers_withdraw(struct readers *readers, struct reader_job *job);

#endif
