#include "base/clock.h"
#include "base/map.h"
#include "registry/derived.h"
#include "registry/difference.h"
#include "registry/files.h"
#include "registry/meaning.h"
#include "registry/registry.h"
#include "registry/rows.h"
#include "registry/versions.h"

/* What the files make of the registry, definition by definition. */
struct planner {
    struct parse parse;
    const struct registry *registry;
    struct definition_set set;
    bool *sources_changed;  /* for each of set.sources: in meaning */
    bool *entities_changed; /* for each of set.entities */
    struct map *planned; /* owned: views of the files by name, as they will be: view_definition */
    struct change *changes;
    size_t changes_count;
    struct registry_row *rows;
    size_t rows_count;
    uint32_t next_id;
    bool is_promoting; /* new versions become active when they are filled */
};

static struct change *add_change(struct planner *planner, enum change_kind kind, const char *noun,
                                 struct bytes name)
{
    struct change *change = &planner->changes[planner->changes_count++];
    *change =
        (struct change){.kind = kind, .noun = noun, .name = arena_copy(planner->parse.arena, name)};
    return change;
}

static void add_row(struct planner *planner, struct registry_row row)
{
    planner->rows[planner->rows_count++] = row;
}

/* --- sources and entities ------------------------------------------------------------------ */

static struct bytes source_text(const struct planner *planner,
                                const struct source_definition *source,
                                enum annotation_choice choice)
{
    struct buffer text = {0};
    source_append_definition(source, choice, &text);
    return buffer_to_arena(&text, planner->parse.arena);
}

static enum change_kind source_compare(const struct planner *planner,
                                       const struct source_definition *before,
                                       const struct source_definition *after)
{
    if (!bytes_equal(source_text(planner, before, WITHOUT_ANNOTATIONS),
                     source_text(planner, after, WITHOUT_ANNOTATIONS)))
        return CHANGE_CHANGED;
    if (!bytes_equal(source_text(planner, before, WITH_ANNOTATIONS),
                     source_text(planner, after, WITH_ANNOTATIONS)))
        return CHANGE_DESCRIBED;
    return CHANGE_UNCHANGED;
}

/* A name that a batch view's writes have is taken. */
static enum status source_name_check(const struct planner *planner, size_t index)
{
    const struct source_in_file *source = &planner->set.sources[index];
    const struct source *before = registry_find_source(planner->registry, source->definition.name);
    if (before == NULL || !before->definition->is_writes)
        return STATUS_OK;
    return mistake(&planner->parse, source->name_node,
                   "the writes of batch view %s have this name; give the source another one",
                   quoted(planner->parse.arena, source->definition.name));
}

static void source_plan(struct planner *planner, size_t index)
{
    const struct source_definition *definition = &planner->set.sources[index].definition;
    const struct source *before = registry_find_source(planner->registry, definition->name);
    enum change_kind kind =
        before == NULL ? CHANGE_NEW : source_compare(planner, before->definition, definition);
    struct change *change = add_change(planner, kind, "source", definition->name);
    if (kind == CHANGE_CHANGED)
        change->detail = source_difference(before->definition, definition, planner->parse.arena);
    planner->sources_changed[index] = kind == CHANGE_CHANGED;
    if (kind == CHANGE_UNCHANGED)
        return;
    struct source after = {.definition = definition};
    after.id = before == NULL ? planner->next_id++ : before->id;
    add_row(planner, source_to_row(&after, planner->parse.arena));
}

static struct bytes entity_text(const struct planner *planner,
                                const struct entity_definition *entity,
                                enum annotation_choice choice)
{
    struct buffer text = {0};
    entity_append_definition(entity, choice, &text);
    return buffer_to_arena(&text, planner->parse.arena);
}

static enum change_kind entity_compare(const struct planner *planner,
                                       const struct entity_definition *before,
                                       const struct entity_definition *after)
{
    if (!bytes_equal(entity_text(planner, before, WITHOUT_ANNOTATIONS),
                     entity_text(planner, after, WITHOUT_ANNOTATIONS)))
        return CHANGE_CHANGED;
    if (!bytes_equal(entity_text(planner, before, WITH_ANNOTATIONS),
                     entity_text(planner, after, WITH_ANNOTATIONS)))
        return CHANGE_DESCRIBED;
    return CHANGE_UNCHANGED;
}

