/* The one function, swept forward. Windows are of two kinds: those with a bound in time or count
 * begin at an event that moves forward, and what lies behind it is kept (past.h); over forever and
 * sessions states only grow, and events need not be kept for them. Of what is kept, few events are
 * added up anew for each answer, the shorter windows of a slot on the way to the longer ones; for
 * many there is a stack. */
#include "features/sweep.h"

#include <stdlib.h>

#include "base/check.h"
#include "features/base.h"
#include "features/stack.h"

enum {
    ARENA_CHUNK_SIZE = 32 * 1024,
    DIRECT_EVENTS_MAX = 64,      /* are added up as fast as a stack is read; */
    DIRECT_PER_NEW_MAX = 4,      /* or so many for each that is new since the last answer */
    EVENTS_BETWEEN_CHECKS = 256, /* of what is kept */
};

/* A slot over a window with a bound; several features can be made of it. */
struct reach {
    const struct window *window;
    uint32_t slot;
    uint64_t from;    /* the first event that counts */
    uint32_t *places; /* owned: of its features, places_count of them */
    size_t places_count;
    struct stack stack; /* where the slot is mergeable */
};

/* A window without a bound in time, and the states of its slots. */
struct growth {
    const struct kept_window *kept; /* borrowed from the plan */
    const struct window *window;
    bool is_wanted;
    bool has_events;
    int64_t newest_us;   /* where it has events */
    struct slot *slots;  /* owned: one for each of kept->slots */
    struct arena *arena; /* owned: their states, but for those of a base */
};

struct sweep {
    const struct view_plan *plan; /* borrowed */
    uint32_t *features;           /* owned: features_count */
    size_t features_count;
    bool *is_wanted;        /* owned: one a window of the plan: a feature looks through it */
    struct reach **reaches; /* owned: those of one slot beside each other, the shortest first */
    size_t reaches_count;
    struct growth *growths; /* owned: one for each of plan->kept */
    struct past past;
    struct event_reader reader;
    struct arena *arena;        /* owned: of the reader */
    struct arena *entity_arena; /* owned: of the base */
    struct arena *answer_arena; /* owned */
    bool has_base;
    int64_t base_us; /* the newest event in the base */
    bool has_newest; /* an event was read */
    int64_t newest_us;
    int64_t t_us;           /* of the last answer */
    uint64_t events_count;  /* that were read since then */
    struct result *results; /* owned: features_count of each */
    struct value *values;
    enum feature_status *statuses;
};

/* ---- life ---- */

static void *array_new(size_t count, size_t size)
{
    void *array = calloc(count + 1, size);
    CHECK(array != NULL);
    return array;
}

static bool is_growing(const struct window *window)
{
    return window->kind == WINDOW_FOREVER || window->kind == WINDOW_SESSION;
}

static struct reach *find_reach(struct sweep *sweep, const struct window *window, uint32_t slot)
{
    for (size_t i = 0; i < sweep->reaches_count; i++)
        if (sweep->reaches[i]->window == window && sweep->reaches[i]->slot == slot)
            return sweep->reaches[i];
    struct reach *reach = array_new(1, sizeof(*reach));
    *reach = (struct reach){.window = window,
                            .slot = slot,
                            .places = array_new(sweep->features_count, sizeof(uint32_t))};
    if (slot_is_mergeable(&sweep->plan->slots[slot]))
        stack_init(&reach->stack, &sweep->plan->slots[slot]);
    size_t place = sweep->reaches_count++;
    for (; place > 0 && sweep->reaches[place - 1]->slot > slot; place--)
        sweep->reaches[place] = sweep->reaches[place - 1];
    return sweep->reaches[place] = reach;
}

/* Lists what features over windows with a bound need. */
static void make_reaches(struct sweep *sweep)
{
    const struct view_plan *plan = sweep->plan;
    bool *is_wanted_slot = array_new(plan->slots_count, sizeof(*is_wanted_slot));
    sweep->reaches = array_new(sweep->features_count, sizeof(*sweep->reaches));
    for (size_t i = 0; i < sweep->features_count; i++) {
        const struct feature_plan *feature = &plan->features[sweep->features[i]];
        const struct window *window = plan->windows[feature->window];
        sweep->is_wanted[feature->window] = true;
        if (is_growing(window))
            continue;
        struct reach *reach = find_reach(sweep, window, feature->slot);
        reach->places[reach->places_count++] = (uint32_t)i;
        is_wanted_slot[feature->slot] = true;
    }
    past_init(&sweep->past, plan, is_wanted_slot);
    free(is_wanted_slot);
}

