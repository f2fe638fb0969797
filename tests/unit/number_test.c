#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/number.h"
#include "base/number_short.h"
#include "random.h"

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* The second column is what Node.js prints. */
static void doubles_are_written_as_javascript_does(void **state)
{
    (void)state;
    static const struct {
        uint64_t bits;
        const char *text;
    } cases[] = {
        {UINT64_C(0x0000000000000000), "0"},
        {UINT64_C(0x8000000000000000), "0"},
        {UINT64_C(0x3ff0000000000000), "1"},
        {UINT64_C(0xbff0000000000000), "-1"},
        {UINT64_C(0x3fb999999999999a), "0.1"},
        {UINT64_C(0xbfb999999999999a), "-0.1"},
        {UINT64_C(0x3fe0000000000000), "0.5"},
        {UINT64_C(0x3fd3333333333333), "0.3"},
        {UINT64_C(0x3fd3333333333334), "0.30000000000000004"},
        {UINT64_C(0x3fd5555555555555), "0.3333333333333333"},
        {UINT64_C(0x3fe5555555555555), "0.6666666666666666"},
        {UINT64_C(0x4059000000000000), "100"},
        {UINT64_C(0x419d6f3454000000), "123456789"},
        {UINT64_C(0x430c6bf526340000), "1000000000000000"},
        {UINT64_C(0x4341c37937e08000), "10000000000000000"},
        {UINT64_C(0x4376345785d8a000), "100000000000000000"},
        {UINT64_C(0x4415af1d78b58c40), "100000000000000000000"},
        {UINT64_C(0x444b1ae4d6e2ef50), "1e+21"},
        {UINT64_C(0x4454542ba12a337c), "1.5e+21"},
        {UINT64_C(0x441ac53a7e04bcda), "123456789012345680000"},
        {UINT64_C(0x4480f0cf064dd592), "1e+22"},
        {UINT64_C(0x44b52d02c7e14af6), "1e+23"},
        {UINT64_C(0x44b41df5d77c6d9d), "9.5e+22"},
        {UINT64_C(0x3eb0c6f7a0b5ed8d), "0.000001"},
        {UINT64_C(0x3eb92a737110e454), "0.0000015"},
        {UINT64_C(0x3e7ad7f29abcaf48), "1e-7"},
        {UINT64_C(0x3e8421f5f40d8376), "1.5e-7"},
        {UINT64_C(0x3ee4f8b588e368f1), "0.00001"},
        {UINT64_C(0x01a56e1fc2f8f359), "1e-300"},
        {UINT64_C(0x7e37e43c8800759c), "1e+300"},
        {UINT64_C(0x0000000000000001), "5e-324"},
        {UINT64_C(0x0000000000000002), "1e-323"},
        {UINT64_C(0x0010000000000000), "2.2250738585072014e-308"},
        {UINT64_C(0x000fffffffffffff), "2.225073858507201e-308"},
        {UINT64_C(0x7fefffffffffffff), "1.7976931348623157e+308"},
        {UINT64_C(0x001fffffffffffff), "4.4501477170144023e-308"},
        {UINT64_C(0x4340000000000000), "9007199254740992"},
        {UINT64_C(0x433fffffffffffff), "9007199254740991"},
        {UINT64_C(0x4340000000000001), "9007199254740994"},
        {UINT64_C(0x4350000000000000), "18014398509481984"},
        {UINT64_C(0x43b0000000000000), "1152921504606847000"},
        {UINT64_C(0x43e0000000000000), "9223372036854776000"},
        {UINT64_C(0x43f0000000000000), "18446744073709552000"},
        {UINT64_C(0x4450000000000000), "1.1805916207174113e+21"},
        {UINT64_C(0x3f60000000000000), "0.001953125"},
        {UINT64_C(0x3f50000000000000), "0.0009765625"},
        {UINT64_C(0x3eb0000000000000), "9.5367431640625e-7"},
        {UINT64_C(0x3d30000000000000), "5.684341886080802e-14"},
        {UINT64_C(0x0010000000000000), "2.2250738585072014e-308"},
        {UINT64_C(0x0000000000000001), "5e-324"},
        {UINT64_C(0x0000000000000002), "1e-323"},
        {UINT64_C(0x0020000000000000), "4.450147717014403e-308"},
        {UINT64_C(0x7fe0000000000000), "8.98846567431158e+307"},
        {UINT64_C(0x44c0000000000000), "1.5111572745182865e+23"},
        {UINT64_C(0x4340000000000000), "9007199254740992"},
        {UINT64_C(0x4331c37937e08000), "5000000000000000"},
        {UINT64_C(0x4330000000000002), "4503599627370498"},
        {UINT64_C(0x432fffffffffffff), "4503599627370495.5"},
        {UINT64_C(0x4310000000000000), "1125899906842624"},
        {UINT64_C(0x4300000000000001), "562949953421312.1"},
        {UINT64_C(0x4028ae147ae147ae), "12.34"},
        {UINT64_C(0x4058ff5c28f5c28f), "99.99"},
        {UINT64_C(0x40934a456d5cfaad), "1234.5678"},
        {UINT64_C(0x3fb1eb851eb851ec), "0.07"},
        {UINT64_C(0x430c6bf526340002), "1000000000000000.2"},
        {UINT64_C(0x419d6f3454000000), "123456789"},
        {UINT64_C(0x447c7e83209e90b2), "8.41e+21"},
        {UINT64_C(0x43f2250fa08398d4), "20919495182368195000"},
        {UINT64_C(0x43f6af2fe0065ebf), "26153245263757308000"},
        {UINT64_C(0x41b1de784a000000), "299792458"},
        {UINT64_C(0x390b860bde023111), "6.62607015e-34"},
        {UINT64_C(0x3e8172c417c771ef), "1.3e-7"},
        {UINT64_C(0x3f60000000000000), "0.001953125"},
        {UINT64_C(0x3f5fffffffffffff), "0.0019531249999999998"},
        {UINT64_C(0x3f5ffffaa19c4774), "0.00195312"},
        {UINT64_C(0x3e80000000000000), "1.1920928955078125e-7"},
        {UINT64_C(0x3e60000000000000), "2.9802322387695312e-8"},
        {UINT64_C(0x3eb0000000000000), "9.5367431640625e-7"},
        {UINT64_C(0x39b0000000000000), "7.888609052210118e-31"},
        {UINT64_C(0x3ff72f17f1f49aad), "1.448997445238699"},
        {UINT64_C(0x404b27ae147ae148), "54.31"},
        {UINT64_C(0x4126472000000000), "730000"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[NUMBER_TEXT_SIZE];
        size_t size = number_format_double(double_of(cases[i].bits), text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(size, strlen(text));
    }
}

/* A random finite double; some are short decimals, some have all bits at random. */
static double random_double(struct random *random)
{
    double value;
    switch (random_below(random, 4)) {
    case 0:
        return (double)(int64_t)random_below(random, 100000000) / 1000;
    case 1:
        return ldexp((double)(random_next(random) >> 11), (int)random_below(random, 80) - 70);
    case 2:
        return ldexp(1, (int)random_below(random, 2098) - 1074);
    default:
        do
            value = double_of(random_next(random));
        while (!isfinite(value));
        return value;
    }
}

static void doubles_read_back_and_no_shorter_text_does(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);

    for (int i = 0; i < 100000; i++) {
        double value = random_double(&random);
        char text[NUMBER_TEXT_SIZE];
        size_t size = number_format_double(value, text);
        double again = 0;
        assert_int_equal(number_parse_double(bytes_of(text, size), &again), NUMBER_OK);
        if (again != value || strtod(text, NULL) != value)
            fail_msg("%a became %s", value, text);

        int digits = 0;
        bool is_leading = true;
        for (const char *at = text; *at != '\0' && *at != 'e'; at++)
            if (*at >= '0' && *at <= '9' && !(is_leading && *at == '0')) {
                is_leading = false;
                digits++;
            }
        char shorter[NUMBER_TEXT_SIZE];
        snprintf(shorter, sizeof(shorter), "%.*e", digits > 1 ? digits - 2 : 0, value);
        bool ends_in_zero = fabs(value) >= 10 && text[size - 1] == '0';
        if (digits > 1 && !ends_in_zero && strtod(shorter, NULL) == value)
            fail_msg("%a became %s, but %s reads back", value, text, shorter);
    }
}

static void texts_of_doubles_go_to_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"-0.0e5", 0},
        {"0e999999999999999999999999", 0},
        {"12.50", 12.5},
        {"-1E2", -100},
        {"1e+2", 100},
        {"1e22", 1e22},
        {"1e23", 1e23},
        {"123456789012345678", 123456789012345678.0},
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740993.00000000000000000000000000000000000001", 9007199254740994.0},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"1.7976931348623158079e308", 1.7976931348623157e308},
        {"4.9406564584124654e-324", 0x1p-1074},
        {"2.4703282292062328e-324", 0x1p-1074},
        {"2.4703282292062327e-324", 0},
        {"-1e-400", 0},
        {"1e-999999999999999999999999", 0},
        {"0.000000000000000000000000000001e30", 1},
        {"1000000000000000000000000000000e-30", 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double value = 42;
        if (number_parse_double(bytes_of_text(cases[i].text), &value) != NUMBER_OK ||
            bits_of(value) != bits_of(cases[i].value))
            fail_msg("%s: got %a", cases[i].text, value);
    }
}

