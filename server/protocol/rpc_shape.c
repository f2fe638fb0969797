#include "protocol/rpc_shape.h"

#include "protocol/protobuf.h"

/* Fields of proto/asof/v1/feature_store.proto. */
enum { GET_KEYS = 2, KEY_NAME = 1, KEY_STRINGS = 2, SIZE_SIZE = 1 };

void rpc_shape_fini(struct rpc_shape *shape)
{
    buffer_fini(&shape->memory);
    *shape = (struct rpc_shape){0};
}

/* Finds the only key column: where its message begins. false: there is another number of them. */
static bool find_key(struct bytes message, struct bytes *key)
{
    struct protobuf_field field;
    enum protobuf_result result;
    size_t count = 0;
    for (struct bytes left = message; (result = protobuf_next(&left, &field)) == PROTOBUF_FIELD;) {
        if (field.number != GET_KEYS)
            continue;
        count++;
        *key = field.bytes;
    }
    return result == PROTOBUF_END && count == 1;
}

/* Takes a column of a name and one string apart. */
static bool split_key(struct bytes key, struct bytes *middle, struct bytes *entity)
{
    struct protobuf_field name;
    struct protobuf_field value;
    struct bytes left = key;
    if (protobuf_next(&left, &name) != PROTOBUF_FIELD || name.number != KEY_NAME ||
        protobuf_next(&left, &value) != PROTOBUF_FIELD || value.number != KEY_STRINGS ||
        value.wire != PROTOBUF_BYTES || left.size > 0 || value.bytes.size > RPC_SHAPE_ENTITY_MAX)
        return false;
    *entity = value.bytes;
    *middle = bytes_of(key.data, key.size - value.bytes.size - SIZE_SIZE);
    return true;
}

bool rpc_shape_set(struct rpc_shape *shape, struct bytes message)
{
    struct bytes key = {0};
    struct bytes middle;
    struct bytes entity;
    struct bytes again;
    if (!find_key(message, &key) || !split_key(key, &middle, &entity))
        return false;
    struct buffer *memory = &shape->memory;
    memory->start = memory->size = 0;
    shape->head_size = (size_t)(key.data - message.data) - SIZE_SIZE;
    shape->middle_size = middle.size;
    buffer_append(memory, bytes_of(message.data, shape->head_size));
    buffer_append(memory, middle);
    buffer_append(memory, bytes_after(message, shape->head_size + SIZE_SIZE + key.size));
    /* Sizes of more than a byte are not found where they should be. */
    return rpc_shape_match(shape, message, &again) && again.data == entity.data &&
           again.size == entity.size;
}

bool rpc_shape_match(const struct rpc_shape *shape, struct bytes message, struct bytes *entity)
{
    struct bytes memory = buffer_bytes(&shape->memory);
    struct bytes head = bytes_of(memory.data, shape->head_size);
    struct bytes middle = bytes_of(memory.data + head.size, shape->middle_size);
    struct bytes tail = bytes_after(memory, head.size + middle.size);
    size_t fixed_size = memory.size + 2 * SIZE_SIZE;
    if (middle.size == 0 || message.size < fixed_size ||
        message.size > fixed_size + RPC_SHAPE_ENTITY_MAX)
        return false;
    size_t entity_size = message.size - fixed_size;
    const char *key = message.data + head.size + SIZE_SIZE;
    const char *text = key + middle.size + SIZE_SIZE;
    if ((unsigned char)key[-1] != middle.size + SIZE_SIZE + entity_size ||
        (unsigned char)text[-1] != entity_size || (unsigned char)key[-1] > RPC_SHAPE_ENTITY_MAX ||
        memcmp(message.data, head.data, head.size) != 0 ||
        memcmp(key, middle.data, middle.size) != 0 ||
        !bytes_equal(bytes_of(text + entity_size, tail.size), tail))
        return false;
    *entity = bytes_of(text, entity_size);
    return true;
}
