#include "features/condense.h"

#include "features/partial.h"
#include "features/trail.h"

/* One step on its way. */
struct step {
    struct condense *condense;
    const struct view_plan *plan;
    const struct timeline_reader *timeline;
    struct arena *arena;
    condense_emit_fn emit;
    void *context;
};

/* ---- borders ---- */

/* Remembers the chunks that the border cuts. All that were cut before and have their events done
 * are made: so of each level one is open at most, and that is cut again. */
static void cut_at(struct condense *condense, int64_t border_us)
{
    for (unsigned level = 0; level < CHUNK_LEVELS; level++) {
        int64_t end_us = chunk_end_us(border_us, level);
        if (chunk_start_us(border_us, level) < border_us && end_us <= condense->closed_us)
            condense->cut_ends_us[level] = end_us;
    }
}

void condense_start(struct condense *condense, int64_t from_us, int64_t to_us, int64_t closed_us)
{
    *condense = (struct condense){.from_us = from_us, .closed_us = chunk_start_us(closed_us, 0)};
    for (unsigned level = 0; level < CHUNK_LEVELS; level++)
        condense->cut_ends_us[level] = CONDENSE_NO_CUT;
    if (from_us != CONDENSE_FROM_BEGINNING)
        condense->from_us = chunk_start_us(from_us, 0);
    condense->position_us = condense->closed_us;
    if (to_us < condense->closed_us)
        condense->position_us = chunk_end_us(to_us, 0);
    if (condense->position_us <= condense->from_us) {
        condense->position_us = condense->from_us;
        condense->has_all_cuts = true;
    }
}

/* The level of the smallest chunk that was cut and whose events are all done, or CHUNK_LEVELS. */
static unsigned next_cut(const struct condense *condense)
{
    for (unsigned level = 0; level < CHUNK_LEVELS; level++) {
        int64_t end_us = condense->cut_ends_us[level];
        if (end_us != CONDENSE_NO_CUT &&
            (condense->has_all_cuts || end_us - chunk_size_us(level) >= condense->position_us))
            return level;
    }
    return CHUNK_LEVELS;
}

bool condense_is_done(const struct condense *condense)
{
    return condense->has_all_cuts && next_cut(condense) == CHUNK_LEVELS;
}

static void emit_partial(const struct step *step, const struct partial *partial, unsigned level,
                         int64_t end_us)
{
    struct buffer bytes = {0};
    partial_encode(partial, &bytes);
    if (bytes.size <= CONDENSE_PARTIAL_SIZE_MAX)
        step->emit(step->context, &(struct timeline_chunk){.end_us = end_us,
                                                           .level = level,
                                                           .partial = buffer_bytes(&bytes)});
    buffer_fini(&bytes);
}

/* ---- a chunk from the partials in it ---- */

struct composition {
    struct partial whole;
    struct partial part; /* the chunk at hand */
    int64_t start_us;
    unsigned level;
};

static unsigned smaller_level(void *context, int64_t end_us)
{
    const struct composition *composition = context;
    (void)end_us;
    return composition->level > 0 ? composition->level - 1 : 0;
}

static int64_t composed_from_us(void *context)
{
    return ((const struct composition *)context)->start_us;
}

static enum chunk_verdict take_part(void *context, const struct timeline_chunk *chunk)
{
    struct composition *composition = context;
    struct bytes left = chunk->partial;
    if (chunk->level >= composition->level ||
        chunk->end_us - chunk_size_us(chunk->level) < composition->start_us ||
        !partial_decode_head(&composition->part, &left) ||
        !partial_decode_slots(&composition->part, NULL, &left))
        return CHUNK_REFUSED;
    partial_merge(&composition->whole, &composition->part);
    return CHUNK_TAKEN;
}

