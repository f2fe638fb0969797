#include "query/composite.h"

#include "base/check.h"

struct builder {
    const struct catalog *catalog;
    const struct view_definition *view;
    struct composite_base *bases;
    size_t bases_count;
    struct composite_cell *cells;
    size_t cells_count;
    struct composite_step *steps;
    size_t steps_count;
};

static const struct readable *find_input(const struct builder *builder,
                                         const struct feature_reference *input)
{
    const struct view_version *version = registry_find_input(builder->catalog->registry, input);
    CHECK(version != NULL); /* the derived view lacks nothing */
    return catalog_find(builder->catalog, version);
}

static uint32_t find_feature(const struct readable *readable, struct bytes name)
{
    ssize_t index = feature_find(readable->version->definition, name);
    CHECK(index >= 0);
    return (uint32_t)index;
}

/* ---- bases ---- */

static struct bytes key_name(const struct view_definition *view, size_t key)
{
    return view->fields[view->key_fields[key]].name;
}

static size_t find_key(const struct view_definition *view, struct bytes name)
{
    size_t i = 0;
    while (i < view->keys_count && !bytes_equal(key_name(view, i), name))
        i++;
    CHECK(i < view->keys_count);
    return i;
}

static struct composite_base make_base(const struct builder *builder,
                                       const struct readable *readable)
{
    const struct view_definition *base = readable->version->definition;
    size_t *keys = ARENA_NEW_ARRAY(builder->catalog->arena, base->keys_count, size_t);
    bool has_all_keys = base->keys_count == builder->view->keys_count;
    for (size_t i = 0; i < base->keys_count; i++) {
        keys[i] = find_key(builder->view, key_name(base, i));
        has_all_keys &= keys[i] == i;
    }
    return (struct composite_base){
        .readable = readable, .has_all_keys = has_all_keys, .keys = keys};
}

static uint32_t add_base(struct builder *builder, const struct readable *readable)
{
    for (size_t i = 0; i < builder->bases_count; i++)
        if (builder->bases[i].readable == readable)
            return (uint32_t)i;
    builder->bases[builder->bases_count] = make_base(builder, readable);
    return (uint32_t)builder->bases_count++;
}

static uint32_t add_cell(struct builder *builder, const struct readable *readable,
                         struct bytes feature)
{
    const struct composite_cell cell = {.base = add_base(builder, readable),
                                        .feature = find_feature(readable, feature)};
    for (size_t i = 0; i < builder->cells_count; i++)
        if (builder->cells[i].base == cell.base && builder->cells[i].feature == cell.feature)
            return (uint32_t)i;
    builder->cells[builder->cells_count] = cell;
    return (uint32_t)builder->cells_count++;
}

/* ---- steps ---- */

static uint32_t add_step(struct builder *builder, const struct readable *readable)
{
    const struct view_definition *view = readable->version->definition;
    for (size_t i = 0; i < builder->steps_count; i++)
        if (builder->steps[i].readable == readable)
            return (uint32_t)i;
    uint32_t *cells = ARENA_NEW_ARRAY(builder->catalog->arena, view->inputs_count, uint32_t);
    for (size_t i = 0; i < view->inputs_count; i++)
        cells[i] =
            add_cell(builder, find_input(builder, &view->inputs[i]), view->inputs[i].feature);
    builder->steps[builder->steps_count] =
        (struct composite_step){.readable = readable, .cells = cells};
    return (uint32_t)builder->steps_count++;
}

static struct composite_output add_output(struct builder *builder,
                                          const struct feature_reference *input)
{
    const struct readable *readable = find_input(builder, input);
    if (readable->version->definition->kind != VIEW_ON_DEMAND)
        return (struct composite_output){.cell = add_cell(builder, readable, input->feature)};
    return (struct composite_output){.is_computed = true,
                                     .step = add_step(builder, readable),
                                     .feature = find_feature(readable, input->feature)};
}

/* ---- the whole ---- */

/* How many cells there can be: inputs, and inputs of those that are computed. */
static size_t cells_max(const struct builder *builder)
{
    const struct view_definition *view = builder->view;
    size_t count = view->inputs_count;
    for (size_t i = 0; i < view->inputs_count; i++)
        count += find_input(builder, &view->inputs[i])->version->definition->inputs_count;
    return count;
}

static const struct composite *composite_make(const struct catalog *catalog,
                                              const struct readable *readable)
{
    const struct view_definition *view = readable->version->definition;
    struct arena *arena = catalog->arena;
    struct composite *composite = ARENA_NEW(arena, struct composite);
    struct composite_output *outputs =
        ARENA_NEW_ARRAY(arena, view->features_count, struct composite_output);
    struct builder builder = {.catalog = catalog, .view = view};
    size_t count = cells_max(&builder);
    builder.bases = ARENA_NEW_ARRAY(arena, count, struct composite_base);
    builder.cells = ARENA_NEW_ARRAY(arena, count, struct composite_cell);
    builder.steps = ARENA_NEW_ARRAY(arena, view->inputs_count, struct composite_step);
    if (view->kind == VIEW_ON_DEMAND)
        add_step(&builder, readable);
    for (size_t i = 0; i < view->features_count; i++)
        outputs[i] = view->kind == VIEW_ON_DEMAND
                         ? (struct composite_output){.is_computed = true, .feature = (uint32_t)i}
                         : add_output(&builder, &view->inputs[i]);
    *composite = (struct composite){.bases = builder.bases,
                                    .bases_count = builder.bases_count,
                                    .cells = builder.cells,
                                    .cells_count = builder.cells_count,
                                    .steps = builder.steps,
                                    .steps_count = builder.steps_count,
                                    .outputs = outputs};
    return composite;
}

void composites_make(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->readables_count; i++) {
        struct readable *readable = &catalog->readables[i];
        bool is_whole = readable->version->lack.size == 0;
        if (view_kind_is_derived(readable->version->definition->kind) && is_whole)
            readable->composite = composite_make(catalog, readable);
    }
}
