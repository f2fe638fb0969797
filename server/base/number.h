/* Number: between numbers and their text, exactly. Texts follow JSON's grammar for numbers
 * (-?int frac? exp?), nothing else: no leading '+', no leading zeros, no spaces, no "nan".
 * Thread: any. */
#ifndef ASOF_BASE_NUMBER_H
#define ASOF_BASE_NUMBER_H

#include "base/bytes.h"

enum { NUMBER_TEXT_SIZE = 40, DECIMAL_DIGITS_MAX = 18 };

enum number_result {
    NUMBER_OK,
    NUMBER_MALFORMED, /* not a number in JSON's grammar */
    NUMBER_NOT_EXACT, /* has digits that the type can't hold (1.5 for int, 1.234 for decimal(2)) */
    NUMBER_OUT_OF_RANGE, /* more than 64 bits, 18 digits, or a double's range */
};

/* By value: "1e3" and "12.0" are ints. */
enum number_result number_parse_int(struct bytes text, int64_t *out);

/* The value times 10^digits; by value: "1.500" fits 2 digits. At most 18 digits in all. digits
 * 0..18. Exponents of any size are handled without loops that depend on them. */
enum number_result number_parse_decimal(struct bytes text, unsigned digits, int64_t *out_scaled);

/* The nearest double; -0 becomes 0; OUT_OF_RANGE where it would be infinite. */
enum number_result number_parse_double(struct bytes text, double *out);

/* The floor of (value * 10^shift), for timestamps: "1700000000.1234567" with shift 6 is
 * 1700000000123456. OUT_OF_RANGE beyond 64 bits. shift -3..6. */
enum number_result number_parse_floor(struct bytes text, int shift, int64_t *out);

/* Writes text of at most NUMBER_TEXT_SIZE bytes, NUL included; returns its length.
 * int: decimal. decimal: without trailing zeros ("12.5", "-0.07", "3"). double: the shortest text
 * that reads back the same, written as JavaScript's Number.prototype.toString does ("0.1", "1e+21",
 * "1.5e-7", "100"); value is finite. */
size_t number_format_int(int64_t value, char *text);
size_t number_format_decimal(int64_t scaled, unsigned digits, char *text);
size_t number_format_double(double value, char *text);

#endif
