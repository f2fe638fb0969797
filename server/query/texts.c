/* Texts: an answer's values as the doors write them. */
#include "base/number.h"
#include "query/query_room.h"

static size_t value_size(const struct value *value)
{
    if (value->kind == VALUE_STRING)
        return value->text.size;
    size_t size = NUMBER_TEXT_SIZE;
    for (size_t i = 0; value->kind == VALUE_LIST && i < value->list.count; i++)
        size += value_size(&value->list.items[i]);
    return size;
}

enum status query_refuse_size(struct error *err)
{
    return error_set(err, STATUS_LIMIT,
                     "the values of this reply are larger than %d MiB; ask for fewer",
                     QUERY_TEXTS_SIZE_MAX >> 20);
}

enum status query_check_size(const struct answer *answer, struct error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < answer->count; i++)
        size += value_size(&answer->values[i]);
    return size <= QUERY_TEXTS_SIZE_MAX ? STATUS_OK : query_refuse_size(err);
}

struct bytes query_value_text(const struct value *value, struct buffer *scratch,
                              struct arena *arena)
{
    if (value->kind == VALUE_NULL || value->kind == VALUE_OVERFLOW)
        return (struct bytes){0};
    if (value->kind == VALUE_STRING)
        return value->text.size > 0 ? value->text : bytes_of("", 0);
    scratch->start = scratch->size = 0;
    value_append_text(value, scratch);
    return arena_copy(arena, buffer_bytes(scratch));
}

void query_text_answer_of(const struct answer *answer, struct arena *arena, struct text_answer *out)
{
    struct bytes *texts = ARENA_NEW_ARRAY(arena, answer->count, struct bytes);
    struct buffer scratch = {0};
    *out = (struct text_answer){.t_us = answer->t_us,
                                .is_out_of_history = answer->is_out_of_history,
                                .is_found = answer->is_found,
                                .event_time_us = answer->event_time_us,
                                .texts = texts,
                                .statuses = answer->statuses,
                                .count = answer->count};
    for (size_t i = 0; i < answer->count; i++) {
        texts[i] = query_value_text(&answer->values[i], &scratch, arena);
        out->overflows_count += answer->statuses[i] == FEATURE_OVERFLOW;
    }
    buffer_fini(&scratch);
}
