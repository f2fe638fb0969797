/* Columns: many features of many entities, as one question and one answer.
 * Lifetimes: a question borrows from its request; an answer from the arena it was made in and from
 * the definitions. Thread: any. */
#ifndef ASOF_MODEL_COLUMNS_H
#define ASOF_MODEL_COLUMNS_H

#include "model/answer.h"

enum {
    COLUMNS_FEATURES_MAX = 4096,           /* of one question, `view.*` counted as what it is */
    COLUMNS_ROWS_MAX = 10 * 1000,          /* of one answer, or one chunk of it */
    COLUMNS_STREAM_ROWS_MAX = 1000 * 1000, /* of an answer in chunks */
    COLUMNS_CELLS_MAX = 1000 * 1000,       /* features times rows of one answer */
    COLUMNS_KEYS_MAX = 64,                 /* key columns of one question */
    COLUMNS_SIZE_MAX = 128 * 1024 * 1024,  /* bytes of the texts of one answer */
};

/* Values of one key of the entities, one a row: one of strings and ints is there. */
struct key_column {
    struct bytes name;
    const struct bytes *strings;
    const int64_t *ints;
    size_t count;
};

struct columns_question {
    const struct bytes *features; /* "view.feature", "view@2.feature", "view.*" */
    size_t features_count;
    struct bytes names; /* as the request spells them: of the same bytes, the same; or empty */
    const struct key_column *keys;
    size_t keys_count;
    size_t rows_count;
    const int64_t *at_us; /* at_count of them: 0: now; 1: of all rows; else one a row */
    size_t at_count;
    bool is_exclusive;
    bool has_event_times; /* are asked for */
};

/* One feature of all rows. */
struct column {
    struct bytes view; /* names */
    struct bytes feature;
    size_t view_index; /* into columns.views */
    struct type type;
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
};

#endif
