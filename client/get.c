/* asof get. The version is asked for once and pinned, and so is the T of the first answer: all
 * entities are read from the same version, as of the same moment, and shown by its types. */
#include <inttypes.h>

#include "base/number.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include "model/definition.h"
#include "command.h"
#include "remote.h"
#include "lookup.h"
#include "output.h"
#include "text.h"

enum {
    ROWS_MAX = 200,     /* entities of one call */
    FEATURES_MAX = 512, /* named by --features */
    ARENA_CHUNK_SIZE = 64 * 1024,
};

struct get {
    const struct run *run;
    struct remote *remote;
    struct arena *arena;          /* of this run */
    struct arena *answer;         /* of one call */
    struct asof_request *request; /* owned */
    yajl_val description;         /* of the view version */
    struct bytes view;            /* "card_payments@2" */
    bool has_time;
    int64_t time_us;
    struct bytes features[FEATURES_MAX]; /* of --features */
    size_t features_count;
    struct table *table;     /* of several entities; made with the first answer */
    bool has_several_clocks; /* a service or an on-demand view: each view that it reads has its own
                              */
};

/* Takes the names of --features apart. */
static enum status read_features(struct get *get, const char *features, struct error *err)
{
    for (const char *name = features; name != NULL; get->features_count++) {
        const char *comma = strchr(name, ',');
        size_t size = comma != NULL ? (size_t)(comma - name) : strlen(name);
        if (size == 0)
            return error_set(err, STATUS_INVALID, "--features: a name is empty in '%s'", features);
        if (get->features_count == FEATURES_MAX)
            return error_set(err, STATUS_INVALID, "--features: more than %d", (int)FEATURES_MAX);
        get->features[get->features_count] = bytes_of(name, size);
        name = comma != NULL ? comma + 1 : NULL;
    }
    return STATUS_OK;
}

/* Gives the request "amount=12.5" of --set. */
static enum status add_values(struct get *get, const struct option_texts *set, struct error *err)
{
    for (size_t i = 0; i < set->count; i++) {
        const char *text = set->items[i];
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals == text)
            return error_set(err, STATUS_INVALID, "--set takes NAME=VALUE, got '%s'", text);
        const struct asof_bytes value = {.data = equals + 1, .size = strlen(equals + 1)};
        struct bytes name = bytes_of(text, (size_t)(equals - text));
        asof_request_set_value_strings(
            get->request, arena_format(get->arena, "%.*s", BYTES_ARGS(name)).data, &value, NULL, 1);
    }
    return STATUS_OK;
}

static enum status read_options(struct get *get, struct error *err)
{
    const struct options *options = get->run->options;
    enum status status = option_time("--at", options->at, &get->has_time, &get->time_us, err);
    if (status == STATUS_OK)
        status = add_values(get, &options->set, err);
    asof_request_set_exclusive(get->request, options->is_exclusive);
    asof_request_set_event_times(get->request, true);
    if (get->has_time)
        asof_request_set_at(get->request, &get->time_us, 1);
    return status == STATUS_OK ? read_features(get, options->features, err) : status;
}

static enum status check_feature(const struct get *get, struct bytes name, struct error *err)
{
    char typed[NAME_SIZE_MAX + 1], nearest[SUGGEST_TEXT_SIZE];
    const char *view = tree_text(get->description, "name");
    struct suggest suggest = {.name = name};
    for (size_t i = 0; i < tree_count(get->description, "features"); i++) {
        const char *feature = tree_text(tree_item(get->description, "features", i), "name");
        if (bytes_equal_text(name, feature))
            return STATUS_OK;
        suggest_consider(&suggest, bytes_of_text(feature));
    }
    return error_set(err, STATUS_NOT_FOUND,
                     "%s@%" PRId64 " has no feature '%s'%s; `asof describe %s` has them all", view,
                     tree_number(get->description, "version"),
                     bytes_to_text(name, typed, sizeof(typed)), suggest_text(&suggest, nearest),
                     get->run->words[0]);
}

/* The server would refuse an unknown name too, but as an error like any other. */
static enum status check_features(const struct get *get, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < get->features_count && status == STATUS_OK; i++)
        status = check_feature(get, get->features[i], err);
    return status;
}

static bool is_readable(const char *noun)
{
    return strcmp(noun, "view") == 0 || strcmp(noun, "service") == 0;
}

