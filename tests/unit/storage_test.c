#include "storage_world.h"
#include "base/endian.h"
#include "stream/log_block.h"

static void put(struct batch *batch, uint32_t table, const char *name, int64_t time_us,
                const char *identity, const char *row)
{
    struct buffer memory = {0};
    batch_put_event(batch, storage, table, entity_of(&memory, name), time_us,
                    bytes_of_text(identity), bytes_of_text(row));
    buffer_fini(&memory);
}

/* The rows of a timeline from t_us back, joined by commas. */
static void assert_timeline(uint32_t table, const char *name, int64_t t_us, const char *expected)
{
    struct buffer memory = {0};
    struct buffer found = {0};
    struct timeline *timeline =
        timeline_open(storage, &reading, table, entity_of(&memory, name), t_us);
    struct timeline_event event;
    while (timeline_back(timeline, &event, NULL) == STATUS_OK) {
        buffer_append(&found, event.row);
        buffer_append_byte(&found, ',');
    }
    buffer_append_byte(&found, '\0');
    assert_string_equal(buffer_bytes(&found).data, expected);
    timeline_close(&timeline);
    buffer_fini(&memory);
    buffer_fini(&found);
}

static void a_timeline_goes_back_from_t_within_its_entity_and_table(void **state)
{
    (void)state;
    struct batch *batch = batch_create();
    put(batch, 7, "b", 100, "x", "b100x");
    put(batch, 7, "b", 100, "y", "b100y");
    put(batch, 7, "b", -5, "x", "b-5");
    put(batch, 7, "b", 200, "x", "b200");
    put(batch, 7, "a", 150, "x", "a150");
    put(batch, 7, "bb", 150, "x", "bb150");
    put(batch, 8, "b", 150, "x", "other");
    write_batch(batch, true);
    batch_destroy(&batch);

    for (int round = 0; round < 2; round++) {
        assert_timeline(7, "b", 1000, "b200,b100y,b100x,b-5,");
        assert_timeline(7, "b", 199, "b100y,b100x,b-5,");
        assert_timeline(7, "b", 100, "b100y,b100x,b-5,");
        assert_timeline(7, "b", 99, "b-5,");
        assert_timeline(7, "b", -6, "");
        assert_timeline(7, "bb", 1000, "bb150,");
        assert_timeline(9, "b", 1000, "");
        assert_int_equal(storage_compact(storage, NULL), STATUS_OK);
        reopen();
    }
}

static void what_was_put_behind_a_mark_can_be_undone(void **state)
{
    (void)state;
    struct batch *batch = batch_create();
    put(batch, 1, "a", 1, "x", "kept");
    batch_mark(batch);
    put(batch, 1, "a", 2, "x", "undone");
    batch_undo_to_mark(batch);
    batch_mark(batch);
    put(batch, 1, "a", 3, "x", "kept too");
    batch_forget_mark(batch);
    write_batch(batch, false);
    batch_destroy(&batch);

    assert_timeline(1, "a", 10, "kept too,kept,");
}

static const struct field_definition key_field = {.name = {"k", 1}, .type = {.kind = VALUE_STRING}};
static const size_t key_fields[] = {0};
static const struct view_definition view = {
    .fields = &key_field, .fields_count = 1, .key_fields = key_fields, .keys_count = 1};

static size_t string_size(const void *context, struct bytes key)
{
    return entity_encoded_size(context, key);
}

static void a_scan_gives_each_entity_once(void **state)
{
    (void)state;
    struct batch *batch = batch_create();
    for (int64_t i = 0; i < 30; i++)
        put(batch, 3, i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "bc", i, "x", "row");
    write_batch(batch, false);
    batch_destroy(&batch);

    struct buffer after = {0};
    const char *const expected[] = {"a", "b", "bc"};
    for (size_t from = 0; from <= 3; from++) {
        struct bytes start = from == 0 ? (struct bytes){0} : entity_of(&after, expected[from - 1]);
        struct entity_scan *scan =
            entity_scan_open(storage, &reading, 3, start, string_size, &view);
        struct bytes entity;
        for (size_t i = from; i < 3; i++) {
            struct buffer memory = {0};
            assert_int_equal(entity_scan_next(scan, &entity, NULL), STATUS_OK);
            assert_true(bytes_equal(entity, entity_of(&memory, expected[i])));
            buffer_fini(&memory);
        }
        assert_int_equal(entity_scan_next(scan, &entity, NULL), STATUS_NOT_FOUND);
        entity_scan_close(&scan);
    }
    buffer_fini(&after);
}

