#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "app/options.h"
#include "document.h"

static enum status parse(struct server_options *options, struct error *err, int argc, ...)
{
    char *argv[16] = {"asofd"};
    enum options_wish wish;
    va_list arguments;
    va_start(arguments, argc);
    for (int i = 1; i <= argc; i++)
        argv[i] = va_arg(arguments, char *);
    va_end(arguments);
    return options_parse(argc + 1, argv, options, &wish, err);
}

static void defaults_stand_where_nothing_is_said(void **state)
{
    (void)state;
    struct server_options options;
    struct error err;

    assert_int_equal(parse(&options, &err, 0), STATUS_OK);

    assert_string_equal(options.listen, "127.0.0.1");
    assert_int_equal(options.resp_port, 6390);
    assert_int_equal(options.block_cache_bytes, 16 << 20);
    assert_false(options.allow_unauthenticated);
}

static void values_come_behind_a_space_or_an_equals_sign(void **state)
{
    (void)state;
    struct server_options options;
    struct error err;

    assert_int_equal(parse(&options, &err, 5, "--resp-port", "0", "--http_port=off",
                           "--write-buffer-bytes=1GiB", "--allow-unauthenticated"),
                     STATUS_OK);

    assert_int_equal(options.resp_port, 0);
    assert_int_equal(options.http_port, PORT_OFF);
    assert_int_equal(options.write_buffer_bytes, 1 << 30);
    assert_true(options.allow_unauthenticated);
}

static void mistakes_say_what_would_be_right(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"--resp-prot", "1", "unknown option 'resp-prot'; did you mean 'resp-port'?"},
        {"--resp-port", "70000", "resp-port must be 0 to 65535 port or off, got '70000'"},
        {"--resp-port", "x", "resp-port must be"},
        {"--block-cache-bytes", "5", "block-cache-bytes must be 1048576 to"},
        {"--block-cache-bytes", "99999999999GiB", "block-cache-bytes must be"},
        {"--compact=maybe", "--compact", "compact is yes or no"},
        {"data", "x", "unexpected argument 'data'"},
        {"--config", "/does/not/exist", "config file /does/not/exist: No such file"},
        {"--compact", "--data", "--data needs a value (directory)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct server_options options;
        struct error err = {0};
        enum status status = parse(&options, &err, 2, cases[i][0], cases[i][1]);
        if (status != STATUS_INVALID || strstr(err.text, cases[i][2]) == NULL)
            fail_msg("%s: %s", cases[i][0], err.text);
    }
}

/* Parses with a config file of this text, and --resp-port 7. */
static enum status parse_config(const char *text, struct server_options *options, struct error *err)
{
    char path[] = "/tmp/asof-options-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    enum status status = parse(options, err, 4, "--config", path, "--resp-port", "7");
    unlink(path);
    return status;
}

static void a_config_file_sets_what_the_command_line_does_not(void **state)
{
    (void)state;
    struct server_options options;
    struct error err;

    assert_int_equal(parse_config("data: /x\nresp-port: 8\nconnections_max: 5\n", &options, &err),
                     STATUS_OK);
    assert_string_equal(options.data, "/x");
    assert_int_equal(options.resp_port, 7);
    assert_int_equal(options.connections_max, 5);
    assert_int_equal(parse_config("", &options, &err), STATUS_OK);
}

static void a_config_file_with_a_mistake_names_the_line(void **state)
{
    (void)state;
    struct server_options options;
    struct error err;

    assert_int_equal(parse_config("data: /x\n\ndta: y\n", &options, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "line 3: unknown option 'dta'; did you mean 'data'?"));
    assert_int_equal(parse_config("data: [1]\n", &options, &err), STATUS_INVALID);
    assert_int_equal(parse_config("- data\n", &options, &err), STATUS_INVALID);
    assert_int_equal(parse_config("data: \"x\n", &options, &err), STATUS_INVALID);
}

static void the_document_of_options_is_the_table(void **state)
{
    (void)state;
    struct buffer expected = {0};
    buffer_append_text(&expected,
                       "# Options of asofd\n\nOn the command line, or without the dashes in the "
                       "file that `--config` names: `resp-port: 6390`, one a line. The\ncommand "
                       "line wins. Bytes may be written as `64KiB`, `64MiB`, `1GiB`.\n\n");
    options_append_markdown(&expected);
    assert_document("docs/options.md", &expected);
    buffer_fini(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_stand_where_nothing_is_said),
        cmocka_unit_test(values_come_behind_a_space_or_an_equals_sign),
        cmocka_unit_test(mistakes_say_what_would_be_right),
        cmocka_unit_test(a_config_file_sets_what_the_command_line_does_not),
        cmocka_unit_test(a_config_file_with_a_mistake_names_the_line),
        cmocka_unit_test(the_document_of_options_is_the_table),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
