#include "base/number.h"
#include "protocol/resp.h"

/* A type byte, a number, CR LF: most of what goes out. */
static void write_head(struct buffer *out, char type, int64_t value)
{
    char *head = buffer_reserve(out, NUMBER_TEXT_SIZE + 3);
    head[0] = type;
    size_t size = 1;
    if (value >= 0 && value <= 9)
        head[size++] = (char)('0' + value);
    else
        size += number_format_int(value, head + 1);
    head[size++] = '\r';
    head[size++] = '\n';
    buffer_added(out, size);
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
