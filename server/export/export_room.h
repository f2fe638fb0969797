/* What the files of export/ share: what a kind of job has of the job that it runs in. Only they
 * include it. Thread: the job's, within its run. */
#ifndef ASOF_EXPORT_EXPORT_ROOM_H
#define ASOF_EXPORT_EXPORT_ROOM_H

#include "export/duck.h"
#include "export/export.h"
#include "export/place.h"

/* A kind of job. */
struct export_kind_row {
    const char *name;
    size_t spec_size; /* of its parameters */
    /* Does the work, and leaves the result's counts in the job (export_job_set_result). */
    enum status (*run)(struct export_job *job, struct error *err);
};

extern const struct export_kind_row export_kinds[EXPORT_KINDS_COUNT];

/* What the job is about, for lists: "card_payments@1". Copied. */
void export_job_set_subject(struct export_job *job, struct bytes subject);

/* How far it is; seconds_left is found by itself. Cheap enough for every thousand rows. */
void export_job_tell(struct export_job *job, const char *phase, uint64_t rows_done,
                     uint64_t rows_total);

/* CANCELLED: somebody asked to stop. UNAVAILABLE: the database has to be opened again, which a job
 * that reads a state of it must not hold up. To be asked every few milliseconds. */
MUST_USE enum status export_job_check(struct export_job *job, struct error *err);

/* A query of the job's own, which waits for the disk: the definitions, the moment and the state of
 * storage of the first call. It is begun and pinned until the job ends. UNAVAILABLE, CORRUPT: err.
 */
MUST_USE enum status export_job_query(struct export_job *job, struct query **query,
                                      struct error *err);

/* Gives the state back, once all is read that is needed: then the database can be opened again. */
void export_job_end_query(struct export_job *job);

/* Whether the version is still there, so that all of its table was: asked when all was read.
 * UNAVAILABLE: it was dropped. */
MUST_USE enum status export_job_check_version(struct export_job *job, const struct target *target,
                                              struct error *err);

/* Has the database take less memory than export's options say; 0: as they say. */
void export_job_limit_memory(struct export_job *job, uint64_t memory_bytes);

/* A database for the job, with its memory and its spool, that reaches the files and directories of
 * these descriptors (duck_path). Interrupted when the job is cancelled, closed when it ends. */
MUST_USE enum status export_job_duck(struct export_job *job, const int *files, size_t files_count,
                                     const int *directories, size_t directories_count,
                                     struct duck **duck, struct error *err);

/* Where the result goes. Gone when the job ends, unless it was committed. */
MUST_USE enum status export_job_place(struct export_job *job, const struct export_output *output,
                                      struct place **place, struct error *err);

/* The result is complete: makes it appear, or keeps its descriptor. */
MUST_USE enum status export_job_finish(struct export_job *job, uint64_t rows, struct error *err);

/* For kinds that make no file. */
struct export_result *export_job_set_result(struct export_job *job);

struct export *export_job_export(struct export_job *job);
const struct export_options *export_job_options(const struct export_job *job);

#endif
