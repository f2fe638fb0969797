/* Replay: sends requests that were made before, at fixed rates, and says how long each took.
 *
 *     replay PORT SECONDS STREAM...
 *
 *     load:NAME:FILE:RATE:CONNECTIONS     an open loop: a request is due at its time, however late
 * the answers to earlier ones are; its latency counts from then, so a server that stops for a
 * second is not let off full:NAME:FILE:DEPTH:CONNECTIONS    a closed loop: DEPTH requests in flight
 * on each connection probe:NAME:FILE:RATE:1              a write; once it is answered, a read on
 * another connection, repeated until it shows the write
 *
 * FILE holds requests, used again from the first when they end. Each is a line, then bytes as they
 * are sent: "SIZE REPLIES\n" and SIZE bytes that REPLIES replies answer; for a probe
 * "SIZE READ_SIZE EXPECTED\n", the write and the read, whose reply must be EXPECTED or more.
 *
 * All streams share one thread, which spins: its CPU should be its own. Any error reply ends it.
 * Prints one JSON object; latencies are pairs of microseconds and how many took them. Exit codes:
 * 0, 1, 2. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

enum {
    STREAMS_MAX = 8,
    CONNECTIONS_MAX = 1000, /* of one stream */
    NAME_SIZE = 32,
    PATH_SIZE = 256,
    WRITES_MAX = 64, /* requests in one system call */
    EVENTS_MAX = 64,
    RECEIVE_SIZE = 64 * 1024,
    DRAIN_S = 20,          /* what is not answered so long after the end never will be */
    LATE_NS = 1000 * 1000, /* of a request that is sent when it was due, or nearly so */
};

#define NS_PER_S 1000000000LL

struct request {
    const char *bytes; /* borrowed from the file, which stays mapped */
    size_t size;
    uint32_t replies;
    const char *read; /* of a probe */
    size_t read_size;
    long long expected;
};

enum kind { KIND_LOAD, KIND_FULL, KIND_PROBE };

/* One socket. It sends requests `first`, first + step, ... of its stream, in that order. */
struct connection {
    struct stream *stream;
    int fd;
    redisReader *reader; /* owned */
    size_t first;
    uint64_t sent;    /* requests that were sent whole */
    size_t sent_part; /* bytes of the next one */
    bool is_blocked;  /* the server does not read: what is due now waits for it */
    uint64_t answered;
    uint32_t replies_seen; /* of the request behind those */
};

struct stream {
    char name[NAME_SIZE];
    enum kind kind;
    struct request *requests; /* owned */
    size_t requests_count;
    double rate;                    /* a second; the depth where KIND_FULL */
    struct connection *connections; /* owned; the writer and the reader where KIND_PROBE */
    size_t connections_count;
    uint64_t total; /* requests to send; what was sent when time was up where KIND_FULL */
    uint64_t answered;
    uint64_t late;           /* sent later than LATE_NS, and not for the server */
    uint64_t stale;          /* probes whose first read did not show the write */
    uint32_t *latencies_us;  /* owned; from due to answered; of a probe to acknowledged */
    uint32_t *reads_us;      /* owned; of a probe from acknowledged to read */
    int64_t acknowledged_ns; /* the probe under way; 0: it waits for its acknowledgement */
    bool is_first_read;
    int64_t end_ns; /* of the last answer; the start before the first */
};

struct replay {
    struct stream streams[STREAMS_MAX];
    size_t streams_count;
    int epoll;
    int64_t start_ns;
    double seconds;
    bool is_over; /* the time for sending is */
};

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("replay: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL)
        die("no memory for %zu times %zu bytes", count, size);
    return memory;
}

/* ---- requests ---- */

static const char *map_file(const char *path, size_t *size)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0)
        die("open %s: %s", path, strerror(errno));
    if (about.st_size == 0)
        die("%s is empty", path);
    void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED)
        die("map %s: %s", path, strerror(errno));
    close(fd);
    *size = (size_t)about.st_size;
    return bytes;
}

