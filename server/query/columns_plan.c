/* How the names of a question become a plan, and how plans are remembered. */
#include "query/columns_plan.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"
#include "base/suggest.h"
#include "query/columns.h"
#include "query/query_room.h"

enum { ARENA_CHUNK_SIZE = 4096 };

/* A plan that is being made. */
struct planning {
    struct query *query;
    const struct columns_question *question;
    struct arena *arena;
    struct column *columns;
    size_t columns_count;
    struct columns_group *groups;
    size_t groups_count;
};

/* A plan and what it is found by; all lies in the arena. */
struct row {
    struct arena *arena; /* owned; NULL: it was never used */
    struct columns_plan plan;
    uint64_t catalog_number;
    struct columns_names names;
    const struct bytes *keys;
    size_t keys_count;
    uint64_t used; /* larger: more recently; 0: there is no plan */
};

struct columns_plans {
    const struct row *latest;       /* borrowed: the one that was asked for last, or NULL */
    struct row rows[PLANS_MAX + 1]; /* the last is of names that are not remembered */
    uint64_t clock;
};

/* ---- names ---- */

/* A feature as it was typed; a service or a view by its name alone is all features of it. */
struct feature_name {
    struct bytes view;
    uint32_t number; /* 0: the active version */
    struct bytes feature;
};

static enum status name_split(struct bytes text, struct feature_name *name, struct error *err)
{
    char shown[2 * NAME_SIZE_MAX];
    const char *dot = text.size == 0 ? NULL : memchr(text.data, '.', text.size);
    struct bytes view = dot == NULL ? text : bytes_of(text.data, (size_t)(dot - text.data));
    *name = (struct feature_name){.view = view,
                                  .feature = dot == NULL ? bytes_of_text("*")
                                                         : bytes_after(text, view.size + 1)};
    const char *at = view.size == 0 ? NULL : memchr(view.data, '@', view.size);
    if (at == NULL)
        return STATUS_OK;
    int64_t number;
    name->view.size = (size_t)(at - view.data);
    if (number_parse_int(bytes_after(view, name->view.size + 1), &number) != NUMBER_OK ||
        number < 1 || number > UINT32_MAX)
        return error_set(err, STATUS_INVALID,
                         "'%s' is no feature: behind @ stands the number of "
                         "a version",
                         bytes_to_text(text, shown, sizeof(shown)));
    name->number = (uint32_t)number;
    return STATUS_OK;
}

static enum status unknown_feature(const struct target *target, struct bytes name,
                                   struct error *err)
{
    struct suggest suggest = {.name = name};
    char hint[SUGGEST_TEXT_SIZE];
    char shown[NAME_SIZE_MAX + 1];
    for (size_t i = 0; i < target->view->features_count; i++)
        suggest_consider(&suggest, target->view->features[i].name);
    return error_set(err, STATUS_NOT_FOUND, "%.*s@%u has no feature '%s'%s",
                     BYTES_ARGS(target->view->name), target->view->version,
                     bytes_to_text(name, shown, sizeof(shown)), suggest_text(&suggest, hint));
}

/* ---- groups ---- */

/* Finds the key columns of the view's entity. */
static enum status group_find_keys(struct columns_group *group,
                                   const struct columns_question *question, struct error *err)
{
    const struct view_definition *view = group->target.view;
    for (size_t i = 0; i < view->keys_count; i++) {
        struct bytes name = view->fields[view->key_fields[i]].name;
        size_t *key = &group->keys[i];
        for (*key = 0; *key < question->keys_count; ++*key)
            if (bytes_equal(question->keys[*key].name, name))
                break;
        if (*key == question->keys_count)
            return error_set(err, STATUS_INVALID,
                             "view '%.*s' needs the key '%.*s' of its entity '%.*s'; the request "
                             "has no such key column",
                             BYTES_ARGS(view->name), BYTES_ARGS(name), BYTES_ARGS(view->entity));
    }
    return STATUS_OK;
}

/* The group of the target's version, made where it is missing. */
static enum status planning_find_group(struct planning *planning, const struct target *target,
                                       size_t *index, struct error *err)
{
    for (*index = 0; *index < planning->groups_count; ++*index)
        if (planning->groups[*index].target.version == target->version)
            return STATUS_OK;
    planning->groups[planning->groups_count++] = (struct columns_group){.target = *target};
    return group_find_keys(&planning->groups[*index], planning->question, err);
}