static enum status describe_view(struct get *get, struct error *err)
{
    const char *name = get->run->words[0];
    struct buffer reply = {0};
    enum status status =
        output_ask_describe(get->remote, name, false, &reply, &get->description, err);
    buffer_fini(&reply);
    if (status != STATUS_OK)
        return status;
    if (!is_readable(tree_text(get->description, "noun")))
        return error_set(err, STATUS_NOT_FOUND,
                         "'%s' is no view or service but a %s; `asof list` has them all", name,
                         tree_text(get->description, "noun"));
    get->view = arena_format(get->arena, "%s@%" PRId64, tree_text(get->description, "name"),
                             tree_number(get->description, "version"));
    get->has_several_clocks = tree_member(get->description, "request") != NULL;
    return STATUS_OK;
}

/* The features of the request: those that were named, or all. */
static void add_features(struct get *get)
{
    for (size_t i = 0; i < get->features_count; i++)
        asof_request_add_feature(get->request,
                                 arena_format(get->arena, "%.*s.%.*s", BYTES_ARGS(get->view),
                                              BYTES_ARGS(get->features[i]))
                                     .data);
    if (get->features_count == 0)
        asof_request_add_feature(get->request,
                                 arena_format(get->arena, "%.*s.*", BYTES_ARGS(get->view)).data);
}

static void add_time(struct table *table, bool has_time, int64_t time_us, const char *none)
{
    char text[TIME_TEXT_SIZE];
    if (has_time)
        table_add(table, bytes_of(text, time_format(time_us, text)));
    else
        table_add_style(table, none, STYLE_DIM);
}

static void add_value(struct table *table, const struct lookup_feature *feature)
{
    struct buffer text = {0};
    lookup_append_text(feature, &text);
    table_add(table, buffer_bytes(&text));
    buffer_fini(&text);
}

/* "card_payments@2 of c42 as of 2026-01-31T12:00:00Z, newest event 2026-01-31T11:58:03Z" */
static void print_one(const struct get *get, const struct lookup *lookup, const char *entity)
{
    static const struct table_column columns[] = {
        {"FEATURE", false}, {"VALUE", false}, {"STATUS", false}};
    char at[TIME_TEXT_SIZE], event[TIME_TEXT_SIZE] = "";
    struct buffer visible = {0};
    time_format(lookup->at_us, at);
    if (lookup->has_event_time)
        time_format(lookup->event_time_us, event);
    text_append_visible(&visible, bytes_of_text(entity));
    printf("%.*s of %.*s as of %s, %s%s\n", BYTES_ARGS(lookup->view),
           BYTES_ARGS(buffer_bytes(&visible)), at,
           lookup->has_event_time ? "newest event " : "no event by then", event);
    buffer_fini(&visible);

    struct table *table = table_create(columns, COUNT_OF(columns));
    for (size_t i = 0; i < lookup->features_count; i++) {
        const struct lookup_feature *feature = &lookup->features[i];
        table_add(table, feature->name);
        add_value(table, feature);
        table_add(table, feature->status);
    }
    output_table(get->run, table, 2);
    table_destroy(&table);
}

/* Columns: the entity, each feature, the newest event's time. */
static struct table *create_table(struct get *get, const struct lookup *lookup)
{
    size_t count = lookup->features_count + 2;
    struct table_column *columns = ARENA_NEW_ARRAY(get->arena, count, struct table_column);
    columns[0].title = "ENTITY";
    for (size_t i = 0; i < lookup->features_count; i++) {
        const struct lookup_feature *feature = &lookup->features[i];
        columns[i + 1].title = arena_copy(get->arena, feature->name).data;
        columns[i + 1].is_right = type_is_number(feature->type);
    }
    columns[count - 1].title = "NEWEST EVENT";
    return table_create(columns, count);
}

static enum status add_row(struct get *get, const struct lookup *lookup, const char *entity,
                           struct error *err)
{
    char at[TIME_TEXT_SIZE];
    if (get->table == NULL) {
        time_format(lookup->at_us, at);
        printf("%.*s as of %s\n", BYTES_ARGS(lookup->view), at);
        get->table = create_table(get, lookup);
    }
    if (table_columns_count(get->table) != lookup->features_count + 2)
        return error_set(err, STATUS_CORRUPT, "the server's answers differ in their features");
    table_add_text(get->table, entity);
    for (size_t i = 0; i < lookup->features_count; i++)
        add_value(get->table, &lookup->features[i]);
    add_time(get->table, lookup->has_event_time, lookup->event_time_us, "no event");
    return STATUS_OK;
}

