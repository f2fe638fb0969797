/* INFO: the fields that tools for Redis read, and asof's own counters. */
#include "app/resp_call.h"

#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/time_text.h"

enum { S_PER_DAY = 86400 };

static void info_add(struct buffer *out, const char *name, uint64_t value)
{
    buffer_format(out, "%s:%llu\r\n", name, (unsigned long long)value);
}

/* What all workers did. */
static struct resp_figures info_figures(const struct resp_door *door)
{
    struct resp_figures figures = {.resp = door->counters};
    if (door->options.read_figures != NULL)
        door->options.read_figures(door->options.context, &figures);
    return figures;
}

static void info_server(const struct resp_door *door, struct buffer *out)
{
    struct utsname system;
    bool has_system = uname(&system) == 0;
    uint64_t uptime_s = (uint64_t)((clock_mono_us() - door->start_mono_us) / US_PER_SECOND);
    buffer_format(out, "redis_version:%s\r\nasof_version:%s\r\nredis_mode:standalone\r\n",
                  RESP_COMPATIBLE_VERSION, door->options.version);
    buffer_format(out, "os:%s %s %s\r\n", has_system ? system.sysname : "?",
                  has_system ? system.release : "", has_system ? system.machine : "");
    buffer_format(out, "arch_bits:%zu\r\nrun_id:%016llx%024llx\r\n", sizeof(void *) * 8,
                  (unsigned long long)door->start_us, (unsigned long long)getpid());
    info_add(out, "process_id", (uint64_t)getpid());
    info_add(out, "tcp_port", door->port);
    info_add(out, "uptime_in_seconds", uptime_s);
    info_add(out, "uptime_in_days", uptime_s / S_PER_DAY);
}

static void info_clients(const struct resp_door *door, struct buffer *out)
{
    info_add(out, "connected_clients", info_figures(door).connections);
    info_add(out, "maxclients", door->options.connections_max);
    info_add(out, "blocked_clients", 0);
}

/* What the process has of the machine's memory; the allocator is not asked. */
static void info_memory(const struct resp_door *door, struct buffer *out)
{
    (void)door;
    const struct process_figures process = process_read();
    info_add(out, "used_memory", process.resident_bytes);
    info_add(out, "used_memory_rss", process.resident_bytes);
    info_add(out, "used_memory_peak", process.resident_max_bytes);
    info_add(out, "maxmemory", 0);
    buffer_append_text(out, "maxmemory_policy:noeviction\r\nmem_fragmentation_ratio:1.00\r\n");
}

static void info_persistence(const struct resp_door *door, struct buffer *out)
{
    (void)door;
    static const char *const zeros[] = {"loading",
                                        "rdb_changes_since_last_save",
                                        "rdb_bgsave_in_progress",
                                        "bgsave_in_progress",
                                        "aof_enabled",
                                        "aof_rewrite_in_progress"};
    for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
        info_add(out, zeros[i], 0);
}

static void info_stats(const struct resp_door *door, struct buffer *out)
{
    const struct resp_figures figures = info_figures(door);
    const struct network_counters *network = &figures.network;
    info_add(out, "total_connections_received", network->connections_opened_total);
    info_add(out, "total_commands_processed", figures.resp.commands_total);
    info_add(out, "total_net_input_bytes", network->input_bytes_total);
    info_add(out, "total_net_output_bytes", network->output_bytes_total);
    info_add(out, "rejected_connections", network->connections_refused_total);
    info_add(out, "expired_keys", 0);
    info_add(out, "evicted_keys", 0);
    info_add(out, "keyspace_hits", figures.resp.entities_found_total);
    info_add(out, "keyspace_misses", figures.resp.entities_missed_total);
    info_add(out, "total_error_replies", figures.resp.errors_total);
}

static void info_replication(const struct resp_door *door, struct buffer *out)
{
    (void)door;
    buffer_append_text(out, "role:master\r\nconnected_slaves:0\r\n");
}

static void info_add_seconds(struct buffer *out, const char *name, uint64_t time_us)
{
    buffer_format(out, "%s:%llu.%06llu\r\n", name, (unsigned long long)(time_us / US_PER_SECOND),
                  (unsigned long long)(time_us % US_PER_SECOND));
}

static void info_cpu(const struct resp_door *door, struct buffer *out)
{
    (void)door;
    const struct process_figures process = process_read();
    info_add_seconds(out, "used_cpu_sys", process.system_us);
    info_add_seconds(out, "used_cpu_user", process.user_us);
}

static void info_cluster(const struct resp_door *door, struct buffer *out)
{
    (void)door;
    info_add(out, "cluster_enabled", 0);
}

/* Not the number of entities: that would be a walk over all of them. */
static void info_keyspace(const struct resp_door *door, struct buffer *out)
{
    (void)door;
    (void)out;
}

/* The counters of all rooms, which only app knows together. */
static void info_asof(const struct resp_door *door, struct buffer *out)
{
    if (door->options.append_info != NULL)
        door->options.append_info(door->options.context, out);
}

static const struct section {
    const char *name;
    void (*append)(const struct resp_door *door, struct buffer *out);
} sections[] = {
    {"Server", info_server},     {"Clients", info_clients},
    {"Memory", info_memory},     {"Persistence", info_persistence},
    {"Stats", info_stats},       {"Replication", info_replication},
    {"CPU", info_cpu},           {"Cluster", info_cluster},
    {"Keyspace", info_keyspace}, {"Asof", info_asof},
};

static bool section_is_asked(const struct resp_call *call, const struct section *section)
{
    if (call->count == 1)
        return true;
    for (size_t i = 1; i < call->count; i++) {
        struct bytes name = resp_call_argument(call, i);
        if (bytes_equal_nocase(name, section->name) || bytes_equal_nocase(name, "all") ||
            bytes_equal_nocase(name, "default") || bytes_equal_nocase(name, "everything"))
            return true;
    }
    return false;
}

void resp_server_info(struct resp_call *call)
{
    struct buffer *out = &call->door->scratch;
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (!section_is_asked(call, &sections[i]))
            continue;
        buffer_format(out, "%s# %s\r\n", out->size == 0 ? "" : "\r\n", sections[i].name);
        sections[i].append(call->door, out);
    }
    resp_write_verbatim(call->reply, buffer_bytes(out));
}
