#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exact_cases.h"
#include "features/exact.h"
#include "random.h"

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static void check_case(size_t i, const char *what, double got, double expected)
{
    if (bits_of(got) != bits_of(expected))
        fail_msg("%s of '%s': got %a, expected %a", what, cases[i].name, got, expected);
}

static void sums_are_rounded_once(void **state)
{
    (void)state;

    for (size_t i = 0; i < CASES; i++) {
        struct exact_sum sum = {0};
        for (size_t j = 0; j < cases[i].count; j++)
            exact_sum_add_double(&sum, cases[i].values[j]);
        check_case(i, "sum", exact_sum_round(&sum, 1, 1), cases[i].sum);
        check_case(i, "quotient", exact_sum_round(&sum, cases[i].divisor_a, cases[i].divisor_b),
                   cases[i].quotient);
        check_case(i, "quotient", exact_sum_round(&sum, cases[i].divisor_b, cases[i].divisor_a),
                   cases[i].quotient);
    }
}

static void variances_are_rounded_once(void **state)
{
    (void)state;

    for (size_t i = 0; i < CASES; i++) {
        if (cases[i].count < 2)
            continue;
        struct exact_moments moments = {0};
        for (size_t j = 0; j < cases[i].count; j++)
            exact_moments_add_double(&moments, cases[i].values[j]);
        check_case(i, "variance", exact_moments_variance(&moments, cases[i].count, cases[i].digits),
                   cases[i].variance);
        check_case(i, "sum", exact_sum_round(&moments.sum, 1, 1), cases[i].sum);
    }
}

static void integers_of_64_bits_add_up_exactly(void **state)
{
    (void)state;
    struct exact_sum sum = {0};
    int64_t value = 42;

    assert_true(exact_sum_to_int64(&sum, &value));
    assert_int_equal(value, 0);
    exact_sum_add_int64(&sum, INT64_MAX);
    assert_true(exact_sum_to_int64(&sum, &value));
    assert_true(value == INT64_MAX);
    exact_sum_add_int64(&sum, 1);
    assert_false(exact_sum_to_int64(&sum, &value));
    assert_true(exact_sum_round(&sum, 1, 1) == 0x1p63);
    exact_sum_add_int64(&sum, INT64_MIN);
    exact_sum_add_int64(&sum, INT64_MIN);
    assert_true(exact_sum_to_int64(&sum, &value));
    assert_true(value == INT64_MIN);
    exact_sum_add_int64(&sum, -1);
    assert_false(exact_sum_to_int64(&sum, &value));
    exact_sum_add_int64(&sum, 6);
    assert_true(exact_sum_to_int64(&sum, &value));
    assert_true(value == INT64_MIN + 5);
}

static void a_fraction_is_no_integer(void **state)
{
    (void)state;
    struct exact_sum sum = {0};
    int64_t value = 42;

    exact_sum_add_double(&sum, 2.5);
    assert_false(exact_sum_to_int64(&sum, &value));
    exact_sum_add_double(&sum, 0x1p70);
    assert_false(exact_sum_to_int64(&sum, &value));
    exact_sum_add_double(&sum, -0x1p70);
    exact_sum_add_double(&sum, 0.5);
    assert_true(exact_sum_to_int64(&sum, &value));
    assert_int_equal(value, 3);
}

static void the_variance_of_the_largest_integers_is_exact(void **state)
{
    (void)state;
    struct exact_moments moments = {0};

    exact_moments_add_int64(&moments, INT64_MIN);
    exact_moments_add_int64(&moments, INT64_MIN + 2);
    assert_true(exact_moments_variance(&moments, 2, 0) == 2);
    assert_true(exact_moments_variance(&moments, 2, 1) == 0.02);
    exact_moments_reset(&moments);
    exact_moments_add_int64(&moments, INT64_MIN);
    exact_moments_add_int64(&moments, INT64_MAX);

    /* (2^64 - 1)^2 / 2 */
    assert_true(exact_moments_variance(&moments, 2, 0) == 0x1p127);
}

/* Doubling the sums forty times makes 3 * 2^40 values of three, and settles carries many times. */
static void huge_counts_lose_nothing(void **state)
{
    (void)state;
    enum { DOUBLINGS = 40 };
    const uint64_t count = UINT64_C(3) << DOUBLINGS;
    struct exact_moments moments = {0};

    exact_moments_add_double(&moments, 1e15 + 0.125);
    exact_moments_add_double(&moments, 1e15 + 0.25);
    exact_moments_add_double(&moments, -0x1p-1074);
    for (int i = 0; i < DOUBLINGS; i++)
        exact_moments_merge(&moments, &moments);

    assert_true(exact_sum_round(&moments.sum, count, 1) == 0x1.2f2a36ecd5556p+49);
    assert_true(exact_moments_variance(&moments, count, 0) == 0x1.6704f4fab2f69p+97);
}