static void entity_plan(struct planner *planner, size_t index)
{
    const struct entity_definition *after = &planner->set.entities[index].definition;
    const struct entity_definition *before = registry_find_entity(planner->registry, after->name);
    enum change_kind kind = before == NULL ? CHANGE_NEW : entity_compare(planner, before, after);
    struct change *change = add_change(planner, kind, "entity", after->name);
    if (kind == CHANGE_CHANGED)
        change->detail = entity_difference(before, after, planner->parse.arena);
    planner->entities_changed[index] = kind == CHANGE_CHANGED;
    if (kind != CHANGE_UNCHANGED)
        add_row(planner, entity_to_row(after, planner->parse.arena));
}

/* --- what a view refers to ----------------------------------------------------------------- */

/* The names in the files and the registered ones that are not in the files. */
static struct bytes *source_names(const struct planner *planner, size_t *count)
{
    const struct definition_set *set = &planner->set;
    const struct registry *registry = planner->registry;
    struct bytes *names = ARENA_NEW_ARRAY(
        planner->parse.arena, set->sources_count + registry->sources_count + 1, struct bytes);
    *count = 0;
    for (size_t i = 0; i < set->sources_count; i++)
        names[(*count)++] = set->sources[i].definition.name;
    for (size_t i = 0; i < registry->sources_count; i++)
        if (set_find_source(set, registry->sources[i].definition->name) == NULL)
            names[(*count)++] = registry->sources[i].definition->name;
    return names;
}

static struct bytes *entity_names(const struct planner *planner, size_t *count)
{
    const struct definition_set *set = &planner->set;
    const struct registry *registry = planner->registry;
    struct bytes *names = ARENA_NEW_ARRAY(
        planner->parse.arena, set->entities_count + registry->entities_count + 1, struct bytes);
    *count = 0;
    for (size_t i = 0; i < set->entities_count; i++)
        names[(*count)++] = set->entities[i].definition.name;
    for (size_t i = 0; i < registry->entities_count; i++)
        if (set_find_entity(set, registry->entities[i].name) == NULL)
            names[(*count)++] = registry->entities[i].name;
    return names;
}

static enum status source_of(const struct planner *planner, const struct parse *parse,
                             const struct node *node, const struct source_definition **out)
{
    struct bytes name = {0};
    size_t count = 0;
    enum status status = text_read(parse, node, "source", &name);
    if (status != STATUS_OK)
        return status;
    const struct source_in_file *in_file = set_find_source(&planner->set, name);
    const struct source *registered = registry_find_source(planner->registry, name);
    if (in_file == NULL && registered == NULL) {
        const struct bytes *names = source_names(planner, &count);
        return mistake(parse, node, "there is no source %s%s", quoted(parse->arena, name),
                       hint_names(parse->arena, name, "sources", names, count));
    }
    *out = in_file != NULL ? &in_file->definition : registered->definition;
    return STATUS_OK;
}

static enum status entity_of(const struct planner *planner, const struct parse *parse,
                             const struct node *node, const struct entity_definition **out)
{
    struct bytes name = {0};
    size_t count = 0;
    enum status status = text_read(parse, node, "entity", &name);
    if (status != STATUS_OK)
        return status;
    const struct entity_in_file *in_file = set_find_entity(&planner->set, name);
    *out = in_file != NULL ? &in_file->definition : registry_find_entity(planner->registry, name);
    if (*out == NULL) {
        const struct bytes *names = entity_names(planner, &count);
        return mistake(parse, node, "there is no entity %s%s", quoted(parse->arena, name),
                       hint_names(parse->arena, name, "entities", names, count));
    }
    return STATUS_OK;
}