static enum status compose(const struct step *step, unsigned level, int64_t end_us,
                           struct error *err)
{
    struct composition composition = {.start_us = end_us - chunk_size_us(level), .level = level};
    const struct trail_walker walker = {.context = &composition,
                                        .level_max = smaller_level,
                                        .take = take_part,
                                        .oldest_us = composed_from_us};
    const struct event *event;
    struct trail trail;
    enum status status;
    partial_init(&composition.whole, step->plan, step->arena);
    partial_init(&composition.part, step->plan, step->arena);
    step->timeline->seek(step->timeline->timeline, end_us);
    trail_init(&trail, step->plan, step->timeline, &walker, end_us, step->arena);
    while ((status = trail_next(&trail, &event, err)) == STATUS_OK &&
           event->time_us >= composition.start_us &&
           trail_report(&trail)->events <= CONDENSE_CHUNK_EVENTS_MAX)
        partial_add(&composition.whole, event);
    bool is_whole = status == STATUS_NOT_FOUND ||
                    (status == STATUS_OK && event->time_us < composition.start_us);
    if (is_whole && composition.whole.run.count >= CHUNK_EVENTS_MIN)
        emit_partial(step, &composition.whole, level, end_us);
    trail_fini(&trail);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* ---- a piece of events ---- */

/* Events at or behind low_us and before high_us, and their times, newest first. */
struct piece {
    const struct step *step;
    struct event_reader reader; /* owned */
    struct buffer times;        /* owned: int64_t each */
    int64_t low_us;
    int64_t high_us;
};

static int64_t piece_time_us(const struct piece *piece, size_t i)
{
    int64_t time_us;
    memcpy(&time_us, buffer_bytes(&piece->times).data + i * sizeof(time_us), sizeof(time_us));
    return time_us;
}

static size_t piece_count(const struct piece *piece)
{
    return piece->times.size / sizeof(int64_t);
}

/* Reads times down to oldest_us, until there are count_max of them. NOT_FOUND: there are no more.
 */
static enum status read_times(struct piece *piece, size_t count_max, int64_t oldest_us,
                              struct error *err)
{
    const struct timeline_reader *timeline = piece->step->timeline;
    struct timeline_event event;
    while (piece_count(piece) < count_max) {
        enum status status = timeline->back(timeline->timeline, &event, err);
        if (status != STATUS_OK)
            return status;
        if (event.time_us < oldest_us)
            return STATUS_NOT_FOUND;
        buffer_append(&piece->times, bytes_of(&event.time_us, sizeof(event.time_us)));
    }
    return STATUS_OK;
}

/* How many events lie at or behind the time. */
static size_t count_from(const struct piece *piece, int64_t time_us)
{
    size_t low = 0;
    size_t high = piece_count(piece);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (piece_time_us(piece, middle) >= time_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Ends the piece where a large chunk begins that holds few of its events, so that few are read
 * again. */
static void cut_piece(struct piece *piece)
{
    size_t count = piece_count(piece);
    int64_t oldest_us = piece_time_us(piece, count - 1);
    for (unsigned level = CHUNK_LEVELS; level-- > 0;) {
        piece->low_us = chunk_end_us(oldest_us, level);
        if (count_from(piece, piece->low_us) >= count / 2)
            return;
    }
}

/* Reads the times and decides where the piece ends. */
static enum status find_piece(struct piece *piece, struct error *err)
{
    const struct condense *condense = piece->step->condense;
    const struct timeline_reader *timeline = piece->step->timeline;
    piece->low_us = condense->from_us;
    enum status status =
        timeline->fetch(timeline->timeline, piece->low_us, CONDENSE_EVENTS_MAX, err);
    if (status == STATUS_OK || status == STATUS_LIMIT)
        status = read_times(piece, CONDENSE_EVENTS_MAX, piece->low_us, err);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    cut_piece(piece);
    if (piece->low_us < piece->high_us)
        return STATUS_OK;
    /* All lie in one of the smallest chunks. */
    piece->low_us = chunk_start_us(piece_time_us(piece, 0), 0);
    status = read_times(piece, CONDENSE_CHUNK_EVENTS_MAX, piece->low_us, err);
    if (status == STATUS_OK)
        piece->times.size = 0;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Takes the events down to the time into the partial, if there is one. */
static enum status take_events(struct piece *piece, int64_t oldest_us, struct partial *into,
                               struct error *err)
{
    const struct event *event;
    int64_t time_us;
    enum status status;
    while ((status = event_reader_peek(&piece->reader, &time_us, err)) == STATUS_OK &&
           time_us >= oldest_us) {
        status = event_reader_take(&piece->reader, &event, err);
        if (status != STATUS_OK)
            return status;
        if (into != NULL)
            partial_add(into, event);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status take_chunks(struct piece *piece, unsigned level, size_t from, size_t to,
                               struct partial *into, struct error *err);

/* Takes the events [from, to), which lie in one chunk of the level, into the partial, if there is
 * one; on the way makes the partials of that chunk and of those in it. */
static enum status take_chunk(struct piece *piece, unsigned level, size_t from, size_t to,
                              struct partial *into, struct error *err)
{
    int64_t start_us = chunk_start_us(piece_time_us(piece, from), level);
    int64_t end_us = start_us + chunk_size_us(level);
    bool is_whole = start_us >= piece->low_us && end_us <= piece->high_us;
    struct partial partial;
    if (to - from < CHUNK_EVENTS_MIN)
        return take_events(piece, piece_time_us(piece, to - 1), into, err);
    if (!is_whole) {
        CHECK(level > 0 && into == NULL);
        return take_chunks(piece, level - 1, from, to, NULL, err);
    }
    partial_init(&partial, piece->step->plan, piece->step->arena);
    enum status status = level > 0
                             ? take_chunks(piece, level - 1, from, to, &partial, err)
                             : take_events(piece, piece_time_us(piece, to - 1), &partial, err);
    if (status != STATUS_OK)
        return status;
    if (partial.run.count >= CHUNK_EVENTS_MIN)
        emit_partial(piece->step, &partial, level, end_us);
    if (into != NULL)
        partial_merge(into, &partial);
    return STATUS_OK;
}

/* The same for events of any number of chunks. The depth is that of the levels. */
static enum status take_chunks(struct piece *piece, unsigned level, size_t from, size_t to,
                               struct partial *into, struct error *err)
{
    while (from < to) {
        size_t next = count_from(piece, chunk_start_us(piece_time_us(piece, from), level));
        next = next < to ? next : to; /* what lies before the piece is of the next one */
        enum status status = take_chunk(piece, level, from, next, into, err);
        if (status != STATUS_OK)
            return status;
        from = next;
    }
    return STATUS_OK;
}

static enum status take_piece(const struct step *step, struct error *err)
{
    struct condense *condense = step->condense;
    const struct timeline_reader *timeline = step->timeline;
    struct piece piece = {.step = step, .high_us = condense->position_us};
    cut_at(condense, piece.high_us);
    timeline->seek(timeline->timeline, piece.high_us);
    enum status status = find_piece(&piece, err);
    if (status == STATUS_OK) {
        timeline->seek(timeline->timeline, piece.high_us);
        status = timeline->fetch(timeline->timeline, piece.low_us, CONDENSE_CHUNK_EVENTS_MAX, err);
    }
    if (status == STATUS_OK || status == STATUS_LIMIT) {
        event_reader_init(&piece.reader, step->plan, timeline->back, timeline->timeline,
                          step->arena);
        status =
            take_chunks(&piece, CHUNK_LEVELS - 1, 0, count_from(&piece, piece.low_us), NULL, err);
        event_reader_fini(&piece.reader);
    }
    if (status == STATUS_OK)
        condense->position_us = piece.low_us;
    buffer_fini(&piece.times);
    return status;
}

enum status condense_step(struct condense *condense, const struct view_plan *plan,
                          const struct timeline_reader *timeline, struct arena *arena,
                          condense_emit_fn emit, void *context, struct error *err)
{
    const struct step step = {.condense = condense,
                              .plan = plan,
                              .timeline = timeline,
                              .arena = arena,
                              .emit = emit,
                              .context = context};
    unsigned level = next_cut(condense);
    if (level < CHUNK_LEVELS) {
        int64_t end_us = condense->cut_ends_us[level];
        condense->cut_ends_us[level] = CONDENSE_NO_CUT;
        return compose(&step, level, end_us, err);
    }
    if (condense->position_us > condense->from_us)
        return take_piece(&step, err);
    if (condense->from_us != CONDENSE_FROM_BEGINNING)
        cut_at(condense, condense->from_us);
    condense->has_all_cuts = true;
    return STATUS_OK;
}
