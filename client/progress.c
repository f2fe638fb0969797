#include "progress.h"

#include <stdio.h>

#include "base/time_text.h"
#include "text.h"

enum { BAR_WIDTH = 24, SHOW_EVERY_US = 100 * 1000 };

static void append_bar(double fraction, struct buffer *out)
{
    int full = (int)(fraction * BAR_WIDTH);
    buffer_append_text(out, "  [");
    for (int i = 0; i < BAR_WIDTH; i++)
        buffer_append_byte(out, i < full ? '#' : '.');
    buffer_format(out, "] %3d%%", (int)(fraction * 100));
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

void progress_append(const struct progress_state *state, size_t columns, struct buffer *out)
{
    char count[TEXT_COUNT_SIZE], rate[TEXT_COUNT_SIZE], left[TEXT_SPAN_SIZE];
    double elapsed_s = (double)state->elapsed_us / (double)US_PER_SECOND;
    double fraction = state->fraction > 1 ? 1 : state->fraction;
    struct buffer line = {0};

    buffer_append_text(&line, state->label);
    if (fraction >= 0)
        append_bar(fraction, &line);
    buffer_format(&line, "  %s events", text_count(state->events_done, count));
    if (elapsed_s > 0) {
        double events = (double)(state->events_done - state->events_before);
        buffer_format(&line, "  %s/s", text_count((uint64_t)(events / elapsed_s), rate));
    }
    if (fraction > 0) {
        int64_t left_us = (int64_t)((double)state->elapsed_us * (1 - fraction) / fraction);
        buffer_format(&line, "  %s left", text_span(left_us, left));
    }
    buffer_append(
        out, bytes_of(buffer_bytes(&line).data, size_of_columns(buffer_bytes(&line), columns)));
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
