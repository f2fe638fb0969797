#include "pusher.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
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
    NOTICE_SIZE = ERROR_TEXT_SIZE + 128,
};

struct pusher {
    const struct pusher_config *config;
    struct pusher_result *result;
    struct lane lanes[PUSHER_LANES_MAX];      /* a lane with an empty batch is free */
    struct lane *under_way[PUSHER_LANES_MAX]; /* in the order of their requests */
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
    /* Replies come in the file's order, so a second refusal lies behind the first, unless the
     * reader stopped ahead of what was under way. */
    bool is_behind = pusher->result->is_stopped && line > pusher->result->stop_line;
    if (!is_behind)
        stop_at(pusher, line, reason);
    lane_cut(lane, is_behind ? lane->start : index);
    return STATUS_OK;
}

/* ---- requests ---- */

static void send_lane(struct pusher *pusher, struct lane *lane)
{
    struct error ignored;
    size_t words_count;
    const struct bytes *words = lane_request(lane, pusher->config->source, &words_count);
    /* Where this fails, waiting for the reply does too; recovery is done there, in one place. */
    enum status status = remote_send(pusher->config->remote, words, words_count, &ignored);
    (void)status;
}

/* Sends the lane's next push, or frees it. */
static void continue_lane(struct pusher *pusher, struct lane *lane)
{
    uint64_t *offset = &pusher->result->counts.offset;
    if (lane_advance(lane)) {
        CHECK(pusher->under_way_count < PUSHER_LANES_MAX);
        pusher->under_way[pusher->under_way_count++] = lane;
        send_lane(pusher, lane);
    } else if (lane->batch.end_offset > *offset) {
        *offset = lane->batch.end_offset;
    }
}

static struct lane *find_free_lane(struct pusher *pusher)
{
    for (size_t i = 0; i < pusher->config->lanes_count; i++)
        if (pusher->lanes[i].batch.count == 0)
            return &pusher->lanes[i];
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
        status = remote_reopen(pusher->config->remote, err);
    }
    for (size_t i = 0; i < pusher->under_way_count; i++)
        send_lane(pusher, pusher->under_way[i]);
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

static struct lane *take_first(struct pusher *pusher)
{
    struct lane *lane = pusher->under_way[0];
    pusher->under_way_count--;
    memmove(pusher->under_way, pusher->under_way + 1,
            pusher->under_way_count * sizeof(pusher->under_way[0]));
    return lane;
}

/* Does what the reply to the first push under way says. AGAIN and IO: the server can't now. */
static enum status settle(struct pusher *pusher, const struct redisReply *reply, struct error *err)
{
    struct lane *lane = pusher->under_way[0];
    enum status status = remote_reply_status(reply, err);
    if (status == STATUS_AGAIN || status == STATUS_IO)
        return status;

    if (pusher->trouble_mono_us != 0)
        notice(pusher, "the server is back; what was not acknowledged was sent again");
    pusher->trouble_mono_us = 0;
    if (status == STATUS_INVALID && strncmp(reply->str, "REFUSED ", strlen("REFUSED ")) == 0)
        status = refuse(pusher, lane, reply->str + strlen("REFUSED "), err);
    else if (status == STATUS_OK && reply->type != REDIS_REPLY_INTEGER)
        status = error_set(err, STATUS_CORRUPT, "the server's answer to ASOF.PUSH is no number");
    else if (status == STATUS_OK)
        acknowledge(pusher, lane);
    if (status != STATUS_OK)
        return status;
    continue_lane(pusher, take_first(pusher));
    return STATUS_OK;
}

static enum status receive(struct pusher *pusher, struct error *err)
{
    struct redisReply *reply = NULL;
    enum status status = remote_receive(pusher->config->remote, &reply, err);
    bool is_broken = status != STATUS_OK;
    if (!is_broken)
        status = settle(pusher, reply, err);
    remote_free_reply(&reply);

    /* A server that can't write now is treated as one that is away: order is kept that way. */
    if (is_broken || status == STATUS_AGAIN || status == STATUS_IO)
        status = recover(pusher, err);
    return status;
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
        struct lane *lane = find_free_lane(pusher);
        bool is_busy = pusher->under_way_count > 0;
        if (pusher->is_reading && lane != NULL && (!is_busy || events_are_ready(config->events))) {
            status = fill_lane(pusher, lane, err);
            if (status == STATUS_OK)
                continue_lane(pusher, lane);
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
        const struct lane *lane = pusher->under_way[i];
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
        lane_init(&pusher->lanes[i], producer);
    }

    enum status status = run(pusher, err);
    count_unknown(pusher);
    bool is_read_to_end =
        pusher->reading_status == STATUS_OK || pusher->reading_status == STATUS_NOT_FOUND;
    if (status == STATUS_OK && !result->is_stopped && !is_read_to_end) {
        status = pusher->reading_status;
        if (err != NULL)
            *err = pusher->reading_error;
    }
    for (size_t i = 0; i < config->lanes_count; i++)
        lane_fini(&pusher->lanes[i]);
    free(pusher);
    return status;
}
