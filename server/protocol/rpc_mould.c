#include "protocol/rpc_mould.h"

#include "protocol/rpc_message.h"

enum { MOULD_HEAD_SIZE = 2 }; /* tag, and room for a size of one byte */

bool rpc_mould_set(struct rpc_mould *mould, const struct column *column)
{
    struct buffer head = {0};
    *mould = (struct rpc_mould){.type = column->type};
    rpc_column_head_append(column, &head);
    bool fits = !column->type.is_list && head.size <= RPC_MOULD_SIZE - MOULD_HEAD_SIZE;
    if (fits) {
        put_bytes(put_head(mould->bytes, ANSWER_COLUMNS, 0), buffer_bytes(&head));
        mould->size = (uint32_t)(MOULD_HEAD_SIZE + head.size);
    }
    buffer_fini(&head);
    return fits;
}

char *rpc_mould_put_text(const struct rpc_mould *mould, const struct value *value,
                         enum feature_status status, bool is_without_statuses, char *at)
{
    struct bytes head = bytes_of(mould->bytes + MOULD_HEAD_SIZE, mould->size - MOULD_HEAD_SIZE);
    struct bytes text = text_of(value);
    bool is_plain = status_is_plain(value, status, is_without_statuses);
    at = put_head(at, ANSWER_COLUMNS, head.size + (is_plain ? 0 : field_size(1)) + field_size(text.size));
    at = put_bytes(at, head);
    if (!is_plain) {
        at = put_head(at, COLUMN_STATUSES, 1);
        *at++ = status_byte(value, status, is_without_statuses);
    }
    return put_bytes(put_head(at, COLUMN_STRINGS, text.size), text);
}
