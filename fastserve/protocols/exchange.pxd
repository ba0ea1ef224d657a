# The ASGI side of any request, and the seam to the wire below it.

from cpython.object cimport PyObject

from fastserve.protocols.awaitables cimport PYGEN_ERROR, PySendResult, Waiter
from fastserve.protocols.shared cimport Shared, Timed


cdef class Channel(Timed):
    # What an exchange knows of the wire. Errors of the application are raised as
    # RuntimeError; a lost peer is no error.
    cdef int start(self, object status, object headers) except -1
    cdef int body(self, object data, bint more) except -1
    cdef int trailers(self, object headers, bint more) except -1
    cdef int informational(self, int status, object headers) except -1
    cdef int flush(self) except -1
    cdef bint cork(self) noexcept
    cdef int uncork(self) except -1
    cdef int abort(self, Exchange exchange) except -1
    cdef int resume_reading(self) except -1
    cdef bint is_writable(self) noexcept


cdef class Exchange:
    cdef readonly dict scope
    cdef readonly object task       #: asyncio.Task or its like; None while not needed
    cdef readonly bint disconnected  # the peer has left
    cdef bint _peer_finished        # it sends no more, and may still read
    cdef Shared _shared
    cdef Channel _channel           #: None when the exchange has no more to say to it
    cdef AppCall _call
    cdef object _receivers          #: None, a Waiter, or a list of them
    cdef list _line                 #: a future a send() that waits, in order; or None

    cdef int run(self, object app) except -1
    cdef int peer_finished(self) except -1
    cdef int peer_left(self) except -1
    cdef int resume_writing(self) except -1
    cdef int _wake_receivers(self) except -1
    cdef int _wake_first(self) except -1
    cdef object _next_message(self)
    cdef int _send(self, object message) except -1
    cdef bint _must_wait(self) noexcept
    cdef int _app_returned(self, object result) except -1
    cdef int _app_failed(self, object error) except -1
    cdef bint _step_begins(self) noexcept
    cdef int _step_ends(self, bint corked) except -1
    cdef int _log_failure(self, object error) except -1


cdef class AppCall:
    # The coroutine that a request's task runs: the application's, with its end.
    cdef Exchange _exchange
    cdef object _app
    cdef object _inner              #: the application's coroutine or iterator
    cdef bint running               # inside a step
    cdef readonly bint finished

    cdef object _begin(self)
    cdef PySendResult _step(self, object value, PyObject **result) except PYGEN_ERROR
    cdef int _finish(self, object result) except -1
    cdef int _fail(self, object error) except -1


cdef class Receive:
    cdef Exchange _exchange
    cdef Waiter _waiter             #: None while it does not wait

    cdef object _wait(self)
