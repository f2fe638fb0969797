#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/number_short.h"

/* An exponent is cut to this, far beyond what any text's digits could make up for. */
#define EXPONENT_LIMIT INT64_C(1000000000000000000)

enum {
    INT64_DIGITS_MAX = 19,
    /* The exact middle between two doubles has at most 768 significant digits: digits behind these
     * matter only by whether one of them is not zero. */
    DOUBLE_DIGITS_MAX = 800,
    DOUBLE_SHORTEST_DIGITS_MAX = 17,
    DOUBLE_EXACT_DIGITS = 15,              /* integers of so many are doubles */
    PLAIN_SIZE_MAX = INT64_DIGITS_MAX + 2, /* with a sign and a point */
    SIGNIFICAND_BITS = 53,
    EXPONENT_BIAS = 1075, /* of a significand taken as an integer */
};

const uint64_t number_powers_of_ten[] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

/* The same, shifted up to the highest bit, by which numbers are divided without a division:
 * reciprocal is (2^128 - 1) / shifted - 2^64 (Moeller and Granlund, "Improved division by invariant
 * integers"). */
static const struct {
    uint64_t shifted;
    uint64_t reciprocal;
} dividing_powers[] = {
    {UINT64_C(0x8000000000000000), UINT64_C(0xffffffffffffffff)},
    {UINT64_C(0xa000000000000000), UINT64_C(0x9999999999999999)},
    {UINT64_C(0xc800000000000000), UINT64_C(0x47ae147ae147ae14)},
    {UINT64_C(0xfa00000000000000), UINT64_C(0x0624dd2f1a9fbe76)},
    {UINT64_C(0x9c40000000000000), UINT64_C(0xa36e2eb1c432ca57)},
    {UINT64_C(0xc350000000000000), UINT64_C(0x4f8b588e368f0846)},
    {UINT64_C(0xf424000000000000), UINT64_C(0x0c6f7a0b5ed8d36b)},
    {UINT64_C(0x9896800000000000), UINT64_C(0xad7f29abcaf48578)},
    {UINT64_C(0xbebc200000000000), UINT64_C(0x5798ee2308c39df9)},
    {UINT64_C(0xee6b280000000000), UINT64_C(0x12e0be826d694b2e)},
    {UINT64_C(0x9502f90000000000), UINT64_C(0xb7cdfd9d7bdbab7d)},
    {UINT64_C(0xba43b74000000000), UINT64_C(0x5fd7fe17964955fd)},
    {UINT64_C(0xe8d4a51000000000), UINT64_C(0x19799812dea11197)},
    {UINT64_C(0x9184e72a00000000), UINT64_C(0xc25c268497681c26)},
    {UINT64_C(0xb5e620f480000000), UINT64_C(0x6849b86a12b9b01e)},
    {UINT64_C(0xe35fa931a0000000), UINT64_C(0x203af9ee756159b2)},
    {UINT64_C(0x8e1bc9bf04000000), UINT64_C(0xcd2b297d889bc2b6)},
    {UINT64_C(0xb1a2bc2ec5000000), UINT64_C(0x70ef54646d496892)},
    {UINT64_C(0xde0b6b3a76400000), UINT64_C(0x2725dd1d243aba0e)},
    {UINT64_C(0x8ac7230489e80000), UINT64_C(0xd83c94fb6d2ac34a)},
};

const double number_exact_powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                             1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                             1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { EXACT_POWER_MAX = 22 };

/* A number in JSON's grammar, taken apart: 0.digits * 10^point, digits from the first to the last
 * that is not zero. */
