/* Freshness: how long it takes until what happened can be read, of one view.
 *
 * Thread: the stream observes, any reads. */
#ifndef ASOF_MODEL_FRESHNESS_H
#define ASOF_MODEL_FRESHNESS_H

#include "base/metric.h"

struct freshness {
    struct histogram since_event;  /* from the event's time; of sources whose clock is the wall's */
    struct histogram since_append; /* from when Kafka or a push brought it */
};

#endif
