#include "app/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <yaml.h>

#include "base/number.h"
#include "base/suggest.h"

enum option_kind { KIND_TEXT, KIND_FLAG, KIND_PORT, KIND_COUNT, KIND_BYTES };

enum { CONFIG_FILE_SIZE_MAX = 1024 * 1024, HELP_COLUMN = 34 };

struct option {
    const char *name;
    enum option_kind kind;
    size_t offset; /* in struct server_options */
    const char *preset;
    int64_t min;
    int64_t max;
    const char *unit;
    const char *help;
};

static const struct option options_table[] = {
#define OPTION_ROW(field, kind_, name_, preset_, min_, max_, unit_, help_)                         \
    {.name = name_,                                                                                \
     .kind = KIND_##kind_,                                                                         \
     .offset = offsetof(struct server_options, field),                                             \
     .preset = preset_,                                                                            \
     .min = min_,                                                                                  \
     .max = max_,                                                                                  \
     .unit = unit_,                                                                                \
     .help = help_},
    SERVER_OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

enum { OPTIONS_COUNT = sizeof(options_table) / sizeof(options_table[0]) };

/* The option of that name, '_' as good as '-'. */
static const struct option *option_find(const char *name, size_t name_size)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const char *candidate = options_table[i].name;
        size_t j = 0;
        while (j < name_size && candidate[j] != '\0' &&
               candidate[j] == (name[j] == '_' ? '-' : name[j]))
            j++;
        if (j == name_size && candidate[j] == '\0')
            return &options_table[i];
    }
    return NULL;
}

static bool parse_flag(const char *text, bool *out)
{
    *out = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
    return *out || strcmp(text, "no") == 0 || strcmp(text, "false") == 0;
}

/* "64MiB", "1GiB", "1048576". */
static bool parse_bytes(const char *text, int64_t *out)
{
    static const struct {
        const char *suffix;
        int shift;
    } units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"", 0}};
    size_t digits = strspn(text, "0123456789");
    if (number_parse_int(bytes_of(text, digits), out) != NUMBER_OK)
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcasecmp(text + digits, units[i].suffix) == 0 &&
            *out <= INT64_MAX >> units[i].shift) {
            *out <<= units[i].shift;
            return true;
        }
    return false;
}

static enum status set_number(const struct option *option, const char *text, int64_t *out,
                              struct error *err)
{
    bool is_parsed = option->kind == KIND_BYTES
                         ? parse_bytes(text, out)
                         : number_parse_int(bytes_of_text(text), out) == NUMBER_OK;
    if (is_parsed && *out >= option->min && *out <= option->max)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "%s must be %lld to %lld %s%s, got '%s'", option->name,
                     (long long)option->min, (long long)option->max, option->unit,
                     option->kind == KIND_PORT ? " or off" : "", text);
}

static enum status option_set(const struct option *option, const char *text,
                              struct server_options *options, struct error *err)
{
    void *field = (char *)options + option->offset;
    int64_t number = 0;
    enum status status = STATUS_OK;
    switch (option->kind) {
    case KIND_TEXT:
        if (snprintf(field, OPTION_TEXT_SIZE, "%s", text) >= OPTION_TEXT_SIZE)
            return error_set(err, STATUS_INVALID, "%s has at most %d bytes", option->name,
                             OPTION_TEXT_SIZE - 1);
        break;
    case KIND_FLAG:
        if (!parse_flag(text, field))
            return error_set(err, STATUS_INVALID, "%s is yes or no, got '%s'", option->name, text);
        break;
    case KIND_PORT:
        if (strcmp(text, "off") == 0)
            number = PORT_OFF;
        else
            status = set_number(option, text, &number, err);
        *(int *)field = (int)number;
        break;
    case KIND_COUNT:
    case KIND_BYTES:
        status = set_number(option, text, field, err);
        break;
    }
    return status;
}

static enum status unknown_option(const char *name, size_t name_size, struct error *err)
{
    struct suggest suggest = {.name = bytes_of(name, name_size)};
    char hint[SUGGEST_TEXT_SIZE];
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        suggest_consider(&suggest, bytes_of_text(options_table[i].name));
    return error_set(err, STATUS_INVALID, "unknown option '%.*s'%s", (int)name_size, name,
                     suggest.nearest.size > 0 ? suggest_text(&suggest, hint)
                                              : "; asofd --help lists them");
}

/* ---- the config file ---- */

