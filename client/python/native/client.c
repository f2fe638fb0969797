/* The blocking client. */
#include "native.h"

struct client {
    PyObject_HEAD struct asof_client *client; /* owned; NULL once closed */
    size_t calls_count; /* under way: it can't be closed below them. Guarded by the GIL */
    bool is_closing;    /* the last of them closes it */
};

struct asof_options native_options(int connections, int connect_timeout_ms, int timeout_ms,
                                   int retries)
{
    return (struct asof_options){.connections_max = connections < 0 ? 0 : (unsigned)connections,
                                 .connect_timeout_ms = connect_timeout_ms,
                                 .timeout_ms = timeout_ms,
                                 .retries_max = retries};
}

static PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *named)
{
    static char *names[] = {"address",    "connections", "connect_timeout_ms",
                            "timeout_ms", "retries",     NULL};
    const char *address;
    int connections = 0;
    int connect_timeout_ms = 0;
    int timeout_ms = 0;
    int retries = 0;
    if (!PyArg_ParseTupleAndKeywords(args, named, "s|iiii", names, &address, &connections,
                                     &connect_timeout_ms, &timeout_ms, &retries))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct client *self = (struct client *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    const struct asof_options options =
        native_options(connections, connect_timeout_ms, timeout_ms, retries);
    struct asof_error error;
    if (asof_client_create(address, &options, &self->client, &error) != ASOF_OK) {
        native_raise(native_state_of((PyObject *)self), &error);
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static void client_dealloc(PyObject *self)
{
    asof_client_destroy(&((struct client *)self)->client);
    native_free(self);
}

/* A call begins: NULL, and ValueError, where the client is closed. */
static struct asof_client *client_take(struct client *self)
{
    if (self->client == NULL || self->is_closing) {
        PyErr_SetString(PyExc_ValueError, "the client is closed");
        return NULL;
    }
    self->calls_count++;
    return self->client;
}

static void client_give_back(struct client *self)
{
    self->calls_count--;
    if (self->is_closing && self->calls_count == 0)
        asof_client_destroy(&self->client);
}

static PyObject *client_close(PyObject *self, PyObject *none)
{
    (void)none;
    struct client *client = (struct client *)self;
    client->is_closing = true;
    if (client->calls_count == 0)
        asof_client_destroy(&client->client);
    Py_RETURN_NONE;
}

static PyObject *client_get(PyObject *self, PyObject *args)
{
    struct client *client = (struct client *)self;
    struct native_state *state = native_state_of(self);
    struct read_arguments read;
    struct asof_call_options options = {.is_unwanted = native_is_interrupted};
    if (!PyArg_ParseTuple(args, "OOOOpppi", &read.features, &read.keys, &read.at, &read.values,
                          &read.is_exclusive, &read.with_event_times, &read.with_statuses,
                          &options.timeout_ms))
        return NULL;
    struct asof_request *request = native_request(&read);
    struct asof_client *taken = request == NULL ? NULL : client_take(client);
    struct asof_result *result = NULL;
    struct asof_error error;
    enum asof_code code = ASOF_CANCELLED;
    if (taken != NULL) {
        Py_BEGIN_ALLOW_THREADS code = asof_get(taken, request, &options, &result, &error);
        Py_END_ALLOW_THREADS client_give_back(client);
    }
    asof_request_destroy(&request);
    if (taken == NULL)
        return NULL;
    if (code != ASOF_OK || PyErr_Occurred() != NULL) {
        asof_result_destroy(&result);
        return native_raise(state, &error);
    }
    return native_answer_create(state, &result);
}

static PyObject *client_push(PyObject *self, PyObject *args)
{
    struct client *client = (struct client *)self;
    const char *source;
    const char *producer;
    unsigned long long sequence;
    PyObject *events;
    PyObject *columns;
    struct asof_call_options options = {.is_unwanted = native_is_interrupted};
    if (!PyArg_ParseTuple(args, "sOOsKi", &source, &events, &columns, &producer, &sequence,
                          &options.timeout_ms))
        return NULL;
    struct asof_push *push = native_push(source, events, columns, producer, sequence);
    struct asof_client *taken = push == NULL ? NULL : client_take(client);
    uint64_t count = 0;
    struct asof_error error;
    enum asof_code code = ASOF_CANCELLED;
    if (taken != NULL) {
        Py_BEGIN_ALLOW_THREADS code = asof_push_send(taken, push, &options, &count, &error);
        Py_END_ALLOW_THREADS client_give_back(client);
    }
    asof_push_destroy(&push);
    if (taken == NULL)
        return NULL;
    if (code != ASOF_OK || PyErr_Occurred() != NULL)
        return native_raise(native_state_of(self), &error);
    return PyLong_FromUnsignedLongLong(count);
}

static PyObject *client_call(PyObject *self, PyObject *args)
{
    struct client *client = (struct client *)self;
    unsigned method;
    const char *request;
    Py_ssize_t size;
    struct asof_call_options options = {.is_unwanted = native_is_interrupted};
    int is_repeatable;
    if (!PyArg_ParseTuple(args, "Iy#pi", &method, &request, &size, &is_repeatable,
                          &options.timeout_ms))
        return NULL;
    options.is_repeatable = is_repeatable != 0;
    struct asof_client *taken = client_take(client);
    if (taken == NULL)
        return NULL;
    struct asof_message *message = NULL;
    struct asof_error error;
    enum asof_code code;
    Py_BEGIN_ALLOW_THREADS code =
        asof_call(taken, method, (struct asof_bytes){.data = request, .size = (size_t)size},
                  &options, &message, &error);
    Py_END_ALLOW_THREADS client_give_back(client);
    if (code != ASOF_OK || PyErr_Occurred() != NULL) {
        asof_message_destroy(&message);
        return native_raise(native_state_of(self), &error);
    }
    struct asof_bytes bytes = asof_message_bytes(message);
    PyObject *answer = PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.size);
    asof_message_destroy(&message);
    return answer;
}

static PyObject *client_stream(PyObject *self, PyObject *args)
{
    struct client *client = (struct client *)self;
    unsigned method;
    const char *request;
    Py_ssize_t size;
    struct asof_call_options options = {.is_unwanted = native_is_interrupted};
    if (!PyArg_ParseTuple(args, "Iy#i", &method, &request, &size, &options.timeout_ms))
        return NULL;
    struct asof_client *taken = client_take(client);
    if (taken == NULL)
        return NULL;
    struct asof_stream *stream = NULL;
    struct asof_error error;
    enum asof_code code;
    Py_BEGIN_ALLOW_THREADS code =
        asof_stream_open(taken, method, (struct asof_bytes){.data = request, .size = (size_t)size},
                         &options, &stream, &error);
    Py_END_ALLOW_THREADS client_give_back(client);
    if (code != ASOF_OK || PyErr_Occurred() != NULL) {
        asof_stream_destroy(&stream);
        return native_raise(native_state_of(self), &error);
    }
    return native_stream_create(native_state_of(self), self, &stream);
}

static PyObject *client_get_stream(PyObject *self, PyObject *args)
{
    struct client *client = (struct client *)self;
    struct read_arguments read;
    struct asof_call_options options = {.is_unwanted = native_is_interrupted};
    unsigned chunk_rows;
    if (!PyArg_ParseTuple(args, "OOOOpppIi", &read.features, &read.keys, &read.at, &read.values,
                          &read.is_exclusive, &read.with_event_times, &read.with_statuses,
                          &chunk_rows, &options.timeout_ms))
        return NULL;
    struct asof_request *request = native_request(&read);
    struct asof_client *taken = request == NULL ? NULL : client_take(client);
    struct asof_stream *stream = NULL;
    struct asof_error error;
    enum asof_code code = ASOF_CANCELLED;
    if (taken != NULL) {
        asof_request_set_chunk_rows(request, chunk_rows);
        Py_BEGIN_ALLOW_THREADS code = asof_get_stream(taken, request, &options, &stream, &error);
        Py_END_ALLOW_THREADS client_give_back(client);
    }
    asof_request_destroy(&request);
    if (taken == NULL)
        return NULL;
    if (code != ASOF_OK || PyErr_Occurred() != NULL) {
        asof_stream_destroy(&stream);
        return native_raise(native_state_of(self), &error);
    }
    return native_stream_create(native_state_of(self), self, &stream);
}

static PyMethodDef client_methods[] = {
    {"get", client_get, METH_VARARGS,
     "get(features, keys, at, values, exclusive, event_times, statuses, timeout_ms) -> Answer"},
    {"get_stream", client_get_stream, METH_VARARGS,
     "As get, with chunk_rows before timeout_ms -> Stream of answers"},
    {"push", client_push, METH_VARARGS,
     "push(source, events, columns, producer, sequence, timeout_ms) -> events acknowledged"},
    {"call", client_call, METH_VARARGS,
     "call(method, request, is_repeatable, timeout_ms) -> the response's bytes"},
    {"stream", client_stream, METH_VARARGS, "stream(method, request, timeout_ms) -> Stream"},
    {"close", client_close, METH_NOARGS, "Closes the connections, behind the calls under way."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot client_slots[] = {
    {Py_tp_doc, "Connections to one server."},
    {Py_tp_new, client_new},
    {Py_tp_dealloc, client_dealloc},
    {Py_tp_methods, client_methods},
    {0, NULL},
};

PyType_Spec native_client_spec = {
    .name = "asof._native.Client",
    .basicsize = sizeof(struct client),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = client_slots,
};
