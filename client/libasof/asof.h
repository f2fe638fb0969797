/* libasof: features of an asofd server, from C and C++.
 *
 *     struct asof_client *client = NULL;
 *     struct asof_request *request = asof_request_create();
 *     struct asof_result *result = NULL;
 *     struct asof_error error;
 *     const char *cards[] = {"c42", "c43"};
 *
 *     if (asof_client_create("127.0.0.1:6391", NULL, &client, &error) != ASOF_OK)
 *         die(error.text);
 *     asof_request_add_feature(request, "card_payments.amount_avg_7d");
 *     asof_request_set_key_texts(request, "card", cards, 2);
 *     if (asof_get(client, request, NULL, &result, &error) != ASOF_OK)
 *         die(error.text);
 *     const double *averages = asof_result_doubles(result, 0);
 *
 * It speaks the light frame (docs/rpc.md) to the RPC port. docs/c.md is its guide, proto/asof/v1
 * has the messages that it builds and takes apart.
 *
 * 1. Every function that can fail returns a code and, where error is not NULL, writes one sentence
 *    into it. Out parameters are set only with ASOF_OK.
 * 2. What _create and _open make is owned by the caller and given back by _destroy, which takes a
 * pointer to the pointer, accepts NULL and leaves NULL.
 * 3. Times are microseconds since 1970-01-01T00:00Z, timeouts milliseconds.
 * 4. No function waits beyond its deadline, but for resolving a host's name, which is the system's.
 *    No signal is raised by a broken connection, no global state is kept, no thread is started.
 * 5. Thread: a client and a cancel, any number of threads at the same time. Everything else, one at
 * a time, and another one each time if you like. Only what says so may be called from a signal
 * handler.
 * 6. Fork: what was made before a fork belongs to the parent. In the child a client and a stream
 * refuse to work (FAILED_PRECONDITION); destroy them there, or leave them, and make new ones.
 * 7. Memory: where small memory can't be had, the process is stopped, as with most of glibc's
 * users. What a server's answer may take is limited by asof_options.answer_size_max. */
#ifndef ASOF_H
#define ASOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASOF_API __attribute__((visibility("default")))

#define ASOF_PORT 6391 /* where an address names none */

enum {
    ASOF_ERROR_TEXT_SIZE = 1024,
    ASOF_CONNECTIONS_MAX = 64,    /* of a client */
    ASOF_CALLS_MAX = 1024,        /* in flight on one connection; the server's limit too */
    ASOF_FEATURES_MAX = 4096,     /* names in a request */
    ASOF_COLUMNS_MAX = 64,        /* key columns of a request, and request values */
    ASOF_ROWS_MAX = 1000 * 1000,  /* of a request; 10,000 unless it is a stream's */
    ASOF_EVENTS_MAX = 100 * 1000, /* of a push */
    ASOF_REQUEST_SIZE_MAX = 16 * 1024 * 1024 /* bytes of a request's message */
};

/* ---- codes and errors ---- */

/* As gRPC's. docs/rpc.md says when the server answers with which. */
enum asof_code {
    ASOF_OK = 0,
    ASOF_CANCELLED = 1,          /* by asof_cancel_fire and its like */
    ASOF_UNKNOWN = 2,            /* the disk failed; whether a push was accepted is not known */
    ASOF_INVALID_ARGUMENT = 3,   /* the request is wrong; the text says what is right */
    ASOF_DEADLINE_EXCEEDED = 4,  /* no answer in time; a push may be accepted */
    ASOF_NOT_FOUND = 5,          /* no such view, version, feature, source or definition */
    ASOF_RESOURCE_EXHAUSTED = 8, /* a limit would be passed, here or there */
    ASOF_FAILED_PRECONDITION = 9,
    ASOF_UNIMPLEMENTED = 12, /* the server has no such method */
    ASOF_INTERNAL = 13,      /* the server's bytes are not what docs/rpc.md says */
    ASOF_UNAVAILABLE = 14,   /* nobody answers there, the connection broke, or "not now" */
    ASOF_DATA_LOSS = 15      /* stored bytes are not what was written */
};

/* The caller's; plain data. */
struct asof_error {
    enum asof_code code;
    char text[ASOF_ERROR_TEXT_SIZE]; /* one sentence, ended by NUL */
};

