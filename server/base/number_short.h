/* Short numbers, for loops over many: texts of at most eight bytes, read at once. Thread: any. */
#ifndef ASOF_BASE_NUMBER_SHORT_H
#define ASOF_BASE_NUMBER_SHORT_H

#include <endian.h>

#include "base/bytes.h"

enum {
    NUMBER_SHORT_SIZE_MAX = sizeof(uint64_t), /* of a short text; that many bytes up to its end are read */
    NUMBER_SHORT_FRACTION_MAX = NUMBER_SHORT_SIZE_MAX - 1,
};

extern const uint64_t number_powers_of_ten[20];        /* 10^0 and on */
extern const double number_exact_powers_of_ten[23]; /* those that are doubles */

/* Eight bytes of a text, the first in the lowest. */
static inline uint64_t number_load(const char *at)
{
    uint64_t digits;
    memcpy(&digits, at, sizeof(digits));
    return le64toh(digits);
}

/* Puts zeros in place of the first count bytes, 0 to 7. */
static inline uint64_t number_lead_by_zeros(uint64_t digits, size_t count)
{
    uint64_t others = (UINT64_C(1) << 8 * count) - 1;
    return (digits & ~others) | (UINT64_C(0x3030303030303030) & others);
}

static inline bool number_is_digits(uint64_t digits)
{
    const uint64_t highs = UINT64_C(0xf0f0f0f0f0f0f0f0);
    uint64_t carried = (digits + UINT64_C(0x0606060606060606)) & highs; /* ':' and up carry */
    return ((digits & highs) | carried >> 4) == UINT64_C(0x3333333333333333);
}

/* Pairs of digits become numbers, then pairs of these, then the pair of these. */
static inline uint64_t number_of_digits(uint64_t digits)
{
    digits = (digits & UINT64_C(0x0f0f0f0f0f0f0f0f)) * (10 << 8 | 1) >> 8;
    digits = (digits & UINT64_C(0x00ff00ff00ff00ff)) * (100 << 16 | 1) >> 16;
    return (digits & UINT64_C(0x0000ffff0000ffff)) * (UINT64_C(10000) << 32 | 1) >> 32;
}

/* Takes apart a text of 1 to 8 bytes that was written by number_format_*, at the end of at least 8 bytes that
 * may be read: magnitude / 10^fraction. false: it has more than digits and a point. */
static inline bool number_take_short(struct bytes text, uint64_t *magnitude, unsigned *fraction)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    *fraction = 0;
    if (text.size == 1) { /* as counts often are */
        *magnitude = (uint64_t)((unsigned char)text.data[0] - '0');
        return *magnitude <= 9;
    }
    uint64_t digits = number_lead_by_zeros(
        number_load(text.data + text.size - NUMBER_SHORT_SIZE_MAX), NUMBER_SHORT_SIZE_MAX - text.size);
    uint64_t others = digits ^ ones * '.';
    uint64_t points = (others - ones) & ~others & (ones << 7); /* the lowest is one */
    if (points != 0) {
        unsigned at = (unsigned)__builtin_ctzll(points) / 8; /* the point's byte */
        uint64_t below = (UINT64_C(1) << 8 * at) - 1;
        *fraction = NUMBER_SHORT_FRACTION_MAX - at;
        digits = (digits & ~(below << 8 | 0xff)) | (digits & below) << 8 | '0';
    }
    *magnitude = number_of_digits(digits);
    return number_is_digits(digits);
}

#endif
