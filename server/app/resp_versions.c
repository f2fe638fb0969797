/* Versions of views: which one is read, which one goes, how two of them differ. */
#include "app/resp_call.h"

/* Splits "view@2"; false: replied. */
static bool take_version(struct resp_call *call, struct bytes word, struct bytes *view,
                         uint32_t *number)
{
    struct error err = {0};
    enum status status = operations_parse_version(word, view, number, &err);
    if (status != STATUS_OK)
        resp_call_failed(call, status, &err);
    return status == STATUS_OK;
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

/* "view@1 view@2 [AT T] entity [entity ...]" */
void resp_versions_diff(struct resp_call *call)
{
    struct error err = {0};
    size_t first = 3;
    struct operations_diff diff = {.left = resp_call_argument(call, 1),
                                   .right = resp_call_argument(call, 2),
                                   .moment = call->moment};
    if (call->count > 4 && bytes_equal_nocase(resp_call_argument(call, 3), "at")) {
        if (!resp_call_moment(call, 4, &diff.moment))
            return;
        first = 5;
    }
    diff.entities = &call->arguments[first];
    diff.entities_count = call->count - first;
    enum status status =
        operations_append_diff(call->query, &diff, call->arena, call->scratch, &err);
    if (status == STATUS_OK)
        resp_write_bulk(call->reply, buffer_bytes(call->scratch));
    else
        resp_call_failed(call, status, &err);
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
    int64_t count = OPERATIONS_ENTITIES_MAX;
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
    if (count < 1 || count > OPERATIONS_ENTITIES_MAX) {
        resp_call_error(call, "ERR COUNT is 1 to %d", OPERATIONS_ENTITIES_MAX);
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
