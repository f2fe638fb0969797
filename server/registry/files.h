/* Files: all definitions of a set of files, each name once, before they meet what is registered.
 * Errors as parse.h says. Thread: one at a time. */
#ifndef ASOF_REGISTRY_FILES_H
#define ASOF_REGISTRY_FILES_H

#include "registry/draft.h"
#include "registry/registry.h"

/* Of all files of a call together. */
enum { DEFINITIONS_MAX = 10 * 1000, DEFINITION_FEATURES_MAX = 100 * 1000 };

struct source_in_file {
    struct source_definition definition;
    const struct node *name_node;
};

struct entity_in_file {
    struct entity_definition definition;
    const struct node *name_node;
};

/* Each list is sorted by name. */
struct definition_set {
    struct source_in_file *sources;
    size_t sources_count;
    struct entity_in_file *entities;
    size_t entities_count;
    struct view_draft *views; /* and services */
    size_t views_count;
};

MUST_USE enum status files_parse(const struct parse *parse, const struct definition_file *files,
                                 size_t files_count, struct definition_set *out);

/* NULL where there is none of that name. */
const struct source_in_file *set_find_source(const struct definition_set *set, struct bytes name);
const struct entity_in_file *set_find_entity(const struct definition_set *set, struct bytes name);
const struct view_draft *set_find_view(const struct definition_set *set, struct bytes name);

#endif
