/* Rows of answers of GetFeatures: typed JSON, texts for people, answers that are none; and entities
 * as they are typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libasof/message.h"
#include "lookup.h"
#include "model/columns.h"
#include "protocol/rpc_message.h"

enum { ROWS = 2, KEYS_MAX = 3 };

static const struct value strings[] = {
    {.kind = VALUE_STRING, .text = {.data = "a", .size = 1}},
    {.kind = VALUE_STRING, .text = {.data = "\"", .size = 1}},
};

#define INTEGER(value_kind, number, scale)                                                         \
    {                                                                                              \
        .kind = (value_kind), .integer = (number), .digits = (scale)                               \
    }
#define LIST(count_)                                                                               \
    {                                                                                              \
        .kind = VALUE_LIST, .list = {.items = strings, .count = (count_) }                         \
    }
#define NONE                                                                                       \
    {                                                                                              \
        .kind = VALUE_NULL                                                                         \
    }

static struct value ints[] = {INTEGER(VALUE_INT, INT64_MAX, 0), INTEGER(VALUE_INT, -1, 0)};
static struct value decimals[] = {INTEGER(VALUE_DECIMAL, INT64_C(123456789012345678), 2),
                                  INTEGER(VALUE_DECIMAL, -50, 2)};
static struct value bools[] = {INTEGER(VALUE_BOOL, 0, 0), INTEGER(VALUE_BOOL, 1, 0)};
static struct value times[] = {INTEGER(VALUE_TIMESTAMP, 1500000, 0), NONE};
static struct value lists[] = {LIST(2), LIST(1)};
static struct value nothing[] = {{.kind = VALUE_OVERFLOW}, NONE};
static enum feature_status present[] = {FEATURE_PRESENT, FEATURE_PRESENT};
static enum feature_status without[] = {FEATURE_OVERFLOW, FEATURE_NOT_FOUND};
static int64_t event_times[] = {-1, COLUMNS_NO_EVENT_TIME};
static const int64_t at_us[] = {1000000};

static const struct columns_view view = {.name = {.data = "v", .size = 1},
                                         .version = 2,
                                         .at_us = at_us,
                                         .at_count = 1,
                                         .event_times_us = event_times};

static struct column column_of(const char *name, enum value_kind kind, struct value *values,
                               enum feature_status *statuses)
{
    return (struct column){.view = bytes_of_text("v"),
                           .feature = bytes_of_text(name),
                           .type = {.kind = kind, .digits = kind == VALUE_DECIMAL ? 2 : 0},
                           .values = values,
                           .statuses = statuses};
}

static struct asof_result *result_of(struct bytes message)
{
    struct asof_message *copy = message_create(message);
    struct asof_result *result = NULL;
    struct asof_error error;
    assert_int_equal(asof_result_create(&copy, &result, &error), ASOF_OK);
    return result;
}

/* The row as JSON, and as texts with a ';' behind each. */
static void read_row(size_t row, struct buffer *json, struct buffer *texts)
{
    struct column columns[] = {
        column_of("n", VALUE_INT, ints, present),
        column_of("d", VALUE_DECIMAL, decimals, present),
        column_of("b", VALUE_BOOL, bools, present),
        column_of("t", VALUE_TIMESTAMP, times, present),
        column_of("l", VALUE_STRING, lists, present),
        column_of("o", VALUE_DOUBLE, nothing, without),
    };
    columns[4].type.is_list = true;
    const struct columns answer = {.rows_count = ROWS,
                                   .columns = columns,
                                   .columns_count = sizeof(columns) / sizeof(columns[0]),
                                   .views = &view,
                                   .views_count = 1};
    struct buffer message = {0};
    struct arena *arena = arena_create(1024);
    struct lookup lookup;
    struct error err = {{0}};
    rpc_get_append(&answer, &message);
    struct asof_result *result = result_of(buffer_bytes(&message));

    assert_int_equal(lookup_read(result, row, arena, &lookup, &err), STATUS_OK);
    lookup_append_json(&lookup, bytes_of_text("c42"), json);
    for (size_t i = 0; i < lookup.features_count; i++) {
        lookup_append_text(&lookup.features[i], texts);
        buffer_append_byte(texts, ';');
    }
    buffer_append_byte(json, '\0');
    buffer_append_byte(texts, '\0');
    asof_result_destroy(&result);
    arena_destroy(&arena);
    buffer_fini(&message);
}

