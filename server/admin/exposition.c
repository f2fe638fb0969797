#include "admin/exposition.h"

#include "base/number.h"

const char *metric_kind_name(enum metric_kind kind)
{
    static const char *const names[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    return names[kind];
}

static void append_escaped(struct buffer *out, struct bytes text, bool escapes_quotes)
{
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        if (byte == '\n') {
            buffer_append_text(out, "\\n");
            continue;
        }
        if (byte == '\\' || (byte == '"' && escapes_quotes))
            buffer_append_byte(out, '\\');
        buffer_append_byte(out, byte);
    }
}

void exposition_head(struct buffer *out, const char *name, enum metric_kind kind, const char *help)
{
    buffer_format(out, "# HELP %s ", name);
    append_escaped(out, bytes_of_text(help), false);
    buffer_format(out, "\n# TYPE %s %s\n", name, metric_kind_name(kind));
}

/* "name{label="value"} ", with the bound of a bucket (or NULL) behind the label. */
static void append_bucket_name(struct buffer *out, const char *name, const char *suffix,
                               const struct metric_label *label, const char *bound)
{
    buffer_format(out, "%s%s", name, suffix);
    if (label != NULL || bound != NULL)
        buffer_append_byte(out, '{');
    if (label != NULL) {
        buffer_format(out, "%s=\"", label->name);
        append_escaped(out, label->value, true);
        buffer_append_text(out, bound != NULL ? "\"," : "\"");
    }
    if (bound != NULL)
        buffer_format(out, "le=\"%s\"", bound);
    if (label != NULL || bound != NULL)
        buffer_append_byte(out, '}');
    buffer_append_byte(out, ' ');
}

static void append_name(struct buffer *out, const char *name, const struct metric_label *label)
{
    append_bucket_name(out, name, "", label, NULL);
}

void exposition_integer(struct buffer *out, const char *name, const struct metric_label *label,
                        uint64_t value)
{
    append_name(out, name, label);
    buffer_format(out, "%llu\n", (unsigned long long)value);
}

static void append_double(struct buffer *out, double value)
{
    char text[NUMBER_TEXT_SIZE];
    size_t size = number_format_double(value, text);
    buffer_append(out, bytes_of(text, size));
    buffer_append_byte(out, '\n');
}

void exposition_double(struct buffer *out, const char *name, const struct metric_label *label,
                       double value)
{
    append_name(out, name, label);
    append_double(out, value);
}

void exposition_histogram(struct buffer *out, const char *name, const struct metric_label *label,
                          const struct histogram *histogram)
{
    const struct histogram_scale *scale = histogram->scale;
    const struct histogram_reading reading = histogram_read(histogram);
    for (size_t i = 0; i <= scale->bounds_count; i++) {
        char bound[NUMBER_TEXT_SIZE] = "+Inf";
        if (i < scale->bounds_count)
            number_format_double((double)scale->bounds[i] / scale->unit, bound);
        append_bucket_name(out, name, "_bucket", label, bound);
        buffer_format(out, "%llu\n", (unsigned long long)reading.at_most[i]);
    }
    append_bucket_name(out, name, "_sum", label, NULL);
    append_double(out, (double)reading.sum / scale->unit);
    append_bucket_name(out, name, "_count", label, NULL);
    buffer_format(out, "%llu\n", (unsigned long long)reading.at_most[scale->bounds_count]);
}
