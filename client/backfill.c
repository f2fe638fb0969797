/* asof backfill: history of a view from files. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/time_text.h"
#include "command.h"
#include "output.h"
#include "protocol/protobuf.h"
#include "text.h"
#include "transfer.h"

/* Of offline.proto. */
enum {
    PART_SPEC = 1,
    PART_FILE = 2,
    PART_PIECE = 3,
    SPEC_VIEW = 1,
    SPEC_UNTIL_US = 2,
    SPEC_HAS_UNTIL = 3,
    FILE_NAME = 1,
    FILE_FORMAT = 2,
    FILE_SERVER_PATH = 3,
    DONE_ROWS = 1,
    DONE_TAKEN = 2,
    DONE_SKIPPED = 3,
    DONE_FILES_KNOWN = 4,
};

/* The files of --from, and those behind the view: "--from a.parquet b.parquet" is meant so. */
static const char *file_at(const struct run *run, size_t i)
{
    const struct option_texts *from = &run->options->from_files;
    return i < from->count ? from->items[i] : run->words[1 + i - from->count];
}

static size_t files_count(const struct run *run)
{
    return run->options->from_files.count + run->words_count - 1;
}

static enum status check_file(const char *name, struct error *err)
{
    if (strcmp(name, "log") == 0)
        return error_set(err, STATUS_INVALID,
                         "the server's own log fills new versions by itself when they are applied: "
                         "asof apply FILE");
    if (strcmp(name, "kafka") == 0)
        return error_set(
            err, STATUS_INVALID,
            "Kafka fills new versions by itself when they are applied; to read a source "
            "again: asof replay SOURCE");
    if (transfer_format_of(name) == TRANSFER_UNKNOWN)
        return error_set(err, STATUS_INVALID,
                         "%s: its name ends in none of .parquet, .csv, .ndjson", name);
    return STATUS_OK;
}

static enum status make_spec(const struct run *run, struct buffer *request, struct error *err)
{
    struct buffer spec = {0};
    bool has_until;
    int64_t until_us;
    enum status status = option_time("--until", run->options->until, &has_until, &until_us, err);
    if (status == STATUS_OK && files_count(run) == 0)
        status = error_set(err, STATUS_INVALID, "backfill needs --from FILE...");
    for (size_t i = 0; i < files_count(run) && status == STATUS_OK; i++)
        status = check_file(file_at(run, i), err);
    protobuf_append_bytes(&spec, SPEC_VIEW, bytes_of_text(run->words[0]));
    protobuf_append_integer(&spec, SPEC_UNTIL_US, (uint64_t)until_us);
    protobuf_append_integer(&spec, SPEC_HAS_UNTIL, has_until);
    protobuf_append_item(request, PART_SPEC, buffer_bytes(&spec));
    buffer_fini(&spec);
    return status;
}

/* Begins a file, by the last part of its name, so that it counts once wherever it lies; then its
 * bytes. */
static enum status send_file(const struct run *run, struct transfer *transfer, const char *path,
                             struct error *err)
{
    struct buffer file = {0};
    struct buffer request = {0};
    const char *slash = strrchr(path, '/');
    bool is_on_server = run->options->is_on_server;
    protobuf_append_bytes(&file, FILE_NAME, bytes_of_text(slash != NULL ? slash + 1 : path));
    protobuf_append_integer(&file, FILE_FORMAT, transfer_format_of(path));
    if (is_on_server)
        protobuf_append_bytes(&file, FILE_SERVER_PATH, bytes_of_text(path));
    protobuf_append_item(&request, PART_FILE, buffer_bytes(&file));
    enum status status = transfer_send(transfer, buffer_bytes(&request), err);
    if (status == STATUS_OK && !is_on_server)
        status = transfer_send_file(transfer, path, PART_PIECE, err);
    buffer_fini(&request);
    buffer_fini(&file);
    return status;
}

static void print_done(const struct run *run, struct bytes message, int64_t start_mono_us)
{
    struct protobuf_field field;
    uint64_t numbers[DONE_FILES_KNOWN + 1] = {0};
    char rows[TEXT_COUNT_SIZE], taken[TEXT_COUNT_SIZE], skipped[TEXT_COUNT_SIZE];
    double seconds = (double)(clock_mono_us() - start_mono_us) / (double)US_PER_SECOND;
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD)
        if (field.wire == PROTOBUF_VARINT && field.number <= DONE_FILES_KNOWN)
            numbers[field.number] = field.integer;
    if (run->options->is_json) {
        printf("{\"rows\":%" PRIu64 ",\"taken\":%" PRIu64 ",\"skipped\":%" PRIu64
               ",\"files_known\":%" PRIu64 ",\"seconds\":%.3f}\n",
               numbers[DONE_ROWS], numbers[DONE_TAKEN], numbers[DONE_SKIPPED],
               numbers[DONE_FILES_KNOWN], seconds);
        return;
    }
    printf("%s rows in %.1f s: %s taken, %s skipped", text_count(numbers[DONE_ROWS], rows), seconds,
           text_count(numbers[DONE_TAKEN], taken), text_count(numbers[DONE_SKIPPED], skipped));
    if (numbers[DONE_FILES_KNOWN] > 0)
        printf(" (%" PRIu64 " of %zu files had been taken before)", numbers[DONE_FILES_KNOWN],
               files_count(run));
    putchar('\n');
}

static enum status exchange(const struct run *run, struct remote *remote, struct bytes spec,
                            struct error *err)
{
    struct transfer transfer;
    struct transfer_done done = {0};
    int64_t start_mono_us = clock_mono_us();
    enum status status =
        transfer_open(&transfer, remote, ASOF_METHOD_BACKFILL, spec, &run->err, err);
    for (size_t i = 0; i < files_count(run) && status == STATUS_OK; i++)
        status = send_file(run, &transfer, file_at(run, i), err);
    if (status == STATUS_OK)
        status = transfer_end(&transfer, err);
    if (status == STATUS_OK)
        status = transfer_receive(&transfer, NULL, &done, err);
    if (status == STATUS_OK)
        print_done(run, done.bytes, start_mono_us);
    else if (status == STATUS_CANCELLED)
        error_set(err, status, "interrupted; what was taken counts once when it is run again");
    asof_message_destroy(&done.message);
    transfer_close(&transfer);
    return status;
}

enum exit_code command_backfill(const struct run *run, struct error *err)
{
    struct remote *remote = NULL;
    struct buffer spec = {0};
    enum exit_code code = EXIT_USAGE;
    if (make_spec(run, &spec, err) == STATUS_OK) {
        enum status status = remote_open(run->options->server, &remote, err);
        if (status == STATUS_OK)
            status = exchange(run, remote, buffer_bytes(&spec), err);
        code = exit_of(status);
    }
    remote_close(&remote);
    buffer_fini(&spec);
    return code;
}