static void make_growths(struct sweep *sweep)
{
    const struct view_plan *plan = sweep->plan;
    sweep->growths = array_new(plan->kept_count, sizeof(*sweep->growths));
    for (size_t i = 0; i < plan->kept_count; i++) {
        const struct kept_window *kept = &plan->kept[i];
        sweep->growths[i] =
            (struct growth){.kept = kept,
                            .window = plan->windows[kept->window],
                            .is_wanted = sweep->is_wanted[kept->window],
                            .slots = array_new(kept->slots_count, sizeof(struct slot)),
                            .arena = arena_create(ARENA_CHUNK_SIZE)};
    }
}

struct sweep *sweep_create(const struct view_plan *plan, const uint32_t *features,
                           size_t features_count)
{
    struct sweep *sweep = array_new(1, sizeof(*sweep));
    sweep->plan = plan;
    sweep->features = array_new(features_count, sizeof(*sweep->features));
    sweep->features_count = features_count;
    if (features_count > 0)
        memcpy(sweep->features, features, features_count * sizeof(*features));
    sweep->is_wanted = array_new(plan->windows_count, sizeof(*sweep->is_wanted));
    make_reaches(sweep);
    make_growths(sweep);
    sweep->arena = arena_create(ARENA_CHUNK_SIZE);
    sweep->entity_arena = arena_create(ARENA_CHUNK_SIZE);
    sweep->answer_arena = arena_create(ARENA_CHUNK_SIZE);
    sweep->results = array_new(features_count, sizeof(*sweep->results));
    sweep->values = array_new(features_count, sizeof(*sweep->values));
    sweep->statuses = array_new(features_count, sizeof(*sweep->statuses));
    event_reader_init(&sweep->reader, plan, NULL, NULL, sweep->arena);
    return sweep;
}

void sweep_destroy(struct sweep **sweep)
{
    struct sweep *it = *sweep;
    if (it == NULL)
        return;
    for (size_t i = 0; i < it->reaches_count; i++) {
        stack_fini(&it->reaches[i]->stack);
        free(it->reaches[i]->places);
        free(it->reaches[i]);
    }
    for (size_t i = 0; i < it->plan->kept_count; i++) {
        free(it->growths[i].slots);
        arena_destroy(&it->growths[i].arena);
    }
    past_fini(&it->past);
    event_reader_fini(&it->reader);
    arena_destroy(&it->arena);
    arena_destroy(&it->entity_arena);
    arena_destroy(&it->answer_arena);
    free(it->features);
    free(it->is_wanted);
    free(it->reaches);
    free(it->growths);
    free(it->results);
    free(it->values);
    free(it->statuses);
    free(it);
    *sweep = NULL;
}

/* ---- windows that grow ---- */

/* Over nothing. */
static void growth_empty(struct growth *growth, const struct view_plan *plan)
{
    arena_reset(growth->arena);
    growth->has_events = false;
    for (size_t i = 0; i < growth->kept->slots_count; i++)
        slot_init(&growth->slots[i], &plan->slots[growth->kept->slots[i]], growth->arena);
}

/* Whether the session has ended by the time. */
static bool growth_is_over(const struct growth *growth, int64_t time_us)
{
    return growth->window->kind == WINDOW_SESSION && growth->has_events &&
           growth->newest_us < time_us - growth->window->size_us;
}

static void growth_add(struct growth *growth, const struct view_plan *plan,
                       const struct event *event)
{
    if (!growth->is_wanted)
        return;
    if (growth_is_over(growth, event->time_us))
        growth_empty(growth, plan);
    growth->has_events = true;
    growth->newest_us = event->time_us;
    for (size_t i = 0; i < growth->kept->slots_count; i++)
        slot_add_newer(&growth->slots[i], event);
}

/* ---- an entity ---- */

static enum status take_base(struct sweep *sweep, struct bytes bytes, struct error *err)
{
    struct base base;
    struct bytes copy = arena_copy(sweep->entity_arena, bytes);
    enum status status =
        base_decode(&base, sweep->plan, sweep->is_wanted, copy, sweep->entity_arena, err);
    if (status != STATUS_OK)
        return status;
    sweep->has_base = true;
    sweep->base_us = base.newest_us;
    for (size_t i = 0; i < sweep->plan->kept_count; i++) {
        struct growth *growth = &sweep->growths[i];
        growth->has_events = true;
        growth->newest_us = base.newest_us;
        for (size_t j = 0; j < growth->kept->slots_count; j++)
            growth->slots[j] = base.windows[i].slots[j];
    }
    return STATUS_OK;
}