static enum status config_apply_pair(yaml_document_t *document, const yaml_node_pair_t *pair,
                                     struct server_options *options, struct error *err)
{
    const yaml_node_t *key = yaml_document_get_node(document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(document, pair->value);
    size_t line = key->start_mark.line + 1;
    if (key->type != YAML_SCALAR_NODE || value->type != YAML_SCALAR_NODE)
        return error_set(err, STATUS_INVALID, "line %zu: expected `name: value`", line);
    const char *name = (const char *)key->data.scalar.value;
    const struct option *option = option_find(name, key->data.scalar.length);
    enum status status;
    if (option == NULL)
        status = unknown_option(name, key->data.scalar.length, err);
    else
        status = option_set(option, (const char *)value->data.scalar.value, options, err);
    return status == STATUS_OK ? status : error_prefix(err, status, "line %zu", line);
}

static enum status config_apply(FILE *file, struct server_options *options, struct error *err)
{
    enum status status = STATUS_OK;
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return error_set(err, STATUS_LIMIT, "no memory for the config file");
    yaml_parser_set_input_file(&parser, file);
    if (!yaml_parser_load(&parser, &document)) {
        status = error_set(err, STATUS_INVALID, "line %zu: %s", parser.problem_mark.line + 1,
                           parser.problem);
        yaml_parser_delete(&parser);
        return status;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&document);
    if (root != NULL && root->type != YAML_MAPPING_NODE) {
        status = error_set(err, STATUS_INVALID, "expected lines of `name: value`");
    } else if (root != NULL) {
        for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
             pair < root->data.mapping.pairs.top && status == STATUS_OK; pair++)
            status = config_apply_pair(&document, pair, options, err);
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return status;
}

static enum status config_read(const char *path, struct server_options *options, struct error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return error_set(err, STATUS_INVALID, "config file %s: %s", path, error_errno());
    enum status status = STATUS_OK;
    if (fseek(file, 0, SEEK_END) != 0 || ftell(file) > CONFIG_FILE_SIZE_MAX)
        status = error_set(err, STATUS_INVALID, "a config file has at most %d bytes",
                           CONFIG_FILE_SIZE_MAX);
    rewind(file);
    if (status == STATUS_OK)
        status = config_apply(file, options, err);
    fclose(file);
    return status == STATUS_OK ? status : error_prefix(err, status, "config file %s", path);
}

/* ---- the command line ---- */

/* Takes one argument, and the next where that is its value. */
static enum status take_argument(int argc, char **argv, int *index, struct server_options *options,
                                 struct error *err)
{
    const char *argument = argv[*index];
    if (strncmp(argument, "--", 2) != 0)
        return error_set(err, STATUS_INVALID, "unexpected argument '%s'; asofd --help shows how",
                         argument);
    const char *name = argument + 2;
    const char *equals = strchr(name, '=');
    size_t name_size = equals == NULL ? strlen(name) : (size_t)(equals - name);
    const struct option *option = option_find(name, name_size);
    if (option == NULL)
        return unknown_option(name, name_size, err);
    if (equals != NULL)
        return option_set(option, equals + 1, options, err);
    if (option->kind == KIND_FLAG)
        return option_set(option, "yes", options, err);
    if (*index + 1 == argc)
        return error_set(err, STATUS_INVALID, "--%s needs a value (%s)", option->name,
                         option->unit);
    ++*index;
    return option_set(option, argv[*index], options, err);
}

static enum status take_arguments(int argc, char **argv, struct server_options *options,
                                  enum options_wish *wish, struct error *err)
{
    *wish = OPTIONS_RUN;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *wish = OPTIONS_HELP;
            return STATUS_OK;
        }
        if (strcmp(argv[i], "--version") == 0) {
            *wish = OPTIONS_VERSION;
            return STATUS_OK;
        }
        enum status status = take_argument(argc, argv, &i, options, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status options_parse(int argc, char **argv, struct server_options *options,
                          enum options_wish *wish, struct error *err)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        enum status preset = option_set(&options_table[i], options_table[i].preset, options, err);
        if (preset != STATUS_OK)
            return preset;
    }
    /* Twice: first for --config, then so that the command line wins over that file. */
    enum status status = take_arguments(argc, argv, options, wish, err);
    if (status != STATUS_OK || *wish != OPTIONS_RUN || options->config[0] == '\0')
        return status;
    status = config_read(options->config, options, err);
    return status == STATUS_OK ? take_arguments(argc, argv, options, wish, err) : status;
}

/* ---- help ---- */

void options_append_help(struct buffer *out)
{
    buffer_append_text(out,
                       "asofd: the server of asof, an online feature store.\n\n"
                       "Usage: asofd [--data DIR] [--resp-port N] [options]\n\n"
                       "  asofd                                   serves ./asof-data on "
                       "127.0.0.1:6390\n"
                       "  asofd --data /var/lib/asof              keeps its data there\n"
                       "  asofd --config /etc/asof/asofd.yaml     takes options from a file\n"
                       "  asofd --data /var/lib/asof --compact    compacts a stopped database\n\n"
                       "Options (in a config file: `resp-port: 6390`):\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option *option = &options_table[i];
        size_t start = out->size;
        buffer_format(out, "  --%s", option->name);
        if (option->kind != KIND_FLAG)
            buffer_format(out, " %s", option->unit);
        while (out->size < start + HELP_COLUMN)
            buffer_append_byte(out, ' ');
        buffer_format(out, " %s", option->help);
        if (option->preset[0] != '\0' && option->kind != KIND_FLAG)
            buffer_format(out, " [%s]", option->preset);
        buffer_append_byte(out, '\n');
    }
    buffer_append_text(out, "  --help, --version\n\n"
                            "Exit codes: 0 stopped cleanly, 1 failed, 2 wrong usage.\n");
}

void options_append_markdown(struct buffer *out)
{
    buffer_append_text(out, "| option | unit | range | default | what it does |\n"
                            "|---|---|---|---|---|\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option *option = &options_table[i];
        buffer_format(out, "| `--%s` | %s | ", option->name, option->unit);
        if (option->max > 0)
            buffer_format(out, "%lld to %lld", (long long)option->min, (long long)option->max);
        buffer_format(out, " | %s | %s |\n", option->preset, option->help);
    }
}
