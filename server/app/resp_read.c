/* Hash commands: a key is a timeline, its fields are the features of the view at the session's
 * moment. */
#include "app/resp_call.h"
#include "base/number.h"
#include "base/suggest.h"
#include "base/time_text.h"

enum { FEATURES_SHOWN_BYTES = 700 }; /* of an error text that lists the features */

/* ---- what the commands are made of ---- */

enum status resp_read_find(struct resp_call *call, struct bytes key, struct target *target)
{
    struct error err = {0};
    enum status status = query_find(call->query, key, call->arena, target, &err);
    if (status == STATUS_NOT_FOUND)
        call->counters->entities_missed_total++;
    else if (status != STATUS_OK)
        resp_call_failed(call, status, &err);
    return status;
}

static void read_out_of_history(struct resp_call *call, const struct view_definition *view,
                                const struct text_answer *answer)
{
    char t[TIME_TEXT_SIZE];
    char history[DURATION_TEXT_SIZE];
    time_format(answer->t_us, t);
    duration_format(view->history_us, history);
    resp_call_error(call, "OUTOFHISTORY %.*s@%u keeps a history of %s; %s lies before it",
                    BYTES_ARGS(view->name), view->version, history, t);
}

void resp_read_count(struct resp_counters *counters, const struct text_answer *answer)
{
    if (answer->is_found)
        counters->entities_found_total++;
    else
        counters->entities_missed_total++;
    counters->overflows_total += answer->overflows_count;
}

bool resp_read_features(struct resp_call *call, const struct target *target,
                        const uint32_t *features, size_t features_count, struct moment moment,
                        struct text_answer *answer)
{
    struct error err = {0};
    enum status status = query_read_texts(call->query, target, features, features_count, moment,
                                          call->arena, answer, &err);
    if (status != STATUS_OK) {
        resp_call_failed(call, status, &err);
        return false;
    }
    if (answer->is_out_of_history) {
        read_out_of_history(call, answer->short_view == NULL ? target->view : answer->short_view,
                            answer);
        return false;
    }
    resp_read_count(call->counters, answer);
    return true;
}

static void read_unknown_feature(struct resp_call *call, const struct view_definition *view,
                                 struct bytes name)
{
    struct suggest suggest = {.name = name};
    struct buffer *list = call->scratch;
    size_t begin = list->size;
    for (size_t i = 0; i < view->features_count; i++) {
        struct bytes feature = view->features[i].name;
        suggest_consider(&suggest, feature);
        if (list->size - begin > FEATURES_SHOWN_BYTES)
            continue;
        bool is_last_shown = list->size - begin + feature.size > FEATURES_SHOWN_BYTES &&
                             i + 1 < view->features_count;
        buffer_format(list, "%s%.*s%s", i == 0 ? "" : ", ", BYTES_ARGS(feature),
                      is_last_shown ? ", ..." : "");
    }
    struct bytes shown = bytes_after(buffer_bytes(list), begin);
    char typed[NAME_SIZE_MAX + 1];
    char nearest[SUGGEST_TEXT_SIZE];
    resp_call_error(call, "ERR %.*s@%u has no feature '%s', only %.*s%s", BYTES_ARGS(view->name),
                    view->version, bytes_to_text(name, typed, sizeof(typed)), BYTES_ARGS(shown),
                    suggest_text(&suggest, nearest));
}

bool resp_read_names(struct resp_call *call, const struct view_definition *view,
                     const struct bytes *names, size_t count, uint32_t **features)
{
    *features = arena_allocate(call->arena, count * sizeof(**features));
    for (size_t i = 0; i < count; i++) {
        ssize_t index = feature_find(view, names[i]);
        if (index < 0) {
            read_unknown_feature(call, view, names[i]);
            return false;
        }
        (*features)[i] = (uint32_t)index;
    }
    return true;
}

/* Reads no feature, to know whether the entity is found: it is not where the key is outside all
 * views. false: replied. */
