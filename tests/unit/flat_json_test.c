#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "stream/flat_json.h"

/* Takes the text apart into "key:kind:value;..."; returns how that ended. */
static enum flat_result take_all(const char *text, struct buffer *found)
{
    struct flat_json json = flat_json_begin(bytes_of_text(text));
    struct bytes key;
    struct raw_value value;
    enum flat_result result;
    while ((result = flat_json_next(&json, &key, &value)) == FLAT_MEMBER)
        buffer_format(found, "%.*s:%d:%.*s;", BYTES_ARGS(key), (int)value.kind,
                      BYTES_ARGS(value.text));
    buffer_append_byte(found, '\0');
    return result;
}

static void members_are_given_in_their_order(void **state)
{
    (void)state;
    struct buffer found = {0};

    assert_int_equal(
        take_all(" {\"a\" : \"x y\",\n\"b\":-1.5e+3, \"\":true,\"a\":null\t,\"c\":false} ", &found),
        FLAT_END);
    assert_string_equal(buffer_bytes(&found).data, "a:4:x y;b:3:-1.5e+3;:1:;a:0:;c:2:;");
    buffer_fini(&found);
}

static void what_ends_an_object_ends_it(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", " { } ", "{\"a\":0}", "{\"a\":\"\"}\r\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buffer found = {0};
        if (take_all(texts[i], &found) != FLAT_END)
            fail_msg("%s", texts[i]);
        buffer_fini(&found);
    }
}

static void all_else_is_left_to_yajl(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[]",
        "1",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":{}}",
        "{\"a\":[]}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":tru}",
        "{\"a\":truth}",
        "{\"a\":1}{}",
        "{\"a\":1}x",
        "{\"a\":\"x}",
        "{\"a\":\"x\ny\"}",
        "{\"a\x01\":1}",
        "{\"a\":1,,\"b\":2}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buffer found = {0};
        if (take_all(texts[i], &found) != FLAT_OTHER)
            fail_msg("%s", texts[i]);
        buffer_fini(&found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_given_in_their_order),
        cmocka_unit_test(what_ends_an_object_ends_it),
        cmocka_unit_test(all_else_is_left_to_yajl),
    };
    return cmocka_run_group_tests_name("flat_json", tests, NULL, NULL);
}
