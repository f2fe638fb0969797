/* The methods of Operations: what those who run a server ask of it. */
#include "app/operations.h"
#include "app/rpc_call.h"
#include "base/glob.h"
#include "protocol/rpc_message.h"
#include "protocol/rpc_operation_message.h"

_Static_assert((int)RPC_DIFF_ENTITIES_MAX == (int)OPERATIONS_DIFF_ENTITIES_MAX,
               "a request holds as many entities as a diff takes");
_Static_assert((int)RPC_LETTERS_MAX == (int)OPERATIONS_LETTERS_CHANGED_MAX,
               "a request names as many letters as a call changes");

/* ---- entities ---- */

struct listing {
    struct rpc_work *work;
    struct bytes match;
    size_t examined; /* the last of them stands in work->scratch */
};

static void emit_entity(void *context, struct bytes entity)
{
    struct listing *listing = context;
    struct rpc_work *work = listing->work;
    listing->examined++;
    buffer_reset(work->scratch, SIZE_MAX);
    buffer_append(work->scratch, entity);
    if (listing->match.size == 0 || glob_match(listing->match, entity))
        rpc_entities_append(entity, work->reply);
}

enum status rpc_operations_entities(struct rpc_work *work, struct error *err)
{
    struct rpc_entities_request request;
    enum status status = rpc_entities_parse(work->request, &request, err);
    if (status != STATUS_OK)
        return status;
    if (request.count > OPERATIONS_ENTITIES_MAX)
        return error_set(err, STATUS_LIMIT, "count is at most %d", OPERATIONS_ENTITIES_MAX);
    if (request.match.size > GLOB_PATTERN_SIZE_MAX)
        return error_set(err, STATUS_LIMIT, "match is at most %d bytes", GLOB_PATTERN_SIZE_MAX);
    size_t count = request.count == 0 ? OPERATIONS_ENTITIES_MAX : (size_t)request.count;
    struct listing listing = {.work = work, .match = request.match};
    status = query_list_entities(work->query, request.view, request.after, count, work->arena,
                                 emit_entity, &listing, err);
    if (status == STATUS_OK && listing.examined == count)
        rpc_entities_after_append(buffer_bytes(work->scratch), work->reply);
    return status;
}

/* ---- Kafka ---- */

static enum status text_append(struct rpc_work *work, enum status status)
{
    if (status == STATUS_OK)
        rpc_text_append(buffer_bytes(work->scratch), work->reply);
    return status;
}

enum status rpc_operations_lag(struct rpc_work *work, struct error *err)
{
    struct bytes source;
    enum status status = rpc_name_parse(work->request, &source, err);
    if (status == STATUS_OK)
        status = stream_append_lag(work->stream, source, work->scratch, err);
    return text_append(work, status);
}

enum status rpc_operations_replay(struct rpc_work *work, struct error *err)
{
    struct rpc_replay_request request;
    struct registry_plan plan = {0};
    int64_t from_us = 0;
    if (stream_is_dirty(work->stream))
        return STATUS_AGAIN;
    enum status status = rpc_replay_parse(work->request, &request, err);
    if (status == STATUS_OK)
        status = operations_parse_replay(request.from, &from_us, err);
    if (status == STATUS_OK)
        status = stream_replay(work->stream, request.source, from_us, request.is_promoting,
                               work->arena, &plan, err);
    if (status == STATUS_OK)
        operations_append_changes(work->stream, &plan, work->scratch);
    return text_append(work, status);
}

static enum status list_letters(struct rpc_work *work, const struct rpc_letters_request *request,
                                struct letter_choice choice, struct error *err)
{
    choice.count_max = request->count == 0                       ? OPERATIONS_LETTERS_PRESET
                       : request->count < OPERATIONS_LETTERS_MAX ? (size_t)request->count
                                                                 : OPERATIONS_LETTERS_MAX;
    return text_append(
        work, stream_list_letters(work->stream, request->source, &choice, work->scratch, err));
}

static enum status change_letters(struct rpc_work *work, const struct rpc_letters_request *request,
                                  struct letter_choice choice, struct error *err)
{
    struct letter_result result;
    choice.count_max = OPERATIONS_LETTERS_CHANGED_MAX;
    enum status status =
        request->action == RPC_LETTERS_RETRY
            ? stream_retry_letters(work->stream, request->source, &choice, &result, err)
            : stream_drop_letters(work->stream, request->source, &choice, &result, err);
    if (status == STATUS_AGAIN)
        return status;
    work->has_pushed = result.done_count > 0;
    operations_append_letter_result(&result, work->scratch);
    return text_append(work, status);
}

enum status rpc_operations_letters(struct rpc_work *work, struct error *err)
{
    struct rpc_letters_request *request = ARENA_NEW(work->arena, struct rpc_letters_request);
    enum status status = rpc_letters_parse(work->request, request, err);
    if (status != STATUS_OK)
        return status;
    const struct letter_choice choice = {.ids = request->letters,
                                         .ids_count = request->letters_count,
                                         .after = request->after,
                                         .is_full = request->is_full};
    if (request->action == RPC_LETTERS_LIST)
        return list_letters(work, request, choice, err);
    if (request->action == RPC_LETTERS_RETRY || request->action == RPC_LETTERS_DROP)
        return change_letters(work, request, choice, err);
    return error_set(err, STATUS_INVALID, "action is LIST, RETRY or DROP");
}
