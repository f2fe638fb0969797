#include "registry/node.h"

#include <stdio.h>
#include <yaml.h>

#include "base/check.h"
#include "base/map.h"

enum { FILE_SHOWN_MAX = 256, TEXT_SHOWN_MAX = 48 };

/* A node inside a list or mapping that is not closed yet. */
struct cell {
    struct node *node;
    struct cell *next;
};

struct frame {
    struct node *node; /* NULL: the document itself */
    struct cell *first;
    struct cell **end;
    size_t count;
};

/* Builds the tree from libyaml's events rather than by its loader, whose time grows with the square
 * of open brackets and of anchors. */
struct reader {
    struct bytes file;
    struct bytes text;
    struct arena *arena;
    struct arena *scratch;
    struct error *err;
    yaml_parser_t parser;
    struct map *anchors; /* of the document at hand: name to node */
    struct frame frames[NODE_DEPTH_MAX + 2];
    size_t depth; /* frames that are open */
    size_t nodes_count;
};

static enum status fail_at(const struct reader *reader, enum status status, const yaml_mark_t *mark,
                           const char *sentence)
{
    char file[FILE_SHOWN_MAX];
    return error_set(reader->err, status, "%s:%zu:%zu: %s",
                     bytes_to_text(reader->file, file, sizeof(file)), mark->line + 1,
                     mark->column + 1, sentence);
}

/* --- one node ------------------------------------------------------------------------------ */

