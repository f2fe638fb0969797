#include "definitions_world.h"

#include <stdio.h>

#include "base/time_text.h"

static void assert_bytes(struct bytes bytes, const char *expected)
{
    char text[2048];
    assert_true(bytes.size < sizeof(text));
    snprintf(text, sizeof(text), "%.*s", BYTES_ARGS(bytes));
    assert_string_equal(text, expected);
}

static const struct view_version *newest(const struct world *world, const char *name)
{
    const struct view *view = registry_find_view(world->registry, bytes_of_text(name));
    assert_non_null(view);
    return &view->versions[view->versions_count - 1];
}

static struct bytes row_value(const struct world *world, const char *key)
{
    for (size_t i = 0; i < world->rows_count; i++)
        if (bytes_equal_text(world->rows[i].key, key))
            return world->rows[i].value;
    fail_msg("there is no row %s", key);
    return (struct bytes){0};
}

static void make_live(struct world *world, const char *name)
{
    struct registry_plan plan;
    const struct view *view = registry_find_view(world->registry, bytes_of_text(name));
    registry_plan_live(world->registry, view, newest(world, name), 1000, world->arena, &plan);
    world_commit(world, &plan);
}

/* --- what files become --------------------------------------------------------------------- */

static void a_source_has_what_its_file_says_and_defaults_for_the_rest(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, "sources:\n"
                        "  plain: {fields: {ts: timestamp_ns, a: int}, event_time: ts}\n"
                        "  replay: {fields: {ts: timestamp}, event_time: ts, clock: event}\n"
                        "  full:\n"
                        "    description: All of it.\n"
                        "    owner: me@example.com\n"
                        "    tags: {team: risk, tier: 1}\n"
                        "    format: json\n"
                        "    fields: {a: decimal(18), id: int, ts: timestamp_s}\n"
                        "    event_time: ts\n"
                        "    event_id: id\n"
                        "    clock: event\n"
                        "    durability: os\n"
                        "    retention: 30d\n"
                        "    ahead_max: 1h30m\n");
    const struct source_definition *plain =
        registry_find_source(world.registry, bytes_of_text("plain"))->definition;
    const struct source_definition *replay =
        registry_find_source(world.registry, bytes_of_text("replay"))->definition;
    const struct source_definition *full =
        registry_find_source(world.registry, bytes_of_text("full"))->definition;

    assert_int_equal(plain->event_id_field, -1);
    assert_int_equal(plain->clock, CLOCK_WALL);
    assert_int_equal(plain->durability, DURABILITY_FSYNC);
    assert_int_equal(plain->retention_us, DURATION_NONE);
    assert_int_equal(plain->ahead_max_us, US_PER_HOUR);
    assert_int_equal(plain->fields[0].unit, TIME_NANOSECONDS);
    assert_int_equal(replay->ahead_max_us, DURATION_NONE);
    assert_bytes(full->annotations.description, "All of it.");
    assert_int_equal(full->annotations.tags_count, 2);
    assert_bytes(full->annotations.tags[3], "1");
    assert_int_equal(full->fields_count, 3);
    assert_int_equal(full->fields[0].type.digits, 18);
    assert_int_equal(full->event_time_field, 2);
    assert_int_equal(full->event_id_field, 1);
    assert_int_equal(full->durability, DURABILITY_OS);
    assert_int_equal(full->retention_us, 30 * US_PER_DAY);
    assert_int_equal(full->ahead_max_us, 90 * US_PER_MINUTE);
    world_destroy(&world);
}

#define FROM_KAFKA(rest)                                                                           \
    "sources:\n"                                                                                   \
    "  clicks:\n"                                                                                  \
    "    fields: {ts: timestamp_ms, user: string}\n"                                               \
    "    event_time: ts\n"                                                                         \
    "    kafka:\n"                                                                                 \
    "      brokers: 'a:9092,b:9092'\n" rest

