#include "app/server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/backfill_taker.h"
#include "app/monitor.h"
#include "app/worker.h"
#include "base/clock.h"
#include "base/epoch.h"
#include "base/log.h"
#include "base/version.h"
#include "export/export.h"
#include "migrations/migrations.h"

enum {
    DESCRIPTORS_BESIDE_CONNECTIONS = 2000,
    DRAIN_PAUSE_US = 1000,            /* between two turns while calls end */
    DRAIN_NOTICE_US = 100 * 1000,     /* until peers know that they are to go elsewhere */
    DRAIN_CALLS_US = 5 * 1000 * 1000, /* for calls to end */
};

struct server {
    const struct server_options *options; /* borrowed */
    struct epoch *epoch;                  /* owned, as all below */
    struct storage *storage;
    struct catalog_board *board;
    struct stream *stream;
    struct writer *writer;
    struct readers *readers;
    struct export *export;
    struct resp_cursors *cursors;
    struct network_budget budget; /* of all workers' connections */
    struct monitor *monitor;
    struct worker *workers[WORKERS_MAX]; /* the first has the main thread and listens */
    size_t workers_count;
    struct network_listener *resp; /* the first worker's loop's, as the next */
    struct network_listener *rpc;
};

static bool address_is_local(const char *address)
{
    struct in_addr ipv4;
    if (inet_pton(AF_INET, address, &ipv4) == 1)
        return (ntohl(ipv4.s_addr) >> 24) == 127;
    return strcmp(address, "::1") == 0 || strcmp(address, "localhost") == 0;
}

static enum status check_listen(const struct server_options *options, struct error *err)
{
    if (!address_is_local(options->listen) && !options->allow_unauthenticated)
        return error_set(err, STATUS_INVALID,
                         "listen: %s can be reached by others and there is no password; listen on "
                         "127.0.0.1, or say --allow-unauthenticated if the network is trusted",
                         options->listen);
    return STATUS_OK;
}

static enum status set_log_level(const char *name, struct error *err)
{
    static const char *const names[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        log_set_level((enum log_level)i);
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID, "log-level is error, warn, info or debug, got '%s'",
                     name);
}

enum status server_configure(const struct server_options *options, struct error *err)
{
    enum status status = check_listen(options, err);
    return status == STATUS_OK ? set_log_level(options->log_level, err) : status;
}

static enum status open_storage(const struct server_options *options, struct epoch *epoch,
                                struct storage **storage, struct error *err)
{
    const struct storage_options storage_options = {
        .block_cache_bytes = (size_t)options->block_cache_bytes,
        .write_buffer_bytes = (size_t)options->write_buffer_bytes,
        .hot_bytes = (size_t)options->hot_bytes,
        .epoch = epoch,
    };
    return storage_open(options->data, &storage_options, storage, err);
}

/* ---- what the rooms ask of each other ---- */

static void registry_changed(void *context, struct stream *stream, const struct registry *registry)
{
    struct server *server = context;
    catalog_publish(server->board, registry, stream_find_time, stream);
    monitor_note_definitions(server->monitor, stream, registry);
}

/* ---- life ---- */

static struct query_options query_options_of(const struct server *server)
{
    return (struct query_options){
        .storage = server->storage, .board = server->board, .epoch = server->epoch};
}

static enum status create_workers(struct server *server, struct error *err)
{
    const struct server_options *options = server->options;
    const struct worker_options worker = {
        .budget = &server->budget,
        .query = query_options_of(server),
        .export = server->export,
        .door = {.writer = server->writer,
                 .readers = server->readers,
                 .cursors = server->cursors,
                 .version = ASOF_VERSION,
                 .connections_max = (size_t)options->connections_max,
                 .read_figures = monitor_read_figures,
                 .append_info = monitor_append_info,
                 .context = server->monitor},
    };
    enum status status = STATUS_OK;
    while (status == STATUS_OK && server->workers_count < (size_t)options->workers) {
        status = worker_create(&worker, &server->workers[server->workers_count], err);
        server->workers_count += status == STATUS_OK;
    }
    return status;
}

