/* Request values: what a read brings along for on-demand views. */
#include "base/number.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include "model/field_text.h"
#include "query/composite.h"
#include "query/query.h"

static enum status refuse_name(const struct target *target, struct bytes name, struct error *err)
{
    const struct composite *composite = target->readable->composite;
    struct suggest suggest = {.name = name};
    struct buffer names = {0};
    char typed[NAME_SIZE_MAX + 1];
    char nearest[SUGGEST_TEXT_SIZE];
    for (size_t i = 0; composite != NULL && i < composite->steps_count; i++) {
        const struct view_definition *view = composite->steps[i].readable->version->definition;
        for (size_t j = 0; j < view->request_count; j++) {
            suggest_consider(&suggest, view->request[j].name);
            if (names.size < ERROR_TEXT_SIZE / 2)
                buffer_format(&names, "%s%.*s", names.size == 0 ? "" : ", ",
                              BYTES_ARGS(view->request[j].name));
        }
    }
    bytes_to_text(name, typed, sizeof(typed));
    if (names.size == 0)
        error_set(err, STATUS_INVALID, "%.*s@%u takes no request values, got '%s'",
                  BYTES_ARGS(target->view->name), target->view->version, typed);
    else
        error_set(err, STATUS_INVALID, "%.*s@%u has no request value '%s', only %.*s%s",
                  BYTES_ARGS(target->view->name), target->view->version, typed,
                  BYTES_ARGS(buffer_bytes(&names)), suggest_text(&suggest, nearest));
    buffer_fini(&names);
    return STATUS_INVALID;
}

bool query_takes_request(const struct target *target, struct bytes name)
{
    const struct composite *composite = target->readable->composite;
    for (size_t i = 0; composite != NULL && i < composite->steps_count; i++) {
        const struct view_definition *view = composite->steps[i].readable->version->definition;
        if (field_find(view->request, view->request_count, name) >= 0)
            return true;
    }
    return false;
}

/* Times may be microseconds, too, as in all that asks. */
static enum status parse_value(const struct field_definition *field, struct bytes text,
                               struct arena *arena, struct value *out, struct error *err)
{
    const struct raw_value raw = {.kind = RAW_TEXT, .text = text};
    int64_t time_us;
    if (field->type.kind != VALUE_TIMESTAMP || field->unit != TIME_RFC3339 ||
        number_parse_int(text, &time_us) != NUMBER_OK || !time_is_valid(time_us))
        return field_text_parse(field, &raw, arena, out, err);
    *out = (struct value){.kind = VALUE_TIMESTAMP, .integer = time_us};
    return STATUS_OK;
}

/* Sets one value in each on-demand view that takes it. */
static enum status set_value(const struct target *target, struct value *const *values,
                             struct bytes name, struct bytes text, struct arena *arena,
                             struct error *err)
{
    const struct composite *composite = target->readable->composite;
    bool is_known = false;
    for (size_t i = 0; composite != NULL && i < composite->steps_count; i++) {
        const struct view_definition *view = composite->steps[i].readable->version->definition;
        ssize_t field = field_find(view->request, view->request_count, name);
        if (field < 0)
            continue;
        is_known = true;
        enum status status =
            parse_value(&view->request[field], text, arena, &values[i][field], err);
        if (status != STATUS_OK)
            return error_prefix(err, status, "request value '%.*s'", BYTES_ARGS(name));
    }
    return is_known ? STATUS_OK : refuse_name(target, name, err);
}

enum status query_set_request(struct target *target, const struct bytes *names,
                              const struct bytes *texts, size_t count, struct arena *arena,
                              struct error *err)
{
    const struct composite *composite = target->readable->composite;
    size_t steps_count = composite == NULL ? 0 : composite->steps_count;
    struct request *request = ARENA_NEW(arena, struct request);
    struct value **values =
        (struct value **)arena_allocate_array(arena, steps_count, sizeof(struct value *));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < steps_count; i++)
        values[i] = ARENA_NEW_ARRAY(
            arena, composite->steps[i].readable->version->definition->request_count, struct value);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = set_value(target, values, names[i], texts[i], arena, err);
    request->values = (const struct value *const *)values;
    target->request = request;
    return status;
}
