/* What Redis has no command for: moments, statuses, definitions. Programs read JSON, people use
 * `asof`. */
#include "app/resp_call.h"

/* ---- moments and features ---- */

void resp_asof_at(struct resp_call *call)
{
    struct moment moment;
    if (!resp_call_moment(call, 1, &moment))
        return;
    if (call->count > 3 ||
        (call->count == 3 && !bytes_equal_nocase(resp_call_argument(call, 2), "exclusive"))) {
        resp_call_syntax_error(call);
        return;
    }
    moment.is_exclusive = call->count == 3;
    call->moment = moment;
    if (!call->is_rehearsal)
        call->session->moment = moment;
    resp_write_simple(call->reply, "OK");
}

struct get {
    struct moment moment;
    const struct bytes *fields; /* NULL: all */
    size_t fields_count;
    struct bytes *names; /* request_count of both: request values, in the arena */
    struct bytes *texts;
    size_t request_count;
};

static bool is_option(struct bytes word)
{
    return bytes_equal_nocase(word, "at") || bytes_equal_nocase(word, "exclusive") ||
           bytes_equal_nocase(word, "fields") || bytes_equal_nocase(word, "set");
}

/* "name value [name value ...]" from the argument on, up to an option; returns the last one taken.
 */
static size_t get_take_request(struct resp_call *call, struct get *get, size_t index)
{
    do {
        get->names[get->request_count] = resp_call_argument(call, index);
        get->texts[get->request_count++] = resp_call_argument(call, index + 1);
        index += 2;
    } while (index + 1 < call->count && !is_option(resp_call_argument(call, index)));
    return index - 1;
}

/* "[SET name value ...] [AT T] [EXCLUSIVE] [FIELDS f ...]" from argument 2 on; false: replied. */
static bool get_take_options(struct resp_call *call, struct get *get)
{
    get->names = ARENA_NEW_ARRAY(call->arena, call->count, struct bytes);
    get->texts = ARENA_NEW_ARRAY(call->arena, call->count, struct bytes);
    bool is_exclusive = false;
    get->moment = call->moment;
    for (size_t i = 2; i < call->count; i++) {
        struct bytes word = resp_call_argument(call, i);
        bool has_more = i + 1 < call->count;
        if (has_more && bytes_equal_nocase(word, "at")) {
            if (!resp_call_moment(call, ++i, &get->moment))
                return false;
        } else if (bytes_equal_nocase(word, "exclusive")) {
            is_exclusive = true;
        } else if (i + 2 < call->count && bytes_equal_nocase(word, "set")) {
            i = get_take_request(call, get, i + 1);
        } else if (has_more && bytes_equal_nocase(word, "fields")) {
            get->fields = &call->arguments[i + 1];
            get->fields_count = call->count - i - 1;
            break;
        } else {
            resp_call_syntax_error(call);
            return false;
        }
    }
    get->moment.is_exclusive = get->moment.is_exclusive || is_exclusive;
    if (get->fields_count <= RESP_FIELDS_MAX)
        return true;
    resp_call_error(call, "ERR ASOF.GET takes at most %d fields", RESP_FIELDS_MAX);
    return false;
}

static void get_write_features(struct resp_call *call, const struct view_definition *view,
                               const uint32_t *features, const struct text_answer *answer)
{
    resp_write_array(call->reply, answer->count * 3);
    for (size_t i = 0; i < answer->count; i++) {
        size_t feature = features == NULL ? i : features[i];
        resp_write_bulk(call->reply, view->features[feature].name);
        resp_write_text_or_null(call->reply, answer->texts[i]);
        resp_write_text(call->reply, feature_status_name(answer->statuses[i]));
    }
}

static struct bytes version_text(struct resp_call *call, const struct view_definition *view)
{
    return arena_format(call->arena, "%.*s@%u", BYTES_ARGS(view->name), view->version);
}

static void get_write_event_time(struct resp_call *call, bool is_found, int64_t event_time_us)
{
    if (is_found)
        resp_write_integer(call->reply, event_time_us);
    else
        resp_write_null(call->reply);
}

/* The views that were read for a derived one: each with its version, its T and its newest event. */
static void get_write_parts(struct resp_call *call, const struct text_answer *answer)
{
    resp_write_text(call->reply, "views");
    resp_write_array(call->reply, answer->parts_count * 3);
    for (size_t i = 0; i < answer->parts_count; i++) {
        const struct answer_part *part = &answer->parts[i];
        resp_write_bulk(call->reply, version_text(call, part->view));
        resp_write_integer(call->reply, part->t_us);
        get_write_event_time(call, part->is_found, part->event_time_us);
    }
}

static void get_write(struct resp_call *call, const struct view_definition *view,
                      const uint32_t *features, const struct text_answer *answer)
{
    resp_write_map(call->reply, answer->parts_count > 0 ? 5 : 4);
    resp_write_text(call->reply, "view");
    resp_write_bulk(call->reply, version_text(call, view));
    resp_write_text(call->reply, "at");
    resp_write_integer(call->reply, answer->t_us);
    resp_write_text(call->reply, "event_time");
    get_write_event_time(call, answer->is_found, answer->event_time_us);
    resp_write_text(call->reply, "features");
    get_write_features(call, view, features, answer);
    if (answer->parts_count > 0)
        get_write_parts(call, answer);
}

