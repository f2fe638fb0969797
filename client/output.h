/* Output: results on standard output. Errors of writing are found by main at the end. Thread: the
 * main one. */
#ifndef ASOF_CLIENT_OUTPUT_H
#define ASOF_CLIENT_OUTPUT_H

#include "base/buffer.h"
#include "command.h"
#include "tree.h"
#include "table.h"

/* The bytes and a newline. */
void output_line(struct bytes text);

/* A table. */
void output_table(const struct run *run, const struct table *table, size_t indent);

/* "name   value" for a row of a description, the name in bold, control characters escaped; nothing
 * where value is empty. */
void output_property(const struct run *run, const char *name, const char *value);

/* Asks for what is being filled. Free it by yajl_tree_free. */
struct remote;
MUST_USE enum status output_ask_fills(struct remote *remote, yajl_val *fills, struct error *err);

/* Appends the versions of a view, as ASOF.LIST and ASOF.DESCRIBE have them: "1 (ready), 2 (active), 3
 * (filling 43%)"; fills is what ASOF.FILLS says, or NULL. */
void output_append_versions(yajl_val view, yajl_val fills, struct buffer *out);

#endif
