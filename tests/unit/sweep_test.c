/* The sweep against the plain evaluation, over random views, histories and moments. */
#include <stdlib.h>

#include "base/time_text.h"
#include "features/sweep.h"
#include "features_world.h"

enum { MS = US_PER_MS };

static int compare_events(const void *left, const void *right)
{
    const struct timeline_event *a = left;
    const struct timeline_event *b = right;
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    int order = bytes_compare(a->identity, b->identity);
    return order != 0 ? order : bytes_compare(a->row, b->row);
}

static int64_t random_step(struct random *random)
{
    switch (random_below(random, 12)) {
    case 0:
        return 0;
    case 1:
        return (int64_t)random_below(random, 4000 * MS);
    default:
        return (int64_t)random_below(random, 60 * MS);
    }
}

static void put_random(struct fixture *fixture, struct events *events, struct random *random,
                       int64_t time_us)
{
    static const char *const texts[] = {"", "a", "b", "longer than others", "c", "d", NULL};
    char id[16];
    snprintf(id, sizeof(id), "%04u", (unsigned)random_below(random, 3000));
    size_t count = random_below(random, 12) == 0 ? 2 : 1; /* with a repeat that differs */
    for (size_t i = 0; i < count; i++) {
        struct value n = random_below(random, 5) == 0 ? value_null()
                                                      : value_int((int64_t)random_below(random, 9));
        double x = (double)random_below(random, 100000) / 7;
        if (random_below(random, 200) == 0)
            x *= 1e300;
        put(fixture, events, time_us, id, n, value_double(x), texts[random_below(random, 7)]);
    }
}

/* ---- the timeline both ways, with what was folded ---- */

struct history {
    struct events events; /* oldest first */
    size_t folded_count;  /* of them, that only the base has */
    struct buffer base;
};

static enum status step_forward(void *context, struct timeline_event *event, struct error *err)
{
    struct history *history = context;
    struct events *events = &history->events;
    (void)err;
    if (events->next == events->count)
        return STATUS_NOT_FOUND;
    *event = events->events[events->next++];
    return STATUS_OK;
}

static enum status step_back(void *context, struct timeline_event *event, struct error *err)
{
    struct history *history = context;
    if (history->events.next > history->folded_count)
        return back(&history->events, event, err);
    if (history->base.size == 0)
        return STATUS_NOT_FOUND;
    *event = (struct timeline_event){.is_base = true, .row = buffer_bytes(&history->base)};
    return STATUS_OK;
}

/* Folds the first events, all of a time. */
static void fold(struct fixture *fixture, struct history *history, struct random *random)
{
    struct events *events = &history->events;
    struct error err;
    size_t count = random_below(random, events->count / 2 + 1);
    while (count > 0 && events->events[count].time_us == events->events[count - 1].time_us)
        count--;
    if (count == 0 || !view_plan_has_base(fixture->plan))
        return;
    events->next = count;
    assert_int_equal(
        features_fold(fixture->plan, step_back, history, fixture->arena, &history->base, &err),
        STATUS_OK);
    history->folded_count = count;
}

static void make_history(struct fixture *fixture, struct history *history, struct random *random)
{
    struct events *events = &history->events;
    int64_t time_us = (int64_t)random_below(random, 1000 * US_PER_SECOND);
    *history = (struct history){0};
    for (size_t count = 1 + random_below(random, 1900); events->count < count;) {
        put_random(fixture, events, random, time_us);
        time_us += random_step(random);
    }
    qsort(events->events, events->count, sizeof(events->events[0]), compare_events);
    if (random_below(random, 2) == 0)
        fold(fixture, history, random);
}

/* ---- the comparison ---- */

