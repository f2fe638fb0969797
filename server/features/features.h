/* Features: the one function. value = feature(definition version, accepted events of the entity,
 * T).
 *
 *     reduce    an event's fields -> a row: the columns that the view's features need, and a bit
 *               for each `where`                                                (at ingest)
 *     evaluate  the rows of one entity, newest first, and T -> values, statuses (at read)
 *
 * 1. Pure: no IO, no clock, no order of arrival. The same rows and T give the same bits.
 * 2. Rows are self-contained: evaluate never needs the event again.
 *
 * Thread: a view_plan is immutable, any number of readers; a reducer belongs to one thread. */
#ifndef ASOF_FEATURES_FEATURES_H
#define ASOF_FEATURES_FEATURES_H

#include "base/arena.h"
#include "model/answer.h"

/* What registry/ asks about expressions and aggregations. */
const struct definition_checks *features_checks(void);

struct view_plan;

/* Compiles what both sides share. The definition is borrowed for the life of the plan. Owned by the
 * caller. Never fails for a definition that passed features_checks(). */
struct view_plan *view_plan_create(const struct view_definition *view);
void view_plan_destroy(struct view_plan **plan);

/* Whether the value of the feature changes with T though the events are the same (time_since_*). */
bool view_plan_is_relative(const struct view_plan *plan, uint32_t feature);

/* How far before T the view's bounded windows reach at most: an event at or before T minus this is
 * in none of them. Sessions, last(n) and forever have no such bound. 0 where no window has one. */
int64_t view_plan_reach_us(const struct view_plan *plan);

/* What tells events of equal time apart: the identity without the digest behind an event id. */
struct bytes view_plan_identity(const struct view_plan *plan, struct bytes identity);

/* Whether the view has windows without a bound in time, forever or sessions: for these, events that
 * are folded leave a base behind. */
bool view_plan_has_base(const struct view_plan *plan);

/* No event before this counts in any window at t_us; INT64_MIN where that is not known. */
int64_t view_plan_oldest_us(const struct view_plan *plan, int64_t t_us);

/* The last T at which a session that ends in the base is open, INT64_MAX where the view has windows
 * over forever: once no event at or before it can come, the base is not needed. */
int64_t view_plan_base_until_us(const struct view_plan *plan, struct bytes base);

/* The largest n of the view's last(n) windows, 0 where there is none. */
uint32_t view_plan_last_count(const struct view_plan *plan);

/* The value of a relative feature at the T that counts, by its base (answer.h). */
struct value relative_value(int64_t base_us, int64_t counted_us);

struct reducer;

/* Compiles the expressions of the view into one prepared statement. The plan is borrowed for the
 * life of the reducer. INVALID: an expression that features_checks() would refuse. */
MUST_USE enum status reducer_create(const struct view_plan *plan, struct reducer **out,
                                    struct error *err);
void reducer_destroy(struct reducer **reducer);

/* Reduces one event. fields are the values of view->fields, in that order, VALUE_NULL where absent.
 * Appends the row to row; *digest is equal for two events when the view can't tell them apart.
 * false: the view's `where` is not true, nothing was appended. */
MUST_USE bool reducer_reduce(struct reducer *reducer, const struct value *fields,
                             struct buffer *row, uint64_t *digest);

struct on_demand;

/* Compiles the expressions of an on-demand view, as a snapshot completed it, into one prepared
 * statement. The view is borrowed for the life of it. Owned by the caller; it belongs to one
 * thread. INVALID: an expression that features_checks() would refuse. */
MUST_USE enum status on_demand_create(const struct view_definition *view, struct on_demand **out,
                                      struct error *err);
void on_demand_destroy(struct on_demand **on_demand);

/* Computes all features of the view. fields are the values of its inputs, where defaults stand in,
 * and behind them those of its request, VALUE_NULL where absent; input_statuses those of the
 * inputs. values and statuses get one a feature; texts are borrowed from fields, from the view, and
 * until the next call. A value that can't be computed has a status, as any other (answer.h): of
 * what it uses, out_of_history and overflow pass on; not_found where all of it is; expired where
 * the result is NULL and one of them is. */
