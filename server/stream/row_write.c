/* Row writes: HSET, ASOF.SET, HDEL and DEL become events of the source of a batch view's name, and
 * go the way of all events. What they change is counted against what is stored, so no two of one
 * entity are in one batch. */
#include "base/check.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/map.h"
#include "base/time_text.h"
#include "features/batch_row.h"
#include "model/entity.h"
#include "stream/stream_private.h"

enum { TABLE_SIZE = 4, EVENT_OWN_PAIRS = 2 /* its time, and that it deletes */ };

/* A write on its way. */
struct row {
    const struct row_write *write;
    const struct view_version *version; /* NULL: its key is outside all views */
    struct source_runtime *source;
    struct bytes entity_text;
    struct bytes entity; /* encoded */
    struct bytes name;   /* of the row among those of the batch: table and entity */
};

/* ---- names ---- */

static enum status check_writable(const struct view_definition *view, struct error *err)
{
    if (view_kind_is_derived(view->kind))
        return error_set(err, STATUS_INVALID,
                         "'%.*s' is read from other views, and nothing is written to it; write to "
                         "those",
                         BYTES_ARGS(view->name));
    if (view->kind != VIEW_BATCH)
        return error_set(err, STATUS_INVALID,
                         "the features of view '%.*s' are computed from events; send those by XADD "
                         "or ASOF.PUSH to source '%.*s'",
                         BYTES_ARGS(view->name), BYTES_ARGS(view->source));
    if (!view_has_writes(view))
        return error_set(
            err, STATUS_INVALID,
            "batch view '%.*s' takes what is written from source '%.*s'; send it there",
            BYTES_ARGS(view->name), BYTES_ARGS(view->source));
    return STATUS_OK;
}

/* The version that a write is typed for: the active one, or the newest where none is. */
static const struct view_version *version_of(const struct view *view)
{
    const struct view_version *active = view_find_version(view, 0);
    return active != NULL ? active : view_newest_version(view);
}

static enum status find_version(const struct stream *stream, struct bytes key,
                                const struct view_version **version, struct bytes *entity,
                                struct error *err)
{
    char shown[NAME_SIZE_MAX + 1];
    const char *colon = key.size == 0 ? NULL : memchr(key.data, ':', key.size);
    struct bytes name = bytes_of(key.data, colon == NULL ? 0 : (size_t)(colon - key.data));
    const char *at = name.size == 0 ? NULL : memchr(name.data, '@', name.size);
    if (colon == NULL)
        return error_set(err, STATUS_NOT_FOUND, "'%s' is no key: keys are view:entity",
                         bytes_to_text(key, shown, sizeof(shown)));
    if (at != NULL)
        return error_set(err, STATUS_INVALID,
                         "a write goes to all versions of a view; leave the number away");
    const struct view *view = registry_find_view(stream->registry, name);
    if (view == NULL)
        return error_set(err, STATUS_NOT_FOUND, "no view '%s'; `asof list` shows the views",
                         bytes_to_text(name, shown, sizeof(shown)));
    *version = version_of(view);
    *entity = bytes_after(key, name.size + 1);
    return check_writable((*version)->definition, err);
}

enum status stream_find_batch_view(const struct stream *stream, struct bytes key,
                                   const struct view_definition **view, struct bytes *entity,
                                   struct error *err)
{
    const struct view_version *version = NULL;
    enum status status = find_version(stream, key, &version, entity, err);
    *view = version == NULL ? NULL : version->definition;
    return status;
}

/* Finds what is written. AGAIN: what is stored does not tell what it is, as the open batch has
 * other writes that may be of it. */
