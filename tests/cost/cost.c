/* Does the work of hot reads, cold reads and pushes, each kind in one marked loop, so that
 * callgrind counts the instructions of that loop and nothing else. tests/cost/check_cost.py runs it
 * under valgrind, divides, and compares with tests/cost/budget; it also runs without valgrind.
 *
 *     cost DEFINITIONS     prints for each kind: its name, and how many operations the loop did
 *
 * 1. Nothing depends on the clock: the source goes by the times of its events.
 * 2. Only the calling thread counts (callgrind collects by thread): RocksDB's own threads do not.
 * 3. Each loop checks its answers, outside of what is counted where that costs.
 * The doors have no sockets here, so neither sockets nor the loop are counted. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <valgrind/callgrind.h>

#include "../unit/door_world.h"
#include "app/rpc_call.h"
#include "base/check.h"
#include "base/endian.h"
#include "protocol/light.h"
#include "protocol/protobuf.h"

enum {
    ENTITIES = 200,
    ENTITY_EVENTS = 10,
    BUSY_EVENTS = 2000, /* of the one busy entity */
    HOT_ROUNDS = 20,    /* each reads every entity once */
    COLD_ROUNDS = 5,
    REMADE_ROUNDS = 6,
    BUSY_READS = 20,
    PUSHES = 20,
    PUSH_EVENTS = 100,
    BATCH_ROWS = 100, /* of one GetFeatures */
    TEXT_SIZE_MAX = 256,
    DEFINITIONS_SIZE_MAX = 64 * 1024,
};

#define NOW_MS      1700000000000LL
#define DAY_MS      86400000LL
#define BUSY_ENTITY 999999

/* The features that are read: as loadtest/workload.py, two of each window. */
static const char *const read_features[] = {
    "payments_5m",  "amount_sum_5m", "payments_1h",   "amount_avg_1h",    "payments_1d",
    "countries_1d", "payments_7d",   "amount_avg_7d", "session_payments", "session_seconds"};
enum { READ_FEATURES = sizeof(read_features) / sizeof(read_features[0]), COUNT_7D = 6 };

/* A server without its doors' sockets, and what is done with it. */
struct world {
    struct door_world server;
    struct arena *arena; /* owned: until the next operation */
    uint64_t events_pushed;
};

/* ---- set-up ---- */

/* The text of the definitions, with the clock of its events instead of the wall's, and no fsync. */
static void read_definitions(const char *path, struct buffer *text)
{
    static const char wanted[] = "durability: fsync";
    static const char instead[] = "durability: os\n    clock: event";
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    char *memory = calloc(1, DEFINITIONS_SIZE_MAX);
    CHECK(memory != NULL);
    size_t size = fread(memory, 1, DEFINITIONS_SIZE_MAX - 1, file);
    CHECK(size < DEFINITIONS_SIZE_MAX - 1);
    fclose(file);
    const char *at = strstr(memory, wanted);
    CHECK(at != NULL);
    buffer_append(text, bytes_of(memory, (size_t)(at - memory)));
    buffer_append_text(text, instead);
    buffer_append_text(text, at + sizeof(wanted) - 1);
    free(memory);
}

static void apply(struct world *world, const struct buffer *definitions)
{
    struct error err = {0};
    struct registry_plan plan;
    const struct definition_file file = {.name = bytes_of_text("payments.yaml"),
                                         .text = buffer_bytes(definitions)};
    door_world_must(stream_apply(world->server.stream, &file, 1, true, world->arena, &plan, &err),
                    &err);
    arena_reset(world->arena);
}

static void world_open(struct world *world, const struct buffer *definitions, size_t hot_bytes)
{
    const struct storage_options options = {
        .block_cache_bytes = 64 << 20, .write_buffer_bytes = 64 << 20, .hot_bytes = hot_bytes};
    *world = (struct world){.arena = arena_create(64 * 1024)};
    door_world_open_with(&world->server, &options);
    apply(world, definitions);
}

static void world_close(struct world *world)
{
    door_world_close(&world->server);
    arena_destroy(&world->arena);
}

/* ---- events ---- */

