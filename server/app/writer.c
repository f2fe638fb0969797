#include "app/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/priority.h"
#include "base/time_text.h"

enum { WRITER_CHUNK_SIZE = 256 * 1024 };

/* How often a failed database is opened again, and what is beyond its retention looked for. */
#define HOUSEKEEPING_INTERVAL_US (US_PER_SECOND / 5)

struct job_list {
    struct writer_job *first;
    struct writer_job *last;
};

struct writer {
    struct storage *storage; /* borrowed */
    struct stream *stream;   /* borrowed */
    struct arena *arena;     /* owned: of one job's run */
    int64_t housekept_mono_us;
    bool is_started;
    pthread_t thread;
    _Atomic size_t queued_bytes;
    _Atomic uint64_t progress;
    struct writer_histograms histograms; /* observed by the writer's thread */
    uint64_t committed_events;           /* of all batches so far */
    pthread_mutex_t mutex;               /* guards all below */
    pthread_cond_t has_jobs;
    struct job_list queue;
    bool is_stopping;
    bool is_woken; /* for something else than a job */
    struct stream_counters counters;
    enum status disk; /* what storage_can_write said last, and why */
    struct error disk_reason;
};

struct writer *writer_create(struct storage *storage, struct stream *stream)
{
    struct writer *writer = calloc(1, sizeof(*writer));
    pthread_condattr_t monotonic;
    CHECK(writer != NULL);
    writer->storage = storage;
    writer->stream = stream;
    writer->arena = arena_create(WRITER_CHUNK_SIZE);
    writer->histograms.commit_time.scale = &histogram_durations;
    writer->histograms.commit_events.scale = &histogram_sizes;
    writer->histograms.push_time.scale = &histogram_durations;
    CHECK(pthread_mutex_init(&writer->mutex, NULL) == 0);
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&writer->has_jobs, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    return writer;
}

void writer_destroy(struct writer **out)
{
    struct writer *writer = *out;
    if (writer == NULL)
        return;
    CHECK(!writer->is_started && writer->queue.first == NULL);
    arena_destroy(&writer->arena);
    pthread_mutex_destroy(&writer->mutex);
    pthread_cond_destroy(&writer->has_jobs);
    free(writer);
    *out = NULL;
}

/* ---- jobs ---- */

static void list_add(struct job_list *list, struct writer_job *job)
{
    job->next = NULL;
    if (list->last == NULL)
        list->first = job;
    else
        list->last->next = job;
    list->last = job;
}

static struct writer_job *list_take(struct job_list *list)
{
    struct writer_job *job = list->first;
    if (job != NULL)
        list->first = job->next;
    if (list->first == NULL)
        list->last = NULL;
    return job;
}

void writer_post(struct writer *writer, struct writer_job *job)
{
    atomic_fetch_add(&writer->queued_bytes, job->size_bytes);
    job->posted_mono_us = clock_mono_us();
    pthread_mutex_lock(&writer->mutex);
    bool was_empty = writer->queue.first == NULL;
    list_add(&writer->queue, job);
    pthread_mutex_unlock(&writer->mutex);
    if (was_empty)
        pthread_cond_signal(&writer->has_jobs);
}

void writer_wake(void *context)
{
    struct writer *writer = context;
    pthread_mutex_lock(&writer->mutex);
    bool was_woken = writer->is_woken;
    writer->is_woken = true;
    pthread_mutex_unlock(&writer->mutex);
    if (!was_woken)
        pthread_cond_signal(&writer->has_jobs);
}

size_t writer_queued_bytes(const struct writer *writer)
{
    return atomic_load_explicit(&writer->queued_bytes, memory_order_relaxed);
}

static void job_finish(struct writer_job *job)
{
    char *failure = job->failure;
    job->done(job, job->commit, failure);
    free(failure);
}

static void job_on_loop(struct network_call *call)
{
    job_finish((struct writer_job *)((char *)call - offsetof(struct writer_job, call)));
}

static void publish_counters(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->counters = *stream_counters(writer->stream);
    pthread_mutex_unlock(&writer->mutex);
}

static void note_progress(struct writer *writer)
{
    atomic_fetch_add_explicit(&writer->progress, 1, memory_order_relaxed);
}

/* Commits what is in the open batch, if there is something, and tells its figures. */
static enum status commit(struct writer *writer, struct error *err)
{
    const struct stream_counters *counters = stream_counters(writer->stream);
    enum status status = STATUS_OK;
    if (stream_is_dirty(writer->stream)) {
        int64_t began_us = clock_mono_us();
        uint64_t events = counters->events_accepted_total - writer->committed_events;
        status = stream_commit(writer->stream, err);
        if (status == STATUS_OK) {
            histogram_observe(&writer->histograms.commit_time, clock_mono_us() - began_us);
            histogram_observe(&writer->histograms.commit_events, (int64_t)events);
        }
    }
    writer->committed_events = counters->events_accepted_total;
    publish_counters(writer);
    return status;
}

