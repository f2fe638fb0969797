#include "registry/parse.h"

#include <stdio.h>

#include "base/suggest.h"
#include "base/time_text.h"

enum { QUOTED_SIZE_MAX = 80, HINT_NAMES_MAX = 16 };

/* --- mistakes ------------------------------------------------------------------------------ */

static enum status mistake_say(const struct parse *parse, const struct node *node, size_t offset,
                               enum status status, const char *format, va_list arguments)
    __attribute__((format(printf, 5, 0)));

static enum status mistake_say(const struct parse *parse, const struct node *node, size_t offset,
                               enum status status, const char *format, va_list arguments)
{
    if (parse->blamed == NULL)
        return node_error(node, offset, status, parse->err, format, arguments);
    char sentence[ERROR_TEXT_SIZE];
    int used = snprintf(sentence, sizeof(sentence), "view %s would no longer hold together: ",
                        quoted(parse->arena, parse->blamed_view));
    vsnprintf(sentence + used, sizeof(sentence) - (size_t)used, format, arguments);
    struct parse plain = *parse;
    plain.blamed = NULL;
    mistake(&plain, parse->blamed, "%s", sentence);
    return status;
}

enum status mistake(const struct parse *parse, const struct node *node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    mistake_say(parse, node, 0, STATUS_INVALID, format, arguments);
    va_end(arguments);
    return STATUS_INVALID;
}

enum status mistake_inside(const struct parse *parse, const struct node *node, size_t offset,
                           const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    mistake_say(parse, node, offset, STATUS_INVALID, format, arguments);
    va_end(arguments);
    return STATUS_INVALID;
}

enum status mistake_limit(const struct parse *parse, const struct node *node, const char *format,
                          ...)
{
    va_list arguments;
    va_start(arguments, format);
    mistake_say(parse, node, 0, STATUS_LIMIT, format, arguments);
    va_end(arguments);
    return STATUS_LIMIT;
}

/* --- words of sentences -------------------------------------------------------------------- */

const char *quoted(struct arena *arena, struct bytes text)
{
    char shown[QUOTED_SIZE_MAX];
    size_t size = text.size;
    bool is_cut = size >= sizeof(shown);
    if (is_cut) {
        size = sizeof(shown) - 1;
        while (size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80)
            size--;
    }
    bytes_to_text(bytes_of(text.data, size), shown, sizeof(shown));
    return arena_format(arena, "'%s%s'", shown, is_cut ? "..." : "").data;
}

const char *hint_names(struct arena *arena, struct bytes wrong, const char *plural,
                       const struct bytes *names, size_t names_count)
{
    struct suggest suggest = {.name = wrong};
    for (size_t i = 0; i < names_count; i++)
        suggest_consider(&suggest, names[i]);
    if (suggest.nearest.size > 0) {
        char text[SUGGEST_TEXT_SIZE];
        return arena_format(arena, "%s", suggest_text(&suggest, text)).data;
    }
    if (names_count == 0)
        return arena_format(arena, "; there are no %s yet", plural).data;

    struct buffer buffer = {0};
    buffer_format(&buffer, "; the %s are", plural);
    for (size_t i = 0; i < names_count && i < HINT_NAMES_MAX; i++)
        buffer_format(&buffer, "%s %.*s", i == 0 ? "" : ",", BYTES_ARGS(names[i]));
    if (names_count > HINT_NAMES_MAX)
        buffer_format(&buffer, " and %zu more", names_count - HINT_NAMES_MAX);
    const char *hint = arena_copy(arena, buffer_bytes(&buffer)).data;
    buffer_fini(&buffer);
    return hint;
}

const char *hint_fields(struct arena *arena, struct bytes wrong,
                        const struct field_definition *fields, size_t fields_count)
{
    struct bytes *names = ARENA_NEW_ARRAY(arena, fields_count + 1, struct bytes);
    for (size_t i = 0; i < fields_count; i++)
        names[i] = fields[i].name;
    return hint_names(arena, wrong, "fields", names, fields_count);
}

/* --- mappings ------------------------------------------------------------------------------ */

const struct key_slot *slot_find(const struct key_slot *slots, size_t slots_count,
                                 struct bytes name)
{
    for (size_t i = 0; i < slots_count; i++)
        if (bytes_equal_text(name, slots[i].name))
            return &slots[i];
    return NULL;
}

static enum status mistake_unknown_key(const struct parse *parse, const struct node *key,
                                       const char *what, const struct key_slot *slots,
                                       size_t slots_count)
{
    struct bytes *names = ARENA_NEW_ARRAY(parse->arena, slots_count + 1, struct bytes);
    size_t count = 0;
    for (size_t i = 0; i < slots_count; i++)
        if (slots[i].refusal == NULL)
            names[count++] = bytes_of_text(slots[i].name);
    return mistake(parse, key, "%s has no key %s%s", what, quoted(parse->arena, key->text),
                   hint_names(parse->arena, key->text, "keys", names, count));
}

enum status mapping_read(const struct parse *parse, const struct node *node, const char *what,
                         const struct key_slot *slots, size_t slots_count)
{
    if (node->kind != NODE_MAPPING)
        return mistake(parse, node, "found %s; %s is a mapping of its keys", node_kind_name(node),
                       what);
    for (size_t i = 0; i < node->items_count; i += 2) {
        const struct node *key = node->items[i];
        const struct key_slot *slot = slot_find(slots, slots_count, key->text);
        if (slot == NULL)
            return mistake_unknown_key(parse, key, what, slots, slots_count);
        if (slot->refusal != NULL)
            return mistake(parse, key, "found %s; %s", quoted(parse->arena, key->text),
                           slot->refusal);
        *slot->value = node->items[i + 1];
    }
    return STATUS_OK;
}