/* One event as loadtest/workload.py makes them, in memory of TEXT_SIZE_MAX bytes. */
static struct push_event make_event(struct world *world, char *memory, int entity, int64_t time_ms)
{
    static const char *const countries[] = {"DE", "FR", "US", "GB", "PL", "NL", "IT", "ES"};
    uint64_t number = world->events_pushed++;
    unsigned draw = (unsigned)(number * 2654435761U) >> 8;
    int size = snprintf(memory, TEXT_SIZE_MAX,
                        "{\"txn\":\"t-%012llu\",\"ts\":%lld,\"card\":\"%012d\",\"merchant\":"
                        "\"merchant-%04u\",\"country\":\"%s\",\"amount\":%u.%02u,\"status\":"
                        "\"authorised\",\"mcc\":%04u}",
                        (unsigned long long)number, (long long)time_ms, entity, draw % 5000,
                        countries[draw % 8], 10 + draw % 140, draw / 140 % 100, 1000 + draw % 9000);
    CHECK(size < TEXT_SIZE_MAX);
    return (struct push_event){.format = EVENT_JSON, .text = bytes_of(memory, (size_t)size)};
}

static void commit(struct world *world)
{
    struct error err = {0};
    door_world_must(stream_commit(world->server.stream, &err), &err);
}

static void push(struct world *world, const struct push_event *events, size_t count)
{
    struct error err = {0};
    struct push_result result;
    const struct push push = {
        .source = bytes_of_text("payments"), .events = events, .events_count = count};
    door_world_must(stream_push(world->server.stream, &push, &result, &err), &err);
    CHECK(result.events_count == count);
}

static void push_one(struct world *world, int entity, int64_t time_ms)
{
    char memory[TEXT_SIZE_MAX];
    const struct push_event event = make_event(world, memory, entity, time_ms);
    push(world, &event, 1);
}

/* ENTITY_EVENTS events of each entity, some in every window, and BUSY_EVENTS of the busy one over
 * six days; then all in sorted files. */
static void load(struct world *world)
{
    static const int64_t ages_ms[ENTITY_EVENTS] = {
        1000,           20 * 1000,       200 * 1000,       20 * 60 * 1000,
        50 * 60 * 1000, 5 * 3600 * 1000, 20 * 3600 * 1000, 2 * DAY_MS,
        4 * DAY_MS,     6 * DAY_MS};
    struct error err = {0};
    for (int i = 0; i < ENTITY_EVENTS; i++)
        for (int entity = 0; entity < ENTITIES; entity++)
            push_one(world, entity, NOW_MS - ages_ms[i] - entity);
    for (int i = 0; i < BUSY_EVENTS; i++)
        push_one(world, BUSY_ENTITY, NOW_MS - i * (6 * DAY_MS / BUSY_EVENTS));
    commit(world);
    door_world_must(storage_compact(world->server.storage, &err), &err);
}

/* ---- what is counted ---- */

static void count_begin(void)
{
    CALLGRIND_TOGGLE_COLLECT;
}

static void count_end(void)
{
    CALLGRIND_TOGGLE_COLLECT;
}

/* The counts since the last report are those of this kind. */
static void count_report(const char *kind, int operations)
{
    CALLGRIND_DUMP_STATS_AT(kind);
    printf("%s %d\n", kind, operations);
}

/* One HMGET of every entity, as bytes of the Redis protocol. */
static void append_reads(struct buffer *input)
{
    for (int entity = 0; entity < ENTITIES; entity++) {
        buffer_format(input, "*%d\r\n$5\r\nHMGET\r\n$26\r\ncard_payments:%012d\r\n",
                      2 + READ_FEATURES, entity);
        for (size_t i = 0; i < READ_FEATURES; i++)
            buffer_format(input, "$%zu\r\n%s\r\n", strlen(read_features[i]), read_features[i]);
    }
}

/* Sends the input and leaves the replies in output. A session may stop to give others a turn. */
static void exchange(struct world *world, struct resp_session *session, struct bytes input,
                     struct buffer *output)
{
    buffer_reset(output, SIZE_MAX);
    while (input.size > 0) {
        size_t taken = resp_session_receive(session, input);
        input = bytes_after(input, taken);
        if (input.size > 0)
            resp_door_turn_end(world->server.door);
    }
}

