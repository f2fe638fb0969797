/* Versions of views: which one is read, which one goes, how two of them differ. */
#include "app/resp_call.h"
#include "base/number.h"
#include "query/diff.h"

/* Splits "view@2"; false: replied. */
static bool take_version(struct resp_call *call, struct bytes word, struct bytes *view,
                         uint32_t *number)
{
    int64_t parsed = 0;
    char shown[2 * NAME_SIZE_MAX];
    const char *at = word.size == 0 ? NULL : memchr(word.data, '@', word.size);
    *view = bytes_of(word.data, at == NULL ? word.size : (size_t)(at - word.data));
    bool is_version = at != NULL &&
                      number_parse_int(bytes_after(word, view->size + 1), &parsed) == NUMBER_OK &&
                      parsed > 0 && parsed < UINT32_MAX;
    if (!is_version)
        resp_call_error(call, "ERR '%s' is no version of a view; name one like this: view@2",
                        bytes_to_text(word, shown, sizeof(shown)));
    *number = (uint32_t)parsed;
    return is_version;
}

/* Whether others' pushes are committed first, so that a failure of that is told to them. */
static bool must_commit(struct resp_call *call)
{
    call->is_batch_full = stream_is_dirty(call->stream);
    return call->is_batch_full;
}

static void reply(struct resp_call *call, enum status status, struct bytes view, uint32_t number,
                  const struct error *err)
{
    if (status != STATUS_OK) {
        resp_call_failed(call, status, err);
        return;
    }
    buffer_format(call->scratch, "%.*s@%u", BYTES_ARGS(view), number);
    resp_write_bulk(call->reply, buffer_bytes(call->scratch));
}

void resp_versions_promote(struct resp_call *call)
{
    struct bytes view;
    uint32_t number;
    struct error err = {0};
    bool is_forced = call->count == 3 && bytes_equal_nocase(resp_call_argument(call, 2), "force");
    if (must_commit(call) || !take_version(call, resp_call_argument(call, 1), &view, &number))
        return;
    if (call->count > 2 && !is_forced) {
        resp_call_syntax_error(call);
        return;
    }
    enum status status = stream_promote(call->stream, view, number, is_forced, &err);
    reply(call, status, view, number, &err);
}

void resp_versions_rollback(struct resp_call *call)
{
    uint32_t number = 0;
    struct error err = {0};
    struct bytes view = resp_call_argument(call, 1);
    if (must_commit(call))
        return;
    enum status status = stream_rollback(call->stream, view, &number, &err);
    reply(call, status, view, number, &err);
}

void resp_versions_drop(struct resp_call *call)
{
    struct bytes view;
    uint32_t number;
    struct error err = {0};
    if (must_commit(call) || !take_version(call, resp_call_argument(call, 1), &view, &number))
        return;
    enum status status = stream_drop(call->stream, view, number, &err);
    reply(call, status, view, number, &err);
}

/* ---- reading ---- */

/* Finds the entity in the version that word names; false: replied. */
static bool find_entity(struct resp_call *call, struct bytes word, struct bytes entity,
                        struct target *target)
{
    struct error err = {0};
    struct bytes key =
        arena_format(call->arena, "%.*s:%.*s", BYTES_ARGS(word), BYTES_ARGS(entity));
    enum status status = query_find(call->query, key, call->arena, target, &err);
    if (status != STATUS_OK)
        resp_call_failed(call, status, &err);
    return status == STATUS_OK;
}

/* Adds the entity of argument `index`, the first one of all at argument `first`; false: replied. */
static bool diff_add(struct resp_call *call, struct view_diff *diff, size_t index,
                     struct moment *moment)
{
    struct error err = {0};
    struct target left;
    struct target right;
    struct bytes entity = resp_call_argument(call, index);
    if (!find_entity(call, resp_call_argument(call, 1), entity, &left) ||
        !find_entity(call, resp_call_argument(call, 2), entity, &right))
        return false;
    if (diff->left == NULL)
        view_diff_start(diff, left.view, right.view, call->arena);
    bool has_clock = !view_kind_is_derived(left.view->kind); /* else those that it reads have some */
    if (moment->is_now && has_clock) /* one T for both, also where their clocks are two */
        *moment = (struct moment){.t_us = query_now_us(call->query, &left)};
    enum status status = view_diff_add(diff, call->query, &left, &right, *moment, entity,
                                       call->arena, &err);
    if (status != STATUS_OK)
        resp_call_failed(call, status, &err);
    return status == STATUS_OK;
}

