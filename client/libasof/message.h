/* Message: bytes that a server sent, in memory of their own, with a NUL behind them. Thread: one at
 * a time. */
#ifndef ASOF_LIBASOF_MESSAGE_H
#define ASOF_LIBASOF_MESSAGE_H

#include "asof.h"
#include "base/bytes.h"

struct asof_message {
    size_t size;
    size_t capacity; /* of data, without the NUL */
    char data[];
};

/* A copy; owned by the caller. */
struct asof_message *message_create(struct bytes bytes);

/* Room for at least capacity bytes; *message (may be NULL: an empty one is made) may move. */
void message_reserve(struct asof_message **message, size_t capacity);

/* size more bytes were written behind what is there. */
void message_added(struct asof_message *message, size_t size);

static inline struct bytes message_bytes(const struct asof_message *message)
{
    return bytes_of(message->data, message->size);
}

#endif
