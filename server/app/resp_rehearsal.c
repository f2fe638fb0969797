/* Reads that need the disk. A worker reads from memory alone; where that does not do, a reader runs
 * the same command, to no other effect than that what it reads is in memory afterwards, and the
 * worker runs it again. Should it have left memory until then, the worker waits for the disk, so
 * that the command comes to its end. */
#include "app/resp_call.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"

/* A command on its way to a reader and back, in one piece of memory with its arguments. */
struct resp_rehearsal {
    struct reader_job job;        /* the first member */
    struct resp_session *session; /* NULL: it was closed meanwhile */
    const struct resp_command *command;
    const struct resp_command *parent;
    struct resp_cursors *cursors;
    struct moment moment;
    const struct resp_queued *queued; /* of EXEC: in the session's arena, or in: */
    struct arena *orphaned;           /* owned: the arena of a session that was closed */
    size_t count;
    struct bytes arguments[];
};

static void rehearse(struct resp_call *call, const struct resp_command *command,
                     const struct resp_command *parent, const struct bytes *arguments, size_t count)
{
    if (!(command->flags & (RESP_READ | RESP_MOMENT)))
        return;
    arena_reset(call->arena);
    buffer_reset(call->scratch, 0);
    buffer_reset(call->reply.out, 0);
    call->command = command;
    call->parent = parent;
    call->arguments = arguments;
    call->count = count;
    command->run(call);
}

/* An EXEC that takes longer than it may runs no further: the worker would not, either. */
static void rehearsal_run(struct reader_job *base, struct query *query, struct arena *arena)
{
    struct resp_rehearsal *rehearsal = (struct resp_rehearsal *)base;
    struct resp_counters counters;
    struct buffer reply = {0};
    struct buffer scratch = {0};
    int64_t deadline_mono_us = clock_mono_us() + RESP_EXEC_US;
    struct resp_call call = {
        .query = query,
        .counters = &counters,
        .cursors = rehearsal->cursors,
        .moment = rehearsal->moment,
        .reply = {.out = &reply, .version = 2},
        .arena = arena,
        .scratch = &scratch,
        .is_rehearsal = true,
    };
    counters = (struct resp_counters){0};
    rehearse(&call, rehearsal->command, rehearsal->parent, rehearsal->arguments, rehearsal->count);
    for (const struct resp_queued *queued = rehearsal->queued;
         queued != NULL && clock_mono_us() < deadline_mono_us; queued = queued->next)
        rehearse(&call, queued->command, queued->parent, queued->arguments, queued->count);
    buffer_fini(&reply);
    buffer_fini(&scratch);
}

static void rehearsal_done(struct reader_job *base)
{
    struct resp_rehearsal *rehearsal = (struct resp_rehearsal *)base;
    struct resp_session *session = rehearsal->session;
    if (session != NULL) {
        session->rehearsal = NULL;
        session->is_rehearsed = true;
        resp_session_settle(session);
    }
    arena_destroy(&rehearsal->orphaned);
    free(rehearsal);
}

void resp_rehearsal_forget_session(struct resp_session *session)
{
    struct resp_rehearsal *rehearsal = session->rehearsal;
    if (rehearsal == NULL)
        return;
    rehearsal->session = NULL;
    session->rehearsal = NULL;
    if (rehearsal->queued == NULL)
        return;
    rehearsal->orphaned = session->multi.arena; /* a reader looks into it */
    session->multi = (struct resp_multi){0};
}

void resp_rehearsal_post(struct resp_call *call)
{
    struct resp_session *session = call->session;
    bool is_exec = !(call->command->flags & RESP_READ);
    size_t size = sizeof(struct resp_rehearsal) + resp_arguments_size(call);
    struct resp_rehearsal *rehearsal = malloc(size);
    CHECK(rehearsal != NULL && session->rehearsal == NULL);
    *rehearsal = (struct resp_rehearsal){
        .job = {.run = rehearsal_run,
                .done = rehearsal_done,
                .loop = call->door->options.loop,
                .connection = network_connection_id(session->connection)},
        .session = session,
        .command = call->command,
        .parent = call->parent,
        .cursors = call->cursors,
        .moment = session->moment,
        .queued = is_exec ? session->multi.first : NULL,
        .count = call->count,
    };
    resp_arguments_copy(call, rehearsal->arguments);
    session->rehearsal = rehearsal;
    call->counters->rehearsals_total++;
    readers_post(call->door->options.readers, &rehearsal->job);
}
