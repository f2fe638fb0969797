/* Definitions: the YAML files that a person names, read whole. Thread: one at a time. */
#ifndef ASOF_CLIENT_DEFINITIONS_H
#define ASOF_CLIENT_DEFINITIONS_H

#include "base/arena.h"
#include "base/status.h"

enum {
    DEFINITIONS_FILES_MAX = 1000, /* the server's limits, so that its refusal is ours */
    DEFINITIONS_FILE_SIZE_MAX = 1024 * 1024,
};

/* Names and texts in turn, as they follow each other. */
struct definitions {
    struct bytes *words; /* 2 * files_count; in the arena that it was read into, as the bytes */
    size_t files_count;
};

/* Reads each path: a file, "-" for standard input, or a directory, of which it takes the *.yaml and
 * *.yml files (not of directories below), sorted bytewise. IO: can't be read. NOT_FOUND is never
 * said: that is for names on the server. INVALID: a directory without such files. LIMIT: too many,
 * too large. */
MUST_USE enum status definitions_read(const char *const *paths, size_t paths_count,
                                      struct arena *arena, struct definitions *out,
                                      struct error *err);

#endif
