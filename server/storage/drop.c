/* Drop: empties a table, a bounded piece at a time. Whole files go at once; what lies in memory and
 * at the edges of files that hold other tables too is deleted key by key, and compactions free it.
 * A range tombstone would be one write, but 7.8 has errors there, and all readers of the family
 * would step around it. */
#include "base/endian.h"
#include "storage/range.h"

/* The families in which a key begins with its table. */
static const enum family table_families[] = {FAMILY_EVENTS};

enum { TABLE_FAMILIES_COUNT = sizeof(table_families) / sizeof(table_families[0]) };

/* One piece on its way. A position is the index of a family as a byte, and the key deleted last. */
struct piece {
    struct storage *storage;
    struct batch *batch;
    uint32_t table_id;
    size_t left;             /* keys that may still be deleted */
    struct buffer *position; /* borrowed */
};

static void append_table(struct buffer *key, uint32_t table_id)
{
    be32_write(buffer_reserve(key, TABLE_SIZE), table_id);
    buffer_added(key, TABLE_SIZE);
}

static void set_position(struct piece *piece, size_t family, struct bytes key)
{
    piece->position->start = piece->position->size = 0;
    buffer_append_byte(piece->position, (char)family);
    buffer_append(piece->position, key);
}

/* Deletes keys of a family, from the key on, until enough are or there are no more. */
static enum status drop_keys(struct piece *piece, size_t family, struct range *range,
                             struct bytes from, struct error *err)
{
    static const struct storage_reading newest;
    enum status status;
    range_open(range, piece->storage, &newest, table_families[family]);
    range_seek(range, from);
    while ((status = range_status(range, err)) == STATUS_OK && piece->left > 0) {
        batch_delete(piece->batch, piece->storage, table_families[family], range_key(range));
        if (--piece->left == 0)
            set_position(piece, family, range_key(range));
        range_next(range);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* from: where to go on in this family; empty: it is begun. */
static enum status drop_family(struct piece *piece, size_t family, struct bytes from,
                               struct error *err)
{
    struct range range = {0};
    append_table(&range.lower, piece->table_id);
    append_table(&range.upper, piece->table_id + 1);
    struct bytes lower = buffer_bytes(&range.lower);
    enum status status = STATUS_OK;
    if (from.size == 0)
        status = storage_drop_files(piece->storage, table_families[family], lower,
                                    buffer_bytes(&range.upper), err);
    if (status == STATUS_OK)
        status = drop_keys(piece, family, &range, from.size > 0 ? from : lower, err);
    range_close(&range);
    return status;
}

enum status storage_drop_table(struct storage *storage, uint32_t table_id, size_t keys_max,
                               struct buffer *position, bool *is_done, struct error *err)
{
    enum status status = STATUS_OK;
    struct piece piece = {.storage = storage,
                          .batch = batch_create(),
                          .table_id = table_id,
                          .left = keys_max,
                          .position = position};
    struct buffer from = {0};
    buffer_append(&from, buffer_bytes(position));
    size_t family = from.size > 0 ? (unsigned char)buffer_bytes(&from).data[0] : 0;
    struct bytes key = from.size > 0 ? bytes_after(buffer_bytes(&from), 1) : (struct bytes){0};
    for (; family < TABLE_FAMILIES_COUNT && status == STATUS_OK && piece.left > 0; family++) {
        status = drop_family(&piece, family, key, err);
        key = (struct bytes){0};
    }
    if (status == STATUS_OK && !batch_is_empty(piece.batch))
        status = storage_write(storage, piece.batch, false, err);
    *is_done = status == STATUS_OK && piece.left > 0;
    if (*is_done)
        storage_flush_events(storage);
    batch_destroy(&piece.batch);
    buffer_fini(&from);
    return status;
}
