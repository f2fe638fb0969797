/* Events: an NDJSON or CSV file as a row of events, ready to be pushed.
 *
 * 1. Each record of the file that is not blank is told exactly once: as an event, or as one that is
 *    rejected here already (too long, not CSV). What JSON is right, the server says.
 * Thread: one at a time. */
#ifndef ASOF_CLIENT_EVENTS_H
#define ASOF_CLIENT_EVENTS_H

#include "csv_event.h"
#include "record_reader.h"

enum events_format { EVENTS_NDJSON, EVENTS_CSV };

struct event {
    struct bytes json;     /* borrowed until the next call; empty where rejected */
    struct bytes raw;      /* as the file has it, without newline; borrowed as well */
    const char *rejection; /* NULL, or why it is not an event; borrowed as well */
    bool is_cut;           /* raw is only its beginning, as the record is too long */
    uint64_t line;
    uint64_t end_offset; /* bytes of the file up to its end */
};

struct events {
    struct record_reader reader;
    enum events_format format;
    struct arena *arena; /* owned: columns */
    struct csv_columns columns;
    struct csv_record row;
    struct buffer scratch;
    struct buffer json;
    struct error rejection;
};

/* Begins; of CSV, reads the header and compares it with the fields of the source. fd is borrowed.
 * INVALID: the header is of no use. IO, CANCELLED: as record_reader_next. */
MUST_USE enum status events_init(struct events *events, int fd, enum events_format format,
                                 const struct source_field *fields, size_t fields_count,
                                 struct error *err);
void events_fini(struct events *events);

/* The next event. NOT_FOUND: there is none. IO, CANCELLED: as record_reader_next. */
MUST_USE enum status events_next(struct events *events, struct event *event, struct error *err);

/* Whether the next event can likely be told without waiting for a pipe's writer. */
bool events_are_ready(const struct events *events);

#endif
