#include "query/catalog.h"

#include <stdlib.h>

#include "base/check.h"
#include "features/features.h"
#include "query/composite.h"

enum { CATALOG_CHUNK_SIZE = 4096 };

struct catalog_board {
    struct epoch *epoch;             /* borrowed */
    struct catalog *_Atomic current; /* owned */
    uint64_t last_number;
};

struct catalog_board *catalog_board_create(struct epoch *epoch)
{
    struct catalog_board *board = calloc(1, sizeof(*board));
    CHECK(board != NULL);
    board->epoch = epoch;
    return board;
}

static size_t versions_count(const struct registry *registry)
{
    size_t count = 0;
    for (size_t i = 0; i < registry->views_count; i++)
        count += registry->views[i].versions_count;
    return count;
}

static struct readable readable_create(const struct registry *registry, const struct view *view,
                                       const struct view_version *version, find_time_fn find_time,
                                       void *context)
{
    struct bytes source = version->definition->source;
    if (view_kind_is_derived(version->definition->kind))
        return (struct readable){.view = view, .version = version};
    return (struct readable){
        .view = view,
        .version = version,
        .plan = view_plan_create(version->definition),
        .clock = registry_find_source(registry, source)->definition->clock,
        .time = find_time(context, source),
    };
}

static struct catalog *catalog_create(const struct registry *registry, uint64_t number,
                                      find_time_fn find_time, void *context)
{
    struct catalog *catalog = calloc(1, sizeof(*catalog));
    size_t count = versions_count(registry);
    CHECK(catalog != NULL);
    *catalog = (struct catalog){
        .number = number, .registry = registry, .arena = arena_create(CATALOG_CHUNK_SIZE)};
    catalog->readables = calloc(count > 0 ? count : 1, sizeof(*catalog->readables));
    CHECK(catalog->readables != NULL);
    for (size_t i = 0; i < registry->views_count; i++) {
        const struct view *view = &registry->views[i];
        for (size_t j = 0; j < view->versions_count; j++)
            catalog->readables[catalog->readables_count++] =
                readable_create(registry, view, &view->versions[j], find_time, context);
    }
    composites_make(catalog);
    return catalog;
}

static void catalog_destroy(struct catalog *catalog)
{
    if (catalog == NULL)
        return;
    for (size_t i = 0; i < catalog->readables_count; i++)
        view_plan_destroy(&catalog->readables[i].plan);
    arena_destroy(&catalog->arena);
    free(catalog->readables);
    free(catalog);
}

void catalog_board_destroy(struct catalog_board **board)
{
    if (*board == NULL)
        return;
    catalog_destroy(atomic_load(&(*board)->current));
    free(*board);
    *board = NULL;
}

void catalog_publish(struct catalog_board *board, const struct registry *registry,
                     find_time_fn find_time, void *context)
{
    struct catalog *catalog = catalog_create(registry, ++board->last_number, find_time, context);
    struct catalog *old = atomic_exchange(&board->current, catalog);
    epoch_wait(board->epoch);
    catalog_destroy(old);
}

const struct catalog *catalog_look(const struct catalog_board *board)
{
    return atomic_load(&board->current); /* not before the reader's epoch was noted */
}

const struct readable *catalog_find(const struct catalog *catalog,
                                    const struct view_version *version)
{
    for (size_t i = 0; i < catalog->readables_count; i++)
        if (catalog->readables[i].version == version)
            return &catalog->readables[i];
    CHECK(version == NULL);
    return NULL;
}
