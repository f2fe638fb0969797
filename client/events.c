#include "events.h"

enum { ARENA_CHUNK_SIZE = 16 * 1024 };

static enum status read_header(struct events *events, const struct source_field *fields,
                               size_t fields_count, struct error *err)
{
    struct record record;
    enum status status = record_reader_next(&events->reader, &record, err);
    if (status == STATUS_NOT_FOUND)
        return error_set(err, STATUS_INVALID,
                         "it is empty; CSV begins with a line of column names");
    if (status != STATUS_OK)
        return status;
    if (record.is_too_long)
        return error_set(err, STATUS_INVALID,
                         "the header is longer than %d bytes; is a quote not closed, or do lines "
                         "end in CR alone, not in LF or CRLF?",
                         (int)RECORD_SIZE_MAX);
    status = csv_split(record.text, &events->scratch, &events->row, err);
    if (status != STATUS_OK)
        return error_prefix(err, status, "the header");
    return csv_columns_read(&events->row, fields, fields_count, events->arena, &events->columns,
                            err);
}

enum status events_init(struct events *events, int fd, enum events_format format,
                        const struct source_field *fields, size_t fields_count, struct error *err)
{
    memset(events, 0, sizeof(*events));
    events->format = format;
    events->arena = arena_create(ARENA_CHUNK_SIZE);
    record_reader_init(&events->reader, fd, format == EVENTS_CSV);
    return format == EVENTS_CSV ? read_header(events, fields, fields_count, err) : STATUS_OK;
}

void events_fini(struct events *events)
{
    record_reader_fini(&events->reader);
    buffer_fini(&events->scratch);
    buffer_fini(&events->json);
    arena_destroy(&events->arena);
}

static struct bytes without_newline(struct bytes text)
{
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    return text;
}

static bool is_blank(struct bytes text)
{
    size_t i = 0;
    while (i < text.size && (text.data[i] == ' ' || text.data[i] == '\t'))
        i++;
    return i == text.size;
}

static void reject(struct events *events, struct event *event)
{
    event->rejection = events->rejection.text;
    event->json = bytes_of(NULL, 0);
}

static void convert_row(struct events *events, struct bytes text, struct event *event)
{
    struct error *rejection = &events->rejection;
    buffer_reset(&events->json, RECORD_SIZE_MAX);
    if (csv_split(text, &events->scratch, &events->row, rejection) != STATUS_OK ||
        csv_event_append(&events->columns, &events->row, &events->json, rejection) != STATUS_OK) {
        reject(events, event);
        return;
    }
    event->json = buffer_bytes(&events->json);
    if (event->json.size > RECORD_SIZE_MAX) {
        error_set(rejection, STATUS_LIMIT, "longer than %d bytes as JSON", (int)RECORD_SIZE_MAX);
        reject(events, event);
    }
}

enum status events_next(struct events *events, struct event *event, struct error *err)
{
    struct record record;
    struct bytes raw;
    do {
        enum status status = record_reader_next(&events->reader, &record, err);
        if (status != STATUS_OK)
            return status;
        raw = without_newline(record.text);
    } while (is_blank(raw));

    *event = (struct event){
        .json = raw,
        .raw = raw,
        .is_cut = record.is_too_long,
        .line = record.line,
        .end_offset = record.end_offset,
    };
    if (record.is_too_long) {
        error_set(&events->rejection, STATUS_LIMIT, "longer than %d bytes%s", (int)RECORD_SIZE_MAX,
                  events->format == EVENTS_CSV ? " (is a quote not closed?)" : "");
        reject(events, event);
    } else if (events->format == EVENTS_CSV) {
        convert_row(events, record.text, event);
    }
    return STATUS_OK;
}

bool events_are_ready(const struct events *events)
{
    return record_reader_is_ready(&events->reader);
}
