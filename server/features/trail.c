#include "features/trail.h"

#include "features/chunk.h"

enum {
    FEW_EVENTS = 48,     /* of an entity: they are read at once, and chunks not looked for */
    FETCH_EVENTS = 1024, /* between chunks: more are read one by one, which costs more a piece */
};

void trail_init(struct trail *trail, const struct view_plan *plan,
                const struct timeline_reader *timeline, const struct trail_walker *walker,
                int64_t before_us, struct arena *arena)
{
    *trail = (struct trail){
        .timeline = timeline,
        .walker = *walker,
        .taken_from_us = before_us,
        .fetched_from_us = before_us,
        .chunks_until_us = INT64_MAX,
    };
    event_reader_init(&trail->reader, plan, timeline->back, timeline->timeline, arena);
    trail->reader.is_at_end = true; /* of what was fetched: nothing yet */
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

/* Moves the events on: reads them at once, back to where they are needed or to the next chunk, or
 * one by one from here. */
static enum status fetch_events(struct trail *trail, struct error *err)
{
    const struct timeline_reader *timeline = trail->timeline;
    int64_t from_us = trail->walker.oldest_us(trail->walker.context);
    trail->looks_for_chunks |= trail->report.events >= FEW_EVENTS;
    if (trail->looks_for_chunks && trail->chunks_until_us > from_us)
        from_us = trail->chunks_until_us;
    if (from_us > trail->taken_from_us)
        from_us = trail->taken_from_us;
    enum status status = timeline->fetch(timeline->timeline, from_us,
                                         trail->looks_for_chunks ? FETCH_EVENTS : FEW_EVENTS, err);
    trail->fetched_from_us = status == STATUS_OK ? from_us : TRAIL_NOT_FETCHED;
    trail->looks_for_chunks |= status == STATUS_LIMIT;
    if (status == STATUS_OK || status == STATUS_LIMIT)
        trail->reader.is_at_end = false;
    return status == STATUS_LIMIT ? STATUS_OK : status;
}

/* Offers chunks that end from end_min_us to end_us, and then those that end where the ones that
 * were taken begin. */
static enum status offer_chunks(struct trail *trail, int64_t end_min_us, int64_t end_us,
                                bool *is_last, struct error *err)
{
    const struct timeline_reader *timeline = trail->timeline;
    const struct trail_walker *walker = &trail->walker;
    struct timeline_chunk chunk;
    bool has_moved = false;
    enum status status = timeline->chunk_seek(
        timeline->timeline, end_us, walker->level_max(walker->context, end_us), &chunk, err);
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
    if (has_moved) {
        trail->taken_from_us = end_us;
        timeline->seek(timeline->timeline, end_us);
        event_reader_moved(&trail->reader);
    }
    return *is_last ? STATUS_OK : fetch_events(trail, err);
}

/* Where all events that were fetched are given: chunks that end there, or further events. */
static enum status go_on(struct trail *trail, bool *is_last, struct error *err)
{
    int64_t from_us = trail->fetched_from_us;
    trail->taken_from_us = from_us;
    if (trail->looks_for_chunks && trail->chunks_until_us >= from_us)
        return offer_chunks(trail, from_us, from_us, is_last, err);
    if (trail->walker.oldest_us(trail->walker.context) < from_us)
        return fetch_events(trail, err);
    *is_last = trail->report.events > 0; /* the newest event is given in any case */
    trail->fetched_from_us = TRAIL_NOT_FETCHED;
    trail->timeline->seek(trail->timeline->timeline, from_us);
    event_reader_moved(&trail->reader);
    return STATUS_OK;
}

/* Whether the next event may lie in a chunk that was not looked at. */
static bool is_chunk_due(const struct trail *trail, int64_t next_us)
{
    return trail->looks_for_chunks && next_us < trail->chunks_until_us &&
           next_us < trail->taken_from_us;
}

enum status trail_next(struct trail *trail, const struct event **event, struct error *err)
{
    bool is_last = false;
    int64_t next_us;
    enum status status;
    do {
        status = event_reader_peek(&trail->reader, &next_us, err);
        if (status == STATUS_OK && !is_chunk_due(trail, next_us))
            break;
        if (status == STATUS_OK)
            status = offer_chunks(trail, next_us + 1, trail->taken_from_us, &is_last, err);
        else if (status == STATUS_NOT_FOUND && trail->fetched_from_us != TRAIL_NOT_FETCHED)
            status = go_on(trail, &is_last, err);
    } while (status == STATUS_OK && !is_last);
    if (status != STATUS_OK || is_last)
        return status == STATUS_OK ? STATUS_NOT_FOUND : status;

    status = event_reader_take(&trail->reader, event, err);
    if (status == STATUS_OK) {
        count_event(trail, (*event)->time_us);
        trail->taken_from_us = (*event)->time_us;
    }
    return status;
}
