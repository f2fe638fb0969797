/* A view that has its history from files answers as one to which all was pushed. */
#include "stream/file_backfill.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time_text.h"
#include "door_world.h"
#include "export/backfill_file.h"
#include "random.h"

enum {
    EVENTS = 1500,
    ENTITIES = 5,
    TEXT_SIZE = 160,
    MEMORY = 64 * 1024 * 1024,
    SORT_MEMORY = 16 * 1024, /* so that there are runs */
    UNTIL_US = 800000,       /* times are below 1 s */
};

/* Two sources and views of the same: to `v` all is pushed, `w` has its history from files. */
static const char definitions[] =
    "sources: {s: &s {fields: {id: string, ts: timestamp_us, k: string, n: int, d: decimal(2), "
    "x: double, b: bool, text: string}, event_time: ts, clock: event, durability: os%s}, "
    "h: {fields: {id: string, ts: timestamp_us, k: string, n: int, d: decimal(2), x: double, b: "
    "bool, "
    "text: string}, event_time: ts, clock: event, durability: os%s}}\n"
    "entities: {k: {keys: [k]}}\n"
    "views:\n"
    "  v: {source: s, entity: k, where: 'n > -3 or n is null'%s, features: "
    "%s"
    "}\n"
    "  w: {source: h, entity: k, where: 'n > -3 or n is null'%s, features: "
    "%s"
    "}\n"
    "  rows: {kind: batch, entity: k, features: {n: int}}\n";

#define FEATURES                                                                                   \
    "{n_50ms: {sum: n, over: 50ms}, n_step: {count: '*', over: 100ms step 20ms, where: b}, "       \
    "top: {max: d, over: tumbling(40ms)}, run: {count: '*', over: session(3ms)}, "                 \
    "texts: {last_n: text, over: last(3)}, idle: {time_since_last: true, over: 200ms}, "           \
    "avg: {avg: x, over: forever}, kinds: {count_distinct: text, over: forever}, "                 \
    "first: {first: text, over: forever}, money: {sum: d, over: forever}}"

enum { FEATURES_COUNT = 10 };

struct event {
    int64_t time_us;
    char json[TEXT_SIZE];
};

struct world {
    struct door_world server;
    struct random random;
    struct arena *arena;
    struct event *events;               /* EVENTS of them */
    struct file_backfill_counts counts; /* of the last file */
    struct file_backfill *backfill;
};

static void apply(struct world *world, bool has_id, const char *history)
{
    char text[3000];
    const char *id = has_id ? ", event_id: id" : "";
    int size =
        snprintf(text, sizeof(text), definitions, id, id, history, FEATURES, history, FEATURES);
    assert_in_range(size, 1, sizeof(text) - 1);
    door_world_apply(&world->server, bytes_of(text, (size_t)size));
}

static void make_events(struct world *world, bool has_repeats)
{
    static const char *const numbers[] = {"null", "1", "4", "7", "-3"};
    static const char *const flags[] = {"null", "true", "false"};
    struct random *random = &world->random;
    for (size_t i = 0; i < EVENTS; i++) {
        struct event *event = &world->events[i];
        unsigned id = has_repeats ? (unsigned)random_below(random, EVENTS) : (unsigned)i;
        event->time_us = 1 + (int64_t)random_below(random, 1000) * 1000;
        char key[16];
        snprintf(key, sizeof(key), "\"k%u\"", (unsigned)random_below(random, ENTITIES));
        snprintf(event->json, TEXT_SIZE,
                 "{\"id\":\"%u\",\"ts\":%lld,\"k\":%s,\"n\":%s,\"d\":%u.%u,\"x\":%.3f,\"b\":%s,"
                 "\"text\":\"%u\"}",
                 id, (long long)event->time_us, random_below(random, 30) == 0 ? "null" : key,
                 numbers[random_below(random, 5)], (unsigned)random_below(random, 90),
                 (unsigned)random_below(random, 10), (double)random_below(random, 10000) / 7,
                 flags[random_below(random, 3)], (unsigned)random_below(random, 9));
    }
}

