/* Versions: what plan.c and versions.c share about the row of a view. Private to registry/.
 * Thread: any. */
#ifndef ASOF_REGISTRY_VERSIONS_H
#define ASOF_REGISTRY_VERSIONS_H

#include "registry/registry.h"

/* The version becomes the active one of the view, and a rollback would go to the one that is it
 * now. Lists are in the arena; now_us is the wall clock's. */
void view_promote(struct view *view, uint32_t number, enum switch_cause cause, int64_t now_us,
                  struct arena *arena);

#endif
