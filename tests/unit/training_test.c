/* Training sets hold, bit for bit, what a read of each label says, beside the labels as they were.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time_text.h"
#include "door_world.h"
#include "export/duck.h"
#include "export/training.h"
#include "random.h"

enum { TURNS = 300, PUSH_MAX = 4, TEXT_SIZE = 160, SQL_SIZE = 2048, MEMORY = 64 * 1024 * 1024 };

#define START_US INT64_C(1700000000000000)

#define FEATURES                                                                                   \
    "{n_50ms: {sum: n, over: 50ms}, money: {sum: m, over: 2s}, "                                   \
    "top: {max: text, over: tumbling(40ms), default: none}, run: {count: '*', over: "              \
    "session(30ms)}, "                                                                             \
    "texts: {last_n: text, over: last(3)}, idle: {time_since_last: true, over: 200ms}, "           \
    "spread: {stddev: n, over: 2s}, latest: {max: at, over: forever}}"

static const char definitions[] =
    "sources: {s: {fields: {id: string, at: timestamp_us, k: string, j: int, n: int, text: string, "
    "m: decimal(2)}, event_time: at, event_id: id, clock: event}}\n"
    "entities: {k: {keys: [k]}, kj: {keys: [k, j]}}\n"
    "views:\n"
    "  whole: {source: s, entity: k, features: " FEATURES "}\n"
    "  short: {source: s, entity: k, history: 300ms, features: " FEATURES "}\n"
    "  pair: {source: s, entity: kj, features: {n: {count: '*', over: 1s}}}\n"
    "  o: {kind: on_demand, entity: k, request: {x: int}, features: {more: whole.n_50ms + "
    "request.x}}\n"
    "services:\n"
    "  model: {features: [whole.n_50ms, pair.n, o.more]}\n";

struct world {
    struct door_world server;
    struct export *export;
    struct random random;
    struct arena *arena;
    struct duck *duck; /* the test's own */
    int labels;
    int result;
    int64_t t_us;
};

/* ---- a database with events ---- */

static void push_some(struct world *world)
{
    char texts[PUSH_MAX][TEXT_SIZE];
    struct push_event events[PUSH_MAX];
    struct random *random = &world->random;
    size_t count = 1 + random_below(random, PUSH_MAX);
    world->t_us += (int64_t)random_below(random, 15000);
    for (size_t i = 0; i < count; i++) {
        int64_t late_us = random_below(random, 4) == 0 ? (int64_t)random_below(random, 60000) : 0;
        int size = snprintf(texts[i], TEXT_SIZE,
                            "{\"id\":\"%u\",\"at\":%lld,\"k\":\"k%u\",\"j\":%u,\"n\":%u,"
                            "\"text\":\"\xc3\xbc%u\",\"m\":%u.25}",
                            (unsigned)random_below(random, 300),
                            (long long)(world->t_us - late_us) / 1000 * 1000,
                            (unsigned)random_below(random, 5), (unsigned)random_below(random, 3),
                            (unsigned)random_below(random, 9), (unsigned)random_below(random, 9),
                            (unsigned)random_below(random, 99));
        events[i] =
            (struct push_event){.format = EVENT_JSON, .text = bytes_of(texts[i], (size_t)size)};
    }
    door_world_push(&world->server, events, count);
}

static int nameless(const struct world *world)
{
    int file = open(world->server.directory, O_TMPFILE | O_RDWR, 0600);
    assert_true(file >= 0);
    return file;
}

