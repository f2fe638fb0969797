#include "app/backfill_taker.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "stream/file_backfill.h"

struct taking {
    struct writer *writer;          /* borrowed */
    struct file_backfill *backfill; /* owned; changed on the writer's thread */
};

/* Something that the writer's thread does while another one waits. */
struct errand {
    struct writer_job job;
    enum status (*run)(struct errand *errand, struct stream *stream);
    struct taking *taking;
    const struct file_backfill_options *options; /* of begin */
    const struct file_identity *identity;        /* of begin_file */
    bool is_known;
    enum status status;
    struct error err;
    pthread_mutex_t mutex;
    pthread_cond_t is_changed;
    bool is_done; /* guarded by the mutex */
};

static enum status errand_run(struct writer_job *job, struct stream *stream, struct arena *arena)
{
    struct errand *errand = (struct errand *)((char *)job - offsetof(struct errand, job));
    (void)arena;
    errand->status = errand->run(errand, stream);
    return STATUS_OK;
}

/* The open batch was committed by the errand itself, so the round's commit says nothing of it. */
static void errand_done(struct writer_job *job, enum status commit, const char *failure)
{
    struct errand *errand = (struct errand *)((char *)job - offsetof(struct errand, job));
    (void)commit, (void)failure;
    pthread_mutex_lock(&errand->mutex);
    errand->is_done = true;
    pthread_cond_signal(&errand->is_changed);
    pthread_mutex_unlock(&errand->mutex);
}

static enum status go(struct errand *errand, struct error *err)
{
    errand->job.run = errand_run;
    errand->job.done = errand_done;
    CHECK(pthread_mutex_init(&errand->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&errand->is_changed, NULL) == 0);
    writer_post(errand->taking->writer, &errand->job);
    pthread_mutex_lock(&errand->mutex);
    while (!errand->is_done)
        pthread_cond_wait(&errand->is_changed, &errand->mutex);
    pthread_mutex_unlock(&errand->mutex);
    pthread_cond_destroy(&errand->is_changed);
    pthread_mutex_destroy(&errand->mutex);
    if (errand->status != STATUS_OK && err != NULL)
        *err = errand->err;
    return errand->status;
}

static enum status run_begin(struct errand *errand, struct stream *stream)
{
    return file_backfill_begin(stream, errand->options, &errand->taking->backfill, &errand->err);
}

static enum status begin(void *context, const struct backfill_start *start, void **out,
                         struct error *err)
{
    const struct file_backfill_options options = {.view = start->view,
                                                  .version = start->version,
                                                  .has_until = start->has_until,
                                                  .until_us = start->until_us,
                                                  .spool = start->spool,
                                                  .memory_bytes = start->memory_bytes};
    struct taking *taking = calloc(1, sizeof(*taking));
    CHECK(taking != NULL);
    taking->writer = context;
    struct errand errand = {.run = run_begin, .taking = taking, .options = &options};
    enum status status = go(&errand, err);
    if (status == STATUS_OK)
        *out = taking;
    else
        free(taking);
    return status;
}

static enum status run_end(struct errand *errand, struct stream *stream)
{
    file_backfill_end(stream, &errand->taking->backfill);
    return STATUS_OK;
}

static void end(void *context)
{
    struct taking *taking = context;
    struct errand errand = {.run = run_end, .taking = taking};
    CHECK(go(&errand, NULL) == STATUS_OK);
    free(taking);
}

static const struct view_definition *view(const void *context)
{
    return file_backfill_view(((const struct taking *)context)->backfill);
}

static enum status run_begin_file(struct errand *errand, struct stream *stream)
{
    return file_backfill_begin_file(stream, errand->taking->backfill, errand->identity,
                                    &errand->is_known, &errand->err);
}

static enum status begin_file(void *context, const uint64_t hash[2], uint64_t size_bytes,
                              bool *is_known, struct error *err)
{
    const struct file_identity identity = {.hash = {hash[0], hash[1]}, .size_bytes = size_bytes};
    struct errand errand = {.run = run_begin_file, .taking = context, .identity = &identity};
    enum status status = go(&errand, err);
    *is_known = errand.is_known;
    return status;
}

static enum status take(void *context, const struct value *values, struct error *err)
{
    return file_backfill_take(((struct taking *)context)->backfill, values, err);
}

static enum status take_json(void *context, struct bytes text, struct error *err)
{
    return file_backfill_take_json(((struct taking *)context)->backfill, text, err);
}

static enum status finish_file(void *context, struct error *err)
{
    return file_backfill_finish_file(((struct taking *)context)->backfill, err);
}

static enum status run_commit_file(struct errand *errand, struct stream *stream)
{
    return file_backfill_commit_file(stream, errand->taking->backfill, &errand->err);
}

static enum status commit_file(void *context, struct error *err)
{
    struct errand errand = {.run = run_commit_file, .taking = context};
    return go(&errand, err);
}

static struct backfill_tally tally(const void *context)
{
    const struct file_backfill_counts *counts =
        file_backfill_counts(((const struct taking *)context)->backfill);
    return (struct backfill_tally){.rows = counts->rows, .taken = counts->taken};
}

const struct backfill_taker backfill_taker = {
    .begin = begin,
    .end = end,
    .view = view,
    .begin_file = begin_file,
    .take = take,
    .take_json = take_json,
    .finish_file = finish_file,
    .commit_file = commit_file,
    .tally = tally,
};
