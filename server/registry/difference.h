/* Difference: what changed in meaning between two definitions, in a few words for people, like
 * "payments_5m: over 5m -> 10m; + amount_max_1d; - old_one". In the arena. Thread: any. */
#ifndef ASOF_REGISTRY_DIFFERENCE_H
#define ASOF_REGISTRY_DIFFERENCE_H

#include "base/arena.h"
#include "model/definition.h"

struct bytes source_difference(const struct source_definition *before,
                               const struct source_definition *after, struct arena *arena);
struct bytes entity_difference(const struct entity_definition *before,
                               const struct entity_definition *after, struct arena *arena);
struct bytes view_difference(const struct view_definition *before,
                             const struct view_definition *after, struct arena *arena);

#endif
