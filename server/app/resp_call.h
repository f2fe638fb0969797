/* What the files of the RESP door share: the door, a session, a call of a command, and what
 * commands are made of. Only server/app/resp_*.c include it. */
#ifndef ASOF_APP_RESP_CALL_H
#define ASOF_APP_RESP_CALL_H

#include <sys/queue.h>

#include "app/operations.h"
#include "app/resp_door.h"
#include "base/map.h"
#include "protocol/resp.h"

#define RESP_COMPATIBLE_VERSION "7.0.15" /* the Redis that clients may take us for */

enum resp_flag {
    RESP_READ = 1,       /* reads features */
    RESP_WRITE = 2,      /* changes something: not inside MULTI */
    RESP_PUSH = 4,       /* may follow other pushes that are not committed yet */
    RESP_FAST = 8,       /* as Redis means it: its time does not grow with the data */
    RESP_IMMEDIATE = 16, /* runs at once inside MULTI, too */
    RESP_WRITER = 32,    /* runs on the writer's thread, see resp_job.c */
    RESP_ROUND = 64,     /* asks all doors, so that its reply comes later: not inside MULTI */
    RESP_MOMENT = 128    /* changes the moment of the reads behind it */
};

struct resp_call;
struct resp_job;
struct resp_rehearsal;
struct resp_repeats;
typedef void (*resp_run_fn)(struct resp_call *call);

struct resp_command {
    const char *name; /* lower case; a subcommand's without its parent's */
    int arity;        /* with the name (and the subcommand's); negative: at least so many */
    unsigned flags;
    resp_run_fn run;                        /* NULL: it has subcommands */
    int last_key;                           /* 0: it takes no key; 1: the first argument; -1: all */
    const struct resp_command *subcommands; /* ended by a name of NULL */
    const char *group;
    const char *summary;
};

struct resp_door {
    struct resp_door_options options;
    struct resp_door *next; /* in the ring of all doors; itself where it is alone */
    uint16_t port;
    struct map *commands;  /* name -> const struct resp_command */
    struct map *refusals;  /* name -> why it is not offered */
    struct arena *arena;   /* of one command */
    struct buffer scratch; /* of one command */
    struct resp_repeats *repeats;
    bool has_starved; /* a session waits because too much waits for the writer */
    TAILQ_HEAD(, resp_session) sessions;
    uint64_t last_session_id;           /* of those without a socket */
    TAILQ_HEAD(, resp_session) settled; /* those that got replies of jobs in this turn */
    int64_t start_us;
    int64_t start_mono_us;
    int64_t turn_mono_us;    /* when the last turn ended */
    int64_t reading_mono_us; /* since when the query reads by what it holds, about */
    struct resp_counters counters;
};

struct resp_queued {
    const struct resp_command *command;
    const struct resp_command *parent;
    const struct bytes *arguments;
    size_t count;
    struct resp_queued *next;
};

struct resp_multi {
    bool is_open;
    bool is_broken;      /* EXEC will refuse */
    struct arena *arena; /* owned while is_open: the queue and its arguments */
    struct resp_queued *first;
    struct resp_queued *last;
    size_t count;
    size_t size_bytes;
};

struct resp_session {
    struct resp_door *door;                /* borrowed */
    struct network_connection *connection; /* borrowed; NULL in tests */
    struct buffer *output;                 /* borrowed */
    struct resp_parser parser;
    uint64_t id;
    unsigned version; /* of RESP */
    struct moment moment;
    bool is_waiting;   /* for the replies that are owed to it */
    bool is_starved;   /* the same, because too much waits for the writer */
    bool is_rehearsed; /* a reader has read what the next command needs: it may wait for the disk */
    bool is_settled;   /* in door->settled */
    bool is_closing;
    bool is_yielding; /* its turn was long: it goes on in the next */
    bool is_on_round; /* a reply is owed that does not come from the writer: nothing may follow */
    TAILQ_HEAD(, resp_job) jobs;      /* borrowed: those that owe a reply, in their order */
    struct resp_rehearsal *rehearsal; /* borrowed: it is under way, or NULL */
    size_t owed_count;
    size_t owed_bytes;
    struct resp_multi multi;
    char name[RESP_CLIENT_NAME_SIZE];
    char library_name[RESP_CLIENT_NAME_SIZE];
    char library_version[RESP_CLIENT_NAME_SIZE];
    int64_t opened_mono_us;
    int64_t active_mono_us;
    const char *last_command;
    TAILQ_ENTRY(resp_session) link;
    TAILQ_ENTRY(resp_session) settled_link;
};

