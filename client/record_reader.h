/* Record reader: an open file as a row of records, in bounded memory.
 *
 * 1. A record is a line (NDJSON) or a CSV record, without regard to what it means.
 * 2. No more than RECORD_SIZE_MAX and a piece of the file is held; a longer record is read to its
 *    end and told with its beginning only.
 * 3. A byte order mark at the start of the file is skipped.
 * Thread: one at a time. */
#ifndef ASOF_CLIENT_RECORD_READER_H
#define ASOF_CLIENT_RECORD_READER_H

#include "base/buffer.h"
#include "base/status.h"
#include "csv.h"

enum {
    RECORD_SIZE_MAX = 1024 * 1024, /* without its line end */
    RECORD_HEAD_SIZE = 4096,       /* what is kept of one that is too long */
};

struct record {
    struct bytes text;   /* with its newline; borrowed until the next call */
    uint64_t line;       /* where it begins, from 1 */
    uint64_t end_offset; /* bytes of the file up to its end */
    bool is_too_long;    /* text is only its beginning */
};

struct record_reader {
    int fd; /* borrowed */
    bool is_csv;
    bool is_end;        /* of the file */
    bool is_started;    /* the byte order mark was looked for */
    struct buffer read; /* of the file, not yet told */
    size_t told;        /* bytes of read that the last record had */
    struct buffer head; /* of a record that is too long */
    struct csv_scanner scanner;
    uint64_t line; /* of the next record */
    uint64_t offset;
};

/* fd is borrowed. */
void record_reader_init(struct record_reader *reader, int fd, bool is_csv);
void record_reader_fini(struct record_reader *reader);

/* The next record. NOT_FOUND: there is none. IO: the file can't be read. CANCELLED: a signal came
 * while it waited for more. */
MUST_USE enum status record_reader_next(struct record_reader *reader, struct record *record,
                                        struct error *err);

/* Whether the next record can be told without waiting for more of a pipe, as far as a look at the
 * bytes says. */
bool record_reader_is_ready(const struct record_reader *reader);

#endif