static void a_source_of_kafka_has_what_its_file_says_also_after_a_restart(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world,
                FROM_KAFKA("      topic: [clicks.web, clicks_app]\n"
                           "      group: asof\n"
                           "      properties: {client.rack: r1, ssl.key.password: \"a\\nb\"}\n"
                           "    start: 2026-01-31T12:00:00Z\n"
                           "    on_gap: skip\n"));
    world_load(&world);

    const struct source_definition *clicks =
        registry_find_source(world.registry, bytes_of_text("clicks"))->definition;
    assert_non_null(clicks->kafka);
    assert_bytes(clicks->kafka->brokers, "a:9092,b:9092");
    assert_int_equal(clicks->kafka->topics_count, 2);
    assert_bytes(clicks->kafka->topics[1], "clicks_app");
    assert_int_equal(clicks->kafka->start, KAFKA_AT);
    assert_int_equal(clicks->kafka->start_us, INT64_C(1769860800000000));
    assert_int_equal(clicks->kafka->on_gap, KAFKA_SKIP);
    assert_bytes(clicks->kafka->group, "asof");
    assert_int_equal(clicks->kafka->properties_count, 2);
    assert_bytes(clicks->kafka->properties[3], "a\nb");
    world_destroy(&world);
}

static void a_source_that_reads_elsewhere_is_changed_and_its_views_are_not(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, FROM_KAFKA("      topic: clicks\n"));
    world_apply(&world, "entities: {user: {keys: [user]}}\n"
                        "views: {v: {source: clicks, entity: user, "
                        "features: {n: {count: '*', over: 5m}}}}\n");

    struct registry_plan plan =
        world_apply(&world, FROM_KAFKA("      topic: [clicks, more]\n      on_gap: skip\n"
                                       "      properties: {ssl.key.password: secret}\n"));
    assert_changes(&plan,
                   "changed source clicks (topic clicks -> clicks, more; on_gap stop -> skip; "
                   "other properties)");
    assert_int_equal(plan.rows_count, 1);
    struct registry_plan again =
        world_apply(&world, FROM_KAFKA("      topic: [clicks, more]\n      on_gap: skip\n"
                                       "      properties: {ssl.key.password: secret}\n"));
    assert_changes(&again, "unchanged source clicks");
    world_destroy(&world);
}

static void a_description_hides_what_is_secret(void **state)
{
    (void)state;
    struct world world = world_create();
    struct buffer json = {0};
    struct error err = {0};
    world_apply(&world, FROM_KAFKA("      topic: clicks\n"
                                   "      properties: {sasl.password: tiger, client.rack: r1}\n"));

    assert_int_equal(registry_describe_json(world.registry, bytes_of_text("clicks"), &json, &err),
                     STATUS_OK);

    buffer_append_byte(&json, '\0');
    assert_null(strstr(buffer_bytes(&json).data, "tiger"));
    assert_non_null(strstr(buffer_bytes(&json).data, "\"sasl.password\": \"(hidden)\""));
    assert_non_null(strstr(buffer_bytes(&json).data, "r1"));
    buffer_fini(&json);
    world_destroy(&world);
}

static void a_view_repeats_only_the_fields_that_it_uses(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, PAYMENTS CARD "views:\n"
                                      "  v:\n"
                                      "    source: payments\n"
                                      "    entity: card\n"
                                      "    where: status = 'amount'\n"
                                      "    history: 90d\n"
                                      "    features: {n: {count: '*', over: 5m}}\n");
    const struct view_definition *view = newest(&world, "v")->definition;

    assert_int_equal(view->fields_count, 4);
    assert_bytes(view->fields[0].name, "txn");
    assert_bytes(view->fields[1].name, "ts");
    assert_bytes(view->fields[2].name, "card");
    assert_bytes(view->fields[3].name, "status");
    assert_int_equal(view->event_time_field, 1);
    assert_int_equal(view->event_id_field, 0);
    assert_int_equal(view->keys_count, 1);
    assert_int_equal(view->key_fields[0], 2);
    assert_bytes(view->where, "status = 'amount'");
    assert_int_equal(view->history_us, 90 * US_PER_DAY);
    assert_int_equal(view->version, 1);
    world_destroy(&world);
}

