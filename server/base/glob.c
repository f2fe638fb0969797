#include "base/glob.h"

/* What stands between '[' and ']' and where the pattern goes on. A class that is not closed ends
 * with the pattern, a range may be written from its larger end: as Redis takes them. */
static bool class_matches(struct bytes pattern, size_t *at, unsigned char byte)
{
    size_t i = *at + 1;
    bool is_negated = i < pattern.size && pattern.data[i] == '^';
    bool is_found = false;
    i += is_negated;
    while (i < pattern.size && pattern.data[i] != ']') {
        if (pattern.data[i] == '\\' && i + 1 < pattern.size) {
            is_found |= (unsigned char)pattern.data[i + 1] == byte;
            i += 2;
        } else if (i + 2 < pattern.size && pattern.data[i + 1] == '-') {
            unsigned char low = (unsigned char)pattern.data[i];
            unsigned char high = (unsigned char)pattern.data[i + 2];
            is_found |= low <= high ? byte >= low && byte <= high : byte >= high && byte <= low;
            i += 3;
        } else {
            is_found |= (unsigned char)pattern.data[i] == byte;
            i++;
        }
    }
    *at = i < pattern.size ? i + 1 : i;
    return is_found != is_negated;
}

/* Whether the element at *at, not a star, matches the byte; moves *at behind it. */
static bool element_matches(struct bytes pattern, size_t *at, char byte)
{
    switch (pattern.data[*at]) {
    case '?':
        (*at)++;
        return true;
    case '[':
        return class_matches(pattern, at, (unsigned char)byte);
    case '\\':
        if (*at + 1 < pattern.size)
            (*at)++;
        break;
    }
    return pattern.data[(*at)++] == byte;
}

/* On a mismatch it is enough to let the last star take one more byte: what an earlier star could
 * take instead, the last one can take as well. */
bool glob_match(struct bytes pattern, struct bytes text)
{
    size_t at = 0;
    size_t i = 0;
    size_t behind_star = 0; /* in the pattern; 0: no star yet */
    size_t star_end = 0;    /* what the last star takes ends here in the text */
    while (i < text.size) {
        if (at < pattern.size && pattern.data[at] == '*') {
            behind_star = ++at;
            star_end = i;
        } else if (at < pattern.size && element_matches(pattern, &at, text.data[i])) {
            i++;
        } else if (behind_star > 0) {
            at = behind_star;
            i = ++star_end;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.data[at] == '*')
        at++;
    return at == pattern.size;
}
