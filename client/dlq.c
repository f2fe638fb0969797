/* asof dlq. */
#include "base/number.h"
#include "command.h"
#include "output.h"
#include "protocol/protobuf.h"
#include "remote.h"
#include "tree.h"

#include <stdio.h>

/* Of DeadLettersRequest in operations.proto. */
enum { SOURCE = 1, ACTION = 2, LETTERS = 3, AFTER = 4, FULL = 6 };
enum action { ACTION_LIST = 1, ACTION_RETRY = 2, ACTION_DROP = 3 };

/* ---- asking ---- */

struct question {
    enum action action;
    int64_t letter; /* 0: all */
    int64_t after;
    bool is_full;
};

static enum status ask(const struct run *run, struct remote *remote,
                       const struct question *question, struct buffer *reply, yajl_val *out,
                       struct error *err)
{
    struct buffer request = {0};
    protobuf_append_bytes(&request, SOURCE, bytes_of_text(run->words[0]));
    protobuf_append_integer(&request, ACTION, question->action);
    protobuf_append_integer(&request, LETTERS, (uint64_t)question->letter);
    protobuf_append_integer(&request, AFTER, (uint64_t)question->after);
    protobuf_append_integer(&request, FULL, question->is_full);
    *out = NULL;
    buffer_reset(reply, SIZE_MAX);
    enum status status = remote_ask(remote, ASOF_METHOD_DEAD_LETTERS, buffer_bytes(&request),
                                    REMOTE_ONLY_FIELD, reply, err);
    buffer_fini(&request);
    return status == STATUS_OK ? tree_parse(buffer_bytes(reply), out, err) : status;
}

static bool has_more(yajl_val answer)
{
    return YAJL_IS_TRUE(tree_member(answer, "has_more"));
}

/* ---- printing ---- */

static void print_reasons(yajl_val answer)
{
    yajl_val reasons = tree_member(answer, "reasons");
    printf("%s: %s dead letters, %s bytes, %s made room", tree_text(answer, "source"),
           tree_text(answer, "count"), tree_text(answer, "bytes"), tree_text(answer, "evicted"));
    for (size_t i = 0; YAJL_IS_OBJECT(reasons) && i < reasons->u.object.len; i++)
        if (tree_number(reasons, reasons->u.object.keys[i]) > 0)
            printf("; %s %s", reasons->u.object.keys[i],
                   tree_text(reasons, reasons->u.object.keys[i]));
    printf("\n");
}

static void print_letters(const struct run *run, yajl_val answer)
{
    static const struct table_column columns[] = {
        {"ID", true},     {"REASON", false}, {"TOPIC", false}, {"PARTITION", true},
        {"OFFSET", true}, {"SIZE", true},    {"ERROR", false}};
    static const char *const members[] = {"id",     "reason", "topic", "partition",
                                          "offset", "size",   "error"};
    struct table *table = table_create(columns, COUNT_OF(columns));
    print_reasons(answer);
    for (size_t i = 0; i < tree_count(answer, "letters"); i++)
        for (size_t j = 0; j < COUNT_OF(members); j++)
            table_add_text(table, tree_text(tree_item(answer, "letters", i), members[j]));
    output_table(run, table, 0);
    table_destroy(&table);
    if (has_more(answer))
        printf("and more: asof dlq %s --export shows all\n", run->words[0]);
}

static void print_in_full(yajl_val answer)
{
    static const char *const members[] = {"id",         "reason", "error",        "time", "topic",
                                          "partition",  "offset", "timestamp_ms", "size", "key",
                                          "key_base64", "value",  "value_base64"};
    for (size_t i = 0; i < tree_count(answer, "letters"); i++) {
        yajl_val letter = tree_item(answer, "letters", i);
        for (size_t j = 0; j < COUNT_OF(members); j++)
            if (tree_member(letter, members[j]) != NULL)
                printf("%-14s%s\n", members[j], tree_text(letter, members[j]));
        for (size_t j = 0; j < tree_count(letter, "headers"); j++) {
            yajl_val header = tree_item(letter, "headers", j);
            printf("header        %s: %s%s\n", tree_text(header, "name"),
                   tree_text(header, "value"), tree_text(header, "value_base64"));
        }
    }
}

