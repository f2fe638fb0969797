/* Runtime: what the stream made of a registry snapshot, for ingest and fills. Built anew with each
 * snapshot; what outlives one (sequences, clocks) is in struct source_state.
 *
 * Private to stream/. Thread: the one that owns the stream. */
#ifndef ASOF_STREAM_RUNTIME_H
#define ASOF_STREAM_RUNTIME_H

#include "features/features.h"
#include "stream/dead_letter.h"
#include "stream/decoder.h"
#include "stream/fold.h"
#include "stream/log_block.h"
#include "stream/stream.h"

/* What is known of a source besides its definition; stored with each batch that moves it. */
struct source_marks {
    uint64_t next_sequence; /* of its log */
    int64_t newest_us;      /* largest accepted event time, TIME_MIN_US before the first */
};

struct source_state {
    uint32_t source_id;
    struct source_marks committed;
    struct source_marks pending; /* with the open batch; equal to committed when it is empty */
    struct source_time time;     /* committed.newest_us, for readers */
    uint64_t row_writes_count;   /* events of the open batch that row_write.c made */
    struct log_block block;      /* owned: raw events of the open batch */
    bool is_moved;               /* the open batch has something else of it */
    bool is_catching_up;         /* it has old events to offer: horizons stand still */
    struct letter_marks letters_committed;
    struct letter_marks letters; /* with the open batch */
    uint64_t letters_sent;       /* the last one that was produced to the topic of dead letters */
    uint64_t first_sequence;     /* the log holds nothing before this, as far as is known */
};

/* What is stored now: readers see it, too. */
static inline void state_set_committed(struct source_state *state, struct source_marks marks)
{
    state->committed = marks;
    atomic_store_explicit(&state->time.events_total, marks.next_sequence, memory_order_relaxed);
    source_time_move(&state->time, marks.newest_us);
}

/* How a batch view makes a write of an event. All are in the arena, one a feature. */
struct write_input {
    const struct decoder *decoder; /* borrowed: it knows which fields an event names */
    const size_t *features;        /* indexes into the view's fields */
    ssize_t deleted_field;         /* the same, of WRITES_DELETED_FIELD, or -1 */
    struct value *values;          /* scratch */
    bool *is_named;                /* scratch */
};

/* One view version that takes events of a source. */
struct view_input {
    const struct view_version *version; /* borrowed from the snapshot */
    const struct view_definition *view; /* the same */
    struct view_plan *plan;             /* owned */
    struct reducer *reducer;            /* owned */
    size_t *slots;                      /* of the decoder, one a field of the view; in the arena */
    struct fold *fold;                  /* borrowed from the stream; NULL: nothing is ever late */
    bool is_shown;               /* it is what the view's bare name reads, or will read first */
    struct freshness *freshness; /* borrowed from the stream; NULL: another version tells */
    struct value *fields;        /* scratch, one a field of the view; in the arena */
    struct write_input *write;   /* of a batch view, else NULL; in the arena */
};

struct source_runtime {
    const struct source *source; /* borrowed from the snapshot */
    struct decoder *decoder;     /* owned */
    struct source_state *state;  /* borrowed from the stream */
    struct view_input *inputs;   /* in the arena */
    size_t inputs_count;
    size_t writes_count; /* of them those of batch views */
};

struct runtime {
    struct source_runtime *sources; /* in the arena, as many as the snapshot has */
    size_t sources_count;
    struct map *names;   /* owned: source name -> struct source_runtime */
    struct arena *arena; /* owned */
};

/* A place in the embedded log: its sequence. In Kafka: origin, partition, offset; see positions.h.
 * In a file: its number and the row; see file_backfill.h. */
enum { SEQUENCE_SIZE = 8, EVENT_PLACE_SIZE_MAX = 16 };

/* Where an event goes, one view's part of it. */
enum input_result {
    INPUT_TAKEN,
    INPUT_LATE,
    INPUT_NULL_KEY,
    INPUT_FILTERED,
    INPUT_MISMATCHED,
    INPUT_REFUSED,
};

/* Scratch for input_reduce, owned by the stream. */
struct input_scratch {
    struct buffer entity;
    struct buffer identity;
    struct buffer row;
};

/* Gives (or makes) the state of a source. */
typedef enum status (*find_state_fn)(void *context, uint32_t source_id, struct source_state **out,
                                     struct error *err);

/* Builds it. Owned by the caller. INVALID: an expression of a stored definition is not taken any
 * more. LIMIT: a source with too many fields of too many types. Else what find_state says. */
MUST_USE enum status runtime_create(const struct registry *registry, find_state_fn find_state,
                                    void *context, struct runtime **out, struct error *err);
void runtime_destroy(struct runtime **runtime);

struct source_runtime *runtime_find(const struct runtime *runtime, struct bytes source);

/* Reduces a decoded event for one view: leaves entity, identity and row in scratch and the event's
 * time in *time_us. place is what orders and tells apart events without an id: at most
 * EVENT_PLACE_SIZE_MAX bytes. REFUSED: a key or id is too long to be stored (err). */
enum input_result input_reduce(struct view_input *input, const struct decoded_event *event,
                               struct bytes place, struct input_scratch *scratch, int64_t *time_us,
                               struct error *err);

/* Puts what input_reduce left in scratch, TAKEN, into the batch. */
void input_put(const struct view_input *input, struct batch *batch, struct storage *storage,
               const struct input_scratch *scratch, int64_t time_us);

#endif
