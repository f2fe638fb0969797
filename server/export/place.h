/* Place: where a file comes from or goes to, so that nothing outside the directories that are
 * allowed is reached, and nothing half done is seen.
 *
 * 1. A path is walked from its directory name by name, and no link is followed.
 * 2. What is written has no name, or one that begins with '.', until the commit: a rename, after
 * the bytes are on disk; then the directory's are, too.
 *
 * Thread: one at a time; the directories are immutable, any. */
#ifndef ASOF_EXPORT_PLACE_H
#define ASOF_EXPORT_PLACE_H

#include "base/bytes.h"
#include "base/status.h"

enum { PLACE_PATH_SIZE_MAX = 4095, PLACE_DIRS_MAX = 64, PLACE_DEPTH_MAX = 64 };

struct place_dirs;

/* The directories of a text, between them ':'. Owned by the caller. INVALID: err names the one that
 * is not a whole path or can't be opened. */
MUST_USE enum status place_dirs_open(const char *text, struct place_dirs **out, struct error *err);
void place_dirs_close(struct place_dirs **dirs);

/* Opens a plain file for reading. INVALID, NOT_FOUND, IO: err. */
MUST_USE enum status place_open_input(const struct place_dirs *dirs, struct bytes path,
                                      int *descriptor, struct error *err);

struct place;

/* A file, or a directory for several, that shall be at path: anew, or in place of the file that is
 * there. INVALID: not in dirs, no directory to be in, or a directory that is there already. IO:
 * err. */
MUST_USE enum status place_begin(const struct place_dirs *dirs, struct bytes path,
                                 bool is_directory, struct place **out, struct error *err);

/* A file without a name in the directory: committed, it stays open. */
MUST_USE enum status place_begin_nameless(int directory, struct place **out, struct error *err);

/* Whether it is one of the latter. */
bool place_is_nameless(const struct place *place);

/* What to write into. */
int place_descriptor(const struct place *place);

/* Makes it appear. *bytes is how much was written. IO: err, and nothing is there. */
MUST_USE enum status place_commit(struct place *place, uint64_t *bytes, struct error *err);

/* The descriptor is the caller's from here on. */
int place_take_descriptor(struct place *place);

/* Removes what was not committed. Accepts NULL and leaves NULL behind. */
void place_end(struct place **place);

/* Opens a new file without a name in the directory. IO: err. */
MUST_USE enum status place_open_nameless(int directory, int *descriptor, struct error *err);

/* Removes all that is in the directory, as deep as PLACE_DEPTH_MAX; links are removed, not
 * followed. */
MUST_USE enum status place_empty(int directory, struct error *err);

#endif
