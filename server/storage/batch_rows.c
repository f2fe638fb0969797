#include "storage/batch_rows.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/endian.h"
#include "features/batch_row.h"

void written_tables_fini(struct written_tables *written)
{
    free(written->tables);
    *written = (struct written_tables){0};
}

static bool written_tables_have(const struct written_tables *written, uint32_t table_id)
{
    for (size_t i = 0; i < written->count; i++)
        if (written->tables[i] == table_id)
            return true;
    return false;
}

void written_tables_add(struct written_tables *written, uint32_t table_id)
{
    if (written_tables_have(written, table_id))
        return;
    if (written->count == written->capacity) {
        written->capacity = written->capacity > 0 ? 2 * written->capacity : 4;
        written->tables =
            reallocarray(written->tables, written->capacity, sizeof(*written->tables));
        CHECK(written->tables != NULL);
    }
    written->tables[written->count++] = table_id;
}

/* The rows of one batch on their way. */
struct update {
    struct batch *batch;
    struct storage *storage;
    const struct sorted_puts *puts;
    struct batch_row row; /* its cells are owned here */
    struct buffer stored; /* owned, as all below: the row as it was */
    struct buffer key;
    struct buffer bytes;
};

static enum status corrupt(struct error *err)
{
    return error_set(err, STATUS_CORRUPT, "a row of writes of a batch view can't be read");
}

/* Takes in the row as it was. */
static enum status update_start(struct update *update, uint32_t table_id, struct bytes entity,
                                struct error *err)
{
    const struct storage_reading newest = {0};
    batch_row_reset(&update->row);
    update->stored.start = update->stored.size = 0;
    enum status status =
        storage_get_batch_row(update->storage, &newest, table_id, entity, &update->stored, err);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    return batch_row_take(&update->row, buffer_bytes(&update->stored)) ? STATUS_OK : corrupt(err);
}

static enum status update_take(struct update *update, size_t put, struct error *err)
{
    size_t head_size = sorted_puts_head(update->puts, put).size;
    struct bytes tail = bytes_after(sorted_puts_key(update->puts, put), head_size + KIND_SIZE);
    const struct batch_stamp stamp = {.time_us = be64_read_signed(tail.data),
                                      .identity = bytes_after(tail, TIME_SIZE)};
    return batch_row_take_write(&update->row, &stamp, sorted_puts_value(update->puts, put))
               ? STATUS_OK
               : corrupt(err);
}

/* Updates the row of one entity, of which the puts are from first up to end. */
static enum status update_entity(struct update *update, size_t first, size_t end, struct error *err)
{
    struct bytes head = sorted_puts_head(update->puts, first);
    struct bytes entity = bytes_after(head, TABLE_SIZE);
    uint32_t table_id = be32_read(head.data);
    enum status status = update_start(update, table_id, entity, err);
    for (size_t i = first; i < end && status == STATUS_OK; i++)
        status = update_take(update, i, err);
    if (status != STATUS_OK)
        return status;
    update->key.start = update->key.size = 0;
    update->bytes.start = update->bytes.size = 0;
    key_append_prefix(&update->key, table_id, entity, KIND_ROW);
    batch_row_encode(&update->row, &update->bytes);
    batch_put(update->batch, update->storage, FAMILY_EVENTS, buffer_bytes(&update->key),
              buffer_bytes(&update->bytes));
    return STATUS_OK;
}

static enum status update_all(struct update *update, const struct written_tables *written,
                              struct error *err)
{
    enum status status = STATUS_OK;
    size_t end;
    for (size_t first = 0; first < update->puts->count && status == STATUS_OK; first = end) {
        struct bytes head = sorted_puts_head(update->puts, first);
        end = first + 1;
        while (end < update->puts->count && bytes_equal(sorted_puts_head(update->puts, end), head))
            end++;
        if (written_tables_have(written, be32_read(head.data)))
            status = update_entity(update, first, end, err);
    }
    return status;
}

enum status batch_rows_update(struct batch *batch, struct storage *storage,
                              const struct written_tables *written, const struct sorted_puts *puts,
                              struct error *err)
{
    struct update update = {.batch = batch, .storage = storage, .puts = puts};
    if (written->count == 0)
        return STATUS_OK;
    update.row.cells = calloc(VIEW_FEATURES_MAX, sizeof(*update.row.cells));
    update.row.cells_max = VIEW_FEATURES_MAX;
    CHECK(update.row.cells != NULL);
    enum status status = update_all(&update, written, err);
    free(update.row.cells);
    buffer_fini(&update.stored);
    buffer_fini(&update.key);
    buffer_fini(&update.bytes);
    return status;
}