static void a_feature_has_an_argument_of_its_kind_and_a_default_of_its_type(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum argument_kind kind;
        const char *argument;
        const char *argument_type;
        const char *type;
        const char *default_json;
    } cases[] = {
        {"{count: '*', over: 5m}", ARGUMENT_NONE, "*", "null", "int", "null"},
        {"{count: true, over: 5m, default: -3}", ARGUMENT_NONE, "*", "null", "int", "-3"},
        {"{duration: true, over: session(5m)}", ARGUMENT_NONE, "true", "null", "double", "null"},
        {"{sum: amount, over: 5m, default: 0.50}", ARGUMENT_FIELD, "amount", "decimal(2)",
         "decimal(2)", "0.5"},
        {"{sum: '\"amount\"', over: 5m, type: decimal(2)}", ARGUMENT_FIELD, "amount", "decimal(2)",
         "decimal(2)", "null"},
        {"{sum: amount * 0.015, over: 5m, default: 1e-7}", ARGUMENT_EXPRESSION, "amount * 0.015",
         "double", "double", "1e-7"},
        {"{sum: ' amount * 3\n ', over: 5m, type: int}", ARGUMENT_EXPRESSION, "amount * 3", "int",
         "int", "null"},
        {"{last: status, over: forever, default: \"tr\\tue\"}", ARGUMENT_FIELD, "status", "string",
         "string", "\"tr\\u0009ue\""},
        {"{last: status, over: forever, default: 007}", ARGUMENT_FIELD, "status", "string",
         "string", "\"007\""},
        {"{last: amount > 5, over: forever, type: bool, default: true}", ARGUMENT_EXPRESSION,
         "amount > 5", "bool", "bool", "true"},
        {"{last: ts, over: forever, default: 2026-01-31T12:00:00Z}", ARGUMENT_FIELD, "ts",
         "timestamp", "timestamp", "1769860800000000"},
        {"{last: ts, over: forever, default: 5}", ARGUMENT_FIELD, "ts", "timestamp", "timestamp",
         "5"},
        {"{last_n: card, over: last(3)}", ARGUMENT_FIELD, "card", "string", "list of string",
         "null"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world world = world_create();
        struct buffer text = {0};
        char type[TYPE_TEXT_SIZE];
        buffer_format(&text, "%s      f: %s\n%c", BASE, cases[i].text, '\0');
        world_apply(&world, buffer_bytes(&text).data);
        const struct feature_definition *feature =
            &newest(&world, "card_payments")->definition->features[0];

        assert_int_equal(feature->argument_kind, cases[i].kind);
        assert_bytes(feature->argument, cases[i].argument);
        assert_string_equal(type_name(feature->argument_type, type), cases[i].argument_type);
        assert_string_equal(type_name(feature->type, type), cases[i].type);
        buffer_reset(&text, 0);
        value_append_json(&feature->default_value, &text);
        assert_bytes(buffer_bytes(&text), cases[i].default_json);
        buffer_fini(&text);
        world_destroy(&world);
    }
}

static void files_are_merged_over_what_is_registered(void **state)
{
    (void)state;
    struct world world = world_create();

    world_apply(&world, PAYMENTS);
    world_apply(&world, "---\n# nothing yet\n---\nviews:\nsources:\n---\n" CARD);
    struct registry_plan plan = world_apply(&world, VIEW_BEGIN "      n: {count: '*', over: 5m}\n");

    assert_changes(&plan, "new view card_payments@1");
    assert_int_equal(world.registry->sources_count, 1);
    assert_int_equal(world.registry->entities_count, 1);
    assert_int_equal(world.registry->views_count, 1);
    world_destroy(&world);
}

static void an_alias_of_yaml_stands_for_what_it_names(void **state)
{
    (void)state;
    struct world world = world_create();

    world_apply(&world, PAYMENTS CARD
                "views:\n"
                "  a: {source: payments, entity: card, features: &f {n: {count: '*', over: 5m}}}\n"
                "  b: {source: payments, entity: card, features: *f}\n");

    assert_bytes(newest(&world, "b")->definition->features[0].name, "n");
    world_destroy(&world);
}

/* --- versions ------------------------------------------------------------------------------ */

#define TWO_FEATURES                                                                               \
    BASE "      payments_5m: {count: '*', over: 5m}\n      old_one: {sum: amount, over: 1h}\n"

