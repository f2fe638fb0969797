/* Map: from bytes to a pointer, for names of definitions, fields, features and commands.
 *
 * Keys and values are borrowed: they must outlive the map. Open addressing, at most half full; no
 * removal, as what is looked up here is built once and replaced whole. Thread: any number of
 * readers, or one writer. */
#ifndef ASOF_BASE_MAP_H
#define ASOF_BASE_MAP_H

#include "base/bytes.h"

struct map;

/* Owned by the caller. */
struct map *map_create(void);
void map_destroy(struct map **map);

/* Puts value (not NULL) under key. Returns false, and changes nothing, where key is taken. */
bool map_put(struct map *map, struct bytes key, void *value);

/* What was put under key, or NULL. */
void *map_get(const struct map *map, struct bytes key);

size_t map_count(const struct map *map);

#endif
