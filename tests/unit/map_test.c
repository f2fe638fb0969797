#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/map.h"

static void what_was_put_is_found(void **state)
{
    (void)state;
    struct map *map = map_create();
    int one = 1;
    int two = 2;

    assert_true(map_put(map, bytes_of_text("one"), &one));
    assert_true(map_put(map, bytes_of_text("two"), &two));

    assert_ptr_equal(map_get(map, bytes_of_text("one")), &one);
    assert_ptr_equal(map_get(map, bytes_of_text("two")), &two);
    assert_null(map_get(map, bytes_of_text("three")));
    assert_null(map_get(map, bytes_of_text("on")));
    assert_int_equal(map_count(map), 2);
    map_destroy(&map);
    assert_null(map);
    map_destroy(&map);
}

static void a_taken_key_keeps_its_value(void **state)
{
    (void)state;
    struct map *map = map_create();
    int first = 1;
    int second = 2;

    assert_true(map_put(map, bytes_of_text("key"), &first));
    assert_false(map_put(map, bytes_of_text("key"), &second));

    assert_ptr_equal(map_get(map, bytes_of_text("key")), &first);
    assert_int_equal(map_count(map), 1);
    map_destroy(&map);
}

static void keys_may_be_empty_and_hold_any_byte(void **state)
{
    (void)state;
    struct map *map = map_create();
    int empty = 0;
    int zero = 1;

    assert_true(map_put(map, bytes_of_text(""), &empty));
    assert_true(map_put(map, bytes_of("\0", 1), &zero));

    assert_ptr_equal(map_get(map, bytes_of(NULL, 0)), &empty);
    assert_ptr_equal(map_get(map, bytes_of("\0", 1)), &zero);
    map_destroy(&map);
}

static void it_grows_and_loses_nothing(void **state)
{
    (void)state;
    enum { KEYS = 5000, KEY_SIZE = 16 };
    static char keys[KEYS][KEY_SIZE];
    struct map *map = map_create();

    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], KEY_SIZE, "k%d", i);
        assert_true(map_put(map, bytes_of_text(keys[i]), keys[i]));
    }

    assert_int_equal(map_count(map), KEYS);
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(map, bytes_of_text(keys[i])), keys[i]);
    assert_null(map_get(map, bytes_of_text("k5000")));
    map_destroy(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found),
        cmocka_unit_test(a_taken_key_keeps_its_value),
        cmocka_unit_test(keys_may_be_empty_and_hold_any_byte),
        cmocka_unit_test(it_grows_and_loses_nothing),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
