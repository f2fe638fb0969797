/* The Offline service: what comes is kept in a file without a name, a job of server/export works,
 * and its result goes out piece by piece.
 *
 *     RECEIVING   spec; pieces, each written by a reader, while the call is held; of a backfill,
 *                 several files
 *     WORKING     the job runs on a thread of export's; progress is told now and then
 *     SENDING     pieces of the result, each read by a reader when the peer has room for it; done
 *
 * A call that ends cancels its job. The task is freed when neither a reader nor the job has it. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/rpc_call.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "export/backfill.h"
#include "export/events.h"
#include "export/snapshot.h"
#include "export/training.h"
#include "protocol/rpc_offline_message.h"

enum {
    PIECE_SIZE = 512 * 1024,      /* that are sent */
    PIECE_SIZE_MAX = 1024 * 1024, /* that are taken */
    FILE_MESSAGE_SIZE_MAX = 8192, /* that begins a file: it is kept */
    PROGRESS_INTERVAL_US = 200 * 1000,
};

static const uint64_t upload_bytes_max = UINT64_C(16) << 30; /* of one call */

enum offline_state { OFFLINE_RECEIVING, OFFLINE_WORKING, OFFLINE_SENDING };

struct rpc_offline;

/* What a method does. */
struct offline_kind {
    enum export_kind kind;
    enum status (*take)(struct rpc_offline *offline, struct bytes message, struct error *err);
};

struct rpc_offline {
    struct reader_job reader;
    struct network_call ended; /* says that the job is done */
    struct rpc_door *door;     /* borrowed */
    struct rpc_call *call;     /* NULL: it is gone */
    const struct offline_kind *kind;
    enum offline_state state;
    bool has_spec;
    bool is_whole;                /* the peer sends no more */
    bool is_busy;                 /* a reader has it */
    bool is_running;              /* the job was posted and has not said done */
    struct export_job *job;       /* owned */
    struct bytes input_path;      /* of the server, in the job's arena; empty: input is uploaded */
    struct bytes output_path;     /* the same */
    int *input;                   /* what is read or uploaded now; closed with the task */
    struct backfill_input *files; /* of a backfill, in the job's arena; the same */
    size_t files_count;
    uint64_t input_bytes;
    struct buffer piece; /* owned: what is written or was read */
    uint64_t sent_bytes;
    struct sha256 hash;
    enum status status; /* of the last turn of a reader */
    struct error err;
    TAILQ_ENTRY(rpc_offline) link; /* of door->offline */
};

#define OFFLINE_OF(member_, pointer)                                                               \
    ((struct rpc_offline *)((char *)(pointer)-offsetof(struct rpc_offline, member_)))

