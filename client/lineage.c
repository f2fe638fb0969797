#include "lineage.h"

#include <stdio.h>

#include "text.h"

/* ---- a tree ---- */

static void print_visible(const char *text)
{
    struct buffer visible = {0};
    text_append_visible(&visible, bytes_of_text(text));
    printf("%.*s", BYTES_ARGS(buffer_bytes(&visible)));
    buffer_fini(&visible);
}

/* "payments (pushed)", "payments (Kafka topic payments)" */
static void print_source(yajl_val feature)
{
    const char *topic = tree_text(feature, "topic");
    print_visible(tree_text(feature, "source"));
    printf("%s%s)", topic[0] == '\0' ? " (pushed" : " (Kafka topic ", topic);
}

/* "card_payments@2.payments_5m <- payments (pushed)" or "card_risk@1.ratio = expression". */
static void print_feature(yajl_val feature)
{
    const char *expression = tree_text(feature, "expression");
    printf("%s.%s", tree_text(feature, "view"), tree_text(feature, "name"));
    if (expression[0] != '\0') {
        printf(" = ");
        print_visible(expression);
    } else if (tree_text(feature, "source")[0] != '\0') {
        printf("  <-  ");
        print_source(feature);
    } else {
        printf("  (not there)");
    }
    putchar('\n');
}

static void print_tree(yajl_val lineage)
{
    const char *lack = tree_text(lineage, "lack");
    size_t count = tree_count(lineage, "features");
    printf("%s (%s)\n", tree_text(lineage, "view"), tree_text(lineage, "kind"));
    if (lack[0] != '\0')
        printf("%s\n", lack);
    for (size_t i = 0; i < count; i++) {
        yajl_val feature = tree_item(lineage, "features", i);
        size_t reads_count = tree_count(feature, "reads");
        printf(i + 1 < count ? "├─ " : "└─ ");
        print_feature(feature);
        for (size_t j = 0; j < reads_count; j++) {
            printf("%s%s", i + 1 < count ? "│  " : "   ", j + 1 < reads_count ? "├─ " : "└─ ");
            print_feature(tree_item(feature, "reads", j));
        }
    }
}

/* ---- a flowchart ---- */

/* The lines that were drawn: what several features share is drawn once. */
struct chart {
    struct buffer lines;
};

static void draw(struct chart *chart, struct buffer *line)
{
    struct bytes text;
    buffer_append_byte(line, '\n');
    text = buffer_bytes(line);
    struct bytes drawn = buffer_bytes(&chart->lines);
    if (drawn.size == 0 || memmem(drawn.data, drawn.size, text.data, text.size) == NULL)
        buffer_append(&chart->lines, text);
    buffer_fini(line);
}

/* An identifier of Mermaid for a name as "card_payments@2". */
static void append_id(struct buffer *line, const char *prefix, const char *name)
{
    buffer_format(line, "%s_", prefix);
    for (; *name != '\0'; name++)
        buffer_append_byte(line, *name == '@' ? '_' : *name);
}

static void append_view(struct buffer *line, const char *view, const char *kind)
{
    bool is_service = strcmp(kind, "service") == 0;
    append_id(line, "view", view);
    buffer_format(line, is_service ? "([\"%s\"])" : "[\"%s\"]", view);
}

/* "view -->|feature| reader" */
static void draw_feature(struct chart *chart, yajl_val feature, const char *reader,
                         const char *reader_kind)
{
    struct buffer line = {0};
    buffer_append_text(&line, "    ");
    append_view(&line, tree_text(feature, "view"), tree_text(feature, "kind"));
    buffer_format(&line, " -->|%s| ", tree_text(feature, "name"));
    append_view(&line, reader, reader_kind);
    draw(chart, &line);
}

static void draw_source(struct chart *chart, yajl_val feature)
{
    struct buffer line = {0};
    const char *source = tree_text(feature, "source");
    if (source[0] == '\0')
        return;
    buffer_append_text(&line, "    ");
    append_id(&line, "source", source);
    buffer_format(&line, "[(\"%s\")] --> ", source);
    append_view(&line, tree_text(feature, "view"), tree_text(feature, "kind"));
    draw(chart, &line);
}

static void print_chart(yajl_val lineage)
{
    struct chart chart = {0};
    const char *view = tree_text(lineage, "view");
    const char *kind = tree_text(lineage, "kind");
    for (size_t i = 0; i < tree_count(lineage, "features"); i++) {
        yajl_val feature = tree_item(lineage, "features", i);
        const char *from = tree_text(feature, "view");
        draw_source(&chart, feature);
        for (size_t j = 0; j < tree_count(feature, "reads"); j++) {
            yajl_val input = tree_item(feature, "reads", j);
            draw_source(&chart, input);
            draw_feature(&chart, input, from, tree_text(feature, "kind"));
        }
        if (strcmp(from, view) != 0)
            draw_feature(&chart, feature, view, kind);
    }
    printf("flowchart LR\n%.*s", BYTES_ARGS(buffer_bytes(&chart.lines)));
    buffer_fini(&chart.lines);
}

void lineage_print(yajl_val lineage, bool is_mermaid)
{
    if (is_mermaid)
        print_chart(lineage);
    else
        print_tree(lineage);
}
