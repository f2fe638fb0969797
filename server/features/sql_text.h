/* SQL text: what of SQL may stand in a `where` or an argument, and how it reads once fields are
 * parameters. A filter in front of SQLite (expression.c): only allow-listed words, functions and
 * operators come through, so there are no subqueries, no aggregates, no clocks, no comments.
 * Thread: any. */
#ifndef ASOF_FEATURES_SQL_TEXT_H
#define ASOF_FEATURES_SQL_TEXT_H

#include "base/buffer.h"
#include "model/definition.h"

/* Nesting of parentheses. */
enum { SQL_DEPTH_MAX = 64 };

/* Appends the expression to out with each field replaced by CAST(?N AS ...), N its index from 1, so
 * that it has the affinity of the field's declared type. Marks the fields that it names in used
 * (leaves the others). INVALID: err has a sentence, *error_offset the byte it is about. */
MUST_USE enum status sql_text_translate(struct bytes expression,
                                        const struct field_definition *fields, size_t fields_count,
                                        bool *used, struct buffer *out, size_t *error_offset,
                                        struct error *err);

/* Gives the name of every field that the expression has to take, which says what is wrong with it.
 * INVALID: what take said, or as above. */
MUST_USE enum status sql_text_names(struct bytes expression, expression_name_fn take, void *context,
                                    size_t *error_offset, struct error *err);

/* Whether SQLite may call the function for an expression. */
bool sql_text_function_is_allowed(struct bytes name);

#endif
