/* asof export: training sets, snapshots and raw events, into a file here or on the server. */
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
    LABELS_SPEC = 1,
    LABELS_PIECE = 2,
    SPEC_SERVICE = 1,
    SPEC_FEATURES = 2,
    SPEC_TIME_COLUMN = 3,
    SPEC_EXCLUSIVE = 4,
    SPEC_FULL_NAMES = 5,
    SPEC_STATUSES = 6,
    SPEC_LABELS_FORMAT = 7,
    SPEC_MEMORY = 9,
    SPEC_OUTPUT = 10,
    OUTPUT_SERVER_PATH = 1,
    OUTPUT_FORMAT = 2,
    OUTPUT_PARTITION_BY = 3,
    OUTPUT_HASH_BUCKETS = 4,
    SNAPSHOT_VIEW = 1,
    SNAPSHOT_AT_US = 2,
    SNAPSHOT_HAS_AT = 3,
    SNAPSHOT_STATUSES = 4,
    SNAPSHOT_OUTPUT = 5,
    EVENTS_SOURCE = 1,
    EVENTS_FROM_US = 2,
    EVENTS_TO_US = 3,
    EVENTS_OUTPUT = 4,
    DONE_ROWS = 1,
    DONE_BYTES = 2,
    DONE_PATH = 3,
    DONE_SHA256 = 4,
};

struct export
{
    const struct run *run;
    enum asof_method method;
    struct buffer request; /* owned: the first message */
    const char *labels;    /* sent behind it; NULL: nothing is */
    int64_t start_mono_us;
};

/* ---- requests ---- */

/* Appends each of "a,b" as a field. */
static void append_names(struct buffer *out, uint32_t field, const char *names)
{
    for (const char *name = names; name != NULL;) {
        const char *comma = strchr(name, ',');
        size_t size = comma != NULL ? (size_t)(comma - name) : strlen(name);
        protobuf_append_bytes(out, field, bytes_of(name, size));
        name = comma != NULL ? comma + 1 : NULL;
    }
}

/* The format that was said, or that of the name. */
static enum status read_format(const char *option, const char *said, const char *path,
                               enum transfer_format *format, struct error *err)
{
    static const char *const names[] = {
        [TRANSFER_PARQUET] = "parquet", [TRANSFER_CSV] = "csv", [TRANSFER_NDJSON] = "ndjson"};
    *format = said == NULL ? transfer_format_of(path) : TRANSFER_UNKNOWN;
    for (size_t i = TRANSFER_PARQUET; said != NULL && i < COUNT_OF(names); i++)
        if (strcmp(said, names[i]) == 0)
            *format = (enum transfer_format)i;
    if (*format != TRANSFER_UNKNOWN)
        return STATUS_OK;
    if (said != NULL)
        return error_set(err, STATUS_INVALID, "%s is parquet, csv or ndjson, got '%s'", option,
                         said);
    return error_set(err, STATUS_INVALID,
                     "%s: its name ends in none of .parquet, .csv, .ndjson; say %s", path, option);
}

static enum status append_output(const struct run *run, uint32_t field, struct buffer *request,
                                 struct error *err)
{
    const struct options *options = run->options;
    struct buffer output = {0};
    bool is_parted = options->partition_by != NULL || options->hash_buckets > 0;
    enum transfer_format format = TRANSFER_PARQUET;
    if (options->out == NULL || options->out[0] == '\0')
        return error_set(err, STATUS_INVALID, "export needs --out FILE");
    if (is_parted && !options->is_on_server)
        return error_set(
            err, STATUS_INVALID,
            "partitions are a directory, which only the server writes: --on-server, and "
            "--out in one of its --export-dirs");
    enum status status = STATUS_OK;
    if (!is_parted || options->format != NULL)
        status = read_format("--format", options->format, options->out, &format, err);
    if (options->is_on_server)
        protobuf_append_bytes(&output, OUTPUT_SERVER_PATH, bytes_of_text(options->out));
    protobuf_append_integer(&output, OUTPUT_FORMAT, format);
    append_names(&output, OUTPUT_PARTITION_BY, options->partition_by);
    protobuf_append_integer(&output, OUTPUT_HASH_BUCKETS, (uint64_t)options->hash_buckets);
    protobuf_append_item(request, field, buffer_bytes(&output));
    buffer_fini(&output);
    return status;
}

