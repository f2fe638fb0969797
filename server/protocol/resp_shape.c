#include "protocol/resp_shape.h"

#include "base/check.h"

enum { SIZE_DIGITS_MAX = 5 }; /* of the argument that changes: a longer one is parsed */

void resp_shape_fini(struct resp_shape *shape)
{
    buffer_fini(&shape->memory);
    shape->head_size = 0;
}

static void append_bulk(struct buffer *out, struct bytes argument)
{
    buffer_format(out, "$%zu\r\n", argument.size);
    buffer_append(out, argument);
    buffer_append(out, bytes_of("\r\n", 2));
}

void resp_shape_set(struct resp_shape *shape, const struct bytes *arguments, size_t count)
{
    CHECK(count >= 2);
    struct buffer *memory = &shape->memory;
    memory->start = memory->size = 0;
    buffer_format(memory, "*%zu\r\n", count);
    append_bulk(memory, arguments[0]);
    buffer_append_byte(memory, '$');
    shape->head_size = memory->size;
    buffer_append(memory, bytes_of("\r\n", 2));
    for (size_t i = 2; i < count; i++)
        append_bulk(memory, arguments[i]);
}

size_t resp_shape_size(const struct resp_shape *shape)
{
    return shape->memory.size;
}

/* Takes "14\r\n", as resp_parse reads a size: no sign, no leading zero. */
static bool take_size(struct bytes *input, size_t *size)
{
    size_t digits = 0;
    *size = 0;
    while (digits < input->size && digits < SIZE_DIGITS_MAX && input->data[digits] >= '0' &&
           input->data[digits] <= '9')
        *size = *size * 10 + (size_t)(input->data[digits++] - '0');
    bool has_zero = digits > 1 && input->data[0] == '0';
    if (digits == 0 || has_zero || input->size - digits < 2 ||
        memcmp(input->data + digits, "\r\n", 2) != 0)
        return false;
    *input = bytes_after(*input, digits + 2);
    return true;
}

bool resp_shape_match(const struct resp_shape *shape, struct bytes input, struct bytes *argument,
                      size_t *size)
{
    struct bytes memory = buffer_bytes(&shape->memory);
    struct bytes head = bytes_of(memory.data, shape->head_size);
    if (head.size == 0 || !bytes_start_with(input, head))
        return false;
    struct bytes tail = bytes_after(memory, head.size);
    struct bytes rest = bytes_after(input, head.size);
    size_t argument_size;
    if (!take_size(&rest, &argument_size) || rest.size < argument_size ||
        !bytes_start_with(bytes_after(rest, argument_size), tail))
        return false;
    *argument = bytes_of(rest.data, argument_size);
    *size = input.size - rest.size + argument_size + tail.size;
    return true;
}

bool resp_shape_equal(const struct resp_shape *a, const struct resp_shape *b)
{
    return a->head_size == b->head_size &&
           bytes_equal(buffer_bytes(&a->memory), buffer_bytes(&b->memory));
}
