#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/endian.h"
#include "features/batch_row.h"
#include "random.h"

enum { FEATURES = 5, WRITES_MAX = 40, ROUNDS = 1500, TTL_US = 7, ID_SIZE = 8, ANSWERS = 24 };

/* What was written, plainly. */
struct write {
    int64_t time_us;
    char identity[ID_SIZE]; /* its number, big-endian */
    bool is_named[FEATURES];
    struct value values[FEATURES];
    struct buffer bytes; /* owned: encoded */
};

struct world {
    struct feature_definition features[FEATURES];
    struct view_definition view;
    struct write writes[WRITES_MAX]; /* in the order of their numbers */
    size_t count;
    struct arena *arena;
};

static void world_begin(struct world *world, int64_t ttl_us)
{
    static const struct bytes names[FEATURES] = {{"b", 1}, {"i", 1}, {"d", 1}, {"s", 1}, {"x", 1}};
    static const struct type types[FEATURES] = {{.kind = VALUE_BOOL},
                                                {.kind = VALUE_INT},
                                                {.kind = VALUE_DECIMAL, .digits = 2},
                                                {.kind = VALUE_STRING},
                                                {.kind = VALUE_DOUBLE}};
    *world = (struct world){.arena = arena_create(4096)};
    for (size_t i = 0; i < FEATURES; i++)
        world->features[i] = (struct feature_definition){
            .name = names[i], .type = types[i], .default_value = value_null()};
    world->features[1].default_value = value_int(-1);
    world->view = (struct view_definition){.name = {"v", 1},
                                           .kind = VIEW_BATCH,
                                           .history_us = DURATION_NONE,
                                           .ttl_us = ttl_us,
                                           .features = world->features,
                                           .features_count = FEATURES};
}

static void world_end(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        buffer_fini(&world->writes[i].bytes);
    arena_destroy(&world->arena);
}

static struct value random_value(struct type type, struct random *random)
{
    static const char *const texts[] = {"", "a", "gold", "longer than the others are"};
    uint64_t draw = random_below(random, 100);
    if (draw < 25)
        return value_null();
    if (type.kind == VALUE_STRING)
        return value_text(bytes_of_text(texts[draw % 4]));
    if (type.kind == VALUE_DOUBLE)
        return value_double((double)draw / 3);
    return (struct value){.kind = type.kind,
                          .digits = type.digits,
                          .integer =
                              type.kind == VALUE_BOOL ? (int64_t)(draw % 2) : (int64_t)draw - 60};
}

static struct write *world_write(struct world *world, int64_t time_us)
{
    struct write *write = &world->writes[world->count];
    *write = (struct write){.time_us = time_us};
    be64_write(write->identity, world->count++);
    return write;
}

static void write_encode(struct world *world, struct write *write)
{
    assert_true(batch_write_encode(&world->view, write->values, write->is_named, &write->bytes));
}

static void put_random(struct world *world, struct random *random)
{
    size_t count = 1 + random_below(random, WRITES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct write *write = world_write(world, (int64_t)random_below(random, 30));
        bool is_whole = random_below(random, 4) == 0;
        for (size_t j = 0; j < FEATURES; j++) {
            write->is_named[j] = is_whole || random_below(random, 3) == 0;
            write->values[j] = random_value(world->features[j].type, random);
        }
        write->is_named[random_below(random, FEATURES)] = true;
        write_encode(world, write);
    }
}

static struct batch_stamp stamp_of(const struct write *write)
{
    return (struct batch_stamp){.time_us = write->time_us,
                                .identity = bytes_of(write->identity, ID_SIZE)};
}

/* ---- rows ---- */

static struct batch_row row_begin(struct world *world)
{
    return (struct batch_row){.cells = ARENA_NEW_ARRAY(world->arena, FEATURES, struct batch_cell),
                              .cells_max = FEATURES};
}

