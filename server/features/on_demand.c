/* On-demand views: expressions over the values of other views and of a request, at a read. */
#include <stdlib.h>

#include "base/check.h"
#include "features/expression.h"
#include "features/features.h"
#include "features/sql_text.h"

struct on_demand {
    const struct view_definition *view; /* borrowed */
    size_t fields_count;                /* inputs and request values */
    struct expression_set *set;         /* owned */
    bool *used;    /* owned: features_count times fields_count: what each names */
    ssize_t *bare; /* owned: the field that a feature is as it is, or -1 */
};

static enum status find_used(struct on_demand *on_demand, size_t feature, struct error *err)
{
    const struct view_definition *view = on_demand->view;
    const struct feature_definition *definition = &view->features[feature];
    struct buffer unused = {0};
    size_t offset;
    enum status status = sql_text_translate(
        definition->argument, view->fields, on_demand->fields_count,
        &on_demand->used[feature * on_demand->fields_count], &unused, &offset, err);
    buffer_fini(&unused);
    ssize_t field = field_find(view->fields, on_demand->fields_count, definition->argument);
    bool is_bare = field >= 0 && type_equal(view->fields[field].type, definition->type);
    on_demand->bare[feature] = is_bare ? field : -1;
    return status;
}

static enum status compile(struct on_demand *on_demand, struct error *err)
{
    const struct view_definition *view = on_demand->view;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < view->features_count && status == STATUS_OK; i++)
        status = find_used(on_demand, i, err);
    if (status != STATUS_OK)
        return status;
    struct expression *expressions = calloc(view->features_count, sizeof(*expressions));
    CHECK(expressions != NULL);
    for (size_t i = 0; i < view->features_count; i++)
        expressions[i] =
            (struct expression){.text = view->features[i].argument, .type = view->features[i].type};
    status = expression_set_create(expressions, view->features_count, view->fields,
                                   on_demand->fields_count, &on_demand->set, err);
    free(expressions);
    return status;
}

enum status on_demand_create(const struct view_definition *view, struct on_demand **out,
                             struct error *err)
{
    struct on_demand *on_demand = calloc(1, sizeof(*on_demand));
    CHECK(on_demand != NULL);
    CHECK(view->kind == VIEW_ON_DEMAND);
    on_demand->view = view;
    on_demand->fields_count = view->inputs_count + view->request_count;
    on_demand->used = calloc(view->features_count * on_demand->fields_count + 1, sizeof(bool));
    on_demand->bare = calloc(view->features_count, sizeof(*on_demand->bare));
    CHECK(on_demand->used != NULL && on_demand->bare != NULL);
    enum status status = compile(on_demand, err);
    if (status == STATUS_OK) {
        *out = on_demand;
        on_demand = NULL; /* moved to the caller */
    }
    on_demand_destroy(&on_demand);
    return status;
}

void on_demand_destroy(struct on_demand **on_demand)
{
    if (*on_demand == NULL)
        return;
    expression_set_destroy(&(*on_demand)->set);
    free((*on_demand)->used);
    free((*on_demand)->bare);
    free(*on_demand);
    *on_demand = NULL;
}

/* What is known of the inputs that one feature uses. */
struct inputs_report {
    bool is_out_of_history;
    bool is_overflow;
    bool is_expired;
    bool is_found; /* one of them is; or there is none */
};

static struct inputs_report report_inputs(const struct on_demand *on_demand, size_t feature,
                                          const enum feature_status *statuses)
{
    const bool *used = &on_demand->used[feature * on_demand->fields_count];
    struct inputs_report report = {0};
    bool has_input = false;
    for (size_t i = 0; i < on_demand->view->inputs_count; i++) {
        if (!used[i])
            continue;
        has_input = true;
        report.is_out_of_history |= statuses[i] == FEATURE_OUT_OF_HISTORY;
        report.is_overflow |= statuses[i] == FEATURE_OVERFLOW;
        report.is_expired |= statuses[i] == FEATURE_EXPIRED;
        report.is_found |= statuses[i] != FEATURE_NOT_FOUND;
    }
    report.is_found |= !has_input;
    return report;
}

static enum feature_status status_of(const struct inputs_report *report, const struct value *value)
{
    bool is_null = value->kind == VALUE_NULL;
    if (report->is_out_of_history)
        return FEATURE_OUT_OF_HISTORY;
    if (value->kind == VALUE_OVERFLOW)
        return FEATURE_OVERFLOW;
    if (is_null && report->is_expired)
        return FEATURE_EXPIRED;
    if (!report->is_found)
        return FEATURE_NOT_FOUND;
    return is_null ? FEATURE_NULL : FEATURE_PRESENT;
}

void on_demand_evaluate(struct on_demand *on_demand, const struct value *fields,
                        const enum feature_status *input_statuses, struct value *values,
                        enum feature_status *statuses)
{
    const struct view_definition *view = on_demand->view;
    expression_set_evaluate(on_demand->set, fields, values);
    for (size_t i = 0; i < view->features_count; i++) {
        const struct inputs_report report = report_inputs(on_demand, i, input_statuses);
        if (on_demand->bare[i] >= 0)
            values[i] = fields[on_demand->bare[i]];
        if (report.is_overflow)
            values[i] = value_overflow();
        if (report.is_out_of_history)
            values[i] = value_null();
        statuses[i] = status_of(&report, &values[i]);
        if (values[i].kind == VALUE_NULL && !report.is_out_of_history)
            values[i] = view->features[i].default_value;
    }
}
