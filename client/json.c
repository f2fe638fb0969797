#include "json.h"

#include <stdlib.h>

enum { PARSE_MESSAGE_SIZE = 256 };

enum status json_parse(struct bytes text, yajl_val *out, struct error *err)
{
    char message[PARSE_MESSAGE_SIZE] = "";
    char *copy = strndup(text.data == NULL ? "" : text.data, text.size);
    *out = yajl_tree_parse(copy, message, sizeof(message));
    free(copy);
    if (*out == NULL)
        return error_set(err, STATUS_CORRUPT, "the server's answer is not JSON: %s", message);
    return STATUS_OK;
}

yajl_val json_member(yajl_val object, const char *name)
{
    const char *path[] = {name, NULL};
    return YAJL_IS_OBJECT(object) ? yajl_tree_get(object, path, yajl_t_any) : NULL;
}

const char *json_text(yajl_val object, const char *name)
{
    return json_as_text(json_member(object, name));
}

int64_t json_number(yajl_val object, const char *name)
{
    yajl_val value = json_member(object, name);
    return YAJL_IS_INTEGER(value) ? YAJL_GET_INTEGER(value) : 0;
}

size_t json_count(yajl_val object, const char *name)
{
    yajl_val value = json_member(object, name);
    return YAJL_IS_ARRAY(value) ? value->u.array.len : 0;
}

yajl_val json_item(yajl_val object, const char *name, size_t i)
{
    return i < json_count(object, name) ? json_member(object, name)->u.array.values[i] : NULL;
}

void json_append_joined(yajl_val object, const char *name, struct buffer *out)
{
    for (size_t i = 0; i < json_count(object, name); i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        buffer_append_text(out, json_as_text(json_item(object, name, i)));
    }
}

const char *json_as_text(yajl_val value)
{
    if (YAJL_IS_STRING(value))
        return YAJL_GET_STRING(value);
    if (YAJL_IS_NUMBER(value))
        return YAJL_GET_NUMBER(value);
    if (YAJL_IS_TRUE(value))
        return "true";
    return YAJL_IS_FALSE(value) ? "false" : "";
}
