/* The table of commands and of their options: what --help shows and what parsing accepts. */
#include "command.h"

#include <stddef.h>
#include <stdint.h>

#include "base/suggest.h"
#include "pusher.h"

enum { SAMPLE_PRESET = 1000, SAMPLE_MAX = 1000 * 1000, HASH_BUCKETS_MAX = 1024 };

enum { BATCH_EVENTS_PRESET = 1000, IN_FLIGHT_PRESET = 4, RETRY_S_PRESET = 60, RETRY_S_MAX = 86400 };

#define FLAG(option_name, field, text)                                                             \
    {                                                                                              \
        .name = (option_name), .kind = OPTION_FLAG, .offset = offsetof(struct options, field),     \
        .help = (text)                                                                             \
    }
#define TEXT(option_name, value_name, field, text)                                                 \
    {                                                                                              \
        .name = (option_name), .value = (value_name), .kind = OPTION_TEXT,                         \
        .offset = offsetof(struct options, field), .help = (text)                                  \
    }
#define TEXTS(option_name, value_name, field, text)                                                \
    {                                                                                              \
        .name = (option_name), .value = (value_name), .kind = OPTION_TEXTS,                        \
        .offset = offsetof(struct options, field), .help = (text)                                  \
    }
#define NUMBER(option_name, value_name, field, low, high, usual, text)                             \
    {                                                                                              \
        .name = (option_name), .value = (value_name), .kind = OPTION_NUMBER,                       \
        .offset = offsetof(struct options, field), .minimum = (low), .maximum = (high),            \
        .preset = (usual), .help = (text)                                                          \
    }
#define TABLE(rows)                                                                                \
    {                                                                                              \
        .options = (rows), .count = sizeof(rows) / sizeof((rows)[0])                               \
    }

static const struct option common_options[] = {
    TEXT("server", "HOST:PORT", server,
         "the server's RPC port (else ASOF_SERVER, else 127.0.0.1:6391)"),
    FLAG("json", is_json, "print JSON, for programs"),
    FLAG("help", is_help, "print this"),
};

static const struct option apply_options[] = {
    FLAG("no-wait", is_no_wait, "don't wait until new versions are filled"),
    FLAG("promote", is_promoting, "new versions become active by themselves when they are filled"),
};

static const struct option promote_options[] = {
    FLAG("force", is_forced, "also one that is still being filled"),
};

static const struct option diff_options[] = {
    NUMBER("sample", "N", sample, 1, SAMPLE_MAX, SAMPLE_PRESET, "entities to compare"),
    TEXT("at", "T", at, "as of T: now, RFC 3339, or microseconds since 1970"),
};

static const struct option entities_options[] = {
    TEXT("match", "GLOB", match, "only those that match: * ? [a-z] \\x"),
};

static const struct option export_options[] = {
    TEXT("out", "FILE", out, "where it goes, - for standard output; the format is by its suffix"),
    TEXT("format", "FORMAT", format, "parquet, csv or ndjson"),
    FLAG("on-server", is_on_server, "--out is a path on the server, in one of its --export-dirs"),
    FLAG("statuses", has_statuses, "a column NAME__status for each feature"),
    TEXT("labels", "FILE", labels, "of training: Parquet, CSV or NDJSON; - with --labels-format"),
    TEXT("labels-format", "FORMAT", labels_format, "of training: parquet, csv or ndjson"),
    TEXT("service", "NAME", service, "of training: the features of a service"),
    TEXT("features", "V.F,...", features,
         "of training: these: view.feature, view@2.feature, view.*"),
    TEXT("time-column", "NAME", time_column, "of training: T of each label (event_timestamp)"),
    FLAG("exclusive", is_exclusive, "of training: without the events at T itself"),
    FLAG("full-names", is_full_names, "of training: columns are named view__feature"),
    TEXT("memory", "SIZE", memory, "of training: at most so much; the rest goes to disk"),
    TEXT("at", "T", at, "of snapshot: as of T: now, RFC 3339, or microseconds since 1970"),
    TEXT("partition-by", "A,B", partition_by, "of snapshot: Hive partitions by these columns"),
    NUMBER("hash-buckets", "N", hash_buckets, 0, HASH_BUCKETS_MAX, 0,
           "of snapshot: partitions by the hash of the entity"),
    TEXT("from", "T", from, "of events: those from T on"),
    TEXT("to", "T", to, "of events: those before T"),
};

