#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {
    [STATUS_OK] = "ok",
    [STATUS_NOT_FOUND] = "not_found",
    [STATUS_AGAIN] = "again",
    [STATUS_INVALID] = "invalid",
    [STATUS_LIMIT] = "limit",
    [STATUS_UNAVAILABLE] = "unavailable",
    [STATUS_IO] = "io",
    [STATUS_CORRUPT] = "corrupt",
    [STATUS_CANCELLED] = "cancelled",
};

enum status error_set(struct error *err, enum status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    return status;
}

enum status error_prefix(struct error *err, enum status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    char prefix[ERROR_TEXT_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(prefix, sizeof(prefix), format, arguments);
    va_end(arguments);

    struct error before = *err;
    size_t prefix_size = strlen(prefix);
    snprintf(err->text, sizeof(err->text), "%s: %.*s", prefix,
             (int)(sizeof(err->text) - prefix_size - sizeof(": ")), before.text);
    return status;
}

const char *error_errno(void)
{
    static _Thread_local char text[128];
    return strerror_r(errno, text, sizeof(text));
}

const char *status_name(enum status status)
{
    return status_names[status];
}
