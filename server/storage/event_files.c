#include "storage/event_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "storage/partials.h"

enum {
    FILE_SIZE_MAX = 128 * 1024 * 1024, /* about */
    SCAN_ENTITIES_MAX =
        1000,        /* whose partials are looked for by one cursor, which is to be closed soon */
    PATH_EXTRA = 32, /* what a path has behind the prefix */
};

void event_files_init(struct event_files *files, struct storage *storage, uint32_t table_id,
                      struct bytes prefix)
{
    *files = (struct event_files){.storage = storage,
                                  .table_id = table_id,
                                  .levels = partials_levels(storage, table_id),
                                  .prefix = prefix};
}

void event_files_fini(struct event_files *files)
{
    sorted_file_destroy(&files->file);
    range_close(&files->partials);
    for (size_t i = 0; i < files->paths_count; i++) {
        if (files->paths[i] != NULL)
            (void)unlink(files->paths[i]);
        free(files->paths[i]);
    }
    free(files->paths);
    buffer_fini(&files->key);
    buffer_fini(&files->partial_key);
    *files = (struct event_files){0};
}

static enum status open_file(struct event_files *files, struct error *err)
{
    size_t size = files->prefix.size + PATH_EXTRA;
    char *path = malloc(size);
    CHECK(path != NULL);
    (void)snprintf(path, size, "%.*s-%zu.sst", BYTES_ARGS(files->prefix), files->paths_count);
    files->paths = reallocarray(files->paths, files->paths_count + 1, sizeof(*files->paths));
    CHECK(files->paths != NULL);
    files->paths[files->paths_count++] = path;
    return sorted_file_create(files->storage, path, &files->file, err);
}

static enum status close_file(struct event_files *files, struct error *err)
{
    enum status status = sorted_file_finish(files->file, err);
    sorted_file_destroy(&files->file);
    return status;
}

/* Makes sure that there is a file with room. */
static enum status find_room(struct event_files *files, struct error *err)
{
    enum status status = STATUS_OK;
    if (files->file != NULL && sorted_file_size_bytes(files->file) > FILE_SIZE_MAX)
        status = close_file(files, err);
    if (status == STATUS_OK && files->file == NULL)
        status = open_file(files, err);
    return status;
}

static enum status put_deletion(struct event_files *files, struct bytes key, struct error *err)
{
    enum status status = find_room(files, err);
    return status == STATUS_OK ? sorted_file_delete(files->file, key, err) : status;
}

/* ---- partials ---- */

static void set_partial_key(struct event_files *files, int64_t end_us)
{
    files->partial_key.start = files->partial_key.size = 0;
    buffer_append(&files->partial_key, bytes_of(files->key.memory, files->entity_size));
    buffer_append_byte(&files->partial_key, KIND_PARTIAL);
    key_append_time(&files->partial_key, end_us);
}

/* Deletes what may cover the newest event: chunks of larger levels end later, or at the same time,
 * which is the order of the keys. */
static enum status delete_covering(struct event_files *files, struct error *err)
{
    enum status status = STATUS_OK;
    for (unsigned level = 0; level < CHUNK_LEVELS && status == STATUS_OK; level++) {
        if (!(files->levels >> level & 1))
            continue;
        set_partial_key(files, chunk_end_us(files->newest_us, level));
        buffer_append_byte(&files->partial_key, (char)level);
        status = put_deletion(files, buffer_bytes(&files->partial_key), err);
    }
    return status;
}

/* Deletes the partials that end behind the oldest event and not behind the newest. *is_there: there
 * are some that end behind the oldest. */
static enum status delete_between(struct event_files *files, bool *is_there, struct error *err)
{
    struct range *range = &files->partials;
    size_t prefix_size = files->entity_size + KIND_SIZE;
    enum status status;
    set_partial_key(files, files->oldest_us + 1);
    range_seek(range, buffer_bytes(&files->partial_key));
    while ((status = range_status(range, err)) == STATUS_OK) {
        struct bytes key = range_key(range);
        bool is_partial = key.size == prefix_size + TIME_SIZE + LEVEL_SIZE &&
                          memcmp(key.data, files->partial_key.memory, prefix_size) == 0;
        *is_there |= is_partial;
        if (!is_partial || be64_read_signed(key.data + prefix_size) > files->newest_us)
            break;
        status = put_deletion(files, key, err);
        if (status != STATUS_OK)
            break;
        range_next(range);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static void open_partials(struct event_files *files)
{
    static const struct storage_reading newest;
    range_close(&files->partials);
    files->partials = (struct range){0};
    be32_write(buffer_reserve(&files->partials.lower, TABLE_SIZE), files->table_id);
    buffer_added(&files->partials.lower, TABLE_SIZE);
    be32_write(buffer_reserve(&files->partials.upper, TABLE_SIZE), files->table_id + 1);
    buffer_added(&files->partials.upper, TABLE_SIZE);
    range_open(&files->partials, files->storage, &newest, FAMILY_EVENTS);
    files->entities_left = SCAN_ENTITIES_MAX;
}

/* Ends with the entity at hand: no partial covers an event of it. */
static enum status leave_entity(struct event_files *files, struct error *err)
{
    bool is_there = false;
    if (files->entity_size == 0 || files->levels == 0)
        return STATUS_OK;
    if (files->entities_left == 0)
        open_partials(files);
    files->entities_left--;
    enum status status = delete_between(files, &is_there, err);
    return status == STATUS_OK && is_there ? delete_covering(files, err) : status;
}

/* ---- events ---- */

/* Makes the event's entity the one at hand. */
static enum status enter_entity(struct event_files *files, const struct sorted_event *event,
                                struct error *err)
{
    enum status status = leave_entity(files, err);
    files->key.start = files->key.size = 0;
    key_append_prefix(&files->key, files->table_id, event->entity, KIND_EVENT);
    files->entity_size = files->key.size - KIND_SIZE;
    files->oldest_us = event->time_us;
    return status;
}

enum status event_files_put(struct event_files *files, const struct sorted_event *event,
                            struct error *err)
{
    enum status status = STATUS_OK;
    struct bytes before = bytes_of(files->key.memory, files->key.size);
    size_t head_size = files->entity_size + KIND_SIZE;
    bool is_same = files->entity_size > 0 &&
                   bytes_equal(event->entity,
                               bytes_of(before.data + TABLE_SIZE, files->entity_size - TABLE_SIZE));
    if (is_same && event->time_us == files->newest_us &&
        bytes_equal(event->identity, bytes_after(before, head_size + TIME_SIZE)))
        return STATUS_OK;
    if (!is_same)
        status = enter_entity(files, event, err);
    files->newest_us = event->time_us;
    files->key.size = files->entity_size + KIND_SIZE;
    key_append_time(&files->key, event->time_us);
    buffer_append(&files->key, event->identity);
    if (status == STATUS_OK)
        status = find_room(files, err);
    return status == STATUS_OK
               ? sorted_file_put(files->file, buffer_bytes(&files->key), event->row, err)
               : status;
}

enum status event_files_finish(struct event_files *files, struct error *err)
{
    enum status status = leave_entity(files, err);
    files->entity_size = 0;
    range_close(&files->partials);
    files->partials = (struct range){0};
    if (status == STATUS_OK && files->file != NULL)
        status = close_file(files, err);
    return status;
}
