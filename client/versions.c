/* asof promote, rollback, drop: one request each, and one line that says what is so now. */
#include "base/number.h"
#include "command.h"
#include "output.h"
#include "protocol/protobuf.h"
#include "remote.h"
#include "text.h"

/* Of PromoteRequest and NameRequest in registry.proto. */
enum { NAME = 1, PROMOTE_FORCE = 2 };

/* Whether it is "VIEW@N": what names no version is wrong usage, and needs no server to say so. */
static bool is_version(const struct run *run, struct error *err)
{
    int64_t number = 0;
    const char *at = strchr(run->words[0], '@');
    if (at != NULL && at != run->words[0] &&
        number_parse_int(bytes_of_text(at + 1), &number) == NUMBER_OK && number > 0)
        return true;
    error_set(err, STATUS_INVALID, "'%s' names no version; say which: %s@N (`asof list` has them)",
              run->words[0], at == NULL ? run->words[0] : "VIEW");
    return false;
}

/* Sends the request and prints "VIEW@N what", or {"version":"VIEW@N"}. */
static enum exit_code change(const struct run *run, enum asof_method method, bool is_forced,
                             const char *what, struct error *err)
{
    struct remote *remote = NULL;
    struct buffer request = {0};
    struct buffer version = {0};
    struct buffer text = {0};
    protobuf_append_bytes(&request, NAME, bytes_of_text(run->words[0]));
    protobuf_append_integer(&request, PROMOTE_FORCE, is_forced);
    enum status status = remote_open(run->options->server, &remote, err);
    if (status == STATUS_OK)
        status =
            remote_ask(remote, method, buffer_bytes(&request), REMOTE_ONLY_FIELD, &version, err);
    if (status == STATUS_OK && run->options->is_json) {
        buffer_append_text(&text, "{\"version\":");
        text_append_json(&text, buffer_bytes(&version));
        buffer_append_byte(&text, '}');
        output_line(buffer_bytes(&text));
    } else if (status == STATUS_OK) {
        text_append_visible(&text, buffer_bytes(&version));
        printf("%.*s%s\n", BYTES_ARGS(buffer_bytes(&text)), what);
    }
    buffer_fini(&text);
    buffer_fini(&version);
    buffer_fini(&request);
    remote_close(&remote);
    return exit_of(status);
}

enum exit_code command_promote(const struct run *run, struct error *err)
{
    if (!is_version(run, err))
        return EXIT_USAGE;
    return change(run, ASOF_METHOD_PROMOTE, run->options->is_forced, " is active", err);
}

enum exit_code command_rollback(const struct run *run, struct error *err)
{
    return change(run, ASOF_METHOD_ROLLBACK, false, " is active again", err);
}

enum exit_code command_drop(const struct run *run, struct error *err)
{
    if (!is_version(run, err))
        return EXIT_USAGE;
    return change(run, ASOF_METHOD_DROP, false,
                  " is dropped; its space is given back in the background", err);
}
