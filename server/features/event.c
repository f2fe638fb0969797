#include "features/event.h"

#include "features/row.h"

static void event_init(struct event *event, const struct view_plan *plan, struct arena *arena)
{
    *event = (struct event){
        .values = ARENA_NEW_ARRAY(arena, plan->columns_count, struct value),
        .wheres = ARENA_NEW_ARRAY(arena, plan->wheres_count, bool),
    };
}

void event_reader_init(struct event_reader *reader, const struct view_plan *plan,
                       timeline_back_fn back, void *timeline, struct arena *arena)
{
    *reader = (struct event_reader){.plan = plan, .back = back, .timeline = timeline};
    event_init(&reader->events[0], plan, arena);
    event_init(&reader->events[1], plan, arena);
    reader->next = &reader->events[0];
}

void event_reader_fini(struct event_reader *reader)
{
    buffer_fini(&reader->events[0].memory);
    buffer_fini(&reader->events[1].memory);
}

/* Steps back and decodes into event. */
static enum status read_event(struct event_reader *reader, struct event *event, struct error *err)
{
    struct timeline_event next = {0};
    enum status status = reader->back(reader->timeline, &next, err);
    if (status != STATUS_OK)
        return status;
    if (next.is_base) {
        reader->base = next.row;
        return STATUS_NOT_FOUND;
    }
    struct bytes identity = view_plan_identity(reader->plan, next.identity);
    event->memory.start = event->memory.size = 0;
    buffer_append(&event->memory, identity);
    buffer_append(&event->memory, next.row);
    event->time_us = next.time_us;
    event->identity = bytes_of(buffer_bytes(&event->memory).data, identity.size);
    event->row = bytes_after(buffer_bytes(&event->memory), identity.size);
    if (row_decode(reader->plan, event->row, event->values, event->wheres) != STATUS_OK)
        return error_set(err, STATUS_CORRUPT, "view '%.*s': a stored event can't be read",
                         BYTES_ARGS(reader->plan->view->name));
    return STATUS_OK;
}

static bool is_same_event(const struct view_plan *plan, const struct event *a,
                          const struct event *b)
{
    return plan->has_event_id && a->time_us == b->time_us && bytes_equal(a->identity, b->identity);
}

/* Whether a is greater than b by the fields of the view, in the source's order. */
static bool is_greater(const struct view_plan *plan, const struct event *a, const struct event *b)
{
    for (size_t i = 0; i < plan->compared_count; i++) {
        int order = value_compare(&a->values[i], &b->values[i]);
        if (order != 0)
            return order > 0;
    }
    return false;
}

static struct event *other_event(struct event_reader *reader, const struct event *event)
{
    return event == &reader->events[0] ? &reader->events[1] : &reader->events[0];
}

void event_reader_moved(struct event_reader *reader)
{
    reader->has_next = reader->is_at_end = false;
}

/* Reads ahead, if that is still to be done. */
static enum status read_ahead(struct event_reader *reader, struct error *err)
{
    if (reader->has_next)
        return STATUS_OK;
    enum status status =
        reader->is_at_end ? STATUS_NOT_FOUND : read_event(reader, reader->next, err);
    reader->has_next = status == STATUS_OK;
    reader->is_at_end = status == STATUS_NOT_FOUND;
    return status;
}

enum status event_reader_peek(struct event_reader *reader, int64_t *time_us, struct error *err)
{
    enum status status = read_ahead(reader, err);
    if (status == STATUS_OK)
        *time_us = reader->next->time_us;
    return status;
}

enum status event_reader_take(struct event_reader *reader, const struct event **event,
                              struct error *err)
{
    enum status status = read_ahead(reader, err);
    if (status != STATUS_OK)
        return status;
    struct event *greatest = reader->next;
    reader->next = other_event(reader, greatest);
    reader->has_next = false;
    while ((status = read_ahead(reader, err)) == STATUS_OK &&
           is_same_event(reader->plan, greatest, reader->next)) {
        if (is_greater(reader->plan, reader->next, greatest)) {
            struct event *smaller = greatest;
            greatest = reader->next;
            reader->next = smaller;
        }
        reader->has_next = false;
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    *event = greatest;
    return STATUS_OK;
}