/* The source of the writes of a batch view that names none. */
static enum status writes_of(const struct planner *planner, const struct parse *parse,
                             const struct view_draft *draft, const struct entity_definition *entity,
                             const struct source_definition **out)
{
    const struct source *registered = registry_find_source(planner->registry, draft->name);
    if (set_find_source(&planner->set, draft->name) != NULL ||
        (registered != NULL && !registered->definition->is_writes))
        return mistake(parse, draft->name_node,
                       "there is a source of the name %s, under which this batch view would take "
                       "its writes; add source: %.*s if its events are the writes, else give the "
                       "view another name",
                       quoted(parse->arena, draft->name), BYTES_ARGS(draft->name));
    struct source_definition *writes = ARENA_NEW(parse->arena, struct source_definition);
    *out = writes;
    return writes_source_make(parse, draft, entity, writes);
}

/* --- views --------------------------------------------------------------------------------- */

typedef void append_view_fn(const struct view_definition *view, struct buffer *out);

static bool views_equal(const struct view_definition *a, const struct view_definition *b,
                        append_view_fn *append)
{
    struct buffer left = {0};
    struct buffer right = {0};
    append(a, &left);
    append(b, &right);
    bool is_equal = bytes_equal(buffer_bytes(&left), buffer_bytes(&right));
    buffer_fini(&left);
    buffer_fini(&right);
    return is_equal;
}

static enum change_kind view_compare(const struct view_definition *before,
                                     const struct view_definition *after)
{
    if (!views_equal(before, after, view_append_meaning))
        return CHANGE_CHANGED;
    return views_equal(before, after, view_append_annotations) ? CHANGE_UNCHANGED
                                                               : CHANGE_DESCRIBED;
}

/* The version as it is but for its annotations. Its features keep their order: the rows of its
 * timeline may depend on it. */
static void view_describe(struct planner *planner, const struct view_version *version,
                          const struct view_definition *described)
{
    struct view_definition definition = *version->definition;
    struct feature_definition *features =
        ARENA_NEW_ARRAY(planner->parse.arena, definition.features_count, struct feature_definition);
    for (size_t i = 0; i < definition.features_count; i++) {
        features[i] = definition.features[i];
        ssize_t index = feature_find(described, features[i].name);
        features[i].annotations = described->features[index].annotations;
    }
    definition.annotations = described->annotations;
    definition.features = features;
    struct view_version after = *version;
    after.definition = &definition;
    add_row(planner, version_to_row(&after, planner->parse.arena));
}

static const char *view_noun(const struct view_definition *view)
{
    return view->kind == VIEW_SERVICE ? "service" : "view";
}

/* A derived version is live at once, as there is nothing to fill it with; what it reads may have to
 * be filled before it can become active (registry_plan_waiting). */
static void view_add_live(struct planner *planner, struct view *view)
{
    if (view->active == 0)
        view_promote(view, view->newest_number, SWITCH_FILLED, clock_now_us(),
                     planner->parse.arena);
    else if (planner->is_promoting)
        view->promoted_when_filled = view->newest_number;
}

/* Gives the view, as it was before (or new, without versions), its next version. */
static void view_add_version(struct planner *planner, const struct view *before,
                             struct view_definition *definition)
{
    struct change *change = &planner->changes[planner->changes_count - 1];
    struct view view = *before;
    view.newest_number++;
    view.newest_table = planner->next_id++;
    bool is_derived = view_kind_is_derived(definition->kind);
    definition->version = view.newest_number;
    struct view_version version = {.table_id = view.newest_table,
                                   .state = is_derived ? VERSION_LIVE : VERSION_FILLING,
                                   .definition = definition};
    change->version = view.newest_number;
    change->filled_from = definition->source;
    change->is_first = before->active == 0;
    if (is_derived)
        view_add_live(planner, &view);
    else if (planner->is_promoting)
        view.promoted_when_filled = view.newest_number;
    add_row(planner, view_to_row(&view, planner->parse.arena));
    add_row(planner, version_to_row(&version, planner->parse.arena));
}

/* The version that the definition is compared with: the newest one, or the active one where it is
 * that one's meaning: who goes back to what is active needs no new version. */
