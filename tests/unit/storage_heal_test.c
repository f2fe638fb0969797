/* A database that is opened again after a failed write, while others read without a pause. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "storage_world.h"
#include "base/clock.h"
#include "base/time_text.h"

enum {
    TABLE = 3,
    EVENTS = 20 * 1000,
    READERS = 4,
    FILE_BYTES_MAX = 4 * 1024 * 1024, /* more than the events take, less than the large row */
    ROW_BYTES = 8 * 1024 * 1024,
};

/* Readers that overlap keep a lock that prefers readers for minutes. */
#define HEALED_WITHIN_US (10 * US_PER_SECOND)

static const struct field_definition key_field = {.name = {"k", 1}, .type = {.kind = VALUE_STRING}};
static const size_t key_fields[] = {0};
static const struct view_definition view = {
    .fields = &key_field, .fields_count = 1, .key_fields = key_fields, .keys_count = 1};

static size_t string_size(const void *context, struct bytes key)
{
    return entity_encoded_size(context, key);
}

static void limit_files(rlim_t bytes)
{
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void write_events(void)
{
    struct buffer memory = {0};
    struct batch *batch = batch_create();
    struct bytes entity = entity_of(&memory, "a");
    for (int64_t i = 0; i < EVENTS; i++)
        batch_put_event(batch, storage, TABLE, entity, i, bytes_of_text("x"), bytes_of_text("row"));
    write_batch(batch, false);
    batch_destroy(&batch);
    buffer_fini(&memory);
}

static size_t count_events(struct bytes entity)
{
    struct timeline_event event;
    struct timeline *timeline = timeline_open(storage, &reading, TABLE, entity, EVENTS);
    size_t count = 0;
    while (timeline_back(timeline, &event, NULL) == STATUS_OK)
        count++;
    timeline_close(&timeline);
    return count;
}

struct reader {
    pthread_t thread;
    _Atomic bool *is_healed;
    int64_t until_mono_us;
    size_t scans;
    size_t wrong;
};

/* A scan reads the entity's events while its own cursor is open. */
static void *read_on(void *context)
{
    struct reader *reader = context;
    while (!*reader->is_healed && clock_mono_us() < reader->until_mono_us) {
        struct bytes entity;
        struct entity_scan *scan =
            entity_scan_open(storage, &reading, TABLE, (struct bytes){0}, string_size, &view);
        bool is_found = entity_scan_next(scan, &entity, NULL) == STATUS_OK;
        reader->wrong += !is_found || count_events(entity) != EVENTS;
        entity_scan_close(&scan);
        reader->scans++;
    }
    return NULL;
}

static void fail_a_write(void)
{
    static char row[ROW_BYTES];
    struct error err;
    struct batch *batch = batch_create();
    batch_put_row(batch, storage, bytes_of_text("row"), bytes_of(row, sizeof(row)));
    limit_files(FILE_BYTES_MAX);
    assert_int_equal(storage_write(storage, batch, false, &err), STATUS_IO);
    limit_files(RLIM_INFINITY);
    batch_destroy(&batch);
}

static void it_is_opened_again_however_much_is_read(void **state)
{
    (void)state;
    struct reader readers[READERS];
    _Atomic bool is_healed = false;
    uint64_t generation = storage_generation(storage);
    signal(SIGXFSZ, SIG_IGN);
    write_events();
    fail_a_write();
    int64_t until_mono_us = clock_mono_us() + 2 * HEALED_WITHIN_US;
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.is_healed = &is_healed, .until_mono_us = until_mono_us};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
    }

    while (storage_generation(storage) == generation && clock_mono_us() < until_mono_us) {
        storage_heal(storage);
        sched_yield();
    }
    int64_t left_us = until_mono_us - clock_mono_us();
    is_healed = true;

    assert_true(left_us > HEALED_WITHIN_US);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_true(readers[i].scans > 0);
        assert_int_equal(readers[i].wrong, 0);
    }
}

/* Heals until the database was opened again. */
static void *heal(void *context)
{
    uint64_t generation = *(const uint64_t *)context;
    int64_t until_mono_us = clock_mono_us() + HEALED_WITHIN_US;
    while (storage_generation(storage) == generation && clock_mono_us() < until_mono_us) {
        storage_heal(storage);
        sched_yield();
    }
    return NULL;
}

static enum status read_without_waiting(const struct storage_snapshot *snapshot)
{
    const struct storage_reading never_waits = {.snapshot = snapshot, .never_waits = true};
    struct timeline_event event;
    struct error err;
    struct bytes entity = bytes_of_text("nobody");
    struct timeline *timeline = timeline_open(storage, &never_waits, TABLE, entity, EVENTS);
    enum status status = timeline_back(timeline, &event, &err);
    timeline_close(&timeline);
    return status;
}

/* What a thread that shares nothing yet is told. */
struct refused {
    int64_t until_mono_us;
    enum status read;
    enum status read_over_snapshot;
};

static void *read_until_refused(void *context)
{
    struct refused *refused = context;
    do
        refused->read = read_without_waiting(NULL);
    while (refused->read == STATUS_NOT_FOUND && clock_mono_us() < refused->until_mono_us);
    struct storage_snapshot *snapshot = storage_snapshot_take(storage, true);
    refused->read_over_snapshot = read_without_waiting(snapshot);
    storage_snapshot_release(&snapshot);
    return NULL;
}

/* While one reads, who opens it again waits, and so would who begins to read. */
static void who_never_waits_does_not_wait_for_the_opening(void **state)
{
    (void)state;
    pthread_t healer;
    pthread_t reader;
    struct refused refused = {.until_mono_us = clock_mono_us() + HEALED_WITHIN_US};
    uint64_t generation = storage_generation(storage);
    signal(SIGXFSZ, SIG_IGN);
    struct storage_snapshot *held = storage_snapshot_take(storage, false);
    fail_a_write();
    assert_int_equal(pthread_create(&healer, NULL, heal, &generation), 0);

    assert_int_equal(pthread_create(&reader, NULL, read_until_refused, &refused), 0);
    pthread_join(reader, NULL);

    assert_int_equal(refused.read, STATUS_AGAIN);
    assert_int_equal(refused.read_over_snapshot, STATUS_AGAIN);
    assert_int_equal(read_without_waiting(held), STATUS_NOT_FOUND); /* it shares already */
    storage_snapshot_release(&held);
    pthread_join(healer, NULL);
    assert_int_not_equal(storage_generation(storage), generation);
    assert_int_equal(read_without_waiting(NULL), STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_opened_again_however_much_is_read, storage_begin,
                                        storage_end),
        cmocka_unit_test_setup_teardown(who_never_waits_does_not_wait_for_the_opening,
                                        storage_begin, storage_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
