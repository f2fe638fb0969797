#include "features_world.h"
#include "base/endian.h"
#include "features/base.h"
#include "random.h"

enum { MS = 1000, ROUNDS = 400, MOMENTS = 12 };

/* A feature of each accumulator over each window without a bound, and bounded ones beside them. */
static void begin_all(struct fixture *fixture, bool has_forever)
{
    static const char *const windows[] = {"session(4ms)", "session(9ms)", "forever"};
    begin(fixture, true, NULL);
    for (size_t i = 0; i < 2 + (size_t)has_forever; i++) {
        add(fixture, "count", NULL, windows[i], "n > 3");
        add(fixture, "avg", "n", windows[i], NULL);
        add(fixture, "sum", "x * 1e200", windows[i], NULL);
        add(fixture, "stddev", "x", windows[i], NULL);
        add(fixture, "max", "s", windows[i], NULL);
        add(fixture, "first", "x * 1e200", windows[i], NULL);
        add(fixture, "last", "s", windows[i], "n > 3");
        add(fixture, "count_distinct", "s", windows[i], NULL);
        add(fixture, "time_since_first", "n", windows[i], NULL);
    }
    add(fixture, "duration", NULL, "session(9ms)", NULL);
    add(fixture, "sum", "n", "5ms", NULL);
    add(fixture, "count", NULL, "6ms step 4ms", NULL);
    compile(fixture);
}

static void put_random(struct fixture *fixture, struct events *events, struct random *random)
{
    static const char *const texts[] = {"", "a", "b", "longer than others", NULL};
    size_t count = 1 + random_below(random, 80);
    int64_t time_us = -40 * MS;
    for (size_t i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%04zu", i);
        time_us += (int64_t)random_below(random, 4) * (int64_t)random_below(random, 5) * MS;
        double x = (double)random_below(random, 1000) / 7;
        struct value n = random_below(random, 5) == 0 ? value_null() : value_int((int64_t)x % 9);
        put(fixture, events, time_us, id, n,
            value_double(random_below(random, 40) == 0 ? x * 1e300 : x),
            texts[random_below(random, 5)]);
        if (random_below(random, 8) == 0)
            put(fixture, events, time_us, id, n, value_double(x / 2), "repeated");
    }
}

/* A timeline with a base behind it, as the storage has it; without chunks. */
struct based {
    struct events events;
    struct bytes base;
    int64_t fetched_from_us; /* back ends here; INT64_MIN: it does not */
};

static enum status based_back(void *context, struct timeline_event *event, struct error *err)
{
    struct based *based = context;
    struct events *events = &based->events;
    bool is_at_end =
        events->next == 0 || events->events[events->next - 1].time_us < based->fetched_from_us;
    if (!is_at_end)
        return back(events, event, err);
    if (based->base.size == 0 || be64_read_signed(based->base.data) < based->fetched_from_us)
        return STATUS_NOT_FOUND;
    *event = (struct timeline_event){.is_base = true, .row = based->base};
    return STATUS_OK;
}

static void based_seek(void *context, int64_t before_us)
{
    struct based *based = context;
    struct events *events = &based->events;
    based->fetched_from_us = INT64_MIN;
    events->next = events->count;
    while (events->next > 0 && events->events[events->next - 1].time_us >= before_us)
        events->next--;
}

static enum status based_fetch(void *context, int64_t from_us, size_t events_max, struct error *err)
{
    struct based *based = context;
    size_t count = 0;
    (void)err;
    based->fetched_from_us = INT64_MIN;
    while (count < based->events.next &&
           based->events.events[based->events.next - 1 - count].time_us >= from_us)
        count++;
    if (count > events_max)
        return STATUS_LIMIT;
    based->fetched_from_us = from_us;
    return STATUS_OK;
}

static enum status no_chunk(void *context, int64_t end_us, unsigned level_max,
                            struct timeline_chunk *chunk, struct error *err)
{
    (void)context, (void)end_us, (void)level_max, (void)chunk, (void)err;
    return STATUS_NOT_FOUND;
}

