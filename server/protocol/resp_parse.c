#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "protocol/resp.h"

enum {
    ARGUMENTS_CAPACITY_MIN = 16,
    ARGUMENTS_CAPACITY_KEEP = 1024, /* a larger array is given back after its request */
    UNQUOTED_KEEP = 4096,
};

_Static_assert(sizeof(union resp_argument) == sizeof(struct bytes),
               "an array of places becomes an array of bytes");

void resp_parser_fini(struct resp_parser *parser)
{
    free(parser->arguments);
    buffer_fini(&parser->unquoted);
    *parser = (struct resp_parser){0};
}

/* Ready for the next request; the memory stays, unless it grew large. */
static void parser_restart(struct resp_parser *parser)
{
    parser->offset = 0;
    parser->scanned = 0;
    parser->expected = 0;
    parser->has_bulk_size = false;
    parser->is_done = false;
    parser->arguments_count = 0;
    if (parser->arguments_capacity > ARGUMENTS_CAPACITY_KEEP) {
        free(parser->arguments);
        parser->arguments = NULL;
        parser->arguments_capacity = 0;
    }
}

static enum resp_result parser_break(struct resp_parser *parser, const char *problem)
{
    parser->is_done = true;
    snprintf(parser->problem, sizeof(parser->problem), "Protocol error: %s", problem);
    return RESP_BROKEN;
}

static void parser_add_argument(struct resp_parser *parser, size_t offset, size_t size)
{
    if (parser->arguments_count == parser->arguments_capacity) {
        size_t capacity = parser->arguments_capacity * 2;
        if (capacity == 0)
            capacity = ARGUMENTS_CAPACITY_MIN;
        parser->arguments = reallocarray(parser->arguments, capacity, sizeof(*parser->arguments));
        CHECK(parser->arguments != NULL);
        parser->arguments_capacity = capacity;
    }
    union resp_argument *argument = &parser->arguments[parser->arguments_count++];
    argument->place.offset = offset;
    argument->place.size = size;
}

/* The arguments as bytes: places in base become pointers into it. */
static void parser_finish(struct resp_parser *parser, const char *base,
                          struct resp_request *request)
{
    for (size_t i = 0; i < parser->arguments_count; i++) {
        union resp_argument *argument = &parser->arguments[i];
        size_t offset = argument->place.offset;
        size_t size = argument->place.size;
        argument->bytes = bytes_of(size == 0 ? "" : base + offset, size);
    }
    request->count = parser->arguments_count;
    request->arguments = request->count == 0 ? NULL : &parser->arguments[0].bytes;
}

/* As Redis's string2ll: an optional '-', no '+', no leading zeros, no spaces. */
static bool line_parse_int(struct bytes line, int64_t *out)
{
    bool is_negative = line.size > 0 && line.data[0] == '-';
    struct bytes digits = bytes_after(line, is_negative ? 1 : 0);
    enum { DIGITS_MAX = 18 }; /* far beyond every limit here, and no overflow */
    if (digits.size == 0 || digits.size > DIGITS_MAX)
        return false;
    if (digits.data[0] == '0' && line.size > 1)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        value = value * 10 + (digits.data[i] - '0');
    }
    *out = is_negative ? -value : value;
    return true;
}

/* Finds end behind parser->offset and sets *size to the bytes before it. As in Redis, a line is a C
 * string: what lies behind a NUL is not seen, so such a line never ends. */
static bool parser_find(struct resp_parser *parser, struct bytes input, char end, size_t *size)
{
    struct bytes rest = bytes_after(input, parser->offset);
    const char *from = rest.data + parser->scanned;
    size_t left = rest.size - parser->scanned;
    const char *found = left == 0 ? NULL : memchr(from, end, left);
    size_t searched = found == NULL ? left : (size_t)(found - from);
    const char *nul = searched == 0 ? NULL : memchr(from, '\0', searched);
    if (nul != NULL || found == NULL) {
        parser->scanned += nul == NULL ? left : (size_t)(nul - from);
        return false;
    }
    *size = parser->scanned + searched;
    return true;
}

