#include "export/cells.h"

#include <string.h>

#include "base/check.h"
#include "base/varint.h"

enum { STATUS_SHIFT = 4, KIND_MASK = (1 << STATUS_SHIFT) - 1 };

_Static_assert((int)VALUE_LIST <= (int)KIND_MASK, "a kind fits beside a status");

static void append_scalar(const struct value *value, struct buffer *out)
{
    if (value->kind == VALUE_STRING) {
        varint_append(out, value->text.size);
        buffer_append(out, value->text);
    } else if (value->kind == VALUE_DOUBLE) {
        buffer_append(out, bytes_of((const char *)&value->real, sizeof(value->real)));
    } else if (value_is_integral(value->kind)) {
        buffer_append(out, bytes_of((const char *)&value->integer, sizeof(value->integer)));
    }
}

void cells_append(const struct cell *cell, struct buffer *out)
{
    const struct value *value = &cell->value;
    buffer_append_byte(out, (char)(value->kind | cell->status << STATUS_SHIFT));
    if (value->kind != VALUE_LIST) {
        append_scalar(value, out);
        return;
    }
    varint_append(out, value->list.count);
    for (size_t i = 0; i < value->list.count; i++) {
        const struct value *item = &value->list.items[i];
        CHECK(item->kind != VALUE_LIST);
        buffer_append_byte(out, (char)item->kind);
        append_scalar(item, out);
    }
}

static bool take_bytes(struct bytes *rest, void *out, size_t size)
{
    if (rest->size < size)
        return false;
    memcpy(out, rest->data, size);
    *rest = bytes_after(*rest, size);
    return true;
}

/* Of the kind that is in value. */
static bool take_scalar(struct bytes *rest, struct value *value)
{
    uint64_t size;
    if (value->kind == VALUE_DOUBLE)
        return take_bytes(rest, &value->real, sizeof(value->real));
    if (value_is_integral(value->kind))
        return take_bytes(rest, &value->integer, sizeof(value->integer));
    if (value->kind != VALUE_STRING)
        return value->kind == VALUE_NULL || value->kind == VALUE_OVERFLOW;
    if (!varint_take(rest, &size) || size > rest->size)
        return false;
    value->text = bytes_of(rest->data, size);
    *rest = bytes_after(*rest, size);
    return true;
}

static bool take_list(struct bytes *rest, struct arena *arena, struct value *value)
{
    uint64_t count;
    if (!varint_take(rest, &count) || count > rest->size)
        return false;
    struct value *items = ARENA_NEW_ARRAY(arena, count, struct value);
    for (uint64_t i = 0; i < count; i++) {
        unsigned char kind;
        if (!take_bytes(rest, &kind, 1))
            return false;
        items[i] = (struct value){.kind = (enum value_kind)kind};
        if (!take_scalar(rest, &items[i]))
            return false;
    }
    value->list = (struct value_list){.items = items, .count = count};
    return true;
}

bool cells_take(struct bytes *rest, struct arena *arena, struct cell *cell)
{
    unsigned char head;
    if (!take_bytes(rest, &head, 1) || head >> STATUS_SHIFT > FEATURE_PRESENT)
        return false;
    *cell = (struct cell){.value = {.kind = (enum value_kind)(head & KIND_MASK)},
                          .status = (enum feature_status)(head >> STATUS_SHIFT)};
    return cell->value.kind == VALUE_LIST ? take_list(rest, arena, &cell->value)
                                          : take_scalar(rest, &cell->value);
}
