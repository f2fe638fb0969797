#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

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

/* ---- calls ---- */

void network_loop_run_calls(struct network_loop *loop)
{
    pthread_mutex_lock(&loop->calls_mutex);
    struct network_call *call = loop->first_call;
    loop->first_call = loop->last_call = NULL;
    pthread_mutex_unlock(&loop->calls_mutex);
    while (call != NULL) {
        struct network_call *next = call->next;
        call->run(call);
        call = next;
    }
}

static void loop_on_posted(evutil_socket_t descriptor, short what, void *context)
{
    uint64_t posted;
    (void)what;
    (void)!read(descriptor, &posted, sizeof(posted)); /* only to make it unreadable again */
    network_loop_run_calls(context);
}

void network_loop_post(struct network_loop *loop, struct network_call *call)
{
    static const uint64_t one = 1;
    call->next = NULL;
    pthread_mutex_lock(&loop->calls_mutex);
    bool is_first = loop->first_call == NULL;
    if (is_first)
        loop->first_call = call;
    else
        loop->last_call->next = call;
    loop->last_call = call;
    pthread_mutex_unlock(&loop->calls_mutex);
    if (is_first) /* else it was woken already */
        CHECK(write(loop->wake_descriptor, &one, sizeof(one)) == sizeof(one));
}

static void timer_free(struct network_timer *timer)
{
    event_del(&timer->event);
    close(timer->descriptor);
    LIST_REMOVE(timer, link);
    free(timer);
}

/* ---- life ---- */

/* Once a turn, as others write to the same cache line; mostly nothing has changed. */
static void loop_tell_budget(struct network_loop *loop)
{
    if (loop->held_bytes == loop->budgeted_bytes)
        return;
    atomic_fetch_add_explicit(&loop->budget->bytes, loop->held_bytes - loop->budgeted_bytes,
                              memory_order_relaxed);
    loop->budgeted_bytes = loop->held_bytes;
}

enum status network_loop_create(struct network_loop **out, struct error *err)
{
    struct event_base *base = event_base_new();
    int wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (base == NULL || wake_descriptor < 0) {
        error_set(err, STATUS_UNAVAILABLE, "event loop: %s", error_errno());
        if (base != NULL)
            event_base_free(base);
        if (wake_descriptor >= 0)
            close(wake_descriptor);
        return STATUS_UNAVAILABLE;
    }

    struct network_loop *loop = calloc(1, sizeof(*loop));
    CHECK(loop != NULL);
    loop->base = base;
    loop->ticks = 1;
    loop->own_budget.bytes_max = NETWORK_HELD_BYTES_MAX;
    loop->budget = &loop->own_budget;
    LIST_INIT(&loop->listeners);
    LIST_INIT(&loop->timers);
    TAILQ_INIT(&loop->connections);
    TAILQ_INIT(&loop->ready);
    event_assign(&loop->tick, base, -1, EV_PERSIST, loop_on_tick, loop);
    event_add(&loop->tick, &tick_period);
    loop->wake_descriptor = wake_descriptor;
    CHECK(pthread_mutex_init(&loop->calls_mutex, NULL) == 0);
    event_assign(&loop->posted, base, wake_descriptor, EV_READ | EV_PERSIST, loop_on_posted, loop);
    event_add(&loop->posted, NULL);
    *out = loop;
    return STATUS_OK;
}

void network_loop_destroy(struct network_loop **out)
{
    struct network_loop *loop = *out;
    if (loop == NULL)
        return;
    network_loop_run_calls(loop);
    while (!TAILQ_EMPTY(&loop->connections))
        connection_free(TAILQ_FIRST(&loop->connections));
    while (!LIST_EMPTY(&loop->listeners))
        listener_free(LIST_FIRST(&loop->listeners));
    while (!LIST_EMPTY(&loop->timers))
        timer_free(LIST_FIRST(&loop->timers));
    CHECK(loop->connections_count == 0);
    CHECK(loop->held_bytes == 0);
    loop_tell_budget(loop);
    if (loop->has_signals)
        for (size_t i = 0; i < 2; i++)
            event_del(&loop->signals[i]);
    event_del(&loop->tick);
    event_del(&loop->posted);
    event_base_free(loop->base);
    close(loop->wake_descriptor);
    pthread_mutex_destroy(&loop->calls_mutex);
    buffer_fini(&loop->spare_input);
    buffer_fini(&loop->spare_output);
    free(loop);
    *out = NULL;
}

void network_loop_set_budget(struct network_loop *loop, struct network_budget *budget)
{
    CHECK(loop->budgeted_bytes == 0);
    loop->budget = budget;
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
    loop_tell_budget(loop);
}

/* ---- timers ---- */

static void timer_on_time(evutil_socket_t descriptor, short what, void *context)
{
    uint64_t times;
    struct network_timer *timer = context;
    (void)what;
    if (read(descriptor, &times, sizeof(times)) == sizeof(times)) /* else it was set again */
        timer->run(timer->context);
}

struct network_timer *network_timer_create(struct network_loop *loop, network_timer_fn run,
                                           void *context)
{
    struct network_timer *timer = calloc(1, sizeof(*timer));
    CHECK(timer != NULL);
    timer->run = run;
    timer->context = context;
    timer->descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    CHECK(timer->descriptor >= 0);
    event_assign(&timer->event, loop->base, timer->descriptor, EV_READ | EV_PERSIST, timer_on_time,
                 timer);
    event_add(&timer->event, NULL);
    LIST_INSERT_HEAD(&loop->timers, timer, link);
    return timer;
}

void network_timer_set(struct network_timer *timer, int64_t delay_us)
{
    int64_t us = delay_us > 0 ? delay_us : 1; /* none at all would stop it */
    const struct itimerspec delay = {
        .it_value = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}};
    CHECK(timerfd_settime(timer->descriptor, 0, &delay, NULL) == 0);
}

const struct network_counters *network_loop_counters(const struct network_loop *loop)
{
    return &loop->counters;
}

size_t network_loop_connections(const struct network_loop *loop)
{
    return loop->connections_count;
}
