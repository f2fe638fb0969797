/* Protobuf's wire format: fields of a message, one after the other, and how they are written. What
 * the fields mean is told by proto/ and read by rpc_message.c.
 *
 * By hand rather than by generated code: strings keep their NUL bytes, nothing is allocated, and a
 * message of a few bytes can't ask for much memory. Thread: any. */
#ifndef ASOF_PROTOCOL_PROTOBUF_H
#define ASOF_PROTOCOL_PROTOBUF_H

#include "base/buffer.h"
#include "base/varint.h"

enum protobuf_wire {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5,
};

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire wire;
    uint64_t integer;   /* of VARINT, FIXED64, FIXED32 */
    struct bytes bytes; /* of BYTES; borrowed from the message */
};

enum protobuf_result { PROTOBUF_FIELD, PROTOBUF_END, PROTOBUF_BROKEN };

/* The same as protobuf_next, which it is called by. */
enum protobuf_result protobuf_next_any(struct bytes *left, struct protobuf_field *field);

/* Takes the next field from the front of *left. BROKEN: the bytes are no message. */
static inline enum protobuf_result protobuf_next(struct bytes *left, struct protobuf_field *field)
{
    enum { SHORT_HEAD_SIZE = 2 }; /* tag and size of most fields: a byte each */
    if (left->size < SHORT_HEAD_SIZE)
        return protobuf_next_any(left, field);
    unsigned tag = (unsigned char)left->data[0];
    size_t size = (unsigned char)left->data[1];
    if ((tag & 0x87) != PROTOBUF_BYTES || tag <= PROTOBUF_BYTES || size >= 0x80 ||
        size > left->size - SHORT_HEAD_SIZE)
        return protobuf_next_any(left, field);
    *field = (struct protobuf_field){.number = tag >> 3,
                                     .wire = PROTOBUF_BYTES,
                                     .bytes = bytes_of(left->data + SHORT_HEAD_SIZE, size)};
    *left = bytes_after(*left, SHORT_HEAD_SIZE + size);
    return PROTOBUF_FIELD;
}

/* Takes the next varint of a packed field, or of its single value; false: no more, or broken. */
static inline bool protobuf_take_integer(struct bytes *left, uint64_t *out)
{
    return left->size > 0 && varint_take(left, out);
}

/* Numbers that stand in packed bytes; false: the last one is cut. */
bool protobuf_count_integers(struct bytes packed, size_t *count);

static inline size_t protobuf_varint_size(uint64_t value)
{
    return (70 - (size_t)__builtin_clzll(value | 1)) / 7; /* seven bits a byte */
}

/* Appends fields; proto3 leaves out what is 0 or empty, and so do these. */
void protobuf_append_tag(struct buffer *out, uint32_t number, enum protobuf_wire wire);
void protobuf_append_integer(struct buffer *out, uint32_t number, uint64_t value);
void protobuf_append_bytes(struct buffer *out, uint32_t number, struct bytes value);

/* Of repeated fields: also where it is empty. */
void protobuf_append_item(struct buffer *out, uint32_t number, struct bytes value);

#endif
