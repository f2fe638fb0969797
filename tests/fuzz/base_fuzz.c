/* Stored bases: whatever the bytes, what can be read answers questions and is folded again into
 * bytes that can be read, which answer the same. For libFuzzer. */
#include "state_world.h"
#include "features/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct window windows[] = {
    {.kind = WINDOW_FOREVER},
    {.kind = WINDOW_SESSION, .size_us = 1000},
    {.kind = WINDOW_SESSION, .size_us = 5000000},
};
enum { WINDOWS_COUNT = sizeof(windows) / sizeof(windows[0]) };

/* A timeline that holds nothing but a base. */
static enum status base_back(void *context, struct timeline_event *event, struct error *err)
{
    struct bytes *base = context;
    (void)err;
    if (base->size == 0)
        return STATUS_NOT_FOUND;
    *event = (struct timeline_event){.is_base = true, .row = *base};
    *base = (struct bytes){0};
    return STATUS_OK;
}

static enum status ask(const struct view_plan *plan, struct bytes base, struct arena *arena,
                       struct answer *answer)
{
    const struct question question = {.view = plan->view, .t_us = 1700000000000000};
    struct error err;
    return features_evaluate(plan, &question, base_back, &base, arena, answer, &err);
}

static void use(const struct view_plan *plan, struct bytes base, struct arena *arena)
{
    struct answer before;
    struct answer after;
    struct buffer folded = {0};
    struct bytes left = base;
    view_plan_base_until_us(plan, base);
    if (ask(plan, base, arena, &before) != STATUS_OK)
        return;
    if (features_fold(plan, base_back, &left, arena, &folded, NULL) == STATUS_OK) {
        CHECK(ask(plan, buffer_bytes(&folded), arena, &after) == STATUS_OK);
        CHECK(before.is_found == after.is_found);
        for (size_t i = 0; i < before.count; i++) {
            CHECK(before.values[i].kind == after.values[i].kind);
            CHECK(value_compare(&before.values[i], &after.values[i]) == 0);
        }
    }
    buffer_fini(&folded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { NEWEST_SIZE = 8, LAYOUT_SIZE = 4 };
    struct view_plan *plan = state_world_plan(windows, WINDOWS_COUNT);
    struct arena *arena = arena_create(64 * 1024);
    struct buffer bytes = {0};
    /* The layout is known, so that the fuzzer need not find it. */
    if (size >= NEWEST_SIZE) {
        buffer_append(&bytes, bytes_of(data, NEWEST_SIZE));
        buffer_append(&bytes, bytes_of(&plan->kept_digest, LAYOUT_SIZE));
        buffer_append(&bytes, bytes_of(data + NEWEST_SIZE, size - NEWEST_SIZE));
        use(plan, buffer_bytes(&bytes), arena);
    }
    buffer_fini(&bytes);
    arena_destroy(&arena);
    view_plan_destroy(&plan);
    return 0;
}
