/* Result file: what comes from the server, under a temporary name beside the one it shall have,
 * until it is whole. A file of the old name stays as it is until then; a link leads to the file
 * that is replaced. A pipe, a device and standard output ("-", /dev/stdout) are written as it
 * comes, never replaced. Thread: one at a time. */
#ifndef ASOF_CLIENT_RESULT_FILE_H
#define ASOF_CLIENT_RESULT_FILE_H

#include "base/sha256.h"
#include "base/status.h"

struct result_file {
    const char *path; /* borrowed: for messages */
    char *target;     /* owned: path without links; NULL: it is no file of its own */
    char *temporary;  /* owned */
    int fd;           /* -1: none */
    uint64_t size_bytes;
    struct sha256 hash;
};

/* Whether it is standard output, where nothing else may be said then. */
bool result_file_is_output(const char *path);

/* Begins it. IO: the directory can't be written, or path is one. */
MUST_USE enum status result_file_open(struct result_file *file, const char *path,
                                      struct error *err);
MUST_USE enum status result_file_write(struct result_file *file, struct bytes bytes,
                                       struct error *err);

/* Gives it its name, once it is on the disk. CORRUPT: it has not that size or digest (empty: any).
 */
MUST_USE enum status result_file_keep(struct result_file *file, uint64_t size_bytes,
                                      struct bytes digest, struct error *err);

/* Removes what was not kept. */
void result_file_close(struct result_file *file);

#endif
