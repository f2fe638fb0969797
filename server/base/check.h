/* CHECK: a condition that only our own bug can break; it stops the process with the place and
 * the condition, in release builds too. DCHECK is for debug builds, for walks that cost.
 * Never for input: peers, files, definitions and events get a status. Thread: any. */
#ifndef ASOF_BASE_CHECK_H
#define ASOF_BASE_CHECK_H

/* Prints the place to standard error and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#ifdef ASOF_DEBUG
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) ((void)sizeof(condition))
#endif

#endif
