/* What steps of the on-disk format make of rows: as they were written, already done, and damaged.
 */
#include "storage_world.h"

#include "migrations/migrations.h"
#include "random.h"

static void put(const char *key, struct bytes value)
{
    struct error err;
    struct batch *batch = batch_create();
    batch_put_row(batch, storage, bytes_of_text(key), value);
    assert_int_equal(storage_write(storage, batch, false, &err), STATUS_OK);
    batch_destroy(&batch);
}

static void assert_row(const char *key, const char *expected)
{
    struct error err;
    struct bytes value;
    struct arena *arena = arena_create(256);
    assert_int_equal(storage_get_row(storage, bytes_of_text(key), arena, &value, &err), STATUS_OK);
    assert_string_equal(value.data, expected);
    arena_destroy(&arena);
}

static const struct {
    const char *key;
    const char *value;
} rows_of_format_2[] = {
    {"view/a", "{\"active\": 3}"},
    {"view/a@1", "{\"table\": 2, \"state\": \"live\", \"definition\": {\"newest\": 1}}"},
    {"view/a@2", "{\"table\": 9, \"state\": \"filling\", \"definition\": {}}"},
    {"view/a@3", "{\"table\": 4, \"state\": \"live\", \"definition\": {}}"},
    {"view/a@10", "{\"table\": 7, \"state\": \"filling\", \"definition\": {}}"},
    {"view/a_b", "{\"active\": 0}"},
    {"view/a_b@1", "{\"table\": 12, \"state\": \"filling\", \"definition\": {}}"},
};

enum { ROWS_COUNT = sizeof(rows_of_format_2) / sizeof(rows_of_format_2[0]) };

static const char migrated_a[] = "{\"active\": 3, \"newest\": 10, \"newest_table\": 9, "
                                 "\"promoted_when_filled\": 0, \"before\": [1], \"switches\": []}";

static void put_rows(void)
{
    for (size_t i = 0; i < ROWS_COUNT; i++)
        put(rows_of_format_2[i].key, bytes_of_text(rows_of_format_2[i].value));
}

static void views_get_the_numbers_of_their_versions(void **state)
{
    (void)state;
    struct error err;
    put_rows();

    assert_int_equal(migration_0003_promotions(storage, &err), STATUS_OK);

    assert_row("view/a", migrated_a);
    assert_row("view/a_b", "{\"active\": 0, \"newest\": 1, \"newest_table\": 12, "
                           "\"promoted_when_filled\": 0, \"before\": [], \"switches\": []}");
    assert_row("view/a@1", rows_of_format_2[1].value);
}

static void what_is_done_is_left_alone(void **state)
{
    (void)state;
    struct error err;
    static const char later[] = "{\"active\": 3, \"newest\": 11, \"newest_table\": 19, "
                                "\"promoted_when_filled\": 0, \"before\": [], \"switches\": []}";
    put_rows();
    put("view/a", bytes_of_text(later));

    assert_int_equal(migration_0003_promotions(storage, &err), STATUS_OK);
    assert_int_equal(migration_0003_promotions(storage, &err), STATUS_OK);

    assert_row("view/a", later);
}

static void rows_that_nobody_wrote_are_corrupt(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *value;
    } cases[] = {
        {"view/a", ""},
        {"view/a", "{\"passive\": 1}"},
        {"view/a", "{\"active\": -}"},
        {"view/a@1", ""},
        {"view/a@1", "{\"table\": x, \"state\": \"live\"}"},
        {"view/a@1", "{\"table\": 2, \"state\": \"\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        put_rows();
        put(cases[i].key, bytes_of_text(cases[i].value));
        assert_int_equal(migration_0003_promotions(storage, &err), STATUS_CORRUPT);
        assert_non_null(strstr(err.text, "is not as format 2 has it"));
    }
}

/* Whatever bytes are lost or changed: migrated or corrupt, nothing else. */
static void damaged_rows_are_no_more_than_corrupt(void **state)
{
    (void)state;
    enum { ROUNDS = 2000, VALUE_SIZE_MAX = 128 };
    struct random random = random_begin(__func__);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct error err;
        char value[VALUE_SIZE_MAX];
        size_t row = random_below(&random, ROWS_COUNT);
        size_t size = strlen(rows_of_format_2[row].value);
        put_rows();
        memcpy(value, rows_of_format_2[row].value, size);
        for (size_t i = random_below(&random, 4); i > 0; i--)
            value[random_below(&random, (unsigned)size)] = (char)random_below(&random, 256);
        put(rows_of_format_2[row].key, bytes_of(value, random_below(&random, (unsigned)size + 1)));
        enum status status = migration_0003_promotions(storage, &err);
        assert_true(status == STATUS_OK || status == STATUS_CORRUPT);
    }
}

#define WITH_STORAGE(test) cmocka_unit_test_setup_teardown(test, storage_begin, storage_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORAGE(views_get_the_numbers_of_their_versions),
        WITH_STORAGE(what_is_done_is_left_alone),
        WITH_STORAGE(rows_that_nobody_wrote_are_corrupt),
        WITH_STORAGE(damaged_rows_are_no_more_than_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
