/* Values that two ways of computing them must agree on. */
#ifndef ASOF_TESTS_SAME_VALUE_H
#define ASOF_TESTS_SAME_VALUE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "model/value.h"

/* The same kind, and the same text of it. */
static inline void assert_same_value(const struct value *a, const struct value *b)
{
    struct buffer shown_a = {0};
    struct buffer shown_b = {0};
    assert_int_equal(b->kind, a->kind);
    value_append_json(a, &shown_a);
    value_append_json(b, &shown_b);
    assert_true(bytes_equal(buffer_bytes(&shown_a), buffer_bytes(&shown_b)));
    buffer_fini(&shown_a);
    buffer_fini(&shown_b);
}

#endif
