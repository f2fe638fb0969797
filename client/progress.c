#include "progress.h"

#include <stdio.h>

#include "base/time_text.h"
#include "text.h"

enum { SHOW_EVERY_US = 100 * 1000 };

/* The widest bar is taken with which the line fits. */
static const int bar_widths[] = {24, 10, 0};

static void append_bar(double fraction, int width, struct buffer *out)
{
    int full = (int)(fraction * width);
    if (width > 0)
        buffer_append_text(out, "  [");
    for (int i = 0; i < width; i++)
        buffer_append_byte(out, i < full ? '#' : '.');
    buffer_format(out, "%s %3d%%", width > 0 ? "]" : " ", (int)(fraction * 100));
}

/* Cuts the text to that many code points. */
static size_t size_of_columns(struct bytes text, size_t columns)
{
    size_t size = text.size;
    while (size > 0 && text_width(bytes_of(text.data, size)) > columns)
        size--;
    while (size > 0 && size < text.size && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--;
    return size;
}

static void append_line(const struct progress_state *state, int bar_width, struct buffer *out)
{
    char count[TEXT_COUNT_SIZE], rate[TEXT_COUNT_SIZE], left[TEXT_SPAN_SIZE];
    double elapsed_s = (double)state->elapsed_us / (double)US_PER_SECOND;
    double fraction = state->fraction > 1 ? 1 : state->fraction;

    buffer_append_text(out, state->label);
    if (fraction >= 0)
        append_bar(fraction, bar_width, out);
    buffer_format(out, "  %s %s", text_count(state->events_done, count),
                  state->unit != NULL ? state->unit : "events");
    if (elapsed_s > 0) {
        double per_second = (double)state->events_done / elapsed_s;
        buffer_format(out, "  %s/s", text_count((uint64_t)per_second, rate));
    }
    if (fraction > 0 || state->left_us > 0) {
        int64_t left_us = state->left_us;
        if (left_us == 0)
            left_us = (int64_t)((double)state->elapsed_us * (1 - fraction) / fraction);
        buffer_format(out, "  %s left", text_span(left_us, left));
    }
}

void progress_append(const struct progress_state *state, size_t columns, struct buffer *out)
{
    struct buffer line = {0};
    for (size_t i = 0; i < sizeof(bar_widths) / sizeof(bar_widths[0]); i++) {
        buffer_reset(&line, SIZE_MAX);
        append_line(state, bar_widths[i], &line);
        if (text_width(buffer_bytes(&line)) <= columns)
            break;
    }
    struct bytes text = buffer_bytes(&line);
    buffer_append(out, bytes_of(text.data, size_of_columns(text, columns)));
    buffer_fini(&line);
}

void progress_show(struct progress *progress, const struct progress_state *state,
                   int64_t now_mono_us)
{
    const struct terminal *terminal = progress->terminal;
    if (!terminal->is_terminal)
        return;
    if (progress->shown_mono_us != 0 && now_mono_us - progress->shown_mono_us < SHOW_EVERY_US)
        return;
    struct buffer line = {0};
    progress_append(state, terminal->columns - 1, &line);
    fprintf(terminal->file, "\r\x1b[K%.*s", BYTES_ARGS(buffer_bytes(&line)));
    fflush(terminal->file);
    buffer_fini(&line);
    progress->shown_mono_us = now_mono_us;
}

void progress_clear(struct progress *progress)
{
    if (progress->shown_mono_us == 0)
        return;
    fputs("\r\x1b[K", progress->terminal->file);
    fflush(progress->terminal->file);
    progress->shown_mono_us = 0;
}
