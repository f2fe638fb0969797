#include "base/check.h"
#include "registry/parse.h"
#include "registry/registry.h"
#include "registry/rows.h"
#include "registry/versions.h"

/* ---- the row of a view ---- */

/* Writes down that its active version is another one now. */
static void view_note_switch(struct view *view, enum switch_cause cause, int64_t now_us,
                             struct arena *arena)
{
    size_t kept =
        view->switches_count < VIEW_SWITCHES_MAX ? view->switches_count : VIEW_SWITCHES_MAX - 1;
    struct version_switch *switches = ARENA_NEW_ARRAY(arena, kept + 1, struct version_switch);
    for (size_t i = 0; i < kept; i++)
        switches[i] = view->switches[view->switches_count - kept + i];
    switches[kept] =
        (struct version_switch){.version = view->active, .cause = cause, .at_us = now_us};
    view->switches = switches;
    view->switches_count = kept + 1;
}

void view_promote(struct view *view, uint32_t number, enum switch_cause cause, int64_t now_us,
                  struct arena *arena)
{
    size_t kept = view->before_count < VIEW_BEFORE_MAX ? view->before_count : VIEW_BEFORE_MAX - 1;
    uint32_t *before = ARENA_NEW_ARRAY(arena, kept + 1, uint32_t);
    for (size_t i = 0; i < kept; i++)
        before[i] = view->before[view->before_count - kept + i];
    if (view->active != 0)
        before[kept++] = view->active;
    view->before = before;
    view->before_count = kept;
    view->active = number;
    view->promoted_when_filled = 0;
    view_note_switch(view, cause, now_us, arena);
}

/* No rollback goes to the version any more, nor to the one at which it would be already. */
static void view_forget(struct view *view, uint32_t number, struct arena *arena)
{
    uint32_t *before = ARENA_NEW_ARRAY(arena, view->before_count + 1, uint32_t);
    size_t count = 0;
    for (size_t i = 0; i < view->before_count; i++)
        if (view->before[i] != number && (count == 0 || before[count - 1] != view->before[i]))
            before[count++] = view->before[i];
    if (count > 0 && before[count - 1] == view->active)
        count--;
    view->before = before;
    view->before_count = count;
    if (view->promoted_when_filled == number)
        view->promoted_when_filled = 0;
}

/* ---- derived views ---- */

/* Whether the definition names the version by its number. */
static bool is_pinned_by(const struct view_definition *definition, struct bytes view,
                         uint32_t number)
{
    for (size_t i = 0; i < definition->inputs_count; i++)
        if (definition->inputs[i].version == number &&
            bytes_equal(definition->inputs[i].view, view))
            return true;
    return false;
}

/* Those that are being dropped pin nothing. */
bool registry_find_pin(const struct registry *registry, struct bytes view, uint32_t number,
                       struct arena *arena, struct bytes *by)
{
    for (size_t i = 0; i < registry->views_count; i++)
        for (size_t j = 0; j < registry->views[i].versions_count; j++) {
            const struct view_version *version = &registry->views[i].versions[j];
            const struct view_definition *definition = version->definition;
            if (version->state == VERSION_DROPPING || !is_pinned_by(definition, view, number))
                continue;
            *by = arena_format(arena, "%s %.*s@%u",
                               definition->kind == VIEW_SERVICE ? "service" : "view",
                               BYTES_ARGS(definition->name), definition->version);
            return true;
        }
    *by = (struct bytes){0};
    return false;
}

/* An active derived view that goes by what is active, and would miss a feature in the version. */
static bool find_missing(const struct registry *registry, const struct view_definition *after,
                         const struct view_definition **by, struct bytes *feature)
{
    for (size_t i = 0; i < registry->views_count; i++) {
        const struct view_version *active = view_find_version(&registry->views[i], 0);
        for (size_t j = 0; active != NULL && j < active->definition->inputs_count; j++) {
            const struct feature_reference *input = &active->definition->inputs[j];
            if (input->version != 0 || !bytes_equal(input->view, after->name) ||
                feature_find(after, input->feature) >= 0)
                continue;
            *by = active->definition;
            *feature = input->feature;
            return true;
        }
    }
    return false;
}

static bool keys_equal(const struct view_definition *a, const struct view_definition *b)
{
    bool is_equal = a->keys_count == b->keys_count;
    for (size_t i = 0; is_equal && i < a->keys_count; i++) {
        const struct field_definition *left = &a->fields[a->key_fields[i]];
        const struct field_definition *right = &b->fields[b->key_fields[i]];
        is_equal = bytes_equal(left->name, right->name) && type_equal(left->type, right->type);
    }
    return is_equal;
}

/* An active derived view that goes by what is active, and so has other keys with other keys of it.
 */
