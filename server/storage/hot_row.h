/* Row: what was read of one entity, packed as it is sent: a text for each feature that was asked.
 *
 *     cells     one a feature of the view and one more, 2 bytes each (8 where the texts are long):
 *               status 3 bits, 0: not asked yet | has text | is relative | where its text begins
 *     entity    encoded, see entity.h
 *     texts     one after the other, in the order of features; each ends where the next begins
 *
 * A relative text (time_since_*) is 8 bytes: the time that its value is counted from, which is
 * subtracted at each read.
 *
 * Thread: immutable but for is_used and is_stale; any number of readers. */
#ifndef ASOF_STORAGE_HOT_ROW_H
#define ASOF_STORAGE_HOT_ROW_H

#include <stdatomic.h>

#include "base/check.h"
#include "model/answer.h"

/* One feature. */
struct hot_cell {
    bool is_known; /* it was asked; else nothing below says anything */
    bool has_text; /* else it is NULL or an overflow */
    bool is_relative;
    enum feature_status status;
    struct bytes text; /* as value_append_text writes it; not where relative */
    int64_t base_us;   /* where relative: what its seconds are counted from */
};

/* A row before it is packed. */
struct hot_draft {
    int64_t valid_from_us;  /* the T that count for which it holds: from here */
    int64_t valid_until_us; /* to here, without it */
    bool is_found;
    int64_t event_time_us;
    const struct hot_cell *cells;
    size_t count; /* of the view's features */
};

struct hot_row {
    int64_t valid_from_us; /* as in a draft */
    int64_t valid_until_us;
    int64_t event_time_us;
    uint16_t features_count;
    uint16_t entity_size;
    bool is_found : 1;
    bool is_wide : 1;      /* cells of 8 bytes */
    _Atomic bool is_used;  /* read since the hand of the clock came by */
    _Atomic bool is_stale; /* an event came since: it holds no more */
    char packed[];         /* cells, entity, texts */
};

enum {
    HOT_CELL_STATUS = 7,
    HOT_CELL_HAS_TEXT = 8,
    HOT_CELL_IS_RELATIVE = 16,
    HOT_CELL_OFFSET_SHIFT = 5,
};

/* The bytes of the packed row. */
size_t hot_row_size(struct bytes entity, const struct hot_draft *draft);

/* Packs into row, which has that many bytes. */
void hot_row_pack(struct hot_row *row, struct bytes entity, const struct hot_draft *draft);

/* The sizes of cells. */
static inline size_t hot_row_entity_offset(const struct hot_row *row)
{
    return ((size_t)row->features_count + 1) * (row->is_wide ? sizeof(uint64_t) : sizeof(uint16_t));
}

/* Borrowed from the row. */
static inline struct bytes hot_row_entity(const struct hot_row *row)
{
    return bytes_of(row->packed + hot_row_entity_offset(row), row->entity_size);
}

/* Whether the row holds at this T that counts. */
static inline bool hot_row_holds(const struct hot_row *row, int64_t counted_us)
{
    return counted_us >= row->valid_from_us && counted_us < row->valid_until_us;
}

static inline void hot_row_codes(const struct hot_row *row, size_t feature, uint64_t codes[2])
{
    if (row->is_wide) {
        memcpy(codes, row->packed + feature * sizeof(uint64_t), 2 * sizeof(uint64_t));
        return;
    }
    uint16_t narrow[2];
    memcpy(narrow, row->packed + feature * sizeof(uint16_t), sizeof(narrow));
    codes[0] = narrow[0];
    codes[1] = narrow[1];
}

/* Where the texts begin. */
static inline const char *hot_row_texts(const struct hot_row *row)
{
    return row->packed + hot_row_entity_offset(row) + row->entity_size;
}

/* The bytes of all texts. */
static inline size_t hot_row_texts_size(const struct hot_row *row)
{
    uint64_t end;
    uint16_t narrow;
    if (row->is_wide) {
        memcpy(&end, row->packed + row->features_count * sizeof(end), sizeof(end));
    } else {
        memcpy(&narrow, row->packed + row->features_count * sizeof(narrow), sizeof(narrow));
        end = narrow;
    }
    return end >> HOT_CELL_OFFSET_SHIFT;
}

/* A feature of the view, of a row whose texts begin there; its text is borrowed from the row. */
static inline struct hot_cell hot_row_cell_at(const struct hot_row *row, const char *texts,
                                              size_t feature)
{
    CHECK(feature < row->features_count);
    uint64_t codes[2];
    hot_row_codes(row, feature, codes);
    size_t begin = codes[0] >> HOT_CELL_OFFSET_SHIFT;
    size_t end = codes[1] >> HOT_CELL_OFFSET_SHIFT;
    struct hot_cell cell = {
        .is_known = (codes[0] & HOT_CELL_STATUS) != 0,
        .has_text = (codes[0] & HOT_CELL_HAS_TEXT) != 0,
        .is_relative = (codes[0] & HOT_CELL_IS_RELATIVE) != 0,
        .status = (enum feature_status)(codes[0] & HOT_CELL_STATUS),
        .text = bytes_of(texts + begin, end - begin),
    };
    if (cell.is_relative)
        memcpy(&cell.base_us, texts + begin, sizeof(cell.base_us));
    return cell;
}

/* The text of a feature that is present, and not relative; as it is of most. */
static inline bool hot_row_present_text(const struct hot_row *row, const char *texts,
                                        size_t feature, struct bytes *text)
{
    enum { MASK = (1 << HOT_CELL_OFFSET_SHIFT) - 1, PRESENT = FEATURE_PRESENT | HOT_CELL_HAS_TEXT };
    CHECK(feature < row->features_count);
    uint64_t codes[2];
    hot_row_codes(row, feature, codes);
    size_t begin = codes[0] >> HOT_CELL_OFFSET_SHIFT;
    *text = bytes_of(texts + begin, (codes[1] >> HOT_CELL_OFFSET_SHIFT) - begin);
    return (codes[0] & MASK) == PRESENT;
}

static inline struct hot_cell hot_row_cell(const struct hot_row *row, size_t feature)
{
    return hot_row_cell_at(row, hot_row_texts(row), feature);
}

#endif
