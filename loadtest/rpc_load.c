/* A closed loop of calls that were made before: so many in flight on each connection, a new one for
 * each answer. Says how many were answered and how long each took.
 *
 *     rpc_load KIND PORT SECONDS IN_FLIGHT CONNECTIONS REQUESTS [ANSWERS COUNT]
 *
 *     light    GetFeatures in the light frame; REQUESTS are messages
 *     grpc     the same over gRPC, by nghttp2
 *     resp     commands of the Redis protocol, by hiredis's reader; each request is a batch of them
 *
 * REQUESTS is a file: the size of each as 4 bytes (big-endian) and the number of its replies as
 * 4 more (of resp; else 1), then its bytes. They are used in turn, again from the first at the end.
 * ANSWERS takes the answers to the first COUNT of them, in their order, each behind its size.
 *
 * An answer that is a failure ends it. Prints one JSON object; latencies are pairs of microseconds
 * and how many took them. Exit codes: 0, 1, 2. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <nghttp2/nghttp2.h>

enum {
    IN_FLIGHT_MAX = 1024,
    CONNECTIONS_MAX = 64,
    REQUESTS_MAX = 1 << 20,
    REQUEST_SIZE_MAX = 16 << 20,
    RECEIVE_SIZE = 256 * 1024,
    LIGHT_HEAD_SIZE = 9,  /* size, call, kind */
    LIGHT_CALL_SIZE = 14, /* with method and timeout */
    LIGHT_CALL = 1,
    LIGHT_ANSWER = 3,
    LIGHT_GET_FEATURES = 1,
    GRPC_PREFIX_SIZE = 5,
    WINDOW_SIZE = 64 << 20,       /* the largest that a peer's answers may take */
    LATENCY_MAX_US = 1000 * 1000, /* longer ones are told as this */
};

struct block {
    char *data; /* owned */
    size_t size;
    size_t capacity;
};

struct request {
    char *data; /* owned */
    uint32_t size;
    uint32_t replies;
};

/* A call in flight. */
struct slot {
    int64_t sent_ns;
    const struct request *request;
    struct block answer; /* of gRPC, as it comes */
    size_t offset;       /* of the request, that nghttp2 took */
    bool is_good;        /* its trailers said so */
    struct connection *connection;
};

enum kind { KIND_LIGHT, KIND_GRPC, KIND_RESP };

struct connection {
    struct load *load;
    int fd;
    struct slot *slots; /* owned */
    struct block out;   /* that the socket did not take yet, from out_start on */
    size_t out_start;
    struct block in;       /* of the light frame: a part of a frame */
    redisReader *reader;   /* owned, of resp */
    size_t oldest;         /* of resp: the slot whose replies come next */
    uint32_t replies_seen; /* of it */
    nghttp2_session *http; /* owned, of gRPC */
    bool is_blocked;
};

