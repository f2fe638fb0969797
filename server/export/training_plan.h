/* Training plan: what a training set asks: which features of which versions, what their columns are
 * called, and which views are read together, as they have the same entity.
 *
 * Private to export/. Thread: the job's. */
#ifndef ASOF_EXPORT_TRAINING_PLAN_H
#define ASOF_EXPORT_TRAINING_PLAN_H

#include "export/labels.h"
#include "export/training.h"
#include "query/moments.h"

enum { TRAINING_FEATURES_MAX = 4096 };

/* A feature's column. */
struct training_column {
    struct bytes name;
    const struct view_definition *view;
    const struct feature_definition *feature;
    size_t group;
    size_t place; /* among the group's values */
};

/* A version of a view. */
struct training_view {
    struct target target;
    uint32_t *features; /* indexes into the view's */
    size_t features_count;
    size_t place;         /* of its first value, among those of its group */
    size_t request_place; /* of its first request value, among the columns that the group reads */
    struct moments *moments; /* while it is read */
};

/* Views with the same keys. */
struct training_group {
    struct bytes keys[ENTITY_KEYS_MAX];
    struct type key_types[ENTITY_KEYS_MAX];
    size_t keys_count;
    struct training_view *views;
    size_t views_count;
    size_t values_count; /* of all its views */
};

struct training_plan {
    struct training_column *columns; /* as they were asked */
    size_t columns_count;
    struct training_group *groups;
    size_t groups_count;
};

/* Finds what the spec names. All is in the arena and borrows from the query's definitions. Errors
 * as columns_find_features. */
MUST_USE enum status training_plan_make(struct training_plan *plan, struct query *query,
                                        const struct training_spec *spec, struct arena *arena,
                                        struct error *err);

/* Names the columns, now that those of the labels are known. INVALID: there is no name for one. */
MUST_USE enum status training_plan_name(struct training_plan *plan,
                                        const struct training_spec *spec,
                                        const struct labels *labels, struct arena *arena,
                                        struct error *err);

/* The name of the column with the statuses of one. */
struct bytes training_status_name(const struct training_column *column, struct arena *arena);

#endif
