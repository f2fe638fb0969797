/* The one function, plainly: a walk back from T over the events of one entity, a state a feature.
 */
#include "features/base.h"
#include "features/features.h"
#include "features/sql_text.h"

struct evaluation {
    struct asking asking;
    struct slot *slots; /* one for each of asking.features, with a state of its own */
    bool *is_inside;    /* one a window of the view: the event at hand counts in it */
};

static void evaluation_start(struct evaluation *evaluation)
{
    const struct asking *asking = &evaluation->asking;
    const struct view_plan *plan = asking->plan;
    evaluation->slots = ARENA_NEW_ARRAY(asking->arena, asking->features_count, struct slot);
    evaluation->is_inside = ARENA_NEW_ARRAY(asking->arena, plan->windows_count, bool);
    for (size_t i = 0; i < asking->features_count; i++)
        slot_init(&evaluation->slots[i], &plan->slots[plan->features[asking->features[i]].slot],
                  asking->arena);
}

/* Takes the next older event. Returns whether a window that was asked for is still open. */
static bool evaluation_add(struct evaluation *evaluation, const struct event *event)
{
    struct asking *asking = &evaluation->asking;
    const struct view_plan *plan = asking->plan;
    bool is_newest = !asking->has_newest;
    bool is_open = false;
    for (size_t i = 0; i < plan->windows_count; i++) {
        struct window_walk *walk = &asking->walks[i];
        evaluation->is_inside[i] = walk->is_open && window_walk_take(walk, event->time_us);
        asking->is_found |= is_newest && evaluation->is_inside[i];
        is_open |= walk->is_open && asking->is_wanted[i];
    }
    if (is_newest) {
        asking->has_newest = true;
        asking->newest_us = event->time_us;
    }
    for (size_t i = 0; i < asking->features_count; i++)
        if (evaluation->is_inside[plan->features[asking->features[i]].window])
            slot_add(&evaluation->slots[i], event);
    return is_open;
}

static void evaluation_finish(const struct evaluation *evaluation, struct answer *answer)
{
    const struct asking *asking = &evaluation->asking;
    struct result *results = ARENA_NEW_ARRAY(asking->arena, asking->features_count, struct result);
    for (size_t i = 0; i < asking->features_count; i++)
        results[i] = slot_result(&evaluation->slots[i],
                                 &asking->plan->features[asking->features[i]], asking->t_us);
    asking_finish(asking, results, answer);
}

/* Takes what was folded of all older events. */
static enum status evaluation_take_base(struct evaluation *evaluation, struct bytes bytes,
                                        struct error *err)
{
    struct asking *asking = &evaluation->asking;
    struct base base;
    enum status status =
        base_decode(&base, asking->plan, asking->is_wanted, bytes, asking->arena, err);
    if (status != STATUS_OK)
        return status;
    base_take(&base, asking, evaluation->is_inside);
    for (size_t i = 0; i < asking->features_count; i++) {
        const struct feature_plan *feature = &asking->plan->features[asking->features[i]];
        if (evaluation->is_inside[feature->window])
            slot_merge(&evaluation->slots[i], base_slot(&base, feature->window, feature->slot));
    }
    return STATUS_OK;
}

/* Walks back until no window is open. */
static enum status walk(struct evaluation *evaluation, struct event_reader *reader,
                        struct error *err)
{
    const struct event *event;
    enum status status;
    while ((status = event_reader_take(reader, &event, err)) == STATUS_OK) {
        if (!evaluation_add(evaluation, event))
            return STATUS_OK;
        status = asking_check_memory(&evaluation->asking, err);
        if (status != STATUS_OK)
            return status;
    }
    if (status == STATUS_NOT_FOUND && reader->base.size > 0)
        return evaluation_take_base(evaluation, reader->base, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status features_evaluate(const struct view_plan *plan, const struct question *question,
                              timeline_back_fn back, void *timeline, struct arena *arena,
                              struct answer *answer, struct error *err)
{
    struct evaluation evaluation = {0};
    struct event_reader reader;
    event_reader_init(&reader, plan, back, timeline, arena);
    asking_start(&evaluation.asking, plan, question, arena);
    evaluation_start(&evaluation);

    enum status status = walk(&evaluation, &reader, err);
    if (status == STATUS_OK)
        evaluation_finish(&evaluation, answer);
    event_reader_fini(&reader);
    return status;
}

const struct definition_checks *features_checks(void)
{
    static const struct definition_checks checks = {
        .aggregation_names = aggregation_names,
        .check_expression = expression_check,
        .list_names = sql_text_names,
        .check_feature = aggregation_check,
    };
    return &checks;
}
