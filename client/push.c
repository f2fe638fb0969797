/* asof push. What sends the events is pusher.c; here are the file, the options and what people see.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include "command.h"
#include "remote.h"
#include "interrupt.h"
#include "tree.h"
#include "output.h"
#include "progress.h"
#include "pusher.h"
#include "text.h"

enum { ARENA_CHUNK_SIZE = 16 * 1024 };

struct push {
    const struct run *run;
    struct remote *remote; /* owned */
    struct arena *arena;   /* owned: fields of the source */
    const char *name;      /* of the file, for people */
    int fd;                /* -1: not open */
    uint64_t size;         /* of the file; 0: not known */
    enum events_format format;
    struct source_field *fields;
    size_t fields_count;
    struct events events;
    bool has_events; /* is initialised */
    FILE *rejects;   /* owned; NULL: none */
    struct progress progress;
    int64_t start_mono_us;
};

/* ---- options and files ---- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t name_size = strlen(name), size = strlen(suffix);
    return name_size > size && strcasecmp(name + name_size - size, suffix) == 0;
}

static enum status choose_format(struct push *push, struct error *err)
{
    const char *format = push->run->options->format;
    char hint[SUGGEST_TEXT_SIZE];
    if (format == NULL)
        push->format = has_suffix(push->name, ".csv") ? EVENTS_CSV : EVENTS_NDJSON;
    else if (strcmp(format, "csv") == 0)
        push->format = EVENTS_CSV;
    else if (strcmp(format, "ndjson") == 0)
        push->format = EVENTS_NDJSON;
    else {
        struct suggest suggest = {.name = bytes_of_text(format)};
        suggest_consider(&suggest, bytes_of_text("csv"));
        suggest_consider(&suggest, bytes_of_text("ndjson"));
        return error_set(err, STATUS_INVALID, "--format must be ndjson or csv, got '%s'%s", format,
                         suggest_text(&suggest, hint));
    }
    return STATUS_OK;
}

static enum status open_file(struct push *push, struct error *err)
{
    struct stat info;
    if (strcmp(push->name, "-") == 0) {
        push->name = "standard input";
        push->fd = dup(STDIN_FILENO);
    } else {
        push->fd = open(push->name, O_RDONLY | O_CLOEXEC);
    }
    if (push->fd < 0 || fstat(push->fd, &info) != 0)
        return error_set(err, STATUS_IO, "open %s: %s", push->name, error_errno());
    if (S_ISDIR(info.st_mode))
        return error_set(err, STATUS_IO, "%s is a directory", push->name);
    push->size = S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
    return STATUS_OK;
}

/* Opening the rejects empties their file, which must not be the one that is read. */
static enum status check_rejects(const struct push *push, struct error *err)
{
    const char *name = push->run->options->rejects;
    struct stat input, rejects;
    if (name == NULL || stat(name, &rejects) != 0 || fstat(push->fd, &input) != 0)
        return STATUS_OK;
    bool is_same = rejects.st_dev == input.st_dev && rejects.st_ino == input.st_ino;
    if (S_ISREG(input.st_mode) && is_same)
        return error_set(err, STATUS_INVALID,
                         "--rejects %s is the file that is read (%s) and would empty it; name "
                         "another",
                         name, push->name);
    return STATUS_OK;
}

static enum status open_rejects(struct push *push, struct error *err)
{
    const char *name = push->run->options->rejects;
    if (name == NULL)
        return STATUS_OK;
    push->rejects = fopen(name, "we");
    if (push->rejects == NULL)
        return error_set(err, STATUS_IO, "open %s: %s", name, error_errno());
    return STATUS_OK;
}

/* ---- the source ---- */

static void copy_fields(struct push *push, yajl_val source)
{
    push->fields_count = tree_count(source, "fields");
    push->fields = ARENA_NEW_ARRAY(push->arena, push->fields_count, struct source_field);
    for (size_t i = 0; i < push->fields_count; i++) {
        yajl_val field = tree_item(source, "fields", i);
        push->fields[i].name = arena_copy(push->arena, bytes_of_text(tree_text(field, "name")));
        push->fields[i].type = arena_copy(push->arena, bytes_of_text(tree_text(field, "type")));
    }
}

/* Sources take events, and batch views that name no source their writes. */
static enum status check_takes_events(const char *name, yajl_val object, struct error *err)
{
    bool is_batch = strcmp(tree_text(object, "kind"), "batch") == 0;
    const char *source = tree_text(object, "source");
    if (strcmp(tree_text(object, "noun"), "source") == 0 || (is_batch && source[0] == '\0'))
        return STATUS_OK;
    if (is_batch)
        return error_set(err, STATUS_INVALID,
                         "batch view '%s' takes what is written from source '%s'; push it there",
                         name, source);
    return error_set(err, STATUS_NOT_FOUND,
                     "'%s' is no source and no batch view but a %s%s; `asof list` has them all",
                     name, tree_text(object, "kind")[0] != '\0' ? "stream " : "",
                     tree_text(object, "noun"));
}

