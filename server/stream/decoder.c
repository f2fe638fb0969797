#include "stream/decoder.h"

#include <stdlib.h>
#include <yajl/yajl_parse.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "base/map.h"
#include "base/number.h"
#include "stream/kafka.h"
#include "stream/flat_json.h"

enum {
    SLOTS_MAX = 4 * SOURCE_FIELDS_MAX,  /* with what older versions of views know otherwise */
    SEEN_CAPACITY = 4 * EVENT_KEYS_MAX, /* a power of two */
    GUESSES_MAX = 64, /* producers write their keys in one order: most are found at once */
};

struct slot {
    const struct field_definition *field; /* borrowed */
    struct slot *next;                    /* of the same name with another type, or NULL */
    size_t index;
    enum record_part part;
    struct bytes header; /* of a header its name */
    uint64_t stamp;      /* of the last event that had the name; see seen_key */
};

/* A key of the event at hand that is no field's, by its hash; stamp tells it from those of earlier
 * events. */
struct seen_key {
    uint64_t hash;
    uint64_t stamp;
};

struct decoder {
    struct slot slots[SLOTS_MAX];
    size_t slots_count;
    size_t own_count;              /* the first ones: the source's own fields */
    struct map *names;             /* owned: name -> first slot of that name */
    struct slot *parts[SLOTS_MAX]; /* first slots of what is no member: parts_count of them */
    size_t parts_count;
    bool takes_headers;
    struct seen_key seen[SEEN_CAPACITY];
    uint64_t stamp;
    struct slot *guesses[GUESSES_MAX]; /* the slot of the n-th key of the last event that had one */
    bool is_plain;
};

/* One decode under way. */
struct decoding {
    struct decoder *decoder;
    struct decoded_event *event;
    struct arena *arena;
    struct error *err;
    enum status status;
    struct slot *slot; /* of the key that was read last; NULL: of no field */
    size_t keys_count;
    size_t depth; /* of open objects and lists */
};

static struct slot *decoder_add(struct decoder *decoder, const struct field_definition *field)
{
    CHECK(decoder->slots_count < SLOTS_MAX);
    struct slot *slot = &decoder->slots[decoder->slots_count];
    *slot = (struct slot){.field = field, .index = decoder->slots_count++};
    slot->part = record_part_of(field->name, &slot->header);
    decoder->takes_headers |= slot->part == RECORD_HEADER;
    return slot;
}

/* The slot is the first one of its name. */
static void name_slot(struct decoder *decoder, struct slot *slot)
{
    CHECK(map_put(decoder->names, slot->field->name, slot));
    if (slot->part != RECORD_MEMBER)
        decoder->parts[decoder->parts_count++] = slot;
}

struct decoder *decoder_create(const struct field_definition *fields, size_t fields_count)
{
    struct decoder *decoder = calloc(1, sizeof(*decoder));
    CHECK(decoder != NULL);
    decoder->names = map_create();
    for (size_t i = 0; i < fields_count; i++)
        name_slot(decoder, decoder_add(decoder, &fields[i]));
    decoder->own_count = fields_count;
    return decoder;
}

void decoder_destroy(struct decoder **decoder)
{
    if (*decoder == NULL)
        return;
    map_destroy(&(*decoder)->names);
    free(*decoder);
    *decoder = NULL;
}

enum status decoder_slot(struct decoder *decoder, const struct field_definition *field, size_t *out,
                         struct error *err)
{
    struct slot *first = map_get(decoder->names, field->name);
    struct slot *last = NULL;
    for (struct slot *slot = first; slot != NULL; slot = slot->next) {
        *out = slot->index;
        if (type_equal(slot->field->type, field->type) && slot->field->unit == field->unit)
            return STATUS_OK;
        last = slot;
    }
    if (decoder->slots_count == SLOTS_MAX)
        return error_set(err, STATUS_LIMIT,
                         "the versions of views know the fields of their source under more than %d "
                         "names and types; register a source of another name instead",
                         SLOTS_MAX);
    struct slot *added = decoder_add(decoder, field);
    if (last != NULL)
        last->next = added;
    else
        name_slot(decoder, added);
    *out = added->index;
    return STATUS_OK;
}

/* Only the first slot of a name is stamped. */
bool decoder_has_named(const struct decoder *decoder, size_t slot)
{
    CHECK(slot < decoder->slots_count);
    const struct slot *first = map_get(decoder->names, decoder->slots[slot].field->name);
    return first->stamp == decoder->stamp;
}

