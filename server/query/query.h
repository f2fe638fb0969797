/* Query: from a question to an answer: names, versions, moments, statuses. The life of a read is
 * told in query.c.
 *
 * Each thread that reads has a query of its own; they share the catalog, the storage and its
 * finished rows.
 *
 * Thread: the one that owns it. Reads storage, changes nothing. */
#ifndef ASOF_QUERY_QUERY_H
#define ASOF_QUERY_QUERY_H

#include "base/arena.h"
#include "model/answer.h"
#include "query/catalog.h"
#include "storage/storage.h"

struct query;
struct view_plan;

struct query_options {
    struct storage *storage; /* borrowed, as all of these */
    struct catalog_board *board;
    struct epoch *epoch;
};

/* Owned by the caller. */
struct query *query_create(const struct query_options *options);
void query_destroy(struct query **query);

/* What targets and registries a query gave stays good between begin and end, which stand around a
 * piece of work that does not sleep. Both may be said again. */
void query_begin(struct query *query);
void query_end(struct query *query);

/* Goes over to the definitions in force: before each command that shall see the newest. */
void query_refresh(struct query *query);

/* Whether reads wait for the disk (as at first), or say AGAIN where they would have to. */
void query_set_waiting(struct query *query, bool may_wait);

/* Reads ask the patience (borrowed; NULL: as at first, endless) on their way, and say CANCELLED
 * where it has ended. */
void query_set_patience(struct query *query, const struct patience *patience);
bool query_may_go_on(const struct query *query);

/* From here to the unpin, `now` stands still, and, with a snapshot, so does what is stored; between
 * begin and end. Without one, all reads saw one state if storage_changes was the same even number
 * before the pin and after the last read. */
void query_pin(struct query *query, bool with_snapshot);
void query_unpin(struct query *query);
/* A now of all that can be read, for answers that are read in several pieces. Owned by the caller;
 * destroy accepts NULL. */
struct query_now;
struct query_now *query_now_take(const struct query *query);
void query_now_destroy(struct query_now **now);

/* Pins go by that now (borrowed) until it is forgotten. UNAVAILABLE: the definitions in force are
 * others than when it was taken; err says so. */
MUST_USE enum status query_keep_now(struct query *query, const struct query_now *now,
                                    struct error *err);
void query_forget_now(struct query *query);

bool query_is_pinned(const struct query *query);

/* See storage_changes. */
uint64_t query_storage_changes(const struct query *query);

/* The definitions that this query reads by; good until the end. */
const struct registry *query_registry(const struct query *query);

/* Tells those definitions apart from all others. */
uint64_t query_catalog_number(const struct query *query);

/* Request values, for the on-demand views that a target reads. */
struct request {
    const struct value *const *values; /* of each of them, one a field of its request */
};

/* A timeline that a key names: "view:entity", "view@2:entity". */
struct target {
    const struct view_definition *view;
    const struct view_version *version;
    struct bytes entity;          /* encoded, in the arena of the call that found it */
    const struct view_plan *plan; /* NULL of a derived view, which has no timeline of its own */
    const struct readable *readable;
    const struct request *request; /* NULL: none was given, all are NULL */
};

/* Splits "view@2", and "view" with 0 for its number. false: the number is none. */
MUST_USE bool query_split_version(struct bytes text, struct bytes *view, uint32_t *number);

/* Finds what key names. NOT_FOUND: outside all views (err says so). UNAVAILABLE: the view is being
 * filled and not shown yet, or a derived view lacks something. INVALID: not an entity of this view
 * (wrong number of keys, no int). */
MUST_USE enum status query_find(struct query *query, struct bytes key, struct arena *arena,
                                struct target *target, struct error *err);

/* The same of a view alone, by its name and the number of a version (0: the active one): all but
 * the target's entity. */
MUST_USE enum status query_find_view(struct query *query, struct bytes name, uint32_t number,
                                     struct target *target, struct error *err);

/* Whether something that the target reads takes a request value of that name. */
bool query_takes_request(const struct target *target, struct bytes name);

/* Gives the target request values by their names and texts, count of both; memory is in the arena.
 * INVALID: nothing that it reads takes such a value, or the text is not of its type. */
MUST_USE enum status query_set_request(struct target *target, const struct bytes *names,
                                       const struct bytes *texts, size_t count, struct arena *arena,
                                       struct error *err);

