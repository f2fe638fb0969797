/* Parse: what the parsers of sources, entities and views share: where and how a mistake is said,
 * and the forms that a node may have.
 *
 * Every function here and in draft.h returns INVALID (LIMIT where a named limit would be passed)
 * with "FILE:LINE:COLUMN: what was found; what would be right" in parse->err. What they make is in
 * parse->arena. Thread: one at a time. */
#ifndef ASOF_REGISTRY_PARSE_H
#define ASOF_REGISTRY_PARSE_H

#include "model/definition.h"
#include "registry/node.h"

enum {
    TEXT_SIZE_MAX = 4096, /* description, owner */
    TAGS_MAX = 64,
    /* A key of JSON must be found within 1024 letters by YAML, and an escape takes six. */
    TAG_KEY_SIZE_MAX = 128,
    TAG_VALUE_SIZE_MAX = 1024,
};

struct parse {
    struct arena *arena;
    const struct definition_checks *checks;
    struct error *err;
    bool is_stored; /* a row: its expressions were checked when it was written */

    /* Set while a registered view is looked at again because its source or entity changed: mistakes
     * are said at the place of that change, and name the view. */
    const struct node *blamed;
    struct bytes blamed_view;
};

/* A key that a mapping may have. */
struct key_slot {
    const char *name;
    const struct node **value; /* gets what stands behind it; NULL where refusal is set */
    const char *refusal;       /* "this version ...": why the key is not taken */
};

/* description, owner, tags as they stand in a file; each may be NULL. */
struct annotation_nodes {
    const struct node *description;
    const struct node *owner;
    const struct node *tags;
};

#define ANNOTATION_SLOTS(nodes)                                                                    \
    {"description", &(nodes)->description, NULL}, {"owner", &(nodes)->owner, NULL},                \
    {                                                                                              \
        "tags", &(nodes)->tags, NULL                                                               \
    }

/* Says a mistake at the node; INVALID. */
enum status mistake(const struct parse *parse, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, offset bytes into the node's text. */
enum status mistake_inside(const struct parse *parse, const struct node *node, size_t offset,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same; LIMIT. */
enum status mistake_limit(const struct parse *parse, const struct node *node, const char *format,
                          ...) __attribute__((format(printf, 3, 4)));

/* 'name' in quotes for a sentence, cut between letters when long; in the arena. */
const char *quoted(struct arena *arena, struct bytes text);

/* "; did you mean 'amount'?", or "; the fields are a, b, c", or "; there are no fields yet": what
 * stands behind "there is no field 'amout'". plural is "fields". In the arena. */
const char *hint_names(struct arena *arena, struct bytes wrong, const char *plural,
                       const struct bytes *names, size_t names_count);
const char *hint_fields(struct arena *arena, struct bytes wrong,
                        const struct field_definition *fields, size_t fields_count);

/* Sorts the pairs of a mapping into slots; what is "a source". An unknown key is a mistake. */
MUST_USE enum status mapping_read(const struct parse *parse, const struct node *node,
                                  const char *what, const struct key_slot *slots,
                                  size_t slots_count);

/* The slot of that name, or NULL. */
const struct key_slot *slot_find(const struct key_slot *slots, size_t slots_count,
                                 struct bytes name);

/* A text that is not empty; what is "event_time". */
MUST_USE enum status text_read(const struct parse *parse, const struct node *node, const char *what,
                               struct bytes *out);

/* Without the spaces around it; *skipped counts those in front. */
struct bytes trimmed(struct bytes text, size_t *skipped);

/* A name; noun is "source". */
MUST_USE enum status name_read(const struct parse *parse, const struct node *node, const char *noun,
                               struct bytes *out);

/* A duration, or one of the words for DURATION_NONE; node may be NULL and leaves *out. */
MUST_USE enum status duration_read(const struct parse *parse, const struct node *node,
                                   const char *what, const char *word_for_none, int64_t *out_us);

/* One of count words; node may be NULL and leaves *out. */
MUST_USE enum status word_read(const struct parse *parse, const struct node *node, const char *what,
                               const struct bytes *words, size_t count, size_t *out);

MUST_USE enum status annotations_read(const struct parse *parse,
                                      const struct annotation_nodes *nodes,
                                      struct annotations *out);

#endif
