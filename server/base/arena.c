#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum { ARENA_ALIGNMENT = 16, ARENA_CHUNK_MIN = 256 };

struct chunk {
    struct chunk *next; /* the chunk before it in time, or NULL */
    size_t size;        /* of data */
    size_t used;
    _Alignas(ARENA_ALIGNMENT) char data[];
};

struct arena {
    struct chunk *newest; /* owned; a list that ends in the first chunk */
    size_t chunk_size;
    size_t used_bytes;
};

static struct chunk *chunk_create(size_t size, struct chunk *next)
{
    struct chunk *chunk = malloc(sizeof(*chunk) + size);
    CHECK(chunk != NULL);
    chunk->next = next;
    chunk->size = size;
    chunk->used = 0;
    return chunk;
}

struct arena *arena_create(size_t chunk_size_bytes)
{
    CHECK(chunk_size_bytes >= ARENA_CHUNK_MIN);
    struct arena *arena = calloc(1, sizeof(*arena));
    CHECK(arena != NULL);
    arena->chunk_size = chunk_size_bytes;
    arena->newest = chunk_create(chunk_size_bytes, NULL);
    return arena;
}

static void arena_free_newest(struct arena *arena)
{
    struct chunk *chunk = arena->newest;
    arena->newest = chunk->next;
    free(chunk);
}

void arena_destroy(struct arena **arena)
{
    if (*arena == NULL)
        return;
    while ((*arena)->newest != NULL)
        arena_free_newest(*arena);
    free(*arena);
    *arena = NULL;
}

void arena_reset(struct arena *arena)
{
    while (arena->newest->next != NULL)
        arena_free_newest(arena);
    arena->newest->used = 0;
    arena->used_bytes = 0;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    CHECK(size <= SIZE_MAX / 2);
    size_t rounded = (size + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    struct chunk *chunk = arena->newest;
    if (chunk->size - chunk->used < rounded) {
        size_t chunk_size = rounded > arena->chunk_size ? rounded : arena->chunk_size;
        chunk = chunk_create(chunk_size, chunk);
        arena->newest = chunk;
    }
    void *memory = chunk->data + chunk->used;
    chunk->used += rounded;
    arena->used_bytes += rounded;
    return memory;
}

void *arena_allocate_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(count, size, &total));
    void *memory = arena_allocate(arena, total);
    memset(memory, 0, total);
    return memory;
}

struct bytes arena_copy(struct arena *arena, struct bytes bytes)
{
    char *copy = arena_allocate(arena, bytes.size + 1);
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = '\0';
    return bytes_of(copy, bytes.size);
}

struct bytes arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);

    char *text = arena_allocate(arena, (size_t)size + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return bytes_of(text, (size_t)size);
}

size_t arena_used_bytes(const struct arena *arena)
{
    return arena->used_bytes;
}
