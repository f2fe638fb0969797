/* Stream: the one writer. Events from the embedded log's doors become rows of timelines, each
 * exactly once; definitions become versions, filled from the log. The life of an event is told in
 * ingest.c.
 *
 * 1. An event is accepted when its batch was committed, never before. When the write of a batch
 *    fails (IO) it is not known whether its events are there, until the database was opened again.
 * 2. A push is accepted whole or not at all.
 * 3. What was acknowledged survives kill -9 (durability os) and power loss (durability fsync).
 *
 * Thread: the one that owns it. */
#ifndef ASOF_STREAM_STREAM_H
#define ASOF_STREAM_STREAM_H

#include "base/arena.h"
#include "base/buffer.h"
#include "model/answer.h"
#include "model/freshness.h"
#include "model/source_time.h"
#include "registry/registry.h"
#include "storage/storage.h"

enum {
    PUSH_EVENTS_MAX = 100 * 1000, /* of one call */
    EVENT_SIZE_MAX = 1024 * 1024, /* of one event's text */
    EVENT_DEPTH_MAX = 64,         /* of nested JSON */
    EVENT_KEYS_MAX = 1024,        /* of one event's object */
    BATCH_SIZE_MAX =
        32 * 1024 * 1024, /* rows and raw events of one commit: push says AGAIN beyond */
    BATCH_PUT_SIZE_MAX = 512 * 1024 * 1024, /* rows: a push that would pass it is refused */
};

struct stream;

/* Is told of each new snapshot; the old one is freed when it returns. */
typedef void (*registry_changed_fn)(void *context, struct stream *stream,
                                    const struct registry *registry);

/* Loads definitions and the state of sources from storage (borrowed for its life), and goes on with
 * fills that a stop interrupted. Calls changed once before it returns. Owned by the caller. */
MUST_USE enum status stream_open(struct storage *storage, registry_changed_fn changed,
                                 void *context, struct stream **out, struct error *err);

/* Drops what is not committed. Accepts NULL and leaves NULL behind. */
void stream_close(struct stream **stream);

/* The snapshot in force; borrowed until the next apply or step. */
const struct registry *stream_registry(const struct stream *stream);

/* Where the time of a source of the snapshot in force is; good for the stream's life. */
const struct source_time *stream_find_time(void *stream, struct bytes source);

/* The freshness of a view; good for the stream's life. */
const struct freshness *stream_find_freshness(struct stream *stream, struct bytes view);

enum event_format {
    EVENT_JSON,  /* text is a JSON object */
    EVENT_PAIRS, /* pairs of field name and text, as XADD brings them */
};

struct kafka_header;

/* What a record of Kafka has beside its value. */
struct event_record {
    struct bytes key;                   /* data is NULL where there is none */
    int64_t timestamp_ms;               /* -1: there is none */
    const struct kafka_header *headers; /* headers_count of them */
    size_t headers_count;
};

struct push_event {
    const struct event_record *record; /* NULL: it was pushed */
    enum event_format format;
    struct bytes text;         /* EVENT_JSON */
    const struct bytes *pairs; /* EVENT_PAIRS: pairs_count times name and text */
    size_t pairs_count;
};

struct push {
    struct bytes source; /* name */
    const struct push_event *events;
    size_t events_count;
    /* A producer that repeats its last push after a broken connection counts once: a push whose
     * sequence is not above the last accepted one of that producer is acknowledged without effect.
     */
    struct bytes producer; /* empty: none; at most NAME_SIZE_MAX bytes */
    uint64_t producer_sequence;
};

struct push_result {
    size_t events_count;    /* acknowledged after the commit, duplicates too */
    uint64_t last_sequence; /* of the last event in the source's log */
    int64_t last_time_us;   /* its event time */
};

/* Decodes and adds the push to the open batch; everything is copied. What it returns must not be
 * told to anybody before stream_commit returned OK.
 * NOT_FOUND: no such source. INVALID: err is "event 3: ..." (from 1), nothing of the push is taken.
 * LIMIT: too many or too long. AGAIN: commit first, then push again. */
MUST_USE enum status stream_push(struct stream *stream, const struct push *push,
                                 struct push_result *result, struct error *err);

/* ---- batch views ---- */

enum row_change {
    ROW_SET,    /* these features get these values */
    ROW_EMPTY,  /* these features are emptied */
    ROW_DELETE, /* all features are emptied */
};

