/* Kafka source: where one source is in each partition of its topics, and what an item of its
 * consumer does to that.
 *
 *     FINDING --found--> READING <--verified, skipped-- GAP
 *        ^                 |  ^                          ^
 *        |   another origin|  |topic is back             |records are gone
 *        +-----------------+  +-- GONE <--topic missing--+ (from READING)
 *
 * 1. An offset below a partition's next one is dropped, and what came by an older assignment, too.
 * 2. Whatever is assigned begins with the last record that was read: only where that is the one
 * that it was is the log believed to be the same. Else the first one decides: it is the same log,
 * cut back (a gap), or another one (a new origin, read from its beginning).
 * 3. Positions are put into the batch that holds the events up to there. After a write that failed
 *    everything is read again from what is stored.
 *
 * Private to stream/. Thread: the one that owns the stream. */
#ifndef ASOF_STREAM_KAFKA_SOURCE_H
#define ASOF_STREAM_KAFKA_SOURCE_H

#include "stream/letter_sender.h"
#include "stream/positions.h"
#include "stream/stream_private.h"

enum partition_state { PARTITION_FINDING, PARTITION_READING, PARTITION_GAP, PARTITION_GONE };
enum partition_check { CHECK_NOTHING, CHECK_LAST, CHECK_FIRST };

struct kafka_partition {
    enum partition_state state;
    enum partition_check check; /* what the next record is to be */
    bool is_moved;              /* its position is to be stored */
    bool is_old;                /* had been read when it was looked at again last */
    uint32_t epoch;             /* of its assignment */
    struct position position;
    int64_t resume; /* where to go on behind a gap, while the first record is checked */
    const struct kafka_item *last_item; /* of this turn, borrowed until its end */
    int64_t ended_mono_us;              /* when its end was seen last; 0: not yet */
    int64_t level_us;                   /* wall time when nothing waited to be read; 0: never yet */
};

struct kafka_topic {
    struct bytes name; /* borrowed from the definition */
    bool is_known;     /* its row is stored or about to be */
    bool is_missing;
    bool is_verified; /* since it was looked at again last, one of its logs was the one that it was
                       */
    struct topic_row row;
    struct kafka_partition *partitions; /* owned */
    size_t partitions_count;
    int64_t suspect_mono_us; /* not to be verified again before this */
};

struct kafka_source {
    uint32_t source_id;
    int64_t created_us;                        /* wall time */
    struct bytes name;                         /* borrowed from the snapshot in force */
    const struct kafka_definition *definition; /* the same */
    struct buffer text;                        /* owned: the definition's, to be compared */
    struct kafka_consumer *consumer;           /* owned; NULL: it could not be started */
    struct letter_sender *sender;              /* owned; NULL: dead letters go to no topic */
    struct error failure;                      /* why */
    int64_t restart_mono_us;                   /* when to try again */
    struct kafka_topic topics[KAFKA_TOPICS_MAX];
    size_t topics_count;
    uint32_t next_origin;
    uint32_t epoch; /* the last that was given */
    bool is_loaded; /* topics are as they are stored */
    bool is_dirty;  /* something is in the open batch */
    int64_t mirror_mono_us;
};

/* A source of that definition, which does not read yet. Owned by the caller. */
struct kafka_source *kafka_source_create(const struct source *source);
/* The same definition in a new snapshot, from which names are borrowed from now on. */
void kafka_source_bind(struct kafka_source *source, const struct source *definition);

void kafka_source_destroy(struct kafka_source **source);

/* Reads what is stored and has it read on from there. IO, CORRUPT: err. */
MUST_USE enum status kafka_source_load(struct stream *stream, struct kafka_source *source,
                                       struct error *err);

/* Does what the item asks for, events go into the open batch. The item lives until the turn ends.
 */
void kafka_source_take(struct stream *stream, struct kafka_source *source,
                       struct source_runtime *runtime, const struct kafka_item *item);

/* Puts the positions that have moved into the open batch. */
void kafka_source_put_positions(struct stream *stream, struct kafka_source *source);

/* Whether every partition was at its end of late: its events are not older than what it has to
 * offer. */
bool kafka_source_is_caught_up(const struct kafka_source *source);

/* Wall time since which a record may wait to be read, looked at now; 0: none does. An idle source
 * has none; one whose broker can't be asked may. */
int64_t kafka_source_waits_since(struct kafka_source *source);

/* Tells brokers how far it is, where a group is named, now and then. */
void kafka_source_mirror(struct kafka_source *source);

const char *partition_state_name(const struct kafka_partition *partition);

#endif
