/* The one function, fast: one walk back from T for all features that are asked. Windows are runs of
 * events that all end at T, so the states of a shorter one are on the way to those of a longer one:
 * each slot has one state, and when a window ends, its features are finished from the states as
 * they are then. */
#include "features/base.h"
#include "features/chunk.h"
#include "features/partial.h"
#include "features/trail.h"

struct walk {
    struct asking asking;
    struct result *results; /* one for each of asking.features */
    struct slot *slots;     /* one a slot of the plan; begun where it has users */
    uint32_t *users;        /* the same: features over it whose windows are open */
    uint32_t *active;       /* active_count slots that have users */
    size_t active_count;
    uint32_t *open; /* open_count windows that are asked for and open */
    size_t open_count;
    struct partial incoming; /* of the chunk at hand; begun with the first */
    bool *is_active;         /* one a slot of the plan; begun with incoming */
};

/* ---- windows and slots ---- */

static void walk_start(struct walk *walk, const struct view_plan *plan,
                       const struct question *question, struct arena *arena)
{
    struct asking *asking = &walk->asking;
    *walk = (struct walk){0};
    asking_start(asking, plan, question, arena);
    walk->results = ARENA_NEW_ARRAY(arena, asking->features_count, struct result);
    walk->slots = ARENA_NEW_ARRAY(arena, plan->slots_count, struct slot);
    walk->users = ARENA_NEW_ARRAY(arena, plan->slots_count, uint32_t);
    walk->active = ARENA_NEW_ARRAY(arena, plan->slots_count, uint32_t);
    walk->open = ARENA_NEW_ARRAY(arena, plan->windows_count, uint32_t);
    for (size_t i = 0; i < asking->features_count; i++) {
        uint32_t slot = plan->features[asking->features[i]].slot;
        if (walk->users[slot]++ > 0)
            continue;
        slot_init(&walk->slots[slot], &plan->slots[slot], arena);
        walk->active[walk->active_count++] = slot;
    }
    for (uint32_t i = 0; i < plan->windows_count; i++)
        if (asking->is_wanted[i])
            walk->open[walk->open_count++] = i;
}

/* The value, which no longer changes with the state that it was made of. */
static struct value value_kept(struct value value, struct arena *arena)
{
    if (value.kind == VALUE_STRING)
        value.text = arena_copy(arena, value.text);
    return value;
}

/* Finishes the features over the window from the states as they are. */
static void finish_window(struct walk *walk, uint32_t window)
{
    const struct asking *asking = &walk->asking;
    for (size_t i = 0; i < asking->features_count; i++) {
        const struct feature_plan *feature = &asking->plan->features[asking->features[i]];
        if (feature->window != window)
            continue;
        struct result *result = &walk->results[i];
        *result = slot_result(&walk->slots[feature->slot], feature, asking->t_us);
        result->value = value_kept(result->value, asking->arena);
        walk->users[feature->slot]--;
    }
}

/* Drops the windows that are no longer open, once their features were finished, and the slots that
 * have no users left. */
static void drop_closed(struct walk *walk)
{
    size_t count = 0;
    for (size_t i = 0; i < walk->open_count; i++)
        if (walk->asking.walks[walk->open[i]].is_open)
            walk->open[count++] = walk->open[i];
    walk->open_count = count;
    count = 0;
    for (size_t i = 0; i < walk->active_count; i++)
        if (walk->users[walk->active[i]] > 0)
            walk->active[count++] = walk->active[i];
    walk->active_count = count;
}

/* ---- events ---- */

/* The newest event decides whether the entity is found, by all windows of the view. */
static void see_newest(struct asking *asking, int64_t time_us)
{
    asking->has_newest = true;
    asking->newest_us = time_us;
    for (size_t i = 0; i < asking->plan->windows_count; i++) {
        bool is_inside = asking->is_wanted[i] ? time_us >= asking->walks[i].oldest_us
                                              : window_walk_take(&asking->walks[i], time_us);
        asking->is_found |= is_inside;
    }
}