/* Commits the round and gives its jobs back. */
static void settle(struct writer *writer, struct job_list *round)
{
    struct error err = {0};
    struct writer_job *job;
    enum status status = commit(writer, &err);
    int64_t now_us = clock_mono_us();
    note_progress(writer);
    while ((job = list_take(round)) != NULL) {
        atomic_fetch_sub(&writer->queued_bytes, job->size_bytes);
        if (status == STATUS_OK && job->has_pushed)
            histogram_observe(&writer->histograms.push_time, now_us - job->posted_mono_us);
        job->commit = status;
        job->failure = status == STATUS_OK ? NULL : strdup(err.text);
        CHECK(status == STATUS_OK || job->failure != NULL);
        job->call.run = job_on_loop;
        if (job->loop == NULL)
            job_finish(job);
        else
            network_loop_post(job->loop, &job->call);
    }
}

static void run_round(struct writer *writer, struct job_list *jobs)
{
    struct job_list round = {0};
    struct writer_job *job;
    while ((job = list_take(jobs)) != NULL) {
        arena_reset(writer->arena);
        enum status status = job->run(job, writer->stream, writer->arena);
        if (status == STATUS_AGAIN) {
            settle(writer, &round);
            status = job->run(job, writer->stream, writer->arena);
            CHECK(status != STATUS_AGAIN);
        }
        note_progress(writer);
        list_add(&round, job);
    }
    settle(writer, &round);
}

/* ---- turns ---- */

static void note_disk(struct writer *writer)
{
    struct error reason = {0};
    enum status disk = storage_can_write(writer->storage, 0, &reason);
    pthread_mutex_lock(&writer->mutex);
    writer->disk = disk;
    writer->disk_reason = reason;
    pthread_mutex_unlock(&writer->mutex);
}

static void keep_house(struct writer *writer)
{
    int64_t now_us = clock_mono_us();
    if (now_us - writer->housekept_mono_us < HOUSEKEEPING_INTERVAL_US)
        return;
    writer->housekept_mono_us = now_us;
    storage_heal(writer->storage);
    note_disk(writer);
    stream_trim(writer->stream);
}

bool writer_turn(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    struct job_list jobs = writer->queue;
    writer->queue = (struct job_list){0};
    pthread_mutex_unlock(&writer->mutex);
    if (jobs.first != NULL)
        run_round(writer, &jobs);
    bool has_more = stream_step(writer->stream);
    publish_counters(writer);
    keep_house(writer);
    note_progress(writer);
    return has_more;
}

/* Waits for a job, at most until house is kept again. Returns whether to stop. */
static bool wait_for_jobs(struct writer *writer, bool has_more)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += HOUSEKEEPING_INTERVAL_US * 1000;
    if (until.tv_nsec >= 1000 * 1000 * 1000) {
        until.tv_nsec -= 1000 * 1000 * 1000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&writer->mutex);
    int result = 0;
    while (!has_more && result != ETIMEDOUT && writer->queue.first == NULL &&
           !writer->is_stopping && !writer->is_woken)
        result = pthread_cond_timedwait(&writer->has_jobs, &writer->mutex, &until);
    bool is_stopping = writer->is_stopping;
    writer->is_woken = false;
    pthread_mutex_unlock(&writer->mutex);
    return is_stopping;
}

static void *writer_main(void *context)
{
    struct writer *writer = context;
    bool has_more = true;
    storage_begin_thread();
    priority_set_background();
    while (!wait_for_jobs(writer, has_more))
        has_more = writer_turn(writer);
    writer_turn(writer); /* what came before the stop */
    return NULL;
}

void writer_start(struct writer *writer)
{
    writer->counters = *stream_counters(writer->stream);
    writer->is_started = true;
    CHECK(pthread_create(&writer->thread, NULL, writer_main, writer) == 0);
}

void writer_stop(struct writer *writer)
{
    if (!writer->is_started)
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->is_stopping = true;
    pthread_mutex_unlock(&writer->mutex);
    pthread_cond_signal(&writer->has_jobs);
    pthread_join(writer->thread, NULL);
    writer->is_started = false;
}

void writer_read_counters(struct writer *writer, struct stream_counters *counters)
{
    pthread_mutex_lock(&writer->mutex);
    *counters = writer->counters;
    pthread_mutex_unlock(&writer->mutex);
}

uint64_t writer_progress(const struct writer *writer)
{
    return atomic_load_explicit(&writer->progress, memory_order_relaxed);
}

enum status writer_check_disk(struct writer *writer, struct error *err)
{
    pthread_mutex_lock(&writer->mutex);
    enum status disk = writer->disk;
    *err = writer->disk_reason;
    pthread_mutex_unlock(&writer->mutex);
    return disk;
}

const struct writer_histograms *writer_histograms(const struct writer *writer)
{
    return &writer->histograms;
}
