#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random.h"
#include "storage/sorted_puts.h"

static void put(struct sorted_puts *puts, const char *key, const char *value)
{
    buffer_append_text(sorted_puts_begin(puts), key);
    sorted_puts_end(puts, strlen(key) / 2, bytes_of_text(value));
}

/* Sorts and compares with "key=value,key=value,". */
static void assert_sorted(struct sorted_puts *puts, const char *expected)
{
    struct buffer found = {0};
    sorted_puts_sort(puts);
    for (size_t i = 0; i < puts->count; i++) {
        buffer_append(&found, sorted_puts_key(puts, i));
        buffer_append_byte(&found, '=');
        buffer_append(&found, sorted_puts_value(puts, i));
        buffer_append_byte(&found, ',');
    }
    buffer_append_byte(&found, '\0');
    assert_string_equal(buffer_bytes(&found).data, expected);
    buffer_fini(&found);
}

static void puts_come_in_the_order_of_their_keys_bytewise(void **state)
{
    (void)state;
    struct sorted_puts puts = {0};
    put(&puts, "b", "1");
    put(&puts, "\xff", "2");
    put(&puts, "a", "3");
    put(&puts, "ab", "4");
    put(&puts, "", "5");

    assert_sorted(&puts, "=5,a=3,ab=4,b=1,\xff=2,");
    assert_true(bytes_equal_text(sorted_puts_head(&puts, 2), "a"));
    sorted_puts_fini(&puts);
}

static void of_puts_with_one_key_the_last_counts(void **state)
{
    (void)state;
    struct sorted_puts puts = {0};
    put(&puts, "b", "1");
    put(&puts, "a", "2");
    put(&puts, "b", "3");
    put(&puts, "b", "4");

    assert_sorted(&puts, "a=2,b=4,");
    assert_sorted(&puts, "a=2,b=4,");
    sorted_puts_fini(&puts);
}

static void what_was_put_behind_the_mark_is_undone(void **state)
{
    (void)state;
    struct sorted_puts puts = {0};
    put(&puts, "b", "1");
    sorted_puts_mark(&puts);
    put(&puts, "a", "2");
    put(&puts, "b", "3");
    sorted_puts_undo(&puts);
    put(&puts, "c", "4");

    assert_int_equal(sorted_puts_size_bytes(&puts), 4);
    assert_sorted(&puts, "b=1,c=4,");
    sorted_puts_fini(&puts);
}

static void reset_empties_it_and_keeps_little_memory(void **state)
{
    (void)state;
    struct sorted_puts puts = {0};
    put(&puts, "b", "1");

    sorted_puts_reset(&puts, 4096);
    assert_non_null(puts.bytes.memory);
    assert_sorted(&puts, "");
    sorted_puts_reset(&puts, 1);
    assert_null(puts.bytes.memory);
    assert_null(puts.puts);
    put(&puts, "a", "2");

    assert_sorted(&puts, "a=2,");
    sorted_puts_fini(&puts);
}

/* Few different keys of few bytes, so that prefixes and repetitions are common. */
static void many_puts_are_sorted_and_each_key_has_its_last_value(void **state)
{
    (void)state;
    enum { ROUNDS = 300, PUTS_MAX = 400, KEY_SIZE_MAX = 5, KEYS = 1 << (2 * KEY_SIZE_MAX) };
    struct random random = random_begin(__func__);
    struct sorted_puts puts = {0};

    for (int round = 0; round < ROUNDS; round++) {
        uint16_t last[KEY_SIZE_MAX + 1][KEYS] = {0}; /* number of the last put of a key, from 1 */
        size_t different = 0;
        uint16_t count = (uint16_t)random_below(&random, PUTS_MAX);
        sorted_puts_reset(&puts, 1 << random_below(&random, 16));
        for (uint16_t i = 1; i <= count; i++) {
            size_t size = random_below(&random, KEY_SIZE_MAX + 1);
            size_t key = random_below(&random, (uint64_t)1 << (2 * size));
            struct buffer *bytes = sorted_puts_begin(&puts);
            for (size_t j = 0; j < size; j++)
                buffer_append_byte(bytes, (char)((key >> (2 * j) & 3) * 0x55));
            sorted_puts_end(&puts, 0, bytes_of(&i, sizeof(i)));
            different += last[size][key] == 0;
            last[size][key] = i;
        }
        sorted_puts_sort(&puts);

        assert_int_equal(puts.count, different);
        for (size_t i = 0; i < puts.count; i++) {
            struct bytes bytes = sorted_puts_key(&puts, i);
            size_t key = 0;
            for (size_t j = 0; j < bytes.size; j++)
                key |= (size_t)((unsigned char)bytes.data[j] / 0x55) << (2 * j);
            assert_memory_equal(sorted_puts_value(&puts, i).data, &last[bytes.size][key],
                                sizeof(uint16_t));
            if (i > 0)
                assert_true(bytes_compare(sorted_puts_key(&puts, i - 1), bytes) < 0);
        }
    }
    sorted_puts_fini(&puts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_come_in_the_order_of_their_keys_bytewise),
        cmocka_unit_test(of_puts_with_one_key_the_last_counts),
        cmocka_unit_test(what_was_put_behind_the_mark_is_undone),
        cmocka_unit_test(reset_empties_it_and_keeps_little_memory),
        cmocka_unit_test(many_puts_are_sorted_and_each_key_has_its_last_value),
    };
    return cmocka_run_group_tests_name("sorted_puts", tests, NULL, NULL);
}
