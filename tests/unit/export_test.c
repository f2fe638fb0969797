/* Export: a snapshot has what reads of each entity say, while events come in; and results lie where
 * they may, whole or not at all. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "door_world.h"
#include "export/duck.h"
#include "export/events.h"
#include "export/export.h"
#include "export/place.h"
#include "export/snapshot.h"
#include "random.h"

enum { ENTITIES = 40, PUSHES = 300, PUSH_MAX = 20, TEXT_SIZE = 160, MEMORY = 64 << 20, ROUNDS = 6 };

static const char definitions[] =
    "sources: {s: {fields: {id: string, ts: timestamp_us, k: string, j: int, n: int, d: "
    "decimal(2), "
    "text: string, b: bool}, event_time: ts, event_id: id, clock: event}}\n"
    "entities: {k: {keys: [k, j]}, name: {keys: [k]}}\n"
    "views:\n"
    "  v: {source: s, entity: k%s, features: {n_50ms: {sum: n, over: 50ms}, "
    "n_step: {count: '*', over: 100ms step 20ms, where: n > 3}, top: {max: d, over: "
    "tumbling(40ms)}, "
    "run: {count: '*', over: session(30ms)}, texts: {last_n: text, over: last(3)}, "
    "idle: {time_since_last: true, over: 200ms}, avg: {avg: n, over: forever}, "
    "first: {first: text, over: forever, default: none}, flag: {last: b, over: 60ms}, "
    "at: {max: ts, over: 80ms}, k: {count_distinct: text, over: forever}}}\n"
    "  u: {source: s, entity: name, features: {all: {count: '*', over: forever}}}\n"
    "  p: {kind: batch, entity: name, features: {segment: string}}\n"
    "services: {both: {features: [u.all, p.segment]}}\n";

struct world {
    struct door_world server;
    struct random random;
    struct arena *arena;
    struct export *export;
    char dirs[80];
    int64_t t_us;
    pthread_mutex_t mutex; /* guards is_done */
    pthread_cond_t done;
    bool is_done;
};

static void apply(struct world *world, const char *history)
{
    char text[2048];
    int size = snprintf(text, sizeof(text), definitions, history);
    door_world_apply(&world->server, bytes_of(text, (size_t)size));
}