void resp_asof_get(struct resp_call *call)
{
    struct get get = {0};
    struct target target;
    struct text_answer answer;
    struct error err = {0};
    uint32_t *features = NULL;
    if (!get_take_options(call, &get))
        return;
    enum status status = resp_read_find(call, resp_call_argument(call, 1), &target);
    if (status == STATUS_NOT_FOUND)
        resp_write_null(call->reply);
    if (status != STATUS_OK)
        return;
    if (get.request_count > 0)
        status =
            query_set_request(&target, get.names, get.texts, get.request_count, call->arena, &err);
    if (status != STATUS_OK) {
        resp_call_failed(call, status, &err);
        return;
    }
    if (get.fields != NULL &&
        !resp_read_names(call, target.view, get.fields, get.fields_count, &features))
        return;
    if (resp_read_features(call, &target, features, get.fields_count, get.moment, &answer))
        get_write(call, target.view, features, &answer);
}

/* ---- definitions ---- */

static void plan_write(struct resp_call *call, const struct registry_plan *plan)
{
    operations_append_changes(call->stream, plan, call->scratch);
    resp_write_bulk(call->reply, buffer_bytes(call->scratch));
}

/* "[PROMOTE] name text [name text ...]" */
static void asof_run_plan(struct resp_call *call, bool is_applied)
{
    bool is_promoting = call->count % 2 == 0;
    if (is_promoting && !bytes_equal_nocase(resp_call_argument(call, 1), "promote")) {
        resp_call_wrong_count(call);
        return;
    }
    size_t first = is_promoting ? 2 : 1;
    size_t count = (call->count - first) / 2;
    struct definition_file *files = ARENA_NEW_ARRAY(call->arena, count + 1, struct definition_file);
    for (size_t i = 0; i < count; i++)
        files[i] = (struct definition_file){.name = resp_call_argument(call, first + 2 * i),
                                            .text = resp_call_argument(call, first + 2 * i + 1)};
    struct registry_plan plan = {0};
    struct error err = {0};
    enum status status =
        is_applied
            ? stream_apply(call->stream, files, count, is_promoting, call->arena, &plan, &err)
            : stream_plan(call->stream, files, count, call->arena, &plan, &err);
    if (status == STATUS_OK)
        plan_write(call, &plan);
    else
        resp_call_failed(call, status, &err);
}

/* What others pushed is committed before, so that a failure of that is told to them and not to us.
 */
void resp_asof_apply(struct resp_call *call)
{
    call->is_batch_full = stream_is_dirty(call->stream);
    if (!call->is_batch_full)
        asof_run_plan(call, true);
}

void resp_asof_plan(struct resp_call *call)
{
    asof_run_plan(call, false);
}

/* "source FROM T [PROMOTE]", T also `earliest` */
void resp_asof_replay(struct resp_call *call)
{
    int64_t from_us;
    struct registry_plan plan = {0};
    struct error err = {0};
    bool is_promoting =
        call->count == 5 && bytes_equal_nocase(resp_call_argument(call, 4), "promote");
    if (!bytes_equal_nocase(resp_call_argument(call, 2), "from") ||
        call->count != (is_promoting ? 5 : 4)) {
        resp_call_syntax_error(call);
        return;
    }
    enum status status = operations_parse_replay(resp_call_argument(call, 3), &from_us, &err);
    if (status == STATUS_OK && stream_is_dirty(call->stream)) {
        call->is_batch_full = true; /* a failure of that is told to those whose it is */
        return;
    }
    if (status == STATUS_OK)
        status = stream_replay(call->stream, resp_call_argument(call, 1), from_us, is_promoting,
                               call->arena, &plan, &err);
    if (status == STATUS_OK)
        plan_write(call, &plan);
    else
        resp_call_failed(call, status, &err);
}

void resp_asof_list(struct resp_call *call)
{
    struct buffer *json = call->scratch;
    registry_list_json(query_registry(call->query), json);
    resp_write_bulk(call->reply, buffer_bytes(json));
}

void resp_asof_describe(struct resp_call *call)
{
    struct buffer *json = call->scratch;
    struct error err = {0};
    const struct registry *registry = query_registry(call->query);
    struct bytes name = resp_call_argument(call, 1);
    bool is_lineage = call->count == 3;
    if (call->count > 3 ||
        (is_lineage && !bytes_equal_nocase(resp_call_argument(call, 2), "lineage"))) {
        resp_call_syntax_error(call);
        return;
    }
    enum status status = is_lineage ? registry_lineage_json(registry, name, json, &err)
                                    : registry_describe_json(registry, name, json, &err);
    if (status == STATUS_OK)
        resp_write_bulk(call->reply, buffer_bytes(json));
    else
        resp_call_failed(call, status, &err);
}

void resp_asof_fills(struct resp_call *call)
{
    operations_append_fills(call->stream, call->arena, call->scratch);
    resp_write_bulk(call->reply, buffer_bytes(call->scratch));
}
