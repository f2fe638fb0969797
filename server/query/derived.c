/* The life of a read of an on-demand view or a service: what it needs of each view is read there,
 * as ever, finished rows and all; on-demand views compute with it; the features are picked out of
 * both.
 *
 * All views are read as of one moment, and in one state: a write in between makes it start over,
 * with a snapshot. A value that comes from a finished row is its text, which reads back to the same
 * bits. */
#include <stdlib.h>

#include "base/check.h"
#include "features/features.h"
#include "model/entity.h"
#include "query/composite.h"
#include "query/query_room.h"

/* The compiled on-demand views of a catalog, each made when it is needed first. They belong to the
 * thread of the query. */
struct derived_cache {
    uint64_t catalog_number;
    struct on_demand **rows; /* owned: one a readable of that catalog */
    size_t count;
};

struct derived_cache *derived_cache_create(void)
{
    struct derived_cache *cache = calloc(1, sizeof(*cache));
    CHECK(cache != NULL);
    return cache;
}

static void cache_empty(struct derived_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++)
        on_demand_destroy(&cache->rows[i]);
    free(cache->rows);
    *cache = (struct derived_cache){0};
}

void derived_cache_destroy(struct derived_cache **cache)
{
    if (*cache == NULL)
        return;
    cache_empty(*cache);
    free(*cache);
    *cache = NULL;
}

static enum status find_on_demand(struct query *query, const struct readable *readable,
                                  struct on_demand **out, struct error *err)
{
    struct derived_cache *cache = query->derived;
    const struct catalog *catalog = query->catalog;
    if (cache->rows == NULL || cache->catalog_number != catalog->number) {
        cache_empty(cache);
        cache->rows = calloc(catalog->readables_count, sizeof(*cache->rows));
        CHECK(cache->rows != NULL);
        cache->count = catalog->readables_count;
        cache->catalog_number = catalog->number;
    }
    struct on_demand **place = &cache->rows[readable - catalog->readables];
    enum status status = STATUS_OK;
    if (*place == NULL)
        status = on_demand_create(readable->version->definition, place, err);
    *out = *place;
    return status;
}

/* ---- one read ---- */

/* What is read of one base. */
struct base_read {
    struct target target;
    uint32_t *features; /* that are needed */
    size_t features_count;
    int64_t now_us;
    struct text_answer texts; /* one of these two, as is_typed says */
    struct answer answer;
};

struct step_read {
    bool is_needed;
    struct value *values; /* one a feature of the on-demand view */
    enum feature_status *statuses;
};

struct derived {
    struct query *query;
    const struct target *target;
    const struct composite *composite;
    const struct reading *reading;
    bool is_typed;
    struct arena *arena;
    struct base_read *bases;
    uint32_t
        *places; /* of each cell that is needed: where it is among its base's features, from 1 */
    struct step_read *steps;
    size_t count; /* of features that are asked */
};

static uint32_t asked_feature(const struct derived *derived, size_t i)
{
    return derived->reading->features == NULL ? (uint32_t)i : derived->reading->features[i];
}

static void need_cell(struct derived *derived, uint32_t cell)
{
    if (derived->places[cell] != 0)
        return;
    const struct composite_cell *it = &derived->composite->cells[cell];
    struct base_read *base = &derived->bases[it->base];
    base->features[base->features_count++] = it->feature;
    derived->places[cell] = (uint32_t)base->features_count;
}

static void need_step(struct derived *derived, uint32_t step)
{
    const struct composite_step *it = &derived->composite->steps[step];
    if (derived->steps[step].is_needed)
        return;
    derived->steps[step].is_needed = true;
    for (size_t i = 0; i < it->readable->version->definition->inputs_count; i++)
        need_cell(derived, it->cells[i]);
}

/* Lists what is needed of each base. Every base is read, so that it is known whether the entity is
 * found, whatever is asked. */
