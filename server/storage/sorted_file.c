#include "storage/sorted_file.h"

#include <stdlib.h>

#include "base/check.h"
#include "storage/database.h"
#include "storage/disk.h"

enum {
    LEVEL0_FILES_MAX =
        8, /* of the events family: more make reads look into each; 20 slow down writes */
    MEMTABLE_BYTES_MAX = 1024 * 1024, /* what may have to be flushed first, while writes wait */
    ROOM_BYTES = 64 * 1024 * 1024,    /* beside the file, for what the database itself writes */
};

struct sorted_file {
    rocksdb_envoptions_t *environment; /* owned, as the writer */
    rocksdb_sstfilewriter_t *writer;
};

enum status sorted_file_create(struct storage *storage, const char *path, struct sorted_file **out,
                               struct error *err)
{
    char *failure = NULL;
    enum status status = disk_check_room(storage->lock_fd, storage->path, ROOM_BYTES, err);
    if (status != STATUS_OK)
        return status;
    struct sorted_file *file = calloc(1, sizeof(*file));
    CHECK(file != NULL);
    file->environment = rocksdb_envoptions_create();
    file->writer =
        rocksdb_sstfilewriter_create(file->environment, storage->family_options[FAMILY_EVENTS]);
    rocksdb_sstfilewriter_open(file->writer, path, &failure);
    if (failure != NULL) {
        status = storage_failed("make a sorted file", failure, err);
        sorted_file_destroy(&file);
        return status;
    }
    *out = file;
    return STATUS_OK;
}

void sorted_file_destroy(struct sorted_file **file)
{
    if (*file == NULL)
        return;
    rocksdb_sstfilewriter_destroy((*file)->writer);
    rocksdb_envoptions_destroy((*file)->environment);
    free(*file);
    *file = NULL;
}

enum status sorted_file_put(struct sorted_file *file, struct bytes key, struct bytes value,
                            struct error *err)
{
    char *failure = NULL;
    rocksdb_sstfilewriter_put(file->writer, key.data, key.size, value.data, value.size, &failure);
    return failure == NULL ? STATUS_OK : storage_failed("write a sorted file", failure, err);
}

enum status sorted_file_delete(struct sorted_file *file, struct bytes key, struct error *err)
{
    char *failure = NULL;
    rocksdb_sstfilewriter_delete(file->writer, key.data, key.size, &failure);
    return failure == NULL ? STATUS_OK : storage_failed("write a sorted file", failure, err);
}

uint64_t sorted_file_size_bytes(const struct sorted_file *file)
{
    uint64_t size;
    rocksdb_sstfilewriter_file_size(file->writer, &size);
    return size;
}

enum status sorted_file_finish(struct sorted_file *file, struct error *err)
{
    char *failure = NULL;
    rocksdb_sstfilewriter_finish(file->writer, &failure);
    return failure == NULL ? STATUS_OK : storage_failed("write a sorted file", failure, err);
}

/* A number that the database tells of the events family; 0 where it does not. */
static uint64_t events_property(struct storage *storage, const char *name)
{
    uint64_t number = 0;
    char *text =
        rocksdb_property_value_cf(storage->database, storage->families[FAMILY_EVENTS], name);
    if (text != NULL)
        number = strtoull(text, NULL, 10);
    rocksdb_free(text);
    return number;
}

bool storage_can_ingest(struct storage *storage)
{
    struct error err;
    if (storage_can_write(storage, ROOM_BYTES, &err) != STATUS_OK)
        return true; /* storage_ingest will say why not */
    if (events_property(storage, "rocksdb.num-immutable-mem-table") > 0 ||
        events_property(storage, "rocksdb.num-files-at-level0") > LEVEL0_FILES_MAX)
        return false;
    if (events_property(storage, "rocksdb.cur-size-active-mem-table") <= MEMTABLE_BYTES_MAX)
        return true;
    storage_flush_events(storage);
    return false;
}

enum status storage_ingest(struct storage *storage, uint32_t table_id, const char *const *paths,
                           size_t count, struct error *err)
{
    char *failure = NULL;
    enum status status = storage_can_write(storage, ROOM_BYTES, err);
    if (status != STATUS_OK)
        return status;
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    rocksdb_ingestexternalfileoptions_set_allow_global_seqno(options, 1);
    atomic_fetch_add(&storage->changes, 1);
    rocksdb_ingest_external_file_cf(storage->database, storage->families[FAMILY_EVENTS], paths,
                                    count, options, &failure);
    hot_forget_table(storage->hot, table_id);
    atomic_fetch_add(&storage->changes, 1);
    rocksdb_ingestexternalfileoptions_destroy(options);
    if (failure == NULL)
        return STATUS_OK;
    storage_note_failure(storage);
    return storage_failed("take sorted files into the database", failure, err);
}
