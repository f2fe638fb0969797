/* Call table: the numbers of calls in flight on a connection, and whose they are.
 *
 * A number is not given again while its call is in flight, nor for the next four million calls: an
 * answer that was on its way when its call was cancelled finds nobody. Thread: one at a time. */
#ifndef ASOF_LIBASOF_CALL_TABLE_H
#define ASOF_LIBASOF_CALL_TABLE_H

#include "asof.h"

struct call_table {
    void *owners[ASOF_CALLS_MAX]; /* borrowed; NULL: the place is free */
    uint32_t numbers[ASOF_CALLS_MAX];
    uint16_t free[ASOF_CALLS_MAX]; /* places, as a stack */
    size_t free_count;
    uint32_t round; /* the upper bits of the next number */
};

void call_table_init(struct call_table *table);

/* false: ASOF_CALLS_MAX are in flight. */
bool call_table_add(struct call_table *table, void *owner, uint32_t *number);

/* Whose it is; NULL: nobody's. */
void *call_table_find(const struct call_table *table, uint32_t number);

/* Harmless where it is not there. */
void call_table_remove(struct call_table *table, uint32_t number);

static inline size_t call_table_count(const struct call_table *table)
{
    return ASOF_CALLS_MAX - table->free_count;
}

#endif
