#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"

enum { MILLION = 1000 * 1000 };

/* In pieces of that size. */
static void hash_text(const char *text, size_t size, size_t piece, char hex[2 * SHA256_SIZE + 1])
{
    struct sha256 hash;
    char digest[SHA256_SIZE];
    sha256_init(&hash);
    for (size_t i = 0; i < size; i += piece)
        sha256_add(&hash, bytes_of(text + i, size - i < piece ? size - i : piece));
    sha256_finish(&hash, digest);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)digest[i]);
}

/* Those of FIPS 180-4 and of NIST's examples. */
static void digests_are_those_of_the_standard(void **state)
{
    (void)state;
    char *many = malloc(MILLION);
    assert_non_null(many);
    memset(many, 'a', MILLION);
    const struct {
        const char *text;
        size_t size;
        const char *digest;
    } cases[] = {
        {"", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {many, MILLION, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    static const size_t pieces[] = {1, 55, 63, 64, 65, 1000, MILLION};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
            char hex[2 * SHA256_SIZE + 1];
            hash_text(cases[i].text, cases[i].size, pieces[j], hex);
            assert_string_equal(hex, cases[i].digest);
        }
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digests_are_those_of_the_standard)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
