/* Diff: how the answers of two versions of a view differ, entity by entity: for each feature that
 * both have, how often and by how much.
 *
 * Thread: the one that owns the query. Reads storage, changes nothing. */
#ifndef ASOF_QUERY_DIFF_H
#define ASOF_QUERY_DIFF_H

#include "query/query.h"

/* One feature that both versions have. Values differ where their texts do. */
struct feature_diff {
    struct bytes name; /* borrowed from the definitions */
    uint32_t left;     /* index in the left version */
    uint32_t right;
    size_t differing_count;
    size_t measured_count; /* of those: both are numbers, so that they are so much apart: */
    double apart_sum;
    double apart_max;
    struct bytes entity;    /* the one with the largest difference, in the arena; as the texts */
    struct bytes left_text; /* of its values; data NULL: NULL */
    struct bytes right_text;
};

struct view_diff {
    const struct view_definition *left; /* borrowed from the definitions */
    const struct view_definition *right;
    struct feature_diff *features; /* in the arena */
    size_t features_count;
    size_t compared_count;  /* entities that at least one version has found */
    size_t only_left_count; /* of those: found by one version only */
    size_t only_right_count;
};

/* Begins with no entity. */
void view_diff_start(struct view_diff *diff, const struct view_definition *left,
                     const struct view_definition *right, struct arena *arena);

/* Adds one entity, whose targets are of the versions that it began with. INVALID: T is out of the
 * history of one of them. IO, CORRUPT: err. AGAIN: it would have to wait for the disk. */
MUST_USE enum status view_diff_add(struct view_diff *diff, struct query *query,
                                   const struct target *left, const struct target *right,
                                   struct moment moment, struct bytes entity, struct arena *arena,
                                   struct error *err);

/* Appends it as JSON, with the names of features that only one version has. */
void view_diff_append_json(const struct view_diff *diff, struct buffer *out);

#endif
