#include "lane.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum { REQUEST_WORDS = 5 }; /* ASOF.PUSH source PRODUCER name sequence */

void lane_init(struct lane *lane, const char *producer)
{
    CHECK(strlen(producer) < LANE_PRODUCER_SIZE);
    *lane = (struct lane){0};
    snprintf(lane->producer, sizeof(lane->producer), "%s", producer);
}

void lane_fini(struct lane *lane)
{
    batch_fini(&lane->batch);
    free(lane->words);
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

const struct bytes *lane_request(struct lane *lane, struct bytes source, size_t *words_count)
{
    CHECK(lane->start < lane->end);
    size_t count = REQUEST_WORDS + lane->end - lane->start;
    if (count > lane->words_capacity) {
        lane->words = realloc(lane->words, count * sizeof(*lane->words));
        CHECK(lane->words != NULL);
        lane->words_capacity = count;
    }
    snprintf(lane->sequence_text, sizeof(lane->sequence_text), "%" PRIu64, lane->sequence);
    lane->words[0] = bytes_of_text("ASOF.PUSH");
    lane->words[1] = source;
    lane->words[2] = bytes_of_text("PRODUCER");
    lane->words[3] = bytes_of_text(lane->producer);
    lane->words[4] = bytes_of_text(lane->sequence_text);
    for (size_t i = lane->start; i < lane->end; i++)
        lane->words[REQUEST_WORDS + i - lane->start] = batch_json(&lane->batch, i);
    *words_count = count;
    return lane->words;
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
