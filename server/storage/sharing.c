#include "storage/sharing.h"

#include <stddef.h>

#include "base/check.h"

static _Thread_local struct {
    const struct sharing *sharing;
    size_t count;
} shares; /* of this thread */

void sharing_init(struct sharing *sharing)
{
    pthread_rwlockattr_t attributes;
    CHECK(pthread_rwlockattr_init(&attributes) == 0);
    CHECK(pthread_rwlockattr_setkind_np(&attributes,
                                        PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    CHECK(pthread_rwlock_init(&sharing->lock, &attributes) == 0);
    pthread_rwlockattr_destroy(&attributes);
}

void sharing_fini(struct sharing *sharing)
{
    pthread_rwlock_destroy(&sharing->lock);
}

bool sharing_begin(struct sharing *sharing, bool never_waits)
{
    CHECK(shares.count == 0 || shares.sharing == sharing);
    if (shares.count == 0 && !never_waits)
        CHECK(pthread_rwlock_rdlock(&sharing->lock) == 0);
    else if (shares.count == 0 && pthread_rwlock_tryrdlock(&sharing->lock) != 0)
        return false;
    shares.count++;
    shares.sharing = sharing;
    return true;
}

void sharing_end(struct sharing *sharing)
{
    CHECK(shares.count > 0 && shares.sharing == sharing);
    if (--shares.count == 0)
        pthread_rwlock_unlock(&sharing->lock);
}

void sharing_stop(struct sharing *sharing)
{
    CHECK(shares.count == 0);
    CHECK(pthread_rwlock_wrlock(&sharing->lock) == 0);
}

void sharing_go_on(struct sharing *sharing)
{
    pthread_rwlock_unlock(&sharing->lock);
}
