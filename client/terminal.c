#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_UNKNOWN = 80 };

static bool wants_colours(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (no_color != NULL && no_color[0] != '\0')
        return false;
    return term != NULL && strcmp(term, "dumb") != 0;
}

struct terminal terminal_of(FILE *file)
{
    struct terminal terminal = {.file = file, .columns = COLUMNS_UNKNOWN};
    struct winsize size;
    terminal.is_terminal = isatty(fileno(file)) == 1;
    terminal.has_colours = terminal.is_terminal && wants_colours();
    if (terminal.is_terminal && ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        terminal.columns = size.ws_col;
    return terminal;
}

const char *terminal_begin(const struct terminal *terminal, enum style style)
{
    static const char *const codes[] = {
        [STYLE_BOLD] = "\x1b[1m",   [STYLE_DIM] = "\x1b[2m",     [STYLE_RED] = "\x1b[31m",
        [STYLE_GREEN] = "\x1b[32m", [STYLE_YELLOW] = "\x1b[33m",
    };
    return terminal->has_colours ? codes[style] : "";
}

const char *terminal_end(const struct terminal *terminal)
{
    return terminal->has_colours ? "\x1b[0m" : "";
}