/* One command being run. Mostly on the door's thread; a RESP_WRITER runs on the writer's, and a
 * RESP_READ may be rehearsed on a reader's, which know neither door nor session. */
struct resp_call {
    struct resp_door *door;       /* NULL on the writer's and on a reader's thread */
    struct resp_session *session; /* the same */
    struct stream *stream;        /* of a RESP_WRITER */
    struct query *query;          /* of the others, as the next two */
    struct resp_counters *counters;
    struct resp_cursors *cursors;
    struct moment moment; /* of the session; in a rehearsal, of what is rehearsed */
    const struct resp_command *command;
    const struct resp_command *parent; /* of a subcommand, else NULL */
    const struct bytes *arguments;     /* [0] is the name */
    size_t count;
    struct resp_writer reply;
    struct arena *arena;
    struct buffer *scratch; /* empty at the start */
    bool is_error;          /* replied with an error */
    bool must_wait;         /* nothing was done: run it again when the owed replies are there */
    bool is_batch_full;     /* nothing was done: run it again behind a commit */
    bool has_pushed;        /* into the open batch: the reply is true once that is committed */
    bool needs_disk;        /* nothing is true: run it again when a reader has rehearsed it */
    bool is_rehearsal;      /* so that what it reads is in memory; nobody sees the reply */
};

/* ---- replies that many commands have ---- */

