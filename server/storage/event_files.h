/* Event files: sorted events of one table on their way into sorted files, of a bounded size each.
 * Behind the events of an entity the files delete its partials that cover them.
 *
 * Private to storage/. Thread: one at a time; event_files_init, the writer's. */
#ifndef ASOF_STORAGE_EVENT_FILES_H
#define ASOF_STORAGE_EVENT_FILES_H

#include "storage/range.h"
#include "storage/sorted_file.h"

/* An event of the table. They are sorted by entity, time and identity, which is the order of their
 * keys. */
struct sorted_event {
    struct bytes entity;
    int64_t time_us;
    struct bytes identity;
    struct bytes row;
};

struct event_files {
    struct storage *storage; /* borrowed */
    uint32_t table_id;
    uint32_t levels;          /* of partials that the table may have */
    struct bytes prefix;      /* borrowed: what the paths begin with */
    struct sorted_file *file; /* owned: the one at hand, or NULL */
    char **paths; /* owned, as each: paths_count of them, NULL where the file was moved */
    size_t paths_count;
    struct buffer
        key; /* owned: of the event at hand; before its time as that of its entity's others */
    size_t entity_size; /* of the table and the entity, with which key begins; 0: there is none */
    int64_t oldest_us;  /* of the entity's events so far */
    int64_t newest_us;
    struct buffer partial_key; /* owned: scratch */
    struct range partials;     /* of the table, while entities_left is not 0 */
    size_t entities_left;
};

void event_files_init(struct event_files *files, struct storage *storage, uint32_t table_id,
                      struct bytes prefix);

/* Removes the files that are left. */
void event_files_fini(struct event_files *files);

/* Puts an event; keys ascend, and of those with the same key the first counts. */
MUST_USE enum status event_files_put(struct event_files *files, const struct sorted_event *event,
                                     struct error *err);

/* Ends the last file. */
MUST_USE enum status event_files_finish(struct event_files *files, struct error *err);

#endif
