/* Terminal: whether people look at a stream, how wide it is, and colours. Thread: any. */
#ifndef ASOF_CLIENT_TERMINAL_H
#define ASOF_CLIENT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum style { STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW };

struct terminal {
    FILE *file;       /* borrowed */
    bool is_terminal; /* else a pipe or a file: no progress, no colours */
    bool has_colours;
    size_t columns; /* 80 where it is not known */
};

/* Looks at the stream and, for colours, at NO_COLOR and TERM. */
struct terminal terminal_of(FILE *file);

/* The bytes that begin and end a style; "" where there are no colours. */
const char *terminal_begin(const struct terminal *terminal, enum style style);
const char *terminal_end(const struct terminal *terminal);

#endif
