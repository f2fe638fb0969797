/* Lineage: where values come from: service -> features -> view@version -> source. */
#include "base/number.h"
#include "registry/json.h"
#include "registry/parse.h"
#include "registry/registry.h"

enum { LINEAGE_CHUNK_SIZE = 4096 };

static void append_version(const struct view_definition *view, struct buffer *out)
{
    json_name(out, "view");
    buffer_format(out, "\"%.*s@%u\"", BYTES_ARGS(view->name), view->version);
    json_member_text(out, "kind", bytes_of_text(view_kind_name(view->kind)));
}

/* The source of a stream or batch view; the topic is that of Kafka, or null for what is pushed. */
static void append_source(const struct registry *registry, const struct view_definition *view,
                          struct buffer *out)
{
    const struct source *source = registry_find_source(registry, view->source);
    struct bytes topic = {0};
    if (source != NULL && source->definition->kafka != NULL)
        topic = source->definition->kafka->topics[0];
    json_member_text(out, "source", view->source);
    json_member_text_or_null(out, "topic", topic);
}

static void begin_feature(struct bytes name, struct buffer *out)
{
    json_comma(out);
    buffer_append_byte(out, '{');
    json_member_text(out, "name", name);
}

/* A feature of a stream or batch view. */
static void append_base_feature(const struct registry *registry, const struct view_definition *view,
                                struct bytes feature, struct buffer *out)
{
    begin_feature(feature, out);
    append_version(view, out);
    append_source(registry, view, out);
    buffer_append_byte(out, '}');
}

/* What a name of a derived view stands for; nothing but the name where there is no such version. */
static void append_input(const struct registry *registry, const struct feature_reference *input,
                         struct buffer *out)
{
    const struct view_version *version = registry_find_input(registry, input);
    if (version != NULL) {
        append_base_feature(registry, version->definition, input->feature, out);
        return;
    }
    begin_feature(input->feature, out);
    json_member_text(out, "view", input->view);
    buffer_append_byte(out, '}');
}

/* A feature of an on-demand view, with what its expression reads. */
static void append_computed(const struct registry *registry, const struct view_definition *view,
                            const struct feature_definition *feature, struct buffer *out)
{
    begin_feature(feature->name, out);
    append_version(view, out);
    json_member_text(out, "expression", feature->argument);
    json_name(out, "reads");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < feature->inputs_count; i++)
        append_input(registry, &view->inputs[feature->inputs[i]], out);
    buffer_append_text(out, "]}");
}

static void append_listed(const struct registry *registry, const struct feature_reference *input,
                          struct buffer *out)
{
    const struct view_version *version = registry_find_input(registry, input);
    ssize_t index = version == NULL ? -1 : feature_find(version->definition, input->feature);
    if (index >= 0 && version->definition->kind == VIEW_ON_DEMAND)
        append_computed(registry, version->definition, &version->definition->features[index], out);
    else
        append_input(registry, input, out);
}

static void append_feature(const struct registry *registry, const struct view_definition *view,
                           size_t feature, struct buffer *out)
{
    switch (view->kind) {
    case VIEW_SERVICE:
        append_listed(registry, &view->inputs[feature], out);
        break;
    case VIEW_ON_DEMAND:
        append_computed(registry, view, &view->features[feature], out);
        break;
    case VIEW_STREAM:
    case VIEW_BATCH:
        append_base_feature(registry, view, view->features[feature].name, out);
        break;
    }
}

/* "fraud", "fraud@2". NULL: there is no such version. */
static const struct view_version *find_named(const struct registry *registry, struct bytes name)
{
    const char *at = name.size == 0 ? NULL : memchr(name.data, '@', name.size);
    struct bytes bare = at == NULL ? name : bytes_of(name.data, (size_t)(at - name.data));
    const struct view *view = registry_find_view(registry, bare);
    int64_t number = 0;
    if (view == NULL)
        return NULL;
    if (at == NULL)
        return view->active != 0 ? view_find_version(view, 0) : view_newest_version(view);
    if (number_parse_int(bytes_after(name, bare.size + 1), &number) != NUMBER_OK || number < 1 ||
        number > UINT32_MAX)
        return NULL;
    return view_find_version(view, (uint32_t)number);
}

static enum status refuse_name(const struct registry *registry, struct bytes name,
                               struct error *err)
{
    struct arena *arena = arena_create(LINEAGE_CHUNK_SIZE);
    struct bytes *names = ARENA_NEW_ARRAY(arena, registry->views_count + 1, struct bytes);
    for (size_t i = 0; i < registry->views_count; i++)
        names[i] = registry->views[i].name;
    error_set(err, STATUS_NOT_FOUND, "there is no view or service %s%s", quoted(arena, name),
              hint_names(arena, name, "names", names, registry->views_count));
    arena_destroy(&arena);
    return STATUS_NOT_FOUND;
}

enum status registry_lineage_json(const struct registry *registry, struct bytes name,
                                  struct buffer *out, struct error *err)
{
    const struct view_version *version = find_named(registry, name);
    if (version == NULL)
        return refuse_name(registry, name, err);
    const struct view_definition *view = version->definition;
    buffer_append_byte(out, '{');
    append_version(view, out);
    json_member_text_or_null(out, "lack", version->lack);
    json_name(out, "features");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < view->features_count; i++)
        append_feature(registry, view, i, out);
    buffer_append_text(out, "]}");
    return STATUS_OK;
}
