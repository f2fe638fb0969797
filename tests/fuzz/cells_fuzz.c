/* Packed rows of a training set: whatever the bytes, cells that are taken of them can be packed and
 * taken again. For libFuzzer. */
#include "base/check.h"
#include "export/cells.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNK_SIZE = 16 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(CHUNK_SIZE);
    struct buffer packed = {0};
    struct buffer again = {0};
    struct bytes rest = bytes_of((const char *)data, size);
    struct cell cell;
    while (cells_take(&rest, arena, &cell))
        cells_append(&cell, &packed);
    rest = buffer_bytes(&packed);
    while (rest.size > 0) {
        CHECK(cells_take(&rest, arena, &cell));
        cells_append(&cell, &again);
    }
    CHECK(bytes_equal(buffer_bytes(&packed), buffer_bytes(&again)));
    buffer_fini(&packed);
    buffer_fini(&again);
    arena_destroy(&arena);
    return 0;
}
