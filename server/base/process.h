/* Process: what the system says of this process. Thread: any. */
#ifndef ASOF_BASE_PROCESS_H
#define ASOF_BASE_PROCESS_H

#include <stdint.h>

struct process_figures {
    uint64_t resident_bytes;
    uint64_t resident_max_bytes; /* since it started */
    uint64_t user_us;            /* CPU time */
    uint64_t system_us;
    uint64_t descriptors;     /* open ones; 0 where that can't be read */
    uint64_t descriptors_max; /* of its limit */
};

struct process_figures process_read(void);

#endif
