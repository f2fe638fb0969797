#include "features_world.h"
#include "features/partial.h"
#include "random.h"

/* A feature of each accumulator, over all events. */
static void begin_all(struct fixture *fixture)
{
    begin(fixture, true, NULL);
    add(fixture, "count", NULL, "forever", "n > 3");
    add(fixture, "sum", "n", "forever", NULL);
    add(fixture, "avg", "n", "forever", NULL);
    add(fixture, "sum", "x * 1e200", "forever", NULL);
    add(fixture, "variance", "x", "forever", NULL);
    add(fixture, "min", "s", "forever", NULL);
    add(fixture, "max", "n", "forever", NULL);
    add(fixture, "first", "x * 1e200", "forever", NULL);
    add(fixture, "last", "s", "forever", "n > 3");
    add(fixture, "count_distinct", "s", "forever", NULL);
    add(fixture, "time_since_first", "n", "forever", NULL);
    add(fixture, "last_n", "n", "last(2)", NULL);
    compile(fixture);
}

/* Appends count random events, oldest first: NULLs, overflowing values and repeats among them. */
static void put_random(struct fixture *fixture, struct events *events, struct random *random,
                       size_t count)
{
    static const char *const texts[] = {"", "a", "b", "longer than others", NULL};
    int64_t time = 0;
    for (size_t i = 0; i < count; i++) {
        char id[16];
        time += (int64_t)random_below(random, 4);
        snprintf(id, sizeof(id), "%04zu", i);
        struct value n = random_below(random, 5) == 0 ? value_null()
                                                      : value_int((int64_t)random_below(random, 9));
        double x = (double)random_below(random, 1000) / 7;
        if (random_below(random, 40) == 0)
            x *= 1e300;
        put(fixture, events, time, id, n, value_double(x), texts[random_below(random, 5)]);
        if (random_below(random, 10) == 0)
            put(fixture, events, time, id, n, value_double(x / 2), "repeated");
    }
}

/* Takes events [from, to) of all into the partial. */
static void take(struct fixture *fixture, const struct events *all, size_t from, size_t to,
                 struct partial *partial)
{
    struct events part = {.count = to - from, .next = to - from};
    struct event_reader reader;
    const struct event *event;
    enum status status;
    memcpy(part.events, all->events + from, part.count * sizeof(part.events[0]));
    event_reader_init(&reader, fixture->plan, back, &part, fixture->arena);
    while ((status = event_reader_take(&reader, &event, NULL)) == STATUS_OK)
        partial_add(partial, event);
    assert_int_equal(status, STATUS_NOT_FOUND);
    event_reader_fini(&reader);
}

static struct bytes encoded(struct fixture *fixture, const struct partial *partial)
{
    struct buffer out = {0};
    partial_encode(partial, &out);
    struct bytes copy = arena_copy(fixture->arena, buffer_bytes(&out));
    buffer_fini(&out);
    return copy;
}

static bool decode(struct partial *partial, struct bytes bytes)
{
    return partial_decode_head(partial, &bytes) && partial_decode_slots(partial, NULL, &bytes);
}

/* Where a run may end so that it holds repeated events whole: random, at or before `to`. */
static size_t split_before(struct random *random, const struct events *events, size_t to)
{
    size_t at = random_below(random, to);
    while (at > 0 && events->events[at - 1].time_us == events->events[at].time_us)
        at--;
    return at;
}

/* Merges the partials of random pieces, each second one by way of its bytes. */
static void take_in_pieces(struct fixture *fixture, const struct events *events,
                           struct random *random, struct partial *merged)
{
    bool is_stored = false;
    for (size_t to = events->count; to > 0;) {
        struct partial piece;
        size_t from = split_before(random, events, to);
        partial_init(&piece, fixture->plan, fixture->arena);
        take(fixture, events, from, to, &piece);
        if ((is_stored = !is_stored)) {
            struct partial stored;
            struct bytes bytes = encoded(fixture, &piece);
            partial_init(&stored, fixture->plan, fixture->arena);
            assert_true(decode(&stored, bytes));
            assert_true(bytes_equal(encoded(fixture, &stored), bytes));
            piece = stored;
        }
        partial_merge(merged, &piece);
        to = from;
    }
}

static void assert_finishes_as_answered(struct fixture *fixture, struct events *events,
                                        const struct partial *partial, int64_t t_us)
{
    struct answer answer = ask(fixture, events, t_us, false);
    for (size_t i = 0; i < fixture->view.features_count; i++) {
        const struct feature_plan *feature = &fixture->plan->features[i];
        const struct slot *slot = &partial->slots[feature->slot];
        if (!slot_is_mergeable(&fixture->plan->slots[feature->slot]))
            continue;
        struct value value = slot_result(slot, feature, t_us).value;
        assert_int_equal(value.kind, answer.values[i].kind);
        assert_int_equal(value_compare(&value, &answer.values[i]), 0);
    }
}

