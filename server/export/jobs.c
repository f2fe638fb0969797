/* Jobs: the kinds that there are. Another one is a row here, a word in enum export_kind, and a
 * header with its parameters. */
#include "export/backfill.h"
#include "export/events.h"
#include "export/export_room.h"
#include "export/snapshot.h"
#include "export/training.h"

const struct export_kind_row export_kinds[EXPORT_KINDS_COUNT] = {
    [EXPORT_EVENTS] = {"events", sizeof(struct events_spec), events_run},
    [EXPORT_SNAPSHOT] = {"snapshot", sizeof(struct snapshot_spec), snapshot_run},
    [EXPORT_BACKFILL] = {"backfill", sizeof(struct backfill_spec), backfill_run},
    [EXPORT_TRAINING] = {"training", sizeof(struct training_spec), training_run},
};

const char *export_kind_name(enum export_kind kind)
{
    return export_kinds[kind].name;
}