static const struct view_definition *find_reader(const struct registry *registry, struct bytes view)
{
    for (size_t i = 0; i < registry->views_count; i++) {
        const struct view_version *active = view_find_version(&registry->views[i], 0);
        if (active != NULL && is_pinned_by(active->definition, view, 0))
            return active->definition;
    }
    return NULL;
}

/* Nobody's model must find that a feature is gone, or that it is asked by another key. */
static enum status check_readers(const struct registry *registry,
                                 const struct view_definition *after, struct error *err)
{
    const struct view_version *before =
        view_find_version(registry_find_view(registry, after->name), 0);
    bool has_other_keys = before != NULL && !view_kind_is_derived(after->kind) &&
                          !keys_equal(before->definition, after);
    const struct view_definition *by = has_other_keys ? find_reader(registry, after->name) : NULL;
    struct bytes feature;
    if (by != NULL)
        return error_set(
            err, STATUS_INVALID,
            "%s %.*s@%u reads %.*s, and the keys of %.*s@%u are others; use --force to "
            "have it read by those from now on",
            by->kind == VIEW_SERVICE ? "service" : "view", BYTES_ARGS(by->name), by->version,
            BYTES_ARGS(after->name), BYTES_ARGS(after->name), after->version);
    if (!find_missing(registry, after, &by, &feature))
        return STATUS_OK;
    return error_set(
        err, STATUS_INVALID,
        "%s %.*s@%u reads %.*s.%.*s, which %.*s@%u does not have; promote a version of "
        "it that does without before, or use --force",
        by->kind == VIEW_SERVICE ? "service" : "view", BYTES_ARGS(by->name), by->version,
        BYTES_ARGS(after->name), BYTES_ARGS(feature), BYTES_ARGS(after->name), after->version);
}

/* A derived version that can't be read now is not one to go by. */
static enum status check_promote(const struct registry *registry,
                                 const struct view_version *version, struct error *err)
{
    if (version->lack.size > 0)
        return error_set(err, STATUS_UNAVAILABLE, "%.*s; --force promotes it as it is",
                         BYTES_ARGS(version->lack));
    return check_readers(registry, version->definition, err);
}

/* ---- plans ---- */

static void plan_start(struct registry_plan *plan, struct arena *arena, struct registry_row **rows)
{
    enum { ROWS_MAX = 2 };
    *rows = ARENA_NEW_ARRAY(arena, ROWS_MAX, struct registry_row);
    *plan = (struct registry_plan){.rows = *rows};
}

static enum status find_view(const struct registry *registry, struct bytes name,
                             struct arena *arena, const struct view **out, struct error *err)
{
    struct bytes *names = ARENA_NEW_ARRAY(arena, registry->views_count + 1, struct bytes);
    *out = registry_find_view(registry, name);
    if (*out != NULL)
        return STATUS_OK;
    for (size_t i = 0; i < registry->views_count; i++)
        names[i] = registry->views[i].name;
    return error_set(err, STATUS_NOT_FOUND, "there is no view %s%s", quoted(arena, name),
                     hint_names(arena, name, "views", names, registry->views_count));
}

static enum status find_version(const struct view *view, uint32_t number,
                                const struct view_version **out, struct error *err)
{
    *out = number == 0 ? NULL : view_find_version(view, number);
    if (*out == NULL)
        return error_set(err, STATUS_NOT_FOUND,
                         "view '%.*s' has no version %u; `asof describe "
                         "%.*s` shows those that there are",
                         BYTES_ARGS(view->name), number, BYTES_ARGS(view->name));
    return STATUS_OK;
}

void registry_plan_live(const struct registry *registry, const struct view *view,
                        const struct view_version *version, int64_t now_us, struct arena *arena,
                        struct registry_plan *plan)
{
    struct registry_row *rows;
    struct view after = *view;
    struct view_version live = *version;
    uint32_t number = version->definition->version;
    CHECK(version->state == VERSION_FILLING);
    plan_start(plan, arena, &rows);
    live.state = VERSION_LIVE;
    rows[plan->rows_count++] = version_to_row(&live, arena);
    if (view->active == 0)
        view_promote(&after, number, SWITCH_FILLED, now_us, arena);
    else if (view->promoted_when_filled == number && view->active != number &&
             check_promote(registry, version, NULL) == STATUS_OK)
        view_promote(&after, number, SWITCH_PROMOTED, now_us, arena);
    if (after.active != view->active)
        rows[plan->rows_count++] = view_to_row(&after, arena);
}

void registry_plan_waiting(const struct registry *registry, int64_t now_us, struct arena *arena,
                           struct registry_plan *plan)
{
    struct registry_row *rows;
    plan_start(plan, arena, &rows);
    for (size_t i = 0; i < registry->views_count && plan->rows_count == 0; i++) {
        struct view after = registry->views[i];
        uint32_t number = after.promoted_when_filled;
        const struct view_version *version =
            number == 0 ? NULL : view_find_version(&registry->views[i], number);
        if (version == NULL || version->state != VERSION_LIVE ||
            check_promote(registry, version, NULL) != STATUS_OK)
            continue;
        view_promote(&after, number, SWITCH_PROMOTED, now_us, arena);
        rows[plan->rows_count++] = view_to_row(&after, arena);
    }
}

