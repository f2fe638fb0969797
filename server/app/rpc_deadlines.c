/* A binary heap; each call knows its place, so that it is taken out without a search. */
#include <stdlib.h>

#include "app/rpc_call.h"
#include "base/check.h"

enum { CAPACITY_MIN = 64 };

static bool is_earlier(const struct rpc_call *a, const struct rpc_call *b)
{
    return a->deadline_mono_us < b->deadline_mono_us;
}

/* Places count from 1, as those of the children of n are 2n and 2n + 1. */
static void put(struct rpc_deadlines *deadlines, size_t place, struct rpc_call *call)
{
    deadlines->calls[place - 1] = call;
    call->waiting_place = place;
}

static void settle_up(struct rpc_deadlines *deadlines, size_t place, struct rpc_call *call)
{
    for (; place > 1 && is_earlier(call, deadlines->calls[place / 2 - 1]); place /= 2)
        put(deadlines, place, deadlines->calls[place / 2 - 1]);
    put(deadlines, place, call);
}

static void settle_down(struct rpc_deadlines *deadlines, size_t place, struct rpc_call *call)
{
    for (size_t child; (child = 2 * place) <= deadlines->count; place = child) {
        if (child < deadlines->count &&
            is_earlier(deadlines->calls[child], deadlines->calls[child - 1]))
            child++;
        if (!is_earlier(deadlines->calls[child - 1], call))
            break;
        put(deadlines, place, deadlines->calls[child - 1]);
    }
    put(deadlines, place, call);
}

int64_t rpc_deadlines_next(const struct rpc_deadlines *deadlines)
{
    return deadlines->count == 0 ? INT64_MAX : deadlines->calls[0]->deadline_mono_us;
}

void rpc_deadlines_add(struct rpc_deadlines *deadlines, struct rpc_call *call)
{
    if (call->waiting_place != 0)
        return;
    if (deadlines->count == deadlines->capacity) {
        deadlines->capacity = deadlines->capacity == 0 ? CAPACITY_MIN : 2 * deadlines->capacity;
        deadlines->calls =
            realloc(deadlines->calls, deadlines->capacity * sizeof(struct rpc_call *));
        CHECK(deadlines->calls != NULL);
    }
    settle_up(deadlines, ++deadlines->count, call);
}

void rpc_deadlines_remove(struct rpc_deadlines *deadlines, struct rpc_call *call)
{
    size_t place = call->waiting_place;
    if (place == 0)
        return;
    CHECK(deadlines->calls[place - 1] == call);
    call->waiting_place = 0;
    struct rpc_call *last = deadlines->calls[--deadlines->count];
    if (last == call)
        return;
    if (place > 1 && is_earlier(last, deadlines->calls[place / 2 - 1]))
        settle_up(deadlines, place, last);
    else
        settle_down(deadlines, place, last);
}
