#include "definitions_world.h"

#include "base/time_text.h"

#define VIEW bytes_of_text("card_payments")

static const struct view *view_of(const struct world *world)
{
    const struct view *view = registry_find_view(world->registry, VIEW);
    assert_non_null(view);
    return view;
}

static void fill(struct world *world, uint32_t number)
{
    struct registry_plan plan;
    const struct view *view = view_of(world);
    registry_plan_live(world->registry, view, view_find_version(view, number), number, world->arena,
                       &plan);
    world_commit(world, &plan);
}

static void apply_over(struct world *world, const char *over, bool is_promoting)
{
    struct buffer text = {0};
    struct error err = {0};
    struct registry_plan plan;
    buffer_format(&text, BASE "      n: {count: '*', over: %s}\n", over);
    const struct definition_file file = {.name = bytes_of_text("a.yaml"),
                                         .text = buffer_bytes(&text)};
    enum status status = (is_promoting ? registry_plan_promoting : registry_plan)(
        world->registry, &file, 1, fake_checks(), world->arena, &plan, &err);
    if (status != STATUS_OK)
        fail_msg("apply: %s", err.text);
    world_commit(world, &plan);
    buffer_fini(&text);
}

static enum status promote(struct world *world, uint32_t number, bool is_forced, struct error *err)
{
    struct registry_plan plan;
    enum status status = registry_plan_promote(world->registry, VIEW, number, is_forced,
                                               100 + number, world->arena, &plan, err);
    if (status == STATUS_OK)
        world_commit(world, &plan);
    return status;
}

static enum status rollback(struct world *world, uint32_t *number, struct error *err)
{
    struct registry_plan plan;
    enum status status =
        registry_plan_rollback(world->registry, VIEW, 200, world->arena, number, &plan, err);
    if (status == STATUS_OK)
        world_commit(world, &plan);
    return status;
}

static enum status drop(struct world *world, uint32_t number, struct error *err)
{
    struct registry_plan plan;
    enum status status =
        registry_plan_drop(world->registry, VIEW, number, world->arena, &plan, err);
    if (status == STATUS_OK)
        world_commit(world, &plan);
    return status;
}

static void drop_to_the_end(struct world *world, uint32_t number)
{
    struct registry_plan plan;
    struct error err = {0};
    const struct view_version *version = view_find_version(view_of(world), number);
    assert_int_equal(drop(world, number, &err), STATUS_OK);
    assert_null(view_find_version(view_of(world), number));
    for (size_t i = 0; i < view_of(world)->versions_count; i++)
        if (view_of(world)->versions[i].definition->version == number)
            version = &view_of(world)->versions[i];
    assert_int_equal(version->state, VERSION_DROPPING);
    registry_plan_gone(version->definition, world->arena, &plan);
    world_commit(world, &plan);
}

/* Three versions that are filled; the first is active. */
static struct world three_versions(void)
{
    struct world world = world_create();
    apply_over(&world, "5m", false);
    fill(&world, 1);
    apply_over(&world, "6m", false);
    fill(&world, 2);
    apply_over(&world, "7m", false);
    fill(&world, 3);
    return world;
}

static void the_first_version_becomes_active_and_later_ones_wait(void **state)
{
    (void)state;
    struct world world = three_versions();

    assert_int_equal(view_of(&world)->active, 1);
    assert_int_equal(view_of(&world)->switches_count, 1);
    assert_int_equal(view_of(&world)->switches[0].cause, SWITCH_FILLED);
    for (uint32_t number = 1; number <= 3; number++)
        assert_int_equal(view_find_version(view_of(&world), number)->state, VERSION_LIVE);
    world_destroy(&world);
}

static void a_version_that_is_to_be_promoted_is_so_when_it_is_filled(void **state)
{
    (void)state;
    struct world world = three_versions();
    apply_over(&world, "8m", true);
    assert_int_equal(view_of(&world)->active, 1);

    fill(&world, 4);

    assert_int_equal(view_of(&world)->active, 4);
    assert_int_equal(view_of(&world)->promoted_when_filled, 0);
    assert_int_equal(view_of(&world)->before[0], 1);
    world_destroy(&world);
}

static void a_later_promotion_takes_the_wish_back(void **state)
{
    (void)state;
    struct world world = three_versions();
    struct error err = {0};
    apply_over(&world, "8m", true);
    assert_int_equal(promote(&world, 2, false, &err), STATUS_OK);

    fill(&world, 4);

    assert_int_equal(view_of(&world)->active, 2);
    world_destroy(&world);
}

static void rollbacks_go_back_one_by_one(void **state)
{
    (void)state;
    struct world world = three_versions();
    struct error err = {0};
    uint32_t number = 0;
    assert_int_equal(promote(&world, 3, false, &err), STATUS_OK);
    assert_int_equal(promote(&world, 2, false, &err), STATUS_OK);
    assert_int_equal(promote(&world, 2, false, &err), STATUS_OK); /* nothing new */

    assert_int_equal(rollback(&world, &number, &err), STATUS_OK);
    assert_int_equal(number, 3);
    assert_int_equal(view_of(&world)->active, 3);
    assert_int_equal(rollback(&world, &number, &err), STATUS_OK);
    assert_int_equal(view_of(&world)->active, 1);
    assert_int_equal(rollback(&world, &number, &err), STATUS_INVALID);

    const struct view *view = view_of(&world);
    assert_int_equal(view->switches_count, 5);
    assert_int_equal(view->switches[1].version, 3);
    assert_int_equal(view->switches[1].cause, SWITCH_PROMOTED);
    assert_int_equal(view->switches[1].at_us, 103);
    assert_int_equal(view->switches[4].version, 1);
    assert_int_equal(view->switches[4].cause, SWITCH_ROLLED_BACK);
    world_destroy(&world);
}

