#include "base/number.h"
#include "protocol/resp.h"

enum {
    HEAD_SIZE_MAX = NUMBER_TEXT_SIZE + 3,
    SMALL_SIZE_MAX = 32, /* texts that are copied without a call */
};

/* A type byte, a number, CR LF: most of what goes out. Returns where it ends; at most HEAD_SIZE_MAX
 * bytes are written. */
static char *put_head(char *at, char type, int64_t value)
{
    *at++ = type;
    if (value >= 0 && value <= 9) {
        *at++ = (char)('0' + value);
    } else if (value >= 10 && value <= 99) {
        *at++ = (char)('0' + value / 10);
        *at++ = (char)('0' + value % 10);
    } else {
        at += number_format_int(value, at);
    }
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static void write_head(struct buffer *out, char type, int64_t value)
{
    char *head = buffer_reserve(out, HEAD_SIZE_MAX);
    buffer_added(out, (size_t)(put_head(head, type, value) - head));
}

void resp_write_simple(struct resp_writer writer, const char *text)
{
    buffer_append_byte(writer.out, '+');
    buffer_append_text(writer.out, text);
    buffer_append(writer.out, bytes_of("\r\n", 2));
}

void resp_write_error(struct resp_writer writer, struct bytes text)
{
    char *line = buffer_reserve(writer.out, text.size + 3);
    line[0] = '-';
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        line[i + 1] = byte == '\r' || byte == '\n' ? ' ' : byte;
    }
    line[text.size + 1] = '\r';
    line[text.size + 2] = '\n';
    buffer_added(writer.out, text.size + 3);
}

void resp_write_integer(struct resp_writer writer, int64_t value)
{
    write_head(writer.out, ':', value);
}

void resp_write_bulk(struct resp_writer writer, struct bytes bytes)
{
    write_head(writer.out, '$', (int64_t)bytes.size);
    char *end = buffer_reserve(writer.out, bytes.size + 2);
    if (bytes.size > 0)
        memcpy(end, bytes.data, bytes.size);
    end[bytes.size] = '\r';
    end[bytes.size + 1] = '\n';
    buffer_added(writer.out, bytes.size + 2);
}

void resp_write_text(struct resp_writer writer, const char *text)
{
    resp_write_bulk(writer, bytes_of_text(text));
}

void resp_write_null(struct resp_writer writer)
{
    buffer_append_text(writer.out, writer.version == 3 ? "_\r\n" : "$-1\r\n");
}

void resp_write_text_or_null(struct resp_writer writer, struct bytes text)
{
    if (text.data == NULL)
        resp_write_null(writer);
    else
        resp_write_bulk(writer, text);
}

/* Copies a text in as few moves as its size allows: two that overlap. */
static char *put_text(char *at, struct bytes text)
{
    size_t size = text.size;
    if (size > SMALL_SIZE_MAX) {
        memcpy(at, text.data, size);
    } else if (size >= 16) {
        memcpy(at, text.data, 16);
        memcpy(at + size - 16, text.data + size - 16, 16);
    } else if (size >= 8) {
        memcpy(at, text.data, 8);
        memcpy(at + size - 8, text.data + size - 8, 8);
    } else if (size >= 4) {
        memcpy(at, text.data, 4);
        memcpy(at + size - 4, text.data + size - 4, 4);
    } else {
        for (size_t i = 0; i < size; i++)
            at[i] = text.data[i];
    }
    return at + size;
}

void resp_write_texts(struct resp_writer writer, const struct bytes *texts, size_t count)
{
    static const char nulls[2][6] = {"$-1\r\n", "_\r\n"};
    const char *null = nulls[writer.version == 3];
    size_t null_size = strlen(null);
    size_t size = HEAD_SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        size += HEAD_SIZE_MAX + texts[i].size + 2;
    char *begin = buffer_reserve(writer.out, size);
    char *at = put_head(begin, '*', (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        if (texts[i].data == NULL) {
            memcpy(at, null, null_size);
            at += null_size;
            continue;
        }
        at = put_text(put_head(at, '$', (int64_t)texts[i].size), texts[i]);
        *at++ = '\r';
        *at++ = '\n';
    }
    buffer_added(writer.out, (size_t)(at - begin));
}

void resp_write_null_array(struct resp_writer writer)
{
    buffer_append_text(writer.out, writer.version == 3 ? "_\r\n" : "*-1\r\n");
}

void resp_write_array(struct resp_writer writer, size_t count)
{
    write_head(writer.out, '*', (int64_t)count);
}

void resp_write_set(struct resp_writer writer, size_t count)
{
    write_head(writer.out, writer.version == 3 ? '~' : '*', (int64_t)count);
}

void resp_write_map(struct resp_writer writer, size_t pairs)
{
    if (writer.version == 3)
        write_head(writer.out, '%', (int64_t)pairs);
    else
        write_head(writer.out, '*', (int64_t)pairs * 2);
}

void resp_write_verbatim(struct resp_writer writer, struct bytes text)
{
    if (writer.version != 3) {
        resp_write_bulk(writer, text);
        return;
    }
    write_head(writer.out, '=', (int64_t)text.size + 4);
    buffer_append(writer.out, bytes_of("txt:", 4));
    buffer_append(writer.out, text);
    buffer_append(writer.out, bytes_of("\r\n", 2));
}

void resp_write_double(struct resp_writer writer, double value)
{
    char text[NUMBER_TEXT_SIZE];
    size_t size = number_format_double(value, text);
    if (writer.version != 3) {
        resp_write_bulk(writer, bytes_of(text, size));
        return;
    }
    buffer_append_byte(writer.out, ',');
    buffer_append(writer.out, bytes_of(text, size));
    buffer_append(writer.out, bytes_of("\r\n", 2));
}
