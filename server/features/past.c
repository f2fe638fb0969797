#include "features/past.h"

#include <stdlib.h>

#include "base/check.h"

enum {
    EVENTS_CAPACITY_MIN = 256,
    TEXT_SIZE_BITS = 17, /* of a cell: a text's size, below its place */
};

#define TEXT_SIZE_MASK ((UINT64_C(1) << TEXT_SIZE_BITS) - 1)

_Static_assert(VALUE_STRING_SIZE_MAX < 1 << TEXT_SIZE_BITS, "a cell holds the size of any string");

void past_init(struct past *past, const struct view_plan *plan, const bool *is_wanted)
{
    *past = (struct past){.plan = plan,
                          .places = calloc(plan->columns_count + 1, sizeof(*past->places))};
    CHECK(past->places != NULL);
    for (size_t i = 0; i < plan->columns_count; i++)
        past->places[i] = PLAN_NONE;
    for (size_t i = 0; i < plan->slots_count; i++) {
        uint32_t column = plan->slots[i].column;
        if (is_wanted[i] && column != PLAN_NONE && past->places[column] == PLAN_NONE)
            past->places[column] = (uint32_t)past->columns_count++;
    }
}

void past_fini(struct past *past)
{
    free(past->places);
    free(past->times_us);
    free(past->cells);
    free(past->kinds);
    free(past->wheres);
    buffer_fini(&past->texts);
    *past = (struct past){0};
}

void past_reset(struct past *past)
{
    past->first = past->end = past->start = 0;
    past->texts.start = past->texts.size = 0;
    past->texts_start = 0;
}

/* Makes an array of capacity elements of size bytes, or moves what is kept to its front. */
static void *array_fit(void *array, const struct past *past, size_t capacity, size_t size)
{
    size_t count = (size_t)(past->end - past->first);
    if (capacity == past->capacity) {
        memmove(array, (char *)array + past->start * size, count * size);
        return array;
    }
    char *grown = malloc(capacity * size + 1);
    CHECK(grown != NULL);
    if (count > 0)
        memcpy(grown, (char *)array + past->start * size, count * size);
    free(array);
    return grown;
}

/* Makes room for one event behind the newest. */
static void past_fit(struct past *past)
{
    size_t count = (size_t)(past->end - past->first);
    size_t capacity = past->capacity > EVENTS_CAPACITY_MIN ? past->capacity : EVENTS_CAPACITY_MIN;
    if (past->start + count < past->capacity)
        return;
    if (count > capacity / 2)
        capacity *= 2;
    past->times_us = array_fit(past->times_us, past, capacity, sizeof(*past->times_us));
    past->cells =
        array_fit(past->cells, past, capacity, past->columns_count * sizeof(*past->cells));
    past->kinds =
        array_fit(past->kinds, past, capacity, past->columns_count * sizeof(*past->kinds));
    past->wheres =
        array_fit(past->wheres, past, capacity, past->plan->wheres_count * sizeof(*past->wheres));
    past->capacity = capacity;
    past->start = 0;
}

static uint64_t cell_of(struct past *past, const struct value *value)
{
    uint64_t cell = 0;
    if (value->kind == VALUE_STRING) {
        cell = (past->texts_start + past->texts.size) << TEXT_SIZE_BITS | value->text.size;
        buffer_append(&past->texts, value->text);
    } else if (value->kind == VALUE_DOUBLE) {
        memcpy(&cell, &value->real, sizeof(cell));
    } else if (value->kind != VALUE_NULL && value->kind != VALUE_OVERFLOW) {
        cell = (uint64_t)value->integer;
    }
    return cell;
}

void past_append(struct past *past, const struct event *event)
{
    past_fit(past);
    size_t index = past->start + (size_t)(past->end - past->first);
    size_t wheres_count = past->plan->wheres_count;
    past->times_us[index] = event->time_us;
    for (size_t i = 0; i < past->plan->columns_count; i++) {
        if (past->places[i] == PLAN_NONE)
            continue;
        size_t place = index * past->columns_count + past->places[i];
        past->cells[place] = cell_of(past, &event->values[i]);
        past->kinds[place] = (uint8_t)event->values[i].kind;
    }
    if (wheres_count > 0)
        memcpy(&past->wheres[index * wheres_count], event->wheres,
               wheres_count * sizeof(*past->wheres));
    past->end++;
}

