/* Rows: the stored form of one definition, as registry.h draws it. Thread: any. */
#ifndef ASOF_REGISTRY_ROWS_H
#define ASOF_REGISTRY_ROWS_H

#include "registry/parse.h"
#include "registry/registry.h"

/* "filling", "live", "dropping". */
const char *version_state_name(enum version_state state);

/* Make rows; key and value are in the arena. */
struct registry_row source_to_row(const struct source *source, struct arena *arena);
struct registry_row entity_to_row(const struct entity_definition *entity, struct arena *arena);
struct registry_row view_to_row(const struct view *view, struct arena *arena);
struct registry_row version_to_row(const struct view_version *version, struct arena *arena);

enum row_kind { ROW_SOURCE, ROW_ENTITY, ROW_VIEW, ROW_VERSION };

struct row_key {
    enum row_kind kind;
    struct bytes name;
    uint32_t version; /* of a version */
};

/* false: no key that was written by us. name borrows from key. */
MUST_USE bool row_key_parse(struct bytes key, struct row_key *out);

/* Read what the functions above wrote; the nodes of the value are in scratch, all else in
 * parse->arena. parse->is_stored is set. Errors as parse.h says, with the key for the file. */
MUST_USE enum status row_to_source(const struct parse *parse, const struct row_key *key,
                                   const struct registry_row *row, struct arena *scratch,
                                   struct source *out);
MUST_USE enum status row_to_entity(const struct parse *parse, const struct row_key *key,
                                   const struct registry_row *row, struct arena *scratch,
                                   struct entity_definition *out);
MUST_USE enum status row_to_view(const struct parse *parse, const struct row_key *key,
                                 const struct registry_row *row, struct arena *scratch,
                                 struct view *out);
MUST_USE enum status row_to_version(const struct parse *parse, const struct row_key *key,
                                    const struct registry_row *row, struct arena *scratch,
                                    struct view_version *out);

#endif
