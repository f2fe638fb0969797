#include "features/distinct.h"

#include <math.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

enum {
    CAPACITY_MIN = 16,
    INDEX_BITS = 14, /* Ertl's p */
    REGISTERS = 1 << INDEX_BITS,
    RANK_BITS = 64 - INDEX_BITS, /* Ertl's q */
    RANK_MAX = RANK_BITS + 1,

    HASH_SIZE = sizeof(XXH128_canonical_t),
    KIND_EXACT = 0,
    KIND_ESTIMATE = 1,
    COUNT_SIZE = 2,
    PACKED_REGISTERS = 4, /* in PACKED_SIZE bytes */
    PACKED_SIZE = 3,
    PACKED_BITS = 6,
    ESTIMATE_SIZE = REGISTERS / PACKED_REGISTERS * PACKED_SIZE,
};

_Static_assert(sizeof(struct distinct_hash) == HASH_SIZE, "a hash is 128 bits");
_Static_assert(RANK_MAX < 1 << PACKED_BITS, "a register fits its bits");

static bool hash_is_zero(struct distinct_hash hash)
{
    return hash.high == 0 && hash.low == 0;
}

static bool hash_equal(struct distinct_hash a, struct distinct_hash b)
{
    return a.high == b.high && a.low == b.low;
}

static int hash_compare(const void *a, const void *b)
{
    const struct distinct_hash *left = a;
    const struct distinct_hash *right = b;
    if (left->high != right->high)
        return left->high < right->high ? -1 : 1;
    return (left->low > right->low) - (left->low < right->low);
}

void distinct_init(struct distinct *distinct, struct arena *arena)
{
    *distinct = (struct distinct){.arena = arena};
}

void distinct_reset(struct distinct *distinct)
{
    if (distinct->capacity > 0)
        memset(distinct->slots, 0, distinct->capacity * sizeof(*distinct->slots));
    distinct->count = 0;
    distinct->is_estimate = false;
}

/* The slot that holds hash, or the free one that would. */
static struct distinct_hash *slot_find(const struct distinct *distinct, struct distinct_hash hash)
{
    size_t mask = distinct->capacity - 1;
    size_t index = hash.low & mask;
    while (!hash_is_zero(distinct->slots[index]) && !hash_equal(distinct->slots[index], hash))
        index = (index + 1) & mask;
    return &distinct->slots[index];
}

static void slots_grow(struct distinct *distinct)
{
    const struct distinct_hash *old = distinct->slots;
    size_t old_capacity = distinct->capacity;
    distinct->capacity = old_capacity == 0 ? CAPACITY_MIN : old_capacity * 2;
    distinct->slots =
        arena_allocate_array(distinct->arena, distinct->capacity, sizeof(*distinct->slots));
    for (size_t i = 0; i < old_capacity; i++)
        if (!hash_is_zero(old[i]))
            *slot_find(distinct, old[i]) = old[i];
}

/* A register holds the highest rank of the hashes that belong to it: one more than the number of
 * zeros in front of what follows its index. */
static void registers_add(uint8_t *registers, struct distinct_hash hash)
{
    size_t index = hash.high >> RANK_BITS;
    uint64_t rest = hash.high << INDEX_BITS;
    uint8_t rank = (uint8_t)(rest == 0 ? RANK_MAX : __builtin_clzll(rest) + 1);
    if (registers[index] < rank)
        registers[index] = rank;
}

static void estimate_begin(struct distinct *distinct)
{
    if (distinct->registers == NULL)
        distinct->registers = arena_allocate(distinct->arena, REGISTERS);
    memset(distinct->registers, 0, REGISTERS);
    for (size_t i = 0; i < distinct->capacity; i++)
        if (!hash_is_zero(distinct->slots[i]))
            registers_add(distinct->registers, distinct->slots[i]);
    distinct->is_estimate = true;
}

static void add_hash(struct distinct *distinct, struct distinct_hash hash)
{
    if (distinct->is_estimate) {
        registers_add(distinct->registers, hash);
        return;
    }
    if (distinct->capacity == 0)
        slots_grow(distinct);
    struct distinct_hash *slot = slot_find(distinct, hash);
    if (!hash_is_zero(*slot))
        return;
    if (distinct->count == DISTINCT_EXACT_MAX) {
        estimate_begin(distinct);
        registers_add(distinct->registers, hash);
        return;
    }
    *slot = hash;
    distinct->count++;
    if (distinct->count * 4 > distinct->capacity * 3)
        slots_grow(distinct);
}

void distinct_add(struct distinct *distinct, struct bytes value)
{
    XXH128_hash_t xxh = XXH3_128bits(value.size == 0 ? "" : value.data, value.size);
    struct distinct_hash hash = {.high = xxh.high64, .low = xxh.low64};
    if (hash_is_zero(hash))
        hash.low = 1; /* all zeros mean a free slot */
    add_hash(distinct, hash);
}

void distinct_merge(struct distinct *distinct, const struct distinct *other)
{
    if (!other->is_estimate) {
        for (size_t i = 0; i < other->capacity; i++)
            if (!hash_is_zero(other->slots[i]))
                add_hash(distinct, other->slots[i]);
        return;
    }
    if (!distinct->is_estimate)
        estimate_begin(distinct);
    for (size_t i = 0; i < REGISTERS; i++)
        if (distinct->registers[i] < other->registers[i])
            distinct->registers[i] = other->registers[i];
}

/* The estimator of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
 * (2017), section 2.3: no tables and no ranges, from how many registers hold each rank. Both series
 * end when a term no longer changes the sum. */
