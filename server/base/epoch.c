/* The global count goes up with each retirement; a reader notes the count that it saw when it was
 * last quiet. What was retired at count n is free once every reader that has entered noted more. */
#include "base/epoch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"

enum {
    READER_AWAY = 0, /* noted by a reader that has left; counts begin at 1 */
    CACHE_LINE = 64,
    COLLECT_EVERY = 64, /* retirements, between looks at all readers */
    WAIT_NS = 50 * 1000,
};

struct epoch_reader {
    _Alignas(CACHE_LINE) _Atomic uint64_t noted; /* READER_AWAY, or the count */
    struct epoch *epoch;
    struct epoch_reader *next;
};

struct retired {
    struct retired *next;
    void *memory;
    void (*free_memory)(void *memory);
    uint64_t count; /* of the epoch when it was retired */
};

struct epoch {
    _Alignas(CACHE_LINE) _Atomic uint64_t count;
    pthread_mutex_t mutex;        /* guards all below */
    struct epoch_reader *readers; /* borrowed: each reader is its owner's */
    size_t readers_count;
    struct retired *oldest; /* owned: in the order of their counts */
    struct retired *newest;
    size_t uncollected; /* retired since the readers were last looked at */
};

struct epoch *epoch_create(void)
{
    struct epoch *epoch = aligned_alloc(CACHE_LINE, sizeof(*epoch));
    CHECK(epoch != NULL);
    *epoch = (struct epoch){.count = 1};
    CHECK(pthread_mutex_init(&epoch->mutex, NULL) == 0);
    return epoch;
}

static void free_list(struct retired *list)
{
    while (list != NULL) {
        struct retired *next = list->next;
        list->free_memory(list->memory);
        free(list);
        list = next;
    }
}

void epoch_destroy(struct epoch **out)
{
    struct epoch *epoch = *out;
    if (epoch == NULL)
        return;
    CHECK(epoch->readers == NULL);
    free_list(epoch->oldest);
    pthread_mutex_destroy(&epoch->mutex);
    free(epoch);
    *out = NULL;
}

/* ---- readers ---- */

struct epoch_reader *epoch_join(struct epoch *epoch)
{
    struct epoch_reader *reader = aligned_alloc(CACHE_LINE, sizeof(*reader));
    CHECK(reader != NULL);
    *reader = (struct epoch_reader){.noted = READER_AWAY, .epoch = epoch};
    pthread_mutex_lock(&epoch->mutex);
    CHECK(epoch->readers_count++ < EPOCH_READERS_MAX);
    reader->next = epoch->readers;
    epoch->readers = reader;
    pthread_mutex_unlock(&epoch->mutex);
    return reader;
}

void epoch_part(struct epoch_reader **out)
{
    struct epoch_reader *reader = *out;
    if (reader == NULL)
        return;
    struct epoch *epoch = reader->epoch;
    pthread_mutex_lock(&epoch->mutex);
    struct epoch_reader **place = &epoch->readers;
    while (*place != reader)
        place = &(*place)->next;
    *place = reader->next;
    epoch->readers_count--;
    pthread_mutex_unlock(&epoch->mutex);
    free(reader);
    *out = NULL;
}

/* The store must be seen before anything that is loaded behind it: hence the full order. */
void epoch_enter(struct epoch_reader *reader)
{
    atomic_store(&reader->noted, atomic_load(&reader->epoch->count));
}

void epoch_quiet(struct epoch_reader *reader)
{
    epoch_enter(reader);
}

void epoch_leave(struct epoch_reader *reader)
{
    atomic_store_explicit(&reader->noted, READER_AWAY, memory_order_release);
}

/* ---- retiring ---- */

/* The least count that a reader noted who is there. Under the mutex. */
static uint64_t least_noted(const struct epoch *epoch)
{
    uint64_t least = UINT64_MAX;
    for (const struct epoch_reader *reader = epoch->readers; reader != NULL;
         reader = reader->next) {
        uint64_t noted = atomic_load(&reader->noted);
        if (noted != READER_AWAY && noted < least)
            least = noted;
    }
    return least;
}

/* Takes what is free out of the list. Under the mutex. */
static struct retired *take_free(struct epoch *epoch)
{
    struct retired *list = NULL;
    struct retired **end = &list;
    uint64_t least = least_noted(epoch);
    epoch->uncollected = 0;
    while (epoch->oldest != NULL && epoch->oldest->count < least) {
        *end = epoch->oldest;
        end = &epoch->oldest->next;
        epoch->oldest = epoch->oldest->next;
    }
    *end = NULL;
    if (epoch->oldest == NULL)
        epoch->newest = NULL;
    return list;
}

void epoch_retire(struct epoch *epoch, void *memory, void (*free_memory)(void *memory))
{
    struct retired *retired = malloc(sizeof(*retired));
    struct retired *list = NULL;
    CHECK(retired != NULL);
    *retired = (struct retired){.memory = memory, .free_memory = free_memory};
    pthread_mutex_lock(&epoch->mutex);
    retired->count = atomic_fetch_add(&epoch->count, 1);
    if (epoch->newest == NULL)
        epoch->oldest = retired;
    else
        epoch->newest->next = retired;
    epoch->newest = retired;
    if (++epoch->uncollected >= COLLECT_EVERY)
        list = take_free(epoch);
    pthread_mutex_unlock(&epoch->mutex);
    free_list(list);
}

void epoch_collect(struct epoch *epoch)
{
    pthread_mutex_lock(&epoch->mutex);
    struct retired *list = take_free(epoch);
    pthread_mutex_unlock(&epoch->mutex);
    free_list(list);
}

void epoch_wait(struct epoch *epoch)
{
    const struct timespec pause = {.tv_nsec = WAIT_NS};
    uint64_t count = atomic_fetch_add(&epoch->count, 1);
    while (true) {
        pthread_mutex_lock(&epoch->mutex);
        uint64_t least = least_noted(epoch);
        pthread_mutex_unlock(&epoch->mutex);
        if (least > count)
            return;
        nanosleep(&pause, NULL);
    }
}
