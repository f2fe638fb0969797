#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "features/distinct.h"
#include "random.h"

enum { CHUNK_SIZE = 4096, LEAVES = 9 };

static int arena_set_up(void **state)
{
    *state = arena_create(CHUNK_SIZE);
    return 0;
}

static int arena_tear_down(void **state)
{
    struct arena *arena = *state;
    arena_destroy(&arena);
    return 0;
}

static void add_number(struct distinct *distinct, uint64_t number)
{
    distinct_add(distinct, bytes_of(&number, sizeof(number)));
}

static void check_equal(const struct distinct *got, const struct distinct *expected)
{
    struct buffer got_bytes = {0};
    struct buffer expected_bytes = {0};
    distinct_encode(got, &got_bytes);
    distinct_encode(expected, &expected_bytes);
    assert_true(bytes_equal(buffer_bytes(&got_bytes), buffer_bytes(&expected_bytes)));
    assert_int_equal(distinct_count(got), distinct_count(expected));
    buffer_fini(&got_bytes);
    buffer_fini(&expected_bytes);
}

static void up_to_the_limit_it_is_exact(void **state)
{
    struct distinct distinct;
    distinct_init(&distinct, *state);

    assert_int_equal(distinct_count(&distinct), 0);
    for (uint64_t i = 0; i < DISTINCT_EXACT_MAX; i++) {
        add_number(&distinct, i);
        add_number(&distinct, i / 2);
        assert_int_equal(distinct_count(&distinct), i + 1);
    }
    assert_false(distinct.is_estimate);
}

static void one_more_makes_it_an_estimate(void **state)
{
    struct distinct distinct;
    distinct_init(&distinct, *state);

    for (uint64_t i = 0; i <= DISTINCT_EXACT_MAX; i++)
        add_number(&distinct, i);

    assert_true(distinct.is_estimate);
    assert_in_range(distinct_count(&distinct), DISTINCT_EXACT_MAX + 1, 1060);
}

static void values_are_told_apart_by_all_their_bytes(void **state)
{
    struct distinct distinct;
    distinct_init(&distinct, *state);

    distinct_add(&distinct, bytes_of_text(""));
    distinct_add(&distinct, bytes_of(NULL, 0));
    distinct_add(&distinct, bytes_of("\0", 1));
    distinct_add(&distinct, bytes_of("\0\0", 2));
    distinct_add(&distinct, bytes_of_text("DE"));
    distinct_add(&distinct, bytes_of_text("de"));
    distinct_add(&distinct, bytes_of_text("DE"));

    assert_int_equal(distinct_count(&distinct), 5);
}

/* The standard error is 0.81 %; these values are always the same, so that there is no luck in it.
 */
static void estimates_are_within_3_percent(void **state)
{
    static const uint64_t sizes[] = {2000, 10000, 100000, 1000000};
    struct distinct distinct;
    distinct_init(&distinct, *state);
    uint64_t next = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        while (next < sizes[i])
            add_number(&distinct, next++);
        assert_in_range(distinct_count(&distinct), sizes[i] * 97 / 100, sizes[i] * 103 / 100);
    }
}

/* The root of the mean square of the errors of many sets tells a bias or a wrong estimator. */
static void the_error_is_that_of_the_method(void **state)
{
    enum { SETS = 60, SIZE = 20000 };
    struct random random = random_begin(__func__);
    struct distinct distinct;
    distinct_init(&distinct, *state);
    double squares = 0;

    for (int i = 0; i < SETS; i++) {
        distinct_reset(&distinct);
        for (int j = 0; j < SIZE; j++)
            add_number(&distinct, random_next(&random));
        double error = (double)(distinct_count(&distinct) - SIZE) / SIZE;
        squares += error * error;
    }

    double mean_square = squares / SETS;
    assert_true(mean_square < 0.0125 * 0.0125);
    assert_true(mean_square > 0.004 * 0.004);
}

