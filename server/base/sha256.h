/* SHA-256, as FIPS 180-4 has it: so that who receives a file can tell that it is whole. Thread:
 * any, of different structs. */
#ifndef ASOF_BASE_SHA256_H
#define ASOF_BASE_SHA256_H

#include <stdint.h>

#include "base/bytes.h"

enum { SHA256_SIZE = 32, SHA256_BLOCK_SIZE = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t size; /* of all bytes so far */
    unsigned char block[SHA256_BLOCK_SIZE];
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, struct bytes bytes);

/* The digest of all that was added; the hash is used up. */
void sha256_finish(struct sha256 *hash, char digest[SHA256_SIZE]);

#endif
