#include "storage_world.h"

#include "features/batch_row.h"

enum { TABLE = 7, OTHER_TABLE = 8, FEATURES = 3 };

static const struct feature_definition features[FEATURES] = {
    {.type = {.kind = VALUE_INT}}, {.type = {.kind = VALUE_INT}}, {.type = {.kind = VALUE_INT}}};
static const struct view_definition view = {.name = {"v", 1},
                                            .kind = VIEW_BATCH,
                                            .ttl_us = DURATION_NONE,
                                            .features = features,
                                            .features_count = FEATURES};

/* Writes one feature of an entity. */
static void put(struct batch *batch, const char *name, int64_t time_us, const char *identity,
                size_t feature, int64_t value)
{
    struct buffer memory = {0};
    struct buffer write = {0};
    struct value values[FEATURES] = {0};
    bool is_named[FEATURES] = {0};
    values[feature] = value_int(value);
    is_named[feature] = true;
    assert_true(batch_write_encode(&view, values, is_named, &write));
    batch_put_write(batch, storage, TABLE, entity_of(&memory, name), time_us,
                    bytes_of_text(identity), buffer_bytes(&write));
    buffer_fini(&memory);
    buffer_fini(&write);
}

/* The values of the entity's row, joined by commas; "none" where it has none. */
static void assert_row(const char *name, const char *expected)
{
    struct buffer memory = {0};
    struct buffer row = {0};
    struct buffer shown = {0};
    struct arena *arena = arena_create(4096);
    struct answer answer;
    struct error err;
    enum status status =
        storage_get_batch_row(storage, &reading, TABLE, entity_of(&memory, name), &row, &err);
    if (status == STATUS_NOT_FOUND)
        buffer_append_text(&shown, "none");
    else
        assert_int_equal(status, STATUS_OK);
    const struct batch_source source = {.is_row_known = true, .row = buffer_bytes(&row)};
    const struct question question = {.view = &view, .t_us = INT64_MAX - 1};
    assert_int_equal(batch_answer(&question, &source, arena, &answer, &err), STATUS_OK);
    for (size_t i = 0; i < FEATURES && status == STATUS_OK; i++) {
        if (answer.values[i].kind != VALUE_NULL)
            value_append_text(&answer.values[i], &shown);
        buffer_append_byte(&shown, ',');
    }
    buffer_append_byte(&shown, '\0');
    assert_string_equal(buffer_bytes(&shown).data, expected);
    arena_destroy(&arena);
    buffer_fini(&memory);
    buffer_fini(&row);
    buffer_fini(&shown);
}

static void a_row_has_the_newest_write_of_each_feature_whatever_the_order(void **state)
{
    (void)state;
    struct batch *batch = batch_create();
    put(batch, "a", 100, "1", 0, 10);
    put(batch, "b", 100, "1", 1, 20);
    write_batch(batch, false);
    assert_row("a", "10,,,");
    assert_row("b", ",20,,");
    assert_row("c", "none");

    batch_clear(batch);
    put(batch, "a", 50, "2", 0, 11); /* late */
    put(batch, "a", 100, "3", 2, 12);
    put(batch, "a", 50, "4", 1, 13);
    put(batch, "a", 50, "5", 1, 14); /* of the same time, behind it */
    write_batch(batch, false);
    assert_row("a", "10,14,12,");
    assert_row("b", ",20,,");

    reopen();
    assert_row("a", "10,14,12,");
    batch_destroy(&batch);
}

static void what_was_undone_is_in_no_row(void **state)
{
    (void)state;
    struct batch *batch = batch_create();
    put(batch, "a", 100, "1", 0, 10);
    batch_mark(batch);
    put(batch, "a", 200, "2", 0, 11);
    put(batch, "b", 200, "2", 0, 11);
    batch_undo_to_mark(batch);
    write_batch(batch, false);
    assert_row("a", "10,,,");
    assert_row("b", "none");
    batch_destroy(&batch);
}

static void events_of_other_tables_get_no_row(void **state)
{
    (void)state;
    struct buffer memory = {0};
    struct buffer row = {0};
    struct batch *batch = batch_create();
    put(batch, "a", 100, "1", 0, 10);
    batch_put_event(batch, storage, OTHER_TABLE, entity_of(&memory, "a"), 100, bytes_of_text("1"),
                    bytes_of_text("no write at all"));
    write_batch(batch, false);
    assert_row("a", "10,,,");
    assert_int_equal(
        storage_get_batch_row(storage, &reading, OTHER_TABLE, entity_of(&memory, "a"), &row, NULL),
        STATUS_NOT_FOUND);
    batch_destroy(&batch);
    buffer_fini(&memory);
}

static void a_row_that_can_not_be_read_keeps_the_batch_from_being_written(void **state)
{
    (void)state;
    struct buffer memory = {0};
    struct error err;
    struct batch *batch = batch_create();
    batch_put_write(batch, storage, TABLE, entity_of(&memory, "a"), 100, bytes_of_text("1"),
                    bytes_of_text("no write at all"));
    assert_int_equal(storage_write(storage, batch, false, &err), STATUS_CORRUPT);
    batch_clear(batch);
    put(batch, "b", 100, "1", 0, 10);
    write_batch(batch, false);
    assert_row("a", "none");
    assert_row("b", "10,,,");
    batch_destroy(&batch);
    buffer_fini(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_row_has_the_newest_write_of_each_feature_whatever_the_order, storage_begin,
            storage_end),
        cmocka_unit_test_setup_teardown(what_was_undone_is_in_no_row, storage_begin, storage_end),
        cmocka_unit_test_setup_teardown(events_of_other_tables_get_no_row, storage_begin,
                                        storage_end),
        cmocka_unit_test_setup_teardown(
            a_row_that_can_not_be_read_keeps_the_batch_from_being_written, storage_begin,
            storage_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