void on_demand_evaluate(struct on_demand *on_demand, const struct value *fields,
                        const enum feature_status *input_statuses, struct value *values,
                        enum feature_status *statuses);

/* One event of an entity's timeline, as the storage has it. */
struct timeline_event {
    int64_t time_us;
    struct bytes identity; /* event id, or log position; orders events of equal time, bytewise */
    struct bytes row;      /* borrowed until the next step back */
    bool is_base;          /* row is a base: what was folded of all older events; only at the end */
};

/* Steps to the next older event. NOT_FOUND: no more. Else a failure with err. */
typedef enum status (*timeline_back_fn)(void *timeline, struct timeline_event *event,
                                        struct error *err);

/* The partial of a chunk of time, see chunk.h: of all events before end_us that lie in it. */
struct timeline_chunk {
    int64_t end_us;
    unsigned level;
    struct bytes partial; /* as partial_encode writes; borrowed until the next call */
};

/* What a walk reads of an entity: events, and partials of some of the chunks that they lie in. All
 * of one moment. Functions return NOT_FOUND where there is no more. */
struct timeline_reader {
    void *timeline;
    timeline_back_fn back;
    /* From here on, back gives the events before before_us. */
    void (*seek)(void *timeline, int64_t before_us);
    /* Reads the next events back to from_us at once, which costs less a piece: back gives them, the
     * base if that lies at or behind from_us, and then NOT_FOUND until the next seek or fetch.
     * LIMIT: there are more than events_max; back goes on as before. */
    enum status (*fetch)(void *timeline, int64_t from_us, size_t events_max, struct error *err);
    /* The chunk with the latest end at or before end_us, of several the largest; of those that end
     * at end_us itself only levels up to level_max. Leaves the place of back as it is. */
    enum status (*chunk_seek)(void *timeline, int64_t end_us, unsigned level_max,
                              struct timeline_chunk *chunk, struct error *err);
    /* The next chunk in that order: the next smaller one with the same end, or an earlier end. */
    enum status (*chunk_back)(void *timeline, struct timeline_chunk *chunk, struct error *err);
};

/* Events that were read one by one, without a chunk between them. */
struct stretch {
    uint64_t events;
    int64_t newest_us;
    int64_t oldest_us;
};

/* What a walk cost. */
struct walk_report {
    uint64_t events; /* that it read one by one */
    uint64_t chunks; /* that it took whole */
    struct stretch longest;
};

/* Folds all events of the timeline, together with its base if it has one, into a new base, which is
 * appended to base: 8 bytes of the newest event's time (big-endian, sign flipped), then what the
 * windows without a bound in time need of them. There is at least one event or a base.
 * CORRUPT: a row or the base is not one of this view. Failures of back are passed on. */
MUST_USE enum status features_fold(const struct view_plan *plan, timeline_back_fn back,
                                   void *timeline, struct arena *arena, struct buffer *base,
                                   struct error *err);

/* The same answer as features_evaluate, to the bit, but features share states, and where all
 * windows lie around a chunk, or beside it, its partial is taken in place of its events. */
MUST_USE enum status features_walk(const struct view_plan *plan, const struct question *question,
                                   const struct timeline_reader *timeline, struct arena *arena,
                                   struct answer *answer, struct walk_report *report,
                                   struct error *err);

/* The plain way, against which the other is tested.
 * Answers the question from the timeline, which begins at the newest event at or before the T that
 * counts (question->t_us, minus 1 us where exclusive). The answer is in the arena. Events of equal
 * time and identity are one: the greatest of them by the view's fields.
 * CORRUPT: a row is not one of this view. LIMIT: the answer needs too much memory. Failures of back
 * are passed on. */
MUST_USE enum status features_evaluate(const struct view_plan *plan,
                                       const struct question *question, timeline_back_fn back,
                                       void *timeline, struct arena *arena, struct answer *answer,
                                       struct error *err);

#endif
