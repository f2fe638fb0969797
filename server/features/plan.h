/* Plan: a view's definition compiled: which columns a row has, which windows and conditions the
 * features share. Immutable. Thread: any number of readers. */
#ifndef ASOF_FEATURES_PLAN_H
#define ASOF_FEATURES_PLAN_H

#include "base/arena.h"
#include "features/aggregation.h"
#include "features/expression.h"
#include "features/features.h"

#define PLAN_NONE UINT32_MAX

/* What a row keeps of an event: a field as it is, or the result of an expression. */
struct column {
    bool is_field;
    size_t field;      /* index into view->fields, where is_field */
    size_t expression; /* index into expressions, where not */
    struct type type;
};

/* One state that features share: they differ in what they make of it, or in their windows. */
struct slot_plan {
    const struct accumulator *accumulator;
    uint32_t column; /* index into columns, or PLAN_NONE: no argument */
    uint32_t where;  /* index of the bit, or PLAN_NONE */
    struct type argument_type;
};

struct feature_plan {
    const struct feature_definition *definition; /* borrowed from the view */
    const struct aggregation *aggregation;
    uint32_t window; /* index into windows */
    uint32_t slot;   /* index into slots */
};

/* A window without a bound in time, forever or a session: what is folded into a base is kept for
 * it. */
struct kept_window {
    uint32_t window;       /* index into windows */
    const uint32_t *slots; /* of its features, slots_count of them: each once, ascending */
    size_t slots_count;
};

struct view_plan {
    const struct view_definition *view; /* borrowed */
    bool has_event_id;
    /* Columns: first the fields by which events of one id are compared, in the source's order, then
     * further arguments. */
    const struct column *columns;
    size_t columns_count;
    size_t compared_count;
    /* Expressions: the view's where (if has_where), the features' wheres, then columns. */
    const struct expression *expressions;
    size_t expressions_count;
    bool has_where;
    size_t wheres_count;                 /* bits of a row: distinct wheres of features */
    const struct window *const *windows; /* distinct ones */
    size_t windows_count;
    const struct feature_plan *features; /* as many as view->features */
    const struct slot_plan *slots;
    size_t slots_count;
    uint64_t
        slots_digest; /* of what the slots are, so that what is stored of them is known again */
    const struct kept_window *kept;
    size_t kept_count;
    uint32_t kept_digest; /* of what they are, as slots_digest */
    struct arena *arena;  /* owned: all of the above */
};

/* The index into plan->expressions of bit `where` of a row. */
static inline size_t plan_where_expression(const struct view_plan *plan, size_t where)
{
    return where + plan->has_where;
}

#endif