static bool read_is_found(struct resp_call *call, struct bytes key, bool *is_found)
{
    static const uint32_t none = 0;
    struct target target;
    struct text_answer answer;
    enum status status = resp_read_find(call, key, &target);
    *is_found = false;
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND;
    if (!resp_read_features(call, &target, &none, 0, call->moment, &answer))
        return false;
    *is_found = answer.is_found;
    return true;
}

/* Reads the whole hash; empty where the entity is not found. false: replied. */
static bool read_hash(struct resp_call *call, struct target *target, struct text_answer *answer)
{
    enum status status = resp_read_find(call, resp_call_argument(call, 1), target);
    *answer = (struct text_answer){0};
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND;
    if (!resp_read_features(call, target, NULL, 0, call->moment, answer))
        return false;
    if (!answer->is_found)
        answer->count = 0;
    return true;
}

static size_t answer_count_shown(const struct text_answer *answer)
{
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++)
        count += resp_text_is_shown(answer->texts[i]);
    return count;
}

/* ---- commands ---- */

/* Reads one named feature for HGET and HSTRLEN: none outside all views. false: replied. */
static bool read_one(struct resp_call *call, struct bytes *text)
{
    struct target target;
    struct text_answer answer;
    uint32_t *feature;
    enum status status = resp_read_find(call, resp_call_argument(call, 1), &target);
    *text = (struct bytes){0};
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND;
    if (!resp_read_names(call, target.view, &call->arguments[2], 1, &feature) ||
        !resp_read_features(call, &target, feature, 1, call->moment, &answer))
        return false;
    *text = answer.texts[0];
    return true;
}

void resp_read_hget(struct resp_call *call)
{
    struct bytes text;
    if (read_one(call, &text))
        resp_write_text_or_null(call->reply, text);
}

void resp_read_hstrlen(struct resp_call *call)
{
    struct bytes text;
    if (read_one(call, &text))
        resp_write_integer(call->reply, (int64_t)text.size);
}

void resp_read_hmget(struct resp_call *call)
{
    const struct bytes *names = &call->arguments[2];
    size_t count = call->count - 2;
    struct target target;
    struct text_answer answer;
    uint32_t *features;
    if (count > RESP_FIELDS_MAX) {
        resp_call_error(call, "ERR HMGET takes at most %d fields", RESP_FIELDS_MAX);
        return;
    }
    enum status status = resp_read_find(call, resp_call_argument(call, 1), &target);
    if (status == STATUS_NOT_FOUND) {
        resp_write_array(call->reply, count);
        for (size_t i = 0; i < count; i++)
            resp_write_null(call->reply);
        return;
    }
    if (status != STATUS_OK || !resp_read_names(call, target.view, names, count, &features) ||
        !resp_read_features(call, &target, features, count, call->moment, &answer))
        return;
    resp_write_texts(call->reply, answer.texts, count);
    resp_repeat_learn(call, &target, features, count);
}

/* HGETALL, HKEYS and HVALS differ in what they write of a field. */
void resp_read_hgetall(struct resp_call *call)
{
    bool has_names = bytes_equal_nocase(resp_call_argument(call, 0), "hgetall") ||
                     bytes_equal_nocase(resp_call_argument(call, 0), "hkeys");
    bool has_values = !bytes_equal_nocase(resp_call_argument(call, 0), "hkeys");
    struct target target;
    struct text_answer answer;
    if (!read_hash(call, &target, &answer))
        return;
    if (has_names && has_values)
        resp_write_map(call->reply, answer_count_shown(&answer));
    else
        resp_write_array(call->reply, answer_count_shown(&answer));
    for (size_t i = 0; i < answer.count; i++) {
        if (!resp_text_is_shown(answer.texts[i]))
            continue;
        if (has_names)
            resp_write_bulk(call->reply, target.view->features[i].name);
        if (has_values)
            resp_write_bulk(call->reply, answer.texts[i]);
    }
}

