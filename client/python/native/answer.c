/* Answers: columns whose numbers Python reads where they are. */
#include "native.h"

/* ---- numbers: an array of an answer, as a buffer ---- */

struct numbers {
    PyObject_HEAD PyObject *answer; /* keeps the array alive */
    const void *data;
    Py_ssize_t count;
    Py_ssize_t item_size;
    char format[2]; /* of Python's struct */
};

static PyObject *numbers_create(struct native_state *state, PyObject *answer, const void *data,
                                size_t count, char format)
{
    static const int64_t nothing = 0;
    struct numbers *numbers = PyObject_New(struct numbers, state->numbers_type);
    if (numbers == NULL)
        return NULL;
    numbers->answer = Py_NewRef(answer);
    numbers->data = data == NULL ? &nothing : data;
    numbers->count = (Py_ssize_t)count;
    numbers->item_size = format == 'I' ? (Py_ssize_t)sizeof(uint32_t) : (Py_ssize_t)sizeof(int64_t);
    numbers->format[0] = format;
    numbers->format[1] = '\0';
    PyObject *view = PyMemoryView_FromObject((PyObject *)numbers);
    Py_DECREF(numbers);
    return view;
}

static int numbers_get_buffer(PyObject *self, Py_buffer *view, int flags)
{
    struct numbers *numbers = (struct numbers *)self;
    if (flags & PyBUF_WRITABLE) {
        PyErr_SetString(PyExc_BufferError, "the numbers of an answer can't be written");
        return -1;
    }
    *view = (Py_buffer){.obj = Py_NewRef(self),
                        .buf = (void *)(uintptr_t)numbers->data,
                        .len = numbers->count * numbers->item_size,
                        .itemsize = numbers->item_size,
                        .readonly = 1,
                        .ndim = 1,
                        .format = flags & PyBUF_FORMAT ? numbers->format : NULL,
                        .shape = &numbers->count,
                        .strides = &numbers->item_size};
    return 0;
}

static void numbers_dealloc(PyObject *self)
{
    Py_DECREF(((struct numbers *)self)->answer);
    native_free(self);
}

static PyType_Slot numbers_slots[] = {
    {Py_tp_doc, "An array of an answer."},
    {Py_tp_dealloc, numbers_dealloc},
    {Py_bf_getbuffer, numbers_get_buffer},
    {0, NULL},
};

PyType_Spec native_numbers_spec = {
    .name = "asof._native.Numbers",
    .basicsize = sizeof(struct numbers),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = numbers_slots,
};

/* ---- the answer ---- */

struct answer {
    PyObject_HEAD struct asof_result *result; /* owned */
};

PyObject *native_answer_create(struct native_state *state, struct asof_result **result)
{
    struct answer *answer = PyObject_New(struct answer, state->answer_type);
    if (answer == NULL) {
        asof_result_destroy(result);
        return NULL;
    }
    answer->result = *result;
    *result = NULL;
    return (PyObject *)answer;
}

static void answer_dealloc(PyObject *self)
{
    asof_result_destroy(&((struct answer *)self)->result);
    native_free(self);
}

static PyObject *answer_rows(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(asof_result_rows(((struct answer *)self)->result));
}

static PyObject *column_create(PyObject *answer, size_t index);

static PyObject *answer_columns(PyObject *self, void *closure)
{
    (void)closure;
    size_t count = asof_result_columns_count(((struct answer *)self)->result);
    PyObject *columns = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; i < count && columns != NULL; i++) {
        PyObject *column = column_create(self, i);
        if (column == NULL || PyTuple_SetItem(columns, (Py_ssize_t)i, column) != 0)
            Py_CLEAR(columns);
    }
    return columns;
}

static PyObject *text_of(struct asof_bytes text)
{
    return PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.size, "strict");
}

static PyObject *view_tuple(PyObject *answer, const struct asof_view *view)
{
    struct native_state *state = native_state_of(answer);
    size_t rows = asof_result_rows(((struct answer *)answer)->result);
    PyObject *name = text_of(view->name);
    PyObject *at = numbers_create(state, answer, view->at_us, view->at_count, 'q');
    PyObject *event_times = view->event_times_us == NULL
                                ? Py_NewRef(Py_None)
                                : numbers_create(state, answer, view->event_times_us, rows, 'q');
    if (name != NULL && at != NULL && event_times != NULL)
        return Py_BuildValue("NINN", name, view->version, at, event_times);
    Py_XDECREF(name);
    Py_XDECREF(at);
    Py_XDECREF(event_times);
    return NULL;
}

static PyObject *answer_views(PyObject *self, void *closure)
{
    (void)closure;
    const struct asof_result *result = ((struct answer *)self)->result;
    size_t count = asof_result_views_count(result);
    PyObject *views = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; i < count && views != NULL; i++) {
        PyObject *view = view_tuple(self, asof_result_view(result, i));
        if (view == NULL || PyTuple_SetItem(views, (Py_ssize_t)i, view) != 0)
            Py_CLEAR(views);
    }
    return views;
}

