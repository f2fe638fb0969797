#include "wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/endian.h"

enum {
    SIZE_SIZE = 4,
    HEAD_SIZE = 9,                    /* size, call, kind */
    INPUT_FRAME_SIZE_MAX = 64 * 1024, /* larger frames are read into their own memory */
    LARGE_FIRST_SIZE = 256 * 1024,
    OUTPUT_KEEP_BYTES = 1024 * 1024,
};

/* ---- life ---- */

void wire_init(struct wire *wire, const struct address *address, size_t answer_size_max)
{
    CHECK(answer_size_max > 0 && answer_size_max <= WIRE_ANSWER_SIZE_MAX);
    *wire = (struct wire){.fd = -1, .address = *address, .answer_size_max = answer_size_max};
}

void wire_fini(struct wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
    wire->state = WIRE_CLOSED;
    buffer_fini(&wire->output);
    buffer_fini(&wire->input);
    asof_message_destroy(&wire->large);
    wire->skipped = wire->large_size = 0;
    wire->appended = wire->sent = 0;
    wire->has_received = false;
}

void wire_break(struct wire *wire, enum asof_code code, const char *format, ...)
{
    if (wire->state == WIRE_BROKEN)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(wire->error.text, sizeof(wire->error.text), format, arguments);
    va_end(arguments);
    wire->error.code = code;
    wire->state = WIRE_BROKEN;
    if (wire->fd >= 0)
        shutdown(wire->fd, SHUT_RDWR);
}

static void wire_break_by_errno(struct wire *wire, const char *what)
{
    wire_break(wire, ASOF_UNAVAILABLE, "%s %s: %s", what, wire->address.text, error_errno());
}

enum asof_code wire_connect(struct wire *wire, const struct addrinfo *target)
{
    int on = 1;
    wire_fini(wire);
    wire->fd = socket(target->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->fd < 0) {
        wire_break_by_errno(wire, "a socket to");
        return ASOF_UNAVAILABLE;
    }
    wire->state = WIRE_CONNECTING;
    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(wire->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (connect(wire->fd, target->ai_addr, target->ai_addrlen) != 0 && errno != EINPROGRESS) {
        wire_break_by_errno(wire, "no server at");
        return ASOF_UNAVAILABLE;
    }
    return ASOF_OK;
}

void wire_finish_connecting(struct wire *wire)
{
    int code = 0;
    socklen_t size = sizeof(code);
    CHECK(wire->state == WIRE_CONNECTING);
    if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0)
        code = errno;
    if (code == 0) {
        wire->state = WIRE_OPEN;
        return;
    }
    errno = code;
    wire_break_by_errno(wire, "no server at");
}

void wire_adopt(struct wire *wire, int fd)
{
    wire_fini(wire);
    wire->fd = fd;
    wire->state = WIRE_OPEN;
}

/* ---- sending ---- */

static char *append_head(struct wire *wire, uint32_t call, enum light_kind kind, size_t extra,
                         size_t message_size)
{
    size_t head_size = HEAD_SIZE + extra;
    CHECK(wire->state == WIRE_OPEN || wire->state == WIRE_CONNECTING);
    CHECK(message_size <= LIGHT_MESSAGE_SIZE_MAX);
    char *head = buffer_reserve(&wire->output, head_size + message_size);
    be32_write(head, (uint32_t)(head_size + message_size - SIZE_SIZE));
    be32_write(head + SIZE_SIZE, call);
    head[HEAD_SIZE - 1] = (char)kind;
    buffer_added(&wire->output, head_size);
    wire->appended += head_size + message_size;
    return head + HEAD_SIZE;
}

void wire_append_call(struct wire *wire, uint32_t call, unsigned method, uint32_t timeout_ms,
                      struct bytes message)
{
    char *extra =
        append_head(wire, call, LIGHT_CALL, LIGHT_CALL_HEAD_SIZE - HEAD_SIZE, message.size);
    extra[0] = (char)method;
    be32_write(extra + 1, timeout_ms);
    buffer_append(&wire->output, message);
}

void wire_append(struct wire *wire, uint32_t call, enum light_kind kind, struct bytes message)
{
    append_head(wire, call, kind, 0, message.size);
    buffer_append(&wire->output, message);
}

void wire_flush(struct wire *wire)
{
    while (wire->state == WIRE_OPEN && wire->output.size > 0) {
        struct bytes bytes = buffer_bytes(&wire->output);
        ssize_t size = send(wire->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0) {
            wire_break_by_errno(wire, "the connection broke to");
            return;
        }
        wire->sent += (uint64_t)size;
        buffer_consume(&wire->output, (size_t)size);
    }
    if (wire->output.size == 0)
        buffer_reset(&wire->output, OUTPUT_KEEP_BYTES);
}

/* ---- receiving ---- */

/* Where the next bytes go, and how many at most. */
static char *receive_place(struct wire *wire, size_t *size)
{
    if (wire->large == NULL) {
        *size = WIRE_READ_SIZE;
        return buffer_reserve(&wire->input, WIRE_READ_SIZE);
    }
    struct asof_message *large = wire->large;
    if (large->size == large->capacity) {
        size_t doubled = large->capacity * 2;
        message_reserve(&wire->large, doubled < wire->large_size ? doubled : wire->large_size);
        large = wire->large;
    }
    *size = large->capacity - large->size;
    return large->data + large->size;
}

