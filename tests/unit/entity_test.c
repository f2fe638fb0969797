#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/entity.h"
#include "random.h"

static const struct field_definition fields[] = {
    {.name = {"name", 4}, .type = {.kind = VALUE_STRING}},
    {.name = {"n", 1}, .type = {.kind = VALUE_INT}},
};
static const size_t both_keys[] = {0, 1};
static const size_t int_key[] = {1};
static const struct view_definition single = {
    .fields = fields, .fields_count = 2, .key_fields = both_keys, .keys_count = 1};
static const struct view_definition composite = {
    .fields = fields, .fields_count = 2, .key_fields = both_keys, .keys_count = 2};
static const struct view_definition number = {
    .fields = fields, .fields_count = 2, .key_fields = int_key, .keys_count = 1};

static struct arena *arena;

static int begin(void **state)
{
    (void)state;
    arena = arena_create(4096);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_destroy(&arena);
    return 0;
}

static struct bytes parse(const struct view_definition *view, struct bytes text)
{
    struct bytes encoded;
    struct error err;
    if (entity_parse(view, text, arena, &encoded, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(entity_encoded_size(view, encoded), encoded.size);
    return encoded;
}

static void assert_text(const struct view_definition *view, struct bytes text, const char *shown)
{
    struct buffer out = {0};
    assert_int_equal(entity_append_text(view, parse(view, text), &out), STATUS_OK);
    assert_true(bytes_equal_text(buffer_bytes(&out), shown));
    buffer_fini(&out);
}

static void texts_come_back(void **state)
{
    (void)state;
    assert_text(&single, bytes_of_text("c42"), "c42");
    assert_text(&single, bytes_of_text("a|b\\|c:d"), "a|b\\|c:d");
    assert_text(&single, bytes_of_text(""), "");
    assert_text(&composite, bytes_of_text("acme|7"), "acme|7");
    assert_text(&composite, bytes_of_text("a\\|b\\\\|-7"), "a\\|b\\\\|-7");
    assert_text(&composite, bytes_of_text("a\\b|7"), "a\\\\b|7");
    assert_text(&composite, bytes_of_text("|0"), "|0");
    assert_text(&number, bytes_of_text("-9223372036854775808"), "-9223372036854775808");

    struct buffer out = {0};
    const struct bytes zeros = bytes_of("a\0\0b\0", 5);
    assert_int_equal(entity_append_text(&single, parse(&single, zeros), &out), STATUS_OK);
    assert_true(bytes_equal(buffer_bytes(&out), zeros));
    buffer_fini(&out);
}

static void what_is_no_entity_of_the_view_is_refused(void **state)
{
    (void)state;
    struct bytes encoded;
    assert_int_equal(entity_parse(&composite, bytes_of_text("acme"), arena, &encoded, NULL),
                     STATUS_INVALID);
    assert_int_equal(entity_parse(&composite, bytes_of_text("a|7|8"), arena, &encoded, NULL),
                     STATUS_INVALID);
    assert_int_equal(entity_parse(&composite, bytes_of_text("a|x"), arena, &encoded, NULL),
                     STATUS_INVALID);
    assert_int_equal(entity_parse(&composite, bytes_of_text("a|"), arena, &encoded, NULL),
                     STATUS_INVALID);
    assert_int_equal(entity_parse(&number, bytes_of_text("1.5"), arena, &encoded, NULL),
                     STATUS_INVALID);
    assert_int_equal(entity_parse(&single, bytes_of_text("\xff"), arena, &encoded, NULL),
                     STATUS_INVALID);
    char huge[ENTITY_SIZE_MAX + 1] = {0};
    assert_int_equal(entity_parse(&single, bytes_of(huge, sizeof(huge)), arena, &encoded, NULL),
                     STATUS_LIMIT);
    assert_int_equal(entity_parse(&single, bytes_of(huge, ENTITY_SIZE_MAX), arena, &encoded, NULL),
                     STATUS_LIMIT);
}

static struct bytes encode(const char *name, size_t name_size, int64_t n)
{
    struct buffer out = {0};
    const struct value text = value_text(bytes_of(name, name_size));
    const struct value integer = value_int(n);
    entity_append_value(&text, &out);
    entity_append_value(&integer, &out);
    struct bytes encoded = arena_copy(arena, buffer_bytes(&out));
    buffer_fini(&out);
    return encoded;
}

static int sign(int64_t value)
{
    return (value > 0) - (value < 0);
}

static void encodings_order_as_their_keys_and_none_begins_another(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    for (size_t round = 0; round < 20000; round++) {
        char names[2][4];
        size_t sizes[2];
        int64_t ns[2];
        struct bytes encoded[2];
        for (size_t i = 0; i < 2; i++) {
            sizes[i] = random_below(&random, 4);
            for (size_t j = 0; j < sizes[i]; j++)
                names[i][j] = "\x00\x01\xffz"[random_below(&random, 4)];
            ns[i] = (int64_t)random_below(&random, 5) - 2;
            encoded[i] = encode(names[i], sizes[i], ns[i]);
        }
        int order = bytes_compare(bytes_of(names[0], sizes[0]), bytes_of(names[1], sizes[1]));
        order = order != 0 ? order : sign(ns[0] - ns[1]);

        assert_int_equal(sign(bytes_compare(encoded[0], encoded[1])), sign(order));
        assert_int_equal(bytes_start_with(encoded[0], encoded[1]), order == 0);
        arena_reset(arena);
    }
}

static void damaged_encodings_are_seen(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct bytes encoded = parse(&composite, bytes_of_text("acme|7"));
    for (size_t size = 0; size < encoded.size; size++)
        assert_int_equal(entity_append_text(&composite, bytes_of(encoded.data, size), &out),
                         STATUS_CORRUPT);
    assert_int_equal(entity_encoded_size(&single, bytes_of("a\0\x02", 3)), 0);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(texts_come_back, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_entity_of_the_view_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(encodings_order_as_their_keys_and_none_begins_another,
                                        begin, end),
        cmocka_unit_test_setup_teardown(damaged_encodings_are_seen, begin, end),
    };
    return cmocka_run_group_tests_name("entity", tests, NULL, NULL);
}