static void what_is_remembered_is_bounded(void **state)
{
    (void)state;
    struct world world = three_versions();
    struct error err = {0};
    uint32_t number = 0;
    for (size_t i = 0; i < 2 * VIEW_BEFORE_MAX; i++)
        assert_int_equal(promote(&world, i % 2 == 0 ? 2 : 3, false, &err), STATUS_OK);

    assert_int_equal(view_of(&world)->before_count, VIEW_BEFORE_MAX);
    assert_int_equal(view_of(&world)->switches_count, VIEW_SWITCHES_MAX);
    for (size_t i = 0; i < VIEW_BEFORE_MAX; i++) {
        assert_int_equal(rollback(&world, &number, &err), STATUS_OK);
        assert_int_equal(number, i % 2 == 0 ? 2 : 3);
    }
    assert_int_equal(rollback(&world, &number, &err), STATUS_INVALID);
    world_destroy(&world);
}

static void a_filling_version_is_promoted_by_force_only(void **state)
{
    (void)state;
    struct world world = three_versions();
    struct error err = {0};
    apply_over(&world, "8m", false);

    assert_int_equal(promote(&world, 4, false, &err), STATUS_UNAVAILABLE);
    assert_int_equal(view_of(&world)->active, 1);
    assert_int_equal(promote(&world, 4, true, &err), STATUS_OK);
    assert_int_equal(view_of(&world)->active, 4);

    fill(&world, 4);
    assert_int_equal(view_of(&world)->active, 4);
    assert_int_equal(view_find_version(view_of(&world), 4)->state, VERSION_LIVE);
    world_destroy(&world);
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    struct world world = three_versions();
    struct error err = {0};
    struct registry_plan plan;
    assert_int_equal(promote(&world, 4, true, &err), STATUS_NOT_FOUND);
    assert_int_equal(drop(&world, 4, &err), STATUS_NOT_FOUND);
    assert_int_equal(registry_plan_promote(world.registry, bytes_of_text("card_payment"), 1, false,
                                           0, world.arena, &plan, &err),
                     STATUS_NOT_FOUND);
    assert_string_equal(err.text, "there is no view 'card_payment'; did you mean 'card_payments'?");
    world_destroy(&world);
}

static void numbers_and_tables_are_never_given_again(void **state)
{
    (void)state;
    struct world world = three_versions();
    uint32_t next_id = world.registry->next_id;
    drop_to_the_end(&world, 3);
    assert_int_equal(view_of(&world)->versions_count, 2);

    apply_over(&world, "7m", false);

    assert_null(view_find_version(view_of(&world), 3));
    assert_int_equal(view_find_version(view_of(&world), 4)->table_id, next_id);
    world_destroy(&world);
}

static void what_is_active_or_the_only_one_is_not_dropped(void **state)
{
    (void)state;
    struct world world = world_create();
    struct error err = {0};
    apply_over(&world, "5m", false);
    assert_int_equal(drop(&world, 1, &err), STATUS_INVALID);
    assert_string_equal(err.text, "version 1 is the only one of view 'card_payments'");
    fill(&world, 1);
    apply_over(&world, "6m", false);
    assert_int_equal(drop(&world, 1, &err), STATUS_INVALID);
    assert_int_equal(drop(&world, 2, &err), STATUS_OK);
    assert_int_equal(drop(&world, 2, &err), STATUS_NOT_FOUND);
    world_destroy(&world);
}

static void no_rollback_goes_to_what_was_dropped(void **state)
{
    (void)state;
    struct world world = three_versions();
    struct error err = {0};
    uint32_t number = 0;
    assert_int_equal(promote(&world, 2, false, &err), STATUS_OK);
    assert_int_equal(promote(&world, 1, false, &err), STATUS_OK);
    assert_int_equal(promote(&world, 2, false, &err), STATUS_OK);
    assert_int_equal(promote(&world, 3, false, &err), STATUS_OK); /* behind 1, 2, 1, 2 */

    drop_to_the_end(&world, 2);

    assert_int_equal(rollback(&world, &number, &err), STATUS_OK);
    assert_int_equal(number, 1);
    assert_int_equal(rollback(&world, &number, &err), STATUS_INVALID);
    world_destroy(&world);
}

static void the_meaning_of_the_active_version_makes_no_new_one(void **state)
{
    (void)state;
    struct world world = three_versions();
    struct registry_plan plan =
        world_apply(&world, BASE "      n: {count: '*', over: 5m, description: Five.}\n");
    assert_changes(&plan, "unchanged source payments; unchanged entity card; "
                          "described view card_payments@1");
    plan = world_apply(&world, BASE "      n: {count: '*', over: 7m}\n");
    assert_changes(&plan, "unchanged source payments; unchanged entity card; "
                          "unchanged view card_payments@3");
    plan = world_apply(&world, BASE "      n: {count: '*', over: 6m}\n");
    assert_changes(&plan, "unchanged source payments; unchanged entity card; "
                          "changed view card_payments@4 (n: over 7m -> 6m)");
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_version_becomes_active_and_later_ones_wait),
        cmocka_unit_test(a_version_that_is_to_be_promoted_is_so_when_it_is_filled),
        cmocka_unit_test(a_later_promotion_takes_the_wish_back),
        cmocka_unit_test(rollbacks_go_back_one_by_one),
        cmocka_unit_test(what_is_remembered_is_bounded),
        cmocka_unit_test(a_filling_version_is_promoted_by_force_only),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(numbers_and_tables_are_never_given_again),
        cmocka_unit_test(what_is_active_or_the_only_one_is_not_dropped),
        cmocka_unit_test(no_rollback_goes_to_what_was_dropped),
        cmocka_unit_test(the_meaning_of_the_active_version_makes_no_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
