/* What is stored: every text must be read back the same, and a row that was damaged on the way is
 * corrupt, not a crash. */
#include "definitions_world.h"

#include "random.h"
#include "registry/json.h"
#include "registry/node.h"

#define FEATURES                                                                                   \
    BASE "      payments_5m: {count: '*', over: 5m}\n      old_one: {sum: amount, over: 1h}\n"

/* --- JSON that YAML reads back ------------------------------------------------------------- */

static void append_letter(struct buffer *out, unsigned letter)
{
    if (letter < 0x80) {
        buffer_append_byte(out, (char)letter);
    } else if (letter < 0x800) {
        buffer_append_byte(out, (char)(0xc0 | letter >> 6));
        buffer_append_byte(out, (char)(0x80 | (letter & 0x3f)));
    } else if (letter < 0x10000) {
        buffer_append_byte(out, (char)(0xe0 | letter >> 12));
        buffer_append_byte(out, (char)(0x80 | (letter >> 6 & 0x3f)));
        buffer_append_byte(out, (char)(0x80 | (letter & 0x3f)));
    } else {
        buffer_append_byte(out, (char)(0xf0 | letter >> 18));
        buffer_append_byte(out, (char)(0x80 | (letter >> 12 & 0x3f)));
        buffer_append_byte(out, (char)(0x80 | (letter >> 6 & 0x3f)));
        buffer_append_byte(out, (char)(0x80 | (letter & 0x3f)));
    }
}

static void assert_reads_back(struct bytes text)
{
    struct arena *arena = arena_create(4096);
    struct buffer json = {0};
    struct document *document = NULL;
    struct error err = {0};
    buffer_append_text(&json, "{");
    json_name(&json, "text");
    json_text(&json, text);
    buffer_append_text(&json, "}");

    enum status status =
        documents_read(bytes_of_text("row"), buffer_bytes(&json), arena, arena, &document, &err);
    if (status != STATUS_OK)
        fail_msg("%s in %.*s", err.text, BYTES_ARGS(buffer_bytes(&json)));
    assert_true(bytes_equal(node_get(document->root, "text")->text, text));
    assert_false(node_is_null(node_get(document->root, "text")));
    buffer_fini(&json);
    arena_destroy(&arena);
}

static void every_letter_reads_back_the_same(void **state)
{
    (void)state;
    struct buffer text = {0};
    for (unsigned letter = 0; letter <= 0x10ffff; letter++) {
        bool is_surrogate = letter >= 0xd800 && letter <= 0xdfff;
        if (!is_surrogate)
            append_letter(&text, letter);
        if (letter % 4096 == 4095) {
            assert_reads_back(buffer_bytes(&text));
            buffer_reset(&text, 64 * 1024);
        }
    }
    buffer_fini(&text);
}

static void texts_that_look_like_something_else_read_back_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",    "null", "~",     "true",  "5",     "1e5",  " ",     "  a  b  ", "a: b", "# no",
        "- a", "---",  "...",   "*a",    "&a",    "!a",   "%a",    "@a",       "`",    "'",
        "\"",  "\\",   "\\u41", "a\nb ", "\n\n ", "\r\n", "\ta\t", "[{]}",     "?",    "|\n x",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_reads_back(bytes_of_text(texts[i]));
}

static void random_texts_read_back_the_same(void **state)
{
    (void)state;
    struct random random = random_begin("random_texts_read_back_the_same");
    static const unsigned odd[] = {0,    9,    10,   13,     ' ',    '"',    '\\',
                                   0x7f, 0x85, 0xa0, 0x2028, 0xfeff, 0xfffd, 0xffff};
    for (int round = 0; round < 500; round++) {
        struct buffer text = {0};
        for (uint64_t i = random_below(&random, 200); i > 0; i--) {
            uint64_t which = random_below(&random, 3);
            if (which == 0)
                append_letter(&text, odd[random_below(&random, sizeof(odd) / sizeof(odd[0]))]);
            else
                append_letter(&text, (unsigned)random_below(&random, which == 1 ? 0x80 : 0xd800));
        }
        assert_reads_back(buffer_bytes(&text));
        buffer_fini(&text);
    }
}

/* --- corrupt rows -------------------------------------------------------------------------- */

static void assert_corrupt(const struct registry_row *rows, size_t count, const char *sentence)
{
    struct registry *registry = NULL;
    struct error err = {0};

    assert_int_equal(registry_load(rows, count, fake_checks(), &registry, &err), STATUS_CORRUPT);

    assert_null(registry);
    assert_string_equal(err.text, sentence);
}

#define VIEW_ROW_NEWEST(table, number)                                                             \
    "{\"active\": 0, \"newest\": " number ", \"newest_table\": " table                             \
    ", \"promoted_when_filled\": 0, \"before\": [], \"switches\": []}"
#define VIEW_ROW(active, before)                                                                   \
    "{\"active\": " active ", \"newest\": 1, \"newest_table\": 9, \"promoted_when_filled\": 0, "   \
    "\"before\": [" before "], \"switches\": []}"

