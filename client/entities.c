/* asof entities, and the pages that it shows. */
#include "entities.h"

#include "command.h"
#include "interrupt.h"
#include "protocol/protobuf.h"
#include "text.h"

/* Of EntitiesRequest and EntitiesResponse in operations.proto. */
enum { ASKED_VIEW = 1, ASKED_AFTER = 2, ASKED_MATCH = 4, PAGE_ENTITIES = 1, PAGE_AFTER = 2 };

enum status entities_ask(struct remote *remote, const char *view, struct bytes after,
                         const char *match, struct asof_message **answer,
                         struct entities_page *page, struct error *err)
{
    struct buffer request = {0};
    struct protobuf_field field;
    enum protobuf_result result;
    protobuf_append_bytes(&request, ASKED_VIEW, bytes_of_text(view));
    protobuf_append_bytes(&request, ASKED_AFTER, after);
    if (match != NULL)
        protobuf_append_bytes(&request, ASKED_MATCH, bytes_of_text(match));
    enum status status =
        remote_call(remote, ASOF_METHOD_ENTITIES, buffer_bytes(&request), answer, err);
    buffer_fini(&request);
    if (status != STATUS_OK)
        return status;
    struct asof_bytes message = asof_message_bytes(*answer);
    *page = (struct entities_page){.left = bytes_of(message.data, message.size)};
    struct bytes left = page->left;
    while ((result = protobuf_next(&left, &field)) == PROTOBUF_FIELD)
        if (field.number == PAGE_AFTER && field.wire == PROTOBUF_BYTES)
            page->after = field.bytes;
    return result == PROTOBUF_END
               ? STATUS_OK
               : error_set(err, STATUS_CORRUPT, "the server gave no list of entities");
}

bool entities_next(struct entities_page *page, struct bytes *entity)
{
    struct protobuf_field field;
    while (protobuf_next(&page->left, &field) == PROTOBUF_FIELD) {
        if (field.number != PAGE_ENTITIES || field.wire != PROTOBUF_BYTES)
            continue;
        *entity = field.bytes;
        return true;
    }
    return false;
}

/* ---- the command ---- */

static void print_page(struct entities_page *page, bool is_json)
{
    struct bytes entity;
    struct buffer line = {0};
    while (entities_next(page, &entity)) {
        buffer_reset(&line, SIZE_MAX);
        if (is_json)
            text_append_json(&line, entity);
        else
            text_append_visible(&line, entity);
        buffer_append_byte(&line, '\n');
        fwrite(buffer_bytes(&line).data, 1, line.size, stdout);
    }
    buffer_fini(&line);
}

enum exit_code command_entities(const struct run *run, struct error *err)
{
    struct remote *remote = NULL;
    struct buffer after = {0};
    interrupt_catch();
    enum status status = remote_open(run->options->server, &remote, err);
    while (status == STATUS_OK) {
        struct asof_message *answer = NULL;
        struct entities_page page = {0};
        status = entities_ask(remote, run->words[0], buffer_bytes(&after), run->options->match,
                              &answer, &page, err);
        buffer_reset(&after, SIZE_MAX);
        if (status == STATUS_OK) {
            buffer_append(&after, page.after);
            print_page(&page, run->options->is_json);
        }
        asof_message_destroy(&answer);
        if (after.size == 0 || ferror(stdout) || interrupt_came())
            break;
    }
    buffer_fini(&after);
    remote_close(&remote);
    return exit_of(status);
}