/* Makes the event empty; none of its keys was seen. */
static void decoding_begin(struct decoding *decoding)
{
    size_t count = decoding->decoder->slots_count;
    decoding->event->values = ARENA_NEW_ARRAY(decoding->arena, count, struct value);
    decoding->event->mismatched = ARENA_NEW_ARRAY(decoding->arena, count, bool);
    decoding->event->first_mismatch = -1;
    decoding->event->is_deletion = false;
    decoding->decoder->stamp++;
    decoding->keys_count = 0;
    decoding->slot = NULL;
}

static bool fail(struct decoding *decoding, enum status status)
{
    decoding->status = status;
    return false;
}

/* Remembers a key that is no field's; false where the event already had it. They are told apart by
 * 64 bits of hash: two that collide are refused, nothing worse. */
static bool key_is_first(struct decoder *decoder, struct bytes key)
{
    uint64_t hash = XXH3_64bits(key.data, key.size);
    size_t index = hash % SEEN_CAPACITY;
    while (decoder->seen[index].stamp == decoder->stamp) {
        if (decoder->seen[index].hash == hash)
            return false;
        index = (index + 1) % SEEN_CAPACITY;
    }
    decoder->seen[index] = (struct seen_key){.hash = hash, .stamp = decoder->stamp};
    return true;
}

/* The first slot of the member of that name, or NULL. position counts the event's keys. */
static struct slot *find_slot(struct decoder *decoder, size_t position, struct bytes key)
{
    bool is_guessed = position < GUESSES_MAX;
    struct slot *guess = is_guessed ? decoder->guesses[position] : NULL;
    if (guess != NULL && bytes_equal(guess->field->name, key))
        return guess;
    struct slot *found = map_get(decoder->names, key);
    if (found != NULL && found->part != RECORD_MEMBER)
        return NULL;
    if (is_guessed && found != NULL)
        decoder->guesses[position] = found;
    return found;
}

/* Remembers the key, of the slot or of none; false where the event already had it. */
static bool note_key(struct decoder *decoder, struct slot *slot, struct bytes key)
{
    if (slot == NULL)
        return key_is_first(decoder, key);
    bool is_first = slot->stamp != decoder->stamp;
    slot->stamp = decoder->stamp;
    return is_first;
}

static bool take_key(struct decoding *decoding, struct bytes key)
{
    char shown[NAME_SIZE_MAX];
    if (++decoding->keys_count > EVENT_KEYS_MAX)
        return fail(decoding, error_set(decoding->err, STATUS_LIMIT, "an event has at most %d keys",
                                        EVENT_KEYS_MAX));
    struct slot *slot = find_slot(decoding->decoder, decoding->keys_count - 1, key);
    if (!note_key(decoding->decoder, slot, key))
        return fail(decoding, error_set(decoding->err, STATUS_INVALID, "key '%s' stands twice",
                                        bytes_to_text(key, shown, sizeof(shown))));
    decoding->slot = slot;
    return true;
}

static void take_value(struct decoding *decoding, struct raw_value raw)
{
    struct decoded_event *event = decoding->event;
    struct error why;
    for (struct slot *slot = decoding->slot; slot != NULL; slot = slot->next) {
        struct value *value = &event->values[slot->index];
        if (field_text_parse(slot->field, &raw, decoding->arena, value, &why) == STATUS_OK)
            continue;
        *value = value_null();
        event->mismatched[slot->index] = true;
        if (slot->index >= decoding->decoder->own_count || event->first_mismatch >= 0)
            continue;
        event->first_mismatch = (ssize_t)slot->index;
        error_set(&event->mismatch, STATUS_INVALID, "field '%.*s': %s",
                  BYTES_ARGS(slot->field->name), why.text);
    }
    decoding->slot = NULL;
}

/* ---- JSON ---- */

static int scalar(struct decoding *decoding, enum raw_kind kind, const void *data, size_t size)
{
    if (decoding->depth == 0)
        return fail(decoding, error_set(decoding->err, STATUS_INVALID,
                                        "an event is a JSON object, {\"field\": value, ...}"));
    if (decoding->depth == 1)
        take_value(decoding, (struct raw_value){.kind = kind, .text = bytes_of(data, size)});
    return true;
}

