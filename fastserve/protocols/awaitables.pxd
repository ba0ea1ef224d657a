# What an await of ours is made of, and the awaits that need nothing else.

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF


cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    ctypedef PySendResult (*sendfunc)(
        object self, object value, PyObject **result) except PYGEN_ERROR
    # Its error is taken as a value; fs_raise_current() makes it one of Cython's.
    PySendResult PyIter_Send(object, object, PyObject **) noexcept

cdef extern from *:
    """
    /* A new reference becomes one that Cython owns. */
    #define fs_own(pointer) (pointer)

    /* The error that PyIter_Send left behind, for Cython's try to catch. */
    static inline int fs_raise_current(void) { return -1; }

    /* tp_iternext in terms of am_send. A StopIteration that is raised in Cython
     * gets a traceback, with a frame object, which costs more than the request's
     * scope; this one has none, and for None there is no exception at all. */
    static inline PyObject *fs_next(PyObject *self)
    {
        PyObject *result = NULL;

        switch (Py_TYPE(self)->tp_as_async->am_send(self, Py_None, &result)) {
        case PYGEN_NEXT:
            return result;
        case PYGEN_RETURN:
            if (result != Py_None)
                PyErr_SetObject(PyExc_StopIteration, result);
            Py_DECREF(result);
            return NULL;
        default:
            return NULL;
        }
    }

    /* Cython has no name for the am_send slot, which PyIter_Send looks for first
     * (asyncio's tasks on every version, await on 3.11). */
    static inline void fs_set_send(PyObject *type, sendfunc send)
    {
        PyTypeObject *t = (PyTypeObject *)type;

        t->tp_as_async->am_send = send;
        t->tp_iternext = fs_next;
        PyType_Modified(t);
    }
    """
    object fs_own(PyObject *pointer)
    int fs_raise_current() except -1
    void fs_set_send(object type, sendfunc send)


cdef inline PySendResult give(object value, PyObject **result) except PYGEN_ERROR:
    """The end of an await, with its value."""
    Py_INCREF(value)
    result[0] = <PyObject *>value
    return PYGEN_RETURN


cdef class Done:
    pass


cdef class Failed:
    cdef object _error


cdef class Waiter:
    cdef readonly object _loop      #: asyncio.AbstractEventLoop; tasks ask for it
    cdef public bint _asyncio_future_blocking       # yielded by await, not by yield
    cdef object _callback           #: the one that a task adds, or None
    cdef object _context            #: contextvars.Context it is called in
    cdef list _others               #: list[tuple[Callable, Context]] | None
    cdef object _message            #: of cancel()
    cdef bint _done
    cdef bint _cancelled

    cdef bint _end(self, bint cancelled) except -1
    cdef int _schedule(self, object callback, object context) except -1
    cdef int wake(self) except -1
    cdef int step(self) except -1


cdef Waiter new_waiter(object loop)
cdef object failed(object error)
cdef object call_send(object awaitable, sendfunc send, object value)
cdef int raise_given(object kind, object value, object traceback) except -1
cdef object held_with(object held, Waiter waiter)
cdef int wake(object held) except -1