static void open_duck(struct world *world)
{
    char paths[2][DUCK_PATH_SIZE];
    const char *const named[] = {duck_path(world->labels, paths[0]),
                                 duck_path(world->result, paths[1])};
    const struct duck_options options = {.memory_bytes = MEMORY,
                                         .spool = world->server.directory,
                                         .paths = named,
                                         .paths_count = world->result < 0 ? 1 : 2};
    struct error err;
    duck_close(&world->duck);
    if (duck_open(&options, &world->duck, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct error err;
    world->random = random_begin("training");
    world->arena = arena_create(4096);
    world->t_us = START_US;
    world->result = -1;
    door_world_open(&world->server);
    door_world_apply(&world->server, bytes_of_text(definitions));
    for (int turn = 0; turn < TURNS; turn++)
        push_some(world);
    const struct export_options options = {.query = {.storage = world->server.storage,
                                                     .board = world->server.board,
                                                     .epoch = world->server.epoch},
                                           .data = world->server.directory,
                                           .dirs = "",
                                           .library = "",
                                           .memory_bytes = MEMORY,
                                           .threads = 1,
                                           .jobs_max = 4};
    if (export_create(&options, &world->export, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    export_start(world->export);
    world->labels = nameless(world);
    open_duck(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    duck_close(&world->duck);
    export_stop(world->export);
    export_destroy(&world->export);
    close(world->labels);
    if (world->result >= 0)
        close(world->result);
    door_world_close(&world->server);
    arena_destroy(&world->arena);
    free(world);
    return 0;
}

/* ---- labels and sets ---- */

/* Writes the rows of a query, as labels. */
static void write_labels(struct world *world, const char *query, const char *format)
{
    char sql[SQL_SIZE];
    char path[DUCK_PATH_SIZE];
    struct error err;
    snprintf(sql, sizeof(sql), "COPY (%s) TO '%s' (FORMAT %s, USE_TMP_FILE false)", query,
             duck_path(world->labels, path), format);
    assert_int_equal(ftruncate(world->labels, 0), 0);
    if (duck_run(world->duck, sql, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static void count_done(void *context, struct export_job *job)
{
    (void)job;
    __atomic_store_n((bool *)context, true, __ATOMIC_RELEASE);
}

/* Runs the job to its end; the result is the world's. */
static enum status make_set(struct world *world, const struct training_spec *asked,
                            struct error *err)
{
    bool is_done = false;
    struct export_job *job = export_job_create(world->export, EXPORT_TRAINING);
    struct training_spec *spec = export_job_spec(job);
    *spec = *asked;
    spec->labels = world->labels;
    if (export_post(job, count_done, &is_done, err) != STATUS_OK)
        fail_msg("%s", err->text);
    while (!__atomic_load_n(&is_done, __ATOMIC_ACQUIRE))
        usleep(1000);
    const struct export_result *result = export_job_result(job);
    enum status status = result->status;
    *err = result->err;
    if (status == STATUS_OK) {
        if (world->result >= 0)
            close(world->result);
        world->result = dup(result->descriptor);
        open_duck(world);
    }
    export_job_release(&job);
    return status;
}

static void make_set_well(struct world *world, const struct training_spec *spec)
{
    struct error err;
    if (make_set(world, spec, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

/* The one number that the query gives; LABELS and SET in it are read as Parquet. */
static int64_t ask_number(struct world *world, const char *query)
{
    char sql[SQL_SIZE];
    char labels[DUCK_PATH_SIZE];
    char set[DUCK_PATH_SIZE];
    struct duck_reader *reader;
    const struct duck_rows *rows;
    struct error err;
    snprintf(sql, sizeof(sql),
             "WITH labels AS (FROM read_parquet('%s')), made AS (FROM read_parquet('%s')) %s",
             duck_path(world->labels, labels), duck_path(world->result, set), query);
    if (duck_query(world->duck, sql, &reader, &err) != STATUS_OK ||
        duck_reader_next(reader, &rows, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    int64_t number = duck_value(rows, 0, 0, world->arena).integer;
    duck_reader_close(&reader);
    return number;
}

/* Labels at random moments, many of them the same, at events and 1 us beside; keys with NULLs and
 * without events; columns of all sorts. */
static const char random_labels[] =
    "SELECT i, CASE WHEN i % 50 = 7 THEN NULL ELSE 'k' || (i * 7919 % 6) END AS k, "
    "CAST(i * 31 % 4 AS INTEGER) AS j, CAST(i % 9 AS SMALLINT) AS x, "
    "make_timestamp(1700000000000000 + (i * 7919 * 1009 % 2300) * 1000 + (i % 3) - 1)::TIMESTAMPTZ "
    "AS event_timestamp, CAST(i / 7 AS DECIMAL(20, 4)) AS price, [i, NULL] AS list, "
    "{'a': i, 'b': 'x'} AS both, CASE WHEN i % 3 = 0 THEN 'ü' || i END AS note, 'label' AS top "
    "FROM range(4000) AS r(i)";

/* What the set has in the columns of a view is what reads say. */
static void assert_reads(struct world *world, const char *view, const char *columns,
                         bool is_exclusive)
{
    char sql[SQL_SIZE];
    char path[DUCK_PATH_SIZE];
    struct duck_reader *reader;
    const struct duck_rows *rows;
    struct error err;
    struct query *query = world->server.query;
    enum status status;
    size_t count;
    snprintf(sql, sizeof(sql),
             "SELECT k, event_timestamp, x, * FROM (SELECT k, event_timestamp, x, %s FROM "
             "read_parquet('%s'))",
             columns, duck_path(world->result, path));
    if (duck_query(world->duck, sql, &reader, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    (void)duck_reader_columns(reader, &count);
    query_begin(query);
    while ((status = duck_reader_next(reader, &rows, &err)) == STATUS_OK)
        for (size_t i = 0; i < duck_rows_count(rows); i++) {
            char key[64];
            struct target target;
            struct answer answer;
            arena_reset(world->arena);
            struct value k = duck_value(rows, 0, i, world->arena);
            if (k.kind == VALUE_NULL)
                continue;
            const struct moment moment = {.t_us = duck_value(rows, 1, i, world->arena).integer,
                                          .is_exclusive = is_exclusive};
            const struct value x = duck_value(rows, 2, i, world->arena);
            const struct value *const steps[] = {&x};
            const struct request request = {.values = steps};
            snprintf(key, sizeof(key), "%s:%.*s", view, BYTES_ARGS(k.text));
            assert_int_equal(query_find(query, bytes_of_text(key), world->arena, &target, &err),
                             STATUS_OK);
            target.request = target.view->kind == VIEW_ON_DEMAND ? &request : NULL;
            assert_int_equal(
                query_read(query, &target, NULL, 0, moment, world->arena, &answer, &err),
                STATUS_OK);
            assert_int_equal(6 + 2 * answer.count, count);
            for (size_t j = 0; j < answer.count; j++) {
                struct value made = duck_value(rows, 6 + 2 * j, i, world->arena);
                struct value name = duck_value(rows, 7 + 2 * j, i, world->arena);
                struct buffer shown_made = {0};
                struct buffer shown_read = {0};
                value_append_json(&made, &shown_made);
                value_append_json(&answer.values[j], &shown_read);
                assert_true(bytes_equal(buffer_bytes(&shown_made), buffer_bytes(&shown_read)));
                assert_true(bytes_equal_text(name.text, feature_status_name(answer.statuses[j])));
                buffer_fini(&shown_made);
                buffer_fini(&shown_read);
            }
        }
    query_end(query);
    assert_int_equal(status, STATUS_NOT_FOUND);
    duck_reader_close(&reader);
}

#define COLUMNS_OF(view)                                                                           \
    "COLUMNS('^(" view ")__(n_50ms|money|top|run|texts|idle|spread|latest)(__status)?$')"

static void features_are_what_reads_say(void **state)
{
    struct world *world = *state;
    const struct bytes features[] = {bytes_of_text("whole.*"), bytes_of_text("short.*"),
                                     bytes_of_text("pair.n"), bytes_of_text("o.*")};
    struct training_spec spec = {.features = features, .features_count = 4, .has_statuses = true};
    write_labels(world, random_labels, "parquet");
    for (int is_exclusive = 0; is_exclusive < 2; is_exclusive++) {
        spec.is_exclusive = is_exclusive;
        make_set_well(world, &spec);
        assert_reads(world, "whole", COLUMNS_OF("whole"), is_exclusive);
        assert_reads(world, "short", COLUMNS_OF("short"), is_exclusive);
        assert_reads(world, "o", "more, more__status", is_exclusive);
    }
    assert_int_equal(ask_number(world, "SELECT count(*) FROM made WHERE n__status = 'present'") > 0,
                     true);
    assert_int_equal(ask_number(world, "SELECT count(*) FROM made WHERE k IS NULL AND (n IS NOT "
                                       "NULL OR n__status != 'not_found')"),
                     0);
}

static void labels_come_out_as_they_went_in(void **state)
{
    struct world *world = *state;
    const struct training_spec spec = {.service = bytes_of_text("model")};
    write_labels(world, random_labels, "parquet");
    make_set_well(world, &spec);
    assert_int_equal(
        ask_number(world, "SELECT count(*) FROM labels AS a POSITIONAL JOIN (SELECT * EXCLUDE "
                          "(n_50ms, n, more) FROM made) AS b WHERE a IS NOT DISTINCT FROM b AND "
                          "typeof(a) = typeof(b)"),
        4000);
    assert_int_equal(
        ask_number(world, "SELECT count(n_50ms) + count(n) + count(more) > 0 FROM made"), 1);
}

static void write_text(struct world *world, const char *text)
{
    size_t size = strlen(text);
    assert_int_equal(ftruncate(world->labels, 0), 0);
    assert_int_equal(pwrite(world->labels, text, size, 0), (ssize_t)size);
}

static void read_text(const struct world *world, char *text, size_t size)
{
    ssize_t got = pread(world->result, text, size - 1, 0);
    assert_true(got >= 0);
    text[got] = '\0';
}

/* Keys that look like numbers stay texts; times are texts and digits; lists and NULLs come out. */
static void csv_and_ndjson_go_in_and_out(void **state)
{
    struct world *world = *state;
    char text[1024];
    const struct bytes features[] = {bytes_of_text("pair.n"), bytes_of_text("whole.n_50ms")};
    struct training_spec spec = {.features = features,
                                 .features_count = 2,
                                 .labels_format = EXPORT_CSV,
                                 .has_statuses = true,
                                 .time_column = bytes_of_text("t"),
                                 .output = {.format = EXPORT_CSV}};
    write_text(world, "k,j,t\n007,1,2023-11-14T22:13:20Z\n,2,1700000000000000\n"
                      "k1,,2023-11-14T23:13:19.5+01:00\n");
    make_set_well(world, &spec);
    read_text(world, text, sizeof(text));
    assert_string_equal(text, "k,j,t,n,n__status,n_50ms,n_50ms__status\n"
                              "007,1,2023-11-14 22:13:20+00,0,not_found,,not_found\n"
                              ",2,2023-11-14 22:13:20+00,,not_found,,not_found\n"
                              "k1,,2023-11-14 22:13:19.5+00,,not_found,,not_found\n");
    spec.labels_format = spec.output.format = EXPORT_NDJSON;
    spec.has_statuses = false;
    spec.has_full_names = true;
    write_text(world, "{\"k\":\"007\",\"j\":1,\"t\":1700000000000000,\"tags\":[\"a\",null]}\n");
    make_set_well(world, &spec);
    read_text(world, text, sizeof(text));
    assert_string_equal(text, "{\"k\":\"007\",\"j\":1,\"t\":1700000000000000,\"tags\":[\"a\",null],"
                              "\"pair__n\":0,\"whole__n_50ms\":null}\n");
    spec.labels_format = spec.output.format = EXPORT_CSV;
    write_text(world, "k,j,t\n");
    make_set_well(world, &spec);
    read_text(world, text, sizeof(text));
    assert_string_equal(text, "k,j,t,pair__n,whole__n_50ms\n");
}

/* What a text file says is what is read: DuckDB's guesses (a UUID in small letters, days for
 * months, the zone of the row before, quotes, comments) would be other keys and moments, and so
 * other values. */
static void texts_are_taken_as_they_are(void **state)
{
    struct world *world = *state;
    static const struct {
        enum export_format format;
        const char *labels;
        const char *made; /* up to the features */
    } cases[] = {
        {EXPORT_NDJSON,
         "{\"k\":\"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\",\"event_timestamp\":\"2023-11-14\",\"d\":\"01-02-2023\"}\n",
         "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11,2023-11-14 00:00:00+00,01-02-2023,"},
        {EXPORT_NDJSON,
         "{\"k\":\"2023-1-5\",\"event_timestamp\":\"2023-11-14T01:00:00+02:00\"}\n"
         "{\"k\":7,\"event_timestamp\":1700000000000000}\n",
         "2023-1-5,2023-11-13 23:00:00+00,\n7,2023-11-14 22:13:20+00,\n"},
        {EXPORT_CSV, "event_timestamp,k,x\n2023-11-14,'k1',01/02/2023 10:00:00\n",
         "2023-11-14 00:00:00+00,'k1',01/02/2023 10:00:00,"},
        {EXPORT_CSV, "k,event_timestamp\nk1,2023-11-14T01:00:00+02:00\nk1,2023-11-14 00:00\n",
         "k1,2023-11-13 23:00:00+00,\nk1,2023-11-14 00:00:00+00,\n"},
        {EXPORT_CSV, "k;event_timestamp;x\n#k;2023-11-14;1,5\n",
         "\"#k\",2023-11-14 00:00:00+00,\"1,5\","},
        {EXPORT_CSV, "\xef\xbb\xbfk\tevent_timestamp\r\n\"a\"\"b\"\t0\r\n",
         "\"a\"\"b\",1970-01-01 00:00:00+00,\n"},
    };
    const struct bytes feature = bytes_of_text("whole.n_50ms");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[1024];
        struct training_spec spec = {.features = &feature,
                                     .features_count = 1,
                                     .labels_format = cases[i].format,
                                     .output = {.format = EXPORT_CSV}};
        write_text(world, cases[i].labels);
        make_set_well(world, &spec);
        read_text(world, text, sizeof(text));
        if (strstr(text, cases[i].made) == NULL)
            fail_msg("'%s' has not '%s'", text, cases[i].made);
    }
}

static void texts_that_can_not_be_read_are_told(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *labels; /* CSV */
        const char *sentence;
    } cases[] = {
        {"k,event_timestamp\nk1,0\nk1\n",
         "CSV Error on Line: 3; Expected Number of Columns: 2 Found: 1"},
        {"k,event_timestamp\n# by hand\nk1,0\n", "CSV Error on Line: 2"},
        {"k,event_timestamp\nk1,0\n\xfc,0\n", "CSV Error on Line: 3; Invalid unicode"},
        {"k,event_timestamp\n\"k1,0\n", "a quote is not closed"},
        {"k,event_timestamp\nk1,2023-11-14 00:00:00 Europe/Berlin\n",
         "'2023-11-14 00:00:00 Europe/Berlin'; it is"},
        {"k,event_timestamp\nk1,14.11.2023\n", "'14.11.2023'; it is"},
        {"k,event_timestamp\nk1,\n", "row 1 of the labels has no time"},
        {"k,at\nk1,0\n", "they have 'k', 'at'"},
        {"event_timestamp,x\n0,1\n", "no column 'k'"},
    };
    const struct bytes feature = bytes_of_text("whole.n_50ms");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err;
        const struct training_spec spec = {
            .features = &feature, .features_count = 1, .labels_format = EXPORT_CSV};
        write_text(world, cases[i].labels);
        assert_int_equal(make_set(world, &spec, &err), STATUS_INVALID);
        if (strstr(err.text, cases[i].sentence) == NULL)
            fail_msg("'%s' has not '%s'", err.text, cases[i].sentence);
    }
}

struct mistake {
    const char *labels; /* a query */
    const char *feature;
    const char *sentence; /* is in the error */
};

static void mistakes_are_told(void **state)
{
    struct world *world = *state;
    static const struct mistake mistakes[] = {
        {"SELECT 'k1' AS k", "whole.*", "no column 'event_timestamp'"},
        {"SELECT 'k1' AS k, 1.5 AS event_timestamp", "whole.*",
         "'event_timestamp' is DECIMAL(2,1); it is to be a timestamp"},
        {"SELECT 'k1' AS k, NULL::TIMESTAMP AS event_timestamp", "whole.*", "row 1 "},
        {"SELECT 'k1' AS k, 'soon' AS event_timestamp", "whole.*", "soon"},
        {"SELECT 'k1' AS k, 9e17::BIGINT AS event_timestamp", "whole.*", "years 1 to 9999"},
        {"SELECT 1 AS event_timestamp", "whole.*", "no column 'k'"},
        {"SELECT [1] AS k, 1 AS event_timestamp", "whole.*",
         "'k' is INTEGER[]; the key of that name is a string"},
        {"SELECT 'k1' AS k, 'x' AS j, 1 AS event_timestamp", "pair.*", "'j' is an int, got x"},
        {"SELECT 'k1' AS k, 1.5::DOUBLE AS j, 1 AS event_timestamp", "pair.*", "got 1.5"},
        {"SELECT 'k1' AS k, 1.50::DECIMAL(38,2) AS j, 1 AS event_timestamp", "pair.*", "got 1.50"},
        {"SELECT 'k1' AS k, 1.5::DOUBLE AS x, 1 AS event_timestamp", "o.*",
         "row 1 of the labels, 'x'"},
        {"SELECT 'k1' AS k, 'many' AS x, 1 AS event_timestamp", "o.*", "row 1 of the labels, 'x'"},
        {"SELECT 'k1' AS k, 1 AS event_timestamp", "whole.none", "no feature 'none'"},
        {"SELECT 'k1' AS k, 1 AS event_timestamp", "none.x", "no view 'none'"},
        {"SELECT 'k1' AS k, 1 AS j, 1 AS event_timestamp, 2 AS n, 3 AS pair__n", "pair.n",
         "two columns 'pair__n'"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct error err;
        const struct bytes feature = bytes_of_text(mistakes[i].feature);
        const struct training_spec spec = {.features = &feature, .features_count = 1};
        write_labels(world, mistakes[i].labels, "parquet");
        assert_int_not_equal(make_set(world, &spec, &err), STATUS_OK);
        if (strstr(err.text, mistakes[i].sentence) == NULL)
            fail_msg("'%s' has not '%s'", err.text, mistakes[i].sentence);
    }
    write_text(world, "this is no Parquet");
    struct error err;
    const struct training_spec spec = {.service = bytes_of_text("model")};
    assert_int_equal(make_set(world, &spec, &err), STATUS_INVALID);
    const struct training_spec neither = {0};
    assert_int_equal(make_set(world, &neither, &err), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(features_are_what_reads_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_come_out_as_they_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(csv_and_ndjson_go_in_and_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_are_taken_as_they_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_that_can_not_be_read_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mistakes_are_told, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("training", tests, NULL, NULL);
}