static const struct view_version *compared_version(const struct view *view,
                                                   const struct view_definition *after)
{
    const struct view_version *newest = view_newest_version(view);
    const struct view_version *active = view_find_version(view, 0);
    bool is_newest = view_compare(newest->definition, after) != CHANGE_CHANGED;
    bool is_active = active != NULL && view_compare(active->definition, after) != CHANGE_CHANGED;
    return is_active && !is_newest ? active : newest;
}

static void view_plan_existing(struct planner *planner, const struct view *view,
                               struct view_definition *after, bool is_in_files)
{
    const struct view_version *before = compared_version(view, after);
    enum change_kind kind = view_compare(before->definition, after);
    if (kind == CHANGE_UNCHANGED && !is_in_files)
        return;
    struct change *change = add_change(planner, kind, view_noun(after), after->name);
    change->version = before->definition->version;
    if (kind == CHANGE_DESCRIBED)
        view_describe(planner, before, after);
    if (kind == CHANGE_CHANGED) {
        change->detail = view_difference(before->definition, after, planner->parse.arena);
        view_add_version(planner, view, after);
    }
}

static void view_plan_new(struct planner *planner, struct view_definition *definition)
{
    const struct view none = {.name = definition->name};
    add_change(planner, CHANGE_NEW, view_noun(definition), definition->name);
    view_add_version(planner, &none, definition);
}

/* The writes of a new version of a batch view are those of its older versions, too. */
static void add_writes(struct planner *planner, const struct source_definition *writes)
{
    const struct source *before = registry_find_source(planner->registry, writes->name);
    const struct source after = {.id = before == NULL ? planner->next_id++ : before->id,
                                 .definition = writes};
    add_row(planner, source_to_row(&after, planner->parse.arena));
}

/* Plans what was resolved, as new or against what is registered of that name. */
static enum status view_plan_resolved(struct planner *planner, const struct view_draft *draft,
                                      struct view_definition *definition, bool is_in_files)
{
    const struct view *view = registry_find_view(planner->registry, draft->name);
    const struct view_version *newest = view == NULL ? NULL : view_newest_version(view);
    if (view != NULL && (newest->definition->kind == VIEW_SERVICE) != (draft->kind == VIEW_SERVICE))
        return mistake(&planner->parse, draft->name_node,
                       "%s is the name of a %s; a view and a service are read by the same keys, so "
                       "give this another name",
                       quoted(planner->parse.arena, draft->name), view_noun(newest->definition));
    map_put(planner->planned, draft->name, definition);
    if (view == NULL)
        view_plan_new(planner, definition);
    else
        view_plan_existing(planner, view, definition, is_in_files);
    return STATUS_OK;
}

static enum status view_plan(struct planner *planner, const struct parse *parse,
                             const struct view_draft *draft, bool is_in_files)
{
    const struct source_definition *source = NULL;
    const struct entity_definition *entity = NULL;
    struct view_definition *definition = ARENA_NEW(parse->arena, struct view_definition);
    enum status status = STATUS_OK;
    if (draft->source != NULL)
        status = source_of(planner, parse, draft->source, &source);
    if (status == STATUS_OK)
        status = entity_of(planner, parse, draft->entity, &entity);
    if (status == STATUS_OK && source == NULL)
        status = writes_of(planner, parse, draft, entity, &source);
    if (status == STATUS_OK)
        status = view_resolve(parse, draft, source, entity, definition);
    if (status == STATUS_OK)
        status = view_plan_resolved(planner, draft, definition, is_in_files);
    if (status == STATUS_OK && source->is_writes && definition->version != 0)
        add_writes(planner, source);
    return status;
}

/* --- registered views whose source or entity changed --------------------------------------- */

/* Where the change stands that a registered view has to follow; NULL: it has none. */
static const struct node *change_behind(const struct planner *planner,
                                        const struct view_definition *view)
{
    const struct definition_set *set = &planner->set;
    const struct source_in_file *source = set_find_source(set, view->source);
    const struct entity_in_file *entity = set_find_entity(set, view->entity);
    if (source != NULL && planner->sources_changed[source - set->sources])
        return source->name_node;
    if (entity != NULL && planner->entities_changed[entity - set->entities])
        return entity->name_node;
    return NULL;
}

