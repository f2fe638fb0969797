/* SCAN and HSCAN. */
#include "app/resp_call.h"

#include "base/glob.h"
#include "base/number.h"

enum { SCAN_COUNT_DEFAULT = 10 };

/* ---- arguments ---- */

struct scan {
    struct resp_call *call;
    uint64_t cursor;
    struct bytes pattern;
    bool has_pattern;
    bool is_of_hashes; /* not TYPE string or the like */
    size_t examined_max;
    struct resp_writer keys; /* into the call's scratch */
    size_t keys_count;
};

static bool scan_take_cursor(struct scan *scan, size_t index)
{
    struct bytes text = resp_call_argument(scan->call, index);
    int64_t number = 0;
    bool is_number =
        operations_is_integer(text) && number_parse_int(text, &number) == NUMBER_OK && number >= 0;
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
    scan->examined_max = count > RESP_SCAN_EXAMINED_MAX ? RESP_SCAN_EXAMINED_MAX : (size_t)count;
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
    struct resp_cursors *cursors = call->cursors;
    struct scan scan = {.call = call, .keys = {.out = call->scratch, .version = 2}};
    if (!scan_take_cursor(&scan, 1) || !scan_take_options(&scan, 2, true))
        return;
    if (!scan.is_of_hashes) {
        scan_write_empty(call);
        return;
    }
    struct buffer position = {0};
    if (scan.cursor != 0 && !resp_cursors_find(cursors, scan.cursor, &position)) {
        resp_call_error(call,
                        "ERR unknown cursor; it is too old or not of this server: start again "
                        "at 0");
        return;
    }
    struct error err = {0};
    enum status status =
        query_scan(call->query, &position, scan.examined_max, call->moment, scan_emit, &scan, &err);
    if (status == STATUS_OK) {
        bool has_more = position.size > 0 && !call->is_rehearsal;
        scan_write_cursor(call, has_more ? resp_cursors_add(cursors, buffer_bytes(&position)) : 0);
        resp_write_array(call->reply, scan.keys_count);
        buffer_append(call->reply.out, buffer_bytes(call->scratch));
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
    if (status == STATUS_OK && !resp_read_features(call, &target, NULL, 0, call->moment, &answer))
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
