#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "random.h"
#include "storage/hot.h"

enum { FEATURES = 6, TEXT_SIZE = 64 };

/* A row of six features, made of `seed`: a number, a text, a NULL, an empty text, one that counts
 * from a time, and one that was not asked. */
static void keep_by_ticket(struct hot *hot, uint32_t table_id, const char *entity, int64_t seed,
                           uint64_t ticket)
{
    char number[TEXT_SIZE];
    char text[TEXT_SIZE];
    int number_size = snprintf(number, sizeof(number), "%lld", (long long)seed);
    int text_size = snprintf(text, sizeof(text), "text %lld", (long long)seed);
    const struct hot_cell cells[FEATURES] = {
        {.is_known = true,
         .has_text = true,
         .status = FEATURE_PRESENT,
         .text = bytes_of(number, (size_t)number_size)},
        {.is_known = true,
         .has_text = true,
         .status = FEATURE_NOT_FOUND,
         .text = bytes_of(text, (size_t)text_size)},
        {.is_known = true, .status = FEATURE_NULL},
        {.is_known = true, .has_text = true, .status = FEATURE_PRESENT, .text = bytes_of("", 0)},
        {.is_known = true,
         .has_text = true,
         .is_relative = true,
         .status = FEATURE_PRESENT,
         .base_us = -seed},
        {.is_known = false},
    };
    const struct hot_draft draft = {.valid_from_us = seed,
                                    .valid_until_us = seed + 1,
                                    .is_found = true,
                                    .event_time_us = seed - 1,
                                    .cells = cells,
                                    .count = FEATURES};
    hot_keep(hot, table_id, bytes_of_text(entity), ticket, &draft);
}

static void keep(struct hot *hot, uint32_t table_id, const char *entity, int64_t seed)
{
    keep_by_ticket(hot, table_id, entity, seed, hot_ticket(hot, table_id, bytes_of_text(entity)));
}

/* The seed of the row, which is whole. */
static int64_t row_seed(const struct hot_row *row)
{
    char text[TEXT_SIZE];
    char number[TEXT_SIZE];
    /* By itself: beside the comparison of features_count, gcc joins both into one load of eight
     * bytes, which has the atomic flags in it, and the thread sanitizer takes it for a read of
     * those. */
    if (!row->is_found)
        return INT64_MIN;
    const struct hot_cell first = hot_row_cell(row, 0);
    bytes_to_text(first.text, number, sizeof(number));
    int64_t seed = strtoll(number, NULL, 10);
    snprintf(text, sizeof(text), "text %lld", (long long)seed);
    bool is_whole = row->valid_from_us == seed && row->valid_until_us == seed + 1 &&
                    row->event_time_us == seed - 1 && row->features_count == FEATURES &&
                    bytes_equal_text(hot_row_cell(row, 1).text, text) &&
                    hot_row_cell(row, 4).base_us == -seed;
    return is_whole ? seed : INT64_MIN;
}

static void assert_kept(struct hot *hot, uint32_t table_id, const char *entity, int64_t seed)
{
    const struct hot_row *row = hot_find(hot, table_id, bytes_of_text(entity));
    assert_non_null(row);
    assert_int_equal(row_seed(row), seed);
}

static void a_packed_row_says_what_was_kept(void **state)
{
    (void)state;
    struct hot *hot = hot_create(1 << 20, NULL);
    keep(hot, 1, "a", 10);

    const struct hot_row *row = hot_find(hot, 1, bytes_of_text("a"));

    assert_non_null(row);
    assert_int_equal(row_seed(row), 10);
    assert_true(hot_row_holds(row, 10));
    assert_false(hot_row_holds(row, 9));
    assert_false(hot_row_holds(row, 11));
    assert_true(bytes_equal_text(hot_row_entity(row), "a"));
    assert_int_equal(hot_row_cell(row, 0).status, FEATURE_PRESENT);
    assert_int_equal(hot_row_cell(row, 1).status, FEATURE_NOT_FOUND);
    assert_true(hot_row_cell(row, 2).is_known);
    assert_false(hot_row_cell(row, 2).has_text);
    assert_int_equal(hot_row_cell(row, 2).status, FEATURE_NULL);
    assert_true(hot_row_cell(row, 3).has_text);
    assert_int_equal(hot_row_cell(row, 3).text.size, 0);
    assert_true(hot_row_cell(row, 4).is_relative);
    assert_false(hot_row_cell(row, 3).is_relative);
    assert_false(hot_row_cell(row, 5).is_known);
    hot_destroy(&hot);
}