static void assert_same(const struct answer *plain, const struct sweep_answer *swept)
{
    const struct answer answer = {.t_us = plain->t_us,
                                  .is_found = swept->is_found,
                                  .has_event_time = swept->is_found,
                                  .event_time_us =
                                      swept->is_found ? swept->event_time_us : plain->event_time_us,
                                  .valid_until_us = plain->valid_until_us,
                                  .values = swept->values,
                                  .statuses = swept->statuses,
                                  .bases_us = plain->bases_us,
                                  .count = plain->count};
    assert_same_answer(plain, &answer);
}

static void compare_at(struct fixture *fixture, struct history *history, struct sweep *sweep,
                       const uint32_t *features, size_t features_count, int64_t t_us)
{
    const struct question question = {.view = &fixture->view,
                                      .features = features,
                                      .features_count = features_count,
                                      .t_us = t_us};
    struct arena *arena = arena_create(64 * 1024);
    struct sweep_answer swept;
    struct answer plain;
    struct error err;
    size_t place = history->events.next;
    if (sweep_answer(sweep, t_us, &swept, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    size_t swept_to = history->events.next;
    assert_true(swept_to >= place);
    history->events.next = history->events.count;
    while (history->events.next > history->folded_count &&
           history->events.events[history->events.next - 1].time_us > t_us)
        history->events.next--;
    assert_int_equal(
        features_evaluate(fixture->plan, &question, step_back, history, arena, &plain, &err),
        STATUS_OK);
    history->events.next = swept_to;
    assert_same(&plain, &swept);
    arena_destroy(&arena);
}

/* Moments that go forward from the beginning of the history to behind its end: at events, 1 us
 * beside them, at random, some many times. */
static void sweep_history(struct fixture *fixture, struct history *history, struct sweep *sweep,
                          const uint32_t *features, size_t features_count, struct random *random)
{
    const struct events *events = &history->events;
    struct error err;
    size_t stride = 1 + random_below(random, random_below(random, 2) == 0 ? 4 : 300);
    int64_t t_us = events->events[history->folded_count].time_us - 2;
    int64_t end_us = events->events[events->count - 1].time_us + 30 * US_PER_SECOND;
    history->events.next = history->folded_count;
    assert_int_equal(sweep_begin(sweep, step_forward, history, buffer_bytes(&history->base), &err),
                     STATUS_OK);
    while (t_us < end_us) {
        compare_at(fixture, history, sweep, features, features_count, t_us);
        size_t next = events->next + random_below(random, stride);
        int64_t to_us =
            next < events->count ? events->events[next].time_us : t_us + 5 * US_PER_SECOND;
        to_us += (int64_t)random_below(random, 4) - 2;
        if (random_below(random, 8) == 0)
            to_us = t_us + (int64_t)random_below(random, 100 * MS);
        t_us = to_us > t_us ? to_us : t_us;
        if (random_below(random, 8) == 0)
            t_us++;
    }
}

static void swept_is_plain_to_the_bit(void **state)
{
    (void)state;
    enum { ROUNDS = 30, ENTITIES = 3 };
    struct random random = random_begin(__func__);
    struct history *history = malloc(sizeof(*history));
    for (size_t round = 0; round < ROUNDS; round++) {
        struct fixture fixture;
        uint32_t features[FEATURES_MAX];
        size_t features_count = 0;
        begin(&fixture, random_below(&random, 2) == 0, NULL);
        for (size_t i = 1 + random_below(&random, 12); i > 0; i--)
            add_random(&fixture, &random);
        compile(&fixture);
        for (uint32_t i = 0; i < fixture.view.features_count; i++)
            if (random_below(&random, 4) > 0)
                features[features_count++] = i;
        struct sweep *sweep = sweep_create(fixture.plan, features, features_count);
        for (size_t i = 0; i < ENTITIES; i++) {
            make_history(&fixture, history, &random);
            sweep_history(&fixture, history, sweep, features, features_count, &random);
            buffer_fini(&history->base);
        }
        sweep_destroy(&sweep);
        end(&fixture);
    }
    free(history);
}

/* ---- cost ---- */

enum { LONG_EVENTS = 200 * 1000, LONG_MOMENTS = 20 * 1000 };

/* Events without an end, a second apart, of one row each. */
struct beat {
    int64_t count;
    struct bytes row;
};

static enum status beat_forward(void *context, struct timeline_event *event, struct error *err)
{
    struct beat *beat = context;
    (void)err;
    if (beat->count == LONG_EVENTS)
        return STATUS_NOT_FOUND;
    *event = (struct timeline_event){
        .time_us = beat->count++ * US_PER_SECOND, .identity = bytes_of_text("a"), .row = beat->row};
    return STATUS_OK;
}

/* Moments times events of the window would be 4e9 additions, hours under a sanitizer. */
static void a_window_over_all_events_costs_no_more_than_reading_them(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events *events = malloc(sizeof(*events));
    struct sweep_answer answer;
    struct error err;
    const uint32_t features[] = {0, 1};
    memset(events, 0, sizeof(*events));
    begin(&fixture, false, NULL);
    add(&fixture, "sum", "n", "52w", NULL);
    add(&fixture, "max", "x", "52w", NULL);
    compile(&fixture);
    put(&fixture, events, 0, "a", value_int(2), value_double(0.5), NULL);
    struct beat beat = {.row = events->events[0].row};
    struct sweep *sweep = sweep_create(fixture.plan, features, 2);

    assert_int_equal(sweep_begin(sweep, beat_forward, &beat, (struct bytes){0}, &err), STATUS_OK);
    for (int64_t i = 1; i <= LONG_MOMENTS; i++) {
        int64_t count = i * (LONG_EVENTS / LONG_MOMENTS);
        assert_int_equal(sweep_answer(sweep, (count - 1) * US_PER_SECOND, &answer, &err),
                         STATUS_OK);
        assert_int_equal(answer.values[0].integer, 2 * count);
    }

    sweep_destroy(&sweep);
    free(events);
    end(&fixture);
}

static void what_windows_hold_is_bounded(void **state)
{
    (void)state;
    struct fixture fixture;
    struct events *events = malloc(sizeof(*events));
    struct sweep_answer answer;
    struct error err;
    const uint32_t feature = 0;
    char *text = malloc(VALUE_STRING_SIZE_MAX + 1);
    memset(text, 'x', VALUE_STRING_SIZE_MAX);
    text[VALUE_STRING_SIZE_MAX] = '\0';
    memset(events, 0, sizeof(*events));
    begin(&fixture, false, NULL);
    add(&fixture, "max", "s", "52w", NULL);
    compile(&fixture);
    put(&fixture, events, 0, "a", value_int(2), value_double(0.5), text);
    struct beat beat = {.row = events->events[0].row};
    struct sweep *sweep = sweep_create(fixture.plan, &feature, 1);

    assert_int_equal(sweep_begin(sweep, beat_forward, &beat, (struct bytes){0}, &err), STATUS_OK);
    assert_int_equal(sweep_answer(sweep, LONG_EVENTS * US_PER_SECOND, &answer, &err), STATUS_LIMIT);
    assert_true(beat.count * VALUE_STRING_SIZE_MAX < 2 * (int64_t)SWEEP_MEMORY_MAX);
    beat.count = LONG_EVENTS - 3; /* a short one */
    assert_int_equal(sweep_begin(sweep, beat_forward, &beat, (struct bytes){0}, &err), STATUS_OK);
    assert_int_equal(sweep_answer(sweep, LONG_EVENTS * US_PER_SECOND, &answer, &err), STATUS_OK);
    assert_int_equal(answer.values[0].text.size, VALUE_STRING_SIZE_MAX);

    sweep_destroy(&sweep);
    free(events);
    free(text);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swept_is_plain_to_the_bit),
        cmocka_unit_test(a_window_over_all_events_costs_no_more_than_reading_them),
        cmocka_unit_test(what_windows_hold_is_bounded),
    };
    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
