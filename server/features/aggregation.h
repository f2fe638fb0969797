/* Aggregation: what a feature does with the values that its window selects. One file an
 * aggregation (aggregate_NAME.c), one row here and in aggregation.c, one test. It has two parts: an
 * accumulator, which takes values into a state, and the result that is made of such a state.
 * Aggregations of one accumulator (sum and avg) can share a state.
 *
 * 1. Values come newest first; NULL never comes.
 * 2. The result is a function of the set of (time, value) in that order alone: sums are exact,
 *    so no grouping changes a bit: a state that was added up and one that was merged from parts,
 *    encoded and decoded on the way or not, are the same to every result.
 * 3. A state lives in an arena and needs no end. A result leaves it as it is: it can go on.
 *
 * Thread: tables are constant; a state belongs to one. */
#ifndef ASOF_FEATURES_AGGREGATION_H
#define ASOF_FEATURES_AGGREGATION_H

#include "base/arena.h"
#include "model/answer.h"

enum argument_rule {
    TAKES_NOTHING,  /* `duration: true` */
    TAKES_ANYTHING, /* '*' or true, or a value of any type that must not be NULL */
    TAKES_VALUE,    /* a value of any type */
    TAKES_ORDERED,  /* numbers, timestamps, strings */
    TAKES_NUMBER,   /* int, double, decimal */
};

enum overflow_rule {
    OVERFLOW_SPOILS,   /* an overflowed argument in the window makes the result overflow */
    OVERFLOW_IS_VALUE, /* it is a value like others; the state decides */
};

/* What a state knows of its feature. */
struct aggregate_context {
    struct type argument_type; /* where there is an argument */
    struct type type;          /* of the result; for finish */
    int64_t t_us;              /* the T that counts; for finish */
    struct arena *arena;
};

struct accumulator {
    const char *name; /* of the state, for what is stored; changes when its encoding does */
    enum overflow_rule overflow;
    size_t state_size; /* of a state, which begins as zeros */

    /* Takes the next older value; value is NULL where the feature has no argument. value's text is
     * borrowed for the call. */
    void (*add)(void *state, const struct aggregate_context *context, const struct value *value,
                int64_t time_us);

    /* Takes the next newer value, behind all that state has, as if it had come first; where the
     * order of values is nothing to the state it is add. NULL: states can't be merged. */
    void (*add_newer)(void *state, const struct aggregate_context *context,
                      const struct value *value, int64_t time_us);

    /* Takes in all that older has, which lies behind all that state has. Texts of older are copied.
     * NULL: states can't be merged, nor encoded. */
    void (*merge)(void *state, const struct aggregate_context *context, const void *older);

    /* Appends the state; equal states as equal bytes. */
    void (*encode)(const void *state, struct buffer *out);

    /* Takes a state from the front of *left, in place of what state (zeros, or decoded before)
     * holds. Texts are borrowed from left. false: the bytes are not what encode writes. */
    bool (*decode)(void *state, const struct aggregate_context *context, struct bytes *left);
};

struct aggregation {
    const char *name;
    const struct accumulator *accumulator;
    enum argument_rule argument;
    bool has_fixed_type; /* the result's type is fixed_type, else the argument's */
    bool is_list;        /* the result is a list of the argument's type */
    struct type fixed_type;
    bool is_relative;  /* the result changes with T though the events are the same */
    bool needs_window; /* only over windows of window_kind */
    enum window_kind window_kind;

    /* The result of all that was added, VALUE_NULL over nothing. Texts and lists are in the arena
     * or the state, where the next value may replace them. */
    struct value (*finish)(const void *state, const struct aggregate_context *context);

    /* Where is_relative: the time that finish counts from, ANSWER_NO_BASE over nothing. */
    int64_t (*base_us)(const void *state);
};

extern const struct aggregation aggregation_count;
extern const struct aggregation aggregation_sum;
extern const struct aggregation aggregation_avg;
extern const struct aggregation aggregation_min;
extern const struct aggregation aggregation_max;
extern const struct aggregation aggregation_stddev;
extern const struct aggregation aggregation_variance;
extern const struct aggregation aggregation_first;
extern const struct aggregation aggregation_last;
extern const struct aggregation aggregation_count_distinct;
extern const struct aggregation aggregation_time_since_last;
extern const struct aggregation aggregation_time_since_first;
extern const struct aggregation aggregation_last_n;
extern const struct aggregation aggregation_duration;

/* The aggregation of that name, or NULL. */
const struct aggregation *aggregation_find(struct bytes name);

/* All names, ended by NULL. */
extern const char *const aggregation_names[];

/* The check_feature of features_checks(). */
enum status aggregation_check(struct feature_definition *feature, enum feature_part *wrong,
                              struct error *err);

/* A value whose text outlives the event it came from, in memory that is used again. */
struct kept_value {
    struct value value; /* VALUE_NULL: nothing was kept yet */
    char *memory;       /* in the arena */
    size_t capacity;
};

/* Keeps a copy of value in place of what was kept. */
void kept_value_set(struct kept_value *kept, const struct value *value, struct arena *arena);

/* The finish, encode and decode of accumulators whose state is a kept value of the argument's type.
 */
struct value kept_value_finish(const void *state, const struct aggregate_context *context);
void kept_value_encode(const void *state, struct buffer *out);
bool kept_value_decode(void *state, const struct aggregate_context *context, struct bytes *left);

/* Two event times, the newer first. */
void time_span_append(struct buffer *out, int64_t newest_us, int64_t oldest_us);

/* Takes them from the front of *left. false: there are none. */
bool time_span_take(struct bytes *left, int64_t *newest_us, int64_t *oldest_us);

/* Takes a count from the front of *left. false: there is none, or it is no count of events. */
bool count_take(struct bytes *left, uint64_t *count);

#endif
