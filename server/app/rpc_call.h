/* What the files of the RPC door share: the door, a session, a call, and what methods are made of.
 * Only server/app/rpc_*.c include it. */
#ifndef ASOF_APP_RPC_CALL_H
#define ASOF_APP_RPC_CALL_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "app/rpc_door.h"
#include "model/columns.h"
#include "protocol/grpc.h"

struct rpc_call;
struct rpc_repeats;

/* What a method works with, on the thread where it runs. */
struct rpc_work {
    struct bytes request;
    struct query *query;         /* of all but RPC_WRITE; has begun */
    struct stream *stream;       /* of RPC_WRITE */
    struct export *export;       /* of RPC_NOW */
    struct rpc_repeats *repeats; /* of RPC_READ, on the door's thread; or NULL */
    struct arena *arena;         /* of the call */
    struct arena *rows;          /* of RPC_READ: a second one, see query_read_columns */
    struct buffer *scratch;
    struct buffer *reply;            /* the message of the answer; empty at the start */
    int64_t until_mono_us;           /* of RPC_READ: behind it, reads are CANCELLED, */
    const _Atomic bool *is_unwanted; /* and also once this is true; NULL: it stays wanted */
    bool is_draining;
    bool has_pushed; /* set by RPC_WRITE: the reply is true once that is committed */
};

/* Where a method runs: here and at once; here, and on a reader's thread where that does not do; or
 * on the writer's. */
enum rpc_place { RPC_NOW, RPC_READ, RPC_WRITE };

/* err says what is wrong. AGAIN: nothing was done; of RPC_READ: it needs the disk; of RPC_WRITE: it
 * is to be run again behind a commit. */
typedef enum status (*rpc_run_fn)(struct rpc_work *work, struct error *err);

/* A method whose requests or answers are a stream, other than one answer for each request. What it
 * does is a task of its own, on the door's thread:
 *
 *     begin            makes the task, for the first message; does nothing else
 *     message ...      as they come, from the first on; none while the call is held
 *     ended            the peer has sent its last; only of those that take many
 *     room             there is room for more parts, behind each rpc_call_await_room
 *     gone             the call ended, in whatever way: once; behind it the call must not be
 * touched
 *
 * Those between may hold, let go, send, await room and end the call; what ends it has the task gone
 * before it returns. Bytes are borrowed for the call of the function. */
struct rpc_stream {
    bool takes_many;       /* messages; else one */
    bool is_ended_by_stop; /* when the server stops, rather than waited for */
    void *(*begin)(struct rpc_call *call, struct bytes message);
    void (*message)(void *task, struct bytes message);
    void (*ended)(void *task);
    void (*room)(void *task);
    void (*gone)(void *task);
};

struct rpc_method {
    const char *path; /* of gRPC */
    unsigned number;  /* of the light frame; 0: it is not offered there */
    enum rpc_place place;
    bool is_dialog; /* many messages, each answered with one */
    rpc_run_fn run;
    const struct rpc_stream *stream; /* in place of place and run; NULL: it is none */
};

/* NULL: there is none. */
const struct rpc_method *rpc_method_find(struct bytes path);
const struct rpc_method *rpc_method_of_number(unsigned number);

/* GetFeatures. */
const struct rpc_method *rpc_method_of_features(void);

/* ---- rpc_methods.c ---- */

/* The patience that reads have by what work (borrowed) says. */
struct patience rpc_work_patience(struct rpc_work *work);

/* ---- rpc_repeat.c ---- */

/* Owned by the caller. */
struct rpc_repeats *rpc_repeats_create(void);
void rpc_repeats_destroy(struct rpc_repeats **repeats);

/* Remembers the request of the work, which has this question and was answered by these columns, if
 * its like may be answered by rpc_repeat_answer. */
void rpc_repeat_learn(const struct rpc_work *work, const struct columns_question *question,
                      const struct columns *columns);

/* Appends the answer of the request to the reply, where it repeats one that was remembered and
 * finished rows have all of it. false: nothing was done. */
MUST_USE bool rpc_repeat_answer(const struct rpc_work *work);

/* Answers calls of the light frame at the front of input that repeat, as long as the output is not
 * above NETWORK_OUTPUT_PAUSE_BYTES; returns the size of their frames, and how many they were. */
size_t rpc_repeat_answer_frames(struct rpc_repeats *repeats, struct query *query,
                                struct bytes input, struct buffer *output, size_t *answered);

/* ---- rpc_push.c ---- */

enum status rpc_push(struct rpc_work *work, struct error *err);

/* ---- rpc_registry.c, rpc_operations.c: rpc_run_fn ---- */

