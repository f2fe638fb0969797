/* Random: what property tests draw from. The seed is printed with each test, and ASOF_TEST_SEED
 * sets it, so that a failure can be seen again. */
#ifndef ASOF_TESTS_RANDOM_H
#define ASOF_TESTS_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random {
    uint64_t state;
};

/* A generator from ASOF_TEST_SEED or the clock. */
static inline struct random random_begin(const char *test)
{
    const char *text = getenv("ASOF_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    printf("%s: ASOF_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    return (struct random){.state = seed};
}

/* splitmix64 */
static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 .. bound - 1 */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    return random_next(random) % bound;
}

#endif
