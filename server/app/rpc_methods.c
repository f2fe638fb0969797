/* What the methods do, and the table of them. */
#include "app/rpc_call.h"
#include "base/clock.h"
#include "protocol/rpc_message.h"
#include "protocol/rpc_reflection.h"
#include "query/columns.h"

/* ---- FeatureStore ---- */

static bool work_may_go_on(void *context)
{
    const struct rpc_work *work = context;
    if (work->is_unwanted != NULL && *work->is_unwanted)
        return false;
    return clock_mono_us() < work->until_mono_us;
}

struct patience rpc_work_patience(struct rpc_work *work)
{
    return (struct patience){.may_go_on = work_may_go_on, .context = work};
}

static enum status get_features(struct rpc_work *work, struct error *err)
{
    struct columns_question question;
    struct columns columns;
    if (rpc_repeat_answer(work))
        return STATUS_OK;
    const struct columns_names known = query_latest_names(work->query);
    enum status status =
        rpc_get_parse_as(work->request, &known, COLUMNS_ROWS_MAX, work->arena, &question, err);
    if (status == STATUS_OK)
        status = query_read_columns(work->query, &question, work->arena, work->rows, &columns, err);
    if (status != STATUS_OK)
        return status;
    rpc_get_append(&columns, work->reply);
    rpc_repeat_learn(work, &question, &columns);
    return STATUS_OK;
}

static enum status list_jobs(struct rpc_work *work, struct error *err)
{
    (void)err;
    export_append_jobs(work->export, work->scratch);
    rpc_text_append(buffer_bytes(work->scratch), work->reply);
    return STATUS_OK;
}

/* ---- reflection ---- */

static enum status reflect(struct rpc_work *work, struct error *err)
{
    return rpc_reflection_answer(work->request, work->scratch, work->reply, err);
}

/* ---- the table ---- */

#define FEATURE_STORE "/asof.v1.FeatureStore/"
#define REGISTRY      "/asof.v1.Registry/"
#define OFFLINE       "/asof.v1.Offline/"
#define OPERATIONS    "/asof.v1.Operations/"

static const struct rpc_method methods[] = {
    {.path = FEATURE_STORE "GetFeatures", .number = 1, .place = RPC_READ, .run = get_features},
    {.path = FEATURE_STORE "GetFeaturesStream", .number = 8, .stream = &rpc_chunks},
    {.path = FEATURE_STORE "Push", .number = 2, .place = RPC_WRITE, .run = rpc_push},
    {.path = FEATURE_STORE "PushStream",
     .number = 9,
     .place = RPC_WRITE,
     .is_dialog = true,
     .run = rpc_push},
    {.path = REGISTRY "Plan", .number = 3, .place = RPC_WRITE, .run = rpc_registry_plan},
    {.path = REGISTRY "Apply", .number = 4, .place = RPC_WRITE, .run = rpc_registry_apply},
    {.path = REGISTRY "List", .number = 5, .place = RPC_NOW, .run = rpc_registry_list},
    {.path = REGISTRY "Describe", .number = 6, .place = RPC_NOW, .run = rpc_registry_describe},
    {.path = REGISTRY "Promote", .number = 10, .place = RPC_WRITE, .run = rpc_registry_promote},
    {.path = REGISTRY "Rollback", .number = 11, .place = RPC_WRITE, .run = rpc_registry_rollback},
    {.path = REGISTRY "Drop", .number = 12, .place = RPC_WRITE, .run = rpc_registry_drop},
    {.path = REGISTRY "Diff", .number = 13, .place = RPC_READ, .run = rpc_registry_diff},
    {.path = REGISTRY "Fills", .number = 14, .place = RPC_WRITE, .run = rpc_registry_fills},
    {.path = OPERATIONS "Entities",
     .number = 15,
     .place = RPC_READ,
     .run = rpc_operations_entities},
    {.path = OPERATIONS "Lag", .number = 16, .place = RPC_WRITE, .run = rpc_operations_lag},
    {.path = OPERATIONS "Replay", .number = 17, .place = RPC_WRITE, .run = rpc_operations_replay},
    {.path = OPERATIONS "DeadLetters",
     .number = 18,
     .place = RPC_WRITE,
     .run = rpc_operations_letters},
    {.path = OFFLINE "ExportTraining", .number = 19, .stream = &rpc_offline_training},
    {.path = OFFLINE "ExportSnapshot", .number = 20, .stream = &rpc_offline_snapshot},
    {.path = OFFLINE "ExportEvents", .number = 21, .stream = &rpc_offline_events},
    {.path = OFFLINE "Backfill", .number = 22, .stream = &rpc_offline_backfill},
    {.path = OFFLINE "ListJobs", .number = 23, .place = RPC_NOW, .run = list_jobs},
    {.path = "/grpc.health.v1.Health/Check",
     .number = 7,
     .place = RPC_NOW,
     .run = rpc_health_check},
    {.path = "/grpc.health.v1.Health/Watch", .stream = &rpc_health_watch},
    {.path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
     .is_dialog = true,
     .place = RPC_NOW,
     .run = reflect},
    {.path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
     .is_dialog = true,
     .place = RPC_NOW,
     .run = reflect},
};

enum { METHODS_COUNT = sizeof(methods) / sizeof(methods[0]) };

const struct rpc_method *rpc_method_of_features(void)
{
    return &methods[0];
}

const struct rpc_method *rpc_method_find(struct bytes path)
{
    for (size_t i = 0; i < METHODS_COUNT; i++)
        if (bytes_equal_text(path, methods[i].path))
            return &methods[i];
    return NULL;
}

const struct rpc_method *rpc_method_of_number(unsigned number)
{
    for (size_t i = 0; i < METHODS_COUNT && number != 0; i++)
        if (methods[i].number == number)
            return &methods[i];
    return NULL;
}
