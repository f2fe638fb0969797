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

struct remote;

/* Asks for a definition, or what it is read from; reply gets the JSON. Free object by
 * yajl_tree_free. NOT_FOUND: there is none. Else as remote_ask and tree_parse. */
MUST_USE enum status output_ask_describe(struct remote *remote, const char *name, bool is_lineage,
                                         struct buffer *reply, yajl_val *object, struct error *err);

/* Asks for what is being filled. Free it by yajl_tree_free. */
MUST_USE enum status output_ask_fills(struct remote *remote, yajl_val *fills, struct error *err);

/* Appends the versions of a view, as List and Describe have them: "1 (ready), 2 (active), 3
 * (filling 43%)"; fills is what Fills says, or NULL. */
void output_append_versions(yajl_val view, yajl_val fills, struct buffer *out);

#endif