/* The row of some writes, by way of rows of parts of them, in any order, some twice. */
static struct bytes row_of(struct world *world, const bool *is_taken, struct random *random)
{
    struct batch_row whole = row_begin(world);
    struct buffer out = {0};
    size_t left = world->count;
    while (left > 0) {
        struct batch_row part = row_begin(world);
        size_t size = 1 + random_below(random, left);
        size_t first = random_below(random, world->count);
        bool has_some = false;
        for (size_t i = 0; i < size; i++) {
            const struct write *write = &world->writes[(first + i) % world->count];
            const struct batch_stamp stamp = stamp_of(write);
            if (!is_taken[(first + i) % world->count])
                continue;
            has_some = true;
            assert_true(batch_row_take_write(&part, &stamp, buffer_bytes(&write->bytes)));
        }
        left--;
        if (!has_some)
            continue;
        out.start = out.size = 0;
        batch_row_encode(&part, &out);
        assert_true(batch_row_take(&whole, arena_copy(world->arena, buffer_bytes(&out))));
    }
    for (size_t i = 0; i < world->count; i++) {
        const struct batch_stamp stamp = stamp_of(&world->writes[i]);
        if (is_taken[i])
            assert_true(
                batch_row_take_write(&whole, &stamp, buffer_bytes(&world->writes[i].bytes)));
    }
    out.start = out.size = 0;
    if (whole.count > 0)
        batch_row_encode(&whole, &out);
    struct bytes bytes = arena_copy(world->arena, buffer_bytes(&out));
    buffer_fini(&out);
    return bytes;
}

static bool is_newer(const struct write *a, const struct write *b)
{
    return a->time_us != b->time_us ? a->time_us > b->time_us
                                    : memcmp(a->identity, b->identity, ID_SIZE) > 0;
}

/* ---- a timeline of them ---- */

struct line {
    struct world *world;
    int64_t t_us;
    const struct write *last; /* given last, NULL: none */
    int64_t folded_us;        /* writes at or before it are in the base */
    struct bytes base;
    bool is_base_given;
};

static enum status line_back(void *context, struct timeline_event *event, struct error *err)
{
    struct line *line = context;
    const struct write *best = NULL;
    (void)err;
    for (size_t i = 0; i < line->world->count; i++) {
        const struct write *write = &line->world->writes[i];
        if (write->time_us <= line->t_us && write->time_us > line->folded_us &&
            (line->last == NULL || is_newer(line->last, write)) &&
            (best == NULL || is_newer(write, best)))
            best = write;
    }
    if (best != NULL) {
        line->last = best;
        *event = (struct timeline_event){.time_us = best->time_us,
                                         .identity = bytes_of(best->identity, ID_SIZE),
                                         .row = buffer_bytes(&best->bytes)};
        return STATUS_OK;
    }
    if (line->base.size == 0 || line->is_base_given)
        return STATUS_NOT_FOUND;
    line->is_base_given = true;
    *event = (struct timeline_event){.is_base = true, .row = line->base};
    return STATUS_OK;
}

/* ---- the plain answer ---- */

struct plain {
    struct value value; /* without a default */
    enum feature_status status;
};

static bool plain_answer(const struct world *world, int64_t t_us, struct plain *plain,
                         int64_t *event_time_us)
{
    bool is_found = false;
    *event_time_us = INT64_MIN;
    for (size_t j = 0; j < FEATURES; j++) {
        const struct write *newest = NULL;
        for (size_t i = 0; i < world->count; i++) {
            const struct write *write = &world->writes[i];
            if (write->time_us > t_us)
                continue;
            *event_time_us = write->time_us > *event_time_us ? write->time_us : *event_time_us;
            if (write->is_named[j] && (newest == NULL || is_newer(write, newest)))
                newest = write;
        }
        plain[j].value = newest == NULL ? value_null() : newest->values[j];
        bool has_value = plain[j].value.kind != VALUE_NULL;
        bool is_expired = has_value && world->view.ttl_us != DURATION_NONE &&
                          newest->time_us <= t_us - world->view.ttl_us;
        if (is_expired)
            plain[j].value = value_null();
        plain[j].status = is_expired ? FEATURE_EXPIRED : has_value ? FEATURE_PRESENT : FEATURE_NULL;
        is_found |= has_value && !is_expired;
    }
    for (size_t j = 0; j < FEATURES && !is_found; j++)
        if (plain[j].status == FEATURE_NULL)
            plain[j].status = FEATURE_NOT_FOUND;
    return is_found;
}