static void input_close(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

/* Frees it, if nobody has it. */
static void offline_let_go(struct rpc_offline *offline)
{
    if (offline->call != NULL || offline->is_busy || offline->is_running)
        return;
    TAILQ_REMOVE(&offline->door->offline, offline, link);
    offline->door->offline_count--;
    for (size_t i = 0; i < offline->files_count; i++)
        input_close(&offline->files[i].descriptor);
    if (offline->files_count == 0 && offline->input != NULL)
        input_close(offline->input);
    export_job_release(&offline->job);
    buffer_fini(&offline->piece);
    free(offline);
}

/* ---- on a reader's thread ---- */

static enum status piece_write(struct rpc_offline *offline, struct error *err)
{
    struct bytes left = buffer_bytes(&offline->piece);
    enum status status = STATUS_OK;
    if (*offline->input < 0)
        status = export_spool_open(offline->door->options.export, offline->input, err);
    while (left.size > 0 && status == STATUS_OK) {
        ssize_t size = write(*offline->input, left.data, left.size);
        if (size > 0)
            left = bytes_after(left, (size_t)size);
        else if (errno != EINTR)
            status = error_set(err, STATUS_LIMIT, "keep what was sent: %s", error_errno());
    }
    return status;
}

/* Leaves the next piece of the result in piece; nothing at its end. */
static enum status piece_read(struct rpc_offline *offline, struct error *err)
{
    int descriptor = export_job_result(offline->job)->descriptor;
    ssize_t size = -1;
    buffer_reset(&offline->piece, PIECE_SIZE);
    char *end = buffer_reserve(&offline->piece, PIECE_SIZE);
    do {
        size = pread(descriptor, end, PIECE_SIZE, (off_t)offline->sent_bytes);
    } while (size < 0 && errno == EINTR);
    if (size < 0)
        return error_set(err, STATUS_IO, "read the result: %s", error_errno());
    buffer_added(&offline->piece, (size_t)size);
    sha256_add(&offline->hash, buffer_bytes(&offline->piece));
    return STATUS_OK;
}

static void offline_run(struct reader_job *base, struct query *query, struct arena *arena)
{
    struct rpc_offline *offline = OFFLINE_OF(reader, base);
    (void)query;
    (void)arena;
    if (offline->state == OFFLINE_SENDING)
        offline->status = piece_read(offline, &offline->err);
    else if (offline->input_path.size > 0)
        offline->status = export_input_open(offline->door->options.export, offline->input_path,
                                            offline->input, &offline->err);
    else
        offline->status = piece_write(offline, &offline->err);
}

static void offline_post(struct rpc_offline *offline)
{
    offline->is_busy = true;
    offline->status = error_set(&offline->err, STATUS_UNAVAILABLE, "the server is stopping");
    readers_post(offline->door->options.readers, &offline->reader);
}

/* ---- the job ---- */

/* On a thread of export's. */
static void offline_note_done(void *context, struct export_job *job)
{
    struct rpc_offline *offline = context;
    (void)job;
    network_loop_post(offline->door->options.loop, &offline->ended);
}

static enum status offline_start(struct rpc_offline *offline, struct error *err)
{
    offline->state = OFFLINE_WORKING;
    enum status status = export_post(offline->job, offline_note_done, offline, err);
    offline->is_running = status == STATUS_OK;
    return status;
}

static bool send_part(struct rpc_offline *offline, struct buffer *part)
{
    bool is_sent = rpc_call_send(offline->call, buffer_bytes(part));
    buffer_fini(part);
    return is_sent;
}

static bool send_progress(struct rpc_offline *offline, const struct export_progress *progress)
{
    struct buffer part = {0};
    const struct rpc_progress told = {.phase = progress->phase,
                                      .rows_done = progress->rows_done,
                                      .rows_total = progress->rows_total,
                                      .bytes_done = progress->bytes_done,
                                      .bytes_total = progress->bytes_total,
                                      .seconds_left = progress->seconds_left};
    rpc_progress_append(&told, &part);
    return send_part(offline, &part);
}

static void offline_finish(struct rpc_offline *offline, struct bytes sha256)
{
    const struct export_result *result = export_job_result(offline->job);
    struct buffer part = {0};
    const struct rpc_export_done done = {.rows = result->rows,
                                         .bytes = result->bytes,
                                         .path = offline->output_path,
                                         .sha256 = sha256};
    rpc_export_done_append(&done, &part);
    if (send_part(offline, &part))
        rpc_call_end(offline->call, STATUS_OK, NULL);
}

static void offline_finish_backfill(struct rpc_offline *offline)
{
    const struct export_result *result = export_job_result(offline->job);
    struct buffer part = {0};
    const struct rpc_backfill_done done = {.rows = result->rows,
                                           .taken = result->taken,
                                           .skipped = result->skipped,
                                           .files_known = result->files_known};
    rpc_backfill_done_append(&done, &part);
    if (send_part(offline, &part))
        rpc_call_end(offline->call, STATUS_OK, NULL);
}

static void offline_ended(struct network_call *base)
{
    struct rpc_offline *offline = OFFLINE_OF(ended, base);
    const struct export_result *result = export_job_result(offline->job);
    offline->is_running = false;
    if (offline->call == NULL) {
        offline_let_go(offline);
    } else if (result->status == STATUS_CANCELLED) {
        rpc_call_fail(offline->call, GRPC_UNAVAILABLE, bytes_of_text("the server is stopping"));
    } else if (result->status != STATUS_OK) {
        rpc_call_end(offline->call, result->status, &result->err);
    } else if (offline->kind->kind == EXPORT_BACKFILL) {
        offline_finish_backfill(offline);
    } else if (result->descriptor < 0) {
        offline_finish(offline, (struct bytes){0});
    } else {
        const struct export_progress sending = {
            .phase = "sending", .bytes_total = result->bytes, .seconds_left = -1};
        offline->state = OFFLINE_SENDING;
        sha256_init(&offline->hash);
        if (send_progress(offline, &sending))
            offline_post(offline);
    }
}

/* How far it is. false: there is nothing to be told now, or any more. */
static bool find_progress(struct rpc_offline *offline, struct export_progress *progress)
{
    bool is_receiving = offline->state == OFFLINE_RECEIVING && offline->has_spec;
    if (offline->call == NULL || (!offline->is_running && !is_receiving))
        return false;
    if (is_receiving)
        *progress = (struct export_progress){
            .phase = "receiving", .bytes_done = offline->input_bytes, .seconds_left = -1};
    else
        *progress = export_job_progress(offline->job);
    return true;
}

int64_t rpc_offline_tell(struct rpc_door *door, int64_t now_mono_us)
{
    struct rpc_offline *next;
    bool has_some = false;
    if (now_mono_us < door->told_mono_us + PROGRESS_INTERVAL_US)
        return TAILQ_EMPTY(&door->offline) ? INT64_MAX : door->told_mono_us + PROGRESS_INTERVAL_US;
    door->told_mono_us = now_mono_us;
    for (struct rpc_offline *it = TAILQ_FIRST(&door->offline); it != NULL; it = next) {
        next = TAILQ_NEXT(it, link);
        struct export_progress progress;
        if (!find_progress(it, &progress))
            continue;
        has_some = true;
        if (rpc_call_has_room(it->call))
            (void)send_progress(it, &progress);
    }
    return has_some ? now_mono_us + PROGRESS_INTERVAL_US : INT64_MAX;
}

/* ---- what comes back from a reader ---- */

static void offline_go_on_sending(struct rpc_offline *offline)
{
    struct bytes piece = buffer_bytes(&offline->piece);
    unsigned char digest[SHA256_SIZE];
    struct buffer part = {0};
    if (piece.size == 0) {
        sha256_finish(&offline->hash, digest);
        offline_finish(offline, bytes_of(digest, sizeof(digest)));
        return;
    }
    rpc_piece_append(piece, &part);
    offline->sent_bytes += piece.size;
    if (!send_part(offline, &part))
        return;
    if (rpc_call_has_room(offline->call))
        offline_post(offline);
    else
        rpc_call_await_room(offline->call);
}

static void offline_done(struct reader_job *base)
{
    struct rpc_offline *offline = OFFLINE_OF(reader, base);
    enum status status = offline->status;
    offline->is_busy = false;
    if (offline->call == NULL) {
        offline_let_go(offline);
        return;
    }
    if (status == STATUS_OK && offline->state == OFFLINE_SENDING) {
        offline_go_on_sending(offline);
        return;
    }
    if (status == STATUS_OK && offline->is_whole)
        status = offline_start(offline, &offline->err);
    if (status != STATUS_OK)
        rpc_call_end(offline->call, status, &offline->err);
    else
        rpc_call_let_go(offline->call);
}

/* ---- specs ---- */

/* By its name, where that is not said. */
static enum export_format format_of(enum rpc_file_format format, struct bytes name)
{
    static const struct {
        const char *end;
        enum rpc_file_format format;
    } ends[] = {
        {".csv", RPC_FORMAT_CSV}, {".ndjson", RPC_FORMAT_NDJSON}, {".json", RPC_FORMAT_NDJSON}};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct bytes end = bytes_of_text(ends[i].end);
        if (format == RPC_FORMAT_UNSPECIFIED && name.size > end.size &&
            bytes_equal(bytes_after(name, name.size - end.size), end))
            format = ends[i].format;
    }
    if (format == RPC_FORMAT_CSV)
        return EXPORT_CSV;
    return format == RPC_FORMAT_NDJSON ? EXPORT_NDJSON : EXPORT_PARQUET;
}

