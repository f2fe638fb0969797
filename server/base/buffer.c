#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum { BUFFER_CAPACITY_MIN = 256 };

void buffer_fini(struct buffer *buffer)
{
    free(buffer->memory);
    *buffer = (struct buffer){0};
}

char *buffer_grow(struct buffer *buffer, size_t extra)
{
    CHECK(extra <= SIZE_MAX / 4 && buffer->size <= SIZE_MAX / 4);
    /* Moving to the front pays for itself once half of the memory was consumed. */
    if (buffer->start >= buffer->capacity / 2 && buffer->start > 0) {
        memmove(buffer->memory, buffer->memory + buffer->start, buffer->size);
        buffer->start = 0;
    }
    size_t needed = buffer->start + buffer->size + extra;
    if (needed > buffer->capacity || buffer->memory == NULL) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_CAPACITY_MIN;
        while (capacity < needed)
            capacity *= 2;
        buffer->memory = realloc(buffer->memory, capacity);
        CHECK(buffer->memory != NULL);
        buffer->capacity = capacity;
    }
    return buffer->memory + buffer->start + buffer->size;
}

void buffer_append(struct buffer *buffer, struct bytes bytes)
{
    if (bytes.size == 0)
        return;
    memcpy(buffer_reserve(buffer, bytes.size), bytes.data, bytes.size);
    buffer_added(buffer, bytes.size);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, bytes_of_text(text));
}

void buffer_append_byte(struct buffer *buffer, char byte)
{
    *buffer_reserve(buffer, 1) = byte;
    buffer_added(buffer, 1);
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);

    char *end = buffer_reserve(buffer, (size_t)size + 1);
    va_start(arguments, format);
    vsnprintf(end, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buffer_added(buffer, (size_t)size);
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    CHECK(size <= buffer->size);
    buffer->start += size;
    buffer->size -= size;
    if (buffer->size == 0)
        buffer->start = 0;
}

void buffer_reset(struct buffer *buffer, size_t keep_max)
{
    if (buffer->capacity > keep_max) {
        buffer_fini(buffer);
        return;
    }
    buffer->start = 0;
    buffer->size = 0;
}
