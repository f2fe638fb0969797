/* Options of asofd: one table, from which the command line, the config file, --help and
 * docs/options.md come. Thread: main, before anything starts. */
#ifndef ASOF_APP_OPTIONS_H
#define ASOF_APP_OPTIONS_H

#include "base/buffer.h"
#include "base/status.h"

enum { OPTION_TEXT_SIZE = 1024, PORT_OFF = -1 };

/* X(field, kind, name, default, min, max, unit, help); kinds: TEXT FLAG PORT COUNT BYTES. */
#define SERVER_OPTIONS(X)                                                                            \
    X(config, TEXT, "config", "", 0, 0, "file",                                                      \
      "Reads options from a YAML file, one `name: value` a line; the command line wins.")            \
    X(data, TEXT, "data", "asof-data", 0, 0, "directory",                                            \
      "Where everything is kept; made if it is missing.")                                            \
    X(listen, TEXT, "listen", "127.0.0.1", 0, 0, "address",                                          \
      "The address of all doors; one that others can reach needs --allow-unauthenticated.")          \
    X(resp_port, PORT, "resp-port", "6390", 0, 65535, "port",                                        \
      "The Redis protocol; 0 takes any free port, `off` closes the door.")                           \
    X(rpc_port, PORT, "rpc-port", "6391", 0, 65535, "port",                                          \
      "gRPC and the light frame; 0 takes any free port, `off` closes the door.")                     \
    X(http_port, PORT, "http-port", "6392", 0, 65535, "port",                                        \
      "Health, readiness and metrics; 0 takes any free port, `off` closes the door.")                \
    X(allow_unauthenticated, FLAG, "allow-unauthenticated", "no", 0, 0, "",                          \
      "Serves without a password on an address that others can reach.")                              \
    X(connections_max, COUNT, "connections-max", "10000", 1, 1000000, "connections",                 \
      "Clients at a time; further ones are refused.")                                                \
    X(workers, COUNT, "workers", "1", 1, 128, "threads",                                             \
      "Threads that serve connections; another one writes.")                                         \
    X(readers, COUNT, "readers", "2", 1, 64, "threads",                                              \
      "Threads that wait for the disk, so that those that serve need not.")                          \
    X(hot_bytes, BYTES, "hot-bytes", "256MiB", 0, INT64_C(1) << 40, "bytes",                         \
      "Memory for finished rows and newest events of entities in use; 0 keeps none.")                \
    X(block_cache_bytes, BYTES, "block-cache-bytes", "16MiB", 1 << 20, INT64_C(1) << 40, "bytes",    \
      "Memory for blocks read from disk.")                                                           \
    X(write_buffer_bytes, BYTES, "write-buffer-bytes", "8MiB", 1 << 16, INT64_C(1) << 34, "bytes",   \
      "Memory for writes before they go to sorted files; up to three times it is used.")             \
    X(export_dirs, TEXT, "export-dirs", "", 0, 0, "directories",                                     \
      "Where exports may be written to and files read from on the server, between them `:`; empty: " \
      "nowhere.")                                                                                    \
    X(export_threads, COUNT, "export-threads", "1", 1, 16, "threads",                                \
      "Exports and backfills that run at once, in the background.")                                  \
    X(export_jobs, COUNT, "export-jobs", "16", 1, 1000, "jobs",                                      \
      "Exports and backfills that run or wait; further ones are refused.")                           \
    X(export_memory, BYTES, "export-memory", "256MiB", 64 << 20, INT64_C(1) << 40, "bytes",          \
      "Memory of each export; what needs more goes to disk, in DATA/spool.")                         \
    X(duckdb_library, TEXT, "duckdb-library", "", 0, 0, "file",                                      \
      "libduckdb.so for exports; empty: beside asofd, or in ../lib/asof.")                           \
    X(log_level, TEXT, "log-level", "info", 0, 0, "error|warn|info|debug",                           \
      "The least important lines that standard error gets.")                                         \
    X(compact, FLAG, "compact", "no", 0, 0, "",                                                      \
      "Compacts the stopped database in --data and exits.")                                          \
    X(migrate, FLAG, "migrate", "no", 0, 0, "",                                                      \
      "Brings the stopped database in --data to this format and exits; `asof migrate` runs it.")     \
    X(dry_run, FLAG, "dry-run", "no", 0, 0, "", "With --migrate: only says what would be done.")

struct server_options {
#define OPTION_FIELD_TEXT(field)                                      char field[OPTION_TEXT_SIZE]
#define OPTION_FIELD_FLAG(field)                                      bool field
#define OPTION_FIELD_PORT(field)                                      int field
#define OPTION_FIELD_COUNT(field)                                     int64_t field
#define OPTION_FIELD_BYTES(field)                                     int64_t field
#define OPTION_FIELD(field, kind, name, preset, min, max, unit, help) OPTION_FIELD_##kind(field);
    SERVER_OPTIONS(OPTION_FIELD)
#undef OPTION_FIELD
};

enum options_wish { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };

/* Fills options from defaults, the config file and the arguments. INVALID: err is for exit code 2.
 */
MUST_USE enum status options_parse(int argc, char **argv, struct server_options *options,
                                   enum options_wish *wish, struct error *err);

/* What --help prints. */
void options_append_help(struct buffer *out);

/* The table of docs/options.md, in Markdown. */
void options_append_markdown(struct buffer *out);

#endif
