#include <signal.h>
#include <stdlib.h>

#include "base/check.h"
#include "network/network_room.h"

static const struct timeval tick_period = {.tv_sec = 1};

static void loop_on_signal(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    network_loop_stop(context);
}

static void loop_on_tick(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    struct network_loop *loop = context;
    loop->ticks++;

    struct network_listener *listener;
    LIST_FOREACH(listener, &loop->listeners, link)
        listener_tick(listener);

    struct network_connection *connection = TAILQ_FIRST(&loop->connections);
    while (connection != NULL) {
        struct network_connection *next = TAILQ_NEXT(connection, link);
        connection_tick(connection);
        connection = next;
    }
}

enum status network_loop_create(struct network_loop **out, struct error *err)
{
    struct event_base *base = event_base_new();
    if (base == NULL)
        return error_set(err, STATUS_UNAVAILABLE, "event loop: %s", error_errno());

    struct network_loop *loop = calloc(1, sizeof(*loop));
    CHECK(loop != NULL);
    loop->base = base;
    loop->ticks = 1;
    LIST_INIT(&loop->listeners);
    TAILQ_INIT(&loop->connections);
    TAILQ_INIT(&loop->ready);
    event_assign(&loop->tick, base, -1, EV_PERSIST, loop_on_tick, loop);
    event_add(&loop->tick, &tick_period);
    *out = loop;
    return STATUS_OK;
}

void network_loop_destroy(struct network_loop **out)
{
    struct network_loop *loop = *out;
    if (loop == NULL)
        return;
    while (!TAILQ_EMPTY(&loop->connections))
        connection_free(TAILQ_FIRST(&loop->connections));
    while (!LIST_EMPTY(&loop->listeners))
        listener_free(LIST_FIRST(&loop->listeners));
    CHECK(loop->connections_count == 0);
    CHECK(loop->held_bytes == 0);
    if (loop->has_signals)
        for (size_t i = 0; i < 2; i++)
            event_del(&loop->signals[i]);
    event_del(&loop->tick);
    event_base_free(loop->base);
    buffer_fini(&loop->spare_input);
    buffer_fini(&loop->spare_output);
    free(loop);
    *out = NULL;
}

void network_loop_take_signals(struct network_loop *loop)
{
    CHECK(!loop->has_signals);
    static const int numbers[2] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        event_assign(&loop->signals[i], loop->base, numbers[i], EV_SIGNAL | EV_PERSIST,
                     loop_on_signal, loop);
        event_add(&loop->signals[i], NULL);
    }
    loop->has_signals = true;
}

void network_loop_stop(struct network_loop *loop)
{
    loop->is_stopping = true;
}

bool network_loop_is_stopping(const struct network_loop *loop)
{
    return loop->is_stopping;
}

/* Those who are listed while this runs wait for the next turn, so that it ends. */
static void loop_run_ready(struct network_loop *loop)
{
    size_t count = loop->ready_count;
    while (count-- > 0 && !TAILQ_EMPTY(&loop->ready)) {
        struct network_connection *connection = TAILQ_FIRST(&loop->ready);
        TAILQ_REMOVE(&loop->ready, connection, ready_link);
        connection->is_listed = false;
        loop->ready_count--;
        connection_proceed(connection);
    }
}

void network_loop_turn(struct network_loop *loop, bool wait)
{
    bool had_ready = loop->ready_count > 0;
    loop_run_ready(loop);
    bool may_wait = wait && !had_ready && !loop->is_stopping;
    event_base_loop(loop->base, EVLOOP_ONCE | (may_wait ? 0 : EVLOOP_NONBLOCK));
}

const struct network_counters *network_loop_counters(const struct network_loop *loop)
{
    return &loop->counters;
}

size_t network_loop_connections(const struct network_loop *loop)
{
    return loop->connections_count;
}
