/* Answer: the fields of a GetFeaturesResponse, and how they are put where there is room for them already:
 * their sizes are known before. What rpc_message.c and rpc_mould.h write answers by. Thread: any. */
#ifndef ASOF_PROTOCOL_RPC_ANSWER_H
#define ASOF_PROTOCOL_RPC_ANSWER_H

#include <endian.h>

#include "model/columns.h"
#include "protocol/protobuf.h"

/* Fields of proto/asof/v1/feature_store.proto. */
enum {
    ANSWER_ROWS = 1,
    ANSWER_COLUMNS = 2,
    ANSWER_VIEWS = 3,
    COLUMN_FEATURE = 1,
    COLUMN_VIEW = 2,
    COLUMN_KIND = 3,
    COLUMN_DIGITS = 4,
    COLUMN_IS_LIST = 5,
    COLUMN_STATUSES = 6,
    COLUMN_DOUBLES = 7,
    COLUMN_INTEGERS = 8,
    COLUMN_STRINGS = 9,
    COLUMN_SIZES = 10,
    VIEW_NAME = 1,
    VIEW_VERSION = 2,
    VIEW_AT_US = 3,
    VIEW_EVENT_TIMES_US = 4,
    STATUS_NO_VALUE = 128,
};

static inline char *put_varint(char *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (char)value;
    return at;
}

/* Numbers are small: a tag is one byte. */
static inline char *put_tag(char *at, unsigned number, enum protobuf_wire wire)
{
    *at++ = (char)(number << 3 | wire);
    return at;
}

/* The head of a field of that many bytes. */
static inline char *put_head(char *at, unsigned number, size_t size)
{
    return put_varint(put_tag(at, number, PROTOBUF_BYTES), size);
}

static inline char *put_bytes(char *at, struct bytes bytes)
{
    return bytes.size == 0 ? at : mempcpy(at, bytes.data, bytes.size);
}

static inline char *put_bits(char *at, uint64_t bits)
{
    bits = htole64(bits);
    memcpy(at, &bits, sizeof(bits));
    return at + sizeof(bits);
}

static inline size_t field_size(size_t size)
{
    return 1 + protobuf_varint_size(size) + size;
}

static inline bool value_is_there(const struct value *value)
{
    return value->kind != VALUE_NULL && value->kind != VALUE_OVERFLOW;
}

/* What stands for a value of a column of that kind; 0 or empty where it is not there. */
static inline uint64_t zigzag_of(const struct value *value)
{
    return value_is_there(value) ? varint_zigzag(value->integer) : 0;
}

static inline uint64_t double_bits_of(const struct value *value)
{
    uint64_t bits = 0;
    if (value_is_there(value))
        memcpy(&bits, &value->real, sizeof(bits));
    return bits;
}

static inline struct bytes text_of(const struct value *value)
{
    return value_is_there(value) ? value->text : (struct bytes){0};
}

/* Whether a status need not be told. */
static inline bool status_is_plain(const struct value *value, enum feature_status status,
                                   bool is_without_statuses)
{
    return (status == FEATURE_PRESENT || is_without_statuses) && value_is_there(value);
}

/* As in the Status of feature_store.proto. Without statuses, each is present or is not there. */
static inline char status_byte(const struct value *value, enum feature_status status,
                               bool is_without_statuses)
{
    bool is_there = value_is_there(value);
    unsigned number = (unsigned)status + 1;
    if (is_without_statuses)
        number = is_there ? FEATURE_PRESENT + 1 : 0;
    return (char)(number | (is_there ? 0 : STATUS_NO_VALUE));
}

#endif
