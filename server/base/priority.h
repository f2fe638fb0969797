/* Priority: which threads go first where cores are short: those that answer before those that write
 * to the disk, whose clients wait for the disk anyway.
 *
 * Both are wishes: where the system grants none, all threads are alike. What a thread has, those
 * that it starts begin with. Thread: any, for itself. */
#ifndef ASOF_BASE_PRIORITY_H
#define ASOF_BASE_PRIORITY_H

/* This thread works a little at a time and shall begin as soon as it has something to do: it takes
 * the core from a thread that works long, where the system knows of such (Linux 6.12 and later). */
void priority_set_prompt(void);

/* This thread leaves most of the core to others. */
void priority_set_background(void);

/* Runs it in a thread of its own, which is in the background; returns when that is done. */
void priority_run_background(void (*run)(void *context), void *context);

#endif
