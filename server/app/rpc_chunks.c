/* GetFeaturesStream: chunk by chunk, each is read by a reader, and sent; the next is read once the
 * peer has room for it. All chunks have one now; each sees what is stored when it is read.
 *
 *     door                                  reader
 *     message: copied, posted       ->      parsed, in the first turn; a chunk read, the part made
 *     sent; posted again            <-
 *
 * A call that ended leaves its task to the reader that has it; it is freed when it comes back. */
#include <stdlib.h>

#include "app/rpc_call.h"
#include "base/check.h"
#include "base/clock.h"
#include "protocol/rpc_message.h"
#include "query/columns.h"

enum {
    ARENA_CHUNK_SIZE = 64 * 1024,
    ROWS_FIRST = 64,        /* of the first chunk, where the caller does not say */
    PART_SIZE = 256 * 1024, /* what later ones aim at: clients take 4 MiB, readers take turns */
    PARSED_BYTES_A_BYTE = 8 + 1, /* of memory, at most, for a byte of the request: with its copy */
};

struct chunks {
    struct reader_job job;
    struct rpc_door *door;    /* borrowed */
    struct rpc_call *call;    /* NULL: it is gone */
    _Atomic bool is_unwanted; /* the same, for the reader */
    bool is_reading;          /* a reader has it */
    size_t size_bytes;        /* of door->reading_bytes */
    int64_t deadline_mono_us;
    struct arena *arena; /* owned: of the question */
    struct columns_question question;
    struct query_now *now; /* owned; NULL: the question is not parsed */
    size_t row;            /* where the next chunk begins */
    size_t chunk_rows;     /* how long it is */
    bool is_fixed;         /* the caller said how long chunks are */
    struct buffer part;    /* owned */
    enum status status;    /* of the last turn */
    struct error err;
    size_t message_size;
    char message[];
};

static void chunks_free(struct chunks *chunks)
{
    chunks->door->reading_bytes -= chunks->size_bytes;
    arena_destroy(&chunks->arena);
    query_now_destroy(&chunks->now);
    buffer_fini(&chunks->part);
    free(chunks);
}

/* ---- by a reader ---- */

static enum status chunks_parse(struct chunks *chunks, struct query *query, struct error *err)
{
    struct bytes message = bytes_of(chunks->message, chunks->message_size);
    enum status status =
        rpc_get_parse(message, COLUMNS_STREAM_ROWS_MAX, chunks->arena, &chunks->question, err);
    if (status == STATUS_OK)
        status = query_check_columns(&chunks->question, COLUMNS_STREAM_ROWS_MAX, err);
    if (status != STATUS_OK)
        return status;
    uint64_t rows = rpc_get_chunk_rows(message);
    if (rows > COLUMNS_ROWS_MAX)
        return error_set(err, STATUS_LIMIT, "a chunk has at most %d rows, asked for %llu",
                         COLUMNS_ROWS_MAX, (unsigned long long)rows);
    chunks->is_fixed = rows > 0;
    chunks->chunk_rows = chunks->is_fixed ? (size_t)rows : ROWS_FIRST;
    chunks->now = query_now_take(query);
    return STATUS_OK;
}

/* Its part of the request values that are given row by row. */
static void chunk_ask_request(const struct chunks *chunks, struct arena *arena,
                              struct columns_question *question)
{
    struct value_column *columns =
        ARENA_NEW_ARRAY(arena, question->request_count, struct value_column);
    for (size_t i = 0; i < question->request_count; i++) {
        struct value_column *column = &columns[i];
        *column = question->request[i];
        if (column->count == 1)
            continue;
        column->count = question->rows_count;
        column->strings += column->ints == NULL && column->doubles == NULL ? chunks->row : 0;
        column->ints += column->ints == NULL ? 0 : chunks->row;
        column->doubles += column->doubles == NULL ? 0 : chunks->row;
        if (column->nulls.size > 0)
            column->nulls = bytes_of(column->nulls.data + chunks->row, column->count);
    }
    question->request = columns;
}

/* The question of the next chunk. */
static void chunk_ask(const struct chunks *chunks, struct arena *arena,
                      struct columns_question *question)
{
    const struct columns_question *whole = &chunks->question;
    struct key_column *keys = ARENA_NEW_ARRAY(arena, whole->keys_count, struct key_column);
    size_t left = whole->rows_count - chunks->row;
    *question = *whole;
    question->rows_count = left < chunks->chunk_rows ? left : chunks->chunk_rows;
    for (size_t i = 0; i < whole->keys_count; i++) {
        keys[i] = whole->keys[i];
        keys[i].count = question->rows_count;
        if (keys[i].strings != NULL)
            keys[i].strings += chunks->row;
        else
            keys[i].ints += chunks->row;
    }
    question->keys = keys;
    chunk_ask_request(chunks, arena, question);
    if (whole->at_count > 1) {
        question->at_us += chunks->row;
        question->at_count = question->rows_count;
    }
}

/* How long the next chunk is, after one that had so many rows. It grows to twice the length at
 * most, as rows may differ. */
