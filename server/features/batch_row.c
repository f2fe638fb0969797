#include "features/batch_row.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/time_text.h"
#include "base/varint.h"
#include "features/row.h"

enum { TIME_SIZE = 8 };

/* ---- rows ---- */

static struct batch_row row_create(size_t cells_max, struct arena *arena)
{
    return (struct batch_row){.cells = ARENA_NEW_ARRAY(arena, cells_max, struct batch_cell),
                              .cells_max = cells_max};
}

void batch_row_reset(struct batch_row *row)
{
    if (row->count > 0)
        memset(row->cells, 0, row->count * sizeof(*row->cells));
    row->count = 0;
}

static int stamp_compare(const struct batch_stamp *a, const struct batch_stamp *b)
{
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    return bytes_compare(a->identity, b->identity);
}

/* Takes one value of a feature, unless a newer one is known. */
static void take_cell(struct batch_row *row, size_t feature, const struct batch_stamp *stamp,
                      struct bytes value)
{
    CHECK(feature < row->cells_max);
    struct batch_cell *cell = &row->cells[feature];
    if (cell->is_written && stamp_compare(stamp, &cell->stamp) <= 0)
        return;
    *cell = (struct batch_cell){.is_written = true, .stamp = *stamp, .value = value};
    if (feature >= row->count)
        row->count = feature + 1;
}

/* ---- decoding ---- */

static bool take_sized(struct bytes *left, size_t size_max, struct bytes *out)
{
    uint64_t size;
    if (!varint_take(left, &size) || size > left->size || size > size_max)
        return false;
    *out = bytes_of(left->data, size);
    *left = bytes_after(*left, size);
    return true;
}

/* A feature behind the one before; *next is the least that may come. */
static bool take_feature(const struct batch_row *row, struct bytes *left, uint64_t *next,
                         uint64_t *feature)
{
    if (!varint_take(left, feature) || *feature < *next || *feature >= row->cells_max)
        return false;
    *next = *feature + 1;
    return true;
}

bool batch_row_take_write(struct batch_row *row, const struct batch_stamp *stamp,
                          struct bytes bytes)
{
    uint64_t count;
    uint64_t next = 0;
    if (!varint_take(&bytes, &count) || count == 0 || count > VIEW_FEATURES_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t feature;
        struct bytes value;
        if (!take_feature(row, &bytes, &next, &feature) || !take_sized(&bytes, SIZE_MAX, &value))
            return false;
        take_cell(row, feature, stamp, value);
    }
    return bytes.size == 0;
}

static bool take_stamp(struct bytes *left, struct batch_stamp *stamp)
{
    if (left->size < TIME_SIZE)
        return false;
    stamp->time_us = be64_read_signed(left->data);
    *left = bytes_after(*left, TIME_SIZE);
    return time_is_valid(stamp->time_us) &&
           take_sized(left, BATCH_IDENTITY_SIZE_MAX, &stamp->identity);
}

/* Takes the stamps; returns how many there are, 0 where they are none. */
static size_t take_stamps(struct bytes *left, struct batch_stamp stamps[VIEW_FEATURES_MAX])
{
    uint64_t count;
    if (left->size < TIME_SIZE)
        return 0;
    *left = bytes_after(*left, TIME_SIZE);
    if (!varint_take(left, &count) || count > VIEW_FEATURES_MAX)
        return 0;
    for (uint64_t i = 0; i < count; i++)
        if (!take_stamp(left, &stamps[i]))
            return 0;
    return count;
}

bool batch_row_take(struct batch_row *row, struct bytes bytes)
{
    struct batch_stamp stamps[VIEW_FEATURES_MAX];
    uint64_t count;
    uint64_t next = 0;
    size_t stamps_count = take_stamps(&bytes, stamps);
    if (stamps_count == 0 || !varint_take(&bytes, &count) || count == 0 ||
        count > VIEW_FEATURES_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t feature;
        uint64_t stamp;
        struct bytes value;
        if (!take_feature(row, &bytes, &next, &feature) || !varint_take(&bytes, &stamp) ||
            stamp >= stamps_count || !take_sized(&bytes, SIZE_MAX, &value))
            return false;
        take_cell(row, feature, &stamps[stamp], value);
    }
    return bytes.size == 0;
}

