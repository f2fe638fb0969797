/* asof apply, asof plan. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/time_text.h"
#include "command.h"
#include "remote.h"
#include "definitions.h"
#include "interrupt.h"
#include "tree.h"
#include "output.h"
#include "progress.h"
#include "protocol/protobuf.h"
#include "table.h"
#include "text.h"

enum { ARENA_CHUNK_SIZE = 256 * 1024, POLL_EVERY_US = 100 * 1000, LABEL_SIZE = 96 };

/* The fills that belong to this apply, as one poll shows them. */
struct fills {
    size_t count;
    uint64_t events_done;
    uint64_t events_total;
    char label[LABEL_SIZE]; /* of the first of them */
};

/* Of PlanRequest, DefinitionFile, PlanResponse and ReplayRequest. */
enum {
    PLAN_FILES = 1,
    PLAN_PROMOTE = 2,
    FILE_NAME = 1,
    FILE_TEXT = 2,
    PLANNED_JSON = 2,
    REPLAY_SOURCE = 1,
    REPLAY_FROM = 2,
    REPLAY_PROMOTE = 3,
};

static enum status ask_changes(struct remote *remote, enum asof_method method,
                               const struct run *run, struct arena *arena, struct buffer *reply,
                               struct error *err)
{
    struct definitions definitions;
    struct buffer request = {0};
    struct buffer file = {0};
    enum status status = definitions_read(run->words, run->words_count, arena, &definitions, err);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < definitions.files_count; i++) {
        buffer_reset(&file, SIZE_MAX);
        protobuf_append_bytes(&file, FILE_NAME, definitions.words[2 * i]);
        protobuf_append_bytes(&file, FILE_TEXT, definitions.words[2 * i + 1]);
        protobuf_append_item(&request, PLAN_FILES, buffer_bytes(&file));
    }
    protobuf_append_integer(&request, PLAN_PROMOTE, run->options->is_promoting);
    status = remote_ask(remote, method, buffer_bytes(&request), PLANNED_JSON, reply, err);
    buffer_fini(&file);
    buffer_fini(&request);
    return status;
}

static enum style style_of(const char *change)
{
    if (strcmp(change, "new") == 0)
        return STYLE_GREEN;
    return strcmp(change, "unchanged") == 0 ? STYLE_DIM : STYLE_YELLOW;
}

static void print_changes(const struct run *run, yajl_val changes)
{
    static const struct table_column columns[] = {
        {"CHANGE", false}, {"KIND", false}, {"NAME", false}, {"DETAIL", false}};
    struct table *table = table_create(columns, sizeof(columns) / sizeof(columns[0]));
    struct buffer name = {0};

    for (size_t i = 0; i < tree_count(changes, "changes"); i++) {
        yajl_val change = tree_item(changes, "changes", i);
        int64_t version = tree_number(change, "version");
        buffer_reset(&name, SIZE_MAX);
        buffer_append_text(&name, tree_text(change, "name"));
        if (version > 0)
            buffer_format(&name, "@%" PRId64, version);
        table_add_style(table, tree_text(change, "change"), style_of(tree_text(change, "change")));
        table_add_text(table, tree_text(change, "noun"));
        table_add(table, buffer_bytes(&name));
        table_add_text(table, tree_text(change, "detail"));
    }
    output_table(run, table, 0);
    buffer_fini(&name);
    table_destroy(&table);
}

/* "filled from 12,000 events (1,400,000 bytes) of payments, the oldest of 2026-...; ", where there
 * are some. */
