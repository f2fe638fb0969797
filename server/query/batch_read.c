#include "query/batch_read.h"

#include "features/batch_row.h"

/* One read under way. */
struct batch_reading {
    struct storage *storage;
    struct storage_reading reading;
    const struct target *target;
    const struct question *question;
    struct buffer row; /* owned */
};

/* Reads the row of all writes; empty where there is none. */
static enum status read_row(struct batch_reading *batch, struct error *err)
{
    batch->row.start = batch->row.size = 0;
    enum status status =
        storage_get_batch_row(batch->storage, &batch->reading, batch->target->version->table_id,
                              batch->target->entity, &batch->row, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* There are writes behind T: those before it tell. Row and writes are of one moment. */
static enum status read_writes(struct batch_reading *batch, struct arena *arena,
                               struct answer *answer, int64_t *next_us, struct error *err)
{
    const struct question *question = batch->question;
    const struct timeline_bounds bounds = {
        .t_us = question->t_us - question->is_exclusive,
        .oldest_us = INT64_MIN,
        .has_base = batch->target->view->history_us != DURATION_NONE,
    };
    struct timeline *timeline =
        timeline_open_within(batch->storage, &batch->reading, batch->target->version->table_id,
                             batch->target->entity, &bounds);
    enum status status = read_row(batch, err);
    const struct batch_source source = {.row = buffer_bytes(&batch->row),
                                        .is_row_known = true,
                                        .back = timeline_back,
                                        .timeline = timeline};
    if (status == STATUS_OK)
        status = batch_answer(question, &source, arena, answer, err);
    if (status == STATUS_OK && next_us != NULL)
        status = timeline_next_us(timeline, next_us, err);
    timeline_close(&timeline);
    return status;
}

enum status batch_read(struct storage *storage, const struct storage_reading *reading,
                       const struct target *target, const struct question *question,
                       struct arena *arena, struct answer *answer, int64_t *next_us,
                       struct error *err)
{
    struct batch_reading batch = {
        .storage = storage, .reading = *reading, .target = target, .question = question};
    struct storage_snapshot *snapshot = NULL;
    enum status status = read_row(&batch, err);
    const struct batch_source source = {.row = buffer_bytes(&batch.row), .is_row_known = true};
    if (status == STATUS_OK)
        status = batch_answer(question, &source, arena, answer, err);
    if (status == STATUS_OK && next_us != NULL)
        *next_us = INT64_MAX;
    if (status == STATUS_NOT_FOUND) {
        if (reading->snapshot == NULL)
            batch.reading.snapshot = snapshot =
                storage_snapshot_take(storage, reading->never_waits);
        status = read_writes(&batch, arena, answer, next_us, err);
        storage_snapshot_release(&snapshot);
    }
    buffer_fini(&batch.row);
    return status;
}
