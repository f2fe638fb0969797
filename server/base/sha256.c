#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

void sha256_init(struct sha256 *hash)
{
    if (hash->context == NULL)
        hash->context = EVP_MD_CTX_new();
    CHECK(hash->context != NULL);
    CHECK(EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) == 1);
}

void sha256_add(struct sha256 *hash, struct bytes bytes)
{
    CHECK(EVP_DigestUpdate(hash->context, bytes.data, bytes.size) == 1);
}

void sha256_finish(struct sha256 *hash, unsigned char digest[SHA256_SIZE])
{
    unsigned size = 0;
    CHECK(EVP_DigestFinal_ex(hash->context, digest, &size) == 1 && size == SHA256_SIZE);
}

void sha256_fini(struct sha256 *hash)
{
    EVP_MD_CTX_free(hash->context);
    hash->context = NULL;
}
