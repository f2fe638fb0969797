#include "app/operations.h"

#include "base/clock.h"
#include "base/number.h"
#include "base/time_text.h"
#include "query/diff.h"
#include "registry/json.h"

/* ---- what is typed ---- */

enum status operations_parse_version(struct bytes text, struct bytes *view, uint32_t *number,
                                     struct error *err)
{
    int64_t parsed = 0;
    char shown[2 * NAME_SIZE_MAX];
    const char *at = text.size == 0 ? NULL : memchr(text.data, '@', text.size);
    *view = bytes_of(text.data, at == NULL ? text.size : (size_t)(at - text.data));
    bool is_version = at != NULL &&
                      number_parse_int(bytes_after(text, view->size + 1), &parsed) == NUMBER_OK &&
                      parsed > 0 && parsed < UINT32_MAX;
    *number = (uint32_t)parsed;
    if (is_version)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID,
                     "'%s' is no version of a view; name one like this: view@2",
                     bytes_to_text(text, shown, sizeof(shown)));
}

bool operations_is_integer(struct bytes text)
{
    size_t begin = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    for (size_t i = begin; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.size > begin;
}

enum status operations_parse_moment(struct bytes text, struct moment *out, struct error *err)
{
    int64_t t_us = 0;
    char shown[TIME_TEXT_SIZE];
    bool is_now = bytes_equal_nocase(text, "now");
    bool is_number = operations_is_integer(text) && number_parse_int(text, &t_us) == NUMBER_OK &&
                     time_is_valid(t_us);
    if (!is_now && !is_number && !time_parse(text, &t_us))
        return error_set(err, STATUS_INVALID,
                         "T is now, an RFC 3339 time such as 2026-01-31T12:00:00Z, or microseconds "
                         "since 1970, in the years 1 to 9999, not '%s'",
                         bytes_to_text(text, shown, sizeof(shown)));
    *out = (struct moment){.is_now = is_now, .t_us = t_us};
    return STATUS_OK;
}

enum status operations_parse_replay(struct bytes text, int64_t *from_us, struct error *err)
{
    struct moment moment = {.t_us = TIME_MIN_US};
    enum status status = STATUS_OK;
    if (!bytes_equal_nocase(text, "earliest"))
        status = operations_parse_moment(text, &moment, err);
    *from_us = moment.is_now ? clock_now_us() : moment.t_us;
    return status;
}

/* ---- definitions ---- */

static const char *change_kind_name(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_NEW:
        return "new";
    case CHANGE_CHANGED:
        return "changed";
    case CHANGE_DESCRIBED:
        return "described";
    case CHANGE_UNCHANGED:
        return "unchanged";
    }
    return "";
}

/* What the fill of the change's version reads, where that is known. */
static void append_fill(struct stream *stream, const struct change *change, struct buffer *json)
{
    struct backfill backfill;
    struct error err = {0};
    if (change->filled_from.size == 0)
        return;
    buffer_format(json, ",\"is_first\":%s", change->is_first ? "true" : "false");
    if (change->is_replayed)
        return;
    if (stream_find_backfill(stream, change->filled_from, &backfill, &err) != STATUS_OK)
        return;
    buffer_append_text(json, ",\"backfill\":{\"source\":");
    json_append_string(json, change->filled_from);
    buffer_format(json, ",\"events\":%llu,\"bytes\":%llu",
                  (unsigned long long)backfill.events_count,
                  (unsigned long long)backfill.size_bytes);
    if (backfill.events_count > 0)
        buffer_format(json, ",\"from_us\":%lld", (long long)backfill.from_us);
    buffer_append_byte(json, '}');
}

void operations_append_changes(struct stream *stream, const struct registry_plan *plan,
                               struct buffer *json)
{
    buffer_append_text(json, "{\"changes\":[");
    for (size_t i = 0; i < plan->changes_count; i++) {
        const struct change *change = &plan->changes[i];
        buffer_format(json, "%s{\"change\":\"%s\",\"noun\":\"%s\",\"name\":", i == 0 ? "" : ",",
                      change_kind_name(change->kind), change->noun);
        json_append_string(json, change->name);
        buffer_format(json, ",\"version\":%u,\"detail\":", change->version);
        json_append_string(json, change->detail);
        append_fill(stream, change, json);
        buffer_append_byte(json, '}');
    }
    buffer_append_text(json, "]}");
}

