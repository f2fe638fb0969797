/* Reference: how an on-demand view or a service names a feature of another view, or a value that a
 * read brings along: "card_payments.payments_5m", "card_payments@2.payments_5m", "request.amount".
 * Thread: any. */
#ifndef ASOF_MODEL_REFERENCE_H
#define ASOF_MODEL_REFERENCE_H

#include "model/definition.h"

/* "view@4294967295.feature" */
enum { REFERENCE_SIZE_MAX = 2 * NAME_SIZE_MAX + 12 };

/* false: no "view.feature" or "view@2.feature". Names are borrowed from text. */
MUST_USE bool feature_reference_parse(struct bytes text, struct feature_reference *out);

/* Appends what feature_reference_parse takes. */
void feature_reference_append(const struct feature_reference *reference, struct buffer *out);

/* The name behind "request."; empty: it is no such reference. */
struct bytes request_reference_name(struct bytes text);

#endif