static struct export_output output_of(struct rpc_offline *offline, const struct rpc_output *output)
{
    offline->output_path = output->server_path;
    return (struct export_output){.server_path = output->server_path,
                                  .format = format_of(output->format, output->server_path),
                                  .partition_by = output->partition_by,
                                  .partition_by_count = output->partition_by_count,
                                  .hash_buckets = output->hash_buckets};
}

/* The message as it lives as long as the job; from the first on progress is told. */
static struct bytes keep(struct rpc_offline *offline, struct bytes message)
{
    offline->has_spec = true;
    rpc_door_wake(offline->door, clock_mono_us() + PROGRESS_INTERVAL_US);
    return arena_copy(export_job_arena(offline->job), message);
}

static enum status snapshot_take(struct rpc_offline *offline, struct bytes message,
                                 struct error *err)
{
    struct rpc_snapshot_request request;
    struct snapshot_spec *spec = export_job_spec(offline->job);
    enum status status =
        rpc_snapshot_parse(keep(offline, message), export_job_arena(offline->job), &request, err);
    if (status != STATUS_OK)
        return status;
    *spec = (struct snapshot_spec){.view = request.view,
                                   .has_at = request.has_at,
                                   .at_us = request.at_us,
                                   .with_statuses = request.has_statuses,
                                   .output = output_of(offline, &request.output)};
    return offline_start(offline, err);
}

