/* Big-endian integers, as keys of the store need them: bytes order as the numbers do.
 * Thread: any. */
#ifndef ASOF_BASE_ENDIAN_H
#define ASOF_BASE_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void be32_write(char *out, uint32_t value)
{
    uint32_t big = htobe32(value);
    memcpy(out, &big, sizeof(big));
}

static inline uint32_t be32_read(const char *data)
{
    uint32_t big;
    memcpy(&big, data, sizeof(big));
    return be32toh(big);
}

static inline void be64_write(char *out, uint64_t value)
{
    uint64_t big = htobe64(value);
    memcpy(out, &big, sizeof(big));
}

static inline uint64_t be64_read(const char *data)
{
    uint64_t big;
    memcpy(&big, data, sizeof(big));
    return be64toh(big);
}

/* Signed ones: with the sign bit flipped, negative numbers order before positive ones. */
static inline void be64_write_signed(char *out, int64_t value)
{
    be64_write(out, (uint64_t)value ^ (UINT64_C(1) << 63));
}

static inline int64_t be64_read_signed(const char *data)
{
    return (int64_t)(be64_read(data) ^ (UINT64_C(1) << 63));
}

#endif
