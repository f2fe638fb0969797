/* Mould: a column of an answer of one row, but for its value: what is the same in every answer is
 * copied as a whole, and the value put behind it. The bytes are those of rpc_get_append.
 *
 *     tag, room for a size | name, view, kind, digits | [statuses] value
 *     what the mould has                                what is put behind it
 *
 * Thread: any. */
#ifndef ASOF_PROTOCOL_RPC_MOULD_H
#define ASOF_PROTOCOL_RPC_MOULD_H

#include "protocol/rpc_answer.h"

enum {
    RPC_MOULD_SIZE = 112,
    RPC_MOULD_COPY = 48, /* most are no longer, and this much is copied at once */
    RPC_STATUS_FIELD_SIZE = 3,
    RPC_NUMBER_FIELD_SIZE = 2 + VARINT_SIZE_MAX, /* more than what a string has beside its bytes */
    RPC_MOULDED_SIZE_MAX = RPC_MOULD_SIZE + RPC_STATUS_FIELD_SIZE + RPC_NUMBER_FIELD_SIZE,
};

_Static_assert(RPC_MOULDED_SIZE_MAX - 2 < 128, "the size of a column of a number is one byte");

struct rpc_mould {
    struct type type;
    uint32_t size; /* of bytes */
    char bytes[RPC_MOULD_SIZE];
};

/* Makes the mould of a column. false: it has none, being a list, or of a long name. */
MUST_USE bool rpc_mould_set(struct rpc_mould *mould, const struct column *column);

/* Puts the column with a string, or none, where there is room for that and RPC_MOULDED_SIZE_MAX bytes; returns
 * what is behind it. */
char *rpc_mould_put_text(const struct rpc_mould *mould, const struct value *value,
                         enum feature_status status, bool is_without_statuses, char *at);

/* The same with a number, or none. */
static inline char *rpc_mould_put(const struct rpc_mould *mould, const struct value *value,
                                  enum feature_status status, bool is_without_statuses, char *begin)
{
    memcpy(begin, mould->bytes, RPC_MOULD_COPY);
    if (mould->size > RPC_MOULD_COPY)
        memcpy(begin + RPC_MOULD_COPY, mould->bytes + RPC_MOULD_COPY,
               RPC_MOULD_SIZE - RPC_MOULD_COPY);
    char *at = begin + mould->size;
    if (!status_is_plain(value, status, is_without_statuses)) {
        at = put_head(at, COLUMN_STATUSES, 1);
        *at++ = status_byte(value, status, is_without_statuses);
    }
    if (mould->type.kind == VALUE_DOUBLE) {
        at = put_head(at, COLUMN_DOUBLES, sizeof(uint64_t));
        at = put_bits(at, double_bits_of(value));
    } else {
        char *head = at;
        at = put_varint(head + 2, zigzag_of(value));
        put_head(head, COLUMN_INTEGERS, (size_t)(at - head) - 2);
    }
    begin[1] = (char)(at - begin - 2);
    return at;
}

#endif
