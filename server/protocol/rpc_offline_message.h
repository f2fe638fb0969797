/* The messages of proto/asof/v1/offline.proto; see rpc_message.h, which says what holds of these
 * too. */
#ifndef ASOF_PROTOCOL_RPC_OFFLINE_MESSAGE_H
#define ASOF_PROTOCOL_RPC_OFFLINE_MESSAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"

enum {
    RPC_EXPORT_FEATURES_MAX = 4096,
    RPC_PARTITION_KEYS_MAX = 8,
};

/* FileFormat. */
enum rpc_file_format {
    RPC_FORMAT_UNSPECIFIED = 0,
    RPC_FORMAT_PARQUET = 1,
    RPC_FORMAT_CSV = 2,
    RPC_FORMAT_NDJSON = 3,
};

struct rpc_output {
    struct bytes server_path;
    enum rpc_file_format format;
    const struct bytes *partition_by;
    size_t partition_by_count;
    uint32_t hash_buckets;
};

struct rpc_training_spec {
    struct bytes service;
    const struct bytes *features;
    size_t features_count;
    struct bytes time_column;
    bool is_exclusive;
    bool has_full_names;
    bool has_statuses;
    enum rpc_file_format labels_format;
    struct bytes labels_path;
    uint64_t memory_bytes; /* 0: not said */
    struct rpc_output output;
};

struct rpc_snapshot_request {
    struct bytes view;
    int64_t at_us;
    bool has_at;
    bool has_statuses;
    struct rpc_output output;
};

struct rpc_events_request {
    struct bytes source;
    int64_t from_us;
    int64_t to_us;
    struct rpc_output output;
};

struct rpc_backfill_spec {
    struct bytes view;
    int64_t until_us;
    bool has_until;
};

struct rpc_backfill_file {
    struct bytes name;
    enum rpc_file_format format;
    struct bytes server_path;
};

/* Of a message with one of several parts: the number of the last that is there, and its bytes; 0:
 * there is none. INVALID: it is no message. */
MUST_USE enum status rpc_part_parse(struct bytes message, uint32_t *number, struct bytes *part,
                                    struct error *err);

/* INVALID, LIMIT: err. */
MUST_USE enum status rpc_training_parse(struct bytes message, struct arena *arena,
                                        struct rpc_training_spec *spec, struct error *err);
MUST_USE enum status rpc_snapshot_parse(struct bytes message, struct arena *arena,
                                        struct rpc_snapshot_request *request, struct error *err);
MUST_USE enum status rpc_events_parse(struct bytes message, struct arena *arena,
                                      struct rpc_events_request *request, struct error *err);
MUST_USE enum status rpc_backfill_parse(struct bytes message, struct rpc_backfill_spec *spec,
                                        struct error *err);
MUST_USE enum status rpc_backfill_file_parse(struct bytes message, struct rpc_backfill_file *file,
                                             struct error *err);

struct rpc_progress {
    const char *phase;
    uint64_t rows_done;
    uint64_t rows_total;
    uint64_t bytes_done;
    uint64_t bytes_total;
    double seconds_left;
};

struct rpc_export_done {
    uint64_t rows;
    uint64_t bytes;
    struct bytes path;
    struct bytes sha256;
};

struct rpc_backfill_done {
    uint64_t rows;
    uint64_t taken;
    uint64_t skipped;
    uint64_t files_known;
};

/* Append an ExportResponse or, but for a piece, a BackfillResponse. */
void rpc_progress_append(const struct rpc_progress *progress, struct buffer *out);
void rpc_piece_append(struct bytes piece, struct buffer *out);
void rpc_export_done_append(const struct rpc_export_done *done, struct buffer *out);
void rpc_backfill_done_append(const struct rpc_backfill_done *done, struct buffer *out);

#endif
