#include "features/row.h"

#include <endian.h>
#include <math.h>

#include "base/varint.h"

enum { STATE_NULL, STATE_PRESENT, STATE_OVERFLOW };

static size_t states_size(const struct view_plan *plan)
{
    return (2 * plan->columns_count + 7) / 8;
}

static size_t wheres_size(const struct view_plan *plan)
{
    return (plan->wheres_count + 7) / 8;
}

static unsigned value_state(const struct value *value)
{
    if (value->kind == VALUE_NULL)
        return STATE_NULL;
    return value->kind == VALUE_OVERFLOW ? STATE_OVERFLOW : STATE_PRESENT;
}

static void encode_value(const struct value *value, struct buffer *out)
{
    if (value_is_integral(value->kind)) {
        varint_append(out, varint_zigzag(value->integer));
    } else if (value->kind == VALUE_DOUBLE) {
        uint64_t bits;
        memcpy(&bits, &value->real, sizeof(bits));
        bits = htole64(bits);
        buffer_append(out, bytes_of(&bits, sizeof(bits)));
    } else if (value->kind == VALUE_STRING) {
        varint_append(out, value->text.size);
        buffer_append(out, value->text);
    }
}

void row_encode(const struct view_plan *plan, const struct value *values, const bool *wheres,
                struct buffer *out)
{
    size_t head_size = states_size(plan) + wheres_size(plan);
    char *states = buffer_reserve(out, head_size);
    char *bits = states + states_size(plan);
    memset(states, 0, head_size);
    for (size_t i = 0; i < plan->columns_count; i++)
        states[i / 4] |= (char)(value_state(&values[i]) << (2 * (i % 4)));
    for (size_t i = 0; i < plan->wheres_count; i++)
        bits[i / 8] |= (char)(wheres[i] << (i % 8));
    buffer_added(out, head_size);
    for (size_t i = 0; i < plan->columns_count; i++)
        encode_value(&values[i], out);
}

/* Takes a present value of the type from the front of *left. */
static bool decode_value(struct type type, struct bytes *left, struct value *value)
{
    uint64_t word;
    value->kind = type.kind;
    value->digits = type.digits;
    if (type.kind == VALUE_DOUBLE) {
        if (left->size < sizeof(word))
            return false;
        memcpy(&word, left->data, sizeof(word));
        word = le64toh(word);
        memcpy(&value->real, &word, sizeof(word));
        *left = bytes_after(*left, sizeof(word));
        return isfinite(value->real);
    }
    if (!varint_take(left, &word))
        return false;
    if (type.kind != VALUE_STRING) {
        value->integer = varint_unzigzag(word);
        return true;
    }
    if (word > left->size)
        return false;
    value->text = bytes_of(left->data, word);
    *left = bytes_after(*left, word);
    return true;
}

/* Takes a value of that state from the front of *left. */
static bool decode_state(unsigned state, struct type type, struct bytes *left, struct value *value)
{
    *value = state == STATE_OVERFLOW ? value_overflow() : value_null();
    if (state > STATE_OVERFLOW)
        return false;
    return state != STATE_PRESENT || decode_value(type, left, value);
}

void row_append_value(const struct value *value, struct buffer *out)
{
    buffer_append_byte(out, (char)value_state(value));
    encode_value(value, out);
}

bool row_take_value(struct type type, struct bytes *left, struct value *value)
{
    if (left->size == 0)
        return false;
    unsigned state = (unsigned char)left->data[0];
    *left = bytes_after(*left, 1);
    return decode_state(state, type, left, value);
}

enum status row_decode(const struct view_plan *plan, struct bytes row, struct value *values,
                       bool *wheres)
{
    size_t head_size = states_size(plan) + wheres_size(plan);
    if (row.size < head_size)
        return STATUS_CORRUPT;
    const char *bits = row.data + states_size(plan);
    struct bytes left = bytes_after(row, head_size);

    for (size_t i = 0; i < plan->wheres_count; i++)
        wheres[i] = (bits[i / 8] >> (i % 8)) & 1;
    for (size_t i = 0; i < plan->columns_count; i++) {
        unsigned state = ((unsigned char)row.data[i / 4] >> (2 * (i % 4))) & 3;
        if (!decode_state(state, plan->columns[i].type, &left, &values[i]))
            return STATUS_CORRUPT;
    }
    return left.size == 0 ? STATUS_OK : STATUS_CORRUPT;
}