static void world_begin(struct world *world, const char *test, bool has_id, const char *history)
{
    *world = (struct world){.random = random_begin(test), .arena = arena_create(64 * 1024)};
    world->events = calloc(EVENTS, sizeof(*world->events));
    door_world_open(&world->server);
    apply(world, has_id, history);
    make_events(world, has_id);
}

static void world_end(struct world *world)
{
    file_backfill_end(world->server.stream, &world->backfill);
    door_world_close(&world->server);
    arena_destroy(&world->arena);
    free(world->events);
}

static void push(struct world *world, const char *source, const struct event *event)
{
    const struct push_event text = {.format = EVENT_JSON, .text = bytes_of_text(event->json)};
    const struct push push = {.source = bytes_of_text(source), .events = &text, .events_count = 1};
    struct push_result result;
    struct error err;
    if (stream_push(world->server.stream, &push, &result, &err) != STATUS_OK ||
        stream_commit(world->server.stream, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

/* ---- files ---- */

static int make_file(const struct world *world)
{
    int file = open(world->server.directory, O_TMPFILE | O_RDWR, 0600);
    assert_true(file >= 0);
    return file;
}

/* The events whose times lie in [from_us, to_us) as NDJSON. */
static int write_json(const struct world *world, int64_t from_us, int64_t to_us)
{
    int file = make_file(world);
    for (size_t i = 0; i < EVENTS; i++) {
        const struct event *event = &world->events[i];
        if (event->time_us >= from_us && event->time_us < to_us)
            assert_true(dprintf(file, "%s\n", event->json) > 0);
    }
    return file;
}

static struct duck *open_duck(const struct world *world, const int *files, size_t count)
{
    char paths[3][DUCK_PATH_SIZE];
    const char *names[3];
    struct duck *duck;
    struct error err;
    for (size_t i = 0; i < count; i++)
        names[i] = duck_path(files[i], paths[i]);
    const struct duck_options options = {.memory_bytes = MEMORY,
                                         .spool = world->server.directory,
                                         .paths = names,
                                         .paths_count = count};
    if (duck_open(&options, &duck, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    return duck;
}

/* Makes a file of another format of NDJSON. */
static int convert_file(const struct world *world, int json, enum backfill_format format)
{
    char sql[1024];
    char from[DUCK_PATH_SIZE];
    char to[DUCK_PATH_SIZE];
    struct error err;
    const int files[] = {json, make_file(world)};
    struct duck *duck = open_duck(world, files, 2);
    snprintf(sql, sizeof(sql),
             "COPY (SELECT text, b, x, d, n, k, ts, id, 'other' AS other FROM read_json('%s', "
             "format='newline_delimited', columns={id: 'VARCHAR', ts: 'BIGINT', k: 'VARCHAR', n: "
             "'INTEGER', d: 'DECIMAL(9,3)', x: 'DOUBLE', b: 'BOOLEAN', text: 'VARCHAR'})) TO '%s' "
             "(FORMAT %s)",
             duck_path(json, from), duck_path(files[1], to),
             format == BACKFILL_CSV ? "csv, HEADER, USE_TMP_FILE false"
                                    : "parquet, ROW_GROUP_SIZE 2048, USE_TMP_FILE false");
    if (duck_run(duck, sql, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    duck_close(&duck);
    return files[1];
}

/* ---- backfill ---- */

static void start(struct world *world, bool has_until)
{
    struct error err;
    const struct file_backfill_options options = {.view = bytes_of_text("w"),
                                                  .has_until = has_until,
                                                  .until_us = has_until ? UNTIL_US : 0,
                                                  .spool = world->server.directory,
                                                  .memory_bytes = SORT_MEMORY};
    if (file_backfill_begin(world->server.stream, &options, &world->backfill, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static enum status take(void *context, const struct value *values, struct error *err)
{
    return file_backfill_take(((struct world *)context)->backfill, values, err);
}

static enum status take_json(void *context, struct bytes text, struct error *err)
{
    return file_backfill_take_json(((struct world *)context)->backfill, text, err);
}

static enum status check(void *context, uint64_t rows_done, uint64_t rows_total, struct error *err)
{
    (void)context, (void)err;
    assert_true(rows_total == 0 || rows_done <= rows_total);
    return STATUS_OK;
}

static enum status begin_file(struct world *world, int file, bool *is_known, struct error *err)
{
    struct file_identity identity;
    assert_int_equal(backfill_file_hash(file, identity.hash, &identity.size_bytes, err), STATUS_OK);
    return file_backfill_begin_file(world->server.stream, world->backfill, &identity, is_known,
                                    err);
}

static enum status read_file(struct world *world, int file, enum backfill_format format,
                             struct error *err)
{
    const struct backfill_rows rows = {
        .context = world, .take = take, .take_json = take_json, .check = check};
    struct duck *duck = open_duck(world, &file, 1);
    enum status status =
        backfill_file_read(duck, file, format, file_backfill_view(world->backfill), &rows, err);
    duck_close(&duck);
    return status;
}

/* Takes a whole file. Returns whether it was known. */
static bool take_file(struct world *world, int file, enum backfill_format format)
{
    struct error err = {0};
    bool is_known = false;
    enum status status = begin_file(world, file, &is_known, &err);
    if (status == STATUS_OK && !is_known)
        status = read_file(world, file, format, &err);
    if (status == STATUS_OK && !is_known)
        status = file_backfill_finish_file(world->backfill, &err);
    world->counts = *file_backfill_counts(world->backfill);
    while (status == STATUS_OK && !is_known) {
        status = file_backfill_commit_file(world->server.stream, world->backfill, &err);
        if (status == STATUS_OK)
            break;
        if (status == STATUS_AGAIN)
            status = usleep(1000) == 0 ? STATUS_OK : STATUS_IO;
    }
    if (status != STATUS_OK)
        fail_msg("%s", err.text);
    return is_known;
}

/* ---- answers ---- */

static struct text_answer read_at(struct world *world, const char *view, unsigned entity,
                                  int64_t t_us)
{
    struct target target;
    struct text_answer answer;
    struct error err;
    uint32_t features[FEATURES_COUNT];
    const struct moment moment = {.is_now = t_us == INT64_MAX, .t_us = t_us};
    struct bytes key = arena_format(world->arena, "%s:k%u", view, entity);
    for (uint32_t i = 0; i < FEATURES_COUNT; i++)
        features[i] = i;
    query_begin(world->server.query);
    if (query_find(world->server.query, key, world->arena, &target, &err) != STATUS_OK ||
        query_read_texts(world->server.query, &target, features, FEATURES_COUNT, moment,
                         world->arena, &answer, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    return answer;
}

/* Both views say the same of all entities, now and at other times. */
static void assert_same_views(struct world *world)
{
    for (unsigned i = 0; i < 40 * ENTITIES; i++) {
        arena_reset(world->arena);
        int64_t t_us = (int64_t)random_below(&world->random, 1100000);
        if (i < ENTITIES)
            t_us = INT64_MAX;
        const struct text_answer plain = read_at(world, "v", i % ENTITIES, t_us);
        const struct text_answer filled = read_at(world, "w", i % ENTITIES, t_us);
        assert_int_equal(filled.t_us, plain.t_us);
        assert_int_equal(filled.is_found, plain.is_found);
        assert_int_equal(filled.is_out_of_history, plain.is_out_of_history);
        if (plain.is_found)
            assert_int_equal(filled.event_time_us, plain.event_time_us);
        for (size_t j = 0; j < FEATURES_COUNT && !plain.is_out_of_history; j++) {
            assert_int_equal(filled.statuses[j], plain.statuses[j]);
            assert_true(bytes_equal(filled.texts[j], plain.texts[j]));
        }
    }
}

static void push_all(struct world *world, const char *source, int64_t from_us, int64_t to_us)
{
    for (size_t i = 0; i < EVENTS; i++)
        if (world->events[i].time_us >= from_us && world->events[i].time_us < to_us)
            push(world, source, &world->events[i]);
}

/* ---- tests ---- */

static void check_formats(const char *test, bool has_id)
{
    for (enum backfill_format format = BACKFILL_PARQUET; format <= BACKFILL_NDJSON; format++) {
        struct world world;
        world_begin(&world, test, has_id, "");
        int json = write_json(&world, 0, INT64_MAX);
        int file = format == BACKFILL_NDJSON ? json : convert_file(&world, json, format);
        push_all(&world, "s", 0, INT64_MAX);
        push_all(&world, "h", UNTIL_US, INT64_MAX); /* while it goes on, as the stream would */
        start(&world, !has_id);

        assert_false(take_file(&world, file, format));

        assert_int_equal(world.counts.rows, EVENTS);
        assert_int_equal(world.counts.taken + world.counts.filtered + world.counts.null_keys +
                             world.counts.behind_until,
                         EVENTS);
        assert_true(world.counts.null_keys > 0 && world.counts.filtered > 0);
        assert_int_equal(world.counts.behind_until > 0, !has_id);
        assert_same_views(&world);
        assert_true(take_file(&world, file, format));
        assert_int_equal(world.counts.rows, EVENTS);
        assert_same_views(&world);
        close(file);
        if (file != json)
            close(json);
        world_end(&world);
    }
}

static void files_of_each_format_equal_pushes(void **state)
{
    (void)state;
    check_formats(__func__, true);
}

static void files_without_ids_equal_pushes(void **state)
{
    (void)state;
    check_formats(__func__, false);
}

/* What was begun and not ended is begun anew, wherever it was left; rows that are there already
 * stay one. */
static void what_was_cut_short_is_taken_once(void **state)
{
    (void)state;
    for (int has_id = 0; has_id <= 1; has_id++) {
        struct world world;
        struct error err = {0};
        bool is_known;
        world_begin(&world, __func__, has_id, "");
        int first = write_json(&world, 0, UNTIL_US / 2);
        int second = write_json(&world, UNTIL_US / 2, UNTIL_US);
        push_all(&world, "s", 0, INT64_MAX);
        push_all(&world, "h", UNTIL_US, INT64_MAX);
        for (int stage = 0; stage < 3; stage++) {
            start(&world, !has_id);
            assert_int_equal(begin_file(&world, first, &is_known, &err), STATUS_OK);
            assert_false(is_known);
            assert_int_equal(read_file(&world, first, BACKFILL_NDJSON, &err), STATUS_OK);
            if (stage > 0)
                assert_int_equal(file_backfill_finish_file(world.backfill, &err), STATUS_OK);
            file_backfill_end(world.server.stream, &world.backfill);
        }
        start(&world, !has_id);
        assert_false(take_file(&world, first, BACKFILL_NDJSON));
        file_backfill_end(world.server.stream, &world.backfill);
        if (!has_id) { /* the same rows once more, as of another `until`, which says nothing else of
                          them */
            const struct file_backfill_options options = {.view = bytes_of_text("w"),
                                                          .version = 1,
                                                          .has_until = true,
                                                          .until_us = UNTIL_US - 1,
                                                          .spool = world.server.directory,
                                                          .memory_bytes = MEMORY};
            assert_int_equal(
                file_backfill_begin(world.server.stream, &options, &world.backfill, &err),
                STATUS_OK);
            assert_false(take_file(&world, first, BACKFILL_NDJSON));
            file_backfill_end(world.server.stream, &world.backfill);
        }
        start(&world, !has_id);
        assert_false(take_file(&world, second, BACKFILL_NDJSON));
        assert_same_views(&world);
        close(first);
        close(second);
        world_end(&world);
    }
}

static const struct storage_options server_options = {
    .block_cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20, .hot_bytes = 1 << 20};

/* What that process does: a new one, as RocksDB's threads do not outlive a fork. */
static _Noreturn void be_backfill(char *const *arguments)
{
    struct world world = {.arena = arena_create(64 * 1024)};
    snprintf(world.server.directory, sizeof(world.server.directory), "%s", arguments[1]);
    door_world_start(&world.server, &server_options);
    start(&world, arguments[2][0] == '\0');
    for (size_t i = 3; i <= 4; i++)
        take_file(&world, (int)strtol(arguments[i], NULL, 10), BACKFILL_NDJSON);
    for (;;)
        pause();
}

/* A process that takes the files and dies at that point, or is killed after so long. */
static void die_in_backfill(struct world *world, const int files[2], bool has_id, const char *point,
                            unsigned after_us)
{
    door_world_stop(&world->server);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char numbers[2][16];
        snprintf(numbers[0], sizeof(numbers[0]), "%d", files[0]);
        snprintf(numbers[1], sizeof(numbers[1]), "%d", files[1]);
        if (point != NULL)
            setenv("ASOF_FAULT", point, 1);
        execl("/proc/self/exe", "file_backfill_test", world->server.directory, has_id ? "id" : "",
              numbers[0], numbers[1], (char *)NULL);
        _exit(1);
    }
    if (point == NULL) {
        usleep(after_us);
        assert_int_equal(kill(child, SIGKILL), 0);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    door_world_start(&world->server, &server_options);
}

/* Wherever a server was killed, who runs the backfill again has each row once. */
static void a_killed_backfill_goes_on(void **state)
{
    (void)state;
    static const char *const points[] = {"backfill.begun", "backfill.ingested",
                                         "backfill.ingested:2", "backfill.done"};
    enum { POINTS = sizeof(points) / sizeof(points[0]), KILLS = 3, KILLS_LONG = 20 };
    size_t kills = getenv("ASOF_LONG") != NULL ? KILLS_LONG : KILLS;
    for (int has_id = 0; has_id <= 1; has_id++) {
        struct world world;
        world_begin(&world, __func__, has_id, "");
        const int files[] = {write_json(&world, 0, UNTIL_US / 2),
                             write_json(&world, UNTIL_US / 2, UNTIL_US)};
        push_all(&world, "s", 0, INT64_MAX);
        push_all(&world, "h", UNTIL_US, INT64_MAX);
        for (size_t i = 0; i < POINTS; i++)
            die_in_backfill(&world, files, has_id, points[i], 0);
        for (size_t i = 0; i < kills; i++)
            die_in_backfill(&world, files, has_id, NULL,
                            (unsigned)random_below(&world.random, 60000));
        start(&world, !has_id);
        take_file(&world, files[0], BACKFILL_NDJSON);
        take_file(&world, files[1], BACKFILL_NDJSON);
        assert_same_views(&world);
        close(files[0]);
        close(files[1]);
        world_end(&world);
    }
}

static void assert_refused(struct world *world, const char *text, enum backfill_format format,
                           const char *expected)
{
    struct error err = {0};
    bool is_known;
    int file = make_file(world);
    assert_true(dprintf(file, "%s", text) > 0);
    start(world, false);
    assert_int_equal(begin_file(world, file, &is_known, &err), STATUS_OK);
    enum status status = read_file(world, file, format, &err);
    assert_int_equal(status, STATUS_INVALID);
    if (strstr(err.text, expected) == NULL)
        fail_msg("'%s' is not in '%s'", expected, err.text);
    file_backfill_end(world->server.stream, &world->backfill);
    close(file);
}

static void a_wrong_row_is_named(void **state)
{
    (void)state;
    struct world world;
    world_begin(&world, __func__, true, "");
    assert_refused(&world, "id,ts,k,n\n1,1,a,1\n2,1,a,x\n", BACKFILL_CSV,
                   "row 2: column 'n': expected int, got the text 'x'");
    assert_refused(&world, "id,ts,k,n\n1,1,a,1\n2,,a,1\n", BACKFILL_CSV,
                   "row 2: column 'ts', the event time, is NULL");
    assert_refused(&world, "id,ts,k,n\n,1,a,1\n", BACKFILL_CSV,
                   "row 1: column 'id', the event id, is NULL");
    assert_refused(&world, "id,time,k,n\n1,1,a,1\n", BACKFILL_CSV,
                   "there is no column 'ts', which view 'w' needs; the file has id, time, k, n");
    assert_refused(&world, "{\"id\":\"1\",\"ts\":1}\n\n{\"id\":\"2\",\"ts\":\"x\"}\n",
                   BACKFILL_NDJSON, "row 2: field 'ts': expected timestamp_us");
    assert_refused(&world, "{\"id\":\"1\",\"ts\":1", BACKFILL_NDJSON, "row 1: not valid JSON");
    assert_refused(&world, "no parquet", BACKFILL_PARQUET, "arquet");
    world_end(&world);
}

static void a_backfill_that_makes_no_sense_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *view;
        uint32_t version;
        const char *expected;
    } cases[] = {
        {"nothing", 0, "there is no view 'nothing'"},
        {"w", 7, "view 'w' has no version 7"},
        {"rows", 0, "asof push rows"},
        {"w", 0, "--until"},
    };
    struct world world;
    world_begin(&world, __func__, false, "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        const struct file_backfill_options options = {.view = bytes_of_text(cases[i].view),
                                                      .version = cases[i].version,
                                                      .spool = world.server.directory,
                                                      .memory_bytes = MEMORY};
        assert_int_not_equal(
            file_backfill_begin(world.server.stream, &options, &world.backfill, &err), STATUS_OK);
        if (strstr(err.text, cases[i].expected) == NULL)
            fail_msg("'%s' is not in '%s'", cases[i].expected, err.text);
    }
    world_end(&world);
}

/* Where a history has an end, rows beyond it are late; those inside count, and the horizon waits
 * for them. */
static void late_rows_are_skipped_and_counted(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    bool is_known;
    world_begin(&world, __func__, true, ", history: 300ms");
    int file = write_json(&world, 0, INT64_MAX);
    struct event newest = world.events[0];
    newest.time_us = 900000;
    snprintf(newest.json, TEXT_SIZE,
             "{\"id\":\"x\",\"ts\":900000,\"k\":\"k1\",\"n\":1,\"d\":1,\"x\":1,\"b\":true,\"text\":"
             "\"1\"}");
    push(&world, "h", &newest); /* the next push moves the horizon to 900 ms - 300 ms - 200 ms */
    push(&world, "h", &newest);
    start(&world, false);
    assert_int_equal(begin_file(&world, file, &is_known, &err), STATUS_OK);
    assert_int_equal(read_file(&world, file, BACKFILL_NDJSON, &err), STATUS_OK);
    size_t late = 0;
    for (size_t i = 0; i < EVENTS; i++)
        late += world.events[i].time_us <= 400000;
    assert_int_equal(file_backfill_counts(world.backfill)->late, late);
    newest.time_us = 1800000;
    snprintf(newest.json, TEXT_SIZE,
             "{\"id\":\"y\",\"ts\":1800000,\"k\":\"other\",\"n\":1,\"d\":1,\"x\":1,\"b\":true,"
             "\"text\":\"1\"}");
    push(&world, "h", &newest);
    push(&world, "h", &newest);
    while (stream_step(world.server.stream)) /* folds what the horizon lets go: nothing moved it */
        ;

    assert_false(take_file(&world, file, BACKFILL_NDJSON));

    assert_int_equal(world.counts.late, late);
    assert_true(world.counts.taken > 500);
    close(file);
    world_end(&world);
}

static void a_dropped_version_takes_no_file(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    bool is_known;
    struct registry_plan plan;
    world_begin(&world, __func__, true, "");
    const struct definition_file file = {
        .name = bytes_of_text("w.yaml"),
        .text = bytes_of_text("views: {w: {source: h, entity: k, features: {n: {count: '*', over: "
                              "5m}}}}")};
    int json = write_json(&world, 0, INT64_MAX);
    start(&world, false);
    assert_int_equal(begin_file(&world, json, &is_known, &err), STATUS_OK);
    assert_int_equal(read_file(&world, json, BACKFILL_NDJSON, &err), STATUS_OK);
    assert_int_equal(file_backfill_finish_file(world.backfill, &err), STATUS_OK);
    if (stream_apply(world.server.stream, &file, 1, true, world.arena, &plan, &err) != STATUS_OK ||
        stream_drop(world.server.stream, bytes_of_text("w"), 1, &err) != STATUS_OK)
        fail_msg("%s", err.text);

    assert_int_equal(file_backfill_commit_file(world.server.stream, world.backfill, &err),
                     STATUS_NOT_FOUND);

    assert_non_null(strstr(err.text, "view w@1 was dropped meanwhile"));
    while (stream_step(world.server.stream))
        ;
    close(json);
    world_end(&world);
}

static void values_become_those_of_their_field(void **state)
{
    (void)state;
    static const struct {
        struct type type;
        enum time_unit unit;
        struct value value;
        int64_t integer; /* of the result; -1: it is refused */
    } cases[] = {
        {{.kind = VALUE_INT}, 0, {.kind = VALUE_DOUBLE, .real = 5}, 5},
        {{.kind = VALUE_INT}, 0, {.kind = VALUE_DOUBLE, .real = 5.5}, -1},
        {{.kind = VALUE_INT}, 0, {.kind = VALUE_DECIMAL, .integer = 500, .digits = 2}, 5},
        {{.kind = VALUE_INT}, 0, {.kind = VALUE_BOOL, .integer = 1}, -1},
        {{.kind = VALUE_INT}, 0, {.kind = VALUE_OVERFLOW}, -1},
        {{.kind = VALUE_BOOL}, 0, {.kind = VALUE_INT, .integer = 1}, 1},
        {{.kind = VALUE_BOOL}, 0, {.kind = VALUE_INT, .integer = 2}, -1},
        {{.kind = VALUE_DECIMAL, .digits = 2}, 0, {.kind = VALUE_DOUBLE, .real = 12.34}, 1234},
        {{.kind = VALUE_DECIMAL, .digits = 2}, 0, {.kind = VALUE_DOUBLE, .real = 12.345}, -1},
        {{.kind = VALUE_DECIMAL, .digits = 2}, 0, {.kind = VALUE_INT, .integer = 7}, 700},
        {{.kind = VALUE_DECIMAL, .digits = 2},
         0,
         {.kind = VALUE_DECIMAL, .integer = 12340, .digits = 3},
         1234},
        {{.kind = VALUE_DECIMAL, .digits = 2},
         0,
         {.kind = VALUE_DECIMAL, .integer = 12345, .digits = 3},
         -1},
        {{.kind = VALUE_TIMESTAMP}, TIME_MILLISECONDS, {.kind = VALUE_INT, .integer = 7}, 7000},
        {{.kind = VALUE_TIMESTAMP}, TIME_RFC3339, {.kind = VALUE_INT, .integer = 7}, -1},
        {{.kind = VALUE_TIMESTAMP}, TIME_RFC3339, {.kind = VALUE_TIMESTAMP, .integer = 7}, 7},
        {{.kind = VALUE_TIMESTAMP},
         TIME_RFC3339,
         {.kind = VALUE_TIMESTAMP, .integer = INT64_MAX},
         -1},
        {{.kind = VALUE_TIMESTAMP},
         TIME_SECONDS,
         {.kind = VALUE_STRING, .text = {"8", 1}},
         8000000},
        {{.kind = VALUE_STRING}, 0, {.kind = VALUE_INT, .integer = 7}, -1},
        {{.kind = VALUE_INT}, 0, {.kind = VALUE_LIST}, -1},
    };
    struct arena *arena = arena_create(1024);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct field_definition field = {
            .name = {"f", 1}, .type = cases[i].type, .unit = cases[i].unit};
        struct value out;
        struct error err;
        enum status status = backfill_convert(&field, &cases[i].value, arena, &out, &err);
        assert_int_equal(status, cases[i].integer == -1 ? STATUS_INVALID : STATUS_OK);
        if (status == STATUS_OK)
            assert_int_equal(out.integer, cases[i].integer);
    }
    arena_destroy(&arena);
}

int main(int count, char **arguments)
{
    if (count == 5)
        be_backfill(arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_each_format_equal_pushes),
        cmocka_unit_test(files_without_ids_equal_pushes),
        cmocka_unit_test(what_was_cut_short_is_taken_once),
        cmocka_unit_test(a_killed_backfill_goes_on),
        cmocka_unit_test(a_wrong_row_is_named),
        cmocka_unit_test(a_backfill_that_makes_no_sense_says_so),
        cmocka_unit_test(late_rows_are_skipped_and_counted),
        cmocka_unit_test(a_dropped_version_takes_no_file),
        cmocka_unit_test(values_become_those_of_their_field),
    };
    return cmocka_run_group_tests_name("file_backfill", tests, NULL, NULL);
}
