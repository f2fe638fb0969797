#include "protocol/light.h"

#include "base/endian.h"

enum { SIZE_SIZE = 4, HEAD_SIZE = 9 /* size, call, kind */ };

/* Whether a client sends frames of that kind and size. */
static bool body_is_of(unsigned char kind, size_t size)
{
    if (kind == LIGHT_CALL)
        return size >= LIGHT_CALL_HEAD_SIZE;
    return kind == LIGHT_MESSAGE ||
           ((kind == LIGHT_CANCEL || kind == LIGHT_END) && size == HEAD_SIZE);
}

enum light_result light_parse(struct bytes input, struct light_frame *frame, size_t *consumed)
{
    if (input.size < SIZE_SIZE)
        return LIGHT_PARTIAL;
    size_t size = be32_read(input.data);
    if (size > LIGHT_MESSAGE_SIZE_MAX + LIGHT_CALL_HEAD_SIZE || size + SIZE_SIZE < HEAD_SIZE)
        return LIGHT_BROKEN;
    if (input.size < HEAD_SIZE)
        return LIGHT_PARTIAL;
    *frame = (struct light_frame){.call = be32_read(input.data + SIZE_SIZE)};
    unsigned char kind = (unsigned char)input.data[HEAD_SIZE - 1];
    if (!body_is_of(kind, size + SIZE_SIZE))
        return LIGHT_BROKEN;
    if (input.size < size + SIZE_SIZE)
        return LIGHT_PARTIAL;
    *consumed = size + SIZE_SIZE;
    frame->kind = (enum light_kind)kind;
    if (kind == LIGHT_CALL) {
        frame->method = (unsigned char)input.data[HEAD_SIZE];
        frame->timeout_ms = be32_read(input.data + HEAD_SIZE + 1);
    }
    size_t head_size = kind == LIGHT_CALL ? LIGHT_CALL_HEAD_SIZE : HEAD_SIZE;
    frame->message = bytes_of(input.data + head_size, *consumed - head_size);
    return LIGHT_FRAME;
}

static void append_head(uint32_t call, enum light_kind kind, size_t body_size, struct buffer *out)
{
    char *head = buffer_reserve(out, HEAD_SIZE);
    be32_write(head, (uint32_t)(body_size + HEAD_SIZE - SIZE_SIZE));
    be32_write(head + SIZE_SIZE, call);
    head[HEAD_SIZE - 1] = (char)kind;
    buffer_added(out, HEAD_SIZE);
}

void light_append_answer(uint32_t call, struct bytes message, struct buffer *out)
{
    append_head(call, LIGHT_ANSWER, message.size, out);
    buffer_append(out, message);
}

size_t light_begin_answer(uint32_t call, struct buffer *out)
{
    append_head(call, LIGHT_ANSWER, 0, out);
    return out->size;
}

void light_end_answer(size_t begun, struct buffer *out)
{
    char *head = out->memory + out->start + begun - HEAD_SIZE;
    be32_write(head, (uint32_t)(out->size - begun + HEAD_SIZE - SIZE_SIZE));
}

void light_append_part(uint32_t call, struct bytes message, struct buffer *out)
{
    append_head(call, LIGHT_PART, message.size, out);
    buffer_append(out, message);
}

void light_append_done(uint32_t call, struct buffer *out)
{
    append_head(call, LIGHT_DONE, 0, out);
}

void light_append_failure(uint32_t call, unsigned code, struct bytes text, struct buffer *out)
{
    append_head(call, LIGHT_FAILED, 1 + text.size, out);
    buffer_append_byte(out, (char)code);
    buffer_append(out, text);
}
