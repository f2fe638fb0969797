/* Version: of the command, as `asof version` prints it. */
#ifndef ASOF_CLIENT_VERSION_H
#define ASOF_CLIENT_VERSION_H

#define ASOF_VERSION "0.1.0"

#endif
