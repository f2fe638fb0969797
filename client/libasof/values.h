/* Values: named columns of a request, encoded as KeyColumn, RequestColumn and EventColumn have them
 * in common: a name in field 1, strings in 2, ints in 3, doubles in 4, nulls in 5. A column that is
 * set again is replaced. Thread: one at a time. */
#ifndef ASOF_LIBASOF_VALUES_H
#define ASOF_LIBASOF_VALUES_H

#include "base/buffer.h"
#include "failure.h"

enum { VALUES_NAME_MAX = 64 };

struct values_column {
    char name[VALUES_NAME_MAX + 1];
    struct buffer message; /* owned */
    size_t count;
    bool is_empty; /* it was taken away; its memory is kept */
};

struct values {
    struct values_column *columns; /* owned */
    size_t columns_count;
    size_t columns_max;
    char mistake[160]; /* "": none */
};

/* One of these has the values. nulls: NULL where none is. */
struct values_input {
    const struct asof_bytes *strings;
    const char *const *texts;
    const int64_t *ints;
    const double *doubles;
    const uint8_t *nulls;
    size_t count;
};

void values_init(struct values *values, size_t columns_max);
void values_fini(struct values *values);

/* Takes all columns away. */
void values_reset(struct values *values);

/* A mistake is kept, to be told by values_check. */
void values_set(struct values *values, const char *name, const struct values_input *input);

/* INVALID_ARGUMENT: a mistake was made. */
MUST_USE enum asof_code values_check(const struct values *values, struct asof_error *error);

/* Appends each as a field of that number. */
void values_append(const struct values *values, uint32_t number, struct buffer *out);

/* Whether all columns have count values; with one_too, one value does, too. *wrong is a name of one
 * that has not. */
bool values_have(const struct values *values, size_t count, bool one_too, const char **wrong);

/* Of the first column; 0: there is none. */
size_t values_count(const struct values *values);

#endif