void operations_append_fills(const struct stream *stream, struct arena *arena, struct buffer *json)
{
    struct fill_progress *fills =
        ARENA_NEW_ARRAY(arena, OPERATIONS_FILLS_MAX, struct fill_progress);
    size_t count = stream_fills(stream, fills, OPERATIONS_FILLS_MAX);
    buffer_append_byte(json, '[');
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(json, i == 0 ? "{\"view\":" : ",{\"view\":");
        json_append_string(json, fills[i].view);
        buffer_format(json, ",\"version\":%u,\"events_done\":%llu,\"events_total\":%llu}",
                      fills[i].version, (unsigned long long)fills[i].events_done,
                      (unsigned long long)fills[i].events_total);
    }
    buffer_append_byte(json, ']');
}

/* ---- diff ---- */

static enum status check_diff(const struct operations_diff *diff, struct error *err)
{
    struct bytes view;
    uint32_t number;
    enum status status = operations_parse_version(diff->left, &view, &number, err);
    if (status == STATUS_OK)
        status = operations_parse_version(diff->right, &view, &number, err);
    if (status != STATUS_OK)
        return status;
    if (diff->entities_count < 1 || diff->entities_count > OPERATIONS_DIFF_ENTITIES_MAX)
        return error_set(err, STATUS_INVALID, "a diff takes 1 to %d entities",
                         OPERATIONS_DIFF_ENTITIES_MAX);
    return STATUS_OK;
}

/* Finds the entity in the version that is named. */
static enum status find_entity(struct query *query, struct bytes version, struct bytes entity,
                               struct arena *arena, struct target *target, struct error *err)
{
    struct bytes key = arena_format(arena, "%.*s:%.*s", BYTES_ARGS(version), BYTES_ARGS(entity));
    return query_find(query, key, arena, target, err);
}

/* Adds one entity; the first that has a clock says what `now` is for all. */
static enum status add_entity(struct query *query, struct view_diff *result,
                              const struct operations_diff *diff, struct bytes entity,
                              struct moment *moment, struct arena *arena, struct error *err)
{
    struct target left;
    struct target right;
    enum status status = find_entity(query, diff->left, entity, arena, &left, err);
    if (status == STATUS_OK)
        status = find_entity(query, diff->right, entity, arena, &right, err);
    if (status != STATUS_OK)
        return status;
    if (result->left == NULL)
        view_diff_start(result, left.view, right.view, arena);
    bool has_clock =
        !view_kind_is_derived(left.view->kind); /* else those that it reads have some */
    if (moment->is_now && has_clock)
        *moment = (struct moment){.t_us = query_now_us(query, &left),
                                  .is_exclusive = moment->is_exclusive};
    return view_diff_add(result, query, &left, &right, *moment, entity, arena, err);
}

enum status operations_append_diff(struct query *query, const struct operations_diff *diff,
                                   struct arena *arena, struct buffer *json, struct error *err)
{
    struct view_diff result = {0};
    struct moment moment = diff->moment;
    enum status status = check_diff(diff, err);
    if (status != STATUS_OK)
        return status;
    bool is_pinned = query_is_pinned(query);
    if (!is_pinned)
        query_pin(query, true);
    for (size_t i = 0; i < diff->entities_count && status == STATUS_OK; i++) {
        status = add_entity(query, &result, diff, diff->entities[i], &moment, arena, err);
        if (status == STATUS_OK && !query_may_go_on(query))
            status = STATUS_CANCELLED;
    }
    if (!is_pinned)
        query_unpin(query);
    if (status != STATUS_OK)
        return status;
    if (moment.is_now)
        buffer_append_text(json, "{\"at\":null,\"diff\":");
    else
        buffer_format(json, "{\"at\":%lld,\"diff\":", (long long)moment.t_us);
    view_diff_append_json(&result, json);
    buffer_append_byte(json, '}');
    return STATUS_OK;
}

/* ---- dead letters ---- */

void operations_append_letter_result(const struct letter_result *result, struct buffer *json)
{
    buffer_format(json, "{\"done\":%zu,\"failed\":%zu,\"last\":%llu,\"has_more\":%s}",
                  result->done_count, result->failed_count, (unsigned long long)result->last,
                  result->has_more ? "true" : "false");
}