static enum status show(struct get *get, const struct lookup *lookup, const char *entity,
                        struct error *err)
{
    struct buffer json = {0};
    if (get->run->options->is_json) {
        lookup_append_json(lookup, bytes_of_text(entity), &json);
        output_line(buffer_bytes(&json));
        buffer_fini(&json);
        return STATUS_OK;
    }
    if (get->run->words_count > 2)
        return add_row(get, lookup, entity, err);
    print_one(get, lookup, entity);
    return STATUS_OK;
}

/* Gives the request the entities, a column for each key. */
static enum status set_entities(struct get *get, const char *const *entities, size_t count,
                                struct error *err)
{
    size_t keys_count = tree_count(get->description, "keys");
    struct asof_bytes *keys = ARENA_NEW_ARRAY(get->answer, keys_count, struct asof_bytes);
    struct asof_bytes *columns =
        ARENA_NEW_ARRAY(get->answer, keys_count * count, struct asof_bytes);
    for (size_t i = 0; i < count; i++) {
        if (!lookup_split_entity(entities[i], keys_count, get->answer, keys))
            return error_set(err, STATUS_INVALID,
                             "%s has %zu keys, joined by '|' (write \\| for a '|' within a key); "
                             "`asof describe %s` names them",
                             get->run->words[0], keys_count, get->run->words[0]);
        for (size_t j = 0; j < keys_count; j++)
            columns[j * count + i] = keys[j];
    }
    for (size_t j = 0; j < keys_count; j++) {
        yajl_val name = tree_member(get->description, "keys")->u.array.values[j];
        asof_request_set_key_strings(get->request, tree_as_text(name), columns + j * count, count);
    }
    return STATUS_OK;
}

static enum status out_of_history(const struct get *get, const struct lookup *lookup,
                                  struct error *err)
{
    char at[TIME_TEXT_SIZE];
    const char *history = tree_text(get->description, "history");
    time_format(lookup->at_us, at);
    return error_set(err, STATUS_INVALID, "%.*s keeps a history of %s; %s lies before it",
                     BYTES_ARGS(lookup->view),
                     history[0] != '\0' ? history : "what the views that it reads keep", at);
}

static enum status show_rows(struct get *get, struct asof_result *result,
                             const char *const *entities, size_t count, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct lookup lookup;
        status = lookup_read(result, i, get->answer, &lookup, err);
        if (status == STATUS_OK && lookup.is_out_of_history)
            status = out_of_history(get, &lookup, err);
        if (status == STATUS_OK)
            status = show(get, &lookup, entities[i], err);
        if (!get->has_several_clocks)
            asof_request_set_at(get->request, &lookup.at_us, 1);
    }
    return status;
}

/* One call: entities from one version as of one moment. */
static enum status get_some(struct get *get, const char *const *entities, size_t count,
                            struct error *err)
{
    struct asof_result *result = NULL;
    struct asof_error failure;
    arena_reset(get->answer);
    enum status status = set_entities(get, entities, count, err);
    if (status != STATUS_OK)
        return status;
    if (asof_get(remote_client(get->remote), get->request, NULL, &result, &failure) != ASOF_OK)
        return remote_failed(get->remote, &failure, err);
    status = show_rows(get, result, entities, count, err);
    asof_result_destroy(&result);
    return status;
}

static enum status get_entities(struct get *get, struct error *err)
{
    const char *const *entities = get->run->words + 1;
    size_t left = get->run->words_count - 1;
    enum status status = STATUS_OK;
    add_features(get);
    while (left > 0 && status == STATUS_OK) {
        size_t count = left < ROWS_MAX ? left : ROWS_MAX;
        status = get_some(get, entities, count, err);
        entities += count;
        left -= count;
    }
    return status;
}

enum exit_code command_get(const struct run *run, struct error *err)
{
    struct get get = {.run = run,
                      .arena = arena_create(ARENA_CHUNK_SIZE),
                      .answer = arena_create(ARENA_CHUNK_SIZE),
                      .request = asof_request_create()};
    enum exit_code code = EXIT_USAGE;
    if (read_options(&get, err) == STATUS_OK) {
        enum status status = remote_open(run->options->server, &get.remote, err);
        if (status == STATUS_OK)
            status = describe_view(&get, err);
        if (status == STATUS_OK)
            status = check_features(&get, err);
        if (status == STATUS_OK)
            status = get_entities(&get, err);
        if (status == STATUS_OK && get.table != NULL)
            output_table(run, get.table, 2);
        code = exit_of(status);
    }
    table_destroy(&get.table);
    yajl_tree_free(get.description);
    asof_request_destroy(&get.request);
    remote_close(&get.remote);
    arena_destroy(&get.answer);
    arena_destroy(&get.arena);
    return code;
}
