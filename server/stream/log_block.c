#include "stream/log_block.h"

#include "base/endian.h"
#include "base/varint.h"

enum { BLOCK_FORMAT = 1, NOW_SIZE = 8, COUNT_SIZE = 4, HEAD_SIZE = 1 + NOW_SIZE + COUNT_SIZE };

void log_block_fini(struct log_block *block)
{
    buffer_fini(&block->events);
    block->count = 0;
    block->cuts_count = 0;
}

void log_block_reset(struct log_block *block, size_t keep_max)
{
    buffer_reset(&block->events, keep_max);
    block->count = 0;
    block->cuts_count = 0;
}

void log_block_undo(struct log_block *block, size_t size, uint32_t count)
{
    block->events.size = size;
    block->count = count;
    while (block->cuts_count > 0 && block->cuts[block->cuts_count - 1].size > size)
        block->cuts_count--;
}

/* Where the last cut is. */
static struct log_cut last_cut(const struct log_block *block)
{
    return block->cuts_count == 0 ? (struct log_cut){0} : block->cuts[block->cuts_count - 1];
}

static void append_sized(struct buffer *out, struct bytes bytes)
{
    varint_append(out, bytes.size);
    buffer_append(out, bytes);
}

static bool take_sized(struct bytes *left, struct bytes *out)
{
    uint64_t size;
    if (!varint_take(left, &size) || size > left->size)
        return false;
    *out = bytes_of(left->data, size);
    *left = bytes_after(*left, size);
    return true;
}

void log_block_add(struct log_block *block, const struct push_event *event)
{
    if (block->events.size - last_cut(block).size > LOG_PIECE_SIZE &&
        block->cuts_count < LOG_PIECES_MAX)
        block->cuts[block->cuts_count++] =
            (struct log_cut){.size = block->events.size, .count = block->count};
    buffer_append_byte(&block->events, (char)event->format);
    block->count++;
    if (event->format == EVENT_JSON) {
        append_sized(&block->events, event->text);
        return;
    }
    struct buffer pairs = {0};
    varint_append(&pairs, event->pairs_count);
    for (size_t i = 0; i < 2 * event->pairs_count; i++)
        append_sized(&pairs, event->pairs[i]);
    append_sized(&block->events, buffer_bytes(&pairs));
    buffer_fini(&pairs);
}

size_t log_block_pieces(const struct log_block *block)
{
    return block->count == 0 ? 0 : block->cuts_count + 1;
}

uint32_t log_block_finish(const struct log_block *block, size_t piece, int64_t now_us,
                          struct buffer *out)
{
    struct log_cut begin = piece == 0 ? (struct log_cut){0} : block->cuts[piece - 1];
    struct log_cut end = {.size = block->events.size, .count = block->count};
    if (piece < block->cuts_count)
        end = block->cuts[piece];
    char *head = buffer_reserve(out, HEAD_SIZE);
    head[0] = BLOCK_FORMAT;
    be64_write_signed(head + 1, now_us);
    be32_write(head + 1 + NOW_SIZE, end.count - begin.count);
    buffer_added(out, HEAD_SIZE);
    buffer_append(out,
                  bytes_of(buffer_bytes(&block->events).data + begin.size, end.size - begin.size));
    return end.count - begin.count;
}

static enum status corrupt(struct error *err)
{
    return error_set(err, STATUS_CORRUPT, "a block of the log can't be read");
}

enum status log_reader_start(struct log_reader *reader, struct bytes block, struct error *err)
{
    if (block.size < HEAD_SIZE || block.data[0] != BLOCK_FORMAT)
        return corrupt(err);
    *reader = (struct log_reader){.now_us = be64_read_signed(block.data + 1),
                                  .count = be32_read(block.data + 1 + NOW_SIZE),
                                  .left = bytes_after(block, HEAD_SIZE)};
    return STATUS_OK;
}

/* Takes the next event's format and bytes. */
static enum status take_entry(struct log_reader *reader, enum event_format *format,
                              struct bytes *bytes, struct error *err)
{
    if (reader->next == reader->count)
        return STATUS_NOT_FOUND;
    if (reader->left.size == 0 || (unsigned char)reader->left.data[0] > EVENT_PAIRS)
        return corrupt(err);
    *format = (enum event_format)reader->left.data[0];
    reader->left = bytes_after(reader->left, 1);
    if (!take_sized(&reader->left, bytes))
        return corrupt(err);
    reader->next++;
    return STATUS_OK;
}

static enum status take_pairs(struct bytes bytes, struct arena *arena, struct push_event *event,
                              struct error *err)
{
    uint64_t count;
    if (!varint_take(&bytes, &count) || count > bytes.size)
        return corrupt(err);
    struct bytes *pairs = ARENA_NEW_ARRAY(arena, 2 * count, struct bytes);
    for (size_t i = 0; i < 2 * count; i++)
        if (!take_sized(&bytes, &pairs[i]))
            return corrupt(err);
    event->pairs = pairs;
    event->pairs_count = count;
    return STATUS_OK;
}

enum status log_reader_next(struct log_reader *reader, struct arena *arena,
                            struct push_event *event, struct error *err)
{
    struct bytes bytes;
    *event = (struct push_event){0};
    enum status status = take_entry(reader, &event->format, &bytes, err);
    if (status == STATUS_OK && event->format == EVENT_PAIRS)
        return take_pairs(bytes, arena, event, err);
    event->text = bytes;
    return status;
}

enum status log_reader_skip(struct log_reader *reader, uint32_t count, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        enum event_format format;
        struct bytes bytes;
        status = take_entry(reader, &format, &bytes, err);
    }
    return status;
}
