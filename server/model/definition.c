#include "model/definition.h"

#include <stdio.h>

#include "base/time_text.h"

enum { WINDOW_TEXT_SHOWN_MAX = 48 };

static const char *const unit_suffixes[] = {
    [TIME_RFC3339] = "",         [TIME_SECONDS] = "_s",      [TIME_MILLISECONDS] = "_ms",
    [TIME_MICROSECONDS] = "_us", [TIME_NANOSECONDS] = "_ns",
};

const char *view_kind_name(enum view_kind kind)
{
    static const char *const names[] = {[VIEW_STREAM] = "stream",
                                        [VIEW_BATCH] = "batch",
                                        [VIEW_ON_DEMAND] = "on_demand",
                                        [VIEW_SERVICE] = "service"};
    return names[kind];
}

/* --- windows to text ----------------------------------------------------------------------- */

static void duration_append(int64_t duration_us, struct buffer *out)
{
    char text[DURATION_TEXT_SIZE];
    buffer_append(out, bytes_of(text, duration_format(duration_us, text)));
}

void window_append_text(const struct window *window, struct buffer *out)
{
    switch (window->kind) {
    case WINDOW_SLIDING:
        duration_append(window->size_us, out);
        break;
    case WINDOW_HOPPING:
        duration_append(window->size_us, out);
        buffer_append_text(out, " step ");
        duration_append(window->step_us, out);
        break;
    case WINDOW_TUMBLING:
        buffer_append_text(out, "tumbling(");
        duration_append(window->size_us, out);
        if (window->offset_us > 0) {
            buffer_append_text(out, ", offset ");
            duration_append(window->offset_us, out);
        }
        buffer_append_byte(out, ')');
        break;
    case WINDOW_SESSION:
        buffer_append_text(out, "session(");
        duration_append(window->size_us, out);
        buffer_append_byte(out, ')');
        break;
    case WINDOW_LAST:
        buffer_format(out, "last(%u)", window->count);
        break;
    case WINDOW_FOREVER:
        buffer_append_text(out, "forever");
        break;
    }
}

/* --- text to windows ----------------------------------------------------------------------- */

/* What is left of the text; each take_ function skips spaces, then takes what it is named after. */
struct cursor {
    struct bytes left;
};

static void skip_spaces(struct cursor *cursor)
{
    while (cursor->left.size > 0 && cursor->left.data[0] == ' ')
        cursor->left = bytes_after(cursor->left, 1);
}

static bool take_byte(struct cursor *cursor, char byte)
{
    skip_spaces(cursor);
    if (cursor->left.size == 0 || cursor->left.data[0] != byte)
        return false;
    cursor->left = bytes_after(cursor->left, 1);
    return true;
}

static struct bytes take_word(struct cursor *cursor)
{
    skip_spaces(cursor);
    struct bytes left = cursor->left;
    size_t size = 0;
    while (size < left.size && ((left.data[size] >= 'a' && left.data[size] <= 'z') ||
                                (left.data[size] >= '0' && left.data[size] <= '9')))
        size++;
    cursor->left = bytes_after(left, size);
    return bytes_of(left.data, size);
}

static bool take_end(struct cursor *cursor)
{
    skip_spaces(cursor);
    return cursor->left.size == 0;
}

static bool take_duration(struct cursor *cursor, int64_t *out_us)
{
    return duration_parse(take_word(cursor), out_us);
}

/* A count of at most LAST_WINDOW_COUNT_MAX; greater ones come out as one more than that. */
static bool take_count(struct cursor *cursor, uint32_t *out)
{
    struct bytes word = take_word(cursor);
    uint32_t count = 0;
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] < '0' || word.data[i] > '9')
            return false;
        count = count * 10 + (uint32_t)(word.data[i] - '0');
        if (count > LAST_WINDOW_COUNT_MAX)
            count = LAST_WINDOW_COUNT_MAX + 1;
    }
    *out = count;
    return word.size > 0;
}

static bool parse_last(struct cursor *cursor, struct window *out)
{
    out->kind = WINDOW_LAST;
    return take_byte(cursor, '(') && take_count(cursor, &out->count) && take_byte(cursor, ')');
}

static bool parse_session(struct cursor *cursor, struct window *out)
{
    out->kind = WINDOW_SESSION;
    return take_byte(cursor, '(') && take_duration(cursor, &out->size_us) && take_byte(cursor, ')');
}

static bool parse_tumbling(struct cursor *cursor, struct window *out)
{
    out->kind = WINDOW_TUMBLING;
    if (!take_byte(cursor, '(') || !take_duration(cursor, &out->size_us))
        return false;
    if (take_byte(cursor, ',')) {
        bool is_offset =
            bytes_equal_text(take_word(cursor), "offset") && take_duration(cursor, &out->offset_us);
        if (!is_offset)
            return false;
    }
    return take_byte(cursor, ')');
}

