#include "export/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/priority.h"
#include "export/job.h"

enum { JOB_CHUNK_SIZE = 16 * 1024, SPOOL_MODE = 0700 };

/* ---- life ---- */

static enum status open_spool(struct export *export, struct error *err)
{
    char path[PLACE_PATH_SIZE_MAX + 1];
    snprintf(path, sizeof(path), "%s/spool", export->options.data);
    if (mkdir(path, SPOOL_MODE) != 0 && errno != EEXIST)
        return error_set(err, STATUS_IO, "make %.900s: %s", path, error_errno());
    export->spool = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (export->spool < 0)
        return error_set(err, STATUS_IO, "open %.900s: %s", path, error_errno());
    enum status status = place_empty(export->spool, err);
    return status == STATUS_OK ? status : error_prefix(err, status, "%.900s", path);
}

enum status export_create(const struct export_options *options, struct export **out,
                          struct error *err)
{
    struct export *export = calloc(1, sizeof(*export));
    CHECK(export != NULL);
    CHECK(options->threads >= 1 && options->threads <= EXPORT_THREADS_MAX);
    export->options = *options;
    export->spool = -1;
    CHECK(pthread_mutex_init(&export->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&export->has_jobs, NULL) == 0);
    enum status status = place_dirs_open(options->dirs, &export->dirs, err);
    if (status == STATUS_OK)
        status = open_spool(export, err);
    if (status != STATUS_OK)
        export_destroy(&export);
    *out = export;
    return status;
}

void export_destroy(struct export **out)
{
    struct export *export = *out;
    if (export == NULL)
        return;
    CHECK(export->threads_started == 0 && export->first == NULL);
    place_dirs_close(&export->dirs);
    if (export->spool >= 0)
        close(export->spool);
    pthread_cond_destroy(&export->has_jobs);
    pthread_mutex_destroy(&export->mutex);
    free(export);
    *out = NULL;
}

enum status export_spool_open(struct export *export, int *descriptor, struct error *err)
{
    return place_open_nameless(export->spool, descriptor, err);
}

enum status export_input_open(struct export *export, struct bytes path, int *descriptor,
                              struct error *err)
{
    return place_open_input(export->dirs, path, descriptor, err);
}

/* ---- jobs ---- */

struct export_job *export_job_create(struct export *export, enum export_kind kind)
{
    struct export_job *job = calloc(1, sizeof(*job));
    CHECK(job != NULL);
    job->export = export;
    job->kind = kind;
    job->memory_bytes = export->options.memory_bytes;
    job->arena = arena_create(JOB_CHUNK_SIZE);
    job->spec = arena_allocate_array(job->arena, 1, export_kinds[kind].spec_size);
    job->result = (struct export_result){.descriptor = -1};
    job->progress = (struct export_progress){.phase = "waiting", .seconds_left = -1};
    job->holders = 1;
    return job;
}

void *export_job_spec(struct export_job *job)
{
    return job->spec;
}

struct arena *export_job_arena(struct export_job *job)
{
    return job->arena;
}

/* Thread: whoever holds the mutex; it is given up here. */
static void release_locked(struct export_job *job)
{
    struct export *export = job->export;
    bool is_last = --job->holders == 0;
    pthread_mutex_unlock(&export->mutex);
    if (!is_last)
        return;
    if (job->result.descriptor >= 0)
        close(job->result.descriptor);
    arena_destroy(&job->arena);
    free(job);
}

void export_job_release(struct export_job **job)
{
    if (*job == NULL)
        return;
    pthread_mutex_lock(&(*job)->export->mutex);
    release_locked(*job);
    *job = NULL;
}

static void link_job(struct export *export, struct export_job *job)
{
    job->previous = export->last;
    if (export->last == NULL)
        export->first = job;
    else
        export->last->next = job;
    export->last = job;
}

