/* What is written by hand, held against the code that protobuf-c makes of the same .proto file. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <asof/v1/feature_store.pb-c.h>

#include "protocol/rpc_message.h"
#include "random.h"

enum { ROWS_MAX = 40, ITEMS_MAX = 4, ROUNDS = 300 };

static const struct type types[] = {
    {.kind = VALUE_BOOL},
    {.kind = VALUE_INT},
    {.kind = VALUE_DOUBLE},
    {.kind = VALUE_DECIMAL, .digits = 2},
    {.kind = VALUE_STRING},
    {.kind = VALUE_TIMESTAMP},
    {.kind = VALUE_STRING, .is_list = true},
    {.kind = VALUE_DOUBLE, .is_list = true},
    {.kind = VALUE_INT, .is_list = true},
};

enum { TYPES_COUNT = sizeof(types) / sizeof(types[0]) };

/* ---- drawing ---- */

static struct value draw_scalar(struct random *random, struct type type)
{
    static const char *const texts[] = {"", "x", "a longer text than the others", "\xc3\xbc"};
    static const int64_t integers[] = {0, 1, -1, 127, 128, -64, INT64_MAX, INT64_MIN};
    uint64_t drawn = random_next(random);
    struct value value = {.kind = type.kind, .digits = type.digits};
    if (type.kind == VALUE_STRING)
        value.text = bytes_of_text(texts[drawn % 4]);
    else if (type.kind == VALUE_DOUBLE)
        value.real = (double)(int64_t)drawn * 1e-5;
    else
        value.integer = integers[drawn % 8];
    return value;
}

static struct value draw_value(struct random *random, struct type type, struct arena *arena)
{
    uint64_t drawn = random_next(random) % 8;
    if (drawn < 2)
        return drawn == 0 ? value_null() : value_overflow();
    if (!type.is_list)
        return draw_scalar(random, type);
    size_t count = random_next(random) % (ITEMS_MAX + 1);
    struct value *items = ARENA_NEW_ARRAY(arena, count, struct value);
    for (size_t i = 0; i < count; i++)
        items[i] = draw_scalar(random, type);
    return (struct value){.kind = VALUE_LIST, .list = {.items = items, .count = count}};
}

static struct column draw_column(struct random *random, struct type type, size_t rows,
                                 struct arena *arena)
{
    struct column column = {.view = bytes_of_text("view"),
                            .feature = bytes_of_text("feature"),
                            .view_index = random_next(random) % 2,
                            .type = type,
                            .values = ARENA_NEW_ARRAY(arena, rows, struct value),
                            .statuses = ARENA_NEW_ARRAY(arena, rows, enum feature_status)};
    bool is_all_present = random_next(random) % 4 == 0;
    for (size_t i = 0; i < rows; i++) {
        column.values[i] = draw_value(random, type, arena);
        while (is_all_present &&
               (column.values[i].kind == VALUE_NULL || column.values[i].kind == VALUE_OVERFLOW))
            column.values[i] = draw_value(random, type, arena);
        column.statuses[i] =
            is_all_present ? FEATURE_PRESENT : (enum feature_status)(random_next(random) % 6);
    }
    return column;
}

/* ---- comparing ---- */

static bool is_there(const struct value *value)
{
    return value->kind != VALUE_NULL && value->kind != VALUE_OVERFLOW;
}

/* Where reading is in the values of a column. */
struct cursor {
    const Asof__V1__Column *column;
    size_t doubles;
    size_t integers;
    size_t strings;
};

static void compare_scalar(struct cursor *cursor, struct type type, const struct value *value)
{
    const Asof__V1__Column *column = cursor->column;
    if (type.kind == VALUE_DOUBLE) {
        double told = column->doubles[cursor->doubles++];
        double expected = is_there(value) ? value->real : 0;
        assert_memory_equal(&told, &expected, sizeof(told));
    } else if (type.kind == VALUE_STRING) {
        struct bytes expected = is_there(value) ? value->text : (struct bytes){0};
        assert_true(bytes_equal_text(expected, column->strings[cursor->strings++]));
    } else {
        assert_true(column->integers[cursor->integers++] == (is_there(value) ? value->integer : 0));
    }
}