static void pieces_merge_to_the_bits_of_the_whole(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    for (size_t round = 0; round < 300; round++) {
        struct fixture fixture;
        struct events events = {0};
        struct partial whole;
        struct partial merged;
        begin_all(&fixture);
        put_random(&fixture, &events, &random, random_below(&random, 150));
        partial_init(&whole, fixture.plan, fixture.arena);
        partial_init(&merged, fixture.plan, fixture.arena);

        take(&fixture, &events, 0, events.count, &whole);
        take_in_pieces(&fixture, &events, &random, &merged);

        assert_true(bytes_equal(encoded(&fixture, &merged), encoded(&fixture, &whole)));
        assert_finishes_as_answered(&fixture, &events, &merged, 1000000);
        end(&fixture);
    }
}

static void a_run_knows_its_ends_and_its_largest_gap(void **state)
{
    (void)state;
    struct run newer = {.count = 2, .newest_us = 100, .oldest_us = 97, .gap_max_us = 3};
    const struct run older = {.count = 2, .newest_us = 90, .oldest_us = 85, .gap_max_us = 5};

    run_merge(&newer, &older);
    run_merge(&newer, &(struct run){0});

    assert_int_equal(newer.count, 4);
    assert_int_equal(newer.newest_us, 100);
    assert_int_equal(newer.oldest_us, 85);
    assert_int_equal(newer.gap_max_us, 7);
}

static void only_wanted_slots_are_decoded(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct fixture fixture;
    struct events events = {0};
    struct partial whole;
    struct partial stored;
    bool is_wanted[FEATURES_MAX] = {[1] = true};
    begin_all(&fixture);
    put_random(&fixture, &events, &random, 100);
    partial_init(&whole, fixture.plan, fixture.arena);
    partial_init(&stored, fixture.plan, fixture.arena);
    take(&fixture, &events, 0, events.count, &whole);
    struct bytes bytes = encoded(&fixture, &whole);

    assert_true(partial_decode_head(&stored, &bytes));
    assert_true(partial_decode_slots(&stored, is_wanted, &bytes));

    const struct feature_plan *sum = &fixture.plan->features[1];
    assert_int_equal(slot_result(&stored.slots[1], sum, 0).value.integer,
                     slot_result(&whole.slots[1], sum, 0).value.integer);
    const struct slot *passed_over = &stored.slots[0];
    assert_int_equal(slot_result(passed_over, &fixture.plan->features[0], 0).value.integer, 0);
    end(&fixture);
}

static void features_that_differ_in_the_result_share_a_slot(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, true, NULL);
    add(&fixture, "sum", "n", "5s", NULL);
    add(&fixture, "avg", "n", "1h", NULL);
    add(&fixture, "sum", "n", "5s", "n > 3");
    add(&fixture, "sum", "x", "5s", NULL);
    add(&fixture, "variance", "n", "1h", NULL);
    add(&fixture, "stddev", "n", "1h", NULL);
    add(&fixture, "time_since_last", NULL, "1h", NULL);
    add(&fixture, "duration", NULL, "session(5s)", NULL);
    compile(&fixture);
    const uint32_t expected[] = {0, 0, 1, 2, 3, 3, 4, 4};

    for (size_t i = 0; i < fixture.view.features_count; i++)
        assert_int_equal(fixture.plan->features[i].slot, expected[i]);
    assert_int_equal(fixture.plan->slots_count, 5);
    end(&fixture);
}

static void bytes_that_are_cut_grown_or_of_another_plan_are_refused(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct fixture fixture;
    struct fixture other;
    struct events events = {0};
    struct partial partial;
    begin_all(&fixture);
    put_random(&fixture, &events, &random, 60);
    partial_init(&partial, fixture.plan, fixture.arena);
    take(&fixture, &events, 0, events.count, &partial);
    struct bytes bytes = encoded(&fixture, &partial);

    for (size_t size = 0; size < bytes.size; size++)
        assert_false(decode(&partial, bytes_of(bytes.data, size)));
    assert_true(decode(&partial, bytes));
    assert_false(decode(&partial, bytes_of(bytes.data, bytes.size + 1))); /* the copy's NUL */

    begin(&other, true, NULL);
    add(&other, "count", NULL, "forever", NULL);
    compile(&other);
    partial_init(&partial, other.plan, other.arena);
    assert_false(decode(&partial, bytes));
    end(&other);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_merge_to_the_bits_of_the_whole),
        cmocka_unit_test(a_run_knows_its_ends_and_its_largest_gap),
        cmocka_unit_test(only_wanted_slots_are_decoded),
        cmocka_unit_test(features_that_differ_in_the_result_share_a_slot),
        cmocka_unit_test(bytes_that_are_cut_grown_or_of_another_plan_are_refused),
    };
    return cmocka_run_group_tests_name("partial", tests, NULL, NULL);
}
