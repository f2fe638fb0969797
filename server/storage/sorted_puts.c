#include "storage/sorted_puts.h"

#include <stdlib.h>

#include "base/check.h"

enum { PUTS_CAPACITY_MIN = 256 };

void sorted_puts_fini(struct sorted_puts *puts)
{
    buffer_fini(&puts->bytes);
    free(puts->puts);
    *puts = (struct sorted_puts){0};
}

void sorted_puts_reset(struct sorted_puts *puts, size_t keep_max)
{
    if (puts->bytes.capacity > keep_max)
        sorted_puts_fini(puts);
    puts->bytes.size = 0;
    puts->count = puts->mark_count = puts->mark_size = 0;
}

struct buffer *sorted_puts_begin(struct sorted_puts *puts)
{
    if (puts->count == puts->capacity) {
        puts->capacity = puts->capacity > 0 ? 2 * puts->capacity : PUTS_CAPACITY_MIN;
        puts->puts = reallocarray(puts->puts, puts->capacity, sizeof(*puts->puts));
        CHECK(puts->puts != NULL);
    }
    puts->puts[puts->count] =
        (struct sorted_put){.offset = puts->bytes.size, .number = (uint32_t)puts->count};
    return &puts->bytes;
}

void sorted_puts_end(struct sorted_puts *puts, size_t head_size, struct bytes value)
{
    struct sorted_put *put = &puts->puts[puts->count++];
    size_t key_size = puts->bytes.size - put->offset;
    CHECK(head_size <= key_size && key_size <= UINT32_MAX && value.size <= UINT32_MAX);
    put->key_size = (uint32_t)key_size;
    put->head_size = (uint32_t)head_size;
    put->value_size = (uint32_t)value.size;
    buffer_append(&puts->bytes, value);
}

void sorted_puts_mark(struct sorted_puts *puts)
{
    puts->mark_count = puts->count;
    puts->mark_size = puts->bytes.size;
}

void sorted_puts_undo(struct sorted_puts *puts)
{
    CHECK(puts->mark_count <= puts->count && puts->mark_size <= puts->bytes.size);
    puts->count = puts->mark_count;
    puts->bytes.size = puts->mark_size;
}

static int compare_puts(const void *left, const void *right, void *context)
{
    const struct sorted_put *a = left;
    const struct sorted_put *b = right;
    const char *bytes = context;
    int order = bytes_compare(bytes_of(bytes + a->offset, a->key_size),
                              bytes_of(bytes + b->offset, b->key_size));
    if (order != 0)
        return order;
    return a->number < b->number ? -1 : 1;
}

void sorted_puts_sort(struct sorted_puts *puts)
{
    if (puts->count == 0)
        return;
    qsort_r(puts->puts, puts->count, sizeof(*puts->puts), compare_puts,
            puts->bytes.memory + puts->bytes.start);
    size_t kept = 1;
    for (size_t i = 1; i < puts->count; i++) {
        bool is_later = bytes_equal(sorted_puts_key(puts, kept - 1), sorted_puts_key(puts, i));
        puts->puts[is_later ? kept - 1 : kept] = puts->puts[i];
        kept += !is_later;
    }
    puts->count = puts->mark_count = kept;
    puts->mark_size = puts->bytes.size;
}
