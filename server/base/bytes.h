/* Bytes: a borrowed run of bytes, pointer and size together. It never owns, is not ended by NUL,
 * and stands for the empty run with data NULL or not. Thread: any. */
#ifndef ASOF_BASE_BYTES_H
#define ASOF_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const char *data; /* borrowed; as long as whoever made this struct says */
    size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){.data = data, .size = size};
}

/* Of a text that ends by NUL; NULL gives the empty run. */
static inline struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, text == NULL ? 0 : strlen(text));
}

/* Orders bytewise, as unsigned; a prefix comes before what it begins. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.data, b.data, size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of_text(text));
}

/* Without regard to the case of ASCII letters. */
bool bytes_equal_nocase(struct bytes a, const char *text);

static inline bool bytes_start_with(struct bytes a, struct bytes prefix)
{
    return a.size >= prefix.size && bytes_equal(bytes_of(a.data, prefix.size), prefix);
}

/* What is left after the first size bytes; size <= a.size. */
static inline struct bytes bytes_after(struct bytes a, size_t size)
{
    return size == 0 ? a : bytes_of(a.data + size, a.size - size);
}

/* Copies into text as a string ended by NUL, cut to text_size - 1 bytes; bytes below space and
 * DEL become '?', so that the result can stand in a message. Returns text. */
char *bytes_to_text(struct bytes a, char *text, size_t text_size);

/* Whether it is well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
bool bytes_are_utf8(struct bytes a);

/* For printf("%.*s", BYTES_ARGS(a)). */
#define BYTES_ARGS(a) (int)(a).size, ((a).data == NULL ? "" : (a).data)

#endif