/* What one name of the question stands for: a feature of a group's view, or all of them. */
struct asked {
    size_t group;
    uint32_t first;
    size_t count;
};

enum status columns_find_features(struct query *query, struct bytes text, struct target *target,
                                  uint32_t *first, size_t *count, struct error *err)
{
    struct feature_name name = {0};
    enum status status = name_split(text, &name, err);
    if (status == STATUS_OK)
        status = query_find_view(query, name.view, name.number, target, err);
    if (status != STATUS_OK)
        return status;
    bool is_all = bytes_equal_text(name.feature, "*");
    ssize_t feature = is_all ? 0 : feature_find(target->view, name.feature);
    if (feature < 0)
        return unknown_feature(target, name.feature, err);
    *first = (uint32_t)feature;
    *count = is_all ? target->view->features_count : 1;
    return STATUS_OK;
}

static enum status planning_resolve(struct planning *planning, struct bytes text,
                                    struct asked *asked, struct error *err)
{
    struct target target = {0};
    enum status status =
        columns_find_features(planning->query, text, &target, &asked->first, &asked->count, err);
    if (status != STATUS_OK)
        return status;
    return planning_find_group(planning, &target, &asked->group, err);
}

static void planning_add_column(struct planning *planning, struct columns_group *group,
                                uint32_t feature)
{
    const struct view_definition *view = group->target.view;
    planning->columns[planning->columns_count] = (struct column){
        .view = view->name,
        .feature = view->features[feature].name,
        .view_index = (size_t)(group - planning->groups),
        .type = view->features[feature].type,
    };
    group->features[group->count] = feature;
    group->columns[group->count++] = (uint32_t)planning->columns_count++;
    group->is_typed |= view->features[feature].type.is_list;
}

/* Makes the columns that were asked for. */
static void planning_make_columns(struct planning *planning, const struct asked *asked,
                                  size_t count)
{
    planning->columns = ARENA_NEW_ARRAY(planning->arena, count, struct column);
    for (size_t i = 0; i < planning->groups_count; i++) {
        struct columns_group *group = &planning->groups[i];
        group->features = ARENA_NEW_ARRAY(planning->arena, group->count, uint32_t);
        group->columns = ARENA_NEW_ARRAY(planning->arena, group->count, uint32_t);
        group->count = 0;
    }
    for (size_t i = 0; i < planning->question->features_count; i++)
        for (size_t j = 0; j < asked[i].count; j++)
            planning_add_column(planning, &planning->groups[asked[i].group],
                                asked[i].first + (uint32_t)j);
    CHECK(planning->columns_count == count);
}

/* Whether both take the same key columns as the same types. */
static bool entity_is_same(const struct columns_group *a, const struct columns_group *b)
{
    const struct view_definition *one = a->target.view;
    const struct view_definition *other = b->target.view;
    if (one->keys_count != other->keys_count)
        return false;
    for (size_t i = 0; i < one->keys_count; i++)
        if (a->keys[i] != b->keys[i] || !type_equal(one->fields[one->key_fields[i]].type,
                                                    other->fields[other->key_fields[i]].type))
            return false;
    return true;
}

static enum status planning_run(struct planning *planning, struct error *err)
{
    const struct columns_question *question = planning->question;
    struct asked *asked = ARENA_NEW_ARRAY(planning->arena, question->features_count, struct asked);
    enum status status = STATUS_OK;
    size_t count = 0;
    planning->groups =
        ARENA_NEW_ARRAY(planning->arena, question->features_count, struct columns_group);
    for (size_t i = 0; i < question->features_count && status == STATUS_OK; i++) {
        status = planning_resolve(planning, question->features[i], &asked[i], err);
        count += asked[i].count;
        if (status == STATUS_OK)
            planning->groups[asked[i].group].count += asked[i].count;
    }
    if (status != STATUS_OK)
        return status;
    if (count > COLUMNS_FEATURES_MAX)
        return error_set(err, STATUS_LIMIT, "a request reads at most %d features, asked for %zu",
                         COLUMNS_FEATURES_MAX, count);
    planning_make_columns(planning, asked, count);
    for (size_t i = 1; i < planning->groups_count; i++)
        planning->groups[i].has_last_entity =
            entity_is_same(&planning->groups[i], &planning->groups[i - 1]);
    return STATUS_OK;
}

/* ---- what is remembered ---- */

