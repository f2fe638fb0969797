/* asof: the command. This file finds the command that was asked for, reads its options, runs it and
 * tells how it ended; what a command does stands in the file of its name. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "command.h"
#include "remote.h"
#include "help.h"
#include "text.h"

enum { TABLES_COUNT = 2 };

struct command_line {
    const struct command *command; /* NULL: none was named */
    struct options options;
    const char **words; /* owned; argc of them at most */
    size_t words_count;
};

/* A word that is no option: the command, or one of its own words. */
static enum status read_word(struct command_line *line, const char *word, struct error *err)
{
    if (line->command != NULL) {
        line->words[line->words_count++] = word;
        return STATUS_OK;
    }
    line->command = command_find(word, err);
    if (line->command == NULL)
        return STATUS_INVALID;
    option_set_presets(&line->command->options, &line->options);
    return STATUS_OK;
}

static enum status read_line(struct command_line *line, size_t argc, char **argv, struct error *err)
{
    enum status status = STATUS_OK;
    bool is_words_only = false;
    size_t i = 1;

    while (status == STATUS_OK && i < argc) {
        if (!is_words_only && strcmp(argv[i], "--") == 0) {
            is_words_only = true;
            i++;
        } else if (!is_words_only && strcmp(argv[i], "--version") == 0) {
            status = read_word(line, "version", err);
            i++;
        } else if (!is_words_only && option_is(argv[i])) {
            struct option_table tables[TABLES_COUNT] = {command_common_options};
            if (line->command != NULL)
                tables[1] = line->command->options;
            status = option_read(tables, TABLES_COUNT, argv, argc, &i, &line->options, err);
        } else {
            status = read_word(line, argv[i++], err);
        }
    }
    return status;
}

static enum status check_words(const struct command_line *line, struct error *err)
{
    const struct command *command = line->command;
    if (line->words_count < command->words_min)
        return error_set(err, STATUS_INVALID, "%s needs more: asof %s %s", command->name,
                         command->name, command->words);
    if (line->words_count > command->words_max)
        return error_set(err, STATUS_INVALID, "%s: '%s' is too much; asof %s %s", command->name,
                         line->words[command->words_max], command->name, command->words);
    return STATUS_OK;
}

static enum exit_code run_command(struct command_line *line, struct error *err)
{
    struct run run = {
        .options = &line->options,
        .words = line->words,
        .words_count = line->words_count,
        .out = terminal_of(stdout),
        .err = terminal_of(stderr),
    };
    if (line->options.server == NULL)
        line->options.server = getenv("ASOF_SERVER");
    if (line->options.server == NULL || line->options.server[0] == '\0')
        line->options.server = REMOTE_ADDRESS;
    if (remote_check_address(line->options.server, err) != STATUS_OK)
        return EXIT_USAGE;
    return line->command->run(&run, err);
}

static enum exit_code run_line(struct command_line *line, size_t argc, char **argv,
                               struct error *err)
{
    if (read_line(line, argc, argv, err) != STATUS_OK)
        return EXIT_USAGE;
    if (line->command == NULL) {
        help_print_all(line->options.is_help ? stdout : stderr);
        err->text[0] = '\0';
        return line->options.is_help ? EXIT_DONE : EXIT_USAGE;
    }
    if (line->options.is_help) {
        help_print(line->command, stdout);
        return EXIT_DONE;
    }
    if (check_words(line, err) != STATUS_OK)
        return EXIT_USAGE;
    return run_command(line, err);
}

/* What could not be written was not done; a reader that went away needs no word about it. */
static enum exit_code flush_output(enum exit_code code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno != EPIPE)
        fprintf(stderr, "asof: write to standard output: %s\n", error_errno());
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

/* The sentence may quote a file or the server, so nothing of it reaches the terminal unescaped. */
static void print_error(const struct error *err)
{
    struct terminal terminal = terminal_of(stderr);
    struct buffer text = {0};
    text_append_visible(&text, bytes_of_text(err->text));
    fprintf(stderr, "%sasof:%s %.*s\n", terminal_begin(&terminal, STYLE_RED),
            terminal_end(&terminal), BYTES_ARGS(buffer_bytes(&text)));
    buffer_fini(&text);
}

int main(int argc, char **argv)
{
    struct error err = {{0}};
    struct command_line line = {.words = calloc((size_t)argc + 1, sizeof(char *))};

    signal(SIGPIPE, SIG_IGN);
    enum exit_code code = run_line(&line, (size_t)argc, argv, &err);
    code = flush_output(code);
    if (code != EXIT_DONE && err.text[0] != '\0')
        print_error(&err);
    if (code == EXIT_USAGE && err.text[0] != '\0')
        fprintf(stderr, "See `asof %s%s--help`.\n", line.command == NULL ? "" : line.command->name,
                line.command == NULL ? "" : " ");
    free(line.words);
    return (int)code;
}
