#include "features/asking.h"

#include "base/check.h"

enum {
    ANSWER_MEMORY_MAX = 128 * 1024 * 1024, /* of states: a thousand strings can be 64 MiB */
};

/* Lists the features that are asked, each once, however often. */
static void list_asked(struct asking *asking, const uint32_t *features)
{
    size_t all_count = asking->plan->view->features_count;
    struct arena *arena = asking->arena;
    uint32_t *numbers = ARENA_NEW_ARRAY(arena, all_count, uint32_t); /* in features, from 1 */
    asking->asked = ARENA_NEW_ARRAY(arena, asking->asked_count, uint32_t);
    asking->features = ARENA_NEW_ARRAY(
        arena, asking->asked_count < all_count ? asking->asked_count : all_count, uint32_t);
    for (size_t i = 0; i < asking->asked_count; i++) {
        uint32_t feature = features == NULL ? (uint32_t)i : features[i];
        CHECK(feature < all_count);
        if (numbers[feature] == 0) {
            asking->features[asking->features_count] = feature;
            asking->is_wanted[asking->plan->features[feature].window] = true;
            numbers[feature] = (uint32_t)++asking->features_count;
        }
        asking->asked[i] = numbers[feature] - 1;
    }
}

void asking_start(struct asking *asking, const struct view_plan *plan,
                  const struct question *question, struct arena *arena)
{
    CHECK(question->view == plan->view);
    *asking = (struct asking){
        .plan = plan,
        .question = question,
        .arena = arena,
        .t_us = question->t_us - question->is_exclusive,
        .asked_count =
            question->features == NULL ? plan->view->features_count : question->features_count,
        .walks = ARENA_NEW_ARRAY(arena, plan->windows_count, struct window_walk),
        .is_wanted = ARENA_NEW_ARRAY(arena, plan->windows_count, bool),
    };
    for (size_t i = 0; i < plan->windows_count; i++)
        window_walk_start(&asking->walks[i], plan->windows[i], asking->t_us);
    list_asked(asking, question->features);
}

enum status asking_check_memory(const struct asking *asking, struct error *err)
{
    if (arena_used_bytes(asking->arena) <= ANSWER_MEMORY_MAX)
        return STATUS_OK;
    return error_set(err, STATUS_LIMIT,
                     "the features that were asked need more than %d MiB; ask for fewer",
                     ANSWER_MEMORY_MAX >> 20);
}

enum feature_status asking_status(const struct value *value, bool is_found)
{
    if (value->kind == VALUE_OVERFLOW)
        return FEATURE_OVERFLOW;
    if (!is_found)
        return FEATURE_NOT_FOUND;
    return value->kind == VALUE_NULL ? FEATURE_NULL : FEATURE_PRESENT;
}

static int64_t min_us(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Up to which T the windows that were asked for hold the same events, and the newest event lies in
 * the same windows of the view, which decides whether the entity is found. */
static int64_t valid_until_us(const struct asking *asking)
{
    int64_t until_us = INT64_MAX;
    for (size_t i = 0; i < asking->plan->windows_count; i++) {
        const struct window_walk *walk = &asking->walks[i];
        if (asking->is_wanted[i])
            until_us = min_us(until_us, window_walk_valid_until_us(walk));
        if (walk->events_count > 0)
            until_us = min_us(until_us, window_walk_newest_until_us(walk));
    }
    return until_us;
}

void asking_finish(const struct asking *asking, const struct result *results, struct answer *answer)
{
    size_t count = asking->asked_count;
    struct value *values = ARENA_NEW_ARRAY(asking->arena, count, struct value);
    enum feature_status *statuses = ARENA_NEW_ARRAY(asking->arena, count, enum feature_status);
    int64_t *bases_us = ARENA_NEW_ARRAY(asking->arena, count, int64_t);
    for (size_t i = 0; i < count; i++) {
        uint32_t number = asking->asked[i];
        uint32_t feature = asking->features[number];
        values[i] = results[number].value;
        bases_us[i] = results[number].base_us;
        statuses[i] = asking_status(&values[i], asking->is_found);
        if (values[i].kind == VALUE_NULL)
            values[i] = asking->plan->features[feature].definition->default_value;
    }
    *answer = (struct answer){.t_us = asking->question->t_us,
                              .has_event_time = asking->is_found,
                              .event_time_us = asking->newest_us,
                              .is_found = asking->is_found,
                              .valid_until_us = valid_until_us(asking),
                              .values = values,
                              .statuses = statuses,
                              .bases_us = bases_us,
                              .count = count};
}