static enum status events_take(struct rpc_offline *offline, struct bytes message, struct error *err)
{
    struct rpc_events_request request;
    struct events_spec *spec = export_job_spec(offline->job);
    enum status status =
        rpc_events_parse(keep(offline, message), export_job_arena(offline->job), &request, err);
    if (status != STATUS_OK)
        return status;
    *spec = (struct events_spec){.source = request.source,
                                 .from_us = request.from_us,
                                 .to_us = request.to_us,
                                 .output = output_of(offline, &request.output)};
    return offline_start(offline, err);
}

/* ---- what is uploaded ---- */

/* Keeps a piece of the input. */
static enum status offline_take_piece(struct rpc_offline *offline, struct bytes piece,
                                      struct error *err)
{
    if (offline->input_path.size > 0)
        return error_set(err, STATUS_INVALID,
                         "the file is the server's '%.*s', and pieces of it were sent",
                         BYTES_ARGS(offline->input_path));
    if (piece.size > PIECE_SIZE_MAX)
        return error_set(err, STATUS_LIMIT, "a piece has at most %d bytes, got %zu", PIECE_SIZE_MAX,
                         piece.size);
    offline->input_bytes += piece.size;
    if (offline->input_bytes > upload_bytes_max)
        return error_set(err, STATUS_LIMIT, "at most %llu bytes can be sent in a call",
                         (unsigned long long)upload_bytes_max);
    buffer_reset(&offline->piece, PIECE_SIZE_MAX);
    buffer_append(&offline->piece, piece);
    rpc_call_hold(offline->call);
    offline_post(offline);
    return STATUS_OK;
}

/* ---- training ---- */

static enum status training_take_spec(struct rpc_offline *offline, struct bytes message,
                                      struct error *err)
{
    struct rpc_training_spec given;
    struct training_spec *spec = export_job_spec(offline->job);
    enum status status =
        rpc_training_parse(keep(offline, message), export_job_arena(offline->job), &given, err);
    if (status == STATUS_OK && given.memory_bytes > 0 &&
        given.memory_bytes < EXPORT_MEMORY_MIN_BYTES)
        status = error_set(err, STATUS_INVALID, "a training set needs %d MiB of memory at least",
                           EXPORT_MEMORY_MIN_BYTES >> 20);
    if (status != STATUS_OK)
        return status;
    *spec =
        (struct training_spec){.service = given.service,
                               .features = given.features,
                               .features_count = given.features_count,
                               .labels = -1,
                               .labels_format = format_of(given.labels_format, given.labels_path),
                               .time_column = given.time_column,
                               .memory_bytes = given.memory_bytes,
                               .is_exclusive = given.is_exclusive,
                               .has_full_names = given.has_full_names,
                               .has_statuses = given.has_statuses,
                               .output = output_of(offline, &given.output)};
    offline->input = &spec->labels;
    offline->input_path = given.labels_path;
    return STATUS_OK;
}