/* "NOT_FOUND"; of a number that is none: "UNKNOWN". */
ASOF_API const char *asof_code_name(enum asof_code code);

/* The library's: "0.1.0". */
ASOF_API const char *asof_version(void);

/* A run of bytes that somebody else owns. Not ended by NUL; data may be NULL where size is 0. */
struct asof_bytes {
    const char *data;
    size_t size;
};

/* ---- the client ---- */

/* Connections to one server, and the calls of all threads over them. A connection is made when a
 * call needs one, calls of several threads share connections, and a connection that broke is made
 * anew. */
struct asof_client;

/* Zero is the default of each. */
struct asof_options {
    unsigned connections_max; /* 0: 4. Threads beyond share them */
    int connect_timeout_ms;   /* 0: 2,000 */
    int timeout_ms;           /* of calls that name none. 0: 10,000; negative: they have none */
    int retries_max;          /* after the first try. 0: 20; negative: none */
    int backoff_ms;           /* before the first retry, doubled each time. 0: 10 */
    int backoff_max_ms;       /* 0: 1,000. Each wait is a random part of it, at least half */
    size_t answer_size_max;   /* bytes of one answer, above: RESOURCE_EXHAUSTED. 0: 256 MiB */
};

/* Makes a client. Connects when the first call does, so the server need not be there yet. options:
 * NULL is the default. address: "HOST:PORT", "[IPV6]:PORT", "HOST", and the same behind "asof://".
 * INVALID_ARGUMENT: no such address. */
ASOF_API enum asof_code asof_client_create(const char *address, const struct asof_options *options,
                                           struct asof_client **client, struct asof_error *error);

/* Closes its connections. No call of it may be under way and no stream of it open. */
ASOF_API void asof_client_destroy(struct asof_client **client);

/* Stops a call from elsewhere. It serves one call or stream at a time, and all calls that are begun
 * once it was fired. */
struct asof_cancel;

/* NULL: the process has no descriptor left for it. */
ASOF_API struct asof_cancel *asof_cancel_create(void);
ASOF_API void asof_cancel_destroy(struct asof_cancel **cancel);

/* The call under way with it, and later ones, end with CANCELLED at once. Any thread, also from a
 * signal handler. */
ASOF_API void asof_cancel_fire(struct asof_cancel *cancel);

/* Ready for another call; none is under way. */
ASOF_API void asof_cancel_reset(struct asof_cancel *cancel);

/* How one call is made; NULL in its place, and zero in each field, is the default. */
struct asof_call_options {
    int timeout_ms; /* 0: the client's; negative: none. All tries together; the server is told */
    bool
        is_repeatable; /* of asof_call: may be sent again where it is not known what became of it */
    struct asof_cancel
        *cancel; /* borrowed until the call has ended, a stream's until it is destroyed */
    /* Asked by the thread that waits, ten times a second; true ends the call with CANCELLED. NULL:
     * nobody is. It may make other calls, and is not asked for those of an event loop. */
    bool (*is_unwanted)(void *context);
    void *context; /* is_unwanted's; borrowed as the cancel is */
};

/* Calls that are repeatable are tried again after UNAVAILABLE, until their deadline or retries_max.
 * Reads are; a push is, as the client gives it a producer and a sequence by which it counts once.
 * What never left is tried again in any case. */

/* OK: the server answers and takes calls. UNAVAILABLE: it does not, or is stopping. */
ASOF_API enum asof_code asof_check(struct asof_client *client,
                                   const struct asof_call_options *options,
                                   struct asof_error *error);

/* ---- reading: the request ---- */

/* What to read, to be asked as often as you like: features are encoded once, entities replaced. A
 * setter that is called again replaces what it set. Everything is copied. A mistake (a limit above,
 * columns of different lengths) is told by the call that sends it. */
struct asof_request;

ASOF_API struct asof_request *asof_request_create(void);
ASOF_API void asof_request_destroy(struct asof_request **request);

/* Back to empty, its memory kept. */
ASOF_API void asof_request_reset(struct asof_request *request);

/* "view.feature", "view@2.feature", "view.*", and a service in the place of a view. Answers have
 * the columns in this order. */
ASOF_API void asof_request_add_feature(struct asof_request *request, const char *feature);

/* Values of one key of the entities, one a row. key: its name in the definition of the entity. */
ASOF_API void asof_request_set_key_strings(struct asof_request *request, const char *key,
                                           const struct asof_bytes *values, size_t count);