static void check_value(const struct value *got, const struct value *want,
                        const struct value *default_value)
{
    const struct value *expected = want->kind == VALUE_NULL ? default_value : want;
    assert_int_equal(got->kind, expected->kind);
    if (got->kind != VALUE_NULL)
        assert_int_equal(value_compare(got, expected), 0);
}

static void check_answer(const struct world *world, const struct question *question,
                         const struct answer *answer)
{
    struct plain plain[FEATURES];
    int64_t event_time_us;
    bool is_found =
        plain_answer(world, question->t_us - question->is_exclusive, plain, &event_time_us);
    assert_int_equal(answer->is_found, is_found);
    assert_int_equal(answer->has_event_time, is_found);
    if (is_found)
        assert_int_equal(answer->event_time_us, event_time_us);
    for (size_t i = 0; i < answer->count; i++) {
        size_t feature = question->features == NULL ? i : question->features[i];
        assert_int_equal(answer->statuses[i], plain[feature].status);
        check_value(&answer->values[i], &plain[feature].value,
                    &world->features[feature].default_value);
    }
}

/* As long as nothing is written, and no write comes to lie before T, the answer stays. */
static void check_until(const struct world *world, const struct question *question,
                        const struct answer *answer)
{
    int64_t next_us = INT64_MAX;
    int64_t counted_us = question->t_us - question->is_exclusive;
    for (size_t i = 0; i < world->count; i++)
        if (world->writes[i].time_us > counted_us && world->writes[i].time_us < next_us)
            next_us = world->writes[i].time_us;
    for (int64_t t_us = counted_us + 1; t_us < counted_us + 2 * TTL_US; t_us++) {
        struct plain plain[FEATURES];
        int64_t event_time_us;
        if (t_us >= answer->valid_until_us || t_us >= next_us)
            return;
        bool is_found = plain_answer(world, t_us, plain, &event_time_us);
        assert_int_equal(is_found, answer->is_found);
        for (size_t i = 0; i < answer->count; i++)
            assert_int_equal(plain[question->features == NULL ? i : question->features[i]].status,
                             answer->statuses[i]);
    }
}

static void check_moment(struct world *world, const struct question *question, int64_t folded_us,
                         struct random *random)
{
    bool all[WRITES_MAX];
    bool folded[WRITES_MAX];
    struct answer answer;
    struct error err;
    struct line line = {.world = world, .t_us = question->t_us - question->is_exclusive};
    for (size_t i = 0; i < world->count; i++) {
        all[i] = true;
        folded[i] = world->writes[i].time_us <= folded_us;
    }
    line.folded_us = folded_us;
    line.base = row_of(world, folded, random);
    struct batch_source source = {.back = line_back, .timeline = &line};
    assert_int_equal(batch_answer(question, &source, world->arena, &answer, &err), STATUS_OK);
    check_answer(world, question, &answer);

    line.last = NULL;
    line.is_base_given = false;
    source.is_row_known = true;
    source.row = row_of(world, all, random);
    assert_int_equal(batch_answer(question, &source, world->arena, &answer, &err), STATUS_OK);
    check_answer(world, question, &answer);
    check_until(world, question, &answer);
    source.back = NULL;
    if (batch_answer(question, &source, world->arena, &answer, &err) == STATUS_OK)
        check_answer(world, question, &answer);
    else
        assert_true(batch_row_newest_us(source.row) > line.t_us);
}

static void answers_are_those_of_all_writes_in_any_order(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct world world;
        uint32_t asked[ANSWERS];
        world_begin(&world, random_below(&random, 3) == 0 ? DURATION_NONE : TTL_US);
        put_random(&world, &random);
        for (size_t i = 0; i < ANSWERS; i++)
            asked[i] = (uint32_t)random_below(&random, FEATURES);
        int64_t folded_us = (int64_t)random_below(&random, 12) - 1;
        const struct question question = {
            .view = &world.view,
            .features = random_below(&random, 2) == 0 ? asked : NULL,
            .features_count = random_below(&random, 4),
            .t_us = folded_us + 1 + (int64_t)random_below(&random, 40),
            .is_exclusive = random_below(&random, 3) == 0,
        };
        check_moment(&world, &question, folded_us, &random);
        world_end(&world);
    }
}