/* Makes a draft of a registered view by way of its text. */
static enum status view_to_draft(const struct parse *parse, const struct view_definition *view,
                                 struct view_draft *out)
{
    struct buffer text = {0};
    struct document *document = NULL;
    struct node name = {.kind = NODE_TEXT, .text = view->name, .line = 1, .column = 1};
    view_append_definition(view, &text);
    enum status status = documents_read(view->name, buffer_bytes(&text), parse->arena, parse->arena,
                                        &document, parse->err);
    buffer_fini(&text);
    if (status == STATUS_OK)
        status = view_draft_parse(parse, &name, document->root, out);
    out->name_node = NULL;
    return status;
}

static enum status view_plan_again(struct planner *planner, const struct view *view)
{
    const struct view_definition *newest = view_newest_version(view)->definition;
    struct parse parse = planner->parse;
    struct view_draft draft = {0};
    parse.blamed = change_behind(planner, newest);
    parse.blamed_view = view->name;
    if (parse.blamed == NULL || set_find_view(&planner->set, view->name) != NULL)
        return STATUS_OK;
    enum status status = view_to_draft(&parse, newest, &draft);
    return status != STATUS_OK ? status : view_plan(planner, &parse, &draft, false);
}

/* Walks the views of the files and the registered ones together, both sorted by name. */
static enum status views_plan(struct planner *planner)
{
    const struct definition_set *set = &planner->set;
    const struct registry *registry = planner->registry;
    enum status status = STATUS_OK;
    size_t next = 0;
    for (size_t i = 0; i < set->views_count && status == STATUS_OK; i++) {
        for (; next < registry->views_count && status == STATUS_OK &&
               bytes_compare(registry->views[next].name, set->views[i].name) < 0;
             next++)
            status = view_plan_again(planner, &registry->views[next]);
        if (status == STATUS_OK && !view_kind_is_derived(set->views[i].kind))
            status = view_plan(planner, &planner->parse, &set->views[i], true);
    }
    for (; next < registry->views_count && status == STATUS_OK; next++)
        status = view_plan_again(planner, &registry->views[next]);
    return status;
}

/* --- derived views ------------------------------------------------------------------------- */

/* As they will be: of the files, or registered. */
static const struct view_definition *derived_find_view(const void *context, struct bytes name,
                                                       uint32_t version)
{
    const struct planner *planner = context;
    const struct view_definition *planned = map_get(planner->planned, name);
    const struct view *view = registry_find_view(planner->registry, name);
    if (planned != NULL && (version == 0 || version == planned->version))
        return planned;
    if (view == NULL)
        return NULL;
    if (version == 0)
        return view_newest_version(view)->definition;
    const struct view_version *found = view_find_version(view, version);
    return found == NULL ? NULL : found->definition;
}

static const struct bytes *derived_list_views(const void *context, struct arena *arena,
                                              size_t *count)
{
    const struct planner *planner = context;
    const struct definition_set *set = &planner->set;
    const struct registry *registry = planner->registry;
    struct bytes *names =
        ARENA_NEW_ARRAY(arena, set->views_count + registry->views_count + 1, struct bytes);
    *count = 0;
    for (size_t i = 0; i < set->views_count; i++)
        if (set->views[i].kind != VIEW_SERVICE)
            names[(*count)++] = set->views[i].name;
    for (size_t i = 0; i < registry->views_count; i++)
        if (set_find_view(set, registry->views[i].name) == NULL)
            names[(*count)++] = registry->views[i].name;
    return names;
}

/* So that a view that reads one of them finds out what it is, whichever is planned first. */
static void derived_announce(struct planner *planner)
{
    const struct definition_set *set = &planner->set;
    for (size_t i = 0; i < set->views_count; i++) {
        struct view_definition *definition =
            ARENA_NEW(planner->parse.arena, struct view_definition);
        definition->name = set->views[i].name;
        definition->kind = set->views[i].kind;
        if (view_kind_is_derived(definition->kind))
            map_put(planner->planned, definition->name, definition);
    }
}

