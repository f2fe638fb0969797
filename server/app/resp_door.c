/* The life of a request: bytes -> resp_parse -> the command's row in the table -> its handler,
 * which writes the reply into the connection's output. */
#include "app/resp_door.h"

#include <stdlib.h>

#include "app/resp_call.h"
#include "base/check.h"
#include "base/clock.h"

enum {
    ARENA_CHUNK_SIZE = 64 * 1024,
    SCRATCH_KEEP_BYTES = 1024 * 1024,
};

/* ---- the door ---- */

struct resp_door *resp_door_create(const struct resp_door_options *options)
{
    struct resp_door *door = calloc(1, sizeof(*door));
    CHECK(door != NULL);
    door->options = *options;
    door->arena = arena_create(ARENA_CHUNK_SIZE);
    door->start_us = clock_now_us();
    door->start_mono_us = clock_mono_us();
    door->turn_mono_us = door->start_mono_us;
    TAILQ_INIT(&door->sessions);
    TAILQ_INIT(&door->settled);
    door->next = door;
    door->repeats = resp_repeats_create();
    resp_command_fill(door);
    return door;
}

void resp_door_destroy(struct resp_door **out)
{
    struct resp_door *door = *out;
    if (door == NULL)
        return;
    CHECK(TAILQ_EMPTY(&door->sessions));
    resp_repeats_destroy(&door->repeats);
    map_destroy(&door->commands);
    map_destroy(&door->refusals);
    arena_destroy(&door->arena);
    buffer_fini(&door->scratch);
    free(door);
    *out = NULL;
}

void resp_door_set_port(struct resp_door *door, uint16_t port)
{
    door->port = port;
}

void resp_doors_join(struct resp_door *const *doors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        doors[i]->next = doors[(i + 1) % count];
        doors[i]->start_us = doors[0]->start_us; /* INFO makes the server's run_id of it */
    }
}

/* ---- the end of a turn ---- */

void resp_session_settle(struct resp_session *session)
{
    if (session->is_settled)
        return;
    TAILQ_INSERT_TAIL(&session->door->settled, session, settled_link);
    session->is_settled = true;
}

/* Sends what it got, and has it go on with what it may have to do. */
static void session_go_on(struct resp_session *session)
{
    session->is_waiting = false;
    session->is_starved = false;
    if (session->connection != NULL)
        network_connection_resume(session->connection);
}

void resp_door_turn_end(struct resp_door *door)
{
    struct resp_session *session;
    door->turn_mono_us = clock_mono_us();
    while ((session = TAILQ_FIRST(&door->settled)) != NULL) {
        TAILQ_REMOVE(&door->settled, session, settled_link);
        session->is_settled = false;
        session_go_on(session);
    }
    if (door->has_starved && writer_queued_bytes(door->options.writer) <= RESP_QUEUED_BYTES_MAX) {
        door->has_starved = false;
        TAILQ_FOREACH(session, &door->sessions, link)
        if (session->is_starved)
            session_go_on(session);
    }
    query_end(door->options.query);
}

const struct resp_counters *resp_door_counters(const struct resp_door *door)
{
    return &door->counters;
}

/* ---- sessions ---- */

struct resp_session *resp_session_open(struct resp_door *door, struct buffer *output)
{
    struct resp_session *session = calloc(1, sizeof(*session));
    CHECK(session != NULL);
    session->door = door;
    session->output = output;
    session->id = ++door->last_session_id;
    TAILQ_INIT(&session->jobs);
    session->version = 2;
    session->moment.is_now = true;
    session->opened_mono_us = door->turn_mono_us;
    session->active_mono_us = door->turn_mono_us;
    session->last_command = "NULL"; /* as in Redis's CLIENT LIST */
    TAILQ_INSERT_TAIL(&door->sessions, session, link);
    return session;
}

