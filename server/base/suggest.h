/* Suggest: "did you mean 'amount'?" for whoever refuses a name. Thread: any. */
#ifndef ASOF_BASE_SUGGEST_H
#define ASOF_BASE_SUGGEST_H

#include "base/bytes.h"

enum { SUGGEST_TEXT_SIZE = 160, SUGGEST_NAME_SIZE_MAX = 64 };

/* The best of candidates so far; zero is a valid start. */
struct suggest {
    struct bytes name;    /* what was typed; borrowed */
    struct bytes nearest; /* borrowed; empty: none is near */
    size_t distance;
};

/* Looks whether candidate is nearer than those before: at most a third of its letters wrong. */
void suggest_consider(struct suggest *suggest, struct bytes candidate);

/* "; did you mean 'amount'?" or "": to be put behind a sentence. Returns text. */
const char *suggest_text(const struct suggest *suggest, char text[SUGGEST_TEXT_SIZE]);

#endif
