/* The handle for event loops: a wire, calls that wait to be sent or answered, and an epoll
 * descriptor that stands for the wire and a timer, so that the loop watches one descriptor for the
 * handle's whole life. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "call_table.h"
#include "patience.h"
#include "push.h"
#include "wire.h"

/* A call from its beginning to its callback. */
struct async_call {
    uint32_t number;
    unsigned method;
    bool is_repeatable;
    bool is_sent;     /* its frame was appended to the wire that there is */
    int tries;        /* behind it */
    uint64_t begin;   /* of SENT: of its frame, as wire.appended counts */
    int64_t ready_us; /* of those that wait: not sent before */
    struct patience patience;
    asof_done_fn done;
    void *context;
    struct asof_message *message; /* owned, as error, once it is finished */
    struct asof_error *error;
    TAILQ_ENTRY(async_call) link; /* of waiting or finished */
    size_t request_size;
    char request[];
};

TAILQ_HEAD(async_list, async_call);

struct asof_async {
    struct wire wire;
    struct asof_options options;
    struct addrinfo *targets; /* owned */
    struct addrinfo *target;  /* the next one to try */
    int epoll_fd;             /* owned, as timer_fd */
    int timer_fd;
    int64_t timer_us; /* when it fires; 0: it does not */
    uint32_t watched; /* events of the wire in epoll; 0: it is not there */
    int64_t connect_until_us;
    uint64_t random;
    struct call_table calls;    /* owns them until they are finished */
    struct async_list waiting;  /* to be sent */
    struct async_list finished; /* their callbacks are to run; owned */
    size_t waiting_bytes;
    bool is_processing;
    bool is_closing;
};

/* ---- the timer ---- */

