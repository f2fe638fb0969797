#include "model/entity.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/number.h"

enum {
    STRING_END = 0x01,  /* behind 00: the string ends */
    STRING_ZERO = 0xff, /* behind 00: the string goes on with a 00 */
    ENTITY_INT_SIZE = 8,
};

void entity_append_string(struct bytes text, struct buffer *out)
{
    size_t plain = 0;
    const char *zero;
    while ((zero = memchr(text.data + plain, 0, text.size - plain)) != NULL) {
        size_t end = (size_t)(zero - text.data) + 1;
        buffer_append(out, bytes_of(text.data + plain, end - plain));
        buffer_append_byte(out, (char)STRING_ZERO);
        plain = end;
    }
    buffer_append(out, bytes_of(text.data + plain, text.size - plain));
    buffer_append_byte(out, 0);
    buffer_append_byte(out, STRING_END);
}

void entity_append_value(const struct value *value, struct buffer *out)
{
    if (value->kind == VALUE_STRING) {
        entity_append_string(value->text.size > 0 ? value->text : bytes_of("", 0), out);
        return;
    }
    CHECK(value->kind == VALUE_INT);
    be64_write_signed(buffer_reserve(out, ENTITY_INT_SIZE), value->integer);
    buffer_added(out, ENTITY_INT_SIZE);
}

/* Takes the next key of a composite entity from *text, "\|" and "\\" resolved, into part. */
static void entity_take_part(struct bytes *text, bool is_single, struct buffer *part)
{
    size_t i = 0;
    part->start = part->size = 0;
    for (; i < text->size; i++) {
        char byte = text->data[i];
        if (!is_single && byte == '|')
            break;
        bool is_escape = !is_single && byte == '\\' && i + 1 < text->size &&
                         (text->data[i + 1] == '|' || text->data[i + 1] == '\\');
        buffer_append_byte(part, is_escape ? text->data[++i] : byte);
    }
    *text = bytes_after(*text, i);
}

static enum status entity_append_part(const struct field_definition *key, struct bytes part,
                                      struct buffer *out, struct error *err)
{
    char shown[NAME_SIZE_MAX];
    struct value value = value_text(part);
    if (key->type.kind == VALUE_INT) {
        value.kind = VALUE_INT;
        if (number_parse_int(part, &value.integer) != NUMBER_OK)
            return error_set(err, STATUS_INVALID, "key '%.*s' of the entity is an int, got '%s'",
                             BYTES_ARGS(key->name), bytes_to_text(part, shown, sizeof(shown)));
    } else if (!bytes_are_utf8(part)) {
        return error_set(err, STATUS_INVALID, "key '%.*s' of the entity is not valid UTF-8",
                         BYTES_ARGS(key->name));
    }
    entity_append_value(&value, out);
    return STATUS_OK;
}

static enum status entity_parse_into(const struct view_definition *view, struct bytes text,
                                     struct buffer *part, struct buffer *encoded, struct error *err)
{
    struct bytes left = text;
    for (size_t i = 0; i < view->keys_count; i++) {
        entity_take_part(&left, view->keys_count == 1, part);
        enum status status = entity_append_part(&view->fields[view->key_fields[i]],
                                                buffer_bytes(part), encoded, err);
        if (status != STATUS_OK)
            return status;
        bool is_last = i + 1 == view->keys_count;
        if (is_last != (left.size == 0) && view->kind == VIEW_SERVICE)
            return error_set(err, STATUS_INVALID,
                             "service '%.*s' has %zu keys, joined by '|' (write \\| for a '|' "
                             "within a key); `asof describe %.*s` names them",
                             BYTES_ARGS(view->name), view->keys_count, BYTES_ARGS(view->name));
        if (is_last != (left.size == 0))
            return error_set(err, STATUS_INVALID,
                             "entity '%.*s' of view '%.*s' has %zu keys, joined by '|' "
                             "(write \\| for a '|' within a key)",
                             BYTES_ARGS(view->entity), BYTES_ARGS(view->name), view->keys_count);
        if (!is_last)
            left = bytes_after(left, 1);
    }
    return STATUS_OK;
}

/* Whether all bytes are ASCII and none is NUL; at least eight of them. */
static bool bytes_are_plain(struct bytes text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    for (size_t i = 0; i < text.size; i += sizeof(uint64_t)) {
        uint64_t word;
        size_t last = text.size - sizeof(word);
        memcpy(&word, text.data + (i < last ? i : last), sizeof(word));
        if (((word - ones) | word) & highs) /* a NUL borrows */
            return false;
    }
    return true;
}

bool entity_put_plain(struct bytes text, char *out)
{
    bool is_plain = text.size >= sizeof(uint64_t) && bytes_are_plain(text);
    if (!is_plain &&
        (text.size == 0 || memchr(text.data, 0, text.size) != NULL || !bytes_are_utf8(text)))
        return false;
    out = mempcpy(out, text.data, text.size);
    out[0] = 0;
    out[1] = STRING_END;
    return true;
}

/* Whether the encoding of the entity is its text with an end behind it. */
static bool entity_is_plain(const struct view_definition *view, struct bytes text)
{
    return view->keys_count == 1 && view->fields[view->key_fields[0]].type.kind == VALUE_STRING &&
           text.size <= ENTITY_SIZE_MAX - ENTITY_END_SIZE;
}