static void a_row_that_is_not_what_was_written_is_corrupt(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *value;
        const char *sentence;
    } cases[] = {
        {"junk", "{}", "stored definitions: 'junk' is no key of a row"},
        {"view/a@0", "{}", "stored definitions: 'view/a@0' is no key of a row"},
        {"source/A", "{}", "stored definitions: 'source/A' is no key of a row"},
        {"source/a", "", "stored definitions: row 'source/a' is not one document"},
        {"source/a", "{}", "stored definitions: source/a:1:1: there is no number id"},
        {"source/a", "{\"id\": -1}", "stored definitions: source/a:1:8: there is no number id"},
        {"source/a", "{\"id\": 4294967296}",
         "stored definitions: source/a:1:8: there is no number id"},
        {"source/a", "{\"id\": 1}",
         "stored definitions: source/a:1:1: there is no id or no definition"},
        {"source/a", "{\"id\": 1, \"definition\": {\"fields\": 5}}",
         "stored definitions: source/a:1:1: a source without event_time; add event_time: FIELD, a "
         "timestamp"},
        {"entity/a", "{}", "stored definitions: entity/a:1:1: there is no definition"},
        {"view/a", "{\"active\": 0}", "stored definitions: view/a:1:1: there is no number newest"},
        {"view/a",
         "{\"active\": 0, \"newest\": 1, \"newest_table\": 1, \"promoted_when_filled\": 0}",
         "stored definitions: view/a:1:1: there is no list before of at most 64"},
        {"view/a", VIEW_ROW("0", ""),
         "stored definitions: view 'a' has no version, or not those that its row names"},
        {"view/a@1", "{\"table\": 1}",
         "stored definitions: view/a@1:1:1: a part of the version is not there"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct registry_row row = {bytes_of_text(cases[i].key),
                                         bytes_of_text(cases[i].value)};
        assert_corrupt(&row, 1, cases[i].sentence);
    }
}

static void rows_that_do_not_fit_each_other_are_corrupt(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, FEATURES);
    const struct registry_row source = world.rows[0];
    const struct registry_row entity = world.rows[1];
    const struct registry_row view = world.rows[2];
    const struct registry_row version = world.rows[3];
    static const char *const unsound[] = {VIEW_ROW("2", ""), VIEW_ROW("0", "2"), VIEW_ROW("0", "0"),
                                          VIEW_ROW_NEWEST("0", "1"), VIEW_ROW_NEWEST("2", "0")};

    const struct registry_row twice[] = {source, source};
    assert_corrupt(twice, 2, "stored definitions: two rows have one key");
    const struct registry_row without_view[] = {source, entity, version};
    assert_corrupt(without_view, 3,
                   "stored definitions: version 1 of view 'card_payments' belongs to no view");
    const struct registry_row without_source[] = {entity, view, version};
    assert_corrupt(without_source, 3,
                   "stored definitions: the source or the entity of view "
                   "'card_payments' is not there");
    for (size_t i = 0; i < sizeof(unsound) / sizeof(unsound[0]); i++) {
        const struct registry_row other = {view.key, bytes_of_text(unsound[i])};
        const struct registry_row rows[] = {source, entity, other, version};
        assert_corrupt(rows, 4,
                       "stored definitions: view 'card_payments' has no version, "
                       "or not those that its row names");
    }
    struct registry_row same_id = version;
    struct buffer text = {0};
    buffer_format(&text, "{\"table\": 1%.*s",
                  BYTES_ARGS(bytes_after(version.value, strlen("{\"table\": 2"))));
    same_id.value = buffer_bytes(&text);
    const struct registry_row with_same_id[] = {source, entity, view, same_id};
    assert_corrupt(with_same_id, 4, "stored definitions: the number 1 is given twice");
    buffer_fini(&text);
    world_destroy(&world);
}

/* Whatever byte of a stored row is lost or changed: loaded or corrupt, nothing else. */
static void a_damaged_row_is_no_more_than_corrupt(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, FEATURES);
    for (size_t r = 0; r < world.rows_count; r++) {
        struct registry_row good = world.rows[r];
        for (size_t i = 0; i < good.value.size; i++) {
            struct registry *registry = NULL;
            struct error err = {0};
            struct bytes damaged = arena_copy(world.arena, good.value);
            char *bytes = arena_allocate(world.arena, good.value.size);
            memcpy(bytes, damaged.data, damaged.size);
            bytes[i] = i % 3 == 0 ? '"' : i % 3 == 1 ? 'x' : '\n';
            world.rows[r].value =
                i % 7 == 0 ? bytes_of(damaged.data, i) : bytes_of(bytes, damaged.size);

            enum status status =
                registry_load(world.rows, world.rows_count, fake_checks(), &registry, &err);

            assert_true(status == STATUS_OK || status == STATUS_CORRUPT);
            assert_true((status == STATUS_OK) == (registry != NULL));
            registry_destroy(&registry);
        }
        world.rows[r] = good;
    }
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_letter_reads_back_the_same),
        cmocka_unit_test(texts_that_look_like_something_else_read_back_the_same),
        cmocka_unit_test(random_texts_read_back_the_same),
        cmocka_unit_test(a_row_that_is_not_what_was_written_is_corrupt),
        cmocka_unit_test(rows_that_do_not_fit_each_other_are_corrupt),
        cmocka_unit_test(a_damaged_row_is_no_more_than_corrupt),
    };
    return cmocka_run_group_tests_name("registry_rows", tests, NULL, NULL);
}
