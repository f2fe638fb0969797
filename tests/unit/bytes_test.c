#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

static void order_is_bytewise_and_unsigned(void **state)
{
    (void)state;

    assert_int_equal(bytes_compare(bytes_of_text("abc"), bytes_of_text("abc")), 0);
    assert_true(bytes_compare(bytes_of_text("ab"), bytes_of_text("abc")) < 0);
    assert_true(bytes_compare(bytes_of_text("b"), bytes_of_text("abc")) > 0);
    assert_true(bytes_compare(bytes_of_text("\x7f"), bytes_of_text("\x80")) < 0);
    assert_true(bytes_compare(bytes_of("a\0a", 3), bytes_of("a\0b", 3)) < 0);
    assert_true(bytes_compare(bytes_of(NULL, 0), bytes_of_text("")) == 0);
    assert_true(bytes_compare(bytes_of(NULL, 0), bytes_of_text("a")) < 0);
}

static void empty_runs_are_equal_with_and_without_data(void **state)
{
    (void)state;

    assert_true(bytes_equal(bytes_of(NULL, 0), bytes_of("x", 0)));
    assert_true(bytes_equal_text(bytes_of_text(NULL), ""));
    assert_false(bytes_equal_text(bytes_of_text(NULL), "x"));
    assert_int_equal(bytes_after(bytes_of(NULL, 0), 0).size, 0);
}

static void prefixes_and_cases_compare(void **state)
{
    (void)state;

    assert_true(bytes_start_with(bytes_of_text("card:c42"), bytes_of_text("card:")));
    assert_true(bytes_start_with(bytes_of_text("card"), bytes_of_text("")));
    assert_false(bytes_start_with(bytes_of_text("car"), bytes_of_text("card")));
    assert_true(bytes_equal_nocase(bytes_of_text("hGetAll"), "HGETALL"));
    assert_false(bytes_equal_nocase(bytes_of_text("HGET"), "HGETALL"));
    assert_false(bytes_equal_nocase(bytes_of("HGETALL\0", 8), "HGETALL"));
    assert_true(bytes_equal_text(bytes_after(bytes_of_text("view:key"), 5), "key"));
}

static void text_for_messages_is_cut_and_cleaned(void **state)
{
    (void)state;
    char text[6];

    assert_string_equal(bytes_to_text(bytes_of_text("abcdefgh"), text, sizeof(text)), "abcde");
    assert_string_equal(bytes_to_text(bytes_of("a\0\n\x7f~", 5), text, sizeof(text)), "a???~");
    assert_string_equal(bytes_to_text(bytes_of(NULL, 0), text, sizeof(text)), "");
}

static void utf8_follows_unicode(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_utf8;
    } cases[] = {
        {"", true},
        {"plain text of more than eight bytes", true},
        {"Gr\xc3\xbc\xc3\x9f"
         "e aus K\xc3\xb6ln",
         true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x9b\xab", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\x80", false},
        {"\xc3", false},
        {"\xc3(", false},
        {"\xc0\xaf", false},         /* overlong */
        {"\xc1\xbf", false},         /* overlong */
        {"\xe0\x9f\xbf", false},     /* overlong */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"\xe2\x82", false},
        {"\xf0\x9f\x9b", false},
        {"eight by\xe2\x82", false},
        {"seven b\xc3", false},
        {"eight bytes and then \xff", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (bytes_are_utf8(bytes_of_text(cases[i].text)) != cases[i].is_utf8)
            fail_msg("case %zu: '%s'", i, cases[i].text);
    assert_true(bytes_are_utf8(bytes_of(NULL, 0)));
    assert_true(bytes_are_utf8(bytes_of("a\0b", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_bytewise_and_unsigned),
        cmocka_unit_test(empty_runs_are_equal_with_and_without_data),
        cmocka_unit_test(prefixes_and_cases_compare),
        cmocka_unit_test(text_for_messages_is_cut_and_cleaned),
        cmocka_unit_test(utf8_follows_unicode),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
