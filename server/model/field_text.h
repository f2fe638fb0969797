/* Field text: one value of an event or of a request, between what JSON or XADD says and the field's
 * type.
 * Thread: any. */
#ifndef ASOF_MODEL_FIELD_TEXT_H
#define ASOF_MODEL_FIELD_TEXT_H

#include "base/arena.h"
#include "model/definition.h"

enum raw_kind {
    RAW_NULL,
    RAW_TRUE,
    RAW_FALSE,
    RAW_NUMBER, /* text in JSON's grammar */
    RAW_STRING, /* text unescaped, UTF-8 */
    RAW_NESTED, /* an object or array */
    RAW_TEXT,   /* from XADD: whatever the field's type makes of the text */
};

struct raw_value {
    enum raw_kind kind;
    struct bytes text;
};

/* Makes the value; a string is copied into the arena. INVALID: err says what was expected and got,
 * without the field's name. */
MUST_USE enum status field_text_parse(const struct field_definition *field,
                                      const struct raw_value *raw, struct arena *arena,
                                      struct value *out, struct error *err);

#endif
