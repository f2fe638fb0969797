/* HTTP: bytes to requests without a body, and replies to bytes. HTTP/1.0 and 1.1, GET and HEAD;
 * what is not understood is refused with a sentence, and the connection closed.
 *
 * It keeps no state and does no IO. Thread: any. */
#ifndef ASOF_PROTOCOL_HTTP_H
#define ASOF_PROTOCOL_HTTP_H

#include "base/buffer.h"

enum {
    HTTP_HEAD_SIZE_MAX = 8 * 1024, /* the request line and all header lines */
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_request {
    enum http_method method;
    struct bytes path;  /* "/metrics", as it was sent; borrowed from the input, as the query */
    struct bytes query; /* behind the '?'; may be empty */
    bool has_body;      /* one is announced: nothing behind this request is a request */
    bool is_kept;       /* the connection stays open behind the reply */
};

/* Why a request was refused. */
struct http_refusal {
    unsigned code;
    const char *sentence;
};

enum http_result {
    HTTP_COMPLETE,
    HTTP_PARTIAL, /* call again when more has come */
    HTTP_REFUSED, /* reply that and close */
};

/* Takes a request from the front of input; consumed is its size. */
enum http_result http_parse(struct bytes input, struct http_request *request, size_t *consumed,
                            struct http_refusal *refusal);

/* Whether "name" or "name=..." is one of the '&'-separated words of the query. */
bool http_query_has(struct bytes query, const char *name);

struct http_reply {
    unsigned code;
    const char *content_type;
    struct bytes body;
    bool is_head; /* to HEAD: all but the body */
    bool is_kept;
    int64_t now_us; /* for the header Date */
};

void http_write(const struct http_reply *reply, struct buffer *out);

#endif
