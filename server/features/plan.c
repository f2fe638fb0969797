#include "features/plan.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "features/window.h"

enum {
    PLAN_CHUNK_SIZE = 4096,
    IDENTITY_DIGEST_SIZE = 8, /* behind an event id, see features_evaluate */
};

/* A plan while it grows; the counts are of what was found so far. */
struct builder {
    struct view_plan *plan;
    struct column *columns;
    struct expression *expressions;
    const struct window **windows;
    struct slot_plan *slots;
    struct kept_window *kept;
};

static bool window_equal(const struct window *a, const struct window *b)
{
    return a->kind == b->kind && a->size_us == b->size_us && a->step_us == b->step_us &&
           a->offset_us == b->offset_us && a->count == b->count;
}

static uint32_t add_window(struct builder *builder, const struct window *window)
{
    size_t count = builder->plan->windows_count;
    for (size_t i = 0; i < count; i++)
        if (window_equal(builder->windows[i], window))
            return (uint32_t)i;
    builder->windows[builder->plan->windows_count++] = window;
    return (uint32_t)count;
}

static size_t add_expression(struct builder *builder, struct expression expression)
{
    builder->expressions[builder->plan->expressions_count] = expression;
    return builder->plan->expressions_count++;
}

static uint32_t add_where(struct builder *builder, struct bytes text)
{
    struct view_plan *plan = builder->plan;
    if (text.size == 0)
        return PLAN_NONE;
    for (size_t i = 0; i < plan->wheres_count; i++)
        if (bytes_equal(builder->expressions[plan_where_expression(plan, i)].text, text))
            return (uint32_t)i;
    add_expression(builder, (struct expression){.text = text, .is_condition = true});
    return (uint32_t)plan->wheres_count++;
}

static uint32_t add_column(struct builder *builder, struct column column)
{
    builder->columns[builder->plan->columns_count] = column;
    return (uint32_t)builder->plan->columns_count++;
}

static uint32_t add_field_column(struct builder *builder, size_t field)
{
    for (size_t i = 0; i < builder->plan->columns_count; i++)
        if (builder->columns[i].is_field && builder->columns[i].field == field)
            return (uint32_t)i;
    return add_column(builder, (struct column){.is_field = true,
                                               .field = field,
                                               .type = builder->plan->view->fields[field].type});
}

static uint32_t add_expression_column(struct builder *builder,
                                      const struct feature_definition *feature)
{
    for (size_t i = 0; i < builder->plan->columns_count; i++) {
        const struct column *column = &builder->columns[i];
        if (!column->is_field && type_equal(column->type, feature->argument_type) &&
            bytes_equal(builder->expressions[column->expression].text, feature->argument))
            return (uint32_t)i;
    }
    size_t expression = add_expression(
        builder, (struct expression){.text = feature->argument, .type = feature->argument_type});
    return add_column(builder,
                      (struct column){.expression = expression, .type = feature->argument_type});
}

static uint32_t add_argument(struct builder *builder, const struct feature_definition *feature)
{
    const struct view_definition *view = builder->plan->view;
    if (feature->argument_kind == ARGUMENT_NONE)
        return PLAN_NONE;
    if (feature->argument_kind == ARGUMENT_EXPRESSION)
        return add_expression_column(builder, feature);
    ssize_t field = field_find(view->fields, view->fields_count, feature->argument);
    CHECK(field >= 0);
    return add_field_column(builder, (size_t)field);
}

/* Whether events of one entity, time and id can differ in the field. */
static bool field_is_compared(const struct view_definition *view, size_t field)
{
    if (field == view->event_time_field || (ssize_t)field == view->event_id_field)
        return false;
    for (size_t i = 0; i < view->keys_count; i++)
        if (view->key_fields[i] == field)
            return false;
    return true;
}

static void add_compared_columns(struct builder *builder)
{
    const struct view_definition *view = builder->plan->view;
    for (size_t i = 0; i < view->fields_count && builder->plan->has_event_id; i++)
        if (field_is_compared(view, i))
            add_field_column(builder, i);
    builder->plan->compared_count = builder->plan->columns_count;
}

static uint32_t add_slot(struct builder *builder, const struct slot_plan *slot)
{
    struct view_plan *plan = builder->plan;
    for (size_t i = 0; i < plan->slots_count; i++) {
        const struct slot_plan *other = &builder->slots[i];
        if (other->accumulator == slot->accumulator && other->column == slot->column &&
            other->where == slot->where)
            return (uint32_t)i;
    }
    builder->slots[plan->slots_count] = *slot;
    return (uint32_t)plan->slots_count++;
}

static void slot_append_text(const struct slot_plan *slot, struct buffer *text)
{
    char type[TYPE_TEXT_SIZE];
    buffer_format(text, "%s %u %u %s\n", slot->accumulator->name, slot->column, slot->where,
                  slot->column == PLAN_NONE ? "" : type_name(slot->argument_type, type));
}

static uint64_t digest_slots(const struct view_plan *plan)
{
    struct buffer text = {0};
    for (size_t i = 0; i < plan->slots_count; i++)
        slot_append_text(&plan->slots[i], &text);
    uint64_t digest = XXH3_64bits(buffer_bytes(&text).data, text.size);
    buffer_fini(&text);
    return digest;
}

