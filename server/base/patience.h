/* Patience: lent to a long piece of work by whoever may want it to be given up on its way.
 *
 * Thread: the one that works; what it looks at may be set by another. */
#ifndef ASOF_BASE_PATIENCE_H
#define ASOF_BASE_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>

struct patience {
    bool (*may_go_on)(void *context); /* asked often, so it is to be cheap */
    void *context;
};

/* Without one it never ends. */
static inline bool patience_lasts(const struct patience *patience)
{
    return patience == NULL || patience->may_go_on(patience->context);
}

#endif