static void unlink_job(struct export *export, struct export_job *job)
{
    if (job->previous == NULL)
        export->first = job->next;
    else
        job->previous->next = job->next;
    if (job->next == NULL)
        export->last = job->previous;
    else
        job->next->previous = job->previous;
}

enum status export_post(struct export_job *job, export_done_fn done, void *context,
                        struct error *err)
{
    struct export *export = job->export;
    const struct export_counters *counters = &export->counters;
    enum status status = STATUS_OK;
    pthread_mutex_lock(&export->mutex);
    CHECK(job->state == JOB_MADE);
    if (export->is_stopping || export->threads_started == 0)
        status = error_set(err, STATUS_UNAVAILABLE, "the server is stopping");
    else if (counters->waiting + counters->running >= export->options.jobs_max)
        status = error_set(err, STATUS_LIMIT,
                           "%zu exports wait or run already (--export-jobs); try again later",
                           export->options.jobs_max);
    if (status == STATUS_OK) {
        job->done = done;
        job->context = context;
        job->state = JOB_WAITING;
        job->holders++;
        job->id = ++export->next_id;
        job->posted_us = clock_now_us();
        link_job(export, job);
        export->counters.waiting++;
        pthread_cond_signal(&export->has_jobs);
    }
    pthread_mutex_unlock(&export->mutex);
    return status;
}

static void cancel_locked(struct export_job *job)
{
    atomic_store(&job->is_cancelled, true);
    if (job->duck != NULL)
        duck_interrupt(job->duck);
}

void export_job_cancel(struct export_job *job)
{
    pthread_mutex_lock(&job->export->mutex);
    cancel_locked(job);
    pthread_mutex_unlock(&job->export->mutex);
}

struct export_progress export_job_progress(struct export_job *job)
{
    pthread_mutex_lock(&job->export->mutex);
    struct export_progress progress = job->progress;
    pthread_mutex_unlock(&job->export->mutex);
    return progress;
}

const struct export_result *export_job_result(const struct export_job *job)
{
    return &job->result;
}

/* ---- threads ---- */

/* The job that waits longest; NULL: stopping. */
static struct export_job *take_job(struct export *export)
{
    struct export_job *job = NULL;
    pthread_mutex_lock(&export->mutex);
    for (;;) {
        for (job = export->first; job != NULL && job->state != JOB_WAITING; job = job->next)
            ;
        if (job != NULL || export->is_stopping)
            break;
        pthread_cond_wait(&export->has_jobs, &export->mutex);
    }
    if (job != NULL) {
        job->state = JOB_RUNNING;
        export->counters.waiting--;
        export->counters.running++;
    }
    pthread_mutex_unlock(&export->mutex);
    return job;
}

static void count_end(struct export_counters *counters, const struct export_result *result)
{
    counters->running--;
    counters->done_total += result->status == STATUS_OK;
    counters->cancelled_total += result->status == STATUS_CANCELLED;
    counters->failed_total += result->status != STATUS_OK && result->status != STATUS_CANCELLED;
    if (result->status == STATUS_OK)
        counters->rows_total += result->rows;
}

static void remember_end(struct export *export, const struct export_job *job)
{
    struct ended_job *ended = &export->ended[export->ended_count++ % ENDED_MAX];
    *ended = (struct ended_job){.id = job->id,
                                .kind = job->kind,
                                .status = job->result.status,
                                .rows = job->result.rows,
                                .bytes = job->result.bytes,
                                .posted_us = job->posted_us,
                                .ended_us = clock_now_us()};
    memcpy(ended->subject, job->subject, sizeof(ended->subject));
}

static void end_job(struct export_job *job)
{
    struct export *export = job->export;
    pthread_mutex_lock(&export->mutex);
    job->state = JOB_ENDED;
    unlink_job(export, job);
    count_end(&export->counters, &job->result);
    remember_end(export, job);
    pthread_mutex_unlock(&export->mutex);
    job->done(job->context, job);
    pthread_mutex_lock(&export->mutex);
    release_locked(job);
}

