/* The decoder of events: any bytes as JSON, by the flat way and by yajl alone, and as pairs. */
#include "base/check.h"
#include "stream/decoder.h"
#include "stream/kafka.h"

static const struct field_definition fields[] = {
    {.name = {"s", 1}, .type = {.kind = VALUE_STRING}},
    {.name = {"t", 1}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_RFC3339},
    {.name = {"u", 1}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_NANOSECONDS},
    {.name = {"d", 1}, .type = {.kind = VALUE_DECIMAL, .digits = 4}},
    {.name = {"i", 1}, .type = {.kind = VALUE_INT}},
    {.name = {"x", 1}, .type = {.kind = VALUE_DOUBLE}},
    {.name = {"b", 1}, .type = {.kind = VALUE_BOOL}},
    {.name = {"_key", 4}, .type = {.kind = VALUE_STRING}},
    {.name = {"_header.h", 9}, .type = {.kind = VALUE_DECIMAL, .digits = 2}},
};
enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded can be shown, and a double is finite. */
static void check_values(const struct decoded_event *event)
{
    struct buffer shown = {0};
    for (size_t i = 0; i < FIELDS_COUNT; i++) {
        CHECK(event->values[i].kind == VALUE_NULL || event->values[i].kind == fields[i].type.kind);
        CHECK(!event->mismatched[i] || event->values[i].kind == VALUE_NULL);
        value_append_json(&event->values[i], &shown);
    }
    CHECK(bytes_are_utf8(buffer_bytes(&shown)));
    buffer_fini(&shown);
}

/* Decodes as JSON; appends what came of it. */
static void decode_json(struct bytes text, bool is_plain, struct buffer *out)
{
    struct decoder *decoder = decoder_create(fields, FIELDS_COUNT);
    struct arena *arena = arena_create(4096);
    struct decoded_event event;
    struct error err;
    const struct kafka_header header = {.name = bytes_of_text("h"), .value = text};
    const struct event_record record = {.key = text, .headers = &header, .headers_count = 1};
    const struct push_event json = {.format = EVENT_JSON, .text = text, .record = &record};
    if (is_plain)
        decoder_go_plain(decoder);
    if (decoder_decode(decoder, &json, arena, &event, &err) == STATUS_OK) {
        check_values(&event);
        for (size_t i = 0; i < FIELDS_COUNT; i++)
            value_append_json(&event.values[i], out);
        buffer_append_text(out, event.first_mismatch >= 0 ? event.mismatch.text : "");
    } else {
        buffer_append_text(out, err.text);
    }
    arena_destroy(&arena);
    decoder_destroy(&decoder);
}

static void decode_pair(struct bytes name, struct bytes text)
{
    struct decoder *decoder = decoder_create(fields, FIELDS_COUNT);
    struct arena *arena = arena_create(4096);
    struct decoded_event event;
    struct error err;
    const struct bytes pair[] = {name, text};
    const struct push_event pairs = {.format = EVENT_PAIRS, .pairs = pair, .pairs_count = 1};
    if (decoder_decode(decoder, &pairs, arena, &event, &err) == STATUS_OK)
        check_values(&event);
    arena_destroy(&arena);
    decoder_destroy(&decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer flat = {0};
    struct buffer plain = {0};
    decode_json(bytes_of(data, size), false, &flat);
    decode_json(bytes_of(data, size), true, &plain);
    CHECK(bytes_equal(buffer_bytes(&flat), buffer_bytes(&plain)));
    buffer_fini(&flat);
    buffer_fini(&plain);
    if (size > 0)
        decode_pair(fields[data[0] % FIELDS_COUNT].name, bytes_of(data + 1, size - 1));
    return 0;
}
