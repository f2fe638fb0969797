#include "interrupt.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/time_text.h"
#include "libasof/asof.h"

/* A signal handler has no other way to tell, or to know what to end: the two variables of the
 * process. */
static volatile sig_atomic_t interrupt_noted;
static struct asof_cancel *_Atomic interrupt_cancel;

static void note(int number)
{
    (void)number;
    interrupt_noted = 1;
    struct asof_cancel *cancel = interrupt_cancel;
    if (cancel != NULL)
        asof_cancel_fire(cancel);
}

void interrupt_fires(struct asof_cancel *cancel)
{
    interrupt_cancel = cancel;
}

void interrupt_catch(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = note;
    action.sa_flags = (int)SA_RESETHAND; /* the second one does what it always does */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupt_came(void)
{
    return interrupt_noted != 0;
}

void interrupt_sleep(int64_t span_us)
{
    struct timespec span = {.tv_sec = span_us / US_PER_SECOND,
                            .tv_nsec = (span_us % US_PER_SECOND) * 1000};
    if (!interrupt_came())
        nanosleep(&span, NULL);
}