/* The offsets of a row are narrow up to 2 KiB of texts, and wide beyond. */
static void texts_of_any_size_are_packed(void **state)
{
    (void)state;
    enum { LONGEST = 5000 };
    static char letters[LONGEST];
    for (size_t i = 0; i < LONGEST; i++)
        letters[i] = (char)('a' + i % 26);
    struct hot *hot = hot_create(16 << 20, NULL);
    for (size_t size = 1; size <= LONGEST; size += size < 2000 || size > 2100 ? 97 : 1) {
        const struct hot_cell cells[] = {
            {.is_known = true,
             .has_text = true,
             .status = FEATURE_PRESENT,
             .text = bytes_of(letters, size)},
            {.is_known = true,
             .has_text = true,
             .status = FEATURE_PRESENT,
             .text = bytes_of(letters, 3)},
        };
        const struct hot_draft draft = {.valid_until_us = 1, .cells = cells, .count = 2};
        struct bytes entity = bytes_of_text("e");
        hot_keep(hot, 1, entity, hot_ticket(hot, 1, entity), &draft);

        const struct hot_row *row = hot_find(hot, 1, entity);

        assert_non_null(row);
        assert_int_equal(row->is_wide, size + 3 > 2047);
        assert_true(bytes_equal(hot_row_cell(row, 0).text, bytes_of(letters, size)));
        assert_true(bytes_equal_text(hot_row_cell(row, 1).text, "abc"));
    }
    hot_destroy(&hot);
}

static void rows_are_kept_and_forgotten_by_table_and_entity(void **state)
{
    (void)state;
    struct hot *hot = hot_create(1 << 20, NULL);
    uint64_t empty_bytes = hot_counters(hot).bytes;
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
    assert_int_equal(hot_counters(hot).rows, 2);
    assert_true(hot_counters(hot).bytes > empty_bytes);
    hot_forget_all(hot);
    assert_int_equal(hot_counters(hot).rows, 0);
    assert_int_equal(hot_counters(hot).bytes, empty_bytes);
    hot_destroy(&hot);
}

static void a_ticket_is_void_once_its_entity_was_forgotten(void **state)
{
    (void)state;
    struct hot *hot = hot_create(1 << 20, NULL);
    uint64_t ticket = hot_ticket(hot, 1, bytes_of_text("a"));

    hot_forget(hot, 1, bytes_of_text("a"));
    keep_by_ticket(hot, 1, "a", 5, ticket);
    assert_null(hot_find(hot, 1, bytes_of_text("a")));

    ticket = hot_ticket(hot, 1, bytes_of_text("a"));
    keep_by_ticket(hot, 1, "a", 6, ticket);
    assert_kept(hot, 1, "a", 6);
    hot_forget_all(hot);
    keep_by_ticket(hot, 1, "a", 7, ticket);
    assert_null(hot_find(hot, 1, bytes_of_text("a")));
    hot_destroy(&hot);
}

static void memory_is_bounded_and_what_is_read_stays(void **state)
{
    (void)state;
    enum { BYTES_MAX = 64 * 1024 };
    struct hot *hot = hot_create(BYTES_MAX, NULL);
    keep(hot, 1, "in use", 7);
    for (int64_t i = 0; i < 5000; i++) {
        char entity[32];
        snprintf(entity, sizeof(entity), "e%lld", (long long)i);
        keep(hot, 1, entity, i);
        assert_true(hot_counters(hot).bytes <= BYTES_MAX);
        assert_kept(hot, 1, "in use", 7); /* the others are not read: they go before it */
        hot_prefetch_row(hot, hot_prefetch_place(hot, 1, bytes_of_text(entity)));
    }
    assert_kept(hot, 1, "e4999", 4999);
    assert_true(hot_counters(hot).rows > 50);
    assert_true(hot_counters(hot).evictions_total > 4000);
    hot_destroy(&hot);
}

static void without_memory_nothing_is_kept(void **state)
{
    (void)state;
    static const size_t too_few[] = {0, 1, 500};
    for (size_t i = 0; i < sizeof(too_few) / sizeof(too_few[0]); i++) {
        struct hot *hot = hot_create(too_few[i], NULL);
        keep(hot, 1, "a", 1);
        assert_null(hot_find(hot, 1, bytes_of_text("a")));
        hot_forget(hot, 1, bytes_of_text("a"));
        hot_destroy(&hot);
    }
}