enum status rpc_registry_plan(struct rpc_work *work, struct error *err);
enum status rpc_registry_apply(struct rpc_work *work, struct error *err);
enum status rpc_registry_list(struct rpc_work *work, struct error *err);
enum status rpc_registry_describe(struct rpc_work *work, struct error *err);
enum status rpc_registry_promote(struct rpc_work *work, struct error *err);
enum status rpc_registry_rollback(struct rpc_work *work, struct error *err);
enum status rpc_registry_drop(struct rpc_work *work, struct error *err);
enum status rpc_registry_diff(struct rpc_work *work, struct error *err);
enum status rpc_registry_fills(struct rpc_work *work, struct error *err);
enum status rpc_operations_entities(struct rpc_work *work, struct error *err);
enum status rpc_operations_lag(struct rpc_work *work, struct error *err);
enum status rpc_operations_replay(struct rpc_work *work, struct error *err);
enum status rpc_operations_letters(struct rpc_work *work, struct error *err);

TAILQ_HEAD(rpc_call_list, rpc_call);
TAILQ_HEAD(rpc_session_list, rpc_session);

/* Calls by their deadlines: a heap, as a peer may choose any order. */
struct rpc_deadlines {
    struct rpc_call **calls; /* owned, the array; the earliest is the first */
    size_t count;
    size_t capacity;
};

struct rpc_offline;
TAILQ_HEAD(rpc_offline_list, rpc_offline);

struct rpc_door {
    struct rpc_door_options options;
    struct arena *arena; /* owned, as the next three: of one call */
    struct arena *rows;
    struct buffer scratch;
    struct buffer reply;
    struct rpc_repeats *repeats;      /* owned */
    struct network_timer *timer;      /* the loop's */
    int64_t timer_mono_us;            /* when it is set for; 0: it is not */
    int64_t turn_until_mono_us;       /* nothing is begun behind it; 0: the turn has no work yet */
    struct rpc_session_list sessions; /* owned by their connections */
    struct rpc_session_list settled;  /* those with something to send since the turn began */
    struct rpc_deadlines waiting;     /* calls that have a deadline and may miss it */
    struct rpc_offline_list offline;  /* owned by themselves: exports under way */
    size_t offline_count;
    int64_t told_mono_us; /* when their progress was told last */
    size_t sessions_count;
    size_t calls_count;
    size_t reading_bytes;    /* of jobs on their way to a reader and back */
    size_t queued_bytes;     /* of gRPC's answers that wait for windows */
    int64_t reading_mono_us; /* since when the query reads by what it holds, about */
    bool is_draining;
    bool is_stopping; /* nothing new is begun: nobody would do it */
    struct rpc_counters counters;
};

enum rpc_framing { RPC_UNTOLD, RPC_GRPC, RPC_LIGHT };

struct rpc_session {
    struct rpc_door *door;                 /* borrowed */
    struct network_connection *connection; /* borrowed */
    enum rpc_framing framing;
    struct grpc_session *grpc;  /* owned, of RPC_GRPC */
    struct rpc_call_list calls; /* owned: those that are not gone */
    size_t calls_count;
    struct rpc_call_list awaiting; /* of these, those that wait for room */
    size_t held_count;             /* of RPC_LIGHT: those that take no message now */
    size_t jobs_count;             /* of its calls, under way */
    bool has_worked;               /* a job of it came back since the turn began */
    bool is_settled;
    bool is_closing;
    bool is_yielding;        /* its turn was long: it goes on in the next */
    bool has_room;           /* all connections together hold little enough */
    size_t queued_bytes;     /* what of door->queued_bytes is ours */
    size_t arriving_bytes;   /* of requests that are not whole */
    int64_t taken_mono_us;   /* when the peer last took bytes of answers, while some are queued */
    int64_t arrived_mono_us; /* when arriving_bytes last changed */
    TAILQ_ENTRY(rpc_session) link;
    TAILQ_ENTRY(rpc_session) settled_link;
};

struct rpc_job;

struct rpc_call {
    struct rpc_session *session; /* borrowed */
    const struct rpc_method *method;
    struct grpc_call *grpc; /* borrowed; NULL: of the light frame, where it has a */
    uint32_t number;
    int64_t deadline_mono_us; /* INT64_MAX: none */
    int64_t began_mono_us;    /* of the debug log; 0: there is none */
    enum grpc_code code;      /* the same: how it was answered */
    struct rpc_job *job;      /* borrowed: it is under way, or NULL */
    void *task;               /* of a stream; NULL: it is not there yet, or gone */
    bool had_message;
    bool is_held;
    bool is_awaiting;           /* room, in session->awaiting */
    bool has_ended;             /* the peer sends no more */
    bool is_done;               /* it was answered to the end */
    size_t waiting_place;       /* in door->waiting, from 1; 0: it is not there */
    TAILQ_ENTRY(rpc_call) link; /* of session->calls */
    TAILQ_ENTRY(rpc_call) awaiting_link;
};

