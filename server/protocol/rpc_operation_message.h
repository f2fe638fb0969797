/* The requests of proto/asof/v1/registry.proto and operations.proto that have more than a name. As
 * rpc_message.h says of all: they borrow from the bytes of the message, unknown fields are skipped.
 *
 * Thread: any. */
#ifndef ASOF_PROTOCOL_RPC_OPERATION_MESSAGE_H
#define ASOF_PROTOCOL_RPC_OPERATION_MESSAGE_H

#include "base/buffer.h"
#include "base/status.h"

enum {
    RPC_DIFF_ENTITIES_MAX = 64,
    RPC_LETTERS_MAX = 500, /* named by one request */
};

/* All of them. INVALID: the bytes are no such message. LIMIT: more of something than is taken. */

struct rpc_describe_request {
    struct bytes name;
    bool is_lineage;
};
MUST_USE enum status rpc_describe_parse(struct bytes message, struct rpc_describe_request *request,
                                        struct error *err);

struct rpc_promote_request {
    struct bytes name;
    bool is_forced;
};
MUST_USE enum status rpc_promote_parse(struct bytes message, struct rpc_promote_request *request,
                                       struct error *err);

struct rpc_diff_request {
    struct bytes from;
    struct bytes to;
    struct bytes entities[RPC_DIFF_ENTITIES_MAX];
    size_t entities_count;
    int64_t at_us;
    bool has_at;
};
MUST_USE enum status rpc_diff_parse(struct bytes message, struct rpc_diff_request *request,
                                    struct error *err);

struct rpc_entities_request {
    struct bytes view;
    struct bytes after;
    uint64_t count; /* 0: not said */
    struct bytes match;
};
MUST_USE enum status rpc_entities_parse(struct bytes message, struct rpc_entities_request *request,
                                        struct error *err);

struct rpc_replay_request {
    struct bytes source;
    struct bytes from;
    bool is_promoting;
};
MUST_USE enum status rpc_replay_parse(struct bytes message, struct rpc_replay_request *request,
                                      struct error *err);

/* As in DeadLettersRequest.Action. */
enum rpc_letters_action {
    RPC_LETTERS_UNSPECIFIED = 0,
    RPC_LETTERS_LIST = 1,
    RPC_LETTERS_RETRY = 2,
    RPC_LETTERS_DROP = 3,
};

struct rpc_letters_request {
    struct bytes source;
    uint64_t action; /* an rpc_letters_action, or none that is known */
    uint64_t letters[RPC_LETTERS_MAX];
    size_t letters_count;
    uint64_t after;
    uint64_t count; /* 0: not said */
    bool is_full;
};
MUST_USE enum status rpc_letters_parse(struct bytes message, struct rpc_letters_request *request,
                                       struct error *err);

/* ---- answers ---- */

/* Appends PlanResponse.json. */
void rpc_plan_json_append(struct bytes json, struct buffer *out);

/* Appends one of EntitiesResponse.entities, and EntitiesResponse.after. */
void rpc_entities_append(struct bytes entity, struct buffer *out);
void rpc_entities_after_append(struct bytes entity, struct buffer *out);

#endif