/* Finishes each last(n) that closed with what was added last, and forgets the closed windows. */
static void end_closed(struct walk *walk)
{
    for (size_t i = 0; i < walk->open_count; i++) {
        const struct window_walk *window = &walk->asking.walks[walk->open[i]];
        if (!window->is_open && window->window->kind == WINDOW_LAST)
            finish_window(walk, walk->open[i]);
    }
    drop_closed(walk);
}

/* Takes the next older event. Returns whether a window is still open. */
static bool take_event(struct walk *walk, const struct event *event)
{
    struct asking *asking = &walk->asking;
    bool is_closing = false; /* a window, at this event */
    if (!asking->has_newest)
        see_newest(asking, event->time_us);
    for (size_t i = 0; i < walk->open_count; i++) {
        struct window_walk *window = &asking->walks[walk->open[i]];
        if (!window_walk_take(window, event->time_us))
            finish_window(walk, walk->open[i]);
        is_closing |= !window->is_open;
    }
    for (size_t i = 0; i < walk->active_count; i++)
        slot_add(&walk->slots[walk->active[i]], event);
    if (is_closing)
        end_closed(walk);
    return walk->open_count > 0;
}

/* Whether no open window reaches back to the time, so that no older event need be read. */
static bool is_behind_all(const struct walk *walk, int64_t time_us)
{
    for (size_t i = 0; i < walk->open_count; i++)
        if (time_us >= walk->asking.walks[walk->open[i]].oldest_us)
            return false;
    return true;
}

/* ---- chunks ---- */

/* A chunk that reaches beyond the end of a window can't be taken, unless it has no events there. */
static unsigned level_max(void *context, int64_t end_us)
{
    const struct walk *walk = context;
    int64_t oldest_us = INT64_MIN;
    unsigned level = CHUNK_LEVELS - 1;
    for (size_t i = 0; i < walk->open_count; i++) {
        const struct window_walk *window = &walk->asking.walks[walk->open[i]];
        if (window->window->kind != WINDOW_SESSION && window->oldest_us > oldest_us)
            oldest_us = window->oldest_us;
    }
    while (level > 0 && end_us - chunk_size_us(level) < oldest_us)
        level--;
    return level;
}

static int64_t oldest_us(void *context)
{
    const struct walk *walk = context;
    int64_t result_us = INT64_MAX;
    for (size_t i = 0; i < walk->open_count; i++) {
        const struct window_walk *window = &walk->asking.walks[walk->open[i]];
        result_us = window->oldest_us < result_us ? window->oldest_us : result_us;
    }
    return result_us;
}

static void start_incoming(struct walk *walk)
{
    const struct asking *asking = &walk->asking;
    partial_init(&walk->incoming, asking->plan, asking->arena);
    walk->is_active = ARENA_NEW_ARRAY(asking->arena, asking->plan->slots_count, bool);
}

/* Whether all open windows lie around the run or beside it, and the slots that they need are in
 * partials. */
static bool run_fits(const struct walk *walk, const struct run *run)
{
    for (size_t i = 0; i < walk->open_count; i++)
        if (window_walk_place(&walk->asking.walks[walk->open[i]], run) == RUN_ACROSS)
            return false;
    for (size_t i = 0; i < walk->active_count; i++)
        if (!slot_is_mergeable(walk->slots[walk->active[i]].plan))
            return false;
    return true;
}

/* Takes the decoded chunk. */
static void take_incoming(struct walk *walk)
{
    const struct run *run = &walk->incoming.run;
    bool is_closing = false; /* a window, at this chunk */
    for (size_t i = 0; i < walk->open_count; i++) {
        struct window_walk *window = &walk->asking.walks[walk->open[i]];
        if (window_walk_place(window, run) == RUN_OUTSIDE)
            finish_window(walk, walk->open[i]);
        window_walk_take_run(window, run);
        is_closing |= !window->is_open;
    }
    for (size_t i = 0; i < walk->active_count; i++)
        slot_merge(&walk->slots[walk->active[i]], &walk->incoming.slots[walk->active[i]]);
    if (is_closing)
        end_closed(walk);
}

