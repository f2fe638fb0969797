#include "stream/arrivals.h"

#include <stdlib.h>

#include "base/check.h"

struct named_freshness {
    char name[NAME_SIZE_MAX];
    size_t name_size;
    struct freshness freshness;
};

void arrivals_init(struct arrivals *arrivals)
{
    *arrivals = (struct arrivals){.items = calloc(ARRIVALS_MAX, sizeof(*arrivals->items))};
    CHECK(arrivals->items != NULL);
}

void arrivals_fini(struct arrivals *arrivals)
{
    for (size_t i = 0; i < arrivals->views_count; i++)
        free(arrivals->views[i]);
    free(arrivals->views);
    free(arrivals->items);
    *arrivals = (struct arrivals){0};
}

static struct named_freshness *add_view(struct arrivals *arrivals, struct bytes view)
{
    size_t count = arrivals->views_count;
    struct named_freshness *added = calloc(1, sizeof(*added));
    arrivals->views = realloc(arrivals->views, (count + 1) * sizeof(struct named_freshness *));
    CHECK(added != NULL && arrivals->views != NULL && view.size <= sizeof(added->name));
    memcpy(added->name, view.data, view.size);
    added->name_size = view.size;
    added->freshness.since_event.scale = &histogram_ages;
    added->freshness.since_append.scale = &histogram_ages;
    arrivals->views[arrivals->views_count++] = added;
    return added;
}

struct freshness *arrivals_find_view(struct arrivals *arrivals, struct bytes view)
{
    for (size_t i = 0; i < arrivals->views_count; i++) {
        struct named_freshness *known = arrivals->views[i];
        if (bytes_equal(bytes_of(known->name, known->name_size), view))
            return &known->freshness;
    }
    return &add_view(arrivals, view)->freshness;
}

void arrivals_bind(struct arrivals *arrivals, struct runtime *runtime)
{
    for (size_t i = 0; i < runtime->sources_count; i++) {
        struct source_runtime *source = &runtime->sources[i];
        for (size_t j = 0; j < source->inputs_count; j++)
            if (source->inputs[j].is_shown)
                source->inputs[j].freshness =
                    arrivals_find_view(arrivals, source->inputs[j].view->name);
    }
}

void arrivals_add(struct arrivals *arrivals, const struct source_runtime *source, bool is_first,
                  struct freshness *view, int64_t event_us, int64_t appended_us)
{
    if (arrivals->count == ARRIVALS_MAX)
        return;
    arrivals->items[arrivals->count++] = (struct arrival){.view = view,
                                                          .source = is_first ? source : NULL,
                                                          .event_us = event_us,
                                                          .appended_us = appended_us};
}

static void count_missed(const struct source_runtime *source, int64_t waited_us)
{
    int64_t slo_us = source->source->definition->freshness_slo_us;
    if (slo_us != DURATION_NONE && waited_us > slo_us)
        atomic_fetch_add_explicit(&source->state->time.missed_total, 1, memory_order_relaxed);
}

void arrivals_observe(struct arrivals *arrivals, int64_t now_us)
{
    for (size_t i = 0; i < arrivals->count; i++) {
        const struct arrival *arrival = &arrivals->items[i];
        int64_t waited_us = now_us - arrival->appended_us;
        histogram_observe(&arrival->view->since_append, waited_us);
        if (arrival->event_us != TIME_MIN_US)
            histogram_observe(&arrival->view->since_event, now_us - arrival->event_us);
        if (arrival->source != NULL)
            count_missed(arrival->source, waited_us);
    }
}