static enum status open_resp(struct server *server, struct error *err)
{
    const struct server_options *options = server->options;
    struct network_seat seats[WORKERS_MAX];
    struct resp_door *doors[WORKERS_MAX];
    for (size_t i = 0; i < server->workers_count; i++) {
        doors[i] = worker_door(server->workers[i]);
        seats[i] = (struct network_seat){.loop = worker_loop(server->workers[i]),
                                         .handler = resp_door_handler(doors[i])};
    }
    resp_doors_join(doors, server->workers_count);
    if (options->resp_port == PORT_OFF)
        return STATUS_OK;
    const struct network_listen_options listen = {
        .address = options->listen,
        .port = (uint16_t)options->resp_port,
        .port_option = "--resp-port",
        .connections_max = (size_t)options->connections_max,
        .seats = seats,
        .seats_count = server->workers_count,
    };
    enum status status = network_listen(seats[0].loop, &listen, &server->resp, err);
    for (size_t i = 0; i < server->workers_count && status == STATUS_OK; i++)
        resp_door_set_port(doors[i], network_listener_port(server->resp));
    return status;
}

static enum status open_rpc(struct server *server, struct error *err)
{
    const struct server_options *options = server->options;
    struct network_seat seats[WORKERS_MAX];
    if (options->rpc_port == PORT_OFF)
        return STATUS_OK;
    for (size_t i = 0; i < server->workers_count; i++)
        seats[i] =
            (struct network_seat){.loop = worker_loop(server->workers[i]),
                                  .handler = rpc_door_handler(worker_rpc_door(server->workers[i]))};
    const struct network_listen_options listen = {
        .address = options->listen,
        .port = (uint16_t)options->rpc_port,
        .port_option = "--rpc-port",
        .connections_max = (size_t)options->connections_max,
        .seats = seats,
        .seats_count = server->workers_count,
    };
    return network_listen(seats[0].loop, &listen, &server->rpc, err);
}

static enum status open_monitor(struct server *server, struct error *err)
{
    const struct monitor_rooms rooms = {.storage = server->storage,
                                        .writer = server->writer,
                                        .export = server->export,
                                        .workers = server->workers,
                                        .workers_count = server->workers_count};
    return monitor_open(server->monitor, &rooms, server->options, err);
}

/* Each connection takes a descriptor, and so does each file of the database. */
static void raise_descriptor_limit(const struct server_options *options)
{
    const rlim_t wanted = (rlim_t)options->connections_max + DESCRIPTORS_BESIDE_CONNECTIONS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_warn(
            "only %llu files can be open (ulimit -n): that is too few for --connections-max %lld "
            "beside the database's",
            (unsigned long long)limit.rlim_cur, (long long)options->connections_max);
}

static enum status open_export(struct server *server, struct error *err)
{
    const struct server_options *options = server->options;
    const struct export_options export = {.query = query_options_of(server),
                                          .data = options->data,
                                          .dirs = options->export_dirs,
                                          .library = options->duckdb_library,
                                          .memory_bytes = (size_t)options->export_memory,
                                          .threads = (size_t)options->export_threads,
                                          .jobs_max = (size_t)options->export_jobs,
                                          .taker = &backfill_taker,
                                          .taker_context = server->writer};
    return export_create(&export, &server->export, err);
}

static enum status server_start(struct server *server, struct error *err)
{
    raise_descriptor_limit(server->options);
    signal(SIGXFSZ, SIG_IGN); /* a file that is too long for a limit is a failed write, no more */
    server->epoch = epoch_create();
    server->board = catalog_board_create(server->epoch);
    server->cursors = resp_cursors_create();
    server->monitor = monitor_create();
    enum status status = open_storage(server->options, server->epoch, &server->storage, err);
    if (status == STATUS_OK)
        status = stream_open(server->storage, registry_changed, server, &server->stream, err);
    if (status != STATUS_OK)
        return status;
    const struct query_options query = query_options_of(server);
    server->writer = writer_create(server->storage, server->stream);
    server->readers = readers_create(&query, (size_t)server->options->readers);
    status = open_export(server, err);
    if (status == STATUS_OK)
        status = create_workers(server, err);
    if (status == STATUS_OK)
        status = open_resp(server, err);
    if (status == STATUS_OK)
        status = open_rpc(server, err);
    if (status == STATUS_OK)
        status = open_monitor(server, err);
    if (status != STATUS_OK)
        return status;
    network_loop_take_signals(worker_loop(server->workers[0]));
    stream_start_kafka(server->stream, writer_wake, server->writer);
    writer_start(server->writer);
    readers_start(server->readers);
    export_start(server->export);
    for (size_t i = 1; i < server->workers_count; i++)
        worker_start(server->workers[i]);
    monitor_start(server->monitor);
    return STATUS_OK;
}

/* Turns this thread's loop, and lets the others turn, until all calls of RPC are answered, or no
 * longer than that. */
