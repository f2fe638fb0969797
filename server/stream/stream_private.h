/* What the files of stream/ share: the writer itself. Private to stream/. */
#ifndef ASOF_STREAM_STREAM_PRIVATE_H
#define ASOF_STREAM_STREAM_PRIVATE_H

#include "stream/arrivals.h"
#include "stream/runtime.h"

enum {
    SOURCES_MAX = 1000,
    PENDING_PRODUCERS_MAX = 1024, /* of one batch: push says AGAIN when it is passed */
    STREAM_CHUNK_SIZE = 64 * 1024,
    PRODUCER_ROW_SIZE = 16, /* "producer/SOURCE/NAME": last sequence, wall time of it; big-endian */
};

/* A producer's push in the open batch. */
struct pending_producer {
    struct bytes row_key; /* in batch_arena */
    uint64_t sequence;
};

/* The fill under way, since this process works on it. */
struct fill_work {
    uint32_t table_id;
    uint64_t until_sequence; /* the version took all events behind this as they came */
    /* What could not be read; told when it is done. */
    uint64_t mismatched; /* events that do not fit the definition */
    uint64_t expired;    /* events beyond the source's retention */
};

/* Versions that are promoted as soon as that does no harm. */
struct waiting {
    bool is_to_look;       /* definitions changed since it was looked for them */
    int64_t retry_mono_us; /* after a failed step: not before this */
};

/* The version whose space is being given back. */
struct drop {
    uint32_t table_id;
    struct buffer position; /* owned: see storage_drop_table */
    int64_t retry_mono_us;  /* after a failed step: not before this */
};

struct stream {
    struct storage *storage; /* borrowed */
    registry_changed_fn changed;
    void *changed_context;       /* borrowed */
    struct registry *registry;   /* owned: the snapshot in force */
    struct runtime *runtime;     /* owned: made of it */
    struct source_state *states; /* owned: SOURCES_MAX of them, so that pointers stay */
    size_t states_count;
    struct batch *batch;       /* owned: the open batch */
    struct arena *batch_arena; /* owned: until the commit */
    struct arena *event_arena; /* owned: until the next event */
    struct pending_producer producers[PENDING_PRODUCERS_MAX];
    size_t producers_count;
    struct arrivals arrivals;      /* owned: of the open batch */
    int64_t pushed_us;             /* wall time of the push at hand */
    struct map *written_rows;      /* owned: entities that row writes of the open batch wrote */
    struct input_scratch scratch;  /* owned */
    struct condensing *condensing; /* owned */
    struct batch *fill_batch;      /* owned: of the fill's or fold's step at hand */
    struct fold **folds;           /* owned, as each of them: folds_count of them */
    size_t folds_count;
    int64_t fold_look_mono_us;    /* passes are looked for no earlier */
    int64_t fold_busy_mono_us;    /* while events are pushed, the next piece is no earlier */
    uint64_t fold_accepted_total; /* events that were accepted before the last piece */
    int64_t fill_retry_mono_us;   /* after a failed step: not before this */
    struct waiting waiting;
    struct drop drop;
    struct fill_work fill_work;
    int64_t fill_busy_mono_us;     /* while events are pushed, the next piece is no earlier */
    uint64_t fill_accepted_total;  /* events that were accepted before the last piece */
    int64_t letters_mono_us;       /* when old dead letters are looked for next */
    int64_t expiry_mono_us;        /* when old producers are looked for next */
    struct intake *intake;         /* owned; NULL: Kafka is not read */
    struct kafka_fill *kafka_fill; /* owned; NULL: none is under way */
    struct file_backfill *file_backfills; /* borrowed: those under way; see file_backfill.h */
    uint64_t backfilled_files;            /* begun by this process: what tells their sorts apart */
    uint64_t generation;                  /* of the storage that the states were read from */
    struct stream_counters counters;
};

/* The state of a source, read from storage or made when it is new. LIMIT: too many sources. IO,
 * CORRUPT: it can't be read. */
MUST_USE enum status stream_find_state(void *stream, uint32_t source_id, struct source_state **out,
                                       struct error *err);

/* Decodes an event, or a record without a value that deletes, and checks what the source itself
 * asks of each; takes its time. INVALID: why and err say the reason. */
MUST_USE enum status ingest_decode(struct stream *stream, struct source_runtime *source,
                                   const struct push_event *text, struct decoded_event *event,
                                   int64_t *time_us, enum refusal *why, struct error *err);

/* Decodes an event and puts it into the open batch for each view that takes it; place is as
 * input_reduce takes it. Moves the source's pending newest time. INVALID, LIMIT: it is refused, why
 * and err say the reason; what was put of it is still in the batch, to be undone to a mark. */
MUST_USE enum status ingest_event(struct stream *stream, struct source_runtime *source,
                                  const struct push_event *text, struct bytes place,
                                  int64_t *time_us, enum refusal *why, struct error *err);

/* The same of a record of Kafka, of which nothing is left in the batch when it is refused. false:
 * it is. */
MUST_USE bool ingest_record(struct stream *stream, struct source_runtime *source,
                            const struct push_event *text, struct bytes place, enum refusal *why,
                            struct error *err);

/* stream_push, but for what makes it say AGAIN, of a source that is known. */
MUST_USE enum status ingest_push(struct stream *stream, struct source_runtime *source,
                                 const struct push *push, struct push_result *result,
                                 struct error *err);

/* Whether the open batch must be committed before more can join it. */
bool ingest_is_full(const struct stream *stream);

/* Puts the marks of a source into the batch. */
void stream_put_marks(struct stream *stream, struct batch *batch, uint32_t source_id,
                      const struct source_marks *marks);

/* The open batch has something of the source. */
void stream_mark_moved(struct stream *stream, uint32_t source_id);

/* Makes sure that what is remembered is what is stored. Before anything is built on it. */
MUST_USE enum status stream_prepare(struct stream *stream, struct error *err);

/* Loads all definition rows into a snapshot that is owned by the caller. CORRUPT, IO: err. */
MUST_USE enum status stream_load_registry(struct stream *stream, struct registry **out,
                                          struct error *err);

/* Loads all definition rows into a new snapshot and makes it the one in force. */
MUST_USE enum status stream_reload(struct stream *stream, struct error *err);

/* Writes the rows durably and makes the snapshot with them the one in force; everything that can be
 * wrong with that is found before they are written. */
MUST_USE enum status stream_write_definitions(struct stream *stream,
                                              const struct registry_plan *plan, struct error *err);

/* Does a bounded piece of the oldest fill, as stream_step. */
bool fill_step(struct stream *stream);

/* Promotes all that was to be promoted and now can be. IO, UNAVAILABLE: err. */
MUST_USE enum status versions_promote_waiting(struct stream *stream, struct error *err);

/* The same, as stream_step. */
void waiting_step(struct stream *stream);

/* Does a bounded piece of giving back the space of a version that is being dropped, as stream_step.
 */
bool drop_step(struct stream *stream);

/* What makes partials. Owned by the caller. */
struct condensing *condensing_create(void);
void condensing_destroy(struct condensing **condensing);

/* Makes some partials of an entity that wants them, as stream_step. The open batch is empty. */
bool condensing_step(struct stream *stream);

/* Makes all filling versions whose source has no events live, at once. */
MUST_USE enum status stream_finish_empty_fills(struct stream *stream, struct error *err);

#endif
