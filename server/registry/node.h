/* Node: a text of definitions (a file, or a stored row) as a tree that remembers its places.
 *
 * 1. The keys of a mapping are texts, and no two of them are equal.
 * 2. No node holds itself, and none is nested deeper than NODE_DEPTH_MAX. A node may hang in
 *    several places (an alias of YAML).
 * Thread: any; a tree is immutable. */
#ifndef ASOF_REGISTRY_NODE_H
#define ASOF_REGISTRY_NODE_H

#include "base/arena.h"
#include "base/status.h"

enum {
    NODE_DEPTH_MAX = 16,
    NODES_MAX = 500 * 1000, /* of one file */
};

enum node_kind { NODE_TEXT, NODE_LIST, NODE_MAPPING };

struct node {
    enum node_kind kind;
    bool is_plain;        /* of a text: without quotes, on one line or more */
    struct bytes text;    /* of a text: UTF-8 */
    struct bytes file;    /* as the user typed it */
    uint32_t line;        /* from 1 */
    uint32_t column;      /* in letters, from 1 */
    uint32_t text_column; /* where the text itself begins, if it stands there letter for letter and
                           * on one line; else 0 */
    const struct node **items; /* of a list; of a mapping key, value, key, value ... */
    size_t items_count;
};

struct document {
    const struct node *root;
    struct document *next; /* the one after it in the file, or NULL */
};

/* Reads all documents of a YAML (so also JSON) text that is at most DEFINITION_FILE_SIZE_MAX bytes
 * or our own. Texts are copied into arena, the rest is in scratch. *out is NULL where there is
 * none. INVALID: err is "FILE:LINE:COLUMN: ...". LIMIT: too many or too deep nodes, said the same
 * way. */
MUST_USE enum status documents_read(struct bytes file, struct bytes text, struct arena *arena,
                                    struct arena *scratch, struct document **out,
                                    struct error *err);

/* A text that stands for nothing: empty, `~` or `null` without quotes. */
bool node_is_null(const struct node *node);

/* The value behind a key of a mapping, or NULL. */
const struct node *node_get(const struct node *mapping, const char *key);

/* "a text", "an empty text", "a list", "a mapping", "nothing". */
const char *node_kind_name(const struct node *node);

/* Writes "FILE:LINE:COLUMN: " and the sentence into err; offset bytes into the text where the place
 * of the text is known. Returns status. */
enum status node_error(const struct node *node, size_t offset, enum status status,
                       struct error *err, const char *format, va_list arguments)
    __attribute__((format(printf, 5, 0)));

#endif