static void the_same_definition_again_changes_nothing(void **state)
{
    (void)state;
    struct world world = world_create();
    struct registry_plan plan = world_apply(&world, TWO_FEATURES);
    assert_changes(&plan, "new source payments; new entity card; new view card_payments@1");
    assert_int_equal(plan.rows_count, 4);

    plan = world_apply(&world, TWO_FEATURES);

    assert_changes(&plan, "unchanged source payments; unchanged entity card; "
                          "unchanged view card_payments@1");
    assert_int_equal(plan.rows_count, 0);
    world_destroy(&world);
}

static void the_same_meaning_in_other_words_changes_nothing(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, TWO_FEATURES);

    struct registry_plan plan = world_apply(
        &world, VIEW_BEGIN "      old_one: {over: 60m, sum: '\"amount\"', type: decimal(2)}\n"
                           "      payments_5m: {over: 300s, count: true}\n");

    assert_changes(&plan, "unchanged view card_payments@1");
    assert_int_equal(plan.rows_count, 0);
    world_destroy(&world);
}

static void another_meaning_makes_a_version_and_says_what_is_other(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, TWO_FEATURES);
    uint32_t first_table = newest(&world, "card_payments")->table_id;

    struct registry_plan plan =
        world_apply(&world, VIEW_BEGIN "      payments_5m: {count: '*', over: 10m}\n"
                                       "      amount_max_1d: {max: amount, over: 1d}\n");

    assert_changes(&plan, "changed view card_payments@2 "
                          "(payments_5m: over 5m -> 10m; + amount_max_1d; - old_one)");
    const struct view *view = registry_find_view(world.registry, bytes_of_text("card_payments"));
    assert_int_equal(view->versions_count, 2);
    assert_int_equal(view->active, 0);
    assert_int_equal(view->versions[0].table_id, first_table);
    assert_true(view->versions[1].table_id > first_table);
    assert_int_equal(view->versions[1].state, VERSION_FILLING);
    assert_int_equal(view->versions[0].definition->features_count, 2);
    assert_bytes(view->versions[0].definition->features[1].name, "old_one");
    world_destroy(&world);
}

static void each_change_of_a_view_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *after;
        const char *detail;
    } cases[] = {
        {"{count: '*', over: 5m}", "{count: '*', over: 5m, where: amount > 1}",
         "a: where none -> 'amount > 1'"},
        {"{count: '*', over: 5m}", "{count: card, over: 5m}", "a: argument '*' -> 'card'"},
        {"{sum: amount, over: 5m}", "{avg: amount, over: 5m}",
         "a: aggregation sum -> avg; a: type decimal(2) -> double"},
        {"{sum: amount, over: 5m}", "{sum: amount, over: 5m, default: 0}",
         "a: default none -> '0'"},
        {"{sum: amount + 1, over: 5m}", "{sum: amount + 1, over: 5m, type: int}",
         "a: type double -> int; a: type of the argument double -> int"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world world = world_create();
        struct buffer text = {0};
        buffer_format(&text, "%s      a: %s\n%c", BASE, cases[i].before, '\0');
        world_apply(&world, buffer_bytes(&text).data);
        buffer_reset(&text, 0);
        buffer_format(&text, "%s      a: %s\n%c", VIEW_BEGIN, cases[i].after, '\0');

        struct registry_plan plan = world_apply(&world, buffer_bytes(&text).data);

        assert_int_equal(plan.changes_count, 1);
        assert_int_equal(plan.changes[0].kind, CHANGE_CHANGED);
        assert_bytes(plan.changes[0].detail, cases[i].detail);
        buffer_fini(&text);
        world_destroy(&world);
    }
}