struct load {
    enum kind kind;
    struct request *requests; /* owned */
    size_t requests_count;
    struct connection connections[CONNECTIONS_MAX];
    size_t connections_count;
    size_t in_flight;
    int epoll;
    bool is_over;
    uint64_t sent;
    uint64_t answered;
    uint64_t answer_bytes;
    int64_t start_ns;
    int64_t end_ns;
    struct block *kept; /* owned: answers to the first of the requests */
    size_t kept_count;
    uint32_t latencies[LATENCY_MAX_US + 1]; /* how many took so many microseconds */
};

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("rpc_load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void block_append(struct block *block, const void *data, size_t size)
{
    if (block->size + size > block->capacity) {
        block->capacity = 2 * (block->size + size);
        block->data = realloc(block->data, block->capacity);
        if (block->data == NULL)
            die("no memory for %zu bytes", block->capacity);
    }
    memcpy(block->data + block->size, data, size);
    block->size += size;
}

static void put_be32(char *out, uint32_t number)
{
    number = htonl(number);
    memcpy(out, &number, sizeof(number));
}

static uint32_t get_be32(const char *data)
{
    uint32_t number;
    memcpy(&number, data, sizeof(number));
    return ntohl(number);
}

static void load_requests(struct load *load, const char *path)
{
    char head[8];
    FILE *file = fopen(path, "rb");
    load->requests = calloc(REQUESTS_MAX, sizeof(*load->requests));
    if (file == NULL || load->requests == NULL)
        die("open %s: %s", path, strerror(errno));
    while (fread(head, sizeof(head), 1, file) == 1) {
        struct request *request = &load->requests[load->requests_count];
        *request = (struct request){.size = get_be32(head), .replies = get_be32(head + 4)};
        if (load->requests_count++ == REQUESTS_MAX || request->size > REQUEST_SIZE_MAX)
            die("%s has too many requests, or a large one", path);
        request->data = malloc(request->size + 1);
        if (request->data == NULL || fread(request->data, request->size, 1, file) != 1)
            die("%s: its last request is cut", path);
    }
    fclose(file);
    if (load->requests_count == 0)
        die("%s has no request", path);
}

/* ---- bytes out ---- */

/* Sends what the socket takes. */
static void connection_flush(struct connection *connection)
{
    while (connection->out_start < connection->out.size) {
        ssize_t size = send(connection->fd, connection->out.data + connection->out_start,
                            connection->out.size - connection->out_start, MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN && errno != EINTR)
            die("send: %s", strerror(errno));
        if (size < 0)
            break;
        connection->out_start += (size_t)size;
    }
    if (connection->out_start == connection->out.size)
        connection->out_start = connection->out.size = 0;
    bool is_blocked = connection->out.size > 0;
    if (is_blocked != connection->is_blocked) {
        struct epoll_event event = {.events = EPOLLIN | (is_blocked ? (uint32_t)EPOLLOUT : 0),
                                    .data.ptr = connection};
        epoll_ctl(connection->load->epoll, EPOLL_CTL_MOD, connection->fd, &event);
        connection->is_blocked = is_blocked;
    }
}

/* ---- calls ---- */

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* nghttp2 takes the request of a slot, behind its prefix. */
static ssize_t on_take(nghttp2_session *http, int32_t stream, uint8_t *data, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct slot *slot = source->ptr;
    size_t taken = 0;
    (void)http;
    (void)stream;
    (void)context;
    if (slot->offset == 0 && size < GRPC_PREFIX_SIZE)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (slot->offset == 0) {
        data[0] = 0;
        put_be32((char *)data + 1, slot->request->size);
        taken = slot->offset = GRPC_PREFIX_SIZE;
    }
    size_t left = GRPC_PREFIX_SIZE + slot->request->size - slot->offset;
    size_t more = left < size - taken ? left : size - taken;
    memcpy(data + taken, slot->request->data + slot->offset - GRPC_PREFIX_SIZE, more);
    slot->offset += more;
    if (more == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)(taken + more);
}

static void send_grpc(struct connection *connection, struct slot *slot)
{
    const nghttp2_nv headers[] = {header(":method", "POST"),
                                  header(":scheme", "http"),
                                  header(":path", "/asof.v1.FeatureStore/GetFeatures"),
                                  header(":authority", "localhost"),
                                  header("content-type", "application/grpc"),
                                  header("te", "trailers")};
    const nghttp2_data_provider provider = {.source = {.ptr = slot}, .read_callback = on_take};
    slot->offset = slot->answer.size = 0;
    slot->is_good = false;
    if (nghttp2_submit_request(connection->http, NULL, headers,
                               sizeof(headers) / sizeof(headers[0]), &provider, slot) < 0)
        die("a request was refused by nghttp2");
}

static void send_light(struct connection *connection, const struct slot *slot)
{
    char head[LIGHT_CALL_SIZE] = {0};
    put_be32(head, (uint32_t)(LIGHT_CALL_SIZE - 4 + slot->request->size));
    put_be32(head + 4, (uint32_t)(slot - connection->slots));
    head[8] = LIGHT_CALL;
    head[9] = LIGHT_GET_FEATURES;
    block_append(&connection->out, head, sizeof(head));
    block_append(&connection->out, slot->request->data, slot->request->size);
}

/* Sends the next request, unless time is up. */
static void slot_send(struct slot *slot)
{
    struct connection *connection = slot->connection;
    struct load *load = connection->load;
    if (load->is_over)
        return;
    slot->request = &load->requests[load->sent++ % load->requests_count];
    slot->sent_ns = now_ns();
    switch (load->kind) {
    case KIND_LIGHT:
        send_light(connection, slot);
        break;
    case KIND_GRPC:
        send_grpc(connection, slot);
        break;
    case KIND_RESP:
        block_append(&connection->out, slot->request->data, slot->request->size);
        break;
    }
}

/* The slot was answered. */
static void slot_done(struct slot *slot, const char *answer, size_t size)
{
    struct load *load = slot->connection->load;
    size_t number = (size_t)(slot->request - load->requests);
    int64_t time_ns = now_ns();
    int64_t us = (time_ns - slot->sent_ns + 500) / 1000;
    if (number < load->kept_count && load->kept[number].size == 0)
        block_append(&load->kept[number], answer, size);
    load->latencies[us < LATENCY_MAX_US ? us : LATENCY_MAX_US]++;
    load->answered++;
    load->answer_bytes += size;
    load->end_ns = time_ns;
    slot_send(slot);
}

/* ---- bytes in ---- */

static void take_light(struct connection *connection, const char *data, size_t size)
{
    size_t taken = 0;
    block_append(&connection->in, data, size);
    while (connection->in.size - taken >= LIGHT_HEAD_SIZE) {
        const char *frame = connection->in.data + taken;
        size_t frame_size = 4 + (size_t)get_be32(frame);
        uint32_t number = get_be32(frame + 4);
        if (connection->in.size - taken < frame_size)
            break;
        if (frame_size < LIGHT_HEAD_SIZE || number >= connection->load->in_flight)
            die("a frame that nothing asked for");
        if (frame[8] != LIGHT_ANSWER)
            die("the server says: %.*s", (int)(frame_size - LIGHT_HEAD_SIZE - 1),
                frame + LIGHT_HEAD_SIZE + 1);
        taken += frame_size;
        slot_done(&connection->slots[number], frame + LIGHT_HEAD_SIZE,
                  frame_size - LIGHT_HEAD_SIZE);
    }
    connection->in.size -= taken;
    memmove(connection->in.data, connection->in.data + taken, connection->in.size);
}

static void take_resp(struct connection *connection, const char *data, size_t size)
{
    void *reply = NULL;
    if (redisReaderFeed(connection->reader, data, size) != REDIS_OK)
        die("%s", connection->reader->errstr);
    while (redisReaderGetReply(connection->reader, &reply) == REDIS_OK && reply != NULL) {
        const redisReply *it = reply;
        struct slot *slot = &connection->slots[connection->oldest];
        if (it->type == REDIS_REPLY_ERROR)
            die("the server says: %s", it->str);
        freeReplyObject(reply);
        if (++connection->replies_seen < slot->request->replies)
            continue;
        connection->replies_seen = 0;
        connection->oldest = (connection->oldest + 1) % connection->load->in_flight;
        slot_done(slot, "", 0);
    }
    if (connection->reader->err != 0)
        die("%s", connection->reader->errstr);
}

static int on_header(nghttp2_session *http, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    (void)flags;
    (void)context;
    struct slot *slot = nghttp2_session_get_stream_user_data(http, frame->hd.stream_id);
    static const char status[] = "grpc-status";
    if (slot != NULL && name_size == sizeof(status) - 1 && memcmp(name, status, name_size) == 0)
        slot->is_good = value_size == 1 && value[0] == '0';
    return 0;
}

static int on_data(nghttp2_session *http, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *context)
{
    (void)flags;
    (void)context;
    struct slot *slot = nghttp2_session_get_stream_user_data(http, stream);
    block_append(&slot->answer, data, size);
    return 0;
}

static int on_close(nghttp2_session *http, int32_t stream, uint32_t error_code, void *context)
{
    (void)context;
    struct slot *slot = nghttp2_session_get_stream_user_data(http, stream);
    if (error_code != 0 || !slot->is_good || slot->answer.size < GRPC_PREFIX_SIZE)
        die("a call failed, HTTP/2 says %u", error_code);
    slot_done(slot, slot->answer.data + GRPC_PREFIX_SIZE, slot->answer.size - GRPC_PREFIX_SIZE);
    return 0;
}

/* What nghttp2 wants to send. */
static void collect_grpc(struct connection *connection)
{
    const uint8_t *data;
    ssize_t size;
    while ((size = nghttp2_session_mem_send(connection->http, &data)) > 0)
        block_append(&connection->out, data, (size_t)size);
}

static void receive(struct connection *connection)
{
    static char bytes[RECEIVE_SIZE];
    ssize_t size = recv(connection->fd, bytes, sizeof(bytes), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0)
        die("the server closed a connection");
    switch (connection->load->kind) {
    case KIND_LIGHT:
        take_light(connection, bytes, (size_t)size);
        break;
    case KIND_GRPC:
        if (nghttp2_session_mem_recv(connection->http, (const uint8_t *)bytes, (size_t)size) < 0)
            die("the server does not speak HTTP/2");
        collect_grpc(connection);
        break;
    case KIND_RESP:
        take_resp(connection, bytes, (size_t)size);
        break;
    }
    connection_flush(connection);
}

/* ---- connections ---- */

static void open_http(struct connection *connection)
{
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_SIZE}};
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        die("no memory for nghttp2");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new(&connection->http, callbacks, connection) != 0 ||
        nghttp2_submit_settings(connection->http, NGHTTP2_FLAG_NONE, settings, 1) != 0 ||
        nghttp2_session_set_local_window_size(connection->http, NGHTTP2_FLAG_NONE, 0,
                                              WINDOW_SIZE) != 0)
        die("no memory for nghttp2");
    nghttp2_session_callbacks_del(callbacks);
}

