/* Any bytes as messages of RPC and as light frames: what is read lies within them and keeps to the
 * limits; a frame is the same whether its bytes came at once or one by one. */
#include <stdint.h>

#include "base/check.h"
#include "protocol/light.h"
#include "protocol/rpc_message.h"
#include "protocol/rpc_offline_message.h"
#include "protocol/rpc_operation_message.h"
#include "protocol/rpc_reflection.h"
#include "protocol/rpc_shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct bytes part, struct bytes whole)
{
    if (part.size > 0)
        CHECK(part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

/* Reads all of them, so that what lies beyond is seen. */
static void check_columns(const struct value_column *columns, size_t count, struct bytes message)
{
    char scratch[NUMBER_TEXT_SIZE];
    struct bytes text;
    for (size_t i = 0; i < count; i++) {
        check_within(columns[i].name, message);
        for (size_t j = 0; j < columns[i].count; j++)
            if (value_column_text(&columns[i], j, scratch, &text) && columns[i].ints == NULL &&
                columns[i].doubles == NULL)
                check_within(text, message);
    }
}

static void parse_get(struct bytes message, struct arena *arena)
{
    struct columns_question question;
    struct error err;
    if (rpc_get_parse(message, COLUMNS_ROWS_MAX, arena, &question, &err) != STATUS_OK)
        return;
    CHECK(question.features_count <= COLUMNS_FEATURES_MAX);
    CHECK(question.keys_count <= COLUMNS_KEYS_MAX && question.rows_count <= COLUMNS_ROWS_MAX);
    for (size_t i = 0; i < question.features_count; i++)
        check_within(question.features[i], message);
    CHECK(question.request_count <= COLUMNS_REQUEST_MAX);
    check_columns(question.request, question.request_count, message);
    for (size_t i = 0; i < question.keys_count; i++) {
        const struct key_column *key = &question.keys[i];
        check_within(key->name, message);
        CHECK(key->count == 0 || (key->strings != NULL) != (key->ints != NULL));
        for (size_t j = 0; key->strings != NULL && j < key->count; j++)
            check_within(key->strings[j], message);
    }
}

/* With its own names known, a request is the same. */
static void parse_get_again(struct bytes message, struct arena *arena)
{
    struct columns_question first;
    struct columns_question again;
    struct error err;
    if (rpc_get_parse(message, COLUMNS_ROWS_MAX, arena, &first, &err) != STATUS_OK)
        return;
    const struct columns_names known = {first.names, first.features, first.features_count};
    CHECK(rpc_get_parse_as(message, &known, COLUMNS_ROWS_MAX, arena, &again, &err) == STATUS_OK);
    CHECK(again.features_count == first.features_count && again.rows_count == first.rows_count);
    CHECK(again.keys_count == first.keys_count && again.at_count == first.at_count);
    CHECK(again.is_exclusive == first.is_exclusive);
}

/* What a shape matches means the same as what the shape was made of, but for the entity. */
static void check_shape(const struct rpc_shape *shape, const struct columns_question *of,
                        struct bytes message, struct arena *arena)
{
    struct columns_question question;
    struct bytes entity;
    struct error err;
    if (!rpc_shape_match(shape, message, &entity))
        return;
    check_within(entity, message);
    CHECK(rpc_get_parse(message, COLUMNS_ROWS_MAX, arena, &question, &err) == STATUS_OK);
    CHECK(bytes_equal(question.names, of->names));
    CHECK(question.features_count == of->features_count && question.rows_count == 1);
    CHECK(question.keys_count == 1 && bytes_equal(question.keys[0].name, of->keys[0].name));
    CHECK(bytes_equal(question.keys[0].strings[0], entity));
    CHECK(question.at_count == of->at_count && question.request_count == of->request_count);
    CHECK(question.is_exclusive == of->is_exclusive);
    CHECK(question.has_event_times == of->has_event_times);
    CHECK(question.is_without_statuses == of->is_without_statuses);
}

/* Makes a shape of the message, and tries it on the message with each byte of it changed. */
static void parse_shape(struct bytes message, struct arena *arena)
{
    struct rpc_shape shape = {0};
    struct columns_question question;
    struct error err;
    bool is_one = rpc_get_parse(message, COLUMNS_ROWS_MAX, arena, &question, &err) == STATUS_OK;
    if (rpc_shape_set(&shape, message) && is_one) {
        struct buffer other = {0};
        buffer_append(&other, message);
        for (size_t i = 0; i < other.size; i++) {
            other.memory[i] ^= 1;
            check_shape(&shape, &question, buffer_bytes(&other), arena);
            other.memory[i] ^= 1;
        }
        struct bytes entity;
        CHECK(rpc_shape_match(&shape, message, &entity));
        buffer_fini(&other);
        check_shape(&shape, &question, message, arena);
    }
    rpc_shape_fini(&shape);
}

static void parse_others(struct bytes message, struct arena *arena)
{
    enum { EVENTS_MAX = 10, FILES_MAX = 5 };
    struct rpc_push_request push;
    const struct rpc_file *files = NULL;
    size_t files_count;
    bool is_promoting;
    struct error err;
    struct buffer scratch = {0};
    struct buffer out = {0};
    if (rpc_push_parse(message, EVENTS_MAX, arena, &push, &err) == STATUS_OK) {
        CHECK(push.events_count <= EVENTS_MAX);
        check_within(push.source, message);
        for (size_t i = 0; i < push.events_count && push.events != NULL; i++)
            check_within(push.events[i], message);
        check_columns(push.columns, push.columns_count, message);
    }
    if (rpc_plan_parse(message, FILES_MAX, arena, &files, &files_count, &is_promoting, &err) ==
        STATUS_OK)
        for (size_t i = 0; i < files_count; i++)
            check_within(files[i].text, message);
    if (rpc_reflection_answer(message, &scratch, &out, &err) == STATUS_OK)
        CHECK(out.size > message.size);
    buffer_fini(&scratch);
    buffer_fini(&out);
}

static void parse_operations(struct bytes message, struct arena *arena)
{
    struct rpc_describe_request describe;
    struct rpc_promote_request promote;
    struct rpc_entities_request entities;
    struct rpc_replay_request replay;
    struct rpc_diff_request *diff = ARENA_NEW(arena, struct rpc_diff_request);
    struct rpc_letters_request *letters = ARENA_NEW(arena, struct rpc_letters_request);
    struct error err;
    if (rpc_describe_parse(message, &describe, &err) == STATUS_OK)
        check_within(describe.name, message);
    if (rpc_promote_parse(message, &promote, &err) == STATUS_OK)
        check_within(promote.name, message);
    if (rpc_entities_parse(message, &entities, &err) == STATUS_OK)
        check_within(entities.match, message);
    if (rpc_replay_parse(message, &replay, &err) == STATUS_OK)
        check_within(replay.from, message);
    if (rpc_letters_parse(message, letters, &err) == STATUS_OK)
        CHECK(letters->letters_count <= RPC_LETTERS_MAX);
    if (rpc_diff_parse(message, diff, &err) != STATUS_OK)
        return;
    CHECK(diff->entities_count <= RPC_DIFF_ENTITIES_MAX);
    for (size_t i = 0; i < diff->entities_count; i++)
        check_within(diff->entities[i], message);
}

static void parse_offline(struct bytes message, struct arena *arena)
{
    struct rpc_training_spec training;
    struct rpc_snapshot_request snapshot;
    struct rpc_events_request events;
    struct rpc_backfill_spec backfill;
    struct rpc_backfill_file file;
    struct bytes part;
    uint32_t number;
    struct error err;
    if (rpc_part_parse(message, &number, &part, &err) == STATUS_OK)
        check_within(part, message);
    if (rpc_training_parse(message, arena, &training, &err) == STATUS_OK) {
        CHECK(training.features_count <= RPC_EXPORT_FEATURES_MAX);
        for (size_t i = 0; i < training.features_count; i++)
            check_within(training.features[i], message);
        check_within(training.labels_path, message);
    }
    if (rpc_snapshot_parse(message, arena, &snapshot, &err) == STATUS_OK) {
        CHECK(snapshot.output.partition_by_count <= RPC_PARTITION_KEYS_MAX);
        check_within(snapshot.output.server_path, message);
    }
    if (rpc_events_parse(message, arena, &events, &err) == STATUS_OK)
        check_within(events.source, message);
    if (rpc_backfill_parse(message, &backfill, &err) == STATUS_OK)
        check_within(backfill.view, message);
    if (rpc_backfill_file_parse(message, &file, &err) == STATUS_OK)
        check_within(file.server_path, message);
}

/* Of a prefix it says PARTIAL, or at once what it says of the whole. */
static void parse_frame(struct bytes input)
{
    struct light_frame whole = {0};
    size_t consumed = 0;
    enum light_result result = light_parse(input, &whole, &consumed);
    if (result == LIGHT_FRAME) {
        CHECK(consumed <= input.size);
        check_within(whole.message, bytes_of(input.data, consumed));
    }
    for (size_t i = 0; i < input.size; i++) {
        struct light_frame frame;
        size_t taken = 0;
        enum light_result of_prefix = light_parse(bytes_of(input.data, i), &frame, &taken);
        if (of_prefix == LIGHT_PARTIAL)
            continue;
        CHECK(of_prefix == result);
        CHECK(result == LIGHT_BROKEN || (taken == consumed && frame.call == whole.call));
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct arena *arena = arena_create(4096);
    parse_get(input, arena);
    parse_get_again(input, arena);
    parse_shape(input, arena);
    parse_others(input, arena);
    parse_operations(input, arena);
    parse_offline(input, arena);
    parse_frame(input);
    arena_destroy(&arena);
    return 0;
}
