/* SCAN and HSCAN. A cursor is a number that stands for a position in a table of the door, as the
 * position itself (a view's name and an entity) does not fit into what clients take for a cursor:
 * an integer below 2^53. */
#include "app/resp_call.h"

#include <stdlib.h>

#include "base/glob.h"
#include "base/number.h"

enum { SCAN_COUNT_DEFAULT = 10, CURSOR_BITS = 48 };

/* ---- cursors ---- */

void resp_scan_fini(struct resp_door *door)
{
    for (size_t i = 0; i < RESP_SCAN_CURSORS_MAX; i++)
        buffer_fini(&door->cursors[i].position);
    free(door->cursors);
    door->cursors = NULL;
}

static struct resp_cursor *cursor_find(struct resp_door *door, uint64_t number)
{
    for (size_t i = 0; i < RESP_SCAN_CURSORS_MAX; i++)
        if (door->cursors[i].number == number)
            return &door->cursors[i];
    return NULL;
}

/* Numbers that are unlike each other, so that a cursor of another server or of long ago is not taken
 * for one of ours: splitmix64, cut to CURSOR_BITS; never 0. */
static uint64_t cursor_next_number(struct resp_door *door)
{
    while (true) {
        uint64_t z = door->cursor_seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        z = (z ^ (z >> 31)) >> (64 - CURSOR_BITS);
        if (z != 0 && cursor_find(door, z) == NULL)
            return z;
    }
}

/* Remembers the position under a new number, in the place that was not used for longest. An old
 * number stays good: a client that lost the answer asks again. */
static uint64_t cursor_add(struct resp_door *door, struct bytes position)
{
    struct resp_cursor *oldest = &door->cursors[0];
    for (size_t i = 1; i < RESP_SCAN_CURSORS_MAX; i++)
        if (door->cursors[i].used < oldest->used)
            oldest = &door->cursors[i];
    uint64_t number = cursor_next_number(door);
    oldest->number = number;
    oldest->used = ++door->cursor_clock;
    buffer_reset(&oldest->position, SIZE_MAX);
    buffer_append(&oldest->position, position);
    return number;
}

/* ---- arguments ---- */

struct scan {
    struct resp_call *call;
    uint64_t cursor;
    struct bytes pattern;
    bool has_pattern;
    bool is_of_hashes; /* not TYPE string or the like */
    size_t examined_max;
    struct resp_writer keys; /* into the door's scratch */
    size_t keys_count;
};

static bool scan_take_cursor(struct scan *scan, size_t index)
{
    struct bytes text = resp_call_argument(scan->call, index);
    int64_t number = 0;
    bool is_number = resp_text_is_integer(text) &&
                     number_parse_int(text, &number) == NUMBER_OK && number >= 0;
    if (!is_number)
        resp_call_error(scan->call, "ERR invalid cursor");
    scan->cursor = (uint64_t)number;
    return is_number;
}

static bool scan_take_count(struct scan *scan, size_t index)
{
    int64_t count;
    if (!resp_call_integer(scan->call, index, &count))
        return false;
    if (count < 1) {
        resp_call_syntax_error(scan->call);
        return false;
    }
    scan->examined_max =
        count > RESP_SCAN_EXAMINED_MAX ? RESP_SCAN_EXAMINED_MAX : (size_t)count;
    return true;
}

static bool scan_take_pattern(struct scan *scan, size_t index)
{
    scan->pattern = resp_call_argument(scan->call, index);
    scan->has_pattern = !bytes_equal_text(scan->pattern, "*");
    if (scan->pattern.size <= GLOB_PATTERN_SIZE_MAX)
        return true;
    resp_call_error(scan->call, "ERR a pattern is at most %d bytes", GLOB_PATTERN_SIZE_MAX);
    return false;
}