struct scanned {
    bool is_negative;
    const char *integer; /* borrowed from the text */
    size_t integer_size;
    const char *fraction; /* borrowed from the text */
    size_t first;         /* of integer and fraction together */
    size_t digits;        /* from first on; 0: the number is zero */
    int64_t point;        /* where the decimal point stands among the digits, or outside of them */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_at(const char *at, const char *end)
{
    const char *from = at;
    while (at < end && is_digit(*at))
        at++;
    return (size_t)(at - from);
}

static char scanned_digit(const struct scanned *scanned, size_t index)
{
    index += scanned->first;
    return index < scanned->integer_size ? scanned->integer[index]
                                         : scanned->fraction[index - scanned->integer_size];
}

/* Reads "e+12" at *at, if there is one. */
static bool scan_exponent(const char **at, const char *end, int64_t *exponent)
{
    *exponent = 0;
    if (*at == end || (**at != 'e' && **at != 'E'))
        return true;
    (*at)++;
    bool is_negative = *at < end && **at == '-';
    if (*at < end && (**at == '-' || **at == '+'))
        (*at)++;
    size_t size = digits_at(*at, end);
    for (size_t i = 0; i < size && *exponent < EXPONENT_LIMIT / 10; i++)
        *exponent = *exponent * 10 + ((*at)[i] - '0');
    if (is_negative)
        *exponent = -*exponent;
    *at += size;
    return size > 0;
}

/* Leaves out the zeros on both sides, by which numbers of one value get one form. */
static void scanned_trim(struct scanned *scanned, size_t fraction_size)
{
    size_t size = scanned->integer_size + fraction_size;
    scanned->first = 0;
    while (scanned->first < size && scanned_digit(scanned, 0) == '0')
        scanned->first++;
    scanned->digits = size - scanned->first;
    while (scanned->digits > 0 && scanned_digit(scanned, scanned->digits - 1) == '0')
        scanned->digits--;
    scanned->point += (int64_t)scanned->integer_size - (int64_t)scanned->first;
}

static bool number_scan(struct bytes text, struct scanned *scanned)
{
    if (text.size == 0)
        return false;
    const char *at = text.data;
    const char *end = text.data + text.size;
    *scanned = (struct scanned){.is_negative = *at == '-'};
    at += scanned->is_negative;
    scanned->integer = at;
    scanned->integer_size = digits_at(at, end);
    if (scanned->integer_size == 0 || (*at == '0' && scanned->integer_size > 1))
        return false;
    at += scanned->integer_size;

    size_t fraction_size = 0;
    if (at < end && *at == '.') {
        scanned->fraction = ++at;
        fraction_size = digits_at(at, end);
        if (fraction_size == 0)
            return false;
        at += fraction_size;
    }
    if (!scan_exponent(&at, end, &scanned->point) || at != end)
        return false;
    scanned_trim(scanned, fraction_size);
    return true;
}

/* The first count digits as an integer; digits behind the last are zeros. count <= 19. */
static uint64_t scanned_integer(const struct scanned *scanned, size_t count)
{
    uint64_t integer = 0;
    size_t present = count < scanned->digits ? count : scanned->digits;
    for (size_t i = 0; i < present; i++)
        integer = integer * 10 + (uint64_t)(scanned_digit(scanned, i) - '0');
    return integer * number_powers_of_ten[count - present];
}

static bool signed_from_magnitude(bool is_negative, uint64_t magnitude, int64_t *out)
{
    uint64_t max = (uint64_t)INT64_MAX + is_negative;
    if (magnitude > max)
        return false;
    *out = (int64_t)(is_negative ? -magnitude : magnitude);
    return true;
}

enum { DIGITS_AT_ONCE = sizeof(uint64_t) };

/* Takes digits up to end, where there are at least eight bytes, as long as they come eight at a
 * time, or are the last; returns what is behind them. */
static const char *digits_take(const char *at, const char *end, uint64_t *magnitude)
{
    const char *last = end - DIGITS_AT_ONCE;
    for (; at <= last; at += DIGITS_AT_ONCE) {
        uint64_t digits = number_load(at);
        if (!number_is_digits(digits))
            break;
        *magnitude = *magnitude * UINT64_C(100000000) + number_of_digits(digits);
    }
    if (at > last && at < end) {
        /* Those that are left are the last of eight bytes. */
        uint64_t digits = number_lead_by_zeros(number_load(last), (size_t)(at - last));
        if (number_is_digits(digits)) {
            *magnitude = *magnitude * number_powers_of_ten[end - at] + number_of_digits(digits);
            return end;
        }
    }
    return at;
}

/* A number without an exponent and of few digits, as most are: magnitude / 10^fraction. */
struct plain {
    bool is_negative;
    uint64_t magnitude;
    unsigned fraction; /* digits behind the point */
    unsigned digits;   /* of all */
};

/* false: the text is another number, or none. In line, as its callers use but parts of the result.
 */
static inline __attribute__((always_inline)) bool plain_scan(struct bytes text, struct plain *plain)
{
    if (text.size == 0 || text.size > PLAIN_SIZE_MAX)
        return false;
    const char *at = text.data;
    const char *end = text.data + text.size;
    uint64_t magnitude = 0;
    plain->is_negative = *at == '-';
    const char *first = at += plain->is_negative;
    for (; at < end && is_digit(*at); at++)
        magnitude = magnitude * 10 + (uint64_t)(*at - '0');
    size_t integer_size = (size_t)(at - first);
    if (integer_size == 0 || (*first == '0' && integer_size > 1))
        return false;
    plain->fraction = 0;
    if (at < end && *at == '.') {
        const char *point = ++at;
        if (end - at >= DIGITS_AT_ONCE)
            at = digits_take(at, end, &magnitude);
        for (; at < end && is_digit(*at); at++)
            magnitude = magnitude * 10 + (uint64_t)(*at - '0');
        plain->fraction = (unsigned)(at - point);
        if (plain->fraction == 0)
            return false;
    }
    plain->magnitude = magnitude;
    plain->digits = (unsigned)integer_size + plain->fraction;
    return at == end && plain->digits <= INT64_DIGITS_MAX;
}

/* The quotient, of 64 bits, and what is left: of a dividend whose upper half is below the shifted
 * power. */
static uint64_t divide_by_power(unsigned __int128 dividend, unsigned power, uint64_t *rest)
{
    uint64_t divisor = dividing_powers[power].shifted;
    unsigned __int128 guess =
        (unsigned __int128)dividing_powers[power].reciprocal * (uint64_t)(dividend >> 64) +
        dividend;
    uint64_t quotient = (uint64_t)(guess >> 64) + 1; /* mostly one too many */
    *rest = (uint64_t)dividend - quotient * divisor;
    if (*rest > (uint64_t)guess) {
        quotient--;
        *rest += divisor;
    }
    if (*rest >= divisor) {
        quotient++;
        *rest -= divisor;
    }
    return quotient;
}

/* The double nearest to integer / 10^power, halves to even, as strtod has it; integer is not 0, and
 * the quotient is a normal double. In integers, so that it rounds once. */
static double divide_rounded(uint64_t integer, unsigned power)
{
    int up = __builtin_clzll(integer);
    int down = __builtin_clzll(number_powers_of_ten[power]);
    uint64_t rest;
    uint64_t quotient = /* of 63 or 64 bits */
        divide_by_power((unsigned __int128)(integer << up) << 63, power, &rest);
    bool has_rest = rest != 0;
    int dropped = 64 - __builtin_clzll(quotient) - SIGNIFICAND_BITS;
    uint64_t half = UINT64_C(1) << (dropped - 1);
    uint64_t tail = quotient & (2 * half - 1);
    uint64_t significand = quotient >> dropped;
    significand += tail > half || (tail == half && (has_rest || significand % 2 == 1));
    uint64_t scale = (uint64_t)(EXPONENT_BIAS - SIGNIFICAND_BITS + 1 + dropped - 63 - up + down)
                     << (SIGNIFICAND_BITS - 1);
    double power_of_two;
    memcpy(&power_of_two, &scale, sizeof(power_of_two));
    return (double)significand * power_of_two;
}

static double plain_double(const struct plain *plain)
{
    /* Both operands are doubles, so that the one operation rounds once. */
    double value = plain->digits <= DOUBLE_EXACT_DIGITS
                       ? (double)plain->magnitude / number_exact_powers_of_ten[plain->fraction]
                   : plain->magnitude == 0 ? 0
                                           : divide_rounded(plain->magnitude, plain->fraction);
    return value == 0 ? 0 : plain->is_negative ? -value : value;
}

/* The floor of the number times 10^shift. */
static enum number_result scanned_floor(const struct scanned *scanned, int shift, bool *is_exact,
                                        int64_t *out)
{
    int64_t point = scanned->point + shift;
    *is_exact = scanned->digits == 0 || point >= (int64_t)scanned->digits;
    if (scanned->digits == 0) {
        *out = 0;
        return NUMBER_OK;
    }
    if (point > INT64_DIGITS_MAX)
        return NUMBER_OUT_OF_RANGE;
    uint64_t magnitude = point <= 0 ? 0 : scanned_integer(scanned, (size_t)point);
    if (!*is_exact && scanned->is_negative)
        magnitude++;
    bool fits = signed_from_magnitude(scanned->is_negative, magnitude, out);
    return fits ? NUMBER_OK : NUMBER_OUT_OF_RANGE;
}

enum number_result number_parse_int(struct bytes text, int64_t *out)
{
    struct plain plain;
    if (plain_scan(text, &plain) && plain.fraction == 0)
        return signed_from_magnitude(plain.is_negative, plain.magnitude, out) ? NUMBER_OK
                                                                              : NUMBER_OUT_OF_RANGE;
    struct scanned scanned;
    if (!number_scan(text, &scanned))
        return NUMBER_MALFORMED;
    bool is_exact;
    int64_t value;
    enum number_result result = scanned_floor(&scanned, 0, &is_exact, &value);
    if (result != NUMBER_OK)
        return result;
    if (!is_exact)
        return NUMBER_NOT_EXACT;
    *out = value;
    return NUMBER_OK;
}

enum number_result number_parse_decimal(struct bytes text, unsigned digits, int64_t *out_scaled)
{
    CHECK(digits <= DECIMAL_DIGITS_MAX);
    struct plain plain;
    uint64_t magnitude;
    if (plain_scan(text, &plain) && plain.fraction <= digits &&
        !__builtin_mul_overflow(plain.magnitude, number_powers_of_ten[digits - plain.fraction],
                                &magnitude) &&
        magnitude < number_powers_of_ten[DECIMAL_DIGITS_MAX]) {
        *out_scaled = (int64_t)(plain.is_negative ? -magnitude : magnitude);
        return NUMBER_OK;
    }
    struct scanned scanned;
    if (!number_scan(text, &scanned))
        return NUMBER_MALFORMED;
    bool is_exact;
    int64_t value;
    enum number_result result = scanned_floor(&scanned, (int)digits, &is_exact, &value);
    if (result != NUMBER_OK)
        return result;
    int64_t limit = (int64_t)number_powers_of_ten[DECIMAL_DIGITS_MAX];
    if (value >= limit || value < -limit || (is_exact && value == -limit))
        return NUMBER_OUT_OF_RANGE;
    if (!is_exact)
        return NUMBER_NOT_EXACT;
    *out_scaled = value;
    return NUMBER_OK;
}

enum number_result number_parse_floor(struct bytes text, int shift, int64_t *out)
{
    CHECK(shift >= -3 && shift <= 6);
    struct scanned scanned;
    if (!number_scan(text, &scanned))
        return NUMBER_MALFORMED;
    bool is_exact;
    return scanned_floor(&scanned, shift, &is_exact, out);
}

/* The nearest double by strtod, from a text without a point: locales spell points differently. */
static double scanned_strtod(const struct scanned *scanned)
{
    char text[DOUBLE_DIGITS_MAX + NUMBER_TEXT_SIZE];
    size_t digits = scanned->digits < DOUBLE_DIGITS_MAX ? scanned->digits : DOUBLE_DIGITS_MAX;
    for (size_t i = 0; i < digits; i++)
        text[i] = scanned_digit(scanned, i);
    if (digits < scanned->digits)
        text[digits - 1] = '1'; /* for all that follows, which is more than 0 */
    long long exponent = (long long)(scanned->point - (int64_t)digits);
    snprintf(text + digits, NUMBER_TEXT_SIZE, "e%lld", exponent);
    return strtod(text, NULL);
}

enum number_result number_parse_double(struct bytes text, double *out)
{
    struct plain plain;
    if (plain_scan(text, &plain)) {
        *out = plain_double(&plain);
        return NUMBER_OK;
    }
    struct scanned scanned;
    if (!number_scan(text, &scanned))
        return NUMBER_MALFORMED;
    int64_t exponent = scanned.point - (int64_t)scanned.digits;
    double value;
    if (scanned.digits <= DOUBLE_EXACT_DIGITS && exponent >= -EXACT_POWER_MAX &&
        exponent <= EXACT_POWER_MAX) {
        /* Both operands are doubles, so that the one operation rounds once. */
        value = (double)scanned_integer(&scanned, scanned.digits);
        value = exponent < 0 ? value / number_exact_powers_of_ten[-exponent]
                             : value * number_exact_powers_of_ten[exponent];
    } else if (scanned.digits == 0) {
        value = 0;
    } else {
        value = scanned_strtod(&scanned);
    }
    if (!isfinite(value))
        return NUMBER_OUT_OF_RANGE;
    *out = value == 0 ? 0 : scanned.is_negative ? -value : value;
    return NUMBER_OK;
}

static const char digit_pairs[] = "00010203040506070809"
                                  "10111213141516171819"
                                  "20212223242526272829"
                                  "30313233343536373839"
                                  "40414243444546474849"
                                  "50515253545556575859"
                                  "60616263646566676869"
                                  "70717273747576777879"
                                  "80818283848586878889"
                                  "90919293949596979899";

static size_t digits_of(uint64_t value)
{
    size_t count = 1;
    while (count <= INT64_DIGITS_MAX && value >= number_powers_of_ten[count])
        count++;
    return count;
}

/* Writes exactly count digits, with zeros in front. */
static void write_digits(uint64_t value, size_t count, char *text)
{
    while (count >= 2) {
        count -= 2;
        memcpy(text + count, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (count == 1)
        text[0] = (char)('0' + value % 10);
}

static uint64_t magnitude_of(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

size_t number_format_int(int64_t value, char *text)
{
    uint64_t magnitude = magnitude_of(value);
    size_t size = value < 0;
    text[0] = '-';
    size_t digits = digits_of(magnitude);
    write_digits(magnitude, digits, text + size);
    size += digits;
    text[size] = '\0';
    return size;
}

size_t number_format_decimal(int64_t scaled, unsigned digits, char *text)
{
    CHECK(digits <= DECIMAL_DIGITS_MAX);
    uint64_t magnitude = magnitude_of(scaled);
    uint64_t integer = magnitude / number_powers_of_ten[digits];
    uint64_t fraction = magnitude % number_powers_of_ten[digits];
    while (digits > 0 && fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    size_t size = scaled < 0;
    text[0] = '-';
    size_t integer_digits = digits_of(integer);
    write_digits(integer, integer_digits, text + size);
    size += integer_digits;
    if (digits > 0) {
        text[size++] = '.';
        write_digits(fraction, digits, text + size);
        size += digits;
    }
    text[size] = '\0';
    return size;
}

/* A positive decimal number: digits * 10^exponent. */
struct shortest {
    uint64_t digits;
    int exponent;
};

/* A double as an integer times a power of two. */
struct binary {
    uint64_t significand;
    int exponent;
    bool is_power_of_two; /* a normal one, whose lower neighbour is nearer than its upper one */
};

static struct binary binary_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t fraction = bits & ((UINT64_C(1) << (SIGNIFICAND_BITS - 1)) - 1);
    int exponent = (int)(bits >> (SIGNIFICAND_BITS - 1) & 0x7ff);
    if (exponent == 0)
        return (struct binary){.significand = fraction, .exponent = 1 - EXPONENT_BIAS};
    return (struct binary){
        .significand = fraction | UINT64_C(1) << (SIGNIFICAND_BITS - 1),
        .exponent = exponent - EXPONENT_BIAS,
        .is_power_of_two = fraction == 0 && exponent > 1,
    };
}

/* From 2^-9 up to 2^57 all that is needed fits 128 bits: the value and the middles to both of its
 * neighbours, each times the 10^k that makes an integer of at least 17 digits of it. */
enum { NARROW_EXPONENT_MIN = -9, NARROW_EXPONENT_MAX = 56 };

static int narrow_power(int binary_exponent)
{
    return 16 - (binary_exponent * 1233 >> 12); /* 1233 / 4096 is log10(2), exact enough here */
}

/* What lies between the two middles reads back as value. Of the integers there (times 10^-k), the
 * multiple of the highest power of ten is the shortest text; of several the nearest to value. */
static struct shortest shortest_narrow(struct binary value)
{
    int power = narrow_power(value.exponent + SIGNIFICAND_BITS - 1);
    CHECK(power >= 0 && power <= INT64_DIGITS_MAX);
    /* Four times the value, so that both middles are integers; then behind the binary point. */
    unsigned left = value.exponent > 0 ? (unsigned)value.exponent : 0;
    unsigned shift = 2 + (value.exponent < 0 ? (unsigned)-value.exponent : 0);
    unsigned __int128 unit = (unsigned __int128)number_powers_of_ten[power] << left;
    unsigned __int128 middle = unit * (value.significand * 4);
    unsigned __int128 low = middle - unit * (value.is_power_of_two ? 1 : 2);
    unsigned __int128 high = middle + unit * 2;
    unsigned __int128 mask = ((unsigned __int128)1 << shift) - 1;

    /* The middles themselves are rounded to even, so they belong to even significands. */
    unsigned open = value.significand & 1;
    uint64_t from = (uint64_t)((low + (open ? 0 : mask)) >> shift) + open;
    uint64_t to = (uint64_t)((high - open) >> shift);
    struct shortest result = {.exponent = -power};
    uint64_t scale = 1;
    while ((from + 9) / 10 <= to / 10) {
        from = (from + 9) / 10;
        to /= 10;
        scale *= 10;
        result.exponent++;
    }
    uint64_t integer = (uint64_t)(middle >> shift);
    unsigned __int128 rest = (unsigned __int128)(integer % scale) << shift | (middle & mask);
    unsigned __int128 half = (unsigned __int128)scale << (shift - 1);
    result.digits = integer / scale;
    result.digits += rest > half || (rest == half && result.digits % 2 == 1);
    result.digits = result.digits < from ? from : result.digits > to ? to : result.digits;
    return result;
}

static bool reads_back(struct shortest decimal, double value)
{
    char text[NUMBER_TEXT_SIZE];
    snprintf(text, sizeof(text), "%llue%d", (unsigned long long)decimal.digits, decimal.exponent);
    return strtod(text, NULL) == value;
}

/* The value rounded to so many digits by printf, whatever its locale's decimal point is. */
static struct shortest rounded_decimal(double value, int precision)
{
    char text[NUMBER_TEXT_SIZE];
    snprintf(text, sizeof(text), "%.*e", precision - 1, value);
    struct shortest decimal = {0};
    const char *at = text;
    for (; *at != 'e'; at++)
        if (is_digit(*at))
            decimal.digits = decimal.digits * 10 + (uint64_t)(*at - '0');
    decimal.exponent = atoi(at + 1) - (precision - 1);
    return decimal;
}

/* The first precision that reads back. Up to 15 digits the text of a normal double is unique, so
 * that 15 digits show it, ending in zeros. At 16 digits and a power of two the next decimal above
 * can read back although the nearest one, below, doesn't. */
static struct shortest shortest_wide(double value)
{
    int precision = value < 0x1p-1022 ? 1 : 15;
    for (; precision < DOUBLE_SHORTEST_DIGITS_MAX; precision++) {
        struct shortest decimal = rounded_decimal(value, precision);
        if (reads_back(decimal, value))
            return decimal;
        decimal.digits++;
        if (precision == 16 && binary_of(value).is_power_of_two && reads_back(decimal, value))
            return decimal;
    }
    return rounded_decimal(value, DOUBLE_SHORTEST_DIGITS_MAX);
}

static struct shortest shortest_of(double value)
{
    struct binary binary = binary_of(value);
    int exponent = binary.exponent + SIGNIFICAND_BITS - 1;
    bool is_narrow = exponent >= NARROW_EXPONENT_MIN && exponent <= NARROW_EXPONENT_MAX;
    struct shortest decimal = is_narrow ? shortest_narrow(binary) : shortest_wide(value);
    while (decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.exponent++;
    }
    return decimal;
}

/* Number::toString of ECMAScript: point is its n, count its k. */
static size_t write_shortest(struct shortest decimal, char *text)
{
    int count = (int)digits_of(decimal.digits);
    int point = count + decimal.exponent;
    char digits[INT64_DIGITS_MAX + 1];
    write_digits(decimal.digits, (size_t)count, digits);
    char *at = text;

    if (point > 21 || point <= -6) {
        *at++ = digits[0];
        if (count > 1)
            *at++ = '.';
        at = mempcpy(at, digits + 1, (size_t)count - 1);
        *at++ = 'e';
        *at++ = point > 0 ? '+' : '-';
        at += number_format_int(abs(point - 1), at);
    } else if (point <= 0) {
        at = mempcpy(at, "0.00000", (size_t)(2 - point));
        at = mempcpy(at, digits, (size_t)count);
    } else if (point < count) {
        at = mempcpy(at, digits, (size_t)point);
        *at++ = '.';
        at = mempcpy(at, digits + point, (size_t)(count - point));
    } else {
        at = mempcpy(at, digits, (size_t)count);
        memset(at, '0', (size_t)(point - count));
        at += point - count;
    }
    *at = '\0';
    return (size_t)(at - text);
}

size_t number_format_double(double value, char *text)
{
    CHECK(isfinite(value));
    if (fabs(value) < 0x1p53 && value == (double)(int64_t)value)
        return number_format_int((int64_t)value, text);
    size_t sign = value < 0;
    text[0] = '-';
    return sign + write_shortest(shortest_of(fabs(value)), text + sign);
}
