#include "features/base.h"

#include <endian.h>

#include "base/check.h"
#include "base/endian.h"
#include "base/time_text.h"
#include "base/varint.h"
#include "features/batch_row.h"

enum { NEWEST_SIZE = 8, LAYOUT_SIZE = 4 };

static void base_init(struct base *base, const struct view_plan *plan, struct arena *arena)
{
    *base = (struct base){.plan = plan,
                          .windows = ARENA_NEW_ARRAY(arena, plan->kept_count, struct base_window)};
    for (size_t i = 0; i < plan->kept_count; i++) {
        const struct kept_window *kept = &plan->kept[i];
        struct slot *slots = ARENA_NEW_ARRAY(arena, kept->slots_count, struct slot);
        for (size_t j = 0; j < kept->slots_count; j++)
            slot_init(&slots[j], &plan->slots[kept->slots[j]], arena);
        base->windows[i].slots = slots;
    }
}

/* ---- bytes ---- */

static void base_encode(const struct base *base, struct buffer *out)
{
    uint32_t layout = htole32(base->plan->kept_digest);
    be64_write_signed(buffer_reserve(out, NEWEST_SIZE), base->newest_us);
    buffer_added(out, NEWEST_SIZE);
    buffer_append(out, bytes_of(&layout, LAYOUT_SIZE));
    for (size_t i = 0; i < base->plan->kept_count; i++) {
        const struct base_window *window = &base->windows[i];
        varint_append(out, (uint64_t)(base->newest_us - window->oldest_us));
        for (size_t j = 0; j < base->plan->kept[i].slots_count; j++)
            slot_encode(&window->slots[j], out);
    }
}

static bool window_decode(struct base *base, size_t index, bool is_wanted, struct bytes *left)
{
    struct base_window *window = &base->windows[index];
    uint64_t span_us;
    if (!varint_take(left, &span_us) || span_us > (uint64_t)(base->newest_us - TIME_MIN_US))
        return false;
    window->oldest_us = base->newest_us - (int64_t)span_us;
    for (size_t j = 0; j < base->plan->kept[index].slots_count; j++)
        if (!slot_decode(is_wanted ? &window->slots[j] : NULL, left))
            return false;
    return true;
}

static bool head_decode(struct base *base, struct bytes *left)
{
    uint32_t layout;
    if (left->size < NEWEST_SIZE + LAYOUT_SIZE)
        return false;
    base->newest_us = be64_read_signed(left->data);
    memcpy(&layout, left->data + NEWEST_SIZE, LAYOUT_SIZE);
    *left = bytes_after(*left, NEWEST_SIZE + LAYOUT_SIZE);
    return le32toh(layout) == base->plan->kept_digest && base->newest_us >= TIME_MIN_US &&
           base->newest_us <= TIME_MAX_US;
}

enum status base_decode(struct base *base, const struct view_plan *plan, const bool *is_wanted,
                        struct bytes bytes, struct arena *arena, struct error *err)
{
    base_init(base, plan, arena);
    bool is_good = head_decode(base, &bytes);
    for (size_t i = 0; i < plan->kept_count && is_good; i++)
        is_good =
            window_decode(base, i, is_wanted == NULL || is_wanted[plan->kept[i].window], &bytes);
    if (is_good && bytes.size == 0)
        return STATUS_OK;
    return error_set(err, STATUS_CORRUPT, "view '%.*s': what was folded of an entity can't be read",
                     BYTES_ARGS(plan->view->name));
}

/* ---- reading ---- */

/* Takes the run behind all that the walk has. Returns whether it counts. */
static bool take_run(struct window_walk *walk, int64_t newest_us, int64_t oldest_us)
{
    const struct run run = {.count = 1, .newest_us = newest_us, .oldest_us = oldest_us};
    if (!walk->is_open)
        return false;
    window_walk_take_run(walk, &run);
    return walk->is_open;
}

void base_take(const struct base *base, struct asking *asking, bool *is_inside)
{
    const struct view_plan *plan = base->plan;
    bool is_newest = !asking->has_newest;
    memset(is_inside, 0, plan->windows_count * sizeof(*is_inside));
    for (size_t i = 0; i < plan->kept_count; i++) {
        uint32_t window = plan->kept[i].window;
        is_inside[window] =
            take_run(&asking->walks[window], base->newest_us, base->windows[i].oldest_us);
        asking->is_found |= is_newest && is_inside[window];
    }
    if (!is_newest)
        return;
    asking->has_newest = true;
    asking->newest_us = base->newest_us;
}

