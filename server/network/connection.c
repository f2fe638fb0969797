/* The life of a connection: accepted, read, handled, written, closed.
 *
 * Idle connections hold no buffers: the loop lends one of each kind to whoever is being handled and
 * takes it back empty; a connection keeps it only while bytes wait in it. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "network/network_room.h"

enum {
    SPARE_BYTES_MAX = 2 * NETWORK_OUTPUT_PAUSE_BYTES, /* a larger buffer is freed, not lent again */
    KEEPALIVE_IDLE_S = 300,
    KEEPALIVE_INTERVAL_S = 100,
    KEEPALIVE_PROBES = 3,
};

static void connection_list(struct network_connection *connection)
{
    if (connection->is_listed)
        return;
    TAILQ_INSERT_TAIL(&connection->loop->ready, connection, ready_link);
    connection->loop->ready_count++;
    connection->is_listed = true;
}

static void buffer_borrow(struct buffer *buffer, struct buffer *spare)
{
    if (buffer->memory != NULL)
        return;
    *buffer = *spare;
    *spare = (struct buffer){0};
}

static void buffer_give_back(struct buffer *buffer, struct buffer *spare)
{
    if (buffer->size > 0 || buffer->memory == NULL)
        return;
    if (spare->memory == NULL && buffer->capacity <= SPARE_BYTES_MAX) {
        *spare = *buffer;
        *buffer = (struct buffer){0};
        spare->start = 0;
        return;
    }
    buffer_fini(buffer);
}

static void connection_account(struct network_connection *connection)
{
    size_t held = connection->input.capacity + connection->output.capacity + connection->kept_bytes;
    connection->loop->held_bytes += held - connection->held_bytes;
    connection->held_bytes = held;
}

/* Closes without waiting for the output. */
static void connection_kill(struct network_connection *connection)
{
    connection->is_closing = true;
    connection->is_dead = true;
    buffer_fini(&connection->output);
}

/* ---- output ---- */

static void connection_wait_writable(struct network_connection *connection)
{
    if (connection->is_writing)
        return;
    event_add(&connection->writable, NULL);
    connection->is_writing = true;
    connection->drained_tick = connection->loop->ticks;
}

static void connection_flush(struct network_connection *connection)
{
    struct buffer *output = &connection->output;
    if (output->size > 0) {
        struct bytes bytes = buffer_bytes(output);
        ssize_t sent = send(connection->descriptor, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            connection_kill(connection);
        } else if (sent > 0) {
            buffer_consume(output, (size_t)sent);
            connection->loop->counters.output_bytes_total += (uint64_t)sent;
            connection->drained_tick = connection->loop->ticks;
        }
    }
    if (output->size > 0) {
        connection_wait_writable(connection);
    } else if (connection->is_writing) {
        event_del(&connection->writable);
        connection->is_writing = false;
    }
}

/* ---- input ---- */

static bool connection_has_more(const struct network_connection *connection)
{
    const struct network_handler *handler = connection->handler;
    return connection->input.size > 0 ||
           (handler->has_more != NULL && handler->has_more(connection->session));
}

static void connection_handle(struct network_connection *connection)
{
    struct buffer *input = &connection->input;
    const struct network_handler *handler = connection->handler;
    if (!network_connection_is_ready(connection) || !connection_has_more(connection))
        return;
    buffer_borrow(&connection->output, &connection->loop->spare_output);

    size_t consumed = handler->received(connection->session, buffer_bytes(input));
    CHECK(consumed <= input->size);
    buffer_consume(input, consumed);

    if (consumed > 0) {
        connection->partial_tick = 0;
        connection->asked_tick = connection->loop->ticks;
    }
    if (input->size == 0 || !network_connection_is_ready(connection))
        return;
    if (connection->partial_tick == 0)
        connection->partial_tick = connection->loop->ticks;
    if (input->size >= handler->input_max_bytes) {
        connection->loop->counters.connections_oversized_total++;
        connection_kill(connection);
    }
}

