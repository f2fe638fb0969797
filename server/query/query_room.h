/* What the files of query/ share. Only they include it. */
#ifndef ASOF_QUERY_QUERY_ROOM_H
#define ASOF_QUERY_QUERY_ROOM_H

#include "query/query.h"

struct columns_plans;
struct derived_cache;

struct query {
    struct storage *storage;     /* borrowed */
    struct catalog_board *board; /* borrowed */
    struct epoch_reader *reader; /* owned */
    bool is_begun;
    const struct catalog *catalog; /* the board's; good while is_begun */
    struct storage_reading reading;
    struct storage_snapshot *snapshot;  /* owned, while pinned with one */
    const struct query_now *kept_now;   /* borrowed: what pins go by; NULL: the clocks */
    struct query_now *taken_now;        /* owned: of pins, where none is kept; used again */
    const struct query_now *pinned_now; /* one of these two, while pinned */
    struct query_now
        *snapshot_now; /* owned: the clocks behind the taking of the snapshot, while there is one */
    struct arena *scan_arena;      /* owned: until the next entity of a scan */
    struct derived_cache *derived; /* owned: compiled on-demand views */
    struct buffer key;             /* owned: an entity that is being encoded */
    struct columns_plans *plans;   /* owned: what names of columns stand for */
};

/* What is asked of a target of a view that is not derived: the moment, with now as now_us. */
struct reading {
    const uint32_t *features; /* NULL: all */
    size_t features_count;
    struct moment moment;
    int64_t now_us;
};

/* As query_read and query_read_texts. */
MUST_USE enum status query_read_base(struct query *query, const struct target *target,
                                     const struct reading *reading, struct arena *arena,
                                     struct answer *answer, struct error *err);
MUST_USE enum status query_read_base_texts(struct query *query, const struct target *target,
                                           const struct reading *reading, struct arena *arena,
                                           struct text_answer *answer, struct error *err);

/* ---- texts.c ---- */

/* LIMIT: the texts of an answer are larger than QUERY_TEXTS_SIZE_MAX. */
enum status query_refuse_size(struct error *err);

/* Refuses what would take too much memory as texts; a feature that is named twice counts twice.
 * LIMIT: err. */
MUST_USE enum status query_check_size(const struct answer *answer, struct error *err);

/* The answer with its values as texts, which are in the arena or borrowed from it. */
void query_text_answer_of(const struct answer *answer, struct arena *arena,
                          struct text_answer *out);

/* The value as doors write it, borrowed from it or in the arena. */
struct bytes query_value_text(const struct value *value, struct buffer *scratch,
                              struct arena *arena);

/* ---- query.c ---- */

/* What counts at T's before this may have been taken out of the state that is read. */
int64_t query_kept_from_us(const struct query *query, const struct target *target);

/* A target of it without an entity, and without request values. */
struct target query_target_of(const struct readable *readable);

/* What of an entity's events may count at the moment. */
struct timeline_bounds query_bounds(const struct query *query, const struct target *target,
                                    struct moment moment);

/* Answers all features of a stream view from events that were read already. */
MUST_USE enum status query_read_events(struct query *query, const struct target *target,
                                       struct moment moment, const struct timeline_reader *events,
                                       struct arena *arena, struct answer *answer,
                                       struct error *err);

/* ---- derived.c ---- */

/* Compiled on-demand views, empty at first. Owned by the caller. */
struct derived_cache *derived_cache_create(void);
void derived_cache_destroy(struct derived_cache **cache);

/* As query_read and query_read_texts, of a derived view. */
MUST_USE enum status derived_read(struct query *query, const struct target *target,
                                  const struct reading *reading, struct arena *arena,
                                  struct answer *answer, struct error *err);
MUST_USE enum status derived_read_texts(struct query *query, const struct target *target,
                                        const struct reading *reading, struct arena *arena,
                                        struct text_answer *answer, struct error *err);

#endif
