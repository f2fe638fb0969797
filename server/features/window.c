#include "features/window.h"

#include "base/check.h"

/* The largest multiple of step at or below value; step > 0. */
static int64_t floor_to(int64_t value, int64_t step)
{
    int64_t rest = value % step;
    return value - (rest < 0 ? rest + step : rest);
}

/* The time of the oldest event that can be inside, as far as T alone decides it. */
static int64_t window_oldest_us(const struct window *window, int64_t t_us)
{
    switch (window->kind) {
    case WINDOW_SLIDING:
        return t_us - window->size_us + 1;
    case WINDOW_HOPPING:
        return floor_to(t_us - window->size_us, window->step_us);
    case WINDOW_TUMBLING:
        return floor_to(t_us - window->offset_us, window->size_us) + window->offset_us;
    case WINDOW_SESSION:
        return t_us - window->size_us;
    case WINDOW_LAST:
    case WINDOW_FOREVER:
        break;
    }
    return INT64_MIN;
}

void window_walk_start(struct window_walk *walk, const struct window *window, int64_t t_us)
{
    CHECK(window->kind != WINDOW_LAST || window->count > 0);
    *walk = (struct window_walk){
        .window = window, .oldest_us = window_oldest_us(window, t_us), .is_open = true};
}

bool window_walk_take(struct window_walk *walk, int64_t time_us)
{
    if (!walk->is_open || time_us < walk->oldest_us) {
        walk->is_open = false;
        return false;
    }
    walk->events_count++;
    if (walk->window->kind == WINDOW_SESSION)
        walk->oldest_us = time_us - walk->window->size_us;
    else if (walk->window->kind == WINDOW_LAST)
        walk->is_open = walk->events_count < walk->window->count;
    return true;
}