static void chunks_fit(struct chunks *chunks, size_t rows, size_t columns_count)
{
    if (chunks->is_fixed)
        return;
    size_t fitting = rows * PART_SIZE / (chunks->part.size + 1);
    size_t rows_max = COLUMNS_CELLS_MAX / columns_count;
    fitting = fitting < 2 * rows ? fitting : 2 * rows;
    fitting = fitting < rows_max ? fitting : rows_max;
    fitting = fitting < COLUMNS_ROWS_MAX ? fitting : COLUMNS_ROWS_MAX;
    chunks->chunk_rows = fitting > 0 ? fitting : 1;
}

static enum status chunk_read(struct chunks *chunks, struct query *query, struct arena *arena,
                              struct arena *rows, struct error *err)
{
    int64_t until_us = clock_mono_us() + RPC_READ_US;
    struct rpc_work work = {
        .until_mono_us = until_us < chunks->deadline_mono_us ? until_us : chunks->deadline_mono_us,
        .is_unwanted = &chunks->is_unwanted};
    const struct patience patience = rpc_work_patience(&work);
    struct columns_question question;
    struct columns columns;
    chunk_ask(chunks, arena, &question);
    query_set_patience(query, &patience);
    enum status status = query_read_columns(query, &question, arena, rows, &columns, err);
    query_set_patience(query, NULL);
    if (status == STATUS_OK) {
        rpc_get_append(&columns, &chunks->part);
        chunks->row += question.rows_count;
        chunks_fit(chunks, question.rows_count, columns.columns_count);
    }
    return status;
}

static void chunks_run(struct reader_job *base, struct query *query, struct arena *arena)
{
    struct chunks *chunks = (struct chunks *)base;
    struct error *err = &chunks->err;
    if (chunks->is_unwanted)
        return;
    struct arena *rows = arena_create(ARENA_CHUNK_SIZE);
    chunks->status = chunks->now == NULL ? chunks_parse(chunks, query, err) : STATUS_OK;
    if (chunks->status == STATUS_OK)
        chunks->status = query_keep_now(query, chunks->now, err);
    if (chunks->status == STATUS_OK)
        chunks->status = chunk_read(chunks, query, arena, rows, err);
    if (chunks->status == STATUS_CANCELLED)
        error_set(err, STATUS_CANCELLED,
                  "the read did not come to its end in time; ask for fewer rows or features");
    query_forget_now(query);
    arena_destroy(&rows);
}

/* ---- at the door ---- */

static void chunks_post(struct chunks *chunks)
{
    chunks->is_reading = true;
    chunks->status = error_set(&chunks->err, STATUS_UNAVAILABLE, "the server is stopping");
    chunks->door->counters.calls_read_total++;
    readers_post(chunks->door->options.readers, &chunks->job);
}

static void chunks_done(struct reader_job *base)
{
    struct chunks *chunks = (struct chunks *)base;
    struct rpc_call *call = chunks->call;
    chunks->is_reading = false;
    if (call == NULL) {
        chunks_free(chunks);
        return;
    }
    bool is_last = chunks->row == chunks->question.rows_count;
    if (chunks->status == STATUS_OK && !rpc_call_send(call, buffer_bytes(&chunks->part)))
        return;
    if (chunks->status != STATUS_OK || is_last) {
        rpc_call_end(call, chunks->status, &chunks->err);
        return;
    }
    buffer_reset(&chunks->part, PART_SIZE);
    if (rpc_call_has_room(call))
        chunks_post(chunks);
    else
        rpc_call_await_room(call);
}

static void *chunks_begin(struct rpc_call *call, struct bytes message)
{
    struct rpc_door *door = call->session->door;
    struct chunks *chunks = malloc(sizeof(*chunks) + message.size);
    CHECK(chunks != NULL);
    *chunks = (struct chunks){
        .job = {.run = chunks_run,
                .done = chunks_done,
                .loop = door->options.loop,
                .connection = network_connection_id(call->session->connection)},
        .door = door,
        .call = call,
        .deadline_mono_us = call->deadline_mono_us,
        .size_bytes = sizeof(*chunks) + PARSED_BYTES_A_BYTE * message.size,
        .arena = arena_create(ARENA_CHUNK_SIZE),
        .message_size = message.size,
    };
    if (message.size > 0)
        memcpy(chunks->message, message.data, message.size);
    door->reading_bytes += chunks->size_bytes;
    return chunks;
}

static void chunks_message(void *task, struct bytes message)
{
    struct chunks *chunks = task;
    struct error err;
    (void)message; /* it was copied at the beginning */
    if (chunks->door->reading_bytes <= RPC_READING_BYTES_MAX) {
        chunks_post(chunks);
        return;
    }
    rpc_call_end(
        chunks->call,
        error_set(&err, STATUS_LIMIT, "too many requests wait for the disk; try again later"),
        &err);
}

static void chunks_room(void *task)
{
    chunks_post(task);
}

static void chunks_gone(void *task)
{
    struct chunks *chunks = task;
    chunks->call = NULL;
    chunks->is_unwanted = true;
    if (chunks->is_reading && readers_withdraw(chunks->door->options.readers, &chunks->job))
        chunks->is_reading = false;
    if (!chunks->is_reading)
        chunks_free(chunks);
}

const struct rpc_stream rpc_chunks = {
    .begin = chunks_begin, .message = chunks_message, .room = chunks_room, .gone = chunks_gone};
