#include "help.h"

#include "base/version.h"

static void print_buffer(struct buffer *text, FILE *out)
{
    fwrite(buffer_bytes(text).data, 1, text->size, out);
    buffer_fini(text);
}

void help_print_all(FILE *out)
{
    struct buffer text = {0};
    buffer_append_text(&text,
                       "asof: features of an online feature store, now and as of any past "
                       "moment\n\nUsage: asof [--server HOST:PORT] COMMAND ...\n\nCommands:\n");
    for (size_t i = 0; i < command_table_count; i++)
        buffer_format(&text, "  %-10s %s\n", command_table[i].name, command_table[i].summary);
    buffer_append_text(&text, "\nOptions of every command:\n");
    option_append_help(&command_common_options, &text);
    buffer_append_text(&text,
                       "\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 server "
                       "unreachable.\n`asof COMMAND --help` says more and has examples.\n");
    print_buffer(&text, out);
}

void help_print(const struct command *command, FILE *out)
{
    struct buffer text = {0};
    buffer_format(&text, "%s\n\nUsage: asof %s%s%s%s\n\n%s\n", command->summary, command->name,
                  command->options.count > 0 ? " [OPTIONS]" : "",
                  command->words[0] != '\0' ? " " : "", command->words, command->text);
    if (command->options.count > 0)
        buffer_append_text(&text, "Options:\n");
    option_append_help(&command->options, &text);
    buffer_append_text(&text, "Options of every command:\n");
    option_append_help(&command_common_options, &text);
    buffer_format(&text, "\nExamples:\n%s", command->examples);
    print_buffer(&text, out);
}

enum exit_code command_help(const struct run *run, struct error *err)
{
    if (run->words_count == 0) {
        help_print_all(stdout);
        return EXIT_DONE;
    }
    const struct command *command = command_find(run->words[0], err);
    if (command == NULL)
        return EXIT_USAGE;
    help_print(command, stdout);
    return EXIT_DONE;
}

enum exit_code command_version(const struct run *run, struct error *err)
{
    (void)err;
    printf(run->options->is_json ? "{\"version\":\"%s\"}\n" : "asof %s\n", ASOF_VERSION);
    return EXIT_DONE;
}
