#include "app/readers.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/check.h"

enum { READER_CHUNK_SIZE = 64 * 1024 };

struct reader {
    struct readers *readers; /* borrowed */
    struct query *query;     /* owned */
    struct arena *arena;     /* owned */
    pthread_t thread;
};

/* Jobs that wait, of one connection. */
struct lane {
    TAILQ_HEAD(, reader_job) jobs;
    TAILQ_ENTRY(lane) link; /* of readers->waiting, while it has jobs */
};

struct readers {
    struct reader *members; /* owned */
    size_t count;
    bool is_started;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t has_jobs;
    struct lane lanes[READERS_LANES];
    TAILQ_HEAD(, lane) waiting; /* those that have jobs; the first has the next turn */
    bool is_stopping;
};

struct readers *readers_create(const struct query_options *options, size_t count)
{
    struct readers *readers = calloc(1, sizeof(*readers));
    CHECK(readers != NULL && count <= READERS_MAX);
    CHECK(pthread_mutex_init(&readers->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&readers->has_jobs, NULL) == 0);
    TAILQ_INIT(&readers->waiting);
    for (size_t i = 0; i < READERS_LANES; i++)
        TAILQ_INIT(&readers->lanes[i].jobs);
    readers->members = calloc(count, sizeof(*readers->members));
    CHECK(readers->members != NULL);
    readers->count = count;
    for (size_t i = 0; i < count; i++)
        readers->members[i] = (struct reader){.readers = readers,
                                              .query = query_create(options),
                                              .arena = arena_create(READER_CHUNK_SIZE)};
    return readers;
}

void readers_destroy(struct readers **out)
{
    struct readers *readers = *out;
    if (readers == NULL)
        return;
    CHECK(!readers->is_started && TAILQ_EMPTY(&readers->waiting));
    for (size_t i = 0; i < readers->count; i++) {
        query_destroy(&readers->members[i].query);
        arena_destroy(&readers->members[i].arena);
    }
    free(readers->members);
    pthread_cond_destroy(&readers->has_jobs);
    pthread_mutex_destroy(&readers->mutex);
    free(readers);
    *out = NULL;
}

static void job_on_loop(struct network_call *call)
{
    struct reader_job *job =
        (struct reader_job *)((char *)call - offsetof(struct reader_job, call));
    job->done(job);
}

static void give_back(struct reader_job *job)
{
    job->call.run = job_on_loop;
    network_loop_post(job->loop, &job->call);
}

static struct lane *lane_of(struct readers *readers, const struct reader_job *job)
{
    return &readers->lanes[job->connection % READERS_LANES];
}

void readers_post(struct readers *readers, struct reader_job *job)
{
    struct lane *lane = lane_of(readers, job);
    job->is_waiting = false;
    pthread_mutex_lock(&readers->mutex);
    if (readers->is_stopping) {
        pthread_mutex_unlock(&readers->mutex);
        give_back(job);
        return;
    }
    if (TAILQ_EMPTY(&lane->jobs))
        TAILQ_INSERT_TAIL(&readers->waiting, lane, link);
    TAILQ_INSERT_TAIL(&lane->jobs, job, link);
    job->is_waiting = true;
    pthread_mutex_unlock(&readers->mutex);
    pthread_cond_signal(&readers->has_jobs);
}

bool readers_withdraw(struct readers *readers, struct reader_job *job)
{
    struct lane *lane = lane_of(readers, job);
    pthread_mutex_lock(&readers->mutex);
    bool was_waiting = job->is_waiting;
    if (was_waiting) {
        job->is_waiting = false;
        TAILQ_REMOVE(&lane->jobs, job, link);
        if (TAILQ_EMPTY(&lane->jobs))
            TAILQ_REMOVE(&readers->waiting, lane, link);
    }
    pthread_mutex_unlock(&readers->mutex);
    return was_waiting;
}

/* The first job of the lane whose turn it is, which then stands behind all others. NULL: there is
 * none. */
static struct reader_job *next_job(struct readers *readers)
{
    struct lane *lane = TAILQ_FIRST(&readers->waiting);
    if (lane == NULL)
        return NULL;
    struct reader_job *job = TAILQ_FIRST(&lane->jobs);
    job->is_waiting = false;
    TAILQ_REMOVE(&lane->jobs, job, link);
    TAILQ_REMOVE(&readers->waiting, lane, link);
    if (!TAILQ_EMPTY(&lane->jobs))
        TAILQ_INSERT_TAIL(&readers->waiting, lane, link);
    return job;
}

/* The next job, waited for; NULL: there is none, and none shall come. Says whether it is to be run.
 */
static struct reader_job *take_job(struct readers *readers, bool *is_run)
{
    pthread_mutex_lock(&readers->mutex);
    while (TAILQ_EMPTY(&readers->waiting) && !readers->is_stopping)
        pthread_cond_wait(&readers->has_jobs, &readers->mutex);
    struct reader_job *job = next_job(readers);
    *is_run = !readers->is_stopping;
    pthread_mutex_unlock(&readers->mutex);
    return job;
}

static void run_job(struct reader *reader, struct reader_job *job)
{
    arena_reset(reader->arena);
    query_begin(reader->query);
    job->run(job, reader->query, reader->arena);
    query_end(reader->query);
}

static void *reader_main(void *context)
{
    struct reader *reader = context;
    struct reader_job *job;
    bool is_run;
    storage_begin_thread();
    while ((job = take_job(reader->readers, &is_run)) != NULL) {
        if (is_run)
            run_job(reader, job);
        give_back(job);
    }
    return NULL;
}

void readers_start(struct readers *readers)
{
    readers->is_started = true;
    for (size_t i = 0; i < readers->count; i++) {
        struct reader *reader = &readers->members[i];
        CHECK(pthread_create(&reader->thread, NULL, reader_main, reader) == 0);
    }
}

void readers_stop(struct readers *readers)
{
    if (!readers->is_started)
        return;
    pthread_mutex_lock(&readers->mutex);
    readers->is_stopping = true;
    pthread_mutex_unlock(&readers->mutex);
    pthread_cond_broadcast(&readers->has_jobs);
    for (size_t i = 0; i < readers->count; i++)
        pthread_join(readers->members[i].thread, NULL);
    readers->is_started = false;
}
