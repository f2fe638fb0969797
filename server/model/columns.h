/* Columns: many features of many entities, as one question and one answer.
 * Lifetimes: a question borrows from its request; an answer from the arena it was made in and from
 * the definitions. Thread: any. */
#ifndef ASOF_MODEL_COLUMNS_H
#define ASOF_MODEL_COLUMNS_H

#include "base/buffer.h"
#include "base/number.h"
#include "model/answer.h"

enum {
    COLUMNS_FEATURES_MAX = 4096,           /* of one question, `view.*` counted as what it is */
    COLUMNS_ROWS_MAX = 10 * 1000,          /* of one answer, or one chunk of it */
    COLUMNS_STREAM_ROWS_MAX = 1000 * 1000, /* of an answer in chunks */
    COLUMNS_CELLS_MAX = 1000 * 1000,       /* features times rows of one answer */
    COLUMNS_KEYS_MAX = 64,                 /* key columns of one question */
    COLUMNS_REQUEST_MAX = 64,              /* request columns of one question */
    COLUMNS_SIZE_MAX = 128 * 1024 * 1024,  /* bytes of the texts of one answer */
};

/* Values of one key of the entities, one a row: one of strings and ints is there. */
struct key_column {
    struct bytes name;
    const struct bytes *strings;
    const int64_t *ints;
    size_t count;
};

/* Names of features as a request spells them, all in one piece: of the same bytes, they are the
 * same. */
struct columns_names {
    struct bytes bytes;
    const struct bytes *features;
    size_t count;
};

struct column;

/* Appends what an answer has before the values of a column. */
typedef void (*column_head_fn)(const struct column *column, struct buffer *out);

/* Values of which the type is known elsewhere: one of the three lists is there. Of a question's
 * request: one for all rows, or one a row. */
struct value_column {
    struct bytes name;
    const struct bytes *strings;
    const int64_t *ints;
    const double *doubles;
    struct bytes nulls; /* a byte a value, not 0 where it is NULL; empty: none is */
    size_t count;
};

/* The value of the row as a text, borrowed from the column or from scratch. false: it is NULL. */
bool value_column_text(const struct value_column *column, size_t row,
                       char scratch[NUMBER_TEXT_SIZE], struct bytes *text);

struct columns_question {
    const struct bytes *features; /* "view.feature", "view@2.feature", "view.*" */
    size_t features_count;
    struct bytes names;         /* see columns_names; empty: they are not in one piece */
    column_head_fn append_head; /* makes column.head; NULL: nothing does */
    const struct key_column *keys;
    size_t keys_count;
    size_t rows_count;
    const int64_t *at_us; /* at_count of them: 0: now; 1: of all rows; else one a row */
    size_t at_count;
    const struct value_column *request;
    size_t request_count;
    bool is_exclusive;
    bool has_event_times;     /* are asked for */
    bool is_without_statuses; /* but where values are NULL */
};

/* One feature of all rows. */
struct column {
    struct bytes view; /* names */
    struct bytes feature;
    size_t view_index; /* into columns.views */
    struct type type;
    struct bytes head;             /* as append_head wrote it; or empty */
    struct value *values;          /* one a row; VALUE_NULL and VALUE_OVERFLOW: there is none */
    enum feature_status *statuses; /* one a row */
};

/* A version of a view that was read. */
struct columns_view {
    struct bytes name;
    uint32_t version;
    const int64_t *at_us; /* at_count of them: the T that was asked, of all rows or one a row */
    size_t at_count;
    int64_t *event_times_us; /* one a row, COLUMNS_NO_EVENT_TIME where not found; NULL: not asked */
};

#define COLUMNS_NO_EVENT_TIME INT64_MIN

struct columns {
    size_t rows_count;
    const struct column *columns; /* in the order of the question */
    size_t columns_count;
    const struct columns_view *views;
    size_t views_count;
    bool is_without_statuses; /* as the question */
};

#endif
