/* The table of commands, how one is found, and COMMAND, which shows the table. A new command is a
 * handler and a row here. */
#include "app/resp_call.h"

#include <stdio.h>

#include "base/check.h"

enum {
    COMMAND_NAME_SIZE = 32,    /* with NUL; a longer name is no command */
    UNKNOWN_SHOWN_BYTES = 128, /* of an unknown command, and of its arguments: as Redis shows */
};

#define R RESP_READ
#define F RESP_FAST
#define W (RESP_WRITE | RESP_WRITER)
#define P (RESP_WRITE | RESP_WRITER | RESP_PUSH)
#define I RESP_IMMEDIATE

/* name, arity, flags, handler, last key, subcommands, group, summary */
static const struct resp_command commands[] = {
    {"asof.apply", -3, W, resp_asof_apply, 0, NULL, "asof",
     "Registers definitions: [PROMOTE] name text [name text ...]. Answers JSON: what is new or changed."},
    {"asof.at", -2, F | RESP_MOMENT, resp_asof_at, 0, NULL, "asof",
     "Later reads of this connection are as of T [EXCLUSIVE]; now goes back."},
    {"asof.describe", -2, F, resp_asof_describe, 0, NULL, "asof",
     "A source, an entity, a view or a service (view@2) as JSON [LINEAGE]."},
    {"asof.diff", -4, R, resp_versions_diff, 0, NULL, "asof",
     "How two versions differ: view@1 view@2 [AT T] entity [entity ...]. Answers JSON."},
    {"asof.dlq", -2, 0, NULL, 0, resp_dlq_subcommands, "asof",
     "Records of Kafka that could not be taken."},
    {"asof.drop", 2, W, resp_versions_drop, 0, NULL, "asof",
     "Gives back the space of a version: view@1."},
    {"asof.entities", -2, R, resp_versions_entities, 0, NULL, "asof",
     "The entities of a version, in order: view@1 [AFTER entity] [COUNT n]."},
    {"asof.fills", 1, RESP_WRITER, resp_asof_fills, 0, NULL, "asof",
     "View versions that are being filled from the log, as JSON."},
    {"asof.get", -2, R, resp_asof_get, 1, NULL, "asof",
     "Features with their statuses: key [SET name value ...] [AT T] [EXCLUSIVE] [FIELDS f ...]."},
    {"asof.lag", -1, RESP_WRITER, resp_asof_lag, 0, NULL, "asof",
     "How far partitions of Kafka are read, as JSON: [source]."},
    {"asof.list", 1, F, resp_asof_list, 0, NULL, "asof", "All definitions in short, as JSON."},
    {"asof.plan", -3, RESP_WRITER, resp_asof_plan, 0, NULL, "asof",
     "What ASOF.APPLY would do, without doing it."},
    {"asof.promote", -2, W, resp_versions_promote, 0, NULL, "asof",
     "Makes a version the active one: view@2 [FORCE]."},
    {"asof.push", -3, P, resp_push_push, 0, NULL, "asof",
     "Pushes events, all or none: source [PRODUCER name sequence] json [json ...]."},
    {"asof.replay", -4, W, resp_asof_replay, 0, NULL, "asof",
     "New versions of the views of a source, from Kafka since T: source FROM T [PROMOTE]."},
    {"asof.rollback", 2, W, resp_versions_rollback, 0, NULL, "asof",
     "Makes the version of a view active that was it before."},
    {"asof.set", -6, P, resp_write_set_at, 1, NULL, "asof",
     "Writes of a batch view at a time: key AT T feature value [feature value ...]."},
    {"auth", -2, F | I, resp_client_auth, 0, NULL, "connection", "No password is configured."},
    {"client", -2, 0, NULL, 0, resp_client_subcommands, "connection", "About connections."},
    {"command", -1, 0, resp_command_all, 0, resp_command_subcommands, "server",
     "This table of commands."},
    {"config", -2, 0, NULL, 0, resp_config_subcommands, "server", "Settings that tools ask for."},
    {"del", -2, P, resp_write_del, -1, NULL, "generic",
     "Empties all features of a batch view's keys."},
    {"discard", 1, F | I, resp_multi_discard, 0, NULL, "transactions",
     "Forgets what MULTI queued."},
    {"echo", 2, F, resp_client_echo, 0, NULL, "connection", "Its argument."},
    {"exec", 1, I, resp_multi_exec, 0, NULL, "transactions", "Runs what MULTI queued."},
    {"exists", -2, R, resp_read_exists, -1, NULL, "generic", "How many of the keys are found."},
    {"get", 2, R, resp_read_get, 1, NULL, "generic", "There are no strings: nil, or WRONGTYPE."},
    {"hello", -1, F | I, resp_client_hello, 0, NULL, "connection",
     "Chooses RESP 2 or 3: [version [SETNAME name]]."},
    {"hdel", -3, P | F, resp_write_hdel, 1, NULL, "hash", "Empties features of a batch view."},
    {"hexists", 3, R | F, resp_read_hexists, 1, NULL, "hash", "Whether a feature has a value."},
    {"hget", 3, R | F, resp_read_hget, 1, NULL, "hash", "The value of a feature."},
    {"hgetall", 2, R, resp_read_hgetall, 1, NULL, "hash", "All features that have a value."},
    {"hkeys", 2, R, resp_read_hgetall, 1, NULL, "hash", "The names of features that have a value."},
    {"hlen", 2, R | F, resp_read_hlen, 1, NULL, "hash", "How many features have a value."},
    {"hmget", -3, R | F, resp_read_hmget, 1, NULL, "hash", "The values of several features."},
    {"hmset", -4, P | F, resp_write_hset, 1, NULL, "hash", "As HSET; answers OK."},
    {"hscan", -3, R, resp_scan_hscan, 1, NULL, "hash", "As HGETALL: cursor [MATCH p] [COUNT n]."},
    {"hset", -4, P | F, resp_write_hset, 1, NULL, "hash",
     "Writes of a batch view, as of now: key feature value [feature value ...]."},
    {"hstrlen", 3, R | F, resp_read_hstrlen, 1, NULL, "hash", "The size of a feature's text."},
    {"hvals", 2, R, resp_read_hgetall, 1, NULL, "hash", "The values that are there."},
    {"info", -1, 0, resp_server_info, 0, NULL, "server", "About the server: [section ...]."},
    {"latency", -2, 0, NULL, 0, resp_latency_subcommands, "server", "Nothing is recorded."},
    {"memory", -2, 0, NULL, 0, resp_memory_subcommands, "server", "Not known by key."},
    {"mget", -2, R | F, resp_read_mget, -1, NULL, "generic", "There are no strings: nil for each."},
    {"module", -2, 0, NULL, 0, resp_module_subcommands, "server", "There are none."},
    {"multi", 1, F | I, resp_multi_multi, 0, NULL, "transactions",
     "Queues the reads that follow, until EXEC."},
    {"object", -2, 0, NULL, 0, resp_object_subcommands, "generic", "About keys."},
    {"ping", -1, F, resp_client_ping, 0, NULL, "connection", "PONG, or its argument."},
    {"pttl", 2, R | F, resp_read_ttl, 1, NULL, "generic",
     "Until a batch view's row expires; -1: never, -2: not found."},
    {"quit", -1, F | I, resp_client_quit, 0, NULL, "connection", "Closes the connection."},
    {"reset", 1, F | I, resp_client_reset, 0, NULL, "connection", "As if just connected."},
    {"role", 1, F, resp_server_role, 0, NULL, "server", "master, without replicas."},
    {"scan", -2, R, resp_scan_scan, 0, NULL, "generic",
     "Keys of all views: cursor [MATCH p] [COUNT n] [TYPE t]."},
    {"select", 2, F, resp_client_select, 0, NULL, "connection", "There is database 0 only."},
    {"slowlog", -2, 0, NULL, 0, resp_slowlog_subcommands, "server", "Nothing is recorded."},
    {"time", 1, F, resp_server_time, 0, NULL, "server", "Seconds and microseconds."},
    {"ttl", 2, R | F, resp_read_ttl, 1, NULL, "generic",
     "Until a batch view's row expires; -1: never, -2: not found."},
    {"type", 2, R | F, resp_read_type, 1, NULL, "generic", "hash or none."},
    {"unlink", -2, P, resp_write_del, -1, NULL, "generic", "As DEL."},
    {"xadd", -5, P | F, resp_push_xadd, 0, NULL, "stream",
     "Pushes one event: source * field value [field value ...]."},
};

