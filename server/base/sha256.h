/* SHA-256, of bytes as they come: OpenSSL's, which takes the processor's instructions for it. Only
 * sha256.c knows that. Thread: one at a time. */
#ifndef ASOF_BASE_SHA256_H
#define ASOF_BASE_SHA256_H

#include "base/bytes.h"

enum { SHA256_SIZE = 32 };

struct sha256 {
    void *context; /* owned; NULL: not begun */
};

/* Begins, also anew. */
void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, struct bytes bytes);

/* The digest of all that was added; then nothing may be added before the next init. */
void sha256_finish(struct sha256 *hash, unsigned char digest[SHA256_SIZE]);

/* Also of what was never begun, and zero. */
void sha256_fini(struct sha256 *hash);

#endif
