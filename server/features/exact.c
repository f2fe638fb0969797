#include "features/exact.h"

#include <math.h>

#include "base/check.h"

enum {
    LIMB_BITS = 32,
    LIMB_BYTES = 4,
    SUM_UNIT_EXPONENT = -1088,     /* bit 0 of a sum is worth 2^-1088, */
    SQUARES_UNIT_EXPONENT = -2176, /* of squares the square of that */
    SUM_INTEGER_LIMB = 34,         /* where an integer's lowest bit stands, in limbs */
    SQUARES_INTEGER_LIMB = 68,
    SUM_NARROW_LIMBS = 3,     /* that sums of integers use from there on, until they are settled; */
    SQUARES_NARROW_LIMBS = 4, /* and those of their squares */
    SQUARES_HIGHEST_MAX = 1 << 30, /* in the last of these: then all fit 127 bits */
    PENDING_MAX = 1 << 29,         /* two of these may be added up before a limb is full */
    VARIANCE_LIMBS = EXACT_SQUARES_LIMBS + 2, /* n * sum(x^2) */
    DECIMAL_DIGITS = 18,

    SIGNIFICAND_BITS = 53,
    EXPONENT_MAX = 1023,
    EXPONENT_FIELD_MAX = 2047,
    EXPONENT_BIAS = 1075,    /* of a significand taken as an integer */
    LOWEST_EXPONENT = -1074, /* of the smallest double */

    HEADER_SIZE = 3,
    HEADER_FIRST_SHIFT = 1,
    HEADER_FIRST_MASK = 0x7ff,
    HEADER_COUNT_SHIFT = 12,
};

/* Up to here integers are doubles. */
#define SMALL_MAX (UINT64_C(1) << SIGNIFICAND_BITS)

_Static_assert(SUM_INTEGER_LIMB *LIMB_BITS == -SUM_UNIT_EXPONENT, "integers begin at a limb");
_Static_assert(SQUARES_INTEGER_LIMB *LIMB_BITS == -SQUARES_UNIT_EXPONENT, "squares do, too");
_Static_assert(EXACT_SQUARES_LIMBS *LIMB_BYTES <= HEADER_FIRST_MASK, "header holds any position");

/* A double as an integer times 2^exponent, and its sign as 0 or -1. */
struct binary {
    uint64_t significand;
    int exponent;
    int64_t sign;
};

static inline struct binary binary_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t field = bits >> (SIGNIFICAND_BITS - 1) & EXPONENT_FIELD_MAX;
    CHECK(field != EXPONENT_FIELD_MAX);
    uint64_t is_normal = field != 0;
    return (struct binary){
        .significand = (bits & ((UINT64_C(1) << (SIGNIFICAND_BITS - 1)) - 1)) |
                       is_normal << (SIGNIFICAND_BITS - 1),
        .exponent = (int)(field + 1 - is_normal) - EXPONENT_BIAS,
        .sign = -(int64_t)(bits >> 63),
    };
}

/* Brings all limbs but the highest to 0 .. 2^32 - 1; the highest keeps the sign. */
static void limbs_settle(int64_t *limbs, size_t count)
{
    int64_t carry = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        int64_t limb = limbs[i] + carry;
        carry = limb >> LIMB_BITS;
        limbs[i] = limb & UINT32_MAX;
    }
    limbs[count - 1] += carry;
}

/* Settles where so much was added that no more fits. */
static inline void limbs_relieve(int64_t *limbs, size_t count, struct exact_room *room)
{
    if (__builtin_expect(room->pending >= PENDING_MAX, false)) {
        limbs_settle(limbs, count);
        *room = (struct exact_room){.is_wide = true};
    }
}

/* To be called before an addition. */
static inline void limbs_reserve(int64_t *limbs, size_t count, struct exact_room *room)
{
    limbs_relieve(limbs, count, room);
    room->pending++;
}

static inline void limbs_add(int64_t *limbs, const int64_t *other, size_t count)
{
    for (size_t i = 0; i < count; i++)
        limbs[i] += other[i];
}

/* What is known of limbs to which others were added. */
static struct exact_room room_of_both(struct exact_room a, struct exact_room b)
{
    return (struct exact_room){.pending = a.pending + b.pending + 1,
                               .is_wide = a.is_wide || b.is_wide};
}

