#include "output.h"

#include <inttypes.h>

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

void output_append_versions(yajl_val view, struct buffer *out)
{
    int64_t active = tree_number(view, "active");
    for (size_t i = 0; i < tree_count(view, "versions"); i++) {
        yajl_val version = tree_item(view, "versions", i);
        int64_t number = tree_number(version, "version");
        const char *state = tree_text(version, "state");
        buffer_format(out, "%s%" PRId64, i > 0 ? ", " : "", number);
        if (number == active)
            buffer_append_text(out, " (active)");
        else if (strcmp(state, "live") != 0)
            buffer_format(out, " (%s)", state);
    }
}
