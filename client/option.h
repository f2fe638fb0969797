/* Option: one row of a table is one option; parsing and --help both come from the table.
 *
 * Accepted: --name, --name VALUE, --name=VALUE, -h for --help; `--` ends options; `-` is a word.
 * Thread: any. */
#ifndef ASOF_CLIENT_OPTION_H
#define ASOF_CLIENT_OPTION_H

#include "base/buffer.h"
#include "base/status.h"

enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char *, borrowed from argv */
    OPTION_TEXTS,  /* struct option_texts: one for each time that it is said */
    OPTION_NUMBER, /* int64_t, minimum..maximum */
};

struct option {
    const char *name;  /* without the dashes */
    const char *value; /* how --help calls the value; NULL for a flag */
    enum option_kind kind;
    size_t offset; /* of what it sets, in the struct of options */
    int64_t minimum;
    int64_t maximum;
    int64_t preset; /* of a number */
    const char *help;
};

enum { OPTION_TEXTS_MAX = 64 };

struct option_texts {
    const char *items[OPTION_TEXTS_MAX]; /* borrowed from argv */
    size_t count;
};

struct option_table {
    const struct option *options;
    size_t count;
};

/* Sets all numbers of the table to their presets. */
void option_set_presets(const struct option_table *table, void *options);

/* Reads argv[*index], which begins with '-', and its value; moves *index behind them. INVALID: no
 * such option (err says which is near), a value missing, too much or wrong. */
MUST_USE enum status option_read(const struct option_table *tables, size_t tables_count,
                                 char *const *argv, size_t argc, size_t *index, void *options,
                                 struct error *err);

/* Whether the argument is one for option_read. */
bool option_is(const char *argument);

/* Reads T as an option gives it: RFC 3339 or microseconds since 1970; now, or NULL, is no time.
 * INVALID: it is none of these. */
MUST_USE enum status option_time(const char *name, const char *text, bool *has_time,
                                 int64_t *time_us, struct error *err);

/* Reads a size: bytes, or "64MiB", "1GiB". INVALID: it is none. */
MUST_USE enum status option_size(const char *name, const char *text, uint64_t *size_bytes,
                                 struct error *err);

/* Appends a line or more per option, for --help. */
void option_append_help(const struct option_table *table, struct buffer *out);

#endif
