/* grpc.health.v1: whether the server takes calls, asked once or watched. A watch is a stream that
 * is told the status at once, and again when the server begins to stop, which ends it. */
#include "app/rpc_call.h"
#include "protocol/rpc_message.h"

static bool is_service(struct bytes name)
{
    static const char *const services[] = {"", "asof.v1.FeatureStore", "asof.v1.Registry",
                                           "asof.v1.Operations", "asof.v1.Offline"};
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
        if (bytes_equal_text(name, services[i]))
            return true;
    return false;
}

enum status rpc_health_check(struct rpc_work *work, struct error *err)
{
    struct bytes name;
    enum status status = rpc_name_parse(work->request, &name, err);
    if (status != STATUS_OK)
        return status;
    if (!is_service(name))
        return error_set(err, STATUS_NOT_FOUND, "no such service here");
    rpc_health_append(work->is_draining ? RPC_NOT_SERVING : RPC_SERVING, work->reply);
    return STATUS_OK;
}

/* ---- watching ---- */

static void watch_send(struct rpc_call *call, enum rpc_health health)
{
    struct buffer reply = {0};
    rpc_health_append(health, &reply);
    bool is_sent = rpc_call_send(call, buffer_bytes(&reply));
    (void)is_sent; /* else it has ended by that */
    buffer_fini(&reply);
}

/* There is nothing to remember: the call is its own task. */
static void *watch_begin(struct rpc_call *call, struct bytes message)
{
    (void)message;
    return call;
}

/* Of a service that is not there, a watcher is told so and goes on waiting, as the protocol has it.
 */
static void watch_message(void *task, struct bytes message)
{
    struct rpc_call *call = task;
    struct bytes name;
    struct error err;
    enum status status = rpc_name_parse(message, &name, &err);
    if (status != STATUS_OK)
        rpc_call_end(call, status, &err);
    else if (!is_service(name))
        watch_send(call, RPC_SERVICE_UNKNOWN);
    else
        watch_send(call, call->session->door->is_draining ? RPC_NOT_SERVING : RPC_SERVING);
}

static void watch_gone(void *task)
{
    (void)task;
}

const struct rpc_stream rpc_health_watch = {
    .is_ended_by_stop = true, .begin = watch_begin, .message = watch_message, .gone = watch_gone};

void rpc_health_tell(struct rpc_session *session)
{
    struct rpc_call *next;
    for (struct rpc_call *call = TAILQ_FIRST(&session->calls); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->method->stream == &rpc_health_watch && call->task != NULL)
            watch_send(call, RPC_NOT_SERVING);
    }
}