static enum status describe_source(struct push *push, struct error *err)
{
    const char *name = push->run->words[0];
    struct buffer reply = {0};
    yajl_val source = NULL;

    enum status status = output_ask_describe(push->remote, name, false, &reply, &source, err);
    if (status == STATUS_OK)
        status = check_takes_events(name, source, err);
    if (status == STATUS_OK)
        copy_fields(push, source);
    yajl_tree_free(source);
    buffer_fini(&reply);
    return status;
}

/* One line on standard error for all columns that are no field. */
static void warn_of_columns(const struct push *push)
{
    struct buffer names = {0};
    for (size_t i = 0; i < push->events.columns.count; i++) {
        const struct csv_column *column = &push->events.columns.columns[i];
        if (column->key.size > 0)
            continue;
        buffer_append_text(&names, names.size > 0 ? ", " : "");
        text_append_visible(&names, column->name);
    }
    if (names.size > 0)
        fprintf(stderr, "asof: %s: columns ignored, as %s has no such fields: %.*s\n", push->name,
                push->run->words[0], BYTES_ARGS(buffer_bytes(&names)));
    buffer_fini(&names);
}

static enum status begin_events(struct push *push, struct error *err)
{
    push->has_events = true;
    enum status status =
        events_init(&push->events, push->fd, push->format, push->fields, push->fields_count, err);
    if (status != STATUS_OK)
        return error_prefix(err, status, "%s", push->name);
    warn_of_columns(push);
    return STATUS_OK;
}

/* ---- what the pusher tells ---- */

static void append_reason(const struct refusal *refusal, struct buffer *line)
{
    struct buffer reason = {0};
    buffer_append_text(&reason, refusal->reason);
    if (refusal->is_cut)
        buffer_format(&reason, ", only its first %d bytes are kept here", (int)RECORD_HEAD_SIZE);
    text_append_json(line, buffer_bytes(&reason));
    buffer_fini(&reason);
}

static enum status write_reject(void *context, const struct refusal *refusal, struct error *err)
{
    struct push *push = context;
    struct buffer line = {0};
    buffer_format(&line, "{\"line\":%" PRIu64 ",\"reason\":", refusal->line);
    append_reason(refusal, &line);
    buffer_append_text(&line, ",\"event\":");
    text_append_json(&line, refusal->raw);
    buffer_append_text(&line, "}\n");
    size_t written = fwrite(buffer_bytes(&line).data, 1, line.size, push->rejects);
    bool is_written = written == line.size && fflush(push->rejects) == 0;
    buffer_fini(&line);
    if (!is_written)
        return error_set(err, STATUS_IO, "write %s: %s", push->run->options->rejects,
                         error_errno());
    return STATUS_OK;
}

static void show_progress(void *context, const struct pusher_counts *counts)
{
    struct push *push = context;
    int64_t now_us = clock_mono_us();
    struct progress_state state = {
        .label = push->name,
        .events_done = counts->acknowledged + counts->refused,
        .fraction = push->size > 0 ? (double)counts->offset / (double)push->size : -1,
        .elapsed_us = now_us - push->start_mono_us,
    };
    progress_show(&push->progress, &state, now_us);
}

static void print_notice(void *context, const char *sentence)
{
    struct push *push = context;
    progress_clear(&push->progress);
    fprintf(stderr, "asof: %s\n", sentence);
}

/* ---- the end ---- */

static double seconds_since(int64_t start_mono_us)
{
    return (double)(clock_mono_us() - start_mono_us) / (double)US_PER_SECOND;
}

static void print_json(const struct push *push, const struct pusher_result *result, double seconds)
{
    struct buffer text = {0};
    buffer_append_text(&text, "{\"source\":");
    text_append_json(&text, bytes_of_text(push->run->words[0]));
    buffer_format(&text, ",\"events\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"seconds\":%.3f",
                  result->counts.acknowledged, result->counts.refused, seconds);
    buffer_format(&text, ",\"unknown\":%" PRIu64 ",\"stopped\":", result->unknown);
    if (result->is_stopped) {
        buffer_format(&text, "{\"line\":%" PRIu64 ",\"reason\":", result->stop_line);
        text_append_json(&text, bytes_of_text(result->stop_reason.text));
        buffer_format(&text, ",\"events_behind\":%" PRIu64 "}", result->behind);
    } else {
        buffer_append_text(&text, "null");
    }
    buffer_append_byte(&text, '}');
    output_line(buffer_bytes(&text));
    buffer_fini(&text);
}

static void print_summary(const struct push *push, const struct pusher_result *result,
                          double seconds)
{
    char count[TEXT_COUNT_SIZE], rate[TEXT_COUNT_SIZE], rejected[TEXT_COUNT_SIZE];
    double per_second = seconds > 0 ? (double)result->counts.acknowledged / seconds : 0;
    printf("%s events in %.1f s, %s/s, %s rejected", text_count(result->counts.acknowledged, count),
           seconds, text_count((uint64_t)per_second, rate),
           text_count(result->counts.refused, rejected));
    if (result->counts.refused > 0)
        printf(" (%s)", push->run->options->rejects);
    putchar('\n');
}

