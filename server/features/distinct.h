/* Distinct: counts different values, exactly up to DISTINCT_EXACT_MAX of them and by HyperLogLog
 * beyond (p = 14, Ertl's improved estimator; standard error 0.81 %).
 *
 * 1. The state is a function of the set of values alone: any order of adds and merges, and any
 *    repeats, give the same count and the same encoding. More than DISTINCT_EXACT_MAX values in the
 *    union, and only that, make it an estimate.
 * 2. A value is known by the 128-bit XXH3 hash of its bytes; the caller writes equal values as
 *    equal bytes.
 * 3. Memory comes from an arena and grows with the set: none for the empty one, 256 bytes for up to
 *    12 values, at most 64 KiB in all while exact, 16 KiB more for an estimate. It is as old as the
 *    arena and is never given back.
 *
 * Thread: one at a time. */
#ifndef ASOF_FEATURES_DISTINCT_H
#define ASOF_FEATURES_DISTINCT_H

#include "base/arena.h"
#include "base/buffer.h"

enum { DISTINCT_EXACT_MAX = 1024 };

struct distinct_hash {
    uint64_t high;
    uint64_t low;
};

struct distinct {
    struct arena *arena;         /* borrowed */
    struct distinct_hash *slots; /* open addressing; all zeros: free. NULL: nothing was added yet */
    size_t capacity;             /* of slots, a power of two */
    size_t count;                /* of values, while exact */
    uint8_t *registers;          /* of HyperLogLog, or NULL */
    bool is_estimate;
};

/* The empty set. The arena is borrowed for the life of the set. */
void distinct_init(struct distinct *distinct, struct arena *arena);

/* Empties it and keeps its memory for the next values. */
void distinct_reset(struct distinct *distinct);

void distinct_add(struct distinct *distinct, struct bytes value);

/* Makes it the union with other, which stays as it is. */
void distinct_merge(struct distinct *distinct, const struct distinct *other);

int64_t distinct_count(const struct distinct *distinct);

/* Appends the set.
 *
 *     exact      u8 0, u16 LE count, count hashes ascending, each 16 bytes big-endian
 *     estimate   u8 1, 16,384 registers of 6 bits, the first in the lowest bits: 12,288 bytes */
void distinct_encode(const struct distinct *distinct, struct buffer *out);

/* Takes a set from the front of *input, in place of what distinct (after init) holds. false: the
 * bytes are not what encode writes, and distinct is empty. */
bool distinct_decode(struct distinct *distinct, struct bytes *input);

#endif
