#include "output.h"

#include <inttypes.h>

#include "protocol/protobuf.h"
#include "remote.h"
#include "text.h"

void output_line(struct bytes text)
{
    printf("%.*s\n", BYTES_ARGS(text));
}

void output_table(const struct run *run, const struct table *table, size_t indent)
{
    struct buffer text = {0};
    table_append(table, indent, &run->out, &text);
    fwrite(buffer_bytes(&text).data, 1, text.size, stdout);
    buffer_fini(&text);
}

void output_property(const struct run *run, const char *name, const char *value)
{
    struct buffer text = {0};
    if (value[0] == '\0')
        return;
    text_append_visible(&text, bytes_of_text(value));
    printf("%s%-12s%s%.*s\n", terminal_begin(&run->out, STYLE_BOLD), name, terminal_end(&run->out),
           BYTES_ARGS(buffer_bytes(&text)));
    buffer_fini(&text);
}

enum status output_ask_describe(struct remote *remote, const char *name, bool is_lineage,
                                struct buffer *reply, yajl_val *object, struct error *err)
{
    enum { NAME = 1, LINEAGE = 2 }; /* of DescribeRequest */
    struct buffer request = {0};
    protobuf_append_bytes(&request, NAME, bytes_of_text(name));
    protobuf_append_integer(&request, LINEAGE, is_lineage);
    enum status status = remote_ask(remote, ASOF_METHOD_DESCRIBE, buffer_bytes(&request),
                                    REMOTE_ONLY_FIELD, reply, err);
    if (status == STATUS_OK)
        status = tree_parse(buffer_bytes(reply), object, err);
    buffer_fini(&request);
    return status;
}

enum status output_ask_fills(struct remote *remote, yajl_val *fills, struct error *err)
{
    struct buffer reply = {0};
    enum status status =
        remote_ask(remote, ASOF_METHOD_FILLS, bytes_of(NULL, 0), REMOTE_ONLY_FIELD, &reply, err);
    if (status == STATUS_OK)
        status = tree_parse(buffer_bytes(&reply), fills, err);
    buffer_fini(&reply);
    return status;
}

/* How far the fill of a version is, in percent; -1: not known. */
static int fill_percent(yajl_val fills, const char *view, int64_t number)
{
    for (size_t i = 0; YAJL_IS_ARRAY(fills) && i < fills->u.array.len; i++) {
        yajl_val fill = fills->u.array.values[i];
        int64_t total = tree_number(fill, "events_total");
        if (strcmp(tree_text(fill, "view"), view) == 0 && tree_number(fill, "version") == number)
            return total > 0 ? (int)(tree_number(fill, "events_done") * 100 / total) : 100;
    }
    return -1;
}

void output_append_versions(yajl_val view, yajl_val fills, struct buffer *out)
{
    for (size_t i = 0; i < tree_count(view, "versions"); i++) {
        yajl_val version = tree_item(view, "versions", i);
        int64_t number = tree_number(version, "version");
        int percent = fill_percent(fills, tree_text(view, "name"), number);
        buffer_format(out, "%s%" PRId64 " (%s", i > 0 ? ", " : "", number,
                      tree_text(version, "state"));
        if (percent >= 0)
            buffer_format(out, " %d%%", percent);
        buffer_append_byte(out, ')');
    }
}
