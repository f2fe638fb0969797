#include "protocol/rpc_offline_message.h"

#include <endian.h>

#include "protocol/protobuf.h"
#include "protocol/rpc_fields.h"

/* Fields of proto/asof/v1/offline.proto. */
enum {
    OUTPUT_SERVER_PATH = 1,
    OUTPUT_FORMAT = 2,
    OUTPUT_PARTITION_BY = 3,
    OUTPUT_HASH_BUCKETS = 4,
    TRAINING_SERVICE = 1,
    TRAINING_FEATURES = 2,
    TRAINING_TIME_COLUMN = 3,
    TRAINING_EXCLUSIVE = 4,
    TRAINING_FULL_NAMES = 5,
    TRAINING_WITH_STATUSES = 6,
    TRAINING_LABELS_FORMAT = 7,
    TRAINING_LABELS_PATH = 8,
    TRAINING_MEMORY_BYTES = 9,
    TRAINING_OUTPUT = 10,
    SNAPSHOT_VIEW = 1,
    SNAPSHOT_AT_US = 2,
    SNAPSHOT_HAS_AT = 3,
    SNAPSHOT_WITH_STATUSES = 4,
    SNAPSHOT_OUTPUT = 5,
    EVENTS_SOURCE = 1,
    EVENTS_FROM_US = 2,
    EVENTS_TO_US = 3,
    EVENTS_OUTPUT = 4,
    BACKFILL_VIEW = 1,
    BACKFILL_UNTIL_US = 2,
    BACKFILL_HAS_UNTIL = 3,
    FILE_NAME = 1,
    FILE_FORMAT = 2,
    FILE_SERVER_PATH = 3,
    RESPONSE_PROGRESS = 1,
    RESPONSE_PIECE = 2,
    RESPONSE_DONE = 3,
    BACKFILL_RESPONSE_DONE = 2,
    PROGRESS_PHASE = 1,
    PROGRESS_ROWS_DONE = 2,
    PROGRESS_ROWS_TOTAL = 3,
    PROGRESS_BYTES_DONE = 4,
    PROGRESS_BYTES_TOTAL = 5,
    PROGRESS_SECONDS_LEFT = 6,
    DONE_ROWS = 1,
    DONE_BYTES = 2,
    DONE_PATH = 3,
    DONE_SHA256 = 4,
    BACKFILLED_ROWS = 1,
    BACKFILLED_TAKEN = 2,
    BACKFILLED_SKIPPED = 3,
    BACKFILLED_FILES_KNOWN = 4,
};

enum status rpc_part_parse(struct bytes message, uint32_t *number, struct bytes *part,
                           struct error *err)
{
    struct protobuf_field field;
    enum protobuf_result result;
    *number = 0;
    *part = (struct bytes){0};
    while ((result = protobuf_next(&message, &field)) == PROTOBUF_FIELD)
        if (field.wire == PROTOBUF_BYTES) {
            *number = field.number;
            *part = field.bytes;
        }
    return result == PROTOBUF_END ? STATUS_OK : rpc_refuse_broken("message", err);
}

static enum status check_whole(struct bytes message, struct error *err)
{
    size_t count;
    return rpc_count_fields(message, 1, &count) ? STATUS_OK : rpc_refuse_broken("message", err);
}

static enum status format_parse(struct bytes message, uint32_t number, enum rpc_file_format *format,
                                struct error *err)
{
    uint64_t given = rpc_take_integer(message, number);
    if (given > RPC_FORMAT_NDJSON)
        return error_set(err, STATUS_INVALID, "there is no file format %llu",
                         (unsigned long long)given);
    *format = (enum rpc_file_format)given;
    return STATUS_OK;
}

static enum status output_parse(struct bytes message, struct arena *arena,
                                struct rpc_output *output, struct error *err)
{
    enum status status =
        rpc_take_texts(message, OUTPUT_PARTITION_BY, "partition keys", RPC_PARTITION_KEYS_MAX,
                       arena, &output->partition_by, &output->partition_by_count, err);
    if (status == STATUS_OK)
        status = format_parse(message, OUTPUT_FORMAT, &output->format, err);
    if (status != STATUS_OK)
        return status;
    uint64_t buckets = rpc_take_integer(message, OUTPUT_HASH_BUCKETS);
    output->server_path = rpc_take_text(message, OUTPUT_SERVER_PATH);
    output->hash_buckets = buckets < UINT32_MAX ? (uint32_t)buckets : UINT32_MAX;
    return STATUS_OK;
}

enum status rpc_training_parse(struct bytes message, struct arena *arena,
                               struct rpc_training_spec *spec, struct error *err)
{
    *spec = (struct rpc_training_spec){0};
    enum status status =
        rpc_take_texts(message, TRAINING_FEATURES, "names of features", RPC_EXPORT_FEATURES_MAX,
                       arena, &spec->features, &spec->features_count, err);
    if (status == STATUS_OK)
        status = format_parse(message, TRAINING_LABELS_FORMAT, &spec->labels_format, err);
    if (status == STATUS_OK)
        status = output_parse(rpc_take_text(message, TRAINING_OUTPUT), arena, &spec->output, err);
    if (status != STATUS_OK)
        return status;
    spec->service = rpc_take_text(message, TRAINING_SERVICE);
    spec->time_column = rpc_take_text(message, TRAINING_TIME_COLUMN);
    spec->is_exclusive = rpc_take_integer(message, TRAINING_EXCLUSIVE) != 0;
    spec->has_full_names = rpc_take_integer(message, TRAINING_FULL_NAMES) != 0;
    spec->has_statuses = rpc_take_integer(message, TRAINING_WITH_STATUSES) != 0;
    spec->labels_path = rpc_take_text(message, TRAINING_LABELS_PATH);
    spec->memory_bytes = rpc_take_integer(message, TRAINING_MEMORY_BYTES);
    return STATUS_OK;
}

