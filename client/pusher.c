#include "pusher.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/time_text.h"
#include "interrupt.h"
#include "lane.h"

enum {
    BACKOFF_MIN_US = 100 * 1000,
    BACKOFF_MAX_US = 2 * 1000 * 1000,
    RANDOM_SIZE = (LANE_PRODUCER_SIZE - 1) / 2,
    MS_PER_S = 1000,
    NOTICE_SIZE = ERROR_TEXT_SIZE + 128,
};

/* A lane and the reply to its push under way, which may come ahead of those before it. */
struct sender {
    struct lane lane; /* free where its batch is empty */
    bool has_reply;
    struct asof_error reply; /* ASOF_OK: acknowledged */
};

struct pusher {
    const struct pusher_config *config;
    struct pusher_result *result;
    struct asof_async *async; /* owned; NULL: there is no connection */
    struct asof_push *push;   /* owned: each request in its turn */
    struct sender senders[PUSHER_LANES_MAX];
    struct sender *under_way[PUSHER_LANES_MAX]; /* in the order of their requests */
    size_t under_way_count;
    bool is_reading;            /* the file may have more to be sent */
    enum status reading_status; /* why it ended, where not by the end of the file */
    struct error reading_error;
    int64_t trouble_mono_us; /* since when the server is away; 0: it is there */
    int64_t backoff_us;      /* before it is tried the next time */
};