int64_t batch_row_newest_us(struct bytes row)
{
    return row.size < TIME_SIZE ? INT64_MIN : be64_read_signed(row.data);
}

/* ---- encoding ---- */

static void append_sized(struct buffer *out, struct bytes bytes)
{
    varint_append(out, bytes.size);
    buffer_append(out, bytes);
}

static void append_time(struct buffer *out, int64_t time_us)
{
    be64_write_signed(buffer_reserve(out, TIME_SIZE), time_us);
    buffer_added(out, TIME_SIZE);
}

/* The stamps of a row, each once, in the order in which cells use them. */
struct stamp_list {
    const struct batch_stamp *stamps[VIEW_FEATURES_MAX];
    size_t count;
    uint16_t of_cell[VIEW_FEATURES_MAX];
    size_t cells_count;
    int64_t newest_us;
};

static void list_stamps(const struct batch_row *row, struct stamp_list *list)
{
    list->count = list->cells_count = 0;
    list->newest_us = INT64_MIN;
    for (size_t i = 0; i < row->count; i++) {
        const struct batch_cell *cell = &row->cells[i];
        size_t stamp = 0;
        if (!cell->is_written)
            continue;
        while (stamp < list->count && stamp_compare(list->stamps[stamp], &cell->stamp) != 0)
            stamp++;
        if (stamp == list->count)
            list->stamps[list->count++] = &cell->stamp;
        list->of_cell[i] = (uint16_t)stamp;
        list->cells_count++;
        if (cell->stamp.time_us > list->newest_us)
            list->newest_us = cell->stamp.time_us;
    }
}

void batch_row_encode(const struct batch_row *row, struct buffer *out)
{
    struct stamp_list list;
    list_stamps(row, &list);
    CHECK(list.cells_count > 0);
    append_time(out, list.newest_us);
    varint_append(out, list.count);
    for (size_t i = 0; i < list.count; i++) {
        append_time(out, list.stamps[i]->time_us);
        append_sized(out, list.stamps[i]->identity);
    }
    varint_append(out, list.cells_count);
    for (size_t i = 0; i < row->count; i++) {
        if (!row->cells[i].is_written)
            continue;
        varint_append(out, i);
        varint_append(out, list.of_cell[i]);
        append_sized(out, row->cells[i].value);
    }
}

bool batch_write_encode(const struct view_definition *view, const struct value *values,
                        const bool *is_named, struct buffer *out)
{
    struct buffer value = {0};
    size_t count = 0;
    for (size_t i = 0; i < view->features_count; i++)
        count += is_named[i];
    if (count == 0)
        return false;
    varint_append(out, count);
    for (size_t i = 0; i < view->features_count; i++) {
        if (!is_named[i])
            continue;
        value.start = value.size = 0;
        row_append_value(&values[i], &value);
        varint_append(out, i);
        append_sized(out, buffer_bytes(&value));
    }
    buffer_fini(&value);
    return true;
}

/* ---- answers ---- */

/* The cells as of T, on the way from newer writes to older ones. */
struct cut {
    const struct view_definition *view;
    struct batch_row row;
    bool *is_open; /* one a feature: older writes may tell what it is */
    size_t open_count;
    struct batch_row piece; /* the write or row at hand */
};

static enum status corrupt(const struct view_definition *view, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, "view '%.*s': a row of writes can't be read",
                     BYTES_ARGS(view->name));
}

/* Closes the open features that the piece has, as of t_us; what they hold is copied into the arena
 * where it is. */
