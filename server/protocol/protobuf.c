#include "protocol/protobuf.h"

#include <endian.h>

enum { WIRE_BITS = 3, FIELD_NUMBER_MAX = (1 << 29) - 1 };

static bool take_fixed(struct bytes *left, size_t size, uint64_t *out)
{
    uint64_t little = 0;
    if (left->size < size)
        return false;
    memcpy(&little, left->data, size);
    *out = le64toh(little);
    *left = bytes_after(*left, size);
    return true;
}

static bool take_bytes(struct bytes *left, struct bytes *out)
{
    uint64_t size;
    if (!varint_take(left, &size) || size > left->size)
        return false;
    *out = bytes_of(left->data, (size_t)size);
    *left = bytes_after(*left, (size_t)size);
    return true;
}

enum protobuf_result protobuf_next_any(struct bytes *left, struct protobuf_field *field)
{
    uint64_t tag;
    bool is_whole = false;
    if (left->size == 0)
        return PROTOBUF_END;
    if (!varint_take(left, &tag) || tag >> WIRE_BITS == 0 || tag >> WIRE_BITS > FIELD_NUMBER_MAX)
        return PROTOBUF_BROKEN;
    *field = (struct protobuf_field){.number = (uint32_t)(tag >> WIRE_BITS)};
    switch (tag & ((1 << WIRE_BITS) - 1)) {
    case PROTOBUF_VARINT:
        field->wire = PROTOBUF_VARINT;
        is_whole = varint_take(left, &field->integer);
        break;
    case PROTOBUF_FIXED64:
        field->wire = PROTOBUF_FIXED64;
        is_whole = take_fixed(left, sizeof(uint64_t), &field->integer);
        break;
    case PROTOBUF_BYTES:
        field->wire = PROTOBUF_BYTES;
        is_whole = take_bytes(left, &field->bytes);
        break;
    case PROTOBUF_FIXED32:
        field->wire = PROTOBUF_FIXED32;
        is_whole = take_fixed(left, sizeof(uint32_t), &field->integer);
        break;
    }
    return is_whole ? PROTOBUF_FIELD : PROTOBUF_BROKEN;
}

/* A varint ends with its only byte below 0x80. */
bool protobuf_count_integers(struct bytes packed, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < packed.size; i++)
        *count += (unsigned char)packed.data[i] < 0x80;
    return packed.size == 0 || (unsigned char)packed.data[packed.size - 1] < 0x80;
}

void protobuf_append_tag(struct buffer *out, uint32_t number, enum protobuf_wire wire)
{
    varint_append(out, (uint64_t)number << WIRE_BITS | wire);
}

void protobuf_append_integer(struct buffer *out, uint32_t number, uint64_t value)
{
    if (value == 0)
        return;
    protobuf_append_tag(out, number, PROTOBUF_VARINT);
    varint_append(out, value);
}

void protobuf_append_item(struct buffer *out, uint32_t number, struct bytes value)
{
    protobuf_append_tag(out, number, PROTOBUF_BYTES);
    varint_append(out, value.size);
    buffer_append(out, value);
}

void protobuf_append_bytes(struct buffer *out, uint32_t number, struct bytes value)
{
    if (value.size > 0)
        protobuf_append_item(out, number, value);
}