#undef R
#undef F
#undef W
#undef P
#undef I

enum { COMMANDS_COUNT = sizeof(commands) / sizeof(commands[0]) };

#define COMPUTED                                                                                      \
    "ERR '%s' is not offered: stream views are computed from events, which XADD and ASOF.PUSH take, " \
    "and batch views are written by HSET"
#define WRITTEN                                                                                     \
    "ERR '%s' is not offered: a write says what a value is from its time on, whatever was before; " \
    "use HSET"
#define LIVES  "ERR '%s' is not offered: how long a batch view's values hold is its `ttl`"
#define HASHES "WRONGTYPE '%s' does not fit a view, which is a hash; use HGET, HMGET or HGETALL"

/* Commands of Redis that someone will try, and why they are not here. */
static const struct refusal {
    const char *name;
    const char *format; /* takes the name */
} refusals[] = {
    {"hsetnx", WRITTEN},
    {"hincrby", WRITTEN},
    {"hincrbyfloat", WRITTEN},
    {"set", COMPUTED},
    {"expire", LIVES},
    {"pexpire", LIVES},
    {"persist", LIVES},
    {"rename", COMPUTED},
    {"flushdb", COMPUTED},
    {"flushall", COMPUTED},
    {"strlen", HASHES},
    {"keys", "ERR '%s' is not offered: it would hold up everybody else; use SCAN"},
    {"dbsize", "ERR '%s' is not offered: counting the entities would read them all; use SCAN"},
    {"watch", "ERR '%s' is not offered: a transaction only reads"},
    {"cluster", "ERR This instance has cluster support disabled%.0s"},
};