static void wait_for_calls(struct server *server, int64_t least_us, int64_t most_us)
{
    int64_t began_us = clock_mono_us();
    int64_t waited_us = 0;
    struct resp_figures figures;
    do {
        usleep(DRAIN_PAUSE_US); /* the loop does not wait any more: it is stopping */
        worker_finish(server->workers[0]);
        monitor_read_figures(server->monitor, &figures);
        waited_us = clock_mono_us() - began_us;
    } while (waited_us < least_us || (figures.rpc_calls > 0 && waited_us < most_us));
}

/* Has peers of RPC go elsewhere without losing a call: first they are told, and then, when the word
 * has reached them, what they began is answered. */
static void drain_rpc(struct server *server)
{
    struct resp_figures figures;
    if (server->rpc == NULL)
        return;
    network_listener_close(server->rpc);
    monitor_read_figures(server->monitor, &figures);
    for (int is_last = 0; is_last <= 1; is_last++) {
        for (size_t i = 0; i < server->workers_count; i++)
            worker_drain(server->workers[i], is_last);
        if (figures.rpc_sessions > 0)
            wait_for_calls(server, DRAIN_NOTICE_US, is_last ? DRAIN_CALLS_US : DRAIN_NOTICE_US);
    }
}

/* Exports go first, as the writer may have to wait for what they read; then the writer, as it may
 * wait for workers to leave an epoch; what it gave back is sent. Readers and writer do what came
 * with the last turns of the workers. Then nobody posts any more, and a call that is on its way
 * from loop to loop comes to its end. */
static void stop_threads(struct server *server)
{
    if (server->export != NULL)
        export_stop(server->export);
    if (server->writer != NULL)
        writer_stop(server->writer);
    if (server->stream != NULL)
        stream_stop_kafka(server->stream);
    for (size_t i = 0; i < server->workers_count; i++)
        worker_stop(server->workers[i]);
    for (size_t i = 0; i < server->workers_count; i++)
        worker_finish(server->workers[i]);
    if (server->readers != NULL)
        readers_stop(server->readers);
    if (server->writer != NULL)
        writer_turn(server->writer);
    for (size_t round = 0; round <= server->workers_count; round++)
        for (size_t i = 0; i < server->workers_count; i++)
            network_loop_run_calls(worker_loop(server->workers[i]));
}

static void server_stop(struct server *server)
{
    monitor_note_stopping(server->monitor);
    stop_threads(server);
    monitor_stop(server->monitor);
    monitor_destroy(&server->monitor);
    while (server->workers_count > 0)
        worker_destroy(&server->workers[--server->workers_count]);
    export_destroy(&server->export);
    readers_destroy(&server->readers);
    writer_destroy(&server->writer);
    stream_close(&server->stream);
    catalog_board_destroy(&server->board);
    storage_close(&server->storage);
    resp_cursors_destroy(&server->cursors);
    epoch_destroy(&server->epoch);
}

static void print_ready(const struct server *server)
{
    char resp[NETWORK_ADDRESS_TEXT_SIZE] = "off";
    char rpc[NETWORK_ADDRESS_TEXT_SIZE] = "off";
    char http[NETWORK_ADDRESS_TEXT_SIZE];
    monitor_address(server->monitor, http);
    if (server->resp != NULL)
        network_listener_address(server->resp, resp);
    if (server->rpc != NULL)
        network_listener_address(server->rpc, rpc);
    printf("asofd ready resp=%s rpc=%s http=%s data=%s\n", resp, rpc, http, server->options->data);
    fflush(stdout);
}

enum status server_run(const struct server_options *options, struct error *err)
{
    struct server server = {.options = options, .budget = {.bytes_max = NETWORK_HELD_BYTES_MAX}};
    enum status status = server_start(&server, err);
    if (status == STATUS_OK) {
        print_ready(&server);
        worker_run(server.workers[0]);
        log_info("stopping");
        drain_rpc(&server);
    }
    server_stop(&server);
    return status;
}

enum status server_compact(const struct server_options *options, struct error *err)
{
    struct storage *storage = NULL;
    enum status status = open_storage(options, NULL, &storage, err);
    if (status == STATUS_OK)
        status = storage_compact(storage, err);
    storage_close(&storage);
    return status;
}

enum status server_migrate(const struct server_options *options, struct error *err)
{
    const struct storage_options storage_options = {
        .block_cache_bytes = (size_t)options->block_cache_bytes,
        .write_buffer_bytes = (size_t)options->write_buffer_bytes,
    };
    return migrations_run(options->data, &storage_options, options->dry_run, err);
}
