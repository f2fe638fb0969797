#include "channel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "call_table.h"

enum {
    IDLE_LOOK_US = 100 * 1000,  /* idle for so long, it may have been closed */
    WRITER_LOOK_US = 10 * 1000, /* who sends for others looks so often whether its own has come */
};

/* A call that waits; on its caller's stack. Guarded by the channel's lock. */
struct waiter {
    struct channel_call *call;
    uint32_t number;
    uint64_t begin; /* of its frame, as wire.appended counts */
    bool is_done;
    bool is_parked; /* it is in parked, and waits to be woken */
    enum asof_code code;
    struct asof_error *error;
    struct asof_message *answer;
    pthread_cond_t woken;
    TAILQ_ENTRY(waiter) link;
};

TAILQ_HEAD(waiter_list, waiter);

struct channel {
    pthread_mutex_t lock; /* guards all below but is_broken */
    struct wire wire;
    struct call_table calls;
    struct waiter_list parked;
    bool has_reader; /* somebody polls for reading, or is about to */
    bool has_writer; /* the same for writing */
    int64_t used_us; /* when something last arrived */
    _Atomic bool is_broken;
};

/* ---- life ---- */

static enum asof_code connect_to(struct wire *wire, const struct addrinfo *target,
                                 struct patience *patience, int64_t until_us,
                                 struct asof_error *error)
{
    enum asof_code code = wire_connect(wire, target);
    while (code == ASOF_OK && wire->state == WIRE_CONNECTING) {
        patience_ask(patience);
        if (patience_wait(patience, wire->fd, POLLOUT, until_us) != 0) {
            wire_finish_connecting(wire);
            continue;
        }
        code = patience_look(patience, error);
        if (code == ASOF_OK && clock_mono_us() >= until_us)
            wire_break(wire, ASOF_UNAVAILABLE, "the server %s does not answer", wire->address.text);
    }
    if (wire->state == WIRE_BROKEN)
        return failure_set(error, wire->error.code, "%s", wire->error.text);
    return code;
}

enum asof_code channel_connect(struct wire *wire, struct patience *patience, int64_t timeout_us,
                               struct asof_error *error)
{
    struct addrinfo *targets = NULL;
    enum asof_code code = address_resolve(&wire->address, &targets, error);
    if (code != ASOF_OK)
        return code;
    int64_t until_us = clock_mono_us() + timeout_us;
    for (struct addrinfo *target = targets; target != NULL; target = target->ai_next) {
        code = connect_to(wire, target, patience, until_us, error);
        if (code != ASOF_UNAVAILABLE)
            break;
    }
    freeaddrinfo(targets);
    return code;
}

enum asof_code channel_open(const struct address *address, size_t answer_size_max,
                            struct patience *patience, int64_t timeout_us, struct channel **channel,
                            struct asof_error *error)
{
    struct channel *opened = calloc(1, sizeof(*opened));
    CHECK(opened != NULL);
    pthread_mutex_init(&opened->lock, NULL);
    wire_init(&opened->wire, address, answer_size_max);
    call_table_init(&opened->calls);
    TAILQ_INIT(&opened->parked);
    enum asof_code code = channel_connect(&opened->wire, patience, timeout_us, error);
    opened->used_us = clock_mono_us();
    if (code != ASOF_OK)
        channel_destroy(&opened);
    *channel = opened;
    return code;
}

void channel_destroy(struct channel **channel)
{
    if (*channel == NULL)
        return;
    wire_fini(&(*channel)->wire);
    pthread_mutex_destroy(&(*channel)->lock);
    free(*channel);
    *channel = NULL;
}

bool channel_is_broken(struct channel *channel, bool is_idle)
{
    if (is_idle && !atomic_load(&channel->is_broken)) {
        pthread_mutex_lock(&channel->lock);
        if (clock_mono_us() - channel->used_us > IDLE_LOOK_US && wire_is_stale(&channel->wire))
            atomic_store(&channel->is_broken, true);
        pthread_mutex_unlock(&channel->lock);
    }
    return atomic_load(&channel->is_broken);
}

