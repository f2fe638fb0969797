/* The floor under a server of the Redis protocol: a loop that answers every request with the same
 * bytes, and neither looks at the request nor makes the reply. What it costs is the price of the
 * sockets; no server that serves each request by itself can cost less.
 *
 *     floor REPLY      prints "ready PORT"; REPLY is a file with the bytes of one reply */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
    READ_SIZE = 64 * 1024,
    REPLY_SIZE_MAX = 4096,
    REQUESTS_MAX = READ_SIZE / 4, /* of one read: "*1\r\n" is the shortest start of one */
    EVENTS_MAX = 256,
    BACKLOG = 511,
};

static char reply[REPLY_SIZE_MAX];
static size_t reply_size;
static char *replies; /* REQUESTS_MAX times the reply */

static void must(int is_good, const char *what)
{
    if (is_good)
        return;
    perror(what);
    exit(EXIT_FAILURE);
}

static void read_reply(const char *path)
{
    FILE *file = fopen(path, "rb");
    must(file != NULL, path);
    reply_size = fread(reply, 1, sizeof(reply), file);
    must(reply_size > 0 && reply_size < sizeof(reply), "the reply's size");
    fclose(file);
    replies = malloc(REQUESTS_MAX * reply_size);
    must(replies != NULL, "malloc");
    for (size_t i = 0; i < REQUESTS_MAX; i++)
        memcpy(replies + i * reply_size, reply, reply_size);
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 &&
             listen(listener, BACKLOG) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &size) == 0,
         "listen");
    printf("ready %u\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

/* Each request begins with a '*' at the start of a line, and no argument of ours does. */
static size_t count_requests(const char *bytes, size_t size)
{
    size_t count = 0;
    const char *at = bytes;
    while ((at = memchr(at, '*', size - (size_t)(at - bytes))) != NULL) {
        count += at == bytes || at[-1] == '\n';
        at++;
    }
    return count;
}

/* Answers what came; 0: the connection is at its end. */
static int answer(int connection)
{
    static char bytes[READ_SIZE];
    ssize_t size = read(connection, bytes, sizeof(bytes));
    if (size <= 0)
        return 0;
    size_t left = count_requests(bytes, (size_t)size) * reply_size;
    const char *from = replies;
    while (left > 0) {
        ssize_t sent = send(connection, from, left, MSG_NOSIGNAL);
        if (sent <= 0)
            return 0;
        from += sent;
        left -= (size_t)sent;
    }
    return 1;
}

static void take(int poll, int listener)
{
    int one = 1;
    int connection = accept(listener, NULL, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = connection};
    must(connection >= 0 && epoll_ctl(poll, EPOLL_CTL_ADD, connection, &event) == 0, "accept");
    (void)setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int main(int argc, char **argv)
{
    must(argc == 2, "usage: floor REPLY");
    read_reply(argv[1]);
    int listener = listen_anywhere();
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    must(poll >= 0 && epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) == 0, "epoll");
    while (1) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(poll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                take(poll, listener);
            else if (!answer(events[i].data.fd))
                close(events[i].data.fd);
        }
    }
}
