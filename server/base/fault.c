#include "base/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FAULT_NAME_SIZE = 64, FAULT_BASE = 10 };

/* What ASOF_FAULT says; an empty name stands for every point. */
static struct {
    char name[FAULT_NAME_SIZE];
    _Atomic long passes_left; /* 0: no point is one to die at */
} fault;

static void fault_read(void)
{
    const char *text = getenv("ASOF_FAULT");
    if (text == NULL || text[0] == '\0')
        return;
    const char *colon = strchr(text, ':');
    size_t size = colon == NULL ? strlen(text) : (size_t)(colon - text);
    if (size >= FAULT_NAME_SIZE)
        return;
    memcpy(fault.name, text, size);
    atomic_store(&fault.passes_left, colon == NULL ? 1 : strtol(colon + 1, NULL, FAULT_BASE));
}

void fault_point(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fault_read);
    if (atomic_load_explicit(&fault.passes_left, memory_order_relaxed) == 0)
        return;
    bool is_meant = fault.name[0] == '\0' || strcmp(fault.name, name) == 0;
    if (is_meant && atomic_fetch_sub(&fault.passes_left, 1) == 1)
        raise(SIGKILL);
}
