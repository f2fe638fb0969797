/* The module: its state, its types, and how a failure becomes an exception. */
#include "native.h"

static struct PyModuleDef module_definition;

struct native_state *native_state_of(PyObject *object)
{
    return PyType_GetModuleState(Py_TYPE(object));
}

PyObject *native_exception(struct native_state *state, const struct asof_error *error)
{
    PyObject *text = PyUnicode_DecodeUTF8(error->text, (Py_ssize_t)strlen(error->text), "replace");
    if (text == NULL)
        return NULL;
    PyObject *exception = PyObject_CallFunction(state->error_of, "iN", (int)error->code, text);
    return exception;
}

bool native_is_interrupted(void *none)
{
    (void)none;
    PyGILState_STATE held = PyGILState_Ensure();
    bool is_interrupted = PyErr_CheckSignals() != 0;
    PyGILState_Release(held);
    return is_interrupted;
}

PyObject *native_raise(struct native_state *state, const struct asof_error *error)
{
    if (PyErr_Occurred() != NULL)
        return NULL;
    PyObject *exception = native_exception(state, error);
    if (exception != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    return NULL;
}

void native_free(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *import_name(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return found;
}

static bool add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type != NULL && PyModule_AddType(module, *type) == 0;
}

static int module_execute(PyObject *module)
{
    struct native_state *state = PyModule_GetState(module);
    state->error_of = import_name("asof.errors", "error_of");
    state->epoch = import_name("asof.times", "EPOCH");
    state->decimal = import_name("decimal", "Decimal");
    state->timedelta = import_name("datetime", "timedelta");
    if (state->error_of == NULL || state->epoch == NULL || state->decimal == NULL ||
        state->timedelta == NULL)
        return -1;
    bool is_added = add_type(module, &native_client_spec, &state->client_type) &&
                    add_type(module, &native_stream_spec, &state->stream_type) &&
                    add_type(module, &native_loop_spec, &state->loop_type) &&
                    add_type(module, &native_answer_spec, &state->answer_type) &&
                    add_type(module, &native_column_spec, &state->column_type) &&
                    add_type(module, &native_numbers_spec, &state->numbers_type);
    return is_added ? 0 : -1;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct native_state *state = PyModule_GetState(module);
    Py_VISIT(state->error_of);
    Py_VISIT(state->epoch);
    Py_VISIT(state->decimal);
    Py_VISIT(state->timedelta);
    Py_VISIT(state->client_type);
    Py_VISIT(state->stream_type);
    Py_VISIT(state->loop_type);
    Py_VISIT(state->answer_type);
    Py_VISIT(state->column_type);
    Py_VISIT(state->numbers_type);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct native_state *state = PyModule_GetState(module);
    Py_CLEAR(state->error_of);
    Py_CLEAR(state->epoch);
    Py_CLEAR(state->decimal);
    Py_CLEAR(state->timedelta);
    Py_CLEAR(state->client_type);
    Py_CLEAR(state->stream_type);
    Py_CLEAR(state->loop_type);
    Py_CLEAR(state->answer_type);
    Py_CLEAR(state->column_type);
    Py_CLEAR(state->numbers_type);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_execute}, {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "asof._native",
    .m_doc = "libasof for Python; use the package asof.",
    .m_size = sizeof(struct native_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&module_definition);
}
