/* asof get. The version is asked for once and pinned, and so is the T of the first answer: all
 * entities are read from the same version, as of the same moment, and shown by its types. */
#include <hiredis/hiredis.h>
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
    IN_FLIGHT_MAX = 64, /* requests sent before their replies are read */
    FEATURES_MAX = 512, /* named by --features */
    ARENA_CHUNK_SIZE = 64 * 1024,
};

enum { SET_WORDS = 3 }; /* SET name value */
enum { KEY_WORD = 1, TIME_WORD = 3, FIXED_WORDS = 4 }; /* ASOF.GET key AT T */

struct get {
    const struct run *run;
    struct remote *remote;
    struct arena *arena;  /* of this run: the words of requests */
    struct arena *answer; /* of one reply */
    yajl_val description; /* of the view version */
    struct bytes view;    /* "card_payments@2:" */
    struct bytes *words;  /* of a request; words[KEY_WORD] is the key, words[TIME_WORD] is T */
    size_t words_count;
    size_t features_start; /* words from here on are the names of --features */
    struct table *table;   /* of several entities; made with the first answer */
    bool has_several_clocks; /* a service or an on-demand view: each view that it reads has its own */
};

static enum status check_time(const char *at, struct error *err)
{
    int64_t ignored;
    struct bytes text = bytes_of_text(at);
    if (at == NULL || strcmp(at, "now") == 0 || time_parse(text, &ignored) ||
        number_parse_int(text, &ignored) == NUMBER_OK)
        return STATUS_OK;
    return error_set(
        err, STATUS_INVALID,
        "--at must be now, a time as 2026-01-31T12:00:00Z, or microseconds since 1970, "
        "got '%s'",
        at);
}

/* Appends the names of --features to the request. */
static enum status add_features(struct get *get, const char *features, struct error *err)
{
    size_t count = 0;
    get->words[get->words_count++] = bytes_of_text("FIELDS");
    get->features_start = get->words_count;
    for (const char *name = features; name != NULL; count++) {
        const char *comma = strchr(name, ',');
        size_t size = comma != NULL ? (size_t)(comma - name) : strlen(name);
        if (size == 0)
            return error_set(err, STATUS_INVALID, "--features: a name is empty in '%s'", features);
        if (count == FEATURES_MAX)
            return error_set(err, STATUS_INVALID, "--features: more than %d", (int)FEATURES_MAX);
        get->words[get->words_count++] = bytes_of(name, size);
        name = comma != NULL ? comma + 1 : NULL;
    }
    return STATUS_OK;
}

/* Appends "SET amount 12.5" for each "amount=12.5" of --set. */
static enum status add_request(struct get *get, const struct option_texts *set, struct error *err)
{
    for (size_t i = 0; i < set->count; i++) {
        const char *text = set->items[i];
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals == text)
            return error_set(err, STATUS_INVALID, "--set takes NAME=VALUE, got '%s'", text);
        get->words[get->words_count++] = bytes_of_text("SET");
        get->words[get->words_count++] = bytes_of(text, (size_t)(equals - text));
        get->words[get->words_count++] = bytes_of_text(equals + 1);
    }
    return STATUS_OK;
}

static enum status build_request(struct get *get, struct error *err)
{
    const struct options *options = get->run->options;
    get->words = ARENA_NEW_ARRAY(get->arena, FIXED_WORDS + 2 + SET_WORDS * OPTION_TEXTS_MAX + FEATURES_MAX,
                                 struct bytes);
    get->words[0] = bytes_of_text("ASOF.GET");
    get->words[2] = bytes_of_text("AT");
    get->words[TIME_WORD] = bytes_of_text(options->at != NULL ? options->at : "now");
    get->words_count = FIXED_WORDS;
    if (options->is_exclusive)
        get->words[get->words_count++] = bytes_of_text("EXCLUSIVE");
    enum status status = add_request(get, &options->set, err);
    if (status != STATUS_OK)
        return status;
    return options->features != NULL ? add_features(get, options->features, err) : STATUS_OK;
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
    if (get->run->options->features == NULL)
        return STATUS_OK;
    for (size_t i = get->features_start; i < get->words_count && status == STATUS_OK; i++)
        status = check_feature(get, get->words[i], err);
    return status;
}

