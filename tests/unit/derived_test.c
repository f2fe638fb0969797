/* On-demand views and services as definitions: what they become, what makes a new version of them,
 * and what a person sees whose definitions are wrong. */
#include "definitions_world.h"

#include <stdio.h>

#define VIEWS                                                                                      \
    "sources:\n"                                                                                   \
    "  payments: {fields: {ts: timestamp, card: string, merchant: string, amount: decimal(2)},\n"  \
    "             event_time: ts}\n"                                                               \
    "entities: {card: {keys: [card]}, merchant: {keys: [merchant]}}\n"                             \
    "views:\n"                                                                                     \
    "  m: {source: payments, entity: merchant, features: {n: {count: '*', over: 1h}}}\n"           \
    "  c: {source: payments, entity: card, features: {n: {count: '*', over: 1h},\n"                \
    "      last: {last: amount, over: forever}, five: {last_n: amount, over: last(5)}}}\n"
#define RISK                                                                                       \
    "views:\n"                                                                                     \
    "  risk:\n"                                                                                    \
    "    kind: on_demand\n"                                                                        \
    "    entity: card\n"                                                                           \
    "    request: {amount: decimal(2)}\n"                                                          \
    "    features:\n"
#define RATIO   "      ratio: request.amount / c.n\n"
#define SERVICE "services:\n  fraud: {features: [c.n, m.n, risk.ratio]}\n"

static const struct view_definition *active(const struct world *world, const char *name)
{
    const struct view *view = registry_find_view(world->registry, bytes_of_text(name));
    assert_non_null(view);
    return view_find_version(view, 0)->definition;
}

static struct bytes lack_of(const struct world *world, const char *name)
{
    const struct view *view = registry_find_view(world->registry, bytes_of_text(name));
    assert_non_null(view);
    return view->versions[view->versions_count - 1].lack;
}

static void make_live(struct world *world, const char *name)
{
    struct registry_plan plan;
    const struct view *view = registry_find_view(world->registry, bytes_of_text(name));
    registry_plan_live(world->registry, view, &view->versions[view->versions_count - 1], 1,
                       world->arena, &plan);
    world_commit(world, &plan);
}

/* Promotes the version, or is told the sentence. */
static void assert_promote(struct world *world, const char *name, uint32_t number, bool is_forced,
                           const char *sentence)
{
    struct registry_plan plan;
    struct error err = {0};
    enum status status = registry_plan_promote(world->registry, bytes_of_text(name), number,
                                               is_forced, 1, world->arena, &plan, &err);
    assert_string_equal(err.text, sentence);
    if (status == STATUS_OK)
        world_commit(world, &plan);
}

static struct world world_with_views(void)
{
    struct world world = world_create();
    world_apply(&world, VIEWS);
    make_live(&world, "c");
    make_live(&world, "m");
    return world;
}

static void assert_bytes(struct bytes bytes, const char *expected)
{
    char text[1024];
    assert_true(bytes.size < sizeof(text));
    snprintf(text, sizeof(text), "%.*s", BYTES_ARGS(bytes));
    assert_string_equal(text, expected);
}

static void an_on_demand_view_has_what_it_reads_and_what_a_read_brings_along(void **state)
{
    (void)state;
    struct world world = world_with_views();

    world_apply(&world,
                RISK RATIO "      last: c.last\n"
                           "      twice: {expression: c@1.n + c.n, type: int, default: 0}\n");

    const struct view_definition *risk = active(&world, "risk");
    assert_int_equal(risk->kind, VIEW_ON_DEMAND);
    assert_int_equal(risk->inputs_count, 3);
    assert_bytes(risk->fields[0].name, "c.n");
    assert_bytes(risk->fields[1].name, "c.last");
    assert_bytes(risk->fields[2].name, "c@1.n");
    assert_bytes(risk->fields[3].name, "request.amount");
    assert_int_equal(risk->fields[1].type.kind, VALUE_DECIMAL);
    assert_int_equal(risk->keys_count, 1);
    assert_bytes(risk->fields[risk->key_fields[0]].name, "card");
    assert_int_equal(risk->features[0].type.kind, VALUE_DOUBLE);
    assert_int_equal(risk->features[2].type.kind, VALUE_INT);
    assert_int_equal(risk->features[2].default_value.integer, 0);
    assert_int_equal(lack_of(&world, "risk").size, 0);
    world_destroy(&world);
}

/* As SQL has names in any case; but only as it is written does a bare name keep its type. */
static void a_bare_name_keeps_its_type(void **state)
{
    (void)state;
    struct world world = world_with_views();

    world_apply(&world, RISK
                "      bare: ' c.last '\n      asked: request.amount\n      sum: c.last + 0\n");

    const struct view_definition *risk = active(&world, "risk");
    assert_int_equal(risk->features[0].type.kind, VALUE_DECIMAL);
    assert_int_equal(risk->features[1].type.digits, 2);
    assert_int_equal(risk->features[2].type.kind, VALUE_DOUBLE);
    world_destroy(&world);
}