/* ---- waking and parking ---- */

static void wake(struct waiter *waiter)
{
    struct asof_cancel *cancel = waiter->call->patience->cancel;
    if (!waiter->is_parked)
        return;
    if (cancel != NULL)
        cancel_nudge(cancel);
    else
        pthread_cond_signal(&waiter->woken);
}

/* Waits to be woken; the lock is held, and given up meanwhile. With a cancel it waits by the
 * cancel's descriptor, which both reasons make readable. */
static void park(struct channel *channel, struct waiter *waiter)
{
    const struct patience *patience = waiter->call->patience;
    int64_t end_us = patience_end_us(patience, PATIENCE_FOREVER);
    waiter->is_parked = true;
    TAILQ_INSERT_TAIL(&channel->parked, waiter, link);
    if (patience->cancel != NULL) {
        pthread_mutex_unlock(&channel->lock);
        patience_wait(patience, -1, 0, PATIENCE_FOREVER);
        pthread_mutex_lock(&channel->lock);
    } else if (end_us == PATIENCE_FOREVER) {
        pthread_cond_wait(&waiter->woken, &channel->lock);
    } else {
        struct timespec until = {.tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000};
        pthread_cond_timedwait(&waiter->woken, &channel->lock, &until);
    }
    TAILQ_REMOVE(&channel->parked, waiter, link);
    waiter->is_parked = false;
}

/* Somebody else takes up what nobody does now. */
static void hand_over(struct channel *channel)
{
    struct waiter *next = TAILQ_FIRST(&channel->parked);
    bool is_left = !channel->has_reader || (channel->wire.output.size > 0 && !channel->has_writer);
    while (next != NULL && next->is_done)
        next = TAILQ_NEXT(next, link);
    if (next != NULL && is_left)
        wake(next);
}

/* ---- answers ---- */

static void settle(struct channel *channel, struct waiter *waiter, enum asof_code code)
{
    call_table_remove(&channel->calls, waiter->number);
    waiter->code = code;
    waiter->is_done = true;
    wake(waiter);
}

/* It is over before its answer came. */
static void give_up(struct channel *channel, struct waiter *waiter, enum asof_code code)
{
    settle(channel, waiter, code);
    if (channel->wire.state != WIRE_OPEN)
        return;
    wire_append(&channel->wire, waiter->number, LIGHT_CANCEL, bytes_of(NULL, 0));
    wire_flush(&channel->wire);
}

static void deliver(struct channel *channel, struct arrival *arrival)
{
    struct waiter *waiter = call_table_find(&channel->calls, arrival->call);
    if (waiter == NULL) {
        asof_message_destroy(&arrival->message);
    } else if (arrival->kind == LIGHT_ANSWER) {
        waiter->answer = arrival->message;
        settle(channel, waiter, ASOF_OK);
    } else if (arrival->kind == LIGHT_FAILED) {
        settle(channel, waiter, failure_as_told(waiter->error, arrival->code, arrival->text));
    } else {
        asof_message_destroy(&arrival->message);
        give_up(channel, waiter,
                failure_set(waiter->error, ASOF_INTERNAL,
                            "the method's answer is a stream: use asof_stream_open"));
    }
}

/* Ends all calls, if the wire broke. */
static void notice_break(struct channel *channel)
{
    const struct wire *wire = &channel->wire;
    if (wire->state == WIRE_OPEN)
        return;
    atomic_store(&channel->is_broken, true);
    for (size_t i = 0; i < ASOF_CALLS_MAX; i++) {
        struct waiter *waiter = channel->calls.owners[i];
        if (waiter == NULL)
            continue;
        waiter->call->has_left = wire->sent > waiter->begin;
        settle(channel, waiter,
               failure_set(waiter->error, wire->error.code, "%s", wire->error.text));
    }
}

static void receive(struct channel *channel)
{
    struct arrival arrival;
    if (!wire_receive(&channel->wire))
        return;
    channel->used_us = clock_mono_us();
    while (wire_next(&channel->wire, &arrival))
        deliver(channel, &arrival);
}