bool wire_receive(struct wire *wire)
{
    size_t size;
    if (wire->state != WIRE_OPEN)
        return false;
    if (wire->large != NULL && wire->large->size == wire->large_size)
        return false; /* to be taken first */
    char *place = receive_place(wire, &size);
    ssize_t got;
    do
        got = recv(wire->fd, place, size, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got < 0) {
        wire_break_by_errno(wire, "the connection broke to");
    } else if (got == 0) {
        wire_break(wire, ASOF_UNAVAILABLE, "the server %s closed the connection",
                   wire->address.text);
    } else if (wire->large != NULL) {
        message_added(wire->large, (size_t)got);
    } else {
        buffer_added(&wire->input, (size_t)got);
    }
    wire->has_received |= got > 0;
    return got > 0;
}

/* What speaks there is not asofd's RPC port. */
static bool break_by_stranger(struct wire *wire, struct bytes input)
{
    const char *where = wire->address.text;
    if (bytes_start_with(input, bytes_of_text("-ERR")) ||
        bytes_start_with(input, bytes_of_text("-NOAUTH")))
        wire_break(wire, ASOF_INVALID_ARGUMENT,
                   "%s speaks the Redis protocol: give the RPC port, %d unless --rpc-port says "
                   "another",
                   where, ASOF_PORT);
    else if (bytes_start_with(input, bytes_of_text("HTTP")))
        wire_break(wire, ASOF_INVALID_ARGUMENT,
                   "%s speaks HTTP: give the RPC port, %d unless --rpc-port says another", where,
                   ASOF_PORT);
    else
        wire_break(wire, ASOF_INTERNAL, "what %s sends is no frame of docs/rpc.md", where);
    buffer_consume(&wire->input, input.size);
    return false;
}

static bool head_is_right(enum light_kind kind, size_t body_size)
{
    switch (kind) {
    case LIGHT_ANSWER:
    case LIGHT_PART:
        return true;
    case LIGHT_FAILED:
        return body_size >= 1 && body_size <= INPUT_FRAME_SIZE_MAX;
    case LIGHT_DONE:
        return body_size == 0;
    case LIGHT_CALL:
    case LIGHT_CANCEL:
    case LIGHT_MESSAGE:
    case LIGHT_END:
        break;
    }
    return false;
}

/* Passes over what of a body that is too large has come; the rest when it comes. */
static void skip(struct wire *wire)
{
    size_t size = wire->skipped < wire->input.size ? wire->skipped : wire->input.size;
    buffer_consume(&wire->input, size);
    wire->skipped -= size;
}

/* An answer that nobody wants to hold becomes a failure of its call. */
static bool tell_too_large(struct wire *wire, size_t body_size, struct arrival *arrival)
{
    *arrival = (struct arrival){.kind = LIGHT_FAILED,
                                .call = arrival->call,
                                .code = ASOF_RESOURCE_EXHAUSTED,
                                .text = bytes_of_text("the answer is larger than answer_size_max")};
    buffer_consume(&wire->input, HEAD_SIZE);
    wire->skipped = body_size;
    skip(wire);
    return true;
}

/* A body that input shall not hold: what came of it moves into memory of its own. */
static void begin_large(struct wire *wire, size_t body_size)
{
    struct bytes begun = bytes_after(buffer_bytes(&wire->input), HEAD_SIZE);
    size_t first = body_size < LARGE_FIRST_SIZE ? body_size : LARGE_FIRST_SIZE;
    message_reserve(&wire->large, first > begun.size ? first : begun.size);
    memcpy(wire->large->data, begun.data, begun.size);
    message_added(wire->large, begun.size);
    wire->large_size = body_size;
    wire->input.size = HEAD_SIZE; /* the head stays, to be told with it */
}

static bool take_large(struct wire *wire, struct arrival *arrival)
{
    if (wire->large->size < wire->large_size)
        return false;
    arrival->message = wire->large;
    wire->large = NULL;
    buffer_consume(&wire->input, HEAD_SIZE);
    return true;
}

static bool take_small(struct wire *wire, struct bytes body, struct arrival *arrival)
{
    if (arrival->kind == LIGHT_FAILED) {
        arrival->code = (unsigned char)body.data[0];
        arrival->text = bytes_after(body, 1); /* stays where it is until input grows */
    } else if (arrival->kind != LIGHT_DONE) {
        arrival->message = message_create(body);
    }
    buffer_consume(&wire->input, HEAD_SIZE + body.size);
    return true;
}

bool wire_next(struct wire *wire, struct arrival *arrival)
{
    skip(wire);
    struct bytes input = buffer_bytes(&wire->input);
    if (input.size < SIZE_SIZE)
        return false;
    size_t size = be32_read(input.data);
    if (size + SIZE_SIZE < HEAD_SIZE)
        return break_by_stranger(wire, input);
    if (input.size < HEAD_SIZE)
        return false;
    size_t body_size = size + SIZE_SIZE - HEAD_SIZE;
    *arrival = (struct arrival){.kind = (enum light_kind)input.data[HEAD_SIZE - 1],
                                .call = be32_read(input.data + SIZE_SIZE)};
    if (body_size > WIRE_ANSWER_SIZE_MAX || !head_is_right(arrival->kind, body_size))
        return break_by_stranger(wire, input);
    if (body_size > wire->answer_size_max)
        return tell_too_large(wire, body_size, arrival);
    if (input.size >= HEAD_SIZE + body_size && wire->large == NULL)
        return take_small(wire, bytes_of(input.data + HEAD_SIZE, body_size), arrival);
    if (wire->large == NULL && body_size > INPUT_FRAME_SIZE_MAX)
        begin_large(wire, body_size);
    return wire->large != NULL && take_large(wire, arrival);
}

bool wire_is_stale(struct wire *wire)
{
    char byte;
    if (wire->state != WIRE_OPEN)
        return true;
    ssize_t got = recv(wire->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
        return false;
    wire_break(wire, ASOF_UNAVAILABLE, "the server %s closed the connection", wire->address.text);
    return true;
}
