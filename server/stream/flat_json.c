#include "stream/flat_json.h"

#include <endian.h>

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

struct flat_json flat_json_begin(struct bytes text)
{
    return (struct flat_json){.at = text.data, .end = text.data + text.size};
}

static void skip_space(struct flat_json *json)
{
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r'))
        json->at++;
}

/* Steps over the byte if it is the next one. */
static bool take_byte(struct flat_json *json, char byte)
{
    if (json->at == json->end || *json->at != byte)
        return false;
    json->at++;
    return true;
}

/* Marks the top bit of the word's first byte that is a '"' or below ' '; above that byte others may
 * be marked, too. 0: there is none, as mostly. */
static uint64_t mark_ends(uint64_t word)
{
    uint64_t quotes = word ^ EACH_BYTE('"');
    uint64_t is_quote = (quotes - EACH_BYTE(1)) & ~quotes;
    uint64_t is_control = (word - EACH_BYTE(' ')) & ~word;
    return (is_quote | is_control) & EACH_BYTE(0x80);
}

/* The first '"' or control character from at on, or the end. */
static const char *find_string_end(const char *at, const char *end)
{
    while (end - at >= (ptrdiff_t)sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        uint64_t marks = mark_ends(le64toh(word));
        if (marks != 0)
            return at + __builtin_ctzll(marks) / 8;
        at += sizeof(word);
    }
    while (at < end && *at != '"' && (unsigned char)*at >= ' ')
        at++;
    return at;
}

static bool take_string(struct flat_json *json, struct bytes *out)
{
    if (!take_byte(json, '"'))
        return false;
    const char *begin = json->at;
    json->at = find_string_end(begin, json->end);
    *out = bytes_of(begin, (size_t)(json->at - begin));
    return take_byte(json, '"');
}

/* Steps over digits; false where there are none. */
static bool take_digits(struct flat_json *json)
{
    const char *begin = json->at;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
        json->at++;
    return json->at > begin;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static bool take_number(struct flat_json *json, struct bytes *out)
{
    const char *begin = json->at;
    take_byte(json, '-');
    if (!take_byte(json, '0') && !take_digits(json))
        return false;
    if (take_byte(json, '.') && !take_digits(json))
        return false;
    if (take_byte(json, 'e') || take_byte(json, 'E')) {
        if (!take_byte(json, '+'))
            take_byte(json, '-');
        if (!take_digits(json))
            return false;
    }
    *out = bytes_of(begin, (size_t)(json->at - begin));
    return true;
}

static bool take_word(struct flat_json *json, const char *word)
{
    struct bytes left = bytes_of(json->at, (size_t)(json->end - json->at));
    if (!bytes_start_with(left, bytes_of_text(word)))
        return false;
    json->at += strlen(word);
    return true;
}

static bool take_scalar(struct flat_json *json, struct raw_value *value)
{
    *value = (struct raw_value){0};
    switch (json->at < json->end ? *json->at : '\0') {
    case '"':
        value->kind = RAW_STRING;
        return take_string(json, &value->text);
    case 't':
        value->kind = RAW_TRUE;
        return take_word(json, "true");
    case 'f':
        value->kind = RAW_FALSE;
        return take_word(json, "false");
    case 'n':
        value->kind = RAW_NULL;
        return take_word(json, "null");
    default:
        value->kind = RAW_NUMBER;
        return take_number(json, &value->text);
    }
}

static enum flat_result end_or_other(struct flat_json *json)
{
    skip_space(json);
    return json->at == json->end ? FLAT_END : FLAT_OTHER;
}

enum flat_result flat_json_next(struct flat_json *json, struct bytes *key, struct raw_value *value)
{
    bool is_first = !json->is_begun;
    json->is_begun = true;
    skip_space(json);
    if (is_first && !take_byte(json, '{'))
        return FLAT_OTHER;
    skip_space(json);
    if (take_byte(json, '}'))
        return end_or_other(json);
    if (!is_first && !take_byte(json, ','))
        return FLAT_OTHER;
    skip_space(json);
    if (!take_string(json, key))
        return FLAT_OTHER;
    skip_space(json);
    if (!take_byte(json, ':'))
        return FLAT_OTHER;
    skip_space(json);
    return take_scalar(json, value) ? FLAT_MEMBER : FLAT_OTHER;
}
