/* asof lag. */
#include "command.h"
#include "interrupt.h"
#include "output.h"
#include "protocol/protobuf.h"
#include "remote.h"
#include "tree.h"

#define WATCH_US INT64_C(1000000)

static void add_partitions(struct table *table, yajl_val source)
{
    for (size_t i = 0; i < tree_count(source, "partitions"); i++) {
        yajl_val partition = tree_item(source, "partitions", i);
        table_add_text(table, tree_text(source, "source"));
        table_add_text(table, tree_text(partition, "topic"));
        table_add_text(table, tree_text(partition, "partition"));
        table_add_text(table, tree_text(partition, "state"));
        table_add_text(table, tree_text(partition, "next_offset"));
        table_add_text(table, tree_text(partition, "high_offset"));
        table_add_text(table, tree_text(partition, "lag"));
        table_add_text(table, tree_text(partition, "lag_seconds"));
    }
}

/* Of a source with a freshness_slo: whether it is kept. */
static void print_freshness(yajl_val source)
{
    const char *slo = tree_text(source, "freshness_slo");
    if (slo[0] == '\0')
        return;
    if (strcmp(tree_text(source, "is_fresh"), "true") == 0)
        printf("%s: fresh (freshness_slo %s)\n", tree_text(source, "source"), slo);
    else
        printf("%s: not fresh: something may have waited for %s s (freshness_slo %s)\n",
               tree_text(source, "source"), tree_text(source, "waiting_seconds"), slo);
}

static void print_letters(yajl_val source)
{
    yajl_val topic = tree_member(source, "dead_letter_topic");
    if (topic == NULL || tree_text(topic, "error")[0] == '\0')
        return;
    printf("%s: %s dead letters are not produced to topic %s: %s\n", tree_text(source, "source"),
           tree_text(topic, "unsent"), tree_text(topic, "topic"), tree_text(topic, "error"));
}

static void print_remarks(yajl_val list)
{
    for (size_t i = 0; i < list->u.array.len; i++) {
        yajl_val source = list->u.array.values[i];
        const char *error = tree_text(source, "error");
        print_freshness(source);
        print_letters(source);
        if (error[0] != '\0')
            printf("%s: %s\n", tree_text(source, "source"), error);
        else if (tree_count(source, "partitions") == 0)
            printf("%s: waiting for its topic\n", tree_text(source, "source"));
    }
}

static void print_lag(const struct run *run, yajl_val list)
{
    static const struct table_column columns[] = {
        {"SOURCE", false}, {"TOPIC", false}, {"PARTITION", true}, {"STATE", false},
        {"NEXT", true},    {"END", true},    {"LAG", true},       {"SECONDS", true}};
    struct table *table = table_create(columns, COUNT_OF(columns));
    for (size_t i = 0; i < list->u.array.len; i++)
        add_partitions(table, list->u.array.values[i]);
    output_table(run, table, 0);
    table_destroy(&table);
    print_remarks(list);
}

static enum status lag_once(const struct run *run, struct remote *remote, struct error *err)
{
    enum { SOURCE = 1 }; /* of LagRequest */
    struct buffer request = {0};
    struct buffer reply = {0};
    yajl_val list = NULL;
    if (run->words_count > 0)
        protobuf_append_bytes(&request, SOURCE, bytes_of_text(run->words[0]));
    enum status status =
        remote_ask(remote, ASOF_METHOD_LAG, buffer_bytes(&request), REMOTE_ONLY_FIELD, &reply, err);
    buffer_fini(&request);
    if (status == STATUS_OK)
        status = tree_parse(buffer_bytes(&reply), &list, err);
    if (status == STATUS_OK && !YAJL_IS_ARRAY(list))
        status = error_set(err, STATUS_CORRUPT, "the server's answer is no list");
    if (status == STATUS_OK && run->options->is_json)
        output_line(buffer_bytes(&reply));
    else if (status == STATUS_OK && list->u.array.len == 0)
        printf("no source reads Kafka\n");
    else if (status == STATUS_OK)
        print_lag(run, list);
    yajl_tree_free(list);
    buffer_fini(&reply);
    return status;
}

enum exit_code command_lag(const struct run *run, struct error *err)
{
    struct remote *remote = NULL;
    enum status status = remote_open(run->options->server, &remote, err);
    if (status == STATUS_OK)
        status = lag_once(run, remote, err);
    if (run->options->is_watch)
        interrupt_catch();
    while (status == STATUS_OK && run->options->is_watch && !interrupt_came()) {
        fflush(stdout);
        interrupt_sleep(WATCH_US);
        if (interrupt_came())
            break;
        printf("\n");
        status = lag_once(run, remote, err);
    }
    remote_close(&remote);
    return exit_of(status);
}