static const struct option backfill_options[] = {
    TEXTS("from", "FILE...", from_files, "Parquet, CSV or NDJSON, with the fields of the source"),
    TEXT("until", "T", until, "only rows before T, from which on the stream has them"),
    FLAG("on-server", is_on_server, "the files are the server's, in one of its --export-dirs"),
};

static const struct option migrate_options[] = {
    TEXT("data", "DIR", data, "the data directory of a server that is stopped"),
    FLAG("dry-run", is_dry_run, "only say what would be done"),
};

static const struct option describe_options[] = {
    FLAG("lineage", is_lineage, "where the values come from: features, view versions, sources"),
    FLAG("mermaid", is_mermaid, "the same as a Mermaid flowchart, for Markdown"),
};

static const struct option get_options[] = {
    TEXT("features", "A,B", features, "only these features, in this order"),
    TEXT("at", "T", at, "as of T: now, RFC 3339, or microseconds since 1970"),
    FLAG("exclusive", is_exclusive, "without the events at T itself (the lookup at T - 1 us)"),
    TEXTS("set", "NAME=VALUE", set, "a request value of on-demand views; may be said often"),
};

static const struct option push_options[] = {
    TEXT("format", "FORMAT", format, "ndjson or csv (default: by the file's suffix, else ndjson)"),
    TEXT("rejects", "FILE", rejects, "write what is refused there and go on"),
    NUMBER("batch", "N", batch_events, 1, PUSHER_BATCH_EVENTS_MAX, BATCH_EVENTS_PRESET,
           "events of one push"),
    NUMBER("in-flight", "N", in_flight, 1, PUSHER_LANES_MAX, IN_FLIGHT_PRESET,
           "pushes under way at a time"),
    NUMBER("retry", "SECONDS", retry_s, 0, RETRY_S_MAX, RETRY_S_PRESET,
           "how long to wait for a server that went away"),
};

static const struct option lag_options[] = {
    FLAG("watch", is_watch, "print it again every second, until it is interrupted"),
};

static const struct option replay_options[] = {
    TEXT("from", "T", from, "records since T: RFC 3339, microseconds since 1970, or earliest"),
    FLAG("no-wait", is_no_wait, "don't wait until new versions are filled"),
    FLAG("promote", is_promoting, "new versions become active by themselves when they are filled"),
};

static const struct option dlq_options[] = {
    TEXT("show", "ID", letter, "one with its bytes; with --retry or --drop that one alone"),
    FLAG("retry", is_retry, "take them again as events, after the definition was mended"),
    FLAG("drop", is_drop, "delete them"),
    FLAG("export", is_export, "print all with their bytes, one JSON object a line"),
};

const struct option_table command_common_options = TABLE(common_options);