/* Wakes the loop at that moment, if nothing does earlier. */
static void timer_set(struct asof_async *async, int64_t at_us)
{
    if (at_us == PATIENCE_FOREVER || (async->timer_us != 0 && async->timer_us <= at_us))
        return;
    async->timer_us = at_us > 0 ? at_us : 1;
    struct itimerspec when = {.it_value = {.tv_sec = async->timer_us / 1000000,
                                           .tv_nsec = async->timer_us % 1000000 * 1000}};
    CHECK(timerfd_settime(async->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

static void timer_take(struct asof_async *async)
{
    uint64_t count;
    ssize_t got = read(async->timer_fd, &count, sizeof(count));
    (void)got; /* it may not have fired, by a microsecond */
    async->timer_us = 0;
}

/* ---- the end of calls ---- */

static void unqueue(struct asof_async *async, struct async_call *call)
{
    if (call->is_sent)
        return;
    TAILQ_REMOVE(&async->waiting, call, link);
    async->waiting_bytes -= call->request_size;
}

/* Its callback runs later. Nobody finds it any more. */
static void finish(struct asof_async *async, struct async_call *call, struct asof_message *message)
{
    unqueue(async, call);
    call_table_remove(&async->calls, call->number);
    call->message = message;
    TAILQ_INSERT_TAIL(&async->finished, call, link);
}

static struct asof_error *call_error(struct async_call *call)
{
    if (call->error == NULL)
        call->error = calloc(1, sizeof(*call->error));
    CHECK(call->error != NULL);
    return call->error;
}

/* The server need not work on it any more. */
static void abandon(struct asof_async *async, struct async_call *call)
{
    if (call->is_sent && async->wire.state == WIRE_OPEN)
        wire_append(&async->wire, call->number, LIGHT_CANCEL, bytes_of(NULL, 0));
}

/* Runs the callback and frees the call. */
static void tell(struct asof_async *async, struct async_call *call)
{
    static const struct asof_error none = {.code = ASOF_OK};
    TAILQ_REMOVE(&async->finished, call, link);
    call->done(call->context, call->message, call->message != NULL ? &none : call_error(call));
    free(call->error);
    free(call);
}

/* Runs the callbacks of those that are finished by now; those that they finish wait for the next
 * turn. */
static void tell_finished(struct asof_async *async)
{
    struct async_call *last = TAILQ_LAST(&async->finished, async_list);
    bool was_last = last == NULL;
    while (!was_last) {
        struct async_call *call = TAILQ_FIRST(&async->finished);
        was_last = call == NULL || call == last;
        if (call != NULL)
            tell(async, call);
    }
}

/* Puts it where it waits to be sent. */
static void queue(struct asof_async *async, struct async_call *call, int64_t ready_us)
{
    call->is_sent = false;
    call->ready_us = ready_us;
    async->waiting_bytes += call->request_size;
    TAILQ_INSERT_TAIL(&async->waiting, call, link);
}

/* It failed, and error says why: it is tried again later where that is right, else finished. */
static void try_later(struct asof_async *async, struct async_call *call, bool is_safe)
{
    int64_t ready_us = clock_mono_us() + backoff_us(&async->options, call->tries, &async->random);
    bool is_over = call->error->code != ASOF_UNAVAILABLE || !(is_safe || call->is_repeatable) ||
                   call->tries >= async->options.retries_max ||
                   ready_us >= call->patience.deadline_us;
    if (is_over) {
        finish(async, call, NULL);
        return;
    }
    unqueue(async, call);
    call->tries++;
    queue(async, call, ready_us);
    timer_set(async, ready_us);
}

/* ---- the wire ---- */

static void watch(struct asof_async *async)
{
    struct wire *wire = &async->wire;
    bool is_connecting = wire->state == WIRE_CONNECTING;
    uint32_t events = is_connecting ? EPOLLOUT : EPOLLIN;
    if (wire->output.size > 0)
        events |= EPOLLOUT;
    if (wire->fd < 0 || events == async->watched)
        return;
    struct epoll_event event = {.events = events};
    int change = async->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    CHECK(epoll_ctl(async->epoll_fd, change, wire->fd, &event) == 0);
    async->watched = events;
}

/* Closes the wire; what was under way is tried again where that is right. */
static void take_break(struct asof_async *async)
{
    struct wire *wire = &async->wire;
    for (size_t i = 0; i < ASOF_CALLS_MAX; i++) {
        struct async_call *call = async->calls.owners[i];
        if (call == NULL || !call->is_sent)
            continue;
        *call_error(call) = wire->error;
        try_later(async, call, wire->sent <= call->begin);
    }
    wire_fini(wire);
    async->watched = 0;
}

/* The server could not be reached at any of its addresses: whoever waits for that waits longer. */
static void take_refusal(struct asof_async *async)
{
    int64_t now_us = clock_mono_us();
    struct async_call *next;
    for (struct async_call *call = TAILQ_FIRST(&async->waiting); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->ready_us > now_us)
            continue;
        *call_error(call) = async->wire.error;
        try_later(async, call, true);
    }
}

/* Tries the addresses that are left, until one can be connected to. */
static void connect_on(struct asof_async *async)
{
    struct wire *wire = &async->wire;
    enum asof_code code = ASOF_UNAVAILABLE;
    while (code != ASOF_OK && async->target != NULL) {
        async->watched = 0;
        code = wire_connect(wire, async->target);
        async->target = async->target->ai_next;
    }
    if (code == ASOF_OK) {
        async->connect_until_us =
            clock_mono_us() + (int64_t)async->options.connect_timeout_ms * 1000;
        timer_set(async, async->connect_until_us);
        return;
    }
    take_refusal(async);
    wire_fini(wire);
    async->watched = 0;
}

/* Of a wire that connects: looks how far it is. */
static void look_connecting(struct asof_async *async)
{
    const struct patience now = {.deadline_us = 0};
    struct wire *wire = &async->wire;
    if (patience_wait(&now, wire->fd, POLLOUT, 0) != 0)
        wire_finish_connecting(wire);
    else if (clock_mono_us() >= async->connect_until_us)
        wire_break(wire, ASOF_UNAVAILABLE, "the server %s does not answer", wire->address.text);
    if (wire->state == WIRE_BROKEN)
        connect_on(async);
}

static void receive(struct asof_async *async)
{
    struct arrival arrival;
    wire_receive(&async->wire);
    while (wire_next(&async->wire, &arrival)) {
        struct async_call *call = call_table_find(&async->calls, arrival.call);
        if (call != NULL && call->is_sent && arrival.kind == LIGHT_ANSWER) {
            finish(async, call, arrival.message);
            continue;
        }
        asof_message_destroy(&arrival.message);
        if (call == NULL || !call->is_sent)
            continue;
        enum asof_code code =
            arrival.kind == LIGHT_FAILED
                ? failure_as_told(call_error(call), arrival.code, arrival.text)
                : failure_set(call_error(call), ASOF_INTERNAL, "the method's answer is a stream");
        if (code == ASOF_INTERNAL)
            abandon(async, call);
        try_later(async, call, false);
    }
}

static void send_waiting(struct asof_async *async)
{
    struct wire *wire = &async->wire;
    int64_t now_us = clock_mono_us();
    struct async_call *next;
    for (struct async_call *call = TAILQ_FIRST(&async->waiting); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->ready_us > now_us || !wire_has_room(wire, call->request_size))
            continue;
        unqueue(async, call);
        call->is_sent = true;
        call->begin = wire->appended;
        wire_append_call(wire, call->number, call->method, patience_left_ms(&call->patience),
                         bytes_of(call->request, call->request_size));
    }
    wire_flush(wire);
}

static bool has_ready(const struct asof_async *async)
{
    int64_t now_us = clock_mono_us();
    struct async_call *call;
    TAILQ_FOREACH(call, &async->waiting, link)
    if (call->ready_us <= now_us)
        return true;
    return false;
}

/* Sends what is ready, over a new connection where there is none. */
static void advance(struct asof_async *async)
{
    struct wire *wire = &async->wire;
    if (wire->state == WIRE_CLOSED && has_ready(async)) {
        async->target = async->targets;
        connect_on(async);
    }
    if (wire->state == WIRE_OPEN)
        send_waiting(async);
    if (wire->state == WIRE_BROKEN)
        take_break(async);
    watch(async);
    if (!TAILQ_EMPTY(&async->finished))
        timer_set(async, clock_mono_us()); /* their callbacks run in a turn of the loop */
}

/* Ends calls whose deadline has passed, and sets the timer for what comes next. */
static void expire(struct asof_async *async)
{
    int64_t now_us = clock_mono_us();
    for (size_t i = 0; i < ASOF_CALLS_MAX; i++) {
        struct async_call *call = async->calls.owners[i];
        if (call == NULL)
            continue;
        if (call->patience.deadline_us > now_us) {
            timer_set(async, call->patience.deadline_us);
            if (!call->is_sent && call->ready_us > now_us)
                timer_set(async, call->ready_us);
            continue;
        }
        failure_set(call_error(call), ASOF_DEADLINE_EXCEEDED, "the deadline has passed");
        abandon(async, call);
        finish(async, call, NULL);
    }
    if (async->wire.state == WIRE_CONNECTING)
        timer_set(async, async->connect_until_us);
}

/* ---- what its user calls ---- */

void asof_async_process(struct asof_async *async)
{
    CHECK(!async->is_processing);
    async->is_processing = true;
    if (async->wire.state == WIRE_CONNECTING)
        look_connecting(async);
    if (async->wire.state == WIRE_OPEN)
        receive(async);
    if (async->wire.state == WIRE_BROKEN)
        take_break(async);
    if (async->timer_us != 0 && clock_mono_us() >= async->timer_us) {
        timer_take(async);
        expire(async);
    }
    tell_finished(async);
    async->is_processing = false;
    advance(async);
}

enum asof_code asof_async_create(const char *address, const struct asof_options *options,
                                 struct asof_async **async, struct asof_error *error)
{
    struct address parsed;
    struct addrinfo *targets = NULL;
    enum asof_code code = address_parse(address, &parsed, error);
    if (code == ASOF_OK)
        code = address_resolve(&parsed, &targets, error);
    if (code != ASOF_OK)
        return code;
    struct asof_async *made = calloc(1, sizeof(*made));
    CHECK(made != NULL);
    options_complete(options, &made->options);
    wire_init(&made->wire, &parsed, made->options.answer_size_max);
    made->targets = targets;
    made->random = backoff_seed(made);
    call_table_init(&made->calls);
    TAILQ_INIT(&made->waiting);
    TAILQ_INIT(&made->finished);
    made->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    made->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (made->epoll_fd < 0 || made->timer_fd < 0 ||
        epoll_ctl(made->epoll_fd, EPOLL_CTL_ADD, made->timer_fd, &event) != 0) {
        code = failure_set(error, ASOF_RESOURCE_EXHAUSTED, "no descriptor to watch with: %s",
                           error_errno());
        asof_async_destroy(&made);
        return code;
    }
    *async = made;
    return ASOF_OK;
}

void asof_async_destroy(struct asof_async **out)
{
    struct asof_async *async = *out;
    if (async == NULL)
        return;
    CHECK(!async->is_processing);
    async->is_closing = true;
    for (size_t i = 0; i < ASOF_CALLS_MAX; i++) {
        struct async_call *call = async->calls.owners[i];
        if (call != NULL)
            asof_async_cancel(async, call->number);
    }
    while (!TAILQ_EMPTY(&async->finished))
        tell(async, TAILQ_FIRST(&async->finished));
    wire_fini(&async->wire);
    if (async->epoll_fd >= 0)
        close(async->epoll_fd);
    if (async->timer_fd >= 0)
        close(async->timer_fd);
    freeaddrinfo(async->targets);
    free(async);
    *out = NULL;
}

int asof_async_fd(const struct asof_async *async)
{
    return async->epoll_fd;
}

size_t asof_async_calls(const struct asof_async *async)
{
    size_t finished = 0;
    struct async_call *call;
    TAILQ_FOREACH(call, &async->finished, link)
    finished++;
    return call_table_count(&async->calls) + finished;
}

static enum asof_code check_room(const struct asof_async *async, size_t size,
                                 struct asof_error *error)
{
    if (async->is_closing)
        return failure_set(error, ASOF_FAILED_PRECONDITION, "the handle is being destroyed");
    if (size > ASOF_REQUEST_SIZE_MAX)
        return failure_set(error, ASOF_RESOURCE_EXHAUSTED,
                           "a request has at most %d bytes, got %zu", ASOF_REQUEST_SIZE_MAX, size);
    if (async->waiting_bytes + size > WIRE_OUTPUT_MAX)
        return failure_set(error, ASOF_RESOURCE_EXHAUSTED, "too much waits to be sent to %s",
                           async->wire.address.text);
    return ASOF_OK;
}

enum asof_code asof_async_call(struct asof_async *async, unsigned method, struct asof_bytes request,
                               const struct asof_call_options *options, asof_done_fn done,
                               void *context, uint64_t *call, struct asof_error *error)
{
    enum asof_code code = check_room(async, request.size, error);
    if (code != ASOF_OK)
        return code;
    struct async_call *begun = calloc(1, sizeof(*begun) + request.size);
    CHECK(begun != NULL);
    if (!call_table_add(&async->calls, begun, &begun->number)) {
        free(begun);
        return failure_set(error, ASOF_RESOURCE_EXHAUSTED, "%d calls are under way to %s",
                           ASOF_CALLS_MAX, async->wire.address.text);
    }
    begun->method = method;
    begun->is_repeatable = options != NULL && options->is_repeatable;
    begun->done = done;
    begun->context = context;
    begun->request_size = request.size;
    if (request.size > 0)
        memcpy(begun->request, request.data, request.size);
    patience_begin(&begun->patience, options, async->options.timeout_ms);
    begun->patience.cancel = NULL;
    timer_set(async, begun->patience.deadline_us);
    queue(async, begun, 0);
    if (call != NULL)
        *call = begun->number;
    if (!async->is_processing)
        advance(async);
    return ASOF_OK;
}

static enum asof_code call_repeatable(struct asof_async *async, unsigned method,
                                      struct asof_bytes message, bool is_repeatable,
                                      const struct asof_call_options *options, asof_done_fn done,
                                      void *context, uint64_t *call, struct asof_error *error)
{
    struct asof_call_options how = options == NULL ? (struct asof_call_options){0} : *options;
    how.is_repeatable = is_repeatable;
    return asof_async_call(async, method, message, &how, done, context, call, error);
}

enum asof_code asof_async_get(struct asof_async *async, struct asof_request *request,
                              const struct asof_call_options *options, asof_done_fn done,
                              void *context, uint64_t *call, struct asof_error *error)
{
    struct asof_bytes message;
    enum asof_code code = asof_request_message(request, &message, error);
    if (code == ASOF_OK)
        code = call_repeatable(async, ASOF_METHOD_GET_FEATURES, message, true, options, done,
                               context, call, error);
    return code;
}

enum asof_code asof_async_push(struct asof_async *async, struct asof_push *push,
                               const struct asof_call_options *options, asof_done_fn done,
                               void *context, uint64_t *call, struct asof_error *error)
{
    struct asof_bytes message;
    enum asof_code code = asof_push_message(push, &message, error);
    if (code == ASOF_OK)
        code = call_repeatable(async, ASOF_METHOD_PUSH, message, push_has_producer(push), options,
                               done, context, call, error);
    return code;
}

void asof_async_cancel(struct asof_async *async, uint64_t number)
{
    struct async_call *call =
        number > UINT32_MAX ? NULL : call_table_find(&async->calls, (uint32_t)number);
    if (call == NULL)
        return;
    failure_set(call_error(call), ASOF_CANCELLED, "the call was cancelled");
    abandon(async, call);
    finish(async, call, NULL);
    tell(async, call);
    if (!async->is_processing && !async->is_closing)
        advance(async);
}
