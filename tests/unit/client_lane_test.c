/* Lanes: each event of a file counts exactly once, whatever is refused and whenever the connection
 * breaks. The server here is a model of what Push promises of producers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lane.h"
#include "protocol/rpc_message.h"
#include "random.h"

enum { EVENTS_MAX = 400, LANES_MAX = 4 };

/* ---- a model of the server ---- */

struct model {
    uint64_t last_sequence[LANES_MAX]; /* of the producer of each lane */
    unsigned counted[EVENTS_MAX];      /* how often each event was taken */
    bool is_bad[EVENTS_MAX];
};

enum { MODEL_ACKNOWLEDGED = 0 };

static size_t event_of(struct bytes json)
{
    char digits[8];
    return strtoul(bytes_to_text(json, digits, sizeof(digits)), NULL, 10);
}

/* Takes a push. Returns MODEL_ACKNOWLEDGED, or the number (from 1) of the event that it refuses. */
static size_t model_push(struct model *model, size_t producer,
                         const struct rpc_push_request *request)
{
    if (request->producer_sequence <= model->last_sequence[producer])
        return MODEL_ACKNOWLEDGED;
    for (size_t i = 0; i < request->events_count; i++)
        if (model->is_bad[event_of(request->events[i])])
            return i + 1;
    for (size_t i = 0; i < request->events_count; i++)
        model->counted[event_of(request->events[i])]++;
    model->last_sequence[producer] = request->producer_sequence;
    return MODEL_ACKNOWLEDGED;
}

/* ---- helpers ---- */

static void add_event(struct lane *lane, size_t number)
{
    char json[16];
    int size = snprintf(json, sizeof(json), "%06zu", number);
    struct bytes text = bytes_of(json, (size_t)size);
    batch_add(&lane->batch, &(struct event){.json = text, .raw = text, .line = number + 1});
}

/* What the server reads of the push under way; it borrows from push. */
static void read_request(const struct lane *lane, struct asof_push *push, struct arena *arena,
                         struct rpc_push_request *request)
{
    struct asof_bytes message;
    struct asof_error error;
    struct error err;
    lane_request(lane, push);
    assert_int_equal(asof_push_message(push, &message, &error), ASOF_OK);
    assert_int_equal(
        rpc_push_parse(bytes_of(message.data, message.size), EVENTS_MAX, arena, request, &err),
        STATUS_OK);
}

static size_t push_to_model(struct lane *lane, size_t producer, struct model *model)
{
    struct arena *arena = arena_create(1024);
    struct asof_push *push = asof_push_create("payments");
    struct rpc_push_request request;
    read_request(lane, push, arena, &request);
    size_t reply = model_push(model, producer, &request);
    asof_push_destroy(&push);
    arena_destroy(&arena);
    return reply;
}

static void take_reply(struct lane *lane, size_t reply, unsigned *refused)
{
    if (reply == MODEL_ACKNOWLEDGED) {
        lane_acknowledge(lane);
        return;
    }
    size_t index = lane_refuse(lane, reply);
    assert_true(index != SIZE_MAX);
    refused[event_of(batch_json(&lane->batch, index))]++;
}

/* ---- tests ---- */

static void a_push_names_source_producer_and_sequence(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1024);
    struct asof_push *push = asof_push_create("payments");
    struct rpc_push_request request;
    struct lane lane;
    lane_init(&lane, "p1");
    add_event(&lane, 7);
    add_event(&lane, 8);

    assert_true(lane_advance(&lane));
    read_request(&lane, push, arena, &request);

    assert_true(bytes_equal_text(request.source, "payments"));
    assert_true(bytes_equal_text(request.producer, "p1"));
    assert_int_equal(request.producer_sequence, 1);
    assert_int_equal(request.events_count, 2);
    assert_true(bytes_equal_text(request.events[0], "000007"));
    assert_true(bytes_equal_text(request.events[1], "000008"));
    assert_int_equal(lane_acknowledge(&lane), 2);
    assert_false(lane_advance(&lane));
    lane_fini(&lane);
    asof_push_destroy(&push);
    arena_destroy(&arena);
}

