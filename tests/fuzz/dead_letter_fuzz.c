/* Bytes of our own disk that may be anything: rows of dead letters, positions and topics. What is
 * read must come out the same when it is written again and read. */
#include <stdlib.h>

#include "base/check.h"
#include "stream/dead_letter.h"
#include "stream/positions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_letter(struct bytes row)
{
    struct arena *arena = arena_create(1024);
    struct dead_letter letter, again;
    struct buffer text = {0};
    if (dead_letter_decode(row, arena, &letter, NULL) == STATUS_OK) {
        dead_letter_encode(&letter, &text);
        CHECK(dead_letter_decode(buffer_bytes(&text), arena, &again, NULL) == STATUS_OK);
        CHECK(again.offset == letter.offset && again.headers_count == letter.headers_count);
        CHECK(again.reason == letter.reason && again.value_size == letter.value_size);
    }
    buffer_fini(&text);
    arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes row = bytes_of(data, size);
    struct position position, same;
    struct topic_row topic;
    struct letter_marks marks;
    char written[POSITION_SIZE];
    try_letter(row);
    if (position_read(row, &position)) {
        position_write(&position, written);
        CHECK(position_read(bytes_of(written, sizeof(written)), &same));
        CHECK(same.next == position.next && record_mark_equal(&same.last, &position.last));
    }
    struct fill_position fill, fill_again;
    char fill_written[FILL_POSITION_SIZE];
    if (fill_position_read(row, &fill)) {
        fill_position_write(&fill, fill_written);
        CHECK(fill_position_read(bytes_of(fill_written, sizeof(fill_written)), &fill_again));
        CHECK(fill_again.end == fill.end && fill_again.find_us == fill.find_us);
    }
    (void)!topic_row_read(row, &topic);
    (void)!letter_marks_read(row, &marks);
    return 0;
}
