/* asofd: options in, exit code out; all else is in app/. */
#include <stdio.h>

#include "app/options.h"
#include "app/server.h"
#include "base/version.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void print_help(void)
{
    struct buffer help = {0};
    options_append_help(&help);
    fwrite(buffer_bytes(&help).data, 1, help.size, stdout);
    buffer_fini(&help);
}

int main(int argc, char **argv)
{
    static struct server_options options;
    enum options_wish wish;
    struct error err;
    enum status status = options_parse(argc, argv, &options, &wish, &err);
    if (status == STATUS_OK && wish == OPTIONS_RUN)
        status = server_configure(&options, &err);
    if (status != STATUS_OK) {
        fprintf(stderr, "asofd: %s\n", err.text);
        return EXIT_USAGE;
    }
    if (wish == OPTIONS_HELP) {
        print_help();
        return EXIT_DONE;
    }
    if (wish == OPTIONS_VERSION) {
        printf("asofd %s\n", ASOF_VERSION);
        return EXIT_DONE;
    }
    if (options.migrate)
        status = server_migrate(&options, &err);
    else
        status = options.compact ? server_compact(&options, &err) : server_run(&options, &err);
    if (status == STATUS_OK)
        return EXIT_DONE;
    fprintf(stderr, "asofd: %s\n", err.text);
    return EXIT_FAILED;
}
