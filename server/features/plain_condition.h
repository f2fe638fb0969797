/* Plain conditions: one field compared with one literal, which most of `where` are. What SQLite
 * would say of it, without asking it: to bind, step and read a statement costs more than all else
 * that reducing an event does.
 *
 *     CAST(?N AS TEXT) OP 'text'             by bytes
 *     CAST(?N AS INTEGER or REAL) OP 123     by value
 *
 * That is how sql_text.h writes a field. Everything else is SQLite's: a quote in the text, a
 * literal of another kind than the field, fractions, signs. Private to features/. Thread: any. */
#ifndef ASOF_FEATURES_PLAIN_CONDITION_H
#define ASOF_FEATURES_PLAIN_CONDITION_H

#include "model/value.h"

enum plain_operator {
    PLAIN_EQUAL,
    PLAIN_UNEQUAL,
    PLAIN_LESS,
    PLAIN_LESS_EQUAL,
    PLAIN_GREATER,
    PLAIN_GREATER_EQUAL,
};

enum plain_affinity { PLAIN_TEXT, PLAIN_INTEGER, PLAIN_REAL };

struct plain_condition {
    size_t field;
    enum plain_affinity affinity; /* of the field */
    enum plain_operator operator;
    struct bytes text; /* borrowed from what was parsed */
    int64_t number;    /* of at most 15 digits, so that it is a double, too */
};

/* Of a translated expression. false: it is none. */
bool plain_condition_parse(struct bytes translated, struct plain_condition *out);

/* Whether it is true of the field's value; of NULL nothing is. false: that is SQLite's to say, as
 * the value is not of the field's type. */
bool plain_condition_evaluate(const struct plain_condition *condition, const struct value *value,
                              bool *is_true);

/* The double nearest to a decimal, as which expressions know it. */
double decimal_to_double(const struct value *value);

#endif
