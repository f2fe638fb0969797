/* CSV after RFC 4180: records end at a newline outside of quotes, fields at a comma, "" inside of
 * quotes is a quote, and a quoted field may hold newlines. Pure; no memory of its own.
 *
 * 1. Quotes mean something only where a field begins; elsewhere they are text.
 * 2. LF and CRLF end a record; any other CR outside of quotes is refused: such files have lines
 * that end in CR alone, and would be read as one record. Thread: any. */
#ifndef ASOF_CLIENT_CSV_H
#define ASOF_CLIENT_CSV_H

#include "base/buffer.h"
#include "base/status.h"

/* More columns than this are refused. */
enum { CSV_FIELDS_MAX = 1024 };

enum csv_state {
    CSV_FIELD_START,
    CSV_PLAIN,           /* inside a field without quotes, or behind its closing quote */
    CSV_QUOTED,          /* inside quotes */
    CSV_QUOTE_IN_QUOTED, /* behind a quote that ends the quotes or begins "" */
};

/* Where a scan stands; zero is the start of a record. */
struct csv_scanner {
    enum csv_state state;
};

/* Goes on through the next piece of a record. true: it ends there, *size is its size in this piece
 * with the newline, and the scanner is at the start of the next record. false: needs more. */
bool csv_scan(struct csv_scanner *scanner, struct bytes piece, size_t *size);

/* Whether a record that ends here ends inside of quotes. */
static inline bool csv_is_open(const struct csv_scanner *scanner)
{
    return scanner->state == CSV_QUOTED;
}

struct csv_field {
    struct bytes text; /* borrowed from the record or from the scratch */
    bool is_quoted;
};

struct csv_record {
    struct csv_field fields[CSV_FIELDS_MAX];
    size_t count;
};

/* Splits one whole record, with or without its newline. Fields are borrowed from text, those with
 * "" from scratch, which is emptied first. INVALID: text behind a closing quote, no closing quote,
 * a CR by itself outside of quotes. LIMIT: more than CSV_FIELDS_MAX fields. */
MUST_USE enum status csv_split(struct bytes text, struct buffer *scratch, struct csv_record *record,
                               struct error *err);

#endif
