/* The one function: a walk back from T over the events of one entity. */
#include "base/check.h"
#include "features/features.h"
#include "features/slot.h"
#include "features/window.h"

enum {
    ANSWER_MEMORY_MAX = 128 * 1024 * 1024, /* of states: a thousand strings can be 64 MiB */
};

/* One feature on its way, with a state of its own. */
struct running {
    const struct feature_plan *plan;
    struct slot slot;
};

struct evaluation {
    const struct view_plan *plan;
    const struct question *question;
    struct arena *arena;
    int64_t t_us;                 /* the T that counts */
    struct running *running;      /* running_count of them: each feature once */
    size_t running_count;
    uint32_t *asked;              /* indexes into running, one for each that was asked */
    size_t asked_count;
    struct window_walk *walks;    /* one a window of the view */
    bool *is_wanted;              /* the same: a feature that was asked looks through it */
    bool *is_inside;              /* the same: the event at hand counts in it */
    bool has_newest;              /* an event was seen */
    int64_t newest_us;
    bool is_found;                /* the newest event lies in a window of the view */
};

static void running_start(struct evaluation *evaluation, struct running *running, uint32_t feature)
{
    const struct view_plan *plan = evaluation->plan;
    running->plan = &plan->features[feature];
    slot_init(&running->slot, &plan->slots[running->plan->slot], evaluation->arena);
    evaluation->is_wanted[running->plan->window] = true;
}

/* Starts the features that are asked, each once, however often. */
static void start_asked(struct evaluation *evaluation, const uint32_t *features)
{
    size_t features_count = evaluation->plan->view->features_count;
    struct arena *arena = evaluation->arena;
    uint32_t *numbers = ARENA_NEW_ARRAY(arena, features_count, uint32_t); /* in running, from 1 */
    size_t running_max = evaluation->asked_count < features_count ? evaluation->asked_count
                                                                  : features_count;
    evaluation->asked = ARENA_NEW_ARRAY(arena, evaluation->asked_count, uint32_t);
    evaluation->running = ARENA_NEW_ARRAY(arena, running_max, struct running);
    for (size_t i = 0; i < evaluation->asked_count; i++) {
        uint32_t feature = features == NULL ? (uint32_t)i : features[i];
        CHECK(feature < features_count);
        if (numbers[feature] == 0) {
            running_start(evaluation, &evaluation->running[evaluation->running_count], feature);
            numbers[feature] = (uint32_t)++evaluation->running_count;
        }
        evaluation->asked[i] = numbers[feature] - 1;
    }
}

static void evaluation_start(struct evaluation *evaluation)
{
    const struct view_plan *plan = evaluation->plan;
    const struct question *question = evaluation->question;
    struct arena *arena = evaluation->arena;

    evaluation->t_us = question->t_us - question->is_exclusive;
    evaluation->asked_count = question->features == NULL ? plan->view->features_count
                                                         : question->features_count;
    evaluation->walks = ARENA_NEW_ARRAY(arena, plan->windows_count, struct window_walk);
    evaluation->is_wanted = ARENA_NEW_ARRAY(arena, plan->windows_count, bool);
    evaluation->is_inside = ARENA_NEW_ARRAY(arena, plan->windows_count, bool);
    for (size_t i = 0; i < plan->windows_count; i++)
        window_walk_start(&evaluation->walks[i], plan->windows[i], evaluation->t_us);
    start_asked(evaluation, question->features);
}

/* Takes the next older event. Returns whether a window that was asked for is still open. */
static bool evaluation_add(struct evaluation *evaluation, const struct event *event)
{
    bool is_newest = !evaluation->has_newest;
    bool is_open = false;
    for (size_t i = 0; i < evaluation->plan->windows_count; i++) {
        struct window_walk *walk = &evaluation->walks[i];
        evaluation->is_inside[i] = walk->is_open && window_walk_take(walk, event->time_us);
        evaluation->is_found |= is_newest && evaluation->is_inside[i];
        is_open |= walk->is_open && evaluation->is_wanted[i];
    }
    if (is_newest) {
        evaluation->has_newest = true;
        evaluation->newest_us = event->time_us;
    }
    for (size_t i = 0; i < evaluation->running_count; i++)
        if (evaluation->is_inside[evaluation->running[i].plan->window])
            slot_add(&evaluation->running[i].slot, event);
    return is_open;
}

static enum feature_status value_status(const struct evaluation *evaluation,
                                        const struct value *value)
{
    if (value->kind == VALUE_OVERFLOW)
        return FEATURE_OVERFLOW;
    if (!evaluation->is_found)
        return FEATURE_NOT_FOUND;
    return value->kind == VALUE_NULL ? FEATURE_NULL : FEATURE_PRESENT;
}

static int64_t min_us(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Up to which T the windows that were asked for hold the same events, and the newest event lies in
 * the same windows of the view, which decides whether the entity is found. */
static int64_t valid_until_us(const struct evaluation *evaluation)
{
    int64_t until_us = INT64_MAX;
    for (size_t i = 0; i < evaluation->plan->windows_count; i++) {
        const struct window_walk *walk = &evaluation->walks[i];
        if (evaluation->is_wanted[i])
            until_us = min_us(until_us, window_walk_valid_until_us(walk));
        if (walk->events_count > 0)
            until_us = min_us(until_us, window_walk_newest_until_us(walk));
    }
    return until_us;
}

static void evaluation_finish(struct evaluation *evaluation, struct answer *answer)
{
    struct arena *arena = evaluation->arena;
    size_t count = evaluation->asked_count;
    struct value *results = ARENA_NEW_ARRAY(arena, evaluation->running_count, struct value);
    struct value *values = ARENA_NEW_ARRAY(arena, count, struct value);
    enum feature_status *statuses = ARENA_NEW_ARRAY(arena, count, enum feature_status);
    int64_t *bases_us = ARENA_NEW_ARRAY(arena, count, int64_t);
    for (size_t i = 0; i < evaluation->running_count; i++)
        results[i] = slot_finish(&evaluation->running[i].slot, evaluation->running[i].plan,
                                 evaluation->t_us);
    for (size_t i = 0; i < count; i++) {
        uint32_t number = evaluation->asked[i];
        values[i] = results[number];
        statuses[i] = value_status(evaluation, &values[i]);
        bases_us[i] = slot_base_us(&evaluation->running[number].slot,
                                   evaluation->running[number].plan);
        if (values[i].kind == VALUE_NULL)
            values[i] = evaluation->running[number].plan->definition->default_value;
    }
    *answer = (struct answer){.t_us = evaluation->question->t_us,
                              .has_event_time = evaluation->is_found,
                              .event_time_us = evaluation->newest_us,
                              .is_found = evaluation->is_found,
                              .valid_until_us = valid_until_us(evaluation),
                              .values = values,
                              .statuses = statuses,
                              .bases_us = bases_us,
                              .count = count};
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
        if (arena_used_bytes(evaluation->arena) > ANSWER_MEMORY_MAX)
            return error_set(err, STATUS_LIMIT,
                             "the features that were asked need more than %d MiB; ask for fewer",
                             ANSWER_MEMORY_MAX >> 20);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status features_evaluate(const struct view_plan *plan, const struct question *question,
                              timeline_back_fn back, void *timeline, struct arena *arena,
                              struct answer *answer, struct error *err)
{
    CHECK(question->view == plan->view);
    struct evaluation evaluation = {.plan = plan, .question = question, .arena = arena};
    struct event_reader reader;
    event_reader_init(&reader, plan, back, timeline, arena);
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
        .check_feature = aggregation_check,
    };
    return &checks;
}
