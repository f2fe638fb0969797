/* Transfer: a call of Offline: files go up in pieces, progress is shown, a result comes down. An
 * interrupt ends it, and then the server ends its work. Thread: the main one. */
#ifndef ASOF_CLIENT_TRANSFER_H
#define ASOF_CLIENT_TRANSFER_H

#include "progress.h"
#include "remote.h"
#include "result_file.h"

enum transfer_format {
    TRANSFER_UNKNOWN = 0,
    TRANSFER_PARQUET = 1,
    TRANSFER_CSV = 2,
    TRANSFER_NDJSON = 3
};

/* By the name's suffix (.parquet, .csv, .ndjson, .jsonl); UNKNOWN: none of these. */
enum transfer_format transfer_format_of(const char *name);

struct transfer {
    struct asof_stream *stream; /* owned */
    struct asof_cancel *cancel; /* owned */
    struct progress progress;
    char phase[64];
    int64_t phase_mono_us; /* when it began */
};

/* Opens the call with its first message. Errors as remote_failed. */
MUST_USE enum status transfer_open(struct transfer *transfer, struct remote *remote,
                                   enum asof_method method, struct bytes first,
                                   const struct terminal *terminal, struct error *err);
void transfer_close(struct transfer *transfer);

/* Sends a message. */
MUST_USE enum status transfer_send(struct transfer *transfer, struct bytes message,
                                   struct error *err);

/* Sends a file, each piece as that field of a message. IO: it can't be read. */
MUST_USE enum status transfer_send_file(struct transfer *transfer, const char *path, uint32_t field,
                                        struct error *err);

/* No more is sent. */
MUST_USE enum status transfer_end(struct transfer *transfer, struct error *err);

/* What came last: the message Done of an export or a backfill. */
struct transfer_done {
    struct asof_message *message; /* owned */
    struct bytes bytes;           /* of it */
};

/* Takes what the server sends: field 1 progress; pieces, which go into result where that is not
 * NULL; done, at the end. CORRUPT: it is not that. CANCELLED: an interrupt came. */
MUST_USE enum status transfer_receive(struct transfer *transfer, struct result_file *result,
                                      struct transfer_done *done, struct error *err);

#endif