void resp_read_hlen(struct resp_call *call)
{
    struct target target;
    struct text_answer answer;
    if (read_hash(call, &target, &answer))
        resp_write_integer(call->reply, (int64_t)answer_count_shown(&answer));
}

void resp_read_hexists(struct resp_call *call)
{
    struct target target;
    struct text_answer answer;
    enum status status = resp_read_find(call, resp_call_argument(call, 1), &target);
    ssize_t index =
        status == STATUS_OK ? feature_find(target.view, resp_call_argument(call, 2)) : -1;
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return;
    if (index < 0) {
        resp_write_integer(call->reply, 0);
        return;
    }
    uint32_t feature = (uint32_t)index;
    if (!resp_read_features(call, &target, &feature, 1, call->moment, &answer))
        return;
    resp_write_integer(call->reply, answer.is_found && resp_text_is_shown(answer.texts[0]));
}

/* A key that is named twice counts twice, as in Redis. */
void resp_read_exists(struct resp_call *call)
{
    int64_t count = 0;
    if (call->count - 1 > RESP_FIELDS_MAX) {
        resp_call_error(call, "ERR EXISTS takes at most %d keys", RESP_FIELDS_MAX);
        return;
    }
    for (size_t i = 1; i < call->count; i++) {
        bool is_found;
        if (!read_is_found(call, resp_call_argument(call, i), &is_found))
            return;
        count += is_found;
    }
    resp_write_integer(call->reply, count);
}

void resp_read_type(struct resp_call *call)
{
    bool is_found;
    if (read_is_found(call, resp_call_argument(call, 1), &is_found))
        resp_write_simple(call->reply, is_found ? "hash" : "none");
}

/* There are only hashes: nil, or why not. */
void resp_read_get(struct resp_call *call)
{
    bool is_found;
    if (!read_is_found(call, resp_call_argument(call, 1), &is_found))
        return;
    if (is_found)
        resp_call_error(call,
                        "WRONGTYPE Operation against a key holding the wrong kind of value; a "
                        "view is a hash, use HGET, HMGET or HGETALL");
    else
        resp_write_null(call->reply);
}

/* MGET: nil for each key that is no string, as in Redis. */
void resp_read_mget(struct resp_call *call)
{
    resp_write_array(call->reply, call->count - 1);
    for (size_t i = 1; i < call->count; i++)
        resp_write_null(call->reply);
}

/* When the last value of a batch view's row expires; INT64_MAX: never, as with a timeline, whose
 * windows empty themselves. false: replied. */
static bool read_found_until(struct resp_call *call, struct answer *answer)
{
    struct target target;
    struct error err = {0};
    *answer = (struct answer){.found_until_us = INT64_MAX};
    enum status status = resp_read_find(call, resp_call_argument(call, 1), &target);
    if (status != STATUS_OK || target.view->kind != VIEW_BATCH)
        return status == STATUS_OK || status == STATUS_NOT_FOUND;
    status = query_read(call->query, &target, NULL, 0, call->moment, call->arena, answer, &err);
    if (status != STATUS_OK)
        resp_call_failed(call, status, &err);
    return status == STATUS_OK;
}

void resp_read_ttl(struct resp_call *call)
{
    enum { TTL_NONE = -1, TTL_NO_KEY = -2, US_IN_MS = 1000, MS_IN_SECOND = 1000 };
    bool is_ms = bytes_equal_nocase(resp_call_argument(call, 0), "pttl");
    struct answer answer;
    bool is_found;
    if (!read_is_found(call, resp_call_argument(call, 1), &is_found))
        return;
    if (!is_found) {
        resp_write_integer(call->reply, TTL_NO_KEY);
        return;
    }
    if (!read_found_until(call, &answer))
        return;
    int64_t left_ms = (answer.found_until_us - answer.t_us) / US_IN_MS;
    if (answer.found_until_us == INT64_MAX)
        resp_write_integer(call->reply, TTL_NONE);
    else
        resp_write_integer(call->reply,
                           is_ms ? left_ms : (left_ms + MS_IN_SECOND / 2) / MS_IN_SECOND);
}
