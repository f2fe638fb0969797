/* How far Kafka is read, and what of it could not be taken; on the writer's thread. */
#include "app/resp_call.h"

void resp_asof_lag(struct resp_call *call)
{
    struct bytes source = call->count > 1 ? resp_call_argument(call, 1) : (struct bytes){0};
    struct error err = {0};
    if (call->count > 2) {
        resp_call_wrong_count(call);
        return;
    }
    enum status status = stream_append_lag(call->stream, source, call->scratch, &err);
    if (status == STATUS_OK)
        resp_write_bulk(call->reply, buffer_bytes(call->scratch));
    else
        resp_call_failed(call, status, &err);
}

/* ---- choosing letters ---- */

/* A number of at least low; false: replied. */
static bool take_number(struct resp_call *call, size_t index, int64_t low, uint64_t *out)
{
    int64_t value;
    if (!resp_call_integer(call, index, &value))
        return false;
    if (value < low) {
        resp_call_error(call, "ERR value is out of range, must be at least %lld", (long long)low);
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

/* "[AFTER id] [COUNT n] [FULL]" from index on; false: replied. */
static bool take_options(struct resp_call *call, size_t index, struct letter_choice *choice)
{
    uint64_t count = choice->count_max;
    for (size_t i = index; i < call->count; i++) {
        struct bytes word = resp_call_argument(call, i);
        bool has_more = i + 1 < call->count;
        if (has_more && bytes_equal_nocase(word, "after")) {
            if (!take_number(call, ++i, 0, &choice->after))
                return false;
        } else if (has_more && bytes_equal_nocase(word, "count")) {
            if (!take_number(call, ++i, 1, &count))
                return false;
        } else if (bytes_equal_nocase(word, "full")) {
            choice->is_full = true;
        } else {
            resp_call_syntax_error(call);
            return false;
        }
    }
    choice->count_max = count < OPERATIONS_LETTERS_MAX ? (size_t)count : OPERATIONS_LETTERS_MAX;
    return true;
}

/* "ALL [AFTER id]" or "id [id ...]" behind the source; false: replied. */
static bool take_choice(struct resp_call *call, struct letter_choice *choice)
{
    const size_t first = 3;
    choice->count_max = OPERATIONS_LETTERS_CHANGED_MAX;
    if (bytes_equal_nocase(resp_call_argument(call, first), "all")) {
        bool is_well = take_options(call, first + 1, choice);
        choice->count_max = OPERATIONS_LETTERS_CHANGED_MAX;
        return is_well;
    }
    if (call->count - first > OPERATIONS_LETTERS_CHANGED_MAX) {
        resp_call_error(call, "ERR at most %d ids", OPERATIONS_LETTERS_CHANGED_MAX);
        return false;
    }
    choice->ids_count = call->count - first;
    uint64_t *ids = ARENA_NEW_ARRAY(call->arena, choice->ids_count, uint64_t);
    for (size_t i = 0; i < choice->ids_count; i++)
        if (!take_number(call, first + i, 1, &ids[i]))
            return false;
    choice->ids = ids;
    return true;
}

/* ---- the commands ---- */

static void reply_list(struct resp_call *call, const struct letter_choice *choice)
{
    struct error err = {0};
    enum status status =
        stream_list_letters(call->stream, resp_call_argument(call, 2), choice, call->scratch, &err);
    if (status == STATUS_OK)
        resp_write_bulk(call->reply, buffer_bytes(call->scratch));
    else
        resp_call_failed(call, status, &err);
}

static void dlq_list(struct resp_call *call)
{
    struct letter_choice choice = {.count_max = OPERATIONS_LETTERS_PRESET};
    if (take_options(call, 3, &choice))
        reply_list(call, &choice);
}

static void dlq_get(struct resp_call *call)
{
    uint64_t id;
    if (!take_number(call, 3, 1, &id))
        return;
    reply_list(call, &(struct letter_choice){.ids = &id, .ids_count = 1, .is_full = true});
}

typedef enum status (*change_fn)(struct stream *stream, struct bytes source,
                                 const struct letter_choice *choice, struct letter_result *result,
                                 struct error *err);

static void change(struct resp_call *call, change_fn run)
{
    struct letter_choice choice = {0};
    struct letter_result result;
    struct error err = {0};
    if (!take_choice(call, &choice))
        return;
    enum status status = run(call->stream, resp_call_argument(call, 2), &choice, &result, &err);
    call->is_batch_full = status == STATUS_AGAIN;
    if (status == STATUS_AGAIN)
        return;
    call->has_pushed = result.done_count > 0;
    if (status != STATUS_OK) {
        resp_call_failed(call, status, &err);
        return;
    }
    operations_append_letter_result(&result, call->scratch);
    resp_write_bulk(call->reply, buffer_bytes(call->scratch));
}

static void dlq_drop(struct resp_call *call)
{
    change(call, stream_drop_letters);
}

static void dlq_retry(struct resp_call *call)
{
    change(call, stream_retry_letters);
}

const struct resp_command resp_dlq_subcommands[] = {
    {"list", -3, RESP_WRITER, dlq_list, 0, NULL, "asof",
     "Counts and the oldest ones, as JSON: source [AFTER id] [COUNT n] [FULL]."},
    {"get", 4, RESP_WRITER, dlq_get, 0, NULL, "asof", "One with its bytes, as JSON: source id."},
    {"retry", -4, RESP_WRITER | RESP_WRITE, dlq_retry, 0, NULL, "asof",
     "Takes them again as events: source ALL [AFTER id] or source id [id ...]."},
    {"drop", -4, RESP_WRITER | RESP_WRITE, dlq_drop, 0, NULL, "asof",
     "Deletes them: source ALL [AFTER id] or source id [id ...]."},
    {0},
};
