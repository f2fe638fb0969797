/* Writer: the thread of the stream. Whoever wants to write hands it a job; it runs what came
 * meanwhile, commits that at once, and gives the jobs back.
 *
 *     door, on its loop's thread      writer's thread
 *     writer_post(job)      ->        job->run: pushes into the open batch, or does the whole thing
 *                                     one commit for all jobs of the round
 *     job->done             <-        posted to the job's loop
 *
 * 1. Jobs of one thread run in the order in which it posted them, and are done in that order.
 * 2. While a commit waits for the disk, jobs gather for the next: batches grow with the load.
 * 3. Between rounds it goes on with fills, retention and the healing of a failed database.
 * 4. What waits is bounded by who posts: see writer_queued_bytes.
 *
 * Thread: create, start, stop and turn belong to one; post, any. */
#ifndef ASOF_APP_WRITER_H
#define ASOF_APP_WRITER_H

#include "base/arena.h"
#include "base/metric.h"
#include "network/network.h"
#include "storage/storage.h"
#include "stream/stream.h"

struct writer_job {
    /* On the writer's thread; the arena is the call's. AGAIN: the open batch is full; it is called
     * again with an empty one. Anything else is between the job and itself. */
    enum status (*run)(struct writer_job *job, struct stream *stream, struct arena *arena);

    /* Afterwards, on the thread of the loop. failure is NULL, or why the commit of the round failed
     * (commit says how), so that nothing of it is accepted, or it is not known. Frees the job. */
    void (*done)(struct writer_job *job, enum status commit, const char *failure);

    struct network_loop
        *loop;         /* borrowed. NULL: done is called on the writer's thread, for tests */
    size_t size_bytes; /* that it takes while it waits */
    bool has_pushed;   /* set by run: what it did is true only once the commit was made */

    /* The writer's own. */
    struct network_call call;
    struct writer_job *next;
    int64_t posted_mono_us;
    enum status commit;
    char *failure; /* owned */
};

struct writer;

/* Both are borrowed. Owned by the caller. */
struct writer *writer_create(struct storage *storage, struct stream *stream);
void writer_destroy(struct writer **writer);

/* Runs turns on a thread of its own until writer_stop, which does what is queued and returns when
 * the thread has ended. Stopping what was not started is harmless. */
void writer_start(struct writer *writer);
void writer_stop(struct writer *writer);

void writer_post(struct writer *writer, struct writer_job *job);

/* There is something for stream_step to do. context is a struct writer. Thread: any. */
void writer_wake(void *context);

/* Bytes of the jobs that are not done. Thread: any. */
size_t writer_queued_bytes(const struct writer *writer);

/* Does what is queued, and a bounded piece of the rest. Returns whether there is more to do. */
bool writer_turn(struct writer *writer);

/* What is told of it; the functions may be called by any thread. */

/* The stream's counters as of its last commit. */
void writer_read_counters(struct writer *writer, struct stream_counters *counters);

/* Counts its turns and jobs: it moves at least five times a second, unless one of them is long. */
uint64_t writer_progress(const struct writer *writer);

/* OK, or why writes were refused when house was kept last. */
MUST_USE enum status writer_check_disk(struct writer *writer, struct error *err);

struct writer_histograms {
    struct histogram commit_time;   /* of batches that were written */
    struct histogram commit_events; /* the number of events in each */
    struct histogram push_time;     /* from the post of a push to the end of its commit */
};

const struct writer_histograms *writer_histograms(const struct writer *writer);

#endif
