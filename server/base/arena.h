/* Arena: memory for one request, batch or snapshot, given back all at once.
 *
 * 1. What it hands out stays valid until reset or destroy.
 * 2. Reset keeps the first chunk, so a warm arena allocates nothing.
 * Small allocations cannot fail (they stop the process); sizes from outside are compared with a
 * named limit before they come here. Thread: one at a time. */
#ifndef ASOF_BASE_ARENA_H
#define ASOF_BASE_ARENA_H

#include "base/bytes.h"

struct arena;

/* Owned by the caller. chunk_size_bytes is what it asks of malloc at a time, at least 256. */
struct arena *arena_create(size_t chunk_size_bytes);

/* Frees everything; accepts NULL and leaves NULL behind. */
void arena_destroy(struct arena **arena);

/* Takes back all that was handed out. */
void arena_reset(struct arena *arena);

/* size bytes aligned to 16, not cleared; never NULL. */
void *arena_allocate(struct arena *arena, size_t size);

/* count elements of size bytes, cleared. */
void *arena_allocate_array(struct arena *arena, size_t count, size_t size);

/* A copy of the bytes, with a NUL behind it. */
struct bytes arena_copy(struct arena *arena, struct bytes bytes);

/* A formatted text, ended by NUL. */
struct bytes arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes handed out since the last reset. */
size_t arena_used_bytes(const struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_allocate_array((arena), 1, sizeof(type)))
#define ARENA_NEW_ARRAY(arena, count, type)                                                        \
    ((type *)arena_allocate_array((arena), (count), sizeof(type)))

#endif