/* Appends the rows of the events from the position on, at most count of them, those of entities
 * from "b" on only until the first of each; leaves in position where it was. */
static void scan_events(struct buffer *position, size_t count, struct buffer *found)
{
    struct scanned_event event;
    struct event_scan *scan =
        event_scan_open(storage, &reading, 7, buffer_bytes(position), string_size, &view);
    while (count-- > 0 && event_scan_next(scan, &event, NULL) == STATUS_OK) {
        buffer_append(found, event.row);
        buffer_append_byte(found, ',');
        if (event.entity.data[0] >= 'b')
            event_scan_skip_entity(scan);
    }
    position->start = position->size = 0;
    buffer_append(position, event_scan_position(scan));
    event_scan_close(&scan);
}

static void a_scan_of_events_goes_on_and_passes_over_entities(void **state)
{
    (void)state;
    struct batch *batch = batch_create();
    put(batch, 7, "a", 3, "x", "a3");
    put(batch, 7, "a", -1, "x", "a-1");
    put(batch, 7, "b", 5, "x", "b5");
    put(batch, 7, "b", 6, "x", "b6");
    put(batch, 7, "c", 1, "x", "c1");
    put(batch, 8, "a", 1, "x", "other");
    write_batch(batch, false);
    batch_clear(batch);

    struct buffer position = {0};
    struct buffer found = {0};
    for (int i = 0; i < 6; i++)
        scan_events(&position, 1, &found); /* the event at the position is given again */
    buffer_append_byte(&found, '\0');
    assert_string_equal(buffer_bytes(&found).data, "a-1,a-1,a-1,a-1,a-1,a-1,");

    struct buffer memory = {0};
    batch_delete_event(batch, storage, 7, entity_of(&memory, "a"), -1, bytes_of_text("x"));
    write_batch(batch, false);
    found.size = 0;
    scan_events(&position, 2, &found);
    scan_events(&position, 2, &found);
    buffer_append_byte(&found, '\0');
    assert_string_equal(buffer_bytes(&found).data, "a3,b5,c1,");

    batch_destroy(&batch);
    buffer_fini(&memory);
    buffer_fini(&position);
    buffer_fini(&found);
}

static void a_timeline_ends_with_the_base_behind_what_was_folded(void **state)
{
    (void)state;
    char base[16] = {0};
    struct buffer memory = {0};
    struct batch *batch = batch_create();
    be64_write_signed(base, 20);
    put(batch, 7, "a", 10, "x", "folded");
    put(batch, 7, "a", 20, "x", "folded");
    put(batch, 7, "a", 21, "x", "a21");
    put(batch, 7, "a", 30, "x", "a30");
    batch_put_base(batch, storage, 7, entity_of(&memory, "a"), bytes_of(base, sizeof(base)));
    write_batch(batch, false);
    batch_clear(batch);

    for (int has_base = 1; has_base >= 0; has_base--) {
        struct timeline_event event;
        const struct timeline_bounds bounds = {
            .t_us = 25, .oldest_us = has_base ? INT64_MIN : 15, .has_base = has_base};
        struct timeline *timeline =
            timeline_open_within(storage, &reading, 7, entity_of(&memory, "a"), &bounds);
        /* What is written now belongs to a later moment. */
        batch_delete_base(batch, storage, 7, entity_of(&memory, "a"));
        batch_delete_event(batch, storage, 7, entity_of(&memory, "a"), 21, bytes_of_text("x"));
        write_batch(batch, false);
        if (has_base) {
            assert_int_equal(timeline_back(timeline, &event, NULL), STATUS_OK);
            assert_int_equal(event.time_us, 21);
            for (int i = 0; i < 2; i++) {
                assert_int_equal(timeline_back(timeline, &event, NULL), STATUS_OK);
                assert_true(event.is_base);
                assert_true(bytes_equal(event.row, bytes_of(base, sizeof(base))));
            }
        } else {
            assert_int_equal(timeline_back(timeline, &event, NULL), STATUS_OK);
            assert_int_equal(event.time_us, 20);
            assert_int_equal(timeline_back(timeline, &event, NULL), STATUS_NOT_FOUND);
        }
        timeline_close(&timeline);
    }
    batch_destroy(&batch);
    buffer_fini(&memory);
}