/* ---- rpc_door.c ---- */

/* The session has something to send at the end of the turn. */
void rpc_session_settle(struct rpc_session *session);

/* Counts what it holds, where that changed. */
void rpc_session_account(struct rpc_session *session);

/* Sets the timer for that moment, if it is not set for an earlier one. */
void rpc_door_wake(struct rpc_door *door, int64_t mono_us);

/* ---- rpc_call.c ---- */

struct rpc_call *rpc_call_create(struct rpc_session *session, const struct rpc_method *method,
                                 int64_t deadline_mono_us);

/* From now on it fails when its deadline passes. */
void rpc_call_wait(struct rpc_call *call);

/* It is gone: a job of it goes on without it. */
void rpc_call_destroy(struct rpc_call *call);

/* Runs the method on the message (borrowed), or sends it where it shall run. */
void rpc_call_take(struct rpc_call *call, struct bytes message);

/* Answers the message that was taken; the reply counts where status is OK. Of the light frame, the
 * call is destroyed. */
void rpc_call_answer(struct rpc_call *call, enum status status, struct bytes reply,
                     const struct error *err);

/* Ends the call with a code. The same. */
void rpc_call_fail(struct rpc_call *call, enum grpc_code code, struct bytes text);

/* Fails those whose deadline has passed, and says when the next one does (INT64_MAX: none). */
int64_t rpc_calls_expire(struct rpc_door *door, int64_t now_mono_us);

/* Whether one more answer of that size may wait to be read. A connection that has a backlog gets no
 * more of it while memory is scarce. */
bool rpc_session_has_room(struct rpc_session *session, size_t size);

/* ---- rpc_stream.c ---- */

/* The same as rpc_call_take, of streams. */
void rpc_stream_take(struct rpc_call *call, struct bytes message);

/* The peer sends no more messages; of streams and dialogs. */
void rpc_stream_end(struct rpc_call *call);

/* Answers one message of a dialog. */
void rpc_stream_answer(struct rpc_call *call, struct bytes reply);

/* The call has ended: its task is gone, it holds up nothing. Harmless when said again. */
void rpc_stream_leave(struct rpc_call *call);

/* Tells those that wait for room, and have it now. */
void rpc_session_feed(struct rpc_session *session);

/* Whether some of them may have it. */
bool rpc_session_can_feed(const struct rpc_session *session);

/* No message of the call is given while it is held, and a peer that sends more is stopped: of gRPC
 * by the window of the call, of the light frame as its connection is not read. */
void rpc_call_hold(struct rpc_call *call);
void rpc_call_let_go(struct rpc_call *call);

/* Whether less than RPC_PARTS_BYTES of parts wait to be read, so that another one may be made. */
bool rpc_call_has_room(const struct rpc_call *call);
void rpc_call_await_room(struct rpc_call *call);

/* Queues a part of the answer (copied). false: too much waits to be read, and the call has failed.
 */
MUST_USE bool rpc_call_send(struct rpc_call *call, struct bytes part);

/* Ends the call: the last part was sent, or, with another status than OK, err says why not. */
void rpc_call_end(struct rpc_call *call, enum status status, const struct error *err);

/* ---- rpc_health.c ---- */

enum status rpc_health_check(struct rpc_work *work, struct error *err);
extern const struct rpc_stream rpc_health_watch;

/* The server begins to stop: tells those of the session that watch. */
void rpc_health_tell(struct rpc_session *session);

/* ---- rpc_chunks.c ---- */

extern const struct rpc_stream rpc_chunks; /* GetFeaturesStream */

/* ---- rpc_offline.c ---- */

extern const struct rpc_stream rpc_offline_training;
extern const struct rpc_stream rpc_offline_snapshot;
extern const struct rpc_stream rpc_offline_events;
extern const struct rpc_stream rpc_offline_backfill;

/* Tells peers how far their exports are, if it is time to, and says when that will be again
 * (INT64_MAX: none runs). */
int64_t rpc_offline_tell(struct rpc_door *door, int64_t now_mono_us);

/* ---- rpc_deadlines.c ---- */

/* The earliest of all; INT64_MAX: there is none. */
int64_t rpc_deadlines_next(const struct rpc_deadlines *deadlines);

/* Harmless where it is there, or is not. */
void rpc_deadlines_add(struct rpc_deadlines *deadlines, struct rpc_call *call);
void rpc_deadlines_remove(struct rpc_deadlines *deadlines, struct rpc_call *call);

/* ---- rpc_job.c ---- */

/* Sends the message (copied) to a reader or to the writer. LIMIT: too much is on its way. */
MUST_USE enum status rpc_job_post(struct rpc_call *call, struct bytes message, struct error *err);
void rpc_job_forget_call(struct rpc_job *job);

#endif
