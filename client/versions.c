/* asof promote, rollback, drop: one request each, and one line that says what is so now. */
#include "command.h"
#include "output.h"
#include "remote.h"
#include "text.h"

/* Sends the request and prints "what VIEW@N", or {"version":"VIEW@N"}. */
static enum exit_code change(const struct run *run, const struct bytes *words, size_t words_count,
                             const char *format, struct error *err)
{
    struct remote *remote = NULL;
    struct buffer reply = {0};
    struct buffer text = {0};
    enum status status = remote_open(run->options->server, &remote, err);
    if (status == STATUS_OK)
        status = remote_ask(remote, words, words_count, &reply, err);
    if (status == STATUS_OK && run->options->is_json) {
        buffer_append_text(&text, "{\"version\":");
        text_append_json(&text, buffer_bytes(&reply));
        buffer_append_byte(&text, '}');
        output_line(buffer_bytes(&text));
    } else if (status == STATUS_OK) {
        text_append_visible(&text, buffer_bytes(&reply));
        printf("%.*s%s\n", BYTES_ARGS(buffer_bytes(&text)), format);
    }
    buffer_fini(&text);
    buffer_fini(&reply);
    remote_close(&remote);
    return exit_of(status);
}

enum exit_code command_promote(const struct run *run, struct error *err)
{
    struct bytes words[] = {bytes_of_text("ASOF.PROMOTE"), bytes_of_text(run->words[0]),
                            bytes_of_text("FORCE")};
    size_t count = COUNT_OF(words) - !run->options->is_forced;
    return change(run, words, count, " is active", err);
}

enum exit_code command_rollback(const struct run *run, struct error *err)
{
    struct bytes words[] = {bytes_of_text("ASOF.ROLLBACK"), bytes_of_text(run->words[0])};
    return change(run, words, COUNT_OF(words), " is active again", err);
}

enum exit_code command_drop(const struct run *run, struct error *err)
{
    struct bytes words[] = {bytes_of_text("ASOF.DROP"), bytes_of_text(run->words[0])};
    return change(run, words, COUNT_OF(words), " is dropped; its space is given back in the background",
                  err);
}
