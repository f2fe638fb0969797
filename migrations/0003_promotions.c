/* Format 2 to 3.
 *
 *     view/NAME      {"active": 2}
 * ->  view/NAME      {"active": 2, "newest": 3, "newest_table": 17, "promoted_when_filled": 0,
 *                     "before": [1], "switches": []}
 *
 * newest and newest_table are the largest of the view's versions: none was ever dropped. Versions
 * became active by themselves in the order of their numbers, so a rollback goes to the next smaller
 * one that is live. Rows that have all this are left alone. A row is written by itself; the last
 * one is synced. */
#include <stdio.h>

#include "base/fault.h"
#include "base/map.h"
#include "migrations/migrations.h"

enum {
    CHUNK_SIZE = 64 * 1024,
    BEFORE_MAX = 64,        /* as format 3 has it */
    VIEWS_MAX = 100 * 1000, /* as format 2 has it, of all definitions */
};

struct old_view {
    struct bytes name;
    uint32_t active;
    uint32_t newest;
    uint32_t newest_table;
    uint32_t live[BEFORE_MAX]; /* the largest live ones below the active one, any order */
    size_t live_count;
    bool is_done; /* has its new row */
};

struct work {
    struct arena *arena;
    struct map *names; /* owned: name -> struct old_view */
    struct old_view **views;
    size_t views_count;
};

static enum status corrupt(struct bytes key, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, "the row %.*s is not as format 2 has it",
                     BYTES_ARGS(key));
}

static enum status find_view(struct work *work, struct bytes name, struct old_view **out,
                             struct error *err)
{
    *out = map_get(work->names, name);
    if (*out != NULL)
        return STATUS_OK;
    if (work->views_count == VIEWS_MAX)
        return error_set(err, STATUS_LIMIT, "there are more than %d views", VIEWS_MAX);
    *out = ARENA_NEW(work->arena, struct old_view);
    (*out)->name = arena_copy(work->arena, name);
    if (!map_put(work->names, (*out)->name, *out))
        return corrupt(name, err);
    work->views[work->views_count++] = *out;
    return STATUS_OK;
}

/* Key and value as C texts: both are ours, and short up to where they are looked at. */
static const char *text_of(struct work *work, struct bytes bytes)
{
    return arena_copy(work->arena, bytes).data;
}

static void note_live(struct old_view *view, uint32_t number)
{
    size_t least = 0;
    if (view->live_count < BEFORE_MAX) {
        view->live[view->live_count++] = number;
        return;
    }
    for (size_t i = 1; i < BEFORE_MAX; i++)
        least = view->live[i] < view->live[least] ? i : least;
    if (number > view->live[least])
        view->live[least] = number;
}

static enum status see_version(struct work *work, struct old_view *view, struct bytes key,
                               struct bytes number_text, struct bytes value, struct error *err)
{
    enum { STATE_SIZE = 16 };
    uint32_t number = 0;
    uint32_t table = 0;
    char state[STATE_SIZE] = "";
    if (sscanf(text_of(work, number_text), "%u", &number) != 1 ||
        sscanf(text_of(work, value), "{\"table\": %u, \"state\": \"%15[a-z]\"", &table, state) != 2)
        return corrupt(key, err);
    view->newest = number > view->newest ? number : view->newest;
    view->newest_table = table > view->newest_table ? table : view->newest_table;
    if (strcmp(state, "live") == 0)
        note_live(view, number);
    return STATUS_OK;
}

static enum status see_row(void *context, struct bytes key, struct bytes value, struct error *err)
{
    struct work *work = context;
    struct bytes name = bytes_after(key, strlen("view/"));
    const char *at = name.size == 0 ? NULL : memchr(name.data, '@', name.size);
    struct bytes number = {0};
    struct old_view *view = NULL;
    if (at != NULL) {
        number = bytes_after(name, (size_t)(at - name.data) + 1);
        name.size = (size_t)(at - name.data);
    }
    enum status status = find_view(work, name, &view, err);
    if (status != STATUS_OK)
        return status;
    if (at != NULL)
        return see_version(work, view, key, number, value, err);
    const char *text = text_of(work, value);
    view->is_done = strstr(text, "\"newest\"") != NULL;
    return sscanf(text, "{\"active\": %u", &view->active) == 1 ? STATUS_OK : corrupt(key, err);
}

/* Appends the live versions below the active one, the largest last. */
static void append_before(const struct old_view *view, struct buffer *out)
{
    uint32_t last = 0;
    bool is_first = true;
    for (;;) {
        uint32_t next = view->active;
        for (size_t i = 0; i < view->live_count; i++)
            if (view->live[i] > last && view->live[i] < next)
                next = view->live[i];
        if (next == view->active)
            return;
        buffer_format(out, "%s%u", is_first ? "" : ", ", next);
        is_first = false;
        last = next;
    }
}

static enum status write_view(struct work *work, struct storage *storage,
                              const struct old_view *view, bool is_last, struct error *err)
{
    struct buffer row = {0};
    struct batch *batch = batch_create();
    buffer_format(&row,
                  "{\"active\": %u, \"newest\": %u, \"newest_table\": %u, "
                  "\"promoted_when_filled\": 0, \"before\": [",
                  view->active, view->newest, view->newest_table);
    append_before(view, &row);
    buffer_append_text(&row, "], \"switches\": []}");
    if (!view->is_done)
        batch_put_row(batch, storage,
                      arena_format(work->arena, "view/%.*s", BYTES_ARGS(view->name)),
                      buffer_bytes(&row));
    enum status status = STATUS_OK;
    if (is_last || !batch_is_empty(batch))
        status = storage_write(storage, batch, is_last, err);
    fault_point("migrate.row");
    batch_destroy(&batch);
    buffer_fini(&row);
    return status;
}

enum status migration_0003_promotions(struct storage *storage, struct error *err)
{
    struct work work = {.arena = arena_create(CHUNK_SIZE), .names = map_create()};
    work.views = ARENA_NEW_ARRAY(work.arena, VIEWS_MAX, struct old_view *);
    enum status status = storage_scan_rows(storage, bytes_of_text("view/"), see_row, &work, err);
    for (size_t i = 0; i < work.views_count && status == STATUS_OK; i++)
        status = write_view(&work, storage, work.views[i], i + 1 == work.views_count, err);
    map_destroy(&work.names);
    arena_destroy(&work.arena);
    return status;
}