static void make_producer(char producer[LANE_PRODUCER_SIZE])
{
    unsigned char bytes[RANDOM_SIZE];
    CHECK(getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(producer + 2 * i, 3, "%02x", (unsigned)bytes[i]);
}

/* ---- refusals ---- */

static void stop_at(struct pusher *pusher, uint64_t line, const char *reason)
{
    struct pusher_result *result = pusher->result;
    pusher->is_reading = false;
    result->is_stopped = true;
    result->stop_line = line;
    error_set(&result->stop_reason, STATUS_INVALID, "%s", reason);
}

static enum status tell_refusal(struct pusher *pusher, const struct refusal *refusal,
                                struct error *err)
{
    pusher->result->counts.refused++;
    return pusher->config->refused(pusher->config->context, refusal, err);
}

/* An event that the reader rejected already. */
static enum status refuse_here(struct pusher *pusher, const struct event *event, struct error *err)
{
    if (pusher->config->refused == NULL) {
        stop_at(pusher, event->line, event->rejection);
        return STATUS_OK;
    }
    struct refusal refusal = {.line = event->line,
                              .reason = event->rejection,
                              .raw = event->raw,
                              .is_cut = event->is_cut};
    return tell_refusal(pusher, &refusal, err);
}

/* Splits "event 3: field 'amount': ..." (from 1). 0: it names no event. */
static size_t parse_refusal(const char *text, const char **reason)
{
    size_t number = 0;
    int end = 0;
    if (sscanf(text, "event %zu: %n", &number, &end) != 1 || end == 0)
        return 0;
    *reason = text + end;
    return number;
}

/* Whether the push was refused because of one of its events. */
static bool names_event(const struct asof_error *reply)
{
    const char *reason;
    return (reply->code == ASOF_INVALID_ARGUMENT || reply->code == ASOF_RESOURCE_EXHAUSTED) &&
           parse_refusal(reply->text, &reason) > 0;
}

static enum status refuse(struct pusher *pusher, struct lane *lane, const char *sentence,
                          struct error *err)
{
    const char *reason = NULL;
    size_t index = lane_refuse(lane, parse_refusal(sentence, &reason));
    if (index == SIZE_MAX)
        return error_set(err, STATUS_INVALID, "%s", sentence);

    uint64_t line = lane->batch.events[index].line;
    if (pusher->config->refused != NULL) {
        struct refusal refusal = {
            .line = line, .reason = reason, .raw = batch_raw(&lane->batch, index)};
        return tell_refusal(pusher, &refusal, err);
    }
    /* Replies are taken in the file's order, so a second refusal lies behind the first, unless the
     * reader stopped ahead of what was under way. */
    bool is_behind = pusher->result->is_stopped && line > pusher->result->stop_line;
    if (!is_behind)
        stop_at(pusher, line, reason);
    lane_cut(lane, is_behind ? lane->start : index);
    return STATUS_OK;
}

/* ---- requests ---- */

/* Ends a call, in whatever order they end. */
static void take_reply(void *context, struct asof_message *message,
                       const struct asof_error *failure)
{
    struct sender *sender = context;
    sender->has_reply = true;
    sender->reply = *failure;
    asof_message_destroy(&message);
}

static void fail(struct sender *sender, enum asof_code code, const char *text)
{
    sender->has_reply = true;
    sender->reply.code = code;
    snprintf(sender->reply.text, sizeof(sender->reply.text), "%s", text);
}

/* Where this fails it is as if the reply said so: what is to be done about it is done in one place.
 */
static void send_push(struct pusher *pusher, struct sender *sender)
{
    static const struct asof_call_options options = {.timeout_ms = REMOTE_REPLY_S * MS_PER_S};
    struct asof_error failure;
    sender->has_reply = false;
    if (pusher->async == NULL) {
        fail(sender, ASOF_UNAVAILABLE, "there is no connection");
        return;
    }
    lane_request(&sender->lane, pusher->push);
    if (asof_async_push(pusher->async, pusher->push, &options, take_reply, sender, NULL,
                        &failure) != ASOF_OK)
        fail(sender, failure.code, failure.text);
}

/* Sends the lane's next push, or frees it. */
static void continue_lane(struct pusher *pusher, struct sender *sender)
{
    uint64_t *offset = &pusher->result->counts.offset;
    if (lane_advance(&sender->lane)) {
        CHECK(pusher->under_way_count < PUSHER_LANES_MAX);
        pusher->under_way[pusher->under_way_count++] = sender;
        send_push(pusher, sender);
    } else if (sender->lane.batch.end_offset > *offset) {
        *offset = sender->lane.batch.end_offset;
    }
}

static struct sender *find_free(struct pusher *pusher)
{
    for (size_t i = 0; i < pusher->config->lanes_count; i++)
        if (pusher->senders[i].lane.batch.count == 0)
            return &pusher->senders[i];
    return NULL;
}

/* Reads events into the lane's batch until it is full, or the next one would have to be waited
 * for: what comes slowly through a pipe is not held back. */
static enum status fill_lane(struct pusher *pusher, struct lane *lane, struct error *err)
{
    const struct pusher_config *config = pusher->config;
    struct event event;
    while (pusher->is_reading && batch_has_room(&lane->batch, config->batch_events)) {
        if (lane->batch.count > 0 && !events_are_ready(config->events))
            break;
        enum status status = events_next(config->events, &event, &pusher->reading_error);
        if (status != STATUS_OK) {
            pusher->is_reading = false;
            pusher->reading_status = status;
            break;
        }
        if (event.rejection == NULL)
            batch_add(&lane->batch, &event);
        else
            status = refuse_here(pusher, &event, err);
        if (status != STATUS_OK)
            return status;
        pusher->result->last_line = event.line;
    }
    return STATUS_OK;
}

/* ---- the connection's trouble ---- */

/* Gives up the connection, and what is under way on it, and makes another. */
static enum status connect_again(struct pusher *pusher, struct error *err)
{
    static const struct asof_options options = {.connect_timeout_ms = REMOTE_CONNECT_S * MS_PER_S,
                                                .retries_max = -1};
    struct asof_error failure;
    struct remote *remote = pusher->config->remote;
    asof_async_destroy(&pusher->async);
    enum status status = remote_check(remote, err);
    if (status == STATUS_OK &&
        asof_async_create(remote_address(remote), &options, &pusher->async, &failure) != ASOF_OK)
        status = error_set(err, STATUS_UNAVAILABLE, "%s", failure.text);
    return status;
}

static void notice(struct pusher *pusher, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void notice(struct pusher *pusher, const char *format, ...)
{
    char sentence[NOTICE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    pusher->config->noticed(pusher->config->context, sentence);
}

static bool is_time_over(const struct pusher *pusher)
{
    return clock_mono_us() - pusher->trouble_mono_us >= pusher->config->retry_us;
}

/* Connects again and sends again, in the old order, all that has no reply. What the server took
 * already it acknowledges without effect. err says what went wrong and, in the end, that it did. */
static enum status recover(struct pusher *pusher, struct error *err)
{
    int64_t retry_s = pusher->config->retry_us / US_PER_SECOND;
    enum status status = STATUS_UNAVAILABLE;

    if (pusher->trouble_mono_us == 0) {
        pusher->trouble_mono_us = clock_mono_us();
        pusher->backoff_us = BACKOFF_MIN_US;
        if (retry_s > 0)
            notice(pusher, "%s; trying again for %" PRId64 " s", err->text, retry_s);
    }
    while (status != STATUS_OK) {
        if (interrupt_came())
            return error_set(err, STATUS_CANCELLED, "interrupted while the server was away");
        if (is_time_over(pusher))
            return error_prefix(err, STATUS_UNAVAILABLE, "gave up after %" PRId64 " s", retry_s);
        interrupt_sleep(pusher->backoff_us);
        pusher->backoff_us =
            2 * pusher->backoff_us < BACKOFF_MAX_US ? 2 * pusher->backoff_us : BACKOFF_MAX_US;
        status = connect_again(pusher, err);
    }
    for (size_t i = 0; i < pusher->under_way_count; i++)
        send_push(pusher, pusher->under_way[i]);
    return STATUS_OK;
}

/* ---- replies ---- */

static void acknowledge(struct pusher *pusher, struct lane *lane)
{
    struct pusher_result *result = pusher->result;
    uint64_t first = lane->batch.events[lane->start].line;
    uint64_t last = lane->batch.events[lane->end - 1].line;
    size_t count = lane_acknowledge(lane);

    result->counts.acknowledged += count;
    if (!result->is_stopped || first < result->stop_line)
        return;
    if (result->behind == 0 || first < result->behind_first_line)
        result->behind_first_line = first;
    if (last > result->behind_last_line)
        result->behind_last_line = last;
    result->behind += count;
}

static struct sender *take_first(struct pusher *pusher)
{
    struct sender *sender = pusher->under_way[0];
    pusher->under_way_count--;
    memmove(pusher->under_way, pusher->under_way + 1,
            pusher->under_way_count * sizeof(pusher->under_way[0]));
    return sender;
}

/* A server that is gone, or can't write now: nothing is known of the push but that it may be sent
 * again. */
static bool is_trouble(const struct asof_error *reply)
{
    enum asof_code code = reply->code;
    if (names_event(reply))
        return false;
    return code == ASOF_UNAVAILABLE || code == ASOF_DEADLINE_EXCEEDED || code == ASOF_UNKNOWN ||
           code == ASOF_CANCELLED || code == ASOF_RESOURCE_EXHAUSTED;
}

/* Does what the reply to the first push under way says, which is none of trouble. */
static enum status settle(struct pusher *pusher, struct error *err)
{
    struct sender *sender = pusher->under_way[0];
    enum status status = STATUS_OK;
    if (pusher->trouble_mono_us != 0)
        notice(pusher, "the server is back; what was not acknowledged was sent again");
    pusher->trouble_mono_us = 0;
    if (sender->reply.code == ASOF_OK)
        acknowledge(pusher, &sender->lane);
    else if (names_event(&sender->reply))
        status = refuse(pusher, &sender->lane, sender->reply.text, err);
    else
        status = remote_failed(pusher->config->remote, &sender->reply, err);
    if (status == STATUS_OK)
        continue_lane(pusher, take_first(pusher));
    return status;
}

/* Waits for the reply to the first push under way, or for a signal. */
static void wait_for_reply(struct pusher *pusher)
{
    struct pollfd readable = {.fd = asof_async_fd(pusher->async), .events = POLLIN};
    if (poll(&readable, 1, -1) > 0)
        asof_async_process(pusher->async);
}

/* A push that the server can't take now is treated as one that it never had: order is kept that
 * way.
 */
static enum status receive(struct pusher *pusher, struct error *err)
{
    struct sender *first = pusher->under_way[0];
    if (!first->has_reply) {
        wait_for_reply(pusher);
        return STATUS_OK;
    }
    if (!is_trouble(&first->reply))
        return settle(pusher, err);
    error_set(err, STATUS_UNAVAILABLE, "%s", first->reply.text);
    return recover(pusher, err);
}

/* ---- the whole ---- */

static enum status run(struct pusher *pusher, struct error *err)
{
    const struct pusher_config *config = pusher->config;
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        if (interrupt_came() && pusher->is_reading) {
            pusher->is_reading = false;
            pusher->reading_status = STATUS_CANCELLED;
        }
        struct sender *sender = find_free(pusher);
        bool is_busy = pusher->under_way_count > 0;
        if (pusher->is_reading && sender != NULL &&
            (!is_busy || events_are_ready(config->events))) {
            status = fill_lane(pusher, &sender->lane, err);
            if (status == STATUS_OK)
                continue_lane(pusher, sender);
        } else if (is_busy) {
            status = receive(pusher, err);
        } else {
            break;
        }
        config->progressed(config->context, &pusher->result->counts);
    }
    return status;
}

static void count_unknown(const struct pusher *pusher)
{
    struct pusher_result *result = pusher->result;
    for (size_t i = 0; i < pusher->under_way_count; i++) {
        const struct lane *lane = &pusher->under_way[i]->lane;
        uint64_t first = lane->batch.events[lane->start].line;
        if (result->unknown == 0 || first < result->unknown_first_line)
            result->unknown_first_line = first;
        result->unknown += lane->end - lane->start;
    }
}

enum status pusher_run(const struct pusher_config *config, struct pusher_result *result,
                       struct error *err)
{
    CHECK(config->lanes_count >= 1);
    CHECK(config->lanes_count <= PUSHER_LANES_MAX);
    struct pusher *pusher = calloc(1, sizeof(*pusher));
    CHECK(pusher != NULL);
    *result = (struct pusher_result){0};
    *pusher = (struct pusher){.config = config, .result = result, .is_reading = true};
    for (size_t i = 0; i < config->lanes_count; i++) {
        char producer[LANE_PRODUCER_SIZE];
        make_producer(producer);
        lane_init(&pusher->senders[i].lane, producer);
    }

    pusher->push = asof_push_create(config->source);
    enum status status = connect_again(pusher, err);
    if (status == STATUS_OK)
        status = run(pusher, err);
    asof_async_destroy(&pusher->async);
    asof_push_destroy(&pusher->push);
    count_unknown(pusher);
    bool is_read_to_end =
        pusher->reading_status == STATUS_OK || pusher->reading_status == STATUS_NOT_FOUND;
    if (status == STATUS_OK && !result->is_stopped && !is_read_to_end) {
        status = pusher->reading_status;
        if (err != NULL)
            *err = pusher->reading_error;
    }
    for (size_t i = 0; i < config->lanes_count; i++)
        lane_fini(&pusher->senders[i].lane);
    free(pusher);
    return status;
}