enum status sweep_begin(struct sweep *sweep, timeline_back_fn forward, void *timeline,
                        struct bytes base, struct error *err)
{
    arena_reset(sweep->entity_arena);
    past_reset(&sweep->past);
    event_reader_moved(&sweep->reader);
    sweep->reader.back = forward;
    sweep->reader.timeline = timeline;
    sweep->has_base = sweep->has_newest = false;
    sweep->t_us = INT64_MIN;
    for (size_t i = 0; i < sweep->plan->kept_count; i++)
        growth_empty(&sweep->growths[i], sweep->plan);
    for (size_t i = 0; i < sweep->reaches_count; i++) {
        sweep->reaches[i]->from = 0;
        stack_reset(&sweep->reaches[i]->stack);
    }
    return base.size == 0 ? STATUS_OK : take_base(sweep, base, err);
}

/* ---- events ---- */

/* Where events begin to count at T, in the windows with a bound; it is one of past's or its end. */
static uint64_t first_counted(const struct sweep *sweep, const struct window *window, uint64_t from,
                              int64_t t_us)
{
    const struct past *past = &sweep->past;
    if (from < past->first)
        from = past->first;
    if (window->kind == WINDOW_LAST) {
        uint64_t count = past->end - past->first;
        return count > window->count ? past->end - window->count : past->first;
    }
    int64_t oldest_us = window_oldest_us(window, t_us);
    while (from < past->end && past_time_us(past, from) < oldest_us)
        from++;
    return from;
}

/* Moves the beginnings of windows on to T, and forgets what lies before all of them. */
static void move_froms(struct sweep *sweep, int64_t t_us)
{
    uint64_t first = sweep->past.end;
    for (size_t i = 0; i < sweep->reaches_count; i++) {
        struct reach *reach = sweep->reaches[i];
        reach->from = first_counted(sweep, reach->window, reach->from, t_us);
        if (reach->from < first)
            first = reach->from;
    }
    past_forget(&sweep->past, first);
}

static enum status check_memory(const struct sweep *sweep, struct error *err)
{
    if (past_used_bytes(&sweep->past) <= SWEEP_MEMORY_MAX)
        return STATUS_OK;
    return error_set(err, STATUS_LIMIT,
                     "view '%.*s': the windows of an entity hold more than %d MiB of events",
                     BYTES_ARGS(sweep->plan->view->name), SWEEP_MEMORY_MAX >> 20);
}

/* Reads the events up to T. */
static enum status read_events(struct sweep *sweep, int64_t t_us, struct error *err)
{
    const struct event *event;
    int64_t time_us;
    enum status status;
    sweep->events_count = 0;
    while ((status = event_reader_peek(&sweep->reader, &time_us, err)) == STATUS_OK &&
           time_us <= t_us) {
        status = event_reader_take(&sweep->reader, &event, err);
        if (status != STATUS_OK)
            return status;
        sweep->has_newest = true;
        sweep->newest_us = event->time_us;
        for (size_t i = 0; i < sweep->plan->kept_count; i++)
            growth_add(&sweep->growths[i], sweep->plan, event);
        if (sweep->reaches_count > 0)
            past_append(&sweep->past, event);
        if (++sweep->events_count % EVENTS_BETWEEN_CHECKS == 0) {
            move_froms(sweep, t_us);
            status = check_memory(sweep, err);
        }
        if (status != STATUS_OK)
            return status;
    }
    move_froms(sweep, t_us);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- answers ---- */

/* The results of the reach's features, from its state; what they hold outlives it. */
static void finish_reach(struct sweep *sweep, const struct reach *reach, const struct slot *state)
{
    for (size_t i = 0; i < reach->places_count; i++) {
        uint32_t place = reach->places[i];
        struct result *result = &sweep->results[place];
        *result = slot_result(state, &sweep->plan->features[sweep->features[place]], sweep->t_us);
        if (result->value.kind == VALUE_STRING)
            result->value.text = arena_copy(sweep->answer_arena, result->value.text);
    }
}

static bool is_direct(const struct sweep *sweep, const struct reach *reach)
{
    uint64_t count = sweep->past.end - reach->from;
    return count <= DIRECT_EVENTS_MAX || count <= DIRECT_PER_NEW_MAX * sweep->events_count ||
           !slot_is_mergeable(&sweep->plan->slots[reach->slot]);
}

/* The shortest first; they are nearly so from the last time. */
static void sort_reaches(struct reach **reaches, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && reaches[j]->from > reaches[j - 1]->from; j--) {
            struct reach *longer = reaches[j - 1];
            reaches[j - 1] = reaches[j];
            reaches[j] = longer;
        }
}

