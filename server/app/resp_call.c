/* What every command needs: error replies in Redis's words, and arguments. */
#include "app/resp_call.h"

#include <stdio.h>

#include "base/number.h"

void resp_call_error(struct resp_call *call, const char *format, ...)
{
    /* Replies are owed: those come first, so the call is repeated behind them. */
    if (call->session != NULL && call->session->owed_count > 0) {
        call->must_wait = true;
        return;
    }
    char text[ERROR_TEXT_SIZE + 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    call->is_error = true;
    if (call->door != NULL)
        call->door->counters.errors_total++;
    resp_write_error(call->reply, bytes_of_text(text));
}

void resp_call_failed(struct resp_call *call, enum status status, const struct error *err)
{
    const char *code = "ERR";
    if (status == STATUS_AGAIN) {
        call->needs_disk = true;
        return;
    }
    switch (status) {
    case STATUS_NOT_FOUND:
        code = "NOTFOUND";
        break;
    case STATUS_UNAVAILABLE:
        code = "UNAVAILABLE";
        break;
    case STATUS_IO:
        code = "IOERR";
        break;
    case STATUS_CORRUPT:
        code = "CORRUPT";
        break;
    case STATUS_OK:
    case STATUS_AGAIN:
    case STATUS_INVALID:
    case STATUS_LIMIT:
    case STATUS_CANCELLED:
        break;
    }
    resp_call_error(call, "%s %s", code, err->text);
}

void resp_call_wrong_count(struct resp_call *call)
{
    const char *parent = call->parent == NULL ? "" : call->parent->name;
    const char *separator = call->parent == NULL ? "" : "|";
    resp_call_error(call, "ERR wrong number of arguments for '%s%s%s' command", parent, separator,
                    call->command->name);
}

void resp_call_syntax_error(struct resp_call *call)
{
    resp_call_error(call, "ERR syntax error");
}

bool resp_call_integer(struct resp_call *call, size_t index, int64_t *out)
{
    struct bytes text = resp_call_argument(call, index);
    if (operations_is_integer(text) && number_parse_int(text, out) == NUMBER_OK)
        return true;
    resp_call_error(call, "ERR value is not an integer or out of range");
    return false;
}

bool resp_call_moment(struct resp_call *call, size_t index, struct moment *out)
{
    struct error err = {0};
    if (operations_parse_moment(resp_call_argument(call, index), out, &err) == STATUS_OK)
        return true;
    resp_call_error(call, "ERR %s", err.text);
    return false;
}