/* ---- a call ---- */

/* Puts the frame on its way. */
static enum asof_code begin(struct channel *channel, struct waiter *waiter)
{
    struct wire *wire = &channel->wire;
    struct channel_call *call = waiter->call;
    if (wire->state != WIRE_OPEN)
        return failure_set(waiter->error, ASOF_UNAVAILABLE, "%s", wire->error.text);
    if (!wire_has_room(wire, call->request.size) ||
        !call_table_add(&channel->calls, waiter, &waiter->number))
        return failure_set(waiter->error, ASOF_RESOURCE_EXHAUSTED,
                           "too many calls are under way to the server %s", wire->address.text);
    waiter->begin = wire->appended;
    wire_append_call(wire, waiter->number, call->method, patience_left_ms(call->patience),
                     call->request);
    call->has_left = true;
    wire_flush(wire);
    return ASOF_OK;
}

/* Reads or writes for all, where nobody does; else waits to be woken. The lock is held. */
static void take_turn(struct channel *channel, struct waiter *waiter)
{
    struct wire *wire = &channel->wire;
    bool is_reader = !channel->has_reader;
    bool is_writer = wire->output.size > 0 && !channel->has_writer;
    if (!is_reader && !is_writer) {
        park(channel, waiter);
        return;
    }
    int fd = wire->fd;
    short events = is_writer ? POLLIN | POLLOUT : POLLIN;
    int64_t until_us = is_reader ? PATIENCE_FOREVER : clock_mono_us() + WRITER_LOOK_US;
    channel->has_reader |= is_reader;
    channel->has_writer |= is_writer;
    pthread_mutex_unlock(&channel->lock);
    short has = patience_wait(waiter->call->patience, fd, events, until_us);
    pthread_mutex_lock(&channel->lock);
    if (is_reader)
        channel->has_reader = false;
    if (is_writer)
        channel->has_writer = false;
    if ((has & POLLOUT) != 0)
        wire_flush(wire);
    if ((has & (POLLIN | POLLHUP | POLLERR)) != 0)
        receive(channel);
}

/* Asks whether the call is still wanted; as it is no reader meanwhile, somebody else becomes one.
 */
static void ask(struct channel *channel, const struct waiter *waiter)
{
    hand_over(channel);
    pthread_mutex_unlock(&channel->lock);
    patience_ask(waiter->call->patience);
    pthread_mutex_lock(&channel->lock);
}

/* A Redis server waits for the rest of a line that never comes, so that its port can be told only
 * by its silence. */
static enum asof_code look(const struct channel *channel, const struct patience *patience,
                           struct asof_error *error)
{
    const struct wire *wire = &channel->wire;
    enum asof_code code = patience_look(patience, error);
    if (code == ASOF_DEADLINE_EXCEEDED && !wire->has_received)
        code = failure_set(error, code,
                           "the deadline has passed, and %s has said nothing yet: is it the RPC "
                           "port, %d unless --rpc-port says another?",
                           wire->address.text, ASOF_PORT);
    return code;
}

enum asof_code channel_run(struct channel *channel, struct channel_call *call,
                           struct asof_message **answer, struct asof_error *error)
{
    struct waiter waiter = {.call = call, .error = error};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&waiter.woken, &attributes);
    pthread_condattr_destroy(&attributes);
    call->has_left = false;

    pthread_mutex_lock(&channel->lock);
    waiter.code = begin(channel, &waiter);
    waiter.is_done = waiter.code != ASOF_OK;
    notice_break(channel);
    while (!waiter.is_done) {
        enum asof_code code = look(channel, call->patience, error);
        if (code == ASOF_OK && patience_is_due(call->patience))
            ask(channel, &waiter);
        else if (code != ASOF_OK)
            give_up(channel, &waiter, code);
        else
            take_turn(channel, &waiter);
        notice_break(channel);
    }
    hand_over(channel);
    pthread_mutex_unlock(&channel->lock);

    pthread_cond_destroy(&waiter.woken);
    *answer = waiter.answer;
    return waiter.code;
}
