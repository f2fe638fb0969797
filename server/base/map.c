#include "base/map.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

enum { MAP_CAPACITY_MIN = 16 };

struct slot {
    struct bytes key; /* borrowed */
    void *value;      /* borrowed; NULL where the slot is free */
};

struct map {
    struct slot *slots; /* owned; capacity of them, a power of two */
    size_t capacity;
    size_t count;
};

static struct slot *map_find(const struct map *map, struct bytes key)
{
    size_t mask = map->capacity - 1;
    size_t index = XXH3_64bits(key.data, key.size) & mask;
    while (map->slots[index].value != NULL && !bytes_equal(map->slots[index].key, key))
        index = (index + 1) & mask;
    return &map->slots[index];
}

static void map_resize(struct map *map, size_t capacity)
{
    struct map bigger = {.slots = calloc(capacity, sizeof(struct slot)), .capacity = capacity};
    CHECK(bigger.slots != NULL);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value != NULL)
            *map_find(&bigger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    map->slots = bigger.slots;
    map->capacity = capacity;
}

struct map *map_create(void)
{
    struct map *map = calloc(1, sizeof(*map));
    CHECK(map != NULL);
    map_resize(map, MAP_CAPACITY_MIN);
    return map;
}

void map_destroy(struct map **map)
{
    if (*map == NULL)
        return;
    free((*map)->slots);
    free(*map);
    *map = NULL;
}

bool map_put(struct map *map, struct bytes key, void *value)
{
    CHECK(value != NULL);
    struct slot *slot = map_find(map, key);
    if (slot->value != NULL)
        return false;
    *slot = (struct slot){.key = key, .value = value};
    map->count++;
    if (map->count * 2 > map->capacity)
        map_resize(map, map->capacity * 2);
    return true;
}

void *map_get(const struct map *map, struct bytes key)
{
    return map_find(map, key)->value;
}

size_t map_count(const struct map *map)
{
    return map->count;
}
