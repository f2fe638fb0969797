/* The decoder of events: any bytes as JSON, and as pairs. */
#include "base/check.h"
#include "stream/decoder.h"

static const struct field_definition fields[] = {
    {.name = {"s", 1}, .type = {.kind = VALUE_STRING}},
    {.name = {"t", 1}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_RFC3339},
    {.name = {"u", 1}, .type = {.kind = VALUE_TIMESTAMP}, .unit = TIME_NANOSECONDS},
    {.name = {"d", 1}, .type = {.kind = VALUE_DECIMAL, .digits = 4}},
    {.name = {"i", 1}, .type = {.kind = VALUE_INT}},
    {.name = {"x", 1}, .type = {.kind = VALUE_DOUBLE}},
    {.name = {"b", 1}, .type = {.kind = VALUE_BOOL}},
};
enum { FIELDS_COUNT = sizeof(fields) / sizeof(fields[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded can be shown, and a double is finite. */
static void check_values(const struct decoded_event *event)
{
    struct buffer shown = {0};
    for (size_t i = 0; i < FIELDS_COUNT; i++) {
        CHECK(event->values[i].kind == VALUE_NULL ||
              event->values[i].kind == fields[i].type.kind);
        CHECK(!event->mismatched[i] || event->values[i].kind == VALUE_NULL);
        value_append_json(&event->values[i], &shown);
    }
    CHECK(bytes_are_utf8(buffer_bytes(&shown)));
    buffer_fini(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoder *decoder = decoder_create(fields, FIELDS_COUNT);
    struct arena *arena = arena_create(4096);
    struct decoded_event event;
    struct error err;
    const struct push_event json = {.format = EVENT_JSON, .text = bytes_of(data, size)};
    if (decoder_decode(decoder, &json, arena, &event, &err) == STATUS_OK)
        check_values(&event);

    if (size > 0) {
        const struct bytes pair[] = {fields[data[0] % FIELDS_COUNT].name,
                                     bytes_of(data + 1, size - 1)};
        const struct push_event pairs = {
            .format = EVENT_PAIRS, .pairs = pair, .pairs_count = 1};
        if (decoder_decode(decoder, &pairs, arena, &event, &err) == STATUS_OK)
            check_values(&event);
    }
    arena_destroy(&arena);
    decoder_destroy(&decoder);
    return 0;
}
