/* The job itself, and export. Only export.c and job.c include it. */
#ifndef ASOF_EXPORT_JOB_H
#define ASOF_EXPORT_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "export/definitions.h"
#include "export/export_room.h"

enum { SUBJECT_SIZE = 160, ENDED_MAX = 100 };

enum job_state { JOB_MADE, JOB_WAITING, JOB_RUNNING, JOB_ENDED };

struct export_job {
    struct export *export; /* borrowed */
    enum export_kind kind;
    struct arena *arena; /* owned, as the next */
    void *spec;
    export_done_fn done;
    void *context;
    atomic_bool is_cancelled;
    struct export_result result; /* the job's until done, then immutable */

    /* The run's own. */
    struct definitions *definitions;
    struct place *place;
    size_t memory_bytes;   /* of its database */
    int64_t phase_mono_us; /* when the phase began */

    /* Guarded by the mutex of export, as all below. */
    unsigned holders; /* the caller; export, from the post to the end */
    enum job_state state;
    struct export_progress progress;
    struct duck
        *duck; /* owned by the run; set and taken away under the mutex, for who interrupts */
    char subject[SUBJECT_SIZE];
    uint64_t id;
    int64_t posted_us; /* of the wall clock */
    struct export_job *next;
    struct export_job *previous;
};

/* What is remembered of a job that ended. */
struct ended_job {
    uint64_t id;
    enum export_kind kind;
    enum status status;
    char subject[SUBJECT_SIZE];
    uint64_t rows;
    uint64_t bytes;
    int64_t posted_us;
    int64_t ended_us;
};

struct export
{
    struct export_options options;
    struct place_dirs *dirs; /* owned, as the next */
    int spool;
    size_t threads_started;
    pthread_t threads[EXPORT_THREADS_MAX];

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t has_jobs;
    struct export_job *first; /* waiting and running, in the order of posting */
    struct export_job *last;
    bool is_stopping;
    uint64_t next_id;
    struct ended_job ended[ENDED_MAX]; /* a ring; the latest at ended_count - 1 */
    uint64_t ended_count;
    struct export_counters counters;
};

/* Makes what a run leaves behind go. */
void export_job_clean(struct export_job *job);

#endif