/* Adds values to leaves at random, some twice, and merges them at random, some by way of their
 * encoding. */
static void count_by_tree(struct arena *arena, struct random *random, uint64_t size,
                          struct distinct *out)
{
    struct distinct leaves[LEAVES];
    for (size_t i = 0; i < LEAVES; i++)
        distinct_init(&leaves[i], arena);
    uint64_t offset = random_below(random, size);
    for (uint64_t i = 0; i < size; i++)
        for (uint64_t repeats = random_below(random, 2); repeats < 2; repeats++)
            add_number(&leaves[random_below(random, LEAVES)], (i + offset) % size);
    for (size_t left = LEAVES; left > 1; left--) {
        size_t from = random_below(random, left);
        struct distinct distinct = leaves[from];
        leaves[from] = leaves[left - 1];
        if (random_below(random, 2) == 0) {
            struct buffer buffer = {0};
            distinct_encode(&distinct, &buffer);
            struct bytes encoded = buffer_bytes(&buffer);
            assert_true(distinct_decode(&distinct, &encoded));
            assert_int_equal(encoded.size, 0);
            buffer_fini(&buffer);
        }
        distinct_merge(&leaves[random_below(random, left - 1)], &distinct);
    }
    *out = leaves[0];
}

static void order_and_grouping_change_no_bit(void **state)
{
    static const uint64_t sizes[] = {1, 3, 100, 1023, 1024, 1025, 1100, 5000, 50000};
    struct arena *arena = *state;
    struct random random = random_begin(__func__);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int round = 0; round < 8; round++) {
            struct distinct expected;
            struct distinct distinct;
            distinct_init(&expected, arena);
            for (uint64_t number = 0; number < sizes[i]; number++)
                add_number(&expected, number);
            count_by_tree(arena, &random, sizes[i], &distinct);
            assert_true(distinct.is_estimate == (sizes[i] > DISTINCT_EXACT_MAX));
            check_equal(&distinct, &expected);
            arena_reset(arena);
        }
}

static void a_set_merged_with_itself_stays_the_same(void **state)
{
    static const uint64_t sizes[] = {0, 12, 1024, 3000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct distinct distinct;
        struct distinct before;
        distinct_init(&distinct, *state);
        distinct_init(&before, *state);
        for (uint64_t number = 0; number < sizes[i]; number++) {
            add_number(&distinct, number);
            add_number(&before, number);
        }
        distinct_merge(&distinct, &distinct);
        check_equal(&distinct, &before);
    }
}

static void reset_leaves_the_empty_set(void **state)
{
    struct arena *arena = *state;
    struct distinct distinct;
    distinct_init(&distinct, arena);
    for (uint64_t i = 0; i < 2000; i++)
        add_number(&distinct, i);
    size_t used_bytes = arena_used_bytes(arena);

    distinct_reset(&distinct);
    assert_int_equal(distinct_count(&distinct), 0);
    for (uint64_t i = 0; i < 1500; i++)
        add_number(&distinct, i + 1000000);

    struct distinct expected;
    assert_int_equal(arena_used_bytes(arena), used_bytes);
    distinct_init(&expected, arena);
    for (uint64_t i = 0; i < 1500; i++)
        add_number(&expected, i + 1000000);
    check_equal(&distinct, &expected);
}

static void small_sets_take_little_memory(void **state)
{
    struct arena *arena = *state;
    struct distinct distinct;
    distinct_init(&distinct, arena);

    assert_int_equal(distinct_count(&distinct), 0);
    assert_int_equal(arena_used_bytes(arena), 0);
    for (uint64_t i = 0; i < 12; i++)
        add_number(&distinct, i);
    assert_int_equal(arena_used_bytes(arena), 256);
    for (uint64_t i = 0; i < 1024; i++)
        add_number(&distinct, i);
    assert_in_range(arena_used_bytes(arena), 1024 * 16, 64 * 1024);
    for (uint64_t i = 0; i < 100000; i++)
        add_number(&distinct, i);
    assert_in_range(arena_used_bytes(arena), 1024 * 16, 80 * 1024);
}

