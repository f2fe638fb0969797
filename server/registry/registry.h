/* Registry: the definitions in force, as an immutable snapshot that is a function of stored rows.
 *
 * 1. A snapshot never changes. What changes definitions makes rows; the rows are committed by the
 *    caller in one batch; a new snapshot is loaded from all rows.
 * 2. A view version, once made, keeps its number, its table and its meaning for ever.
 * 3. Nothing of a set of files is planned when one of them has a mistake.
 *
 * Rows, keys and values in text (JSON, which the same YAML parser reads back):
 *     source/NAME        {"id": 3, "definition": {...}}            as typed, canonical
 *     entity/NAME        {"definition": {...}}
 *     view/NAME          {"active": 2, "newest": 3, ...}           see struct view
 *     view/NAME@2        {"table": 17, "state": "filling", "definition": {...}, "resolved": {...}}
 * A service is kept as a view of that kind: the two share names, versions and what is active.
 *
 * Thread: a snapshot, any number of readers; the functions, any. No IO. */
#ifndef ASOF_REGISTRY_REGISTRY_H
#define ASOF_REGISTRY_REGISTRY_H

#include "base/arena.h"
#include "model/definition.h"

enum {
    DEFINITION_FILES_MAX = 1000,
    DEFINITION_FILE_SIZE_MAX = 1024 * 1024,
    DEFINITION_FILES_SIZE_MAX = 16 * 1024 * 1024, /* of one call */
};

enum version_state {
    VERSION_FILLING,  /* written by ingestion from some moment on, not yet filled from the log */
    VERSION_LIVE,     /* whole: it can be read by its number, and promoted */
    VERSION_DROPPING, /* nobody writes or reads it any more; its space is being given back */
};

struct view_version {
    uint32_t table_id; /* of its timeline in storage; never used again */
    enum version_state state;
    const struct view_definition *definition; /* resolved */
    struct bytes lack; /* of a derived one: why it can't be read in this snapshot; empty: it can */
};

enum {
    VIEW_BEFORE_MAX = 64,   /* rollbacks in a row, at most */
    VIEW_SWITCHES_MAX = 32, /* that are remembered, for people */
};

enum switch_cause { SWITCH_FILLED, SWITCH_PROMOTED, SWITCH_ROLLED_BACK };

/* A version became the active one. */
struct version_switch {
    uint32_t version;
    enum switch_cause cause;
    int64_t at_us; /* of the wall clock */
};

struct view {
    struct bytes name;
    uint32_t active;               /* the number of the version that `view` reads; 0: none yet */
    uint32_t newest_number;        /* no version was ever given a larger number, */
    uint32_t newest_table;         /* and no version of this view a larger table */
    uint32_t promoted_when_filled; /* the version that becomes active by itself; 0: none */
    const uint32_t *before;        /* where rollbacks go to, the last one first to be gone to */
    size_t before_count;
    const struct version_switch *switches; /* the latest ones, oldest first */
    size_t switches_count;
    const struct view_version *versions; /* ascending by definition->version */
    size_t versions_count;
};

struct source {
    uint32_t id; /* of its log in storage; never used again */
    const struct source_definition *definition;
};

struct registry {
    const struct source *sources; /* each list sorted by name */
    size_t sources_count;
    const struct entity_definition *entities;
    size_t entities_count;
    const struct view *views;
    size_t views_count;
    uint32_t next_id;    /* the smallest number that no table and no source has */
    struct arena *arena; /* owned: all of the above */
};

struct registry_row {
    struct bytes key;
    struct bytes value; /* in a plan, without data: the row is deleted */
};

struct definition_file {
    struct bytes name; /* as the user typed it, for messages */
    struct bytes text;
};

enum change_kind { CHANGE_NEW, CHANGE_CHANGED, CHANGE_DESCRIBED, CHANGE_UNCHANGED };

/* What applying the files means for one definition. DESCRIBED: only annotations differ. */
struct change {
    enum change_kind kind;
    const char *noun; /* "source", "entity", "view", "service" */
    struct bytes name;
    uint32_t version;    /* of a view: the one that it then has; else 0 */
    struct bytes detail; /* one line for people: "window of payments_5m: 5m -> 10m"; may be empty */
    struct bytes filled_from; /* of a view that gets a version: the source whose log fills it */
    bool is_replayed; /* what fills it is not all that the source has; see registry_plan_replay */
    bool is_first;    /* the version is the view's first, so it becomes active by itself */
};

struct registry_plan {
    const struct change *changes; /* sources, entities, views, on-demand views, services; by name */
    size_t changes_count;
    const struct registry_row *rows; /* to write, in one batch */
    size_t rows_count;
};

/* Loads a snapshot from all stored rows; none gives the empty registry. Owned by the caller.
 * CORRUPT: a row is not what was written. */
MUST_USE enum status registry_load(const struct registry_row *rows, size_t rows_count,
                                   const struct definition_checks *checks, struct registry **out,
                                   struct error *err);

