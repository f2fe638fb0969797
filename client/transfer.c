#include "transfer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/time_text.h"
#include "interrupt.h"
#include "protocol/protobuf.h"
#include "text.h"

enum { PIECE_SIZE = 512 * 1024 }; /* a message has at most 1 MiB of a file */

/* Of ExportResponse and BackfillResponse, and of ExportProgress. */
enum {
    ANSWER_PROGRESS = 1,
    EXPORT_PIECE = 2,
    BACKFILL_DONE = 2,
    EXPORT_DONE = 3,
    PROGRESS_PHASE = 1,
    PROGRESS_ROWS_DONE = 2,
    PROGRESS_ROWS_TOTAL = 3,
    PROGRESS_SECONDS_LEFT = 6,
};

enum transfer_format transfer_format_of(const char *name)
{
    static const struct {
        const char *suffix;
        enum transfer_format format;
    } suffixes[] = {{".parquet", TRANSFER_PARQUET},
                    {".csv", TRANSFER_CSV},
                    {".ndjson", TRANSFER_NDJSON},
                    {".jsonl", TRANSFER_NDJSON}};
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t suffix_size = strlen(suffixes[i].suffix);
        if (size > suffix_size && strcasecmp(name + size - suffix_size, suffixes[i].suffix) == 0)
            return suffixes[i].format;
    }
    return TRANSFER_UNKNOWN;
}

/* ---- the call ---- */

static enum status failed(const struct asof_error *failure, struct error *err)
{
    if (failure->code == ASOF_CANCELLED && interrupt_came())
        return error_set(err, STATUS_CANCELLED, "interrupted; nothing was written");
    if (failure->code == ASOF_NOT_FOUND)
        return error_set(err, STATUS_NOT_FOUND, "%s", failure->text);
    if (failure->code == ASOF_UNAVAILABLE || failure->code == ASOF_DEADLINE_EXCEEDED)
        return error_set(err, STATUS_UNAVAILABLE, "%s", failure->text);
    return error_set(err, STATUS_INVALID, "%s", failure->text);
}

enum status transfer_open(struct transfer *transfer, struct remote *remote, enum asof_method method,
                          struct bytes first, const struct terminal *terminal, struct error *err)
{
    struct asof_error failure;
    *transfer = (struct transfer){.progress = {.terminal = terminal}};
    transfer->cancel = asof_cancel_create();
    interrupt_catch();
    interrupt_fires(transfer->cancel);
    const struct asof_call_options options = {.cancel = transfer->cancel};
    const struct asof_bytes message = {.data = first.data, .size = first.size};
    if (asof_stream_open(remote_client(remote), method, message, &options, &transfer->stream,
                         &failure) == ASOF_OK)
        return STATUS_OK;
    return failed(&failure, err);
}

void transfer_close(struct transfer *transfer)
{
    if (transfer->progress.terminal != NULL)
        progress_clear(&transfer->progress);
    interrupt_fires(NULL);
    asof_stream_destroy(&transfer->stream);
    asof_cancel_destroy(&transfer->cancel);
}

/* ---- up ---- */

static void show(struct transfer *transfer, struct bytes phase, uint64_t done, uint64_t total,
                 const char *unit, double seconds_left)
{
    int64_t now_us = clock_mono_us();
    if (!bytes_equal_text(phase, transfer->phase)) {
        bytes_to_text(phase, transfer->phase, sizeof(transfer->phase));
        transfer->phase_mono_us = now_us;
    }
    const struct progress_state state = {
        .label = transfer->phase,
        .unit = unit,
        .events_done = done,
        .fraction = total > 0 ? (double)done / (double)total : -1,
        .elapsed_us = now_us - transfer->phase_mono_us,
        .left_us = seconds_left > 0 ? (int64_t)(seconds_left * (double)US_PER_SECOND) : 0,
    };
    progress_show(&transfer->progress, &state, now_us);
}

enum status transfer_send(struct transfer *transfer, struct bytes message, struct error *err)
{
    struct asof_error failure;
    const struct asof_bytes sent = {.data = message.data, .size = message.size};
    if (asof_stream_send(transfer->stream, sent, &failure) == ASOF_OK)
        return STATUS_OK;
    return failed(&failure, err);
}

