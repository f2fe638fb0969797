/* Calls of many messages. */
#include "native.h"

struct stream {
    PyObject_HEAD PyObject *client; /* outlives its streams */
    struct asof_stream *stream;     /* owned; NULL once closed */
    bool is_busy;                   /* a thread waits in it. Guarded by the GIL */
};

PyObject *native_stream_create(struct native_state *state, PyObject *client,
                               struct asof_stream **stream)
{
    struct stream *self = PyObject_New(struct stream, state->stream_type);
    if (self == NULL) {
        asof_stream_destroy(stream);
        return NULL;
    }
    self->client = Py_NewRef(client);
    self->stream = *stream;
    self->is_busy = false;
    *stream = NULL;
    return (PyObject *)self;
}

static void stream_dealloc(PyObject *self)
{
    asof_stream_destroy(&((struct stream *)self)->stream);
    Py_DECREF(((struct stream *)self)->client);
    native_free(self);
}

static bool stream_take(struct stream *self)
{
    if (self->stream == NULL || self->is_busy) {
        PyErr_SetString(PyExc_ValueError, self->is_busy ? "the stream is used by another thread"
                                                        : "the stream is closed");
        return false;
    }
    self->is_busy = true;
    return true;
}

static PyObject *stream_send(PyObject *self, PyObject *args)
{
    struct stream *stream = (struct stream *)self;
    const char *request;
    Py_ssize_t size;
    struct asof_error error;
    enum asof_code code;
    if (!PyArg_ParseTuple(args, "y#", &request, &size) || !stream_take(stream))
        return NULL;
    Py_BEGIN_ALLOW_THREADS code = asof_stream_send(
        stream->stream, (struct asof_bytes){.data = request, .size = (size_t)size}, &error);
    Py_END_ALLOW_THREADS stream->is_busy = false;
    if (code != ASOF_OK || PyErr_Occurred() != NULL)
        return native_raise(native_state_of(self), &error);
    Py_RETURN_NONE;
}

static PyObject *stream_end(PyObject *self, PyObject *none)
{
    (void)none;
    struct stream *stream = (struct stream *)self;
    struct asof_error error;
    enum asof_code code;
    if (!stream_take(stream))
        return NULL;
    Py_BEGIN_ALLOW_THREADS code = asof_stream_end(stream->stream, &error);
    Py_END_ALLOW_THREADS stream->is_busy = false;
    if (code != ASOF_OK || PyErr_Occurred() != NULL)
        return native_raise(native_state_of(self), &error);
    Py_RETURN_NONE;
}

/* Waits for what comes next; a signal's handler may run meanwhile, and end it. false: failed. */
static bool stream_next(PyObject *self, struct asof_message **message)
{
    struct stream *stream = (struct stream *)self;
    struct asof_error error;
    enum asof_arrival arrival;
    if (!stream_take(stream))
        return false;
    Py_BEGIN_ALLOW_THREADS arrival = asof_stream_receive(stream->stream, -1, message, &error);
    Py_END_ALLOW_THREADS stream->is_busy = false;
    if (arrival == ASOF_ARRIVAL_FAILED || PyErr_Occurred() != NULL) {
        asof_message_destroy(message);
        native_raise(native_state_of(self), &error);
    }
    return PyErr_Occurred() == NULL;
}

static PyObject *stream_receive(PyObject *self, PyObject *none)
{
    (void)none;
    struct asof_message *message = NULL;
    if (!stream_next(self, &message))
        return NULL;
    if (message == NULL)
        Py_RETURN_NONE;
    struct asof_bytes bytes = asof_message_bytes(message);
    PyObject *answer = PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.size);
    asof_message_destroy(&message);
    return answer;
}

static PyObject *stream_receive_answer(PyObject *self, PyObject *none)
{
    (void)none;
    struct asof_message *message = NULL;
    struct asof_result *result = NULL;
    struct asof_error error;
    if (!stream_next(self, &message))
        return NULL;
    if (message == NULL)
        Py_RETURN_NONE;
    if (asof_result_create(&message, &result, &error) == ASOF_OK)
        return native_answer_create(native_state_of(self), &result);
    asof_message_destroy(&message);
    return native_raise(native_state_of(self), &error);
}

static PyObject *stream_close(PyObject *self, PyObject *none)
{
    (void)none;
    struct stream *stream = (struct stream *)self;
    if (stream->is_busy)
        asof_stream_cancel(stream->stream); /* the thread that waits in it is told */
    else
        asof_stream_destroy(&stream->stream);
    Py_RETURN_NONE;
}

static PyMethodDef stream_methods[] = {
    {"send", stream_send, METH_VARARGS, "send(request): sends a further message."},
    {"end", stream_end, METH_NOARGS, "No further message follows."},
    {"receive", stream_receive, METH_NOARGS, "The next message's bytes; None: that was all."},
    {"receive_answer", stream_receive_answer, METH_NOARGS, "The next Answer; None: that was all."},
    {"close", stream_close, METH_NOARGS, "Ends it; what goes on at the server is cancelled."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot stream_slots[] = {
    {Py_tp_doc, "A call of many messages."},
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_methods, stream_methods},
    {0, NULL},
};

PyType_Spec native_stream_spec = {
    .name = "asof._native.Stream",
    .basicsize = sizeof(struct stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = stream_slots,
};
