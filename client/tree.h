/* Tree: a JSON reply of the server, parsed, and its members read without fear: what is missing or
 * of another kind reads as empty. Parsed values belong to whoever parsed them. Thread: any. */
#ifndef ASOF_CLIENT_TREE_H
#define ASOF_CLIENT_TREE_H

#include <stdint.h>
#include <yajl/yajl_tree.h>

#include "base/buffer.h"
#include "base/status.h"

/* Free it by yajl_tree_free. CORRUPT: not JSON. */
MUST_USE enum status tree_parse(struct bytes text, yajl_val *out, struct error *err);

/* The member of an object, or NULL. */
yajl_val tree_member(yajl_val object, const char *name);

/* The text of a member, "" where there is none. */
const char *tree_text(yajl_val object, const char *name);

/* The number of a member, 0 where there is none. */
int64_t tree_number(yajl_val object, const char *name);

/* The items of a member that is an array. */
size_t tree_count(yajl_val object, const char *name);
yajl_val tree_item(yajl_val object, const char *name, size_t i);

/* Appends the texts of an array's items: "a, b". */
void tree_append_joined(yajl_val object, const char *name, struct buffer *out);

/* The text of a value: of a string itself, of a number as it was written, true, false; else "". */
const char *tree_as_text(yajl_val value);

#endif
