#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/glob.h"

static bool matches(const char *pattern, const char *text)
{
    return glob_match(bytes_of_text(pattern), bytes_of_text(text));
}

static void patterns_match_the_whole_text(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *text;
        bool is_match;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"card:c42", "card:c42", true},
        {"card:c42", "card:c421", false},
        {"card:c421", "card:c42", false},
        {"*", "", true},
        {"*", "anything", true},
        {"**", "", true},
        {"card:*", "card:", true},
        {"card:*", "cards:1", false},
        {"*:c42", "card:c42", true},
        {"*a*b*c*", "xxaxxbxxcxx", true},
        {"*a*b*c*", "xxaxxcxxbxx", false},
        {"*ab", "aab", true},
        {"*ab", "abb", false},
        {"a*b*a", "aba", true},
        {"a*b*a", "ab", false},
        {"?", "a", true},
        {"?", "", false},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"?*?", "a", false},
        {"?*?", "ab", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (matches(cases[i].pattern, cases[i].text) != cases[i].is_match)
            fail_msg("pattern '%s', text '%s'", cases[i].pattern, cases[i].text);
}

static void classes_are_those_of_redis(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *text;
        bool is_match;
    } cases[] = {
        {"[abc]", "b", true},      {"[abc]", "d", false},       {"[a-c]x", "bx", true},
        {"[a-c]", "d", false},     {"[c-a]", "b", true},        {"[^a-c]", "b", false},
        {"[^a-c]", "z", true},     {"[]", "a", false},          {"[^]", "a", true},
        {"[a\\]b]", "]", true},    {"[\\^a]", "^", true},       {"[a^]", "^", true},
        {"[-a]", "-", true},       {"[a-]", "^", true},         {"[a-]", "-", false},
        {"[abc", "b", true},       {"[abc", "bc", false},       {"[", "a", false},
        {"[^", "a", true},         {"h[ae]llo", "hello", true}, {"h[^e]llo", "hello", false},
        {"*[0-9]", "card7", true}, {"*[0-9]", "card", false},   {"[\\", "\\", true},
        {"[a-", "-", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (matches(cases[i].pattern, cases[i].text) != cases[i].is_match)
            fail_msg("pattern '%s', text '%s'", cases[i].pattern, cases[i].text);
}

static void backslash_takes_the_next_byte_as_it_is(void **state)
{
    (void)state;

    assert_true(matches("a\\*b", "a*b"));
    assert_false(matches("a\\*b", "axb"));
    assert_true(matches("\\?\\[\\\\", "?[\\"));
    assert_true(matches("a\\", "a\\"));
    assert_true(matches("\\a", "a"));
}

static void bytes_above_ascii_and_zero_are_ordinary(void **state)
{
    (void)state;

    assert_true(matches("[\x80-\xff]", "\xc3"));
    assert_false(matches("[\x80-\xff]", "a"));
    assert_true(glob_match(bytes_of("a?b", 3), bytes_of("a\0b", 3)));
    assert_true(glob_match(bytes_of("a\0*", 3), bytes_of("a\0b", 3)));
    assert_false(glob_match(bytes_of("a\0c", 3), bytes_of("a\0b", 3)));
}

/* A matcher that tries all lengths of all stars would need longer than the sun will shine. */
static void many_stars_stay_fast(void **state)
{
    (void)state;
    enum { TEXT_SIZE = 20000 };
    char pattern[GLOB_PATTERN_SIZE_MAX];
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    pattern[sizeof(pattern) - 1] = 'b';
    char *text = malloc(TEXT_SIZE);
    memset(text, 'a', TEXT_SIZE);

    int64_t start_us = clock_mono_us();
    bool is_match = glob_match(bytes_of(pattern, sizeof(pattern)), bytes_of(text, TEXT_SIZE));
    int64_t spent_us = clock_mono_us() - start_us;

    free(text);
    assert_false(is_match);
    assert_in_range(spent_us, 0, 5000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_the_whole_text),
        cmocka_unit_test(classes_are_those_of_redis),
        cmocka_unit_test(backslash_takes_the_next_byte_as_it_is),
        cmocka_unit_test(bytes_above_ascii_and_zero_are_ordinary),
        cmocka_unit_test(many_stars_stay_fast),
    };
    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