const struct command command_table[] = {
    {
        .name = "apply",
        .words = "FILE|DIR...",
        .summary = "Register sources, entities and views",
        .text =
            "Reads definitions (YAML) from files, from the *.yaml and *.yml files of\n"
            "directories, or from standard input (-), registers all of them or none, and says\n"
            "what is new, changed, described (only texts differ) or unchanged. A changed view\n"
            "gets a new version; then it waits until new versions are filled from the events\n"
            "that the server has. The first version of a view becomes active by itself; a later\n"
            "one is ready then, and `asof promote` makes it the active one.\n",
        .words_min = 1,
        .words_max = SIZE_MAX,
        .options = TABLE(apply_options),
        .examples = "  asof apply examples/flights\n"
                    "  asof apply views.yaml --promote\n"
                    "  asof apply payments.yaml views.yaml\n"
                    "  generate-views | asof apply -\n",
        .run = command_apply,
    },
    {
        .name = "plan",
        .words = "FILE|DIR...",
        .summary = "Say what apply would do, without doing it",
        .text = "Checks the definitions against what is registered and changes nothing. Says what\n"
                "would change in meaning, which versions would appear, and what it takes to fill\n"
                "them.\n",
        .words_min = 1,
        .words_max = SIZE_MAX,
        .examples = "  asof plan examples/flights\n"
                    "  asof plan views.yaml --json\n",
        .run = command_plan,
    },
    {
        .name = "promote",
        .words = "VIEW@N",
        .summary = "Make a version the one that is read by the view's name",
        .text =
            "One step for all readers at once. A version that is still being filled is refused.\n",
        .words_min = 1,
        .words_max = 1,
        .options = TABLE(promote_options),
        .examples = "  asof promote card_payments@2\n",
        .run = command_promote,
    },
    {
        .name = "rollback",
        .words = "VIEW",
        .summary = "Make the version active that was it before",
        .text = "As promote: one step for all readers at once. Again, it goes back one more.\n",
        .words_min = 1,
        .words_max = 1,
        .examples = "  asof rollback card_payments\n",
        .run = command_rollback,
    },
    {
        .name = "diff",
        .words = "VIEW@N VIEW@M",
        .summary = "Compare the features of two versions",
        .text = "Reads both versions for a sample of entities as of one moment, and says for each\n"
                "feature that both have how often values differ and, of numbers, by how much.\n",
        .words_min = 2,
        .words_max = 2,
        .options = TABLE(diff_options),
        .examples =
            "  asof diff card_payments@1 card_payments@2\n"
            "  asof diff card_payments@1 card_payments@2 --sample 10000 --at 2026-01-31T12:00:00Z\n",
        .run = command_diff,
    },
    {
        .name = "drop",
        .words = "VIEW@N",
        .summary = "Give back the space of a version",
        .text = "A version that is active, or that a service reads by its number, is refused. The\n"
                "number is never used again.\n",
        .words_min = 1,
        .words_max = 1,
        .examples = "  asof drop card_payments@1\n",
        .run = command_drop,
    },
    {
        .name = "migrate",
        .words = "",
        .summary = "Bring the data directory of a stopped server to this format",
        .text =
            "Steps are taken one by one; where one is cut short, it goes on from there the next\n"
            "time. It runs `asofd --migrate`, of the same folder as asof or on the PATH.\n",
        .options = TABLE(migrate_options),
        .examples = "  asof migrate --data /var/lib/asof --dry-run\n"
                    "  asof migrate --data /var/lib/asof\n",
        .run = command_migrate,
    },
    {
        .name = "list",
        .words = "",
        .summary = "List sources, entities, views and services",
        .text = "One table each, with the versions of every view and service.\n",
        .examples = "  asof list\n"
                    "  asof list --json | jq '.views[].name'\n",
        .run = command_list,
    },
    {
        .name = "describe",
        .words = "NAME",
        .summary = "Show one source, entity, view or service in full",
        .text =
            "NAME is a source, an entity, a view or a service (its active version) or a version\n"
            "(view@2). With --lineage, of a view or a service: its features, the versions of\n"
            "views that they are read from, and their sources, as a tree.\n",
        .words_min = 1,
        .words_max = 1,
        .options = TABLE(describe_options),
        .examples = "  asof describe card_payments\n"
                    "  asof describe card_payments@1 --json\n"
                    "  asof describe fraud --lineage\n"
                    "  asof describe fraud --mermaid > fraud.mmd\n",
        .run = command_describe,
    },
    {
        .name = "get",
        .words = "VIEW|SERVICE ENTITY...",
        .summary = "Read features, now or as of a past moment",
        .text =
            "VIEW is a view (its active version) or a version (view@2), and so is SERVICE. The\n"
            "keys of a composite ENTITY, and those of a service over several entities, are\n"
            "joined by '|'. In tables, '-' stands for NULL.\n",
        .words_min = 2,
        .words_max = SIZE_MAX,
        .options = TABLE(get_options),
        .examples = "  asof get card_payments c42\n"
                    "  asof get card_payments c42 c43 --features payments_5m,amount_avg_7d\n"
                    "  asof get card_risk c42 --set amount=12.5\n"
                    "  asof get card_payments@1 c42 --at 2026-01-31T12:00:00Z --exclusive\n"
                    "  asof get store_sales 'acme|7' --json\n",
        .run = command_get,
    },
    {
        .name = "export",
        .words = "training | snapshot VIEW | events SOURCE",
        .summary = "Write training sets, snapshots and raw events to files",
        .text =
            "training: all columns of the labels in their order, and a column for each feature as of\n"
            "the time of each label. snapshot: a row for each entity that exists at T. events: the\n"
            "raw events of a source that the server keeps. Types are kept; times are UTC,\n"
            "microseconds. The file appears when it is whole; an interrupt leaves nothing.\n",
        .words_min = 1,
        .words_max = 2,
        .options = TABLE(export_options),
        .examples =
            "  asof export training --labels labels.parquet --service fraud --out train.parquet\n"
            "  asof export training --labels labels.csv --features 'card_payments.*' \\\n"
            "      --time-column paid_at --exclusive --statuses --out train.parquet\n"
            "  asof export snapshot card_payments --at 2026-01-31T12:00:00Z --out cards.parquet\n"
            "  asof export snapshot card_payments --hash-buckets 16 --on-server --out /exports/cards\n"
            "  asof export events payments --from 2026-01-01T00:00:00Z --out payments.parquet\n",
        .run = command_export,
    },
    {
        .name = "backfill",
        .words = "VIEW[@N]",
        .summary = "Take history of a view from files",
        .text =
            "Rows of Parquet, CSV or NDJSON files become events of the view, as if they had been\n"
            "pushed when they happened. Each row of a file counts once, however often it is run;\n"
            "with an event id also where the stream has it. A source without ids needs --until.\n",
        .words_min = 1,
        .words_max = SIZE_MAX,
        .options = TABLE(backfill_options),
        .examples = "  asof backfill card_payments --from history.parquet\n"
                    "  asof backfill card_payments@2 --from 2024.parquet 2025.parquet\n"
                    "  asof backfill page_views --from old.csv --until 2026-01-01T00:00:00Z\n",
        .run = command_backfill,
    },
    {
        .name = "entities",
        .words = "VIEW",
        .summary = "List the entities that a view has something stored of",
        .text =
            "One a line, in the order of their keys, as `asof get` takes them. VIEW is a view (its\n"
            "active version) or a version (view@2). With --json each is a JSON string.\n",
        .words_min = 1,
        .words_max = 1,
        .options = TABLE(entities_options),
        .examples = "  asof entities card_payments\n"
                    "  asof entities card_payments@2 --match 'c4*'\n",
        .run = command_entities,
    },
    {
        .name = "push",
        .words = "SOURCE|VIEW [FILE|-]",
        .summary = "Send events, or writes of a batch view, from NDJSON or CSV",
        .text =
            "NDJSON has one JSON object a line. CSV (RFC 4180) begins with a line of column\n"
            "names; columns that are no field of the source are ignored; an empty cell is NULL,\n"
            "\"\" the empty string. Without FILE it reads standard input.\n"
            "A batch view takes its keys, event_timestamp and features; what an event leaves out\n"
            "stays as it is.\n"
            "\n"
            "It stops at the first event that the server refuses and says what is in; with\n"
            "--rejects it goes on and writes {\"line\":N,\"reason\":\"...\",\"event\":\"...\"} for "
            "each.\n"
            "When the server goes away it connects again and sends again what was not\n"
            "acknowledged; nothing counts twice. With --in-flight 1 nothing behind an event that\n"
            "was refused is ever taken before it is known.\n",
        .words_min = 1,
        .words_max = 2,
        .options = TABLE(push_options),
        .examples = "  asof push payments payments.ndjson\n"
                    "  asof push departures departures.csv --rejects rejects.ndjson\n"
                    "  tail -f app.ndjson | asof push payments\n"
                    "  asof push card_profile profiles.csv\n",
        .run = command_push,
    },
    {
        .name = "lag",
        .words = "[SOURCE]",
        .summary = "Show how far sources have read Kafka",
        .text =
            "One line a partition: the next offset that is read, the end of its log as the last\n"
            "fetch knew it, how many records and how much time lie between. Not every\n"
            "offset is a record: transactions end with one of their own.\n",
        .words_max = 1,
        .options = TABLE(lag_options),
        .examples = "  asof lag\n"
                    "  asof lag payments --watch\n"
                    "  asof lag --json | jq '.[].partitions[].lag'\n",
        .run = command_lag,
    },
    {
        .name = "replay",
        .words = "SOURCE",
        .summary = "Read a Kafka source again, into new versions of its views",
        .text =
            "Each view of the source gets a next version of the meaning that it has. It is filled\n"
            "with the records that Kafka has since T (by default all) while the source goes on,\n"
            "and is ready then: `asof promote` makes it the active one.\n",
        .words_min = 1,
        .words_max = 1,
        .options = TABLE(replay_options),
        .examples = "  asof replay payments --from 2026-01-31T00:00:00Z\n"
                    "  asof replay payments --promote\n",
        .run = command_replay,
    },
    {
        .name = "dlq",
        .words = "SOURCE",
        .summary = "Show, retry or drop what of Kafka could not be taken",
        .text =
            "Dead letters are records that are no event of the source: not decodable, of a wrong\n"
            "type, without time or id, too far ahead, or late for every view. A source keeps\n"
            "the newest 10,000 of them, 64 MiB at most.\n",
        .words_min = 1,
        .words_max = 1,
        .options = TABLE(dlq_options),
        .examples = "  asof dlq payments\n"
                    "  asof dlq payments --show 17\n"
                    "  asof dlq payments --export > letters.ndjson\n"
                    "  asof dlq payments --retry\n",
        .run = command_dlq,
    },
    {
        .name = "help",
        .words = "[COMMAND]",
        .summary = "Explain a command",
        .text = "The same as `asof COMMAND --help`.\n",
        .words_max = 1,
        .examples = "  asof help push\n",
        .run = command_help,
    },
    {
        .name = "version",
        .words = "",
        .summary = "Print the version of this command",
        .text = "Says nothing about the server.\n",
        .examples = "  asof version\n",
        .run = command_version,
    },
};

const size_t command_table_count = sizeof(command_table) / sizeof(command_table[0]);

const struct command *command_find(const char *name, struct error *err)
{
    char hint[SUGGEST_TEXT_SIZE];
    struct suggest suggest = {.name = bytes_of_text(name)};
    for (size_t i = 0; i < command_table_count; i++) {
        if (bytes_equal_text(suggest.name, command_table[i].name))
            return &command_table[i];
        suggest_consider(&suggest, bytes_of_text(command_table[i].name));
    }
    error_set(err, STATUS_INVALID, "unknown command '%s'%s", name, suggest_text(&suggest, hint));
    return NULL;
}

enum exit_code exit_of(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return EXIT_DONE;
    case STATUS_NOT_FOUND:
        return EXIT_NOT_FOUND;
    case STATUS_UNAVAILABLE:
        return EXIT_UNREACHABLE;
    case STATUS_AGAIN:
    case STATUS_INVALID:
    case STATUS_LIMIT:
    case STATUS_IO:
    case STATUS_CORRUPT:
    case STATUS_CANCELLED:
        return EXIT_FAILED;
    }
    return EXIT_FAILED;
}