/* Options from argument `index` on, in pairs; false: replied. */
static bool scan_take_options(struct scan *scan, size_t index, bool may_have_type)
{
    struct resp_call *call = scan->call;
    scan->examined_max = SCAN_COUNT_DEFAULT;
    scan->is_of_hashes = true;
    for (size_t i = index; i < call->count; i += 2) {
        struct bytes name = resp_call_argument(call, i);
        bool has_value = i + 1 < call->count;
        bool is_good;
        if (has_value && bytes_equal_nocase(name, "count")) {
            is_good = scan_take_count(scan, i + 1);
        } else if (has_value && bytes_equal_nocase(name, "match")) {
            is_good = scan_take_pattern(scan, i + 1);
        } else if (has_value && may_have_type && bytes_equal_nocase(name, "type")) {
            scan->is_of_hashes = bytes_equal_nocase(resp_call_argument(call, i + 1), "hash");
            is_good = true;
        } else {
            resp_call_syntax_error(call);
            is_good = false;
        }
        if (!is_good)
            return false;
    }
    return true;
}

static bool scan_matches(const struct scan *scan, struct bytes text)
{
    return !scan->has_pattern || glob_match(scan->pattern, text);
}

static void scan_write_cursor(struct resp_call *call, uint64_t number)
{
    char text[NUMBER_TEXT_SIZE];
    size_t size = number_format_int((int64_t)number, text);
    resp_write_array(call->reply, 2);
    resp_write_bulk(call->reply, bytes_of(text, size));
}

/* ---- SCAN ---- */

static void scan_emit(void *context, struct bytes key)
{
    struct scan *scan = context;
    if (!scan_matches(scan, key))
        return;
    resp_write_bulk(scan->keys, key);
    scan->keys_count++;
}

static void scan_write_empty(struct resp_call *call)
{
    scan_write_cursor(call, 0);
    resp_write_array(call->reply, 0);
}

void resp_scan_scan(struct resp_call *call)
{
    struct resp_door *door = call->door;
    struct scan scan = {.call = call, .keys = {.out = &door->scratch, .version = 2}};
    if (!scan_take_cursor(&scan, 1) || !scan_take_options(&scan, 2, true))
        return;
    if (!scan.is_of_hashes) {
        scan_write_empty(call);
        return;
    }
    struct buffer position = {0};
    if (scan.cursor != 0) {
        struct resp_cursor *cursor = cursor_find(door, scan.cursor);
        if (cursor == NULL) {
            resp_call_error(call, "ERR unknown cursor; it is too old or not of this server: start "
                                  "again at 0");
            return;
        }
        cursor->used = ++door->cursor_clock;
        buffer_append(&position, buffer_bytes(&cursor->position));
    }
    struct error err = {0};
    enum status status = query_scan(door->options.query, &position, scan.examined_max,
                                    call->session->moment, scan_emit, &scan, &err);
    if (status == STATUS_OK) {
        scan_write_cursor(call,
                          position.size == 0 ? 0 : cursor_add(door, buffer_bytes(&position)));
        resp_write_array(call->reply, scan.keys_count);
        buffer_append(call->reply.out, buffer_bytes(&door->scratch));
    } else {
        resp_call_failed(call, status, &err);
    }
    buffer_fini(&position);
}

/* ---- HSCAN ---- */

/* A hash has at most VIEW_FEATURES_MAX fields: they all come at once, whatever the cursor. */
void resp_scan_hscan(struct resp_call *call)
{
    struct scan scan = {.call = call};
    struct target target;
    struct text_answer answer = {0};
    if (!scan_take_cursor(&scan, 2) || !scan_take_options(&scan, 3, false))
        return;
    enum status status = resp_read_find(call, resp_call_argument(call, 1), &target);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return;
    if (status == STATUS_OK &&
        !resp_read_features(call, &target, NULL, 0, call->session->moment, &answer))
        return;

    size_t pairs = 0;
    for (size_t i = 0; answer.is_found && i < answer.count; i++)
        pairs += resp_text_is_shown(answer.texts[i]) &&
                 scan_matches(&scan, target.view->features[i].name);
    scan_write_cursor(call, 0);
    resp_write_array(call->reply, pairs * 2);
    for (size_t i = 0; answer.is_found && i < answer.count; i++) {
        struct bytes name = target.view->features[i].name;
        if (!resp_text_is_shown(answer.texts[i]) || !scan_matches(&scan, name))
            continue;
        resp_write_bulk(call->reply, name);
        resp_write_bulk(call->reply, answer.texts[i]);
    }
}
