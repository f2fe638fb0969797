#include "protocol/rpc_operation_message.h"

#include "protocol/protobuf.h"

/* Walks over the fields of a message; `result` says in the end whether it was one. */
#define EACH_FIELD(left, field, result)                                                            \
    while (((result) = protobuf_next(&(left), &(field))) == PROTOBUF_FIELD)

static enum status ended(enum protobuf_result result, const char *what, struct error *err)
{
    if (result == PROTOBUF_END)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "the bytes are no %s", what);
}

static bool is_text(const struct protobuf_field *field, uint32_t number)
{
    return field->number == number && field->wire == PROTOBUF_BYTES;
}

static bool is_integer(const struct protobuf_field *field, uint32_t number)
{
    return field->number == number && field->wire == PROTOBUF_VARINT;
}

enum status rpc_describe_parse(struct bytes message, struct rpc_describe_request *request,
                               struct error *err)
{
    enum { NAME = 1, LINEAGE = 2 };
    struct protobuf_field field;
    enum protobuf_result result;
    *request = (struct rpc_describe_request){0};
    EACH_FIELD(message, field, result)
    {
        if (is_text(&field, NAME))
            request->name = field.bytes;
        else if (is_integer(&field, LINEAGE))
            request->is_lineage = field.integer != 0;
    }
    return ended(result, "DescribeRequest", err);
}

enum status rpc_promote_parse(struct bytes message, struct rpc_promote_request *request,
                              struct error *err)
{
    enum { NAME = 1, FORCE = 2 };
    struct protobuf_field field;
    enum protobuf_result result;
    *request = (struct rpc_promote_request){0};
    EACH_FIELD(message, field, result)
    {
        if (is_text(&field, NAME))
            request->name = field.bytes;
        else if (is_integer(&field, FORCE))
            request->is_forced = field.integer != 0;
    }
    return ended(result, "PromoteRequest", err);
}

enum status rpc_diff_parse(struct bytes message, struct rpc_diff_request *request,
                           struct error *err)
{
    enum { FROM = 1, TO = 2, ENTITIES = 3, AT_US = 4, HAS_AT = 5 };
    struct protobuf_field field;
    enum protobuf_result result;
    *request = (struct rpc_diff_request){0};
    EACH_FIELD(message, field, result)
    {
        if (is_text(&field, FROM))
            request->from = field.bytes;
        else if (is_text(&field, TO))
            request->to = field.bytes;
        else if (is_text(&field, ENTITIES) && request->entities_count == RPC_DIFF_ENTITIES_MAX)
            return error_set(err, STATUS_LIMIT, "a diff takes 1 to %d entities",
                             RPC_DIFF_ENTITIES_MAX);
        else if (is_text(&field, ENTITIES))
            request->entities[request->entities_count++] = field.bytes;
        else if (is_integer(&field, AT_US))
            request->at_us = (int64_t)field.integer;
        else if (is_integer(&field, HAS_AT))
            request->has_at = field.integer != 0;
    }
    return ended(result, "DiffRequest", err);
}

enum status rpc_entities_parse(struct bytes message, struct rpc_entities_request *request,
                               struct error *err)
{
    enum { VIEW = 1, AFTER = 2, COUNT = 3, MATCH = 4 };
    struct protobuf_field field;
    enum protobuf_result result;
    *request = (struct rpc_entities_request){0};
    EACH_FIELD(message, field, result)
    {
        if (is_text(&field, VIEW))
            request->view = field.bytes;
        else if (is_text(&field, AFTER))
            request->after = field.bytes;
        else if (is_integer(&field, COUNT))
            request->count = field.integer;
        else if (is_text(&field, MATCH))
            request->match = field.bytes;
    }
    return ended(result, "EntitiesRequest", err);
}

enum status rpc_replay_parse(struct bytes message, struct rpc_replay_request *request,
                             struct error *err)
{
    enum { SOURCE = 1, FROM = 2, PROMOTE = 3 };
    struct protobuf_field field;
    enum protobuf_result result;
    *request = (struct rpc_replay_request){0};
    EACH_FIELD(message, field, result)
    {
        if (is_text(&field, SOURCE))
            request->source = field.bytes;
        else if (is_text(&field, FROM))
            request->from = field.bytes;
        else if (is_integer(&field, PROMOTE))
            request->is_promoting = field.integer != 0;
    }
    return ended(result, "ReplayRequest", err);
}

/* Takes the numbers of one field: packed, or a single one. */
static enum status take_letters(const struct protobuf_field *field,
                                struct rpc_letters_request *request, struct error *err)
{
    struct bytes packed = field->bytes;
    uint64_t number = field->integer;
    bool is_more = field->wire == PROTOBUF_VARINT || protobuf_take_integer(&packed, &number);
    while (is_more) {
        if (request->letters_count == RPC_LETTERS_MAX)
            return error_set(err, STATUS_LIMIT, "a request names at most %d letters",
                             RPC_LETTERS_MAX);
        request->letters[request->letters_count++] = number;
        is_more = field->wire == PROTOBUF_BYTES && protobuf_take_integer(&packed, &number);
    }
    if (field->wire == PROTOBUF_BYTES && packed.size > 0)
        return ended(PROTOBUF_BROKEN, "DeadLettersRequest", err);
    return STATUS_OK;
}

enum status rpc_letters_parse(struct bytes message, struct rpc_letters_request *request,
                              struct error *err)
{
    enum { SOURCE = 1, ACTION = 2, LETTERS = 3, AFTER = 4, COUNT = 5, FULL = 6 };
    struct protobuf_field field;
    enum protobuf_result result;
    *request = (struct rpc_letters_request){0};
    EACH_FIELD(message, field, result)
    {
        enum status status = STATUS_OK;
        if (is_text(&field, SOURCE))
            request->source = field.bytes;
        else if (is_integer(&field, ACTION))
            request->action = field.integer;
        else if (is_integer(&field, LETTERS) || is_text(&field, LETTERS))
            status = take_letters(&field, request, err);
        else if (is_integer(&field, AFTER))
            request->after = field.integer;
        else if (is_integer(&field, COUNT))
            request->count = field.integer;
        else if (is_integer(&field, FULL))
            request->is_full = field.integer != 0;
        if (status != STATUS_OK)
            return status;
    }
    return ended(result, "DeadLettersRequest", err);
}

/* ---- answers ---- */

void rpc_plan_json_append(struct bytes json, struct buffer *out)
{
    enum { JSON = 2 };
    protobuf_append_bytes(out, JSON, json);
}

enum { ENTITIES_ENTITIES = 1, ENTITIES_AFTER = 2 };

void rpc_entities_append(struct bytes entity, struct buffer *out)
{
    protobuf_append_item(out, ENTITIES_ENTITIES, entity);
}

void rpc_entities_after_append(struct bytes entity, struct buffer *out)
{
    protobuf_append_bytes(out, ENTITIES_AFTER, entity);
}