static void annotations_make_no_version_and_keep_table_state_and_order(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, TWO_FEATURES);
    make_live(&world, "card_payments");
    uint32_t table = newest(&world, "card_payments")->table_id;

    struct registry_plan plan =
        world_apply(&world, "sources:\n"
                            "  payments:\n"
                            "    description: Card payments.\n"
                            "    fields: {txn: string, ts: timestamp_ms, card: string,\n"
                            "      country: string, amount: decimal(2), status: string}\n"
                            "    event_time: ts\n"
                            "    event_id: txn\n"
                            "entities: {card: {keys: [card], owner: me}}\n" VIEW_BEGIN
                            "      old_one: {sum: amount, over: 1h, description: Old.}\n"
                            "      payments_5m: {count: '*', over: 5m, tags: {a: b}}\n");

    assert_changes(&plan, "described source payments; described entity card; "
                          "described view card_payments@1");
    const struct view_version *version = newest(&world, "card_payments");
    assert_int_equal(version->table_id, table);
    assert_int_equal(version->state, VERSION_LIVE);
    assert_int_equal(version->definition->version, 1);
    assert_bytes(version->definition->features[0].name, "payments_5m");
    assert_bytes(version->definition->features[0].annotations.tags[1], "b");
    assert_bytes(version->definition->features[1].annotations.description, "Old.");
    assert_int_equal(registry_find_view(world.registry, bytes_of_text("card_payments"))->active, 1);
    world_destroy(&world);
}

static void a_changed_source_makes_versions_of_the_views_that_feel_it(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(
        &world, PAYMENTS CARD
        "views:\n"
        "  counts: {source: payments, entity: card, features: {n: {count: '*', over: 5m}}}\n"
        "  sums: {source: payments, entity: card, features: {s: {sum: amount, over: 5m}}}\n");

    struct registry_plan plan =
        world_apply(&world, "sources:\n"
                            "  payments:\n"
                            "    fields: {txn: string, ts: timestamp_ms, card: string,\n"
                            "      amount: double, status: string, shop: string}\n"
                            "    event_time: ts\n"
                            "    event_id: txn\n"
                            "    clock: event\n");

    assert_changes(&plan,
                   "changed source payments (field amount decimal(2) -> double; + field shop; - "
                   "field country; clock wall -> event; ahead_max 1h -> none); "
                   "changed view sums@2 (field amount decimal(2) -> double; s: type decimal(2) -> "
                   "double)");
    assert_int_equal(newest(&world, "counts")->definition->version, 1);
    assert_int_equal(newest(&world, "sums")->definition->version, 2);
    world_destroy(&world);
}

static void a_changed_entity_makes_versions_of_its_views(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, TWO_FEATURES);

    struct registry_plan plan = world_apply(&world, "entities: {card: {keys: [card, country]}}\n");

    assert_changes(&plan, "changed entity card (keys card -> card, country); "
                          "changed view card_payments@2 (keys card -> card, country)");
    assert_int_equal(newest(&world, "card_payments")->definition->keys_count, 2);
    world_destroy(&world);
}

static void a_source_and_its_view_may_change_together(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, TWO_FEATURES);

    struct registry_plan plan = world_apply(
        &world, "sources:\n"
                "  payments: {fields: {ts: timestamp, card: string}, event_time: ts}\n" VIEW_BEGIN
                "      payments_5m: {count: '*', over: 5m}\n");

    assert_int_equal(plan.changes_count, 2);
    assert_int_equal(plan.changes[1].version, 2);
    assert_bytes(plan.changes[1].detail, "event_id 'txn' -> none; field ts timestamp_ms -> "
                                         "timestamp; - old_one");
    world_destroy(&world);
}

static void a_plan_alone_changes_nothing(void **state)
{
    (void)state;
    struct world world = world_create();
    struct registry_plan plan;
    struct error err = {0};

    assert_int_equal(world_plan(&world, TWO_FEATURES, &plan, &err), STATUS_OK);

    assert_int_equal(plan.changes_count, 3);
    assert_int_equal(world.registry->views_count, 0);
    assert_int_equal(world.registry->next_id, 1);
    world_destroy(&world);
}

/* --- stored -------------------------------------------------------------------------------- */

