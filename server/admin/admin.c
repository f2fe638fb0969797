#include "admin/admin.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "protocol/http.h"

enum { BODY_KEPT_BYTES = 64 * 1024 };

static const char plain_text[] = "text/plain; charset=utf-8";

struct admin {
    struct admin_options options;
    struct network_budget budget;      /* of its connections */
    struct network_loop *loop;         /* owned */
    struct network_listener *listener; /* the loop's */
    struct network_call stop;          /* posted to the loop by admin_stop */
    struct buffer body;                /* owned: of the reply at hand */
    bool is_started;
    pthread_t thread;
};

/* A connection. */
struct visitor {
    struct admin *admin; /* borrowed, as the connection */
    struct network_connection *connection;
};

/* ---- answers ---- */

static const struct admin_page *find_page(const struct admin *admin, struct bytes path)
{
    for (size_t i = 0; i < admin->options.pages_count; i++)
        if (bytes_equal_text(path, admin->options.pages[i].path))
            return &admin->options.pages[i];
    return NULL;
}

static void write_not_found(const struct admin *admin, struct buffer *body)
{
    buffer_append_text(body, "there is no such page; there are");
    for (size_t i = 0; i < admin->options.pages_count; i++)
        buffer_format(body, "%s %s", i == 0 ? "" : ",", admin->options.pages[i].path);
    buffer_append_byte(body, '\n');
}

/* Appends the body for the request, and returns what the reply says of it. */
static struct http_reply answer(struct admin *admin, const struct http_request *request)
{
    struct buffer *body = &admin->body;
    struct http_reply reply = {.content_type = plain_text,
                               .is_head = request->method == HTTP_HEAD,
                               .is_kept = request->is_kept};
    const struct admin_page *page = find_page(admin, request->path);
    if (request->method == HTTP_OTHER) {
        reply.code = 405;
        buffer_append_text(body, "this door answers GET and HEAD\n");
    } else if (request->has_body) {
        reply.code = 413;
        buffer_append_text(body, "this door takes no body with a request\n");
    } else if (page == NULL) {
        reply.code = 404;
        write_not_found(admin, body);
    } else {
        reply.content_type = page->content_type;
        reply.code = page->write(admin->options.context, request->query, body);
    }
    return reply;
}

static void send_reply(struct visitor *visitor, struct http_reply *reply)
{
    struct buffer *body = &visitor->admin->body;
    reply->body = buffer_bytes(body);
    reply->now_us = clock_now_us();
    http_write(reply, network_connection_output(visitor->connection));
    buffer_reset(body, BODY_KEPT_BYTES);
    if (!reply->is_kept)
        network_connection_close(visitor->connection);
}

static void refuse(struct visitor *visitor, const struct http_refusal *refusal)
{
    struct http_reply reply = {.code = refusal->code, .content_type = plain_text};
    buffer_format(&visitor->admin->body, "%s\n", refusal->sentence);
    send_reply(visitor, &reply);
}

/* ---- connections ---- */

static void *visitor_opened(void *context, struct network_connection *connection)
{
    struct visitor *visitor = calloc(1, sizeof(*visitor));
    CHECK(visitor != NULL);
    *visitor = (struct visitor){.admin = context, .connection = connection};
    return visitor;
}

static size_t visitor_received(void *session, struct bytes input)
{
    struct visitor *visitor = session;
    size_t taken = 0;
    while (network_connection_is_ready(visitor->connection)) {
        struct http_request request;
        struct http_refusal refusal;
        size_t consumed;
        switch (http_parse(bytes_after(input, taken), &request, &consumed, &refusal)) {
        case HTTP_PARTIAL:
            return taken;
        case HTTP_REFUSED:
            refuse(visitor, &refusal);
            return input.size;
        case HTTP_COMPLETE:
            break;
        }
        struct http_reply reply = answer(visitor->admin, &request);
        send_reply(visitor, &reply);
        taken += consumed;
    }
    return taken;
}

static void visitor_closed(void *session)
{
    free(session);
}

/* ---- life ---- */

static const char full_reply[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                                 "Connection: close\r\n\r\n";

static enum status admin_listen(struct admin *admin, struct error *err)
{
    const struct network_seat seat = {
        .loop = admin->loop,
        .handler = {.context = admin,
                    .opened = visitor_opened,
                    .received = visitor_received,
                    .closed = visitor_closed,
                    .full_reply = bytes_of_text(full_reply),
                    .input_max_bytes = 2 * NETWORK_READ_SIZE, /* the parser has its own limit */
                    .idle_max_s = ADMIN_IDLE_MAX_S}};
    const struct network_listen_options listen = {.address = admin->options.address,
                                                  .port = admin->options.port,
                                                  .port_option = "--http-port",
                                                  .connections_max = ADMIN_CONNECTIONS_MAX,
                                                  .seats = &seat,
                                                  .seats_count = 1};
    return network_listen(admin->loop, &listen, &admin->listener, err);
}

enum status admin_open(const struct admin_options *options, struct admin **out, struct error *err)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    CHECK(admin != NULL);
    admin->options = *options;
    admin->budget.bytes_max = ADMIN_HELD_BYTES_MAX;
    enum status status = network_loop_create(&admin->loop, err);
    if (status == STATUS_OK) {
        network_loop_set_budget(admin->loop, &admin->budget);
        status = admin_listen(admin, err);
    }
    if (status == STATUS_OK) {
        *out = admin;
        admin = NULL; /* moved to the caller */
    }
    admin_close(&admin);
    return status;
}

void admin_close(struct admin **out)
{
    struct admin *admin = *out;
    if (admin == NULL)
        return;
    CHECK(!admin->is_started);
    network_loop_destroy(&admin->loop);
    buffer_fini(&admin->body);
    free(admin);
    *out = NULL;
}

static void *admin_main(void *context)
{
    struct admin *admin = context;
    while (!network_loop_is_stopping(admin->loop))
        network_loop_turn(admin->loop, true);
    return NULL;
}

static void stop_on_loop(struct network_call *call)
{
    struct admin *admin = (struct admin *)((char *)call - offsetof(struct admin, stop));
    network_loop_stop(admin->loop);
}

void admin_start(struct admin *admin)
{
    admin->is_started = true;
    CHECK(pthread_create(&admin->thread, NULL, admin_main, admin) == 0);
}

void admin_stop(struct admin *admin)
{
    if (!admin->is_started)
        return;
    admin->stop = (struct network_call){.run = stop_on_loop};
    network_loop_post(admin->loop, &admin->stop);
    pthread_join(admin->thread, NULL);
    admin->is_started = false;
}

void admin_address(const struct admin *admin, char text[NETWORK_ADDRESS_TEXT_SIZE])
{
    network_listener_address(admin->listener, text);
}