/* Values of very different sizes, many of which cancel. */
static double random_value(struct random *random)
{
    double value = (double)(random_next(random) >> 11);
    bool is_wide = random_below(random, 2) == 0;
    value = ldexp(value, is_wide ? (int)random_below(random, 2000) - 1100 : -30);
    return random_below(random, 2) == 0 ? value : -value;
}

enum { TREE_VALUES = 200, TREE_LEAVES = 12 };

/* The moments of the values, put into leaves and merged at random, some by way of their encoding.
 */
static void sum_by_tree(struct random *random, const double *values, struct exact_moments *out)
{
    static struct exact_moments leaves[TREE_LEAVES];
    for (size_t i = 0; i < TREE_LEAVES; i++)
        exact_moments_reset(&leaves[i]);
    for (size_t i = 0; i < TREE_VALUES; i++)
        exact_moments_add_double(&leaves[random_below(random, TREE_LEAVES)], values[i]);
    for (size_t left = TREE_LEAVES; left > 1; left--) {
        size_t from = random_below(random, left);
        struct exact_moments moments = leaves[from];
        leaves[from] = leaves[left - 1];
        if (random_below(random, 2) == 0) {
            struct buffer buffer = {0};
            exact_moments_encode(&moments, &buffer);
            struct bytes encoded = buffer_bytes(&buffer);
            assert_true(exact_moments_decode(&moments, &encoded));
            assert_int_equal(encoded.size, 0);
            buffer_fini(&buffer);
        }
        exact_moments_merge(&leaves[random_below(random, left - 1)], &moments);
    }
    *out = leaves[0];
}

static void shuffle(struct random *random, double *values, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = random_below(random, i);
        double value = values[i - 1];
        values[i - 1] = values[other];
        values[other] = value;
    }
}

static void check_equal(const struct exact_moments *got, const struct exact_moments *expected)
{
    struct buffer got_bytes = {0};
    struct buffer expected_bytes = {0};
    exact_moments_encode(got, &got_bytes);
    exact_moments_encode(expected, &expected_bytes);
    assert_true(bytes_equal(buffer_bytes(&got_bytes), buffer_bytes(&expected_bytes)));
    buffer_fini(&got_bytes);
    buffer_fini(&expected_bytes);

    assert_true(bits_of(exact_sum_round(&got->sum, TREE_VALUES, 100)) ==
                bits_of(exact_sum_round(&expected->sum, TREE_VALUES, 100)));
    assert_true(bits_of(exact_moments_variance(got, TREE_VALUES, 3)) ==
                bits_of(exact_moments_variance(expected, TREE_VALUES, 3)));
}

static void order_and_grouping_change_no_bit(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);

    for (int round = 0; round < 50; round++) {
        double values[TREE_VALUES];
        struct exact_moments expected = {0};
        for (size_t i = 0; i < TREE_VALUES; i++)
            values[i] = random_value(&random);
        for (size_t i = 0; i < TREE_VALUES; i++)
            exact_moments_add_double(&expected, values[i]);
        for (int i = 0; i < 10; i++) {
            struct exact_moments moments;
            shuffle(&random, values, TREE_VALUES);
            sum_by_tree(&random, values, &moments);
            check_equal(&moments, &expected);
        }
    }
}

static void what_cancels_out_encodes_as_nothing(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    double values[TREE_VALUES];
    struct exact_sum sum = {0};

    for (size_t i = 0; i < TREE_VALUES; i++)
        values[i] = random_value(&random);
    for (size_t i = 0; i < TREE_VALUES; i++)
        exact_sum_add_double(&sum, values[i]);
    shuffle(&random, values, TREE_VALUES);
    for (size_t i = 0; i < TREE_VALUES; i++)
        exact_sum_add_double(&sum, -values[i]);

    struct buffer buffer = {0};
    exact_sum_encode(&sum, &buffer);
    assert_true(bytes_equal(buffer_bytes(&buffer), bytes_of("\0\0\0", 3)));
    buffer_fini(&buffer);
    assert_true(bits_of(exact_sum_round(&sum, 1, 1)) == 0);
}

/* A zero that is added as a double has all limbs looked at. */
static void check_wide_and_narrow(const struct exact_moments *narrow, uint64_t count)
{
    struct exact_moments wide = *narrow;
    int64_t integer = 0;
    int64_t expected = 0;
    exact_moments_add_double(&wide, 0);
    assert_int_equal(exact_sum_to_int64(&narrow->sum, &integer),
                     exact_sum_to_int64(&wide.sum, &expected));
    assert_true(integer == expected);
    for (unsigned digits = 0; digits <= 18; digits += 3) {
        uint64_t scale = (uint64_t)pow(10, digits);
        assert_true(bits_of(exact_sum_round(&narrow->sum, count, scale)) ==
                    bits_of(exact_sum_round(&wide.sum, count, scale)));
        assert_true(bits_of(exact_moments_variance(narrow, count, digits)) ==
                    bits_of(exact_moments_variance(&wide, count, digits)));
    }
}

