/* Log: lines on standard error, "2026-01-31T12:00:00.123Z info  message".
 *
 * error: someone must act. warn: degraded. info: the life of the process. debug: the rest. Requests
 * are counted, not logged; keys and values never appear above debug. Thread: any; a line is one
 * write. */
#ifndef ASOF_BASE_LOG_H
#define ASOF_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are dropped. Call it before threads start. */
void log_set_level(enum log_level level);

/* Whether lines of this level are written: for what is only gathered for them. */
bool log_is_on(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
