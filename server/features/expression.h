/* Expressions: SQL over the fields of an event, evaluated by SQLite; the only file that knows it.
 *
 * 1. All expressions of a set are one prepared statement, run once an event; where all of them are
 * plain conditions (plain_condition.h), it is not run.
 * 2. Fields are bound with the affinity of their type: bool, int, timestamp INTEGER; double and
 *    decimal (as the nearest double) REAL; string TEXT.
 * 3. A result is converted as CAST to its type would; what the type can't hold is VALUE_OVERFLOW.
 *
 * Thread: a set belongs to one. */
#ifndef ASOF_FEATURES_EXPRESSION_H
#define ASOF_FEATURES_EXPRESSION_H

#include "model/definition.h"

/* A text that an expression makes, and what it may build on the way. */
enum { EXPRESSION_TEXT_SIZE_MAX = 1024 * 1024 };

struct expression {
    struct bytes text;
    bool is_condition; /* the result is a bool: whether it is true (NULL is not) */
    struct type type;  /* otherwise */
};

struct expression_set;

/* Prepares them over the fields; their texts are borrowed for the life of the set. Owned by the
 * caller. INVALID: err. */
MUST_USE enum status expression_set_create(const struct expression *expressions, size_t count,
                                           const struct field_definition *fields,
                                           size_t fields_count, struct expression_set **out,
                                           struct error *err);
void expression_set_destroy(struct expression_set **set);

/* Evaluates all of them into results (count of them); texts are borrowed until the next call. Where
 * SQLite fails on these values (a text too long, abs of the smallest int), a condition is not true
 * and another result is VALUE_OVERFLOW. */
void expression_set_evaluate(struct expression_set *set, const struct value *fields,
                             struct value *results);

/* The check_expression of features_checks(). */
enum status expression_check(struct bytes expression, const struct field_definition *fields,
                             size_t fields_count, bool *used, size_t *error_offset,
                             struct error *err);

#endif
