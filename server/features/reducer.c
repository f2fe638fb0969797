#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "features/features.h"
#include "features/plan.h"
#include "features/row.h"

struct reducer {
    const struct view_plan *plan;       /* borrowed */
    struct expression_set *expressions; /* owned; NULL where the view has none */
    struct value *results;              /* owned; one an expression */
    struct value *values;               /* owned; one a column */
    bool *wheres;                       /* owned; one a where */
};

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    CHECK(memory != NULL);
    return memory;
}

enum status reducer_create(const struct view_plan *plan, struct reducer **out, struct error *err)
{
    enum status status = STATUS_OK;
    struct reducer *reducer = allocate(1, sizeof(*reducer));
    reducer->plan = plan;
    reducer->results = allocate(plan->expressions_count, sizeof(struct value));
    reducer->values = allocate(plan->columns_count, sizeof(struct value));
    reducer->wheres = allocate(plan->wheres_count, sizeof(bool));
    if (plan->expressions_count > 0)
        status =
            expression_set_create(plan->expressions, plan->expressions_count, plan->view->fields,
                                  plan->view->fields_count, &reducer->expressions, err);
    if (status == STATUS_OK) {
        *out = reducer;
        reducer = NULL; /* moved to the caller */
    }
    reducer_destroy(&reducer);
    return status;
}

void reducer_destroy(struct reducer **reducer)
{
    if (*reducer == NULL)
        return;
    expression_set_destroy(&(*reducer)->expressions);
    free((*reducer)->results);
    free((*reducer)->values);
    free((*reducer)->wheres);
    free(*reducer);
    *reducer = NULL;
}

bool reducer_reduce(struct reducer *reducer, const struct value *fields, struct buffer *row,
                    uint64_t *digest)
{
    const struct view_plan *plan = reducer->plan;
    if (reducer->expressions != NULL)
        expression_set_evaluate(reducer->expressions, fields, reducer->results);
    if (plan->has_where && reducer->results[0].integer == 0)
        return false;

    for (size_t i = 0; i < plan->wheres_count; i++)
        reducer->wheres[i] = reducer->results[plan_where_expression(plan, i)].integer != 0;
    for (size_t i = 0; i < plan->columns_count; i++) {
        const struct column *column = &plan->columns[i];
        reducer->values[i] =
            column->is_field ? fields[column->field] : reducer->results[column->expression];
    }
    size_t start = row->size;
    row_encode(plan, reducer->values, reducer->wheres, row);
    struct bytes encoded = bytes_after(buffer_bytes(row), start);
    *digest = XXH3_64bits(encoded.data, encoded.size);
    return true;
}
