/* The methods of Registry: definitions and their versions. */
#include "app/operations.h"
#include "app/rpc_call.h"
#include "protocol/rpc_message.h"
#include "protocol/rpc_operation_message.h"

/* ---- definitions ---- */

/* As in Change.Kind of registry.proto. */
static unsigned change_number(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_NEW:
        return 1;
    case CHANGE_CHANGED:
        return 2;
    case CHANGE_DESCRIBED:
        return 3;
    case CHANGE_UNCHANGED:
        return 4;
    }
    return 0;
}

static void plan_append(struct rpc_work *work, const struct registry_plan *plan)
{
    for (size_t i = 0; i < plan->changes_count; i++) {
        const struct change *change = &plan->changes[i];
        const struct rpc_change answer = {.kind = change_number(change->kind),
                                          .noun = change->noun,
                                          .name = change->name,
                                          .version = change->version,
                                          .detail = change->detail};
        rpc_change_append(&answer, work->scratch, work->reply);
    }
    buffer_reset(work->scratch, SIZE_MAX);
    operations_append_changes(work->stream, plan, work->scratch);
    rpc_plan_json_append(buffer_bytes(work->scratch), work->reply);
}

/* Plans what the request has, or applies it too. */
static enum status run_plan(struct rpc_work *work, bool is_applied, struct error *err)
{
    const struct rpc_file *named = NULL;
    struct registry_plan plan = {0};
    size_t count;
    bool is_promoting;
    enum status status = rpc_plan_parse(work->request, DEFINITION_FILES_MAX, work->arena, &named,
                                        &count, &is_promoting, err);
    if (status != STATUS_OK)
        return status;
    struct definition_file *files = ARENA_NEW_ARRAY(work->arena, count, struct definition_file);
    for (size_t i = 0; i < count; i++)
        files[i] = (struct definition_file){.name = named[i].name, .text = named[i].text};
    status = is_applied
                 ? stream_apply(work->stream, files, count, is_promoting, work->arena, &plan, err)
                 : stream_plan(work->stream, files, count, work->arena, &plan, err);
    if (status == STATUS_OK)
        plan_append(work, &plan);
    return status;
}

enum status rpc_registry_plan(struct rpc_work *work, struct error *err)
{
    return run_plan(work, false, err);
}

/* Here and below: what others pushed is committed before, so that a failure of that is told to them
 * and not to us. */
enum status rpc_registry_apply(struct rpc_work *work, struct error *err)
{
    return stream_is_dirty(work->stream) ? STATUS_AGAIN : run_plan(work, true, err);
}

enum status rpc_registry_list(struct rpc_work *work, struct error *err)
{
    (void)err;
    registry_list_json(query_registry(work->query), work->scratch);
    rpc_text_append(buffer_bytes(work->scratch), work->reply);
    return STATUS_OK;
}

enum status rpc_registry_describe(struct rpc_work *work, struct error *err)
{
    struct rpc_describe_request request;
    const struct registry *registry = query_registry(work->query);
    enum status status = rpc_describe_parse(work->request, &request, err);
    if (status == STATUS_OK)
        status = request.is_lineage
                     ? registry_lineage_json(registry, request.name, work->scratch, err)
                     : registry_describe_json(registry, request.name, work->scratch, err);
    if (status == STATUS_OK)
        rpc_text_append(buffer_bytes(work->scratch), work->reply);
    return status;
}

/* ---- versions ---- */

static enum status version_append(struct rpc_work *work, enum status status, struct bytes view,
                                  uint32_t number)
{
    if (status != STATUS_OK)
        return status;
    buffer_format(work->scratch, "%.*s@%u", BYTES_ARGS(view), number);
    rpc_text_append(buffer_bytes(work->scratch), work->reply);
    return STATUS_OK;
}

enum status rpc_registry_promote(struct rpc_work *work, struct error *err)
{
    struct rpc_promote_request request;
    struct bytes view;
    uint32_t number = 0;
    if (stream_is_dirty(work->stream))
        return STATUS_AGAIN;
    enum status status = rpc_promote_parse(work->request, &request, err);
    if (status == STATUS_OK)
        status = operations_parse_version(request.name, &view, &number, err);
    if (status == STATUS_OK)
        status = stream_promote(work->stream, view, number, request.is_forced, err);
    return version_append(work, status, view, number);
}

enum status rpc_registry_rollback(struct rpc_work *work, struct error *err)
{
    struct bytes view;
    uint32_t number = 0;
    if (stream_is_dirty(work->stream))
        return STATUS_AGAIN;
    enum status status = rpc_name_parse(work->request, &view, err);
    if (status == STATUS_OK)
        status = stream_rollback(work->stream, view, &number, err);
    return version_append(work, status, view, number);
}

enum status rpc_registry_drop(struct rpc_work *work, struct error *err)
{
    struct bytes name;
    struct bytes view;
    uint32_t number = 0;
    if (stream_is_dirty(work->stream))
        return STATUS_AGAIN;
    enum status status = rpc_name_parse(work->request, &name, err);
    if (status == STATUS_OK)
        status = operations_parse_version(name, &view, &number, err);
    if (status == STATUS_OK)
        status = stream_drop(work->stream, view, number, err);
    return version_append(work, status, view, number);
}

enum status rpc_registry_diff(struct rpc_work *work, struct error *err)
{
    struct rpc_diff_request request;
    enum status status = rpc_diff_parse(work->request, &request, err);
    if (status != STATUS_OK)
        return status;
    const struct operations_diff diff = {
        .left = request.from,
        .right = request.to,
        .entities = request.entities,
        .entities_count = request.entities_count,
        .moment = {.is_now = !request.has_at, .t_us = request.at_us},
    };
    if (request.has_at && !time_is_valid(request.at_us))
        return error_set(err, STATUS_INVALID, "at_us lies outside the years 1 to 9999");
    status = operations_append_diff(work->query, &diff, work->arena, work->scratch, err);
    if (status == STATUS_OK)
        rpc_text_append(buffer_bytes(work->scratch), work->reply);
    return status;
}

enum status rpc_registry_fills(struct rpc_work *work, struct error *err)
{
    (void)err;
    operations_append_fills(work->stream, work->arena, work->scratch);
    rpc_text_append(buffer_bytes(work->scratch), work->reply);
    return STATUS_OK;
}