static void cut_take_piece(struct cut *cut, int64_t t_us, struct arena *arena)
{
    for (size_t i = 0; i < cut->piece.count; i++) {
        struct batch_cell *cell = &cut->piece.cells[i];
        if (!cell->is_written || !cut->is_open[i] || cell->stamp.time_us > t_us)
            continue;
        struct batch_stamp stamp = {.time_us = cell->stamp.time_us};
        take_cell(&cut->row, i, &stamp, arena_copy(arena, cell->value));
        cut->is_open[i] = false;
        cut->open_count--;
    }
}

/* Of the row of all writes: what is not newer than T is as of T; what was never written is not. */
static enum status cut_start(struct cut *cut, const struct question *question,
                             const struct batch_source *source, struct arena *arena,
                             struct error *err)
{
    size_t count = question->view->features_count;
    cut->row = row_create(count, arena);
    cut->piece = row_create(count, arena);
    cut->is_open = ARENA_NEW_ARRAY(arena, count, bool);
    cut->open_count = count;
    memset(cut->is_open, true, count);
    if (!source->is_row_known)
        return STATUS_OK;
    if (source->row.size > 0 && !batch_row_take(&cut->piece, source->row))
        return corrupt(question->view, err);
    for (size_t i = 0; i < count; i++) {
        bool is_written = i < cut->piece.count && cut->piece.cells[i].is_written;
        cut->open_count -= !is_written;
        cut->is_open[i] = is_written;
    }
    cut_take_piece(cut, question->t_us - question->is_exclusive, arena);
    return STATUS_OK;
}

/* Goes back until nothing is open. */
static enum status cut_walk(struct cut *cut, const struct question *question,
                            const struct batch_source *source, struct arena *arena,
                            struct error *err)
{
    struct timeline_event event;
    while (cut->open_count > 0) {
        enum status status = source->back(source->timeline, &event, err);
        if (status != STATUS_OK)
            return status == STATUS_NOT_FOUND ? STATUS_OK : status;
        const struct batch_stamp stamp = {.time_us = event.time_us, .identity = event.identity};
        batch_row_reset(&cut->piece);
        bool is_good = event.is_base ? batch_row_take(&cut->piece, event.row)
                                     : batch_row_take_write(&cut->piece, &stamp, event.row);
        if (!is_good)
            return corrupt(question->view, err);
        cut_take_piece(cut, question->t_us - question->is_exclusive, arena);
        if (event.is_base)
            break;
    }
    return STATUS_OK;
}

/* What a cell holds as of T. */
struct seen {
    struct value value;
    bool is_expired;
    int64_t until_us; /* it holds before this, INT64_MAX: for ever */
};

/* false: the value is none of the feature's type. */
static bool see(const struct batch_cell *cell, const struct feature_definition *feature,
                int64_t ttl_us, int64_t t_us, struct seen *out)
{
    *out = (struct seen){.value = value_null(), .until_us = INT64_MAX};
    if (cell == NULL || !cell->is_written)
        return true;
    struct bytes left = cell->value;
    if (!row_take_value(feature->type, &left, &out->value) || left.size > 0)
        return false;
    if (ttl_us == DURATION_NONE || out->value.kind == VALUE_NULL)
        return true;
    out->is_expired = t_us - cell->stamp.time_us >= ttl_us;
    if (out->is_expired)
        out->value = value_null();
    else
        out->until_us = cell->stamp.time_us + ttl_us;
    return true;
}