static bool parse_sliding_or_hopping(struct bytes size, struct cursor *cursor, struct window *out)
{
    out->kind = WINDOW_SLIDING;
    if (!duration_parse(size, &out->size_us))
        return false;
    if (take_end(cursor))
        return true;
    out->kind = WINDOW_HOPPING;
    return bytes_equal_text(take_word(cursor), "step") && take_duration(cursor, &out->step_us);
}

static bool window_parse_form(struct bytes text, struct window *out)
{
    struct cursor cursor = {.left = text};
    struct bytes word = take_word(&cursor);
    bool is_window;
    if (bytes_equal_text(word, "forever")) {
        out->kind = WINDOW_FOREVER;
        is_window = true;
    } else if (bytes_equal_text(word, "last")) {
        is_window = parse_last(&cursor, out);
    } else if (bytes_equal_text(word, "session")) {
        is_window = parse_session(&cursor, out);
    } else if (bytes_equal_text(word, "tumbling")) {
        is_window = parse_tumbling(&cursor, out);
    } else {
        is_window = parse_sliding_or_hopping(word, &cursor, out);
    }
    return is_window && take_end(&cursor);
}

enum status window_parse(struct bytes text, struct window *out, struct error *err)
{
    char shown[WINDOW_TEXT_SHOWN_MAX];
    struct window window = {0};
    bytes_to_text(text, shown, sizeof(shown));

    if (!window_parse_form(text, &window))
        return error_set(err, STATUS_INVALID,
                         "'%s' is no window; write one like 5m, 7d step 1h, "
                         "tumbling(1d, offset 6h), session(30m), last(5) or forever",
                         shown);
    if (window.kind == WINDOW_LAST && (window.count < 1 || window.count > LAST_WINDOW_COUNT_MAX))
        return error_set(err, STATUS_INVALID, "'%s' is no window; last takes 1 to %d events", shown,
                         LAST_WINDOW_COUNT_MAX);
    if (window.kind == WINDOW_HOPPING && window.step_us > window.size_us)
        return error_set(err, STATUS_INVALID,
                         "'%s' is no window; the step must not be longer than the window", shown);
    if (window.kind == WINDOW_TUMBLING && window.offset_us >= window.size_us)
        return error_set(err, STATUS_INVALID,
                         "'%s' is no window; the offset must be shorter than the window", shown);
    *out = window;
    return STATUS_OK;
}

/* --- names --------------------------------------------------------------------------------- */

bool name_is_valid(struct bytes name)
{
    if (name.size == 0 || name.size > NAME_SIZE_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char letter = name.data[i];
        bool may_begin = letter >= 'a' && letter <= 'z';
        bool may_follow = may_begin || letter == '_' || (letter >= '0' && letter <= '9');
        if (i == 0 ? !may_begin : !may_follow)
            return false;
    }
    return true;
}

enum record_part record_part_of(struct bytes field, struct bytes *header)
{
    const struct bytes prefix = bytes_of_text("_header.");
    *header = (struct bytes){0};
    if (bytes_equal_text(field, "_key"))
        return RECORD_KEY;
    if (bytes_equal_text(field, "_timestamp"))
        return RECORD_TIMESTAMP;
    if (!bytes_start_with(field, prefix))
        return RECORD_MEMBER;
    *header = bytes_after(field, prefix.size);
    return RECORD_HEADER;
}

static bool header_name_is_valid(struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        char letter = name.data[i];
        bool is_letter = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                         (letter >= '0' && letter <= '9');
        if (!is_letter && letter != '_' && letter != '-' && letter != '.')
            return false;
    }
    return name.size > 0;
}

bool field_name_is_valid(struct bytes name)
{
    struct bytes header;
    switch (record_part_of(name, &header)) {
    case RECORD_MEMBER:
        return name_is_valid(name);
    case RECORD_KEY:
    case RECORD_TIMESTAMP:
        return true;
    case RECORD_HEADER:
        return name.size <= NAME_SIZE_MAX && header_name_is_valid(header);
    }
    return false;
}

const char *field_type_name(const struct field_definition *field, char text[TYPE_TEXT_SIZE])
{
    if (field->type.kind != VALUE_TIMESTAMP)
        return type_name(field->type, text);
    snprintf(text, TYPE_TEXT_SIZE, "timestamp%s", unit_suffixes[field->unit]);
    return text;
}

ssize_t field_find(const struct field_definition *fields, size_t fields_count, struct bytes name)
{
    for (size_t i = 0; i < fields_count; i++)
        if (bytes_equal(fields[i].name, name))
            return (ssize_t)i;
    return -1;
}

ssize_t feature_find(const struct view_definition *view, struct bytes name)
{
    for (size_t i = 0; i < view->features_count; i++)
        if (bytes_equal(view->features[i].name, name))
            return (ssize_t)i;
    return -1;
}
