/* Stored rows and writes of batch views: whatever the bytes, what is taken of them can be encoded,
 * taken again to the same bytes, and answered from. For libFuzzer. */
#include "base/check.h"
#include "features/batch_row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FEATURES = 6, CHUNK_SIZE = 16 * 1024 };

static const struct feature_definition features[FEATURES] = {
    {.type = {.kind = VALUE_BOOL}},   {.type = {.kind = VALUE_INT}},
    {.type = {.kind = VALUE_DOUBLE}}, {.type = {.kind = VALUE_DECIMAL, .digits = 2}},
    {.type = {.kind = VALUE_STRING}}, {.type = {.kind = VALUE_TIMESTAMP}},
};

static const struct view_definition view = {.name = {"v", 1},
                                            .kind = VIEW_BATCH,
                                            .ttl_us = 1000,
                                            .features = features,
                                            .features_count = FEATURES};

static struct batch_row row_begin(struct arena *arena)
{
    return (struct batch_row){.cells = ARENA_NEW_ARRAY(arena, FEATURES, struct batch_cell),
                              .cells_max = FEATURES};
}

static void check_row(const struct batch_row *row, struct arena *arena)
{
    struct buffer out = {0};
    struct buffer repeated = {0};
    struct batch_row again = row_begin(arena);
    struct answer answer;
    batch_row_encode(row, &out);
    CHECK(batch_row_take(&again, buffer_bytes(&out)));
    batch_row_encode(&again, &repeated);
    CHECK(bytes_equal(buffer_bytes(&out), buffer_bytes(&repeated)));

    const struct question question = {.view = &view,
                                      .t_us = batch_row_newest_us(buffer_bytes(&out))};
    const struct batch_source source = {.is_row_known = true, .row = buffer_bytes(&out)};
    enum status status = batch_answer(&question, &source, arena, &answer, NULL);
    CHECK(status == STATUS_OK || status == STATUS_CORRUPT);
    buffer_fini(&out);
    buffer_fini(&repeated);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct batch_stamp stamp = {.time_us = 5, .identity = {"12345678", 8}};
    struct arena *arena = arena_create(CHUNK_SIZE);
    struct bytes bytes = bytes_of(data, size);
    struct batch_row row = row_begin(arena);
    if (batch_row_take(&row, bytes))
        check_row(&row, arena);
    row = row_begin(arena);
    if (batch_row_take_write(&row, &stamp, bytes))
        check_row(&row, arena);
    arena_destroy(&arena);
    return 0;
}
