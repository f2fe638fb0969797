/* The client: a pool of channels, and calls that are tried again. */
#include "client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "channel.h"
#include "push.h"

enum {
    POOL_LOOK_US = 20 * 1000, /* who waits for another's connection looks so often for its cancel */
    LANES_MAX = 1024,         /* pushes at a time that the client keeps producers for */
    PRODUCER_RANDOM_SIZE = 12,
    PRODUCER_SIZE = 48,
};

/* A connection, and how many calls use it; freed by the last when it is no longer in its slot. */
struct shared {
    struct channel *channel; /* owned */
    unsigned users;
};

struct slot {
    struct shared *shared; /* owned with its users; NULL: none */
    bool is_connecting;    /* by a thread that will fill it */
};

/* A producer of the client's, by which a push that is sent again counts once. It has one push under
 * way at a time: client/lane.h says why. */
struct lane {
    char producer[PRODUCER_SIZE];
    uint64_t sequence; /* of its last push */
    SLIST_ENTRY(lane) link;
};

struct asof_client {
    struct address address;
    struct asof_options options;
    pid_t process;
    pthread_mutex_t lock;  /* guards the rest */
    pthread_cond_t filled; /* a slot was, or was given up */
    struct slot slots[ASOF_CONNECTIONS_MAX];
    char producer[2 * PRODUCER_RANDOM_SIZE + 1];
    unsigned lanes_count;
    SLIST_HEAD(, lane) lanes; /* those without a push under way; owned */
};

/* ---- life ---- */