static void derived_start(struct derived *derived)
{
    const struct composite *composite = derived->composite;
    struct arena *arena = derived->arena;
    derived->bases = ARENA_NEW_ARRAY(arena, composite->bases_count, struct base_read);
    derived->places = ARENA_NEW_ARRAY(arena, composite->cells_count, uint32_t);
    derived->steps = ARENA_NEW_ARRAY(arena, composite->steps_count, struct step_read);
    for (size_t i = 0; i < composite->bases_count; i++)
        derived->bases[i].features =
            arena_allocate(arena, composite->cells_count * sizeof(uint32_t));
    for (size_t i = 0; i < derived->count; i++) {
        const struct composite_output *output = &composite->outputs[asked_feature(derived, i)];
        if (output->is_computed)
            need_step(derived, output->step);
        else
            need_cell(derived, output->cell);
    }
}

/* ---- entities ---- */

/* The entity of a base: its keys, out of those of the derived view. */
static enum status base_entity(const struct derived *derived, const struct composite_base *base,
                               struct bytes *out, struct error *err)
{
    const struct view_definition *view = derived->target->view;
    struct bytes parts[ENTITY_KEYS_MAX];
    if (base->has_all_keys) {
        *out = derived->target->entity;
        return STATUS_OK;
    }
    if (!entity_parts(view, derived->target->entity, parts))
        return error_set(err, STATUS_CORRUPT, "an entity of '%.*s' is not one",
                         BYTES_ARGS(view->name));
    struct buffer entity = {0};
    for (size_t i = 0; i < base->readable->version->definition->keys_count; i++)
        buffer_append(&entity, parts[base->keys[i]]);
    *out = arena_copy(derived->arena, buffer_bytes(&entity));
    buffer_fini(&entity);
    return STATUS_OK;
}

static enum status find_targets(struct derived *derived, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < derived->composite->bases_count && status == STATUS_OK; i++) {
        const struct composite_base *base = &derived->composite->bases[i];
        derived->bases[i].target = query_target_of(base->readable);
        status = base_entity(derived, base, &derived->bases[i].target.entity, err);
    }
    return status;
}

/* ---- bases ---- */

/* One look at the wall clock for all of them. */
static void look_at_clocks(struct derived *derived)
{
    int64_t wall_us = clock_now_us();
    for (size_t i = 0; i < derived->composite->bases_count; i++) {
        struct base_read *base = &derived->bases[i];
        const struct readable *readable = base->target.readable;
        base->now_us = derived->query->pinned_now != NULL
                           ? query_now_us(derived->query, &base->target)
                           : source_time_at_us(readable->time, readable->clock, wall_us);
    }
}

static enum status read_bases_once(struct derived *derived, struct error *err)
{
    enum status status = STATUS_OK;
    look_at_clocks(derived);
    for (size_t i = 0; i < derived->composite->bases_count && status == STATUS_OK; i++) {
        struct base_read *base = &derived->bases[i];
        const struct reading reading = {.features = base->features,
                                        .features_count = base->features_count,
                                        .moment = derived->reading->moment,
                                        .now_us = base->now_us};
        status = derived->is_typed ? query_read_base(derived->query, &base->target, &reading,
                                                     derived->arena, &base->answer, err)
                                   : query_read_base_texts(derived->query, &base->target, &reading,
                                                           derived->arena, &base->texts, err);
    }
    return status;
}

/* Reads all bases in one state. Who pinned the query sees to that. */
static enum status read_bases(struct derived *derived, struct error *err)
{
    struct query *query = derived->query;
    bool is_alone = derived->composite->bases_count == 1 || query->pinned_now != NULL;
    uint64_t changes = query_storage_changes(query);
    enum status status = read_bases_once(derived, err);
    bool is_unchanged = changes % 2 == 0 && changes == query_storage_changes(query);
    if (status != STATUS_OK || is_alone || is_unchanged)
        return status;
    query_pin(query, true);
    status = read_bases_once(derived, err);
    query_unpin(query);
    return status;
}

/* ---- steps ---- */

static enum feature_status cell_status(const struct derived *derived, uint32_t cell)
{
    const struct base_read *base = &derived->bases[derived->composite->cells[cell].base];
    uint32_t place = derived->places[cell] - 1;
    return derived->is_typed ? base->answer.statuses[place] : base->texts.statuses[place];
}