static void connection_open(struct connection *connection, struct load *load, uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    *connection = (struct connection){.load = load,
                                      .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                      .slots = calloc(load->in_flight, sizeof(struct slot)),
                                      .reader = redisReaderCreate()};
    if (connection->slots == NULL || connection->reader == NULL)
        die("no memory for a connection");
    if (connect(connection->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        fcntl(connection->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        die("connect to port %u: %s", port, strerror(errno));
    if (load->kind == KIND_GRPC)
        open_http(connection);
}

static void connection_start(struct connection *connection)
{
    for (size_t i = 0; i < connection->load->in_flight; i++) {
        connection->slots[i].connection = connection;
        slot_send(&connection->slots[i]);
    }
    if (connection->load->kind == KIND_GRPC)
        collect_grpc(connection);
    connection_flush(connection);
}

static void connection_close(struct connection *connection)
{
    nghttp2_session_del(connection->http);
    redisReaderFree(connection->reader);
    for (size_t i = 0; i < connection->load->in_flight; i++)
        free(connection->slots[i].answer.data);
    free(connection->slots);
    free(connection->out.data);
    free(connection->in.data);
    close(connection->fd);
}

static void run(struct load *load, double seconds)
{
    struct epoll_event events[CONNECTIONS_MAX];
    load->start_ns = now_ns();
    int64_t end_ns = load->start_ns + (int64_t)(seconds * 1e9);
    for (size_t i = 0; i < load->connections_count; i++)
        connection_start(&load->connections[i]);
    while (load->answered < load->sent) {
        int count = epoll_wait(load->epoll, events, CONNECTIONS_MAX, -1);
        load->is_over = now_ns() >= end_ns;
        for (int i = 0; i < count; i++) {
            if (events[i].events & EPOLLOUT)
                connection_flush(events[i].data.ptr);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                receive(events[i].data.ptr);
        }
    }
}

/* ---- what is told ---- */

static void write_kept(const struct load *load, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        die("open %s: %s", path, strerror(errno));
    for (size_t i = 0; i < load->kept_count; i++) {
        char head[4];
        put_be32(head, (uint32_t)load->kept[i].size);
        fwrite(head, sizeof(head), 1, file);
        fwrite(load->kept[i].data, 1, load->kept[i].size, file);
        free(load->kept[i].data);
    }
    if (fclose(file) != 0)
        die("write %s: %s", path, strerror(errno));
}

static void print(const struct load *load)
{
    const char *between = "";
    printf("{\"seconds\": %.6f, \"answered\": %llu, \"answer_bytes\": %llu, \"latencies_us\": [",
           (double)(load->end_ns - load->start_ns) / 1e9, (unsigned long long)load->answered,
           (unsigned long long)load->answer_bytes);
    for (size_t i = 0; i <= LATENCY_MAX_US; i++) {
        if (load->latencies[i] == 0)
            continue;
        printf("%s[%zu, %u]", between, i, load->latencies[i]);
        between = ", ";
    }
    printf("]}\n");
}

static bool parse(struct load *load, int argc, char **argv)
{
    static const char *const names[] = {"light", "grpc", "resp"};
    if (argc != 7 && argc != 9)
        return false;
    for (size_t i = 0; i <= KIND_RESP; i++)
        if (strcmp(argv[1], names[i]) == 0)
            load->kind = (enum kind)i;
    load->in_flight = (size_t)atoi(argv[4]);
    load->connections_count = (size_t)atoi(argv[5]);
    load->kept_count = argc == 9 ? (size_t)atoi(argv[8]) : 0;
    load->kept = calloc(load->kept_count + 1, sizeof(*load->kept));
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    return strcmp(argv[1], names[load->kind]) == 0 && load->kept != NULL && load->epoll >= 0 &&
           load->in_flight >= 1 && load->in_flight <= IN_FLIGHT_MAX &&
           load->connections_count >= 1 && load->connections_count <= CONNECTIONS_MAX;
}

int main(int argc, char **argv)
{
    static struct load load;
    if (!parse(&load, argc, argv)) {
        fprintf(stderr, "usage: rpc_load light|grpc|resp PORT SECONDS IN_FLIGHT CONNECTIONS "
                        "REQUESTS [ANSWERS COUNT]\n");
        return 2;
    }
    load_requests(&load, argv[6]);
    for (size_t i = 0; i < load.connections_count; i++)
        connection_open(&load.connections[i], &load, (uint16_t)atoi(argv[2]));
    run(&load, atof(argv[3]));
    print(&load);
    if (argc == 9)
        write_kept(&load, argv[7]);
    for (size_t i = 0; i < load.connections_count; i++)
        connection_close(&load.connections[i]);
    for (size_t i = 0; i < load.requests_count; i++)
        free(load.requests[i].data);
    free(load.requests);
    free(load.kept);
    close(load.epoll);
    return 0;
}
