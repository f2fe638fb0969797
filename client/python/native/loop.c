/* The client of an event loop. Each call has a function that is called once, with (answer, None) or
 * (None, exception); it runs in process, cancel and close, and must not call back into the loop but
 * to begin and cancel calls. */
#include "native.h"

struct loop {
    PyObject_HEAD struct asof_async *async; /* owned; NULL once closed */
    bool is_processing;                     /* callbacks run: it can't be closed below them */
};

/* One call under way. */
struct pending {
    struct native_state *state; /* lives as long as the loop's type */
    PyObject *done;
    enum { ANSWER_READ, ANSWER_PUSH, ANSWER_BYTES } answer;
};

static PyObject *loop_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    static char *names[] = {"address", "connect_timeout_ms", "timeout_ms", "retries", NULL};
    const char *address;
    int connect_timeout_ms = 0;
    int timeout_ms = 0;
    int retries = 0;
    if (!PyArg_ParseTupleAndKeywords(args, named, "s|iii", names, &address, &connect_timeout_ms,
                                     &timeout_ms, &retries))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct loop *self = (struct loop *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    const struct asof_options options = native_options(0, connect_timeout_ms, timeout_ms, retries);
    struct asof_error error;
    if (asof_async_create(address, &options, &self->async, &error) != ASOF_OK) {
        native_raise(native_state_of((PyObject *)self), &error);
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

/* ---- the end of a call ---- */

static PyObject *pushed_answer(struct native_state *state, const struct asof_message *message)
{
    uint64_t events;
    struct asof_error error;
    if (asof_pushed_events(message, &events, &error) != ASOF_OK)
        return native_raise(state, &error);
    return PyLong_FromUnsignedLongLong(events);
}

static PyObject *read_answer(struct native_state *state, struct asof_message **message)
{
    struct asof_result *result = NULL;
    struct asof_error error;
    if (asof_result_create(message, &result, &error) != ASOF_OK)
        return native_raise(state, &error);
    return native_answer_create(state, &result);
}

static PyObject *pending_answer(const struct pending *pending, struct asof_message **message)
{
    switch (pending->answer) {
    case ANSWER_READ:
        return read_answer(pending->state, message);
    case ANSWER_PUSH:
        return pushed_answer(pending->state, *message);
    case ANSWER_BYTES:
        break;
    }
    struct asof_bytes bytes = asof_message_bytes(*message);
    return PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.size);
}

/* The error that is set, as an object, and none is set any more. */
static PyObject *caught_exception(void)
{
    PyObject *type;
    PyObject *value;
    PyObject *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

static void pending_destroy(struct pending *pending)
{
    Py_DECREF(pending->done);
    PyMem_Free(pending);
}

static void call_done(void *context, struct asof_message *message, const struct asof_error *error)
{
    struct pending *pending = context;
    PyObject *answer = message == NULL ? NULL : pending_answer(pending, &message);
    PyObject *exception = NULL;
    asof_message_destroy(&message);
    if (answer == NULL)
        exception =
            PyErr_Occurred() != NULL ? caught_exception() : native_exception(pending->state, error);
    PyObject *told = PyObject_CallFunctionObjArgs(pending->done, answer == NULL ? Py_None : answer,
                                                  exception == NULL ? Py_None : exception, NULL);
    if (told == NULL)
        PyErr_WriteUnraisable(pending->done);
    Py_XDECREF(told);
    Py_XDECREF(answer);
    Py_XDECREF(exception);
    pending_destroy(pending);
}

/* ---- its beginning ---- */

static struct pending *pending_create(PyObject *self, PyObject *done, int answer)
{
    if (((struct loop *)self)->async == NULL) {
        PyErr_SetString(PyExc_ValueError, "the client is closed");
        return NULL;
    }
    struct pending *pending = PyMem_Malloc(sizeof(*pending));
    if (pending == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    *pending = (struct pending){.state = native_state_of(self), .done = Py_NewRef(done)};
    pending->answer = answer;
    return pending;
}

/* The number of a call that was begun; else the error, and pending is gone. */
static PyObject *begun(PyObject *self, struct pending *pending, enum asof_code code, uint64_t call,
                       const struct asof_error *error)
{
    if (code == ASOF_OK)
        return PyLong_FromUnsignedLongLong(call);
    pending_destroy(pending);
    return native_raise(native_state_of(self), error);
}

static PyObject *loop_get(PyObject *self, PyObject *args)
{
    struct read_arguments read;
    struct asof_call_options options = {0};
    PyObject *done;
    if (!PyArg_ParseTuple(args, "OOOOpppiO", &read.features, &read.keys, &read.at, &read.values,
                          &read.is_exclusive, &read.with_event_times, &read.with_statuses,
                          &options.timeout_ms, &done))
        return NULL;
    struct asof_request *request = native_request(&read);
    struct pending *pending = request == NULL ? NULL : pending_create(self, done, ANSWER_READ);
    PyObject *number = NULL;
    if (pending != NULL) {
        uint64_t call = 0;
        struct asof_error error;
        enum asof_code code = asof_async_get(((struct loop *)self)->async, request, &options,
                                             call_done, pending, &call, &error);
        number = begun(self, pending, code, call, &error);
    }
    asof_request_destroy(&request);
    return number;
}

static PyObject *loop_push(PyObject *self, PyObject *args)
{
    const char *source;
    const char *producer;
    unsigned long long sequence;
    PyObject *events;
    PyObject *columns;
    PyObject *done;
    struct asof_call_options options = {0};
    if (!PyArg_ParseTuple(args, "sOOsKiO", &source, &events, &columns, &producer, &sequence,
                          &options.timeout_ms, &done))
        return NULL;
    struct asof_push *push = native_push(source, events, columns, producer, sequence);
    struct pending *pending = push == NULL ? NULL : pending_create(self, done, ANSWER_PUSH);
    PyObject *number = NULL;
    if (pending != NULL) {
        uint64_t call = 0;
        struct asof_error error;
        enum asof_code code = asof_async_push(((struct loop *)self)->async, push, &options,
                                              call_done, pending, &call, &error);
        number = begun(self, pending, code, call, &error);
    }
    asof_push_destroy(&push);
    return number;
}

static PyObject *loop_call(PyObject *self, PyObject *args)
{
    unsigned method;
    const char *request;
    Py_ssize_t size;
    int is_repeatable;
    struct asof_call_options options = {0};
    PyObject *done;
    if (!PyArg_ParseTuple(args, "Iy#piO", &method, &request, &size, &is_repeatable,
                          &options.timeout_ms, &done))
        return NULL;
    options.is_repeatable = is_repeatable != 0;
    struct pending *pending = pending_create(self, done, ANSWER_BYTES);
    if (pending == NULL)
        return NULL;
    uint64_t call = 0;
    struct asof_error error;
    enum asof_code code =
        asof_async_call(((struct loop *)self)->async, method,
                        (struct asof_bytes){.data = request, .size = (size_t)size}, &options,
                        call_done, pending, &call, &error);
    return begun(self, pending, code, call, &error);
}

/* ---- its life ---- */

static PyObject *loop_cancel(PyObject *self, PyObject *number)
{
    unsigned long long call = PyLong_AsUnsignedLongLong(number);
    if (PyErr_Occurred() != NULL)
        return NULL;
    if (((struct loop *)self)->async != NULL)
        asof_async_cancel(((struct loop *)self)->async, call);
    Py_RETURN_NONE;
}

static PyObject *loop_fileno(PyObject *self, PyObject *none)
{
    (void)none;
    struct asof_async *async = ((struct loop *)self)->async;
    return PyLong_FromLong(async == NULL ? -1 : asof_async_fd(async));
}

static PyObject *loop_process(PyObject *self, PyObject *none)
{
    (void)none;
    struct loop *loop = (struct loop *)self;
    if (loop->async != NULL && !loop->is_processing) {
        loop->is_processing = true;
        asof_async_process(loop->async);
        loop->is_processing = false;
    }
    Py_RETURN_NONE;
}

static PyObject *loop_close(PyObject *self, PyObject *none)
{
    (void)none;
    struct loop *loop = (struct loop *)self;
    if (loop->is_processing) {
        PyErr_SetString(PyExc_RuntimeError, "not from within a call's end");
        return NULL;
    }
    asof_async_destroy(&loop->async);
    Py_RETURN_NONE;
}

static void loop_dealloc(PyObject *self)
{
    asof_async_destroy(&((struct loop *)self)->async);
    native_free(self);
}

static PyMethodDef loop_methods[] = {
    {"get", loop_get, METH_VARARGS, "As Client.get, with a function at the end -> its number"},
    {"push", loop_push, METH_VARARGS, "As Client.push, with a function at the end -> its number"},
    {"call", loop_call, METH_VARARGS, "As Client.call, with a function at the end -> its number"},
    {"cancel", loop_cancel, METH_O, "cancel(number): ends a call, if it is under way."},
    {"fileno", loop_fileno, METH_NOARGS, "Readable when there is something to do; -1: closed."},
    {"process", loop_process, METH_NOARGS, "Does what there is to do."},
    {"close", loop_close, METH_NOARGS, "Ends all calls and closes the connection."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot loop_slots[] = {
    {Py_tp_doc, "A connection to one server that never waits."},
    {Py_tp_new, loop_new},
    {Py_tp_dealloc, loop_dealloc},
    {Py_tp_methods, loop_methods},
    {0, NULL},
};

PyType_Spec native_loop_spec = {
    .name = "asof._native.Loop",
    .basicsize = sizeof(struct loop),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = loop_slots,
};