/* A write of one entity of a batch view, by its key. */
struct row_write {
    struct bytes key; /* "view:entity" */
    enum row_change change;
    const struct bytes
        *fields; /* fields_count names of features; ROW_SET: each with a text behind */
    size_t fields_count;
    struct moment moment; /* when it happens: now, or at a T */
};

/* The batch view of a key, and the key's entity as a text. NOT_FOUND: outside all views. INVALID:
 * no batch view, or one that takes its writes elsewhere, or no entity of it; err says what to do.
 */
MUST_USE enum status stream_find_batch_view(const struct stream *stream, struct bytes key,
                                            const struct view_definition **view,
                                            struct bytes *entity, struct error *err);

/* Adds the writes to the open batch, as stream_push. changed_count: features that ROW_SET gave a
 * value that had none, or that ROW_EMPTY took one from; entities that ROW_DELETE found. Keys
 * outside all views are passed over. LIMIT, INVALID: nothing is taken of a call with one write.
 * AGAIN: commit first, nothing is taken. IO, CORRUPT: what is stored can't be read. */
MUST_USE enum status stream_write_rows(struct stream *stream, const struct row_write *writes,
                                       size_t count, struct arena *arena, size_t *changed_count,
                                       struct error *err);

/* Whether there is something to commit. */
bool stream_is_dirty(const struct stream *stream);

/* Writes the open batch at once and syncs it where a source in it says fsync. On failure the batch
 * is empty; UNAVAILABLE: nothing of it is accepted; IO: that is not known. */
MUST_USE enum status stream_commit(struct stream *stream, struct error *err);

/* Plans the files against the snapshot; changes nothing. */
MUST_USE enum status stream_plan(struct stream *stream, const struct definition_file *files,
                                 size_t files_count, struct arena *arena,
                                 struct registry_plan *plan, struct error *err);

/* The same and does it, durably; commits the open batch first. New versions without events to read
 * are live when it returns; the others are filled by stream_step. The first version of a view
 * becomes active by itself once it is filled; later ones do where is_promoting. */
MUST_USE enum status stream_apply(struct stream *stream, const struct definition_file *files,
                                  size_t files_count, bool is_promoting, struct arena *arena,
                                  struct registry_plan *plan, struct error *err);

/* What a fill from a source's log has to read. */
struct backfill {
    uint64_t events_count;
    uint64_t size_bytes; /* of the texts, about */
    int64_t from_us; /* by the source's clock, when the oldest of them came; where there are some */
};

/* What a version that is made now would read, of its log or of Kafka, whose bytes are not known: 0.
 * NOT_FOUND: no such source. IO, CORRUPT: err. */
MUST_USE enum status stream_find_backfill(struct stream *stream, struct bytes source,
                                          struct backfill *backfill, struct error *err);

/* ---- versions: as registry.h says of each; durably, in one batch, and then readers see it at
 * once. The open batch is committed first. ---- */

MUST_USE enum status stream_promote(struct stream *stream, struct bytes view, uint32_t number,
                                    bool is_forced, struct error *err);
MUST_USE enum status stream_rollback(struct stream *stream, struct bytes view, uint32_t *number,
                                     struct error *err);

/* Nobody reads or writes the version when this returns; stream_step gives its space back. */
MUST_USE enum status stream_drop(struct stream *stream, struct bytes view, uint32_t number,
                                 struct error *err);

/* How far a filling version is. */
struct fill_progress {
    struct bytes view;
    uint32_t version;
    uint64_t events_done;
    uint64_t events_total; /* in the log when it was asked */
};

/* The fills that are not done: writes at most progress_max of them, returns how many. */
size_t stream_fills(const struct stream *stream, struct fill_progress *progress,
                    size_t progress_max);

/* Does a bounded piece of the oldest fill, and one of taking out what is beyond a view's history.
 * Returns whether there is more to do at once. A failure is logged and tried again later. */
bool stream_step(struct stream *stream);

/* Deletes raw events beyond their source's retention; a bounded piece. Call it now and then. */
void stream_trim(struct stream *stream);

/* ---- Kafka ---- */

/* Begins to read the sources that have a `kafka:`, and from then on all that definitions bring;
 * stream_step takes what came. wake is called on other threads when there is something. */
typedef void (*stream_wake_fn)(void *context);
void stream_start_kafka(struct stream *stream, stream_wake_fn wake, void *context);