static size_t letters_count(struct bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

/* A text that takes as many letters in the file as it has (and two quotes), stands there letter
 * for letter: an escape or a fold would have taken more. */
static uint32_t text_column_of(const yaml_event_t *event, struct bytes text)
{
    yaml_scalar_style_t style = event->data.scalar.style;
    bool is_block = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
    size_t quotes = style == YAML_PLAIN_SCALAR_STYLE ? 0 : 1;
    if (is_block || event->start_mark.line != event->end_mark.line)
        return 0;
    size_t letters = event->end_mark.column - event->start_mark.column;
    if (letters != letters_count(text) + 2 * quotes)
        return 0;
    return (uint32_t)(event->start_mark.column + 1 + quotes);
}

static bool tag_is_known(const unsigned char *tag)
{
    static const char *const tags[] = {"!",           YAML_STR_TAG,  YAML_SEQ_TAG, YAML_MAP_TAG,
                                       YAML_NULL_TAG, YAML_BOOL_TAG, YAML_INT_TAG, YAML_FLOAT_TAG};
    if (tag == NULL)
        return true;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        if (strcmp((const char *)tag, tags[i]) == 0)
            return true;
    return false;
}

/* Hangs the node into what is open, and remembers it under its anchor. */
static enum status node_hang(struct reader *reader, const yaml_event_t *event, struct node *node)
{
    struct frame *frame = &reader->frames[reader->depth - 1];
    struct cell *cell = ARENA_NEW(reader->scratch, struct cell);
    if (++reader->nodes_count > NODES_MAX)
        return fail_at(reader, STATUS_LIMIT, &event->start_mark,
                       "found too much for one file; split it");
    cell->node = node;
    *frame->end = cell;
    frame->end = &cell->next;
    frame->count++;
    return STATUS_OK;
}

static enum status node_add(struct reader *reader, const yaml_event_t *event,
                            const unsigned char *tag, const unsigned char *anchor,
                            struct node **out)
{
    struct node *node = ARENA_NEW(reader->scratch, struct node);
    node->file = reader->file;
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    *out = node;
    if (!tag_is_known(tag))
        return fail_at(reader, STATUS_INVALID, &event->start_mark,
                       "found a tag of YAML (!...); definitions have none, leave it out");
    if (anchor != NULL) {
        struct bytes name = arena_copy(reader->scratch, bytes_of_text((const char *)anchor));
        if (!map_put(reader->anchors, name, node))
            return fail_at(reader, STATUS_INVALID, &event->start_mark,
                           "found an anchor (&) of a name that another has; rename one");
    }
    return node_hang(reader, event, node);
}

static enum status text_add(struct reader *reader, const yaml_event_t *event)
{
    struct bytes text = bytes_of(event->data.scalar.value, event->data.scalar.length);
    struct node *node = NULL;
    enum status status =
        node_add(reader, event, event->data.scalar.tag, event->data.scalar.anchor, &node);
    if (status != STATUS_OK)
        return status;
    node->kind = NODE_TEXT;
    node->text = arena_copy(reader->arena, text);
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text_column = text_column_of(event, text);
    return STATUS_OK;
}

static bool node_is_open(const struct reader *reader, const struct node *node)
{
    for (size_t i = 0; i < reader->depth; i++)
        if (reader->frames[i].node == node)
            return true;
    return false;
}

static enum status alias_add(struct reader *reader, const yaml_event_t *event)
{
    struct bytes name = bytes_of_text((const char *)event->data.alias.anchor);
    struct node *node = map_get(reader->anchors, name);
    if (node == NULL)
        return fail_at(reader, STATUS_INVALID, &event->start_mark,
                       "found an alias (*) of an anchor (&) that does not stand before it");
    if (node_is_open(reader, node))
        return fail_at(reader, STATUS_INVALID, &event->start_mark,
                       "found an alias (*) inside the anchor (&) that it names; write out what is "
                       "meant");
    return node_hang(reader, event, node);
}

/* --- lists and mappings -------------------------------------------------------------------- */

static void frame_open(struct reader *reader, struct node *node)
{
    struct frame *frame = &reader->frames[reader->depth++];
    *frame = (struct frame){.node = node};
    frame->end = &frame->first;
}

static enum status collection_begin(struct reader *reader, const yaml_event_t *event)
{
    bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
    struct node *node = NULL;
    enum status status = is_list ? node_add(reader, event, event->data.sequence_start.tag,
                                            event->data.sequence_start.anchor, &node)
                                 : node_add(reader, event, event->data.mapping_start.tag,
                                            event->data.mapping_start.anchor, &node);
    if (status != STATUS_OK)
        return status;
    node->kind = is_list ? NODE_LIST : NODE_MAPPING;
    if (reader->depth > NODE_DEPTH_MAX)
        return fail_at(reader, STATUS_LIMIT, &event->start_mark,
                       "found mappings or lists nested too deep; no definition needs this");
    frame_open(reader, node);
    return STATUS_OK;
}

static enum status fail_at_key(const struct reader *reader, const struct node *key,
                               const char *sentence)
{
    yaml_mark_t mark = {.line = key->line - 1, .column = key->column - 1};
    return fail_at(reader, STATUS_INVALID, &mark, sentence);
}

static enum status key_check(const struct reader *reader, struct map *seen, struct node *key)
{
    char shown[TEXT_SHOWN_MAX];
    char sentence[TEXT_SHOWN_MAX + 80];
    if (key->kind != NODE_TEXT)
        return fail_at_key(reader, key, "found a list or a mapping as a key; a key must be a text");
    if (map_put(seen, key->text, key))
        return STATUS_OK;
    const struct node *first = map_get(seen, key->text);
    snprintf(sentence, sizeof(sentence), "'%s' stands here twice, first in line %u; leave one out",
             bytes_to_text(key->text, shown, sizeof(shown)), first->line);
    return fail_at_key(reader, key, sentence);
}

/* Gives the node what was collected. Cells alternate between keys and values in a mapping. */
static enum status collection_end(struct reader *reader)
{
    struct frame *frame = &reader->frames[--reader->depth];
    struct node *node = frame->node;
    enum status status = STATUS_OK;
    node->items_count = frame->count;
    node->items = (const struct node **)arena_allocate_array(reader->scratch, frame->count + 1,
                                                             sizeof(struct node *));
    struct map *seen = map_create();
    size_t i = 0;
    for (struct cell *cell = frame->first; cell != NULL && status == STATUS_OK; cell = cell->next) {
        if (node->kind == NODE_MAPPING && i % 2 == 0)
            status = key_check(reader, seen, cell->node);
        node->items[i++] = cell->node;
    }
    map_destroy(&seen);
    return status;
}

/* --- documents ----------------------------------------------------------------------------- */

/* A reader error of libyaml (bytes that are no text) has an offset instead of a line. */
static enum status fail_by_yaml(const struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_READER_ERROR) {
        mark = (yaml_mark_t){0};
        for (size_t i = 0; i < parser->problem_offset && i < reader->text.size; i++) {
            bool is_newline = reader->text.data[i] == '\n';
            mark.line += is_newline;
            mark.column = is_newline ? 0 : mark.column + 1;
        }
    }
    char sentence[ERROR_TEXT_SIZE / 2];
    snprintf(sentence, sizeof(sentence),
             "this is not YAML: %s%s%s; mind the indentation, and quote texts that hold ': ' or "
             "' #' or begin with a special letter",
             parser->problem == NULL ? "out of memory" : parser->problem,
             parser->context == NULL ? "" : " ", parser->context == NULL ? "" : parser->context);
    return fail_at(reader, STATUS_INVALID, &mark, sentence);
}