void exact_sum_reset(struct exact_sum *sum)
{
    *sum = (struct exact_sum){0};
}

/* part or, where sign is -1, -part. */
static inline int64_t signed_part(uint64_t part, int64_t sign)
{
    return ((int64_t)part ^ sign) - sign;
}

void exact_sum_add_double(struct exact_sum *sum, double value)
{
    struct binary binary = binary_of(value);
    limbs_reserve(sum->limbs, EXACT_SUM_LIMBS, &sum->room);
    unsigned position = (unsigned)(binary.exponent - SUM_UNIT_EXPONENT);
    unsigned shift = position % LIMB_BITS;
    uint64_t low = binary.significand << shift;
    uint64_t high = binary.significand >> 1 >> (63 - shift);
    int64_t *limb = &sum->limbs[position / LIMB_BITS];
    limb[0] += signed_part(low & UINT32_MAX, binary.sign);
    limb[1] += signed_part(low >> LIMB_BITS, binary.sign);
    limb[2] += signed_part(high, binary.sign);
    sum->room.is_wide = true;
}

void exact_sum_add_int64(struct exact_sum *sum, int64_t value)
{
    limbs_reserve(sum->limbs, EXACT_SUM_LIMBS, &sum->room);
    sum->limbs[SUM_INTEGER_LIMB] += value & UINT32_MAX;
    sum->limbs[SUM_INTEGER_LIMB + 1] += value >> LIMB_BITS;
}

void exact_sum_merge(struct exact_sum *sum, const struct exact_sum *other)
{
    struct exact_room room = room_of_both(sum->room, other->room);
    if (room.is_wide)
        limbs_add(sum->limbs, other->limbs, EXACT_SUM_LIMBS);
    else
        limbs_add(&sum->limbs[SUM_INTEGER_LIMB], &other->limbs[SUM_INTEGER_LIMB], SUM_NARROW_LIMBS);
    sum->room = room;
    limbs_relieve(sum->limbs, EXACT_SUM_LIMBS, &sum->room);
}

/* The sum, which is not wide. Each limb is below 2^62, so it fits. */
static __int128 narrow_sum(const struct exact_sum *sum)
{
    const int64_t *limbs = &sum->limbs[SUM_INTEGER_LIMB];
    __int128 result = limbs[2];
    result = result * ((__int128)1 << LIMB_BITS) + limbs[1];
    return result * ((__int128)1 << LIMB_BITS) + limbs[0];
}

/* A natural number of count limbs; those from used on are 0. */
struct natural {
    uint32_t *limbs; /* from the lowest */
    size_t count;
    size_t used;
    bool is_more; /* there is more than the limbs show, but less than 1 */
};

static void natural_trim(struct natural *natural)
{
    natural->used = natural->count;
    while (natural->used > 0 && natural->limbs[natural->used - 1] == 0)
        natural->used--;
}

/* The magnitude of the number that limbs stand for, into natural of the same count. Returns whether
 * it is negative. */
static bool natural_from_limbs(struct natural *natural, const int64_t *limbs)
{
    size_t count = natural->count;
    int64_t carry = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t limb = limbs[i] + carry;
        carry = limb >> LIMB_BITS;
        natural->limbs[i] = (uint32_t)limb;
    }
    bool is_negative = carry < 0;
    if (is_negative) {
        uint64_t borrow = 1;
        for (size_t i = 0; i < count; i++) {
            borrow += (uint32_t)~natural->limbs[i];
            natural->limbs[i] = (uint32_t)borrow;
            borrow >>= LIMB_BITS;
        }
    }
    natural_trim(natural);
    return is_negative;
}

/* Divides in place. Only the highest limbs of the quotient are computed, keep of them from the
 * first that is not zero; what is below, and the rest, is remembered by is_more. */