static bool is_readable(const char *noun)
{
    return strcmp(noun, "view") == 0 || strcmp(noun, "service") == 0;
}

static enum status describe_view(struct get *get, struct error *err)
{
    const char *name = get->run->words[0];
    struct bytes request[] = {bytes_of_text("ASOF.DESCRIBE"), bytes_of_text(name)};
    struct buffer reply = {0};
    enum status status = remote_ask(get->remote, request, COUNT_OF(request), &reply, err);
    if (status == STATUS_OK)
        status = tree_parse(buffer_bytes(&reply), &get->description, err);
    buffer_fini(&reply);
    if (status != STATUS_OK)
        return status;
    if (!is_readable(tree_text(get->description, "noun")))
        return error_set(err, STATUS_NOT_FOUND,
                         "'%s' is no view or service but a %s; `asof list` has them all", name,
                         tree_text(get->description, "noun"));
    get->view = arena_format(get->arena, "%s@%" PRId64 ":", tree_text(get->description, "name"),
                             tree_number(get->description, "version"));
    get->has_several_clocks = tree_member(get->description, "request") != NULL;
    return STATUS_OK;
}

static enum status send_request(struct get *get, const char *entity, struct error *err)
{
    struct buffer key = {0};
    buffer_append(&key, get->view);
    buffer_append_text(&key, entity);
    get->words[KEY_WORD] = buffer_bytes(&key);
    enum status status = remote_send(get->remote, get->words, get->words_count, err);
    buffer_fini(&key);
    return status;
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

static enum status receive_answer(struct get *get, const char *entity, struct error *err)
{
    struct redisReply *reply = NULL;
    struct lookup lookup;
    arena_reset(get->answer);

    enum status status = remote_receive(get->remote, &reply, err);
    if (status != STATUS_OK)
        return status;
    status = remote_reply_status(reply, err);
    if (status == STATUS_OK && reply->type == REDIS_REPLY_NIL)
        status = error_set(err, STATUS_NOT_FOUND, "no view '%s'", get->run->words[0]);
    if (status == STATUS_OK)
        status = lookup_read(reply, get->description, get->answer, &lookup, err);
    if (status == STATUS_OK) {
        if (!get->has_several_clocks)
            get->words[TIME_WORD] = arena_format(get->arena, "%" PRId64, lookup.at_us);
        status = show(get, &lookup, entity, err);
    }
    remote_free_reply(&reply);
    return status;
}

static enum status get_entities(struct get *get, struct error *err)
{
    const char *const *entities = get->run->words + 1;
    size_t count = get->run->words_count - 1;
    size_t sent = 0;
    enum status status = STATUS_OK;

    for (size_t received = 0; received < count && status == STATUS_OK; received++) {
        /* The first goes alone: the others are asked as of its T. */
        size_t in_flight_max = received == 0 ? 1 : IN_FLIGHT_MAX;
        while (status == STATUS_OK && sent < count && sent - received < in_flight_max)
            status = send_request(get, entities[sent++], err);
        if (status == STATUS_OK)
            status = receive_answer(get, entities[received], err);
    }
    return status;
}

enum exit_code command_get(const struct run *run, struct error *err)
{
    struct get get = {.run = run,
                      .arena = arena_create(ARENA_CHUNK_SIZE),
                      .answer = arena_create(ARENA_CHUNK_SIZE)};
    enum exit_code code = EXIT_USAGE;
    if (check_time(run->options->at, err) == STATUS_OK && build_request(&get, err) == STATUS_OK) {
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
    remote_close(&get.remote);
    arena_destroy(&get.answer);
    arena_destroy(&get.arena);
    return code;
}
