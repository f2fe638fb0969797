#include "patience.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "wire.h"

enum {
    CONNECTIONS_DEFAULT = 4,
    CONNECT_TIMEOUT_DEFAULT_MS = 2000,
    TIMEOUT_DEFAULT_MS = 10 * 1000,
    RETRIES_DEFAULT = 20,
    BACKOFF_DEFAULT_MS = 10,
    BACKOFF_MAX_DEFAULT_MS = 1000,
    ANSWER_SIZE_DEFAULT = 256 * 1024 * 1024,
    BACKOFF_DOUBLINGS_MAX = 20,
    ASK_US = 100 * 1000, /* between two questions whether the call is still wanted */
    US_PER_MS = 1000,
};

static int positive_or(int value, int otherwise)
{
    return value > 0 ? value : otherwise;
}

void options_complete(const struct asof_options *options, struct asof_options *out)
{
    *out = options == NULL ? (struct asof_options){0} : *options;
    if (out->connections_max == 0)
        out->connections_max = CONNECTIONS_DEFAULT;
    if (out->connections_max > ASOF_CONNECTIONS_MAX)
        out->connections_max = ASOF_CONNECTIONS_MAX;
    out->connect_timeout_ms = positive_or(out->connect_timeout_ms, CONNECT_TIMEOUT_DEFAULT_MS);
    out->timeout_ms = out->timeout_ms == 0 ? TIMEOUT_DEFAULT_MS : out->timeout_ms;
    out->retries_max = out->retries_max == 0 ? RETRIES_DEFAULT : out->retries_max;
    out->backoff_ms = positive_or(out->backoff_ms, BACKOFF_DEFAULT_MS);
    out->backoff_max_ms = positive_or(out->backoff_max_ms, BACKOFF_MAX_DEFAULT_MS);
    if (out->answer_size_max == 0)
        out->answer_size_max = ANSWER_SIZE_DEFAULT;
    if (out->answer_size_max > WIRE_ANSWER_SIZE_MAX)
        out->answer_size_max = WIRE_ANSWER_SIZE_MAX;
}

void patience_begin(struct patience *patience, const struct asof_call_options *options,
                    int default_ms)
{
    int timeout_ms = options == NULL || options->timeout_ms == 0 ? default_ms : options->timeout_ms;
    int64_t now_us = clock_mono_us();
    *patience = (struct patience){.deadline_us = PATIENCE_FOREVER, .ask_us = now_us + ASK_US};
    if (timeout_ms > 0)
        patience->deadline_us = now_us + (int64_t)timeout_ms * US_PER_MS;
    if (options == NULL)
        return;
    patience->cancel = options->cancel;
    patience->is_unwanted = options->is_unwanted;
    patience->context = options->context;
}

enum asof_code patience_look(const struct patience *patience, struct asof_error *error)
{
    if (patience->was_unwanted || (patience->cancel != NULL && cancel_is_fired(patience->cancel)))
        return failure_set(error, ASOF_CANCELLED, "the call was cancelled");
    if (patience->deadline_us != PATIENCE_FOREVER && clock_mono_us() >= patience->deadline_us)
        return failure_set(error, ASOF_DEADLINE_EXCEEDED, "the deadline has passed");
    return ASOF_OK;
}

bool patience_is_due(const struct patience *patience)
{
    return patience->is_unwanted != NULL && !patience->was_unwanted &&
           clock_mono_us() >= patience->ask_us;
}

void patience_ask(struct patience *patience)
{
    if (!patience_is_due(patience))
        return;
    patience->was_unwanted = patience->is_unwanted(patience->context);
    patience->ask_us = clock_mono_us() + ASK_US;
}

int64_t patience_end_us(const struct patience *patience, int64_t until_us)
{
    int64_t end_us = until_us < patience->deadline_us ? until_us : patience->deadline_us;
    bool is_asking = patience->is_unwanted != NULL && patience->ask_us < end_us;
    return is_asking ? patience->ask_us : end_us;
}

