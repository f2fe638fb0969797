#include "features/window.h"

#include "base/check.h"

void run_merge(struct run *run, const struct run *older)
{
    if (older->count == 0)
        return;
    if (run->count == 0) {
        *run = *older;
        return;
    }
    CHECK(older->newest_us <= run->oldest_us);
    int64_t gap_us = run->oldest_us - older->newest_us;
    if (gap_us > run->gap_max_us)
        run->gap_max_us = gap_us;
    if (older->gap_max_us > run->gap_max_us)
        run->gap_max_us = older->gap_max_us;
    run->count += older->count;
    run->oldest_us = older->oldest_us;
}

int64_t window_oldest_us(const struct window *window, int64_t t_us)
{
    switch (window->kind) {
    case WINDOW_SLIDING:
        return t_us - window->size_us + 1;
    case WINDOW_HOPPING:
        return time_floor_us(t_us - window->size_us, window->step_us);
    case WINDOW_TUMBLING:
        return time_floor_us(t_us - window->offset_us, window->size_us) + window->offset_us;
    case WINDOW_SESSION:
        return t_us - window->size_us;
    case WINDOW_LAST:
    case WINDOW_FOREVER:
        break;
    }
    return INT64_MIN;
}

int64_t window_reach_us(const struct window *window)
{
    switch (window->kind) {
    case WINDOW_SLIDING:
    case WINDOW_TUMBLING:
        return window->size_us;
    case WINDOW_HOPPING:
        return window->size_us + window->step_us;
    case WINDOW_SESSION:
    case WINDOW_LAST:
    case WINDOW_FOREVER:
        break;
    }
    return 0;
}

void window_walk_start(struct window_walk *walk, const struct window *window, int64_t t_us)
{
    CHECK(window->kind != WINDOW_LAST || window->count > 0);
    *walk = (struct window_walk){.window = window,
                                 .t_us = t_us,
                                 .oldest_us = window_oldest_us(window, t_us),
                                 .is_open = true};
}

bool window_walk_take(struct window_walk *walk, int64_t time_us)
{
    if (!walk->is_open || time_us < walk->oldest_us) {
        walk->is_open = false;
        return false;
    }
    if (walk->events_count++ == 0)
        walk->newest_inside_us = time_us;
    walk->oldest_inside_us = time_us;
    if (walk->window->kind == WINDOW_SESSION)
        walk->oldest_us = time_us - walk->window->size_us;
    else if (walk->window->kind == WINDOW_LAST)
        walk->is_open = walk->events_count < walk->window->count;
    return true;
}

enum run_place window_walk_place(const struct window_walk *walk, const struct run *run)
{
    const struct window *window = walk->window;
    CHECK(walk->is_open);
    if (run->newest_us < walk->oldest_us)
        return RUN_OUTSIDE;
    switch (window->kind) {
    case WINDOW_SESSION:
        return run->gap_max_us <= window->size_us ? RUN_INSIDE : RUN_ACROSS;
    case WINDOW_LAST:
        return run->count <= window->count - walk->events_count ? RUN_INSIDE : RUN_ACROSS;
    case WINDOW_SLIDING:
    case WINDOW_HOPPING:
    case WINDOW_TUMBLING:
    case WINDOW_FOREVER:
        break;
    }
    return run->oldest_us >= walk->oldest_us ? RUN_INSIDE : RUN_ACROSS;
}

void window_walk_take_run(struct window_walk *walk, const struct run *run)
{
    if (window_walk_place(walk, run) == RUN_OUTSIDE) {
        walk->is_open = false;
        return;
    }
    if (walk->events_count == 0)
        walk->newest_inside_us = run->newest_us;
    walk->events_count += run->count;
    walk->oldest_inside_us = run->oldest_us;
    if (walk->window->kind == WINDOW_SESSION)
        walk->oldest_us = run->oldest_us - walk->window->size_us;
    else if (walk->window->kind == WINDOW_LAST)
        walk->is_open = walk->events_count < walk->window->count;
}

/* The first T at which an event that counts at t_us, and has no newer one behind it, does not. */
static int64_t window_event_until_us(const struct window *window, int64_t time_us, int64_t t_us)
{
    switch (window->kind) {
    case WINDOW_SLIDING:
        return time_us + window->size_us;
    case WINDOW_HOPPING:
        return time_floor_us(time_us, window->step_us) + window->step_us + window->size_us;
    case WINDOW_TUMBLING:
        return window_oldest_us(window, t_us) + window->size_us;
    case WINDOW_SESSION:
        return time_us + window->size_us + 1;
    case WINDOW_LAST:
    case WINDOW_FOREVER:
        break;
    }
    return INT64_MAX;
}

int64_t window_walk_valid_until_us(const struct window_walk *walk)
{
    if (walk->events_count == 0)
        return INT64_MAX;
    /* A session ends as a whole; of other windows the oldest event leaves first. */
    int64_t first_us =
        walk->window->kind == WINDOW_SESSION ? walk->newest_inside_us : walk->oldest_inside_us;
    return window_event_until_us(walk->window, first_us, walk->t_us);
}

int64_t window_walk_newest_until_us(const struct window_walk *walk)
{
    CHECK(walk->events_count > 0);
    return window_event_until_us(walk->window, walk->newest_inside_us, walk->t_us);
}