static void integers_round_as_if_they_were_doubles(void **state)
{
    (void)state;
    enum { ROUNDS = 3000, VALUES_MAX = 40 };
    struct random random = random_begin(__func__);

    for (int round = 0; round < ROUNDS; round++) {
        struct exact_moments moments = {0};
        struct exact_moments older = {0};
        uint64_t count = 2 + random_below(&random, VALUES_MAX);
        unsigned bits = 1 + (unsigned)random_below(&random, 64);
        for (uint64_t i = 0; i < count; i++)
            exact_moments_add_int64(i % 3 == 0 ? &older : &moments,
                                    (int64_t)random_next(&random) >> (64 - bits));
        if (round % 2 == 0) {
            struct buffer buffer = {0};
            exact_moments_encode(&older, &buffer);
            struct bytes encoded = buffer_bytes(&buffer);
            assert_true(exact_moments_decode(&older, &encoded));
            buffer_fini(&buffer);
        }
        exact_moments_merge(&moments, &older);
        check_wide_and_narrow(&moments, count);
    }
}

static void doubles_and_integers_of_one_value_add_the_same(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct exact_moments doubles = {0};
    struct exact_moments integers = {0};

    for (size_t i = 0; i < TREE_VALUES; i++) {
        int64_t value = (int64_t)(random_next(&random) >> 11);
        value = i % 2 == 0 ? value : -value;
        exact_moments_add_double(&doubles, (double)value);
        exact_moments_add_int64(&integers, value);
    }

    check_equal(&doubles, &integers);
}

static void the_encoding_is_the_documented_one(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *bytes;
        size_t size;
    } encodings[] = {
        {5, "\x10\x11\x00\x05", 4},
        {-256, "\x13\x11\x00\x01", 4},
        {0x123456, "\x10\x31\x00\x56\x34\x12", 6},
        {0, "\0\0\0", 3},
    };

    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
        struct exact_sum sum = {0};
        struct buffer buffer = {0};
        exact_sum_add_int64(&sum, encodings[i].value);
        exact_sum_encode(&sum, &buffer);
        struct bytes expected = bytes_of(encodings[i].bytes, encodings[i].size);
        assert_true(bytes_equal(buffer_bytes(&buffer), expected));
        buffer_fini(&buffer);

        int64_t value = 42;
        assert_true(exact_sum_decode(&sum, &expected));
        assert_true(exact_sum_to_int64(&sum, &value));
        assert_int_equal(value, encodings[i].value);
    }
}

static void bytes_that_encode_does_not_write_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } encodings[] = {
        {"", 0},
        {"\0\0", 2},
        {"\x01\0\0", 3},           /* minus zero */
        {"\x10\x01\0", 3},         /* zero at another place */
        {"\x10\x11\0", 3},         /* cut off */
        {"\x10\x31\0\x56\x34", 5}, /* cut off */
        {"\x10\x11\0\0", 4},       /* a lowest byte of 0 */
        {"\x10\x21\0\x05\0", 5},   /* a highest byte of 0 */
        {"\x1e\x12\0\x05", 4},     /* in the byte that stays free */
        {"\xfe\xff\xff\x05", 4},
    };

    for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
        struct exact_sum sum;
        struct bytes input = bytes_of(encodings[i].bytes, encodings[i].size);
        if (exact_sum_decode(&sum, &input))
            fail_msg("encoding %zu was taken", i);
        assert_int_equal(input.size, encodings[i].size);
    }
    struct exact_moments moments;
    struct bytes negative_squares = bytes_of("\0\0\0\x13\x11\x00\x01", 7);
    assert_false(exact_moments_decode(&moments, &negative_squares));
}

static void sums_that_no_values_have_make_no_variance(void **state)
{
    (void)state;
    static const char damaged[] = "\x10\x11\x00\x05\x20\x12\x00\x03"; /* 5, and 3 */
    struct bytes input = bytes_of(damaged, sizeof(damaged) - 1);
    struct exact_moments moments;

    assert_true(exact_moments_decode(&moments, &input));
    assert_true(exact_moments_variance(&moments, 9, 0) == 2.0 / 72);
    assert_true(isnan(exact_moments_variance(&moments, 8, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_rounded_once),
        cmocka_unit_test(variances_are_rounded_once),
        cmocka_unit_test(integers_of_64_bits_add_up_exactly),
        cmocka_unit_test(a_fraction_is_no_integer),
        cmocka_unit_test(the_variance_of_the_largest_integers_is_exact),
        cmocka_unit_test(huge_counts_lose_nothing),
        cmocka_unit_test(order_and_grouping_change_no_bit),
        cmocka_unit_test(what_cancels_out_encodes_as_nothing),
        cmocka_unit_test(integers_round_as_if_they_were_doubles),
        cmocka_unit_test(doubles_and_integers_of_one_value_add_the_same),
        cmocka_unit_test(the_encoding_is_the_documented_one),
        cmocka_unit_test(bytes_that_encode_does_not_write_are_refused),
        cmocka_unit_test(sums_that_no_values_have_make_no_variance),
    };
    return cmocka_run_group_tests_name("exact", tests, NULL, NULL);
}
