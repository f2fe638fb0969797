/* JSON: how rows and descriptions are written. What comes out is JSON for programs, and YAML that
 * libyaml reads back to the same texts. Thread: any. */
#ifndef ASOF_REGISTRY_JSON_H
#define ASOF_REGISTRY_JSON_H

#include "base/buffer.h"

/* A comma if something stands before in this list or object. */
void json_comma(struct buffer *out);

/* The comma and the name of a member of an object; its value is to be appended next. */
void json_name(struct buffer *out, const char *name);
void json_name_bytes(struct buffer *out, struct bytes name);

/* A text (UTF-8). YAML takes less than JSON does without an escape: no U+007F to U+009F, no line
 * ends of Unicode, no byte order mark, no non-characters. */
void json_text(struct buffer *out, struct bytes text);

/* A member whose value is a text; null where that is empty. */
void json_member_text(struct buffer *out, const char *name, struct bytes text);
void json_member_text_or_null(struct buffer *out, const char *name, struct bytes text);

/* A member whose value is a duration as it is typed ("1h"), or null for DURATION_NONE. */
void json_member_duration(struct buffer *out, const char *name, int64_t duration_us);

#endif