/* Takes one request off the bytes; returns what is behind it. */
static const char *take_request(enum kind kind, const char *at, const char *end,
                                struct request *request)
{
    char line[64] = {0};
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    if (newline == NULL || newline - at >= (ptrdiff_t)sizeof(line))
        die("a request begins with a line of its sizes");
    memcpy(line, at, (size_t)(newline - at));
    *request = (struct request){.bytes = newline + 1, .replies = 1};
    int found = kind == KIND_PROBE ? sscanf(line, "%zu %zu %lld", &request->size,
                                            &request->read_size, &request->expected) -
                                         1
                                   : sscanf(line, "%zu %u", &request->size, &request->replies);
    size_t left = (size_t)(end - request->bytes);
    if (found != 2 || request->size == 0 || request->replies == 0 || request->size > left ||
        request->read_size > left - request->size)
        die("'%s' does not begin a request", line);
    request->read = request->bytes + request->size;
    return request->read + request->read_size;
}

static void load_requests(struct stream *stream, const char *path)
{
    size_t size;
    size_t capacity = 0;
    const char *at = map_file(path, &size);
    const char *end = at + size;
    while (at < end) {
        if (stream->requests_count == capacity) {
            capacity = capacity == 0 ? 1024 : 2 * capacity;
            stream->requests = realloc(stream->requests, capacity * sizeof(*stream->requests));
            if (stream->requests == NULL)
                die("no memory for %zu requests", capacity);
        }
        at = take_request(stream->kind, at, end, &stream->requests[stream->requests_count++]);
    }
}

/* ---- connections ---- */

static void connect_to(struct connection *connection, uint16_t port, int epoll)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect to port %u: %s", port, strerror(errno));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        fcntl(connection->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        die("set up a connection: %s", strerror(errno));
    connection->reader = redisReaderCreate();
    if (connection->reader == NULL)
        die("no memory for a reader");
}

static int64_t due_ns(const struct replay *replay, const struct stream *stream, uint64_t number)
{
    return replay->start_ns + (int64_t)((double)number / stream->rate * 1e9);
}

/* The number, in its stream, of the connection's request `index`. */
static uint64_t number_of(const struct connection *connection, uint64_t index)
{
    return connection->first + index * connection->stream->connections_count;
}

static const struct request *request_of(const struct connection *connection, uint64_t index)
{
    const struct stream *stream = connection->stream;
    return &stream->requests[number_of(connection, index) % stream->requests_count];
}

/* How many requests of the connection may have been sent by now. */
static uint64_t may_be_sent(const struct replay *replay, const struct connection *connection,
                            int64_t time_ns)
{
    const struct stream *stream = connection->stream;
    if (stream->kind == KIND_FULL)
        return replay->is_over ? connection->sent : connection->answered + (uint64_t)stream->rate;
    if (time_ns < replay->start_ns)
        return 0;
    uint64_t due = (uint64_t)((double)(time_ns - replay->start_ns) * stream->rate / 1e9) + 1;
    due = due < stream->total ? due : stream->total;
    if (due <= connection->first)
        return 0;
    return (due - connection->first - 1) / stream->connections_count + 1;
}

/* Moves on by what the socket took. */
static void sent_bytes(const struct replay *replay, struct connection *connection, size_t size,
                       int64_t time_ns)
{
    struct stream *stream = connection->stream;
    while (size > 0) {
        size_t left = request_of(connection, connection->sent)->size - connection->sent_part;
        if (size < left) {
            connection->sent_part += size;
            return;
        }
        size -= left;
        connection->sent_part = 0;
        if (stream->kind == KIND_LOAD && !connection->is_blocked &&
            time_ns - due_ns(replay, stream, number_of(connection, connection->sent)) > LATE_NS)
            stream->late++;
        connection->sent++;
    }
}