/* Ends it and waits for that, seconds at most; wake is not called any more. */
void stream_stop_kafka(struct stream *stream);

/* Gives the views of a source that reads Kafka new versions of the same meaning, which are filled
 * from all records since from_us, by the brokers' times (TIME_MIN_US: all that there are); commits
 * the open batch first. What the plan says is in the arena. Errors as registry_plan_replay and
 * stream_apply. */
MUST_USE enum status stream_replay(struct stream *stream, struct bytes source, int64_t from_us,
                                   bool is_promoting, struct arena *arena,
                                   struct registry_plan *plan, struct error *err);

/* Appends as JSON how far each partition is, of one source or (empty) of all. NOT_FOUND: err. */
MUST_USE enum status stream_append_lag(struct stream *stream, struct bytes source,
                                       struct buffer *out, struct error *err);

/* Which dead letters. */
struct letter_choice {
    const uint64_t *ids; /* ids_count of them; 0: all, in the order in which they came, */
    size_t ids_count;
    uint64_t after;   /* behind this id, */
    size_t count_max; /* so many at most */
    bool is_full;     /* of a list: keys, headers and values, too */
};

struct letter_result {
    size_t done_count;
    size_t failed_count; /* refused again */
    uint64_t last;       /* the last one that was looked at; 0: none */
    bool has_more;       /* behind it */
};

/* Appends JSON: counts of the source's dead letters, and the chosen ones. NOT_FOUND: no such source
 * or letter. IO, CORRUPT: err. */
MUST_USE enum status stream_list_letters(struct stream *stream, struct bytes source,
                                         const struct letter_choice *choice, struct buffer *out,
                                         struct error *err);

/* Deletes the chosen ones, or takes them again as events and deletes those that are taken: in the
 * open batch. AGAIN: commit first. Else as above; what was done before it failed stays done. */
MUST_USE enum status stream_drop_letters(struct stream *stream, struct bytes source,
                                         const struct letter_choice *choice,
                                         struct letter_result *result, struct error *err);
MUST_USE enum status stream_retry_letters(struct stream *stream, struct bytes source,
                                          const struct letter_choice *choice,
                                          struct letter_result *result, struct error *err);

#define STREAM_COUNTERS(X)                                                                         \
    X(events_accepted_total, "Events accepted, duplicates too.")                                   \
    X(events_refused_total, "Events of refused pushes that were named in the refusal.")            \
    X(events_null_key_total, "Events skipped by a view because a key of its entity was NULL.")     \
    X(events_late_total, "Events skipped by a view because they lay at or before its horizon.")    \
    X(events_folded_total, "Events taken out of timelines because no history reaches them.")       \
    X(fold_passes_total, "Passes over a view's timelines that took them out.")                     \
    X(events_backfilled_total, "Rows of files that backfills took as events.")                     \
    X(events_filtered_total, "Events that a view's where did not take.")                           \
    X(row_writes_total, "Writes of one entity of a batch view: HSET, ASOF.SET, HDEL, DEL.")        \
    X(events_mismatched_total, "Events that an older version of a view can't decode.")             \
    X(batches_committed_total, "Write batches committed.")                                         \
    X(pushes_repeated_total, "Pushes acknowledged again for a producer that repeated them.")       \
    X(partials_built_total, "Partials of chunks of time that were made.")                          \
    X(dead_letters_total, "Records of Kafka that were put with the dead letters.")                 \
    X(dead_letters_evicted_total, "Dead letters that made room for newer ones.")                   \
    X(dead_letters_expired_total, "Dead letters that were older than their source keeps them.")    \
    X(dead_letters_produced_total, "Dead letters that were produced to the topic for them.")       \
    X(dead_letters_unsent_total,                                                                   \
      "Dead letters that were not produced to their topic: too old, too large, or made room.")     \
    X(kafka_gaps_total, "Times that records of Kafka were gone before they were read.")            \
    X(kafka_lost_total, "Records that were skipped as they were gone (on_gap: skip).")             \
    X(kafka_origins_total, "Topics that were found deleted and created again.")

struct stream_counters {
#define STREAM_COUNTER_FIELD(name, help) uint64_t name;
    STREAM_COUNTERS(STREAM_COUNTER_FIELD)
#undef STREAM_COUNTER_FIELD
};

const struct stream_counters *stream_counters(const struct stream *stream);

#endif
