#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "features/exact.h"
#include "random.h"

enum { CASE_VALUES_MAX = 10 };

/* What is expected was computed with Python's fractions, each result rounded once by float(). */
static const struct {
    const char *name;
    double values[CASE_VALUES_MAX];
    size_t count;
    double sum;
    uint64_t divisor_a;
    uint64_t divisor_b;
    unsigned digits;
    double quotient; /* sum / (divisor_a * divisor_b) */
    double variance; /* of count >= 2 */
} cases[] = {
    {"cancellation",
     {0x1.1ccf385ebc8a0p+1023, 0x1.0000000000000p+0, -0x1.1ccf385ebc8a0p+1023},
     3,
     0x1.0000000000000p+0,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x1.0000000000000p+0,
     INFINITY},
    {"ten tenths",
     {0x1.999999999999ap-4, 0x1.999999999999ap-4, 0x1.999999999999ap-4, 0x1.999999999999ap-4,
      0x1.999999999999ap-4, 0x1.999999999999ap-4, 0x1.999999999999ap-4, 0x1.999999999999ap-4,
      0x1.999999999999ap-4, 0x1.999999999999ap-4},
     10,
     0x1.0000000000000p+0,
     UINT64_C(10),
     UINT64_C(1),
     0,
     0x1.999999999999ap-4,
     0},
    {"overflow and back",
     {0x1.fffffffffffffp+1023, 0x1.fffffffffffffp+1023, -0x1.fffffffffffffp+1023},
     3,
     0x1.fffffffffffffp+1023,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x1.fffffffffffffp+1023,
     INFINITY},
    {"beyond range",
     {0x1.fffffffffffffp+1023, 0x1.fffffffffffffp+1023},
     2,
     INFINITY,
     UINT64_C(1),
     UINT64_C(1),
     0,
     INFINITY,
     0},
    {"below range",
     {-0x1.fffffffffffffp+1023, -0x1.fffffffffffffp+1023},
     2,
     -INFINITY,
     UINT64_C(1),
     UINT64_C(1),
     0,
     -INFINITY,
     0},
    {"average beyond range",
     {0x1.fffffffffffffp+1023, 0x1.fffffffffffffp+1023},
     2,
     INFINITY,
     UINT64_C(2),
     UINT64_C(1),
     0,
     0x1.fffffffffffffp+1023,
     0},
    {"largest",
     {0x1.fffffffffffffp+1023},
     1,
     0x1.fffffffffffffp+1023,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x1.fffffffffffffp+1023,
     0},
    {"half ulp above largest",
     {0x1.fffffffffffffp+1023, 0x1.0000000000000p+970},
     2,
     INFINITY,
     UINT64_C(1),
     UINT64_C(1),
     0,
     INFINITY,
     INFINITY},
    {"below half ulp above largest",
     {0x1.fffffffffffffp+1023, 0x1.0000000000000p+970, -0x0.0000000000001p-1022},
     3,
     0x1.fffffffffffffp+1023,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x1.fffffffffffffp+1023,
     INFINITY},
    {"subnormals",
     {0x0.0000000000001p-1022, 0x0.0000000000001p-1022, 0x0.0000000000001p-1022},
     3,
     0x0.0000000000003p-1022,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x0.0000000000003p-1022,
     0},
    {"half of smallest is even",
     {0x0.0000000000001p-1022},
     1,
     0x0.0000000000001p-1022,
     UINT64_C(2),
     UINT64_C(1),
     0,
     0,
     0},
    {"over half of smallest",
     {0x0.0000000000001p-1022, 0x1.0000000000000p-1022, -0x1.0000000000000p-1022},
     3,
     0x0.0000000000001p-1022,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x0.0000000000001p-1022,
     0},
    {"three halves of smallest",
     {0x0.0000000000001p-1022, 0x0.0000000000001p-1022, 0x0.0000000000001p-1022},
     3,
     0x0.0000000000003p-1022,
     UINT64_C(2),
     UINT64_C(1),
     0,
     0x0.0000000000002p-1022,
     0},
    {"less than half of smallest",
     {0x0.0000000000001p-1022},
     1,
     0x0.0000000000001p-1022,
     UINT64_C(3),
     UINT64_C(1),
     0,
     0,
     0},
    {"smallest normal by three",
     {0x1.0000000000000p-1022, 0x1.0000000000000p-1022},
     2,
     0x1.0000000000000p-1021,
     UINT64_C(3),
     UINT64_C(7),
     0,
     0x0.1861861861862p-1022,
     0},
    {"subnormal boundary",
     {0x1.0000000000000p-1022, -0x0.0000000000001p-1022},
     2,
     0x0.fffffffffffffp-1022,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x0.fffffffffffffp-1022,
     0},
    {"rounds up into normal",
     {0x1.0000000000000p-1022, 0x1.0000000000000p-1022, -0x0.0000000000001p-1022},
     3,
     0x1.fffffffffffffp-1022,
     UINT64_C(2),
     UINT64_C(1),
     0,
     0x1.0000000000000p-1022,
     0},
    {"tie to even down",
     {0x1.0000000000000p+53, 0x1.0000000000000p+0},
     2,
     0x1.0000000000000p+53,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x1.0000000000000p+53,
     0x1.ffffffffffffep+104},
    {"tie to even up",
     {0x1.0000000000001p+53, 0x1.0000000000000p+0},
     2,
     0x1.0000000000002p+53,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x1.0000000000002p+53,
     0x1.0000000000001p+105},
    {"tie broken far below",
     {0x1.0000000000000p+53, 0x1.0000000000000p+0, 0x0.0000000000001p-1022},
     3,
     0x1.0000000000001p+53,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x1.0000000000001p+53,
     0x1.5555555555555p+104},
    {"tie broken from below",
     {0x1.0000000000001p+53, 0x1.0000000000000p+0, -0x0.0000000000001p-1022},
     3,
     0x1.0000000000001p+53,
     UINT64_C(1),
     UINT64_C(1),
     0,
     0x1.0000000000001p+53,
     0x1.5555555555557p+104},
    {"negative tie",
     {-0x1.0000000000000p+53, -0x1.0000000000000p+0},
     2,
     -0x1.0000000000000p+53,
     UINT64_C(1),
     UINT64_C(1),
     0,
     -0x1.0000000000000p+53,
     0x1.ffffffffffffep+104},
    {"zero", {0, 0}, 2, 0, UINT64_C(2), UINT64_C(1), 0, 0, 0},
    {"negative underflow is plain zero",
     {-0x0.0000000000001p-1022},
     1,
     -0x0.0000000000001p-1022,
     UINT64_C(1099511627776),
     UINT64_C(1),
     0,
     0,
     0},
    {"equal values",
     {0x1.c6bf526340002p+49, 0x1.c6bf526340002p+49, 0x1.c6bf526340002p+49, 0x1.c6bf526340002p+49,
      0x1.c6bf526340002p+49},
     5,
     0x1.1c37937e08001p+52,
     UINT64_C(5),
     UINT64_C(1),
     0,
     0x1.c6bf526340002p+49,
     0},
    {"near values",
     {0x1.c6bf526340000p+49, 0x1.c6bf526340001p+49, 0x1.c6bf526340002p+49},
     3,
     0x1.550f7dca70001p+51,
     UINT64_C(3),
     UINT64_C(1),
     0,
     0x1.c6bf526340001p+49,
     0x1.0000000000000p-6},
    {"small spread far out",
     {0x1.7e43c8800759cp+996, 0x1.7e43c8800759dp+996},
     2,
     0x1.7e43c8800759cp+997,
     UINT64_C(2),
     UINT64_C(1),
     0,
     0x1.7e43c8800759cp+996,
     INFINITY},
    {"variance beyond range",
     {0x1.4e718d7d7625ap+664, -0x1.4e718d7d7625ap+664},
     2,
     0,
     UINT64_C(2),
     UINT64_C(1),
     0,
     0,
     INFINITY},
    {"variance subnormal",
     {0x1.67e9c127b6e74p-532, 0x1.67e9c127b6e74p-531, 0x1.67e9c127b6e74p-530},
     3,
     0x1.3aec8902c00a6p-529,
     UINT64_C(3),
     UINT64_C(1),
     0,
     0x1.a3e60c03aab87p-531,
     0x0.0000000001273p-1022},
    {"variance underflow",
     {0x0.0000000000001p-1022, 0x0.0000000000002p-1022},
     2,
     0x0.0000000000003p-1022,
     UINT64_C(2),
     UINT64_C(1),
     0,
     0x0.0000000000002p-1022,
     0},
    {"scaled",
     {0x1.81c8000000000p+13, 0x1.0932000000000p+16, -0x1.0000000000000p+2},
     3,
     0x1.3967000000000p+16,
     UINT64_C(3),
     UINT64_C(100),
     2,
     0x1.0b6fc962fc963p+8,
     0x1.fee50043b874ep+16},
    {"most digits",
     {0x1.0000000000000p+0, 0x1.0000000000000p+1, 0x1.0000000000000p+2},
     3,
     0x1.c000000000000p+2,
     UINT64_C(3),
     UINT64_C(1000000000000000000),
     18,
     0x1.5856d74caa448p-59,
     0x1.8cff0010a0b85p-119},
    {"largest divisors",
     {0x1.fffffffffffffp+1023, -0x1.8000000000000p+1},
     2,
     0x1.fffffffffffffp+1023,
     UINT64_C(18446744073709551615),
     UINT64_C(18446744073709551615),
     18,
     0x1.fffffffffffffp+895,
     INFINITY},
    {"random 0",
     {-0x1.76fda39fa4d88p+363, 0x1.5687b3b2f8f70p+411, 0x1.d4cf460de7cf8p+425},
     3,
     0x1.d4d4a02cb69b6p+425,
     UINT64_C(5),
     UINT64_C(1000000000000000000),
     0,
     0x1.b06b7cffae148p+363,
     0x1.1e2990febb6abp+850},
    {"random 1",
     {-0x1.bd1363cd0ac0cp+471, 0x1.dc27b64c4be30p+470},
     2,
     -0x1.9dff114dc99e8p+470,
     UINT64_C(1261501971385),
     UINT64_C(1000000000000000000),
     9,
     -0x1.a003a28212f46p+370,
     0x1.06ba554287552p+884},
    {"random 2",
     {-0x1.3590b5ef89c78p-804, 0x1.23b9bb1f22dd8p-773, 0x1.0d67d759d77b6p-837,
      0x1.af162d2fb7b68p-801, 0x1.94e34c745a6d4p-759, -0x1.a9147a43d5338p-795,
      0x1.9fe379d04ba7cp-798},
     7,
     0x1.94e7db5b2ffa6p-759,
     UINT64_C(3952244261433),
     UINT64_C(1000000000000000000),
     2,
     0x1.03bd912280122p-860,
     0},
    {"random 3",
     {0x1.bbf79efe06710p+444, 0x1.0a05ec22da6a0p+434, -0x1.ad395598d2254p+515},
     3,
     -0x1.ad395598d2254p+515,
     UINT64_C(18778155926),
     UINT64_C(1),
     0,
     -0x1.88b0e0d278378p+481,
     INFINITY},
    {"random 4",
     {0x1.5ae63b66f3588p+850, -0x1.a92e902e9aff8p+922, -0x1.7073f79d1521ep+861,
      0x1.25d64748e2240p+909},
     4,
     -0x1.a925617c60b87p+922,
     UINT64_C(2386749),
     UINT64_C(100),
     2,
     -0x1.de2865aad09a0p+894,
     INFINITY},
    {"random 5",
     {-0x1.c7e2bb45861e4p-729, -0x1.c96c452bd95c6p-745, -0x1.b26fb38033beep-686},
     3,
     -0x1.b26fb38033f7ep-686,
     UINT64_C(859),
     UINT64_C(100),
     2,
     -0x1.4b72333c8294ap-702,
     0},
    {"random 6",
     {-0x1.e8aaff0f48a14p-473, -0x1.8c0a09f283f7cp-474, -0x1.29b5a361a88dcp-548,
      0x1.3fa373251d6d0p-434, 0x1.606b87791168ap-469, 0x1.b8f61fc769a50p-461,
      -0x1.c4ca6b7642b92p-444, 0x1.1d83098ec00c4p-499},
     8,
     0x1.3f3240c185506p-434,
     UINT64_C(512),
     UINT64_C(1),
     18,
     0x1.3f3240c185506p-443,
     0x1.0959c0c8b2271p-990},
    {"random 7",
     {-0x1.f4014c2c926d4p-142, 0x1.7646582238c40p-200, -0x1.af8c9e15d0b40p-114},
     3,
     -0x1.af8c9e3510c8cp-114,
     UINT64_C(176789),
     UINT64_C(1000000000000000000),
     2,
     -0x1.70e13844c15c0p-191,
     0x1.8d4d0653ddb00p-242},
    {"random 8",
     {-0x1.1b9ab280b0cacp+513, 0x1.dd5d02e72d0e0p+495, 0x1.8624107a14f06p+541,
      -0x1.eaa47a5898e98p+545, -0x1.8ada7e2f966f2p+553, -0x1.3f7a286dbda7ep+536,
      -0x1.c8f5cb277de78p+463, 0x1.66bee3c953340p+452},
     8,
     -0x1.8cad6025fcb93p+553,
     UINT64_C(655177806398147),
     UINT64_C(1),
     9,
     -0x1.54d681b289435p+504,
     INFINITY},
    {"random 9",
     {0x1.2f8126f380234p-612, 0x1.185cc10e24c74p-607},
     2,
     0x1.21d8ca45c0c86p-607,
     UINT64_C(1),
     UINT64_C(1),
     2,
     0x1.21d8ca45c0c86p-607,
     0},
    {"random 10",
     {0x1.c3ee0dfef590ap+446, -0x1.fedd3f2431df4p+512, 0x1.9c54b74ee9d20p+441,
      -0x1.eb3f6ec4c3ef8p+511, -0x1.925d0b79586ccp+481, 0x1.56cc0ebae5e38p+497,
      0x1.bfe48e2f3c244p+476, -0x1.4fc692ee9483cp+427},
     8,
     -0x1.7a3d2478bf8e8p+513,
     UINT64_C(12778631343131921),
     UINT64_C(1),
     0,
     -0x1.0a9b6468b6103p+460,
     0x1.16c604a99911dp+1023},
    {"random 11",
     {0x1.dd143dec61534p+658, -0x1.36404682c28dap+614, -0x1.a3b361c5b438cp+626,
      0x1.b71085a5463fcp+635, 0x1.413ed5fb7dbecp+636},
     5,
     0x1.dd14465dd9efbp+658,
     UINT64_C(48415387318),
     UINT64_C(1),
     9,
     0x1.52939b015fb63p+623,
     INFINITY},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

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