static int on_null(void *context)
{
    return scalar(context, RAW_NULL, NULL, 0);
}

static int on_boolean(void *context, int is_true)
{
    return scalar(context, is_true ? RAW_TRUE : RAW_FALSE, NULL, 0);
}

static int on_number(void *context, const char *text, size_t size)
{
    return scalar(context, RAW_NUMBER, text, size);
}

static int on_string(void *context, const unsigned char *text, size_t size)
{
    return scalar(context, RAW_STRING, text, size);
}

static int on_open(struct decoding *decoding, bool is_object)
{
    if (decoding->depth == 0 && !is_object)
        return scalar(decoding, RAW_NESTED, NULL, 0);
    if (decoding->depth == 1)
        take_value(decoding, (struct raw_value){.kind = RAW_NESTED});
    if (++decoding->depth > EVENT_DEPTH_MAX)
        return fail(decoding, error_set(decoding->err, STATUS_LIMIT, "nested deeper than %d levels",
                                        EVENT_DEPTH_MAX));
    return true;
}

static int on_start_map(void *context)
{
    return on_open(context, true);
}

static int on_start_array(void *context)
{
    return on_open(context, false);
}

static int on_close(void *context)
{
    ((struct decoding *)context)->depth--;
    return true;
}

static int on_map_key(void *context, const unsigned char *key, size_t size)
{
    struct decoding *decoding = context;
    return decoding->depth > 1 || take_key(decoding, bytes_of(key, size));
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_map_key,
    .yajl_end_map = on_close,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_close,
};

/* The code unit of the escape "\u0041" at data, or -1. */
static int32_t code_unit(struct bytes text, size_t at)
{
    if (at + 6 > text.size || text.data[at] != '\\' || text.data[at + 1] != 'u')
        return -1;
    char digits[5] = {0};
    memcpy(digits, text.data + at + 2, 4);
    char *end;
    long unit = strtol(digits, &end, 16);
    return end == digits + 4 ? (int32_t)unit : -1;
}

/* Whether each escaped surrogate has its other half. yajl would put a '?' in place of a lone one:
 * another value than the producer's. */
static bool surrogates_are_paired(struct bytes text)
{
    const char *found = memchr(text.data, '\\', text.size);
    size_t i = found == NULL ? text.size : (size_t)(found - text.data);
    while (i + 1 < text.size) {
        int32_t unit = code_unit(text, i);
        if (text.data[i] != '\\') {
            i++;
        } else if (unit < 0xd800 || unit > 0xdfff) {
            i += 2;
        } else {
            int32_t second = code_unit(text, i + 6);
            if (unit > 0xdbff || second < 0xdc00 || second > 0xdfff)
                return false;
            i += 12;
        }
    }
    return true;
}

static enum status refuse_json(struct decoding *decoding, yajl_handle handle, struct bytes text)
{
    char shown[ERROR_TEXT_SIZE / 2];
    if (decoding->status != STATUS_OK)
        return decoding->status;
    unsigned char *why = yajl_get_error(handle, 0, (const unsigned char *)text.data, text.size);
    size_t at = yajl_get_bytes_consumed(handle);
    bytes_to_text(bytes_of_text((const char *)why), shown, sizeof(shown));
    size_t length = strlen(shown);
    while (length > 0 && (shown[length - 1] == '?' || shown[length - 1] == ' '))
        shown[--length] = '\0'; /* the line end that yajl puts there */
    yajl_free_error(handle, why);
    return error_set(decoding->err, STATUS_INVALID, "not valid JSON at byte %zu: %s", at, shown);
}

static enum status decode_by_yajl(struct decoding *decoding, struct bytes text)
{
    if (!surrogates_are_paired(text))
        return error_set(decoding->err, STATUS_INVALID,
                         "not valid JSON: a \\u escape is half of a surrogate pair");
    yajl_handle handle = yajl_alloc(&callbacks, NULL, decoding);
    CHECK(handle != NULL);
    yajl_config(handle, yajl_dont_validate_strings, 1);
    yajl_status parsed = yajl_parse(handle, (const unsigned char *)text.data, text.size);
    if (parsed == yajl_status_ok)
        parsed = yajl_complete_parse(handle);
    enum status status = parsed == yajl_status_ok ? STATUS_OK : refuse_json(decoding, handle, text);
    yajl_free(handle);
    return status;
}