static void reads_are_counted(void **state)
{
    (void)state;
    struct hot *hot = hot_create(1 << 20, NULL);
    hot_count(hot, 3, 0, 0);
    hot_count(hot, 1, 2, 1);
    assert_int_equal(hot_counters(hot).hits_total, 4);
    assert_int_equal(hot_counters(hot).misses_total, 2);
    assert_int_equal(hot_counters(hot).edge_hits_total, 1);
    hot_destroy(&hot);
}

/* ---- edges ---- */

/* An event of the time, whose identity is the time, too. */
struct edge_event {
    char identity[TEXT_SIZE];
    struct timeline_event event;
};

static void edge_event_make(struct edge_event *made, int64_t time_us)
{
    int size = snprintf(made->identity, sizeof(made->identity), "%lld", (long long)time_us);
    made->event = (struct timeline_event){.time_us = time_us,
                                          .identity = bytes_of(made->identity, (size_t)size),
                                          .row = bytes_of_text("row")};
}

static void write_event(struct hot *hot, const char *entity, int64_t time_us)
{
    struct edge_event made;
    edge_event_make(&made, time_us);
    hot_write(hot, 1, bytes_of_text(entity), &made.event, 1);
}

/* Keeps the events of the times from first_us to last_us. */
static void keep_edges_by_ticket(struct hot *hot, const char *entity, int64_t first_us,
                                 int64_t last_us, uint64_t ticket)
{
    struct edge_event made[EDGES_EVENTS_MAX];
    struct edges_draft draft = {.since_us = first_us};
    for (int64_t time_us = first_us; time_us <= last_us; time_us++) {
        struct edge_event *next = &made[time_us - first_us];
        edge_event_make(next, time_us);
        if (!edges_draft_add(&draft, &next->event))
            abort();
    }
    hot_keep_edges(hot, 1, bytes_of_text(entity), ticket, &draft);
}

static void keep_edges(struct hot *hot, const char *entity, int64_t first_us, int64_t last_us)
{
    keep_edges_by_ticket(hot, entity, first_us, last_us, hot_ticket(hot, 1, bytes_of_text(entity)));
}

/* The newest time of edges in which no event is missing; since_us - 1 where there are none. */
static int64_t edges_newest(const struct edges *edges)
{
    struct timeline_event event;
    struct edges_cursor cursor;
    edges_cursor_start(&cursor, edges, INT64_MAX - 1, INT64_MIN);
    const struct timeline_reader reader = edges_reader_of(&cursor);
    int64_t newest_us = edges->since_us - 1 + edges->count;
    for (int64_t time_us = newest_us; time_us >= edges->since_us; time_us--)
        if (reader.back(reader.timeline, &event, NULL) != STATUS_OK || event.time_us != time_us)
            return INT64_MIN;
    return newest_us;
}

static void assert_edges(struct hot *hot, const char *entity, int64_t newest_us)
{
    const struct edges *edges = hot_find_edges(hot, 1, bytes_of_text(entity));
    assert_non_null(edges);
    assert_int_equal(edges_newest(edges), newest_us);
}

static void a_write_makes_a_row_stale_and_joins_the_edges(void **state)
{
    (void)state;
    struct hot *hot = hot_create(1 << 20, NULL);
    struct bytes entity = bytes_of_text("a");
    keep(hot, 1, "a", 10);
    assert_false(hot_wants_edges(hot, 1, entity));

    write_event(hot, "a", 6);
    assert_null(hot_find(hot, 1, entity));
    assert_null(hot_find_edges(hot, 1, entity));
    assert_true(hot_wants_edges(hot, 1, entity));
    keep_edges(hot, "a", 5, 6);
    keep(hot, 1, "a", 11);
    write_event(hot, "a", 7);
    write_event(hot, "a", 4); /* before all that the edges know */

    assert_null(hot_find(hot, 1, entity));
    assert_edges(hot, "a", 7);
    assert_int_equal(hot_counters(hot).edges, 1);
    assert_int_equal(hot_counters(hot).rows, 1);
    keep(hot, 1, "a", 12);
    assert_kept(hot, 1, "a", 12);
    hot_forget(hot, 1, entity);
    assert_null(hot_find_edges(hot, 1, entity));
    assert_false(hot_wants_edges(hot, 1, entity));
    assert_int_equal(hot_counters(hot).edges + hot_counters(hot).rows, 0);
    hot_destroy(&hot);
}

