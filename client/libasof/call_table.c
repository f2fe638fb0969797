#include "call_table.h"

#include <string.h>

enum { PLACE_BITS = 10 };

_Static_assert(ASOF_CALLS_MAX == 1 << PLACE_BITS, "places fill the lower bits of a number");

static size_t place_of(uint32_t number)
{
    return number & (ASOF_CALLS_MAX - 1);
}

void call_table_init(struct call_table *table)
{
    memset(table, 0, sizeof(*table));
    for (size_t i = 0; i < ASOF_CALLS_MAX; i++)
        table->free[i] = (uint16_t)(ASOF_CALLS_MAX - 1 - i);
    table->free_count = ASOF_CALLS_MAX;
}

bool call_table_add(struct call_table *table, void *owner, uint32_t *number)
{
    if (table->free_count == 0)
        return false;
    size_t place = table->free[--table->free_count];
    *number = table->round++ << PLACE_BITS | (uint32_t)place;
    table->owners[place] = owner;
    table->numbers[place] = *number;
    return true;
}

void *call_table_find(const struct call_table *table, uint32_t number)
{
    size_t place = place_of(number);
    return table->numbers[place] == number ? table->owners[place] : NULL;
}

void call_table_remove(struct call_table *table, uint32_t number)
{
    size_t place = place_of(number);
    if (call_table_find(table, number) == NULL)
        return;
    table->owners[place] = NULL;
    table->free[table->free_count++] = (uint16_t)place;
}