static void equal_rows_are_equal_bytes(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    for (size_t round = 0; round < ROUNDS / 4; round++) {
        struct world world;
        bool all[WRITES_MAX];
        memset(all, true, sizeof(all));
        world_begin(&world, DURATION_NONE);
        put_random(&world, &random);
        struct bytes one = row_of(&world, all, &random);
        struct bytes other = row_of(&world, all, &random);
        assert_true(bytes_equal(one, other));
        world_end(&world);
    }
}

static void a_value_expires_at_its_ttl_to_the_microsecond(void **state)
{
    (void)state;
    static const struct {
        int64_t t_us;
        enum feature_status status;
    } cases[] = {{99, FEATURE_NOT_FOUND},
                 {100, FEATURE_PRESENT},
                 {100 + TTL_US - 1, FEATURE_PRESENT},
                 {100 + TTL_US, FEATURE_EXPIRED}};
    struct world world;
    world_begin(&world, TTL_US);
    struct write *write = world_write(&world, 100);
    write->is_named[3] = true;
    write->values[3] = value_text(bytes_of_text("gold"));
    write_encode(&world, write);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint32_t feature = 3;
        struct line line = {.world = &world, .t_us = cases[i].t_us, .folded_us = INT64_MIN};
        const struct batch_source source = {.back = line_back, .timeline = &line};
        const struct question question = {
            .view = &world.view, .features = &feature, .features_count = 1, .t_us = cases[i].t_us};
        struct answer answer;
        assert_int_equal(batch_answer(&question, &source, world.arena, &answer, NULL), STATUS_OK);
        assert_int_equal(answer.statuses[0], cases[i].status);
        if (answer.is_found) {
            assert_int_equal(answer.valid_until_us, 100 + TTL_US);
            assert_int_equal(answer.found_until_us, 100 + TTL_US);
        }
    }
    world_end(&world);
}

static void a_write_that_names_nothing_is_none(void **state)
{
    (void)state;
    struct world world;
    const bool none[FEATURES] = {0};
    const struct value values[FEATURES] = {0};
    struct buffer out = {0};
    world_begin(&world, DURATION_NONE);
    assert_false(batch_write_encode(&world.view, values, none, &out));
    assert_int_equal(out.size, 0);
    world_end(&world);
}

static void bytes_of_something_else_are_refused(void **state)
{
    (void)state;
    struct random random = random_begin(__func__);
    struct world world;
    bool all[WRITES_MAX];
    memset(all, true, sizeof(all));
    world_begin(&world, DURATION_NONE);
    put_random(&world, &random);
    struct bytes row = row_of(&world, all, &random);
    for (size_t size = 0; size < row.size; size++) {
        struct batch_row taken = row_begin(&world);
        assert_false(batch_row_take(&taken, bytes_of(row.data, size)));
    }
    struct bytes write = buffer_bytes(&world.writes[0].bytes);
    const struct batch_stamp stamp = stamp_of(&world.writes[0]);
    for (size_t size = 0; size < write.size; size++) {
        struct batch_row taken = row_begin(&world);
        assert_false(batch_row_take_write(&taken, &stamp, bytes_of(write.data, size)));
    }
    const struct question question = {.view = &world.view, .t_us = 100};
    const struct batch_source source = {.is_row_known = true, .row = bytes_of("12345678x", 9)};
    struct answer answer;
    struct error err;
    assert_int_equal(batch_answer(&question, &source, world.arena, &answer, &err), STATUS_CORRUPT);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_all_writes_in_any_order),
        cmocka_unit_test(equal_rows_are_equal_bytes),
        cmocka_unit_test(a_value_expires_at_its_ttl_to_the_microsecond),
        cmocka_unit_test(a_write_that_names_nothing_is_none),
        cmocka_unit_test(bytes_of_something_else_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