/* The line at parser->offset, which ends by CR and any byte; offset moves behind it. */
static enum resp_result parser_take_line(struct resp_parser *parser, struct bytes input,
                                         const char *too_big, struct bytes *line)
{
    struct bytes rest = bytes_after(input, parser->offset);
    size_t size;
    if (!parser_find(parser, input, '\r', &size)) {
        if (rest.size > RESP_LINE_SIZE_MAX)
            return parser_break(parser, too_big);
        return RESP_INCOMPLETE;
    }
    if (rest.size < size + 2)
        return RESP_INCOMPLETE;
    *line = bytes_of(rest.data, size);
    parser->offset += size + 2;
    parser->scanned = 0;
    return RESP_COMPLETE;
}

/* ---- multibulk ---- */

/* "*3": leaves parser->expected at 0 for a request without arguments. */
static enum resp_result parser_take_count(struct resp_parser *parser, struct bytes input)
{
    struct bytes line;
    enum resp_result result = parser_take_line(parser, input, "too big mbulk count string", &line);
    if (result != RESP_COMPLETE)
        return result;
    int64_t count;
    if (!line_parse_int(bytes_after(line, 1), &count) || count > RESP_ARGUMENTS_MAX)
        return parser_break(parser, "invalid multibulk length");
    parser->expected = count > 0 ? (size_t)count : 0;
    return RESP_COMPLETE;
}

/* "$5" */
static enum resp_result parser_take_bulk_size(struct resp_parser *parser, struct bytes input)
{
    struct bytes line;
    size_t begin = parser->offset;
    enum resp_result result = parser_take_line(parser, input, "too big bulk count string", &line);
    if (result != RESP_COMPLETE)
        return result;
    if (input.data[begin] != '$') {
        char problem[] = "expected '$', got '?'";
        problem[sizeof(problem) - 3] = input.data[begin];
        return parser_break(parser, problem);
    }
    int64_t size;
    if (!line_parse_int(bytes_after(line, 1), &size) || size < 0 || size > RESP_BULK_SIZE_MAX)
        return parser_break(parser, "invalid bulk length");
    if (parser->offset + (size_t)size > RESP_REQUEST_SIZE_MAX)
        return parser_break(parser, "request larger than 64 MiB");
    parser->bulk_size = (size_t)size;
    parser->has_bulk_size = true;
    return RESP_COMPLETE;
}

static enum resp_result parser_take_bulks(struct resp_parser *parser, struct bytes input)
{
    while (parser->expected > 0) {
        if (!parser->has_bulk_size) {
            enum resp_result result = parser_take_bulk_size(parser, input);
            if (result != RESP_COMPLETE)
                return result;
        }
        /* The two bytes behind the argument are counted, not compared: so does Redis. */
        if (input.size - parser->offset < parser->bulk_size + 2)
            return RESP_INCOMPLETE;
        parser_add_argument(parser, parser->offset, parser->bulk_size);
        parser->offset += parser->bulk_size + 2;
        parser->has_bulk_size = false;
        parser->expected--;
    }
    return RESP_COMPLETE;
}

/* ---- inline ---- */