static enum status event_take(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return text_add(reader, event);
    case YAML_ALIAS_EVENT:
        return alias_add(reader, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return collection_begin(reader, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return collection_end(reader);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return STATUS_OK;
}

/* Reads up to the end of the next document; *root is NULL at the end of the text. */
static enum status document_read(struct reader *reader, const struct node **root)
{
    enum status status = STATUS_OK;
    bool is_over = false;
    reader->depth = 0;
    frame_open(reader, NULL);
    while (status == STATUS_OK && !is_over) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event))
            return fail_by_yaml(reader);
        status = event_take(reader, &event);
        is_over = event.type == YAML_DOCUMENT_END_EVENT || event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    const struct cell *first = reader->frames[0].first;
    *root = first == NULL ? NULL : first->node;
    return status;
}

static enum status documents_read_all(struct reader *reader, struct document **out)
{
    for (;;) {
        struct document *made = ARENA_NEW(reader->scratch, struct document);
        reader->anchors = map_create();
        enum status status = document_read(reader, &made->root);
        map_destroy(&reader->anchors);
        if (status != STATUS_OK || made->root == NULL)
            return status;
        *out = made;
        out = &made->next;
    }
}

enum status documents_read(struct bytes file, struct bytes text, struct arena *arena,
                           struct arena *scratch, struct document **out, struct error *err)
{
    static const struct bytes byte_order_mark = {.data = "\xef\xbb\xbf", .size = 3};
    if (bytes_start_with(text, byte_order_mark))
        text = bytes_after(text, byte_order_mark.size);
    struct reader reader = {
        .file = file, .text = text, .arena = arena, .scratch = scratch, .err = err};
    *out = NULL;
    CHECK(yaml_parser_initialize(&reader.parser));
    yaml_parser_set_input_string(
        &reader.parser, (const unsigned char *)(text.size == 0 ? "" : text.data), text.size);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    enum status status = documents_read_all(&reader, out);
    yaml_parser_delete(&reader.parser);
    return status;
}

/* --- looking at a node --------------------------------------------------------------------- */

bool node_is_null(const struct node *node)
{
    return node->kind == NODE_TEXT && node->is_plain &&
           (node->text.size == 0 || bytes_equal_text(node->text, "~") ||
            bytes_equal_text(node->text, "null"));
}

const struct node *node_get(const struct node *mapping, const char *key)
{
    for (size_t i = 0; mapping->kind == NODE_MAPPING && i < mapping->items_count; i += 2)
        if (bytes_equal_text(mapping->items[i]->text, key))
            return mapping->items[i + 1];
    return NULL;
}

const char *node_kind_name(const struct node *node)
{
    static const char *const names[] = {
        [NODE_TEXT] = "a text", [NODE_LIST] = "a list", [NODE_MAPPING] = "a mapping"};
    if (node_is_null(node))
        return "nothing";
    if (node->kind == NODE_TEXT && node->text.size == 0)
        return "an empty text";
    return names[node->kind];
}

enum status node_error(const struct node *node, size_t offset, enum status status,
                       struct error *err, const char *format, va_list arguments)
{
    char file[FILE_SHOWN_MAX];
    char sentence[ERROR_TEXT_SIZE];
    size_t column = node->column;
    if (offset > 0 && offset <= node->text.size && node->text_column > 0)
        column = node->text_column + letters_count(bytes_of(node->text.data, offset));
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    return error_set(err, status, "%s:%u:%zu: %s", bytes_to_text(node->file, file, sizeof(file)),
                     node->line, column, sentence);
}