ASOF_API void asof_request_set_key_texts(struct asof_request *request, const char *key,
                                         const char *const *values, size_t count);
ASOF_API void asof_request_set_key_ints(struct asof_request *request, const char *key,
                                        const int64_t *values, size_t count);

/* T. count 0: now (the default). 1: of all rows. Else one a row. */
ASOF_API void asof_request_set_at(struct asof_request *request, const int64_t *at_us, size_t count);

/* Looks up at T - 1 us, so that an event of the moment itself is not seen. */
ASOF_API void asof_request_set_exclusive(struct asof_request *request, bool is_exclusive);

/* Values of the request of on-demand views: one for all rows, or one a row. nulls: a byte a value,
 * 1 where it is NULL; the pointer may be NULL: none is. */
ASOF_API void asof_request_set_value_strings(struct asof_request *request, const char *name,
                                             const struct asof_bytes *values, const uint8_t *nulls,
                                             size_t count);
ASOF_API void asof_request_set_value_ints(struct asof_request *request, const char *name,
                                          const int64_t *values, const uint8_t *nulls,
                                          size_t count);
ASOF_API void asof_request_set_value_doubles(struct asof_request *request, const char *name,
                                             const double *values, const uint8_t *nulls,
                                             size_t count);

/* Takes away all keys, values and T; features stay. For requests whose columns change their names.
 */
ASOF_API void asof_request_clear_rows(struct asof_request *request);

/* Whether the answer has the time of each entity's newest event (no, unless said). */
ASOF_API void asof_request_set_event_times(struct asof_request *request, bool is_wanted);

/* Whether it has statuses (yes, unless said). Without them only NULL is told apart. */
ASOF_API void asof_request_set_statuses(struct asof_request *request, bool is_wanted);

/* Of asof_get_stream: rows of a chunk, at most 10,000. 0: the server chooses. */
ASOF_API void asof_request_set_chunk_rows(struct asof_request *request, unsigned rows);

/* Its message, a GetFeaturesRequest; borrowed until the next call for the request.
 * INVALID_ARGUMENT: a mistake was made. */
ASOF_API enum asof_code asof_request_message(struct asof_request *request,
                                             struct asof_bytes *message, struct asof_error *error);

/* ---- reading: the result ---- */

/* What was read. All that is asked of it is borrowed from it until it is destroyed. Thread: one at
 * a time, as an array may be made at the first access. */
struct asof_result;

/* Reads: FeatureStore.GetFeatures. The request can be changed and sent again at once. */
ASOF_API enum asof_code asof_get(struct asof_client *client, struct asof_request *request,
                                 const struct asof_call_options *options,
                                 struct asof_result **result, struct asof_error *error);

ASOF_API void asof_result_destroy(struct asof_result **result);

enum asof_kind {
    ASOF_KIND_BOOL = 1,     /* integers: 0, 1 */
    ASOF_KIND_INT = 2,      /* integers */
    ASOF_KIND_DOUBLE = 3,   /* doubles */
    ASOF_KIND_DECIMAL = 4,  /* integers: the value times 10^digits */
    ASOF_KIND_STRING = 5,   /* strings */
    ASOF_KIND_TIMESTAMP = 6 /* integers: microseconds since 1970 */
};

/* Of a value, the first that holds. */
enum asof_status {
    ASOF_STATUS_OUT_OF_HISTORY = 1, /* T lies before what the view keeps */
    ASOF_STATUS_OVERFLOW = 2,       /* the type can't hold the result */
    ASOF_STATUS_EXPIRED = 3,        /* older than its time to live */
    ASOF_STATUS_NOT_FOUND = 4,      /* nothing is known of the entity at T; counts are 0 */
    ASOF_STATUS_NULL = 5,           /* NULL; a default may stand in */
    ASOF_STATUS_PRESENT = 6,
    ASOF_STATUS_NO_VALUE = 128 /* a bit beside one of those above: 0 or "" stands in its place */
};

/* The values of one feature. */
struct asof_column {
    struct asof_bytes feature; /* "view.feature", without a version */
    size_t view;               /* for asof_result_view */
    enum asof_kind kind;       /* of the items, if it is a list */
    unsigned digits;           /* of decimals */
    bool is_list;
    size_t items_count; /* of the array of values: the rows, or the items of all lists */
    const uint8_t
        *statuses; /* a byte a row, ASOF_STATUS_NO_VALUE among its bits; NULL: all present */
};