static void rows_are_as_the_header_draws_them(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, BASE "      n: {count: '*', over: 5m, where: amount * 2 > 9}\n");

    assert_bytes(row_value(&world, "source/payments"),
                 "{\"id\": 1, \"definition\": {\"fields\": {\"txn\": \"string\",\"ts\": "
                 "\"timestamp_ms\",\"card\": \"string\",\"country\": \"string\",\"amount\": "
                 "\"decimal(2)\",\"status\": \"string\"},\"event_time\": \"ts\",\"event_id\": "
                 "\"txn\",\"clock\": \"wall\",\"durability\": \"fsync\",\"ahead_max\": \"1h\"}}");
    assert_bytes(row_value(&world, "entity/card"), "{\"definition\": {\"keys\": [\"card\"]}}");
    assert_bytes(row_value(&world, "view/card_payments"),
                 "{\"active\": 0, \"newest\": 1, \"newest_table\": 2, "
                 "\"promoted_when_filled\": 0, \"before\": [], \"switches\": []}");
    assert_bytes(row_value(&world, "view/card_payments@1"),
                 "{\"table\": 2, \"state\": \"filling\", \"definition\": {\"source\": "
                 "\"payments\",\"entity\": \"card\",\"features\": {\"n\": {\"count\": \"*\","
                 "\"over\": \"5m\",\"where\": \"amount * 2 > 9\"}}}, \"resolved\": {\"fields\": "
                 "{\"txn\": \"string\",\"ts\": \"timestamp_ms\",\"card\": \"string\",\"amount\": "
                 "\"decimal(2)\"},\"event_time\": \"ts\",\"event_id\": \"txn\",\"keys\": "
                 "[\"card\"],\"types\": {\"n\": \"int\"}}}");
    world_destroy(&world);
}

static void live_makes_the_version_the_active_one(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, TWO_FEATURES);
    const struct view *view = registry_find_view(world.registry, bytes_of_text("card_payments"));
    assert_null(view_find_version(view, 0));
    assert_non_null(view_find_version(view, 1));

    make_live(&world, "card_payments");

    view = registry_find_view(world.registry, bytes_of_text("card_payments"));
    assert_int_equal(view->active, 1);
    assert_int_equal(view_find_version(view, 0)->definition->version, 1);
    assert_int_equal(view_find_version(view, 0)->state, VERSION_LIVE);
    assert_null(view_find_version(view, 2));
    world_destroy(&world);
}

static void no_number_is_given_twice(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, TWO_FEATURES);
    world_apply(&world, VIEW_BEGIN "      n: {count: '*', over: 7m}\n");
    world_apply(&world, "sources:\n"
                        "  a: {fields: {ts: timestamp}, event_time: ts}\n"
                        "  b: {fields: {ts: timestamp}, event_time: ts}\n" VIEW_BEGIN
                        "      n: {count: '*', over: 8m}\n");

    const struct view *view = &world.registry->views[0];
    assert_int_equal(registry_find_source(world.registry, bytes_of_text("payments"))->id, 1);
    assert_int_equal(view->versions[0].table_id, 2);
    assert_int_equal(view->versions[1].table_id, 3);
    assert_int_equal(registry_find_source(world.registry, bytes_of_text("a"))->id, 4);
    assert_int_equal(registry_find_source(world.registry, bytes_of_text("b"))->id, 5);
    assert_int_equal(view->versions[2].table_id, 6);
    assert_int_equal(world.registry->next_id, 7);
    world_destroy(&world);
}

/* Describes everything, so that two snapshots can be compared. */
static void append_everything(const struct world *world, struct buffer *out)
{
    const struct registry *registry = world->registry;
    registry_list_json(registry, out);
    for (size_t i = 0; i < registry->views_count; i++) {
        for (size_t v = 0; v < registry->views[i].versions_count; v++) {
            struct error err;
            struct bytes name =
                arena_format(world->arena, "%.*s@%u", BYTES_ARGS(registry->views[i].name),
                             registry->views[i].versions[v].definition->version);
            assert_int_equal(registry_describe_json(registry, name, out, &err), STATUS_OK);
        }
    }
}