static void a_service_has_the_keys_of_all_its_views(void **state)
{
    (void)state;
    struct world world = world_with_views();
    world_apply(&world, RISK RATIO);

    world_apply(&world, SERVICE "  one: {features: [c.n, c.five, risk.ratio]}\n");

    const struct view_definition *fraud = active(&world, "fraud");
    const struct view_definition *one = active(&world, "one");
    assert_int_equal(fraud->keys_count, 2);
    assert_bytes(fraud->fields[fraud->key_fields[0]].name, "card");
    assert_bytes(fraud->fields[fraud->key_fields[1]].name, "merchant");
    assert_int_equal(fraud->entity.size, 0);
    assert_bytes(fraud->features[2].name, "risk.ratio");
    assert_int_equal(fraud->features[0].type.kind, VALUE_INT);
    assert_bytes(one->entity, "card");
    assert_true(one->features[1].type.is_list);
    world_destroy(&world);
}

static void what_changes_in_meaning_is_a_new_version(void **state)
{
    (void)state;
    struct world world = world_with_views();
    struct registry_plan plan = world_apply(&world, RISK RATIO "      two: 2 * c.n\n");
    assert_changes(&plan, "new view risk@1");
    plan = world_apply(&world, SERVICE);
    assert_changes(&plan, "new service fraud@1");

    plan = world_apply(&world, RISK "      two: 2 * c.n\n" RATIO);
    assert_changes(&plan, "unchanged view risk@1");
    plan = world_apply(&world, RISK "      two: 2 * c.n\n"
                                    "      ratio: {expression: request.amount / c.n, owner: me}\n");
    assert_changes(&plan, "described view risk@1");
    plan = world_apply(&world, RISK "      two: 3 * c.n\n" RATIO);
    assert_changes(&plan, "changed view risk@2 (two: argument '2 * c.n' -> '3 * c.n')");
    plan = world_apply(&world, "services: {fraud: {features: [m.n, c.n], description: x}}\n");
    assert_changes(&plan, "changed service fraud@2 (another order of features; - risk.ratio)");
    plan = world_apply(&world, "services: {fraud: {features: [m.n, c.n]}}\n");
    assert_changes(&plan, "described service fraud@2");

    assert_int_equal(active(&world, "risk")->version, 1);
    assert_int_equal(active(&world, "fraud")->version, 1);
    world_destroy(&world);
}

/* All of one file, in whatever order: the views that are read come first. */
static void one_file_may_have_all_of_it(void **state)
{
    (void)state;
    struct world world = world_create();

    struct registry_plan plan =
        world_apply(&world, "---\n" SERVICE "---\n" RISK RATIO "---\n" VIEWS);

    assert_changes(&plan,
                   "new source payments; new entity card; new entity merchant; new view c@1; "
                   "new view m@1; new view risk@1; new service fraud@1");
    assert_bytes(lack_of(&world, "fraud"),
                 "fraud@1 can't be read: view 'c' is being filled and not shown yet");
    make_live(&world, "c");
    make_live(&world, "m");
    assert_int_equal(lack_of(&world, "fraud").size, 0);
    world_destroy(&world);
}

static void a_name_goes_by_the_active_version(void **state)
{
    (void)state;
    struct world world = world_with_views();
    world_apply(&world, "services: {now: {features: [c.n]}, old: {features: [c@1.n]}}\n");

    world_apply(&world,
                "views: {c: {source: payments, entity: card, features: {k: {count: '*', over: "
                "2h}}}}\n");

    make_live(&world, "c");
    assert_int_equal(lack_of(&world, "now").size, 0);
    assert_promote(&world, "c", 2, false,
                   "service now@1 reads c.n, which c@2 does not have; promote a version of it that "
                   "does without before, or use --force");
    assert_promote(&world, "c", 2, true, "");
    assert_bytes(lack_of(&world, "now"), "now@1 can't be read: c@2 has no feature 'n'");
    assert_int_equal(lack_of(&world, "old").size, 0);
    world_destroy(&world);
}

static void what_is_read_by_its_number_is_pinned(void **state)
{
    (void)state;
    struct world world = world_with_views();
    struct bytes by;
    world_apply(&world, RISK "      a: c@1.n\n"
                             "services: {old: {features: [m@1.n]}}\n");

    assert_true(registry_find_pin(world.registry, bytes_of_text("c"), 1, world.arena, &by));
    assert_bytes(by, "view risk@1");
    assert_true(registry_find_pin(world.registry, bytes_of_text("m"), 1, world.arena, &by));
    assert_bytes(by, "service old@1");
    assert_false(registry_find_pin(world.registry, bytes_of_text("c"), 2, world.arena, &by));
    world_destroy(&world);
}

