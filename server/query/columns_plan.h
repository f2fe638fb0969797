/* Plan: what the names of a question of many rows stand for: its features, grouped by the version
 * of the view that they are of. Model servers ask for the same features again and again: plans are
 * remembered by the bytes of the names, as long as the same definitions are in force.
 *
 * Only query/ includes it. Thread: the query's. */
#ifndef ASOF_QUERY_COLUMNS_PLAN_H
#define ASOF_QUERY_COLUMNS_PLAN_H

#include "model/columns.h"
#include "query/query.h"

enum {
    PLANS_MAX = 8,                   /* that are remembered; the least recently used goes */
    PLAN_NAMES_SIZE_MAX = 64 * 1024, /* bytes of the names of one */
};

/* The features of one version of a view that are read together. */
struct columns_group {
    struct target target;
    size_t
        keys[ENTITY_KEYS_MAX]; /* indexes into the question's, of the entity's keys in its order */
    size_t count;
    uint32_t *features;   /* indexes into the view's, as they stand in columns */
    uint32_t *columns;    /* indexes of their columns */
    bool has_last_entity; /* its entities are encoded as those of the group before it */
    bool is_typed;        /* read without finished rows: their texts of lists are JSON */
};

struct columns_plan {
    const struct columns_group *groups;
    size_t groups_count;
    const struct column *columns; /* without values and statuses */
    size_t columns_count;
};

struct columns_plans;

/* Owned by the caller. */
struct columns_plans *columns_plans_create(void);
void columns_plans_destroy(struct columns_plans **plans);

/* Finds or makes the plan, which is good until the next is asked for, or the definitions change.
 * NOT_FOUND, INVALID, LIMIT, UNAVAILABLE: err says what is wrong with the question. */
MUST_USE enum status columns_plan_find(struct query *query, const struct columns_question *question,
                                       const struct columns_plan **plan, struct error *err);

#endif