/* The value of a cell as an expression takes it. */
static enum status cell_value(const struct derived *derived, uint32_t cell, struct type type,
                              struct value *out, struct error *err)
{
    const struct base_read *base = &derived->bases[derived->composite->cells[cell].base];
    uint32_t place = derived->places[cell] - 1;
    *out = value_null();
    if (derived->is_typed) {
        *out = base->answer.values[place];
        return STATUS_OK;
    }
    struct bytes text = base->texts.texts[place];
    if (text.data != NULL && !value_parse_text(text, type, out))
        return error_set(err, STATUS_CORRUPT, "a finished row of '%.*s' is not of its types",
                         BYTES_ARGS(base->target.view->name));
    return STATUS_OK;
}

/* A text that lives as long as the arena. */
static void keep_texts(const struct derived *derived, struct value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i].kind == VALUE_STRING && values[i].text.size > 0)
            values[i].text = arena_copy(derived->arena, values[i].text);
}

static enum status compute_step(struct derived *derived, size_t index, struct error *err)
{
    const struct composite_step *step = &derived->composite->steps[index];
    const struct view_definition *view = step->readable->version->definition;
    struct step_read *read = &derived->steps[index];
    struct arena *arena = derived->arena;
    struct on_demand *on_demand = NULL;
    struct value *fields =
        ARENA_NEW_ARRAY(arena, view->inputs_count + view->request_count, struct value);
    enum feature_status *statuses = ARENA_NEW_ARRAY(arena, view->inputs_count, enum feature_status);
    enum status status = find_on_demand(derived->query, step->readable, &on_demand, err);
    for (size_t i = 0; i < view->inputs_count && status == STATUS_OK; i++) {
        statuses[i] = cell_status(derived, step->cells[i]);
        status = cell_value(derived, step->cells[i], view->fields[i].type, &fields[i], err);
    }
    if (status != STATUS_OK)
        return status;
    if (derived->target->request != NULL)
        memcpy(&fields[view->inputs_count], derived->target->request->values[index],
               view->request_count * sizeof(*fields));
    read->values = ARENA_NEW_ARRAY(arena, view->features_count, struct value);
    read->statuses = ARENA_NEW_ARRAY(arena, view->features_count, enum feature_status);
    on_demand_evaluate(on_demand, fields, statuses, read->values, read->statuses);
    keep_texts(derived, read->values, view->features_count);
    return STATUS_OK;
}

static enum status derived_run(struct derived *derived, struct error *err)
{
    derived_start(derived);
    enum status status = find_targets(derived, err);
    if (status == STATUS_OK)
        status = read_bases(derived, err);
    for (size_t i = 0; i < derived->composite->steps_count && status == STATUS_OK; i++)
        if (derived->steps[i].is_needed)
            status = compute_step(derived, i, err);
    return status;
}

static struct derived derived_of(struct query *query, const struct target *target,
                                 const struct reading *reading, bool is_typed, struct arena *arena)
{
    CHECK(target->readable->composite != NULL);
    return (struct derived){.query = query,
                            .target = target,
                            .composite = target->readable->composite,
                            .reading = reading,
                            .is_typed = is_typed,
                            .arena = arena,
                            .count = reading->features == NULL ? target->view->features_count
                                                               : reading->features_count};
}

/* ---- answers ---- */

/* What the views that were read say of the entity. */
static struct answer_part *make_parts(const struct derived *derived)
{
    size_t count = derived->composite->bases_count;
    struct answer_part *parts = ARENA_NEW_ARRAY(derived->arena, count, struct answer_part);
    for (size_t i = 0; i < count; i++) {
        const struct base_read *base = &derived->bases[i];
        parts[i] = derived->is_typed
                       ? (struct answer_part){.t_us = base->answer.t_us,
                                              .is_out_of_history = base->answer.is_out_of_history,
                                              .is_found = base->answer.is_found,
                                              .event_time_us = base->answer.event_time_us}
                       : (struct answer_part){.t_us = base->texts.t_us,
                                              .is_out_of_history = base->texts.is_out_of_history,
                                              .is_found = base->texts.is_found,
                                              .event_time_us = base->texts.event_time_us};
        parts[i].view = base->target.view;
    }
    return parts;
}