/* What can't be decoded is as if it was not there: its events are. */
static enum chunk_verdict take_chunk(void *context, const struct timeline_chunk *chunk)
{
    struct walk *walk = context;
    struct bytes left = chunk->partial;
    if (!walk->asking
             .has_newest) /* whether the entity is found hangs on the newest event by itself */
        return CHUNK_REFUSED;
    if (walk->is_active == NULL)
        start_incoming(walk);
    if (!partial_decode_head(&walk->incoming, &left) || walk->incoming.run.count == 0 ||
        !run_fits(walk, &walk->incoming.run))
        return CHUNK_REFUSED;
    for (size_t i = 0; i < walk->asking.plan->slots_count; i++)
        walk->is_active[i] = walk->users[i] > 0;
    if (!partial_decode_slots(&walk->incoming, walk->is_active, &left))
        return CHUNK_REFUSED;
    take_incoming(walk);
    return walk->open_count > 0 ? CHUNK_TAKEN : CHUNK_LAST;
}

/* ---- the base ---- */

/* Finishes the features over a window that the base counts in: the states go no further, but those
 * of another window may need less of them. */
static void finish_with_base(struct walk *walk, uint32_t window, const struct base *base)
{
    const struct asking *asking = &walk->asking;
    for (size_t i = 0; i < asking->features_count; i++) {
        const struct feature_plan *feature = &asking->plan->features[asking->features[i]];
        struct slot whole;
        if (feature->window != window)
            continue;
        slot_init(&whole, walk->slots[feature->slot].plan, asking->arena);
        slot_merge(&whole, &walk->slots[feature->slot]);
        slot_merge(&whole, base_slot(base, window, feature->slot));
        walk->results[i] = slot_result(&whole, feature, asking->t_us);
    }
}

/* Takes what was folded of all older events, and finishes the windows that are still open. */
static enum status take_base(struct walk *walk, struct bytes bytes, struct error *err)
{
    struct asking *asking = &walk->asking;
    bool *is_inside = ARENA_NEW_ARRAY(asking->arena, asking->plan->windows_count, bool);
    struct base base;
    enum status status =
        base_decode(&base, asking->plan, asking->is_wanted, bytes, asking->arena, err);
    if (status != STATUS_OK)
        return status;
    base_take(&base, asking, is_inside);
    for (size_t i = 0; i < walk->open_count; i++)
        if (is_inside[walk->open[i]])
            finish_with_base(walk, walk->open[i], &base);
        else
            finish_window(walk, walk->open[i]);
    walk->open_count = 0;
    return STATUS_OK;
}

/* ---- all of it ---- */

static enum status walk_back(struct walk *walk, struct trail *trail, struct error *err)
{
    const struct event *event;
    enum status status;
    while ((status = trail_next(trail, &event, err)) == STATUS_OK) {
        if (!take_event(walk, event))
            return STATUS_OK;
        status = asking_check_memory(&walk->asking, err);
        if (status != STATUS_OK)
            return status;
        if (trail->reader.has_next && is_behind_all(walk, trail->reader.next->time_us))
            return STATUS_OK;
    }
    if (status == STATUS_NOT_FOUND && trail->reader.base.size > 0)
        return take_base(walk, trail->reader.base, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status features_walk(const struct view_plan *plan, const struct question *question,
                          const struct timeline_reader *timeline, struct arena *arena,
                          struct answer *answer, struct walk_report *report, struct error *err)
{
    struct walk walk;
    struct trail trail;
    const struct trail_walker walker = {
        .context = &walk, .level_max = level_max, .take = take_chunk, .oldest_us = oldest_us};
    walk_start(&walk, plan, question, arena);
    trail_init(&trail, plan, timeline, &walker, walk.asking.t_us + 1, arena);
    enum status status = walk_back(&walk, &trail, err);
    if (status == STATUS_OK) {
        for (size_t i = 0; i < walk.open_count; i++)
            finish_window(&walk, walk.open[i]);
        asking_finish(&walk.asking, walk.results, answer);
    }
    *report = *trail_report(&trail);
    trail_fini(&trail);
    return status;
}
