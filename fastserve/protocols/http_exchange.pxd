# The ASGI side of one HTTP request.

from fastserve.protocols.exchange cimport Channel, Exchange
from fastserve.protocols.shared cimport Shared


cdef class HttpExchange(Exchange):
    cdef int offers                 # what the scope's extensions list: bits of Offer
    # The request.
    cdef object _body               #: bytes that receive() has not given yet, or None
    cdef readonly Py_ssize_t unread  # their number
    cdef bint _body_complete        # no more will come
    cdef bint _body_delivered       # receive() has given the last of it
    cdef list _request_trailers     #: of a chunked body that is complete; else None
    cdef bint owes_continue         # 100 Continue is due at the first receive()
    # The response.
    cdef readonly bint started
    cdef readonly bint complete
    cdef bint _refused              # the head could not be sent
    cdef bint _head_waits           # the head is held back for the first body
    cdef bint _wants_trailers       # the application sends trailers
    cdef bint _body_sent            # all but the trailers was sent
    cdef bytes head                 #: as sent, of an answer with more to come; or None

    cdef bint is_awaited(self) noexcept
    cdef int feed(self, bytes data) except -1
    cdef int end_of_body(self, list trailers) except -1
    cdef int _start(self, dict message) except -1
    cdef int _begin_response(self, object status, object headers) except -1
    cdef int _unstarted(self, object kind, dict message) except -1
    cdef int _trailers_message(self, object kind, dict message) except -1
    cdef int _end_response(self) except -1
    cdef int _flush_head(self) except -1
    cdef int _body_message(self, dict message) except -1
    cdef int _answer_500(self) except -1


cdef HttpExchange new_http_exchange(
    Channel channel, Shared shared, dict scope, int offers, bint wants_continue)