static void a_restart_in_any_order_of_rows_rebuilds_the_same(void **state)
{
    (void)state;
    struct world world = world_create();
    struct buffer before = {0};
    struct buffer after = {0};
    world_apply(&world, TWO_FEATURES);
    make_live(&world, "card_payments");
    world_apply(&world, VIEW_BEGIN
                "      s: {sum: 'amount * 1.5', over: 'tumbling(1d, offset 5h)', type: int}\n"
                "      d: {last: status, over: last(3), default: 'it''s \"quoted\": [a, {b'}\n"
                "      t: {last: ts, over: forever, default: 2026-01-31T12:00:00.000001Z}\n"
                "      z: {count: '*', over: 7d step 1h, description: \"a\\0b\\u2028\\u0085\"}\n");
    append_everything(&world, &before);

    for (size_t i = 0; i < world.rows_count / 2; i++) {
        struct registry_row row = world.rows[i];
        world.rows[i] = world.rows[world.rows_count - 1 - i];
        world.rows[world.rows_count - 1 - i] = row;
    }
    world_load(&world);
    append_everything(&world, &after);

    assert_true(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
    buffer_fini(&before);
    buffer_fini(&after);
    world_destroy(&world);
}

/* --- for people ---------------------------------------------------------------------------- */

static void the_list_names_everything_in_short(void **state)
{
    (void)state;
    struct world world = world_create();
    struct buffer json = {0};
    registry_list_json(world.registry, &json);
    assert_bytes(buffer_bytes(&json),
                 "{\"sources\": [],\"entities\": [],\"views\": [],\"services\": []}");
    world_apply(&world, TWO_FEATURES);
    make_live(&world, "card_payments");
    world_apply(&world, VIEW_BEGIN "      n: {count: '*', over: 5m}\n");

    buffer_reset(&json, 0);
    registry_list_json(world.registry, &json);

    assert_bytes(buffer_bytes(&json),
                 "{\"sources\": [{\"name\": \"payments\",\"description\": \"\",\"clock\": \"wall\","
                 "\"fields\": 6}],\"entities\": [{\"name\": \"card\",\"description\": \"\","
                 "\"keys\": [\"card\"]}],\"views\": [{\"name\": \"card_payments\","
                 "\"kind\": \"stream\",\"active\": 1,"
                 "\"source\": \"payments\",\"entity\": \"card\",\"features\": 2,\"description\": "
                 "\"\",\"versions\": [{\"version\": 1,\"state\": \"active\"},{\"version\": 2,"
                 "\"state\": \"filling\"}]}],\"services\": []}");
    buffer_fini(&json);
    world_destroy(&world);
}

static void a_description_is_complete(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *json;
    } cases[] = {
        {"plain",
         "{\"noun\": \"source\",\"name\": \"plain\",\"description\": \"\",\"owner\": "
         "\"\",\"tags\": "
         "{},\"fields\": [{\"name\": \"ts\",\"type\": \"timestamp_us\"},{\"name\": \"a\",\"type\": "
         "\"decimal(0)\"}],\"event_time\": \"ts\",\"event_id\": null,\"clock\": \"event\","
         "\"durability\": \"fsync\",\"retention\": null,\"ahead_max\": null,"
         "\"freshness_slo\": null}"},
        {"card", "{\"noun\": \"entity\",\"name\": \"card\",\"description\": \"\",\"owner\": \"me\","
                 "\"tags\": {\"team\": \"risk\"},\"keys\": [\"card\",\"country\"]}"},
        {"v",
         "{\"noun\": \"view\",\"name\": \"v\",\"version\": 1,\"active\": 0,\"versions\": "
         "[{\"version\": 1,\"state\": \"filling\"}],\"switches\": [],\"description\": \"\",\"owner\": \"\","
         "\"tags\": {},\"kind\": \"stream\",\"source\": \"payments\",\"entity\": \"card\",\"keys\": [\"card\","
         "\"country\"],\"where\": \"amount > 1\",\"history\": \"90d\",\"features\": [{\"name\": "
         "\"n\",\"aggregation\": \"count\",\"argument\": \"*\",\"over\": \"5m\",\"where\": "
         "null,\"type\": \"int\",\"default\": null,\"description\": \"\",\"owner\": \"\","
         "\"tags\": {}},{\"name\": \"s\",\"aggregation\": \"sum\",\"argument\": \"amount\","
         "\"over\": \"1h\",\"where\": \"status = 'x'\",\"type\": \"decimal(2)\",\"default\": 0,"
         "\"description\": \"Sum.\",\"owner\": \"\",\"tags\": {}}]}"},
    };
    struct world world = world_create();
    world_apply(
        &world, PAYMENTS
        "  plain: {fields: {ts: timestamp_us, a: decimal(0)}, event_time: ts, clock: event}\n"
        "entities: {card: {keys: [card, country], owner: me, tags: {team: risk}}}\n"
        "views:\n"
        "  v:\n"
        "    source: payments\n"
        "    entity: card\n"
        "    where: amount > 1\n"
        "    history: 90d\n"
        "    features:\n"
        "      n: {count: '*', over: 5m}\n"
        "      s: {sum: amount, over: 1h, where: status = 'x', default: 0, description: "
        "Sum.}\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer json = {0};
        struct error err = {0};

        enum status status =
            registry_describe_json(world.registry, bytes_of_text(cases[i].name), &json, &err);

        assert_int_equal(status, STATUS_OK);
        assert_bytes(buffer_bytes(&json), cases[i].json);
        buffer_fini(&json);
    }
    world_destroy(&world);
}

