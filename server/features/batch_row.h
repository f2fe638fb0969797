/* Batch row: what was written of one entity of a batch view. A write gives some features a value,
 * or empties them; of a feature the newest write counts: the latest time, then the greatest
 * identity (the place in the log). A row keeps the newest write of each feature, each with its
 * time.
 *
 *     write    varint count; count times, by ascending feature: varint feature, varint size, value
 *     row      i64 big-endian, sign flipped: the time of its newest write
 *              varint count of stamps; each: 8 bytes time as above, varint size, identity
 *              varint count of cells; each, by ascending feature: varint feature, varint stamp,
 *              varint size, value
 *
 * A value is what row_append_value writes; NULL: emptied. Taking writes and rows into a row is
 * commutative, associative and idempotent, so that neither order nor repetition counts. They are
 * disk formats.
 *
 * Pure. Thread: a row belongs to one. */
#ifndef ASOF_FEATURES_BATCH_ROW_H
#define ASOF_FEATURES_BATCH_ROW_H

#include "features/features.h"

enum { BATCH_IDENTITY_SIZE_MAX = 64 };

struct batch_stamp {
    int64_t time_us;
    struct bytes identity;
};

/* What is known of a feature. */
struct batch_cell {
    bool is_written;
    struct batch_stamp stamp;
    struct bytes value; /* encoded */
};

struct batch_row {
    struct batch_cell *cells; /* borrowed: cells_max of them, at first all zero */
    size_t cells_max;         /* at most VIEW_FEATURES_MAX */
    size_t count;             /* no cell behind these is written */
};

/* Empties it. */
void batch_row_reset(struct batch_row *row);

/* Take a row, or one write, into row; what they hold is borrowed from the bytes. false: these are
 * not what is drawn above, or of more features, and what was taken of them is not known. */
MUST_USE bool batch_row_take(struct batch_row *row, struct bytes bytes);
MUST_USE bool batch_row_take_write(struct batch_row *row, const struct batch_stamp *stamp,
                                   struct bytes bytes);

/* Appends the row, which has a written cell; equal rows as equal bytes. */
void batch_row_encode(const struct batch_row *row, struct buffer *out);

/* The time of the newest write in the bytes of a row; INT64_MIN: it is none. */
int64_t batch_row_newest_us(struct bytes row);

/* Appends a write of the features for which is_named: values are those of view->features. false:
 * none is named, nothing was appended. */
MUST_USE bool batch_write_encode(const struct view_definition *view, const struct value *values,
                                 const bool *is_named, struct buffer *out);

/* Where the writes of an entity are read. Both of one moment. */
struct batch_source {
    bool is_row_known;     /* else all writes by T are read: the plain way, to compare with */
    struct bytes row;      /* of all writes; empty: there are none */
    timeline_back_fn back; /* newest first, from the T that counts on; NULL: there is none */
    void *timeline;
};

/* Answers the question. NOT_FOUND: some of the row lies behind T, and there is no back that tells.
 * CORRUPT: a row or write is none of this view. Failures of back are passed on. */
MUST_USE enum status batch_answer(const struct question *question,
                                  const struct batch_source *source, struct arena *arena,
                                  struct answer *answer, struct error *err);

/* The features_fold of a batch view: the base is the row of all writes and of the older base. */
MUST_USE enum status batch_fold(timeline_back_fn back, void *timeline, struct arena *arena,
                                struct buffer *base, struct error *err);

#endif