enum status rpc_snapshot_parse(struct bytes message, struct arena *arena,
                               struct rpc_snapshot_request *request, struct error *err)
{
    *request = (struct rpc_snapshot_request){0};
    enum status status = check_whole(message, err);
    if (status == STATUS_OK)
        status =
            output_parse(rpc_take_text(message, SNAPSHOT_OUTPUT), arena, &request->output, err);
    if (status != STATUS_OK)
        return status;
    request->view = rpc_take_text(message, SNAPSHOT_VIEW);
    request->at_us = (int64_t)rpc_take_integer(message, SNAPSHOT_AT_US);
    request->has_at = rpc_take_integer(message, SNAPSHOT_HAS_AT) != 0;
    request->has_statuses = rpc_take_integer(message, SNAPSHOT_WITH_STATUSES) != 0;
    return STATUS_OK;
}

enum status rpc_events_parse(struct bytes message, struct arena *arena,
                             struct rpc_events_request *request, struct error *err)
{
    *request = (struct rpc_events_request){0};
    enum status status = check_whole(message, err);
    if (status == STATUS_OK)
        status = output_parse(rpc_take_text(message, EVENTS_OUTPUT), arena, &request->output, err);
    if (status != STATUS_OK)
        return status;
    request->source = rpc_take_text(message, EVENTS_SOURCE);
    request->from_us = (int64_t)rpc_take_integer(message, EVENTS_FROM_US);
    request->to_us = (int64_t)rpc_take_integer(message, EVENTS_TO_US);
    return STATUS_OK;
}

enum status rpc_backfill_parse(struct bytes message, struct rpc_backfill_spec *spec,
                               struct error *err)
{
    *spec = (struct rpc_backfill_spec){0};
    enum status status = check_whole(message, err);
    if (status != STATUS_OK)
        return status;
    spec->view = rpc_take_text(message, BACKFILL_VIEW);
    spec->until_us = (int64_t)rpc_take_integer(message, BACKFILL_UNTIL_US);
    spec->has_until = rpc_take_integer(message, BACKFILL_HAS_UNTIL) != 0;
    return STATUS_OK;
}

enum status rpc_backfill_file_parse(struct bytes message, struct rpc_backfill_file *file,
                                    struct error *err)
{
    *file = (struct rpc_backfill_file){0};
    enum status status = check_whole(message, err);
    if (status == STATUS_OK)
        status = format_parse(message, FILE_FORMAT, &file->format, err);
    if (status != STATUS_OK)
        return status;
    file->name = rpc_take_text(message, FILE_NAME);
    file->server_path = rpc_take_text(message, FILE_SERVER_PATH);
    return STATUS_OK;
}

/* ---- answers ---- */

static void append_double(struct buffer *out, uint32_t number, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    bits = htole64(bits);
    protobuf_append_tag(out, number, PROTOBUF_FIXED64);
    buffer_append(out, bytes_of(&bits, sizeof(bits)));
}

void rpc_progress_append(const struct rpc_progress *progress, struct buffer *out)
{
    struct buffer inner = {0};
    protobuf_append_bytes(&inner, PROGRESS_PHASE, bytes_of_text(progress->phase));
    protobuf_append_integer(&inner, PROGRESS_ROWS_DONE, progress->rows_done);
    protobuf_append_integer(&inner, PROGRESS_ROWS_TOTAL, progress->rows_total);
    protobuf_append_integer(&inner, PROGRESS_BYTES_DONE, progress->bytes_done);
    protobuf_append_integer(&inner, PROGRESS_BYTES_TOTAL, progress->bytes_total);
    append_double(&inner, PROGRESS_SECONDS_LEFT, progress->seconds_left);
    protobuf_append_item(out, RESPONSE_PROGRESS, buffer_bytes(&inner));
    buffer_fini(&inner);
}

void rpc_piece_append(struct bytes piece, struct buffer *out)
{
    protobuf_append_item(out, RESPONSE_PIECE, piece);
}

void rpc_export_done_append(const struct rpc_export_done *done, struct buffer *out)
{
    struct buffer inner = {0};
    protobuf_append_integer(&inner, DONE_ROWS, done->rows);
    protobuf_append_integer(&inner, DONE_BYTES, done->bytes);
    protobuf_append_bytes(&inner, DONE_PATH, done->path);
    protobuf_append_bytes(&inner, DONE_SHA256, done->sha256);
    protobuf_append_item(out, RESPONSE_DONE, buffer_bytes(&inner));
    buffer_fini(&inner);
}

void rpc_backfill_done_append(const struct rpc_backfill_done *done, struct buffer *out)
{
    struct buffer inner = {0};
    protobuf_append_integer(&inner, BACKFILLED_ROWS, done->rows);
    protobuf_append_integer(&inner, BACKFILLED_TAKEN, done->taken);
    protobuf_append_integer(&inner, BACKFILLED_SKIPPED, done->skipped);
    protobuf_append_integer(&inner, BACKFILLED_FILES_KNOWN, done->files_known);
    protobuf_append_item(out, BACKFILL_RESPONSE_DONE, buffer_bytes(&inner));
    buffer_fini(&inner);
}
