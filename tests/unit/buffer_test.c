#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "random.h"

static void what_is_appended_stands_in_one_piece(void **state)
{
    (void)state;
    struct buffer buffer = {0};

    buffer_append_text(&buffer, "HMGET");
    buffer_append_byte(&buffer, ' ');
    buffer_append(&buffer, bytes_of("a\0b", 3));
    buffer_append(&buffer, bytes_of(NULL, 0));
    buffer_format(&buffer, " %d-%s", 42, "x");

    assert_true(bytes_equal(buffer_bytes(&buffer), bytes_of("HMGET a\0b 42-x", 14)));
    buffer_fini(&buffer);
    assert_int_equal(buffer.size, 0);
    assert_null(buffer.memory);
}

static void an_empty_buffer_has_no_bytes(void **state)
{
    (void)state;
    struct buffer buffer = {0};

    assert_int_equal(buffer_bytes(&buffer).size, 0);
    buffer_consume(&buffer, 0);
    buffer_reset(&buffer, 0);

    assert_int_equal(buffer_bytes(&buffer).size, 0);
    buffer_fini(&buffer);
}

static void reserved_room_counts_only_when_added(void **state)
{
    (void)state;
    struct buffer buffer = {0};

    char *room = buffer_reserve(&buffer, 1000);
    memset(room, 'x', 1000);
    assert_int_equal(buffer.size, 0);
    buffer_added(&buffer, 3);

    assert_true(bytes_equal_text(buffer_bytes(&buffer), "xxx"));
    buffer_fini(&buffer);
}

static void reset_keeps_memory_up_to_the_limit(void **state)
{
    (void)state;
    struct buffer buffer = {0};

    buffer_append_text(&buffer, "text");
    char *memory = buffer.memory;
    buffer_reset(&buffer, 4096);
    assert_int_equal(buffer.size, 0);
    assert_ptr_equal(buffer.memory, memory);
    buffer_reserve(&buffer, 10000);
    buffer_reset(&buffer, 4096);

    assert_null(buffer.memory);
}

/* A connection that is read from and written to for long: it must neither lose a byte nor keep the
 * memory of all that went through. */
static void it_is_a_queue_of_bytes_that_stays_small(void **state)
{
    (void)state;
    enum { STEPS = 200000, HELD_MAX = 1000 };
    struct random random = random_begin(__func__);
    struct buffer buffer = {0};
    uint64_t written = 0;
    uint64_t consumed = 0;

    for (int i = 0; i < STEPS; i++) {
        size_t size = random_below(&random, 40);
        for (size_t j = 0; j < size && buffer.size < HELD_MAX; j++)
            buffer_append_byte(&buffer, (char)(written++ % 251));
        size_t taken = random_below(&random, buffer.size + 1);
        struct bytes bytes = buffer_bytes(&buffer);
        for (size_t j = 0; j < taken; j++)
            assert_int_equal((unsigned char)bytes.data[j], consumed++ % 251);
        buffer_consume(&buffer, taken);
        assert_int_equal(buffer.size, written - consumed);
    }

    assert_in_range(buffer.capacity, 1, 8 * HELD_MAX);
    buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_stands_in_one_piece),
        cmocka_unit_test(an_empty_buffer_has_no_bytes),
        cmocka_unit_test(reserved_room_counts_only_when_added),
        cmocka_unit_test(reset_keeps_memory_up_to_the_limit),
        cmocka_unit_test(it_is_a_queue_of_bytes_that_stays_small),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