static void an_unknown_name_is_not_found_with_near_ones(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *sentence;
    } cases[] = {
        {"card_payment", "there is no view, source or entity 'card_payment'; did you mean "
                         "'card_payments'?"},
        {"x",
         "there is no view, source or entity 'x'; the names are card_payments, payments, card"},
        {"card_payments@7", "view 'card_payments' has no such version; there are card_payments@1"},
        {"card_payments@", "view 'card_payments' has no such version; there are card_payments@1"},
        {"card@1", "there is no view 'card'; the views are card_payments"},
        {"\xff\x01", "there is no view, source or entity '\xff?'; the names are card_payments, "
                     "payments, card"},
    };
    struct world world = world_create();
    world_apply(&world, TWO_FEATURES);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer json = {0};
        struct error err = {0};

        enum status status =
            registry_describe_json(world.registry, bytes_of_text(cases[i].name), &json, &err);

        assert_int_equal(status, STATUS_NOT_FOUND);
        assert_string_equal(err.text, cases[i].sentence);
        assert_int_equal(json.size, 0);
        buffer_fini(&json);
    }
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_has_what_its_file_says_and_defaults_for_the_rest),
        cmocka_unit_test(a_source_of_kafka_has_what_its_file_says_also_after_a_restart),
        cmocka_unit_test(a_source_that_reads_elsewhere_is_changed_and_its_views_are_not),
        cmocka_unit_test(a_description_hides_what_is_secret),
        cmocka_unit_test(a_view_repeats_only_the_fields_that_it_uses),
        cmocka_unit_test(a_feature_has_an_argument_of_its_kind_and_a_default_of_its_type),
        cmocka_unit_test(files_are_merged_over_what_is_registered),
        cmocka_unit_test(an_alias_of_yaml_stands_for_what_it_names),
        cmocka_unit_test(the_same_definition_again_changes_nothing),
        cmocka_unit_test(the_same_meaning_in_other_words_changes_nothing),
        cmocka_unit_test(another_meaning_makes_a_version_and_says_what_is_other),
        cmocka_unit_test(each_change_of_a_view_is_named),
        cmocka_unit_test(annotations_make_no_version_and_keep_table_state_and_order),
        cmocka_unit_test(a_changed_source_makes_versions_of_the_views_that_feel_it),
        cmocka_unit_test(a_changed_entity_makes_versions_of_its_views),
        cmocka_unit_test(a_source_and_its_view_may_change_together),
        cmocka_unit_test(a_plan_alone_changes_nothing),
        cmocka_unit_test(rows_are_as_the_header_draws_them),
        cmocka_unit_test(live_makes_the_version_the_active_one),
        cmocka_unit_test(no_number_is_given_twice),
        cmocka_unit_test(a_restart_in_any_order_of_rows_rebuilds_the_same),
        cmocka_unit_test(the_list_names_everything_in_short),
        cmocka_unit_test(a_description_is_complete),
        cmocka_unit_test(an_unknown_name_is_not_found_with_near_ones),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
