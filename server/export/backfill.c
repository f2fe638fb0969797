#include "export/backfill.h"

#include <stdio.h>
#include <unistd.h>

#include "base/number.h"
#include "export/backfill_file.h"
#include "export/export_room.h"

enum {
    SORT_MEMORY_PART = 2, /* of a job's memory: DuckDB reads row group by row group */
    SORT_MEMORY_MAX = 256 * 1024 * 1024,
    AGAIN_PAUSE_US = 5000, /* while the database makes room for files */
};

/* One job on its way. */
struct work {
    struct export_job *job;
    const struct backfill_spec *spec;
    const struct backfill_taker *taker;
    void *backfill;    /* owned: the taker's */
    struct duck *duck; /* the job's; NULL: no file needed it yet */
    struct backfill_tally total;
    uint64_t files_known;
    uint64_t rows_before; /* of the files before the one at hand */
};

/* "view@2" to its parts. */
static enum status split_name(struct bytes text, struct bytes *view, uint32_t *version,
                              struct error *err)
{
    int64_t number = 0;
    const char *at = text.size == 0 ? NULL : memchr(text.data, '@', text.size);
    *view = text;
    *version = 0;
    if (at == NULL)
        return STATUS_OK;
    *view = bytes_of(text.data, (size_t)(at - text.data));
    struct bytes digits = bytes_after(text, view->size + 1);
    if (number_parse_int(digits, &number) != NUMBER_OK || number < 1 || number > UINT32_MAX)
        return error_set(err, STATUS_INVALID, "'%.*s' is no view; VIEW or VIEW@2 would be right",
                         BYTES_ARGS(text));
    *version = (uint32_t)number;
    return STATUS_OK;
}

static enum status begin(struct work *work, struct error *err)
{
    char spool[PLACE_PATH_SIZE_MAX + 1];
    const struct export_options *options = export_job_options(work->job);
    struct backfill_start start = {.has_until = work->spec->has_until,
                                   .until_us = work->spec->until_us,
                                   .spool = spool,
                                   .memory_bytes = options->memory_bytes / SORT_MEMORY_PART};
    if (start.memory_bytes > SORT_MEMORY_MAX)
        start.memory_bytes = SORT_MEMORY_MAX;
    snprintf(spool, sizeof(spool), "%s/spool", options->data);
    enum status status = split_name(work->spec->view, &start.view, &start.version, err);
    return status == STATUS_OK
               ? work->taker->begin(options->taker_context, &start, &work->backfill, err)
               : status;
}

static enum status take(void *context, const struct value *values, struct error *err)
{
    struct work *work = context;
    return work->taker->take(work->backfill, values, err);
}

static enum status take_json(void *context, struct bytes text, struct error *err)
{
    struct work *work = context;
    return work->taker->take_json(work->backfill, text, err);
}

static enum status check(void *context, uint64_t rows_done, uint64_t rows_total, struct error *err)
{
    struct work *work = context;
    bool is_last = work->spec->inputs_count == 1; /* of several the rows are not known before */
    export_job_tell(work->job, "reading", work->rows_before + rows_done, is_last ? rows_total : 0);
    return export_job_check(work->job, err);
}

/* DuckDB for all files of the job, once one of them needs it. */
static enum status find_duck(struct work *work, struct error *err)
{
    int descriptors[BACKFILL_FILES_MAX];
    if (work->duck != NULL)
        return STATUS_OK;
    for (size_t i = 0; i < work->spec->inputs_count; i++)
        descriptors[i] = work->spec->inputs[i].descriptor;
    return export_job_duck(work->job, descriptors, work->spec->inputs_count, NULL, 0, &work->duck,
                           err);
}

static enum status read_rows(struct work *work, const struct backfill_input *input,
                             struct error *err)
{
    static const enum backfill_format formats[] = {[EXPORT_PARQUET] = BACKFILL_PARQUET,
                                                   [EXPORT_CSV] = BACKFILL_CSV,
                                                   [EXPORT_NDJSON] = BACKFILL_NDJSON};
    const struct backfill_rows rows = {
        .context = work, .take = take, .take_json = take_json, .check = check};
    enum backfill_format format = formats[input->format];
    enum status status = format == BACKFILL_NDJSON ? STATUS_OK : find_duck(work, err);
    if (status == STATUS_OK)
        status = backfill_file_read(work->duck, input->descriptor, format,
                                    work->taker->view(work->backfill), &rows, err);
    return status;
}

/* Has the rows taken in; it may end between two pieces, as all can be done again. */
static enum status commit(struct work *work, struct error *err)
{
    enum status status;
    uint64_t rows = work->rows_before + work->taker->tally(work->backfill).rows;
    export_job_tell(work->job, "writing", rows, 0);
    while ((status = work->taker->commit_file(work->backfill, err)) == STATUS_AGAIN) {
        status = export_job_check(work->job, err);
        if (status != STATUS_OK)
            return status;
        usleep(AGAIN_PAUSE_US);
    }
    return status;
}

static enum status take_file(struct work *work, const struct backfill_input *input,
                             struct error *err)
{
    uint64_t hash[2];
    uint64_t size_bytes;
    bool is_known = false;
    enum status status = backfill_file_hash(input->descriptor, hash, &size_bytes, err);
    if (status == STATUS_OK)
        status = work->taker->begin_file(work->backfill, hash, size_bytes, &is_known, err);
    if (status == STATUS_OK && !is_known)
        status = read_rows(work, input, err);
    if (status == STATUS_OK && !is_known) {
        export_job_tell(work->job, "sorting",
                        work->rows_before + work->taker->tally(work->backfill).rows, 0);
        status = work->taker->finish_file(work->backfill, err);
    }
    if (status == STATUS_OK && !is_known)
        status = commit(work, err);
    if (status != STATUS_OK)
        return error_prefix(err, status, "file '%.*s'", BYTES_ARGS(input->name));
    const struct backfill_tally tally = work->taker->tally(work->backfill);
    work->total.rows += tally.rows;
    work->total.taken += tally.taken;
    work->rows_before += tally.rows;
    work->files_known += is_known;
    return STATUS_OK;
}

enum status backfill_run(struct export_job *job, struct error *err)
{
    struct work work = {
        .job = job, .spec = export_job_spec(job), .taker = export_job_options(job)->taker};
    export_job_set_subject(job, work.spec->view);
    if (work.spec->inputs_count == 0 || work.spec->inputs_count > BACKFILL_FILES_MAX)
        return error_set(err, STATUS_INVALID, "a backfill takes 1 to %d files, got %zu",
                         BACKFILL_FILES_MAX, work.spec->inputs_count);
    enum status status = begin(&work, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < work.spec->inputs_count && status == STATUS_OK; i++) {
        status = export_job_check(job, err);
        if (status == STATUS_OK)
            status = take_file(&work, &work.spec->inputs[i], err);
    }
    work.taker->end(work.backfill);
    struct export_result *result = export_job_set_result(job);
    result->rows = work.total.rows;
    result->taken = work.total.taken;
    result->skipped = work.total.rows - work.total.taken;
    result->files_known = work.files_known;
    return status;
}