static enum status send_descriptor(struct transfer *transfer, int fd, const char *path,
                                   uint64_t size, uint32_t field, struct error *err)
{
    char *piece = malloc(PIECE_SIZE);
    struct buffer message = {0};
    enum status status = STATUS_OK;
    uint64_t done = 0;
    CHECK(piece != NULL);
    while (status == STATUS_OK) {
        ssize_t got = read(fd, piece, PIECE_SIZE);
        if (got < 0 && interrupt_came()) /* it ended the wait for a terminal or a pipe */
            status = error_set(err, STATUS_CANCELLED, "interrupted; nothing was written");
        else if (got < 0)
            status = error_set(err, STATUS_IO, "read %s: %s", path, error_errno());
        if (got <= 0)
            break;
        buffer_reset(&message, SIZE_MAX);
        protobuf_append_item(&message, field, bytes_of(piece, (size_t)got));
        status = transfer_send(transfer, buffer_bytes(&message), err);
        done += (uint64_t)got;
        show(transfer, bytes_of_text("sending"), done, size, "bytes", 0);
    }
    buffer_fini(&message);
    free(piece);
    return status;
}

enum status transfer_send_file(struct transfer *transfer, const char *path, uint32_t field,
                               struct error *err)
{
    struct stat info;
    bool is_input = strcmp(path, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        error_set(err, STATUS_IO, "open %s: %s", path, error_errno());
        if (fd >= 0 && !is_input)
            close(fd);
        return STATUS_IO;
    }
    enum status status = send_descriptor(
        transfer, fd, path, S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0, field, err);
    if (!is_input)
        close(fd);
    return status;
}

enum status transfer_end(struct transfer *transfer, struct error *err)
{
    struct asof_error failure;
    return asof_stream_end(transfer->stream, &failure) == ASOF_OK ? STATUS_OK
                                                                  : failed(&failure, err);
}

/* ---- down ---- */

static void take_progress(struct transfer *transfer, struct bytes message)
{
    struct protobuf_field field;
    struct bytes phase = {0};
    uint64_t done = 0, total = 0;
    double seconds_left = -1;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        if (field.number == PROGRESS_PHASE && field.wire == PROTOBUF_BYTES)
            phase = field.bytes;
        else if (field.number == PROGRESS_ROWS_DONE && field.wire == PROTOBUF_VARINT)
            done = field.integer;
        else if (field.number == PROGRESS_ROWS_TOTAL && field.wire == PROTOBUF_VARINT)
            total = field.integer;
        else if (field.number == PROGRESS_SECONDS_LEFT && field.wire == PROTOBUF_FIXED64)
            memcpy(&seconds_left, &field.integer, sizeof(seconds_left));
    }
    struct buffer visible = {0};
    text_append_visible(&visible, phase);
    show(transfer, buffer_bytes(&visible), done, total, "rows", seconds_left);
    buffer_fini(&visible);
}

/* One message: progress, a piece, or the end, of which *done keeps the bytes. */
static enum status take(struct transfer *transfer, struct bytes message, struct result_file *result,
                        struct bytes *done, struct error *err)
{
    struct protobuf_field field;
    enum protobuf_result found;
    enum status status = STATUS_OK;
    uint32_t done_field = result != NULL ? EXPORT_DONE : BACKFILL_DONE;
    while ((found = protobuf_next(&message, &field)) == PROTOBUF_FIELD && status == STATUS_OK) {
        if (field.wire != PROTOBUF_BYTES)
            continue;
        if (field.number == ANSWER_PROGRESS)
            take_progress(transfer, field.bytes);
        else if (field.number == done_field)
            *done = field.bytes;
        else if (field.number == EXPORT_PIECE && result != NULL && result->fd >= 0)
            status = result_file_write(result, field.bytes, err);
    }
    if (found == PROTOBUF_BROKEN)
        return error_set(err, STATUS_CORRUPT, "the server's answer is no message");
    return status;
}

enum status transfer_receive(struct transfer *transfer, struct result_file *result,
                             struct transfer_done *done, struct error *err)
{
    struct asof_error failure;
    enum status status = STATUS_OK;
    *done = (struct transfer_done){0};
    while (status == STATUS_OK) {
        struct asof_message *message = NULL;
        enum asof_arrival arrival = asof_stream_receive(transfer->stream, -1, &message, &failure);
        if (arrival == ASOF_ARRIVAL_FAILED)
            status = failed(&failure, err);
        if (arrival == ASOF_ARRIVAL_DONE)
            break;
        if (arrival != ASOF_ARRIVAL_MESSAGE)
            continue;
        struct asof_bytes bytes = asof_message_bytes(message);
        struct bytes end = {0};
        status = take(transfer, bytes_of(bytes.data, bytes.size), result, &end, err);
        if (end.data != NULL && done->message == NULL) {
            *done = (struct transfer_done){.message = message, .bytes = end};
            message = NULL;
        }
        asof_message_destroy(&message);
    }
    progress_clear(&transfer->progress);
    if (status == STATUS_OK && done->message == NULL)
        status = error_set(err, STATUS_CORRUPT, "the server ended the call without a result");
    if (status != STATUS_OK)
        asof_message_destroy(&done->message);
    return status;
}
