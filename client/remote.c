#include "remote.h"

#include <stdlib.h>

#include "base/check.h"
#include "protocol/protobuf.h"

enum { MS_PER_S = 1000 };

struct remote {
    char *address;              /* owned */
    struct asof_client *client; /* owned */
};

static const struct asof_options client_options = {
    .connect_timeout_ms = REMOTE_CONNECT_S * MS_PER_S,
    .timeout_ms = REMOTE_REPLY_S * MS_PER_S,
    .retries_max = -1,
};

static enum status create_client(const char *address, struct asof_client **client,
                                 struct error *err)
{
    struct asof_error failure;
    if (asof_client_create(address, &client_options, client, &failure) == ASOF_OK)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "server '%s': must be HOST:PORT, as in %s", address,
                     REMOTE_ADDRESS);
}

enum status remote_check_address(const char *address, struct error *err)
{
    struct asof_client *client = NULL;
    enum status status = create_client(address, &client, err);
    asof_client_destroy(&client);
    return status;
}

enum status remote_open(const char *address, struct remote **out, struct error *err)
{
    struct remote *remote = calloc(1, sizeof(*remote));
    CHECK(remote != NULL);
    remote->address = strdup(address);
    CHECK(remote->address != NULL);
    enum status status = create_client(address, &remote->client, err);
    if (status == STATUS_OK)
        status = remote_check(remote, err);
    if (status == STATUS_OK)
        *out = remote;
    else
        remote_close(&remote);
    return status;
}

void remote_close(struct remote **remote)
{
    if (*remote == NULL)
        return;
    asof_client_destroy(&(*remote)->client);
    free((*remote)->address);
    free(*remote);
    *remote = NULL;
}

enum status remote_check(struct remote *remote, struct error *err)
{
    struct asof_error failure;
    const struct asof_call_options options = {.timeout_ms = REMOTE_CONNECT_S * MS_PER_S};
    enum asof_code code = asof_check(remote->client, &options, &failure);
    if (code == ASOF_OK)
        return STATUS_OK;
    if (code == ASOF_UNAVAILABLE || code == ASOF_DEADLINE_EXCEEDED)
        return error_set(err, STATUS_UNAVAILABLE, "%.900s; is asofd running?", failure.text);
    return error_set(err, STATUS_UNAVAILABLE, "%s", failure.text);
}

struct asof_client *remote_client(const struct remote *remote)
{
    return remote->client;
}

const char *remote_address(const struct remote *remote)
{
    return remote->address;
}

static enum status status_of(enum asof_code code)
{
    switch (code) {
    case ASOF_OK:
        return STATUS_OK;
    case ASOF_NOT_FOUND:
        return STATUS_NOT_FOUND;
    case ASOF_RESOURCE_EXHAUSTED:
        return STATUS_LIMIT;
    case ASOF_UNKNOWN:
        return STATUS_IO;
    case ASOF_INTERNAL:
    case ASOF_DATA_LOSS:
        return STATUS_CORRUPT;
    case ASOF_CANCELLED:
        return STATUS_CANCELLED;
    case ASOF_UNAVAILABLE:
    case ASOF_DEADLINE_EXCEEDED:
        return STATUS_UNAVAILABLE;
    case ASOF_INVALID_ARGUMENT:
    case ASOF_FAILED_PRECONDITION:
    case ASOF_UNIMPLEMENTED:
        return STATUS_INVALID;
    }
    return STATUS_INVALID;
}

/* UNAVAILABLE says both that nobody is there and that a view is still being filled. */
enum status remote_failed(struct remote *remote, const struct asof_error *failure,
                          struct error *err)
{
    struct asof_error ignored;
    const struct asof_call_options options = {.timeout_ms = REMOTE_CONNECT_S * MS_PER_S};
    enum status status = status_of(failure->code);
    if (failure->code == ASOF_UNAVAILABLE &&
        asof_check(remote->client, &options, &ignored) == ASOF_OK)
        status = STATUS_AGAIN;
    return error_set(err, status, "%s", failure->text);
}

enum status remote_call(struct remote *remote, enum asof_method method, struct bytes request,
                        struct asof_message **answer, struct error *err)
{
    struct asof_error failure;
    const struct asof_bytes sent = {.data = request.data, .size = request.size};
    if (asof_call(remote->client, method, sent, NULL, answer, &failure) == ASOF_OK)
        return STATUS_OK;
    return remote_failed(remote, &failure, err);
}

enum status remote_ask(struct remote *remote, enum asof_method method, struct bytes request,
                       uint32_t field, struct buffer *out, struct error *err)
{
    struct asof_message *answer = NULL;
    struct protobuf_field found;
    enum protobuf_result result;
    enum status status = remote_call(remote, method, request, &answer, err);
    if (status != STATUS_OK)
        return status;
    struct asof_bytes message = asof_message_bytes(answer);
    struct bytes left = bytes_of(message.data, message.size);
    while ((result = protobuf_next(&left, &found)) == PROTOBUF_FIELD)
        if (found.number == field && found.wire == PROTOBUF_BYTES)
            buffer_append(out, found.bytes);
    if (result != PROTOBUF_END)
        status = error_set(err, STATUS_CORRUPT, "the answer of %s is no message", remote->address);
    asof_message_destroy(&answer);
    return status;
}