/* Texts without an exponent, of up to 20 digits: the point anywhere, halves among them. */
static void plain_texts_go_to_the_nearest_double_as_strtod_has_it(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);

    for (int i = 0; i < 200000; i++) {
        char digits[32];
        char text[40];
        uint64_t number = random_next(&random) >> random_below(&random, 64);
        if (i % 4 == 0) /* the middle of two doubles, or nearly */
            number = (random_next(&random) >> 11 | 1) + (uint64_t)i % 3 - 1;
        int size = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
        int point = (int)random_below(&random, (uint32_t)size + 1);
        snprintf(text, sizeof(text), "%s%.*s%s%s", i % 2 == 0 ? "-" : "", point, digits,
                 point == 0 ? "0." : (point == size ? "" : "."), digits + point);
        double value = 0;

        assert_int_equal(number_parse_double(bytes_of_text(text), &value), NUMBER_OK);

        double expected = strtod(text, NULL) + 0.0;
        if (bits_of(value) != bits_of(expected))
            fail_msg("%s became %a, expected %a", text, value, expected);
    }
}

/* Whatever stands before the text. */
static void short_texts_are_taken_apart_as_they_are_parsed(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);

    for (int i = 0; i < 200000; i++) {
        char memory[NUMBER_SHORT_SIZE_MAX + NUMBER_TEXT_SIZE];
        char *text = memory + NUMBER_SHORT_SIZE_MAX;
        uint64_t before = random_next(&random);
        int64_t number = (int64_t)(random_next(&random) >> random_below(&random, 64));
        unsigned digits = (unsigned)random_below(&random, 8);
        uint64_t magnitude;
        unsigned fraction;
        int64_t expected;
        memcpy(memory, i % 2 == 0 ? (const char *)&before : "12.45.78", sizeof(before));
        struct bytes written = bytes_of(text, number_format_decimal(number, digits, text));
        if (written.size > NUMBER_SHORT_SIZE_MAX)
            continue;

        bool is_taken = number_take_short(written, &magnitude, &fraction);

        assert_int_equal(is_taken, number >= 0);
        assert_int_equal(number_parse_decimal(written, digits, &expected), NUMBER_OK);
        if (is_taken)
            assert_int_equal(magnitude * number_powers_of_ten[digits - fraction], expected);
    }
}

