/* Calls that run on another thread: a job carries a copy of the message to a reader or to the
 * writer, and the reply back to the loop. */
#include "app/rpc_call.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"

/* A message on its way, in one piece of memory with its bytes. */
struct rpc_job {
    struct writer_job writer; /* one of these two is used */
    struct reader_job reader;
    struct rpc_door *door;
    struct rpc_call *call;    /* NULL: it is gone */
    _Atomic bool is_unwanted; /* the same, for the thread where it runs */
    const struct rpc_method *method;
    int64_t deadline_mono_us;
    enum status status;
    struct error err;
    struct buffer reply; /* owned */
    size_t message_size;
    char message[];
};

#define JOB_OF(member_, pointer)                                                                   \
    ((struct rpc_job *)((char *)(pointer)-offsetof(struct rpc_job, member_)))

enum { ROWS_CHUNK_SIZE = 64 * 1024 };

/* Gives the answer to the call, if that still waits for it, and frees the job. */
static void job_end(struct rpc_job *job)
{
    struct rpc_call *call = job->call;
    if (call != NULL) {
        call->job = NULL;
        call->session->jobs_count--;
        call->session->has_worked = true;
        rpc_session_settle(call->session);
        rpc_call_answer(call, job->status, buffer_bytes(&job->reply), &job->err);
    }
    buffer_fini(&job->reply);
    free(job);
}

/* ---- by a reader ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void read_run(struct reader_job *base, struct query *query, struct arena *arena)
{
    struct rpc_job *job = JOB_OF(reader, base);
    struct buffer scratch = {0};
    if (job->is_unwanted)
        return;
    struct arena *rows = arena_create(ROWS_CHUNK_SIZE);
    struct rpc_work work = {
        .request = bytes_of(job->message, job->message_size),
        .query = query,
        .arena = arena,
        .rows = rows,
        .scratch = &scratch,
        .reply = &job->reply,
        .until_mono_us = earlier(job->deadline_mono_us, clock_mono_us() + RPC_READ_US),
        .is_unwanted = &job->is_unwanted,
    };
    const struct patience patience = rpc_work_patience(&work);
    query_set_patience(query, &patience);
    job->status = job->method->run(&work, &job->err);
    query_set_patience(query, NULL);
    if (job->status == STATUS_CANCELLED)
        error_set(&job->err, STATUS_CANCELLED,
                  "the read did not come to its end in time; ask for fewer rows or features");
    arena_destroy(&rows);
    buffer_fini(&scratch);
}

static void read_done(struct reader_job *base)
{
    struct rpc_job *job = JOB_OF(reader, base);
    job->door->reading_bytes -= job->writer.size_bytes;
    job_end(job);
}

/* A call that was given up while it waited for a reader leaves nothing behind: calls with short
 * deadlines would fill the memory with what nobody wants. */
void rpc_job_forget_call(struct rpc_job *job)
{
    job->call = NULL;
    job->is_unwanted = true;
    if (job->method->place == RPC_READ &&
        readers_withdraw(job->door->options.readers, &job->reader))
        read_done(&job->reader);
}

/* ---- by the writer ---- */

static enum status write_run(struct writer_job *base, struct stream *stream, struct arena *arena)
{
    struct rpc_job *job = JOB_OF(writer, base);
    struct buffer scratch = {0};
    struct rpc_work work = {
        .request = bytes_of(job->message, job->message_size),
        .stream = stream,
        .arena = arena,
        .scratch = &scratch,
        .reply = &job->reply,
    };
    buffer_reset(&job->reply, 0);
    job->status = job->method->run(&work, &job->err);
    job->writer.has_pushed = work.has_pushed;
    buffer_fini(&scratch);
    return job->status == STATUS_AGAIN ? STATUS_AGAIN : STATUS_OK;
}

static void write_done(struct writer_job *base, enum status commit, const char *failure)
{
    struct rpc_job *job = JOB_OF(writer, base);
    if (failure != NULL && job->writer.has_pushed && commit == STATUS_UNAVAILABLE)
        job->status = error_set(&job->err, STATUS_UNAVAILABLE, "nothing was accepted: %s", failure);
    else if (failure != NULL && job->writer.has_pushed)
        job->status = error_set(&job->err, STATUS_IO,
                                "it is not known whether this was accepted: %s", failure);
    job_end(job);
}

/* ---- posting ---- */

static enum status check_room(const struct rpc_call *call, size_t size, struct error *err)
{
    const struct rpc_door *door = call->session->door;
    bool is_full = call->method->place == RPC_WRITE
                       ? writer_queued_bytes(door->options.writer) + size > RPC_QUEUED_BYTES_MAX
                       : door->reading_bytes + size > RPC_READING_BYTES_MAX;
    if (!is_full)
        return STATUS_OK;
    return error_set(err, STATUS_LIMIT, "too many requests wait for the %s; try again later",
                     call->method->place == RPC_WRITE ? "writer" : "disk");
}

enum status rpc_job_post(struct rpc_call *call, struct bytes message, struct error *err)
{
    struct rpc_door *door = call->session->door;
    size_t size = sizeof(struct rpc_job) + message.size;
    enum status status = check_room(call, size, err);
    if (status != STATUS_OK)
        return status;
    CHECK(call->job == NULL);
    call->session->jobs_count++;
    struct rpc_job *job = malloc(size);
    CHECK(job != NULL);
    *job = (struct rpc_job){
        .writer = {.run = write_run,
                   .done = write_done,
                   .loop = door->options.loop,
                   .size_bytes = size},
        .reader = {.run = read_run,
                   .done = read_done,
                   .loop = door->options.loop,
                   .connection = network_connection_id(call->session->connection)},
        .door = door,
        .call = call,
        .method = call->method,
        .deadline_mono_us = call->deadline_mono_us,
        .status = STATUS_UNAVAILABLE,
        .err = {"the server is stopping"}, /* unless it is run */
        .message_size = message.size,
    };
    if (message.size > 0)
        memcpy(job->message, message.data, message.size);
    call->job = job;
    if (call->method->place == RPC_WRITE) {
        writer_post(door->options.writer, &job->writer);
    } else {
        door->reading_bytes += size;
        readers_post(door->options.readers, &job->reader);
    }
    return STATUS_OK;
}