/* HMGET through the door: parse, look up, reply; the rows were read before. */
static void count_hot_reads(struct world *world)
{
    struct buffer input = {0};
    struct buffer output = {0};
    struct buffer first = {0};
    struct resp_session *session = resp_session_open(world->server.door, &output);
    append_reads(&input);
    exchange(world, session, buffer_bytes(&input), &output);
    buffer_append(&first, buffer_bytes(&output));
    CHECK(strncmp(first.memory, "*10\r\n$1\r\n3\r\n", 12) == 0);

    count_begin();
    for (int i = 0; i < HOT_ROUNDS; i++)
        exchange(world, session, buffer_bytes(&input), &output);
    count_end();

    CHECK(bytes_equal(buffer_bytes(&output), buffer_bytes(&first)));
    count_report("hot_read", HOT_ROUNDS * ENTITIES);
    resp_session_close(&session);
    buffer_fini(&input);
    buffer_fini(&output);
    buffer_fini(&first);
}

/* A GetFeaturesRequest of the ten features, of rows entities from the first one on. */
static void append_call(int first, int rows, struct buffer *out)
{
    enum { FEATURES = 1, KEYS = 2, NAME = 1, STRINGS = 2 };
    struct buffer key = {0};
    char text[TEXT_SIZE_MAX];
    for (size_t i = 0; i < READ_FEATURES; i++) {
        snprintf(text, sizeof(text), "card_payments.%s", read_features[i]);
        protobuf_append_bytes(out, FEATURES, bytes_of_text(text));
    }
    protobuf_append_bytes(&key, NAME, bytes_of_text("card"));
    for (int i = 0; i < rows; i++) {
        snprintf(text, sizeof(text), "%012d", first + i);
        protobuf_append_bytes(&key, STRINGS, bytes_of_text(text));
    }
    protobuf_append_bytes(out, KEYS, buffer_bytes(&key));
    buffer_fini(&key);
}

/* A call, from its bytes to the bytes of its answer, as the RPC door runs it. */
static void call(struct world *world, struct bytes message, struct rpc_work *work)
{
    struct error err = {0};
    work->request = message;
    arena_reset(world->arena);
    buffer_reset(work->reply, SIZE_MAX);
    query_begin(work->query);
    query_refresh(work->query);
    door_world_must(rpc_method_of_features()->run(work, &err), &err);
    query_end(work->query);
}

/* A CALL of GetFeatures, as protocol/light.h has it. */
static void append_frame(struct bytes message, struct buffer *out)
{
    char head[LIGHT_CALL_HEAD_SIZE] = {0};
    be32_write(head, (uint32_t)(LIGHT_CALL_HEAD_SIZE - sizeof(uint32_t) + message.size));
    head[8] = LIGHT_CALL;
    head[9] = (char)rpc_method_of_features()->number;
    buffer_append(out, bytes_of(head, sizeof(head)));
    buffer_append(out, message);
}

/* GetFeatures of rows entities a call; all rows were read before. */
static void count_calls(struct world *world, const char *kind, int rows)
{
    struct arena *scratch = arena_create(64 * 1024);
    struct buffer first = {0};
    struct buffer reply = {0};
    struct rpc_work work = {.query = world->server.query,
                            .arena = world->arena,
                            .rows = scratch,
                            .repeats = rpc_repeats_create(),
                            .reply = &reply,
                            .until_mono_us = INT64_MAX};
    for (int i = 0; i < HOT_ROUNDS; i++)
        for (int entity = 0; entity < ENTITIES; entity += rows) {
            struct buffer message = {0};
            append_call(entity, rows, &message);
            if (i > 0)
                count_begin();
            call(world, buffer_bytes(&message), &work);
            if (i > 0)
                count_end();
            buffer_fini(&message);
            if (i == 0 && entity == 0)
                buffer_append(&first, buffer_bytes(&reply));
            CHECK(entity > 0 || bytes_equal(buffer_bytes(&reply), buffer_bytes(&first)));
        }
    count_report(kind, (HOT_ROUNDS - 1) * ENTITIES / rows);
    rpc_repeats_destroy(&work.repeats);
    arena_destroy(&scratch);
    buffer_fini(&first);
    buffer_fini(&reply);
}