/* "payments.csv:12: why; stopped there: ..." */
static void tell_stop(const struct push *push, const struct pusher_result *result,
                      struct error *err)
{
    char before[TEXT_COUNT_SIZE], behind[TEXT_COUNT_SIZE];
    int size = snprintf(err->text, sizeof(err->text),
                        "%s:%" PRIu64 ": %.700s; stopped there: %s events before it are in, ",
                        push->name, result->stop_line, result->stop_reason.text,
                        text_count(result->counts.acknowledged - result->behind, before));
    size_t end = (size_t)size < sizeof(err->text) ? (size_t)size : sizeof(err->text) - 1;
    if (result->behind == 0)
        snprintf(err->text + end, sizeof(err->text) - end, "nothing behind it is");
    else
        snprintf(err->text + end, sizeof(err->text) - end,
                 "and %s behind it that were under way, in lines %" PRIu64 " to %" PRIu64,
                 text_count(result->behind, behind), result->behind_first_line,
                 result->behind_last_line);
}

/* Says after a failure how much is in. */
static void tell_failure(const struct push *push, enum status status,
                         const struct pusher_result *result, struct error *err)
{
    char count[TEXT_COUNT_SIZE], unknown[TEXT_COUNT_SIZE];
    struct error why = *err;
    if (result->unknown > 0)
        error_set(err, status,
                  "%.700s; %s events are in, of %s more from line %" PRIu64 " on it is not known",
                  why.text, text_count(result->counts.acknowledged, count),
                  text_count(result->unknown, unknown), result->unknown_first_line);
    else if (status == STATUS_CANCELLED)
        error_set(err, status, "interrupted; %s:%" PRIu64 " was the last event sent, all %s are in",
                  push->name, result->last_line, text_count(result->counts.acknowledged, count));
    else
        error_set(err, status, "%.700s; %s events are in", why.text,
                  text_count(result->counts.acknowledged, count));
}

static enum exit_code finish(struct push *push, enum status status,
                             const struct pusher_result *result, struct error *err)
{
    double seconds = seconds_since(push->start_mono_us);
    progress_clear(&push->progress);
    if (push->run->options->is_json)
        print_json(push, result, seconds);
    else if (status == STATUS_OK && !result->is_stopped)
        print_summary(push, result, seconds);

    if (status != STATUS_OK) {
        tell_failure(push, status, result, err);
        return exit_of(status);
    }
    if (result->is_stopped) {
        tell_stop(push, result, err);
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

static enum exit_code send_events(struct push *push, struct error *err)
{
    const struct options *options = push->run->options;
    struct pusher_result result;
    struct pusher_config config = {
        .remote = push->remote,
        .events = &push->events,
        .source = push->run->words[0],
        .batch_events = (size_t)options->batch_events,
        .lanes_count = (size_t)options->in_flight,
        .retry_us = options->retry_s * US_PER_SECOND,
        .context = push,
        .refused = push->rejects != NULL ? write_reject : NULL,
        .progressed = show_progress,
        .noticed = print_notice,
    };
    interrupt_catch();
    push->start_mono_us = clock_mono_us();
    push->progress.terminal = &push->run->err;
    enum status status = pusher_run(&config, &result, err);
    return finish(push, status, &result, err);
}

static void push_fini(struct push *push)
{
    if (push->has_events)
        events_fini(&push->events);
    if (push->rejects != NULL)
        fclose(push->rejects);
    if (push->fd >= 0)
        close(push->fd);
    arena_destroy(&push->arena);
    remote_close(&push->remote);
}

static enum exit_code push_file(struct push *push, struct error *err)
{
    enum status status = open_file(push, err);
    if (status != STATUS_OK)
        return exit_of(status);
    if (check_rejects(push, err) != STATUS_OK)
        return EXIT_USAGE;
    status = remote_open(push->run->options->server, &push->remote, err);
    if (status == STATUS_OK)
        status = describe_source(push, err);
    if (status == STATUS_OK)
        status = begin_events(push, err);
    if (status == STATUS_OK)
        status = open_rejects(push, err);
    return status == STATUS_OK ? send_events(push, err) : exit_of(status);
}

enum exit_code command_push(const struct run *run, struct error *err)
{
    struct push *push = calloc(1, sizeof(*push)); /* a CSV row makes it too large for the stack */
    enum exit_code code = EXIT_USAGE;
    push->run = run;
    push->name = run->words_count > 1 ? run->words[1] : "-";
    push->fd = -1;
    push->arena = arena_create(ARENA_CHUNK_SIZE);

    if (choose_format(push, err) == STATUS_OK)
        code = push_file(push, err);
    push_fini(push);
    free(push);
    return code;
}