/* What they say together: the latest T and event, found where one is. */
static struct answer_part join_parts(const struct answer_part *parts, size_t count)
{
    struct answer_part all = {.t_us = INT64_MIN, .event_time_us = INT64_MIN};
    for (size_t i = 0; i < count; i++) {
        all.t_us = parts[i].t_us > all.t_us ? parts[i].t_us : all.t_us;
        if (parts[i].is_found && parts[i].event_time_us > all.event_time_us)
            all.event_time_us = parts[i].event_time_us;
        all.is_found |= parts[i].is_found;
    }
    return all;
}

/* The first view whose history does not reach back to T. */
static const struct view_definition *find_short_view(const struct derived *derived,
                                                     const struct answer_part *parts)
{
    for (size_t i = 0; i < derived->composite->bases_count; i++)
        if (parts[i].is_out_of_history)
            return parts[i].view;
    return NULL;
}

enum status derived_read_texts(struct query *query, const struct target *target,
                               const struct reading *reading, struct arena *arena,
                               struct text_answer *answer, struct error *err)
{
    struct derived derived = derived_of(query, target, reading, false, arena);
    enum status status = derived_run(&derived, err);
    if (status != STATUS_OK)
        return status;
    struct bytes *texts = ARENA_NEW_ARRAY(arena, derived.count, struct bytes);
    enum feature_status *statuses = ARENA_NEW_ARRAY(arena, derived.count, enum feature_status);
    const struct answer_part *parts = make_parts(&derived);
    const struct answer_part all = join_parts(parts, derived.composite->bases_count);
    const struct view_definition *short_view = find_short_view(&derived, parts);
    struct buffer scratch = {0};
    size_t size = 0;
    *answer = (struct text_answer){.t_us = all.t_us,
                                   .is_out_of_history = short_view != NULL,
                                   .short_view = short_view,
                                   .is_found = all.is_found,
                                   .event_time_us = all.event_time_us,
                                   .texts = texts,
                                   .statuses = statuses,
                                   .count = derived.count,
                                   .parts = parts,
                                   .parts_count = derived.composite->bases_count};
    for (size_t i = 0; i < derived.count; i++) {
        const struct composite_output *output =
            &derived.composite->outputs[asked_feature(&derived, i)];
        if (output->is_computed) {
            const struct step_read *step = &derived.steps[output->step];
            texts[i] = query_value_text(&step->values[output->feature], &scratch, arena);
            statuses[i] = step->statuses[output->feature];
        } else {
            uint32_t base = derived.composite->cells[output->cell].base;
            texts[i] = derived.bases[base].texts.texts[derived.places[output->cell] - 1];
            statuses[i] = cell_status(&derived, output->cell);
        }
        size += texts[i].size;
        answer->overflows_count += statuses[i] == FEATURE_OVERFLOW;
    }
    buffer_fini(&scratch);
    if (size > QUERY_TEXTS_SIZE_MAX)
        return query_refuse_size(err);
    return STATUS_OK;
}

enum status derived_read(struct query *query, const struct target *target,
                         const struct reading *reading, struct arena *arena, struct answer *answer,
                         struct error *err)
{
    struct derived derived = derived_of(query, target, reading, true, arena);
    enum status status = derived_run(&derived, err);
    if (status != STATUS_OK)
        return status;
    struct value *values = ARENA_NEW_ARRAY(arena, derived.count, struct value);
    enum feature_status *statuses = ARENA_NEW_ARRAY(arena, derived.count, enum feature_status);
    const struct answer_part *parts = make_parts(&derived);
    const struct answer_part all = join_parts(parts, derived.composite->bases_count);
    for (size_t i = 0; i < derived.count; i++) {
        const struct composite_output *output =
            &derived.composite->outputs[asked_feature(&derived, i)];
        if (output->is_computed) {
            values[i] = derived.steps[output->step].values[output->feature];
            statuses[i] = derived.steps[output->step].statuses[output->feature];
        } else {
            uint32_t base = derived.composite->cells[output->cell].base;
            values[i] = derived.bases[base].answer.values[derived.places[output->cell] - 1];
            statuses[i] = cell_status(&derived, output->cell);
        }
    }
    *answer = (struct answer){.t_us = all.t_us,
                              .has_event_time = all.is_found,
                              .event_time_us = all.event_time_us,
                              .is_found = all.is_found,
                              .valid_until_us = all.t_us, /* nobody keeps it */
                              .values = values,
                              .statuses = statuses,
                              .count = derived.count};
    return STATUS_OK;
}
