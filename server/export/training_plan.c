#include "export/training_plan.h"

#include <strings.h>

#include "base/check.h"
#include "query/columns.h"

/* A plan being made. */
struct maker {
    struct training_plan *plan;
    struct query *query;
    struct arena *arena;
    struct error *err;
};

/* ---- features ---- */

static const struct field_definition *key_field(const struct view_definition *view, size_t i)
{
    return &view->fields[view->key_fields[i]];
}

static bool has_keys_of(const struct training_group *group, const struct view_definition *view)
{
    bool is_same = group->keys_count == view->keys_count;
    for (size_t i = 0; i < view->keys_count && is_same; i++)
        is_same = bytes_equal(group->keys[i], key_field(view, i)->name) &&
                  type_equal(group->key_types[i], key_field(view, i)->type);
    return is_same;
}

static struct training_group *find_group(struct maker *maker, const struct view_definition *view)
{
    struct training_plan *plan = maker->plan;
    for (size_t i = 0; i < plan->groups_count; i++)
        if (has_keys_of(&plan->groups[i], view))
            return &plan->groups[i];
    struct training_group *group = &plan->groups[plan->groups_count++];
    group->keys_count = view->keys_count;
    for (size_t i = 0; i < view->keys_count; i++) {
        group->keys[i] = key_field(view, i)->name;
        group->key_types[i] = key_field(view, i)->type;
    }
    group->views = ARENA_NEW_ARRAY(maker->arena, TRAINING_FEATURES_MAX, struct training_view);
    return group;
}

static struct training_view *find_view(struct maker *maker, struct training_group *group,
                                       const struct target *target)
{
    for (size_t i = 0; i < group->views_count; i++)
        if (group->views[i].target.version == target->version)
            return &group->views[i];
    struct training_view *view = &group->views[group->views_count++];
    *view = (struct training_view){
        .target = *target,
        .features = ARENA_NEW_ARRAY(maker->arena, target->view->features_count, uint32_t)};
    return view;
}

static bool is_asked(const struct training_view *view, uint32_t feature)
{
    for (size_t i = 0; i < view->features_count; i++)
        if (view->features[i] == feature)
            return true;
    return false;
}

/* Adds the feature; once, however often it is asked. */
static enum status add_feature(struct maker *maker, const struct target *target, uint32_t feature)
{
    struct training_plan *plan = maker->plan;
    struct training_group *group = find_group(maker, target->view);
    struct training_view *view = find_view(maker, group, target);
    if (is_asked(view, feature))
        return STATUS_OK;
    if (plan->columns_count == TRAINING_FEATURES_MAX)
        return error_set(maker->err, STATUS_LIMIT, "a training set has at most %d features",
                         TRAINING_FEATURES_MAX);
    plan->columns[plan->columns_count++] =
        (struct training_column){.view = target->view,
                                 .feature = &target->view->features[feature],
                                 .group = (size_t)(group - plan->groups),
                                 .place = view->features_count};
    view->features[view->features_count++] = feature;
    return STATUS_OK;
}

/* Of a service, the feature that it lists; of all else, the feature itself. */
static enum status add_listed(struct maker *maker, const struct target *target, uint32_t feature)
{
    struct target listed = {0};
    if (target->view->kind != VIEW_SERVICE)
        return add_feature(maker, target, feature);
    const struct feature_reference *input = &target->view->inputs[feature];
    enum status status =
        query_find_view(maker->query, input->view, input->version, &listed, maker->err);
    if (status != STATUS_OK)
        return status;
    ssize_t found = feature_find(listed.view, input->feature);
    if (found < 0)
        return error_set(maker->err, STATUS_UNAVAILABLE, "%.*s@%u has no feature '%.*s'",
                         BYTES_ARGS(listed.view->name), listed.view->version,
                         BYTES_ARGS(input->feature));
    return add_feature(maker, &listed, (uint32_t)found);
}

static enum status add_name(struct maker *maker, struct bytes name)
{
    struct target target = {0};
    uint32_t first;
    size_t count;
    enum status status =
        columns_find_features(maker->query, name, &target, &first, &count, maker->err);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = add_listed(maker, &target, first + (uint32_t)i);
    return status;
}

static enum status add_service(struct maker *maker, struct bytes service)
{
    struct target target = {0};
    uint32_t first;
    size_t count;
    struct bytes all = arena_format(maker->arena, "%.*s.*", BYTES_ARGS(service));
    enum status status =
        columns_find_features(maker->query, all, &target, &first, &count, maker->err);
    if (status == STATUS_OK && target.view->kind != VIEW_SERVICE)
        status = error_set(maker->err, STATUS_INVALID,
                           "'%.*s' is no service but a view; its features are '%.*s.*'",
                           BYTES_ARGS(service), BYTES_ARGS(service));
    return status == STATUS_OK ? add_name(maker, all) : status;
}