static double ertl_sigma(double x)
{
    if (x == 1)
        return INFINITY;
    double term = 1;
    double sum = x;
    double before;
    do {
        x *= x;
        before = sum;
        sum += x * term;
        term += term;
    } while (sum != before);
    return sum;
}

static double ertl_tau(double x)
{
    if (x == 0 || x == 1)
        return 0;
    double term = 1;
    double sum = 1 - x;
    double before;
    do {
        x = sqrt(x);
        before = sum;
        term *= 0.5;
        sum -= (1 - x) * (1 - x) * term;
    } while (sum != before);
    return sum / 3;
}

static int64_t estimate(const uint8_t *registers)
{
    const double size = REGISTERS;
    uint32_t counts[RANK_MAX + 1] = {0};
    for (size_t i = 0; i < REGISTERS; i++)
        counts[registers[i]]++;

    double sum = size * ertl_tau(1 - counts[RANK_MAX] / size);
    for (size_t rank = RANK_BITS; rank >= 1; rank--)
        sum = 0.5 * (sum + counts[rank]);
    sum += size * ertl_sigma(counts[0] / size);
    double result = size / (2 * M_LN2) * size / sum;
    return result < 0x1p62 ? llrint(result) : INT64_C(1) << 62;
}

int64_t distinct_count(const struct distinct *distinct)
{
    if (!distinct->is_estimate)
        return (int64_t)distinct->count;
    /* That there are more than can be exact is certain, however the estimate falls. */
    int64_t count = estimate(distinct->registers);
    return count > DISTINCT_EXACT_MAX ? count : DISTINCT_EXACT_MAX + 1;
}

static void exact_encode(const struct distinct *distinct, struct buffer *out)
{
    struct distinct_hash hashes[DISTINCT_EXACT_MAX];
    size_t count = 0;
    for (size_t i = 0; i < distinct->capacity; i++)
        if (!hash_is_zero(distinct->slots[i]))
            hashes[count++] = distinct->slots[i];
    CHECK(count == distinct->count);
    qsort(hashes, count, sizeof(hashes[0]), hash_compare);

    buffer_append_byte(out, KIND_EXACT);
    buffer_append_byte(out, (char)(count & 0xff));
    buffer_append_byte(out, (char)(count >> 8));
    for (size_t i = 0; i < count; i++) {
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical,
                                 (XXH128_hash_t){.high64 = hashes[i].high, .low64 = hashes[i].low});
        buffer_append(out, bytes_of(&canonical, HASH_SIZE));
    }
}

static void estimate_encode(const struct distinct *distinct, struct buffer *out)
{
    buffer_append_byte(out, KIND_ESTIMATE);
    char *at = buffer_reserve(out, ESTIMATE_SIZE);
    for (size_t i = 0; i < REGISTERS; i += PACKED_REGISTERS) {
        uint32_t packed = 0;
        for (size_t j = 0; j < PACKED_REGISTERS; j++)
            packed |= (uint32_t)distinct->registers[i + j] << (PACKED_BITS * j);
        for (size_t j = 0; j < PACKED_SIZE; j++)
            *at++ = (char)(packed >> (8 * j));
    }
    buffer_added(out, ESTIMATE_SIZE);
}

void distinct_encode(const struct distinct *distinct, struct buffer *out)
{
    if (distinct->is_estimate)
        estimate_encode(distinct, out);
    else
        exact_encode(distinct, out);
}

static bool exact_decode(struct distinct *distinct, struct bytes *input)
{
    const unsigned char *data = (const unsigned char *)input->data;
    if (input->size < COUNT_SIZE)
        return false;
    size_t count = data[0] | (size_t)data[1] << 8;
    if (count > DISTINCT_EXACT_MAX || input->size - COUNT_SIZE < count * HASH_SIZE)
        return false;
    struct distinct_hash before = {0};
    for (size_t i = 0; i < count; i++) {
        XXH128_canonical_t canonical;
        memcpy(&canonical, data + COUNT_SIZE + i * HASH_SIZE, HASH_SIZE);
        XXH128_hash_t xxh = XXH128_hashFromCanonical(&canonical);
        struct distinct_hash hash = {.high = xxh.high64, .low = xxh.low64};
        if (hash_compare(&before, &hash) >= 0)
            return false;
        add_hash(distinct, hash);
        before = hash;
    }
    *input = bytes_after(*input, COUNT_SIZE + count * HASH_SIZE);
    return true;
}

static bool estimate_decode(struct distinct *distinct, struct bytes *input)
{
    const unsigned char *at = (const unsigned char *)input->data;
    if (input->size < ESTIMATE_SIZE)
        return false;
    estimate_begin(distinct);
    for (size_t i = 0; i < REGISTERS; i += PACKED_REGISTERS) {
        uint32_t packed = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
        at += PACKED_SIZE;
        for (size_t j = 0; j < PACKED_REGISTERS; j++) {
            uint32_t rank = packed >> (PACKED_BITS * j) & ((1 << PACKED_BITS) - 1);
            if (rank > RANK_MAX)
                return false;
            distinct->registers[i + j] = (uint8_t)rank;
        }
    }
    *input = bytes_after(*input, ESTIMATE_SIZE);
    return true;
}

bool distinct_decode(struct distinct *distinct, struct bytes *input)
{
    distinct_reset(distinct);
    if (input->size == 0)
        return false;
    struct bytes rest = bytes_after(*input, 1);
    bool is_valid = input->data[0] == KIND_EXACT      ? exact_decode(distinct, &rest)
                    : input->data[0] == KIND_ESTIMATE ? estimate_decode(distinct, &rest)
                                                      : false;
    if (is_valid)
        *input = rest;
    else
        distinct_reset(distinct);
    return is_valid;
}
