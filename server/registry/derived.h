/* Derived: on-demand views, which are computed of features of other views and of what a read brings
 * along, and services, which are lists of features of other views.
 *
 * 1. A name without a version goes by the version that is active when it is read: so a definition
 *    stays as it was typed, and is completed in each snapshot anew (docs/decisions/0017).
 * 2. Neither reads a service, and no on-demand view reads another: what is read is a tree.
 *
 * Errors as parse.h says. Private to registry/. Thread: one at a time. */
#ifndef ASOF_REGISTRY_DERIVED_H
#define ASOF_REGISTRY_DERIVED_H

#include "registry/draft.h"
#include "registry/meaning.h"
#include "registry/registry.h"

enum {
    DERIVED_INPUTS_MAX = 512,      /* features of others that an on-demand view reads */
    SERVICE_INPUTS_MAX = 4 * 1024, /* those of all on-demand views together that a service reads */
};

/* VIEW_ON_DEMAND, and in a stored row VIEW_SERVICE, where the body says so; else VIEW_STREAM, which
 * is for others to look into. */
enum view_kind derived_kind_of(const struct parse *parse, const struct node *body);

/* Parses what stands behind a name under views: or services:. */
MUST_USE enum status derived_draft_parse(const struct parse *parse, enum view_kind kind,
                                         const struct node *name, const struct node *body,
                                         struct view_draft *out);

/* Where a draft's names are looked up. */
struct derived_lookup {
    /* The version of that view, for 0 the newest that there will be; NULL: there is none. */
    const struct view_definition *(*find_view)(const void *context, struct bytes name,
                                               uint32_t version);
    /* The names of views, for a hint; in the arena. */
    const struct bytes *(*list_views)(const void *context, struct arena *arena, size_t *count);
    const void *context;
};

/* Resolves; version is left 0, fields and keys empty. Where parse->is_stored, lookup is NULL and
 * nothing is checked again. */
MUST_USE enum status derived_resolve(const struct parse *parse, const struct view_draft *draft,
                                     const struct derived_lookup *lookup,
                                     struct view_definition *out);

/* Appends the definition as in a file, or what of it decides about values. */
void derived_append_definition(const struct view_definition *view, enum annotation_choice choice,
                               struct buffer *out);

/* Makes the definition whole by the views of a snapshot: fields, keys, types. What it lacks to be
 * read is said in the version. */
void derived_complete(const struct registry *registry, struct view_version *version);

#endif
