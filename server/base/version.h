/* Version: of asof, as its programs print it and the Redis door tells it. */
#ifndef ASOF_BASE_VERSION_H
#define ASOF_BASE_VERSION_H

#define ASOF_VERSION "0.1.0"

#endif
