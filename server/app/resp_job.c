/* Commands that are not answered on the spot. Those that write run on the writer's thread: a job
 * carries a copy of the command there and its reply back.
 *
 *     request -> job with copied arguments -> writer: the command's handler writes into job->reply
 *             -> one commit for all jobs of the round -> reply into the session's output, or, where
 *                the commit failed, an error
 *
 * Those that ask all doors go round, from loop to loop. */
#include "app/resp_call.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* A command on its way through the writer, in one piece of memory with its arguments. */
struct resp_job {
    struct writer_job job; /* the first member */
    struct resp_door *door;
    struct resp_session *session; /* NULL: it was closed meanwhile */
    const struct resp_command *command;
    resp_visit_fn visit;  /* of one that goes round */
    struct resp_door *at; /* the same: the door where it is */
    unsigned version;     /* of RESP, when it was asked */
    bool is_error;
    struct buffer reply;        /* owned */
    struct buffer gathered;     /* owned: of one that goes round */
    TAILQ_ENTRY(resp_job) link; /* of the session */
    size_t count;
    struct bytes arguments[];
};

/* ---- the way there ---- */

static enum status job_run(struct writer_job *base, struct stream *stream, struct arena *arena)
{
    struct resp_job *job = (struct resp_job *)base;
    struct buffer scratch = {0};
    struct resp_call call = {
        .command = job->command,
        .arguments = job->arguments,
        .count = job->count,
        .reply = {.out = &job->reply, .version = job->version},
        .arena = arena,
        .scratch = &scratch,
        .stream = stream,
    };
    job->command->run(&call);
    buffer_fini(&scratch);
    job->is_error = call.is_error;
    job->job.has_pushed = call.has_pushed;
    return call.is_batch_full ? STATUS_AGAIN : STATUS_OK;
}

/* ---- the way back ---- */

static void job_append_failure(const struct resp_job *job, enum status commit, const char *failure)
{
    struct resp_writer writer = {.out = job->session->output, .version = job->version};
    char text[ERROR_TEXT_SIZE + 64];
    const char *what = commit == STATUS_UNAVAILABLE
                           ? "UNAVAILABLE nothing was accepted"
                           : "IOERR it is not known whether this was accepted";
    int size = snprintf(text, sizeof(text), "%s: %s", what, failure);
    size_t shown = (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1;
    resp_write_error(writer, bytes_of(text, shown));
}

static void job_done(struct writer_job *base, enum status commit, const char *failure)
{
    struct resp_job *job = (struct resp_job *)base;
    struct resp_session *session = job->session;
    bool is_lost = failure != NULL && job->job.has_pushed;
    job->door->counters.errors_total += is_lost || job->is_error;
    job->door->counters.commits_failed_total += is_lost;
    if (session != NULL) {
        if (is_lost)
            job_append_failure(job, commit, failure);
        else
            buffer_append(session->output, buffer_bytes(&job->reply));
        TAILQ_REMOVE(&session->jobs, job, link);
        session->is_on_round = false; /* where it was, this was its only job */
        session->owed_count--;
        session->owed_bytes -= job->job.size_bytes;
        resp_session_settle(session);
    }
    buffer_fini(&job->reply);
    buffer_fini(&job->gathered);
    free(job);
}

void resp_job_forget_session(struct resp_session *session)
{
    while (!TAILQ_EMPTY(&session->jobs)) {
        struct resp_job *job = TAILQ_FIRST(&session->jobs);
        TAILQ_REMOVE(&session->jobs, job, link);
        job->session = NULL;
    }
}

/* ---- going round ---- */

static void round_on_loop(struct network_call *call)
{
    struct resp_job *job = (struct resp_job *)((char *)call - offsetof(struct resp_job, job.call));
    if (job->at != job->door) {
        job->visit(job->at, &job->gathered);
        job->at = job->at->next;
        network_loop_post(job->at->options.loop, call);
        return;
    }
    struct resp_writer writer = {.out = &job->reply, .version = job->version};
    resp_write_verbatim(writer, buffer_bytes(&job->gathered));
    job_done(&job->job, STATUS_OK, NULL);
}

/* ---- posting ---- */

size_t resp_arguments_size(const struct resp_call *call)
{
    size_t size = call->count * sizeof(struct bytes);
    for (size_t i = 0; i < call->count; i++)
        size += call->arguments[i].size;
    return size;
}

void resp_arguments_copy(const struct resp_call *call, struct bytes *copies)
{
    char *memory = (char *)&copies[call->count];
    for (size_t i = 0; i < call->count; i++) {
        struct bytes argument = call->arguments[i];
        if (argument.size > 0)
            memcpy(memory, argument.data, argument.size);
        copies[i] = bytes_of(memory, argument.size);
        memory += argument.size;
    }
}

static size_t job_size(const struct resp_call *call)
{
    return sizeof(struct resp_job) + resp_arguments_size(call);
}

static struct resp_job *job_create(const struct resp_call *call, size_t size)
{
    struct resp_job *job = malloc(size);
    CHECK(job != NULL);
    *job = (struct resp_job){
        .job = {.run = job_run,
                .done = job_done,
                .loop = call->door->options.loop,
                .size_bytes = size},
        .door = call->door,
        .session = call->session,
        .command = call->command,
        .version = call->session->version,
        .count = call->count,
    };
    resp_arguments_copy(call, job->arguments);
    return job;
}

/* Makes the job of the call; its session is owed a reply from now on. */
static struct resp_job *session_owe(const struct resp_call *call, size_t size)
{
    struct resp_session *session = call->session;
    struct resp_job *job = job_create(call, size);
    TAILQ_INSERT_TAIL(&session->jobs, job, link);
    session->owed_count++;
    session->owed_bytes += size;
    return job;
}

void resp_job_post(struct resp_call *call)
{
    struct resp_session *session = call->session;
    struct writer *writer = call->door->options.writer;
    size_t size = job_size(call);
    bool is_full = session->owed_count >= RESP_OWED_MAX ||
                   (session->owed_count > 0 && session->owed_bytes + size > RESP_OWED_BYTES_MAX);
    bool is_starved = writer_queued_bytes(writer) > RESP_QUEUED_BYTES_MAX;
    if (is_full || is_starved) {
        session->is_starved = is_starved;
        call->must_wait = true;
        return;
    }
    writer_post(writer, &session_owe(call, size)->job);
}

void resp_job_go_round(struct resp_call *call, resp_visit_fn visit)
{
    struct resp_door *door = call->door;
    if (door->next == door) {
        visit(door, call->scratch);
        resp_write_verbatim(call->reply, buffer_bytes(call->scratch));
        return;
    }
    struct resp_job *job = session_owe(call, job_size(call));
    call->session->is_on_round = true;
    job->visit = visit;
    job->at = door->next;
    job->job.call.run = round_on_loop;
    visit(door, &job->gathered);
    network_loop_post(job->at->options.loop, &job->job.call);
}