static void compare_values(const Asof__V1__Column *told, const struct column *column, size_t rows)
{
    struct cursor cursor = {.column = told};
    for (size_t i = 0; i < rows; i++) {
        const struct value *value = &column->values[i];
        size_t count = value->kind == VALUE_LIST ? value->list.count : 0;
        if (column->type.is_list)
            assert_int_equal(told->sizes[i], count);
        else
            compare_scalar(&cursor, column->type, value);
        for (size_t j = 0; j < count; j++)
            compare_scalar(&cursor, column->type, &value->list.items[j]);
    }
    assert_int_equal(told->n_doubles, cursor.doubles);
    assert_int_equal(told->n_integers, cursor.integers);
    assert_int_equal(told->n_strings, cursor.strings);
    assert_int_equal(told->n_sizes, column->type.is_list ? rows : 0);
}

static void compare_statuses(const Asof__V1__Column *told, const struct column *column, size_t rows)
{
    bool has_statuses = told->statuses.len > 0;
    assert_true(!has_statuses || told->statuses.len == rows);
    for (size_t i = 0; i < rows; i++) {
        unsigned byte = has_statuses ? told->statuses.data[i] : ASOF__V1__STATUS__STATUS_PRESENT;
        assert_int_equal(byte & 127, (unsigned)column->statuses[i] + 1);
        assert_int_equal((byte & ASOF__V1__STATUS__STATUS_NO_VALUE) == 0,
                         is_there(&column->values[i]));
    }
}

static void compare_columns(const Asof__V1__GetFeaturesResponse *told,
                            const struct columns *columns)
{
    assert_int_equal(told->rows, columns->rows_count);
    assert_int_equal(told->n_columns, columns->columns_count);
    for (size_t i = 0; i < columns->columns_count; i++) {
        const struct column *column = &columns->columns[i];
        assert_string_equal(told->columns[i]->feature, "view.feature");
        assert_int_equal(told->columns[i]->view, column->view_index);
        assert_int_equal(told->columns[i]->digits, column->type.digits);
        assert_int_equal(told->columns[i]->is_list, column->type.is_list);
        assert_int_not_equal(told->columns[i]->kind, ASOF__V1__KIND__KIND_UNSPECIFIED);
        compare_statuses(told->columns[i], column, columns->rows_count);
        compare_values(told->columns[i], column, columns->rows_count);
    }
}

static void compare_views(const Asof__V1__GetFeaturesResponse *told, const struct columns *columns)
{
    assert_int_equal(told->n_views, columns->views_count);
    for (size_t i = 0; i < columns->views_count; i++) {
        const struct columns_view *view = &columns->views[i];
        assert_true(bytes_equal_text(view->name, told->views[i]->view));
        assert_int_equal(told->views[i]->version, view->version);
        assert_int_equal(told->views[i]->n_at_us, view->at_count);
        for (size_t j = 0; j < view->at_count; j++)
            assert_true(told->views[i]->at_us[j] == view->at_us[j]);
        size_t times = view->event_times_us == NULL ? 0 : columns->rows_count;
        assert_int_equal(told->views[i]->n_event_times_us, times);
        for (size_t j = 0; j < times; j++)
            assert_true(told->views[i]->event_times_us[j] == view->event_times_us[j]);
    }
}

static void answers_read_by_protobuf_c_are_what_was_written(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct buffer out = {0};
    for (size_t round = 0; round < ROUNDS; round++) {
        struct arena *arena = arena_create(4096);
        size_t rows = 1 + random_next(&random) % ROWS_MAX;
        int64_t times[ROWS_MAX];
        for (size_t i = 0; i < rows; i++)
            times[i] = i % 5 == 0 ? COLUMNS_NO_EVENT_TIME : (int64_t)random_next(&random);
        const struct columns_view views[] = {
            {bytes_of_text("view"), 1, times, 1, NULL},
            {bytes_of_text("other"), UINT32_MAX, times, rows, times},
        };
        struct column drawn[TYPES_COUNT];
        for (size_t i = 0; i < TYPES_COUNT; i++)
            drawn[i] = draw_column(&random, types[i], rows, arena);
        const struct columns columns = {.rows_count = rows,
                                        .columns = drawn,
                                        .columns_count = TYPES_COUNT,
                                        .views = views,
                                        .views_count = 2};

        buffer_reset(&out, SIZE_MAX);
        rpc_get_append(&columns, &out);
        Asof__V1__GetFeaturesResponse *told = asof__v1__get_features_response__unpack(
            NULL, out.size, (const uint8_t *)buffer_bytes(&out).data);

        assert_non_null(told);
        compare_columns(told, &columns);
        compare_views(told, &columns);
        asof__v1__get_features_response__free_unpacked(told, NULL);
        arena_destroy(&arena);
    }
    buffer_fini(&out);
}

/* ---- requests ---- */

