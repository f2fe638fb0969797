/* Replay: new versions of all views of a source, each with the meaning that it has, to be filled
 * anew. */
#include "registry/parse.h"
#include "registry/registry.h"
#include "registry/rows.h"

/* What is read by the view's name, or will be first. */
static const struct view_definition *shown_definition(const struct view *view)
{
    const struct view_version *active = view_find_version(view, 0);
    return active != NULL ? active->definition : view_newest_version(view)->definition;
}

static bool is_of_source(const struct view *view, struct bytes source)
{
    return view->versions_count > 0 && bytes_equal(shown_definition(view)->source, source);
}

static enum status find_source(const struct registry *registry, struct bytes name,
                               struct arena *arena, struct error *err)
{
    struct bytes *names = ARENA_NEW_ARRAY(arena, registry->sources_count + 1, struct bytes);
    const struct source *source = registry_find_source(registry, name);
    for (size_t i = 0; i < registry->sources_count; i++)
        names[i] = registry->sources[i].definition->name;
    if (source == NULL)
        return error_set(err, STATUS_NOT_FOUND, "there is no source %s%s", quoted(arena, name),
                         hint_names(arena, name, "sources", names, registry->sources_count));
    if (source->definition->kafka == NULL)
        return error_set(
            err, STATUS_INVALID,
            "source %s does not read Kafka; new versions of its views are filled from its "
            "log by themselves",
            quoted(arena, name));
    return STATUS_OK;
}

/* The rows of the view with its next version, and what is said of that. */
static void add_version(const struct view *before, bool is_promoting, uint32_t table_id,
                        struct arena *arena, struct registry_row *rows, struct change *change)
{
    struct view view = *before;
    struct view_definition *definition = ARENA_NEW(arena, struct view_definition);
    *definition = *shown_definition(before);
    definition->version = ++view.newest_number;
    view.newest_table = table_id;
    if (is_promoting)
        view.promoted_when_filled = view.newest_number;
    const struct view_version version = {
        .table_id = table_id, .state = VERSION_FILLING, .definition = definition};
    rows[0] = view_to_row(&view, arena);
    rows[1] = version_to_row(&version, arena);
    *change = (struct change){.kind = CHANGE_CHANGED,
                              .noun = "view",
                              .name = view.name,
                              .version = view.newest_number,
                              .detail = bytes_of_text("reads Kafka again"),
                              .filled_from = definition->source,
                              .is_replayed = true,
                              .is_first = before->active == 0};
}

enum status registry_plan_replay(const struct registry *registry, struct bytes source,
                                 bool is_promoting, struct arena *arena, struct registry_plan *plan,
                                 struct error *err)
{
    size_t views = registry->views_count;
    struct registry_row *rows = ARENA_NEW_ARRAY(arena, 2 * views + 1, struct registry_row);
    struct change *changes = ARENA_NEW_ARRAY(arena, views + 1, struct change);
    *plan = (struct registry_plan){.rows = rows, .changes = changes};
    enum status status = find_source(registry, source, arena, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < views; i++) {
        if (!is_of_source(&registry->views[i], source))
            continue;
        uint32_t table_id = registry->next_id + (uint32_t)plan->changes_count;
        add_version(&registry->views[i], is_promoting, table_id, arena, rows + plan->rows_count,
                    &changes[plan->changes_count++]);
        plan->rows_count += 2;
    }
    if (plan->changes_count == 0)
        return error_set(err, STATUS_NOT_FOUND, "no view reads source %s", quoted(arena, source));
    return STATUS_OK;
}