static void make_producer(char *producer)
{
    unsigned char random[PRODUCER_RANDOM_SIZE];
    CHECK(getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(producer + 2 * i, 3, "%02x", random[i]);
}

enum asof_code asof_client_create(const char *address, const struct asof_options *options,
                                  struct asof_client **client, struct asof_error *error)
{
    struct address parsed;
    enum asof_code code = address_parse(address, &parsed, error);
    if (code != ASOF_OK)
        return code;
    struct asof_client *made = calloc(1, sizeof(*made));
    CHECK(made != NULL);
    made->address = parsed;
    made->process = getpid();
    options_complete(options, &made->options);
    make_producer(made->producer);
    SLIST_INIT(&made->lanes);
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&made->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    *client = made;
    return ASOF_OK;
}

static void shared_destroy(struct shared *shared)
{
    channel_destroy(&shared->channel);
    free(shared);
}

void asof_client_destroy(struct asof_client **out)
{
    struct asof_client *client = *out;
    if (client == NULL)
        return;
    bool is_ours = client->process == getpid(); /* else threads of the parent seem to use it */
    for (size_t i = 0; i < client->options.connections_max; i++) {
        struct shared *shared = client->slots[i].shared;
        if (shared == NULL)
            continue;
        CHECK(shared->users == 0 || !is_ours);
        shared_destroy(shared);
    }
    while (!SLIST_EMPTY(&client->lanes)) {
        struct lane *lane = SLIST_FIRST(&client->lanes);
        SLIST_REMOVE_HEAD(&client->lanes, link);
        free(lane);
    }
    if (is_ours) {
        pthread_cond_destroy(&client->filled);
        pthread_mutex_destroy(&client->lock);
    }
    free(client);
    *out = NULL;
}

enum asof_code client_check_process(const struct asof_client *client, struct asof_error *error)
{
    return client->process == getpid()
               ? ASOF_OK
               : failure_set(error, ASOF_FAILED_PRECONDITION,
                             "the client was made before a fork: make another in the child");
}

const struct address *client_address(const struct asof_client *client)
{
    return &client->address;
}

const struct asof_options *client_options(const struct asof_client *client)
{
    return &client->options;
}

/* ---- the pool ---- */

/* Takes a connection that broke out of its slot. The lock is held, as in the next ones. */
static void slot_clean(struct slot *slot)
{
    struct shared *shared = slot->shared;
    if (shared == NULL || !channel_is_broken(shared->channel, shared->users == 0))
        return;
    slot->shared = NULL;
    if (shared->users == 0)
        shared_destroy(shared);
}

/* The least used connection; NULL: there is none. *empty: a slot where one can be made. */
static struct shared *pool_look(struct asof_client *client, struct slot **empty)
{
    struct shared *least = NULL;
    *empty = NULL;
    for (size_t i = 0; i < client->options.connections_max; i++) {
        struct slot *slot = &client->slots[i];
        slot_clean(slot);
        struct shared *shared = slot->shared;
        if (shared == NULL) {
            if (*empty == NULL && !slot->is_connecting)
                *empty = slot;
            continue;
        }
        if (shared->users == 0)
            return shared;
        if (least == NULL || shared->users < least->users)
            least = shared;
    }
    return least;
}

/* Fills an empty slot. The lock is given up meanwhile. */
static enum asof_code pool_connect(struct asof_client *client, struct slot *slot,
                                   struct patience *patience, struct shared **out,
                                   struct asof_error *error)
{
    struct channel *channel = NULL;
    slot->is_connecting = true;
    pthread_mutex_unlock(&client->lock);
    enum asof_code code =
        channel_open(&client->address, client->options.answer_size_max, patience,
                     (int64_t)client->options.connect_timeout_ms * 1000, &channel, error);
    pthread_mutex_lock(&client->lock);
    slot->is_connecting = false;
    pthread_cond_broadcast(&client->filled);
    if (code != ASOF_OK)
        return code;
    *out = slot->shared = calloc(1, sizeof(**out));
    CHECK(*out != NULL);
    (*out)->channel = channel;
    return ASOF_OK;
}

/* All connections are being made by others: waits until one is, or could not be. */
static enum asof_code pool_wait(struct asof_client *client, struct patience *patience,
                                struct asof_error *error)
{
    int64_t until_us = clock_mono_us() + POOL_LOOK_US;
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    pthread_cond_timedwait(&client->filled, &client->lock, &until);
    pthread_mutex_unlock(&client->lock);
    patience_ask(patience);
    pthread_mutex_lock(&client->lock);
    return patience_look(patience, error);
}

/* A connection for one call; to be given back by pool_release. */
static enum asof_code pool_take(struct asof_client *client, struct patience *patience,
                                struct shared **out, struct asof_error *error)
{
    enum asof_code code = ASOF_OK;
    *out = NULL;
    pthread_mutex_lock(&client->lock);
    while (code == ASOF_OK && *out == NULL) {
        struct slot *empty;
        struct shared *least = pool_look(client, &empty);
        if (least != NULL && (least->users == 0 || empty == NULL))
            *out = least;
        else if (empty != NULL)
            code = pool_connect(client, empty, patience, out, error);
        else
            code = pool_wait(client, patience, error);
    }
    if (code == ASOF_OK)
        (*out)->users++;
    pthread_mutex_unlock(&client->lock);
    return code;
}

static void pool_release(struct asof_client *client, struct shared *shared)
{
    bool is_in_slot = false;
    pthread_mutex_lock(&client->lock);
    CHECK(shared->users > 0);
    shared->users--;
    for (size_t i = 0; i < client->options.connections_max; i++)
        is_in_slot |= client->slots[i].shared == shared;
    bool is_last = shared->users == 0 && !is_in_slot;
    pthread_mutex_unlock(&client->lock);
    if (is_last)
        shared_destroy(shared);
}

/* ---- calls ---- */

/* One try. *is_safe: nothing of it reached the server. */
static enum asof_code try_once(struct asof_client *client, unsigned method, struct bytes request,
                               struct patience *patience, bool *is_safe,
                               struct asof_message **response, struct asof_error *error)
{
    struct channel_call call = {.method = method, .request = request, .patience = patience};
    struct shared *shared = NULL;
    *is_safe = true;
    enum asof_code code = pool_take(client, patience, &shared, error);
    if (code != ASOF_OK)
        return code;
    code = channel_run(shared->channel, &call, response, error);
    *is_safe = !call.has_left;
    pool_release(client, shared);
    return code;
}

/* Stands back before the next try. false: it is not worth it, or not wanted any more; *code says
 * which. */
static bool stand_back(const struct asof_options *options, struct patience *patience, int tries,
                       uint64_t *random, enum asof_code *code, struct asof_error *error)
{
    if (*code != ASOF_UNAVAILABLE || tries >= options->retries_max)
        return false;
    int64_t until_us = clock_mono_us() + backoff_us(options, tries, random);
    if (until_us >= patience->deadline_us)
        return false; /* its reason says more than that the deadline has passed */
    while (clock_mono_us() < until_us) {
        patience_ask(patience);
        enum asof_code now = patience_look(patience, error);
        if (now != ASOF_OK) {
            *code = now;
            return false;
        }
        patience_wait(patience, -1, 0, until_us);
    }
    return true;
}

static enum asof_code call_within(struct asof_client *client, unsigned method, struct bytes request,
                                  struct patience *patience, bool is_repeatable,
                                  struct asof_message **response, struct asof_error *error)
{
    uint64_t random = backoff_seed(patience); /* of the caller's stack */
    struct asof_message *answer = NULL;
    bool is_safe;
    enum asof_code code = client_check_process(client, error);
    if (code == ASOF_OK && request.size > ASOF_REQUEST_SIZE_MAX)
        code =
            failure_set(error, ASOF_RESOURCE_EXHAUSTED, "a request has at most %d bytes, got %zu",
                        ASOF_REQUEST_SIZE_MAX, request.size);
    if (code == ASOF_OK)
        code = patience_look(patience, error);
    if (code != ASOF_OK)
        return code;
    for (int tries = 0;; tries++) {
        code = try_once(client, method, request, patience, &is_safe, &answer, error);
        if (code == ASOF_OK || (!is_repeatable && !is_safe) ||
            !stand_back(&client->options, patience, tries, &random, &code, error))
            break;
    }
    if (code == ASOF_OK)
        *response = answer;
    return code;
}

enum asof_code asof_call(struct asof_client *client, unsigned method, struct asof_bytes request,
                         const struct asof_call_options *options, struct asof_message **response,
                         struct asof_error *error)
{
    struct patience patience;
    patience_begin(&patience, options, client->options.timeout_ms);
    return call_within(client, method, bytes_from(request), &patience,
                       options != NULL && options->is_repeatable, response, error);
}

enum asof_code asof_check(struct asof_client *client, const struct asof_call_options *options,
                          struct asof_error *error)
{
    static const char serving[] = {8, 1}; /* HealthCheckResponse: status SERVING */
    struct patience patience;
    struct asof_message *response = NULL;
    patience_begin(&patience, options, client->options.timeout_ms);
    enum asof_code code = call_within(client, ASOF_METHOD_HEALTH_CHECK, bytes_of(NULL, 0),
                                      &patience, true, &response, error);
    if (code == ASOF_OK &&
        !bytes_equal(message_bytes(response), bytes_of(serving, sizeof(serving))))
        code =
            failure_set(error, ASOF_UNAVAILABLE, "the server %s is stopping", client->address.text);
    asof_message_destroy(&response);
    return code;
}

enum asof_code asof_get(struct asof_client *client, struct asof_request *request,
                        const struct asof_call_options *options, struct asof_result **result,
                        struct asof_error *error)
{
    struct patience patience;
    struct asof_bytes message;
    struct asof_message *response = NULL;
    patience_begin(&patience, options, client->options.timeout_ms);
    enum asof_code code = asof_request_message(request, &message, error);
    if (code == ASOF_OK)
        code = call_within(client, ASOF_METHOD_GET_FEATURES, bytes_from(message), &patience, true,
                           &response, error);
    if (code == ASOF_OK)
        code = asof_result_create(&response, result, error);
    asof_message_destroy(&response);
    return code;
}

/* ---- pushes ---- */

static struct lane *lane_take(struct asof_client *client)
{
    pthread_mutex_lock(&client->lock);
    struct lane *lane = SLIST_FIRST(&client->lanes);
    unsigned number = client->lanes_count;
    if (lane != NULL)
        SLIST_REMOVE_HEAD(&client->lanes, link);
    else if (number < LANES_MAX)
        client->lanes_count++;
    pthread_mutex_unlock(&client->lock);
    if (lane == NULL && number < LANES_MAX) {
        lane = calloc(1, sizeof(*lane));
        CHECK(lane != NULL);
        snprintf(lane->producer, sizeof(lane->producer), "%s-%u", client->producer, number);
    }
    return lane;
}

static void lane_release(struct asof_client *client, struct lane *lane)
{
    pthread_mutex_lock(&client->lock);
    SLIST_INSERT_HEAD(&client->lanes, lane, link);
    pthread_mutex_unlock(&client->lock);
}

static enum asof_code push_within(struct asof_client *client, struct asof_push *push,
                                  struct patience *patience, struct lane *lane,
                                  struct asof_message **response, struct asof_error *error)
{
    struct bytes message;
    enum asof_code code = push_encode(push, lane == NULL ? NULL : lane->producer,
                                      lane == NULL ? 0 : ++lane->sequence, &message, error);
    if (code == ASOF_OK)
        code = call_within(client, ASOF_METHOD_PUSH, message, patience, true, response, error);
    return code;
}

enum asof_code asof_push_send(struct asof_client *client, struct asof_push *push,
                              const struct asof_call_options *options, uint64_t *events,
                              struct asof_error *error)
{
    struct patience patience;
    struct asof_message *response = NULL;
    struct lane *lane = NULL;
    uint64_t acknowledged = 0;
    patience_begin(&patience, options, client->options.timeout_ms);
    if (!push_has_producer(push)) {
        lane = lane_take(client);
        if (lane == NULL)
            return failure_set(error, ASOF_RESOURCE_EXHAUSTED,
                               "%d pushes of this client are under way", LANES_MAX);
    }
    enum asof_code code = push_within(client, push, &patience, lane, &response, error);
    if (lane != NULL)
        lane_release(client, lane);
    if (code == ASOF_OK)
        code = asof_pushed_events(response, &acknowledged, error);
    if (code == ASOF_OK && events != NULL)
        *events = acknowledged;
    asof_message_destroy(&response);
    return code;
}
