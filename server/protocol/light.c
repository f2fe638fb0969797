#include "protocol/light.h"

#include "base/endian.h"

enum { SIZE_SIZE = 4, HEAD_SIZE = 9 /* size, call, kind */ };

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
    bool is_call = kind == LIGHT_CALL && size + SIZE_SIZE >= LIGHT_CALL_HEAD_SIZE;
    bool is_cancel = kind == LIGHT_CANCEL && size + SIZE_SIZE == HEAD_SIZE;
    if (!is_call && !is_cancel)
        return LIGHT_BROKEN;
    if (input.size < size + SIZE_SIZE)
        return LIGHT_PARTIAL;
    *consumed = size + SIZE_SIZE;
    frame->kind = (enum light_kind)kind;
    if (is_cancel)
        return LIGHT_FRAME;
    frame->method = (unsigned char)input.data[HEAD_SIZE];
    frame->timeout_ms = be32_read(input.data + HEAD_SIZE + 1);
    frame->message = bytes_of(input.data + LIGHT_CALL_HEAD_SIZE, *consumed - LIGHT_CALL_HEAD_SIZE);
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

void light_append_failure(uint32_t call, unsigned code, struct bytes text, struct buffer *out)
{
    append_head(call, LIGHT_FAILED, 1 + text.size, out);
    buffer_append_byte(out, (char)code);
    buffer_append(out, text);
}