static enum status make_training(struct export *export, struct error *err)
{
    const struct options *options = export->run->options;
    struct buffer spec = {0};
    enum transfer_format format = TRANSFER_UNKNOWN;
    uint64_t memory = 0;
    export->labels = options->labels;
    if (options->labels == NULL)
        return error_set(err, STATUS_INVALID, "export training needs --labels FILE");
    if ((options->service == NULL) == (options->features == NULL))
        return error_set(err, STATUS_INVALID,
                         "export training takes --service NAME or --features VIEW.FEATURE,...");
    enum status status =
        read_format("--labels-format", options->labels_format, options->labels, &format, err);
    if (status == STATUS_OK && options->memory != NULL)
        status = option_size("--memory", options->memory, &memory, err);
    if (options->service != NULL)
        protobuf_append_bytes(&spec, SPEC_SERVICE, bytes_of_text(options->service));
    append_names(&spec, SPEC_FEATURES, options->features);
    if (options->time_column != NULL)
        protobuf_append_bytes(&spec, SPEC_TIME_COLUMN, bytes_of_text(options->time_column));
    protobuf_append_integer(&spec, SPEC_EXCLUSIVE, options->is_exclusive);
    protobuf_append_integer(&spec, SPEC_FULL_NAMES, options->is_full_names);
    protobuf_append_integer(&spec, SPEC_STATUSES, options->has_statuses);
    protobuf_append_integer(&spec, SPEC_LABELS_FORMAT, format);
    protobuf_append_integer(&spec, SPEC_MEMORY, memory);
    if (status == STATUS_OK)
        status = append_output(export->run, SPEC_OUTPUT, &spec, err);
    protobuf_append_item(&export->request, LABELS_SPEC, buffer_bytes(&spec));
    buffer_fini(&spec);
    return status;
}

static enum status make_snapshot(struct export *export, struct error *err)
{
    const struct options *options = export->run->options;
    struct buffer *request = &export->request;
    bool has_at;
    int64_t at_us;
    enum status status = option_time("--at", options->at, &has_at, &at_us, err);
    protobuf_append_bytes(request, SNAPSHOT_VIEW, bytes_of_text(export->run->words[1]));
    protobuf_append_integer(request, SNAPSHOT_AT_US, (uint64_t)at_us);
    protobuf_append_integer(request, SNAPSHOT_HAS_AT, has_at);
    protobuf_append_integer(request, SNAPSHOT_STATUSES, options->has_statuses);
    return status == STATUS_OK ? append_output(export->run, SNAPSHOT_OUTPUT, request, err) : status;
}

static enum status make_events(struct export *export, struct error *err)
{
    const struct options *options = export->run->options;
    struct buffer *request = &export->request;
    bool has_from, has_to;
    int64_t from_us, to_us;
    enum status status = option_time("--from", options->from, &has_from, &from_us, err);
    if (status == STATUS_OK)
        status = option_time("--to", options->to, &has_to, &to_us, err);
    if (status != STATUS_OK)
        return status;
    if (has_from && has_to && from_us >= to_us)
        return error_set(err, STATUS_INVALID, "--from must lie before --to");
    if (has_from && !has_to)
        to_us = TIME_MAX_US;
    if (has_to && !has_from)
        from_us = TIME_MIN_US;
    protobuf_append_bytes(request, EVENTS_SOURCE, bytes_of_text(export->run->words[1]));
    protobuf_append_integer(request, EVENTS_FROM_US, (uint64_t)from_us);
    protobuf_append_integer(request, EVENTS_TO_US, (uint64_t)to_us);
    return append_output(export->run, EVENTS_OUTPUT, request, err);
}

static enum status make_request(struct export *export, struct error *err)
{
    static const struct {
        const char *kind;
        enum asof_method method;
        size_t words_count;
        const char *name;
        enum status (*make)(struct export *export, struct error *err);
    } kinds[] = {
        {"training", ASOF_METHOD_EXPORT_TRAINING, 1, "", make_training},
        {"snapshot", ASOF_METHOD_EXPORT_SNAPSHOT, 2, " VIEW", make_snapshot},
        {"events", ASOF_METHOD_EXPORT_EVENTS, 2, " SOURCE", make_events},
    };
    const struct run *run = export->run;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(run->words[0], kinds[i].kind) != 0)
            continue;
        if (run->words_count != kinds[i].words_count)
            return error_set(err, STATUS_INVALID, "it is: asof export %s%s --out FILE ...",
                             kinds[i].kind, kinds[i].name);
        export->method = kinds[i].method;
        return kinds[i].make(export, err);
    }
    return error_set(err, STATUS_INVALID,
                     "'%s' can't be exported; it is: asof export training, snapshot or events",
                     run->words[0]);
}