/* Decodes what flat_json.h takes. AGAIN: it is something else, and some keys may be taken. */
static enum status decode_flat(struct decoding *decoding, struct bytes text)
{
    struct flat_json json = flat_json_begin(text);
    struct bytes key;
    struct raw_value value;
    enum flat_result result;
    while ((result = flat_json_next(&json, &key, &value)) == FLAT_MEMBER) {
        if (!take_key(decoding, key))
            return decoding->status;
        take_value(decoding, value);
    }
    return result == FLAT_END ? STATUS_OK : STATUS_AGAIN;
}

static enum status decode_json(struct decoding *decoding, struct bytes text)
{
    if (!bytes_are_utf8(text))
        return error_set(decoding->err, STATUS_INVALID, "not valid UTF-8");
    if (decoding->decoder->is_plain || memchr(text.data, '\\', text.size) != NULL)
        return decode_by_yajl(decoding, text);
    enum status status = decode_flat(decoding, text);
    if (status != STATUS_AGAIN)
        return status;
    decoding_begin(decoding);
    return decode_by_yajl(decoding, text);
}

static enum status refuse_size(struct error *err, size_t size)
{
    return error_set(err, STATUS_LIMIT, "an event has at most %d bytes, got %zu", EVENT_SIZE_MAX,
                     size);
}

/* ---- pairs ---- */

static enum status decode_pairs(struct decoding *decoding, const struct push_event *text)
{
    size_t size = 0;
    for (size_t i = 0; i < text->pairs_count; i++) {
        struct bytes name = text->pairs[2 * i];
        size += name.size + text->pairs[2 * i + 1].size;
        if (size > EVENT_SIZE_MAX)
            return refuse_size(decoding->err, size);
        if (!bytes_are_utf8(name))
            return error_set(decoding->err, STATUS_INVALID, "a field name is not valid UTF-8");
        if (!take_key(decoding, name))
            return decoding->status;
        take_value(decoding, (struct raw_value){.kind = RAW_TEXT, .text = text->pairs[2 * i + 1]});
    }
    return STATUS_OK;
}

/* ---- records ---- */

bool decoder_takes_record(const struct decoder *decoder)
{
    return decoder->parts_count > 0;
}

bool decoder_takes_headers(const struct decoder *decoder)
{
    return decoder->takes_headers;
}

/* The last header of that name, as Kafka's own clients have it. */
static struct bytes find_header(const struct event_record *record, struct bytes name)
{
    for (size_t i = record->headers_count; i > 0; i--)
        if (bytes_equal(record->headers[i - 1].name, name))
            return record->headers[i - 1].value;
    return (struct bytes){0};
}

static void take_part(struct decoding *decoding, struct slot *slot,
                      const struct event_record *record)
{
    char time[NUMBER_TEXT_SIZE];
    struct bytes part = {0};
    switch (slot->part) {
    case RECORD_KEY:
        part = record->key;
        break;
    case RECORD_TIMESTAMP:
        if (record->timestamp_ms >= 0)
            part = bytes_of(time, number_format_int(record->timestamp_ms, time));
        break;
    case RECORD_HEADER:
        part = find_header(record, slot->header);
        break;
    case RECORD_MEMBER:
        return;
    }
    decoding->slot = slot;
    take_value(decoding,
               (struct raw_value){.kind = part.data == NULL ? RAW_NULL : RAW_TEXT, .text = part});
}

static void take_record(struct decoding *decoding, const struct event_record *record)
{
    for (size_t i = 0; i < decoding->decoder->parts_count; i++)
        take_part(decoding, decoding->decoder->parts[i], record);
}

void decoder_go_plain(struct decoder *decoder)
{
    decoder->is_plain = true;
}

enum status decoder_decode(struct decoder *decoder, const struct push_event *text,
                           struct arena *arena, struct decoded_event *event, struct error *err)
{
    struct decoding decoding = {.decoder = decoder, .event = event, .arena = arena, .err = err};
    decoding_begin(&decoding);
    if (text->format == EVENT_PAIRS)
        return decode_pairs(&decoding, text);
    if (text->text.size > EVENT_SIZE_MAX)
        return refuse_size(err, text->text.size);
    enum status status = decode_json(&decoding, text->text);
    if (status == STATUS_OK && text->record != NULL)
        take_record(&decoding, text->record);
    return status;
}
