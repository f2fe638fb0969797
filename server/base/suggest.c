#include "base/suggest.h"

#include <stdio.h>

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The number of letters to insert, delete, replace or swap with their neighbour to get from a to
 * b (optimal string alignment). Both are at most SUGGEST_NAME_SIZE_MAX long. */
static size_t edit_distance(struct bytes a, struct bytes b)
{
    size_t rows[3][SUGGEST_NAME_SIZE_MAX + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *row = rows[2];

    for (size_t j = 0; j <= b.size; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t replaced = last[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            row[j] = min_size(replaced, min_size(last[j], row[j - 1]) + 1);
            bool is_swap =
                i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
            if (is_swap)
                row[j] = min_size(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b.size];
}

void suggest_consider(struct suggest *suggest, struct bytes candidate)
{
    if (suggest->name.size > SUGGEST_NAME_SIZE_MAX || candidate.size > SUGGEST_NAME_SIZE_MAX)
        return;
    size_t distance = edit_distance(suggest->name, candidate);
    size_t longer = candidate.size > suggest->name.size ? candidate.size : suggest->name.size;
    bool is_near = distance * 3 <= longer || (distance == 1 && longer >= 2);
    if (is_near && (suggest->nearest.size == 0 || distance < suggest->distance)) {
        suggest->nearest = candidate;
        suggest->distance = distance;
    }
}

const char *suggest_text(const struct suggest *suggest, char text[SUGGEST_TEXT_SIZE])
{
    text[0] = '\0';
    if (suggest->nearest.size > 0)
        snprintf(text, SUGGEST_TEXT_SIZE, "; did you mean '%.*s'?", BYTES_ARGS(suggest->nearest));
    return text;
}