/* Whether the row is of these names and keys. */
static bool row_is(const struct row *row, const struct columns_question *question,
                   uint64_t catalog_number)
{
    if (row->used == 0 || row->catalog_number != catalog_number ||
        row->keys_count != question->keys_count || !bytes_equal(row->names.bytes, question->names))
        return false;
    for (size_t i = 0; i < row->keys_count; i++)
        if (!bytes_equal(row->keys[i], question->keys[i].name))
            return false;
    return true;
}

static struct row *find_row(struct columns_plans *plans, const struct columns_question *question,
                            uint64_t catalog_number)
{
    for (size_t i = 0; i < PLANS_MAX; i++)
        if (row_is(&plans->rows[i], question, catalog_number))
            return &plans->rows[i];
    return NULL;
}

/* The row that the next plan is made in: one that is never remembered, or the least recently used.
 */
static struct row *choose_row(struct columns_plans *plans, const struct columns_question *question)
{
    struct row *oldest = &plans->rows[0];
    if (question->names.size == 0 || question->names.size > PLAN_NAMES_SIZE_MAX)
        return &plans->rows[PLANS_MAX];
    for (size_t i = 1; i < PLANS_MAX; i++)
        if (plans->rows[i].used < oldest->used)
            oldest = &plans->rows[i];
    return oldest;
}

/* Notes what the plan in the row is found by. */
static void remember(struct row *row, const struct columns_question *question)
{
    struct bytes *keys = ARENA_NEW_ARRAY(row->arena, question->keys_count, struct bytes);
    for (size_t i = 0; i < question->keys_count; i++)
        keys[i] = arena_copy(row->arena, question->keys[i].name);
    row->keys = keys;
    row->keys_count = question->keys_count;
    struct bytes names = arena_copy(row->arena, question->names);
    struct bytes *features = ARENA_NEW_ARRAY(row->arena, question->features_count, struct bytes);
    for (size_t i = 0; i < question->features_count; i++)
        features[i] = arena_copy(row->arena, question->features[i]);
    row->names = (struct columns_names){names, features, question->features_count};
}

static void make_heads(const struct columns_question *question, struct column *columns,
                       size_t count, struct arena *arena)
{
    struct buffer head = {0};
    for (size_t i = 0; i < count && question->append_head != NULL; i++) {
        buffer_reset(&head, SIZE_MAX);
        question->append_head(&columns[i], &head);
        columns[i].head = arena_copy(arena, buffer_bytes(&head));
    }
    buffer_fini(&head);
}

static enum status make_plan(struct query *query, const struct columns_question *question,
                             struct row *row, struct error *err)
{
    *row = (struct row){.arena = arena_create(ARENA_CHUNK_SIZE)};
    struct planning planning = {.query = query, .question = question, .arena = row->arena};
    enum status status = planning_run(&planning, err);
    if (status != STATUS_OK)
        return status;
    row->plan = (struct columns_plan){.groups = planning.groups,
                                      .groups_count = planning.groups_count,
                                      .columns = planning.columns,
                                      .columns_count = planning.columns_count};
    row->catalog_number = query_catalog_number(query);
    make_heads(question, planning.columns, planning.columns_count, row->arena);
    if (question->names.size > 0)
        remember(row, question);
    return STATUS_OK;
}

struct columns_plans *columns_plans_create(void)
{
    struct columns_plans *plans = calloc(1, sizeof(*plans));
    CHECK(plans != NULL);
    return plans;
}

void columns_plans_destroy(struct columns_plans **plans)
{
    if (*plans == NULL)
        return;
    for (size_t i = 0; i <= PLANS_MAX; i++)
        arena_destroy(&(*plans)->rows[i].arena);
    free(*plans);
    *plans = NULL;
}

struct columns_names query_latest_names(const struct query *query)
{
    const struct row *latest = query->plans->latest;
    return latest == NULL ? (struct columns_names){0} : latest->names;
}

enum status columns_plan_find(struct query *query, const struct columns_question *question,
                              const struct columns_plan **plan, struct error *err)
{
    struct columns_plans *plans = query->plans;
    struct row *row =
        question->names.size == 0 ? NULL : find_row(plans, question, query_catalog_number(query));
    if (row == NULL) {
        row = choose_row(plans, question);
        struct arena *old = row->arena; /* the question may borrow its names from there */
        plans->latest = NULL;
        enum status status = make_plan(query, question, row, err);
        arena_destroy(&old);
        if (status != STATUS_OK)
            return status;
    }
    row->used = ++plans->clock;
    plans->latest = row;
    *plan = &row->plan;
    return STATUS_OK;
}
