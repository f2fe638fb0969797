/* Stored partials: whatever the bytes, what is decoded can be merged, finished and encoded, and
 * what was decoded whole encodes to bytes that decode again. For libFuzzer. */
#include "state_world.h"
#include "features/partial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct window window = {.kind = WINDOW_FOREVER};

static bool decode(struct partial *partial, struct bytes bytes)
{
    return partial_decode_head(partial, &bytes) && partial_decode_slots(partial, NULL, &bytes);
}

static void use(const struct view_plan *plan, struct partial *partial, struct arena *arena)
{
    struct partial again;
    struct buffer out = {0};
    partial_encode(partial, &out);
    partial_init(&again, plan, arena);
    CHECK(decode(&again, buffer_bytes(&out)));
    if (again.run.count > 0 && again.run.newest_us == partial->run.oldest_us)
        partial_merge(partial, &again);
    for (size_t i = 0; i < STATE_FEATURES_COUNT; i++)
        slot_result(&partial->slots[plan->features[i].slot], &plan->features[i], 0);
    buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { LAYOUT_SIZE = 4 };
    struct view_plan *plan = state_world_plan(&window, 1);
    struct arena *arena = arena_create(64 * 1024);
    struct partial partial;
    struct buffer bytes = {0};
    /* The layout is known, so that the fuzzer need not find it. */
    const uint32_t layout = (uint32_t)plan->slots_digest;
    buffer_append(&bytes, bytes_of(&layout, LAYOUT_SIZE));
    buffer_append(&bytes, bytes_of(data, size));
    partial_init(&partial, plan, arena);
    if (decode(&partial, buffer_bytes(&bytes)))
        use(plan, &partial, arena);
    buffer_fini(&bytes);
    arena_destroy(&arena);
    view_plan_destroy(&plan);
    return 0;
}
