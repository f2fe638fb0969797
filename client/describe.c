/* asof describe. */
#include <inttypes.h>

#include "base/time_text.h"
#include "command.h"
#include "lineage.h"
#include "remote.h"
#include "tree.h"
#include "output.h"

/* A property whose text is made; it is empty and not shown where nothing was. */
static void print_made(const struct run *run, const char *name, struct buffer *text)
{
    buffer_append_byte(text, '\0');
    output_property(run, name, buffer_bytes(text).data);
    buffer_fini(text);
}

static void print_keys(const struct run *run, yajl_val object)
{
    struct buffer text = {0};
    tree_append_joined(object, "keys", &text);
    print_made(run, "keys", &text);
}

/* A member that is an object, as "team=risk, tier=1". */
static void print_pairs(const struct run *run, yajl_val object, const char *name, char between)
{
    yajl_val pairs = tree_member(object, name);
    struct buffer joined = {0};
    size_t count = YAJL_IS_OBJECT(pairs) ? pairs->u.object.len : 0;
    for (size_t i = 0; i < count; i++)
        buffer_format(&joined, "%s%s%c%s", i > 0 ? ", " : "", pairs->u.object.keys[i], between,
                      tree_as_text(pairs->u.object.values[i]));
    print_made(run, name, &joined);
}

static void print_annotations(const struct run *run, yajl_val object)
{
    output_property(run, "description", tree_text(object, "description"));
    output_property(run, "owner", tree_text(object, "owner"));
    print_pairs(run, object, "tags", '=');
}

/* Each member under its own name, those that are null or missing left out. */
static void print_members(const struct run *run, yajl_val object, const char *const *names,
                          size_t names_count)
{
    for (size_t i = 0; i < names_count; i++)
        output_property(run, names[i], tree_text(object, names[i]));
}

static void print_source(const struct run *run, yajl_val source)
{
    static const char *const names[] = {"event_time", "event_id",  "clock",        "durability",
                                        "retention",  "ahead_max", "freshness_slo"};
    static const struct table_column columns[] = {{"FIELD", false}, {"TYPE", false}};
    struct table *table = table_create(columns, COUNT_OF(columns));
    print_members(run, source, names, COUNT_OF(names));
    for (size_t i = 0; i < tree_count(source, "fields"); i++) {
        table_add_text(table, tree_text(tree_item(source, "fields", i), "name"));
        table_add_text(table, tree_text(tree_item(source, "fields", i), "type"));
    }
    putchar('\n');
    output_table(run, table, 2);
    table_destroy(&table);
}

/* A table of the members of each feature. */
static void print_feature_table(const struct run *run, yajl_val view,
                                const struct table_column *columns, const char *const *names,
                                size_t count)
{
    struct table *table = table_create(columns, count);
    for (size_t i = 0; i < tree_count(view, "features"); i++)
        for (size_t j = 0; j < count; j++)
            table_add_text(table, tree_text(tree_item(view, "features", i), names[j]));
    putchar('\n');
    output_table(run, table, 2);
    table_destroy(&table);
}

static void print_windows(const struct run *run, yajl_val view)
{
    static const struct table_column columns[] = {
        {"FEATURE", false}, {"AGGREGATION", false}, {"ARGUMENT", false}, {"OVER", false},
        {"WHERE", false},   {"TYPE", false},        {"DEFAULT", false},  {"DESCRIPTION", false}};
    static const char *const names[] = {"name",  "aggregation", "argument", "over",
                                        "where", "type",        "default",  "description"};
    print_feature_table(run, view, columns, names, COUNT_OF(names));
}

static void print_expressions(const struct run *run, yajl_val view)
{
    static const struct table_column columns[] = {{"FEATURE", false},
                                                  {"EXPRESSION", false},
                                                  {"TYPE", false},
                                                  {"DEFAULT", false},
                                                  {"DESCRIPTION", false}};
    static const char *const names[] = {"name", "expression", "type", "default", "description"};
    print_feature_table(run, view, columns, names, COUNT_OF(names));
}

