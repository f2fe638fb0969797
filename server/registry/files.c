#include "registry/files.h"

#include <stdlib.h>

#include "base/map.h"
#include "registry/derived.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* One document of one file, by its sections; each may be NULL. */
struct sections {
    const struct node *sources;
    const struct node *entities;
    const struct node *views;
    const struct node *services;
    struct sections *next;
};

struct collector {
    const struct parse *parse;
    struct definition_set *set;
    struct map *seen[4]; /* names to the nodes where they stand, by section */
    size_t features_count;
};

enum section { SECTION_SOURCES, SECTION_ENTITIES, SECTION_VIEWS, SECTION_SERVICES };

/* --- documents to sections ----------------------------------------------------------------- */

static enum status section_check(const struct parse *parse, const struct node **section,
                                 const char *name)
{
    if (*section == NULL || (*section)->kind == NODE_MAPPING)
        return STATUS_OK;
    if (node_is_null(*section)) { /* all that stood under it is commented out */
        *section = NULL;
        return STATUS_OK;
    }
    return mistake(parse, *section, "found %s; %s are a mapping from names to what they are",
                   node_kind_name(*section), name);
}

static enum status document_split(const struct parse *parse, const struct node *root,
                                  struct sections *out)
{
    const struct key_slot slots[] = {
        {"sources", &out->sources, NULL},
        {"entities", &out->entities, NULL},
        {"views", &out->views, NULL},
        {"services", &out->services, NULL},
    };
    if (node_is_null(root))
        return STATUS_OK;
    enum status status = mapping_read(parse, root, "a definition file", slots, COUNT_OF(slots));
    if (status == STATUS_OK)
        status = section_check(parse, &out->sources, "sources");
    if (status == STATUS_OK)
        status = section_check(parse, &out->entities, "entities");
    if (status == STATUS_OK)
        status = section_check(parse, &out->views, "views");
    if (status == STATUS_OK)
        status = section_check(parse, &out->services, "services");
    return status;
}

static enum status file_split(const struct parse *parse, const struct definition_file *file,
                              struct sections ***end)
{
    struct document *document = NULL;
    if (file->text.size > DEFINITION_FILE_SIZE_MAX)
        return error_set(parse->err, STATUS_LIMIT, "file %s has %zu bytes; at most %d are taken",
                         quoted(parse->arena, file->name), file->text.size,
                         DEFINITION_FILE_SIZE_MAX);
    enum status status =
        documents_read(file->name, file->text, parse->arena, parse->arena, &document, parse->err);
    for (; status == STATUS_OK && document != NULL; document = document->next) {
        struct sections *sections = ARENA_NEW(parse->arena, struct sections);
        **end = sections;
        *end = &sections->next;
        status = document_split(parse, document->root, sections);
    }
    return status;
}

/* --- sections to definitions --------------------------------------------------------------- */

static size_t pairs_count(const struct node *section)
{
    return section == NULL ? 0 : section->items_count / 2;
}

static enum status set_allocate(const struct parse *parse, const struct sections *first,
                                struct definition_set *set)
{
    size_t sources = 0;
    size_t entities = 0;
    size_t views = 0;
    for (const struct sections *it = first; it != NULL; it = it->next) {
        sources += pairs_count(it->sources);
        entities += pairs_count(it->entities);
        views += pairs_count(it->views) + pairs_count(it->services);
    }
    if (sources + entities + views > DEFINITIONS_MAX)
        return error_set(parse->err, STATUS_LIMIT,
                         "the files hold %zu definitions; at most %d are taken at a time",
                         sources + entities + views, DEFINITIONS_MAX);
    set->sources = ARENA_NEW_ARRAY(parse->arena, sources + 1, struct source_in_file);
    set->entities = ARENA_NEW_ARRAY(parse->arena, entities + 1, struct entity_in_file);
    set->views = ARENA_NEW_ARRAY(parse->arena, views + 1, struct view_draft);
    return STATUS_OK;
}

/* The map wants something that may change, hence the pointer to the node. */
static enum status name_check(struct collector *collector, enum section section,
                              const struct node *name)
{
    static const char *const nouns[] = {"source", "entity", "view", "service"};
    const struct parse *parse = collector->parse;
    const struct node **place = ARENA_NEW(parse->arena, const struct node *);
    *place = name;
    if (map_put(collector->seen[section], name->text, place))
        return STATUS_OK;
    const struct node **first = map_get(collector->seen[section], name->text);
    return mistake(parse, name, "the %s %s is there twice, first in %s line %u; leave one out",
                   nouns[section], quoted(parse->arena, name->text),
                   quoted(parse->arena, (*first)->file), (*first)->line);
}

/* A view and a service are read by the same keys. */
static enum status clash_check(const struct collector *collector, enum view_kind kind,
                               const struct node *name)
{
    const struct parse *parse = collector->parse;
    enum section other = kind == VIEW_SERVICE ? SECTION_VIEWS : SECTION_SERVICES;
    const struct node **first = map_get(collector->seen[other], name->text);
    if (first == NULL)
        return STATUS_OK;
    return mistake(
        parse, name,
        "there is a view and a service of the name %s, the other in %s line %u; they are "
        "read by the same keys, so give one another name",
        quoted(parse->arena, name->text), quoted(parse->arena, (*first)->file), (*first)->line);
}