static enum status training_take(struct rpc_offline *offline, struct bytes message,
                                 struct error *err)
{
    enum { PART_SPEC = 1, PART_LABELS = 2 };
    uint32_t number;
    struct bytes part;
    enum status status = rpc_part_parse(message, &number, &part, err);
    if (status != STATUS_OK)
        return status;
    if (number == PART_SPEC && !offline->has_spec)
        return training_take_spec(offline, part, err);
    if (number == PART_LABELS && offline->has_spec)
        return offline_take_piece(offline, part, err);
    return error_set(err, STATUS_INVALID, "the first message has the spec, the others have labels");
}

static void training_ended(void *task)
{
    struct rpc_offline *offline = task;
    struct error err = {0};
    enum status status = STATUS_OK;
    offline->is_whole = true;
    if (offline->input_path.size > 0)
        offline_post(offline);
    else if (*offline->input < 0)
        status = error_set(&err, STATUS_INVALID,
                           "no labels were sent (an empty file?), and no file of the server named");
    else
        status = offline_start(offline, &err);
    if (status != STATUS_OK)
        rpc_call_end(offline->call, status, &err);
}

/* ---- backfills ---- */

static enum status backfill_take_spec(struct rpc_offline *offline, struct bytes message,
                                      struct error *err)
{
    struct rpc_backfill_spec given;
    struct backfill_spec *spec = export_job_spec(offline->job);
    enum status status = rpc_backfill_parse(keep(offline, message), &given, err);
    if (status != STATUS_OK)
        return status;
    offline->files =
        ARENA_NEW_ARRAY(export_job_arena(offline->job), BACKFILL_FILES_MAX, struct backfill_input);
    *spec = (struct backfill_spec){.view = given.view,
                                   .has_until = given.has_until,
                                   .until_us = given.until_us,
                                   .inputs = offline->files};
    return STATUS_OK;
}

/* The next file: it is opened on a reader's thread, be it the server's or one to keep pieces in. */
static enum status backfill_take_file(struct rpc_offline *offline, struct bytes message,
                                      struct error *err)
{
    struct rpc_backfill_file given;
    struct backfill_spec *spec = export_job_spec(offline->job);
    if (message.size > FILE_MESSAGE_SIZE_MAX)
        return error_set(err, STATUS_LIMIT, "what begins a file has at most %d bytes, got %zu",
                         FILE_MESSAGE_SIZE_MAX, message.size);
    if (offline->files_count == BACKFILL_FILES_MAX)
        return error_set(err, STATUS_LIMIT, "a backfill takes at most %d files",
                         BACKFILL_FILES_MAX);
    enum status status = rpc_backfill_file_parse(keep(offline, message), &given, err);
    if (status != STATUS_OK)
        return status;
    struct backfill_input *file = &offline->files[offline->files_count++];
    struct bytes name = given.name.size > 0 ? given.name : given.server_path;
    *file = (struct backfill_input){
        .name = name, .descriptor = -1, .format = format_of(given.format, name)};
    spec->inputs_count = offline->files_count;
    offline->input = &file->descriptor;
    offline->input_path = given.server_path;
    buffer_reset(&offline->piece, PIECE_SIZE_MAX);
    rpc_call_hold(offline->call);
    offline_post(offline);
    return STATUS_OK;
}

static enum status backfill_take(struct rpc_offline *offline, struct bytes message,
                                 struct error *err)
{
    enum { PART_SPEC = 1, PART_FILE = 2, PART_PIECE = 3 };
    uint32_t number;
    struct bytes part;
    enum status status = rpc_part_parse(message, &number, &part, err);
    if (status != STATUS_OK)
        return status;
    if (number == PART_SPEC && !offline->has_spec)
        return backfill_take_spec(offline, part, err);
    if (number == PART_FILE && offline->has_spec)
        return backfill_take_file(offline, part, err);
    if (number == PART_PIECE && offline->files_count > 0)
        return offline_take_piece(offline, part, err);
    return error_set(err, STATUS_INVALID,
                     "the first message has the spec, the others begin a file or have a piece of "
                     "it");
}