static void append_backfill(struct buffer *out, yajl_val change)
{
    char events[TEXT_COUNT_SIZE], size[TEXT_COUNT_SIZE], from[TIME_TEXT_SIZE];
    yajl_val backfill = tree_member(change, "backfill");
    if (tree_number(backfill, "events") == 0)
        return;
    buffer_format(out, "filled from %s events",
                  text_count((uint64_t)tree_number(backfill, "events"), events));
    if (tree_number(backfill, "bytes") > 0) /* of Kafka they are not known */
        buffer_format(out, " (%s bytes)",
                      text_count((uint64_t)tree_number(backfill, "bytes"), size));
    buffer_format(out, " of %s", tree_text(backfill, "source"));
    int64_t from_us = tree_number(backfill, "from_us");
    if (tree_member(backfill, "from_us") != NULL && time_is_valid(from_us)) {
        time_format(from_us, from);
        buffer_format(out, ", the oldest of %s", from);
    }
    buffer_append_text(out, "; ");
}

/* What comes of each new version: what it is filled from, and how it becomes the active one. */
static void print_new_versions(const struct run *run, yajl_val changes)
{
    struct buffer text = {0};
    for (size_t i = 0; i < tree_count(changes, "changes"); i++) {
        yajl_val change = tree_item(changes, "changes", i);
        yajl_val is_first = tree_member(change, "is_first");
        const char *name = tree_text(change, "name");
        int64_t version = tree_number(change, "version");
        bool is_active = YAJL_IS_TRUE(is_first) || run->options->is_promoting;
        bool has_log = tree_number(tree_member(change, "backfill"), "events") > 0;
        if (is_first == NULL || (is_active && !has_log))
            continue;
        buffer_format(&text, "%s@%" PRId64 ": ", name, version);
        append_backfill(&text, change);
        if (is_active)
            buffer_append_text(&text, "then active by itself\n");
        else
            buffer_format(&text, "active after: asof promote %s@%" PRId64 "\n", name, version);
    }
    if (text.size > 0)
        fwrite(buffer_bytes(&text).data, 1, text.size, stdout);
    buffer_fini(&text);
}

/* Whether the version is one that these changes made. */
static bool is_made_by(yajl_val changes, yajl_val fill)
{
    for (size_t i = 0; i < tree_count(changes, "changes"); i++) {
        yajl_val change = tree_item(changes, "changes", i);
        const char *kind = tree_text(change, "change");
        bool is_made = strcmp(kind, "new") == 0 || strcmp(kind, "changed") == 0;
        if (is_made && strcmp(tree_text(change, "noun"), "view") == 0 &&
            strcmp(tree_text(change, "name"), tree_text(fill, "view")) == 0 &&
            tree_number(change, "version") == tree_number(fill, "version"))
            return true;
    }
    return false;
}

static enum status poll_fills(struct remote *remote, yajl_val changes, struct fills *fills,
                              struct error *err)
{
    yajl_val list = NULL;
    *fills = (struct fills){0};

    enum status status = output_ask_fills(remote, &list, err);
    size_t count = YAJL_IS_ARRAY(list) ? list->u.array.len : 0;
    for (size_t i = 0; i < count; i++) {
        yajl_val fill = list->u.array.values[i];
        if (!is_made_by(changes, fill))
            continue;
        if (fills->count++ == 0)
            snprintf(fills->label, sizeof(fills->label), "filling %s@%" PRId64,
                     tree_text(fill, "view"), tree_number(fill, "version"));
        fills->events_done += (uint64_t)tree_number(fill, "events_done");
        fills->events_total += (uint64_t)tree_number(fill, "events_total");
    }
    yajl_tree_free(list);
    return status;
}

/* A fill that is over leaves the list; for the sum of what is done, it counts as it was seen last.
 */
static void show_fills(struct progress *progress, const struct fills *fills,
                       uint64_t total_at_start, int64_t elapsed_us)
{
    uint64_t total = fills->events_total > total_at_start ? fills->events_total : total_at_start;
    uint64_t left = fills->events_total - fills->events_done;
    struct progress_state state = {
        .label = fills->label,
        .events_done = left < total ? total - left : 0,
        .fraction = total > 0 ? (double)(total - left) / (double)total : -1,
        .elapsed_us = elapsed_us,
    };
    progress_show(progress, &state, clock_mono_us());
}