static void doubles_beyond_range_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"1e309", "-1e309", "1.7976931348623159e308",
                                        "1e99999999999999999999", "123e307"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double value = 42;
        assert_int_equal(number_parse_double(bytes_of_text(texts[i]), &value), NUMBER_OUT_OF_RANGE);
        assert_true(value == 42);
    }
}

/* 1 + 2^-53 lies in the middle of two doubles; a digit far behind decides. */
static void a_digit_far_behind_the_middle_decides(void **state)
{
    (void)state;
    enum { SIZE = 5000 };
    static char text[SIZE];
    const char middle[] = "1.00000000000000011102230246251565404236316680908203125";
    memset(text, '0', SIZE);
    memcpy(text, middle, sizeof(middle) - 1);
    double value;

    assert_int_equal(number_parse_double(bytes_of(text, SIZE), &value), NUMBER_OK);
    assert_true(value == 1);
    text[SIZE - 1] = '1';
    assert_int_equal(number_parse_double(bytes_of(text, SIZE), &value), NUMBER_OK);
    assert_true(value == 1 + 0x1p-52);
}

static void texts_outside_of_the_grammar_are_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",    "-",   "+1",   "01",    "-01",   "00",  "1.",       ".5",       "-.5",   "1e",
        "1e+", "1e-", "1.e2", "1e2.5", "0x10",  "nan", "inf",      "Infinity", "1 ",    " 1",
        "1,5", "--1", "1-",   "1e5e5", "1_000", "e5",  "\xd9\xa1", "1\n",      "1.2.3", "1f",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int64_t integer = 42;
        double real = 42;
        struct bytes text = bytes_of_text(texts[i]);
        if (number_parse_int(text, &integer) != NUMBER_MALFORMED ||
            number_parse_decimal(text, 2, &integer) != NUMBER_MALFORMED ||
            number_parse_floor(text, 0, &integer) != NUMBER_MALFORMED ||
            number_parse_double(text, &real) != NUMBER_MALFORMED)
            fail_msg("'%s' was taken", texts[i]);
        assert_int_equal(integer, 42);
        assert_true(real == 42);
    }
    int64_t integer;
    assert_int_equal(number_parse_int(bytes_of("1\0", 2), &integer), NUMBER_MALFORMED);
    assert_int_equal(number_parse_int(bytes_of(NULL, 0), &integer), NUMBER_MALFORMED);
}

