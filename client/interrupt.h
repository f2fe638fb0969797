/* Interrupt: Ctrl-C as a question that long work asks now and then, so that it can say where it
 * stopped. A second Ctrl-C ends the process at once. Thread: the main one. */
#ifndef ASOF_CLIENT_INTERRUPT_H
#define ASOF_CLIENT_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* From now on the first SIGINT or SIGTERM is only noted, and ends waits for input. */
void interrupt_catch(void);

/* Whether one came. */
bool interrupt_came(void);

/* Sleeps; an interrupt ends it early. */
void interrupt_sleep(int64_t span_us);

/* From now on an interrupt also fires that (borrowed), so that a call that waits ends; NULL: none.
 */
struct asof_cancel;
void interrupt_fires(struct asof_cancel *cancel);

#endif