static void print_written(const struct run *run, yajl_val view)
{
    static const struct table_column columns[] = {
        {"FEATURE", false}, {"TYPE", false}, {"DEFAULT", false}, {"DESCRIPTION", false}};
    static const char *const names[] = {"name", "type", "default", "description"};
    print_feature_table(run, view, columns, names, COUNT_OF(names));
}

static void print_listed(const struct run *run, yajl_val view)
{
    static const struct table_column columns[] = {{"FEATURE", false}, {"TYPE", false}};
    static const char *const names[] = {"name", "type"};
    print_feature_table(run, view, columns, names, COUNT_OF(names));
}

static void print_features(const struct run *run, yajl_val view)
{
    const char *kind = tree_text(view, "kind");
    if (strcmp(kind, "on_demand") == 0)
        print_expressions(run, view);
    else if (strcmp(kind, "service") == 0)
        print_listed(run, view);
    else if (strcmp(kind, "batch") == 0)
        print_written(run, view);
    else
        print_windows(run, view);
}

static void print_versions(const struct run *run, yajl_val view, yajl_val fills)
{
    struct buffer text = {0};
    output_append_versions(view, fills, &text);
    print_made(run, "versions", &text);
}

/* Which version was active since when, the latest one last, once it was not always the same. */
static void print_switches(const struct run *run, yajl_val view)
{
    struct buffer text = {0};
    size_t count = tree_count(view, "switches");
    for (size_t i = 0; count > 1 && i < count; i++) {
        char at[TIME_TEXT_SIZE];
        yajl_val one = tree_item(view, "switches", i);
        int64_t at_us = tree_number(one, "at_us");
        time_format(time_is_valid(at_us) ? at_us : 0, at);
        buffer_format(&text, "%s%s %s %s", i == 0 ? "" : ", ", tree_text(one, "version"),
                      tree_text(one, "cause"), at);
    }
    print_made(run, "active", &text);
}

static void print_view(const struct run *run, yajl_val view, yajl_val fills)
{
    static const char *const names[] = {"kind", "source", "entity"};
    static const char *const more_names[] = {"where", "history", "ttl", "lack"};
    print_members(run, view, names, COUNT_OF(names));
    print_keys(run, view);
    print_members(run, view, more_names, COUNT_OF(more_names));
    print_pairs(run, view, "request", ' ');
    print_versions(run, view, fills);
    print_switches(run, view);
    print_features(run, view);
}

static void print_definition(const struct run *run, yajl_val object, yajl_val fills)
{
    const char *noun = tree_text(object, "noun");
    int64_t version = tree_number(object, "version");
    struct buffer name = {0};
    buffer_append_text(&name, tree_text(object, "name"));
    if (version > 0)
        buffer_format(&name, "@%" PRId64, version);
    print_made(run, noun, &name);

    print_annotations(run, object);
    if (strcmp(noun, "source") == 0)
        print_source(run, object);
    else if (strcmp(noun, "view") == 0 || strcmp(noun, "service") == 0)
        print_view(run, object, fills);
    else
        print_keys(run, object);
}

enum exit_code command_describe(const struct run *run, struct error *err)
{
    struct remote *remote = NULL;
    bool is_lineage = run->options->is_lineage || run->options->is_mermaid;
    struct buffer reply = {0};
    yajl_val object = NULL;
    yajl_val fills = NULL;

    enum status status = remote_open(run->options->server, &remote, err);
    if (status == STATUS_OK)
        status = output_ask_describe(remote, run->words[0], is_lineage, &reply, &object, err);
    if (status == STATUS_OK)
        status = output_ask_fills(remote, &fills, err);
    if (status == STATUS_OK && run->options->is_json)
        output_line(buffer_bytes(&reply));
    else if (status == STATUS_OK && is_lineage)
        lineage_print(object, run->options->is_mermaid);
    else if (status == STATUS_OK)
        print_definition(run, object, fills);
    yajl_tree_free(object);
    yajl_tree_free(fills);
    buffer_fini(&reply);
    remote_close(&remote);
    return exit_of(status);
}
