#include "tree.h"

#include <stdlib.h>

enum { PARSE_MESSAGE_SIZE = 256 };

enum status tree_parse(struct bytes text, yajl_val *out, struct error *err)
{
    char message[PARSE_MESSAGE_SIZE] = "";
    char *copy = strndup(text.data == NULL ? "" : text.data, text.size);
    *out = yajl_tree_parse(copy, message, sizeof(message));
    free(copy);
    if (*out == NULL)
        return error_set(err, STATUS_CORRUPT, "the server's answer is not JSON: %s", message);
    return STATUS_OK;
}

yajl_val tree_member(yajl_val object, const char *name)
{
    const char *path[] = {name, NULL};
    return YAJL_IS_OBJECT(object) ? yajl_tree_get(object, path, yajl_t_any) : NULL;
}

const char *tree_text(yajl_val object, const char *name)
{
    return tree_as_text(tree_member(object, name));
}

int64_t tree_number(yajl_val object, const char *name)
{
    yajl_val value = tree_member(object, name);
    return YAJL_IS_INTEGER(value) ? YAJL_GET_INTEGER(value) : 0;
}

size_t tree_count(yajl_val object, const char *name)
{
    yajl_val value = tree_member(object, name);
    return YAJL_IS_ARRAY(value) ? value->u.array.len : 0;
}

yajl_val tree_item(yajl_val object, const char *name, size_t i)
{
    return i < tree_count(object, name) ? tree_member(object, name)->u.array.values[i] : NULL;
}

void tree_append_joined(yajl_val object, const char *name, struct buffer *out)
{
    for (size_t i = 0; i < tree_count(object, name); i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        buffer_append_text(out, tree_as_text(tree_item(object, name, i)));
    }
}

const char *tree_as_text(yajl_val value)
{
    if (YAJL_IS_STRING(value))
        return YAJL_GET_STRING(value);
    if (YAJL_IS_NUMBER(value))
        return YAJL_GET_NUMBER(value);
    if (YAJL_IS_TRUE(value))
        return "true";
    return YAJL_IS_FALSE(value) ? "false" : "";
}
