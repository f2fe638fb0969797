/* Entity: the key of a timeline, between what a person types ("c42", "acme|7"), values, and the
 * bytes of the store.
 *
 * 1. The encoding orders as the tuple of keys does: strings bytewise, ints by value.
 * 2. No encoding is a prefix of another of the same entity definition.
 *
 *     string   bytes, 00 written as 00 FF, ended by 00 01
 *     int      8 bytes big-endian, sign bit flipped
 *
 * Thread: any. */
#ifndef ASOF_MODEL_ENTITY_H
#define ASOF_MODEL_ENTITY_H

#include "base/arena.h"
#include "model/definition.h"

/* An entity's encoding is refused beyond this. */
enum { ENTITY_SIZE_MAX = 4096, ENTITY_END_SIZE = 2 /* behind a string */ };

/* Appends one string or int (not NULL) in the order-preserving form above. */
void entity_append_value(const struct value *value, struct buffer *out);

/* Appends bytes in the form of a string key. */
void entity_append_string(struct bytes text, struct buffer *out);

/* Puts that form of a text that is not empty, UTF-8 and without NUL: text.size + ENTITY_END_SIZE
 * bytes. false: it is another. */
MUST_USE bool entity_put_plain(struct bytes text, char *out);

/* The encoding of what stands behind "view:" in a key, copied into the arena. INVALID: wrong number
 * of keys, an int that is none, not UTF-8. LIMIT: longer than ENTITY_SIZE_MAX. */
MUST_USE enum status entity_parse(const struct view_definition *view, struct bytes text,
                                  struct arena *arena, struct bytes *out, struct error *err);

/* The texts of its keys, view->keys_count of them, of a text that entity_parse takes; in the arena.
 */
void entity_split(const struct view_definition *view, struct bytes text, struct arena *arena,
                  struct bytes *keys);

/* Appends what a person would type for the encoding. CORRUPT: it is none of this view. */
MUST_USE enum status entity_append_text(const struct view_definition *view, struct bytes encoded,
                                        struct buffer *out);

/* The encodings of the keys, one by one, borrowed from it: view->keys_count of them. false: it is
 * none of this view. */
MUST_USE bool entity_parts(const struct view_definition *view, struct bytes encoded,
                           struct bytes parts[ENTITY_KEYS_MAX]);

/* The values of its keys, view->keys_count of them, texts in the arena. false: it is none of this
 * view. */
MUST_USE bool entity_values(const struct view_definition *view, struct bytes encoded,
                            struct arena *arena, struct value *values);

/* An encoding at or before all of this view; in the arena. */
struct bytes entity_least(const struct view_definition *view, struct arena *arena);

/* The size of the encoding at the start of bytes; 0 where there is none of this view. */
size_t entity_encoded_size(const struct view_definition *view, struct bytes bytes);

#endif
