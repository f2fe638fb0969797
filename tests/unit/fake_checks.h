/* Fake checks: the least that definitions need to be parsed, so that tests of the registry do not
 * depend on the sentences of features/. An expression is right if each of its words is a field, a
 * number, a text or one of a few words of SQL. */
#ifndef ASOF_TESTS_FAKE_CHECKS_H
#define ASOF_TESTS_FAKE_CHECKS_H

#include "features/sql_text.h"
#include "model/definition.h"

static inline bool fake_is_word_of_sql(struct bytes word)
{
    static const char *const words[] = {"and",  "or",   "not",  "is",  "null", "case",
                                        "when", "then", "else", "end", "true", "false"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (bytes_equal_nocase(word, words[i]))
            return true;
    return false;
}

static inline bool fake_is_letter(char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || letter == '_' ||
           (letter >= '0' && letter <= '9') || letter == '.' || letter == '@';
}

static inline enum status fake_check_expression(struct bytes expression,
                                                const struct field_definition *fields,
                                                size_t fields_count, bool *used,
                                                size_t *error_offset, struct error *err)
{
    bool is_in_text = false;
    for (size_t i = 0; i < expression.size;) {
        size_t size = 0;
        while (i + size < expression.size && fake_is_letter(expression.data[i + size]))
            size++;
        is_in_text ^= expression.data[i] == '\'';
        struct bytes word = bytes_of(expression.data + i, size);
        bool is_name = size > 0 && !is_in_text && (word.data[0] < '0' || word.data[0] > '9');
        ssize_t field = field_find(fields, fields_count, word);
        *error_offset = i;
        if (is_name && field < 0 && !fake_is_word_of_sql(word))
            return error_set(err, STATUS_INVALID, "there is no field '%.*s'", BYTES_ARGS(word));
        if (is_name && field >= 0)
            used[field] = true;
        i += size > 0 ? size : 1;
    }
    return STATUS_OK;
}

static inline enum status fake_check_feature(struct feature_definition *feature,
                                             enum feature_part *wrong, struct error *err)
{
    struct bytes name = feature->aggregation;
    feature->type = feature->argument_type;
    if (bytes_equal_text(name, "count"))
        feature->type = (struct type){.kind = VALUE_INT};
    if (bytes_equal_text(name, "avg") || bytes_equal_text(name, "duration"))
        feature->type = (struct type){.kind = VALUE_DOUBLE};
    if (bytes_equal_text(name, "last_n"))
        feature->type.is_list = true;

    *wrong = FEATURE_ARGUMENT;
    bool is_number = bytes_equal_text(name, "sum") || bytes_equal_text(name, "avg");
    if (is_number && !type_is_number(feature->argument_type))
        return error_set(err, STATUS_INVALID, "%.*s takes numbers", BYTES_ARGS(name));
    *wrong = FEATURE_WINDOW;
    if (bytes_equal_text(name, "last_n") && feature->window.kind != WINDOW_LAST)
        return error_set(err, STATUS_INVALID, "last_n goes over last(n)");
    return STATUS_OK;
}

static inline enum status fake_check_kafka_property(struct bytes name, struct bytes value,
                                                    struct error *err)
{
    (void)value;
    if (bytes_equal_text(name, "enable.auto.commit"))
        return error_set(err, STATUS_INVALID, "not that one");
    return STATUS_OK;
}

static inline const struct definition_checks *fake_checks(void)
{
    static const char *const names[] = {"count", "sum",    "avg",      "max",
                                        "last",  "last_n", "duration", NULL};
    static const struct definition_checks checks = {
        .aggregation_names = names,
        .check_expression = fake_check_expression,
        .list_names = sql_text_names,
        .check_feature = fake_check_feature,
        .check_kafka_property = fake_check_kafka_property,
    };
    return &checks;
}

#endif
