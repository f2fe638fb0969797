/* SHA-256: the vectors of FIPS 180-4, in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/sha256.h"

static const struct {
    const char *text;
    size_t repeats;
    const char *digest;
} vectors[] = {
    {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
     "mnopqrstnopqrstu",
     1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 15625,
     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

static void hash_in_pieces(size_t vector, size_t piece, char text[2 * SHA256_SIZE + 1])
{
    struct sha256 hash = {0};
    unsigned char digest[SHA256_SIZE];
    sha256_init(&hash);
    for (size_t i = 0; i < vectors[vector].repeats; i++) {
        struct bytes left = bytes_of_text(vectors[vector].text);
        while (left.size > 0) {
            size_t size = piece < left.size ? piece : left.size;
            sha256_add(&hash, bytes_of(left.data, size));
            left = bytes_after(left, size);
        }
    }
    sha256_finish(&hash, digest);
    sha256_fini(&hash);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)digest[i]);
}

static void vectors_have_their_digests_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        for (size_t piece = 1; piece <= 130; piece += 13) {
            char text[2 * SHA256_SIZE + 1];
            hash_in_pieces(i, piece, text);
            assert_string_equal(text, vectors[i].digest);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_have_their_digests_in_pieces_of_any_size),
    };
    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
