#include "base/bytes.h"

#include <strings.h>

bool bytes_equal_nocase(struct bytes a, const char *text)
{
    return a.size == strlen(text) && (a.size == 0 || strncasecmp(a.data, text, a.size) == 0);
}

char *bytes_to_text(struct bytes a, char *text, size_t text_size)
{
    size_t size = a.size < text_size - 1 ? a.size : text_size - 1;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)a.data[i];
        text[i] = byte < ' ' || byte == 0x7f ? '?' : (char)byte;
    }
    text[size] = '\0';
    return text;
}

/* The size of the well-formed UTF-8 sequence at data, 0 where there is none. The table of
 * Unicode 15, D92: the second byte's range depends on the first. */
static size_t utf8_sequence_size(const unsigned char *data, size_t left)
{
    unsigned char first = data[0];
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t size;

    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf) {
        size = 2;
    } else if ((first & 0xf0) == 0xe0) {
        size = 3;
        low = first == 0xe0 ? 0xa0 : 0x80;
        high = first == 0xed ? 0x9f : 0xbf;
    } else if (first >= 0xf0 && first <= 0xf4) {
        size = 4;
        low = first == 0xf0 ? 0x90 : 0x80;
        high = first == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (left < size || data[1] < low || data[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool bytes_are_utf8(struct bytes a)
{
    const unsigned char *data = (const unsigned char *)a.data;
    size_t i = 0;
    while (i < a.size) {
        uint64_t word;
        if (a.size >= sizeof(word)) { /* eight ASCII bytes at a time; the last eight at the end */
            size_t at = a.size - i >= sizeof(word) ? i : a.size - sizeof(word);
            memcpy(&word, data + at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i = at + sizeof(word);
                continue;
            }
        }
        size_t size = utf8_sequence_size(data + i, a.size - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}
