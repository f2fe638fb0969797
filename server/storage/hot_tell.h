/* What a batch of events is to the hot tier: entity by entity, all its events at once.
 *
 * Private to storage/. Thread: the writer's. */
#ifndef ASOF_STORAGE_HOT_TELL_H
#define ASOF_STORAGE_HOT_TELL_H

#include "storage/hot.h"
#include "storage/sorted_puts.h"

/* Tells the puts, which are sorted, between their write and the acknowledgement. is_written: else
 * it is not known whether they are in the store, and their entities are forgotten. */
void hot_tell(struct hot *hot, const struct sorted_puts *puts, bool is_written);

#endif