enum { REFUSALS_COUNT = sizeof(refusals) / sizeof(refusals[0]) };

/* The maps hold pointers to these tables, which are never written to. */
static void table_put(struct map *map, const char *name, const void *row)
{
    union {
        const void *constant;
        void *value;
    } pointer = {.constant = row};
    bool is_new = map_put(map, bytes_of_text(name), pointer.value);
    CHECK(is_new);
}

void resp_command_fill(struct resp_door *door)
{
    door->commands = map_create();
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        table_put(door->commands, commands[i].name, &commands[i]);
    door->refusals = map_create();
    for (size_t i = 0; i < REFUSALS_COUNT; i++)
        table_put(door->refusals, refusals[i].name, &refusals[i]);
}

/* ---- finding ---- */

/* The name in lower case; empty where it is longer than any command's. */
static struct bytes name_lower(struct bytes name, char lower[COMMAND_NAME_SIZE])
{
    if (name.size >= COMMAND_NAME_SIZE)
        return bytes_of(lower, 0);
    for (size_t i = 0; i < name.size; i++) {
        char byte = name.data[i];
        lower[i] = byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
    }
    return bytes_of(lower, name.size);
}

static bool count_fits(int arity, size_t count)
{
    return arity >= 0 ? count == (size_t)arity : count >= (size_t)-arity;
}

static const struct resp_command *subcommand_find(const struct resp_command *table,
                                                  struct bytes name)
{
    for (const struct resp_command *row = table; row->name != NULL; row++)
        if (bytes_equal_nocase(name, row->name))
            return row;
    return NULL;
}

static size_t text_size_until_nul(struct bytes text, size_t size_max)
{
    size_t size = text.size < size_max ? text.size : size_max;
    return strnlen(text.data, size);
}