static void requests_written_by_protobuf_c_are_read(void **state)
{
    (void)state;
    char *features[] = {"a.b", "a@2.*"};
    char *strings[] = {"x", ""};
    int64_t ints[] = {-5, INT64_MAX};
    int64_t at_us[] = {-1, 7};
    Asof__V1__KeyColumn one;
    Asof__V1__KeyColumn two;
    Asof__V1__KeyColumn *keys[] = {&one, &two};
    Asof__V1__GetFeaturesRequest given;
    asof__v1__key_column__init(&one);
    asof__v1__key_column__init(&two);
    asof__v1__get_features_request__init(&given);
    one.key = "k";
    one.n_strings = 2;
    one.strings = strings;
    two.key = "n";
    two.n_ints = 2;
    two.ints = ints;
    given.n_features = given.n_keys = given.n_at_us = 2;
    given.features = features;
    given.keys = keys;
    given.at_us = at_us;
    given.exclusive = given.with_event_times = 1;
    uint8_t packed[256];
    size_t size = asof__v1__get_features_request__pack(&given, packed);
    struct arena *arena = arena_create(4096);
    struct columns_question question;
    struct error err;

    assert_int_equal(
        rpc_get_parse(bytes_of(packed, size), COLUMNS_ROWS_MAX, arena, &question, &err), STATUS_OK);

    assert_int_equal(question.features_count, 2);
    assert_true(bytes_equal_text(question.features[1], "a@2.*"));
    assert_int_equal(question.keys_count, 2);
    assert_int_equal(question.rows_count, 2);
    assert_true(bytes_equal_text(question.keys[0].name, "k"));
    assert_true(bytes_equal_text(question.keys[0].strings[0], "x"));
    assert_null(question.keys[0].ints);
    assert_null(question.keys[1].strings);
    assert_true(question.keys[1].ints[0] == -5 && question.keys[1].ints[1] == INT64_MAX);
    assert_int_equal(question.at_count, 2);
    assert_true(question.at_us[0] == -1 && question.at_us[1] == 7);
    assert_true(question.is_exclusive && question.has_event_times);
    arena_destroy(&arena);
}

/* Names "a.b" and "c.d", as they stand in a request, and a key column behind them. */
#define NAMES                                                                                      \
    "\x0a\x03"                                                                                     \
    "a.b\x0a\x03"                                                                                  \
    "c.d"
#define THE_KEY "\x12\x06\x0a\x01k\x12\x01x"

static void names_that_are_known_are_taken_as_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        size_t features;
        bool is_known;
    } cases[] = {
        {NAMES THE_KEY, 2, true},
        {NAMES THE_KEY "\x20\x01", 2, true},
        {NAMES "\x0a\x03"
               "e.f" THE_KEY,
         3, false},
        {NAMES THE_KEY "\x0a\x03"
                       "e.f",
         3, false},
        {"\x0a\x03"
         "a.b" THE_KEY,
         1, false},
        {"\x0a\x03"
         "a.c\x0a\x03"
         "c.d" THE_KEY,
         2, false},
    };
    struct bytes features[] = {bytes_of_text("a.b"), bytes_of_text("c.d")};
    const struct columns_names known = {bytes_of_text(NAMES), features, 2};
    struct arena *arena = arena_create(4096);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct columns_question question;
        struct error err;

        assert_int_equal(rpc_get_parse_as(bytes_of_text(cases[i].message), &known, COLUMNS_ROWS_MAX,
                                          arena, &question, &err),
                         STATUS_OK);

        assert_int_equal(question.features_count, cases[i].features);
        assert_int_equal(question.features == features, cases[i].is_known);
        assert_int_equal(question.rows_count, 1);
        assert_true(bytes_equal_text(question.keys[0].strings[0], "x"));
    }
    arena_destroy(&arena);
}