void resp_session_close(struct resp_session **out)
{
    struct resp_session *session = *out;
    if (session == NULL)
        return;
    if (session->is_settled)
        TAILQ_REMOVE(&session->door->settled, session, settled_link);
    resp_job_forget_session(session);
    resp_rehearsal_forget_session(session);
    TAILQ_REMOVE(&session->door->sessions, session, link);
    resp_multi_close(session);
    resp_parser_fini(&session->parser);
    free(session);
    *out = NULL;
}

bool resp_session_is_closing(const struct resp_session *session)
{
    return session->is_closing;
}

bool resp_session_is_ready(const struct resp_session *session)
{
    if (session->is_closing || session->is_waiting)
        return false;
    return session->connection == NULL || network_connection_is_ready(session->connection);
}

/* A web page that makes a browser post to this port must not reach a command. */
static bool request_is_http(const struct resp_request *request)
{
    return bytes_equal_nocase(request->arguments[0], "post") ||
           bytes_equal_nocase(request->arguments[0], "host:");
}

/* Runs the call from memory; false: that needs the disk, and what it did is undone. */
static bool session_run_from_memory(struct resp_session *session, struct resp_call *call)
{
    struct resp_door *door = session->door;
    const struct resp_counters counters = door->counters;
    const struct moment moment = session->moment;
    size_t replied_bytes = session->output->size;
    query_set_waiting(door->options.query, false);
    resp_call_run(call);
    query_set_waiting(door->options.query, true);
    if (!call->needs_disk)
        return true;
    call->needs_disk = false;
    door->counters = counters;
    session->moment = call->moment = moment; /* an EXEC may have changed it */
    session->output->size = replied_bytes;
    return false;
}

/* Runs the call from memory, or has a reader do what it needs from the disk; where a reader did
 * before, it waits for the disk. */
static void session_run(struct resp_session *session, struct resp_call *call)
{
    bool may_need_disk = session->door->options.readers != NULL &&
                         (call->command->flags & (RESP_READ | RESP_IMMEDIATE));
    bool is_rehearsed = session->is_rehearsed;
    session->is_rehearsed = false;
    if (may_need_disk && session_run_from_memory(session, call))
        return;
    if (may_need_disk && !is_rehearsed) {
        resp_rehearsal_post(call);
        call->must_wait = true;
        return;
    }
    session->door->counters.disk_waits_total += may_need_disk;
    resp_call_run(call);
}

/* Runs the request; false: it must wait, for the replies that are owed or for a reader. */
static bool session_execute(struct resp_session *session, const struct resp_request *request)
{
    struct resp_door *door = session->door;
    struct resp_call call = {
        .door = door,
        .session = session,
        .arguments = request->arguments,
        .count = request->count,
        .reply = {.out = session->output, .version = session->version},
        .arena = door->arena,
        .scratch = &door->scratch,
        .query = door->options.query,
        .counters = &door->counters,
        .cursors = door->options.cursors,
        .moment = session->moment,
    };
    if (session->owed_count > 0) {
        /* Only another push may follow pushes whose replies are owed: the writer keeps their order.
         */
        if (session->is_on_round)
            return false;
        bool is_push = bytes_equal_nocase(request->arguments[0], "xadd") ||
                       bytes_equal_nocase(request->arguments[0], "asof.push");
        if (!is_push)
            return false;
    }
    if (request_is_http(request)) {
        door->counters.http_refused_total++;
        session->is_closing = true;
        return true;
    }
    if (!resp_command_find(&call)) {
        session->multi.is_broken = true;
        return !call.must_wait;
    }
    if (session->multi.is_open && !(call.command->flags & RESP_IMMEDIATE)) {
        resp_multi_queue(&call);
        return true;
    }
    query_refresh(door->options.query);
    session_run(session, &call);
    return !call.must_wait;
}

void resp_call_run(struct resp_call *call)
{
    arena_reset(call->door->arena);
    buffer_reset(&call->door->scratch, SCRATCH_KEEP_BYTES);
    if (call->command->flags & RESP_WRITER)
        resp_job_post(call);
    else
        call->command->run(call);
    if (call->must_wait)
        return;
    call->door->counters.commands_total++;
    call->session->last_command = call->parent != NULL ? call->parent->name : call->command->name;
}

