/* Command: what `asof` can be asked to do. main.c holds the table of all; a command is one function
 * that gets its parsed options and words, does its work and says how it ended.
 *
 * A command prints its result on standard output and leaves the sentence of a failure in err, which
 * main prints once. Thread: the main one. */
#ifndef ASOF_CLIENT_COMMAND_H
#define ASOF_CLIENT_COMMAND_H

#include <stdint.h>

#include "base/status.h"
#include "option.h"
#include "terminal.h"

/* Settled for scripts: never renumbered. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_UNREACHABLE = 4,
};

struct options {
    /* of every command */
    const char *server;
    bool is_json;
    bool is_help;
    /* of some */
    bool is_no_wait;
    bool is_promoting;
    bool is_forced;
    int64_t sample;
    const char *match;
    const char *data;
    bool is_dry_run;
    const char *features;
    const char *at;
    const char *from;
    const char *to;
    const char *until;
    struct option_texts from_files;
    const char *labels;
    const char *labels_format;
    const char *service;
    const char *time_column;
    const char *memory;
    const char *out;
    bool is_on_server;
    bool is_full_names;
    bool has_statuses;
    const char *partition_by;
    int64_t hash_buckets;
    bool is_exclusive;
    struct option_texts set; /* "amount=12.5" each */
    bool is_lineage;
    bool is_mermaid;
    const char *format;
    const char *rejects;
    int64_t batch_events;
    int64_t in_flight;
    int64_t retry_s;
    bool is_watch;
    bool is_retry;
    bool is_drop;
    bool is_export;
    const char *letter; /* an id, as it was typed */
};

struct run {
    const struct options *options;
    const char *const *words; /* what is no option, behind the command's name */
    size_t words_count;
    struct terminal out;
    struct terminal err;
};

typedef enum exit_code (*command_fn)(const struct run *run, struct error *err);

struct command {
    const char *name;
    const char *words;   /* as the usage line shows them: "VIEW ENTITY..." */
    const char *summary; /* one line */
    const char *text;    /* what --help says beyond the options */
    const char *examples;
    size_t words_min;
    size_t words_max;
    struct option_table options; /* its own */
    command_fn run;
};

/* The command of that name; NULL: none, err says which is near. */
const struct command *command_find(const char *name, struct error *err);

/* How a failure of the work below a command ends the process. */
enum exit_code exit_of(enum status status);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum exit_code command_apply(const struct run *run, struct error *err);
enum exit_code command_diff(const struct run *run, struct error *err);
enum exit_code command_drop(const struct run *run, struct error *err);
enum exit_code command_migrate(const struct run *run, struct error *err);
enum exit_code command_promote(const struct run *run, struct error *err);
enum exit_code command_rollback(const struct run *run, struct error *err);
enum exit_code command_plan(const struct run *run, struct error *err);
enum exit_code command_list(const struct run *run, struct error *err);
enum exit_code command_describe(const struct run *run, struct error *err);
enum exit_code command_backfill(const struct run *run, struct error *err);
enum exit_code command_export(const struct run *run, struct error *err);
enum exit_code command_entities(const struct run *run, struct error *err);
enum exit_code command_get(const struct run *run, struct error *err);
enum exit_code command_push(const struct run *run, struct error *err);

enum exit_code command_lag(const struct run *run, struct error *err);
enum exit_code command_replay(const struct run *run, struct error *err);
enum exit_code command_dlq(const struct run *run, struct error *err);

enum exit_code command_help(const struct run *run, struct error *err);
enum exit_code command_version(const struct run *run, struct error *err);

extern const struct command command_table[];
extern const size_t command_table_count;

/* The options that every command has. */
extern const struct option_table command_common_options;

#endif
