#include "lane.h"

#include <stdio.h>

#include "base/check.h"

void lane_init(struct lane *lane, const char *producer)
{
    CHECK(strlen(producer) < LANE_PRODUCER_SIZE);
    *lane = (struct lane){0};
    snprintf(lane->producer, sizeof(lane->producer), "%s", producer);
}

void lane_fini(struct lane *lane)
{
    batch_fini(&lane->batch);
    *lane = (struct lane){0};
}

bool lane_advance(struct lane *lane)
{
    const struct batch *batch = &lane->batch;
    while (lane->start < batch->count && batch->events[lane->start].is_refused)
        lane->start++;
    lane->end = lane->start;
    while (lane->end < batch->count && !batch->events[lane->end].is_refused)
        lane->end++;
    if (lane->start < lane->end) {
        lane->sequence++;
        return true;
    }
    batch_reset(&lane->batch);
    lane->start = 0;
    lane->end = 0;
    return false;
}

void lane_request(const struct lane *lane, struct asof_push *push)
{
    CHECK(lane->start < lane->end);
    asof_push_reset(push);
    asof_push_set_producer(push, lane->producer, lane->sequence);
    for (size_t i = lane->start; i < lane->end; i++) {
        struct bytes json = batch_json(&lane->batch, i);
        asof_push_add_json(push, json.data, json.size);
    }
}

size_t lane_acknowledge(struct lane *lane)
{
    size_t count = lane->end - lane->start;
    lane->start = lane->end;
    return count;
}

size_t lane_refuse(struct lane *lane, size_t number)
{
    if (number < 1 || number > lane->end - lane->start)
        return SIZE_MAX;
    size_t index = lane->start + number - 1;
    lane->batch.events[index].is_refused = true;
    return index;
}

void lane_cut(struct lane *lane, size_t index)
{
    CHECK(index >= lane->start);
    CHECK(index <= lane->batch.count);
    lane->batch.count = index;
}
