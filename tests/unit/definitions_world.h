/* A database of definitions for tests: rows that are kept, and the snapshot loaded from them. */
#ifndef ASOF_TESTS_DEFINITIONS_WORLD_H
#define ASOF_TESTS_DEFINITIONS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_checks.h"
#include "registry/registry.h"

enum { WORLD_ROWS_MAX = 64 };

struct world {
    struct arena *arena; /* rows and plans */
    struct registry_row rows[WORLD_ROWS_MAX];
    size_t rows_count;
    struct registry *registry;
};

static inline void world_load(struct world *world)
{
    struct error err = {0};
    registry_destroy(&world->registry);
    enum status status =
        registry_load(world->rows, world->rows_count, fake_checks(), &world->registry, &err);
    if (status != STATUS_OK)
        fail_msg("load: %s", err.text);
}

static inline struct world world_create(void)
{
    struct world world = {.arena = arena_create(4096)};
    world_load(&world);
    return world;
}

static inline void world_destroy(struct world *world)
{
    registry_destroy(&world->registry);
    arena_destroy(&world->arena);
}

/* Writes the rows of a plan over those of the same keys, and loads the snapshot anew. */
static inline void world_commit(struct world *world, const struct registry_plan *plan)
{
    for (size_t i = 0; i < plan->rows_count; i++) {
        size_t place = 0;
        while (place < world->rows_count && !bytes_equal(world->rows[place].key, plan->rows[i].key))
            place++;
        assert_true(place < WORLD_ROWS_MAX);
        if (place == world->rows_count)
            world->rows_count++;
        world->rows[place] = plan->rows[i];
        if (plan->rows[i].value.data == NULL)
            world->rows[place] = world->rows[--world->rows_count];
    }
    world_load(world);
}

static inline enum status world_plan(struct world *world, const char *text,
                                     struct registry_plan *plan, struct error *err)
{
    const struct definition_file file = {.name = bytes_of_text("a.yaml"),
                                         .text = bytes_of_text(text)};
    return registry_plan(world->registry, &file, 1, fake_checks(), world->arena, plan, err);
}

static inline struct registry_plan world_apply(struct world *world, const char *text)
{
    struct registry_plan plan;
    struct error err = {0};
    if (world_plan(world, text, &plan, &err) != STATUS_OK)
        fail_msg("apply: %s", err.text);
    world_commit(world, &plan);
    return plan;
}

/* The changes of a plan in one text: "new source payments; changed view v@2 (a: over 5m -> 10m)".
 */
static inline void assert_changes(const struct registry_plan *plan, const char *expected)
{
    static const char *const kinds[] = {"new", "changed", "described", "unchanged"};
    struct buffer text = {0};
    for (size_t i = 0; i < plan->changes_count; i++) {
        const struct change *change = &plan->changes[i];
        buffer_format(&text, "%s%s %s %.*s", i == 0 ? "" : "; ", kinds[change->kind], change->noun,
                      BYTES_ARGS(change->name));
        if (change->version > 0)
            buffer_format(&text, "@%u", change->version);
        if (change->detail.size > 0)
            buffer_format(&text, " (%.*s)", BYTES_ARGS(change->detail));
    }
    buffer_append_byte(&text, '\0');
    assert_string_equal(buffer_bytes(&text).data, expected);
    buffer_fini(&text);
}

#define PAYMENTS                                                                                   \
    "sources:\n"                                                                                   \
    "  payments:\n"                                                                                \
    "    fields: {txn: string, ts: timestamp_ms, card: string, country: string,\n"                 \
    "             amount: decimal(2), status: string}\n"                                           \
    "    event_time: ts\n"                                                                         \
    "    event_id: txn\n"
#define CARD "entities: {card: {keys: [card]}}\n"
#define VIEW_BEGIN                                                                                 \
    "views:\n"                                                                                     \
    "  card_payments:\n"                                                                           \
    "    source: payments\n"                                                                       \
    "    entity: card\n"                                                                           \
    "    features:\n"
#define BASE PAYMENTS CARD VIEW_BEGIN

#endif
