/* Varint: unsigned integers in 1 to 10 bytes, 7 bits a byte, lowest first. Thread: any. */
#ifndef ASOF_BASE_VARINT_H
#define ASOF_BASE_VARINT_H

#include "base/buffer.h"

enum { VARINT_SIZE_MAX = 10 };

static inline void varint_append(struct buffer *out, uint64_t value)
{
    unsigned char *end = (unsigned char *)buffer_reserve(out, VARINT_SIZE_MAX);
    size_t size = 0;
    while (value >= 0x80) {
        end[size++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    end[size++] = (unsigned char)value;
    buffer_added(out, size);
}

/* Takes one from the front of *left. false: there is none whole, or it is longer than 64 bits. */
static inline bool varint_take(struct bytes *left, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < VARINT_SIZE_MAX && i < left->size; i++) {
        uint64_t byte = (unsigned char)left->data[i];
        if (i == VARINT_SIZE_MAX - 1 && byte > 1)
            return false;
        value |= (byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *left = bytes_after(*left, i + 1);
            *out = value;
            return true;
        }
    }
    return false;
}

/* Small magnitudes of either sign to small numbers: 0, -1, 1, -2, ... */
static inline uint64_t varint_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t varint_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