static void diff_write(struct resp_call *call, const struct view_diff *diff,
                       const struct moment *moment)
{
    struct buffer *json = call->scratch;
    if (moment->is_now)
        buffer_append_text(json, "{\"at\":null,\"diff\":");
    else
        buffer_format(json, "{\"at\":%lld,\"diff\":", (long long)moment->t_us);
    view_diff_append_json(diff, json);
    buffer_append_byte(json, '}');
    resp_write_bulk(call->reply, buffer_bytes(json));
}

/* "view@1 view@2 [AT T] entity [entity ...]" */
void resp_versions_diff(struct resp_call *call)
{
    struct bytes view;
    uint32_t number;
    struct view_diff diff = {0};
    struct moment moment = call->moment;
    size_t first = 3;
    if (!take_version(call, resp_call_argument(call, 1), &view, &number) ||
        !take_version(call, resp_call_argument(call, 2), &view, &number))
        return;
    if (call->count > 4 && bytes_equal_nocase(resp_call_argument(call, 3), "at")) {
        if (!resp_call_moment(call, 4, &moment))
            return;
        first = 5;
    }
    if (first >= call->count || call->count - first > RESP_DIFF_ENTITIES_MAX) {
        resp_call_error(call, "ERR ASOF.DIFF takes 1 to %d entities", RESP_DIFF_ENTITIES_MAX);
        return;
    }
    bool is_pinned = query_is_pinned(call->query);
    if (!is_pinned)
        query_pin(call->query, true);
    bool is_done = true;
    for (size_t i = first; i < call->count && is_done; i++)
        is_done = diff_add(call, &diff, i, &moment);
    if (!is_pinned)
        query_unpin(call->query);
    if (is_done)
        diff_write(call, &diff, &moment);
}

static void emit_entity(void *context, struct bytes entity)
{
    struct buffer *list = context;
    uint32_t size = (uint32_t)entity.size;
    buffer_append(list, bytes_of((const char *)&size, sizeof(size)));
    buffer_append(list, entity);
}

/* Writes what emit_entity collected as an array. */
static void entities_write(struct resp_call *call, struct bytes list)
{
    uint32_t size;
    size_t count = 0;
    for (struct bytes left = list; left.size > 0; count++) {
        memcpy(&size, left.data, sizeof(size));
        left = bytes_after(left, sizeof(size) + size);
    }
    resp_write_array(call->reply, count);
    while (list.size > 0) {
        memcpy(&size, list.data, sizeof(size));
        resp_write_bulk(call->reply, bytes_of(list.data + sizeof(size), size));
        list = bytes_after(list, sizeof(size) + size);
    }
}

/* "view@1 [AFTER entity] [COUNT n]" */
void resp_versions_entities(struct resp_call *call)
{
    struct error err = {0};
    struct bytes after = {0};
    int64_t count = RESP_ENTITIES_MAX;
    for (size_t i = 2; i < call->count; i += 2) {
        bool has_value = i + 1 < call->count;
        if (has_value && bytes_equal_nocase(resp_call_argument(call, i), "after")) {
            after = resp_call_argument(call, i + 1);
        } else if (has_value && bytes_equal_nocase(resp_call_argument(call, i), "count")) {
            if (!resp_call_integer(call, i + 1, &count))
                return;
        } else {
            resp_call_syntax_error(call);
            return;
        }
    }
    if (count < 1 || count > RESP_ENTITIES_MAX) {
        resp_call_error(call, "ERR COUNT is 1 to %d", RESP_ENTITIES_MAX);
        return;
    }
    enum status status =
        query_list_entities(call->query, resp_call_argument(call, 1), after, (size_t)count,
                            call->arena, emit_entity, call->scratch, &err);
    if (status == STATUS_OK)
        entities_write(call, buffer_bytes(call->scratch));
    else
        resp_call_failed(call, status, &err);
}
