#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/time_text.h"

enum { LOG_LINE_SIZE = 2048 };

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

/* The one piece of process-wide state: there is one standard error. */
static enum log_level log_level_max = LOG_INFO;

void log_set_level(enum log_level level)
{
    log_level_max = level;
}

bool log_is_on(enum log_level level)
{
    return level <= log_level_max;
}

void log_write(enum log_level level, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    char line[LOG_LINE_SIZE];
    char now[TIME_TEXT_SIZE];
    time_format(clock_now_us(), now);
    int size = snprintf(line, sizeof(line), "%s %-5s ", now, level_names[level]);

    va_list arguments;
    va_start(arguments, format);
    int text_size = vsnprintf(line + size, sizeof(line) - (size_t)size - 1, format, arguments);
    va_end(arguments);
    size += text_size;
    if (size > LOG_LINE_SIZE - 2)
        size = LOG_LINE_SIZE - 2;
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)size) < 0)
        return; /* nobody is left to be told */
}