/* One version of a view that was read. */
struct asof_view {
    struct asof_bytes name;
    unsigned version;
    const int64_t *at_us; /* the T that was asked; at_count is 1: of all rows, or the rows */
    size_t at_count;
    const int64_t
        *event_times_us; /* one a row, ASOF_NO_EVENT_TIME where not found; NULL: not asked */
};

#define ASOF_NO_EVENT_TIME INT64_MIN

ASOF_API size_t asof_result_rows(const struct asof_result *result);
ASOF_API size_t asof_result_columns_count(const struct asof_result *result);
ASOF_API size_t asof_result_views_count(const struct asof_result *result);

/* NULL: index is not below the count. */
ASOF_API const struct asof_column *asof_result_column(const struct asof_result *result,
                                                      size_t index);
ASOF_API const struct asof_view *asof_result_view(const struct asof_result *result, size_t index);

/* The index of the first column of that name ("view.feature"); SIZE_MAX: there is none. */
ASOF_API size_t asof_result_find(const struct asof_result *result, const char *feature);

/* The values of column index: column->items_count of them, 0 or "" where there is none. Each is
 * right for its kinds and NULL for all others. Doubles stand in the message where they are aligned
 * there, strings point into it; neither is ended by NUL. Integers are decoded once. */
ASOF_API const double *asof_result_doubles(struct asof_result *result, size_t index);
ASOF_API const int64_t *asof_result_integers(struct asof_result *result, size_t index);
ASOF_API const struct asof_bytes *asof_result_strings(struct asof_result *result, size_t index);

/* Of a list: how many items each row has; the items of all rows stand behind each other. NULL: not
 * a list. */
ASOF_API const uint32_t *asof_result_sizes(struct asof_result *result, size_t index);

static inline enum asof_status asof_column_status(const struct asof_column *column, size_t row)
{
    return (enum asof_status)(column->statuses == NULL
                                  ? (int)ASOF_STATUS_PRESENT
                                  : column->statuses[row] & ~(int)ASOF_STATUS_NO_VALUE);
}

static inline bool asof_column_has_value(const struct asof_column *column, size_t row)
{
    return column->statuses == NULL || (column->statuses[row] & ASOF_STATUS_NO_VALUE) == 0;
}

/* ---- pushing ---- */

/* Events for one source, or writes to one batch view: as JSON texts or as columns. Everything is
 * copied. A mistake is told by the call that sends it, until the push is reset. */
struct asof_push;

ASOF_API struct asof_push *asof_push_create(const char *source);
ASOF_API void asof_push_destroy(struct asof_push **push);

/* Without events, for the same source and producer. */
ASOF_API void asof_push_reset(struct asof_push *push);

/* One event: a JSON object, not ended by NUL. */
ASOF_API void asof_push_add_json(struct asof_push *push, const char *json, size_t size);

/* One field of all events; a setter called again for a field replaces it. nulls: a byte an event, 1
 * where the field is not there; NULL: it is there in all. ints are also for bools and timestamps,
 * in the field's unit. */
ASOF_API void asof_push_set_strings(struct asof_push *push, const char *field,
                                    const struct asof_bytes *values, const uint8_t *nulls,
                                    size_t count);
ASOF_API void asof_push_set_ints(struct asof_push *push, const char *field, const int64_t *values,
                                 const uint8_t *nulls, size_t count);
ASOF_API void asof_push_set_doubles(struct asof_push *push, const char *field, const double *values,
                                    const uint8_t *nulls, size_t count);

/* The push is that one of a producer of yours: a push whose sequence is not above the last accepted
 * one of the producer changes nothing. For those who repeat pushes across processes: else the
 * client does it by itself. sequence: from 1. "": the client's own again. */
ASOF_API void asof_push_set_producer(struct asof_push *push, const char *producer,
                                     uint64_t sequence);

/* Its message, a PushRequest; as asof_request_message. */
ASOF_API enum asof_code asof_push_message(struct asof_push *push, struct asof_bytes *message,
                                          struct asof_error *error);

