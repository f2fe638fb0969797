/* Job: what a kind of job has of the job that it runs in. */
#include "export/job.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

enum { SPOOL_MODE = 0700, DUCK_PATHS_MAX = 1024, SECOND_US = 1000000 };

void export_job_set_subject(struct export_job *job, struct bytes subject)
{
    pthread_mutex_lock(&job->export->mutex);
    bytes_to_text(subject, job->subject, sizeof(job->subject));
    if (!bytes_are_utf8(bytes_of_text(job->subject)))
        job->subject[0] = '\0';
    pthread_mutex_unlock(&job->export->mutex);
}

void export_job_tell(struct export_job *job, const char *phase, uint64_t rows_done,
                     uint64_t rows_total)
{
    int64_t now_us = clock_mono_us();
    double left = -1;
    pthread_mutex_lock(&job->export->mutex);
    if (strcmp(job->progress.phase, phase) != 0)
        job->phase_mono_us = now_us;
    if (rows_done > 0 && rows_total >= rows_done)
        left = (double)(now_us - job->phase_mono_us) / SECOND_US / (double)rows_done *
               (double)(rows_total - rows_done);
    job->progress = (struct export_progress){
        .phase = phase, .rows_done = rows_done, .rows_total = rows_total, .seconds_left = left};
    pthread_mutex_unlock(&job->export->mutex);
}

enum status export_job_check(struct export_job *job, struct error *err)
{
    if (atomic_load(&job->is_cancelled))
        return error_set(err, STATUS_CANCELLED, "it was cancelled");
    if (storage_is_failed(job->export->options.query.storage))
        return error_set(
            err, STATUS_UNAVAILABLE,
            "a write of the server failed, and its database is to be opened again; run it "
            "again then");
    return STATUS_OK;
}

enum status export_job_query(struct export_job *job, struct query **query, struct error *err)
{
    enum status status = STATUS_OK;
    if (job->definitions == NULL)
        status = definitions_open(&job->export->options.query, &job->definitions, err);
    *query = status == STATUS_OK ? definitions_query(job->definitions) : NULL;
    return status;
}

void export_job_end_query(struct export_job *job)
{
    definitions_release(job->definitions);
}

enum status export_job_check_version(struct export_job *job, const struct target *target,
                                     struct error *err)
{
    return definitions_check(job->definitions, target, err);
}

/* ---- DuckDB ---- */

static void name_spool(const struct export_job *job, char *name, size_t size)
{
    snprintf(name, size, "job-%llu", (unsigned long long)job->id);
}

void export_job_limit_memory(struct export_job *job, uint64_t memory_bytes)
{
    if (memory_bytes > 0 && memory_bytes < job->memory_bytes)
        job->memory_bytes = (size_t)memory_bytes;
}

enum status export_job_duck(struct export_job *job, const int *files, size_t files_count,
                            const int *directories, size_t directories_count, struct duck **duck,
                            struct error *err)
{
    char paths[DUCK_PATHS_MAX][DUCK_PATH_SIZE];
    const char *list[DUCK_PATHS_MAX];
    char name[32];
    char spool[PLACE_PATH_SIZE_MAX + 1];
    CHECK(files_count + directories_count <= DUCK_PATHS_MAX && job->duck == NULL);
    for (size_t i = 0; i < files_count; i++)
        list[i] = duck_path(files[i], paths[i]);
    for (size_t i = files_count; i < files_count + directories_count; i++)
        list[i] = duck_path(directories[i - files_count], paths[i]);
    name_spool(job, name, sizeof(name));
    snprintf(spool, sizeof(spool), "%s/spool/%s", job->export->options.data, name);
    if (mkdirat(job->export->spool, name, SPOOL_MODE) != 0)
        return error_set(err, STATUS_IO, "make %.900s: %s", spool, error_errno());
    const struct duck_options options = {.library = job->export->options.library,
                                         .memory_bytes = job->memory_bytes,
                                         .spool = spool,
                                         .paths = list,
                                         .paths_count = files_count,
                                         .directories = list + files_count,
                                         .directories_count = directories_count};
    enum status status = duck_open(&options, duck, err);
    if (status != STATUS_OK) {
        (void)unlinkat(job->export->spool, name, AT_REMOVEDIR);
        return status;
    }
    pthread_mutex_lock(&job->export->mutex);
    job->duck = *duck;
    bool is_cancelled = atomic_load(&job->is_cancelled);
    pthread_mutex_unlock(&job->export->mutex);
    if (is_cancelled)
        duck_interrupt(*duck);
    return STATUS_OK;
}

static void close_duck(struct export_job *job)
{
    char name[32];
    struct error err;
    struct duck *duck = job->duck;
    if (duck == NULL)
        return;
    pthread_mutex_lock(&job->export->mutex);
    job->duck = NULL;
    pthread_mutex_unlock(&job->export->mutex);
    duck_close(&duck);
    name_spool(job, name, sizeof(name));
    int folder = openat(job->export->spool, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder >= 0 && place_empty(folder, &err) != STATUS_OK)
        log_warn("spool: %s", err.text);
    if (folder >= 0)
        close(folder);
    (void)unlinkat(job->export->spool, name, AT_REMOVEDIR);
}

/* ---- the result ---- */

enum status export_job_place(struct export_job *job, const struct export_output *output,
                             struct place **place, struct error *err)
{
    bool is_directory = output->partition_by_count > 0 || output->hash_buckets > 0;
    enum status status =
        output->server_path.size == 0
            ? place_begin_nameless(job->export->spool, &job->place, err)
            : place_begin(job->export->dirs, output->server_path, is_directory, &job->place, err);
    *place = job->place;
    return status;
}

enum status export_job_finish(struct export_job *job, uint64_t rows, struct error *err)
{
    enum status status = export_job_check(job, err);
    if (status == STATUS_OK)
        status = place_commit(job->place, &job->result.bytes, err);
    job->result.rows = rows;
    if (status == STATUS_OK && place_is_nameless(job->place))
        job->result.descriptor = place_take_descriptor(job->place);
    return status;
}

struct export_result *export_job_set_result(struct export_job *job)
{
    return &job->result;
}

struct export *export_job_export(struct export_job *job)
{
    return job->export;
}

const struct export_options *export_job_options(const struct export_job *job)
{
    return &job->export->options;
}

void export_job_clean(struct export_job *job)
{
    close_duck(job);
    definitions_close(&job->definitions);
    place_end(&job->place);
}
