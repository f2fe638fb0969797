/* Values of answers as Python's own objects. */
#include "native.h"

#include <stdio.h>

/* The values of one column, as the library gives them; one of the arrays is set. */
struct values {
    struct native_state *state;
    const struct asof_column *column;
    const double *doubles;
    const int64_t *integers;
    const struct asof_bytes *strings;
};

static PyObject *decimal_of(const struct values *values, int64_t scaled)
{
    char text[48];
    snprintf(text, sizeof(text), "%lldE-%u", (long long)scaled, values->column->digits);
    return PyObject_CallFunction(values->state->decimal, "s", text);
}

static PyObject *moment_of(const struct values *values, int64_t us)
{
    PyObject *since = PyObject_CallFunction(values->state->timedelta, "iiL", 0, 0, (long long)us);
    PyObject *moment = since == NULL ? NULL : PyNumber_Add(values->state->epoch, since);
    Py_XDECREF(since);
    return moment;
}

static PyObject *item_of(const struct values *values, size_t item)
{
    switch (values->column->kind) {
    case ASOF_KIND_BOOL:
        return PyBool_FromLong(values->integers[item] != 0);
    case ASOF_KIND_INT:
        return PyLong_FromLongLong(values->integers[item]);
    case ASOF_KIND_DOUBLE:
        return PyFloat_FromDouble(values->doubles[item]);
    case ASOF_KIND_DECIMAL:
        return decimal_of(values, values->integers[item]);
    case ASOF_KIND_STRING:
        return PyUnicode_DecodeUTF8(values->strings[item].data,
                                    (Py_ssize_t)values->strings[item].size, "strict");
    case ASOF_KIND_TIMESTAMP:
        return moment_of(values, values->integers[item]);
    }
    PyErr_Format(PyExc_ValueError, "a value of an unknown kind, %d", (int)values->column->kind);
    return NULL;
}

static PyObject *list_of(const struct values *values, size_t from, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; i < count && list != NULL; i++) {
        PyObject *item = item_of(values, from + i);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)i, item) != 0)
            Py_CLEAR(list);
    }
    return list;
}

PyObject *native_values(struct native_state *state, struct asof_result *result, size_t index)
{
    const struct values values = {.state = state,
                                  .column = asof_result_column(result, index),
                                  .doubles = asof_result_doubles(result, index),
                                  .integers = asof_result_integers(result, index),
                                  .strings = asof_result_strings(result, index)};
    const uint32_t *sizes = asof_result_sizes(result, index);
    size_t rows = asof_result_rows(result);
    size_t item = 0;
    PyObject *list = PyList_New((Py_ssize_t)rows);
    for (size_t row = 0; row < rows && list != NULL; row++) {
        size_t size = sizes == NULL ? 1 : sizes[row];
        PyObject *value;
        if (!asof_column_has_value(values.column, row))
            value = Py_NewRef(Py_None);
        else
            value = sizes == NULL ? item_of(&values, item) : list_of(&values, item, size);
        item += size;
        if (value == NULL || PyList_SetItem(list, (Py_ssize_t)row, value) != 0)
            Py_CLEAR(list);
    }
    return list;
}
