/* Help: what --help prints, made of the tables of commands and options. Thread: the main one. */
#ifndef ASOF_CLIENT_HELP_H
#define ASOF_CLIENT_HELP_H

#include "command.h"

/* The list of commands. */
void help_print_all(FILE *out);

/* One command: usage, what it does, options, examples. */
void help_print(const struct command *command, FILE *out);

#endif