/* Tells what is wrong with the bytes, behind the replies that are owed; false: must wait for these.
 */
static bool session_break(struct resp_session *session)
{
    if (session->owed_count > 0)
        return false;
    struct resp_writer writer = {.out = session->output, .version = session->version};
    char text[RESP_PROBLEM_SIZE + 8] = "ERR ";
    strcat(text, session->parser.problem);
    resp_write_error(writer, bytes_of_text(text));
    session->door->counters.protocol_errors_total++;
    session->is_closing = true;
    return true;
}

/* Parses and runs the request at the front of input; false: it is not whole, or must wait. */
static bool session_take_request(struct resp_session *session, struct bytes input, size_t *taken)
{
    struct resp_request request;
    size_t size;
    enum resp_result result = resp_parse(&session->parser, input, &request, &size);
    *taken = 0;
    if (result == RESP_INCOMPLETE) {
        *taken = size;
        return false;
    }
    bool is_done =
        result == RESP_BROKEN ? session_break(session) : session_execute(session, &request);
    if (is_done) {
        *taken = size;
        return true;
    }
    session->is_waiting = true;
    session->door->has_starved |= session->is_starved;
    return false;
}

/* Begins to read. A turn of many connections may be long, and who changes definitions waits for all
 * to let go of the old ones; between connections nothing is held. */
static void door_begin_reading(struct resp_door *door, int64_t now_mono_us)
{
    if (now_mono_us - door->reading_mono_us > RESP_TURN_US) {
        query_end(door->options.query);
        door->reading_mono_us = now_mono_us;
    }
    query_begin(door->options.query);
}

size_t resp_session_receive(struct resp_session *session, struct bytes input)
{
    size_t taken = 0;
    int64_t now_mono_us = clock_mono_us();
    int64_t deadline_mono_us = now_mono_us + RESP_TURN_US;
    session->active_mono_us = session->door->turn_mono_us;
    session->is_yielding = false;
    door_begin_reading(session->door, now_mono_us);
    while (resp_session_is_ready(session) && taken < input.size) {
        size_t size = resp_repeat_answer(session, bytes_after(input, taken));
        bool may_go_on =
            size > 0 || session_take_request(session, bytes_after(input, taken), &size);
        taken += size;
        if (!may_go_on)
            break;
        if (session->connection != NULL && taken < input.size &&
            clock_mono_us() >= deadline_mono_us) {
            session->is_yielding = true;
            break;
        }
    }
    return taken;
}

/* ---- sessions with sockets ---- */

static void *door_opened(void *context, struct network_connection *connection)
{
    struct resp_session *session =
        resp_session_open(context, network_connection_output(connection));
    session->connection = connection;
    session->id = network_connection_id(connection);
    return session;
}

static size_t door_received(void *context, struct bytes input)
{
    struct resp_session *session = context;
    size_t taken = resp_session_receive(session, input);
    if (session->is_closing)
        network_connection_close(session->connection);
    else if (session->is_waiting)
        network_connection_pause(session->connection);
    else if (session->is_yielding)
        network_connection_resume(session->connection);
    return taken;
}

static bool door_owes(void *context)
{
    const struct resp_session *session = context;
    return session->owed_count > 0;
}

static void door_closed(void *context)
{
    struct resp_session *session = context;
    resp_session_close(&session);
}

struct network_handler resp_door_handler(struct resp_door *door)
{
    return (struct network_handler){
        .context = door,
        .opened = door_opened,
        .received = door_received,
        .owes = door_owes,
        .closed = door_closed,
        .full_reply = bytes_of_text("-ERR max number of clients reached\r\n"),
        .input_max_bytes = RESP_REQUEST_SIZE_MAX + NETWORK_READ_SIZE,
    };
}
