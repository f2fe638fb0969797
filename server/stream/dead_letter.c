#include "stream/dead_letter.h"

#include "base/endian.h"
#include "base/varint.h"

const char *refusal_name(enum refusal reason)
{
    static const char *const names[] = {
        [REFUSED_UNDECODABLE] = "undecodable",
        [REFUSED_WRONG_TYPE] = "wrong_type",
        [REFUSED_NO_TIME] = "no_event_time",
        [REFUSED_NO_ID] = "no_event_id",
        [REFUSED_AHEAD] = "ahead",
        [REFUSED_LATE] = "late",
        [REFUSED_TOO_LONG] = "too_long",
    };
    return names[reason];
}

/* ---- writing ---- */

static struct bytes cut(struct bytes bytes, size_t size_max)
{
    return bytes.size <= size_max ? bytes : bytes_of(bytes.data, size_max);
}

static void append_text(struct buffer *out, struct bytes text)
{
    text = cut(text, LETTER_PART_SIZE_MAX);
    varint_append(out, text.size);
    buffer_append(out, text);
}

static void append_part(struct buffer *out, struct bytes part, size_t size_max)
{
    part = cut(part, size_max);
    varint_append(out, part.data == NULL ? 0 : part.size + 1);
    buffer_append(out, part);
}

void dead_letter_encode(const struct dead_letter *letter, struct buffer *out)
{
    size_t headers_count = letter->headers_count;
    if (headers_count > LETTER_HEADERS_MAX)
        headers_count = LETTER_HEADERS_MAX;
    buffer_append_byte(out, (char)(letter->reason + 1));
    varint_append(out, varint_zigzag(letter->time_us));
    varint_append(out, letter->origin);
    varint_append(out, letter->partition);
    varint_append(out, varint_zigzag(letter->offset));
    varint_append(out, varint_zigzag(letter->timestamp_ms));
    append_text(out, letter->error);
    append_text(out, letter->topic);
    append_part(out, letter->key, LETTER_PART_SIZE_MAX);
    append_part(out, letter->value, LETTER_VALUE_SIZE_MAX);
    varint_append(out, letter->value_size);
    varint_append(out, headers_count);
    for (size_t i = 0; i < headers_count; i++) {
        append_text(out, letter->headers[i].name);
        append_part(out, letter->headers[i].value, LETTER_PART_SIZE_MAX);
    }
}

/* ---- reading ---- */

static bool take_uint32(struct bytes *left, uint32_t *out)
{
    uint64_t value;
    if (!varint_take(left, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool take_signed(struct bytes *left, int64_t *out)
{
    uint64_t value;
    if (!varint_take(left, &value))
        return false;
    *out = varint_unzigzag(value);
    return true;
}

static bool take_bytes(struct bytes *left, uint64_t size, struct bytes *out)
{
    if (size > left->size)
        return false;
    *out = bytes_of(left->data, (size_t)size);
    *left = bytes_after(*left, (size_t)size);
    return true;
}

static bool take_text(struct bytes *left, struct bytes *out)
{
    uint64_t size;
    return varint_take(left, &size) && take_bytes(left, size, out);
}

static bool take_part(struct bytes *left, struct bytes *out)
{
    uint64_t size;
    *out = (struct bytes){0};
    return varint_take(left, &size) && (size == 0 || take_bytes(left, size - 1, out));
}

static bool take_headers(struct bytes *left, struct arena *arena, struct dead_letter *out)
{
    uint64_t count;
    if (!varint_take(left, &count) || count > LETTER_HEADERS_MAX)
        return false;
    struct kafka_header *headers = ARENA_NEW_ARRAY(arena, (size_t)count + 1, struct kafka_header);
    for (size_t i = 0; i < count; i++)
        if (!take_text(left, &headers[i].name) || !take_part(left, &headers[i].value))
            return false;
    out->headers = headers;
    out->headers_count = (size_t)count;
    return true;
}

static bool take_origin(struct bytes *left, struct dead_letter *out)
{
    return take_signed(left, &out->time_us) && take_uint32(left, &out->origin) &&
           take_uint32(left, &out->partition) && take_signed(left, &out->offset) &&
           take_signed(left, &out->timestamp_ms);
}

enum status dead_letter_decode(struct bytes row, struct arena *arena, struct dead_letter *out,
                               struct error *err)
{
    *out = (struct dead_letter){0};
    unsigned reason = row.size == 0 ? 0 : (unsigned char)row.data[0];
    struct bytes left = bytes_after(row, row.size == 0 ? 0 : 1);
    bool is_whole = reason >= 1 && reason <= REFUSALS_COUNT && take_origin(&left, out) &&
                    take_text(&left, &out->error) && take_text(&left, &out->topic) &&
                    take_part(&left, &out->key) && take_part(&left, &out->value) &&
                    varint_take(&left, &out->value_size) && take_headers(&left, arena, out) &&
                    left.size == 0;
    if (!is_whole)
        return error_set(err, STATUS_CORRUPT, "a dead letter can't be read");
    out->reason = (enum refusal)(reason - 1);
    return STATUS_OK;
}

/* ---- marks ---- */

void letter_marks_write(const struct letter_marks *marks, char row[LETTER_MARKS_SIZE])
{
    const uint64_t heads[] = {marks->next_sequence, marks->count, marks->bytes, marks->evicted};
    for (size_t i = 0; i < 4; i++)
        be64_write(row + 8 * i, heads[i]);
    for (size_t i = 0; i < REFUSALS_COUNT; i++)
        be64_write(row + 8 * (4 + i), marks->by_reason[i]);
}

bool letter_marks_read(struct bytes row, struct letter_marks *out)
{
    if (row.size != LETTER_MARKS_SIZE)
        return false;
    *out = (struct letter_marks){.next_sequence = be64_read(row.data),
                                 .count = be64_read(row.data + 8),
                                 .bytes = be64_read(row.data + 16),
                                 .evicted = be64_read(row.data + 24)};
    for (size_t i = 0; i < REFUSALS_COUNT; i++)
        out->by_reason[i] = be64_read(row.data + 8 * (4 + i));
    return true;
}