static void a_write_voids_the_tickets_of_edges(void **state)
{
    (void)state;
    struct hot *hot = hot_create(1 << 20, NULL);
    uint64_t ticket = hot_ticket(hot, 1, bytes_of_text("a"));
    write_event(hot, "a", 1);
    keep_edges_by_ticket(hot, "a", 0, 0, ticket);
    assert_null(hot_find_edges(hot, 1, bytes_of_text("a")));
    hot_destroy(&hot);
}

static void edges_that_grow_too_large_are_dropped(void **state)
{
    (void)state;
    struct hot *hot = hot_create(1 << 20, NULL);
    keep_edges(hot, "a", 1, 1);
    for (int64_t time_us = 2; time_us <= EDGES_EVENTS_MAX; time_us++)
        write_event(hot, "a", time_us);
    assert_edges(hot, "a", EDGES_EVENTS_MAX);
    write_event(hot, "a", EDGES_EVENTS_MAX + 1);
    assert_null(hot_find_edges(hot, 1, bytes_of_text("a")));
    hot_destroy(&hot);
}

static void edges_are_evicted_as_rows_are(void **state)
{
    (void)state;
    enum { BYTES_MAX = 64 * 1024 };
    struct hot *hot = hot_create(BYTES_MAX, NULL);
    keep_edges(hot, "in use", 0, 0);
    for (int64_t i = 1; i <= 5000; i++) {
        char entity[32];
        snprintf(entity, sizeof(entity), "e%lld", (long long)i);
        keep_edges(hot, entity, 0, 9);
        write_event(hot, entity, 10); /* that alone does not make them stay */
        assert_true(hot_counters(hot).bytes <= BYTES_MAX);
        if (i % 100 == 0)
            write_event(hot, "in use", i / 100);
        assert_edges(hot, "in use", i / 100);
    }
    assert_true(hot_counters(hot).edges > 20);
    assert_true(hot_counters(hot).evictions_total > 4000);
    hot_destroy(&hot);
}

