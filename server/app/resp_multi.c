/* MULTI, EXEC, DISCARD: client libraries wrap pipelines in them. Reads only: all commands of one
 * EXEC see one state, at one moment. */
#include "app/resp_call.h"
#include "base/clock.h"

enum { MULTI_CHUNK_SIZE = 4096 };

/* Tells the connection what is kept for it; false: too much is kept for all. */
static bool multi_tell(struct resp_session *session)
{
    const struct resp_multi *multi = &session->multi;
    size_t bytes = multi->arena == NULL ? 0 : arena_used_bytes(multi->arena);
    return session->connection == NULL || network_connection_keep(session->connection, bytes);
}

void resp_multi_close(struct resp_session *session)
{
    arena_destroy(&session->multi.arena);
    session->multi = (struct resp_multi){0};
    multi_tell(session);
}

/* EXEC will refuse, so nothing that is queued is kept. */
static void multi_refuse(struct resp_call *call, const char *reason)
{
    struct resp_session *session = call->session;
    resp_multi_close(session);
    session->multi.is_open = session->multi.is_broken = true;
    resp_call_error(call, "ERR %s", reason);
}

/* Copies the call behind what is queued. */
static void multi_add(const struct resp_call *call, struct resp_multi *multi)
{
    struct bytes *arguments = ARENA_NEW_ARRAY(multi->arena, call->count, struct bytes);
    for (size_t i = 0; i < call->count; i++)
        arguments[i] = arena_copy(multi->arena, call->arguments[i]);
    struct resp_queued *queued = ARENA_NEW(multi->arena, struct resp_queued);
    *queued = (struct resp_queued){.command = call->command,
                                   .parent = call->parent,
                                   .arguments = arguments,
                                   .count = call->count};
    if (multi->last == NULL)
        multi->first = queued;
    else
        multi->last->next = queued;
    multi->last = queued;
    multi->count++;
}

void resp_multi_queue(struct resp_call *call)
{
    struct resp_multi *multi = &call->session->multi;
    if (call->command->flags & RESP_WRITER) {
        multi_refuse(call, "a transaction can only read; a push is whole or not at all by itself");
        return;
    }
    if (call->command->flags & RESP_ROUND) {
        multi_refuse(call,
                     "what asks all workers is not offered in a transaction; send it before or "
                     "behind");
        return;
    }
    if (multi->is_broken) {
        resp_write_simple(call->reply, "QUEUED");
        return;
    }
    for (size_t i = 0; i < call->count; i++)
        multi->size_bytes += call->arguments[i].size + sizeof(struct bytes);
    if (multi->count >= RESP_MULTI_COMMANDS_MAX || multi->size_bytes > RESP_MULTI_SIZE_MAX) {
        multi_refuse(call, "the transaction is too long");
        return;
    }
    multi_add(call, multi);
    if (multi_tell(call->session))
        resp_write_simple(call->reply, "QUEUED");
    else
        multi_refuse(
            call, "the transactions of all connections take too much memory; send it again later");
}

void resp_multi_multi(struct resp_call *call)
{
    struct resp_multi *multi = &call->session->multi;
    if (multi->is_open) {
        resp_call_error(call, "ERR MULTI calls can not be nested");
        return;
    }
    *multi = (struct resp_multi){.is_open = true, .arena = arena_create(MULTI_CHUNK_SIZE)};
    resp_write_simple(call->reply, "OK");
}

void resp_multi_discard(struct resp_call *call)
{
    if (!call->session->multi.is_open) {
        resp_call_error(call, "ERR DISCARD without MULTI");
        return;
    }
    resp_multi_close(call->session);
    resp_write_simple(call->reply, "OK");
}

/* Runs one of its commands. */
static void multi_run(struct resp_call *exec, const struct resp_queued *queued, size_t begin,
                      int64_t deadline_mono_us)
{
    struct resp_call call = *exec;
    call.command = queued->command;
    call.parent = queued->parent;
    call.arguments = queued->arguments;
    call.count = queued->count;
    call.reply.version = exec->session->version;
    call.moment = exec->session->moment;
    if (call.reply.out->size - begin > RESP_EXEC_SIZE_MAX)
        resp_call_error(&call, "ERR the replies of this transaction are larger than 64 MiB");
    else if (clock_mono_us() > deadline_mono_us)
        resp_call_error(&call, "ERR this transaction takes longer than a second; send its commands "
                               "without MULTI");
    else
        resp_call_run(&call);
    exec->needs_disk = call.needs_disk;
}

/* Runs all of them at one moment; with a snapshot, over one state. Returns whether it was one
 * state; where the disk is needed, that is left to say. */
static bool multi_run_all(struct resp_call *exec, bool with_snapshot)
{
    struct resp_multi *multi = &exec->session->multi;
    struct query *query = exec->query;
    size_t begin = exec->reply.out->size;
    int64_t deadline_mono_us = clock_mono_us() + RESP_EXEC_US;
    uint64_t changes = query_storage_changes(query);
    query_pin(query, with_snapshot);
    resp_write_array(exec->reply, multi->count);
    for (struct resp_queued *queued = multi->first; queued != NULL && !exec->needs_disk;
         queued = queued->next)
        multi_run(exec, queued, begin, deadline_mono_us);
    query_unpin(query);
    bool is_unchanged = changes % 2 == 0 && changes == query_storage_changes(query);
    return with_snapshot || is_unchanged || exec->needs_disk;
}

/* Mostly nothing is written meanwhile; a snapshot would keep finished rows from being used. */
void resp_multi_exec(struct resp_call *call)
{
    struct resp_session *session = call->session;
    if (!session->multi.is_open) {
        resp_call_error(call, "ERR EXEC without MULTI");
        return;
    }
    if (session->multi.is_broken) {
        resp_multi_close(session);
        resp_call_error(call, "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    const struct resp_counters counters = *call->counters;
    const struct moment moment = session->moment;
    size_t replied_bytes = call->reply.out->size;
    if (!multi_run_all(call, false)) {
        *call->counters = counters;
        session->moment = moment;
        call->reply.out->size = replied_bytes;
        multi_run_all(call, true);
    }
    if (!call->needs_disk)
        resp_multi_close(session);
}