const struct slot *base_slot(const struct base *base, uint32_t window, uint32_t slot)
{
    const struct view_plan *plan = base->plan;
    for (size_t i = 0; i < plan->kept_count; i++) {
        if (plan->kept[i].window != window)
            continue;
        for (size_t j = 0; j < plan->kept[i].slots_count; j++)
            if (plan->kept[i].slots[j] == slot)
                return &base->windows[i].slots[j];
    }
    CHECK(false);
    return NULL;
}

int64_t view_plan_base_until_us(const struct view_plan *plan, struct bytes base)
{
    int64_t gap_us = 0;
    for (size_t i = 0; i < plan->kept_count; i++) {
        const struct window *window = plan->windows[plan->kept[i].window];
        if (window->kind == WINDOW_FOREVER)
            return INT64_MAX;
        gap_us = window->size_us > gap_us ? window->size_us : gap_us;
    }
    int64_t newest_us = base.size < NEWEST_SIZE ? INT64_MAX : be64_read_signed(base.data);
    return newest_us > TIME_MAX_US ? INT64_MAX : newest_us + gap_us;
}

/* ---- folding ---- */

/* A new base on its way back from the newest event that is folded. */
struct folding {
    struct base base;
    struct window_walk *walks; /* one for each of plan->kept */
    bool has_newest;
    struct arena *arena;
};

/* At the newest event, or the old base where there is no event. */
static void folding_start(struct folding *folding, int64_t newest_us)
{
    const struct view_plan *plan = folding->base.plan;
    folding->has_newest = true;
    folding->base.newest_us = newest_us;
    folding->walks = ARENA_NEW_ARRAY(folding->arena, plan->kept_count, struct window_walk);
    for (size_t i = 0; i < plan->kept_count; i++)
        window_walk_start(&folding->walks[i], plan->windows[plan->kept[i].window], newest_us);
}

static void folding_add(struct folding *folding, const struct event *event)
{
    const struct view_plan *plan = folding->base.plan;
    if (!folding->has_newest)
        folding_start(folding, event->time_us);
    for (size_t i = 0; i < plan->kept_count; i++) {
        struct base_window *window = &folding->base.windows[i];
        if (!window_walk_take(&folding->walks[i], event->time_us))
            continue;
        window->oldest_us = event->time_us;
        for (size_t j = 0; j < plan->kept[i].slots_count; j++)
            slot_add(&window->slots[j], event);
    }
}

static void folding_merge(struct folding *folding, const struct base *old)
{
    const struct view_plan *plan = folding->base.plan;
    if (!folding->has_newest)
        folding_start(folding, old->newest_us);
    for (size_t i = 0; i < plan->kept_count; i++) {
        struct base_window *window = &folding->base.windows[i];
        const struct base_window *older = &old->windows[i];
        if (!take_run(&folding->walks[i], old->newest_us, older->oldest_us))
            continue;
        window->oldest_us = older->oldest_us;
        for (size_t j = 0; j < plan->kept[i].slots_count; j++)
            slot_merge(&window->slots[j], &older->slots[j]);
    }
}

static enum status fold_events(struct folding *folding, struct event_reader *reader,
                               struct error *err)
{
    const struct event *event;
    struct base old;
    enum status status;
    while ((status = event_reader_take(reader, &event, err)) == STATUS_OK)
        folding_add(folding, event);
    if (status != STATUS_NOT_FOUND || reader->base.size == 0)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    status = base_decode(&old, folding->base.plan, NULL, reader->base, folding->arena, err);
    if (status == STATUS_OK)
        folding_merge(folding, &old);
    return status;
}

enum status features_fold(const struct view_plan *plan, timeline_back_fn back, void *timeline,
                          struct arena *arena, struct buffer *base, struct error *err)
{
    struct folding folding = {.arena = arena};
    struct event_reader reader;
    if (plan->view->kind == VIEW_BATCH)
        return batch_fold(back, timeline, arena, base, err);
    base_init(&folding.base, plan, arena);
    event_reader_init(&reader, plan, back, timeline, arena);
    enum status status = fold_events(&folding, &reader, err);
    if (status == STATUS_OK) {
        CHECK(folding.has_newest);
        base_encode(&folding.base, base);
    }
    event_reader_fini(&reader);
    return status;
}