/* Frees the snapshot; accepts NULL and leaves NULL behind. */
void registry_destroy(struct registry **registry);

/* Parses the files, checks them together with what is registered, and says what would change. New
 * view versions are FILLING in the rows. All of plan is in the arena.
 * INVALID: err is "FILE:LINE:COLUMN: what was found; what would be right". LIMIT: too many, too
 * long. */
MUST_USE enum status registry_plan(const struct registry *registry,
                                   const struct definition_file *files, size_t files_count,
                                   const struct definition_checks *checks, struct arena *arena,
                                   struct registry_plan *plan, struct error *err);

/* The same; the new versions are promoted by themselves when they are filled. */
MUST_USE enum status
registry_plan_promoting(const struct registry *registry, const struct definition_file *files,
                        size_t files_count, const struct definition_checks *checks,
                        struct arena *arena, struct registry_plan *plan, struct error *err);

/* replay.c: each view of a source that reads Kafka gets a next version of the meaning that it has,
 * which becomes active by itself if is_promoting. The i-th one gets the table registry->next_id +
 * i. NOT_FOUND: there is no such source, or no view of it. INVALID: it does not read Kafka. */
MUST_USE enum status registry_plan_replay(const struct registry *registry, struct bytes source,
                                          bool is_promoting, struct arena *arena,
                                          struct registry_plan *plan, struct error *err);

/* ---- versions.c: which version is the active one, and which may go ----
 *
 * They make the rows that are to be written, in the arena; none where everything is so already.
 * now_us is the wall clock's. */

/* A FILLING version becomes LIVE; and the active one, where its view has none, or where it was to
 * be promoted and nothing that is active would miss anything. */
void registry_plan_live(const struct registry *registry, const struct view *view,
                        const struct view_version *version, int64_t now_us, struct arena *arena,
                        struct registry_plan *plan);

/* The first version that was to be promoted as soon as that does no harm, and now can be: what it
 * reads is there, and what reads it misses nothing. */
void registry_plan_waiting(const struct registry *registry, int64_t now_us, struct arena *arena,
                           struct registry_plan *plan);

/* The version becomes the active one. NOT_FOUND: no such view or version. UNAVAILABLE: it is still
 * being filled, and is_forced is not set. */
MUST_USE enum status registry_plan_promote(const struct registry *registry, struct bytes name,
                                           uint32_t number, bool is_forced, int64_t now_us,
                                           struct arena *arena, struct registry_plan *plan,
                                           struct error *err);

/* The version that was active before becomes it again: *number. INVALID: there is none. */
MUST_USE enum status registry_plan_rollback(const struct registry *registry, struct bytes name,
                                            int64_t now_us, struct arena *arena, uint32_t *number,
                                            struct registry_plan *plan, struct error *err);

/* The version is DROPPING. INVALID: it is active, pinned, or the only one. */
MUST_USE enum status registry_plan_drop(const struct registry *registry, struct bytes name,
                                        uint32_t number, struct arena *arena,
                                        struct registry_plan *plan, struct error *err);

/* A DROPPING version is gone. */
void registry_plan_gone(const struct view_definition *view, struct arena *arena,
                        struct registry_plan *plan);

/* Appends where the values of a view or service ("fraud", "fraud@2") come from, as a tree of JSON:
 * features, the view versions that they are read from, sources. NOT_FOUND: err lists near names. */
MUST_USE enum status registry_lineage_json(const struct registry *registry, struct bytes name,
                                           struct buffer *out, struct error *err);

/* Whether something refers to the version by its number; *by is its name, "service fraud@2". */
bool registry_find_pin(const struct registry *registry, struct bytes view, uint32_t number,
                       struct arena *arena, struct bytes *by);

const struct source *registry_find_source(const struct registry *registry, struct bytes name);
const struct entity_definition *registry_find_entity(const struct registry *registry,
                                                     struct bytes name);
const struct view *registry_find_view(const struct registry *registry, struct bytes name);

/* "filled", "promoted", "rolled back". */
const char *switch_cause_name(enum switch_cause cause);

/* The latest version that is not being dropped. */
const struct view_version *view_newest_version(const struct view *view);

/* Version number of the view, 0 for the active one; NULL where there is none, or none any more. */
const struct view_version *view_find_version(const struct view *view, uint32_t number);

/* The version that an input of a derived view stands for now: the active one, or the one that it
 * names. NULL: there is none that can be read. */
const struct view_version *registry_find_input(const struct registry *registry,
                                               const struct feature_reference *input);

/* Appends JSON for programs and for `asof`: everything in short, or one definition by name (of a
 * source, an entity or a view, "view@2" too) in full. NOT_FOUND: err lists near names. */
void registry_list_json(const struct registry *registry, struct buffer *out);
MUST_USE enum status registry_describe_json(const struct registry *registry, struct bytes name,
                                            struct buffer *out, struct error *err);

#endif