static void columns_written_by_protobuf_c_are_read(void **state)
{
    (void)state;
    enum { EVENTS_MAX = 2 };
    char *strings[] = {"x", ""};
    int64_t ints[] = {INT64_MIN, 1};
    double doubles[] = {0.1, -INFINITY};
    uint8_t nulls[] = {0, 1};
    Asof__V1__EventColumn columns[3];
    Asof__V1__EventColumn *given_columns[] = {&columns[0], &columns[1], &columns[2]};
    Asof__V1__PushRequest given;
    asof__v1__push_request__init(&given);
    for (size_t i = 0; i < 3; i++)
        asof__v1__event_column__init(&columns[i]);
    columns[0].field = "s";
    columns[0].strings = strings;
    columns[1].field = "i";
    columns[1].ints = ints;
    columns[1].nulls = (ProtobufCBinaryData){.len = 2, .data = nulls};
    columns[2].field = "d";
    columns[2].doubles = doubles;
    columns[0].n_strings = columns[1].n_ints = columns[2].n_doubles = 2;
    given.n_columns = 3;
    given.columns = given_columns;
    uint8_t packed[256];
    struct arena *arena = arena_create(4096);
    struct rpc_push_request request;
    struct error err;
    struct bytes text;
    char scratch[NUMBER_TEXT_SIZE];

    struct bytes message = bytes_of(packed, asof__v1__push_request__pack(&given, packed));
    assert_int_equal(rpc_push_parse(message, EVENTS_MAX, arena, &request, &err), STATUS_OK);

    assert_null(request.events);
    assert_int_equal(request.events_count, 2);
    assert_int_equal(request.columns_count, 3);
    assert_true(value_column_text(&request.columns[0], 0, scratch, &text));
    assert_true(bytes_equal_text(text, "x"));
    assert_true(value_column_text(&request.columns[1], 0, scratch, &text));
    assert_true(bytes_equal_text(text, "-9223372036854775808"));
    assert_false(value_column_text(&request.columns[1], 1, scratch, &text));
    assert_true(value_column_text(&request.columns[2], 0, scratch, &text));
    assert_true(bytes_equal_text(text, "0.1"));
    assert_true(value_column_text(&request.columns[2], 1, scratch, &text));
    assert_true(bytes_equal_text(text, "infinity"));

    assert_int_equal(rpc_push_parse(message, EVENTS_MAX - 1, arena, &request, &err), STATUS_LIMIT);
    columns[2].n_strings = 1;
    columns[2].strings = strings;
    message.size = asof__v1__push_request__pack(&given, packed);
    assert_int_equal(rpc_push_parse(message, EVENTS_MAX + 1, arena, &request, &err),
                     STATUS_INVALID);
    assert_string_equal(err.text, "column 'd' has values of several kinds");
    columns[2].n_strings = 0;
    columns[2].n_doubles = 1;
    message.size = asof__v1__push_request__pack(&given, packed);
    assert_int_equal(rpc_push_parse(message, EVENTS_MAX, arena, &request, &err), STATUS_INVALID);
    assert_string_equal(err.text, "column 'd' has not as many values as the first");
    columns[1].nulls.len = 1;
    message.size = asof__v1__push_request__pack(&given, packed);
    assert_int_equal(rpc_push_parse(message, EVENTS_MAX, arena, &request, &err), STATUS_INVALID);
    assert_string_equal(err.text, "column 'i' has nulls for another number of values");
    arena_destroy(&arena);
}

/* Of each request all that is cut short is refused, or is another whole one; never is more read. */
static void cut_requests_do_no_harm(void **state)
{
    (void)state;
    static const char whole[] = "\x0a\x03"
                                "a.b\x12\x09\x0a\x01k\x12\x01x\x12\x01y\x1a\x02\x01\x02\x20\x01";
    struct arena *arena = arena_create(4096);
    size_t refused = 0;
    for (size_t size = 0; size < sizeof(whole); size++) {
        char *copy = malloc(size + 1); /* so that reading behind it is seen */
        struct columns_question question;
        struct error err;
        memcpy(copy, whole, size);
        refused += rpc_get_parse(bytes_of(copy, size), COLUMNS_ROWS_MAX, arena, &question, &err) ==
                   STATUS_INVALID;
        free(copy);
    }
    assert_true(refused > 10);
    arena_destroy(&arena);
}

static void strings_keep_their_zero_bytes(void **state)
{
    (void)state;
    static const char message[] = "\x12\x08\x0a\x01k\x12\x03"
                                  "a\0b";
    struct arena *arena = arena_create(4096);
    struct columns_question question;
    struct error err;
    assert_int_equal(rpc_get_parse(bytes_of(message, sizeof(message) - 1), COLUMNS_ROWS_MAX, arena,
                                   &question, &err),
                     STATUS_OK);
    assert_true(bytes_equal(question.keys[0].strings[0], bytes_of("a\0b", 3)));
    arena_destroy(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_read_by_protobuf_c_are_what_was_written),
        cmocka_unit_test(requests_written_by_protobuf_c_are_read),
        cmocka_unit_test(names_that_are_known_are_taken_as_they_are),
        cmocka_unit_test(columns_written_by_protobuf_c_are_read),
        cmocka_unit_test(cut_requests_do_no_harm),
        cmocka_unit_test(strings_keep_their_zero_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