/* Pushes: all events are accepted, durably, or none. events: how many were acknowledged; may be
 * NULL. After DEADLINE_EXCEEDED, UNAVAILABLE, UNKNOWN and CANCELLED they may be accepted or not;
 * where that matters, push again with a producer of your own. */
ASOF_API enum asof_code asof_push_send(struct asof_client *client, struct asof_push *push,
                                       const struct asof_call_options *options, uint64_t *events,
                                       struct asof_error *error);

/* ---- any method ---- */

/* Methods and their numbers in the light frame. */
enum asof_method {
    ASOF_METHOD_GET_FEATURES = 1,
    ASOF_METHOD_PUSH = 2,
    ASOF_METHOD_PLAN = 3,
    ASOF_METHOD_APPLY = 4,
    ASOF_METHOD_LIST = 5,
    ASOF_METHOD_DESCRIBE = 6,
    ASOF_METHOD_HEALTH_CHECK = 7,
    ASOF_METHOD_GET_FEATURES_STREAM = 8,
    ASOF_METHOD_PUSH_STREAM = 9,
    ASOF_METHOD_PROMOTE = 10,
    ASOF_METHOD_ROLLBACK = 11,
    ASOF_METHOD_DROP = 12,
    ASOF_METHOD_DIFF = 13,
    ASOF_METHOD_FILLS = 14,
    ASOF_METHOD_ENTITIES = 15,
    ASOF_METHOD_LAG = 16,
    ASOF_METHOD_REPLAY = 17,
    ASOF_METHOD_DEAD_LETTERS = 18,
    ASOF_METHOD_EXPORT_TRAINING = 19,
    ASOF_METHOD_EXPORT_SNAPSHOT = 20,
    ASOF_METHOD_EXPORT_EVENTS = 21,
    ASOF_METHOD_BACKFILL = 22,
    ASOF_METHOD_LIST_JOBS = 23
};

/* A message of the server, owned by who got it. */
struct asof_message;

/* Its bytes; borrowed until it is destroyed. data is not NULL and has a NUL behind it. */
ASOF_API struct asof_bytes asof_message_bytes(const struct asof_message *message);
ASOF_API void asof_message_destroy(struct asof_message **message);

/* Calls a method that has one request and one answer, with a message of your own making. request is
 * borrowed for the call. Sent again only where options say that it is repeatable, or where it never
 * left. */
ASOF_API enum asof_code asof_call(struct asof_client *client, unsigned method,
                                  struct asof_bytes request,
                                  const struct asof_call_options *options,
                                  struct asof_message **response, struct asof_error *error);

/* Takes a GetFeaturesResponse apart. *message is moved into the result with OK, else it stays the
 * caller's. INTERNAL: it is none. */
ASOF_API enum asof_code asof_result_create(struct asof_message **message,
                                           struct asof_result **result, struct asof_error *error);

/* ---- streams ---- */

/* A call with many requests, or many answers, or both, on a connection of its own. Never tried
 * again. */
struct asof_stream;

/* Connects and sends the first request. timeout_ms of options is that of the whole stream: 0 means
 * none here. */
ASOF_API enum asof_code asof_stream_open(struct asof_client *client, unsigned method,
                                         struct asof_bytes request,
                                         const struct asof_call_options *options,
                                         struct asof_stream **stream, struct asof_error *error);

/* Closes it; what goes on at the server is cancelled. */
ASOF_API void asof_stream_destroy(struct asof_stream **stream);

/* Sends a further request. Waits while the server is behind, and takes in what it answers
 * meanwhile. A code other than OK: the stream has ended, for that reason; what had arrived before
 * can still be received. */
ASOF_API enum asof_code asof_stream_send(struct asof_stream *stream, struct asof_bytes request,
                                         struct asof_error *error);

/* No further request follows. Only for methods whose requests are a stream. */
ASOF_API enum asof_code asof_stream_end(struct asof_stream *stream, struct asof_error *error);

enum asof_arrival {
    ASOF_ARRIVAL_MESSAGE, /* the next answer */
    ASOF_ARRIVAL_DONE,    /* that was all */
    ASOF_ARRIVAL_NOTHING, /* not within wait_ms */
    ASOF_ARRIVAL_FAILED   /* the stream has ended: error has code and text */
};

/* Takes the next answer. wait_ms: at most so long; 0: what is there; negative: until the stream's
 * deadline. */
