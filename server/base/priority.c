#include "base/priority.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

enum {
    PROMPT_SLICE_NS = 100 * 1000, /* the least that the system takes */
    BACKGROUND_NICE = 5,          /* a third of the weight of others */
};

/* The system's struct sched_attr in its first size, whose header does not go with that of the C
 * library. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* of threads like ours: the slice */
    uint64_t deadline_ns;
    uint64_t period_ns;
};

_Static_assert(sizeof(struct attributes) == 48, "the first size that the system knows");

void priority_set_prompt(void)
{
    struct attributes attributes = {
        .size = sizeof(attributes),
        .policy = SCHED_OTHER,
        .nice = getpriority(PRIO_PROCESS, 0),
        .runtime_ns = PROMPT_SLICE_NS,
    };
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void priority_set_background(void)
{
    (void)setpriority(PRIO_PROCESS, 0, BACKGROUND_NICE); /* of this thread alone, on Linux */
}

struct errand {
    void (*run)(void *context);
    void *context;
};

static void *errand_main(void *context)
{
    struct errand *errand = context;
    priority_set_background();
    errand->run(errand->context);
    return NULL;
}

void priority_run_background(void (*run)(void *context), void *context)
{
    struct errand errand = {.run = run, .context = context};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, errand_main, &errand) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}
