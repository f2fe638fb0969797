#include "features/slot.h"

#include "base/check.h"
#include "base/varint.h"

void slot_init(struct slot *slot, const struct slot_plan *plan, struct arena *arena)
{
    *slot = (struct slot){
        .plan = plan,
        .context = {.argument_type = plan->argument_type, .arena = arena},
        .state = arena_allocate_array(arena, 1, plan->accumulator->state_size),
    };
}

/* Whether the value spoils the results, in place of being one. */
static bool spoils(struct slot *slot, const struct value *value)
{
    bool is_spoiling = value != NULL && value->kind == VALUE_OVERFLOW &&
                       slot->plan->accumulator->overflow == OVERFLOW_SPOILS;
    slot->is_spoiled |= is_spoiling;
    return is_spoiling;
}

void slot_add_value(struct slot *slot, const struct value *value, int64_t time_us)
{
    if (!spoils(slot, value))
        slot->plan->accumulator->add(slot->state, &slot->context, value, time_us);
}

void slot_add_newer_value(struct slot *slot, const struct value *value, int64_t time_us)
{
    if (!spoils(slot, value))
        slot->plan->accumulator->add_newer(slot->state, &slot->context, value, time_us);
}

/* What of the event the slot takes: NULL where it has no argument. false: nothing. */
static bool select_value(const struct slot *slot, const struct event *event,
                         const struct value **value)
{
    const struct slot_plan *plan = slot->plan;
    if (plan->where != PLAN_NONE && !event->wheres[plan->where])
        return false;
    *value = plan->column == PLAN_NONE ? NULL : &event->values[plan->column];
    return *value == NULL || (*value)->kind != VALUE_NULL;
}

void slot_add(struct slot *slot, const struct event *event)
{
    const struct value *value;
    if (select_value(slot, event, &value))
        slot_add_value(slot, value, event->time_us);
}

void slot_add_newer(struct slot *slot, const struct event *event)
{
    const struct value *value;
    if (select_value(slot, event, &value))
        slot_add_newer_value(slot, value, event->time_us);
}

void slot_merge(struct slot *slot, const struct slot *older)
{
    CHECK(slot->plan->accumulator == older->plan->accumulator);
    slot->is_spoiled |= older->is_spoiled;
    slot->plan->accumulator->merge(slot->state, &slot->context, older->state);
}

struct result slot_result(const struct slot *slot, const struct feature_plan *feature, int64_t t_us)
{
    const struct aggregation *aggregation = feature->aggregation;
    struct aggregate_context context = slot->context;
    context.type = feature->definition->type;
    context.t_us = t_us;
    if (slot->is_spoiled)
        return (struct result){.value = value_overflow(), .base_us = ANSWER_NO_BASE};
    return (struct result){
        .value = aggregation->finish(slot->state, &context),
        .base_us = aggregation->is_relative ? aggregation->base_us(slot->state) : ANSWER_NO_BASE,
    };
}

void slot_encode(const struct slot *slot, struct buffer *out)
{
    struct buffer state = {0};
    slot->plan->accumulator->encode(slot->state, &state);
    varint_append(out, (uint64_t)state.size << 1 | slot->is_spoiled);
    buffer_append(out, buffer_bytes(&state));
    buffer_fini(&state);
}

bool slot_decode(struct slot *slot, struct bytes *left)
{
    uint64_t head;
    if (!varint_take(left, &head) || head >> 1 > left->size)
        return false;
    struct bytes state = bytes_of(left->data, head >> 1);
    *left = bytes_after(*left, state.size);
    if (slot == NULL)
        return true;
    slot->is_spoiled = head & 1;
    return slot->plan->accumulator->decode(slot->state, &slot->context, &state) && state.size == 0;
}