/* Redis's words, to the space at the end: clients look for them. */
static void command_unknown(struct resp_call *call)
{
    struct bytes name = resp_call_argument(call, 0);
    char shown[UNKNOWN_SHOWN_BYTES + 8] = "";
    size_t size = 0;
    for (size_t i = 1; i < call->count && size < UNKNOWN_SHOWN_BYTES; i++) {
        struct bytes argument = resp_call_argument(call, i);
        size_t part = text_size_until_nul(argument, UNKNOWN_SHOWN_BYTES - size);
        size += (size_t)snprintf(shown + size, sizeof(shown) - size, "'%.*s' ", (int)part,
                                 argument.data);
    }
    resp_call_error(call, "ERR unknown command '%.*s', with args beginning with: %s",
                    (int)text_size_until_nul(name, UNKNOWN_SHOWN_BYTES), name.data, shown);
}

static void command_refuse(struct resp_call *call, const struct refusal *refusal)
{
    char text[ERROR_TEXT_SIZE];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof(text), refusal->format, refusal->name);
#pragma GCC diagnostic pop
    resp_call_error(call, "%s", text);
}

/* HELP of a command with subcommands. */
static void command_help(struct resp_call *call)
{
    const struct resp_command *table = call->parent->subcommands;
    size_t count = 0;
    while (table[count].name != NULL)
        count++;
    resp_write_array(call->reply, count);
    for (size_t i = 0; i < count; i++) {
        char line[128];
        snprintf(line, sizeof(line), "%s %s: %s", call->parent->name, table[i].name,
                 table[i].summary);
        resp_write_simple(call->reply, line);
    }
}

static const struct resp_command help_command = {"help", -2,   RESP_FAST, command_help,
                                                 0,      NULL, "server",  "What there is."};

/* Goes on to the subcommand that argument 1 names; false: replied. */
static bool command_find_sub(struct resp_call *call)
{
    struct bytes name = resp_call_argument(call, 1);
    const struct resp_command *row = subcommand_find(call->command->subcommands, name);
    if (row == NULL && bytes_equal_nocase(name, "help")) {
        call->parent = call->command;
        call->command = &help_command;
        return true;
    }
    if (row == NULL) {
        char shown[UNKNOWN_SHOWN_BYTES + 1];
        char upper[COMMAND_NAME_SIZE];
        size_t size = strlen(call->command->name);
        for (size_t i = 0; i <= size; i++) {
            char byte = call->command->name[i];
            upper[i] = byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte;
        }
        resp_call_error(call, "ERR unknown subcommand '%s'. Try %s HELP.",
                        bytes_to_text(name, shown, sizeof(shown)), upper);
        return false;
    }
    call->parent = call->command;
    call->command = row;
    return true;
}

bool resp_command_find(struct resp_call *call)
{
    char lower[COMMAND_NAME_SIZE];
    struct bytes name = name_lower(resp_call_argument(call, 0), lower);
    call->command = map_get(call->door->commands, name);
    if (call->command == NULL) {
        const struct refusal *refusal = map_get(call->door->refusals, name);
        if (refusal != NULL)
            command_refuse(call, refusal);
        else
            command_unknown(call);
        return false;
    }
    if (call->command->subcommands != NULL && call->count > 1 && !command_find_sub(call))
        return false;
    if (count_fits(call->command->arity, call->count))
        return true;
    resp_call_wrong_count(call);
    return false;
}

/* ---- COMMAND ---- */