/* Says where the values of each view lie among those of its group. */
static void place_values(struct training_plan *plan)
{
    for (size_t i = 0; i < plan->groups_count; i++) {
        struct training_group *group = &plan->groups[i];
        size_t request_place = 0;
        for (size_t j = 0; j < group->views_count; j++) {
            struct training_view *view = &group->views[j];
            view->place = group->values_count;
            view->request_place = request_place;
            group->values_count += view->features_count;
            request_place += view->target.view->request_count;
            for (size_t k = 0; k < plan->columns_count; k++)
                if (plan->columns[k].view == view->target.view)
                    plan->columns[k].place += view->place;
        }
    }
}

enum status training_plan_make(struct training_plan *plan, struct query *query,
                               const struct training_spec *spec, struct arena *arena,
                               struct error *err)
{
    struct maker maker = {.plan = plan, .query = query, .arena = arena, .err = err};
    enum status status = STATUS_OK;
    *plan = (struct training_plan){
        .columns = ARENA_NEW_ARRAY(arena, TRAINING_FEATURES_MAX, struct training_column),
        .groups = ARENA_NEW_ARRAY(arena, TRAINING_FEATURES_MAX, struct training_group)};
    if ((spec->service.size == 0) == (spec->features_count == 0))
        return error_set(err, STATUS_INVALID,
                         "a training set is of a service or of features: name one of the two");
    if (spec->service.size > 0)
        status = add_service(&maker, spec->service);
    for (size_t i = 0; i < spec->features_count && status == STATUS_OK; i++)
        status = add_name(&maker, spec->features[i]);
    if (status == STATUS_OK)
        place_values(plan);
    return status;
}

/* ---- names ---- */

/* As SQL compares names. */
static bool is_same_name(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || strncasecmp(a.data, b.data, a.size) == 0);
}

static bool is_labels_name(const struct labels *labels, struct bytes name)
{
    for (size_t i = 0; i < labels->columns_count; i++)
        if (is_same_name(labels->columns[i].name, name))
            return true;
    return false;
}

/* Whether the feature's own name is that of another column. */
static bool is_clashing(const struct training_plan *plan, const struct training_column *column,
                        const struct labels *labels)
{
    bool is_one = is_labels_name(labels, column->feature->name);
    for (size_t i = 0; i < plan->columns_count; i++)
        is_one |= &plan->columns[i] != column &&
                  bytes_equal(plan->columns[i].feature->name, column->feature->name);
    return is_one;
}

static bool has_other_version(const struct training_plan *plan,
                              const struct training_column *column)
{
    bool has_one = false;
    for (size_t i = 0; i < plan->columns_count; i++)
        has_one |= plan->columns[i].view != column->view &&
                   bytes_equal(plan->columns[i].view->name, column->view->name);
    return has_one;
}

static struct bytes make_name(const struct training_plan *plan,
                              const struct training_column *column, bool is_full,
                              const struct labels *labels, struct arena *arena)
{
    const struct view_definition *view = column->view;
    if (!is_full && !is_clashing(plan, column, labels))
        return column->feature->name;
    if (has_other_version(plan, column))
        return arena_format(arena, "%.*s@%u__%.*s", BYTES_ARGS(view->name), view->version,
                            BYTES_ARGS(column->feature->name));
    return arena_format(arena, "%.*s__%.*s", BYTES_ARGS(view->name),
                        BYTES_ARGS(column->feature->name));
}

struct bytes training_status_name(const struct training_column *column, struct arena *arena)
{
    return arena_format(arena, "%.*s__status", BYTES_ARGS(column->name));
}

static enum status check_name(const struct training_plan *plan, const struct labels *labels,
                              struct bytes name, struct error *err)
{
    size_t count = is_labels_name(labels, name) + is_same_name(labels->row_name, name);
    for (size_t i = 0; i < plan->columns_count; i++)
        count += is_same_name(plan->columns[i].name, name);
    if (count <= 1)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID,
                     "the training set would have two columns '%.*s'; rename that of the labels",
                     BYTES_ARGS(name));
}

enum status training_plan_name(struct training_plan *plan, const struct training_spec *spec,
                               const struct labels *labels, struct arena *arena, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < plan->columns_count; i++)
        plan->columns[i].name =
            make_name(plan, &plan->columns[i], spec->has_full_names, labels, arena);
    for (size_t i = 0; i < plan->columns_count && status == STATUS_OK; i++) {
        struct bytes name = training_status_name(&plan->columns[i], arena);
        status = check_name(plan, labels, plan->columns[i].name, err);
        if (status == STATUS_OK && spec->has_statuses && is_labels_name(labels, name))
            status = error_set(err, STATUS_INVALID,
                               "the training set would have two columns '%.*s'; rename that of "
                               "the labels",
                               BYTES_ARGS(name));
    }
    return status;
}
