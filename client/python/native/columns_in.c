/* From Python's objects to columns of requests and pushes. */
#include "native.h"

/* ---- a column ---- */

void native_column_in_fini(struct column_in *column)
{
    PyMem_Free(column->strings);
    PyMem_Free(column->ints);
    PyMem_Free(column->doubles);
    Py_XDECREF(column->items);
    *column = (struct column_in){0};
}

/* An array for count values, never NULL for none of them. */
static void *new_array(size_t count, size_t size)
{
    void *array = PyMem_Malloc((count == 0 ? 1 : count) * size);
    if (array == NULL)
        PyErr_NoMemory();
    return array;
}

/* 1: values were a buffer of int64, and are copied. 0: they are something else. -1: failed. */
static int take_buffer(struct column_in *column, PyObject *values)
{
    Py_buffer buffer;
    if (PyBytes_Check(values) || !PyObject_CheckBuffer(values))
        return 0;
    if (PyObject_GetBuffer(values, &buffer, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) != 0) {
        PyErr_Clear();
        return 0;
    }
    const char *format = buffer.format == NULL ? "B" : buffer.format;
    int taken = 0;
    if (buffer.ndim == 1 && buffer.itemsize == sizeof(int64_t) &&
        (strcmp(format, "q") == 0 || strcmp(format, "l") == 0)) {
        column->count = (size_t)buffer.len / sizeof(int64_t);
        column->ints = new_array(column->count, sizeof(int64_t));
        taken = column->ints == NULL ? -1 : 1;
        if (taken == 1)
            memcpy(column->ints, buffer.buf, (size_t)buffer.len);
    }
    PyBuffer_Release(&buffer);
    return taken;
}

static bool mixed(const char *name, size_t index, PyObject *item)
{
    PyObject *type = PyObject_GetAttrString((PyObject *)Py_TYPE(item), "__name__");
    if (type != NULL)
        PyErr_Format(PyExc_TypeError,
                     "%s: values are all str, all int or all float; value %zu is %U", name, index,
                     type);
    Py_XDECREF(type);
    return false;
}

static bool take_strings(struct column_in *column, const char *name)
{
    column->strings = new_array(column->count, sizeof(struct asof_bytes));
    for (size_t i = 0; i < column->count && column->strings != NULL; i++) {
        PyObject *item = PyTuple_GetItem(column->items, (Py_ssize_t)i);
        if (!PyUnicode_Check(item))
            return mixed(name, i, item);
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(item, &size);
        if (text == NULL)
            return false;
        column->strings[i] = (struct asof_bytes){.data = text, .size = (size_t)size};
    }
    return column->strings != NULL;
}

static bool take_ints(struct column_in *column, const char *name)
{
    column->ints = new_array(column->count, sizeof(int64_t));
    for (size_t i = 0; i < column->count && column->ints != NULL; i++) {
        PyObject *item = PyTuple_GetItem(column->items, (Py_ssize_t)i);
        if (!PyIndex_Check(item))
            return mixed(name, i, item);
        PyObject *number = PyNumber_Index(item);
        column->ints[i] = number == NULL ? -1 : PyLong_AsLongLong(number);
        Py_XDECREF(number);
        if (column->ints[i] == -1 && PyErr_Occurred() != NULL) {
            if (PyErr_ExceptionMatches(PyExc_OverflowError))
                PyErr_Format(PyExc_OverflowError, "%s: value %zu has more than 64 bits", name, i);
            return false;
        }
    }
    return column->ints != NULL;
}

static bool take_doubles(struct column_in *column, const char *name)
{
    column->doubles = new_array(column->count, sizeof(double));
    for (size_t i = 0; i < column->count && column->doubles != NULL; i++) {
        PyObject *item = PyTuple_GetItem(column->items, (Py_ssize_t)i);
        if (!PyFloat_Check(item))
            return mixed(name, i, item);
        column->doubles[i] = PyFloat_AsDouble(item);
    }
    return column->doubles != NULL;
}

bool native_column_in_init(struct column_in *column, const char *name, PyObject *values)
{
    *column = (struct column_in){0};
    if (PyUnicode_Check(values) || PyBytes_Check(values)) {
        PyErr_Format(PyExc_TypeError, "%s: a list of values, not one text", name);
        return false;
    }
    int taken = take_buffer(column, values);
    if (taken != 0)
        return taken == 1;
    column->items = PySequence_Tuple(values);
    if (column->items == NULL)
        return false;
    column->count = (size_t)PyTuple_Size(column->items);
    PyObject *first = column->count == 0 ? NULL : PyTuple_GetItem(column->items, 0);
    bool is_taken;
    if (first == NULL || PyUnicode_Check(first))
        is_taken = take_strings(column, name);
    else if (PyFloat_Check(first))
        is_taken = take_doubles(column, name);
    else
        is_taken = take_ints(column, name);
    if (!is_taken)
        native_column_in_fini(column);
    return is_taken;
}

/* ---- named columns with NULLs ---- */

/* One (name, values, nulls or None). */
struct named_column {
    const char *name;
    struct column_in values;
    const uint8_t *nulls; /* or NULL */
};

/* Borrows from triple. */
static bool named_column_init(struct named_column *column, PyObject *triple)
{
    *column = (struct named_column){0};
    PyObject *values;
    PyObject *nulls;
    if (!PyArg_ParseTuple(triple, "sOO", &column->name, &values, &nulls) ||
        !native_column_in_init(&column->values, column->name, values))
        return false;
    if (nulls == Py_None)
        return true;
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(nulls, &bytes, &size) == 0 &&
        (size_t)size == column->values.count) {
        column->nulls = (const uint8_t *)bytes;
        return true;
    }
    if (PyErr_Occurred() == NULL)
        PyErr_Format(PyExc_ValueError, "%s: a byte of nulls for each value", column->name);
    native_column_in_fini(&column->values);
    return false;
}