static void around_a_refused_event_the_rest_is_pushed_under_new_sequences(void **state)
{
    (void)state;
    struct lane lane;
    lane_init(&lane, "p1");
    for (size_t i = 0; i < 5; i++)
        add_event(&lane, i);

    assert_true(lane_advance(&lane));
    assert_int_equal(lane_refuse(&lane, 3), 2);
    assert_true(lane_advance(&lane));
    assert_int_equal(lane.sequence, 2);
    assert_int_equal(lane_acknowledge(&lane), 2);
    assert_true(lane_advance(&lane));
    assert_int_equal(lane.sequence, 3);
    assert_int_equal(lane_acknowledge(&lane), 2);
    assert_false(lane_advance(&lane));
    lane_fini(&lane);
}

static void a_refusal_of_an_event_that_was_not_pushed_is_not_believed(void **state)
{
    (void)state;
    struct lane lane;
    lane_init(&lane, "p1");
    add_event(&lane, 0);
    assert_true(lane_advance(&lane));

    assert_true(lane_refuse(&lane, 0) == SIZE_MAX);
    assert_true(lane_refuse(&lane, 2) == SIZE_MAX);
    assert_true(lane_refuse(&lane, SIZE_MAX) == SIZE_MAX);
    lane_fini(&lane);
}

static void what_is_cut_is_not_pushed(void **state)
{
    (void)state;
    struct lane lane;
    lane_init(&lane, "p1");
    for (size_t i = 0; i < 5; i++)
        add_event(&lane, i);
    assert_true(lane_advance(&lane));

    lane_cut(&lane, lane_refuse(&lane, 3));

    assert_true(lane_advance(&lane));
    assert_int_equal(lane_acknowledge(&lane), 2);
    assert_false(lane_advance(&lane));
    lane_fini(&lane);
}

/* One lane through its batch: each push may be lost before the server, its reply behind it. */
static void drive(struct lane *lane, size_t producer, struct model *model, struct random *random,
                  unsigned *refused)
{
    while (lane_advance(lane)) {
        bool has_reply = false;
        while (!has_reply) {
            bool is_lost_before = random_below(random, 3) == 0;
            if (is_lost_before)
                continue;
            size_t reply = push_to_model(lane, producer, model);
            has_reply = random_below(random, 3) != 0;
            if (has_reply)
                take_reply(lane, reply, refused);
        }
    }
}

static void each_event_counts_once_whatever_breaks(void **state)
{
    (void)state;
    struct random random = random_begin("lane");
    for (int round = 0; round < 200; round++) {
        struct model model = {0};
        unsigned refused[EVENTS_MAX] = {0};
        struct lane lanes[LANES_MAX];
        uint64_t bad_of_100 = random_below(&random, 101);
        for (size_t i = 0; i < LANES_MAX; i++)
            lane_init(&lanes[i], "p");
        for (size_t i = 0; i < EVENTS_MAX; i++)
            model.is_bad[i] = random_below(&random, 100) < bad_of_100;

        for (size_t next = 0; next < EVENTS_MAX;) {
            size_t chosen = random_below(&random, LANES_MAX);
            size_t size = 1 + random_below(&random, 40);
            for (size_t i = 0; i < size && next < EVENTS_MAX; i++)
                add_event(&lanes[chosen], next++);
            drive(&lanes[chosen], chosen, &model, &random, refused);
        }

        for (size_t i = 0; i < EVENTS_MAX; i++) {
            assert_int_equal(model.counted[i], model.is_bad[i] ? 0 : 1);
            assert_int_equal(refused[i], model.is_bad[i] ? 1 : 0);
        }
        for (size_t i = 0; i < LANES_MAX; i++)
            lane_fini(&lanes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_names_source_producer_and_sequence),
        cmocka_unit_test(around_a_refused_event_the_rest_is_pushed_under_new_sequences),
        cmocka_unit_test(a_refusal_of_an_event_that_was_not_pushed_is_not_believed),
        cmocka_unit_test(what_is_cut_is_not_pushed),
        cmocka_unit_test(each_event_counts_once_whatever_breaks),
    };
    return cmocka_run_group_tests_name("client_lane", tests, NULL, NULL);
}