/* Whether the newest event of "a" can be read so; AGAIN: not without waiting. */
static enum status read_newest(const struct storage_reading *how, char text[8])
{
    struct buffer memory = {0};
    struct error err;
    struct timeline *timeline = timeline_open(storage, how, 1, entity_of(&memory, "a"), 1000);
    struct timeline_event event;
    enum status status = timeline_back(timeline, &event, &err);
    if (status == STATUS_OK)
        bytes_to_text(event.row, text, 8);
    timeline_close(&timeline);
    buffer_fini(&memory);
    return status;
}

static bool lasts_for(void *context)
{
    int *looks = context;
    return (*looks)-- > 0;
}

static void a_walk_whose_patience_ends_is_given_up_for_good(void **state)
{
    (void)state;
    int looks = 2;
    const struct patience patience = {.may_go_on = lasts_for, .context = &looks};
    const struct storage_reading impatient = {.patience = &patience};
    struct buffer memory = {0};
    struct batch *batch = batch_create();
    struct timeline_event event;
    enum status status = STATUS_OK;
    int count = 0;
    for (int i = 0; i < 1000; i++)
        put(batch, 1, "a", i, "x", "row");
    write_batch(batch, false);

    struct timeline *timeline =
        timeline_open(storage, &impatient, 1, entity_of(&memory, "a"), 1000);
    while ((status = timeline_back(timeline, &event, NULL)) == STATUS_OK)
        count++;

    assert_int_equal(status, STATUS_CANCELLED);
    assert_in_range(count, 1, 999);
    looks = 1000;
    assert_int_equal(timeline_back(timeline, &event, NULL), STATUS_CANCELLED);
    timeline_close(&timeline);
    batch_destroy(&batch);
    buffer_fini(&memory);
}

static void a_read_that_never_waits_takes_only_what_is_in_memory(void **state)
{
    (void)state;
    const struct storage_reading never_waits = {.never_waits = true};
    struct batch *batch = batch_create();
    char text[8];
    struct error err;
    put(batch, 1, "a", 100, "x", "row");
    write_batch(batch, false);
    batch_destroy(&batch);

    assert_int_equal(read_newest(&never_waits, text), STATUS_OK); /* the write buffer is memory */
    assert_int_equal(storage_compact(storage, &err), STATUS_OK);
    reopen();
    assert_int_equal(read_newest(&never_waits, text), STATUS_AGAIN);
    assert_int_equal(read_newest(&reading, text), STATUS_OK);
    assert_string_equal(text, "row");
    assert_int_equal(read_newest(&never_waits, text), STATUS_OK); /* now the cache has it */
}

static void a_snapshot_stands_still(void **state)
{
    (void)state;
    struct batch *batch = batch_create();
    char text[8];
    put(batch, 1, "a", 100, "x", "old");
    write_batch(batch, false);
    struct storage_snapshot *snapshot = storage_snapshot_take(storage, false);
    const struct storage_reading as_then = {.snapshot = snapshot};
    uint64_t changes = storage_changes(storage);
    assert_int_equal(changes % 2, 0);

    batch_clear(batch);
    put(batch, 1, "a", 200, "x", "new");
    write_batch(batch, false);
    assert_int_equal(storage_changes(storage), changes + 2);
    assert_int_equal(read_newest(&reading, text), STATUS_OK);
    assert_string_equal(text, "new");
    assert_int_equal(read_newest(&as_then, text), STATUS_OK);
    assert_string_equal(text, "old");
    storage_snapshot_release(&snapshot);
    batch_destroy(&batch);
}

