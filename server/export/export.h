/* Export: work on whole tables, for files: snapshots, raw events, training sets, backfills. Each is
 * a job, which runs on a thread of export's own, in the background, and ends with a file or with a
 * sentence.
 *
 *     export_job_create -> fill export_job_spec -> export_post -> ... -> done -> export_job_release
 *
 * 1. At most jobs_max jobs wait or run, as many at once as there are threads; more are refused.
 * 2. A result appears whole or not at all: at its path on the server by a rename, after its bytes
 * are on disk, or as an open file without a name, which goes when it is closed.
 * 3. Paths lie in the directories of dirs, by whatever they are called: neither `..` nor a link
 * leads out.
 * 4. DATA/spool has what is needed while a job runs; it is emptied at the start.
 * 5. A job sees one state of storage and one moment, taken when it begins.
 *
 * A kind of job is a row of the table in jobs.c, a struct of its parameters and a function.
 *
 * Thread: any, where a function says nothing else. */
#ifndef ASOF_EXPORT_EXPORT_H
#define ASOF_EXPORT_EXPORT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "query/query.h"

enum {
    EXPORT_THREADS_MAX = 16,
    EXPORT_JOBS_MAX = 1000,
    EXPORT_PARTITION_KEYS_MAX = 8,
    EXPORT_BUCKETS_MAX = 1024,
    EXPORT_MEMORY_MIN_BYTES = 64 * 1024 * 1024, /* of a job: DuckDB needs some to begin with */
};

struct export;
struct backfill_taker;

struct export_options {
    struct query_options query; /* of what jobs read; borrowed */
    const char *data;           /* the server's directory; there is one */
    const char *dirs;           /* paths of directories, between them ':'; empty: none */
    const char *library;        /* see duck.h */
    size_t memory_bytes;        /* of a job */
    size_t threads;
    size_t jobs_max;
    const struct backfill_taker *taker; /* of the rows of backfills: see backfill.h; borrowed */
    void *taker_context;
};

/* Empties the spool. Owned by the caller. INVALID: dirs; IO: the spool. Thread: main, as the next.
 */
MUST_USE enum status export_create(const struct export_options *options, struct export **out,
                                   struct error *err);

/* After a stop, and after all jobs were released. Accepts NULL and leaves NULL behind. */
void export_destroy(struct export **export);

/* Stopping cancels all jobs and returns when each has said done; of what was not started it is
 * harmless. */
void export_start(struct export *export);
void export_stop(struct export *export);

/* ---- files ---- */

/* A new file in the spool, without a name: it is gone when closed. For what is uploaded: duck_path
 * names it. IO: err. */
MUST_USE enum status export_spool_open(struct export *export, int *descriptor, struct error *err);

/* A file that the server may read, by its whole path. INVALID: it does not lie in dirs, or is no
 * plain file. NOT_FOUND, IO: err. */
MUST_USE enum status export_input_open(struct export *export, struct bytes path, int *descriptor,
                                       struct error *err);

enum export_format { EXPORT_PARQUET, EXPORT_CSV, EXPORT_NDJSON };

/* Where a result goes. */
struct export_output {
    struct bytes server_path; /* the whole path in one of dirs; empty: a file without a name */
    enum export_format format;
    /* Of a snapshot, at a server_path, which is then a directory that does not exist yet:
     * partitions by these columns, or by a hash of the entity into so many buckets. */
    const struct bytes *partition_by;
    size_t partition_by_count;
    uint32_t hash_buckets;
};

/* ---- jobs ---- */

enum export_kind {
    EXPORT_SNAPSHOT,
    EXPORT_EVENTS,
    EXPORT_TRAINING,
    EXPORT_BACKFILL,
    EXPORT_KINDS_COUNT
};

/* "snapshot", ... */
const char *export_kind_name(enum export_kind kind);

struct export_job;

/* A job that is not posted yet. The caller holds it until the release. */
struct export_job *export_job_create(struct export *export, enum export_kind kind);

/* Its parameters, all zero at first: a struct KIND_spec, of the header of the kind. What these
 * point to is in the job's arena, or lives as long as the job. */
void *export_job_spec(struct export_job *job);
struct arena *export_job_arena(struct export_job *job);

typedef void (*export_done_fn)(void *context, struct export_job *job);

/* Takes the job up: done will be called once, on another thread, and soon. LIMIT: too many wait;
 * UNAVAILABLE: export is stopping: done will not be called. */
MUST_USE enum status export_post(struct export_job *job, export_done_fn done, void *context,
                                 struct error *err);

/* Has it end soon, by CANCELLED, if it has not ended yet. */
void export_job_cancel(struct export_job *job);

struct export_progress {
    const char *phase;   /* "waiting", "reading", "writing", ...: a literal */
    uint64_t rows_done;  /* of this phase */
    uint64_t rows_total; /* 0: not known */
    uint64_t bytes_done;
    uint64_t bytes_total;
    double seconds_left; /* negative: not known */
};

struct export_progress export_job_progress(struct export_job *job);

/* How it ended, once done was called. */
struct export_result {
    enum status status;
    struct error err; /* where status is not OK */
    uint64_t rows;
    uint64_t bytes;
    int descriptor; /* of the result, at its beginning; -1: it is at the server_path, or there is
                     * none. Closed with the job */
    uint64_t taken, skipped, files_known; /* of a backfill, see offline.proto */
};

const struct export_result *export_job_result(const struct export_job *job);

/* Says that the caller does not look at it any more; also of a job that was not posted. */
void export_job_release(struct export_job **job);

/* Appends what waits and runs, and the last that ended, as JSON: {"jobs": [{"id": 1, "kind":
 * "snapshot", "subject": "card_payments@1", "state": "running", ...}]}. */
void export_append_jobs(struct export *export, struct buffer *out);

/* ---- figures ---- */

#define EXPORT_COUNTERS(X)                                                                         \
    X(waiting, "Exports and backfills that wait for a thread.")                                    \
    X(running, "Exports and backfills that run.")                                                  \
    X(done_total, "Exports and backfills that ended well.")                                        \
    X(failed_total, "Exports and backfills that failed.")                                          \
    X(cancelled_total, "Exports and backfills that were cancelled.")                               \
    X(rows_total, "Rows that exports wrote and backfills read.")

struct export_counters {
#define EXPORT_COUNTER_FIELD(name, help) uint64_t name;
    EXPORT_COUNTERS(EXPORT_COUNTER_FIELD)
#undef EXPORT_COUNTER_FIELD
};

void export_read_counters(struct export *export, struct export_counters *counters);

#endif