/* Reads once. */
static void connection_read(struct network_connection *connection)
{
    struct network_loop *loop = connection->loop;
    if (loop_is_over_budget(loop) && connection->input.size > 0) {
        loop->counters.connections_oversized_total++;
        connection_kill(connection);
        return;
    }
    buffer_borrow(&connection->input, &loop->spare_input);
    char *end = buffer_reserve(&connection->input, NETWORK_READ_SIZE);
    ssize_t size = read(connection->descriptor, end, NETWORK_READ_SIZE);
    if (size > 0) {
        buffer_added(&connection->input, (size_t)size);
        loop->counters.input_bytes_total += (uint64_t)size;
    } else if (size == 0) {
        connection->has_ended = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        connection_kill(connection);
    }
}

/* Whether nothing is left to be done for a peer that has ended but to send the output. */
static bool connection_is_through(const struct network_connection *connection)
{
    const struct network_handler *handler = connection->handler;
    return network_connection_is_ready(connection) && !connection->is_listed &&
           (handler->owes == NULL || !handler->owes(connection->session));
}

/* Everything is sent: says so, and waits for the peer to end too. */
static void connection_linger(struct network_connection *connection)
{
    if (connection->is_lingering)
        return;
    connection->is_lingering = true;
    connection->linger_tick = connection->loop->ticks;
    (void)shutdown(connection->descriptor, SHUT_WR);
    buffer_fini(&connection->input);
}

static void connection_discard(struct network_connection *connection)
{
    char bytes[NETWORK_READ_SIZE];
    ssize_t size = read(connection->descriptor, bytes, sizeof(bytes));
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
        connection->is_dead = true;
}

static void connection_on_readable(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    struct network_connection *connection = context;
    if (connection->is_paused && !connection->is_closing) {
        /* Only now, as most pauses end before anything comes. */
        event_del(&connection->readable);
        connection->is_reading = false;
        return;
    }
    if (connection->is_lingering)
        connection_discard(connection);
    else
        connection_read(connection);
    connection_proceed(connection);
}

static void connection_on_writable(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    struct network_connection *connection = context;
    connection_flush(connection);
    connection_proceed(connection);
}

/* Reads only while the handler may be called with what comes. */
static void connection_arm(struct network_connection *connection)
{
    bool is_drained = connection->output.size <= NETWORK_OUTPUT_PAUSE_BYTES;
    bool may_read = connection->is_lingering ||
                    (!connection->is_closing && !connection->has_ended && is_drained);
    if (connection->is_reading && !may_read) {
        event_del(&connection->readable);
        connection->is_reading = false;
    } else if (!connection->is_reading && may_read && !connection->is_paused) {
        event_add(&connection->readable, NULL);
        connection->is_reading = true;
    }
}

void connection_proceed(struct network_connection *connection)
{
    connection_handle(connection);
    bool was_full = connection->output.size > NETWORK_OUTPUT_PAUSE_BYTES;
    connection_flush(connection);
    /* The handler stopped for the sake of the output, and that is gone already. */
    if (was_full && network_connection_is_ready(connection) && connection_has_more(connection))
        connection_list(connection);
    if (connection->has_ended && connection_is_through(connection))
        connection->is_closing = connection->is_dead = true;
    if (connection->is_closing && connection->output.size == 0) {
        if (connection->is_dead) {
            connection_free(connection);
            return;
        }
        connection_linger(connection);
    }
    connection_account(connection);
    /* One that does not read while memory is short goes before those that do. */
    if (connection->output.size > NETWORK_OUTPUT_SCARCE_BYTES &&
        loop_is_over_budget(connection->loop)) {
        connection->loop->counters.connections_oversized_total++;
        connection_free(connection);
        return;
    }
    connection_arm(connection);
    buffer_give_back(&connection->input, &connection->loop->spare_input);
    buffer_give_back(&connection->output, &connection->loop->spare_output);
    connection_account(connection);
}

/* ---- life ---- */