static enum status row_find(struct stream *stream, const struct row_write *write,
                            struct arena *arena, struct row *row, struct error *err)
{
    *row = (struct row){.write = write};
    enum status status = find_version(stream, write->key, &row->version, &row->entity_text, err);
    if (status == STATUS_NOT_FOUND) {
        row->version = NULL;
        return STATUS_OK;
    }
    if (status == STATUS_OK)
        status = entity_parse(row->version->definition, row->entity_text, arena, &row->entity, err);
    if (status != STATUS_OK)
        return status;
    char *name = arena_allocate(arena, TABLE_SIZE + row->entity.size);
    be32_write(name, row->version->table_id);
    memcpy(name + TABLE_SIZE, row->entity.data, row->entity.size);
    row->name = bytes_of(name, TABLE_SIZE + row->entity.size);
    row->source = runtime_find(stream->runtime, row->version->definition->source);
    CHECK(row->source != NULL);
    const struct source_state *state = row->source->state;
    bool has_pushes =
        state->pending.next_sequence - state->committed.next_sequence != state->row_writes_count;
    return has_pushes || map_get(stream->written_rows, row->name) != NULL ? STATUS_AGAIN
                                                                          : STATUS_OK;
}

/* ---- what was there ---- */

/* Sets has_value[i] for each feature that has one when the write happens, or, where something is
 * stored of a later time, as of that. */