/* An error reply; the text begins with its code. */
void resp_call_error(struct resp_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* An error reply with the code that belongs to status. */
void resp_call_failed(struct resp_call *call, enum status status, const struct error *err);

void resp_call_wrong_count(struct resp_call *call);
void resp_call_syntax_error(struct resp_call *call);

/* ---- arguments ---- */

static inline struct bytes resp_call_argument(const struct resp_call *call, size_t index)
{
    return call->arguments[index];
}

/* As Redis reads one; replies with the error where it is none. */
bool resp_call_integer(struct resp_call *call, size_t index, int64_t *out);

/* "now", RFC 3339 or microseconds; replies with the error where it is none. */
bool resp_call_moment(struct resp_call *call, size_t index, struct moment *out);

/* ---- reading ---- */

/* Finds the key's timeline. NOT_FOUND: outside all views, no reply yet. Else replied already. */
enum status resp_read_find(struct resp_call *call, struct bytes key, struct target *target);

/* Reads features (NULL: all) as of moment; false: replied with an error (out of history, IO). */
bool resp_read_features(struct resp_call *call, const struct target *target,
                        const uint32_t *features, size_t features_count, struct moment moment,
                        struct text_answer *answer);

/* The indexes of count named features, in the arena; false: replied that there is no such one. */
bool resp_read_names(struct resp_call *call, const struct view_definition *view,
                     const struct bytes *names, size_t count, uint32_t **features);

/* Whether a hash shows the value: NULL and overflows are fields that are not there. */
static inline bool resp_text_is_shown(struct bytes text)
{
    return text.data != NULL;
}

/* ---- door, table, transactions, jobs ---- */

/* Runs what call says. The command must have the right number of arguments. */
void resp_call_run(struct resp_call *call);

/* Finds the command and its subcommand and checks the number of arguments; false: replied. */
bool resp_command_find(struct resp_call *call);

/* Fills door->commands and door->refusals. */
void resp_command_fill(struct resp_door *door);

/* Puts the call into the open transaction and replies. */
void resp_multi_queue(struct resp_call *call);
void resp_multi_close(struct resp_session *session);

/* Counts the answer to a read. */
void resp_read_count(struct resp_counters *counters, const struct text_answer *answer);

/* Requests that repeat: see resp_repeat.c. */
struct resp_repeats *resp_repeats_create(void);
void resp_repeats_destroy(struct resp_repeats **repeats);

/* Remembers the HMGET that the call is, of these features, now and then. */
void resp_repeat_learn(struct resp_call *call, const struct target *target,
                       const uint32_t *features, size_t count);

/* Answers requests at the front of input that were learned; returns how many bytes they were. */
size_t resp_repeat_answer(struct resp_session *session, struct bytes input);

/* Whether the session takes another request. */
bool resp_session_is_ready(const struct resp_session *session);

/* Sends the call, of a RESP_WRITER, to the writer; sets must_wait where too much is on its way. */
void resp_job_post(struct resp_call *call);

/* Has a reader run the call, of a RESP_READ or an EXEC, which needs the disk; the session must
 * wait, and is settled afterwards. */
void resp_rehearsal_post(struct resp_call *call);

/* The rehearsal of a session that closes goes on without it. */
void resp_rehearsal_forget_session(struct resp_session *session);

/* Copies the arguments behind each other, into copies and what is behind it: arguments_size bytes.
 */
size_t resp_arguments_size(const struct resp_call *call);
void resp_arguments_copy(const struct resp_call *call, struct bytes *copies);

/* Has visit append to a text for each door, on its thread, and replies with the text. */
typedef void (*resp_visit_fn)(const struct resp_door *door, struct buffer *out);
void resp_job_go_round(struct resp_call *call, resp_visit_fn visit);

/* The jobs of a session that closes go on without it. */
void resp_job_forget_session(struct resp_session *session);

/* The session got replies that it was owed: at the end of the turn they are sent. */
void resp_session_settle(struct resp_session *session);

/* ---- handlers, by file ---- */

/* resp_client.c */
void resp_client_auth(struct resp_call *call);
void resp_client_echo(struct resp_call *call);
void resp_client_hello(struct resp_call *call);
void resp_client_ping(struct resp_call *call);
void resp_client_quit(struct resp_call *call);
void resp_client_reset(struct resp_call *call);
void resp_client_select(struct resp_call *call);
extern const struct resp_command resp_client_subcommands[];

/* resp_server.c, resp_info.c */
void resp_server_info(struct resp_call *call);
void resp_server_role(struct resp_call *call);
void resp_server_time(struct resp_call *call);
extern const struct resp_command resp_config_subcommands[];
extern const struct resp_command resp_latency_subcommands[];
extern const struct resp_command resp_memory_subcommands[];
extern const struct resp_command resp_module_subcommands[];
extern const struct resp_command resp_object_subcommands[];
extern const struct resp_command resp_slowlog_subcommands[];

/* resp_read.c */
void resp_read_exists(struct resp_call *call);
void resp_read_hexists(struct resp_call *call);
void resp_read_hget(struct resp_call *call);
void resp_read_hgetall(struct resp_call *call);
void resp_read_hlen(struct resp_call *call);
void resp_read_hmget(struct resp_call *call);
void resp_read_hstrlen(struct resp_call *call);
void resp_read_ttl(struct resp_call *call);
void resp_read_type(struct resp_call *call);
void resp_read_get(struct resp_call *call);
void resp_read_mget(struct resp_call *call);

/* resp_scan.c */
void resp_scan_hscan(struct resp_call *call);
void resp_scan_scan(struct resp_call *call);

/* resp_multi.c */
void resp_multi_discard(struct resp_call *call);
void resp_multi_exec(struct resp_call *call);
void resp_multi_multi(struct resp_call *call);

/* resp_push.c */
void resp_push_push(struct resp_call *call);
void resp_push_xadd(struct resp_call *call);

/* resp_write_rows.c */
void resp_write_del(struct resp_call *call);
void resp_write_hdel(struct resp_call *call);
void resp_write_hset(struct resp_call *call);
void resp_write_set_at(struct resp_call *call);

/* resp_asof.c */
void resp_asof_apply(struct resp_call *call);
void resp_asof_at(struct resp_call *call);
void resp_asof_describe(struct resp_call *call);
void resp_asof_fills(struct resp_call *call);
void resp_asof_get(struct resp_call *call);
void resp_asof_list(struct resp_call *call);
void resp_asof_plan(struct resp_call *call);

/* resp_versions.c */
void resp_versions_diff(struct resp_call *call);
void resp_versions_drop(struct resp_call *call);
void resp_versions_entities(struct resp_call *call);
void resp_versions_promote(struct resp_call *call);
void resp_versions_rollback(struct resp_call *call);

/* resp_kafka.c */
void resp_asof_lag(struct resp_call *call);
void resp_asof_replay(struct resp_call *call);
extern const struct resp_command resp_dlq_subcommands[];

/* resp_command.c */
void resp_command_all(struct resp_call *call);
extern const struct resp_command resp_command_subcommands[];

#endif
