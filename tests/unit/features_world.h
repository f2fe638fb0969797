/* World: a view, a reducer and a timeline in memory, for tests of what features/ computes. */
#ifndef ASOF_TESTS_FEATURES_WORLD_H
#define ASOF_TESTS_FEATURES_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "features/features.h"
#include "features/plan.h"
#include "random.h"
#include "same_value.h"

/* A view with an event id over fields (ts, id, key, n int, x double, s string), and features of
 * each kind of state. */
static const struct field_definition fields[] = {
    {.name = {"ts", 2}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_MICROSECONDS},
    {.name = {"id", 2}, .type = {.kind = VALUE_STRING}},
    {.name = {"key", 3}, .type = {.kind = VALUE_STRING}},
    {.name = {"n", 1}, .type = {.kind = VALUE_INT}},
    {.name = {"x", 1}, .type = {.kind = VALUE_DOUBLE}},
    {.name = {"s", 1}, .type = {.kind = VALUE_STRING}},
};
enum { FIELDS_COUNT = 6, FEATURES_MAX = 32, EVENTS_MAX = 2048 };
static const size_t key_fields[] = {2};

struct fixture {
    struct feature_definition features[FEATURES_MAX];
    struct view_definition view;
    struct view_plan *plan;
    struct reducer *reducer;
    struct arena *arena;
};

/* Adds a feature "aggregation argument over window [where ...]". */
static inline void add(struct fixture *fixture, const char *aggregation, const char *argument,
                       const char *over, const char *where)
{
    struct feature_definition *feature = &fixture->features[fixture->view.features_count++];
    enum feature_part wrong;
    struct error err;
    *feature = (struct feature_definition){.name = bytes_of_text(aggregation),
                                           .aggregation = bytes_of_text(aggregation),
                                           .argument = bytes_of_text(argument),
                                           .where = bytes_of_text(where)};
    ssize_t field = argument == NULL ? -1 : field_find(fields, FIELDS_COUNT, feature->argument);
    if (field >= 0) {
        feature->argument_kind = ARGUMENT_FIELD;
        feature->argument_type = fields[field].type;
    } else if (argument != NULL) {
        feature->argument_kind = ARGUMENT_EXPRESSION;
        feature->argument_type = (struct type){.kind = VALUE_DOUBLE};
    }
    assert_int_equal(window_parse(bytes_of_text(over), &feature->window, &err), STATUS_OK);
    if (features_checks()->check_feature(feature, &wrong, &err) != STATUS_OK)
        fail_msg("%s: %s", aggregation, err.text);
}

static inline void begin(struct fixture *fixture, bool has_id, const char *where)
{
    *fixture = (struct fixture){.view = {.name = {"v", 1},
                                         .version = 1,
                                         .fields = fields,
                                         .fields_count = FIELDS_COUNT,
                                         .event_id_field = has_id ? 1 : -1,
                                         .key_fields = key_fields,
                                         .keys_count = 1,
                                         .where = bytes_of_text(where),
                                         .history_us = DURATION_NONE,
                                         .ttl_us = DURATION_NONE}};
    fixture->view.features = fixture->features;
    fixture->arena = arena_create(4096);
}

