/* Value: one typed value, as an event's field, a feature's argument or a feature's result.
 *
 * 1. A double is finite and never -0. A decimal is its value times 10^digits, 18 digits at most.
 * 2. VALUE_OVERFLOW stands for a result or argument that its type can't hold: never a wrong number.
 * 3. Texts and lists are borrowed from wherever the value came from. Thread: any. */
#ifndef ASOF_MODEL_VALUE_H
#define ASOF_MODEL_VALUE_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/status.h"

enum value_kind {
    VALUE_NULL,
    VALUE_OVERFLOW,
    VALUE_BOOL,      /* integer: 0 or 1 */
    VALUE_INT,       /* integer */
    VALUE_DOUBLE,    /* real */
    VALUE_DECIMAL,   /* integer: scaled by 10^digits */
    VALUE_STRING,    /* text: UTF-8 */
    VALUE_TIMESTAMP, /* integer: microseconds since 1970 */
    VALUE_LIST,      /* list */
};

enum {
    VALUE_STRING_SIZE_MAX = 64 * 1024,
    TYPE_TEXT_SIZE = 32,
};

/* What values a field, an argument or a feature has. */
struct type {
    enum value_kind kind; /* VALUE_BOOL .. VALUE_TIMESTAMP; of the items where is_list */
    uint8_t digits;       /* of a decimal, 0..18; else 0 */
    bool is_list;
};

struct value_list {
    const struct value *items; /* borrowed */
    size_t count;
};

struct value {
    enum value_kind kind;
    uint8_t digits; /* of a decimal */
    union {
        int64_t integer;
        double real;
        struct bytes text;
        struct value_list list;
    };
};

static inline struct value value_null(void)
{
    return (struct value){.kind = VALUE_NULL};
}

static inline struct value value_overflow(void)
{
    return (struct value){.kind = VALUE_OVERFLOW};
}

static inline struct value value_int(int64_t integer)
{
    return (struct value){.kind = VALUE_INT, .integer = integer};
}

/* VALUE_OVERFLOW where real is not finite; -0 becomes 0. */
struct value value_double(double real);

static inline struct value value_text(struct bytes text)
{
    return (struct value){.kind = VALUE_STRING, .text = text};
}

/* Whether the kind keeps its value in .integer. */
static inline bool value_is_integral(enum value_kind kind)
{
    return kind == VALUE_BOOL || kind == VALUE_INT || kind == VALUE_DECIMAL ||
           kind == VALUE_TIMESTAMP;
}

/* Whether sum and avg take it. */
static inline bool type_is_number(struct type type)
{
    return !type.is_list &&
           (type.kind == VALUE_INT || type.kind == VALUE_DOUBLE || type.kind == VALUE_DECIMAL);
}

static inline bool type_equal(struct type a, struct type b)
{
    return a.kind == b.kind && a.digits == b.digits && a.is_list == b.is_list;
}

/* Orders two values of one type: NULL lowest, then overflow, then by value (strings bytewise). Not
 * for lists. */
int value_compare(const struct value *a, const struct value *b);

/* "int", "decimal(2)", "list of string": into text, which it returns. */
const char *type_name(struct type type, char text[TYPE_TEXT_SIZE]);

/* Parses "bool", "int", "double", "decimal(2)", "string", "timestamp". false: no such type. */
bool type_parse(struct bytes text, struct type *out);

/* Appends the value as the Redis protocol shows it: integers in decimal, doubles shortest, decimals
 * without trailing zeros, booleans 1 and 0, timestamps as microseconds, lists as JSON. Not for NULL
 * and OVERFLOW. */
void value_append_text(const struct value *value, struct buffer *out);

/* Reads back, to the bit, what value_append_text wrote of a value of that type, which is no list; a
 * string is borrowed. false: it wrote no such text. */
MUST_USE bool value_parse_text(struct bytes text, struct type type, struct value *out);

/* Appends the value as JSON: NULL and OVERFLOW as null, booleans as true and false. */
void value_append_json(const struct value *value, struct buffer *out);

/* Appends text as a JSON string with its quotes. Text that is not UTF-8 must not come here. */
void json_append_string(struct buffer *out, struct bytes text);

#endif
