# One TCP, Unix or TLS connection: the asyncio protocol, and its requests' channel.

from fastserve.protocols.deadlines cimport DeadlineChannel
from fastserve.protocols.http_exchange cimport HttpExchange
from fastserve.protocols.http1 cimport RequestParser
from fastserve.protocols.http1_writer cimport ResponseWriter
from fastserve.protocols.output cimport Output
from fastserve.protocols.scope cimport ScopeMaker


cdef class Connection(DeadlineChannel):
    # The connection's.
    cdef Output _output
    cdef RequestParser _parser
    cdef ResponseWriter _writer
    cdef ScopeMaker _scopes         #: None while it is idle
    cdef dict _tls                  #: the `tls` extension; None on a plain connection
    cdef object __weakref__
    cdef bint _served               # a request, since it was idle last
    cdef bint _eof                  # the peer sends no more
    cdef bint _lost                 # it is no transport any more
    cdef bint _reading_paused
    cdef bint _writing_paused
    cdef bint _scheduled            # _continue() is to be called
    cdef bytes _read                #: of this turn: served when all have read
    # Input that waits for its turn.
    cdef bytes _pending
    cdef Py_ssize_t _pending_at
    # Of the input that was there at one moment: where it ends, requests served of it.
    cdef Py_ssize_t _ahead_end
    cdef Py_ssize_t _ahead
    # One request's.
    cdef HttpExchange _exchange     # None: no answer is owed
    cdef bint _request_open         # its body has not ended
    cdef bint _keep                 # the connection goes on after it
    cdef bint _http10
    cdef bint _to_head              # its method is HEAD
    cdef bint _sent                 # bytes of its answer were written
    cdef bytes _head                # the answer's head, not written yet

    cdef bint _serve_first(self, object transport) except -1
    cdef bint _is_idle(self) noexcept
    cdef int _receive(self, bytes data) except -1
    cdef int _process(self, bytes data, Py_ssize_t at) except -1
    cdef Py_ssize_t _serve(self, bytes data, Py_ssize_t at) except -1
    cdef int _begin(self) except -1
    cdef int _end_pipeline(self) except -1
    cdef bint _is_for_another(self) except -1
    cdef int _hand_over(self, bytes rest) except -1
    cdef int _switch(self, bytes rest) except -1
    cdef dict _make_scope(self, int offers)
    cdef int _settle(self) except -1
    cdef int _wait_for_body(self) except -1
    cdef int _schedule(self) except -1
    cdef int _end_answer(self) except -1
    cdef int _cut(self) except -1
    cdef int _close(self) except -1
    cdef int _linger(self) except -1
    cdef int _leave(self) except -1
    cdef int _release(self) except -1
    cdef int _pause_reading(self) except -1
    cdef int _run(self, HttpExchange exchange) except -1
    cdef int _fault(self, object error) except -1
    cdef int _trace(self, str text) except -1
