/* Arrivals: the events of the open batch, remembered until it is written, as only then they can be
 * read: that moment less their own times is what freshness tells.
 *
 * Private to stream/. Thread: the one that owns the stream. */
#ifndef ASOF_STREAM_ARRIVALS_H
#define ASOF_STREAM_ARRIVALS_H

#include "model/freshness.h"
#include "stream/runtime.h"

/* Of one batch; what goes beyond is not told. */
enum { ARRIVALS_MAX = 64 * 1024 };

struct arrival {
    struct freshness *view;              /* borrowed from the stream */
    const struct source_runtime *source; /* NULL: the event was counted for it already */
    int64_t event_us;
    int64_t appended_us;
};

struct arrivals {
    struct arrival *items; /* owned: ARRIVALS_MAX of them */
    size_t count;
    struct named_freshness **views; /* owned, as each of them: they stay */
    size_t views_count;
};

void arrivals_init(struct arrivals *arrivals);
void arrivals_fini(struct arrivals *arrivals);

/* The freshness of the view of that name, made where there is none; good for the stream's life. */
struct freshness *arrivals_find_view(struct arrivals *arrivals, struct bytes view);

/* Gives the shown version of each view its freshness. */
void arrivals_bind(struct arrivals *arrivals, struct runtime *runtime);

/* A view has taken an event of the source. is_first: no other view has taken it yet. */
void arrivals_add(struct arrivals *arrivals, const struct source_runtime *source, bool is_first,
                  struct freshness *view, int64_t event_us, int64_t appended_us);

/* They can be read from now_us on. */
void arrivals_observe(struct arrivals *arrivals, int64_t now_us);

#endif
