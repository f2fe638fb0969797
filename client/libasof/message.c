#include "message.h"

#include <stdlib.h>

#include "base/check.h"
#include "failure.h"

void message_reserve(struct asof_message **message, size_t capacity)
{
    CHECK(capacity <= SIZE_MAX / 2);
    if (*message != NULL && (*message)->capacity >= capacity)
        return;
    size_t size = *message == NULL ? 0 : (*message)->size;
    struct asof_message *moved = realloc(*message, sizeof(*moved) + capacity + 1);
    CHECK(moved != NULL);
    moved->size = size;
    moved->capacity = capacity;
    moved->data[size] = '\0';
    *message = moved;
}

void message_added(struct asof_message *message, size_t size)
{
    CHECK(size <= message->capacity - message->size);
    message->size += size;
    message->data[message->size] = '\0';
}

struct asof_message *message_create(struct bytes bytes)
{
    struct asof_message *message = NULL;
    message_reserve(&message, bytes.size);
    if (bytes.size > 0)
        memcpy(message->data, bytes.data, bytes.size);
    message_added(message, bytes.size);
    return message;
}

struct asof_bytes asof_message_bytes(const struct asof_message *message)
{
    return bytes_for_caller(message_bytes(message));
}

void asof_message_destroy(struct asof_message **message)
{
    free(*message);
    *message = NULL;
}