typedef void (*use_named_fn)(void *target, const struct named_column *column);

static bool use_all_named(PyObject *triples, use_named_fn use, void *target)
{
    Py_ssize_t count = PyTuple_Check(triples) ? PyTuple_Size(triples) : -1;
    if (count < 0)
        PyErr_SetString(PyExc_TypeError, "columns are a tuple of (name, values, nulls)");
    for (Py_ssize_t i = 0; i < count; i++) {
        struct named_column column;
        if (!named_column_init(&column, PyTuple_GetItem(triples, i)))
            return false;
        use(target, &column);
        native_column_in_fini(&column.values);
    }
    return count >= 0;
}

/* ---- a read ---- */

static bool add_features(struct asof_request *request, PyObject *features)
{
    struct column_in names;
    PyObject *items = PySequence_Tuple(features);
    if (items == NULL)
        return false;
    bool is_added = native_column_in_init(&names, "features", items);
    if (is_added && names.strings == NULL) {
        PyErr_SetString(PyExc_TypeError, "features are names, such as card_payments.payments_5m");
        is_added = false;
    }
    for (size_t i = 0; is_added && i < names.count; i++)
        asof_request_add_feature(request, names.strings[i].data);
    native_column_in_fini(&names);
    Py_DECREF(items);
    return is_added;
}

static bool add_key(struct asof_request *request, PyObject *name, PyObject *values)
{
    struct column_in column;
    const char *key = PyUnicode_AsUTF8AndSize(name, NULL);
    if (key == NULL || !native_column_in_init(&column, key, values))
        return false;
    bool is_key = column.doubles == NULL;
    if (column.ints != NULL)
        asof_request_set_key_ints(request, key, column.ints, column.count);
    else if (is_key)
        asof_request_set_key_strings(request, key, column.strings, column.count);
    else
        PyErr_Format(PyExc_TypeError, "key %s: str or int, not float", key);
    native_column_in_fini(&column);
    return is_key;
}

static bool add_keys(struct asof_request *request, PyObject *keys)
{
    PyObject *items = PyMapping_Items(keys);
    Py_ssize_t count = items == NULL ? -1 : PyList_Size(items);
    bool is_added = count >= 0;
    for (Py_ssize_t i = 0; i < count && is_added; i++) {
        PyObject *name;
        PyObject *values;
        is_added = PyArg_ParseTuple(PyList_GetItem(items, i), "OO", &name, &values) &&
                   add_key(request, name, values);
    }
    Py_XDECREF(items);
    return is_added;
}

static bool set_at(struct asof_request *request, PyObject *at)
{
    struct column_in column;
    if (!native_column_in_init(&column, "at", at))
        return false;
    bool is_time = column.ints != NULL || column.count == 0;
    if (is_time)
        asof_request_set_at(request, column.ints, column.count);
    else
        PyErr_SetString(PyExc_TypeError, "at is in microseconds here");
    native_column_in_fini(&column);
    return is_time;
}

static void set_value(void *target, const struct named_column *column)
{
    const struct column_in *values = &column->values;
    if (values->ints != NULL)
        asof_request_set_value_ints(target, column->name, values->ints, column->nulls,
                                    values->count);
    else if (values->doubles != NULL)
        asof_request_set_value_doubles(target, column->name, values->doubles, column->nulls,
                                       values->count);
    else
        asof_request_set_value_strings(target, column->name, values->strings, column->nulls,
                                       values->count);
}

struct asof_request *native_request(const struct read_arguments *arguments)
{
    struct asof_request *request = asof_request_create();
    asof_request_set_exclusive(request, arguments->is_exclusive != 0);
    asof_request_set_event_times(request, arguments->with_event_times != 0);
    asof_request_set_statuses(request, arguments->with_statuses != 0);
    if (!add_features(request, arguments->features) || !add_keys(request, arguments->keys) ||
        !set_at(request, arguments->at) || !use_all_named(arguments->values, set_value, request))
        asof_request_destroy(&request);
    return request;
}

/* ---- a push ---- */

static void set_field(void *target, const struct named_column *column)
{
    const struct column_in *values = &column->values;
    if (values->ints != NULL)
        asof_push_set_ints(target, column->name, values->ints, column->nulls, values->count);
    else if (values->doubles != NULL)
        asof_push_set_doubles(target, column->name, values->doubles, column->nulls, values->count);
    else
        asof_push_set_strings(target, column->name, values->strings, column->nulls, values->count);
}

static bool add_events(struct asof_push *push, PyObject *events)
{
    PyObject *items = PySequence_Tuple(events);
    Py_ssize_t count = items == NULL ? -1 : PyTuple_Size(items);
    bool is_added = count >= 0;
    for (Py_ssize_t i = 0; i < count && is_added; i++) {
        char *json;
        Py_ssize_t size;
        is_added = PyBytes_AsStringAndSize(PyTuple_GetItem(items, i), &json, &size) == 0;
        if (is_added)
            asof_push_add_json(push, json, (size_t)size);
    }
    Py_XDECREF(items);
    return is_added;
}

struct asof_push *native_push(const char *source, PyObject *events, PyObject *columns,
                              const char *producer, unsigned long long sequence)
{
    struct asof_push *push = asof_push_create(source);
    if (producer[0] != '\0')
        asof_push_set_producer(push, producer, sequence);
    if (!add_events(push, events) || !use_all_named(columns, set_field, push))
        asof_push_destroy(&push);
    return push;
}
