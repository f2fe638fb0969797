/* The messages of proto/asof/v1 and of gRPC's health protocol: requests from bytes, answers to
 * bytes.
 *
 * 1. A request borrows from the bytes of its message; what it needs beside them is in the arena, of
 * a size that is bounded by theirs.
 * 2. Unknown fields are skipped, as protobuf has it.
 * 3. Answers are appended, without a frame around them.
 *
 * Thread: any. */
#ifndef ASOF_PROTOCOL_RPC_MESSAGE_H
#define ASOF_PROTOCOL_RPC_MESSAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "model/columns.h"

/* INVALID: no GetFeaturesRequest. LIMIT: more names than columns.h has, or more rows than rows_max.
 */
MUST_USE enum status rpc_get_parse(struct bytes message, size_t rows_max, struct arena *arena,
                                   struct columns_question *question, struct error *err);

/* The same, where the names are likely to be these; the question may borrow them. */
MUST_USE enum status rpc_get_parse_as(struct bytes message, const struct columns_names *known,
                                      size_t rows_max, struct arena *arena,
                                      struct columns_question *question, struct error *err);

/* GetFeaturesRequest.chunk_rows, of a message that was parsed. */
uint64_t rpc_get_chunk_rows(struct bytes message);

/* Appends the fields of a Column that stand before its values. */
void rpc_column_head_append(const struct column *column, struct buffer *out);

/* Appends one of the views of a GetFeaturesResponse of that many rows. */
void rpc_view_append(const struct columns_view *view, size_t rows, struct buffer *out);

/* Appends a GetFeaturesResponse. */
void rpc_get_append(const struct columns *columns, struct buffer *out);

struct rpc_push_request {
    struct bytes source;
    const struct bytes *events; /* JSON; NULL: columns have them */
    size_t events_count;
    const struct value_column *columns; /* one value an event in each */
    size_t columns_count;
    struct bytes producer;
    uint64_t producer_sequence;
};

enum {
    RPC_PUSH_COLUMNS_MAX = 1024,
    RPC_PUSH_CELLS_MAX = 1000 * 1000, /* columns times events */
};

/* INVALID: no PushRequest. LIMIT: more than events_max events, or a limit above. */
MUST_USE enum status rpc_push_parse(struct bytes message, size_t events_max, struct arena *arena,
                                    struct rpc_push_request *request, struct error *err);
void rpc_push_append(uint64_t events_count, struct buffer *out);

struct rpc_file {
    struct bytes name;
    struct bytes text;
};

/* Of Plan and Apply; *is_promoting is PlanRequest.promote. INVALID: no PlanRequest. LIMIT: more
 * than files_max files. */
MUST_USE enum status rpc_plan_parse(struct bytes message, size_t files_max, struct arena *arena,
                                    const struct rpc_file **files, size_t *files_count,
                                    bool *is_promoting, struct error *err);

struct rpc_change {
    unsigned kind; /* Change.Kind */
    const char *noun;
    struct bytes name;
    uint32_t version;
    struct bytes detail;
};

/* Appends one Change of a PlanResponse. */
void rpc_change_append(const struct rpc_change *change, struct buffer *scratch, struct buffer *out);

/* The string field 1 of a message: DescribeRequest.name, HealthCheckRequest.service; empty where it
 * is not there. INVALID: no message. */
MUST_USE enum status rpc_name_parse(struct bytes message, struct bytes *name, struct error *err);

/* Appends a message whose field 1 is a text: ListResponse, DescribeResponse. */
void rpc_text_append(struct bytes text, struct buffer *out);

/* As in HealthCheckResponse.ServingStatus. */
enum rpc_health { RPC_SERVING = 1, RPC_NOT_SERVING = 2, RPC_SERVICE_UNKNOWN = 3 };

/* Appends a HealthCheckResponse. */
void rpc_health_append(enum rpc_health health, struct buffer *out);

#endif