ASOF_API enum asof_arrival asof_stream_receive(struct asof_stream *stream, int wait_ms,
                                               struct asof_message **message,
                                               struct asof_error *error);

/* Ends it with CANCELLED. Any thread, also from a signal handler. */
ASOF_API void asof_stream_cancel(struct asof_stream *stream);

/* FeatureStore.GetFeaturesStream: up to ASOF_ROWS_MAX rows. Its messages are for
 * asof_result_create, each a chunk of whole rows in the order of the request. */
ASOF_API enum asof_code asof_get_stream(struct asof_client *client, struct asof_request *request,
                                        const struct asof_call_options *options,
                                        struct asof_stream **stream, struct asof_error *error);

/* FeatureStore.PushStream: opens it with the first push; asof_stream_push sends the others, each a
 * producer's (asof_push_set_producer) or of none. Each is answered by a message, in its turn, for
 * asof_pushed_events. */
ASOF_API enum asof_code asof_push_stream(struct asof_client *client, struct asof_push *push,
                                         const struct asof_call_options *options,
                                         struct asof_stream **stream, struct asof_error *error);
ASOF_API enum asof_code asof_stream_push(struct asof_stream *stream, struct asof_push *push,
                                         struct asof_error *error);

/* PushResponse.events. INTERNAL: it is none. */
ASOF_API enum asof_code asof_pushed_events(const struct asof_message *message, uint64_t *events,
                                           struct asof_error *error);

/* ---- with an event loop ---- */

/* One connection that never waits, for one thread with a loop: libevent, libuv, asyncio, epoll. It
 * connects by itself, and again when the connection broke; it keeps deadlines and backoff by a
 * timer of its own.
 *
 *     watch asof_async_fd(async) for reading; when it is readable, asof_async_process(async)
 *
 * is all there is to do. A host's name is resolved when it is made, which may wait. */
struct asof_async;

ASOF_API enum asof_code asof_async_create(const char *address, const struct asof_options *options,
                                          struct asof_async **async, struct asof_error *error);

/* Calls under way end with CANCELLED: their callbacks run before it returns. Not from within a
 * callback. */
ASOF_API void asof_async_destroy(struct asof_async **async);

/* Readable when there is something to do. The same descriptor for its whole life; watch it
 * level-triggered, for reading alone. */
ASOF_API int asof_async_fd(const struct asof_async *async);

/* Does what there is to do, and runs callbacks. Call it only on the loop, not from within a
 * callback. */
ASOF_API void asof_async_process(struct asof_async *async);

/* Calls that have not ended. */
ASOF_API size_t asof_async_calls(const struct asof_async *async);

/* Ends a call: exactly once for each, from asof_async_process, asof_async_cancel or
 * asof_async_destroy, never from the function that began it. message is the callback's with OK
 * (destroy it), else NULL. error is borrowed for the call. New calls may be begun, and others
 * cancelled, from within. */
typedef void (*asof_done_fn)(void *context, struct asof_message *message,
                             const struct asof_error *error);

/* Begins a call; request is copied. call: its name, for asof_async_cancel; may be NULL. cancel of
 * options is not used. Sent at the end of asof_async_process when begun in a callback, else at
 * once. RESOURCE_EXHAUSTED: ASOF_CALLS_MAX are under way, or too much waits to be sent; done does
 * not run then. */
ASOF_API enum asof_code asof_async_call(struct asof_async *async, unsigned method,
                                        struct asof_bytes request,
                                        const struct asof_call_options *options, asof_done_fn done,
                                        void *context, uint64_t *call, struct asof_error *error);

/* The same with a request's message, repeatable; its message is for asof_result_create. */
ASOF_API enum asof_code asof_async_get(struct asof_async *async, struct asof_request *request,
                                       const struct asof_call_options *options, asof_done_fn done,
                                       void *context, uint64_t *call, struct asof_error *error);

/* The same with a push. Repeatable where it has a producer. */
ASOF_API enum asof_code asof_async_push(struct asof_async *async, struct asof_push *push,
                                        const struct asof_call_options *options, asof_done_fn done,
                                        void *context, uint64_t *call, struct asof_error *error);

/* Ends the call with CANCELLED. Harmless where it has ended. */
ASOF_API void asof_async_cancel(struct asof_async *async, uint64_t call);

#ifdef __cplusplus
}
#endif

#endif