/* Forgets the texts of events below the number, but perhaps some of the last one: strings lie in
 * the order of their events. */
static void forget_texts(struct past *past, uint64_t number)
{
    size_t count = past->columns_count;
    size_t i = (size_t)(number - past->first) * count;
    const uint8_t *kinds = &past->kinds[past->start * count];
    while (i > 0 && kinds[i - 1] != VALUE_STRING)
        i--;
    if (i == 0)
        return;
    uint64_t cell = past->cells[past->start * count + i - 1];
    uint64_t end = (cell >> TEXT_SIZE_BITS) + (cell & TEXT_SIZE_MASK);
    buffer_consume(&past->texts, (size_t)(end - past->texts_start));
    past->texts_start = end;
}

void past_forget(struct past *past, uint64_t number)
{
    if (number <= past->first)
        return;
    CHECK(number <= past->end);
    if (past->texts.size > 0)
        forget_texts(past, number);
    past->start += (size_t)(number - past->first);
    past->first = number;
}

size_t past_used_bytes(const struct past *past)
{
    size_t event_size = sizeof(*past->times_us) +
                        past->columns_count * (sizeof(*past->cells) + sizeof(*past->kinds)) +
                        past->plan->wheres_count * sizeof(*past->wheres);
    return (size_t)(past->end - past->first) * event_size + past->texts.size;
}

/* Where events lie, as a slot takes them. */
struct view_of_slot {
    const uint64_t *cells; /* of the slot's column, stride apart; NULL: it has no argument */
    const uint8_t *kinds;
    size_t stride;
    const bool *wheres; /* of its where, wheres_stride apart; NULL: it has none */
    size_t wheres_stride;
    const int64_t *times_us;
    const char *texts; /* of the place 0 */
    uint8_t digits;
};

static struct view_of_slot view_of(const struct past *past, const struct slot_plan *plan)
{
    struct view_of_slot view = {.stride = past->columns_count,
                                .wheres_stride = past->plan->wheres_count,
                                .times_us = &past->times_us[past->start],
                                .texts = buffer_bytes(&past->texts).data,
                                .digits = plan->argument_type.digits};
    if (plan->column != PLAN_NONE) {
        size_t place = past->start * view.stride + past->places[plan->column];
        view.cells = &past->cells[place];
        view.kinds = &past->kinds[place];
    }
    if (plan->where != PLAN_NONE)
        view.wheres = &past->wheres[past->start * view.wheres_stride + plan->where];
    return view;
}

/* The value of the i-th event that is there. false: the slot does not take it. */
static inline bool take_value(const struct past *past, const struct view_of_slot *view, size_t i,
                              struct value *value)
{
    if (view->wheres != NULL && !view->wheres[i * view->wheres_stride])
        return false;
    if (view->cells == NULL)
        return true;
    uint64_t cell = view->cells[i * view->stride];
    value->kind = view->kinds[i * view->stride];
    value->digits = view->digits;
    if (value->kind == VALUE_NULL)
        return false;
    if (value->kind == VALUE_STRING)
        value->text = bytes_of(view->texts + ((cell >> TEXT_SIZE_BITS) - past->texts_start),
                               cell & TEXT_SIZE_MASK);
    else
        memcpy(&value->integer, &cell, sizeof(cell));
    return true;
}

void past_add(const struct past *past, struct slot *slot, uint64_t from, uint64_t to)
{
    const struct view_of_slot view = view_of(past, slot->plan);
    struct value value;
    CHECK(from >= past->first && to <= past->end);
    for (size_t i = (size_t)(to - past->first); i > (size_t)(from - past->first); i--)
        if (take_value(past, &view, i - 1, &value))
            slot_add_value(slot, view.cells == NULL ? NULL : &value, view.times_us[i - 1]);
}

void past_add_newer(const struct past *past, struct slot *slot, uint64_t from, uint64_t to)
{
    const struct view_of_slot view = view_of(past, slot->plan);
    struct value value;
    CHECK(from >= past->first && to <= past->end);
    for (size_t i = (size_t)(from - past->first); i < (size_t)(to - past->first); i++)
        if (take_value(past, &view, i, &value))
            slot_add_newer_value(slot, view.cells == NULL ? NULL : &value, view.times_us[i]);
}