static void backfill_ended(void *task)
{
    struct rpc_offline *offline = task;
    struct error err = {0};
    offline->is_whole = true;
    enum status status = offline->files_count == 0
                             ? error_set(&err, STATUS_INVALID, "no file was sent or named")
                             : offline_start(offline, &err);
    if (status != STATUS_OK)
        rpc_call_end(offline->call, status, &err);
}

/* ---- tasks ---- */

static void *offline_begin(struct rpc_call *call, const struct offline_kind *kind)
{
    struct rpc_door *door = call->session->door;
    struct rpc_offline *offline = calloc(1, sizeof(*offline));
    CHECK(offline != NULL);
    offline->reader = (struct reader_job){
        .run = offline_run,
        .done = offline_done,
        .loop = door->options.loop,
        .connection = network_connection_id(call->session->connection),
    };
    offline->ended.run = offline_ended;
    offline->door = door;
    offline->call = call;
    offline->kind = kind;
    offline->job = export_job_create(door->options.export, kind->kind);
    TAILQ_INSERT_TAIL(&door->offline, offline, link);
    door->offline_count++;
    return offline;
}

static void offline_message(void *task, struct bytes message)
{
    struct rpc_offline *offline = task;
    struct error err = {0};
    enum status status = STATUS_OK;
    if (offline->door->offline_count > RPC_OFFLINE_MAX)
        status = error_set(&err, STATUS_LIMIT, "%d exports are under way; try again later",
                           RPC_OFFLINE_MAX);
    if (status == STATUS_OK)
        status = offline->kind->take(offline, message, &err);
    if (status != STATUS_OK)
        rpc_call_end(offline->call, status, &err);
}

static void offline_room(void *task)
{
    offline_post(task);
}

static void offline_gone(void *task)
{
    struct rpc_offline *offline = task;
    offline->call = NULL;
    if (offline->is_busy && readers_withdraw(offline->door->options.readers, &offline->reader))
        offline->is_busy = false;
    if (offline->is_running)
        export_job_cancel(offline->job);
    offline_let_go(offline);
}

static void *snapshot_begin(struct rpc_call *call, struct bytes message)
{
    static const struct offline_kind kind = {EXPORT_SNAPSHOT, snapshot_take};
    (void)message;
    return offline_begin(call, &kind);
}

static void *events_begin(struct rpc_call *call, struct bytes message)
{
    static const struct offline_kind kind = {EXPORT_EVENTS, events_take};
    (void)message;
    return offline_begin(call, &kind);
}

static void *training_begin(struct rpc_call *call, struct bytes message)
{
    static const struct offline_kind kind = {EXPORT_TRAINING, training_take};
    (void)message;
    return offline_begin(call, &kind);
}

static void *backfill_begin(struct rpc_call *call, struct bytes message)
{
    static const struct offline_kind kind = {EXPORT_BACKFILL, backfill_take};
    (void)message;
    return offline_begin(call, &kind);
}

const struct rpc_stream rpc_offline_snapshot = {.is_ended_by_stop = true,
                                                .begin = snapshot_begin,
                                                .message = offline_message,
                                                .room = offline_room,
                                                .gone = offline_gone};

const struct rpc_stream rpc_offline_events = {.is_ended_by_stop = true,
                                              .begin = events_begin,
                                              .message = offline_message,
                                              .room = offline_room,
                                              .gone = offline_gone};

const struct rpc_stream rpc_offline_training = {.takes_many = true,
                                                .is_ended_by_stop = true,
                                                .begin = training_begin,
                                                .message = offline_message,
                                                .ended = training_ended,
                                                .room = offline_room,
                                                .gone = offline_gone};

const struct rpc_stream rpc_offline_backfill = {.takes_many = true,
                                                .is_ended_by_stop = true,
                                                .begin = backfill_begin,
                                                .message = offline_message,
                                                .ended = backfill_ended,
                                                .room = offline_room,
                                                .gone = offline_gone};
