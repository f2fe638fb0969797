/* The extension module asof._native: libasof for Python. It turns Python's objects into requests
 * and answers into Python's objects; what users see is made of it by the package around it.
 *
 * 1. Only the stable ABI of CPython 3.11: one wheel serves all later versions.
 * 2. A function that returns NULL or false has set Python's error.
 * 3. The GIL is held wherever a Python object is touched, and released while a call waits.
 * 4. Names begin with native_, as those of libasof are in the same module.
 * 5. What is borrowed from an answer (struct numbers, struct column) holds a reference to it.
 *
 * Thread: any that holds the GIL. */
#ifndef ASOF_PYTHON_NATIVE_H
#define ASOF_PYTHON_NATIVE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <string.h>

#include "asof.h"

/* What the module keeps, one for each interpreter; references owned. */
struct native_state {
    PyObject *error_of;  /* asof.errors.error_of(code, text) */
    PyObject *decimal;   /* decimal.Decimal */
    PyObject *timedelta; /* datetime.timedelta */
    PyObject *epoch;     /* datetime of 1970 in UTC */
    PyTypeObject *client_type;
    PyTypeObject *stream_type;
    PyTypeObject *loop_type;
    PyTypeObject *answer_type;
    PyTypeObject *column_type;
    PyTypeObject *numbers_type;
};

/* Of the module that made the object's type. Borrowed; never NULL for types of this module. */
struct native_state *native_state_of(PyObject *object);

/* asof_call_options.is_unwanted of all that waits: runs the handlers of signals that came, which
 * CPython leaves to the main thread. true: one raised an exception, KeyboardInterrupt mostly, which
 * is set behind the wait, also where the answer came all the same. */
bool native_is_interrupted(void *none);

/* Sets Python's error to the exception for libasof's, unless native_is_interrupted has set one;
 * returns NULL. */
PyObject *native_raise(struct native_state *state, const struct asof_error *error);

/* The exception itself, new; NULL: it could not be made. */
PyObject *native_exception(struct native_state *state, const struct asof_error *error);

/* Frees what a heap type's object is made of, behind its own members. */
void native_free(PyObject *object);

/* ---- columns_in.c: from Python ---- */

/* Values of one column. One of the arrays is set; owned, but the bytes that strings point to, which
 * are of the objects in `items`. */
struct column_in {
    struct asof_bytes *strings;
    int64_t *ints;
    double *doubles;
    size_t count;
    PyObject *items; /* a tuple, or NULL */
};

/* Takes a sequence of str, of int or of float (all of one kind), or a buffer of int64. */
bool native_column_in_init(struct column_in *column, const char *name, PyObject *values);
void native_column_in_fini(struct column_in *column);

/* What Python's side calls a read; borrowed. */
struct read_arguments {
    PyObject *features; /* a sequence of str */
    PyObject *keys;     /* {name: values} */
    PyObject *at;       /* a sequence of int */
    PyObject *values;   /* a sequence of (name, values, nulls or None) */
    int is_exclusive;
    int with_event_times;
    int with_statuses;
};

/* NULL: what was given is no such thing. */
struct asof_request *native_request(const struct read_arguments *arguments);

/* events: a sequence of JSON bytes; columns: of (field, values, nulls or None). One of them is
 * empty. */
struct asof_push *native_push(const char *source, PyObject *events, PyObject *columns,
                              const char *producer, unsigned long long sequence);

/* ---- answer.c: to Python ---- */

/* *result is moved into the answer, also where NULL is returned. */
PyObject *native_answer_create(struct native_state *state, struct asof_result **result);
extern PyType_Spec native_answer_spec;
extern PyType_Spec native_column_spec;
extern PyType_Spec native_numbers_spec;

/* values.c: a list of the column's values as Python's objects, None where there is none. */
PyObject *native_values(struct native_state *state, struct asof_result *result, size_t index);

/* ---- client.c, stream.c, loop.c ---- */

extern PyType_Spec native_client_spec;
extern PyType_Spec native_stream_spec;
extern PyType_Spec native_loop_spec;

/* Options of a client from (connections, connect_timeout_ms, timeout_ms, retries). */
struct asof_options native_options(int connections, int connect_timeout_ms, int timeout_ms,
                                   int retries);

/* *stream is moved into the object, also where NULL is returned; client is its owner. */
PyObject *native_stream_create(struct native_state *state, PyObject *client,
                               struct asof_stream **stream);

#endif