static void natural_divide(struct natural *natural, uint64_t divisor, size_t keep)
{
    if (divisor == 1)
        return;
    uint64_t rest = 0;
    size_t kept = 0;
    size_t i = natural->used;
    while (i > 0 && kept < keep) {
        i--;
        uint32_t limb = natural->limbs[i];
        if (rest <= UINT32_MAX) {
            uint64_t part = rest << LIMB_BITS | limb;
            natural->limbs[i] = (uint32_t)(part / divisor);
            rest = part % divisor;
        } else {
            unsigned __int128 part = (unsigned __int128)rest << LIMB_BITS | limb;
            natural->limbs[i] = (uint32_t)(part / divisor);
            rest = (uint64_t)(part % divisor);
        }
        kept += kept > 0 || natural->limbs[i] > 0;
    }
    natural->is_more |= rest > 0;
    while (i > 0) {
        natural->is_more |= natural->limbs[--i] > 0;
        natural->limbs[i] = 0;
    }
    natural_trim(natural);
}

/* The bits of positions from .. from + 63. */
static uint64_t natural_bits(const struct natural *natural, size_t from)
{
    unsigned __int128 bits = 0;
    for (size_t i = 3; i-- > 0;) {
        size_t limb = from / LIMB_BITS + i;
        bits = bits << LIMB_BITS | (limb < natural->used ? natural->limbs[limb] : 0);
    }
    return (uint64_t)(bits >> (from % LIMB_BITS));
}

static bool natural_is_zero_below(const struct natural *natural, size_t position)
{
    size_t whole = position / LIMB_BITS;
    for (size_t i = 0; i < whole && i < natural->used; i++)
        if (natural->limbs[i] != 0)
            return false;
    uint32_t mask = (UINT32_C(1) << (position % LIMB_BITS)) - 1;
    return whole >= natural->used || (natural->limbs[whole] & mask) == 0;
}

/* natural * 2^unit_exponent, rounded once. unit_exponent is below LOWEST_EXPONENT - 1, so that
 * there is a bit below the lowest of every double. */
static double natural_round(const struct natural *natural, int unit_exponent)
{
    if (natural->used == 0)
        return 0; /* is_more or not: below half of the smallest double */
    int top = (int)natural->used * LIMB_BITS - 1 - __builtin_clz(natural->limbs[natural->used - 1]);
    if (top + unit_exponent > EXPONENT_MAX)
        return INFINITY;
    int lowest = LOWEST_EXPONENT - unit_exponent;
    int low = top - (SIGNIFICAND_BITS - 1) > lowest ? top - (SIGNIFICAND_BITS - 1) : lowest;
    uint64_t significand = natural_bits(natural, (size_t)low);
    bool half = natural_bits(natural, (size_t)low - 1) & 1;
    if (half) {
        bool is_above_half = natural->is_more || !natural_is_zero_below(natural, (size_t)low - 1);
        significand += is_above_half || (significand & 1);
    }
    return ldexp((double)significand, low + unit_exponent);
}

/* Enough limbs of a quotient that 53 bits and the one behind are left when those divisors that
 * still follow have taken up to 64 bits each. */
static size_t limbs_to_keep(size_t divisors_left)
{
    return 3 + 2 * divisors_left;
}

/* Multiplies divisors together as far as they fit 64 bits: each division saved counts. Returns how
 * many are left. */
static size_t divisors_join(uint64_t *divisors, size_t count)
{
    size_t joined = 0;
    for (size_t i = 1; i < count; i++) {
        uint64_t product;
        if (__builtin_mul_overflow(divisors[joined], divisors[i], &product))
            divisors[++joined] = divisors[i];
        else
            divisors[joined] = product;
    }
    return joined + 1;
}

/* natural / divisors * 2^unit_exponent; changes natural and divisors. */
static double natural_divide_and_round(struct natural *natural, uint64_t *divisors, size_t count,
                                       int unit_exponent)
{
    count = divisors_join(divisors, count);
    for (size_t i = 0; i < count; i++) {
        CHECK(divisors[i] > 0);
        natural_divide(natural, divisors[i], limbs_to_keep(count - 1 - i));
    }
    return natural_round(natural, unit_exponent);
}

/* sum / (divisor_a * divisor_b) where both fit a double. */
static bool small_sum_round(const struct exact_sum *sum, uint64_t divisor_a, uint64_t divisor_b,
                            double *result)
{
    uint64_t divisor;
    __int128 number = sum->room.is_wide ? 0 : narrow_sum(sum);
    if (sum->room.is_wide || number > (__int128)SMALL_MAX || number < -(__int128)SMALL_MAX ||
        __builtin_mul_overflow(divisor_a, divisor_b, &divisor) || divisor > SMALL_MAX)
        return false;
    CHECK(divisor > 0);
    *result = (double)(int64_t)number / (double)divisor;
    return true;
}

