/* Any bytes as a definition file. What is taken must, once stored, load again, and applying it a
 * second time must change nothing. */
#include <stdint.h>

#include "base/check.h"
#include "features/features.h"
#include "registry/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct registry *load(const struct registry_plan *plan)
{
    struct registry *registry = NULL;
    struct error err;
    CHECK(registry_load(plan->rows, plan->rows_count, features_checks(), &registry, &err) ==
          STATUS_OK);
    return registry;
}

static void check_same_again(const struct registry_plan *plan, const struct definition_file *file,
                             struct arena *arena)
{
    struct registry *registry = load(plan);
    struct registry_plan again;
    struct buffer json = {0};
    struct error err;

    CHECK(registry_plan(registry, file, 1, features_checks(), arena, &again, &err) == STATUS_OK);
    CHECK(again.rows_count == 0);
    for (size_t i = 0; i < again.changes_count; i++)
        CHECK(again.changes[i].kind == CHANGE_UNCHANGED);
    for (size_t i = 0; i < registry->views_count; i++)
        CHECK(registry_describe_json(registry, registry->views[i].name, &json, &err) == STATUS_OK &&
              registry_lineage_json(registry, registry->views[i].name, &json, &err) == STATUS_OK);
    registry_list_json(registry, &json);
    CHECK(bytes_are_utf8(buffer_bytes(&json)));
    buffer_fini(&json);
    registry_destroy(&registry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct definition_file file = {.name = bytes_of_text("fuzz.yaml"),
                                         .text = bytes_of(data, size)};
    const struct registry_plan nothing = {0};
    struct arena *arena = arena_create(4096);
    struct registry *empty = load(&nothing);
    struct registry_plan plan;
    struct error err = {0};

    if (registry_plan(empty, &file, 1, features_checks(), arena, &plan, &err) == STATUS_OK)
        check_same_again(&plan, &file, arena);
    else
        CHECK(err.text[0] != '\0');
    registry_destroy(&empty);
    arena_destroy(&arena);
    return 0;
}