/* `now` by the clock of the view's source; of a derived view, the wall clock. */
int64_t query_now_us(const struct query *query, const struct target *target);

/* Reads the features (indexes into target->view->features; NULL: all) as of moment, into the arena.
 * Where T is out of history every status says so and every value is NULL; of a derived view, those
 * that come of that view. All views that a derived one reads are read as of one moment, each by its
 * own clock where that is now, and in one state. IO, CORRUPT: err. AGAIN: it would have to wait for
 * the disk. */
MUST_USE enum status query_read(struct query *query, const struct target *target,
                                const uint32_t *features, size_t features_count,
                                struct moment moment, struct arena *arena, struct answer *answer,
                                struct error *err);

enum { QUERY_TEXTS_SIZE_MAX = 128 * 1024 * 1024 }; /* of the values of one read */

/* What one of the views says that a derived one reads. */
struct answer_part {
    const struct view_definition *view;
    int64_t t_us;
    bool is_out_of_history;
    bool is_found;
    int64_t event_time_us; /* where found */
};

/* An answer as doors write it. */
struct text_answer {
    int64_t
        t_us; /* as in struct answer, down to the statuses; of a derived view the latest of parts */
    bool is_out_of_history;                   /* of a derived view: one of parts is */
    const struct view_definition *short_view; /* which; NULL: the view that was asked */
    bool is_found;
    int64_t event_time_us;     /* where found */
    const struct bytes *texts; /* as value_append_text; data NULL: NULL or an overflow */
    const enum feature_status *statuses;
    size_t count; /* of both: as many as were asked */
    size_t overflows_count;
    const struct answer_part *parts; /* of a derived view: one a view that it reads; else none */
    size_t parts_count;
};

/* Reads as query_read, and by way of finished rows where moment is now (storage/hot.h). The answer
 * is in the arena and borrows from those rows, as hot_find says how long. LIMIT: the values are
 * larger than QUERY_TEXTS_SIZE_MAX; IO, CORRUPT: err. */
MUST_USE enum status query_read_texts(struct query *query, const struct target *target,
                                      const uint32_t *features, size_t features_count,
                                      struct moment moment, struct arena *arena,
                                      struct text_answer *answer, struct error *err);

/* The same as of now_us, which query_now_us said behind the arrival of the request, where a
 * finished row answers, without the storage. false: query_read_texts may. */
MUST_USE bool query_peek_texts(struct query *query, const struct target *target,
                               const uint32_t *features, size_t features_count, int64_t now_us,
                               struct arena *arena, struct text_answer *answer);

/* Fetches ahead what peeks will look at: first the places of all, then the rows at these places. */
uint64_t query_prefetch_place(struct query *query, const struct target *target);
void query_prefetch_row(struct query *query, uint64_t place);

struct hot_row;

/* The finished row of the entity at that place, if it holds at counted_us, or NULL; borrowed as
 * hot_find says. NULL as well where an older state is read. */
const struct hot_row *query_peek_row(struct query *query, const struct target *target,
                                     uint64_t place, int64_t counted_us);

/* Counts reads that such rows answered. */
void query_count_rows(struct query *query, size_t count);

/* Takes the key of an entity that is found as of the moment; borrowed for the call. */
typedef void (*scan_emit_fn)(void *context, struct bytes key);

/* Goes on through the entities of all active views, in the order of their names and keys, behind
 * position (empty: from the start), examining at most examined_max of them; calls emit for those
 * not `not_found`. Leaves in position where to go on, empty at the end. INVALID: the moment is out
 * of the history of a view on the way. AGAIN: it would have to wait for the disk; what was emitted
 * and position are to be thrown away. */
MUST_USE enum status query_scan(struct query *query, struct buffer *position, size_t examined_max,
                                struct moment moment, scan_emit_fn emit, void *context,
                                struct error *err);

/* Goes through the entities that have something stored in one version, "view" or "view@2", behind
 * the entity `after` (as it is typed; empty: from the first), at most entities_max of them, in the
 * order of their keys; calls emit with each as it is typed. Errors as query_find says, and as
 * query_scan. */
MUST_USE enum status query_list_entities(struct query *query, struct bytes version,
                                         struct bytes after, size_t entities_max,
                                         struct arena *arena, scan_emit_fn emit, void *context,
                                         struct error *err);

#endif