static void add_features(struct builder *builder, struct feature_plan *features)
{
    const struct view_definition *view = builder->plan->view;
    uint32_t *wheres = ARENA_NEW_ARRAY(builder->plan->arena, view->features_count, uint32_t);
    for (size_t i = 0; i < view->features_count; i++) {
        const struct feature_definition *feature = &view->features[i];
        features[i].definition = feature;
        features[i].aggregation = aggregation_find(feature->aggregation);
        CHECK(features[i].aggregation != NULL);
        features[i].window = add_window(builder, &feature->window);
        wheres[i] = add_where(builder, feature->where);
    }
    /* Only now, so that the expressions of wheres stand together. */
    for (size_t i = 0; i < view->features_count; i++) {
        const struct slot_plan slot = {.accumulator = features[i].aggregation->accumulator,
                                       .column = add_argument(builder, &view->features[i]),
                                       .where = wheres[i],
                                       .argument_type = view->features[i].argument_type};
        features[i].slot = add_slot(builder, &slot);
    }
}

/* used: scratch, a bool a slot. */
static void add_kept_window(struct builder *builder, uint32_t window, bool *used)
{
    struct view_plan *plan = builder->plan;
    size_t count = 0;
    memset(used, 0, plan->slots_count * sizeof(*used));
    for (size_t i = 0; i < plan->view->features_count; i++)
        if (plan->features[i].window == window) {
            uint32_t slot = plan->features[i].slot;
            CHECK(plan->slots[slot].accumulator->merge != NULL);
            count += !used[slot];
            used[slot] = true;
        }
    uint32_t *slots = ARENA_NEW_ARRAY(plan->arena, count, uint32_t);
    builder->kept[plan->kept_count++] =
        (struct kept_window){.window = window, .slots = slots, .slots_count = count};
    for (uint32_t i = 0; i < plan->slots_count; i++)
        if (used[i])
            *slots++ = i;
}

static uint32_t digest_kept(const struct view_plan *plan)
{
    struct buffer text = {0};
    for (size_t i = 0; i < plan->kept_count; i++) {
        const struct kept_window *kept = &plan->kept[i];
        window_append_text(plan->windows[kept->window], &text);
        for (size_t j = 0; j < kept->slots_count; j++)
            slot_append_text(&plan->slots[kept->slots[j]], &text);
    }
    uint64_t digest = XXH3_64bits(buffer_bytes(&text).data, text.size);
    buffer_fini(&text);
    return (uint32_t)digest;
}

static void add_kept_windows(struct builder *builder)
{
    struct view_plan *plan = builder->plan;
    bool *used = ARENA_NEW_ARRAY(plan->arena, plan->slots_count, bool);
    for (uint32_t i = 0; i < plan->windows_count; i++)
        if (plan->windows[i]->kind == WINDOW_FOREVER || plan->windows[i]->kind == WINDOW_SESSION)
            add_kept_window(builder, i, used);
    plan->kept_digest = digest_kept(plan);
}

struct view_plan *view_plan_create(const struct view_definition *view)
{
    struct arena *arena = arena_create(PLAN_CHUNK_SIZE);
    struct view_plan *plan = ARENA_NEW(arena, struct view_plan);
    struct feature_plan *features =
        ARENA_NEW_ARRAY(arena, view->features_count, struct feature_plan);
    size_t columns_max = view->fields_count + view->features_count;
    struct builder builder = {
        .plan = plan,
        .columns = ARENA_NEW_ARRAY(arena, columns_max, struct column),
        .expressions = ARENA_NEW_ARRAY(arena, 1 + 2 * view->features_count, struct expression),
        .windows = ARENA_NEW_ARRAY(arena, view->features_count, const struct window *),
        .slots = ARENA_NEW_ARRAY(arena, view->features_count, struct slot_plan),
        .kept = ARENA_NEW_ARRAY(arena, view->features_count, struct kept_window),
    };
    *plan = (struct view_plan){.view = view,
                               .has_event_id = view->event_id_field >= 0,
                               .has_where = view->where.size > 0,
                               .columns = builder.columns,
                               .expressions = builder.expressions,
                               .windows = builder.windows,
                               .features = features,
                               .slots = builder.slots,
                               .kept = builder.kept,
                               .arena = arena};
    if (plan->has_where)
        add_expression(&builder, (struct expression){.text = view->where, .is_condition = true});
    add_compared_columns(&builder);
    add_features(&builder, features);
    plan->slots_digest = digest_slots(plan);
    add_kept_windows(&builder);
    return plan;
}

void view_plan_destroy(struct view_plan **plan)
{
    if (*plan == NULL)
        return;
    struct arena *arena = (*plan)->arena;
    arena_destroy(&arena);
    *plan = NULL;
}

bool view_plan_is_relative(const struct view_plan *plan, uint32_t feature)
{
    CHECK(feature < plan->view->features_count);
    return plan->features[feature].aggregation->is_relative;
}

int64_t view_plan_reach_us(const struct view_plan *plan)
{
    int64_t reach_us = 0;
    for (size_t i = 0; i < plan->windows_count; i++) {
        int64_t window_us = window_reach_us(plan->windows[i]);
        reach_us = window_us > reach_us ? window_us : reach_us;
    }
    return reach_us;
}

bool view_plan_has_base(const struct view_plan *plan)
{
    return plan->kept_count > 0;
}

int64_t view_plan_oldest_us(const struct view_plan *plan, int64_t t_us)
{
    bool is_bounded = plan->kept_count == 0 && view_plan_last_count(plan) == 0;
    return is_bounded ? t_us - view_plan_reach_us(plan) : INT64_MIN;
}

uint32_t view_plan_last_count(const struct view_plan *plan)
{
    uint32_t count = 0;
    for (size_t i = 0; i < plan->windows_count; i++)
        if (plan->windows[i]->kind == WINDOW_LAST && plan->windows[i]->count > count)
            count = plan->windows[i]->count;
    return count;
}

struct bytes view_plan_identity(const struct view_plan *plan, struct bytes identity)
{
    if (!plan->has_event_id || identity.size < IDENTITY_DIGEST_SIZE)
        return identity;
    return bytes_of(identity.data, identity.size - IDENTITY_DIGEST_SIZE);
}