static enum status row_look(struct stream *stream, const struct row *row, int64_t t_us,
                            struct arena *arena, bool *has_value, bool *is_found, struct error *err)
{
    const struct view_definition *view = row->version->definition;
    const struct storage_reading newest = {0};
    struct buffer stored = {0};
    struct answer answer = {0};
    enum status status = storage_get_batch_row(stream->storage, &newest, row->version->table_id,
                                               row->entity, &stored, err);
    if (status == STATUS_OK) {
        struct bytes bytes = arena_copy(arena, buffer_bytes(&stored));
        int64_t stored_us = batch_row_newest_us(bytes);
        const struct question question = {
            .view = view, .entity = row->entity, .t_us = stored_us > t_us ? stored_us : t_us};
        const struct batch_source source = {.is_row_known = true, .row = bytes};
        status = batch_answer(&question, &source, arena, &answer, err);
    }
    buffer_fini(&stored);
    *is_found = answer.is_found;
    for (size_t i = 0; i < view->features_count; i++)
        has_value[i] = i < answer.count && answer.statuses[i] == FEATURE_PRESENT;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Whether a later field has the same name: it counts then, as in Redis. */
static bool is_repeated(const struct row_write *write, size_t field, size_t step)
{
    for (size_t i = field + 1; i < write->fields_count; i++)
        if (bytes_equal(write->fields[i * step], write->fields[field * step]))
            return true;
    return false;
}

static size_t count_changed(const struct row *row, const bool *has_value, bool is_found)
{
    const struct row_write *write = row->write;
    size_t step = write->change == ROW_SET ? 2 : 1;
    size_t count = 0;
    if (write->change == ROW_DELETE)
        return is_found;
    for (size_t i = 0; i < write->fields_count; i++) {
        ssize_t feature = feature_find(row->version->definition, write->fields[i * step]);
        bool had = feature >= 0 && has_value[feature];
        count += !is_repeated(write, i, step) && had == (write->change == ROW_EMPTY);
    }
    return count;
}

/* ---- the event ---- */

static struct push_event pairs_event(const struct row *row, struct bytes time, struct arena *arena)
{
    const struct view_definition *view = row->version->definition;
    const struct row_write *write = row->write;
    size_t fields_count = write->change == ROW_SET ? write->fields_count : 0;
    struct bytes *pairs = ARENA_NEW_ARRAY(
        arena, 2 * (view->keys_count + EVENT_OWN_PAIRS + fields_count), struct bytes);
    struct bytes *keys = ARENA_NEW_ARRAY(arena, view->keys_count, struct bytes);
    size_t count = 0;
    entity_split(view, row->entity_text, arena, keys);
    for (size_t i = 0; i < view->keys_count; i++) {
        pairs[count++] = view->fields[view->key_fields[i]].name;
        pairs[count++] = keys[i];
    }
    pairs[count++] = bytes_of_text(WRITES_TIME_FIELD);
    pairs[count++] = time;
    if (write->change == ROW_DELETE) {
        pairs[count++] = bytes_of_text(WRITES_DELETED_FIELD);
        pairs[count++] = bytes_of_text("true");
    }
    for (size_t i = 0; i < fields_count; i++) {
        if (is_repeated(write, i, 2))
            continue;
        pairs[count++] = write->fields[2 * i];
        pairs[count++] = write->fields[2 * i + 1];
    }
    return (struct push_event){.format = EVENT_PAIRS, .pairs = pairs, .pairs_count = count / 2};
}

/* NULLs can be written as JSON only. */
static struct push_event json_event(const struct row *row, struct bytes time, struct arena *arena)
{
    const struct row_write *write = row->write;
    const struct push_event named = pairs_event(row, time, arena);
    struct buffer json = {0};
    for (size_t i = 0; i < named.pairs_count; i++) {
        buffer_append_byte(&json, i == 0 ? '{' : ',');
        json_append_string(&json, named.pairs[2 * i]);
        buffer_append_byte(&json, ':');
        json_append_string(&json, named.pairs[2 * i + 1]);
    }
    for (size_t i = 0; i < write->fields_count; i++) {
        if (is_repeated(write, i, 1))
            continue;
        buffer_append_byte(&json, ',');
        json_append_string(&json, write->fields[i]);
        buffer_append_text(&json, ":null");
    }
    buffer_append_byte(&json, '}');
    struct bytes text = arena_copy(arena, buffer_bytes(&json));
    buffer_fini(&json);
    return (struct push_event){.format = EVENT_JSON, .text = text};
}

static enum status row_push(struct stream *stream, const struct row *row, int64_t t_us,
                            struct arena *arena, struct error *err)
{
    char text[TIME_TEXT_SIZE];
    struct push_result result;
    struct error why = {0};
    struct bytes time = bytes_of(text, time_format(t_us, text));
    const struct push_event event = row->write->change == ROW_EMPTY ? json_event(row, time, arena)
                                                                    : pairs_event(row, time, arena);
    const struct push push = {
        .source = row->version->definition->source, .events = &event, .events_count = 1};
    static const char prefix[] = "event 1: ";
    enum status status = ingest_push(stream, row->source, &push, &result, &why);
    if (status != STATUS_OK) {
        bool has_prefix = strncmp(why.text, prefix, sizeof(prefix) - 1) == 0;
        return error_set(err, status, "%s", why.text + (has_prefix ? sizeof(prefix) - 1 : 0));
    }
    stream->counters.row_writes_total++;
    row->source->state->row_writes_count++;
    bool is_new = map_put(stream->written_rows, arena_copy(stream->batch_arena, row->name), stream);
    CHECK(is_new);
    return STATUS_OK;
}

/* ---- all of it ---- */

static enum status row_write(struct stream *stream, const struct row *row, struct arena *arena,
                             size_t *changed_count, struct error *err)
{
    const struct view_definition *view = row->version->definition;
    bool *has_value = ARENA_NEW_ARRAY(arena, view->features_count, bool);
    bool is_found = false;
    int64_t t_us = row->write->moment.t_us;
    if (row->write->moment.is_now)
        t_us =
            source_time_now_us(&row->source->state->time, row->source->source->definition->clock);
    enum status status = row_look(stream, row, t_us, arena, has_value, &is_found, err);
    if (status == STATUS_OK)
        status = row_push(stream, row, t_us, arena, err);
    if (status == STATUS_OK)
        *changed_count += count_changed(row, has_value, is_found);
    return status;
}

/* Whether an earlier one of the call is of the same entity: it does all that there is to do. */
static bool row_is_named_before(const struct row *rows, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (rows[i].version != NULL && bytes_equal(rows[i].name, rows[index].name))
            return true;
    return false;
}

enum status stream_write_rows(struct stream *stream, const struct row_write *writes, size_t count,
                              struct arena *arena, size_t *changed_count, struct error *err)
{
    struct row *rows = ARENA_NEW_ARRAY(arena, count, struct row);
    *changed_count = 0;
    enum status status = stream_prepare(stream, err);
    if (status == STATUS_OK && stream_is_dirty(stream) && ingest_is_full(stream))
        return STATUS_AGAIN;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = row_find(stream, &writes[i], arena, &rows[i], err);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        if (rows[i].version != NULL && !row_is_named_before(rows, i))
            status = row_write(stream, &rows[i], arena, changed_count, err);
    return status;
}