/* Calls of one entity in the light frame, as many at once as a connection may send together. */
static void count_frames(struct world *world)
{
    struct buffer input = {0};
    struct buffer output = {0};
    struct buffer message = {0};
    struct rpc_work work = {.query = world->server.query,
                            .arena = world->arena,
                            .rows = arena_create(64 * 1024),
                            .repeats = rpc_repeats_create(),
                            .reply = &output,
                            .until_mono_us = INT64_MAX};
    for (int entity = 0; entity < ENTITIES; entity++) {
        buffer_reset(&message, SIZE_MAX);
        append_call(entity, 1, &message);
        call(world, buffer_bytes(&message), &work); /* is remembered */
        append_frame(buffer_bytes(&message), &input);
    }
    for (int i = 0; i < HOT_ROUNDS; i++) {
        size_t answered = 0;
        struct bytes left = buffer_bytes(&input);
        buffer_reset(&output, SIZE_MAX);
        query_begin(work.query);
        for (size_t taken = 1, count; taken > 0; answered += count) {
            if (i > 0)
                count_begin();
            taken = rpc_repeat_answer_frames(work.repeats, work.query, left, &output, &count);
            if (i > 0)
                count_end();
            left = bytes_after(left, taken);
        }
        query_end(work.query);
        CHECK(answered == ENTITIES && left.size == 0);
    }
    count_report("call_frame", (HOT_ROUNDS - 1) * ENTITIES);
    rpc_repeats_destroy(&work.repeats);
    arena_destroy(&work.rows);
    buffer_fini(&input);
    buffer_fini(&output);
    buffer_fini(&message);
}

/* The features that are read, as their indexes. */
static void find_features(const struct view_definition *view, uint32_t *indexes)
{
    for (size_t i = 0; i < READ_FEATURES; i++) {
        indexes[i] = UINT32_MAX;
        for (uint32_t j = 0; j < view->features_count; j++)
            if (bytes_equal_text(view->features[j].name, read_features[i]))
                indexes[i] = j;
        CHECK(indexes[i] != UINT32_MAX);
    }
}

/* Reads an entity by its key; it must have so many events in seven days. */
static void read_entity(struct world *world, int entity, struct moment moment, int64_t events)
{
    struct error err = {0};
    struct target target;
    struct answer answer;
    uint32_t features[READ_FEATURES];
    arena_reset(world->arena);
    query_begin(world->server.query);
    struct bytes key = arena_format(world->arena, "card_payments:%012d", entity);
    door_world_must(query_find(world->server.query, key, world->arena, &target, &err), &err);
    find_features(target.view, features);
    count_begin();
    door_world_must(query_read(world->server.query, &target, features, READ_FEATURES, moment,
                               world->arena, &answer, &err),
                    &err);
    count_end();
    CHECK(answer.values[COUNT_7D].integer == events);
    query_end(world->server.query);
}

/* Reads that must evaluate: there is no hot tier. Blocks are in the cache from the first round. */
static void count_cold_reads(struct world *world)
{
    const struct moment now = {.is_now = true};
    for (int i = 0; i < COLD_ROUNDS; i++)
        for (int entity = 0; entity < ENTITIES; entity++)
            read_entity(world, entity, now, ENTITY_EVENTS);
    count_report("cold_read", COLD_ROUNDS * ENTITIES);
}

/* As of three days ago: of each entity's events only two are that old. */
static void count_past_reads(struct world *world)
{
    const struct moment past = {.t_us = (NOW_MS - 3 * DAY_MS) * 1000};
    for (int i = 0; i < COLD_ROUNDS; i++)
        for (int entity = 0; entity < ENTITIES; entity++)
            read_entity(world, entity, past, 2);
    count_report("past_read", COLD_ROUNDS * ENTITIES);
}

