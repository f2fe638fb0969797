#include "base/time_text.h"
#include "definitions_world.h"

static void assert_bytes(struct bytes bytes, const char *expected)
{
    if (!bytes_equal_text(bytes, expected))
        fail_msg("\"%.*s\" != \"%s\"", BYTES_ARGS(bytes), expected);
}

#define PROFILE(rest)                                                                              \
    "views:\n  profile:\n    kind: batch\n    entity: card\n    ttl: 30d\n    features: {" rest "}\n"

static void a_batch_view_brings_the_source_of_its_writes_also_after_a_restart(void **state)
{
    (void)state;
    struct world world = world_create();
    struct registry_plan plan = world_apply(
        &world, CARD PROFILE("segment: string, since: {type: timestamp_ms, default: 5}"));
    assert_changes(&plan, "new entity card; new view profile@1");
    world_load(&world);

    const struct source_definition *writes =
        registry_find_source(world.registry, bytes_of_text("profile"))->definition;
    assert_true(writes->is_writes);
    assert_int_equal(writes->fields_count, 5);
    assert_bytes(writes->fields[writes->event_time_field].name, "event_timestamp");
    const struct view_definition *view =
        registry_find_view(world.registry, bytes_of_text("profile"))->versions[0].definition;
    assert_int_equal(view->kind, VIEW_BATCH);
    assert_true(view_has_writes(view));
    assert_int_equal(view->ttl_us, 30 * US_PER_DAY);
    assert_int_equal(view->fields_count, 5);
    assert_bytes(view->fields[view->key_fields[0]].name, "card");
    assert_int_equal(view->features[1].type.kind, VALUE_TIMESTAMP);
    assert_int_equal(view->features[1].default_value.integer, 5);

    struct registry_plan again = world_apply(
        &world, CARD PROFILE("since: {default: 5, type: timestamp_ms}, segment: {type: string}"));
    assert_changes(&again, "unchanged entity card; unchanged view profile@1");
    world_destroy(&world);
}

static void a_changed_batch_view_goes_on_with_the_source_of_its_writes(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, CARD PROFILE("segment: string"));
    uint32_t id = registry_find_source(world.registry, bytes_of_text("profile"))->id;

    struct registry_plan plan = world_apply(&world, PROFILE("segment: string, vip: bool"));
    assert_changes(&plan, "changed view profile@2 (+ vip)");
    const struct source *writes = registry_find_source(world.registry, bytes_of_text("profile"));
    assert_int_equal(writes->id, id);
    assert_int_equal(writes->definition->fields_count, 5);
    struct registry_plan described = world_apply(
        &world, PROFILE("segment: {type: string, description: Which.}, vip: bool"));
    assert_changes(&described, "described view profile@2");
    struct registry_plan ttl = world_apply(
        &world, "views: {profile: {kind: batch, entity: card, "
                "features: {segment: string, vip: bool}}}\n");
    assert_changes(&ttl, "changed view profile@3 (ttl 30d -> none)");

    struct error err;
    assert_int_equal(world_plan(&world,
                                "sources: {profile: {fields: {ts: timestamp}, event_time: ts}}\n",
                                &plan, &err),
                     STATUS_INVALID);
    assert_string_equal(err.text, "a.yaml:1:11: the writes of batch view 'profile' have this name; "
                                  "give the source another one");
    world_destroy(&world);
}

static void a_batch_view_of_a_source_takes_its_fields(void **state)
{
    (void)state;
    struct world world = world_create();
    world_apply(&world, PAYMENTS CARD "views:\n  latest: {kind: batch, source: payments, entity: card, "
                                      "features: {status: string, amount: decimal(2)}}\n");
    world_load(&world);
    const struct view_definition *view =
        registry_find_view(world.registry, bytes_of_text("latest"))->versions[0].definition;
    assert_false(view_has_writes(view));
    assert_bytes(view->source, "payments");
    assert_int_equal(view->event_id_field, -1);
    assert_int_equal(world.registry->sources_count, 1);
    world_destroy(&world);
}

static void a_batch_view_is_listed_and_described(void **state)
{
    (void)state;
    struct world world = world_create();
    struct buffer text = {0};
    world_apply(&world, CARD PROFILE("segment: {type: string, default: none}"));
    registry_list_json(world.registry, &text);
    assert_bytes(buffer_bytes(&text),
                 "{\"sources\": [],\"entities\": [{\"name\": \"card\",\"description\": \"\","
                 "\"keys\": [\"card\"]}],\"views\": [{\"name\": \"profile\",\"kind\": \"batch\","
                 "\"active\": 0,\"source\": null,\"entity\": \"card\",\"features\": 1,"
                 "\"description\": \"\",\"versions\": [{\"version\": 1,\"state\": \"filling\"}]}],\"services\": []}");
    text.size = 0;
    assert_int_equal(
        registry_describe_json(world.registry, bytes_of_text("profile"), &text, NULL), STATUS_OK);
    assert_bytes(buffer_bytes(&text),
                 "{\"noun\": \"view\",\"name\": \"profile\",\"version\": 1,\"active\": 0,"
                 "\"versions\": [{\"version\": 1,\"state\": \"filling\"}],\"switches\": [],"
                 "\"description\": \"\","
                 "\"owner\": \"\",\"tags\": {},\"kind\": \"batch\",\"source\": null,"
                 "\"entity\": \"card\",\"keys\": [\"card\"],\"where\": null,\"history\": null,"
                 "\"ttl\": \"30d\",\"fields\": [{\"name\": \"card\",\"type\": \"string\"},"
                 "{\"name\": \"event_timestamp\",\"type\": \"timestamp\"},"
                 "{\"name\": \"event_deleted\",\"type\": \"bool\"},"
                 "{\"name\": \"segment\",\"type\": \"string\"}],\"features\": "
                 "[{\"name\": \"segment\",\"type\": \"string\",\"default\": \"none\","
                 "\"description\": \"\",\"owner\": \"\",\"tags\": {}}]}");
    buffer_fini(&text);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_view_brings_the_source_of_its_writes_also_after_a_restart),
        cmocka_unit_test(a_changed_batch_view_goes_on_with_the_source_of_its_writes),
        cmocka_unit_test(a_batch_view_of_a_source_takes_its_fields),
        cmocka_unit_test(a_batch_view_is_listed_and_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
