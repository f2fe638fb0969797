#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "random.h"
#include "storage/edges.h"

enum { ENTITY_SIZE = 5, TIMES = 40, IDENTITIES = 3, ROW_VERSIONS = 7 };

static const char *const identities[IDENTITIES] = {"", "a", "b"};
static const char *const rows[ROW_VERSIONS] = {"", "1", "22", "333", "4444", "55555", "666666"};

/* What the store has: for each time and identity a row, or none (-1). */
struct model {
    int rows[TIMES][IDENTITIES];
};

static struct timeline_event event_at(int time, int identity, int row)
{
    return (struct timeline_event){.time_us = time,
                                   .identity = bytes_of_text(identities[identity]),
                                   .row = bytes_of_text(rows[row])};
}

static struct edges *pack(const struct edges_draft *draft)
{
    struct bytes entity = bytes_of("enti\0", ENTITY_SIZE);
    struct edges *edges = malloc(edges_size(entity, draft));
    assert_non_null(edges);
    edges_pack(edges, entity, draft);
    atomic_init(&edges->is_used, false);
    assert_true(bytes_equal(edges_entity(edges), entity));
    return edges;
}

/* The model's events at or after since, oldest first. false: too many. */
static bool draft_of(const struct model *model, int64_t since_us, struct edges_draft *draft)
{
    draft->since_us = since_us;
    draft->count = draft->bytes_size = 0;
    for (int time = 0; time < TIMES; time++)
        for (int identity = 0; identity < IDENTITIES; identity++) {
            int row = model->rows[time][identity];
            const struct timeline_event event = event_at(time, identity, row < 0 ? 0 : row);
            if (row >= 0 && time >= since_us && !edges_draft_add(draft, &event))
                return false;
        }
    return true;
}

static void assert_same_bytes(const struct edges *a, const struct edges *b)
{
    assert_int_equal(a->since_us, b->since_us);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->bytes_size, b->bytes_size);
    size_t size = (size_t)a->count * (sizeof(int64_t) + 2 * sizeof(uint16_t)) + a->entity_size +
                  a->bytes_size;
    assert_memory_equal(a->packed, b->packed, size);
}

static void model_clear(struct model *model)
{
    for (int time = 0; time < TIMES; time++)
        for (int identity = 0; identity < IDENTITIES; identity++)
            model->rows[time][identity] = -1;
}

/* Puts some random events into the model; leaves them in events, in the order of their keys. */
static size_t put_some(struct model *model, struct random *random, struct timeline_event *events)
{
    struct model batch;
    size_t count = 0;
    model_clear(&batch);
    for (uint64_t i = random_below(random, 4) + 1; i > 0; i--) {
        int row = (int)random_below(random, ROW_VERSIONS);
        batch.rows[random_below(random, TIMES)][random_below(random, IDENTITIES)] = row;
    }
    for (int time = 0; time < TIMES; time++)
        for (int identity = 0; identity < IDENTITIES; identity++)
            if (batch.rows[time][identity] >= 0) {
                model->rows[time][identity] = batch.rows[time][identity];
                events[count++] = event_at(time, identity, batch.rows[time][identity]);
            }
    return count;
}

/* Late ones, the same ones again, ones with the same key and another row: edges that were told all
 * of them are those that would be made of the store now. */
static void edges_that_are_told_events_are_those_of_the_store(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    for (int round = 0; round < 300; round++) {
        struct model model;
        struct edges_draft draft;
        struct timeline_event events[8];
        model_clear(&model);
        put_some(&model, &random, events);
        int64_t since_us =
            random_below(&random, 2) == 0 ? INT64_MIN : (int64_t)random_below(&random, TIMES);
        assert_true(draft_of(&model, since_us, &draft));
        struct edges *edges = pack(&draft);
        bool is_small = true;
        while (is_small) {
            size_t count = put_some(&model, &random, events);
            struct edges *old = edges;
            is_small = edges_merge(old, events, count, &draft);
            edges = is_small ? pack(&draft) : NULL;
            free(old);
            assert_int_equal(draft_of(&model, since_us, &draft), is_small);
            if (!is_small)
                break;
            struct edges *expected = pack(&draft);
            assert_same_bytes(edges, expected);
            free(expected);
            is_small = random_below(&random, 60) > 0;
        }
        free(edges);
    }
}

/* What back gives from the model: the newest event before *time, *identity. false: none at or after
 * end. */
static bool model_back(const struct model *model, int64_t end_us, int *time, int *identity)
{
    do {
        if (--*identity < 0) {
            *identity = IDENTITIES - 1;
            --*time;
        }
        if (*time < 0 || *time < end_us)
            return false;
    } while (model->rows[*time][*identity] < 0);
    return true;
}

