#include "option.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/number.h"
#include "base/suggest.h"
#include "base/time_text.h"

enum { HELP_COLUMN = 22 };

void option_set_presets(const struct option_table *table, void *options)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option *option = &table->options[i];
        if (option->kind == OPTION_NUMBER)
            memcpy((char *)options + option->offset, &option->preset, sizeof(option->preset));
    }
}

bool option_is(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

static const struct option *find(const struct option_table *tables, size_t tables_count,
                                 struct bytes name)
{
    for (size_t i = 0; i < tables_count; i++)
        for (size_t j = 0; j < tables[i].count; j++)
            if (bytes_equal_text(name, tables[i].options[j].name))
                return &tables[i].options[j];
    return NULL;
}

static enum status refuse_unknown(const struct option_table *tables, size_t tables_count,
                                  const char *argument, struct error *err)
{
    size_t dashes = strspn(argument, "-");
    struct suggest suggest = {.name = bytes_of(argument + dashes, strcspn(argument + dashes, "="))};
    for (size_t i = 0; i < tables_count; i++)
        for (size_t j = 0; j < tables[i].count; j++)
            suggest_consider(&suggest, bytes_of_text(tables[i].options[j].name));
    if (suggest.nearest.size == 0)
        return error_set(err, STATUS_INVALID, "unknown option '%s'", argument);
    return error_set(err, STATUS_INVALID, "unknown option '%s'; did you mean --%.*s?", argument,
                     BYTES_ARGS(suggest.nearest));
}

static enum status set_number(const struct option *option, const char *text, void *options,
                              struct error *err)
{
    int64_t number;
    if (number_parse_int(bytes_of_text(text), &number) != NUMBER_OK || number < option->minimum ||
        number > option->maximum)
        return error_set(err, STATUS_INVALID,
                         "--%s must be a number from %" PRId64 " to %" PRId64 ", got '%s'",
                         option->name, option->minimum, option->maximum, text);
    memcpy((char *)options + option->offset, &number, sizeof(number));
    return STATUS_OK;
}

static enum status add_text(const struct option *option, const char *text, void *options,
                            struct error *err)
{
    struct option_texts *texts = (void *)((char *)options + option->offset);
    if (texts->count == OPTION_TEXTS_MAX)
        return error_set(err, STATUS_INVALID, "--%s stands there more than %d times", option->name,
                         OPTION_TEXTS_MAX);
    texts->items[texts->count++] = text;
    return STATUS_OK;
}

static enum status set(const struct option *option, const char *text, void *options,
                       struct error *err)
{
    bool is_set = true;
    switch (option->kind) {
    case OPTION_FLAG:
        memcpy((char *)options + option->offset, &is_set, sizeof(is_set));
        return STATUS_OK;
    case OPTION_TEXT:
        memcpy((char *)options + option->offset, &text, sizeof(text));
        return STATUS_OK;
    case OPTION_TEXTS:
        return add_text(option, text, options, err);
    case OPTION_NUMBER:
        return set_number(option, text, options, err);
    }
    return STATUS_OK;
}

enum status option_read(const struct option_table *tables, size_t tables_count, char *const *argv,
                        size_t argc, size_t *index, void *options, struct error *err)
{
    const char *argument = argv[*index];
    CHECK(option_is(argument));
    if (strcmp(argument, "-h") == 0)
        argument = "--help";
    (*index)++;

    const char *equals = strchr(argument, '=');
    size_t size = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
    const struct option *option = NULL;
    if (size > 2 && strncmp(argument, "--", 2) == 0)
        option = find(tables, tables_count, bytes_of(argument + 2, size - 2));
    if (option == NULL)
        return refuse_unknown(tables, tables_count, argument, err);

    if (option->kind == OPTION_FLAG && equals != NULL)
        return error_set(err, STATUS_INVALID, "--%s takes no value", option->name);
    if (option->kind == OPTION_FLAG)
        return set(option, NULL, options, err);
    if (equals != NULL)
        return set(option, equals + 1, options, err);
    if (*index == argc)
        return error_set(err, STATUS_INVALID, "--%s needs a value: --%s %s", option->name,
                         option->name, option->value);
    return set(option, argv[(*index)++], options, err);
}

enum status option_time(const char *name, const char *text, bool *has_time, int64_t *time_us,
                        struct error *err)
{
    *time_us = 0;
    *has_time = text != NULL && strcmp(text, "now") != 0;
    if (!*has_time || time_parse(bytes_of_text(text), time_us))
        return STATUS_OK;
    if (number_parse_int(bytes_of_text(text), time_us) == NUMBER_OK && time_is_valid(*time_us))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID,
                     "%s must be now, a time as 2026-01-31T12:00:00Z, or microseconds since 1970, "
                     "got '%s'",
                     name, text);
}

enum status option_size(const char *name, const char *text, uint64_t *size_bytes, struct error *err)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    enum { DIGITS_MAX = 10 }; /* so that no unit makes it overflow */
    size_t digits = strspn(text, "0123456789");
    int64_t number = 0;
    bool is_number = digits > 0 && digits <= DIGITS_MAX &&
                     number_parse_int(bytes_of(text, digits), &number) == NUMBER_OK;
    for (size_t i = 0; is_number && i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + digits, units[i].unit) != 0)
            continue;
        *size_bytes = (uint64_t)number << units[i].shift;
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID, "%s is a size as 512MiB or 2GiB, got '%s'", name, text);
}

void option_append_help(const struct option_table *table, struct buffer *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option *option = &table->options[i];
        size_t start = out->size;
        buffer_format(out, "  --%s", option->name);
        if (option->value != NULL)
            buffer_format(out, " %s", option->value);
        do
            buffer_append_byte(out, ' ');
        while (out->size - start < HELP_COLUMN);
        buffer_append_text(out, option->help);
        if (option->kind == OPTION_NUMBER)
            buffer_format(out, " (%" PRId64 " to %" PRId64 ", default %" PRId64 ")",
                          option->minimum, option->maximum, option->preset);
        buffer_append_byte(out, '\n');
    }
}
