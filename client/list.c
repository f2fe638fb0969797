/* asof list. */
#include "command.h"
#include "remote.h"
#include "tree.h"
#include "output.h"

static void print_heading(const struct run *run, const char *title)
{
    printf("%s%s%s\n", terminal_begin(&run->out, STYLE_BOLD), title, terminal_end(&run->out));
}

static void add_keys(struct table *table, yajl_val entity)
{
    struct buffer text = {0};
    tree_append_joined(entity, "keys", &text);
    table_add(table, buffer_bytes(&text));
    buffer_fini(&text);
}

static void add_versions(struct table *table, yajl_val view, yajl_val fills)
{
    struct buffer text = {0};
    output_append_versions(view, fills, &text);
    table_add(table, buffer_bytes(&text));
    buffer_fini(&text);
}

static void print_sources(const struct run *run, yajl_val list)
{
    static const struct table_column columns[] = {
        {"NAME", false}, {"FIELDS", true}, {"CLOCK", false}, {"DESCRIPTION", false}};
    struct table *table = table_create(columns, COUNT_OF(columns));
    for (size_t i = 0; i < tree_count(list, "sources"); i++) {
        yajl_val source = tree_item(list, "sources", i);
        table_add_text(table, tree_text(source, "name"));
        table_add_text(table, tree_text(source, "fields"));
        table_add_text(table, tree_text(source, "clock"));
        table_add_text(table, tree_text(source, "description"));
    }
    print_heading(run, "Sources");
    output_table(run, table, 2);
    table_destroy(&table);
}

static void print_entities(const struct run *run, yajl_val list)
{
    static const struct table_column columns[] = {
        {"NAME", false}, {"KEYS", false}, {"DESCRIPTION", false}};
    struct table *table = table_create(columns, COUNT_OF(columns));
    for (size_t i = 0; i < tree_count(list, "entities"); i++) {
        yajl_val entity = tree_item(list, "entities", i);
        table_add_text(table, tree_text(entity, "name"));
        add_keys(table, entity);
        table_add_text(table, tree_text(entity, "description"));
    }
    print_heading(run, "\nEntities");
    output_table(run, table, 2);
    table_destroy(&table);
}

static void print_views(const struct run *run, yajl_val list, yajl_val fills)
{
    static const struct table_column columns[] = {
        {"NAME", false},   {"KIND", false},    {"VERSIONS", false},   {"SOURCE", false},
        {"ENTITY", false}, {"FEATURES", true}, {"DESCRIPTION", false}};
    struct table *table = table_create(columns, COUNT_OF(columns));
    for (size_t i = 0; i < tree_count(list, "views"); i++) {
        yajl_val view = tree_item(list, "views", i);
        table_add_text(table, tree_text(view, "name"));
        table_add_text(table, tree_text(view, "kind"));
        add_versions(table, view, fills);
        table_add_text(table, tree_text(view, "source"));
        table_add_text(table, tree_text(view, "entity"));
        table_add_text(table, tree_text(view, "features"));
        table_add_text(table, tree_text(view, "description"));
    }
    print_heading(run, "\nViews");
    output_table(run, table, 2);
    table_destroy(&table);
}

/* The keys stand for the entity, which a service over several does not have. */
static void print_services(const struct run *run, yajl_val list, yajl_val fills)
{
    static const struct table_column columns[] = {{"NAME", false},
                                                  {"VERSIONS", false},
                                                  {"KEYS", false},
                                                  {"FEATURES", true},
                                                  {"DESCRIPTION", false}};
    if (tree_count(list, "services") == 0)
        return;
    struct table *table = table_create(columns, COUNT_OF(columns));
    for (size_t i = 0; i < tree_count(list, "services"); i++) {
        yajl_val service = tree_item(list, "services", i);
        table_add_text(table, tree_text(service, "name"));
        add_versions(table, service, fills);
        add_keys(table, service);
        table_add_text(table, tree_text(service, "features"));
        table_add_text(table, tree_text(service, "description"));
    }
    print_heading(run, "\nServices");
    output_table(run, table, 2);
    table_destroy(&table);
}

static bool is_empty(yajl_val list)
{
    return tree_count(list, "sources") == 0 && tree_count(list, "entities") == 0 &&
           tree_count(list, "views") == 0;
}

enum exit_code command_list(const struct run *run, struct error *err)
{
    struct remote *remote = NULL;
    struct buffer reply = {0};
    yajl_val list = NULL;
    yajl_val fills = NULL;

    enum status status = remote_open(run->options->server, &remote, err);
    if (status == STATUS_OK)
        status =
            remote_ask(remote, ASOF_METHOD_LIST, bytes_of(NULL, 0), REMOTE_ONLY_FIELD, &reply, err);
    if (status == STATUS_OK)
        status = tree_parse(buffer_bytes(&reply), &list, err);
    if (status == STATUS_OK)
        status = output_ask_fills(remote, &fills, err);
    if (status == STATUS_OK && run->options->is_json) {
        output_line(buffer_bytes(&reply));
    } else if (status == STATUS_OK && is_empty(list)) {
        printf("nothing is registered yet; begin with: asof apply FILE\n");
    } else if (status == STATUS_OK) {
        print_sources(run, list);
        print_entities(run, list);
        print_views(run, list, fills);
        print_services(run, list, fills);
    }
    yajl_tree_free(list);
    yajl_tree_free(fills);
    buffer_fini(&reply);
    remote_close(&remote);
    return exit_of(status);
}