/* ---- results ---- */

struct done {
    uint64_t rows;
    uint64_t bytes;
    struct bytes path;
    struct bytes digest;
};

static struct done read_done(struct bytes message)
{
    struct protobuf_field field;
    struct done done = {0};
    while (protobuf_next(&message, &field) == PROTOBUF_FIELD) {
        if (field.number == DONE_ROWS && field.wire == PROTOBUF_VARINT)
            done.rows = field.integer;
        else if (field.number == DONE_BYTES && field.wire == PROTOBUF_VARINT)
            done.bytes = field.integer;
        else if (field.number == DONE_PATH && field.wire == PROTOBUF_BYTES)
            done.path = field.bytes;
        else if (field.number == DONE_SHA256 && field.wire == PROTOBUF_BYTES)
            done.digest = field.bytes;
    }
    return done;
}

static void print_done(const struct export *export, const struct done *done)
{
    char rows[TEXT_COUNT_SIZE], bytes[TEXT_COUNT_SIZE];
    struct buffer text = {0};
    const char *out = export->run->options->out;
    struct bytes path = done->path.size > 0 ? done->path : bytes_of_text(out);
    double seconds = (double)(clock_mono_us() - export->start_mono_us) / (double)US_PER_SECOND;
    if (export->run->options->is_json) {
        buffer_append_text(&text, "{\"path\":");
        text_append_json(&text, path);
        buffer_format(&text, ",\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.3f}",
                      done->rows, done->bytes, seconds);
    } else {
        text_append_visible(&text, path);
        buffer_format(&text, ": %s rows, %s bytes in %.1f s", text_count(done->rows, rows),
                      text_count(done->bytes, bytes), seconds);
    }
    buffer_append_byte(&text, '\n');
    struct bytes line = buffer_bytes(&text);
    bool is_output = !export->run->options->is_on_server && result_file_is_output(out);
    fwrite(line.data, 1, line.size, is_output ? stderr : stdout);
    buffer_fini(&text);
}

/* ---- the work ---- */

static enum status send_labels(const struct export *export, struct transfer *transfer,
                               struct error *err)
{
    if (export->labels == NULL)
        return STATUS_OK;
    enum status status = transfer_send_file(transfer, export->labels, LABELS_PIECE, err);
    return status == STATUS_OK ? transfer_end(transfer, err) : status;
}

static enum status exchange(const struct export *export, struct remote *remote,
                            struct result_file *result, struct error *err)
{
    struct transfer transfer;
    struct transfer_done end = {0};
    enum status status = transfer_open(&transfer, remote, export->method,
                                       buffer_bytes(&export->request), &export->run->err, err);
    if (status == STATUS_OK)
        status = send_labels(export, &transfer, err);
    if (status == STATUS_OK)
        status = transfer_receive(&transfer, result, &end, err);
    struct done done = read_done(end.bytes);
    if (status == STATUS_OK && result->fd >= 0)
        status = result_file_keep(result, done.bytes, done.digest, err);
    if (status == STATUS_OK)
        print_done(export, &done);
    asof_message_destroy(&end.message);
    transfer_close(&transfer);
    return status;
}

enum exit_code command_export(const struct run *run, struct error *err)
{
    struct export export = {.run = run, .start_mono_us = clock_mono_us()};
    struct result_file result = {.fd = -1};
    struct remote *remote = NULL;
    enum exit_code code = EXIT_USAGE;
    if (make_request(&export, err) == STATUS_OK) {
        enum status status = remote_open(run->options->server, &remote, err);
        if (status == STATUS_OK && !run->options->is_on_server)
            status = result_file_open(&result, run->options->out, err);
        if (status == STATUS_OK)
            status = exchange(&export, remote, &result, err);
        code = exit_of(status);
    }
    result_file_close(&result);
    remote_close(&remote);
    buffer_fini(&export.request);
    return code;
}