uint32_t patience_left_ms(const struct patience *patience)
{
    if (patience->deadline_us == PATIENCE_FOREVER)
        return 0;
    int64_t left_us = patience->deadline_us - clock_mono_us();
    return left_us <= 0 ? 1 : (uint32_t)((left_us + US_PER_MS - 1) / US_PER_MS);
}

short patience_wait(const struct patience *patience, int fd, short events, int64_t until_us)
{
    struct pollfd polled[2] = {
        {.fd = fd, .events = events},
        {.fd = patience->cancel == NULL ? -1 : cancel_fd(patience->cancel), .events = POLLIN}};
    int64_t end_us = patience_end_us(patience, until_us);
    struct timespec left = {0};
    if (end_us != PATIENCE_FOREVER) {
        int64_t left_us = end_us - clock_mono_us();
        left_us = left_us < 0 ? 0 : left_us;
        left = (struct timespec){.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
    }
    int count = ppoll(polled, patience->cancel == NULL ? 1 : 2,
                      end_us == PATIENCE_FOREVER ? NULL : &left, NULL);
    if (count <= 0)
        return 0;
    if (polled[1].revents != 0 && !cancel_is_fired(patience->cancel))
        cancel_take(patience->cancel);
    return polled[0].revents;
}

/* splitmix64: only to keep clients apart that were sent away together. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

uint64_t backoff_seed(const void *where)
{
    return (uint64_t)clock_now_us() ^ (uint64_t)(uintptr_t)where << 20 ^ (uint64_t)getpid() << 44;
}

int64_t backoff_us(const struct asof_options *options, int tries, uint64_t *state)
{
    int doublings = tries < BACKOFF_DOUBLINGS_MAX ? tries : BACKOFF_DOUBLINGS_MAX;
    int64_t max_us = (int64_t)options->backoff_max_ms * US_PER_MS;
    int64_t wait_us = ((int64_t)options->backoff_ms * US_PER_MS) << doublings;
    wait_us = wait_us < max_us ? wait_us : max_us;
    return wait_us / 2 + (int64_t)(random_next(state) % (uint64_t)(wait_us / 2 + 1));
}

/* ---- cancels ---- */

struct asof_cancel {
    int fd; /* owned; an eventfd */
    _Atomic bool is_fired;
};

struct asof_cancel *asof_cancel_create(void)
{
    struct asof_cancel *cancel = calloc(1, sizeof(*cancel));
    CHECK(cancel != NULL);
    cancel->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (cancel->fd < 0)
        asof_cancel_destroy(&cancel);
    return cancel;
}

void asof_cancel_destroy(struct asof_cancel **cancel)
{
    if (*cancel == NULL)
        return;
    if ((*cancel)->fd >= 0)
        close((*cancel)->fd);
    free(*cancel);
    *cancel = NULL;
}

void asof_cancel_fire(struct asof_cancel *cancel)
{
    atomic_store(&cancel->is_fired, true);
    cancel_nudge(cancel);
}

void asof_cancel_reset(struct asof_cancel *cancel)
{
    atomic_store(&cancel->is_fired, false);
    cancel_take(cancel);
}

bool cancel_is_fired(const struct asof_cancel *cancel)
{
    return atomic_load(&cancel->is_fired);
}

/* Also from a signal handler: errno is the interrupted code's. */
void cancel_nudge(struct asof_cancel *cancel)
{
    const uint64_t one = 1;
    int before = errno;
    ssize_t written = write(cancel->fd, &one, sizeof(one));
    (void)written; /* refused only where so many nudges are there that one more says nothing */
    errno = before;
}

int cancel_fd(const struct asof_cancel *cancel)
{
    return cancel->fd;
}

void cancel_take(struct asof_cancel *cancel)
{
    uint64_t count;
    ssize_t got = read(cancel->fd, &count, sizeof(count));
    (void)got; /* nothing was there */
}
