#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "network/network_room.h"

void address_format(const struct sockaddr_storage *address, socklen_t size,
                    char text[NETWORK_ADDRESS_TEXT_SIZE])
{
    char host[NETWORK_ADDRESS_TEXT_SIZE - 16];
    char port[8];
    if (size == 0 || getnameinfo((const struct sockaddr *)address, size, host, sizeof(host), port,
                                 sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        snprintf(text, NETWORK_ADDRESS_TEXT_SIZE, "?:0");
        return;
    }
    bool is_ipv6 = address->ss_family == AF_INET6;
    snprintf(text, NETWORK_ADDRESS_TEXT_SIZE, is_ipv6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* ---- accepting ---- */

static bool accept_error_is_passing(int number)
{
    return number == EINTR || number == ECONNABORTED || number == EPROTO || number == EPERM;
}

/* Out of descriptors or memory: the queue stays readable, so look away until the next tick. */
static void listener_pause(struct network_listener *listener)
{
    listener->loop->counters.accept_failures_total++;
    log_warn("accept: %s; no new connections for a second", error_errno());
    event_del(&listener->event);
    listener->is_paused = true;
}

/* A connection on its way to the loop of its seat. */
struct handover {
    struct network_call call; /* the first member */
    struct network_listener *listener;
    const struct network_seat *seat;
    int descriptor;
    uint64_t id;
};

static void handover_run(struct network_call *call)
{
    struct handover *handover = (struct handover *)call;
    connection_open(handover->listener, handover->seat, handover->descriptor, handover->id);
    free(handover);
}

/* Deals the connection to the next seat. */
static void listener_deal(struct network_listener *listener, int descriptor)
{
    const struct network_seat *seat = &listener->seats[listener->next_seat];
    listener->next_seat = (listener->next_seat + 1) % listener->seats_count;
    atomic_fetch_add(&listener->connections_count, 1);
    uint64_t id = ++listener->last_id;
    if (seat->loop == listener->loop) {
        connection_open(listener, seat, descriptor, id);
        return;
    }
    struct handover *handover = malloc(sizeof(*handover));
    CHECK(handover != NULL);
    *handover = (struct handover){.call = {.run = handover_run},
                                  .listener = listener,
                                  .seat = seat,
                                  .descriptor = descriptor,
                                  .id = id};
    network_loop_post(seat->loop, &handover->call);
}

static void listener_refuse(struct network_listener *listener, int descriptor)
{
    struct bytes reply = listener->seats[0].handler.full_reply;
    listener->loop->counters.connections_refused_total++;
    (void)send(descriptor, reply.data, reply.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(descriptor);
}

static void listener_on_readable(evutil_socket_t descriptor, short what, void *context)
{
    (void)what;
    struct network_listener *listener = context;
    for (size_t i = 0; i < NETWORK_ACCEPTS_MAX; i++) {
        int accepted = accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0 && accept_error_is_passing(errno))
            continue;
        if (accepted < 0) {
            if (errno != EAGAIN)
                listener_pause(listener);
            return;
        }
        if (listener->connections_count >= listener->connections_max)
            listener_refuse(listener, accepted);
        else
            listener_deal(listener, accepted);
    }
}

void listener_tick(struct network_listener *listener)
{
    if (!listener->is_paused)
        return;
    listener->is_paused = false;
    event_add(&listener->event, NULL);
}

/* ---- listening ---- */

static enum status listen_failed(const struct network_listen_options *options, struct error *err)
{
    const char *advice = "";
    if (errno == EADDRINUSE)
        return error_set(err, STATUS_UNAVAILABLE,
                         "listen on %s:%u: address already in use; choose another by %s",
                         options->address, options->port, options->port_option);
    if (errno == EACCES)
        advice = "; ports below 1024 need a privilege, choose another";
    if (errno == EADDRNOTAVAIL)
        advice = "; it is no address of this machine";
    return error_set(err, STATUS_UNAVAILABLE, "listen on %s:%u: %s%s", options->address,
                     options->port, error_errno(), advice);
}

static enum status listener_resolve(const struct network_listen_options *options,
                                    struct addrinfo **out, struct error *err)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM};
    bool is_any = bytes_equal_text(bytes_of_text(options->address), "*");
    char port[8];
    snprintf(port, sizeof(port), "%u", options->port);
    int code = getaddrinfo(is_any ? "0.0.0.0" : options->address, port, &hints, out);
    if (code == 0)
        return STATUS_OK;
    return error_set(
        err, STATUS_INVALID,
        "listen on %s: %s; give an address of this machine, such as 127.0.0.1, ::1 or *",
        options->address, gai_strerror(code));
}

static int socket_listen(const struct addrinfo *address)
{
    int one = 1;
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(descriptor, address->ai_addr, address->ai_addrlen) == 0 &&
        listen(descriptor, NETWORK_BACKLOG) == 0)
        return descriptor;
    int number = errno;
    close(descriptor);
    errno = number;
    return -1;
}

enum status network_listen(struct network_loop *loop, const struct network_listen_options *options,
                           struct network_listener **out, struct error *err)
{
    struct addrinfo *address = NULL;
    enum status status = listener_resolve(options, &address, err);
    if (status != STATUS_OK)
        return status;
    int descriptor = socket_listen(address);
    if (descriptor < 0)
        status = listen_failed(options, err);
    freeaddrinfo(address);
    if (status != STATUS_OK)
        return status;

    struct network_listener *listener = calloc(1, sizeof(*listener));
    CHECK(listener != NULL);
    listener->loop = loop;
    listener->descriptor = descriptor;
    listener->connections_max = options->connections_max;
    listener->seats = calloc(options->seats_count, sizeof(*listener->seats));
    CHECK(options->seats_count > 0 && listener->seats != NULL);
    memcpy(listener->seats, options->seats, options->seats_count * sizeof(*listener->seats));
    listener->seats_count = options->seats_count;
    event_assign(&listener->event, loop->base, descriptor, EV_READ | EV_PERSIST,
                 listener_on_readable, listener);
    event_add(&listener->event, NULL);
    LIST_INSERT_HEAD(&loop->listeners, listener, link);
    *out = listener;
    return STATUS_OK;
}

void network_listener_close(struct network_listener *listener)
{
    if (listener->descriptor < 0)
        return;
    event_del(&listener->event);
    close(listener->descriptor);
    listener->descriptor = -1;
    listener->is_paused = false;
}

void listener_free(struct network_listener *listener)
{
    network_listener_close(listener);
    LIST_REMOVE(listener, link);
    free(listener->seats);
    free(listener);
}

static socklen_t listener_name(const struct network_listener *listener,
                               struct sockaddr_storage *address)
{
    socklen_t size = sizeof(*address);
    int result = getsockname(listener->descriptor, (struct sockaddr *)address, &size);
    CHECK(result == 0);
    return size;
}

uint16_t network_listener_port(const struct network_listener *listener)
{
    struct sockaddr_storage address;
    char port[8];
    socklen_t size = listener_name(listener, &address);
    if (getnameinfo((const struct sockaddr *)&address, size, NULL, 0, port, sizeof(port),
                    NI_NUMERICSERV) != 0)
        return 0;
    return (uint16_t)strtoul(port, NULL, 10);
}

void network_listener_address(const struct network_listener *listener,
                              char text[NETWORK_ADDRESS_TEXT_SIZE])
{
    struct sockaddr_storage address;
    address_format(&address, listener_name(listener, &address), text);
}