/* kind is VIEW_STREAM for all that view_draft_parse looks into. */
static enum status view_add(struct collector *collector, enum view_kind kind,
                            const struct node *name, const struct node *body)
{
    const struct parse *parse = collector->parse;
    struct view_draft *view = &collector->set->views[collector->set->views_count++];
    enum status status = clash_check(collector, kind, name);
    if (status == STATUS_OK)
        status = view_kind_is_derived(kind) ? derived_draft_parse(parse, kind, name, body, view)
                                            : view_draft_parse(parse, name, body, view);
    collector->features_count += view->features_count;
    if (status == STATUS_OK && collector->features_count > DEFINITION_FEATURES_MAX)
        return mistake_limit(parse, name,
                             "the files hold more than %d features; apply them in "
                             "parts",
                             DEFINITION_FEATURES_MAX);
    return status;
}

static enum status definition_add(struct collector *collector, enum section section,
                                  const struct node *name, const struct node *body)
{
    const struct parse *parse = collector->parse;
    struct definition_set *set = collector->set;
    enum status status = name_check(collector, section, name);
    if (status != STATUS_OK)
        return status;
    switch (section) {
    case SECTION_SOURCES: {
        struct source_in_file *source = &set->sources[set->sources_count++];
        source->name_node = name;
        return source_parse(parse, name, body, &source->definition);
    }
    case SECTION_ENTITIES: {
        struct entity_in_file *entity = &set->entities[set->entities_count++];
        entity->name_node = name;
        return entity_definition_parse(parse, name, body, &entity->definition);
    }
    case SECTION_VIEWS:
        return view_add(collector, derived_kind_of(parse, body), name, body);
    case SECTION_SERVICES:
        return view_add(collector, VIEW_SERVICE, name, body);
    }
    return status;
}

static enum status section_collect(struct collector *collector, enum section section,
                                   const struct node *node)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; node != NULL && i < node->items_count && status == STATUS_OK; i += 2)
        status = definition_add(collector, section, node->items[i], node->items[i + 1]);
    return status;
}

static enum status sections_collect(const struct parse *parse, const struct sections *first,
                                    struct definition_set *set)
{
    struct collector collector = {.parse = parse, .set = set};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(collector.seen); i++)
        collector.seen[i] = map_create();
    for (const struct sections *it = first; it != NULL && status == STATUS_OK; it = it->next) {
        status = section_collect(&collector, SECTION_SOURCES, it->sources);
        if (status == STATUS_OK)
            status = section_collect(&collector, SECTION_ENTITIES, it->entities);
        if (status == STATUS_OK)
            status = section_collect(&collector, SECTION_VIEWS, it->views);
        if (status == STATUS_OK)
            status = section_collect(&collector, SECTION_SERVICES, it->services);
    }
    for (size_t i = 0; i < COUNT_OF(collector.seen); i++)
        map_destroy(&collector.seen[i]);
    return status;
}

/* --- the set ------------------------------------------------------------------------------- */

static int compare_sources(const void *a, const void *b)
{
    const struct source_in_file *left = a;
    const struct source_in_file *right = b;
    return bytes_compare(left->definition.name, right->definition.name);
}

static int compare_entities(const void *a, const void *b)
{
    const struct entity_in_file *left = a;
    const struct entity_in_file *right = b;
    return bytes_compare(left->definition.name, right->definition.name);
}

static int compare_views(const void *a, const void *b)
{
    const struct view_draft *left = a;
    const struct view_draft *right = b;
    return bytes_compare(left->name, right->name);
}

static enum status limits_check(const struct parse *parse, const struct definition_file *files,
                                size_t files_count)
{
    size_t size = 0;
    for (size_t i = 0; i < files_count; i++)
        size += files[i].text.size;
    if (files_count > DEFINITION_FILES_MAX)
        return error_set(parse->err, STATUS_LIMIT,
                         "found %zu files; at most %d are taken at a time", files_count,
                         DEFINITION_FILES_MAX);
    if (size > DEFINITION_FILES_SIZE_MAX)
        return error_set(parse->err, STATUS_LIMIT,
                         "the files have %zu bytes; at most %d are taken at a time", size,
                         DEFINITION_FILES_SIZE_MAX);
    return STATUS_OK;
}

enum status files_parse(const struct parse *parse, const struct definition_file *files,
                        size_t files_count, struct definition_set *out)
{
    struct sections *first = NULL;
    struct sections **end = &first;
    enum status status = limits_check(parse, files, files_count);
    for (size_t i = 0; i < files_count && status == STATUS_OK; i++)
        status = file_split(parse, &files[i], &end);
    if (status == STATUS_OK)
        status = set_allocate(parse, first, out);
    if (status == STATUS_OK)
        status = sections_collect(parse, first, out);
    if (status != STATUS_OK)
        return status;
    qsort(out->sources, out->sources_count, sizeof(out->sources[0]), compare_sources);
    qsort(out->entities, out->entities_count, sizeof(out->entities[0]), compare_entities);
    qsort(out->views, out->views_count, sizeof(out->views[0]), compare_views);
    return STATUS_OK;
}

const struct source_in_file *set_find_source(const struct definition_set *set, struct bytes name)
{
    struct source_in_file key = {.definition.name = name};
    return bsearch(&key, set->sources, set->sources_count, sizeof(key), compare_sources);
}

const struct entity_in_file *set_find_entity(const struct definition_set *set, struct bytes name)
{
    struct entity_in_file key = {.definition.name = name};
    return bsearch(&key, set->entities, set->entities_count, sizeof(key), compare_entities);
}

const struct view_draft *set_find_view(const struct definition_set *set, struct bytes name)
{
    struct view_draft key = {.name = name};
    return bsearch(&key, set->views, set->views_count, sizeof(key), compare_views);
}
