#include "storage/hot_row.h"

enum { NARROW_TEXTS_MAX = UINT16_MAX >> HOT_CELL_OFFSET_SHIFT }; /* bytes of all texts of a row */

_Static_assert(FEATURE_OUT_OF_HISTORY == 0, "no row has that status: it stands for `not asked`");
_Static_assert((int)FEATURE_PRESENT <= (int)HOT_CELL_STATUS, "a status has its bits in a cell");

/* What stands in the texts for the cell. */
static struct bytes stored_text(const struct hot_cell *cell)
{
    if (!cell->is_known || !cell->has_text)
        return (struct bytes){0};
    return cell->is_relative ? bytes_of(&cell->base_us, sizeof(cell->base_us)) : cell->text;
}

static size_t texts_size(const struct hot_draft *draft)
{
    size_t size = 0;
    for (size_t i = 0; i < draft->count; i++)
        size += stored_text(&draft->cells[i]).size;
    return size;
}

static size_t cell_size(size_t texts)
{
    return texts > NARROW_TEXTS_MAX ? sizeof(uint64_t) : sizeof(uint16_t);
}

size_t hot_row_size(struct bytes entity, const struct hot_draft *draft)
{
    size_t texts = texts_size(draft);
    return offsetof(struct hot_row, packed) + (draft->count + 1) * cell_size(texts) + entity.size +
           texts;
}

static void put_code(struct hot_row *row, size_t feature, uint64_t code)
{
    uint16_t narrow = (uint16_t)code;
    if (row->is_wide)
        memcpy(row->packed + feature * sizeof(code), &code, sizeof(code));
    else
        memcpy(row->packed + feature * sizeof(narrow), &narrow, sizeof(narrow));
}

static uint64_t cell_code(const struct hot_cell *cell, size_t begin)
{
    uint64_t code = (uint64_t)begin << HOT_CELL_OFFSET_SHIFT;
    if (!cell->is_known)
        return code;
    CHECK(cell->status != FEATURE_OUT_OF_HISTORY);
    CHECK(cell->has_text || !cell->is_relative);
    return code | (uint64_t)cell->status | (cell->has_text ? HOT_CELL_HAS_TEXT : 0) |
           (cell->is_relative ? HOT_CELL_IS_RELATIVE : 0);
}

void hot_row_pack(struct hot_row *row, struct bytes entity, const struct hot_draft *draft)
{
    CHECK(draft->count < UINT16_MAX && entity.size <= UINT16_MAX);
    row->valid_from_us = draft->valid_from_us;
    row->valid_until_us = draft->valid_until_us;
    row->event_time_us = draft->event_time_us;
    row->features_count = (uint16_t)draft->count;
    row->entity_size = (uint16_t)entity.size;
    row->is_found = draft->is_found;
    row->is_wide = cell_size(texts_size(draft)) == sizeof(uint64_t);
    char *texts = row->packed + hot_row_entity_offset(row);
    memcpy(texts, entity.data, entity.size);
    texts += entity.size;

    size_t begin = 0;
    for (size_t i = 0; i < draft->count; i++) {
        struct bytes text = stored_text(&draft->cells[i]);
        put_code(row, i, cell_code(&draft->cells[i], begin));
        if (text.size > 0)
            memcpy(texts + begin, text.data, text.size);
        begin += text.size;
    }
    put_code(row, draft->count, (uint64_t)begin << HOT_CELL_OFFSET_SHIFT);
}
