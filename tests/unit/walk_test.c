/* The walk against the plain evaluation, over random views, events and moments, with partials that
 * are made at random moments while events come, late ones too. */
#include <stdlib.h>

#include "features_world.h"
#include "features/condense.h"

enum { STORED_CHUNKS_MAX = 4096 };

struct stored_chunk {
    int64_t end_us;
    unsigned level;
    struct bytes partial; /* in the fixture's arena */
};

/* Events and chunks in memory, with a cursor over both. */
struct store {
    struct events events;
    struct stored_chunk chunks[STORED_CHUNKS_MAX]; /* by end and level */
    size_t chunks_count;
    size_t chunk;      /* steps back from here */
    size_t fetched_to; /* back ends at this event, where has_fetched */
    bool has_fetched;
    struct fixture *fixture;
};

static int compare_events(const void *left, const void *right)
{
    const struct timeline_event *a = left;
    const struct timeline_event *b = right;
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    int order = bytes_compare(a->identity, b->identity);
    return order != 0 ? order : bytes_compare(a->row, b->row);
}

static int compare_chunks(const void *left, const void *right)
{
    const struct stored_chunk *a = left;
    const struct stored_chunk *b = right;
    if (a->end_us != b->end_us)
        return a->end_us < b->end_us ? -1 : 1;
    return (a->level > b->level) - (a->level < b->level);
}

static void seek(void *timeline, int64_t before_us)
{
    struct store *store = timeline;
    struct events *events = &store->events;
    store->has_fetched = false;
    events->next = events->count;
    while (events->next > 0 && events->events[events->next - 1].time_us >= before_us)
        events->next--;
}

static enum status fetch(void *timeline, int64_t from_us, size_t events_max, struct error *err)
{
    struct store *store = timeline;
    size_t to = store->events.next;
    (void)err;
    while (to > 0 && store->events.events[to - 1].time_us >= from_us)
        to--;
    store->has_fetched = store->events.next - to <= events_max;
    store->fetched_to = to;
    return store->has_fetched ? STATUS_OK : STATUS_LIMIT;
}

static enum status chunk_back(void *timeline, struct timeline_chunk *chunk, struct error *err)
{
    struct store *store = timeline;
    (void)err;
    if (store->chunk == 0)
        return STATUS_NOT_FOUND;
    const struct stored_chunk *stored = &store->chunks[--store->chunk];
    *chunk = (struct timeline_chunk){
        .end_us = stored->end_us, .level = stored->level, .partial = stored->partial};
    return STATUS_OK;
}

static enum status chunk_seek(void *timeline, int64_t end_us, unsigned level_max,
                              struct timeline_chunk *chunk, struct error *err)
{
    struct store *store = timeline;
    const struct stored_chunk wanted = {.end_us = end_us, .level = level_max};
    store->chunk = store->chunks_count;
    while (store->chunk > 0 && compare_chunks(&store->chunks[store->chunk - 1], &wanted) > 0)
        store->chunk--;
    return chunk_back(timeline, chunk, err);
}

static enum status store_back(void *timeline, struct timeline_event *event, struct error *err)
{
    struct store *store = timeline;
    bool is_at_end = store->has_fetched && store->events.next == store->fetched_to;
    return is_at_end ? STATUS_NOT_FOUND : back(&store->events, event, err);
}

static struct timeline_reader reader_of(struct store *store)
{
    return (struct timeline_reader){.timeline = store,
                                    .back = store_back,
                                    .seek = seek,
                                    .fetch = fetch,
                                    .chunk_seek = chunk_seek,
                                    .chunk_back = chunk_back};
}

/* As the storage does with an event: sorted in, and partials that cover it are deleted. */
static void put_sorted(struct store *store)
{
    struct events *events = &store->events;
    int64_t time_us = events->events[events->count - 1].time_us;
    qsort(events->events, events->count, sizeof(events->events[0]), compare_events);
    size_t kept = 0;
    for (size_t i = 0; i < store->chunks_count; i++) {
        const struct stored_chunk *chunk = &store->chunks[i];
        bool is_covering = chunk_end_us(time_us, chunk->level) == chunk->end_us;
        if (!is_covering)
            store->chunks[kept++] = *chunk;
    }
    store->chunks_count = kept;
}

static void emit(void *context, const struct timeline_chunk *chunk)
{
    struct store *store = context;
    size_t i = 0;
    while (i < store->chunks_count &&
           (store->chunks[i].end_us != chunk->end_us || store->chunks[i].level != chunk->level))
        i++;
    assert_true(i < STORED_CHUNKS_MAX);
    store->chunks[i] =
        (struct stored_chunk){.end_us = chunk->end_us,
                              .level = chunk->level,
                              .partial = arena_copy(store->fixture->arena, chunk->partial)};
    if (i == store->chunks_count)
        store->chunks_count++;
    qsort(store->chunks, store->chunks_count, sizeof(store->chunks[0]), compare_chunks);
}

/* The time of the next event: mostly a little later, sometimes the same, far later or late. */
static int64_t random_time(struct random *random, int64_t *now_us)
{
    switch (random_below(random, 12)) {
    case 0:
        return *now_us;
    case 1:
        *now_us += (int64_t)random_below(random, 4000 * US_PER_MS);
        return *now_us;
    case 2:
        return *now_us - (int64_t)random_below(random, 20 * US_PER_SECOND);
    default:
        *now_us += (int64_t)random_below(random, 60 * US_PER_MS);
        return *now_us;
    }
}

