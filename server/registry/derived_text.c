/* Derived definitions as text: to be stored, to be compared. */
#include "registry/derived.h"
#include "registry/json.h"

enum { TEXT_CHUNK_SIZE = 4096 };

static void append_expression(const struct feature_definition *feature,
                              enum annotation_choice choice, struct buffer *out)
{
    char type[TYPE_TEXT_SIZE];
    json_name_bytes(out, feature->name);
    buffer_append_byte(out, '{');
    if (choice == WITH_ANNOTATIONS)
        annotations_append(&feature->annotations, out);
    json_member_text(out, "expression", feature->argument);
    if (feature->type.kind != VALUE_DOUBLE)
        json_member_text(out, "type", bytes_of_text(type_name(feature->type, type)));
    if (feature->default_value.kind != VALUE_NULL) {
        json_name(out, "default");
        default_append(&feature->default_value, out);
    }
    buffer_append_byte(out, '}');
}

/* What is compared has the features in one order, however they were typed. */
static void append_expressions(const struct view_definition *view, enum annotation_choice choice,
                               struct buffer *out)
{
    struct arena *arena = arena_create(TEXT_CHUNK_SIZE);
    const struct feature_definition **sorted = features_sorted(view, arena);
    json_name(out, "features");
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < view->features_count; i++)
        append_expression(choice == WITH_ANNOTATIONS ? &view->features[i] : sorted[i], choice, out);
    buffer_append_byte(out, '}');
    arena_destroy(&arena);
}

static void append_references(const struct view_definition *view, struct buffer *out)
{
    json_name(out, "features");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < view->features_count; i++) {
        json_comma(out);
        json_text(out, view->features[i].name);
    }
    buffer_append_byte(out, ']');
}

void derived_append_definition(const struct view_definition *view, enum annotation_choice choice,
                               struct buffer *out)
{
    buffer_append_byte(out, '{');
    json_member_text(out, "kind", bytes_of_text(view_kind_name(view->kind)));
    if (choice == WITH_ANNOTATIONS)
        annotations_append(&view->annotations, out);
    if (view->kind == VIEW_SERVICE) {
        append_references(view, out);
    } else {
        json_member_text(out, "entity", view->entity);
        json_name(out, "request");
        fields_append(view->request, view->request_count, out);
        append_expressions(view, choice, out);
    }
    buffer_append_byte(out, '}');
}
