#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/resp_shape.h"

/* HMGET key f gh */
static struct resp_shape shape_for_test(void)
{
    const struct bytes arguments[] = {bytes_of_text("HMGET"), bytes_of_text("v:1"),
                                      bytes_of_text("f"), bytes_of_text("gh")};
    struct resp_shape shape = {0};
    resp_shape_set(&shape, arguments, 4);
    return shape;
}

#define HEAD "*4\r\n$5\r\nHMGET\r\n"
#define TAIL "\r\n$1\r\nf\r\n$2\r\ngh\r\n"

static void a_request_that_differs_in_its_key_alone_matches(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        const char *argument;
        size_t left; /* bytes behind the request */
    } rows[] = {
        {HEAD "$3\r\nv:1" TAIL, "v:1", 0},
        {HEAD "$3\r\nv:2" TAIL "*4\r\n", "v:2", 4},
        {HEAD "$12\r\nview:c421717" TAIL, "view:c421717", 0},
        {HEAD "$0\r\n" TAIL, "", 0},
        {HEAD "$5\r\na\r\nbc" TAIL, "a\r\nbc", 0},
    };
    struct resp_shape shape = shape_for_test();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes input = bytes_of_text(rows[i].input);
        struct bytes argument;
        size_t size;
        assert_true(resp_shape_match(&shape, input, &argument, &size));
        assert_true(bytes_equal_text(argument, rows[i].argument));
        assert_int_equal(size, input.size - rows[i].left);
        for (size_t cut = 0; cut < size; cut++)
            assert_false(resp_shape_match(&shape, bytes_of(input.data, cut), &argument, &size));
    }
    resp_shape_fini(&shape);
}

static void whatever_else_differs_does_not_match(void **state)
{
    (void)state;
    static const char *const inputs[] = {
        "",
        "*4\r\n$5\r\nhmget\r\n$3\r\nv:1" TAIL,
        "*5\r\n$5\r\nHMGET\r\n$3\r\nv:1" TAIL "$1\r\ng\r\n",
        "*04\r\n$5\r\nHMGET\r\n$3\r\nv:1" TAIL,
        "\r\n" HEAD "$3\r\nv:1" TAIL,
        HEAD "$03\r\nv:1" TAIL,
        HEAD "$+3\r\nv:1" TAIL,
        HEAD "$-3\r\nv:1" TAIL,
        HEAD "$\r\nv:1" TAIL,
        HEAD "$3\r \nv:1" TAIL,
        HEAD "$3\n\nv:1" TAIL,
        HEAD "$2\r\nv:1" TAIL,
        HEAD "$4\r\nv:1" TAIL,
        HEAD "$99999\r\nv:1" TAIL,
        HEAD "$100003\r\nv:1" TAIL,
        HEAD "$18446744073709551619\r\nv:1" TAIL,
        HEAD "$3\r\nv:1XX$1\r\nf\r\n$2\r\ngh\r\n",
        HEAD "$3\r\nv:1\r\n$1\r\nF\r\n$2\r\ngh\r\n",
        HEAD "$3\r\nv:1\r\n$1\r\nf\r\n$2\r\nghXX",
        "HMGET v:1 f gh\r\n",
    };
    struct resp_shape shape = shape_for_test();
    struct resp_shape empty = {0};
    struct bytes argument;
    size_t size;
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
        assert_false(resp_shape_match(&shape, bytes_of_text(inputs[i]), &argument, &size));
    assert_false(resp_shape_match(&empty, bytes_of_text(HEAD "$3\r\nv:1" TAIL), &argument, &size));
    resp_shape_fini(&shape);
}

static void shapes_are_equal_where_only_the_key_differs(void **state)
{
    (void)state;
    const struct bytes other_key[] = {bytes_of_text("HMGET"), bytes_of_text("view:77"),
                                      bytes_of_text("f"), bytes_of_text("gh")};
    const struct bytes other_field[] = {bytes_of_text("HMGET"), bytes_of_text("v:1"),
                                        bytes_of_text("f"), bytes_of_text("g")};
    struct resp_shape shape = shape_for_test();
    struct resp_shape other = {0};
    resp_shape_set(&other, other_key, 4);
    assert_true(resp_shape_equal(&shape, &other));
    assert_int_equal(resp_shape_size(&shape), resp_shape_size(&other));
    resp_shape_set(&other, other_field, 4);
    assert_false(resp_shape_equal(&shape, &other));
    resp_shape_fini(&shape);
    resp_shape_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_differs_in_its_key_alone_matches),
        cmocka_unit_test(whatever_else_differs_does_not_match),
        cmocka_unit_test(shapes_are_equal_where_only_the_key_differs),
    };
    return cmocka_run_group_tests_name("resp_shape", tests, NULL, NULL);
}
