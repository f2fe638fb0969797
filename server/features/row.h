/* Row: what the store keeps of an event for one view, as bytes.
 *
 *     states    2 bits a column, lowest first: 0 NULL, 1 present, 2 overflow; rounded up to bytes
 *     wheres    1 bit a where; rounded up to bytes
 *     values    of the present columns, in order:
 *               bool, int, decimal, timestamp   zigzag varint
 *               double                          8 bytes, little-endian
 *               string                          varint size, bytes
 *
 * Equal values give equal bytes. It is a disk format: it changes only with STORAGE_FORMAT.
 * Thread: any. */
#ifndef ASOF_FEATURES_ROW_H
#define ASOF_FEATURES_ROW_H

#include "features/plan.h"

/* Appends the row of values (one a column) and where bits (one byte 0 or 1 a where). */
void row_encode(const struct view_plan *plan, const struct value *values, const bool *wheres,
                struct buffer *out);

/* The reverse; texts are borrowed from row. CORRUPT: it is no row of this plan. */
MUST_USE enum status row_decode(const struct view_plan *plan, struct bytes row,
                                struct value *values, bool *wheres);

/* Appends a value by itself, NULL and overflow too: u8 its state as above, the value as above. */
void row_append_value(const struct value *value, struct buffer *out);

/* Takes such a value of the type from the front of *left; its text is borrowed. false: there is
 * none. */
bool row_take_value(struct type type, struct bytes *left, struct value *value);

#endif
