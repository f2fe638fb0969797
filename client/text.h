/* Text: how bytes of unknown origin are shown to people and written into JSON.
 *
 * What comes from files and from the server may hold control characters and broken UTF-8; nothing
 * of it reaches a terminal or a JSON text unchanged. Thread: any. */
#ifndef ASOF_CLIENT_TEXT_H
#define ASOF_CLIENT_TEXT_H

#include "base/buffer.h"

enum { TEXT_COUNT_SIZE = 32, TEXT_SPAN_SIZE = 32 };

/* Code points in well-formed UTF-8: how wide it stands in a table. Wide and combining characters
 * count as one; a table with them is a little off, not broken. */
size_t text_width(struct bytes text);

/* Appends with control characters as \n, \t, \r or \x1b and bytes that are no UTF-8 as \xff. */
void text_append_visible(struct buffer *out, struct bytes text);

/* Appends as a JSON string with its quotes; what is no UTF-8 becomes U+FFFD. */
void text_append_json(struct buffer *out, struct bytes text);

/* "1,234,567". Returns text. */
const char *text_count(uint64_t count, char text[TEXT_COUNT_SIZE]);

/* A span of time as a clock shows it: "0:07", "12:30", "1:02:03". Returns text. */
const char *text_span(int64_t span_us, char text[TEXT_SPAN_SIZE]);

/* Whether the whole text is a number in JSON's grammar. */
bool text_is_json_number(struct bytes text);

#endif