double exact_sum_round(const struct exact_sum *sum, uint64_t divisor_a, uint64_t divisor_b)
{
    double small;
    if (small_sum_round(sum, divisor_a, divisor_b, &small))
        return small;
    uint32_t limbs[EXACT_SUM_LIMBS];
    struct natural natural = {.limbs = limbs, .count = EXACT_SUM_LIMBS};
    bool is_negative = natural_from_limbs(&natural, sum->limbs);
    uint64_t divisors[] = {divisor_a, divisor_b};
    double result = natural_divide_and_round(&natural, divisors, 2, SUM_UNIT_EXPONENT);
    return is_negative && result != 0 ? -result : result;
}

bool exact_sum_to_int64(const struct exact_sum *sum, int64_t *out)
{
    if (!sum->room.is_wide) {
        __int128 number = narrow_sum(sum);
        bool is_fitting = number >= INT64_MIN && number <= INT64_MAX;
        if (is_fitting)
            *out = (int64_t)number;
        return is_fitting;
    }
    uint32_t limbs[EXACT_SUM_LIMBS];
    struct natural natural = {.limbs = limbs, .count = EXACT_SUM_LIMBS};
    bool is_negative = natural_from_limbs(&natural, sum->limbs);
    if (natural.used > SUM_INTEGER_LIMB + 2 ||
        !natural_is_zero_below(&natural, SUM_INTEGER_LIMB * LIMB_BITS))
        return false;
    uint64_t magnitude = natural_bits(&natural, SUM_INTEGER_LIMB * LIMB_BITS);
    if (magnitude > (uint64_t)INT64_MAX + is_negative)
        return false;
    *out = (int64_t)(is_negative ? -magnitude : magnitude);
    return true;
}

static unsigned char limbs_byte(const uint32_t *limbs, size_t index)
{
    return (unsigned char)(limbs[index / LIMB_BYTES] >> (8 * (index % LIMB_BYTES)));
}

static void limbs_encode(const int64_t *limbs, size_t count, struct buffer *out)
{
    uint32_t magnitude[EXACT_SQUARES_LIMBS];
    struct natural natural = {.limbs = magnitude, .count = count};
    bool is_negative = natural_from_limbs(&natural, limbs);
    size_t first = 0;
    size_t end = natural.used * LIMB_BYTES;
    while (end > 0 && limbs_byte(magnitude, end - 1) == 0)
        end--;
    while (first < end && limbs_byte(magnitude, first) == 0)
        first++;
    size_t size = end - first;
    uint32_t header = (uint32_t)is_negative | (uint32_t)first << HEADER_FIRST_SHIFT |
                      (uint32_t)size << HEADER_COUNT_SHIFT;

    char *at = buffer_reserve(out, HEADER_SIZE + size);
    for (size_t i = 0; i < HEADER_SIZE; i++)
        *at++ = (char)(header >> (8 * i));
    for (size_t i = first; i < end; i++)
        *at++ = (char)limbs_byte(magnitude, i);
    buffer_added(out, HEADER_SIZE + size);
}

/* Whether the bytes of limbs lie beyond those that integers are added to. */
static bool is_beyond(size_t first_byte, size_t size, size_t integer_limb, size_t narrow_limbs)
{
    return size > 0 && (first_byte < integer_limb * LIMB_BYTES ||
                        first_byte + size > (integer_limb + narrow_limbs) * LIMB_BYTES);
}

