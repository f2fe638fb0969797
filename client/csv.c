#include "csv.h"

static enum csv_state next_state(enum csv_state state, char byte)
{
    switch (state) {
    case CSV_FIELD_START:
        return byte == '"' ? CSV_QUOTED : byte == ',' ? CSV_FIELD_START : CSV_PLAIN;
    case CSV_PLAIN:
        return byte == ',' ? CSV_FIELD_START : CSV_PLAIN;
    case CSV_QUOTED:
        return byte == '"' ? CSV_QUOTE_IN_QUOTED : CSV_QUOTED;
    case CSV_QUOTE_IN_QUOTED:
        return byte == '"' ? CSV_QUOTED : byte == ',' ? CSV_FIELD_START : CSV_PLAIN;
    }
    return state;
}

bool csv_scan(struct csv_scanner *scanner, struct bytes piece, size_t *size)
{
    for (size_t i = 0; i < piece.size; i++) {
        if (piece.data[i] == '\n' && scanner->state != CSV_QUOTED) {
            scanner->state = CSV_FIELD_START;
            *size = i + 1;
            return true;
        }
        scanner->state = next_state(scanner->state, piece.data[i]);
    }
    return false;
}

static struct bytes without_newline(struct bytes text)
{
    if (text.size > 0 && text.data[text.size - 1] == '\n') {
        text.size--;
        if (text.size > 0 && text.data[text.size - 1] == '\r')
            text.size--;
    }
    return text;
}

static enum status refuse_cr(size_t number, struct error *err)
{
    return error_set(
        err, STATUS_INVALID,
        "column %zu: a CR outside of quotes that no LF follows; let lines end in LF or "
        "CRLF, and put a cell that holds a CR in quotes",
        number);
}

/* The field without quotes at the front of text, which then begins at the comma or is empty. */
static enum status split_plain(struct bytes *text, struct csv_field *field, size_t number,
                               struct error *err)
{
    const char *comma = text->size > 0 ? memchr(text->data, ',', text->size) : NULL;
    size_t size = comma != NULL ? (size_t)(comma - text->data) : text->size;
    *field = (struct csv_field){.text = bytes_of(text->data, size)};
    *text = bytes_after(*text, size);
    bool has_cr = size > 0 && memchr(field->text.data, '\r', size) != NULL;
    return has_cr ? refuse_cr(number, err) : STATUS_OK;
}

/* Where the quotes end that were opened before text; sets *has_escapes where "" is in it.
 * SIZE_MAX: they don't. */
static size_t quoted_size(struct bytes text, bool *has_escapes)
{
    size_t i = 0;
    *has_escapes = false;
    while (i < text.size) {
        const char *quote = memchr(text.data + i, '"', text.size - i);
        if (quote == NULL)
            return SIZE_MAX;
        i = (size_t)(quote - text.data);
        if (i + 1 >= text.size || text.data[i + 1] != '"')
            return i;
        *has_escapes = true;
        i += 2;
    }
    return SIZE_MAX;
}

/* Copies with "" as one quote. scratch has room: it was reserved for the whole record. */
static struct bytes unescape(struct bytes text, struct buffer *scratch)
{
    size_t start = scratch->size;
    for (size_t i = 0; i < text.size; i++) {
        buffer_append_byte(scratch, text.data[i]);
        if (text.data[i] == '"')
            i++;
    }
    return bytes_after(buffer_bytes(scratch), start);
}

static enum status split_quoted(struct bytes *text, struct buffer *scratch, struct csv_field *field,
                                size_t number, struct error *err)
{
    bool has_escapes;
    struct bytes inner = bytes_after(*text, 1);
    size_t size = quoted_size(inner, &has_escapes);
    if (size == SIZE_MAX)
        return error_set(err, STATUS_INVALID, "column %zu: the quote that opens is never closed",
                         number);
    struct bytes content = bytes_of(inner.data, size);
    *field = (struct csv_field){.text = has_escapes ? unescape(content, scratch) : content,
                                .is_quoted = true};
    *text = bytes_after(inner, size + 1);
    if (text->size > 0 && text->data[0] == '\r')
        return refuse_cr(number, err);
    if (text->size > 0 && text->data[0] != ',')
        return error_set(err, STATUS_INVALID,
                         "column %zu: text behind the closing quote; a quote inside of quotes is "
                         "written as \"\"",
                         number);
    return STATUS_OK;
}

enum status csv_split(struct bytes text, struct buffer *scratch, struct csv_record *record,
                      struct error *err)
{
    text = without_newline(text);
    buffer_reset(scratch, SIZE_MAX);
    buffer_reserve(scratch, text.size); /* no append moves it: fields are borrowed from it */
    record->count = 0;

    for (;;) {
        if (record->count == CSV_FIELDS_MAX)
            return error_set(err, STATUS_LIMIT, "more than %d columns", (int)CSV_FIELDS_MAX);
        struct csv_field *field = &record->fields[record->count++];
        enum status status = STATUS_OK;
        if (text.size > 0 && text.data[0] == '"')
            status = split_quoted(&text, scratch, field, record->count, err);
        else
            status = split_plain(&text, field, record->count, err);
        if (status != STATUS_OK)
            return status;
        if (text.size == 0)
            return STATUS_OK;
        text = bytes_after(text, 1); /* the comma; what follows is a field, be it empty */
    }
}
