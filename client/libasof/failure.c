#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/version.h"

static const char *const code_names[] = {
    [ASOF_OK] = "OK",
    [ASOF_CANCELLED] = "CANCELLED",
    [ASOF_UNKNOWN] = "UNKNOWN",
    [ASOF_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
    [ASOF_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
    [ASOF_NOT_FOUND] = "NOT_FOUND",
    [ASOF_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [ASOF_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
    [ASOF_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [ASOF_INTERNAL] = "INTERNAL",
    [ASOF_UNAVAILABLE] = "UNAVAILABLE",
    [ASOF_DATA_LOSS] = "DATA_LOSS",
};

enum { CODES_COUNT = sizeof(code_names) / sizeof(code_names[0]) };

static bool is_code(unsigned code)
{
    return code < CODES_COUNT && code_names[code] != NULL;
}

const char *asof_code_name(enum asof_code code)
{
    return code_names[is_code((unsigned)code) ? code : ASOF_UNKNOWN];
}

const char *asof_version(void)
{
    return ASOF_VERSION;
}

enum asof_code failure_set(struct asof_error *error, enum asof_code code, const char *format, ...)
{
    if (error == NULL)
        return code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    error->code = code;
    return code;
}

enum asof_code failure_as_told(struct asof_error *error, unsigned code, struct bytes text)
{
    enum asof_code known = is_code(code) && code != ASOF_OK ? (enum asof_code)code : ASOF_UNKNOWN;
    if (error == NULL)
        return known;
    bytes_to_text(text, error->text, sizeof(error->text));
    for (char *byte = error->text; *byte != '\0' && !bytes_are_utf8(text); byte++)
        *byte = (unsigned char)*byte < 0x80 ? *byte : '?';
    error->code = known;
    return known;
}
