/* Status and error: how a function says that it did not do what it was asked.
 *
 * An expected answer (NOT_FOUND, AGAIN) is a status without text. A failure is a status and one
 * sentence in struct error, written where the reason is known, prefixed on the way up and shown
 * once at the edge. Our own bugs stop the process by CHECK (check.h).
 * Thread: any; a struct error belongs to its caller. */
#ifndef ASOF_BASE_STATUS_H
#define ASOF_BASE_STATUS_H

#include <stdarg.h>

#define MUST_USE __attribute__((warn_unused_result))

enum status {
    STATUS_OK,
    STATUS_NOT_FOUND,   /* nothing of that name */
    STATUS_AGAIN,       /* not now; the same call can succeed later */
    STATUS_INVALID,     /* the input is wrong; err says what would be right */
    STATUS_LIMIT,       /* a named limit would be passed */
    STATUS_UNAVAILABLE, /* a peer or a part of the server is not there */
    STATUS_IO,          /* the operating system refused */
    STATUS_CORRUPT,     /* stored bytes are not what was written */
    STATUS_CANCELLED,   /* somebody asked to stop */
};

enum { ERROR_TEXT_SIZE = 1024 };

struct error {
    char text[ERROR_TEXT_SIZE]; /* one sentence, ended by NUL; cut when longer */
};

/* Writes the sentence into err (may be NULL) and returns status, so that a caller can
 * `return error_set(...)`. */
enum status error_set(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the sentence of err (may be NULL) and returns status. */
enum status error_prefix(struct error *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The text of the calling thread's errno; valid until the next call on this thread. */
const char *error_errno(void);

/* "ok", "not_found", ...: for logs and tests. */
const char *status_name(enum status status);

#endif