static void ints_are_read_by_value(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum number_result result;
        int64_t value;
    } cases[] = {
        {"0", NUMBER_OK, 0},
        {"-0", NUMBER_OK, 0},
        {"-0.000e7", NUMBER_OK, 0},
        {"42", NUMBER_OK, 42},
        {"12.0", NUMBER_OK, 12},
        {"1e3", NUMBER_OK, 1000},
        {"1.5e1", NUMBER_OK, 15},
        {"-12000e-3", NUMBER_OK, -12},
        {"9223372036854775807", NUMBER_OK, INT64_MAX},
        {"-9223372036854775808", NUMBER_OK, INT64_MIN},
        {"9223372036854775807.000", NUMBER_OK, INT64_MAX},
        {"0.0000000000000000000000001e25", NUMBER_OK, 1},
        {"9223372036854775808", NUMBER_OUT_OF_RANGE, 0},
        {"-9223372036854775809", NUMBER_OUT_OF_RANGE, 0},
        {"99999999999999999999", NUMBER_OUT_OF_RANGE, 0},
        {"1e19", NUMBER_OUT_OF_RANGE, 0},
        {"1e999999999999999999999999", NUMBER_OUT_OF_RANGE, 0},
        {"1.5", NUMBER_NOT_EXACT, 0},
        {"-0.1", NUMBER_NOT_EXACT, 0},
        {"1e-1", NUMBER_NOT_EXACT, 0},
        {"1e-999999999999999999999999", NUMBER_NOT_EXACT, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 0;
        enum number_result result = number_parse_int(bytes_of_text(cases[i].text), &value);
        if (result != cases[i].result || value != cases[i].value)
            fail_msg("%s: result %d, value %lld", cases[i].text, result, (long long)value);
    }
}

