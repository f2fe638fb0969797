/* What the RPC door counts, see figures.h. */
#ifndef ASOF_APP_RPC_COUNTERS_H
#define ASOF_APP_RPC_COUNTERS_H

#include <stdint.h>

#define RPC_COUNTERS(X)                                                                            \
    X(calls_total, "Calls of RPC that began.")                                                     \
    X(calls_failed_total, "Calls of RPC that were answered with an error.")                        \
    X(calls_read_total, "Calls of RPC for which a reader waited, for the disk or for long.")       \
    X(deadlines_total, "Calls of RPC that were not answered by their deadline.")                   \
    X(cancelled_total, "Calls of RPC whose peer left before the answer.")                          \
    X(protocol_errors_total, "Connections of RPC closed because their bytes are not its.")         \
    X(stalled_total, "Connections of RPC closed because they did not take their answers, or "      \
                     "stopped within a large request.")

struct rpc_counters {
#define RPC_COUNTER_FIELD(name, help) uint64_t name;
    RPC_COUNTERS(RPC_COUNTER_FIELD)
#undef RPC_COUNTER_FIELD
};

#endif
