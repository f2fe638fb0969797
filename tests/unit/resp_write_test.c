#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "protocol/resp.h"

enum { TEXT_SIZE_MAX = 300 };

static char letters[TEXT_SIZE_MAX];

/* Texts of each size are copied in different ways. */
static void texts_of_any_size_are_written_as_bulk_strings(void **state)
{
    (void)state;
    struct bytes texts[TEXT_SIZE_MAX + 1];
    struct buffer out = {0};
    struct buffer expected = {0};
    for (size_t i = 0; i < TEXT_SIZE_MAX; i++)
        letters[i] = (char)('a' + i % 26);
    buffer_format(&expected, "*%d\r\n", TEXT_SIZE_MAX + 1);
    for (size_t size = 0; size <= TEXT_SIZE_MAX; size++) {
        texts[size] = bytes_of(letters + TEXT_SIZE_MAX - size, size);
        buffer_format(&expected, "$%zu\r\n%.*s\r\n", size, BYTES_ARGS(texts[size]));
    }

    resp_write_texts((struct resp_writer){.out = &out, .version = 2}, texts, TEXT_SIZE_MAX + 1);

    assert_true(bytes_equal(buffer_bytes(&out), buffer_bytes(&expected)));
    buffer_fini(&out);
    buffer_fini(&expected);
}

static void what_is_no_text_is_a_null_of_its_version(void **state)
{
    (void)state;
    static const char *const expected[] = {
        [2] = "*3\r\n$-1\r\n$0\r\n\r\n$-1\r\n$-1\r\n$1\r\nx\r\n",
        [3] = "*3\r\n_\r\n$0\r\n\r\n_\r\n_\r\n$1\r\nx\r\n",
    };
    const struct bytes texts[] = {{0}, bytes_of_text(""), {0}};
    for (unsigned version = 2; version <= 3; version++) {
        struct buffer out = {0};
        struct resp_writer writer = {.out = &out, .version = version};

        resp_write_texts(writer, texts, 3);
        resp_write_text_or_null(writer, texts[0]);
        resp_write_text_or_null(writer, bytes_of_text("x"));

        assert_true(bytes_equal_text(buffer_bytes(&out), expected[version]));
        buffer_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_any_size_are_written_as_bulk_strings),
        cmocka_unit_test(what_is_no_text_is_a_null_of_its_version),
    };
    return cmocka_run_group_tests_name("resp_write", tests, NULL, NULL);
}