static void check_refused(struct distinct *distinct, struct bytes input)
{
    size_t size = input.size;
    assert_false(distinct_decode(distinct, &input));
    assert_int_equal(input.size, size);
    assert_int_equal(distinct_count(distinct), 0);
}

static void bytes_that_encode_does_not_write_are_refused(void **state)
{
    static char bytes[20000];
    struct distinct distinct;
    distinct_init(&distinct, *state);
    add_number(&distinct, 1);
    add_number(&distinct, 2);
    struct buffer buffer = {0};
    distinct_encode(&distinct, &buffer);
    struct bytes encoded = buffer_bytes(&buffer);
    assert_int_equal(encoded.size, 3 + 2 * 16);

    for (size_t size = 0; size < encoded.size; size++)
        check_refused(&distinct, bytes_of(encoded.data, size));
    memcpy(bytes, encoded.data, 3);
    memcpy(bytes + 3, encoded.data + 3 + 16, 16); /* not ascending */
    memcpy(bytes + 3 + 16, encoded.data + 3, 16);
    check_refused(&distinct, bytes_of(bytes, 3 + 2 * 16));
    memcpy(bytes + 3, encoded.data + 3, 16); /* twice the same */
    check_refused(&distinct, bytes_of(bytes, 3 + 2 * 16));
    memset(bytes, 0, sizeof(bytes));
    check_refused(&distinct,
                  bytes_of("\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 19)); /* a zero hash */
    check_refused(&distinct, bytes_of("\0\xff\xff", 3));
    check_refused(&distinct, bytes_of("\2\0\0", 3));
    bytes[0] = 1;
    check_refused(&distinct, bytes_of(bytes, 12288)); /* one byte short */
    bytes[12288] = (char)(52 << 2);                   /* a rank that 50 bits can't have */
    check_refused(&distinct, bytes_of(bytes, 12289));
    buffer_fini(&buffer);
}

static void what_follows_an_encoding_is_left(void **state)
{
    struct distinct distinct;
    distinct_init(&distinct, *state);
    struct buffer buffer = {0};
    distinct_encode(&distinct, &buffer);
    for (uint64_t i = 0; i < 3000; i++)
        add_number(&distinct, i);
    int64_t count = distinct_count(&distinct);
    distinct_encode(&distinct, &buffer);
    buffer_append_text(&buffer, "rest");
    struct bytes input = buffer_bytes(&buffer);

    assert_true(distinct_decode(&distinct, &input));
    assert_int_equal(distinct_count(&distinct), 0);
    assert_true(distinct_decode(&distinct, &input));
    assert_int_equal(distinct_count(&distinct), count);
    assert_true(bytes_equal_text(input, "rest"));
    buffer_fini(&buffer);
}

#define DISTINCT_TEST(name) cmocka_unit_test_setup_teardown(name, arena_set_up, arena_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISTINCT_TEST(up_to_the_limit_it_is_exact),
        DISTINCT_TEST(one_more_makes_it_an_estimate),
        DISTINCT_TEST(values_are_told_apart_by_all_their_bytes),
        DISTINCT_TEST(estimates_are_within_3_percent),
        DISTINCT_TEST(the_error_is_that_of_the_method),
        DISTINCT_TEST(order_and_grouping_change_no_bit),
        DISTINCT_TEST(a_set_merged_with_itself_stays_the_same),
        DISTINCT_TEST(reset_leaves_the_empty_set),
        DISTINCT_TEST(small_sets_take_little_memory),
        DISTINCT_TEST(bytes_that_encode_does_not_write_are_refused),
        DISTINCT_TEST(what_follows_an_encoding_is_left),
    };
    return cmocka_run_group_tests_name("distinct", tests, NULL, NULL);
}
