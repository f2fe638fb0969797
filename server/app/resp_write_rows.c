/* HSET and its like: writes of batch views, on the writer's thread. */
#include "app/resp_call.h"

/* Replies why a write was not taken; no event of a push is named, there is one write. */
static void write_refuse(struct resp_call *call, enum status status, const struct error *err)
{
    if (status == STATUS_INVALID || status == STATUS_LIMIT)
        resp_call_error(call, "REFUSED %s", err->text);
    else
        resp_call_failed(call, status, err);
}

/* Writes into the open batch. false: replied with the error, or the batch must be committed first.
 */
static bool write_take(struct resp_call *call, const struct row_write *writes, size_t count,
                       size_t *changed_count)
{
    struct error err = {0};
    enum status status =
        stream_write_rows(call->stream, writes, count, call->arena, changed_count, &err);
    call->is_batch_full = status == STATUS_AGAIN;
    call->has_pushed = status == STATUS_OK;
    if (status != STATUS_OK && status != STATUS_AGAIN)
        write_refuse(call, status, &err);
    return status == STATUS_OK;
}

/* Whether some version of the view has the feature: the next one is written before it is promoted.
 */
static bool is_known(struct resp_call *call, struct bytes view_name, struct bytes feature)
{
    const struct view *view = registry_find_view(stream_registry(call->stream), view_name);
    for (size_t i = 0; i < view->versions_count; i++)
        if (view->versions[i].state != VERSION_DROPPING &&
            feature_find(view->versions[i].definition, feature) >= 0)
            return true;
    return false;
}

/* Whether the key names a batch view with all of these features; false: replied. step is how many
 * arguments a feature has. */
static bool write_check(struct resp_call *call, const struct row_write *write, size_t step)
{
    const struct view_definition *view;
    struct bytes entity;
    struct error err = {0};
    uint32_t *feature;
    if (write->fields_count > RESP_FIELDS_MAX) {
        resp_call_error(call, "ERR a write names at most %d features", RESP_FIELDS_MAX);
        return false;
    }
    enum status status = stream_find_batch_view(call->stream, write->key, &view, &entity, &err);
    if (status != STATUS_OK) {
        resp_call_failed(call, status, &err);
        return false;
    }
    for (size_t i = 0; i < write->fields_count; i++) {
        const struct bytes *name = &write->fields[i * step];
        if (!is_known(call, view->name, *name) && !resp_read_names(call, view, name, 1, &feature))
            return false;
    }
    return true;
}

/* HSET and HMSET, which differ in their reply. */
void resp_write_hset(struct resp_call *call)
{
    struct row_write write = {.key = resp_call_argument(call, 1),
                              .change = ROW_SET,
                              .fields = &call->arguments[2],
                              .fields_count = (call->count - 2) / 2,
                              .moment = {.is_now = true}};
    size_t changed_count;
    if (call->count % 2 != 0) {
        resp_call_wrong_count(call);
        return;
    }
    if (!write_check(call, &write, 2) || !write_take(call, &write, 1, &changed_count))
        return;
    if (bytes_equal_nocase(resp_call_argument(call, 0), "hmset"))
        resp_write_simple(call->reply, "OK");
    else
        resp_write_integer(call->reply, (int64_t)changed_count);
}

/* ASOF.SET key AT T field value [field value ...] */
void resp_write_set_at(struct resp_call *call)
{
    struct row_write write = {.key = resp_call_argument(call, 1),
                              .change = ROW_SET,
                              .fields = &call->arguments[4],
                              .fields_count = (call->count - 4) / 2};
    size_t changed_count;
    if (call->count % 2 != 0 || !bytes_equal_nocase(resp_call_argument(call, 2), "at")) {
        resp_call_syntax_error(call);
        return;
    }
    if (resp_call_moment(call, 3, &write.moment) && write_check(call, &write, 2) &&
        write_take(call, &write, 1, &changed_count))
        resp_write_simple(call->reply, "OK");
}

void resp_write_hdel(struct resp_call *call)
{
    struct row_write write = {.key = resp_call_argument(call, 1),
                              .change = ROW_EMPTY,
                              .fields = &call->arguments[2],
                              .fields_count = call->count - 2,
                              .moment = {.is_now = true}};
    size_t changed_count;
    if (write_check(call, &write, 1) && write_take(call, &write, 1, &changed_count))
        resp_write_integer(call->reply, (int64_t)changed_count);
}

/* DEL and UNLINK. What is outside all views is not there, as in Redis. */
void resp_write_del(struct resp_call *call)
{
    size_t count = call->count - 1;
    size_t changed_count;
    if (count > RESP_FIELDS_MAX) {
        resp_call_error(call, "ERR DEL takes at most %d keys", RESP_FIELDS_MAX);
        return;
    }
    struct row_write *writes = ARENA_NEW_ARRAY(call->arena, count, struct row_write);
    for (size_t i = 0; i < count; i++)
        writes[i] = (struct row_write){.key = resp_call_argument(call, 1 + i),
                                       .change = ROW_DELETE,
                                       .moment = {.is_now = true}};
    if (write_take(call, writes, count, &changed_count))
        resp_write_integer(call->reply, (int64_t)changed_count);
}
