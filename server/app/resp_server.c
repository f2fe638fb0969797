/* Commands about the server that tools send: small truths, each in the shape that Redis gives it.
 * INFO has a file of its own. */
#include "app/resp_call.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/glob.h"
#include "base/time_text.h"

void resp_server_time(struct resp_call *call)
{
    int64_t now_us = clock_now_us();
    const int64_t parts[2] = {now_us / US_PER_SECOND, now_us % US_PER_SECOND};
    resp_write_array(call->reply, 2);
    for (size_t i = 0; i < 2; i++) {
        char text[24];
        snprintf(text, sizeof(text), "%lld", (long long)parts[i]);
        resp_write_text(call->reply, text);
    }
}

void resp_server_role(struct resp_call *call)
{
    resp_write_array(call->reply, 3);
    resp_write_text(call->reply, "master");
    resp_write_integer(call->reply, 0);
    resp_write_array(call->reply, 0);
}

/* ---- answers that are always the same ---- */

static void server_write_empty(struct resp_call *call)
{
    resp_write_array(call->reply, 0);
}

static void server_write_zero(struct resp_call *call)
{
    resp_write_integer(call->reply, 0);
}

static void server_write_ok(struct resp_call *call)
{
    resp_write_simple(call->reply, "OK");
}

static void server_write_null(struct resp_call *call)
{
    resp_write_null(call->reply);
}

/* ---- CONFIG GET ---- */

struct setting {
    const char *name;
    char value[24];
};

enum { SETTINGS_COUNT = 9 };

static void settings_fill(const struct resp_door *door, struct setting settings[SETTINGS_COUNT])
{
    const struct setting fixed[SETTINGS_COUNT] = {
        {"appendonly", "no"}, {"databases", "1"}, {"maxclients", ""},
        {"maxmemory", "0"},   {"port", ""},       {"proto-max-bulk-len", ""},
        {"save", ""},         {"timeout", "0"},   {"maxmemory-policy", "noeviction"},
    };
    memcpy(settings, fixed, sizeof(fixed));
    snprintf(settings[2].value, sizeof(settings[2].value), "%zu", door->options.connections_max);
    snprintf(settings[4].value, sizeof(settings[4].value), "%u", door->port);
    snprintf(settings[5].value, sizeof(settings[5].value), "%d", RESP_BULK_SIZE_MAX);
}

static bool setting_is_asked(const struct resp_call *call, const struct setting *setting)
{
    for (size_t i = 2; i < call->count; i++) {
        struct bytes pattern = resp_call_argument(call, i);
        if (bytes_equal_nocase(pattern, setting->name) ||
            (pattern.size <= GLOB_PATTERN_SIZE_MAX &&
             glob_match(pattern, bytes_of_text(setting->name))))
            return true;
    }
    return false;
}

static void config_get(struct resp_call *call)
{
    struct setting settings[SETTINGS_COUNT];
    bool is_asked[SETTINGS_COUNT];
    size_t count = 0;
    settings_fill(call->door, settings);
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        is_asked[i] = setting_is_asked(call, &settings[i]);
        count += is_asked[i];
    }
    resp_write_map(call->reply, count);
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        if (!is_asked[i])
            continue;
        resp_write_text(call->reply, settings[i].name);
        resp_write_text(call->reply, settings[i].value);
    }
}

static void config_set(struct resp_call *call)
{
    resp_call_error(call, "ERR CONFIG SET is not offered: settings are options of asofd");
}

/* ---- OBJECT ---- */

static void object_encoding(struct resp_call *call)
{
    static const uint32_t first = 0;
    struct target target;
    struct text_answer answer = {0};
    enum status status = resp_read_find(call, resp_call_argument(call, 2), &target);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return;
    if (status == STATUS_OK && !resp_read_features(call, &target, &first, 1, call->moment, &answer))
        return;
    if (answer.is_found)
        resp_write_text(call->reply, "hashtable");
    else
        resp_write_null(call->reply);
}

/* ---- tables ---- */

#define SERVER(name, arity, run, summary)                                                          \
    {                                                                                              \
        name, arity, RESP_FAST, run, 0, NULL, "server", summary                                    \
    }

const struct resp_command resp_config_subcommands[] = {
    SERVER("get", -3, config_get, "The settings whose names match a pattern."),
    SERVER("resetstat", 2, server_write_ok, "Accepted; counters go on."),
    SERVER("set", -4, config_set, "Refused: settings are options of asofd."),
    {0},
};

const struct resp_command resp_latency_subcommands[] = {
    SERVER("latest", 2, server_write_empty, "No events: latencies are metrics."),
    {0},
};

const struct resp_command resp_memory_subcommands[] = {
    SERVER("usage", -3, server_write_null, "Not known by key."),
    {0},
};

const struct resp_command resp_module_subcommands[] = {
    SERVER("list", 2, server_write_empty, "There are no modules."),
    {0},
};

const struct resp_command resp_object_subcommands[] = {
    {"encoding", 3, RESP_READ, object_encoding, 0, NULL, "generic", "hashtable, or nil."},
    {0},
};

const struct resp_command resp_slowlog_subcommands[] = {
    SERVER("get", -2, server_write_empty, "No entries: latencies are metrics."),
    SERVER("len", 2, server_write_zero, "0: latencies are metrics."),
    SERVER("reset", 2, server_write_ok, "Accepted; there is nothing to forget."),
    {0},
};
