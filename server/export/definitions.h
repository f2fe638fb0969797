/* Definitions: a copy of those in force, for one job that reads for long, with one state of storage
 * and one moment.
 *
 * Those in force are handed over only when nobody reads by them any more (base/epoch.h), which an
 * export can't have all others wait for. So a job loads its own from the stored rows, and reads by
 * them to its end, whatever is applied meanwhile. Only a drop takes away what it reads:
 * definitions_check.
 *
 * Private to export/. Thread: one. */
#ifndef ASOF_EXPORT_DEFINITIONS_H
#define ASOF_EXPORT_DEFINITIONS_H

#include "query/query.h"

struct definitions;

/* Takes the state, the moment and the definitions. live is the query options of those in force;
 * borrowed. Owned by the caller, who must have entered no epoch. UNAVAILABLE, IO, CORRUPT: err. */
MUST_USE enum status definitions_open(const struct query_options *live, struct definitions **out,
                                      struct error *err);
void definitions_close(struct definitions **definitions);

/* A query over them, which waits for the disk; begun, and pinned with a snapshot until the release.
 */
struct query *definitions_query(struct definitions *definitions);

/* Gives the state of storage back; the definitions stay. */
void definitions_release(struct definitions *definitions);

/* Whether what is in force still has the version with its table. */
MUST_USE enum status definitions_check(struct definitions *definitions, const struct target *target,
                                       struct error *err);

#endif
