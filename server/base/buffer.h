/* Buffer: bytes that grow at the end and are taken from the front; what connections, blocks and
 * JSON texts are written into.
 *
 * 1. data[0 .. size) is what was appended and not yet consumed, in one piece.
 * 2. It grows by doubling; whoever fills it from outside compares size with a named limit first.
 * Zero is a valid empty buffer. Thread: one at a time. */
#ifndef ASOF_BASE_BUFFER_H
#define ASOF_BASE_BUFFER_H

#include "base/bytes.h"
#include "base/check.h"

struct buffer {
    char *memory;    /* owned */
    size_t start;    /* bytes of memory that were consumed */
    size_t size;     /* bytes that are there */
    size_t capacity; /* of memory */
};

/* Frees the memory and leaves an empty buffer. */
void buffer_fini(struct buffer *buffer);

/* Makes the memory larger, or moves what is there to its front: the slow way of buffer_reserve. */
char *buffer_grow(struct buffer *buffer, size_t extra);

/* Room for at least extra bytes behind what is there; the pointer is valid until the next call.
 * Say what was written by buffer_added. */
static inline char *buffer_reserve(struct buffer *buffer, size_t extra)
{
    size_t end = buffer->start + buffer->size;
    bool has_room = buffer->memory != NULL && buffer->capacity - end >= extra;
    return has_room ? buffer->memory + end : buffer_grow(buffer, extra);
}

static inline void buffer_added(struct buffer *buffer, size_t size)
{
    CHECK(buffer->start + buffer->size + size <= buffer->capacity);
    buffer->size += size;
}

/* Appends. */
void buffer_append(struct buffer *buffer, struct bytes bytes);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_byte(struct buffer *buffer, char byte);
void buffer_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes size bytes from the front; size <= buffer->size. */
void buffer_consume(struct buffer *buffer, size_t size);

/* Empties it and keeps the memory, unless that is larger than keep_max bytes. */
void buffer_reset(struct buffer *buffer, size_t keep_max);

/* What is there; borrowed until the next change. */
static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return bytes_of(buffer->memory == NULL ? NULL : buffer->memory + buffer->start, buffer->size);
}

#endif
