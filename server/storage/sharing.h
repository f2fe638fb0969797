/* Sharing: the lock between those who read the database and who opens it again.
 *
 * Who opens it again goes before new readers: with several workers there may always be one that
 * reads. Only a thread that shares already goes on sharing, as it has to come to its end: a scan
 * reads entities, a transaction reads over a snapshot. A thread shares one of these at a time.
 *
 * Private to storage/. Thread: any. */
#ifndef ASOF_STORAGE_SHARING_H
#define ASOF_STORAGE_SHARING_H

#include <pthread.h>
#include <stdbool.h>

struct sharing {
    pthread_rwlock_t lock;
};

void sharing_init(struct sharing *sharing);
void sharing_fini(struct sharing *sharing);

/* Shares it until the end, which is said as often as this returned true. false: it would have to
 * wait, and never does. */
bool sharing_begin(struct sharing *sharing, bool never_waits);
void sharing_end(struct sharing *sharing);

/* Takes it alone, behind all who share it. */
void sharing_stop(struct sharing *sharing);
void sharing_go_on(struct sharing *sharing);

#endif
