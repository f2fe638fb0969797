/* Sorted file: keys of the events family in a file that the database can take in as it is, without
 * its write-ahead log, its memory and most of its compactions.
 *
 * Private to storage/. Thread: a file belongs to one; taking files in, the writer's. */
#ifndef ASOF_STORAGE_SORTED_FILE_H
#define ASOF_STORAGE_SORTED_FILE_H

#include "storage/storage.h"

struct sorted_file;

/* Makes the file, which must be on the disk of the database to be taken in. Owned by the caller.
 * UNAVAILABLE: the disk is nearly full. IO: err. */
MUST_USE enum status sorted_file_create(struct storage *storage, const char *path,
                                        struct sorted_file **out, struct error *err);

/* Closes what was not finished; the file stays. Accepts NULL and leaves NULL behind. */
void sorted_file_destroy(struct sorted_file **file);

/* Puts a key, or says that it is deleted; keys come in ascending order, each once. IO: err. */
MUST_USE enum status sorted_file_put(struct sorted_file *file, struct bytes key, struct bytes value,
                                     struct error *err);
MUST_USE enum status sorted_file_delete(struct sorted_file *file, struct bytes key,
                                        struct error *err);

/* Of what was put, about as it lies on the disk. */
uint64_t sorted_file_size_bytes(const struct sorted_file *file);

/* Ends it, synced. It has a key at least. IO: err. */
MUST_USE enum status sorted_file_finish(struct sorted_file *file, struct error *err);

/* Whether the database can take files in without making reads or writes wait: else it has begun to
 * see to that, and is asked again a moment later. */
bool storage_can_ingest(struct storage *storage);

/* Takes in finished files that hold nothing but rows of one table, all of them or none, durably.
 * Their keys replace what is there, and are seen by every read that begins afterwards. The files
 * are moved. UNAVAILABLE: nothing was done, as the disk is nearly full or an earlier write failed.
 * IO: it is not known whether they are there; after storage_heal it is, and taking in the same rows
 * again changes nothing. */
MUST_USE enum status storage_ingest(struct storage *storage, uint32_t table_id,
                                    const char *const *paths, size_t count, struct error *err);

#endif