static bool is_blank(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool ends_word(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* The byte that an escape in double quotes stands for; *at is at the backslash, then at its end. */
static char unescape(struct bytes line, size_t *at)
{
    static const char letters[] = "nrtba";
    static const char meanings[] = "\n\r\t\b\a";
    size_t i = *at + 1;
    if (line.data[i] == 'x' && i + 2 < line.size && hex_digit(line.data[i + 1]) >= 0 &&
        hex_digit(line.data[i + 2]) >= 0) {
        *at = i + 2;
        return (char)(hex_digit(line.data[i + 1]) * 16 + hex_digit(line.data[i + 2]));
    }
    *at = i;
    const char *letter = strchr(letters, line.data[i]);
    return letter == NULL ? line.data[i] : meanings[letter - letters];
}

/* A quoted part; *at is at the opening quote, then behind the closing one. false: it is not closed,
 * or something other than a blank follows. */
static bool inline_take_quoted(struct bytes line, size_t *at, struct buffer *out)
{
    char quote = line.data[*at];
    for (size_t i = *at + 1; i < line.size; i++) {
        char byte = line.data[i];
        if (byte == quote) {
            *at = i + 1;
            return i + 1 == line.size || is_blank(line.data[i + 1]);
        }
        if (byte == '\\' && i + 1 < line.size) {
            if (quote == '"')
                byte = unescape(line, &i);
            else if (line.data[i + 1] == '\'')
                byte = line.data[++i];
        }
        buffer_append_byte(out, byte);
    }
    return false;
}

/* A word; *at is at its first byte, then behind it. */
static bool inline_take_word(struct bytes line, size_t *at, struct buffer *out)
{
    while (*at < line.size && !ends_word(line.data[*at])) {
        if (line.data[*at] == '"' || line.data[*at] == '\'')
            return inline_take_quoted(line, at, out);
        buffer_append_byte(out, line.data[*at]);
        (*at)++;
    }
    return true;
}

/* "HGET key 'a field'": words, which may be quoted as in redis-cli, up to a LF. */
static enum resp_result parser_take_inline(struct resp_parser *parser, struct bytes input)
{
    size_t size;
    if (!parser_find(parser, input, '\n', &size)) {
        if (input.size - parser->offset > RESP_LINE_SIZE_MAX)
            return parser_break(parser, "too big inline request");
        return RESP_INCOMPLETE;
    }
    struct bytes line = bytes_of(input.data + parser->offset, size);
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    parser->offset += size + 1;
    parser->scanned = 0;

    buffer_reset(&parser->unquoted, UNQUOTED_KEEP);
    size_t at = 0;
    while (true) {
        while (at < line.size && is_blank(line.data[at]))
            at++;
        if (at == line.size)
            return RESP_COMPLETE;
        size_t begin = parser->unquoted.size;
        if (!inline_take_word(line, &at, &parser->unquoted))
            return parser_break(parser, "unbalanced quotes in request");
        parser_add_argument(parser, begin, parser->unquoted.size - begin);
    }
}

/* ---- both ---- */

/* One request or one empty line. */
static enum resp_result parser_take(struct resp_parser *parser, struct bytes input,
                                    struct resp_request *request)
{
    if (parser->expected == 0 && input.data[0] == '\0') /* so begins a light frame */
        return parser_break(parser, "RPC has a port of its own");
    if (parser->expected == 0 && input.data[0] != '*') {
        enum resp_result result = parser_take_inline(parser, input);
        if (result == RESP_COMPLETE)
            parser_finish(parser, parser->unquoted.memory, request);
        return result;
    }
    if (parser->expected == 0) {
        enum resp_result result = parser_take_count(parser, input);
        if (result != RESP_COMPLETE)
            return result;
    }
    enum resp_result result = parser_take_bulks(parser, input);
    if (result == RESP_COMPLETE)
        parser_finish(parser, input.data, request);
    return result;
}

enum resp_result resp_parse(struct resp_parser *parser, struct bytes input,
                            struct resp_request *request, size_t *consumed)
{
    *consumed = 0;
    *request = (struct resp_request){0};
    if (parser->is_done)
        parser_restart(parser);
    while (*consumed < input.size) {
        enum resp_result result = parser_take(parser, bytes_after(input, *consumed), request);
        if (result != RESP_COMPLETE)
            return result;
        *consumed += parser->offset;
        parser->is_done = true;
        if (request->count > 0)
            return RESP_COMPLETE;
        parser_restart(parser);
    }
    return RESP_INCOMPLETE;
}