/* Of count limbs, which tells sums from squares. */
static bool limbs_decode(int64_t *limbs, size_t count, struct exact_room *room, struct bytes *input)
{
    const unsigned char *data = (const unsigned char *)input->data;
    if (input->size < HEADER_SIZE)
        return false;
    uint32_t header = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16;
    size_t first = header >> HEADER_FIRST_SHIFT & HEADER_FIRST_MASK;
    size_t size = header >> HEADER_COUNT_SHIFT;
    /* The highest byte stays free, so that what was decoded can be merged with others. */
    if (input->size - HEADER_SIZE < size || first + size >= count * LIMB_BYTES)
        return false;
    data += HEADER_SIZE;
    if (size == 0 ? header != 0 : data[0] == 0 || data[size - 1] == 0)
        return false;

    int64_t sign = header & 1 ? -1 : 1;
    memset(limbs, 0, count * sizeof(*limbs));
    for (size_t i = 0; i < size; i++)
        limbs[(first + i) / LIMB_BYTES] +=
            sign * ((int64_t)data[i] << (8 * ((first + i) % LIMB_BYTES)));
    *room = (struct exact_room){
        .is_wide = count == EXACT_SUM_LIMBS
                       ? is_beyond(first, size, SUM_INTEGER_LIMB, SUM_NARROW_LIMBS)
                       : is_beyond(first, size, SQUARES_INTEGER_LIMB, SQUARES_NARROW_LIMBS)};
    *input = bytes_after(*input, HEADER_SIZE + size);
    return true;
}

void exact_sum_encode(const struct exact_sum *sum, struct buffer *out)
{
    limbs_encode(sum->limbs, EXACT_SUM_LIMBS, out);
}

bool exact_sum_decode(struct exact_sum *sum, struct bytes *input)
{
    return limbs_decode(sum->limbs, EXACT_SUM_LIMBS, &sum->room, input);
}

void exact_moments_reset(struct exact_moments *moments)
{
    *moments = (struct exact_moments){0};
}

/* Adds square << shift at that limb; shift < 32. */
static inline void squares_add(struct exact_moments *moments, size_t index,
                               unsigned __int128 square, unsigned shift)
{
    limbs_reserve(moments->squares, EXACT_SQUARES_LIMBS, &moments->squares_room);
    int64_t *limb = &moments->squares[index];
    uint64_t low = (uint64_t)square << shift;
    uint64_t high = (uint64_t)(square << shift >> 64);
    limb[0] += (int64_t)(low & UINT32_MAX);
    limb[1] += (int64_t)(low >> LIMB_BITS);
    limb[2] += (int64_t)(high & UINT32_MAX);
    limb[3] += (int64_t)(high >> LIMB_BITS);
    limb[4] += (int64_t)((uint64_t)(square >> 64) >> 1 >> (63 - shift));
}

void exact_moments_add_double(struct exact_moments *moments, double value)
{
    struct binary binary = binary_of(value);
    exact_sum_add_double(&moments->sum, value);
    unsigned position = (unsigned)(2 * binary.exponent - SQUARES_UNIT_EXPONENT);
    unsigned __int128 square = (unsigned __int128)binary.significand * binary.significand;
    squares_add(moments, position / LIMB_BITS, square, position % LIMB_BITS);
    moments->squares_room.is_wide = true;
}

void exact_moments_add_int64(struct exact_moments *moments, int64_t value)
{
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    exact_sum_add_int64(&moments->sum, value);
    squares_add(moments, SQUARES_INTEGER_LIMB, (unsigned __int128)magnitude * magnitude, 0);
}

void exact_moments_merge(struct exact_moments *moments, const struct exact_moments *other)
{
    exact_sum_merge(&moments->sum, &other->sum);
    struct exact_room room = room_of_both(moments->squares_room, other->squares_room);
    if (room.is_wide)
        limbs_add(moments->squares, other->squares, EXACT_SQUARES_LIMBS);
    else
        limbs_add(&moments->squares[SQUARES_INTEGER_LIMB], &other->squares[SQUARES_INTEGER_LIMB],
                  SQUARES_NARROW_LIMBS);
    moments->squares_room = room;
    limbs_relieve(moments->squares, EXACT_SQUARES_LIMBS, &moments->squares_room);
}

/* a * factor. */
static void natural_scale(struct natural *a, uint64_t factor)
{
    unsigned __int128 carry = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (i >= a->used && carry == 0)
            break;
        carry += (unsigned __int128)a->limbs[i] * factor;
        a->limbs[i] = (uint32_t)carry;
        carry >>= LIMB_BITS;
    }
    CHECK(carry == 0);
    natural_trim(a);
}