/* Prints what stands in a list as one line each: the objects of the reply's array as they are. */
static void print_lines(struct bytes reply)
{
    size_t depth = 0;
    bool is_text = false;
    size_t start = 0;
    for (size_t i = 0; i < reply.size; i++) {
        char byte = reply.data[i];
        if (is_text && byte == '\\')
            i++;
        else if (byte == '"')
            is_text = !is_text;
        else if (!is_text && (byte == '{' || byte == '[') && ++depth == 3 && byte == '{')
            start = i;
        else if (!is_text && (byte == '}' || byte == ']') && depth-- == 3 && byte == '}')
            output_line(bytes_of(reply.data + start, i - start + 1));
    }
}

/* ---- the work ---- */

static enum status show(const struct run *run, struct remote *remote, int64_t letter,
                        struct error *err)
{
    struct buffer reply = {0};
    yajl_val answer = NULL;
    const struct question question = {
        .action = ACTION_LIST, .letter = letter, .is_full = letter > 0};
    enum status status = ask(run, remote, &question, &reply, &answer, err);
    if (status == STATUS_OK && run->options->is_json)
        output_line(buffer_bytes(&reply));
    else if (status == STATUS_OK && letter > 0)
        print_in_full(answer);
    else if (status == STATUS_OK)
        print_letters(run, answer);
    yajl_tree_free(answer);
    buffer_fini(&reply);
    return status;
}

static enum status export(const struct run *run, struct remote *remote, struct error *err) {
    struct buffer reply = {0}; enum status status = STATUS_OK;
    struct question question = {.action = ACTION_LIST, .is_full = true};
    for (bool is_done = false; status == STATUS_OK && !is_done;){
        yajl_val answer; status = ask(run, remote, &question, &reply, &answer, err);
        if (status == STATUS_OK){print_lines(buffer_bytes(&reply)); is_done = !has_more(answer);
                                 question.after = tree_number(answer, "last");}
yajl_tree_free(answer);
}
buffer_fini(&reply);
return status;
}

/* Retries or drops one letter or, a piece after the other, all. */
static enum status change(const struct run *run, struct remote *remote, int64_t letter,
                          struct error *err)
{
    struct buffer reply = {0};
    enum status status = STATUS_OK;
    int64_t done = 0, failed = 0;
    struct question question = {.action = run->options->is_retry ? ACTION_RETRY : ACTION_DROP,
                                .letter = letter};
    for (bool is_done = false; status == STATUS_OK && !is_done;) {
        yajl_val answer;
        status = ask(run, remote, &question, &reply, &answer, err);
        if (status == STATUS_OK) {
            done += tree_number(answer, "done");
            failed += tree_number(answer, "failed");
            question.after = tree_number(answer, "last");
            is_done = !has_more(answer);
        }
        yajl_tree_free(answer);
    }
    buffer_fini(&reply);
    if (status == STATUS_OK && run->options->is_json)
        printf("{\"done\":%lld,\"failed\":%lld}\n", (long long)done, (long long)failed);
    else if (status == STATUS_OK && run->options->is_retry)
        printf("%lld taken, %lld refused again\n", (long long)done, (long long)failed);
    else if (status == STATUS_OK)
        printf("%lld dropped\n", (long long)done);
    return status;
}

enum exit_code command_dlq(const struct run *run, struct error *err)
{
    const struct options *options = run->options;
    struct remote *remote = NULL;
    int64_t letter = 0;
    if (options->is_retry + options->is_drop + options->is_export > 1) {
        error_set(err, STATUS_INVALID, "one of --retry, --drop and --export at a time");
        return EXIT_USAGE;
    }
    if (options->letter != NULL &&
        (number_parse_int(bytes_of_text(options->letter), &letter) != NUMBER_OK || letter < 1)) {
        error_set(err, STATUS_INVALID, "--show takes the id of a letter, got '%s'",
                  options->letter);
        return EXIT_USAGE;
    }
    enum status status = remote_open(options->server, &remote, err);
    if (status == STATUS_OK && options->is_export)
        status = export(run, remote, err);
    else if (status == STATUS_OK && (options->is_retry || options->is_drop))
        status = change(run, remote, letter, err);
    else if (status == STATUS_OK)
        status = show(run, remote, letter, err);
    remote_close(&remote);
    return exit_of(status);
}