enum status entity_parse(const struct view_definition *view, struct bytes text, struct arena *arena,
                         struct bytes *out, struct error *err)
{
    if (entity_is_plain(view, text)) {
        char *encoded = arena_allocate(arena, text.size + ENTITY_END_SIZE);
        *out = bytes_of(encoded, text.size + ENTITY_END_SIZE);
        if (entity_put_plain(text, encoded))
            return STATUS_OK;
    }
    if (text.size > ENTITY_SIZE_MAX)
        return error_set(err, STATUS_LIMIT, "an entity has at most %d bytes, got %zu",
                         ENTITY_SIZE_MAX, text.size);
    struct buffer part = {0};
    struct buffer encoded = {0};
    enum status status = entity_parse_into(view, text, &part, &encoded, err);
    if (status == STATUS_OK && encoded.size > ENTITY_SIZE_MAX)
        status = error_set(err, STATUS_LIMIT, "an entity has at most %d bytes", ENTITY_SIZE_MAX);
    if (status == STATUS_OK)
        *out = arena_copy(arena, buffer_bytes(&encoded));
    buffer_fini(&part);
    buffer_fini(&encoded);
    return status;
}

void entity_split(const struct view_definition *view, struct bytes text, struct arena *arena,
                  struct bytes *keys)
{
    struct buffer part = {0};
    for (size_t i = 0; i < view->keys_count; i++) {
        entity_take_part(&text, view->keys_count == 1, &part);
        keys[i] = arena_copy(arena, buffer_bytes(&part));
        if (i + 1 < view->keys_count)
            text = bytes_after(text, 1);
    }
    CHECK(text.size == 0);
    buffer_fini(&part);
}

/* The size of the string key at the start of bytes with its end, 0 where there is none. */
static size_t entity_string_size(struct bytes bytes)
{
    for (size_t i = 0; i + 1 < bytes.size; i++) {
        if (bytes.data[i] != 0)
            continue;
        i++;
        if ((unsigned char)bytes.data[i] == STRING_END)
            return i + 1;
        if ((unsigned char)bytes.data[i] != STRING_ZERO)
            return 0;
    }
    return 0;
}

static size_t entity_key_size(enum value_kind kind, struct bytes bytes)
{
    if (kind == VALUE_STRING)
        return entity_string_size(bytes);
    return bytes.size >= ENTITY_INT_SIZE ? ENTITY_INT_SIZE : 0;
}

struct bytes entity_least(const struct view_definition *view, struct arena *arena)
{
    struct buffer least = {0};
    for (size_t i = 0; i < view->keys_count; i++) {
        bool is_int = view->fields[view->key_fields[i]].type.kind == VALUE_INT;
        const struct value value = is_int ? value_int(INT64_MIN) : value_text(bytes_of("", 0));
        entity_append_value(&value, &least);
    }
    struct bytes encoding = arena_copy(arena, buffer_bytes(&least));
    buffer_fini(&least);
    return encoding;
}

size_t entity_encoded_size(const struct view_definition *view, struct bytes bytes)
{
    size_t total = 0;
    for (size_t i = 0; i < view->keys_count; i++) {
        enum value_kind kind = view->fields[view->key_fields[i]].type.kind;
        size_t size = entity_key_size(kind, bytes_after(bytes, total));
        if (size == 0)
            return 0;
        total += size;
    }
    return total;
}

bool entity_parts(const struct view_definition *view, struct bytes encoded,
                  struct bytes parts[ENTITY_KEYS_MAX])
{
    for (size_t i = 0; i < view->keys_count; i++) {
        enum value_kind kind = view->fields[view->key_fields[i]].type.kind;
        size_t size = entity_key_size(kind, encoded);
        if (size == 0)
            return false;
        parts[i] = bytes_of(encoded.data, size);
        encoded = bytes_after(encoded, size);
    }
    return encoded.size == 0;
}

/* A string key without the marks of its encoding. */
static struct value entity_string_value(struct bytes key, struct arena *arena)
{
    struct bytes text = bytes_of(key.data, key.size - ENTITY_END_SIZE);
    if (memchr(text.data, 0, text.size) == NULL)
        return value_text(arena_copy(arena, text));
    char *plain = arena_allocate(arena, text.size);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        plain[size++] = text.data[i];
        if (text.data[i] == 0)
            i++; /* the mark behind it */
    }
    return value_text(bytes_of(plain, size));
}

bool entity_values(const struct view_definition *view, struct bytes encoded, struct arena *arena,
                   struct value *values)
{
    struct bytes parts[ENTITY_KEYS_MAX];
    if (!entity_parts(view, encoded, parts))
        return false;
    for (size_t i = 0; i < view->keys_count; i++)
        values[i] = view->fields[view->key_fields[i]].type.kind == VALUE_INT
                        ? value_int(be64_read_signed(parts[i].data))
                        : entity_string_value(parts[i], arena);
    return true;
}

/* Appends a string key's text, without the marks of its encoding. */
static void entity_append_string_text(struct bytes key, bool is_single, struct buffer *out)
{
    for (size_t i = 0; i < key.size - 2; i++) {
        char byte = key.data[i];
        if (!is_single && (byte == '|' || byte == '\\'))
            buffer_append_byte(out, '\\');
        buffer_append_byte(out, byte);
        if (byte == 0)
            i++; /* the mark behind it */
    }
}

enum status entity_append_text(const struct view_definition *view, struct bytes encoded,
                               struct buffer *out)
{
    size_t encoded_size = entity_encoded_size(view, encoded);
    if (encoded_size == 0 || encoded_size != encoded.size)
        return STATUS_CORRUPT;
    for (size_t i = 0; i < view->keys_count; i++) {
        enum value_kind kind = view->fields[view->key_fields[i]].type.kind;
        size_t size = entity_key_size(kind, encoded);
        if (i > 0)
            buffer_append_byte(out, '|');
        if (kind == VALUE_INT)
            buffer_format(out, "%lld", (long long)be64_read_signed(encoded.data));
        else
            entity_append_string_text(bytes_of(encoded.data, size), view->keys_count == 1, out);
        encoded = bytes_after(encoded, size);
    }
    return STATUS_OK;
}
