/* What the files of the RPC door share: the door, a session, a call, and what methods are made of.
 * Only server/app/rpc_*.c include it. */
#ifndef ASOF_APP_RPC_CALL_H
#define ASOF_APP_RPC_CALL_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "app/rpc_door.h"
#include "protocol/grpc.h"

/* What a method works with, on the thread where it runs. */
struct rpc_work {
    struct bytes request;
    struct query *query;   /* of all but RPC_WRITE; has begun */
    struct stream *stream; /* of RPC_WRITE */
    struct arena *arena;   /* of the call */
    struct arena *rows;    /* of RPC_READ: a second one, see query_read_columns */
    struct buffer *scratch;
    struct buffer *reply;            /* the message of the answer; empty at the start */
    int64_t until_mono_us;           /* of RPC_READ: behind it, it is to be CANCELLED, */
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

struct rpc_method {
    const char *path; /* of gRPC */
    unsigned number;  /* of the light frame; 0: it is not offered there */
    enum rpc_place place;
    bool is_stream; /* many messages, each answered with one */
    rpc_run_fn run;
};

/* NULL: there is none. */
const struct rpc_method *rpc_method_find(struct bytes path);
const struct rpc_method *rpc_method_of_number(unsigned number);

/* ---- rpc_methods.c ---- */

/* Of an RPC_READ, whose rpc_work is the context: whether it may go on. As columns_patience_fn. */
bool rpc_work_may_go_on(void *context);

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

struct rpc_door {
    struct rpc_door_options options;
    struct arena *arena; /* owned, as the next three: of one call */
    struct arena *rows;
    struct buffer scratch;
    struct buffer reply;
    struct network_timer *timer;      /* the loop's */
    int64_t timer_mono_us;            /* when it is set for; 0: it is not */
    struct rpc_session_list sessions; /* owned by their connections */
    struct rpc_session_list settled;  /* those with something to send since the turn began */
    struct rpc_deadlines waiting;     /* calls that have a deadline and may miss it */
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
    struct rpc_call_list light; /* owned, of RPC_LIGHT: calls in flight */
    size_t light_count;
    size_t jobs_count; /* of its calls, under way */
    bool has_worked;   /* a job of it came back since the turn began */
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
    struct rpc_job *job;      /* borrowed: it is under way, or NULL */
    bool had_message;
    bool has_ended;             /* the peer sends no more */
    bool is_done;               /* it was answered to the end */
    size_t waiting_place;       /* in door->waiting, from 1; 0: it is not there */
    TAILQ_ENTRY(rpc_call) link; /* of session->light */
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

/* ---- rpc_deadlines.c ---- */

/* Harmless where it is there, or is not. */
void rpc_deadlines_add(struct rpc_deadlines *deadlines, struct rpc_call *call);
void rpc_deadlines_remove(struct rpc_deadlines *deadlines, struct rpc_call *call);

/* ---- rpc_job.c ---- */

/* Sends the message (copied) to a reader or to the writer. LIMIT: too much is on its way. */
MUST_USE enum status rpc_job_post(struct rpc_call *call, struct bytes message, struct error *err);
void rpc_job_forget_call(struct rpc_job *job);

#endif
