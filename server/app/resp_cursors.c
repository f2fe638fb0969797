#include "app/resp_cursors.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"

enum { CURSOR_BITS = 48 };

struct cursor {
    uint64_t number; /* 0: free */
    uint64_t used;   /* larger: more recently */
    struct buffer position;
};

struct resp_cursors {
    pthread_mutex_t mutex; /* guards all below */
    struct cursor cursors[RESP_CURSORS_MAX];
    uint64_t seed;
    uint64_t clock;
};

struct resp_cursors *resp_cursors_create(void)
{
    struct resp_cursors *cursors = calloc(1, sizeof(*cursors));
    CHECK(cursors != NULL && pthread_mutex_init(&cursors->mutex, NULL) == 0);
    if (getrandom(&cursors->seed, sizeof(cursors->seed), GRND_NONBLOCK) < 0)
        cursors->seed = (uint64_t)clock_now_us(); /* numbers need only look unlike each other */
    return cursors;
}

void resp_cursors_destroy(struct resp_cursors **cursors)
{
    if (*cursors == NULL)
        return;
    for (size_t i = 0; i < RESP_CURSORS_MAX; i++)
        buffer_fini(&(*cursors)->cursors[i].position);
    pthread_mutex_destroy(&(*cursors)->mutex);
    free(*cursors);
    *cursors = NULL;
}

/* Under the mutex, as all below. */
static struct cursor *find(struct resp_cursors *cursors, uint64_t number)
{
    for (size_t i = 0; i < RESP_CURSORS_MAX; i++)
        if (cursors->cursors[i].number == number)
            return &cursors->cursors[i];
    return NULL;
}

/* Numbers that are unlike each other, so that a cursor of another server or of long ago is not
 * taken for one of ours: splitmix64, cut to CURSOR_BITS; never 0. */
static uint64_t next_number(struct resp_cursors *cursors)
{
    while (true) {
        uint64_t z = cursors->seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        z = (z ^ (z >> 31)) >> (64 - CURSOR_BITS);
        if (z != 0 && find(cursors, z) == NULL)
            return z;
    }
}

/* Takes the place that was not used for longest. */
static uint64_t add(struct resp_cursors *cursors, struct bytes position)
{
    struct cursor *oldest = &cursors->cursors[0];
    for (size_t i = 1; i < RESP_CURSORS_MAX; i++)
        if (cursors->cursors[i].used < oldest->used)
            oldest = &cursors->cursors[i];
    oldest->number = next_number(cursors);
    oldest->used = ++cursors->clock;
    buffer_reset(&oldest->position, SIZE_MAX);
    buffer_append(&oldest->position, position);
    return oldest->number;
}

uint64_t resp_cursors_add(struct resp_cursors *cursors, struct bytes position)
{
    pthread_mutex_lock(&cursors->mutex);
    uint64_t number = add(cursors, position);
    pthread_mutex_unlock(&cursors->mutex);
    return number;
}

bool resp_cursors_find(struct resp_cursors *cursors, uint64_t number, struct buffer *position)
{
    pthread_mutex_lock(&cursors->mutex);
    struct cursor *cursor = number == 0 ? NULL : find(cursors, number);
    if (cursor != NULL) {
        cursor->used = ++cursors->clock;
        buffer_append(position, buffer_bytes(&cursor->position));
    }
    pthread_mutex_unlock(&cursors->mutex);
    return cursor != NULL;
}