static void a_log_cursor_begins_with_the_block_that_holds_its_sequence(void **state)
{
    (void)state;
    struct batch *batch = batch_create();
    batch_put_log(batch, storage, 1, 0, bytes_of_text("zero"));
    batch_put_log(batch, storage, 1, 10, bytes_of_text("ten"));
    batch_put_log(batch, storage, 1, 30, bytes_of_text("thirty"));
    batch_put_log(batch, storage, 2, 0, bytes_of_text("other"));
    batch_delete_log(batch, storage, 1, 0);
    write_batch(batch, false);
    batch_destroy(&batch);

    static const struct {
        uint64_t sequence;
        uint64_t first;
    } cases[] = {{0, 10}, {9, 10}, {10, 10}, {29, 10}, {30, 30}, {99, 30}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct log_cursor *cursor = log_cursor_open(storage, 1, cases[i].sequence);
        uint64_t first;
        struct bytes block;
        assert_int_equal(log_cursor_next(cursor, &first, &block, NULL), STATUS_OK);
        assert_int_equal(first, cases[i].first);
        while (log_cursor_next(cursor, &first, &block, NULL) == STATUS_OK)
            assert_int_equal(first, 30);
        log_cursor_close(&cursor);
    }
}

static void a_second_opener_is_refused(void **state)
{
    (void)state;
    struct storage *second = NULL;
    struct error err;

    assert_int_equal(storage_open(directory, &options, &second, &err), STATUS_UNAVAILABLE);
    assert_non_null(strstr(err.text, "is in use by another asofd"));
}

static void a_newer_format_is_refused_before_anything_is_opened(void **state)
{
    (void)state;
    struct error err;
    storage_close(&storage);
    write_file("FORMAT", "asof data format 999\n");
    assert_int_equal(storage_open(directory, &options, &storage, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "has format 999, newer than the 3"));

    write_file("FORMAT", "something else\n");
    assert_int_equal(storage_open(directory, &options, &storage, &err), STATUS_CORRUPT);
}

static void an_older_format_is_opened_by_migrations_only(void **state)
{
    (void)state;
    struct error err;
    struct storage_options older = options;
    storage_close(&storage);
    write_file("FORMAT", "asof data format 2\n");

    assert_int_equal(storage_open(directory, &options, &storage, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "bring it there by: asof migrate --data "));
    older.format = 2;
    assert_int_equal(storage_open(directory, &older, &storage, &err), STATUS_OK);
}

static void a_directory_of_something_else_is_refused(void **state)
{
    (void)state;
    struct error err;
    char path[128];
    storage_close(&storage);
    snprintf(path, sizeof(path), "%s/FORMAT", directory);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(storage_open(directory, &options, &storage, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "is no data directory of asofd"));
}

static void log_blocks_come_back_and_damage_is_seen(void **state)
{
    (void)state;
    const struct bytes pairs[] = {bytes_of_text("a"), bytes_of_text("1"), bytes_of_text("b"),
                                  bytes_of_text("")};
    const struct push_event json = {.format = EVENT_JSON, .text = bytes_of_text("{\"a\":1}")};
    const struct push_event text = {.format = EVENT_PAIRS, .pairs = pairs, .pairs_count = 2};
    struct log_block block = {0};
    struct buffer bytes = {0};
    struct log_reader reader;
    struct push_event event;
    struct arena *arena = arena_create(1024);
    log_block_add(&block, &json);
    log_block_add(&block, &text);
    assert_int_equal(log_block_finish(&block, 0, -77, &bytes), 2);

    assert_int_equal(log_reader_start(&reader, buffer_bytes(&bytes), NULL), STATUS_OK);
    assert_int_equal(reader.now_us, -77);
    assert_int_equal(log_reader_next(&reader, arena, &event, NULL), STATUS_OK);
    assert_true(bytes_equal(event.text, json.text));
    assert_int_equal(log_reader_next(&reader, arena, &event, NULL), STATUS_OK);
    assert_int_equal(event.pairs_count, 2);
    assert_true(bytes_equal_text(event.pairs[2], "b"));
    assert_int_equal(log_reader_next(&reader, arena, &event, NULL), STATUS_NOT_FOUND);

    for (size_t size = 0; size < bytes.size; size++) {
        enum status status =
            log_reader_start(&reader, bytes_of(buffer_bytes(&bytes).data, size), NULL);
        while (status == STATUS_OK)
            status = log_reader_next(&reader, arena, &event, NULL);
        assert_int_equal(status, STATUS_CORRUPT);
    }
    buffer_fini(&bytes);
    log_block_fini(&block);
    arena_destroy(&arena);
}

