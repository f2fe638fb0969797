/* Options, and help that comes from their tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "command.h"

static enum status read_option(const struct command *command, const char *first, const char *second,
                               struct options *options, struct error *err)
{
    struct option_table tables[] = {command_common_options, command->options};
    char argument[64], value[64];
    char *argv[] = {argument, value};
    size_t index = 0;
    snprintf(argument, sizeof(argument), "%s", first);
    snprintf(value, sizeof(value), "%s", second != NULL ? second : "");
    enum status status = option_read(tables, 2, argv, second != NULL ? 2 : 1, &index, options, err);
    if (status == STATUS_OK)
        assert_int_equal(index, second != NULL ? 2 : 1);
    return status;
}

static void options_set_what_their_row_says(void **state)
{
    (void)state;
    struct options options = {0};
    struct error err = {{0}};
    const struct command *push = command_find("push", &err);

    option_set_presets(&push->options, &options);
    assert_int_equal(options.batch_events, 1000);
    assert_int_equal(read_option(push, "--batch", "77", &options, &err), STATUS_OK);
    assert_int_equal(options.batch_events, 77);
    assert_int_equal(read_option(push, "--retry=0", NULL, &options, &err), STATUS_OK);
    assert_int_equal(options.retry_s, 0);
    assert_int_equal(read_option(push, "--json", NULL, &options, &err), STATUS_OK);
    assert_true(options.is_json);
    assert_int_equal(read_option(push, "-h", NULL, &options, &err), STATUS_OK);
    assert_true(options.is_help);
    assert_false(options.is_exclusive);
}

static void wrong_options_are_refused_with_what_would_be_right(void **state)
{
    (void)state;
    static const struct {
        const char *first;
        const char *second;
        const char *part;
    } cases[] = {
        {"--rejcets", "x", "did you mean --rejects?"},
        {"--rejcets=x", NULL, "did you mean --rejects?"},
        {"--zzzzzz", NULL, "unknown option '--zzzzzz'"},
        {"--", NULL, "unknown option"},
        {"-x", NULL, "unknown option '-x'"},
        {"--batch", NULL, "--batch needs a value: --batch N"},
        {"--batch", "0", "from 1 to 100000, got '0'"},
        {"--batch", "100001", "from 1 to 100000"},
        {"--batch", "99999999999999999999", "from 1 to 100000"},
        {"--batch", "ten", "from 1 to 100000, got 'ten'"},
        {"--batch=", NULL, "from 1 to 100000, got ''"},
        {"--json=yes", NULL, "--json takes no value"},
        {"--exclusive", NULL, "unknown option '--exclusive'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options = {0};
        struct error err = {{0}};
        const struct command *push = command_find("push", &err);

        enum status status = read_option(push, cases[i].first, cases[i].second, &options, &err);

        assert_int_equal(status, STATUS_INVALID);
        assert_non_null(strstr(err.text, cases[i].part));
    }
}

static void an_unknown_command_is_refused_with_the_nearest(void **state)
{
    (void)state;
    struct error err = {{0}};

    assert_null(command_find("psuh", &err));
    assert_string_equal(err.text, "unknown command 'psuh'; did you mean 'push'?");
    assert_null(command_find("frobnicate", &err));
    assert_string_equal(err.text, "unknown command 'frobnicate'");
}

static void every_command_explains_itself_and_its_options(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_table_count; i++) {
        const struct command *command = &command_table[i];
        struct buffer help = {0};

        option_append_help(&command->options, &help);
        buffer_append_byte(&help, '\0');

        assert_non_null(command->run);
        assert_non_null(strstr(command->examples, command->name));
        for (size_t j = 0; j < command->options.count; j++) {
            const struct option *option = &command->options.options[j];
            assert_non_null(strstr(buffer_bytes(&help).data, option->name));
            assert_non_null(strstr(buffer_bytes(&help).data, option->help));
        }
        buffer_fini(&help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_set_what_their_row_says),
        cmocka_unit_test(wrong_options_are_refused_with_what_would_be_right),
        cmocka_unit_test(an_unknown_command_is_refused_with_the_nearest),
        cmocka_unit_test(every_command_explains_itself_and_its_options),
    };
    return cmocka_run_group_tests_name("client_option", tests, NULL, NULL);
}