/* What was active before may be gone back to, as of any view. */
static void a_service_is_promoted_and_rolled_back(void **state)
{
    (void)state;
    struct world world = world_with_views();
    struct registry_plan plan;
    struct error err = {0};
    uint32_t number = 0;
    world_apply(&world, "services: {s: {features: [c.n]}}\n");
    world_apply(&world, "services: {s: {features: [c.last]}}\n");
    assert_int_equal(active(&world, "s")->version, 1);

    assert_promote(&world, "s", 2, false, "");
    assert_int_equal(active(&world, "s")->version, 2);
    assert_int_equal(registry_plan_rollback(world.registry, bytes_of_text("s"), 1, world.arena,
                                            &number, &plan, &err),
                     STATUS_OK);
    world_commit(&world, &plan);

    assert_int_equal(number, 1);
    assert_int_equal(active(&world, "s")->version, 1);
    world_destroy(&world);
}

struct mistake_case {
    const char *text;
    const char *sentence;
};

static void mistakes_are_told_with_their_place(void **state)
{
    (void)state;
    static const struct mistake_case cases[] = {
        {RISK "      a: c.n + c.m\n",
         "a.yaml:7:16: feature 'a': view 'c' has no feature 'm'; the features are n, last, five"},
        {RISK "      a: c.lats\n",
         "a.yaml:7:10: feature 'a': view 'c' has no feature 'lats'; did you mean 'last'?"},
        {RISK "      a: d.n\n",
         "a.yaml:7:10: feature 'a': there is no view 'd'; the views are risk, c, m"},
        {RISK "      a: c@2.n\n", "a.yaml:7:10: feature 'a': view 'c' has no version 2"},
        {RISK "      a: 1 + m.n\n",
         "a.yaml:7:14: feature 'a': view 'm' is of entity 'merchant', and "
         "this one of 'card'; a service reads both"},
        {RISK "      a: c.n + amount\n",
         "a.yaml:7:16: feature 'a': unknown name 'amount'; write view.feature or request.NAME"},
        {RISK "      a: c.n + request.amuont\n",
         "a.yaml:7:16: feature 'a': the view has no request value 'amuont'; did you mean 'amount'?"},
        {RISK "      a: c.five\n", "a.yaml:7:10: feature 'a': 'five' is a list of decimal(2); an "
                                   "expression takes single values"},
        {RISK "      a: 2 * request.amount\n",
         "a.yaml:2:3: view 'risk' reads no feature of another view; an on-demand view reads one at "
         "least, as view.feature"},
        {RISK RATIO "  more: {kind: on_demand, entity: card, features: {a: risk.ratio}}\n",
         "a.yaml:8:55: feature 'a': 'risk' is an on-demand view, too; write its expression out"},
        {RISK "      a: {type: int}\n",
         "a.yaml:7:7: feature 'a' has no expression; add expression: SQL"},
        {RISK "      a: {expression: c.n, type: number}\n",
         "a.yaml:7:34: there is no type 'number'"},
        {"views: {v: {kind: on_demand, entity: card, source: payments, features: {a: c.n}}}\n",
         "a.yaml:1:44: found 'source'; an on-demand view keeps nothing of its own: it reads other "
         "views, by view.feature"},
        {"views: {v: {kind: on_demand, entity: person, features: {a: c.n}}}\n",
         "a.yaml:1:38: there is no entity 'person'; the entities are card, merchant"},
        {"services: {s: {features: [c.n, c.n]}}\n",
         "a.yaml:1:32: the feature 'c.n' is there twice; leave one out"},
        {"services: {s: {features: [n]}}\n", "a.yaml:1:27: found 'n'; a service lists features as "
                                             "view.feature, or view@2.feature"},
        {"services: {s: {features: []}}\n",
         "a.yaml:1:26: found no feature; features of a service are a list like "
         "[card_payments.payments_5m, card_profile.segment]"},
        {"services: {s: {features: [c.n]}, t: {features: [s.n]}}\n",
         "a.yaml:1:49: 's' is a service; name the features of its views"},
        {"services: {c: {features: [m.n]}}\n",
         "a.yaml:1:12: 'c' is the name of a view; a view and a service are read by the same keys, so "
         "give this another name"},
        {"services: {risk: {features: [m.n]}}\n" RISK RATIO,
         "a.yaml:1:12: there is a view and a service of the name 'risk', the other in 'a.yaml' line "
         "3; they are read by the same keys, so give one another name"},
    };
    struct world world = world_with_views();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct registry_plan plan;
        struct error err = {0};

        enum status status = world_plan(&world, cases[i].text, &plan, &err);

        assert_string_equal(err.text, cases[i].sentence);
        assert_int_equal(status, STATUS_INVALID);
    }
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_on_demand_view_has_what_it_reads_and_what_a_read_brings_along),
        cmocka_unit_test(a_bare_name_keeps_its_type),
        cmocka_unit_test(a_service_has_the_keys_of_all_its_views),
        cmocka_unit_test(what_changes_in_meaning_is_a_new_version),
        cmocka_unit_test(one_file_may_have_all_of_it),
        cmocka_unit_test(a_name_goes_by_the_active_version),
        cmocka_unit_test(what_is_read_by_its_number_is_pinned),
        cmocka_unit_test(a_service_is_promoted_and_rolled_back),
        cmocka_unit_test(mistakes_are_told_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
