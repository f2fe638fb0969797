/* RESP: Redis's protocol, versions 2 and 3: requests out of bytes, replies into bytes. Pure, no IO.
 *
 * 1. What a peer declares is never allocated: memory grows with the bytes that came.
 * 2. A request that comes in pieces is looked at once: the parser remembers how far it got.
 * 3. An error text never holds CR or LF, whatever was echoed into it.
 *
 * Behaviours and error texts of the parser are those of Redis 7.0 but for the limits below.
 * Thread: one at a time. */
#ifndef ASOF_PROTOCOL_RESP_H
#define ASOF_PROTOCOL_RESP_H

#include "base/buffer.h"

enum {
    RESP_REQUEST_SIZE_MAX = 64 * 1024 * 1024, /* of one request, all counted */
    RESP_BULK_SIZE_MAX = 16 * 1024 * 1024,    /* of one argument */
    RESP_ARGUMENTS_MAX = 1024 * 1024,         /* of one request */
    RESP_LINE_SIZE_MAX = 64 * 1024,           /* of a line that has not ended yet */
    RESP_PROBLEM_SIZE = 64,
};

/* ---- requests ---- */

/* Where an argument lies in the input while its request is not whole; then its bytes. */
union resp_argument {
    struct {
        size_t offset;
        size_t size;
    } place;
    struct bytes bytes;
};

/* Zero is a parser at the start of a request. */
struct resp_parser {
    size_t offset;    /* bytes of the request at the front of the input that are understood */
    size_t scanned;   /* bytes behind offset that hold no end of line */
    size_t expected;  /* arguments that a multibulk still lacks; 0: it has not begun */
    size_t bulk_size; /* of the argument whose length was read */
    bool has_bulk_size;
    bool is_done;                   /* a request was handed out: the next call begins anew */
    union resp_argument *arguments; /* owned */
    size_t arguments_count;
    size_t arguments_capacity;
    struct buffer unquoted;          /* arguments of an inline request */
    char problem[RESP_PROBLEM_SIZE]; /* what RESP_BROKEN means: "Protocol error: ..." */
};

enum resp_result {
    RESP_COMPLETE,
    RESP_INCOMPLETE,
    RESP_BROKEN, /* answer with parser->problem as an error and close */
};

struct resp_request {
    const struct bytes *arguments; /* at least one; borrowed until the next call */
    size_t count;
};

void resp_parser_fini(struct resp_parser *parser);

/* Takes the request at the front of input. input begins where the last request ended, or, after
 * RESP_INCOMPLETE, with the same bytes as before behind those consumed, and more. consumed: how
 * many bytes are done with (of an incomplete request only empty lines before it). Whoever does not
 * consume a whole or a broken request gets it again. */
enum resp_result resp_parse(struct resp_parser *parser, struct bytes input,
                            struct resp_request *request, size_t *consumed);

/* ---- replies ---- */

struct resp_writer {
    struct buffer *out; /* borrowed */
    unsigned version;   /* 2 or 3 */
};

/* "+OK": text without CR and LF. */
void resp_write_simple(struct resp_writer writer, const char *text);

/* "-ERR ...": text with its code in front; CR and LF become spaces. */
void resp_write_error(struct resp_writer writer, struct bytes text);

void resp_write_integer(struct resp_writer writer, int64_t value);
void resp_write_bulk(struct resp_writer writer, struct bytes bytes);
void resp_write_text(struct resp_writer writer, const char *text);
void resp_write_null(struct resp_writer writer);

/* A bulk string; null where text.data is NULL. */
void resp_write_text_or_null(struct resp_writer writer, struct bytes text);

/* An array of count such. */
void resp_write_texts(struct resp_writer writer, const struct bytes *texts, size_t count);

/* A value that is not there in place of an array. */
void resp_write_null_array(struct resp_writer writer);

/* Headers; count elements (a map: 2 * pairs) are to follow. Version 2 has arrays only. */
void resp_write_array(struct resp_writer writer, size_t count);
void resp_write_set(struct resp_writer writer, size_t count);
void resp_write_map(struct resp_writer writer, size_t pairs);

/* A text for people: version 3 says that it is one. */
void resp_write_verbatim(struct resp_writer writer, struct bytes text);

/* A finite number; a bulk string in version 2. */
void resp_write_double(struct resp_writer writer, double value);

#endif