static void open_world(struct world *world, const char *name, const char *history)
{
    struct error err;
    static const struct storage_options storage = {
        .block_cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20, .hot_bytes = 1 << 20};
    *world = (struct world){.random = random_begin(name), .t_us = INT64_C(1700000000000000)};
    world->arena = arena_create(4096);
    assert_int_equal(pthread_mutex_init(&world->mutex, NULL), 0);
    assert_int_equal(pthread_cond_init(&world->done, NULL), 0);
    door_world_open_with(&world->server, &storage);
    apply(world, history);
    snprintf(world->dirs, sizeof(world->dirs), "%s/out", world->server.directory);
    assert_int_equal(mkdir(world->dirs, 0700), 0);
    const struct export_options options = {.query = {.storage = world->server.storage,
                                                     .board = world->server.board,
                                                     .epoch = world->server.epoch},
                                           .data = world->server.directory,
                                           .dirs = world->dirs,
                                           .memory_bytes = MEMORY,
                                           .threads = 1,
                                           .jobs_max = 2};
    if (export_create(&options, &world->export, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    export_start(world->export);
}

static void close_world(struct world *world)
{
    export_stop(world->export);
    export_destroy(&world->export);
    arena_destroy(&world->arena);
    pthread_cond_destroy(&world->done);
    pthread_mutex_destroy(&world->mutex);
    door_world_close(&world->server);
}

static void push_some(struct world *world)
{
    char texts[PUSH_MAX][TEXT_SIZE];
    struct push_event events[PUSH_MAX];
    struct random *random = &world->random;
    size_t count = 1 + random_below(random, PUSH_MAX);
    world->t_us += (int64_t)random_below(random, 15000);
    for (size_t i = 0; i < count; i++) {
        static const char *const numbers[] = {"null", "1", "4", "7", "-3"};
        int64_t late_us = random_below(random, 4) == 0 ? (int64_t)random_below(random, 60000) : 0;
        unsigned k = (unsigned)random_below(random, ENTITIES);
        int size = snprintf(
            texts[i], TEXT_SIZE,
            "{\"id\":\"%u\",\"ts\":%lld,\"k\":\"k\xc3\xbc%u\",\"j\":%d,\"n\":%s,\"d\":%u.25,"
            "\"text\":\"%u\",\"b\":%s}",
            (unsigned)random_below(random, 300), (long long)(world->t_us - late_us) / 1000 * 1000,
            k, (int)k - 3, numbers[random_below(random, 5)], (unsigned)random_below(random, 90),
            (unsigned)random_below(random, 9), random_below(random, 2) ? "true" : "null");
        events[i] =
            (struct push_event){.format = EVENT_JSON, .text = bytes_of(texts[i], (size_t)size)};
    }
    door_world_push(&world->server, events, count);
}

static void note_done(void *context, struct export_job *job)
{
    struct world *world = context;
    (void)job;
    pthread_mutex_lock(&world->mutex);
    world->is_done = true;
    pthread_mutex_unlock(&world->mutex);
    pthread_cond_signal(&world->done);
}

static struct export_job *make_job(struct world *world, const char *view, int64_t at_us)
{
    struct export_job *job = export_job_create(world->export, EXPORT_SNAPSHOT);
    struct snapshot_spec *spec = export_job_spec(job);
    *spec = (struct snapshot_spec){
        .view = bytes_of_text(view), .has_at = at_us != 0, .at_us = at_us, .with_statuses = true};
    return job;
}

static void post(struct world *world, struct export_job *job)
{
    struct error err;
    world->is_done = false;
    if (export_post(job, note_done, world, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static const struct export_result *wait_for(struct world *world, struct export_job *job)
{
    pthread_mutex_lock(&world->mutex);
    while (!world->is_done)
        pthread_cond_wait(&world->done, &world->mutex);
    pthread_mutex_unlock(&world->mutex);
    return export_job_result(job);
}

static const struct export_result *wait_well(struct world *world, struct export_job *job)
{
    const struct export_result *result = wait_for(world, job);
    if (result->status != STATUS_OK)
        fail_msg("%s", result->err.text);
    return result;
}

/* ---- comparing ---- */

static void expect_same(const struct value *read, const struct value *answered)
{
    bool is_null = answered->kind == VALUE_NULL || answered->kind == VALUE_OVERFLOW;
    assert_int_equal(read->kind, is_null ? VALUE_NULL : answered->kind);
    if (is_null)
        return;
    if (read->kind != VALUE_LIST) {
        assert_int_equal(value_compare(read, answered), 0);
        return;
    }
    assert_int_equal(read->list.count, answered->list.count);
    for (size_t i = 0; i < read->list.count; i++)
        expect_same(&read->list.items[i], &answered->list.items[i]);
}

/* The row against a read of its entity, whose keys stand in front of it. */
static void expect_row(struct world *world, const char *view, int64_t at_us,
                       const struct duck_rows *rows, size_t row)
{
    struct target target;
    struct answer answer;
    struct error err;
    const struct moment moment = {.t_us = at_us};
    struct value k = duck_value(rows, 0, row, world->arena);
    struct value j = duck_value(rows, 1, row, world->arena);
    struct bytes key =
        arena_format(world->arena, "%s:%.*s|%lld", view, BYTES_ARGS(k.text), (long long)j.integer);
    query_begin(world->server.query);
    if (query_find(world->server.query, key, world->arena, &target, &err) != STATUS_OK ||
        query_read(world->server.query, &target, NULL, 0, moment, world->arena, &answer, &err) !=
            STATUS_OK)
        fail_msg("%s", err.text);
    assert_true(answer.is_found && !answer.is_out_of_history);
    for (size_t i = 0; i < answer.count; i++) {
        struct value value = duck_value(rows, 2 + 2 * i, row, world->arena);
        struct value status = duck_value(rows, 3 + 2 * i, row, world->arena);
        expect_same(&value, &answer.values[i]);
        assert_true(bytes_equal_text(status.text, feature_status_name(answer.statuses[i])));
    }
    query_end(world->server.query);
}

struct count {
    struct bytes prefix;
    size_t keys;
};

static void count_key(void *context, struct bytes key)
{
    struct count *count = context;
    count->keys += bytes_start_with(key, count->prefix);
}

/* What `now` is by the clock of the source. */
static int64_t now_us(struct world *world)
{
    struct target target;
    struct error err;
    query_begin(world->server.query);
    assert_int_equal(query_find_view(world->server.query, bytes_of_text("v"), 0, &target, &err),
                     STATUS_OK);
    int64_t time_us = query_now_us(world->server.query, &target);
    query_end(world->server.query);
    return time_us;
}

/* Entities of a view that exist at the moment, by the way of SCAN; prefix is "view:". */
static size_t count_entities(struct world *world, const char *prefix, int64_t at_us)
{
    struct buffer position = {0};
    struct error err;
    struct count count = {.prefix = bytes_of_text(prefix)};
    query_begin(world->server.query);
    enum status status = query_scan(world->server.query, &position, ENTITIES * 4,
                                    (struct moment){.t_us = at_us}, count_key, &count, &err);
    query_end(world->server.query);
    assert_int_equal(status, STATUS_OK);
    buffer_fini(&position);
    return count.keys;
}

static size_t expect_file(struct world *world, int file, const char *view, int64_t at_us)
{
    char path[DUCK_PATH_SIZE];
    const char *const paths[] = {duck_path(file, path)};
    const struct duck_options options = {
        .memory_bytes = MEMORY, .spool = world->server.directory, .paths = paths, .paths_count = 1};
    struct duck *duck;
    struct duck_reader *reader;
    const struct duck_rows *rows;
    struct error err;
    size_t count = 0;
    assert_int_equal(duck_open(&options, &duck, &err), STATUS_OK);
    struct bytes sql = arena_format(world->arena, "SELECT * FROM read_parquet('%s')", path);
    assert_int_equal(duck_query(duck, sql.data, &reader, &err), STATUS_OK);
    while (duck_reader_next(reader, &rows, &err) == STATUS_OK)
        for (size_t i = 0; i < duck_rows_count(rows); i++, count++)
            expect_row(world, view, at_us, rows, i);
    duck_reader_close(&reader);
    duck_close(&duck);
    return count;
}

/* ---- snapshots ---- */

/* Snapshots as of the past, while events of later times come in. */
static void compare_snapshots(const char *name, const char *history, int64_t back_us)
{
    struct world world;
    size_t rows = 0;
    open_world(&world, name, history);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < PUSHES / ROUNDS; i++)
            push_some(&world);
        int64_t at_us = world.t_us - (int64_t)random_below(&world.random, (uint64_t)back_us);
        size_t expected = count_entities(&world, "v:", at_us);
        struct export_job *job = make_job(&world, "v", at_us);
        post(&world, job);
        const struct export_result *result = wait_well(&world, job);
        arena_reset(world.arena);
        assert_int_equal(expect_file(&world, result->descriptor, "v", at_us), expected);
        assert_int_equal(result->rows, expected);
        rows += expected;
        export_job_release(&job);
    }
    assert_true(rows > ENTITIES);
    close_world(&world);
}

static void a_snapshot_has_what_reads_say(void **state)
{
    (void)state;
    compare_snapshots(__func__, "", 1000 * 1000);
}

static void a_snapshot_of_folded_events_has_what_reads_say(void **state)
{
    (void)state;
    compare_snapshots(__func__, ", history: 300ms", 200 * 1000);
}

static void a_snapshot_is_of_one_state_while_events_come(void **state)
{
    struct world world;
    (void)state;
    open_world(&world, __func__, "");
    for (size_t i = 0; i < PUSHES; i++)
        push_some(&world);
    int64_t at_us = now_us(&world);
    struct export_job *job = make_job(&world, "v", 0);
    post(&world, job);
    while (strcmp(export_job_progress(job).phase, "waiting") == 0)
        usleep(100);                  /* until it has taken its state, or a bit longer */
    for (size_t i = 0; i < 20; i++) { /* all behind the snapshot's moment */
        world.t_us += 100 * 1000;
        push_some(&world);
    }
    const struct export_result *result = wait_well(&world, job);
    assert_true(result->rows > 0);
    assert_int_equal(expect_file(&world, result->descriptor, "v", at_us), result->rows);
    export_job_release(&job);
    close_world(&world);
}

static void a_service_has_the_entities_of_all_its_views(void **state)
{
    struct world world;
    struct peer peer;
    (void)state;
    open_world(&world, __func__, "");
    peer_open(&peer, &world.server);
    peer_send(&peer, &world.server, bytes_of_text("HSET p:only segment gold\r\n"));
    push_some(&world);
    size_t expected = count_entities(&world, "u:", now_us(&world)) + 1;
    struct export_job *job = make_job(&world, "both", 0);
    post(&world, job);
    assert_int_equal(wait_well(&world, job)->rows, expected);
    export_job_release(&job);
    peer_close(&peer);
    close_world(&world);
}

/* ---- events ---- */

static const struct export_result *export_events(struct world *world, const char *source,
                                                 int64_t from_us, int64_t to_us,
                                                 struct export_job **job)
{
    *job = export_job_create(world->export, EXPORT_EVENTS);
    struct events_spec *spec = export_job_spec(*job);
    *spec =
        (struct events_spec){.source = bytes_of_text(source), .from_us = from_us, .to_us = to_us};
    post(world, *job);
    return wait_for(world, *job);
}

/* One number that SQL makes of the file. */
static int64_t ask_file(struct world *world, int file, const char *sql)
{
    char path[DUCK_PATH_SIZE];
    const char *const paths[] = {duck_path(file, path)};
    const struct duck_options options = {
        .memory_bytes = MEMORY, .spool = world->server.directory, .paths = paths, .paths_count = 1};
    struct duck *duck;
    struct duck_reader *reader;
    const struct duck_rows *rows;
    struct error err;
    assert_int_equal(duck_open(&options, &duck, &err), STATUS_OK);
    struct bytes text =
        arena_format(world->arena, "SELECT (%s)::BIGINT FROM read_parquet('%s')", sql, path);
    if (duck_query(duck, text.data, &reader, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    assert_int_equal(duck_reader_next(reader, &rows, &err), STATUS_OK);
    int64_t number = duck_value(rows, 0, 0, world->arena).integer;
    duck_reader_close(&reader);
    duck_close(&duck);
    return number;
}

static void events_come_back_with_their_types_in_their_order(void **state)
{
    struct world world;
    struct export_job *job;
    (void)state;
    open_world(&world, __func__, "");
    for (size_t i = 0; i < PUSHES; i++)
        push_some(&world);
    int64_t accepted = (int64_t)stream_counters(world.server.stream)->events_accepted_total;

    const struct export_result *result = export_events(&world, "s", 0, 0, &job);

    if (result->status != STATUS_OK)
        fail_msg("%s", result->err.text);
    int file = result->descriptor;
    assert_int_equal(result->rows, accepted);
    assert_int_equal(ask_file(&world, file, "count(*)"), accepted);
    assert_int_equal(ask_file(&world, file, "max(asof_sequence) - min(asof_sequence) + 1"),
                     accepted);
    assert_int_equal(ask_file(&world, file, "epoch_us(max(ts))"), now_us(&world));
    assert_int_equal(
        ask_file(&world, file, "count(*) FILTER (d % 1 = 0.25 AND k LIKE 'k\xc3\xbc%')"), accepted);
    assert_int_equal(ask_file(&world, file, "count(*) FILTER (b IS NULL OR b)"), accepted);
    export_job_release(&job);
    close_world(&world);
}

static void events_of_a_range_of_times_are_those_in_it(void **state)
{
    struct world world;
    struct export_job *all;
    struct export_job *some;
    char sql[128];
    (void)state;
    open_world(&world, __func__, "");
    for (size_t i = 0; i < PUSHES; i++)
        push_some(&world);
    int64_t from_us = world.t_us - 900 * 1000;
    int64_t to_us = world.t_us - 100 * 1000;
    int whole = export_events(&world, "s", 0, 0, &all)->descriptor;
    snprintf(sql, sizeof(sql), "count(*) FILTER (epoch_us(ts) >= %lld AND epoch_us(ts) < %lld)",
             (long long)from_us, (long long)to_us);
    int64_t expected = ask_file(&world, whole, sql);

    const struct export_result *result = export_events(&world, "s", from_us, to_us, &some);

    assert_true(expected > 0);
    assert_int_equal(result->rows, expected);
    assert_int_equal(ask_file(&world, result->descriptor, sql), expected);
    export_job_release(&some);
    assert_int_equal(export_events(&world, "s", 5, 5, &some)->status, STATUS_INVALID);
    export_job_release(&some);
    assert_int_equal(export_events(&world, "nosuch", 0, 0, &some)->status, STATUS_NOT_FOUND);
    export_job_release(&some);
    export_job_release(&all);
    close_world(&world);
}

/* ---- jobs ---- */

static void what_can_not_be_done_says_why(void **state)
{
    struct world world;
    static const struct {
        const char *view;
        int64_t at_us;
        enum status status;
        const char *sentence;
    } cases[] = {
        {"nosuch", 0, STATUS_NOT_FOUND, "no view 'nosuch'; `asof list` shows the views"},
        {"v@x", 0, STATUS_INVALID, "'v@x' is no view: name it as view or view@2"},
        {"v@7", 0, STATUS_NOT_FOUND, "view 'v' has no version 7"},
        {"v", INT64_MAX, STATUS_INVALID, "the moment lies outside the years 1 to 9999"},
        {"v", 1, STATUS_INVALID, "T lies before the history that view 'v' keeps"},
    };
    (void)state;
    open_world(&world, __func__, ", history: 300ms");
    push_some(&world);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct export_job *job = make_job(&world, cases[i].view, cases[i].at_us);
        post(&world, job);
        const struct export_result *result = wait_for(&world, job);
        assert_int_equal(result->status, cases[i].status);
        assert_string_equal(result->err.text, cases[i].sentence);
        assert_int_equal(result->descriptor, -1);
        export_job_release(&job);
    }
    close_world(&world);
}

static void a_cancelled_job_ends_and_too_many_are_refused(void **state)
{
    struct world world;
    struct error err;
    struct export_counters counters;
    (void)state;
    open_world(&world, __func__, "");
    export_stop(world.export); /* so that nothing is taken up */
    struct export_job *late = make_job(&world, "v", 0);
    assert_int_equal(export_post(late, note_done, &world, &err), STATUS_UNAVAILABLE);
    export_job_release(&late);
    export_destroy(&world.export);
    const struct export_options options = {.query = {.storage = world.server.storage,
                                                     .board = world.server.board,
                                                     .epoch = world.server.epoch},
                                           .data = world.server.directory,
                                           .dirs = "",
                                           .memory_bytes = MEMORY,
                                           .threads = 1,
                                           .jobs_max = 1};
    assert_int_equal(export_create(&options, &world.export, &err), STATUS_OK);
    export_start(world.export);
    struct export_job *first = make_job(&world, "v", 0);
    struct export_job *second = make_job(&world, "v", 0);
    export_job_cancel(first);
    post(&world, first);
    enum status status = export_post(second, note_done, &world, &err);
    assert_true(status == STATUS_LIMIT || status == STATUS_OK); /* the first may have ended */
    export_job_release(&second);
    assert_int_equal(wait_for(&world, first)->status, STATUS_CANCELLED);
    export_read_counters(world.export, &counters);
    assert_int_equal(counters.cancelled_total, 1);
    export_job_release(&first);
    close_world(&world);
}

/* ---- places ---- */

static void expect_no_leftovers(const char *directory, size_t expected)
{
    size_t count = 0;
    DIR *entries = opendir(directory);
    assert_non_null(entries);
    while (readdir(entries) != NULL)
        count++;
    closedir(entries);
    assert_int_equal(count - 2, expected);
}

static const struct export_result *export_to(struct world *world, const char *path,
                                             struct export_job **job)
{
    *job = make_job(world, "v", 0);
    struct snapshot_spec *spec = export_job_spec(*job);
    spec->output.server_path = bytes_of_text(path);
    post(world, *job);
    return wait_for(world, *job);
}

static void results_are_written_below_the_directories_only(void **state)
{
    static const char *const refused[] = {
        "relative.parquet",  "/etc/asof.parquet", "%s",      "%s/",
        "%s/../x.parquet",   "%s/a/../x.parquet", "%s/./x",  "%sx/y.parquet",
        "%s/link/x.parquet", "%s/file/x.parquet", "%s/link",
    };
    struct world world;
    struct export_job *job;
    char path[256];
    char link[256];
    (void)state;
    open_world(&world, __func__, "");
    push_some(&world);
    snprintf(path, sizeof(path), "%s/file", world.dirs);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(link, sizeof(link), "%s/link", world.dirs);
    assert_int_equal(symlink("/tmp", link), 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct bytes made = arena_format(world.arena, "%s", refused[i]);
        const char *marker = strstr(refused[i], "%s");
        if (marker != NULL)
            made = arena_format(world.arena, "%s%s", world.dirs, marker + 2);
        const struct export_result *result = export_to(&world, made.data, &job);
        if (result->status != STATUS_INVALID)
            fail_msg("%s: %s", made.data, status_name(result->status));
        export_job_release(&job);
    }
    expect_no_leftovers(world.dirs, 2);
    close_world(&world);
}

static void a_result_takes_the_place_of_an_older_one(void **state)
{
    struct world world;
    struct export_job *job;
    char path[256];
    struct stat stat_of_it;
    (void)state;
    open_world(&world, __func__, "");
    push_some(&world);
    snprintf(path, sizeof(path), "%s/x.parquet", world.dirs);
    for (int round = 0; round < 2; round++) {
        const struct export_result *result = export_to(&world, path, &job);
        if (result->status != STATUS_OK)
            fail_msg("%s", result->err.text);
        assert_int_equal(result->descriptor, -1);
        assert_int_equal(stat(path, &stat_of_it), 0);
        assert_int_equal(stat_of_it.st_size, result->bytes);
        export_job_release(&job);
    }
    int file = open(path, O_RDONLY);
    assert_true(expect_file(&world, file, "v", now_us(&world)) > 0);
    close(file);
    expect_no_leftovers(world.dirs, 1);
    close_world(&world);
}

static void a_directory_of_partitions_appears_whole(void **state)
{
    struct world world;
    char path[256];
    struct stat stat_of_it;
    const struct bytes by[] = {bytes_of_text("k")};
    (void)state;
    open_world(&world, __func__, "");
    for (size_t i = 0; i < 20; i++)
        push_some(&world);
    for (int way = 0; way < 3; way++) {
        struct export_job *job = make_job(&world, "v", 0);
        struct snapshot_spec *spec = export_job_spec(job);
        snprintf(path, sizeof(path), "%s/parts%d", world.dirs, way % 2);
        spec->output.server_path = bytes_of_text(path);
        spec->output.hash_buckets = way == 1 ? 4 : 0;
        spec->output.partition_by = by;
        spec->output.partition_by_count = way == 1 ? 0 : 1;
        post(&world, job);
        const struct export_result *result = wait_for(&world, job);
        if (way < 2 && result->status != STATUS_OK)
            fail_msg("%s", result->err.text);
        if (way == 2) /* it is there already */
            assert_int_equal(result->status, STATUS_INVALID);
        export_job_release(&job);
    }
    snprintf(path, sizeof(path), "%s/parts1/entity_bucket=3", world.dirs);
    assert_int_equal(stat(path, &stat_of_it), 0);
    assert_true(S_ISDIR(stat_of_it.st_mode));
    expect_no_leftovers(world.dirs, 2);
    close_world(&world);
}

/* ---- faults ---- */

static void limit_files(rlim_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_ends_an_export_and_leaves_nothing(void **state)
{
    struct world world;
    struct export_job *job;
    char path[256];
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    open_world(&world, __func__, "");
    for (size_t i = 0; i < 20; i++)
        push_some(&world);
    snprintf(path, sizeof(path), "%s/x.parquet", world.dirs);
    for (int is_named = 0; is_named < 2; is_named++) {
        limit_files(512);
        const struct export_result *result = export_to(&world, is_named ? path : "", &job);
        limit_files(RLIM_INFINITY);
        assert_int_equal(result->status, STATUS_IO);
        assert_true(strlen(result->err.text) > 10);
        assert_int_equal(result->descriptor, -1);
        export_job_release(&job);
    }
    expect_no_leftovers(world.dirs, 0);
    assert_int_equal(export_to(&world, path, &job)->status, STATUS_OK);
    export_job_release(&job);
    close_world(&world);
}

static void an_export_gives_way_to_a_database_that_must_be_opened_again(void **state)
{
    struct world world;
    struct export_job *job;
    struct error err;
    struct batch *batch = batch_create();
    static char large[1 << 16];
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    open_world(&world, __func__, "");
    push_some(&world);
    limit_files(1024);
    batch_put_row(batch, world.server.storage, bytes_of_text("test/large"),
                  bytes_of(large, sizeof(large)));
    assert_int_not_equal(storage_write(world.server.storage, batch, false, &err), STATUS_OK);
    limit_files(RLIM_INFINITY);
    assert_true(storage_is_failed(world.server.storage));

    assert_int_equal(export_to(&world, "", &job)->status, STATUS_UNAVAILABLE);

    export_job_release(&job);
    batch_destroy(&batch);
    while (storage_is_failed(world.server.storage)) { /* it tries once a second */
        storage_heal(world.server.storage);
        usleep(10 * 1000);
    }
    assert_int_equal(export_to(&world, "", &job)->status, STATUS_OK);
    export_job_release(&job);
    close_world(&world);
}

enum { KILLS = 20, PIECES = 64, PIECE_SIZE = 64 * 1024 };

/* Writes results of PIECES pieces, each of one letter, until it is killed. */
static void write_results(const char *directory)
{
    static char piece[PIECE_SIZE];
    struct place_dirs *dirs;
    struct error err;
    char path[256];
    uint64_t bytes;
    snprintf(path, sizeof(path), "%s/result", directory);
    CHECK(place_dirs_open(directory, &dirs, &err) == STATUS_OK);
    for (char letter = 'a';; letter = letter == 'z' ? 'a' : (char)(letter + 1)) {
        struct place *place;
        memset(piece, letter, sizeof(piece));
        CHECK(place_begin(dirs, bytes_of_text(path), false, &place, &err) == STATUS_OK);
        for (int i = 0; i < PIECES; i++)
            CHECK(write(place_descriptor(place), piece, PIECE_SIZE) == PIECE_SIZE);
        CHECK(place_commit(place, &bytes, &err) == STATUS_OK);
        place_end(&place);
    }
}

static void a_kill_on_the_way_leaves_a_whole_result_or_none(void **state)
{
    static char read_back[PIECES * PIECE_SIZE];
    char directory[] = "/tmp/asof-kill-XXXXXX";
    char path[256];
    char command[300];
    struct random random = random_begin(__func__);
    size_t found = 0;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/result", directory);
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_results(directory);
        usleep((useconds_t)random_below(&random, 30000));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        int file = open(path, O_RDONLY);
        if (file < 0)
            continue;
        found++;
        assert_int_equal(read(file, read_back, sizeof(read_back)), sizeof(read_back));
        assert_int_equal(read(file, command, 1), 0);
        assert_int_equal(memcmp(read_back, read_back + 1, sizeof(read_back) - 1), 0);
        close(file);
    }
    assert_true(found > 0);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    assert_int_equal(system(command), 0);
}

static void the_spool_is_empty_after_jobs_and_at_the_start(void **state)
{
    struct world world;
    struct error err;
    char path[256];
    char deep[2048];
    (void)state;
    open_world(&world, __func__, "");
    push_some(&world);
    struct export_job *job = make_job(&world, "v", 0);
    post(&world, job);
    (void)wait_well(&world, job);
    export_job_release(&job);
    snprintf(path, sizeof(path), "%s/spool", world.server.directory);
    expect_no_leftovers(path, 0);
    snprintf(deep, sizeof(deep), "mkdir -p %s/a/b && touch %s/a/b/c %s/d && ln -s /tmp %s/a/l",
             path, path, path, path);
    assert_int_equal(system(deep), 0);
    export_stop(world.export);
    export_destroy(&world.export);
    const struct export_options options = {
        .data = world.server.directory, .dirs = "", .threads = 1, .jobs_max = 1};
    assert_int_equal(export_create(&options, &world.export, &err), STATUS_OK);
    expect_no_leftovers(path, 0);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_has_what_reads_say),
        cmocka_unit_test(a_snapshot_of_folded_events_has_what_reads_say),
        cmocka_unit_test(a_snapshot_is_of_one_state_while_events_come),
        cmocka_unit_test(a_service_has_the_entities_of_all_its_views),
        cmocka_unit_test(events_come_back_with_their_types_in_their_order),
        cmocka_unit_test(events_of_a_range_of_times_are_those_in_it),
        cmocka_unit_test(what_can_not_be_done_says_why),
        cmocka_unit_test(a_cancelled_job_ends_and_too_many_are_refused),
        cmocka_unit_test(results_are_written_below_the_directories_only),
        cmocka_unit_test(a_result_takes_the_place_of_an_older_one),
        cmocka_unit_test(a_directory_of_partitions_appears_whole),
        cmocka_unit_test(a_full_disk_ends_an_export_and_leaves_nothing),
        cmocka_unit_test(an_export_gives_way_to_a_database_that_must_be_opened_again),
        cmocka_unit_test(a_kill_on_the_way_leaves_a_whole_result_or_none),
        cmocka_unit_test(the_spool_is_empty_after_jobs_and_at_the_start),
    };
    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