/* Folds the oldest events, a few at least, but none of one time with those that stay. */
static void fold_some(struct fixture *fixture, struct based *based, struct random *random)
{
    struct events *events = &based->events;
    struct buffer base = {0};
    struct error err;
    size_t count = 1 + random_below(random, events->count);
    while (count < events->count &&
           events->events[count].time_us == events->events[count - 1].time_us)
        count++;
    events->next = count;
    based->fetched_from_us = INT64_MIN;
    if (features_fold(fixture->plan, based_back, based, fixture->arena, &base, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    based->base = arena_copy(fixture->arena, buffer_bytes(&base));
    buffer_fini(&base);
    events->count -= count;
    memmove(events->events, events->events + count, events->count * sizeof(events->events[0]));
}

static void assert_same(const struct answer *a, const struct answer *b)
{
    assert_int_equal(a->is_found, b->is_found);
    assert_int_equal(a->has_event_time, b->has_event_time);
    if (a->has_event_time)
        assert_int_equal(a->event_time_us, b->event_time_us);
    assert_int_equal(a->valid_until_us, b->valid_until_us);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->statuses[i], b->statuses[i]);
        assert_int_equal(a->values[i].kind, b->values[i].kind);
        assert_int_equal(value_compare(&a->values[i], &b->values[i]), 0);
    }
}

/* The answer by the plain evaluation, which is that of the walk too. */
static struct answer ask_based(struct fixture *fixture, struct based *based, int64_t t_us)
{
    const struct question question = {.view = &fixture->view, .t_us = t_us};
    const struct timeline_reader reader = {.timeline = based,
                                           .back = based_back,
                                           .seek = based_seek,
                                           .fetch = based_fetch,
                                           .chunk_seek = no_chunk};
    struct walk_report report;
    struct answer answer;
    struct answer walked;
    struct error err;
    based_seek(based, t_us + 1);
    if (features_evaluate(fixture->plan, &question, based_back, based, fixture->arena, &answer,
                          &err) != STATUS_OK)
        fail_msg("%s", err.text);
    based_seek(based, t_us + 1);
    if (features_walk(fixture->plan, &question, &reader, fixture->arena, &walked, &report, &err) !=
        STATUS_OK)
        fail_msg("%s", err.text);
    assert_same(&answer, &walked);
    return answer;
}

static void answers_are_the_same_however_events_were_folded(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct fixture fixture;
        struct events events = {0};
        struct based based = {0};
        begin_all(&fixture, round % 2 == 0);
        put_random(&fixture, &events, &random);
        based.events = events;
        while (based.events.count > 0) {
            fold_some(&fixture, &based, &random);
            int64_t first_us = be64_read_signed(based.base.data) + view_plan_reach_us(fixture.plan);
            for (size_t i = 0; i < MOMENTS; i++) {
                int64_t t_us = first_us + (int64_t)random_below(&random, 40) * MS / 2;
                struct answer whole = ask(&fixture, &events, t_us, false);
                struct answer folded = ask_based(&fixture, &based, t_us);
                assert_same(&whole, &folded);
            }
        }
        end(&fixture);
    }
}

static void a_base_that_only_sessions_need_says_until_when(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    for (int has_forever = 0; has_forever < 2; has_forever++) {
        struct fixture fixture;
        struct based based = {0};
        begin_all(&fixture, has_forever);
        put(&fixture, &based.events, 5 * MS, "a", value_int(1), value_double(1), "s");
        fold_some(&fixture, &based, &random);

        int64_t until_us = view_plan_base_until_us(fixture.plan, based.base);

        assert_int_equal(until_us, has_forever ? INT64_MAX : 14 * MS);
        if (!has_forever) {
            assert_true(ask_based(&fixture, &based, until_us).is_found);
            assert_false(ask_based(&fixture, &based, until_us + 1).is_found);
        }
        end(&fixture);
    }
}

static enum status decode(struct fixture *fixture, struct bytes bytes)
{
    struct base base;
    return base_decode(&base, fixture->plan, NULL, bytes, fixture->arena, NULL);
}

static void bytes_that_are_cut_grown_or_of_another_view_are_corrupt(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct fixture fixture;
    struct fixture other;
    struct based based = {0};
    begin_all(&fixture, true);
    begin_all(&other, false);
    put_random(&fixture, &based.events, &random);
    while (based.events.count > 0)
        fold_some(&fixture, &based, &random);

    for (size_t size = 0; size < based.base.size; size++)
        assert_int_equal(decode(&fixture, bytes_of(based.base.data, size)), STATUS_CORRUPT);
    assert_int_equal(decode(&fixture, based.base), STATUS_OK);
    assert_int_equal(decode(&fixture, bytes_of(based.base.data, based.base.size + 1)),
                     STATUS_CORRUPT); /* the copy's NUL */
    assert_int_equal(decode(&other, based.base), STATUS_CORRUPT);
    end(&other);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_same_however_events_were_folded),
        cmocka_unit_test(a_base_that_only_sessions_need_says_until_when),
        cmocka_unit_test(bytes_that_are_cut_grown_or_of_another_view_are_corrupt),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
