/* Training: a training set: features as of the moment of each label, out of the same function that
 * serves.
 *
 * 1. Out come all columns of the labels, as they are and in their order, then a column a feature,
 * and a column NAME__status behind each if asked.
 * 2. A feature's column has its name, or view__feature where two would have the same, a label's
 * column among them, or if asked; view@2__feature where there are two versions of a view.
 * 3. A row without a key of a view (NULL) has no value there, and the status not_found. A row
 * without a moment is an error.
 * 4. A request value of an on-demand view is the label's column of its name; NULL where there is
 * none.
 *
 * Labels are sorted by entity and moment, once for each kind of entity; timelines are walked once
 * forward (query/moments.h); the features are sorted back into the labels' order. DuckDB sorts,
 * within the job's memory. */
#ifndef ASOF_EXPORT_TRAINING_H
#define ASOF_EXPORT_TRAINING_H

#include "export/export.h"

/* The parameters of EXPORT_TRAINING. */
struct training_spec {
    struct bytes service;         /* "fraud", "fraud@2"; or empty, and */
    const struct bytes *features; /* "view.feature", "view@2.feature", "view.*" */
    size_t features_count;
    int labels; /* an open file; the caller's, as long as the job lives */
    enum export_format labels_format;
    struct bytes time_column; /* of the labels; empty: event_timestamp */
    bool is_exclusive;
    bool has_full_names;
    bool has_statuses;
    uint64_t memory_bytes; /* 0, or more than the server's: as much; else EXPORT_MEMORY_MIN_BYTES or
                              more */
    struct export_output output;
};

/* Runs the job, see export_room.h. */
MUST_USE enum status training_run(struct export_job *job, struct error *err);

#endif
