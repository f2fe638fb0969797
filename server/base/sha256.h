/* SHA-256 (FIPS 180-4), of bytes as they come. Thread: any. */
#ifndef ASOF_BASE_SHA256_H
#define ASOF_BASE_SHA256_H

#include "base/bytes.h"

enum { SHA256_SIZE = 32, SHA256_BLOCK_SIZE = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t size_bytes;
    unsigned char block[SHA256_BLOCK_SIZE]; /* what is no whole block yet */
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, struct bytes bytes);

/* Ends it; to go on it must be initialised again. */
void sha256_finish(struct sha256 *hash, unsigned char digest[SHA256_SIZE]);

#endif