static void a_large_commit_is_cut_into_blocks(void **state)
{
    (void)state;
    enum { EVENTS = 3000, TEXT_SIZE = 1000 };
    char text[TEXT_SIZE];
    memset(text, 'x', sizeof(text));
    const struct push_event event = {.format = EVENT_JSON, .text = bytes_of(text, sizeof(text))};
    struct log_block block = {0};
    for (size_t i = 0; i < EVENTS; i++)
        log_block_add(&block, &event);
    size_t size = block.events.size;
    for (size_t i = 0; i < EVENTS; i++)
        log_block_add(&block, &event);
    assert_int_equal(log_block_pieces(&block), 6);
    log_block_undo(&block, size, EVENTS);
    assert_int_equal(log_block_pieces(&block), 3);

    size_t count = 0;
    for (size_t i = 0; i < log_block_pieces(&block); i++) {
        struct buffer bytes = {0};
        struct log_reader reader;
        struct push_event found;
        uint32_t piece_count = log_block_finish(&block, i, 0, &bytes);
        assert_true(bytes.size < LOG_PIECE_SIZE + 2 * TEXT_SIZE);
        assert_int_equal(log_reader_start(&reader, buffer_bytes(&bytes), NULL), STATUS_OK);
        for (uint32_t j = 0; j < piece_count; j++)
            assert_int_equal(log_reader_next(&reader, NULL, &found, NULL), STATUS_OK);
        assert_int_equal(log_reader_next(&reader, NULL, &found, NULL), STATUS_NOT_FOUND);
        count += piece_count;
        buffer_fini(&bytes);
    }
    assert_int_equal(count, EVENTS);
    log_block_fini(&block);
}

#define WITH_STORAGE(test) cmocka_unit_test_setup_teardown(test, storage_begin, storage_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORAGE(a_timeline_goes_back_from_t_within_its_entity_and_table),
        WITH_STORAGE(a_timeline_ends_with_the_base_behind_what_was_folded),
        WITH_STORAGE(a_walk_whose_patience_ends_is_given_up_for_good),
        WITH_STORAGE(a_scan_of_events_goes_on_and_passes_over_entities),
        WITH_STORAGE(what_was_put_behind_a_mark_can_be_undone),
        WITH_STORAGE(a_scan_gives_each_entity_once),
        WITH_STORAGE(a_read_that_never_waits_takes_only_what_is_in_memory),
        WITH_STORAGE(a_snapshot_stands_still),
        WITH_STORAGE(a_log_cursor_begins_with_the_block_that_holds_its_sequence),
        WITH_STORAGE(a_second_opener_is_refused),
        WITH_STORAGE(a_newer_format_is_refused_before_anything_is_opened),
        WITH_STORAGE(an_older_format_is_opened_by_migrations_only),
        WITH_STORAGE(a_directory_of_something_else_is_refused),
        cmocka_unit_test(log_blocks_come_back_and_damage_is_seen),
        cmocka_unit_test(a_large_commit_is_cut_into_blocks),
    };
    return cmocka_run_group_tests_name("storage", tests, NULL, NULL);
}