static void connection_set_options(int descriptor)
{
    /* A socket that refuses one of these still works. */
    const struct {
        int level;
        int name;
        int value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        (void)setsockopt(descriptor, options[i].level, options[i].name, &options[i].value,
                         sizeof(options[i].value));
}

void connection_open(struct network_listener *listener, const struct network_seat *seat,
                     int descriptor, uint64_t id)
{
    struct network_loop *loop = seat->loop;
    struct network_connection *connection = calloc(1, sizeof(*connection));
    CHECK(connection != NULL);
    connection->loop = loop;
    connection->listener = listener;
    connection->handler = &seat->handler;
    connection->descriptor = descriptor;
    connection->id = id;
    connection->asked_tick = loop->ticks;
    connection_set_options(descriptor);
    event_assign(&connection->readable, loop->base, descriptor, EV_READ | EV_PERSIST,
                 connection_on_readable, connection);
    event_assign(&connection->writable, loop->base, descriptor, EV_WRITE | EV_PERSIST,
                 connection_on_writable, connection);
    TAILQ_INSERT_TAIL(&loop->connections, connection, link);
    loop->connections_count++;
    loop->counters.connections_opened_total++;
    connection->session = seat->handler.opened(seat->handler.context, connection);
    connection_arm(connection);
}

void connection_free(struct network_connection *connection)
{
    struct network_loop *loop = connection->loop;
    connection->handler->closed(connection->session);
    event_del(&connection->readable);
    event_del(&connection->writable);
    close(connection->descriptor);
    if (connection->is_listed) {
        TAILQ_REMOVE(&loop->ready, connection, ready_link);
        loop->ready_count--;
    }
    TAILQ_REMOVE(&loop->connections, connection, link);
    loop->connections_count--;
    atomic_fetch_sub(&connection->listener->connections_count, 1);
    loop->held_bytes -= connection->held_bytes;
    buffer_fini(&connection->input);
    buffer_fini(&connection->output);
    free(connection);
}

void connection_tick(struct network_connection *connection)
{
    struct network_loop *loop = connection->loop;
    /* Output that nobody tried to send yet is none that the peer did not read. */
    if (connection->is_writing &&
        loop->ticks - connection->drained_tick > NETWORK_DRAIN_DEADLINE_S) {
        loop->counters.connections_stalled_total++;
        connection_free(connection);
        return;
    }
    if (connection->is_lingering &&
        loop->ticks - connection->linger_tick > NETWORK_LINGER_DEADLINE_S) {
        connection_free(connection);
        return;
    }
    if (connection->partial_tick > 0 && network_connection_is_ready(connection) &&
        loop->ticks - connection->partial_tick > NETWORK_PARTIAL_DEADLINE_S) {
        loop->counters.connections_partial_total++;
        connection_free(connection);
        return;
    }
    unsigned idle_max_s = connection->handler->idle_max_s;
    if (idle_max_s > 0 && network_connection_is_ready(connection) && connection->output.size == 0 &&
        loop->ticks - connection->asked_tick > idle_max_s) {
        loop->counters.connections_idle_total++;
        connection_free(connection);
    }
}

/* ---- what handlers call ---- */

struct buffer *network_connection_output(struct network_connection *connection)
{
    return &connection->output;
}

bool network_connection_is_ready(const struct network_connection *connection)
{
    return !connection->is_closing && !connection->is_paused &&
           connection->output.size <= NETWORK_OUTPUT_PAUSE_BYTES;
}

void network_connection_pause(struct network_connection *connection)
{
    connection->is_paused = true;
}

void network_connection_resume(struct network_connection *connection)
{
    connection->is_paused = false;
    connection_flush(connection);
    connection_list(connection);
}

void network_connection_close(struct network_connection *connection)
{
    connection->is_closing = true;
    connection_list(connection);
}

bool network_connection_keep(struct network_connection *connection, size_t bytes)
{
    const struct network_loop *loop = connection->loop;
    connection->kept_bytes = bytes;
    connection_account(connection);
    return loop_all_held_bytes(loop) <= loop->budget->bytes_max / 2;
}

uint64_t network_connection_id(const struct network_connection *connection)
{
    return connection->id;
}

int network_connection_descriptor(const struct network_connection *connection)
{
    return connection->descriptor;
}

void network_connection_peer(const struct network_connection *connection,
                             char text[NETWORK_ADDRESS_TEXT_SIZE])
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (getpeername(connection->descriptor, (struct sockaddr *)&address, &size) != 0)
        size = 0;
    address_format(&address, size, text);
}
