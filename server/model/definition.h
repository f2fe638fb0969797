/* Definition: what an engineer registers, parsed and resolved. Plain data, immutable once made; all
 * memory belongs to the arena of whoever made it (a registry snapshot).
 *
 * A view_definition is resolved and stands alone: it repeats what it needs of its source and
 * entity, so that a version goes on computing the same when these change. Thread: any. */
#ifndef ASOF_MODEL_DEFINITION_H
#define ASOF_MODEL_DEFINITION_H

#include <sys/types.h>

#include "base/status.h"
#include "model/value.h"

enum {
    NAME_SIZE_MAX = 64,
    SOURCE_FIELDS_MAX = 256,
    ENTITY_KEYS_MAX = 8,
    VIEW_FEATURES_MAX = 512,
    EXPRESSION_SIZE_MAX = 4096,
    LAST_WINDOW_COUNT_MAX = 1000,
    KAFKA_TOPICS_MAX = 16,      /* of one source */
    KAFKA_TOPIC_SIZE_MAX = 249, /* of a topic's name, as Kafka has it */
    KAFKA_PROPERTIES_MAX = 64,
};

/* How an event writes a timestamp; the value itself is always in microseconds. */
enum time_unit {
    TIME_RFC3339,
    TIME_SECONDS,
    TIME_MILLISECONDS,
    TIME_MICROSECONDS,
    TIME_NANOSECONDS
};

struct field_definition {
    struct bytes name;
    struct type type;
    enum time_unit unit; /* of a timestamp */
};

/* What of a record of Kafka a field holds, by its name: "_key", "_timestamp" (of the broker),
 * "_header.NAME", or (any other name) a member of the value. */
enum record_part { RECORD_MEMBER, RECORD_KEY, RECORD_TIMESTAMP, RECORD_HEADER };

/* description, owner and tags: they mean nothing to a value and make no new version. */
struct annotations {
    struct bytes description; /* empty: none */
    struct bytes owner;       /* empty: none */
    const struct bytes *tags; /* tags_count pairs: key, value, key, value ... */
    size_t tags_count;
};

enum source_clock { CLOCK_WALL, CLOCK_EVENT };
enum durability { DURABILITY_FSYNC, DURABILITY_OS };

#define DURATION_NONE INT64_C(-1) /* no limit was set */

/* Where the first offset of a partition is, which nothing was read of yet. */
enum kafka_start { KAFKA_EARLIEST, KAFKA_LATEST, KAFKA_AT };

/* What becomes of a partition whose next records are not there any more. */
enum kafka_gap { KAFKA_STOP, KAFKA_SKIP };

struct kafka_definition {
    struct bytes brokers; /* "host:port,host:port" */
    const struct bytes *topics;
    size_t topics_count;
    enum kafka_start start;
    int64_t start_us; /* of KAFKA_AT */
    enum kafka_gap on_gap;
    struct bytes group; /* whose offsets are set to ours for tools; empty: none */
    const struct bytes
        *properties; /* properties_count pairs of librdkafka: name, value, name ... */
    size_t properties_count;
};

/* What each write of a batch view brings along, besides its keys and features: its time, and, where
 * true, that all features it does not name are emptied. */
#define WRITES_TIME_FIELD    "event_timestamp"
#define WRITES_DELETED_FIELD "event_deleted"

struct source_definition {
    struct bytes name;
    bool is_writes; /* the writes of the batch view of that name; nobody typed it */
    struct annotations annotations;
    const struct field_definition *fields; /* in the order of the file */
    size_t fields_count;
    size_t event_time_field; /* index into fields */
    ssize_t event_id_field;  /* index into fields, or -1 */
    enum source_clock clock;
    enum durability durability;
    int64_t retention_us;     /* of raw events, or DURATION_NONE: forever */
    int64_t ahead_max_us;     /* or DURATION_NONE */
    int64_t freshness_slo_us; /* an event is to be readable so soon after it was appended, or
                                 DURATION_NONE */
    const struct kafka_definition *kafka; /* NULL: events are pushed, into the embedded log */
    struct bytes letters_topic;           /* dead letters are produced to it, too; empty: to none */
    int64_t letters_retention_us; /* of dead letters, or DURATION_NONE: as long as there is room */
};

struct entity_definition {
    struct bytes name;
    struct annotations annotations;
    const struct bytes *keys; /* names of fields that a source of a view of it must have */
    size_t keys_count;
};

/* How a view's values come about: from windows over events; written as they are; computed when they
 * are read, from features of other views and from what the read brings along. A service is a list
 * of features of other views, and read like a view. */
enum view_kind { VIEW_STREAM, VIEW_BATCH, VIEW_ON_DEMAND, VIEW_SERVICE };

/* Whether its values are those of other views, or are computed of them: it keeps nothing itself. */
static inline bool view_kind_is_derived(enum view_kind kind)
{
    return kind == VIEW_ON_DEMAND || kind == VIEW_SERVICE;
}

/* A feature of another view. */
struct feature_reference {
    struct bytes view;
    uint32_t version; /* 0: the one that is active when it is read */
    struct bytes feature;
};

enum window_kind {
    WINDOW_SLIDING,
    WINDOW_HOPPING,
    WINDOW_TUMBLING,
    WINDOW_SESSION,
    WINDOW_LAST,
    WINDOW_FOREVER
};

