/* Migrations: numbered steps that bring a data directory from the format of an older asofd to this
 * one's.
 *
 * 1. A step changes the database so that it means in the new format what it meant before, and can
 * be cut short anywhere and begun again: what it did already it leaves as it is.
 * 2. DIR/FORMAT is moved to the step's number when all that it wrote is on disk, and not before.
 * 3. A step knows the formats before and behind it as they were when it was written; it uses of the
 * rooms only storage's rows and batches, so that it goes on meaning the same.
 *
 * Thread: main, with no server on the directory. */
#ifndef ASOF_MIGRATIONS_MIGRATIONS_H
#define ASOF_MIGRATIONS_MIGRATIONS_H

#include "storage/storage.h"

/* Takes all steps that the directory lacks and says on standard output what it did; is_dry_run:
 * only what it would do, and nothing is opened or written. NOT_FOUND: no data directory. INVALID: a
 * newer format. UNAVAILABLE: a server holds it, or the disk has too little room: nothing was begun.
 */
MUST_USE enum status migrations_run(const char *directory, const struct storage_options *options,
                                    bool is_dry_run, struct error *err);

/* ---- the steps, a file each ---- */

/* Timelines may have partials and bases beside their events: nothing is to be done to those
 * without. */
MUST_USE enum status migration_0002_partials(struct storage *storage, struct error *err);

/* The row of a view says which numbers were given, and which versions were active before. */
MUST_USE enum status migration_0003_promotions(struct storage *storage, struct error *err);

#endif