/* Answers the features over one slot, whose reaches these are. */
static void read_reaches(struct sweep *sweep, struct reach **reaches, size_t count)
{
    const struct slot_plan *plan = &sweep->plan->slots[reaches[0]->slot];
    struct slot state; /* over what lies from from on */
    uint64_t from = sweep->past.end;
    sort_reaches(reaches, count);
    slot_init(&state, plan, sweep->answer_arena);
    for (size_t i = 0; i < count; i++) {
        struct reach *reach = reaches[i];
        if (is_direct(sweep, reach)) {
            past_add(&sweep->past, &state, reach->from, from);
            from = reach->from;
            finish_reach(sweep, reach, &state);
        } else {
            struct slot whole;
            slot_init(&whole, plan, sweep->answer_arena);
            stack_read(&reach->stack, &sweep->past, reach->from, sweep->past.end, &whole);
            finish_reach(sweep, reach, &whole);
        }
    }
}

/* Answers the features over windows that grow. */
static void read_growths(struct sweep *sweep)
{
    const struct view_plan *plan = sweep->plan;
    for (size_t i = 0; i < plan->kept_count; i++)
        if (sweep->growths[i].is_wanted && growth_is_over(&sweep->growths[i], sweep->t_us))
            growth_empty(&sweep->growths[i], plan);
    for (size_t i = 0; i < sweep->features_count; i++) {
        const struct feature_plan *feature = &plan->features[sweep->features[i]];
        for (size_t j = 0; j < plan->kept_count; j++) {
            const struct kept_window *kept = &plan->kept[j];
            for (size_t k = 0; k < kept->slots_count && kept->window == feature->window; k++)
                if (kept->slots[k] == feature->slot)
                    sweep->results[i] =
                        slot_result(&sweep->growths[j].slots[k], feature, sweep->t_us);
        }
    }
}

/* Whether the newest event lies in a window of the view; of a base, in one that it is kept for. */
static bool is_found(const struct sweep *sweep)
{
    bool is_inside = false;
    int64_t newest_us = sweep->has_newest ? sweep->newest_us : sweep->base_us;
    if (!sweep->has_newest && !sweep->has_base)
        return false;
    for (size_t i = 0; i < sweep->plan->windows_count; i++) {
        const struct window *window = sweep->plan->windows[i];
        if (sweep->has_newest || is_growing(window))
            is_inside |= newest_us >= window_oldest_us(window, sweep->t_us);
    }
    return is_inside;
}

static void finish_answer(struct sweep *sweep, struct sweep_answer *answer)
{
    bool found = is_found(sweep);
    for (size_t i = 0; i < sweep->features_count; i++) {
        const struct value *value = &sweep->results[i].value;
        sweep->statuses[i] = asking_status(value, found);
        sweep->values[i] = value->kind == VALUE_NULL
                               ? sweep->plan->features[sweep->features[i]].definition->default_value
                               : *value;
    }
    *answer = (struct sweep_answer){.is_found = found,
                                    .event_time_us =
                                        sweep->has_newest ? sweep->newest_us : sweep->base_us,
                                    .values = sweep->values,
                                    .statuses = sweep->statuses};
}

enum status sweep_answer(struct sweep *sweep, int64_t t_us, struct sweep_answer *answer,
                         struct error *err)
{
    CHECK(t_us >= sweep->t_us);
    sweep->t_us = t_us;
    arena_reset(sweep->answer_arena);
    enum status status = read_events(sweep, t_us, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0, next; i < sweep->reaches_count; i = next) {
        for (next = i + 1; next < sweep->reaches_count; next++)
            if (sweep->reaches[next]->slot != sweep->reaches[i]->slot)
                break;
        read_reaches(sweep, &sweep->reaches[i], next - i);
    }
    read_growths(sweep);
    finish_answer(sweep, answer);
    return STATUS_OK;
}