static void many_rows_are_all_found(void **state)
{
    (void)state;
    enum { ENTITIES = 20000 };
    struct random random = random_begin(__func__);
    struct hot *hot = hot_create(64 << 20, NULL);
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

/* ---- threads ----
 *
 * What is "stored" of an entity is a number that one writer raises: store, write, acknowledge.
 * Readers load what is acknowledged, then look: a row that says less is stale. */

enum {
    RACE_ENTITIES = 300,
    RACE_READERS = 3,
    RACE_WRITES = 60000,
    RACE_BYTES = 40 * 1024,
    RACE_EDGES = 5, /* events in edges that a reader makes, at most */
};

struct race {
    struct hot *hot;
    struct epoch *epoch;
    _Atomic int64_t stored[RACE_ENTITIES];
    _Atomic int64_t acknowledged[RACE_ENTITIES];
    _Atomic bool is_over;
    _Atomic uint64_t hits;
    _Atomic uint64_t stale;
    _Atomic uint64_t broken;
    void (*read)(struct race *race, size_t which);
};

static void race_read(struct race *race, size_t which)
{
    char entity[32];
    snprintf(entity, sizeof(entity), "e%zu", which);
    int64_t acknowledged = atomic_load(&race->acknowledged[which]);
    const struct hot_row *row = hot_find(race->hot, 1, bytes_of_text(entity));
    if (row != NULL) {
        int64_t seed = row_seed(row);
        atomic_fetch_add(&race->hits, 1);
        atomic_fetch_add(&race->broken, seed == INT64_MIN);
        atomic_fetch_add(&race->stale, seed < acknowledged);
        return;
    }
    uint64_t ticket = hot_ticket(race->hot, 1, bytes_of_text(entity));
    keep_by_ticket(race->hot, 1, entity, atomic_load(&race->stored[which]), ticket);
}

/* As race_read, of edges: what is stored are events of the times from 1 to a number. */
static void race_read_edges(struct race *race, size_t which)
{
    char entity[32];
    snprintf(entity, sizeof(entity), "e%zu", which);
    int64_t acknowledged = atomic_load(&race->acknowledged[which]);
    const struct edges *edges = hot_find_edges(race->hot, 1, bytes_of_text(entity));
    if (edges != NULL) {
        int64_t newest_us = edges_newest(edges);
        atomic_fetch_add(&race->hits, 1);
        atomic_fetch_add(&race->broken, newest_us == INT64_MIN);
        atomic_fetch_add(&race->stale, newest_us < acknowledged);
        return;
    }
    uint64_t ticket = hot_ticket(race->hot, 1, bytes_of_text(entity));
    int64_t stored = atomic_load(&race->stored[which]);
    keep_edges_by_ticket(race->hot, entity, stored > RACE_EDGES ? stored - RACE_EDGES + 1 : 1,
                         stored, ticket);
}

static void *race_reader(void *context)
{
    struct race *race = context;
    struct epoch_reader *reader = epoch_join(race->epoch);
    unsigned number = (unsigned)(uintptr_t)reader / 64;
    epoch_enter(reader);
    for (size_t i = 0; !atomic_load(&race->is_over); i++) {
        number = number * 1664525 + 1013904223;
        race->read(race, (number >> 8) % RACE_ENTITIES);
        if (i % 16 == 0)
            epoch_quiet(reader);
    }
    epoch_leave(reader);
    epoch_part(&reader);
    return NULL;
}

static void race_write(struct race *race, struct random *random)
{
    for (int64_t i = 1; i <= RACE_WRITES; i++) {
        char entity[32];
        size_t which = random_below(random, RACE_ENTITIES);
        snprintf(entity, sizeof(entity), "e%zu", which);
        int64_t number = atomic_load(&race->stored[which]) + 1;
        atomic_store(&race->stored[which], number);
        if (number % 50 == 0)
            hot_forget(race->hot, 1, bytes_of_text(entity));
        else
            write_event(race->hot, entity, number);
        atomic_store(&race->acknowledged[which], number);
        if (i % 10000 == 0)
            hot_forget_all(race->hot);
    }
    atomic_store(&race->is_over, true);
}

static void run_race(void (*read)(struct race *race, size_t which), const char *name)
{
    static struct race race;
    struct random random = random_begin(name);
    pthread_t readers[RACE_READERS];
    memset(&race, 0, sizeof(race));
    race.read = read;
    race.epoch = epoch_create();
    race.hot = hot_create(RACE_BYTES, race.epoch); /* so few that rows are evicted all the time */
    for (size_t i = 0; i < RACE_READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, race_reader, &race), 0);

    race_write(&race, &random);

    for (size_t i = 0; i < RACE_READERS; i++)
        pthread_join(readers[i], NULL);
    assert_true(race.hits > 0);
    assert_int_equal(race.broken, 0);
    assert_int_equal(race.stale, 0);
    assert_true(hot_counters(race.hot).bytes <= RACE_BYTES);
    hot_destroy(&race.hot);
    epoch_destroy(&race.epoch);
}

static void readers_never_find_a_row_older_than_what_is_acknowledged(void **state)
{
    (void)state;
    run_race(race_read, __func__);
}

static void readers_never_find_edges_that_lack_what_is_acknowledged(void **state)
{
    (void)state;
    run_race(race_read_edges, __func__);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packed_row_says_what_was_kept),
        cmocka_unit_test(texts_of_any_size_are_packed),
        cmocka_unit_test(rows_are_kept_and_forgotten_by_table_and_entity),
        cmocka_unit_test(a_ticket_is_void_once_its_entity_was_forgotten),
        cmocka_unit_test(memory_is_bounded_and_what_is_read_stays),
        cmocka_unit_test(without_memory_nothing_is_kept),
        cmocka_unit_test(reads_are_counted),
        cmocka_unit_test(many_rows_are_all_found),
        cmocka_unit_test(a_write_makes_a_row_stale_and_joins_the_edges),
        cmocka_unit_test(a_write_voids_the_tickets_of_edges),
        cmocka_unit_test(edges_that_grow_too_large_are_dropped),
        cmocka_unit_test(edges_are_evicted_as_rows_are),
        cmocka_unit_test(readers_never_find_a_row_older_than_what_is_acknowledged),
        cmocka_unit_test(readers_never_find_edges_that_lack_what_is_acknowledged),
    };
    return cmocka_run_group_tests_name("hot", tests, NULL, NULL);
}
