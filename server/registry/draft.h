/* Draft: definitions between their text and the structs of model/definition.h.
 *
 * A source and an entity stand alone and are parsed in one step. A view is first a draft, the nodes
 * of its keys, and becomes a view_definition when it is resolved against a source and an entity.
 * Errors as parse.h says. Thread: one at a time. */
#ifndef ASOF_REGISTRY_DRAFT_H
#define ASOF_REGISTRY_DRAFT_H

#include "registry/parse.h"

struct feature_draft {
    struct bytes name;
    const struct node *name_node;
    struct annotations annotations;
    const struct node *aggregation; /* the key */
    const struct node *argument;    /* what stands behind it; the expression of an on-demand view */
    const struct node *over;
    const struct node *where;         /* or NULL */
    const struct node *default_value; /* or NULL */
    const struct node *type;          /* or NULL */
};

struct view_draft {
    struct bytes name;
    const struct node *name_node;
    struct annotations annotations;
    enum view_kind kind;
    const struct node *source; /* or NULL: of a batch view, its own writes */
    const struct node *entity;
    const struct node *where; /* or NULL, as below */
    const struct node *history;
    const struct node *ttl;
    const struct node *request;
    const struct feature_draft *features;
    size_t features_count;
};

/* The parts of a source that a stored view repeats; event_id may be NULL. */
struct event_nodes {
    const struct node *owner; /* where a missing one is reported */
    const struct node *fields;
    const struct node *event_time;
    const struct node *event_id;
};

/* Parses what stands behind a name under sources:, entities: or views:. */
MUST_USE enum status source_parse(const struct parse *parse, const struct node *name,
                                  const struct node *body, struct source_definition *out);
MUST_USE enum status entity_definition_parse(const struct parse *parse, const struct node *name,
                                             const struct node *body,
                                             struct entity_definition *out);
MUST_USE enum status view_draft_parse(const struct parse *parse, const struct node *name,
                                      const struct node *body, struct view_draft *out);

/* Sets fields, event_time_field and event_id_field of a source. */
MUST_USE enum status source_parse_event(const struct parse *parse, const struct event_nodes *nodes,
                                        struct source_definition *out);

/* A name and its type, as `amount: decimal(2)`. */
MUST_USE enum status field_definition_parse(const struct parse *parse, const struct node *name,
                                            const struct node *type, struct field_definition *out);

/* What stands behind kafka:, and start and on_gap where they stand beside it (or NULL). */
struct kafka_nodes {
    const struct node *body;
    const struct node *start;
    const struct node *on_gap;
};

MUST_USE enum status kafka_parse(const struct parse *parse, const struct kafka_nodes *nodes,
                                 const struct kafka_definition **out);

/* The name of a topic of Kafka. */
MUST_USE enum status topic_read(const struct parse *parse, const struct node *node,
                                struct bytes *out);

/* A list of names of fields, as an entity has. */
MUST_USE enum status keys_parse(const struct parse *parse, const struct node *node,
                                struct entity_definition *out);

/* Parses a feature of a batch view. */
MUST_USE enum status batch_feature_draft_parse(const struct parse *parse, const struct node *name,
                                               const struct node *body, struct feature_draft *out);

/* Resolves features and TTL of a batch view; sets used[i] for each field of the source that it
 * needs. */
MUST_USE enum status batch_features_resolve(const struct parse *parse,
                                            const struct view_draft *draft,
                                            const struct source_definition *source, bool *used,
                                            struct view_definition *out);

/* Makes the source of a batch view that names none: its writes. */
MUST_USE enum status writes_source_make(const struct parse *parse, const struct view_draft *draft,
                                        const struct entity_definition *entity,
                                        struct source_definition *out);

/* Parses the type of a field; the name is left. */
MUST_USE enum status field_type_parse(const struct parse *parse, const struct node *node,
                                      struct field_definition *out);

/* Resolves; version is left 0. draft->source (or the view itself) and draft->entity name the given
 * ones. Where parse->is_stored, expressions are not checked again and every field of the source
 * counts as used.
 */
MUST_USE enum status view_resolve(const struct parse *parse, const struct view_draft *draft,
                                  const struct source_definition *source,
                                  const struct entity_definition *entity,
                                  struct view_definition *out);

/* Parses `default:`, a value of type. */
MUST_USE enum status default_parse(const struct parse *parse, const struct node *node,
                                   struct type type, struct value *out);

#endif