/* Reads an entity as doors do, by way of what is kept of it. */
static void read_texts(struct world *world, int entity, const char *count)
{
    const struct moment now = {.is_now = true};
    struct error err = {0};
    struct target target;
    struct text_answer answer;
    uint32_t features[READ_FEATURES];
    arena_reset(world->arena);
    query_begin(world->server.query);
    struct bytes key = arena_format(world->arena, "card_payments:%012d", entity);
    door_world_must(query_find(world->server.query, key, world->arena, &target, &err), &err);
    find_features(target.view, features);
    count_begin();
    door_world_must(query_read_texts(world->server.query, &target, features, READ_FEATURES, now,
                                     world->arena, &answer, &err),
                    &err);
    count_end();
    CHECK(bytes_equal_text(answer.texts[COUNT_7D], count));
    query_end(world->server.query);
}

/* Reads of entities that got an event since they were read last. The first of each is another kind:
 * it reads the disk, and keeps edges. */
static void count_remade_reads(struct world *world)
{
    char count[TEXT_SIZE_MAX];
    for (int i = 1; i <= REMADE_ROUNDS; i++) {
        snprintf(count, sizeof(count), "%d", ENTITY_EVENTS + i);
        for (int entity = 0; entity < ENTITIES; entity++)
            push_one(world, entity, NOW_MS + i);
        commit(world);
        for (int entity = 0; entity < ENTITIES; entity++)
            read_texts(world, entity, count);
        if (i == 1)
            count_report("first_remade_read", ENTITIES);
    }
    count_report("remade_read", (REMADE_ROUNDS - 1) * ENTITIES);
}

/* An entity with many events in its longest window, and partials, one pushed before each read. The
 * first read, which asks for the partials, is another kind. All is in sorted files: RocksDB draws
 * the towers of a memtable's list by the address of the thread, which made a walk through this one
 * neighbourhood 14 % cheaper or 11 % dearer from library to library. */
static void count_busy_reads(struct world *world)
{
    const struct moment now = {.is_now = true};
    struct error err = {0};
    for (int i = 0; i < BUSY_READS; i++) {
        push_one(world, BUSY_ENTITY, NOW_MS + i);
        commit(world);
        while (stream_step(world->server.stream))
            ; /* makes the partials that a read asked for */
        door_world_must(storage_compact(world->server.storage, &err), &err);
        read_entity(world, BUSY_ENTITY, now, BUSY_EVENTS + i + 1);
        if (i == 0)
            count_report("first_busy_read", 1);
    }
    count_report("busy_read", BUSY_READS - 1);
}

/* Decode, reduce and put of a push; then its commit by itself, without fsync. */
static void count_pushes(struct world *world, bool is_commit_counted)
{
    static char texts[PUSH_EVENTS][TEXT_SIZE_MAX];
    struct push_event events[PUSH_EVENTS];
    for (int i = 0; i < PUSHES; i++) {
        for (int j = 0; j < PUSH_EVENTS; j++)
            events[j] = make_event(world, texts[j], (i + j) % ENTITIES, NOW_MS + i);
        if (!is_commit_counted)
            count_begin();
        push(world, events, PUSH_EVENTS);
        if (is_commit_counted)
            count_begin();
        else
            count_end();
        commit(world);
        if (is_commit_counted)
            count_end();
    }
    count_report(is_commit_counted ? "commit_event" : "push_event", PUSHES * PUSH_EVENTS);
}

int main(int argc, char **argv)
{
    struct buffer definitions = {0};
    struct world hot;
    struct world cold;
    if (argc != 2) {
        fprintf(stderr, "usage: cost DEFINITIONS\n");
        return 2;
    }
    read_definitions(argv[1], &definitions);
    world_open(&hot, &definitions, 64 << 20);
    world_open(&cold, &definitions, 0);
    buffer_fini(&definitions);
    load(&hot);
    load(&cold);
    CALLGRIND_START_INSTRUMENTATION; /* once: each change throws away all translated code */
    count_hot_reads(&hot);
    count_calls(&hot, "call", 1);
    count_calls(&hot, "batch_call", BATCH_ROWS);
    count_frames(&hot);
    count_remade_reads(&hot);
    count_cold_reads(&cold);
    count_past_reads(&cold);
    count_busy_reads(&cold);
    count_pushes(&cold, false);
    count_pushes(&cold, true);
    world_close(&hot);
    world_close(&cold);
    return 0;
}