static void decimals_are_read_by_value(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned digits;
        enum number_result result;
        int64_t scaled;
    } cases[] = {
        {"12.34", 2, NUMBER_OK, 1234},
        {"1.500", 2, NUMBER_OK, 150},
        {"-0.07", 2, NUMBER_OK, -7},
        {"3", 2, NUMBER_OK, 300},
        {"1.2e1", 0, NUMBER_OK, 12},
        {"1e-18", 18, NUMBER_OK, 1},
        {"0", 18, NUMBER_OK, 0},
        {"999999999999999999", 0, NUMBER_OK, INT64_C(999999999999999999)},
        {"-9999999999999999.99", 2, NUMBER_OK, INT64_C(-999999999999999999)},
        {"0.999999999999999999", 18, NUMBER_OK, INT64_C(999999999999999999)},
        {"1.234", 2, NUMBER_NOT_EXACT, 0},
        {"1e-3", 2, NUMBER_NOT_EXACT, 0},
        {"1e-999999999999999999999999", 2, NUMBER_NOT_EXACT, 0},
        {"-9999999999999999.999", 2, NUMBER_NOT_EXACT, 0},
        {"1000000000000000000", 0, NUMBER_OUT_OF_RANGE, 0},
        {"-1000000000000000000", 0, NUMBER_OUT_OF_RANGE, 0},
        {"10000000000000000", 2, NUMBER_OUT_OF_RANGE, 0},
        {"1", 18, NUMBER_OUT_OF_RANGE, 0},
        {"99999999999999999999.5", 0, NUMBER_OUT_OF_RANGE, 0},
        {"1e999999999999999999999999", 2, NUMBER_OUT_OF_RANGE, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t scaled = 0;
        enum number_result result =
            number_parse_decimal(bytes_of_text(cases[i].text), cases[i].digits, &scaled);
        if (result != cases[i].result || scaled != cases[i].scaled)
            fail_msg("%s: result %d, scaled %lld", cases[i].text, result, (long long)scaled);
    }
}

static void floors_go_to_minus_infinity(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int shift;
        enum number_result result;
        int64_t value;
    } cases[] = {
        {"1700000000.1234567", 6, NUMBER_OK, INT64_C(1700000000123456)},
        {"-1700000000.1234567", 6, NUMBER_OK, INT64_C(-1700000000123457)},
        {"1700000000123", 3, NUMBER_OK, INT64_C(1700000000123000)},
        {"1700000000123456789", -3, NUMBER_OK, INT64_C(1700000000123456)},
        {"-1", -3, NUMBER_OK, -1},
        {"-1000", -3, NUMBER_OK, -1},
        {"-1001", -3, NUMBER_OK, -2},
        {"999", -3, NUMBER_OK, 0},
        {"-0.0000001", 6, NUMBER_OK, -1},
        {"0.0000009", 6, NUMBER_OK, 0},
        {"-1e-999999999999999999999999", 6, NUMBER_OK, -1},
        {"9223372036854775807.9", 0, NUMBER_OK, INT64_MAX},
        {"-9223372036854775807.9", 0, NUMBER_OK, INT64_MIN},
        {"-9223372036854775808.1", 0, NUMBER_OUT_OF_RANGE, 0},
        {"9223372036854775808", 0, NUMBER_OUT_OF_RANGE, 0},
        {"9223372036854.775808", 6, NUMBER_OUT_OF_RANGE, 0},
        {"9223372036854775808000", -3, NUMBER_OUT_OF_RANGE, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 0;
        enum number_result result =
            number_parse_floor(bytes_of_text(cases[i].text), cases[i].shift, &value);
        if (result != cases[i].result || value != cases[i].value)
            fail_msg("%s: result %d, value %lld", cases[i].text, result, (long long)value);
    }
}

