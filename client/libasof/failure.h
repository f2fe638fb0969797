/* Failure: how the library says what went wrong: a code, and a sentence in the caller's asof_error.
 * Thread: any. */
#ifndef ASOF_LIBASOF_FAILURE_H
#define ASOF_LIBASOF_FAILURE_H

#include "asof.h"
#include "base/bytes.h"
#include "base/status.h"

/* Writes code and sentence into error (may be NULL) and returns the code. */
enum asof_code failure_set(struct asof_error *error, enum asof_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same of a server's words: bytes that are no text are made harmless. A code that is none, or
 * OK, is UNKNOWN. */
MUST_USE enum asof_code failure_as_told(struct asof_error *error, unsigned code, struct bytes text);

static inline struct bytes bytes_from(struct asof_bytes bytes)
{
    return bytes_of(bytes.data, bytes.size);
}

static inline struct asof_bytes bytes_for_caller(struct bytes bytes)
{
    struct asof_bytes out = {bytes.data, bytes.size};
    return out;
}

#endif
