#include "app/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/priority.h"

struct worker {
    struct query *query; /* owned, as the next two */
    struct network_loop *loop;
    struct resp_door *door;
    struct rpc_door *rpc; /* owned */
    struct network_call
        stop; /* posted to the loop by worker_stop, as the next two by worker_drain */
    struct network_call drain;
    struct network_call leave;
    bool is_started;
    pthread_t thread;
    _Atomic uint64_t turns;
    pthread_mutex_t mutex; /* guards the figures */
    struct resp_figures figures;
};

enum status worker_create(const struct worker_options *options, struct worker **out,
                          struct error *err)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    CHECK(worker != NULL && pthread_mutex_init(&worker->mutex, NULL) == 0);
    enum status status = network_loop_create(&worker->loop, err);
    if (status == STATUS_OK) {
        struct resp_door_options door = options->door;
        network_loop_set_budget(worker->loop, options->budget);
        worker->query = query_create(&options->query);
        door.query = worker->query;
        door.loop = worker->loop;
        worker->door = resp_door_create(&door);
        worker->rpc = rpc_door_create(&(struct rpc_door_options){.query = worker->query,
                                                                 .writer = door.writer,
                                                                 .readers = door.readers,
                                                                 .export = options->export,
                                                                 .loop = worker->loop});
        *out = worker;
        worker = NULL; /* moved to the caller */
    }
    worker_destroy(&worker);
    return status;
}

void worker_destroy(struct worker **out)
{
    struct worker *worker = *out;
    if (worker == NULL)
        return;
    CHECK(!worker->is_started);
    network_loop_destroy(&worker->loop);
    resp_door_destroy(&worker->door);
    rpc_door_destroy(&worker->rpc);
    if (worker->query != NULL)
        query_destroy(&worker->query);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
    *out = NULL;
}

struct network_loop *worker_loop(struct worker *worker)
{
    return worker->loop;
}

struct resp_door *worker_door(struct worker *worker)
{
    return worker->door;
}

struct rpc_door *worker_rpc_door(struct worker *worker)
{
    return worker->rpc;
}

static void publish_figures(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->figures = (struct resp_figures){
        .network = *network_loop_counters(worker->loop),
        .connections = network_loop_connections(worker->loop),
        .rpc_sessions = rpc_door_sessions(worker->rpc),
        .rpc_calls = rpc_door_calls(worker->rpc),
        .resp = *resp_door_counters(worker->door),
        .rpc = *rpc_door_counters(worker->rpc),
    };
    pthread_mutex_unlock(&worker->mutex);
}

static void turn(struct worker *worker, bool wait)
{
    network_loop_turn(worker->loop, wait);
    resp_door_turn_end(worker->door);
    rpc_door_turn_end(worker->rpc);
    publish_figures(worker);
    atomic_fetch_add_explicit(&worker->turns, 1, memory_order_relaxed);
}

uint64_t worker_turns(const struct worker *worker)
{
    return atomic_load_explicit(&worker->turns, memory_order_relaxed);
}

void worker_run(struct worker *worker)
{
    priority_set_prompt();
    while (!network_loop_is_stopping(worker->loop))
        turn(worker, true);
}

void worker_finish(struct worker *worker)
{
    turn(worker, false);
}

static void *worker_main(void *context)
{
    storage_begin_thread();
    worker_run(context);
    return NULL;
}

static void stop_on_loop(struct network_call *call)
{
    struct worker *worker = (struct worker *)((char *)call - offsetof(struct worker, stop));
    network_loop_stop(worker->loop);
}

static void drain_on_loop(struct network_call *call)
{
    struct worker *worker = (struct worker *)((char *)call - offsetof(struct worker, drain));
    rpc_door_drain(worker->rpc, false);
}

static void leave_on_loop(struct network_call *call)
{
    struct worker *worker = (struct worker *)((char *)call - offsetof(struct worker, leave));
    rpc_door_drain(worker->rpc, true);
}

void worker_drain(struct worker *worker, bool is_last)
{
    if (!worker->is_started) {
        rpc_door_drain(worker->rpc, is_last);
        return;
    }
    struct network_call *call = is_last ? &worker->leave : &worker->drain;
    *call = (struct network_call){.run = is_last ? leave_on_loop : drain_on_loop};
    network_loop_post(worker->loop, call);
}

void worker_start(struct worker *worker)
{
    worker->is_started = true;
    CHECK(pthread_create(&worker->thread, NULL, worker_main, worker) == 0);
}

void worker_stop(struct worker *worker)
{
    if (!worker->is_started)
        return;
    worker->stop = (struct network_call){.run = stop_on_loop};
    network_loop_post(worker->loop, &worker->stop);
    pthread_join(worker->thread, NULL);
    worker->is_started = false;
}

#define ADD(name, help) sum->ROOM.name += worker->figures.ROOM.name;
void worker_add_figures(struct worker *worker, struct resp_figures *sum)
{
    pthread_mutex_lock(&worker->mutex);
#define ROOM network
    NETWORK_COUNTERS(ADD)
#undef ROOM
#define ROOM resp
    RESP_COUNTERS(ADD)
#undef ROOM
#define ROOM rpc
    RPC_COUNTERS(ADD)
#undef ROOM
    sum->rpc_sessions += worker->figures.rpc_sessions;
    sum->rpc_calls += worker->figures.rpc_calls;
    sum->connections += worker->figures.connections;
    pthread_mutex_unlock(&worker->mutex);
}
#undef ADD