static void integers_and_decimals_are_written_short(void **state)
{
    (void)state;
    static const struct {
        int64_t scaled;
        unsigned digits;
        const char *text;
    } cases[] = {
        {0, 0, "0"},
        {0, 18, "0"},
        {1250, 2, "12.5"},
        {-7, 2, "-0.07"},
        {300, 2, "3"},
        {1, 18, "0.000000000000000001"},
        {-999999999999999999, 18, "-0.999999999999999999"},
        {INT64_MAX, 0, "9223372036854775807"},
        {INT64_MIN, 0, "-9223372036854775808"},
        {INT64_MIN, 18, "-9.223372036854775808"},
        {1000000000000000000, 18, "1"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[NUMBER_TEXT_SIZE];
        size_t size = number_format_decimal(cases[i].scaled, cases[i].digits, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(size, strlen(text));
        if (cases[i].digits == 0) {
            assert_int_equal(number_format_int(cases[i].scaled, text), size);
            assert_string_equal(text, cases[i].text);
        }
    }
}

static void integers_and_decimals_read_back(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);

    for (int i = 0; i < 100000; i++) {
        char text[NUMBER_TEXT_SIZE];
        int64_t value = (int64_t)(random_next(&random) >> random_below(&random, 64));
        int64_t again = 0;
        size_t size = number_format_int(value, text);
        assert_int_equal(number_parse_int(bytes_of(text, size), &again), NUMBER_OK);
        assert_true(again == value);

        int64_t scaled = value % INT64_C(1000000000000000000);
        unsigned digits = (unsigned)random_below(&random, DECIMAL_DIGITS_MAX + 1);
        size = number_format_decimal(scaled, digits, text);
        assert_int_equal(number_parse_decimal(bytes_of(text, size), digits, &again), NUMBER_OK);
        assert_true(again == scaled);
    }
}

static void time_does_not_depend_on_the_exponent(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    static char text[SIZE];
    int64_t value;
    double real;

    int64_t start_us = clock_mono_us();
    for (int i = 0; i < 10000; i++) {
        struct bytes huge = bytes_of_text("1e999999999999999999");
        assert_int_equal(number_parse_int(huge, &value), NUMBER_OUT_OF_RANGE);
        assert_int_equal(number_parse_decimal(huge, 18, &value), NUMBER_OUT_OF_RANGE);
        assert_int_equal(number_parse_double(huge, &real), NUMBER_OUT_OF_RANGE);
        struct bytes tiny = bytes_of_text("1e-999999999999999999");
        assert_int_equal(number_parse_floor(tiny, 6, &value), NUMBER_OK);
        assert_int_equal(number_parse_double(tiny, &real), NUMBER_OK);
    }
    memset(text, '9', SIZE);
    assert_int_equal(number_parse_double(bytes_of(text, SIZE), &real), NUMBER_OUT_OF_RANGE);
    assert_int_equal(number_parse_int(bytes_of(text, SIZE), &value), NUMBER_OUT_OF_RANGE);

    assert_in_range(clock_mono_us() - start_us, 0, 5000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_written_as_javascript_does),
        cmocka_unit_test(doubles_read_back_and_no_shorter_text_does),
        cmocka_unit_test(texts_of_doubles_go_to_the_nearest),
        cmocka_unit_test(plain_texts_go_to_the_nearest_double_as_strtod_has_it),
        cmocka_unit_test(short_texts_are_taken_apart_as_they_are_parsed),
        cmocka_unit_test(doubles_beyond_range_are_refused),
        cmocka_unit_test(a_digit_far_behind_the_middle_decides),
        cmocka_unit_test(texts_outside_of_the_grammar_are_malformed),
        cmocka_unit_test(ints_are_read_by_value),
        cmocka_unit_test(decimals_are_read_by_value),
        cmocka_unit_test(floors_go_to_minus_infinity),
        cmocka_unit_test(integers_and_decimals_are_written_short),
        cmocka_unit_test(integers_and_decimals_read_back),
        cmocka_unit_test(time_does_not_depend_on_the_exponent),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
