#include "address.h"

#include <stdio.h>

#include "base/number.h"

enum { PORT_MAX = 65535 };

#define SCHEME "asof://"

static enum asof_code wrong(const char *text, struct asof_error *error)
{
    char shown[ADDRESS_TEXT_SIZE];
    bytes_to_text(bytes_of_text(text), shown, sizeof(shown));
    return failure_set(error, ASOF_INVALID_ARGUMENT,
                       "server '%s': must be HOST:PORT, as in 127.0.0.1:%d", shown, ASOF_PORT);
}

/* Where the port's colon is, NULL: there is none. An IPv6 address without brackets has several and
 * no port. */
static const char *find_colon(const char *text)
{
    const char *bracket = strrchr(text, ']');
    const char *colon = strrchr(bracket != NULL ? bracket : text, ':');
    bool is_only = colon != NULL && (bracket != NULL || strchr(text, ':') == colon);
    return is_only ? colon : NULL;
}

enum asof_code address_parse(const char *text, struct address *address, struct asof_error *error)
{
    const char *rest = text == NULL ? "" : text;
    if (strncmp(rest, SCHEME, strlen(SCHEME)) == 0)
        rest += strlen(SCHEME);
    const char *colon = find_colon(rest);
    struct bytes host = bytes_of(rest, colon == NULL ? strlen(rest) : (size_t)(colon - rest));
    int64_t port = ASOF_PORT;
    bool is_port =
        colon == NULL || (number_parse_int(bytes_of_text(colon + 1), &port) == NUMBER_OK &&
                          port > 0 && port <= PORT_MAX);
    bool has_brackets = host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
    if (has_brackets)
        host = bytes_of(host.data + 1, host.size - 2);
    if (!is_port || host.size == 0 || host.size >= ADDRESS_HOST_SIZE ||
        strcspn(rest, "/ ") != strlen(rest) || memchr(host.data, '[', host.size) != NULL ||
        memchr(host.data, ']', host.size) != NULL)
        return wrong(text == NULL ? "" : text, error);
    bytes_to_text(host, address->host, sizeof(address->host));
    snprintf(address->port, sizeof(address->port), "%d", (int)port);
    bool is_v6 = strchr(address->host, ':') != NULL;
    snprintf(address->text, sizeof(address->text), is_v6 ? "[%s]:%s" : "%s:%s", address->host,
             address->port);
    return ASOF_OK;
}

enum asof_code address_resolve(const struct address *address, struct addrinfo **out,
                               struct asof_error *error)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int code = getaddrinfo(address->host, address->port, &hints, out);
    return code == 0 ? ASOF_OK
                     : failure_set(error, ASOF_UNAVAILABLE, "no address of the server %s: %s",
                                   address->text, gai_strerror(code));
}