static void values_are_typed_in_json_and_digits_stay(void **state)
{
    (void)state;
    struct buffer json = {0};
    struct buffer texts = {0};

    read_row(0, &json, &texts);

    assert_string_equal(
        buffer_bytes(&json).data,
        "{\"view\":\"v@2\",\"entity\":\"c42\",\"at\":1000000,\"event_time\":-1,\"features\":{"
        "\"n\":{\"value\":9223372036854775807,\"status\":\"present\"},"
        "\"d\":{\"value\":1234567890123456.78,\"status\":\"present\"},"
        "\"b\":{\"value\":false,\"status\":\"present\"},"
        "\"t\":{\"value\":1500000,\"status\":\"present\"},"
        "\"l\":{\"value\":[\"a\",\"\\\"\"],\"status\":\"present\"},"
        "\"o\":{\"value\":null,\"status\":\"overflow\"}}}");
    assert_string_equal(buffer_bytes(&texts).data,
                        "9223372036854775807;1234567890123456.78;false;1970-01-01T00:00:01.500Z;"
                        "[\"a\",\"\\\"\"];overflow;");
    buffer_fini(&json);
    buffer_fini(&texts);
}

static void a_row_without_events_has_no_event_time(void **state)
{
    (void)state;
    struct buffer json = {0};
    struct buffer texts = {0};

    read_row(1, &json, &texts);

    assert_non_null(strstr(buffer_bytes(&json).data, "\"event_time\":null"));
    assert_string_equal(buffer_bytes(&texts).data, "-1;-0.5;true;-;[\"a\"];-;");
    buffer_fini(&json);
    buffer_fini(&texts);
}

static void an_answer_of_no_view_or_another_row_is_not_understood(void **state)
{
    (void)state;
    static struct value two[] = {INTEGER(VALUE_INT, 1, 0), INTEGER(VALUE_INT, 2, 0)};
    struct column column = column_of("n", VALUE_INT, two, present);
    const struct columns answer = {.rows_count = ROWS,
                                   .columns = &column,
                                   .columns_count = 1,
                                   .views = &view,
                                   .views_count = 1};
    struct arena *arena = arena_create(1024);
    struct buffer message = {0};
    struct lookup lookup;
    struct error err = {{0}};

    struct asof_result *empty = result_of(bytes_of(NULL, 0));
    assert_int_equal(lookup_read(empty, 0, arena, &lookup, &err), STATUS_CORRUPT);
    rpc_get_append(&answer, &message);
    struct asof_result *result = result_of(buffer_bytes(&message));
    assert_int_equal(lookup_read(result, 1, arena, &lookup, &err), STATUS_OK);
    assert_int_equal(lookup_read(result, ROWS, arena, &lookup, &err), STATUS_CORRUPT);

    asof_result_destroy(&empty);
    asof_result_destroy(&result);
    buffer_fini(&message);
    arena_destroy(&arena);
}

static void an_entity_is_split_at_bars_that_are_not_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *entity;
        size_t keys_count;
        const char *joined; /* the keys with a ',' behind each; NULL: they are not so many */
    } cases[] = {
        {"c42", 1, "c42,"},       {"a|b\\", 1, "a|b\\,"},     {"", 1, ","},
        {"acme|7", 2, "acme,7,"}, {"a\\|b|c", 2, "a|b,c,"},   {"a\\\\|c", 2, "a\\,c,"},
        {"|", 2, ",,"},           {"a\\x|\\", 2, "a\\x,\\,"}, {"a|b|c", 3, "a,b,c,"},
        {"acme", 2, NULL},        {"a|b|c", 2, NULL},         {"a\\|b", 2, NULL},
    };
    struct arena *arena = arena_create(1024);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct asof_bytes keys[KEYS_MAX];
        struct buffer joined = {0};

        bool is_split = lookup_split_entity(cases[i].entity, cases[i].keys_count, arena, keys);

        assert_int_equal(is_split, cases[i].joined != NULL);
        for (size_t j = 0; is_split && j < cases[i].keys_count; j++) {
            buffer_append(&joined, bytes_of(keys[j].data, keys[j].size));
            buffer_append_byte(&joined, ',');
        }
        if (is_split)
            assert_true(bytes_equal_text(buffer_bytes(&joined), cases[i].joined));
        buffer_fini(&joined);
    }
    arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_typed_in_json_and_digits_stay),
        cmocka_unit_test(a_row_without_events_has_no_event_time),
        cmocka_unit_test(an_answer_of_no_view_or_another_row_is_not_understood),
        cmocka_unit_test(an_entity_is_split_at_bars_that_are_not_escaped),
    };
    return cmocka_run_group_tests_name("client_lookup", tests, NULL, NULL);
}