static enum exit_code wait_for_fills(const struct run *run, struct remote *remote, yajl_val changes,
                                     struct error *err)
{
    struct progress progress = {.terminal = &run->err};
    struct fills fills = {0};
    char span[TEXT_SPAN_SIZE], total_text[TEXT_COUNT_SIZE];
    int64_t start_us = clock_mono_us();
    uint64_t total = 0;
    enum status status = STATUS_OK;

    interrupt_catch();
    while (!interrupt_came()) {
        status = poll_fills(remote, changes, &fills, err);
        if (status != STATUS_OK || fills.count == 0)
            break;
        total = fills.events_total > total ? fills.events_total : total;
        show_fills(&progress, &fills, total, clock_mono_us() - start_us);
        interrupt_sleep(POLL_EVERY_US);
    }
    progress_clear(&progress);
    if (status != STATUS_OK)
        return exit_of(error_prefix(err, status, "applied; while it waited for the fill"));
    if (fills.count > 0) {
        error_set(
            err, STATUS_CANCELLED,
            "applied; the fill goes on in the server, and the new version can be read when it is "
            "done (`asof list`)");
        return EXIT_FAILED;
    }
    if (total > 0 && !run->options->is_json)
        printf("filled from %s events in %s\n", text_count(total, total_text),
               text_span(clock_mono_us() - start_us, span));
    return EXIT_DONE;
}

/* Asks for changes of definitions, by files or otherwise, and says what came of it. */
typedef enum status (*ask_fn)(struct remote *remote, enum asof_method method, const struct run *run,
                              struct arena *arena, struct buffer *reply, struct error *err);

static enum exit_code change(const struct run *run, enum asof_method method, ask_fn ask,
                             bool is_waiting, struct error *err)
{
    struct remote *remote = NULL;
    struct arena *arena = arena_create(ARENA_CHUNK_SIZE);
    struct buffer reply = {0};
    yajl_val changes = NULL;

    enum status status = remote_open(run->options->server, &remote, err);
    if (status == STATUS_OK)
        status = ask(remote, method, run, arena, &reply, err);
    if (status == STATUS_OK)
        status = tree_parse(buffer_bytes(&reply), &changes, err);
    enum exit_code code = exit_of(status);
    if (code == EXIT_DONE) {
        if (run->options->is_json)
            output_line(buffer_bytes(&reply));
        else
            print_changes(run, changes);
        if (!run->options->is_json)
            print_new_versions(run, changes);
        fflush(stdout);
        if (is_waiting)
            code = wait_for_fills(run, remote, changes, err);
    }
    yajl_tree_free(changes);
    buffer_fini(&reply);
    arena_destroy(&arena);
    remote_close(&remote);
    return code;
}

enum exit_code command_apply(const struct run *run, struct error *err)
{
    return change(run, ASOF_METHOD_APPLY, ask_changes, !run->options->is_no_wait, err);
}

enum exit_code command_plan(const struct run *run, struct error *err)
{
    return change(run, ASOF_METHOD_PLAN, ask_changes, false, err);
}

static enum status ask_replay(struct remote *remote, enum asof_method method, const struct run *run,
                              struct arena *arena, struct buffer *reply, struct error *err)
{
    const char *from = run->options->from != NULL ? run->options->from : "earliest";
    struct buffer request = {0};
    (void)arena;
    protobuf_append_bytes(&request, REPLAY_SOURCE, bytes_of_text(run->words[0]));
    protobuf_append_bytes(&request, REPLAY_FROM, bytes_of_text(from));
    protobuf_append_integer(&request, REPLAY_PROMOTE, run->options->is_promoting);
    enum status status =
        remote_ask(remote, method, buffer_bytes(&request), REMOTE_ONLY_FIELD, reply, err);
    buffer_fini(&request);
    return status;
}

enum exit_code command_replay(const struct run *run, struct error *err)
{
    return change(run, ASOF_METHOD_REPLAY, ask_replay, !run->options->is_no_wait, err);
}
