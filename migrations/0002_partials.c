/* Format 1 to 2. A server of format 1 writes events only. One of format 2 keeps partials and a base
 * beside them, which can be missing, and horizons of views with a history, which begin where there
 * are none. So every database of format 1 is one of format 2; the number keeps servers that would
 * not delete partials away from those that have some. */
#include "migrations/migrations.h"

enum status migration_0002_partials(struct storage *storage, struct error *err)
{
    (void)storage, (void)err;
    return STATUS_OK;
}