struct window {
    enum window_kind kind;
    int64_t size_us;   /* sliding, hopping, tumbling; the gap of a session */
    int64_t step_us;   /* hopping */
    int64_t offset_us; /* tumbling, 0 <= offset < size */
    uint32_t count;    /* last */
};

enum argument_kind {
    ARGUMENT_NONE,       /* count: '*', or `true` for time_since_* and duration */
    ARGUMENT_FIELD,      /* a field by itself: keeps its type */
    ARGUMENT_EXPRESSION, /* SQL; a double unless `type:` says otherwise */
};

struct feature_definition {
    struct bytes name;
    struct annotations annotations;
    struct bytes aggregation; /* "count", "sum", ... */
    enum argument_kind argument_kind;
    struct bytes argument;     /* the field's name or the expression */
    struct type argument_type; /* of the field, or of the expression's result */
    struct bytes where;        /* empty: none */
    struct window window;
    struct type type;       /* of the result */
    const uint32_t *inputs; /* of an on-demand view: inputs_count indexes into its inputs */
    size_t inputs_count;
    struct value default_value; /* of that type; VALUE_NULL: none */
};

struct view_definition {
    struct bytes name;
    enum view_kind kind;
    uint32_t version; /* from 1 */
    struct annotations annotations;
    struct bytes source; /* name */
    struct bytes entity; /* name */
    /* The fields of the source that this view uses (event time, event id, keys, all that its
     * expressions and arguments name), in the source's order. */
    const struct field_definition *fields;
    size_t fields_count;
    size_t event_time_field;  /* index into fields */
    ssize_t event_id_field;   /* index into fields, or -1 */
    const size_t *key_fields; /* keys_count indexes into fields: string or int ones */
    size_t keys_count;
    struct bytes where; /* empty: none */
    int64_t history_us; /* or DURATION_NONE: everything */
    int64_t ttl_us;     /* of a batch view: how long a written value holds, or DURATION_NONE */
    const struct field_definition *request; /* of an on-demand view: what a read brings along */
    size_t request_count;
    /* Of a derived view, what it reads of others: of an on-demand view each once, of a service one
     * a feature. Its fields are these (as they are written), then "request.NAME" of each of
     * request, then its keys; a snapshot of the registry fills them. */
    const struct feature_reference *inputs;
    size_t inputs_count;
    const struct feature_definition *features; /* in the order of the file */
    size_t features_count;
};

enum feature_part { FEATURE_AGGREGATION, FEATURE_ARGUMENT, FEATURE_WINDOW, FEATURE_TYPE };

/* Takes a name that an expression has, in lower case, and the byte where it stands; borrowed for
 * the call. */
typedef enum status (*expression_name_fn)(void *context, struct bytes name, size_t offset,
                                          struct error *err);

/* What the parser of definitions asks of those who compute; filled in by features/. So that
 * registry/ need not know SQL or aggregations. */
struct definition_checks {
    const char *const *aggregation_names; /* ended by NULL */

    /* Checks an SQL expression over fields and sets used[i] for each field that it names (leaves
     * the others). INVALID: err has a sentence, *error_offset the byte of the expression it is
     * about. */
    enum status (*check_expression)(struct bytes expression, const struct field_definition *fields,
                                    size_t fields_count, bool *used, size_t *error_offset,
                                    struct error *err);

    /* Gives every name of a field that the expression has to take, until that refuses one. INVALID:
     * as above, or what take said. */
    enum status (*list_names)(struct bytes expression, expression_name_fn take, void *context,
                              size_t *error_offset, struct error *err);

    /* Checks that aggregation, argument and window fit each other; argument_kind and argument_type
     * are set. Fills feature->type. INVALID: err, and which part of the feature is wrong. */
    enum status (*check_feature)(struct feature_definition *feature, enum feature_part *wrong,
                                 struct error *err);

    /* Checks a property that is passed to Kafka's client; INVALID: err has a sentence. */
    enum status (*check_kafka_property)(struct bytes name, struct bytes value, struct error *err);
};

/* Whether what writes the view is a source of its own, which has its name. */
static inline bool view_has_writes(const struct view_definition *view)
{
    return view->kind == VIEW_BATCH && bytes_equal(view->source, view->name);
}

/* "stream", "batch", "on_demand", as it is typed; "service". */
const char *view_kind_name(enum view_kind kind);

/* Appends as it is typed: "5m", "7d step 1h", "tumbling(1d, offset 6h)", "session(30m)", "last(5)",
 * "forever". */
void window_append_text(const struct window *window, struct buffer *out);

/* Parses what window_append_text writes. INVALID: err says what would be right. */
MUST_USE enum status window_parse(struct bytes text, struct window *out, struct error *err);

/* "[a-z][a-z0-9_]*", at most NAME_SIZE_MAX bytes. */
bool name_is_valid(struct bytes name);

/* The part that a field of that name holds; *header is the name of a header. */
enum record_part record_part_of(struct bytes field, struct bytes *header);

/* A name as above, or one of a part of a record: that of a header has letters, digits, '_', '-',
 * '.'. */
bool field_name_is_valid(struct bytes name);

/* The name of a field's type as it is typed: "decimal(2)", "timestamp_ms". */
const char *field_type_name(const struct field_definition *field, char text[TYPE_TEXT_SIZE]);

/* The field of that name, or -1. */
ssize_t field_find(const struct field_definition *fields, size_t fields_count, struct bytes name);

/* The feature of that name, or -1. */
ssize_t feature_find(const struct view_definition *view, struct bytes name);

#endif