static enum status derived_plan(struct planner *planner, const struct view_draft *draft)
{
    const struct derived_lookup lookup = {
        .find_view = derived_find_view, .list_views = derived_list_views, .context = planner};
    const struct entity_definition *entity = NULL;
    struct view_definition *definition = map_get(planner->planned, draft->name);
    enum status status = STATUS_OK;
    if (draft->kind == VIEW_ON_DEMAND)
        status = entity_of(planner, &planner->parse, draft->entity, &entity);
    if (status == STATUS_OK)
        status = derived_resolve(&planner->parse, draft, &lookup, definition);
    if (status == STATUS_OK)
        status = view_plan_resolved(planner, draft, definition, true);
    return status;
}

/* On-demand views behind the views that they read, and services last. */
static enum status derived_plan_all(struct planner *planner)
{
    static const enum view_kind kinds[] = {VIEW_ON_DEMAND, VIEW_SERVICE};
    const struct definition_set *set = &planner->set;
    enum status status = STATUS_OK;
    derived_announce(planner);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        for (size_t j = 0; j < set->views_count && status == STATUS_OK; j++)
            if (set->views[j].kind == kinds[i])
                status = derived_plan(planner, &set->views[j]);
    return status;
}

/* --- the whole ----------------------------------------------------------------------------- */

static void planner_start(struct planner *planner)
{
    struct arena *arena = planner->parse.arena;
    const struct definition_set *set = &planner->set;
    size_t views = set->views_count + planner->registry->views_count;
    size_t definitions = set->sources_count + set->entities_count + views;
    planner->sources_changed = ARENA_NEW_ARRAY(arena, set->sources_count + 1, bool);
    planner->entities_changed = ARENA_NEW_ARRAY(arena, set->entities_count + 1, bool);
    planner->changes = ARENA_NEW_ARRAY(arena, definitions + 1, struct change);
    planner->rows = ARENA_NEW_ARRAY(arena, definitions + 2 * views + 1, struct registry_row);
    planner->next_id = planner->registry->next_id;
}

/* Plans with all that is set of the planner but its list of definitions. */
static enum status plan_files(struct planner *planner, const struct definition_file *files,
                              size_t files_count, struct registry_plan *plan)
{
    *plan = (struct registry_plan){0};
    enum status status = files_parse(&planner->parse, files, files_count, &planner->set);
    if (status != STATUS_OK)
        return status;
    planner_start(planner);
    for (size_t i = 0; i < planner->set.sources_count && status == STATUS_OK; i++) {
        status = source_name_check(planner, i);
        source_plan(planner, i);
    }
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < planner->set.entities_count; i++)
        entity_plan(planner, i);
    planner->planned = map_create();
    status = views_plan(planner);
    if (status == STATUS_OK)
        status = derived_plan_all(planner);
    map_destroy(&planner->planned);
    if (status != STATUS_OK)
        return status;
    plan->changes = planner->changes;
    plan->changes_count = planner->changes_count;
    plan->rows = planner->rows;
    plan->rows_count = planner->rows_count;
    return STATUS_OK;
}

enum status registry_plan(const struct registry *registry, const struct definition_file *files,
                          size_t files_count, const struct definition_checks *checks,
                          struct arena *arena, struct registry_plan *plan, struct error *err)
{
    struct error unused;
    struct planner planner = {
        .registry = registry,
        .parse = {.arena = arena, .checks = checks, .err = err == NULL ? &unused : err},
    };
    return plan_files(&planner, files, files_count, plan);
}

enum status registry_plan_promoting(const struct registry *registry,
                                    const struct definition_file *files, size_t files_count,
                                    const struct definition_checks *checks, struct arena *arena,
                                    struct registry_plan *plan, struct error *err)
{
    struct error unused;
    struct planner planner = {
        .registry = registry,
        .parse = {.arena = arena, .checks = checks, .err = err == NULL ? &unused : err},
        .is_promoting = true,
    };
    return plan_files(&planner, files, files_count, plan);
}