/* All features, asked or not: the entity is there as long as one of them holds a value. */
static enum status see_all(const struct cut *cut, const struct question *question,
                           struct seen *seen, struct answer *answer, struct error *err)
{
    const struct view_definition *view = question->view;
    int64_t t_us = question->t_us - question->is_exclusive;
    answer->valid_until_us = INT64_MAX;
    answer->event_time_us = INT64_MIN;
    answer->found_until_us = INT64_MIN;
    for (size_t i = 0; i < view->features_count; i++) {
        const struct batch_cell *cell = i < cut->row.count ? &cut->row.cells[i] : NULL;
        if (!see(cell, &view->features[i], view->ttl_us, t_us, &seen[i]))
            return corrupt(view, err);
        bool has_value = seen[i].value.kind != VALUE_NULL;
        answer->is_found |= has_value;
        if (has_value && seen[i].until_us > answer->found_until_us)
            answer->found_until_us = seen[i].until_us;
        if (seen[i].until_us < answer->valid_until_us)
            answer->valid_until_us = seen[i].until_us;
        if (cell != NULL && cell->is_written && cell->stamp.time_us > answer->event_time_us)
            answer->event_time_us = cell->stamp.time_us;
    }
    answer->has_event_time = answer->is_found;
    return STATUS_OK;
}

static enum feature_status status_of(const struct seen *seen, bool is_found)
{
    if (seen->value.kind == VALUE_OVERFLOW)
        return FEATURE_OVERFLOW;
    if (seen->is_expired)
        return FEATURE_EXPIRED;
    if (!is_found)
        return FEATURE_NOT_FOUND;
    return seen->value.kind == VALUE_NULL ? FEATURE_NULL : FEATURE_PRESENT;
}

static enum status cut_finish(const struct cut *cut, const struct question *question,
                              struct arena *arena, struct answer *answer, struct error *err)
{
    const struct view_definition *view = question->view;
    size_t count = question->features == NULL ? view->features_count : question->features_count;
    struct seen *seen = ARENA_NEW_ARRAY(arena, view->features_count, struct seen);
    struct value *values = ARENA_NEW_ARRAY(arena, count, struct value);
    enum feature_status *statuses = ARENA_NEW_ARRAY(arena, count, enum feature_status);
    int64_t *bases_us = ARENA_NEW_ARRAY(arena, count, int64_t);
    *answer = (struct answer){.t_us = question->t_us,
                              .values = values,
                              .statuses = statuses,
                              .bases_us = bases_us,
                              .count = count};
    enum status status = see_all(cut, question, seen, answer, err);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        size_t feature = question->features == NULL ? i : question->features[i];
        values[i] = seen[feature].value;
        statuses[i] = status_of(&seen[feature], answer->is_found);
        bases_us[i] = ANSWER_NO_BASE;
        if (values[i].kind == VALUE_NULL)
            values[i] = view->features[feature].default_value;
    }
    return status;
}

enum status batch_answer(const struct question *question, const struct batch_source *source,
                         struct arena *arena, struct answer *answer, struct error *err)
{
    struct cut cut = {.view = question->view};
    enum status status = cut_start(&cut, question, source, arena, err);
    if (status == STATUS_OK && cut.open_count > 0)
        status =
            source->back == NULL ? STATUS_NOT_FOUND : cut_walk(&cut, question, source, arena, err);
    if (status == STATUS_OK)
        status = cut_finish(&cut, question, arena, answer, err);
    return status;
}

/* ---- folding ---- */

enum status batch_fold(timeline_back_fn back, void *timeline, struct arena *arena,
                       struct buffer *base, struct error *err)
{
    struct batch_row row = row_create(VIEW_FEATURES_MAX, arena);
    struct timeline_event event;
    enum status status = STATUS_OK;
    bool is_good = true;
    while (is_good && (status = back(timeline, &event, err)) == STATUS_OK) {
        struct bytes bytes = arena_copy(arena, event.row);
        const struct batch_stamp stamp = {.time_us = event.time_us,
                                          .identity = arena_copy(arena, event.identity)};
        is_good =
            event.is_base ? batch_row_take(&row, bytes) : batch_row_take_write(&row, &stamp, bytes);
        if (event.is_base)
            break;
    }
    if (!is_good)
        status = error_set(err, STATUS_CORRUPT, "a row of writes can't be read");
    if (status == STATUS_NOT_FOUND)
        status = STATUS_OK;
    if (status == STATUS_OK)
        batch_row_encode(&row, base);
    return status;
}
