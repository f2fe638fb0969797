/* Decoder: from the text of an event to typed values, one a slot.
 *
 * A slot is a field name with a type. The source's own fields come first, in their order; behind
 * them come fields as older versions of views know them, where the type has changed since.
 *
 * 1. What is not JSON, not an object, not UTF-8, nested too deep, or has a key twice (at its top
 * level) is INVALID.
 * 2. A value that its slot's type can't hold makes that slot mismatched, not the event; the caller
 *    decides what that means.
 *
 * 3. What is not in the value (key, headers, broker's time) is taken from the record alone: no
 * member of the value can set it, and in what was pushed it is absent.
 *
 * Thread: a decoder belongs to one. */
#ifndef ASOF_STREAM_DECODER_H
#define ASOF_STREAM_DECODER_H

#include "base/arena.h"
#include "model/definition.h"
#include "stream/stream.h"

struct decoder;

struct decoded_event {
    struct value *values;   /* one a slot; VALUE_NULL where absent or mismatched */
    bool *mismatched;       /* one a slot */
    ssize_t first_mismatch; /* the first slot of the source's own fields that is, or -1 */
    struct error mismatch;  /* why, where first_mismatch >= 0 */
    bool is_deletion; /* set by the caller: it names an entity of batch views whose features it
                         empties */
};

/* A decoder of the source's fields; they are borrowed for its life. Owned by the caller. */
struct decoder *decoder_create(const struct field_definition *fields, size_t fields_count);
void decoder_destroy(struct decoder **decoder);

/* The slot of the field, made where there is none yet. field is borrowed for the decoder's life.
 * LIMIT: there are too many. */
MUST_USE enum status decoder_slot(struct decoder *decoder, const struct field_definition *field,
                                  size_t *out, struct error *err);

/* Whether a slot holds a part of a record of Kafka that is no member of its value; and whether one
 * holds a header. */
bool decoder_takes_record(const struct decoder *decoder);
bool decoder_takes_headers(const struct decoder *decoder);

/* Whether the event that was decoded last names the slot's field, be it with null. */
bool decoder_has_named(const struct decoder *decoder, size_t slot);

/* Lets yajl alone decode JSON, for tests that compare: what flat_json.h takes must come out the
 * same. */
void decoder_go_plain(struct decoder *decoder);

/* Decodes; event is overwritten, its memory and texts are in the arena. INVALID, LIMIT: err. */
MUST_USE enum status decoder_decode(struct decoder *decoder, const struct push_event *text,
                                    struct arena *arena, struct decoded_event *event,
                                    struct error *err);

#endif