static inline void compile(struct fixture *fixture)
{
    struct error err;
    fixture->plan = view_plan_create(&fixture->view);
    if (reducer_create(fixture->plan, &fixture->reducer, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static inline void end(struct fixture *fixture)
{
    reducer_destroy(&fixture->reducer);
    view_plan_destroy(&fixture->plan);
    arena_destroy(&fixture->arena);
}

/* A timeline in memory, oldest first. */
struct events {
    struct timeline_event events[EVENTS_MAX];
    size_t count;
    size_t next; /* steps back from here */
};

static inline struct value text_or_null(const char *text)
{
    return text == NULL ? value_null() : value_text(bytes_of_text(text));
}

/* Reduces and appends an event behind those that are there. Returns whether the view took it. */
static inline bool put(struct fixture *fixture, struct events *events, int64_t time_us,
                       const char *id, struct value n, struct value x, const char *s)
{
    const struct value values[FIELDS_COUNT] = {{.kind = VALUE_TIMESTAMP, .integer = time_us},
                                               text_or_null(id),
                                               text_or_null("k"),
                                               n,
                                               x,
                                               text_or_null(s)};
    struct buffer row = {0};
    uint64_t digest;
    bool is_taken = reducer_reduce(fixture->reducer, values, &row, &digest);
    if (is_taken) {
        char identity[32];
        int size = snprintf(identity, sizeof(identity), "%s........", id);
        events->events[events->count++] = (struct timeline_event){
            .time_us = time_us,
            .identity = arena_copy(fixture->arena, bytes_of(identity, (size_t)size)),
            .row = arena_copy(fixture->arena, buffer_bytes(&row))};
    }
    buffer_fini(&row);
    return is_taken;
}

static inline enum status back(void *context, struct timeline_event *event, struct error *err)
{
    struct events *events = context;
    (void)err;
    if (events->next == 0)
        return STATUS_NOT_FOUND;
    *event = events->events[--events->next];
    return STATUS_OK;
}

static inline struct answer ask(struct fixture *fixture, struct events *events, int64_t t_us,
                                bool is_exclusive)
{
    const struct question question = {
        .view = &fixture->view, .t_us = t_us, .is_exclusive = is_exclusive};
    struct answer answer;
    struct error err;
    events->next = events->count;
    while (events->next > 0 && events->events[events->next - 1].time_us > t_us - is_exclusive)
        events->next--;
    if (features_evaluate(fixture->plan, &question, back, events, fixture->arena, &answer, &err) !=
        STATUS_OK)
        fail_msg("%s", err.text);
    return answer;
}

static inline void assert_values(const struct answer *answer, const char *expected)
{
    struct buffer shown = {0};
    for (size_t i = 0; i < answer->count; i++) {
        if (i > 0)
            buffer_append_byte(&shown, ' ');
        if (answer->values[i].kind == VALUE_OVERFLOW)
            buffer_append_text(&shown, "overflow");
        else
            value_append_json(&answer->values[i], &shown);
    }
    buffer_append_byte(&shown, '\0');
    assert_string_equal(buffer_bytes(&shown).data, expected);
    buffer_fini(&shown);
}

/* A feature of a random kind over a random window. */
static inline void add_random(struct fixture *fixture, struct random *random)
{
    static const char *const kinds[][2] = {{"count", NULL},
                                           {"count", "n"},
                                           {"sum", "n"},
                                           {"avg", "n"},
                                           {"sum", "x * 1e200"},
                                           {"variance", "x"},
                                           {"stddev", "x"},
                                           {"min", "s"},
                                           {"max", "n"},
                                           {"first", "s"},
                                           {"last", "x * 1e200"},
                                           {"last", "s"},
                                           {"count_distinct", "s"},
                                           {"count_distinct", "x"},
                                           {"time_since_last", "n"},
                                           {"time_since_first", NULL}};
    static const char *const overs[] = {"20s",          "3s",
                                        "10m",          "400ms",
                                        "1m step 5s",   "10s step 1s",
                                        "tumbling(1m)", "tumbling(10s, offset 3s)",
                                        "session(1s)",  "session(200ms)",
                                        "session(20s)", "last(3)",
                                        "last(40)",     "last(300)",
                                        "forever"};
    enum {
        KINDS_COUNT = sizeof(kinds) / sizeof(kinds[0]),
        OVERS_COUNT = sizeof(overs) / sizeof(overs[0])
    };
    const char *where = random_below(random, 4) == 0 ? "n > 3" : NULL;
    switch (random_below(random, 16)) {
    case 0:
        add(fixture, "duration", NULL, "session(1s)", where);
        break;
    case 1:
        add(fixture, "last_n", "s", "last(40)", where);
        break;
    default: {
        const char *const *kind = kinds[random_below(random, KINDS_COUNT)];
        add(fixture, kind[0], kind[1], overs[random_below(random, OVERS_COUNT)], where);
    }
    }
}

/* The same answer, to the bit. */
static inline void assert_same_answer(const struct answer *plain, const struct answer *fast)
{
    assert_int_equal(fast->t_us, plain->t_us);
    assert_int_equal(fast->is_found, plain->is_found);
    assert_int_equal(fast->has_event_time, plain->has_event_time);
    assert_int_equal(fast->event_time_us, plain->event_time_us);
    assert_int_equal(fast->valid_until_us, plain->valid_until_us);
    assert_int_equal(fast->count, plain->count);
    for (size_t i = 0; i < plain->count; i++) {
        assert_int_equal(fast->bases_us[i], plain->bases_us[i]);
        assert_int_equal(fast->statuses[i], plain->statuses[i]);
        assert_same_value(&plain->values[i], &fast->values[i]);
    }
}

#endif
