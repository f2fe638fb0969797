/* Server: all rooms of one asofd, created in order and destroyed in reverse.
 * Thread: main. */
#ifndef ASOF_APP_SERVER_H
#define ASOF_APP_SERVER_H

#include "app/options.h"

/* Checks that the options go together, and sets what belongs to the process (the log's level).
 * Before the others. INVALID: err is for exit code 2. */
MUST_USE enum status server_configure(const struct server_options *options, struct error *err);

/* Serves until SIGTERM or SIGINT. Prints the ready line on standard output once it serves.
 * Fails with what opening the data or the doors failed with. */
MUST_USE enum status server_run(const struct server_options *options, struct error *err);

/* Compacts the stopped database of options->data. */
MUST_USE enum status server_compact(const struct server_options *options, struct error *err);

/* Brings the stopped database of options->data to this format, step by step, and says so on
 * standard output. */
MUST_USE enum status server_migrate(const struct server_options *options, struct error *err);

#endif
