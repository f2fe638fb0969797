#include "text.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/time_text.h"
#include "model/value.h"

enum { UTF8_SEQUENCE_MAX = 4 };

/* The size of the well-formed sequence at the front of text (not empty); 0 where there is none. */
static size_t sequence_size(struct bytes text)
{
    for (size_t size = 1; size <= UTF8_SEQUENCE_MAX && size <= text.size; size++)
        if (bytes_are_utf8(bytes_of(text.data, size)))
            return size;
    return 0;
}

/* C0, DEL and, in two bytes, C1: what a terminal would obey instead of showing. */
static bool is_control(struct bytes sequence)
{
    unsigned char first = (unsigned char)sequence.data[0];
    if (sequence.size == 1)
        return first < ' ' || first == 0x7f;
    return sequence.size == 2 && first == 0xc2 && (unsigned char)sequence.data[1] < 0xa0;
}

size_t text_width(struct bytes text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.size; i++)
        width += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return width;
}

static void append_escaped(struct buffer *out, struct bytes raw)
{
    for (size_t i = 0; i < raw.size; i++) {
        char byte = raw.data[i];
        if (byte == '\n')
            buffer_append_text(out, "\\n");
        else if (byte == '\t')
            buffer_append_text(out, "\\t");
        else if (byte == '\r')
            buffer_append_text(out, "\\r");
        else
            buffer_format(out, "\\x%02x", (unsigned)(unsigned char)byte);
    }
}

void text_append_visible(struct buffer *out, struct bytes text)
{
    while (text.size > 0) {
        size_t size = sequence_size(text);
        struct bytes sequence = bytes_of(text.data, size > 0 ? size : 1);
        if (size == 0 || is_control(sequence))
            append_escaped(out, sequence);
        else
            buffer_append(out, sequence);
        text = bytes_after(text, sequence.size);
    }
}

void text_append_json(struct buffer *out, struct bytes text)
{
    if (bytes_are_utf8(text)) {
        json_append_string(out, text);
        return;
    }
    struct buffer clean = {0};
    while (text.size > 0) {
        size_t size = sequence_size(text);
        if (size > 0)
            buffer_append(&clean, bytes_of(text.data, size));
        else
            buffer_append_text(&clean, "\xef\xbf\xbd");
        text = bytes_after(text, size > 0 ? size : 1);
    }
    json_append_string(out, buffer_bytes(&clean));
    buffer_fini(&clean);
}

const char *text_count(uint64_t count, char text[TEXT_COUNT_SIZE])
{
    char digits[TEXT_COUNT_SIZE];
    int size = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    size_t end = 0;
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            text[end++] = ',';
        text[end++] = digits[i];
    }
    text[end] = '\0';
    return text;
}

const char *text_span(int64_t span_us, char text[TEXT_SPAN_SIZE])
{
    int64_t seconds = span_us / US_PER_SECOND;
    int64_t hours = seconds / 3600;
    int minutes = (int)(seconds / 60 % 60);
    if (hours > 0)
        snprintf(text, TEXT_SPAN_SIZE, "%" PRId64 ":%02d:%02d", hours, minutes,
                 (int)(seconds % 60));
    else
        snprintf(text, TEXT_SPAN_SIZE, "%d:%02d", minutes, (int)(seconds % 60));
    return text;
}

/* How many digits stand at text[start..]. */
static size_t digits_at(struct bytes text, size_t start)
{
    size_t end = start;
    while (end < text.size && text.data[end] >= '0' && text.data[end] <= '9')
        end++;
    return end - start;
}

static bool is_at(struct bytes text, size_t i, const char *bytes)
{
    return i < text.size && text.data[i] != '\0' && strchr(bytes, text.data[i]) != NULL;
}

bool text_is_json_number(struct bytes text)
{
    size_t i = is_at(text, 0, "-") ? 1 : 0;
    size_t whole = digits_at(text, i);
    if (whole == 0 || (whole > 1 && text.data[i] == '0'))
        return false;
    i += whole;
    if (is_at(text, i, ".")) {
        size_t fraction = digits_at(text, i + 1);
        if (fraction == 0)
            return false;
        i += 1 + fraction;
    }
    if (is_at(text, i, "eE")) {
        i += is_at(text, i + 1, "+-") ? 2 : 1;
        size_t exponent = digits_at(text, i);
        if (exponent == 0)
            return false;
        i += exponent;
    }
    return i == text.size;
}