/* --- texts --------------------------------------------------------------------------------- */

enum status text_read(const struct parse *parse, const struct node *node, const char *what,
                      struct bytes *out)
{
    if (node->kind != NODE_TEXT || node->text.size == 0)
        return mistake(parse, node, "found %s; %s takes a text", node_kind_name(node), what);
    *out = node->text;
    return STATUS_OK;
}

static bool is_space(char letter)
{
    return letter == ' ' || letter == '\n' || letter == '\t' || letter == '\r';
}

struct bytes trimmed(struct bytes text, size_t *skipped)
{
    size_t start = 0;
    while (start < text.size && is_space(text.data[start]))
        start++;
    size_t end = text.size;
    while (end > start && is_space(text.data[end - 1]))
        end--;
    *skipped = start;
    return bytes_of(text.data + start, end - start);
}

enum status name_read(const struct parse *parse, const struct node *node, const char *noun,
                      struct bytes *out)
{
    enum status status = text_read(parse, node, noun, out);
    if (status != STATUS_OK)
        return status;
    if (!name_is_valid(*out))
        return mistake(parse, node,
                       "%s cannot name this %s; a name begins with one of a-z, goes on with a-z, "
                       "0-9 and _, and has at most %d letters",
                       quoted(parse->arena, *out), noun, NAME_SIZE_MAX);
    return STATUS_OK;
}

enum status duration_read(const struct parse *parse, const struct node *node, const char *what,
                          const char *word_for_none, int64_t *out_us)
{
    struct bytes text = {0};
    if (node == NULL)
        return STATUS_OK;
    enum status status = text_read(parse, node, what, &text);
    if (status != STATUS_OK)
        return status;
    if (bytes_equal_text(text, word_for_none)) {
        *out_us = DURATION_NONE;
        return STATUS_OK;
    }
    if (!duration_parse(text, out_us))
        return mistake(parse, node,
                       "%s is no duration; %s takes one like 30d, 1h30m or 250ms, or %s",
                       quoted(parse->arena, text), what, word_for_none);
    return STATUS_OK;
}

enum status word_read(const struct parse *parse, const struct node *node, const char *what,
                      const struct bytes *words, size_t count, size_t *out)
{
    struct bytes text = {0};
    if (node == NULL)
        return STATUS_OK;
    enum status status = text_read(parse, node, what, &text);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(words[i], text)) {
            *out = i;
            return STATUS_OK;
        }
    }
    return mistake(parse, node, "%s does not know %s%s", what, quoted(parse->arena, text),
                   hint_names(parse->arena, text, "words", words, count));
}

/* --- annotations --------------------------------------------------------------------------- */

static enum status annotation_read(const struct parse *parse, const struct node *node,
                                   const char *what, struct bytes *out)
{
    if (node == NULL || node_is_null(node))
        return STATUS_OK;
    if (node->kind != NODE_TEXT)
        return mistake(parse, node, "found %s; %s takes a text", node_kind_name(node), what);
    if (node->text.size > TEXT_SIZE_MAX)
        return mistake_limit(parse, node, "%s has %zu bytes; at most %d are taken", what,
                             node->text.size, TEXT_SIZE_MAX);
    *out = node->text;
    return STATUS_OK;
}

static enum status tag_check(const struct parse *parse, const struct node *key,
                             const struct node *value)
{
    if (value->kind != NODE_TEXT)
        return mistake(parse, value, "found %s; a tag takes a text", node_kind_name(value));
    if (key->text.size == 0 || key->text.size > TAG_KEY_SIZE_MAX)
        return mistake_limit(parse, key, "the name of a tag has %zu bytes; 1 to %d are taken",
                             key->text.size, TAG_KEY_SIZE_MAX);
    if (value->text.size > TAG_VALUE_SIZE_MAX)
        return mistake_limit(parse, value, "a tag has %zu bytes; at most %d are taken",
                             value->text.size, TAG_VALUE_SIZE_MAX);
    return STATUS_OK;
}

static enum status tags_read(const struct parse *parse, const struct node *node,
                             struct annotations *out)
{
    if (node == NULL || node_is_null(node))
        return STATUS_OK;
    if (node->kind != NODE_MAPPING)
        return mistake(parse, node, "found %s; tags are a mapping like {team: risk}",
                       node_kind_name(node));
    if (node->items_count / 2 > TAGS_MAX)
        return mistake_limit(parse, node, "found %zu tags; at most %d are taken",
                             node->items_count / 2, TAGS_MAX);
    struct bytes *tags = ARENA_NEW_ARRAY(parse->arena, node->items_count + 1, struct bytes);
    for (size_t i = 0; i < node->items_count; i += 2) {
        enum status status = tag_check(parse, node->items[i], node->items[i + 1]);
        if (status != STATUS_OK)
            return status;
        tags[i] = node->items[i]->text;
        tags[i + 1] = node->items[i + 1]->text;
    }
    out->tags = tags;
    out->tags_count = node->items_count / 2;
    return STATUS_OK;
}

enum status annotations_read(const struct parse *parse, const struct annotation_nodes *nodes,
                             struct annotations *out)
{
    enum status status =
        annotation_read(parse, nodes->description, "description", &out->description);
    if (status == STATUS_OK)
        status = annotation_read(parse, nodes->owner, "owner", &out->owner);
    if (status == STATUS_OK)
        status = tags_read(parse, nodes->tags, out);
    return status;
}
