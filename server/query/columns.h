/* Columns: many features of many entities, typed, in one read: names are resolved once for all
 * rows, rows are read view by view, with memory fetched ahead.
 *
 * Thread: the query's. */
#ifndef ASOF_QUERY_COLUMNS_H
#define ASOF_QUERY_COLUMNS_H

#include "model/columns.h"
#include "query/query.h"

/* Finds what a name stands for, "view.feature", "view@2.feature", "view.*" or "view", which is the
 * same: the view (all of a target but its entity), and count features of it from first on.
 * NOT_FOUND, INVALID, UNAVAILABLE: err. */
MUST_USE enum status columns_find_features(struct query *query, struct bytes name,
                                           struct target *target, uint32_t *first, size_t *count,
                                           struct error *err);

/* Whether the question is one, whatever its names mean; so is then each run of its rows that is not
 * longer than COLUMNS_ROWS_MAX. INVALID, LIMIT (more rows than rows_max among others): err. */
MUST_USE enum status query_check_columns(const struct columns_question *question, size_t rows_max,
                                         struct error *err);

/* The names of the question that was read last, good until the next one is; empty: there are none.
 */
struct columns_names query_latest_names(const struct query *query);

/* Reads between query_begin and query_end. `now` is the same for all rows of a view. The answer
 * lies in the arena, and its names in the definitions; scratch is reset, again and again.
 * NOT_FOUND, INVALID, LIMIT, UNAVAILABLE: err says what is wrong with the question. AGAIN: it would
 * have to wait for the disk, or is so long that others would wait for it. CANCELLED: the patience
 * of the query ended, between rows or within one. IO, CORRUPT: err. */
MUST_USE enum status query_read_columns(struct query *query,
                                        const struct columns_question *question,
                                        struct arena *arena, struct arena *scratch,
                                        struct columns *columns, struct error *err);

#endif