static void a_cursor_goes_the_way_of_the_store_and_says_where_it_ends(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    for (int round = 0; round < 2000; round++) {
        struct model model;
        struct edges_draft draft;
        struct edges_cursor cursor;
        struct timeline_event event;
        struct timeline_event events[8];
        model_clear(&model);
        for (int i = 0; i < 6; i++)
            put_some(&model, &random, events);
        int64_t since_us = (int64_t)random_below(&random, TIMES) - TIMES / 4;
        int64_t oldest_us = (int64_t)random_below(&random, TIMES) - TIMES / 2;
        int time = (int)random_below(&random, TIMES) + 1;
        int identity = 0;
        assert_true(draft_of(&model, since_us, &draft));
        struct edges *edges = pack(&draft);

        edges_cursor_start(&cursor, edges, time - 1, oldest_us);
        const struct timeline_reader reader = edges_reader_of(&cursor);

        int64_t end_us = oldest_us;
        if (random_below(&random, 2) == 0) { /* the events of a part, then those behind it */
            int64_t from_us = (int64_t)random_below(&random, (uint64_t)time);
            assert_int_equal(reader.fetch(reader.timeline, from_us, 1, NULL), STATUS_OK);
            end_us = from_us > oldest_us ? from_us : oldest_us;
        }
        bool is_fetched = end_us != oldest_us;
        for (;;) {
            int64_t known_us = end_us > since_us ? end_us : since_us;
            bool is_there = model_back(&model, known_us, &time, &identity);
            enum status status = reader.back(reader.timeline, &event, NULL);
            if (!is_there)
                assert_int_equal(status, end_us >= since_us ? STATUS_NOT_FOUND : STATUS_AGAIN);
            if (!is_there && !(is_fetched && end_us >= since_us))
                break;
            if (!is_there) {
                reader.seek(reader.timeline, end_us);
                time = (int)end_us;
                identity = 0;
                end_us = oldest_us;
                is_fetched = false;
                continue;
            }
            assert_int_equal(status, STATUS_OK);
            assert_int_equal(event.time_us, time);
            assert_true(bytes_equal_text(event.identity, identities[identity]));
            assert_true(bytes_equal_text(event.row, rows[model.rows[time][identity]]));
        }
        free(edges);
    }
}

static void the_next_event_behind_t_is_known(void **state)
{
    (void)state;
    struct edges_draft draft = {.since_us = 0};
    struct edges_cursor cursor;
    for (int time = 10; time <= 30; time += 10) {
        const struct timeline_event event = event_at(time, 1, 1);
        assert_true(edges_draft_add(&draft, &event));
    }
    struct edges *edges = pack(&draft);
    static const int64_t expected[][2] = {{5, 10}, {9, 10}, {10, 20}, {29, 30}, {30, INT64_MAX}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        edges_cursor_start(&cursor, edges, expected[i][0], 0);
        assert_int_equal(cursor.next_us, expected[i][1]);
    }
    free(edges);
}

static void what_is_too_many_or_too_large_is_refused(void **state)
{
    (void)state;
    static char letters[EDGES_BYTES_MAX];
    struct edges_draft draft = {0};
    for (int i = 0; i < EDGES_EVENTS_MAX; i++) {
        const struct timeline_event event = event_at(i, 1, 1);
        assert_true(edges_draft_add(&draft, &event));
    }
    const struct timeline_event one = event_at(EDGES_EVENTS_MAX, 1, 1);
    assert_false(edges_draft_add(&draft, &one));
    struct edges *full = pack(&draft);
    struct edges_draft merged;
    assert_false(edges_merge(full, &one, 1, &merged));
    const struct timeline_event again = event_at(7, 1, 2);
    assert_true(edges_merge(full, &again, 1, &merged));
    assert_int_equal(merged.count, EDGES_EVENTS_MAX);
    free(full);

    struct edges_draft empty = {0};
    const struct timeline_event large = {.row = bytes_of(letters, sizeof(letters))};
    const struct timeline_event small = {.time_us = 1, .identity = bytes_of("i", 1)};
    assert_true(edges_draft_add(&empty, &large));
    struct edges *edges = pack(&empty);
    assert_false(edges_merge(edges, &small, 1, &merged));
    free(edges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_that_are_told_events_are_those_of_the_store),
        cmocka_unit_test(a_cursor_goes_the_way_of_the_store_and_says_where_it_ends),
        cmocka_unit_test(the_next_event_behind_t_is_known),
        cmocka_unit_test(what_is_too_many_or_too_large_is_refused),
    };
    return cmocka_run_group_tests_name("edges", tests, NULL, NULL);
}
