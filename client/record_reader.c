#include "record_reader.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "interrupt.h"

enum { READ_SIZE = 256 * 1024, LINE_END_SIZE_MAX = 2 };

void record_reader_init(struct record_reader *reader, int fd, bool is_csv)
{
    *reader = (struct record_reader){.fd = fd, .is_csv = is_csv, .line = 1};
}

void record_reader_fini(struct record_reader *reader)
{
    buffer_fini(&reader->read);
    buffer_fini(&reader->head);
}

static enum status read_more(struct record_reader *reader, struct error *err)
{
    char *space = buffer_reserve(&reader->read, READ_SIZE);
    ssize_t size = read(reader->fd, space, READ_SIZE);
    while (size < 0 && errno == EINTR && !interrupt_came())
        size = read(reader->fd, space, READ_SIZE);
    if (size < 0 && errno == EINTR)
        return STATUS_CANCELLED;
    if (size < 0)
        return error_set(err, STATUS_IO, "read: %s", error_errno());
    buffer_added(&reader->read, (size_t)size);
    reader->is_end = size == 0;
    return STATUS_OK;
}

static enum status skip_byte_order_mark(struct record_reader *reader, struct error *err)
{
    struct bytes mark = bytes_of_text("\xef\xbb\xbf");
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !reader->is_end && reader->read.size < mark.size)
        status = read_more(reader, err);
    if (status != STATUS_OK)
        return status;
    if (bytes_start_with(buffer_bytes(&reader->read), mark)) {
        buffer_consume(&reader->read, mark.size);
        reader->offset += mark.size;
    }
    reader->is_started = true;
    return STATUS_OK;
}

static bool find_end(struct record_reader *reader, struct bytes piece, size_t *size)
{
    if (reader->is_csv)
        return csv_scan(&reader->scanner, piece, size);
    const char *newline = piece.size > 0 ? memchr(piece.data, '\n', piece.size) : NULL;
    if (newline != NULL)
        *size = (size_t)(newline - piece.data) + 1;
    return newline != NULL;
}

/* Takes bytes from the file's front: they were told, or belong to a record that is too long. */
static void take(struct record_reader *reader, size_t size)
{
    struct bytes taken = bytes_of(buffer_bytes(&reader->read).data, size);
    reader->offset += size;
    while (taken.size > 0) {
        const char *newline = memchr(taken.data, '\n', taken.size);
        if (newline == NULL)
            break;
        reader->line++;
        taken = bytes_after(taken, (size_t)(newline - taken.data) + 1);
    }
    buffer_consume(&reader->read, size);
}

static void keep_head(struct record_reader *reader)
{
    struct bytes text = buffer_bytes(&reader->read);
    buffer_append(&reader->head, bytes_of(text.data, RECORD_HEAD_SIZE));
}

/* The size without LF or CRLF at the end. */
static size_t size_without_line_end(struct bytes text)
{
    size_t size = text.size;
    if (size > 0 && text.data[size - 1] == '\n')
        size -= size > 1 && text.data[size - 2] == '\r' ? 2 : 1;
    return size;
}

/* Finds where the record ends that begins at the front. Sets *size to what is left of it in
 * reader->read; of a record that is too long, the head is kept and the rest taken as it comes. */
static enum status find_record(struct record_reader *reader, size_t *size, struct error *err)
{
    size_t scanned = 0;
    for (;;) {
        struct bytes piece = bytes_after(buffer_bytes(&reader->read), scanned);
        if (find_end(reader, piece, size)) {
            *size += scanned;
            return STATUS_OK;
        }
        scanned = reader->read.size;
        if (reader->is_end) {
            *size = scanned;
            reader->scanner = (struct csv_scanner){0};
            return STATUS_OK;
        }
        if (reader->head.size > 0 || scanned > RECORD_SIZE_MAX + LINE_END_SIZE_MAX) {
            if (reader->head.size == 0)
                keep_head(reader);
            take(reader, scanned);
            scanned = 0;
        }
        enum status status = read_more(reader, err);
        if (status != STATUS_OK)
            return status;
    }
}

enum status record_reader_next(struct record_reader *reader, struct record *record,
                               struct error *err)
{
    if (!reader->is_started) {
        enum status status = skip_byte_order_mark(reader, err);
        if (status != STATUS_OK)
            return status;
    }
    take(reader, reader->told);
    reader->told = 0;
    buffer_reset(&reader->head, RECORD_HEAD_SIZE);

    size_t size = 0;
    uint64_t line = reader->line;
    enum status status = find_record(reader, &size, err);
    if (status != STATUS_OK)
        return status;
    if (size == 0 && reader->head.size == 0)
        return STATUS_NOT_FOUND;

    struct bytes text = bytes_of(buffer_bytes(&reader->read).data, size);
    if (reader->head.size == 0 && size_without_line_end(text) > RECORD_SIZE_MAX)
        keep_head(reader);
    bool is_too_long = reader->head.size > 0;
    *record = (struct record){
        .text = is_too_long ? buffer_bytes(&reader->head) : text,
        .line = line,
        .end_offset = reader->offset + size,
        .is_too_long = is_too_long,
    };
    reader->told = size;
    return STATUS_OK;
}

bool record_reader_is_ready(const struct record_reader *reader)
{
    struct bytes left = bytes_after(buffer_bytes(&reader->read), reader->told);
    if (reader->is_end || (left.size > 0 && memchr(left.data, '\n', left.size) != NULL))
        return true;
    struct pollfd descriptor = {.fd = reader->fd, .events = POLLIN};
    return poll(&descriptor, 1, 0) != 0;
}