static void put_random(struct store *store, struct random *random, int64_t time_us)
{
    static const char *const texts[] = {"", "a", "b", "longer than others", "c", "d", NULL};
    char id[16];
    snprintf(id, sizeof(id), "%04u", (unsigned)random_below(random, 3000));
    size_t count = random_below(random, 12) == 0 ? 2 : 1; /* with a repeat that differs */
    for (size_t i = 0; i < count; i++) {
        struct value n = random_below(random, 5) == 0 ? value_null()
                                                      : value_int((int64_t)random_below(random, 9));
        double x = (double)random_below(random, 1000) / 7;
        if (random_below(random, 200) == 0)
            x *= 1e300;
        put(store->fixture, &store->events, time_us, id, n, value_double(x),
            texts[random_below(random, 7)]);
        put_sorted(store);
    }
}

/* Makes partials of a random range, all steps of it, or stops within. */
static void condense(struct store *store, struct random *random, int64_t now_us)
{
    struct condense work;
    struct arena *arena = arena_create(64 * 1024);
    const struct timeline_reader reader = reader_of(store);
    int64_t from_us = random_below(random, 3) == 0
                          ? CONDENSE_FROM_BEGINNING
                          : now_us - (int64_t)random_below(random, 60 * US_PER_SECOND);
    int64_t to_us = from_us == CONDENSE_FROM_BEGINNING || random_below(random, 2) == 0
                        ? now_us
                        : from_us + (int64_t)random_below(random, 30 * US_PER_SECOND);
    size_t steps = random_below(random, 4) == 0 ? random_below(random, 3) : SIZE_MAX;
    condense_start(&work, from_us, to_us, now_us);
    for (size_t i = 0; i < steps && !condense_is_done(&work); i++) {
        struct error err;
        arena_reset(arena);
        if (condense_step(&work, store->fixture->plan, &reader, arena, emit, store, &err) !=
            STATUS_OK)
            fail_msg("%s", err.text);
    }
    arena_destroy(&arena);
}

/* What all reads took, so that a test can say that it tested something. */
struct totals {
    uint64_t chunks;
    uint64_t reads_with_chunks;
};

static void compare_at(struct store *store, struct random *random, int64_t t_us,
                       struct totals *totals)
{
    uint32_t features[FEATURES_MAX];
    struct fixture *fixture = store->fixture;
    struct question question = {
        .view = &fixture->view, .t_us = t_us, .is_exclusive = random_below(random, 3) == 0};
    if (random_below(random, 3) > 0) {
        question.features = features;
        question.features_count = random_below(random, 5);
        for (size_t i = 0; i < question.features_count; i++)
            features[i] = (uint32_t)random_below(random, fixture->view.features_count);
    }
    struct arena *arena = arena_create(64 * 1024);
    const struct timeline_reader reader = reader_of(store);
    struct answer plain;
    struct answer fast;
    struct walk_report report;
    struct error err;
    seek(store, t_us - question.is_exclusive + 1);
    assert_int_equal(
        features_evaluate(fixture->plan, &question, store_back, store, arena, &plain, &err),
        STATUS_OK);
    seek(store, t_us - question.is_exclusive + 1);
    assert_int_equal(features_walk(fixture->plan, &question, &reader, arena, &fast, &report, &err),
                     STATUS_OK);
    assert_same_answer(&plain, &fast);
    totals->chunks += report.chunks;
    totals->reads_with_chunks += report.chunks > 0;
    arena_destroy(&arena);
}

static void fast_is_plain_to_the_bit(void **state)
{
    (void)state;
    enum { ROUNDS = 60, EVENTS = 600 };
    struct random random = random_begin(__func__);
    struct store *store = malloc(sizeof(*store));
    struct totals totals = {0};
    for (size_t round = 0; round < ROUNDS; round++) {
        struct fixture fixture;
        int64_t now_us = (int64_t)random_below(&random, 1000 * US_PER_SECOND);
        memset(store, 0, sizeof(*store));
        store->fixture = &fixture;
        begin(&fixture, random_below(&random, 2) == 0, NULL);
        for (size_t i = 1 + random_below(&random, 8); i > 0; i--)
            add_random(&fixture, &random);
        compile(&fixture);
        for (size_t i = 0; i < EVENTS; i++) {
            put_random(store, &random, random_time(&random, &now_us));
            if (random_below(&random, 40) == 0)
                condense(store, &random, now_us);
            if (random_below(&random, 4) == 0)
                compare_at(store, &random,
                           now_us + (int64_t)random_below(&random, 2 * US_PER_SECOND) -
                               (int64_t)(random_below(&random, 2) *
                                         random_below(&random, 60 * US_PER_SECOND)),
                           &totals);
        }
        end(&fixture);
    }
    free(store);
    printf("%llu chunks in %llu reads\n", (unsigned long long)totals.chunks,
           (unsigned long long)totals.reads_with_chunks);
    assert_true(totals.reads_with_chunks > ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_is_plain_to_the_bit),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