static void send_due(const struct replay *replay, struct connection *connection, int64_t time_ns)
{
    uint64_t until = may_be_sent(replay, connection, time_ns);
    while (connection->sent < until) {
        struct iovec writes[WRITES_MAX];
        int count = 0;
        size_t skip = connection->sent_part;
        for (uint64_t i = connection->sent; i < until && count < WRITES_MAX; i++) {
            const struct request *request = request_of(connection, i);
            writes[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)(request->bytes + skip),
                                             .iov_len = request->size - skip};
            skip = 0;
        }
        ssize_t size = writev(connection->fd, writes, count);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            connection->is_blocked = errno == EAGAIN;
            return;
        }
        if (size < 0)
            die("write: %s", strerror(errno));
        sent_bytes(replay, connection, (size_t)size, time_ns);
    }
    connection->is_blocked = false;
}

static uint32_t us_between(int64_t from_ns, int64_t to_ns)
{
    int64_t us = (to_ns - from_ns + 500) / 1000;
    return us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

/* One reply of a load, complete. */
static void take_reply(const struct replay *replay, struct connection *connection, int64_t time_ns)
{
    struct stream *stream = connection->stream;
    if (connection->answered == connection->sent)
        die("%s: a reply that nothing asked for", stream->name);
    if (++connection->replies_seen < request_of(connection, connection->answered)->replies)
        return;
    connection->replies_seen = 0;
    if (stream->kind == KIND_LOAD)
        stream->latencies_us[stream->answered] = us_between(
            due_ns(replay, stream, number_of(connection, connection->answered)), time_ns);
    connection->answered++;
    stream->answered++;
    stream->end_ns = time_ns;
}

/* ---- probes ---- */

static void send_whole(struct connection *connection, const char *bytes, size_t size)
{
    if (send(connection->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("%s: a write of %zu bytes: %s", connection->stream->name, size, strerror(errno));
}

/* Sends the next write once it is due and the probe before it is done. */
static void probe_write(const struct replay *replay, struct stream *stream, int64_t time_ns)
{
    struct connection *writer = &stream->connections[0];
    bool is_under_way = writer->sent > stream->answered;
    if (is_under_way || stream->answered == stream->total || replay->is_over ||
        time_ns < due_ns(replay, stream, stream->answered))
        return;
    const struct request *request = &stream->requests[stream->answered % stream->requests_count];
    send_whole(writer, request->bytes, request->size);
    writer->sent++;
    stream->acknowledged_ns = 0;
    stream->is_first_read = true;
}

static long long reply_number(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
}

/* The write was acknowledged, or the read was answered. */
static void probe_reply(const struct replay *replay, struct stream *stream, const redisReply *reply,
                        int64_t time_ns)
{
    uint64_t probe = stream->answered;
    struct connection *reader = &stream->connections[1];
    const struct request *request = &stream->requests[probe % stream->requests_count];
    if (stream->acknowledged_ns == 0) {
        stream->acknowledged_ns = time_ns;
        stream->latencies_us[probe] = us_between(due_ns(replay, stream, probe), time_ns);
        send_whole(reader, request->read, request->read_size);
        return;
    }
    if (reply_number(reply) < request->expected) {
        stream->stale += stream->is_first_read;
        stream->is_first_read = false;
        send_whole(reader, request->read, request->read_size);
        return;
    }
    stream->reads_us[probe] = us_between(stream->acknowledged_ns, time_ns);
    stream->answered++;
    stream->end_ns = time_ns;
}

/* ---- the loop ---- */

static void receive(const struct replay *replay, struct connection *connection)
{
    static char bytes[RECEIVE_SIZE];
    struct stream *stream = connection->stream;
    void *reply = NULL;
    ssize_t size = recv(connection->fd, bytes, sizeof(bytes), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0)
        die("%s: the server closed a connection", stream->name);
    int64_t time_ns = now_ns();
    if (redisReaderFeed(connection->reader, bytes, (size_t)size) != REDIS_OK)
        die("%s: %s", stream->name, connection->reader->errstr);
    while (redisReaderGetReply(connection->reader, &reply) == REDIS_OK && reply != NULL) {
        const redisReply *it = reply;
        if (it->type == REDIS_REPLY_ERROR)
            die("%s: the server says: %s", stream->name, it->str);
        if (stream->kind == KIND_PROBE)
            probe_reply(replay, stream, it, time_ns);
        else
            take_reply(replay, connection, time_ns);
        freeReplyObject(reply);
    }
    if (connection->reader->err != 0)
        die("%s: %s", stream->name, connection->reader->errstr);
}

static void send_all_due(const struct replay *replay, struct stream *stream)
{
    if (stream->kind == KIND_PROBE) {
        probe_write(replay, stream, now_ns());
        return;
    }
    int64_t time_ns = now_ns();
    for (size_t i = 0; i < stream->connections_count; i++)
        send_due(replay, &stream->connections[i], time_ns);
}

/* Whether all that was sent, or is to be sent, is answered. */
static bool is_done(const struct replay *replay, const struct stream *stream)
{
    switch (stream->kind) {
    case KIND_LOAD:
        return stream->answered == stream->total;
    case KIND_FULL:
        for (size_t i = 0; i < stream->connections_count; i++)
            if (stream->connections[i].answered < stream->connections[i].sent)
                return false;
        return replay->is_over;
    case KIND_PROBE:
        return replay->is_over && stream->connections[0].sent == stream->answered;
    }
    return true;
}

static bool all_done(const struct replay *replay)
{
    for (size_t i = 0; i < replay->streams_count; i++)
        if (!is_done(replay, &replay->streams[i]))
            return false;
    return true;
}

static void run(struct replay *replay)
{
    struct epoll_event events[EVENTS_MAX];
    replay->start_ns = now_ns();
    for (size_t i = 0; i < replay->streams_count; i++)
        replay->streams[i].end_ns = replay->start_ns;
    int64_t end_ns = replay->start_ns + (int64_t)(replay->seconds * 1e9);
    int64_t time_ns = replay->start_ns;
    while (time_ns < end_ns + DRAIN_S * NS_PER_S && !all_done(replay)) {
        replay->is_over = time_ns >= end_ns;
        for (size_t i = 0; i < replay->streams_count; i++)
            send_all_due(replay, &replay->streams[i]);
        int count = epoll_wait(replay->epoll, events, EVENTS_MAX, 0);
        for (int i = 0; i < count; i++)
            receive(replay, events[i].data.ptr);
        time_ns = now_ns();
    }
}

/* What is not answered by now is told as if it were answered now: it took longer than that. */
static void give_up(const struct replay *replay, struct stream *stream)
{
    uint64_t told = stream->answered;
    int64_t time_ns = now_ns();
    for (size_t i = 0; i < stream->connections_count && stream->kind == KIND_LOAD; i++) {
        const struct connection *connection = &stream->connections[i];
        for (uint64_t index = connection->answered; number_of(connection, index) < stream->total;
             index++)
            stream->latencies_us[told++] =
                us_between(due_ns(replay, stream, number_of(connection, index)), time_ns);
    }
}

/* ---- what is printed ---- */

static int compare_numbers(const void *a, const void *b)
{
    const uint32_t *left = a;
    const uint32_t *right = b;
    return (*left > *right) - (*left < *right);
}

static void print_latencies(const char *name, uint32_t *latencies_us, uint64_t count)
{
    printf(", \"%s\": [", name);
    qsort(latencies_us, count, sizeof(*latencies_us), compare_numbers);
    for (uint64_t i = 0; i < count;) {
        uint64_t first = i;
        while (i < count && latencies_us[i] == latencies_us[first])
            i++;
        printf("%s[%u, %llu]", first == 0 ? "" : ", ", latencies_us[first],
               (unsigned long long)(i - first));
    }
    printf("]");
}

static void print_stream(const struct replay *replay, struct stream *stream)
{
    uint64_t due = stream->kind == KIND_LOAD ? stream->total : 0;
    for (size_t i = 0; i < stream->connections_count && stream->kind != KIND_LOAD; i++)
        due += stream->connections[i].sent;
    printf("\"%s\": {\"seconds\": %.6f, \"due\": %llu, \"answered\": %llu, \"late\": %llu, "
           "\"stale\": %llu",
           stream->name, (double)(stream->end_ns - replay->start_ns) / 1e9, (unsigned long long)due,
           (unsigned long long)stream->answered, (unsigned long long)stream->late,
           (unsigned long long)stream->stale);
    print_latencies("latencies_us", stream->latencies_us,
                    stream->kind == KIND_LOAD    ? due
                    : stream->kind == KIND_PROBE ? stream->answered
                                                 : 0);
    print_latencies("reads_us", stream->reads_us,
                    stream->kind == KIND_PROBE ? stream->answered : 0);
    printf("}");
}

/* ---- the command line ---- */

static bool parse_stream(struct replay *replay, const char *text, uint16_t port)
{
    char kind[8];
    char path[PATH_SIZE];
    struct stream *stream = &replay->streams[replay->streams_count++];
    if (sscanf(text, "%7[a-z]:%31[a-z]:%255[^:]:%lf:%zu", kind, stream->name, path, &stream->rate,
               &stream->connections_count) != 5 ||
        stream->rate < 1 || stream->connections_count < 1 ||
        stream->connections_count > CONNECTIONS_MAX)
        return false;
    stream->kind = strcmp(kind, "load") == 0   ? KIND_LOAD
                   : strcmp(kind, "full") == 0 ? KIND_FULL
                                               : KIND_PROBE;
    if (stream->kind == KIND_PROBE && strcmp(kind, "probe") != 0)
        return false;
    load_requests(stream, path);
    if (stream->kind != KIND_FULL) {
        stream->total = (uint64_t)(stream->rate * replay->seconds);
        stream->latencies_us = allocate(stream->total, sizeof(*stream->latencies_us));
    }
    if (stream->kind == KIND_PROBE) {
        stream->connections_count = 2;
        stream->reads_us = allocate(stream->total, sizeof(*stream->reads_us));
    }
    stream->connections = allocate(stream->connections_count, sizeof(*stream->connections));
    for (size_t i = 0; i < stream->connections_count; i++) {
        stream->connections[i] = (struct connection){.stream = stream, .first = i};
        connect_to(&stream->connections[i], port, replay->epoll);
    }
    return true;
}

static void replay_fini(struct replay *replay)
{
    for (size_t i = 0; i < replay->streams_count; i++) {
        struct stream *stream = &replay->streams[i];
        for (size_t j = 0; j < stream->connections_count; j++) {
            redisReaderFree(stream->connections[j].reader);
            close(stream->connections[j].fd);
        }
        free(stream->connections);
        free(stream->requests);
        free(stream->latencies_us);
        free(stream->reads_us);
    }
    close(replay->epoll);
}

int main(int argc, char **argv)
{
    static struct replay replay;
    int port = argc > 1 ? atoi(argv[1]) : 0;
    replay.seconds = argc > 2 ? atof(argv[2]) : 0;
    replay.epoll = epoll_create1(EPOLL_CLOEXEC);
    bool is_usable = port > 0 && port <= UINT16_MAX && replay.seconds > 0 && argc > 3 &&
                     argc - 3 <= STREAMS_MAX && replay.epoll >= 0;
    for (int i = 3; i < argc && is_usable; i++)
        is_usable = parse_stream(&replay, argv[i], (uint16_t)port);
    if (!is_usable) {
        fprintf(stderr, "usage: replay PORT SECONDS KIND:NAME:FILE:RATE:CONNECTIONS...\n");
        return 2;
    }
    run(&replay);
    printf("{");
    for (size_t i = 0; i < replay.streams_count; i++) {
        give_up(&replay, &replay.streams[i]);
        printf("%s", i == 0 ? "" : ",\n ");
        print_stream(&replay, &replay.streams[i]);
    }
    printf("}\n");
    replay_fini(&replay);
    return 0;
}
