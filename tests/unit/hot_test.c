#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "random.h"
#include "storage/hot.h"

enum { FEATURES = 3 };

/* Keeps a row of three features: an int, a text and a list of texts, made of `seed`. */
static void keep(struct hot *hot, uint32_t table_id, const char *entity, int64_t seed)
{
    char text[64];
    int size = snprintf(text, sizeof(text), "text %lld", (long long)seed);
    const struct value item = value_text(bytes_of(text, (size_t)size));
    const struct value items[] = {item, value_int(seed), item};
    const struct value values[FEATURES] = {
        value_int(seed), item, {.kind = VALUE_LIST, .list = {.items = items, .count = 3}}};
    const enum feature_status statuses[FEATURES] = {FEATURE_PRESENT, FEATURE_PRESENT,
                                                    FEATURE_PRESENT};
    const bool is_known[FEATURES] = {true, true, true};
    const struct hot_row row = {.valid_from_us = seed,
                                .valid_until_us = seed + 1,
                                .is_found = true,
                                .count = FEATURES,
                                .is_known = is_known,
                                .values = values,
                                .statuses = statuses};
    hot_keep(hot, table_id, bytes_of_text(entity), &row);
}

static void assert_kept(struct hot *hot, uint32_t table_id, const char *entity, int64_t seed)
{
    char text[64];
    snprintf(text, sizeof(text), "text %lld", (long long)seed);
    const struct hot_row *row = hot_find(hot, table_id, bytes_of_text(entity));
    assert_non_null(row);
    assert_int_equal(row->valid_from_us, seed);
    assert_int_equal(row->values[0].integer, seed);
    assert_true(bytes_equal_text(row->values[1].text, text));
    assert_int_equal(row->values[2].list.count, 3);
    assert_true(bytes_equal_text(row->values[2].list.items[2].text, text));
}

static void rows_are_kept_and_forgotten_by_table_and_entity(void **state)
{
    (void)state;
    struct hot *hot = hot_create(1 << 20);
    keep(hot, 1, "a", 10);
    keep(hot, 1, "b", 20);
    keep(hot, 2, "a", 30);

    assert_kept(hot, 1, "a", 10);
    assert_kept(hot, 1, "b", 20);
    assert_kept(hot, 2, "a", 30);
    assert_null(hot_find(hot, 2, bytes_of_text("b")));
    keep(hot, 1, "a", 11);
    assert_kept(hot, 1, "a", 11);
    hot_forget(hot, 1, bytes_of_text("a"));
    assert_null(hot_find(hot, 1, bytes_of_text("a")));
    assert_kept(hot, 2, "a", 30);
    hot_forget(hot, 1, bytes_of_text("a"));
    assert_int_equal(hot_counters(hot)->rows, 2);
    hot_forget_all(hot);
    assert_int_equal(hot_counters(hot)->rows, 0);
    assert_int_equal(hot_counters(hot)->bytes, 0);
    hot_destroy(&hot);
}

static void memory_is_bounded_and_what_is_read_stays(void **state)
{
    (void)state;
    enum { BYTES_MAX = 64 * 1024 };
    struct hot *hot = hot_create(BYTES_MAX);
    keep(hot, 1, "in use", 7);
    for (int64_t i = 0; i < 5000; i++) {
        char entity[32];
        snprintf(entity, sizeof(entity), "e%lld", (long long)i);
        keep(hot, 1, entity, i);
        assert_true(hot_counters(hot)->bytes <= BYTES_MAX);
        assert_kept(hot, 1, "in use", 7);
    }
    assert_true(hot_counters(hot)->rows > 50);
    assert_true(hot_counters(hot)->evictions_total > 4000);
    hot_destroy(&hot);
}

static void without_memory_nothing_is_kept(void **state)
{
    (void)state;
    struct hot *hot = hot_create(0);
    keep(hot, 1, "a", 1);
    assert_null(hot_find(hot, 1, bytes_of_text("a")));
    hot_destroy(&hot);
}

static void many_rows_are_all_found(void **state)
{
    (void)state;
    enum { ENTITIES = 20000 };
    struct random random = random_begin(__func__);
    struct hot *hot = hot_create(64 << 20);
    static int64_t kept[ENTITIES];
    for (size_t i = 0; i < 3 * ENTITIES; i++) {
        char entity[32];
        size_t which = random_below(&random, ENTITIES);
        snprintf(entity, sizeof(entity), "e%zu", which);
        if (random_below(&random, 4) == 0) {
            hot_forget(hot, 5, bytes_of_text(entity));
            kept[which] = 0;
        } else {
            kept[which] = (int64_t)i + 1;
            keep(hot, 5, entity, kept[which]);
        }
    }
    for (size_t which = 0; which < ENTITIES; which++) {
        char entity[32];
        snprintf(entity, sizeof(entity), "e%zu", which);
        if (kept[which] == 0)
            assert_null(hot_find(hot, 5, bytes_of_text(entity)));
        else
            assert_kept(hot, 5, entity, kept[which]);
    }
    hot_destroy(&hot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_kept_and_forgotten_by_table_and_entity),
        cmocka_unit_test(memory_is_bounded_and_what_is_read_stays),
        cmocka_unit_test(without_memory_nothing_is_kept),
        cmocka_unit_test(many_rows_are_all_found),
    };
    return cmocka_run_group_tests_name("hot", tests, NULL, NULL);
}