static PyGetSetDef answer_getters[] = {
    {"rows", answer_rows, NULL, "How many entities were read.", NULL},
    {"columns", answer_columns, NULL, "A Column for each feature.", NULL},
    {"views", answer_views, NULL, "(name, version, at, event times or None) of each view.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot answer_slots[] = {
    {Py_tp_doc, "What a read answered."},
    {Py_tp_dealloc, answer_dealloc},
    {Py_tp_getset, answer_getters},
    {0, NULL},
};

PyType_Spec native_answer_spec = {
    .name = "asof._native.Answer",
    .basicsize = sizeof(struct answer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = answer_slots,
};

/* ---- a column ---- */

struct column {
    PyObject_HEAD PyObject *answer;
    size_t index;
};

static PyObject *column_create(PyObject *answer, size_t index)
{
    struct native_state *state = native_state_of(answer);
    struct column *column = PyObject_New(struct column, state->column_type);
    if (column == NULL)
        return NULL;
    column->answer = Py_NewRef(answer);
    column->index = index;
    return (PyObject *)column;
}

static void column_dealloc(PyObject *self)
{
    Py_DECREF(((struct column *)self)->answer);
    native_free(self);
}

static struct asof_result *result_of(PyObject *self)
{
    return ((struct answer *)((struct column *)self)->answer)->result;
}

static const struct asof_column *told_of(PyObject *self)
{
    return asof_result_column(result_of(self), ((struct column *)self)->index);
}

static Py_ssize_t column_length(PyObject *self)
{
    return (Py_ssize_t)asof_result_rows(result_of(self));
}

static PyObject *column_feature(PyObject *self, void *closure)
{
    (void)closure;
    return text_of(told_of(self)->feature);
}

static PyObject *column_view(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(told_of(self)->view);
}

static PyObject *column_kind(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLong((long)told_of(self)->kind);
}

static PyObject *column_digits(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(told_of(self)->digits);
}

static PyObject *column_is_list(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(told_of(self)->is_list);
}

static PyObject *column_statuses(PyObject *self, void *closure)
{
    (void)closure;
    const struct asof_column *column = told_of(self);
    if (column->statuses == NULL)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((const char *)column->statuses, column_length(self));
}

static PyObject *column_numbers(PyObject *self, void *closure)
{
    (void)closure;
    const struct column *column = (const struct column *)self;
    const struct asof_column *told = told_of(self);
    struct native_state *state = native_state_of(self);
    if (told->kind == ASOF_KIND_STRING)
        Py_RETURN_NONE;
    if (told->kind == ASOF_KIND_DOUBLE)
        return numbers_create(state, column->answer,
                              asof_result_doubles(result_of(self), column->index),
                              told->items_count, 'd');
    return numbers_create(state, column->answer,
                          asof_result_integers(result_of(self), column->index), told->items_count,
                          'q');
}

static PyObject *column_sizes(PyObject *self, void *closure)
{
    (void)closure;
    const struct column *column = (const struct column *)self;
    const uint32_t *sizes = asof_result_sizes(result_of(self), column->index);
    if (sizes == NULL)
        Py_RETURN_NONE;
    return numbers_create(native_state_of(self), column->answer, sizes, (size_t)column_length(self),
                          'I');
}

static PyObject *column_values(PyObject *self, PyObject *none)
{
    (void)none;
    return native_values(native_state_of(self), result_of(self), ((struct column *)self)->index);
}

static bool has_missing(const struct asof_column *column, size_t rows)
{
    for (size_t row = 0; row < rows; row++)
        if (!asof_column_has_value(column, row))
            return true;
    return false;
}

static PyObject *column_missing(PyObject *self, PyObject *none)
{
    (void)none;
    const struct asof_column *column = told_of(self);
    size_t rows = (size_t)column_length(self);
    if (!has_missing(column, rows))
        Py_RETURN_NONE;
    PyObject *missing = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)rows);
    char *bytes = missing == NULL ? NULL : PyBytes_AsString(missing);
    for (size_t row = 0; row < rows && bytes != NULL; row++)
        bytes[row] = (char)!asof_column_has_value(column, row);
    return missing;
}

static PyObject *column_validity(PyObject *self, PyObject *none)
{
    (void)none;
    const struct asof_column *column = told_of(self);
    size_t rows = (size_t)column_length(self);
    if (!has_missing(column, rows))
        Py_RETURN_NONE;
    size_t size = (rows + 7) / 8;
    PyObject *bitmap = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    char *bytes = bitmap == NULL ? NULL : PyBytes_AsString(bitmap);
    if (bytes != NULL)
        memset(bytes, 0, size);
    for (size_t row = 0; row < rows && bytes != NULL; row++)
        if (asof_column_has_value(column, row))
            bytes[row / 8] = (char)(bytes[row / 8] | 1 << row % 8);
    return bitmap;
}

static PyGetSetDef column_getters[] = {
    {"feature", column_feature, NULL, "view.feature, without a version.", NULL},
    {"view", column_view, NULL, "Index into Answer.views.", NULL},
    {"kind", column_kind, NULL, "proto/asof/v1's Kind.", NULL},
    {"digits", column_digits, NULL, "Behind the point, of decimals.", NULL},
    {"is_list", column_is_list, NULL, "Whether each value is a list.", NULL},
    {"statuses", column_statuses, NULL, "A byte a row, or None: all present.", NULL},
    {"numbers", column_numbers, NULL, "Doubles or int64, where they are; None of strings.", NULL},
    {"sizes", column_sizes, NULL, "Of lists: items of each row; else None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef column_methods[] = {
    {"values", column_values, METH_NOARGS, "A list of Python's objects, None where no value is."},
    {"missing", column_missing, METH_NOARGS, "A byte a row, 1: no value; None: all have one."},
    {"validity", column_validity, METH_NOARGS, "Arrow's bitmap; None: all have a value."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot column_slots[] = {
    {Py_tp_doc, "The values of one feature."},
    {Py_tp_dealloc, column_dealloc},
    {Py_tp_getset, column_getters},
    {Py_tp_methods, column_methods},
    {Py_sq_length, column_length},
    {0, NULL},
};

PyType_Spec native_column_spec = {
    .name = "asof._native.Column",
    .basicsize = sizeof(struct column),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = column_slots,
};
