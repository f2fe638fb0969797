#include "remote.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"

enum { HOST_SIZE_MAX = 256, PORT_MAX = 65535 };

struct remote {
    char *address;         /* owned */
    redisContext *context; /* owned; NULL where it could not be opened again */
    char host[HOST_SIZE_MAX];
    int port;
};

/* Error codes of the server that mean something to us; "ERR" is all the rest. */
static const struct error_code {
    const char *code;
    enum status status;
} error_codes[] = {
    {"ERR ", STATUS_INVALID},          {"REFUSED ", STATUS_INVALID},
    {"NOTFOUND ", STATUS_NOT_FOUND},   {"UNAVAILABLE ", STATUS_AGAIN},
    {"OUTOFHISTORY ", STATUS_INVALID}, {"IOERR ", STATUS_IO},
    {"CORRUPT ", STATUS_CORRUPT},
};

static enum status parse_address(const char *address, char host_text[HOST_SIZE_MAX], int *port_out,
                                 struct error *err)
{
    struct bytes host = bytes_of_text(address);
    struct bytes port = {0};
    const char *bracket = strrchr(address, ']');
    const char *colon = strrchr(bracket != NULL ? bracket : address, ':');

    if (colon != NULL) {
        host.size = (size_t)(colon - address);
        port = bytes_of_text(colon + 1);
    }
    if (bracket != NULL && host.size >= 2 && host.data[0] == '[')
        host = bytes_of(host.data + 1, host.size - 2);
    int64_t number = REMOTE_PORT;
    bool is_port = port.data == NULL || (number_parse_int(port, &number) == NUMBER_OK &&
                                         number > 0 && number <= PORT_MAX);
    if (!is_port || host.size == 0 || host.size >= HOST_SIZE_MAX)
        return error_set(err, STATUS_INVALID, "server '%s': must be HOST:PORT, as in %s", address,
                         REMOTE_ADDRESS);
    bytes_to_text(host, host_text, HOST_SIZE_MAX);
    *port_out = (int)number;
    return STATUS_OK;
}

enum status remote_check_address(const char *address, struct error *err)
{
    char host[HOST_SIZE_MAX];
    int port;
    return parse_address(address, host, &port, err);
}

enum status remote_open(const char *address, struct remote **out, struct error *err)
{
    struct remote *remote = calloc(1, sizeof(*remote));
    CHECK(remote != NULL);
    remote->address = strdup(address);
    CHECK(remote->address != NULL);

    enum status status = parse_address(address, remote->host, &remote->port, err);
    if (status == STATUS_OK)
        status = remote_reopen(remote, err);
    if (status != STATUS_OK) {
        remote_close(&remote);
        return status;
    }
    *out = remote;
    return STATUS_OK;
}

void remote_close(struct remote **remote)
{
    if (*remote == NULL)
        return;
    if ((*remote)->context != NULL)
        redisFree((*remote)->context);
    free((*remote)->address);
    free(*remote);
    *remote = NULL;
}

enum status remote_reopen(struct remote *remote, struct error *err)
{
    struct timeval connect_wait = {.tv_sec = REMOTE_CONNECT_S};
    struct timeval reply_wait = {.tv_sec = REMOTE_REPLY_S};

    if (remote->context != NULL)
        redisFree(remote->context);
    remote->context = redisConnectWithTimeout(remote->host, remote->port, connect_wait);
    CHECK(remote->context != NULL);
    redisContext *context = remote->context;
    if (context->err == 0 && redisSetTimeout(context, reply_wait) == REDIS_OK)
        redisEnableKeepAlive(context);
    if (context->err == 0)
        return STATUS_OK;

    error_set(err, STATUS_UNAVAILABLE, "no server at %s: %s; is asofd running?", remote->address,
              context->errstr);
    redisFree(context);
    remote->context = NULL;
    return STATUS_UNAVAILABLE;
}

static enum status broken(const struct remote *remote, struct error *err)
{
    const redisContext *context = remote->context;
    if (context == NULL)
        return error_set(err, STATUS_UNAVAILABLE, "no connection to %s", remote->address);
    if (context->err == REDIS_ERR_IO && errno == EAGAIN)
        return error_set(err, STATUS_UNAVAILABLE, "%s has not answered for %d s", remote->address,
                         (int)REMOTE_REPLY_S);
    return error_set(err, STATUS_UNAVAILABLE, "connection to %s: %s", remote->address,
                     context->errstr);
}

/* hiredis queues; writing at once lets the server work while the next request is made. */
static enum status flush(struct remote *remote, struct error *err)
{
    int is_done = 0;
    while (!is_done)
        if (redisBufferWrite(remote->context, &is_done) != REDIS_OK)
            return broken(remote, err);
    return STATUS_OK;
}

enum status remote_send(struct remote *remote, const struct bytes *words, size_t words_count,
                        struct error *err)
{
    if (remote->context == NULL || remote->context->err != 0)
        return broken(remote, err);

    const char **data = calloc(words_count, sizeof(*data));
    size_t *sizes = calloc(words_count, sizeof(*sizes));
    CHECK(data != NULL);
    CHECK(sizes != NULL);
    for (size_t i = 0; i < words_count; i++) {
        data[i] = words[i].data == NULL ? "" : words[i].data;
        sizes[i] = words[i].size;
    }
    int result = redisAppendCommandArgv(remote->context, (int)words_count, data, sizes);
    free(data);
    free(sizes);
    if (result != REDIS_OK)
        return broken(remote, err);
    return flush(remote, err);
}

enum status remote_receive(struct remote *remote, struct redisReply **out, struct error *err)
{
    void *reply = NULL;
    if (remote->context == NULL || remote->context->err != 0)
        return broken(remote, err);
    if (redisGetReply(remote->context, &reply) != REDIS_OK)
        return broken(remote, err);
    *out = reply;
    return STATUS_OK;
}

void remote_free_reply(struct redisReply **reply)
{
    if (*reply != NULL)
        freeReplyObject(*reply);
    *reply = NULL;
}

enum status remote_reply_status(const struct redisReply *reply, struct error *err)
{
    if (reply->type != REDIS_REPLY_ERROR)
        return STATUS_OK;
    for (size_t i = 0; i < sizeof(error_codes) / sizeof(error_codes[0]); i++) {
        const struct error_code *known = &error_codes[i];
        if (strncmp(reply->str, known->code, strlen(known->code)) == 0)
            return error_set(err, known->status, "%s", reply->str + strlen(known->code));
    }
    return error_set(err, STATUS_INVALID, "%s", reply->str);
}

enum status remote_ask(struct remote *remote, const struct bytes *words, size_t words_count,
                       struct buffer *out, struct error *err)
{
    struct redisReply *reply = NULL;
    enum status status = remote_send(remote, words, words_count, err);
    if (status == STATUS_OK)
        status = remote_receive(remote, &reply, err);
    if (status != STATUS_OK)
        return status;

    status = remote_reply_status(reply, err);
    if (status == STATUS_OK && reply->type != REDIS_REPLY_STRING)
        status = error_set(err, STATUS_CORRUPT, "%s gave no text for %.*s", remote->address,
                           BYTES_ARGS(words[0]));
    if (status == STATUS_OK)
        buffer_append(out, bytes_of(reply->str, reply->len));
    remote_free_reply(&reply);
    return status;
}
