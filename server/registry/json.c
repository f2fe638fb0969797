#include "registry/json.h"

#include "base/time_text.h"

void json_comma(struct buffer *out)
{
    struct bytes bytes = buffer_bytes(out);
    char last = bytes.size == 0 ? '{' : bytes.data[bytes.size - 1];
    if (last != '{' && last != '[')
        buffer_append_byte(out, ',');
}

void json_name_bytes(struct buffer *out, struct bytes name)
{
    json_comma(out);
    json_text(out, name);
    buffer_append_text(out, ": "); /* YAML wants the space */
}

void json_name(struct buffer *out, const char *name)
{
    json_name_bytes(out, bytes_of_text(name));
}

/* The letter at the start of text if YAML takes it only with an escape, and its size; else 0. */
static unsigned letter_to_escape(struct bytes text, size_t *size)
{
    static const struct {
        const char *bytes;
        unsigned letter;
    } letters[] = {{"\xe2\x80\xa8", 0x2028},
                   {"\xe2\x80\xa9", 0x2029},
                   {"\xef\xbb\xbf", 0xfeff},
                   {"\xef\xbf\xbe", 0xfffe},
                   {"\xef\xbf\xbf", 0xffff}};
    unsigned char first = (unsigned char)text.data[0];
    *size = 1;
    if (first == 0x7f)
        return first;
    if (first == 0xc2 && text.size > 1 && (unsigned char)text.data[1] < 0xa0) {
        *size = 2;
        return (unsigned char)text.data[1];
    }
    *size = 3;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (bytes_start_with(text, bytes_of_text(letters[i].bytes)))
            return letters[i].letter;
    return 0;
}

void json_text(struct buffer *out, struct bytes text)
{
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < text.size;) {
        size_t size = 0;
        char byte = text.data[i];
        unsigned letter = letter_to_escape(bytes_after(text, i), &size);
        if (letter != 0) {
            buffer_format(out, "\\u%04x", letter);
            i += size;
            continue;
        }
        if (byte == '"' || byte == '\\')
            buffer_append_byte(out, '\\');
        if ((unsigned char)byte < 0x20)
            buffer_format(out, "\\u%04x", (unsigned)byte);
        else
            buffer_append_byte(out, byte);
        i++;
    }
    buffer_append_byte(out, '"');
}

void json_member_text(struct buffer *out, const char *name, struct bytes text)
{
    json_name(out, name);
    json_text(out, text);
}

void json_member_text_or_null(struct buffer *out, const char *name, struct bytes text)
{
    json_name(out, name);
    if (text.size == 0)
        buffer_append_text(out, "null");
    else
        json_text(out, text);
}

void json_member_duration(struct buffer *out, const char *name, int64_t duration_us)
{
    char text[DURATION_TEXT_SIZE];
    json_name(out, name);
    if (duration_us < 0)
        buffer_append_text(out, "null");
    else
        json_text(out, bytes_of(text, duration_format(duration_us, text)));
}
