/* Glob: Redis's patterns (* ? [abc] [^a-z] \x), matched without recursion in time bounded by
 * pattern size times text size. Thread: any. */
#ifndef ASOF_BASE_GLOB_H
#define ASOF_BASE_GLOB_H

#include "base/bytes.h"

/* Patterns longer than this are refused by those who take them from outside. */
enum { GLOB_PATTERN_SIZE_MAX = 1024 };

/* Whether the whole text matches. */
bool glob_match(struct bytes pattern, struct bytes text);

#endif
