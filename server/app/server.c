#include "app/server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/resp_door.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/time_text.h"
#include "base/version.h"
#include "network/network.h"
#include "query/query.h"
#include "storage/storage.h"
#include "stream/stream.h"

/* How often a failed database is opened again, and what is beyond its retention looked for. */
#define HOUSEKEEPING_INTERVAL_US (US_PER_SECOND / 5)

struct server {
    const struct server_options *options; /* borrowed */
    struct storage *storage;              /* owned, as all below */
    struct query *query;
    struct stream *stream;
    struct network_loop *loop;
    struct resp_door *door;
    struct network_listener *resp; /* the loop's */
    int64_t housekept_mono_us;
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

static enum status open_storage(const struct server_options *options, struct storage **storage,
                                struct error *err)
{
    const struct storage_options storage_options = {
        .block_cache_bytes = (size_t)options->block_cache_bytes,
        .write_buffer_bytes = (size_t)options->write_buffer_bytes,
        .hot_bytes = (size_t)options->hot_bytes,
    };
    return storage_open(options->data, &storage_options, storage, err);
}

/* ---- what the rooms ask of each other ---- */

static int64_t source_now_us(void *context, struct bytes source)
{
    struct server *server = context;
    return stream_now_us(server->stream, source);
}

static void registry_changed(void *context, const struct registry *registry)
{
    struct server *server = context;
    query_use(server->query, registry);
}

static void append_info(void *context, struct buffer *out)
{
    const struct server *server = context;
    const struct stream_counters *stream = stream_counters(server->stream);
    const struct network_counters *network = network_loop_counters(server->loop);
    const struct resp_counters *resp = resp_door_counters(server->door);
    const struct hot_counters hot = hot_counters(storage_hot(server->storage));
#define APPEND_HOT(name, help)                                                                     \
    buffer_format(out, "hot_" #name ":%llu\r\n", (unsigned long long)hot.name);
#define APPEND_STREAM(name, help)                                                                  \
    buffer_format(out, "stream_" #name ":%llu\r\n", (unsigned long long)stream->name);
#define APPEND_NETWORK(name, help)                                                                 \
    buffer_format(out, "network_" #name ":%llu\r\n", (unsigned long long)network->name);
#define APPEND_RESP(name, help)                                                                    \
    buffer_format(out, "resp_" #name ":%llu\r\n", (unsigned long long)resp->name);
    STREAM_COUNTERS(APPEND_STREAM)
    NETWORK_COUNTERS(APPEND_NETWORK)
    RESP_COUNTERS(APPEND_RESP)
    HOT_COUNTERS(APPEND_HOT)
#undef APPEND_HOT
#undef APPEND_STREAM
#undef APPEND_NETWORK
#undef APPEND_RESP
}

/* ---- life ---- */

static enum status open_resp(struct server *server, struct error *err)
{
    const struct server_options *options = server->options;
    const struct resp_door_options door = {
        .query = server->query,
        .stream = server->stream,
        .loop = server->loop,
        .version = ASOF_VERSION,
        .connections_max = (size_t)options->connections_max,
        .append_info = append_info,
        .context = server,
    };
    server->door = resp_door_create(&door);
    if (options->resp_port == PORT_OFF)
        return STATUS_OK;
    const struct network_listen_options listen = {
        .address = options->listen,
        .port = (uint16_t)options->resp_port,
        .port_option = "--resp-port",
        .connections_max = (size_t)options->connections_max,
        .handler = resp_door_handler(server->door),
    };
    enum status status = network_listen(server->loop, &listen, &server->resp, err);
    if (status == STATUS_OK)
        resp_door_set_port(server->door, network_listener_port(server->resp));
    return status;
}

static enum status server_start(struct server *server, struct error *err)
{
    const struct source_clocks clocks = {.now_us = source_now_us, .context = server};
    enum status status = network_loop_create(&server->loop, err);
    if (status != STATUS_OK)
        return status;
    network_loop_take_signals(server->loop);
    signal(SIGXFSZ, SIG_IGN); /* a file that is too long for a limit is a failed write, no more */
    status = open_storage(server->options, &server->storage, err);
    if (status != STATUS_OK)
        return status;
    server->query = query_create(server->storage, clocks);
    status = stream_open(server->storage, registry_changed, server, &server->stream, err);
    return status == STATUS_OK ? open_resp(server, err) : status;
}

static void server_stop(struct server *server)
{
    network_loop_destroy(&server->loop);
    if (server->door != NULL)
        resp_door_destroy(&server->door);
    stream_close(&server->stream);
    query_destroy(&server->query);
    storage_close(&server->storage);
}

static void print_ready(const struct server *server)
{
    char resp[NETWORK_ADDRESS_TEXT_SIZE] = "off";
    if (server->resp != NULL)
        network_listener_address(server->resp, resp);
    printf("asofd ready resp=%s rpc=off http=off data=%s\n", resp, server->options->data);
    fflush(stdout);
}

static void keep_house(struct server *server)
{
    int64_t now_us = clock_mono_us();
    if (now_us - server->housekept_mono_us < HOUSEKEEPING_INTERVAL_US)
        return;
    server->housekept_mono_us = now_us;
    storage_heal(server->storage);
    stream_trim(server->stream);
}

static void server_serve(struct server *server)
{
    bool has_more_to_do = true;
    while (!network_loop_is_stopping(server->loop)) {
        network_loop_turn(server->loop, !has_more_to_do);
        resp_door_turn_end(server->door);
        has_more_to_do = stream_step(server->stream);
        keep_house(server);
    }
}

enum status server_run(const struct server_options *options, struct error *err)
{
    struct server server = {.options = options};
    enum status status = server_start(&server, err);
    if (status == STATUS_OK) {
        print_ready(&server);
        server_serve(&server);
        log_info("stopping");
    }
    server_stop(&server);
    return status;
}

enum status server_compact(const struct server_options *options, struct error *err)
{
    struct storage *storage = NULL;
    enum status status = open_storage(options, &storage, err);
    if (status == STATUS_OK)
        status = storage_compact(storage, err);
    storage_close(&storage);
    return status;
}
