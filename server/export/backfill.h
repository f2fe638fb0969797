/* Backfill: history of a view from files. What takes the rows is the stream's, and comes by a table
 * of functions, as export and stream know nothing of each other. See docs/backfill.md.
 *
 * Private to export/, but for the spec and the taker. Thread: export's. */
#ifndef ASOF_EXPORT_BACKFILL_H
#define ASOF_EXPORT_BACKFILL_H

#include "export/export.h"
#include "model/definition.h"

enum { BACKFILL_FILES_MAX = 1000 }; /* of one job */

struct backfill_input {
    struct bytes name; /* for messages */
    int descriptor;    /* borrowed until the job is done */
    enum export_format format;
};

struct backfill_spec {
    struct bytes view; /* "view": its newest version; "view@2" */
    bool has_until;    /* rows at or behind until_us are not taken */
    int64_t until_us;
    const struct backfill_input *inputs;
    size_t inputs_count;
};

struct backfill_start {
    struct bytes view;
    uint32_t version; /* 0: the newest */
    bool has_until;
    int64_t until_us;
    const char *spool; /* a directory */
    size_t memory_bytes;
};

/* How it went with a file. */
struct backfill_tally {
    uint64_t rows;
    uint64_t taken; /* as events of the view */
};

/* What takes rows: see stream/file_backfill.h, whose functions these stand for. All but begin are
 * given what begin made. */
struct backfill_taker {
    enum status (*begin)(void *context, const struct backfill_start *start, void **backfill,
                         struct error *err);
    void (*end)(void *backfill);
    const struct view_definition *(*view)(const void *backfill);
    enum status (*begin_file)(void *backfill, const uint64_t hash[2], uint64_t size_bytes,
                              bool *is_known, struct error *err);
    enum status (*take)(void *backfill, const struct value *values, struct error *err);
    enum status (*take_json)(void *backfill, struct bytes text, struct error *err);
    enum status (*finish_file)(void *backfill, struct error *err);
    /* AGAIN: to be called again a moment later. */
    enum status (*commit_file)(void *backfill, struct error *err);
    struct backfill_tally (*tally)(const void *backfill);
};

/* Of the table in jobs.c. */
MUST_USE enum status backfill_run(struct export_job *job, struct error *err);

#endif