static void run_job(struct export_job *job)
{
    struct export_result *result = &job->result;
    int64_t began_us = clock_mono_us();
    if (atomic_load(&job->is_cancelled))
        result->status = error_set(&result->err, STATUS_CANCELLED, "it was cancelled");
    else
        result->status = export_kinds[job->kind].run(job, &result->err);
    export_job_clean(job);
    log_debug("export %llu (%s) ended after %lld ms: %s", (unsigned long long)job->id,
              export_kind_name(job->kind), (long long)(clock_mono_us() - began_us) / 1000,
              status_name(result->status));
}

static void *export_main(void *context)
{
    struct export *export = context;
    struct export_job *job;
    priority_set_background();
    storage_begin_thread();
    while ((job = take_job(export)) != NULL) {
        run_job(job);
        end_job(job);
    }
    return NULL;
}

void export_start(struct export *export)
{
    while (export->threads_started < export->options.threads)
        CHECK(pthread_create(&export->threads[export->threads_started++], NULL, export_main,
                             export) == 0);
}

void export_stop(struct export *export)
{
    pthread_mutex_lock(&export->mutex);
    export->is_stopping = true;
    for (struct export_job *job = export->first; job != NULL; job = job->next)
        cancel_locked(job);
    pthread_cond_broadcast(&export->has_jobs);
    pthread_mutex_unlock(&export->mutex);
    while (export->threads_started > 0)
        pthread_join(export->threads[--export->threads_started], NULL);
}

/* ---- figures ---- */

void export_read_counters(struct export *export, struct export_counters *counters)
{
    pthread_mutex_lock(&export->mutex);
    *counters = export->counters;
    pthread_mutex_unlock(&export->mutex);
}

static void append_subject(struct buffer *out, uint64_t id, enum export_kind kind,
                           const char *subject)
{
    buffer_format(out, "{\"id\": %llu, \"kind\": \"%s\", \"subject\": ", (unsigned long long)id,
                  export_kind_name(kind));
    json_append_string(out, bytes_of_text(subject));
}

static void append_active(struct buffer *out, const struct export_job *job)
{
    const struct export_progress *progress = &job->progress;
    append_subject(out, job->id, job->kind, job->subject);
    buffer_format(
        out,
        ", \"state\": \"%s\", \"posted_us\": %lld, \"phase\": \"%s\", \"rows_done\": %llu, "
        "\"rows_total\": %llu, \"seconds_left\": %.1f}",
        job->state == JOB_WAITING ? "waiting" : "running", (long long)job->posted_us,
        progress->phase, (unsigned long long)progress->rows_done,
        (unsigned long long)progress->rows_total, progress->seconds_left);
}

static void append_ended(struct buffer *out, const struct ended_job *job)
{
    append_subject(out, job->id, job->kind, job->subject);
    buffer_format(out,
                  ", \"state\": \"%s\", \"posted_us\": %lld, \"ended_us\": %lld, \"rows\": %llu, "
                  "\"bytes\": %llu}",
                  job->status == STATUS_OK ? "done" : status_name(job->status),
                  (long long)job->posted_us, (long long)job->ended_us,
                  (unsigned long long)job->rows, (unsigned long long)job->bytes);
}

void export_append_jobs(struct export *export, struct buffer *out)
{
    const char *comma = "";
    pthread_mutex_lock(&export->mutex);
    buffer_append_text(out, "{\"jobs\": [");
    for (const struct export_job *job = export->first; job != NULL; job = job->next) {
        buffer_append_text(out, comma);
        append_active(out, job);
        comma = ", ";
    }
    uint64_t count = export->ended_count < ENDED_MAX ? export->ended_count : ENDED_MAX;
    for (uint64_t i = 1; i <= count; i++) {
        buffer_append_text(out, comma);
        append_ended(out, &export->ended[(export->ended_count - i) % ENDED_MAX]);
        comma = ", ";
    }
    buffer_append_text(out, "]}");
    pthread_mutex_unlock(&export->mutex);
}