enum status registry_plan_promote(const struct registry *registry, struct bytes name,
                                  uint32_t number, bool is_forced, int64_t now_us,
                                  struct arena *arena, struct registry_plan *plan,
                                  struct error *err)
{
    struct registry_row *rows;
    const struct view *view = NULL;
    const struct view_version *version = NULL;
    plan_start(plan, arena, &rows);
    enum status status = find_view(registry, name, arena, &view, err);
    if (status == STATUS_OK)
        status = find_version(view, number, &version, err);
    if (status != STATUS_OK)
        return status;
    if (version->state == VERSION_FILLING && !is_forced)
        return error_set(
            err, STATUS_UNAVAILABLE,
            "version %u of view '%.*s' is still being filled; `asof list` shows how far "
            "it is, --force promotes it as it is",
            number, BYTES_ARGS(view->name));
    if (view->active == number)
        return STATUS_OK;
    status = is_forced ? STATUS_OK : check_promote(registry, version, err);
    if (status != STATUS_OK)
        return status;
    struct view after = *view;
    view_promote(&after, number, SWITCH_PROMOTED, now_us, arena);
    rows[plan->rows_count++] = view_to_row(&after, arena);
    return STATUS_OK;
}

enum status registry_plan_rollback(const struct registry *registry, struct bytes name,
                                   int64_t now_us, struct arena *arena, uint32_t *number,
                                   struct registry_plan *plan, struct error *err)
{
    struct registry_row *rows;
    const struct view *view = NULL;
    plan_start(plan, arena, &rows);
    enum status status = find_view(registry, name, arena, &view, err);
    if (status != STATUS_OK)
        return status;
    if (view->before_count == 0)
        return error_set(err, STATUS_INVALID,
                         "view '%.*s' has no version that was active before; `asof promote "
                         "%.*s@N` makes another one active",
                         BYTES_ARGS(view->name), BYTES_ARGS(view->name));
    const struct view_version *version =
        view_find_version(view, view->before[view->before_count - 1]);
    status = version == NULL ? STATUS_OK : check_promote(registry, version, err);
    if (status != STATUS_OK)
        return status;
    struct view after = *view;
    *number = after.active = view->before[view->before_count - 1];
    after.before_count--;
    after.promoted_when_filled = 0;
    view_note_switch(&after, SWITCH_ROLLED_BACK, now_us, arena);
    rows[plan->rows_count++] = view_to_row(&after, arena);
    return STATUS_OK;
}

static enum status check_drop(const struct registry *registry, const struct view *view,
                              const struct view_version *version, struct arena *arena,
                              struct error *err)
{
    uint32_t number = version->definition->version;
    struct bytes by;
    if (view->active == number)
        return error_set(err, STATUS_INVALID,
                         "version %u is the active one of view '%.*s'; promote "
                         "another one before",
                         number, BYTES_ARGS(view->name));
    if (registry_find_pin(registry, view->name, number, arena, &by))
        return error_set(err, STATUS_INVALID, "version %u of view '%.*s' is used by %.*s", number,
                         BYTES_ARGS(view->name), BYTES_ARGS(by));
    for (size_t i = 0; i < view->versions_count; i++)
        if (&view->versions[i] != version && view->versions[i].state != VERSION_DROPPING)
            return STATUS_OK;
    return error_set(err, STATUS_INVALID, "version %u is the only one of view '%.*s'", number,
                     BYTES_ARGS(view->name));
}

enum status registry_plan_drop(const struct registry *registry, struct bytes name, uint32_t number,
                               struct arena *arena, struct registry_plan *plan, struct error *err)
{
    struct registry_row *rows;
    const struct view *view = NULL;
    const struct view_version *version = NULL;
    plan_start(plan, arena, &rows);
    enum status status = find_view(registry, name, arena, &view, err);
    if (status == STATUS_OK)
        status = find_version(view, number, &version, err);
    if (status == STATUS_OK)
        status = check_drop(registry, view, version, arena, err);
    if (status != STATUS_OK)
        return status;
    struct view after = *view;
    struct view_version dropping = *version;
    dropping.state = VERSION_DROPPING;
    view_forget(&after, number, arena);
    rows[plan->rows_count++] = view_to_row(&after, arena);
    rows[plan->rows_count++] = version_to_row(&dropping, arena);
    return STATUS_OK;
}

void registry_plan_gone(const struct view_definition *view, struct arena *arena,
                        struct registry_plan *plan)
{
    struct registry_row *rows;
    plan_start(plan, arena, &rows);
    rows[plan->rows_count++].key =
        arena_format(arena, "view/%.*s@%u", BYTES_ARGS(view->name), view->version);
}
