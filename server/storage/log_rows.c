/* The embedded log: blocks of raw events of a source, in order. */
#include <stdlib.h>

#include "base/check.h"
#include "base/endian.h"
#include "storage/range.h"

enum {
    SOURCE_SIZE = 4,
    LOG_KEY_SIZE = 12, /* source id, first sequence */
};

static void log_key_write(char key[LOG_KEY_SIZE], uint32_t source_id, uint64_t sequence)
{
    be32_write(key, source_id);
    be64_write(key + SOURCE_SIZE, sequence);
}

void batch_put_log(struct batch *batch, struct storage *storage, uint32_t source_id,
                   uint64_t first_sequence, struct bytes block)
{
    char key[LOG_KEY_SIZE];
    log_key_write(key, source_id, first_sequence);
    batch_put(batch, storage, FAMILY_LOG, bytes_of(key, sizeof(key)), block);
}

void batch_delete_log(struct batch *batch, struct storage *storage, uint32_t source_id,
                      uint64_t first_sequence)
{
    char key[LOG_KEY_SIZE];
    log_key_write(key, source_id, first_sequence);
    batch_delete(batch, storage, FAMILY_LOG, bytes_of(key, sizeof(key)));
}

/* ---- reading ---- */

struct log_cursor {
    struct range range;
    bool is_started;
};

struct log_cursor *log_cursor_open(struct storage *storage, uint32_t source_id, uint64_t sequence)
{
    static const struct storage_reading newest;
    char key[LOG_KEY_SIZE];
    struct log_cursor *cursor = calloc(1, sizeof(*cursor));
    CHECK(cursor != NULL && source_id < UINT32_MAX);
    log_key_write(key, source_id, 0);
    buffer_append(&cursor->range.lower, bytes_of(key, sizeof(key)));
    log_key_write(key, source_id + 1, 0);
    buffer_append(&cursor->range.upper, bytes_of(key, sizeof(key)));
    range_open(&cursor->range, storage, &newest, FAMILY_LOG);

    log_key_write(key, source_id, sequence);
    range_seek_for_prev(&cursor->range, bytes_of(key, sizeof(key)));
    if (range_status(&cursor->range, NULL) != STATUS_OK)
        range_seek(&cursor->range, bytes_of(key, sizeof(key)));
    return cursor;
}

void log_cursor_close(struct log_cursor **cursor)
{
    if (*cursor == NULL)
        return;
    range_close(&(*cursor)->range);
    free(*cursor);
    *cursor = NULL;
}

enum status log_cursor_next(struct log_cursor *cursor, uint64_t *first_sequence,
                            struct bytes *block, struct error *err)
{
    if (cursor->is_started)
        range_next(&cursor->range);
    cursor->is_started = true;
    enum status status = range_status(&cursor->range, err);
    if (status != STATUS_OK)
        return status;
    struct bytes key = range_key(&cursor->range);
    if (key.size != LOG_KEY_SIZE)
        return error_set(err, STATUS_CORRUPT, "the key of a log block has a wrong size");
    *first_sequence = be64_read(key.data + SOURCE_SIZE);
    *block = range_value(&cursor->range);
    return STATUS_OK;
}
