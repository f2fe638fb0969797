#include "registry/registry.h"

#include <stdlib.h>

#include "registry/derived.h"
#include "registry/rows.h"

enum { REGISTRY_CHUNK_SIZE = 64 * 1024 };

/* A snapshot that is being loaded. */
struct loader {
    struct parse parse;
    struct arena *scratch; /* for one row at a time */
    struct source *sources;
    size_t sources_count;
    struct entity_definition *entities;
    size_t entities_count;
    struct view *views;
    size_t views_count;
    struct view_version *versions; /* of all views */
    size_t versions_count;
};

/* --- order --------------------------------------------------------------------------------- */

static int compare_sources(const void *a, const void *b)
{
    const struct source *left = a;
    const struct source *right = b;
    return bytes_compare(left->definition->name, right->definition->name);
}

static int compare_entities(const void *a, const void *b)
{
    const struct entity_definition *left = a;
    const struct entity_definition *right = b;
    return bytes_compare(left->name, right->name);
}

static int compare_views(const void *a, const void *b)
{
    const struct view *left = a;
    const struct view *right = b;
    return bytes_compare(left->name, right->name);
}

static int compare_versions(const void *a, const void *b)
{
    const struct view_definition *left = ((const struct view_version *)a)->definition;
    const struct view_definition *right = ((const struct view_version *)b)->definition;
    int order = bytes_compare(left->name, right->name);
    return order != 0 ? order : (left->version > right->version) - (left->version < right->version);
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* --- loading ------------------------------------------------------------------------------- */

static enum status load_row(struct loader *loader, const struct registry_row *row)
{
    struct parse *parse = &loader->parse;
    struct row_key key;
    if (!row_key_parse(row->key, &key))
        return error_set(parse->err, STATUS_CORRUPT, "%s is no key of a row",
                         quoted(parse->arena, row->key));
    key.name = arena_copy(parse->arena, key.name);
    arena_reset(loader->scratch);
    switch (key.kind) {
    case ROW_SOURCE:
        return row_to_source(parse, &key, row, loader->scratch,
                             &loader->sources[loader->sources_count++]);
    case ROW_ENTITY:
        return row_to_entity(parse, &key, row, loader->scratch,
                             &loader->entities[loader->entities_count++]);
    case ROW_VIEW:
        return row_to_view(parse, &key, row, loader->scratch,
                           &loader->views[loader->views_count++]);
    case ROW_VERSION:
        break;
    }
    return row_to_version(parse, &key, row, loader->scratch,
                          &loader->versions[loader->versions_count++]);
}

static void loader_sort(struct loader *loader)
{
    qsort(loader->sources, loader->sources_count, sizeof(loader->sources[0]), compare_sources);
    qsort(loader->entities, loader->entities_count, sizeof(loader->entities[0]), compare_entities);
    qsort(loader->views, loader->views_count, sizeof(loader->views[0]), compare_views);
    qsort(loader->versions, loader->versions_count, sizeof(loader->versions[0]), compare_versions);
}

static bool rows_are_unique(const struct loader *loader)
{
    for (size_t i = 1; i < loader->sources_count; i++)
        if (compare_sources(&loader->sources[i - 1], &loader->sources[i]) == 0)
            return false;
    for (size_t i = 1; i < loader->entities_count; i++)
        if (compare_entities(&loader->entities[i - 1], &loader->entities[i]) == 0)
            return false;
    for (size_t i = 1; i < loader->views_count; i++)
        if (compare_views(&loader->views[i - 1], &loader->views[i]) == 0)
            return false;
    for (size_t i = 1; i < loader->versions_count; i++)
        if (compare_versions(&loader->versions[i - 1], &loader->versions[i]) == 0)
            return false;
    return true;
}

/* Whether what the view says of its versions is so. */
static bool view_is_sound(const struct view *view)
{
    const struct view_version *active = view_find_version(view, view->active);
    if (view->versions_count == 0 || view_newest_version(view) == NULL ||
        (view->active != 0 && active == NULL))
        return false;
    for (size_t i = 0; i < view->versions_count; i++)
        if (view->versions[i].definition->version > view->newest_number ||
            view->versions[i].table_id > view->newest_table)
            return false;
    for (size_t i = 0; i < view->before_count; i++)
        if (view->before[i] == 0 || view_find_version(view, view->before[i]) == NULL)
            return false;
    return true;
}

/* Gives each view its run of the versions, which are sorted as the views are. */
static enum status versions_attach(struct loader *loader)
{
    struct parse *parse = &loader->parse;
    size_t next = 0;
    for (size_t i = 0; i < loader->views_count; i++) {
        struct view *view = &loader->views[i];
        view->versions = &loader->versions[next];
        while (next < loader->versions_count &&
               bytes_equal(loader->versions[next].definition->name, view->name)) {
            view->versions_count++;
            next++;
        }
        if (!view_is_sound(view))
            return error_set(parse->err, STATUS_CORRUPT,
                             "view %s has no version, or not those that its row names",
                             quoted(parse->arena, view->name));
    }
    if (next < loader->versions_count)
        return error_set(parse->err, STATUS_CORRUPT, "version %u of view %s belongs to no view",
                         loader->versions[next].definition->version,
                         quoted(parse->arena, loader->versions[next].definition->name));
    return STATUS_OK;
}

static enum status ids_check(struct loader *loader, uint32_t *next_id)
{
    size_t count = 0;
    uint32_t *ids = ARENA_NEW_ARRAY(loader->scratch,
                                    loader->sources_count + loader->versions_count + 1, uint32_t);
    for (size_t i = 0; i < loader->sources_count; i++)
        ids[count++] = loader->sources[i].id;
    for (size_t i = 0; i < loader->versions_count; i++)
        ids[count++] = loader->versions[i].table_id;
    qsort(ids, count, sizeof(ids[0]), compare_ids);
    for (size_t i = 1; i < count; i++)
        if (ids[i - 1] == ids[i])
            return error_set(loader->parse.err, STATUS_CORRUPT, "the number %u is given twice",
                             ids[i]);
    *next_id = count == 0 ? 1 : ids[count - 1] + 1;
    for (size_t i = 0; i < loader->views_count; i++)
        if (loader->views[i].newest_table >= *next_id)
            *next_id = loader->views[i].newest_table + 1;
    return STATUS_OK;
}

static enum status sources_check(struct loader *loader, const struct registry *registry)
{
    for (size_t i = 0; i < loader->versions_count; i++) {
        const struct view_definition *view = loader->versions[i].definition;
        bool is_whole = view_kind_is_derived(view->kind) ||
                        (registry_find_source(registry, view->source) != NULL &&
                         registry_find_entity(registry, view->entity) != NULL);
        if (!is_whole)
            return error_set(loader->parse.err, STATUS_CORRUPT,
                             "the source or the entity of view %s is not there",
                             quoted(loader->parse.arena, view->name));
    }
    return STATUS_OK;
}

/* On-demand views first: services read them. */
static void derived_attach(struct loader *loader, const struct registry *registry)
{
    static const enum view_kind kinds[] = {VIEW_ON_DEMAND, VIEW_SERVICE};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        for (size_t j = 0; j < loader->versions_count; j++)
            if (loader->versions[j].definition->kind == kinds[i])
                derived_complete(registry, &loader->versions[j]);
}

static void loader_start(struct loader *loader, size_t rows_count)
{
    struct arena *arena = loader->parse.arena;
    loader->sources = ARENA_NEW_ARRAY(arena, rows_count + 1, struct source);
    loader->entities = ARENA_NEW_ARRAY(arena, rows_count + 1, struct entity_definition);
    loader->views = ARENA_NEW_ARRAY(arena, rows_count + 1, struct view);
    loader->versions = ARENA_NEW_ARRAY(arena, rows_count + 1, struct view_version);
}

static enum status load_rows(struct loader *loader, const struct registry_row *rows,
                             size_t rows_count, struct registry *registry)
{
    enum status status = STATUS_OK;
    loader_start(loader, rows_count);
    for (size_t i = 0; i < rows_count && status == STATUS_OK; i++)
        status = load_row(loader, &rows[i]);
    if (status != STATUS_OK)
        return status;
    loader_sort(loader);
    if (!rows_are_unique(loader))
        return error_set(loader->parse.err, STATUS_CORRUPT, "two rows have one key");
    status = versions_attach(loader);
    registry->sources = loader->sources;
    registry->sources_count = loader->sources_count;
    registry->entities = loader->entities;
    registry->entities_count = loader->entities_count;
    registry->views = loader->views;
    registry->views_count = loader->views_count;
    if (status == STATUS_OK)
        status = ids_check(loader, &registry->next_id);
    if (status == STATUS_OK)
        status = sources_check(loader, registry);
    if (status == STATUS_OK)
        derived_attach(loader, registry);
    return status;
}

enum status registry_load(const struct registry_row *rows, size_t rows_count,
                          const struct definition_checks *checks, struct registry **out,
                          struct error *err)
{
    struct arena *arena = arena_create(REGISTRY_CHUNK_SIZE);
    struct error unused;
    struct loader loader = {.scratch = arena_create(REGISTRY_CHUNK_SIZE)};
    loader.parse = (struct parse){
        .arena = arena, .checks = checks, .err = err == NULL ? &unused : err, .is_stored = true};
    struct registry *registry = ARENA_NEW(arena, struct registry);
    registry->arena = arena;

    *out = NULL;
    enum status status = load_rows(&loader, rows, rows_count, registry);
    arena_destroy(&loader.scratch);
    if (status != STATUS_OK) {
        registry_destroy(&registry);
        return error_prefix(err, STATUS_CORRUPT, "stored definitions");
    }
    *out = registry;
    return STATUS_OK;
}

void registry_destroy(struct registry **registry)
{
    if (*registry == NULL)
        return;
    struct arena *arena = (*registry)->arena; /* which holds the registry itself */
    arena_destroy(&arena);
    *registry = NULL;
}

/* --- looking up ---------------------------------------------------------------------------- */

const struct source *registry_find_source(const struct registry *registry, struct bytes name)
{
    struct source_definition definition = {.name = name};
    struct source key = {.definition = &definition};
    return bsearch(&key, registry->sources, registry->sources_count, sizeof(key), compare_sources);
}

const struct entity_definition *registry_find_entity(const struct registry *registry,
                                                     struct bytes name)
{
    struct entity_definition key = {.name = name};
    return bsearch(&key, registry->entities, registry->entities_count, sizeof(key),
                   compare_entities);
}

const struct view *registry_find_view(const struct registry *registry, struct bytes name)
{
    struct view key = {.name = name};
    return bsearch(&key, registry->views, registry->views_count, sizeof(key), compare_views);
}

const struct view_version *view_find_version(const struct view *view, uint32_t number)
{
    if (number == 0)
        number = view->active;
    for (size_t i = 0; i < view->versions_count; i++)
        if (view->versions[i].definition->version == number)
            return view->versions[i].state == VERSION_DROPPING ? NULL : &view->versions[i];
    return NULL;
}

const struct view_version *view_newest_version(const struct view *view)
{
    for (size_t i = view->versions_count; i > 0; i--)
        if (view->versions[i - 1].state != VERSION_DROPPING)
            return &view->versions[i - 1];
    return NULL;
}

const struct view_version *registry_find_input(const struct registry *registry,
                                               const struct feature_reference *input)
{
    const struct view *view = registry_find_view(registry, input->view);
    if (view == NULL || (input->version == 0 && view->active == 0))
        return NULL;
    const struct view_version *version = view_find_version(view, input->version);
    bool is_shown = version != NULL && (version->state == VERSION_LIVE ||
                                        version->definition->version == view->active);
    return is_shown ? version : NULL;
}