/* a - b * b. false: that would be negative, and a is of no more use. */
static bool natural_subtract_square(struct natural *a, const struct natural *b)
{
    size_t first = 0;
    while (first < b->used && b->limbs[first] == 0)
        first++;
    for (size_t i = first; i < b->used; i++) {
        uint64_t carry = 0; /* of the product; below 2^32 */
        uint64_t borrow = 0;
        for (size_t j = first; j < b->used || carry + borrow > 0; j++) {
            if (i + j == a->count)
                return false;
            carry += j < b->used ? (uint64_t)b->limbs[i] * b->limbs[j] : 0;
            uint64_t difference = (uint64_t)a->limbs[i + j] - (uint32_t)carry - borrow;
            a->limbs[i + j] = (uint32_t)difference;
            borrow = difference >> 63;
            carry >>= LIMB_BITS;
        }
    }
    natural_trim(a);
    return true;
}

static uint64_t power_of_ten(unsigned digits)
{
    uint64_t power = 1;
    while (digits-- > 0)
        power *= 10;
    return power;
}

/* n * sum(x^2) - sum(x)^2 where it fits 64 bits on the way. */
static bool small_spread(const struct exact_moments *moments, uint64_t count, uint64_t *spread)
{
    const int64_t *limbs = &moments->squares[SQUARES_INTEGER_LIMB];
    if (moments->sum.room.is_wide || moments->squares_room.is_wide || limbs[3] < 0 ||
        limbs[3] >= SQUARES_HIGHEST_MAX)
        return false;
    unsigned __int128 squares = 0;
    for (size_t i = SQUARES_NARROW_LIMBS; i-- > 0;)
        squares = (squares << LIMB_BITS) + (uint64_t)limbs[i];
    __int128 sum = narrow_sum(&moments->sum);
    unsigned __int128 magnitude = sum < 0 ? -(unsigned __int128)sum : (unsigned __int128)sum;
    uint64_t scaled, square;
    if (squares > UINT64_MAX || magnitude > UINT32_MAX ||
        __builtin_mul_overflow((uint64_t)squares, count, &scaled))
        return false;
    square = (uint64_t)magnitude * (uint64_t)magnitude;
    *spread = scaled - square;
    return scaled >= square;
}

/* The variance where its numerator and its denominator fit a double. */
static bool small_variance(const struct exact_moments *moments, uint64_t count, unsigned digits,
                           double *variance)
{
    uint64_t spread, divisor;
    uint64_t power = power_of_ten(digits);
    if (!small_spread(moments, count, &spread) || spread > SMALL_MAX ||
        __builtin_mul_overflow(count, count - 1, &divisor) ||
        __builtin_mul_overflow(divisor, power, &divisor) ||
        __builtin_mul_overflow(divisor, power, &divisor) || divisor > SMALL_MAX)
        return false;
    *variance = (double)spread / (double)divisor;
    return true;
}

double exact_moments_variance(const struct exact_moments *moments, uint64_t count, unsigned digits)
{
    CHECK(count >= 2);
    CHECK(digits <= DECIMAL_DIGITS);
    double small;
    if (small_variance(moments, count, digits, &small))
        return small;
    uint32_t sum_limbs[EXACT_SUM_LIMBS];
    struct natural sum = {.limbs = sum_limbs, .count = EXACT_SUM_LIMBS};
    natural_from_limbs(&sum, moments->sum.limbs);

    uint32_t limbs[VARIANCE_LIMBS] = {0};
    struct natural spread = {.limbs = limbs, .count = EXACT_SQUARES_LIMBS};
    if (natural_from_limbs(&spread, moments->squares))
        return NAN;
    spread.count = VARIANCE_LIMBS;
    natural_scale(&spread, count);
    if (!natural_subtract_square(&spread, &sum))
        return NAN;

    uint64_t power = power_of_ten(digits);
    uint64_t divisors[] = {count, count - 1, power, power};
    return natural_divide_and_round(&spread, divisors, 4, SQUARES_UNIT_EXPONENT);
}

void exact_moments_encode(const struct exact_moments *moments, struct buffer *out)
{
    exact_sum_encode(&moments->sum, out);
    limbs_encode(moments->squares, EXACT_SQUARES_LIMBS, out);
}

bool exact_moments_decode(struct exact_moments *moments, struct bytes *input)
{
    if (!exact_sum_decode(&moments->sum, input))
        return false;
    bool is_negative = input->size > 0 && (input->data[0] & 1);
    return !is_negative &&
           limbs_decode(moments->squares, EXACT_SQUARES_LIMBS, &moments->squares_room, input);
}