static void command_write_flags(struct resp_call *call, unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {{RESP_READ, "readonly"}, {RESP_WRITE, "write"}, {RESP_FAST, "fast"}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        count += (flags & names[i].flag) != 0;
    resp_write_set(call->reply, count);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (flags & names[i].flag)
            resp_write_simple(call->reply, names[i].name);
}

static void command_write_row(struct resp_call *call, const struct resp_command *row,
                              const char *parent)
{
    char name[2 * COMMAND_NAME_SIZE];
    snprintf(name, sizeof(name), "%s%s%s", parent == NULL ? "" : parent, parent == NULL ? "" : "|",
             row->name);
    resp_write_array(call->reply, 10);
    resp_write_text(call->reply, name);
    resp_write_integer(call->reply, row->arity);
    command_write_flags(call, row->flags);
    resp_write_integer(call->reply, row->last_key == 0 ? 0 : 1);
    resp_write_integer(call->reply, row->last_key);
    resp_write_integer(call->reply, row->last_key == 0 ? 0 : 1);
    resp_write_set(call->reply, 0);   /* ACL categories */
    resp_write_array(call->reply, 0); /* tips */
    resp_write_array(call->reply, 0); /* key specifications */
}

/* The row and, as its tenth element, its subcommands' rows. */
static void command_write(struct resp_call *call, const struct resp_command *row)
{
    const struct resp_command *sub = row->subcommands;
    size_t count = 0;
    command_write_row(call, row, NULL);
    while (sub != NULL && sub[count].name != NULL)
        count++;
    resp_write_array(call->reply, count);
    for (size_t i = 0; i < count; i++) {
        command_write_row(call, &sub[i], row->name);
        resp_write_array(call->reply, 0);
    }
}

void resp_command_all(struct resp_call *call)
{
    resp_write_array(call->reply, COMMANDS_COUNT);
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        command_write(call, &commands[i]);
}

static void command_count(struct resp_call *call)
{
    resp_write_integer(call->reply, COMMANDS_COUNT);
}

static void command_list(struct resp_call *call)
{
    resp_write_array(call->reply, COMMANDS_COUNT);
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        resp_write_text(call->reply, commands[i].name);
}

static const struct resp_command *command_named(struct resp_call *call, size_t index)
{
    char lower[COMMAND_NAME_SIZE];
    return map_get(call->door->commands, name_lower(resp_call_argument(call, index), lower));
}

/* A short question must not make a long answer; false: replied. */
static bool command_names_fit(struct resp_call *call)
{
    if (call->count <= 2 + COMMANDS_COUNT)
        return true;
    resp_call_error(call, "ERR at most %d names", (int)COMMANDS_COUNT);
    return false;
}

static void command_info(struct resp_call *call)
{
    if (!command_names_fit(call))
        return;
    if (call->count == 2) {
        resp_command_all(call);
        return;
    }
    resp_write_array(call->reply, call->count - 2);
    for (size_t i = 2; i < call->count; i++) {
        const struct resp_command *row = command_named(call, i);
        if (row == NULL)
            resp_write_null_array(call->reply);
        else
            command_write(call, row);
    }
}

static void command_write_docs(struct resp_call *call, const struct resp_command *row)
{
    resp_write_text(call->reply, row->name);
    resp_write_map(call->reply, 3);
    resp_write_text(call->reply, "summary");
    resp_write_text(call->reply, row->summary);
    resp_write_text(call->reply, "since");
    resp_write_text(call->reply, "1.0.0");
    resp_write_text(call->reply, "group");
    resp_write_text(call->reply, row->group);
}

static void command_docs(struct resp_call *call)
{
    if (call->count == 2) {
        resp_write_map(call->reply, COMMANDS_COUNT);
        for (size_t i = 0; i < COMMANDS_COUNT; i++)
            command_write_docs(call, &commands[i]);
        return;
    }
    if (!command_names_fit(call))
        return;
    size_t known = 0;
    for (size_t i = 2; i < call->count; i++)
        known += command_named(call, i) != NULL;
    resp_write_map(call->reply, known);
    for (size_t i = 2; i < call->count; i++)
        if (command_named(call, i) != NULL)
            command_write_docs(call, command_named(call, i));
}

const struct resp_command resp_command_subcommands[] = {
    {"count", 2, RESP_FAST, command_count, 0, NULL, "server", "How many commands there are."},
    {"docs", -2, 0, command_docs, 0, NULL, "server", "What commands do: [name ...]."},
    {"info", -2, 0, command_info, 0, NULL, "server", "Arity, flags and keys: [name ...]."},
    {"list", 2, 0, command_list, 0, NULL, "server", "The names of all commands."},
    {0},
};
