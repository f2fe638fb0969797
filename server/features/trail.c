#include "features/trail.h"

#include "features/chunk.h"

void trail_init(struct trail *trail, const struct view_plan *plan,
                const struct timeline_reader *timeline, const struct trail_walker *walker,
                int64_t before_us, struct arena *arena)
{
    *trail = (struct trail){
        .timeline = timeline,
        .walker = *walker,
        .taken_from_us = before_us,
        .chunks_until_us = timeline->chunk_seek == NULL ? INT64_MIN : INT64_MAX,
    };
    event_reader_init(&trail->reader, plan, timeline->back, timeline->timeline, arena);
}

void trail_fini(struct trail *trail)
{
    event_reader_fini(&trail->reader);
}

static void end_stretch(struct trail *trail)
{
    if (trail->stretch.events > trail->report.longest.events)
        trail->report.longest = trail->stretch;
    trail->stretch.events = 0;
}

static void count_event(struct trail *trail, int64_t time_us)
{
    trail->report.events++;
    if (trail->stretch.events++ == 0)
        trail->stretch.newest_us = time_us;
    trail->stretch.oldest_us = time_us;
}

const struct walk_report *trail_report(struct trail *trail)
{
    end_stretch(trail);
    return &trail->report;
}

/* Offers chunks, from that on which ends where the events that were given begin, until one is refused
 * whose place no smaller one takes. next_us is the time of the next event. */
static enum status offer_chunks(struct trail *trail, int64_t next_us, bool *is_last,
                                struct error *err)
{
    const struct timeline_reader *timeline = trail->timeline;
    const struct trail_walker *walker = &trail->walker;
    struct timeline_chunk chunk;
    bool has_moved = false;
    int64_t end_min_us = next_us + 1;
    int64_t end_us = trail->taken_from_us;
    enum status status = timeline->chunk_seek(timeline->timeline, end_us,
                                              walker->level_max(walker->context, end_us), &chunk,
                                              err);
    while (status == STATUS_OK && chunk.end_us >= end_min_us && !*is_last) {
        enum chunk_verdict verdict = walker->take(walker->context, &chunk);
        if (verdict == CHUNK_REFUSED) {
            status = timeline->chunk_back(timeline->timeline, &chunk, err);
            continue;
        }
        *is_last = verdict == CHUNK_LAST;
        trail->report.chunks++;
        end_stretch(trail);
        has_moved = true;
        end_us = end_min_us = chunk.end_us - chunk_size_us(chunk.level);
        status = timeline->chunk_seek(timeline->timeline, end_us,
                                      walker->level_max(walker->context, end_us), &chunk, err);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    trail->chunks_until_us = status == STATUS_OK ? chunk.end_us : INT64_MIN;
    trail->taken_from_us = end_us;
    if (has_moved) {
        timeline->seek(timeline->timeline, end_us);
        event_reader_moved(&trail->reader);
    }
    return STATUS_OK;
}

enum status trail_next(struct trail *trail, const struct event **event, struct error *err)
{
    int64_t next_us;
    bool is_last = false;
    if (trail->chunks_until_us > INT64_MIN &&
        trail->report.events >= trail->walker.first_events) {
        enum status status = event_reader_peek(&trail->reader, &next_us, err);
        if (status == STATUS_OK && next_us < trail->chunks_until_us &&
            next_us < trail->taken_from_us)
            status = offer_chunks(trail, next_us, &is_last, err);
        if (status != STATUS_OK)
            return status;
    }
    if (is_last)
        return STATUS_NOT_FOUND;
    enum status status = event_reader_take(&trail->reader, event, err);
    if (status == STATUS_OK) {
        count_event(trail, (*event)->time_us);
        trail->taken_from_us = (*event)->time_us;
    }
    return status;
}
