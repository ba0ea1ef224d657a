# The ASGI side of one WebSocket, and what it asks of the wire.

from fastserve.protocols.exchange cimport Channel, Exchange
from fastserve.protocols.shared cimport Shared


cdef class WebSocketChannel(Channel):
    # What a WebSocketExchange knows of the wire, beside start() and body() for the
    # answer of one that was denied.
    cdef int accept(self, object subprotocol, object headers) except -1
    cdef int send_text(self, object text) except -1
    cdef int send_binary(self, object data) except -1
    cdef int send_close(self, object code, object reason) except -1
    cdef int caught_up(self) except -1


cdef enum State:
    CONNECTING      # the handshake waits for the application's answer
    ACCEPTED        # messages go both ways
    CLOSING         # the application has sent its close
    DENYING         # a denial has begun
    DENIED          # it is complete


cdef class WebSocketExchange(Exchange):
    cdef readonly State state
    cdef readonly Py_ssize_t unread     # characters and bytes that wait in _queue
    cdef list _queue                    #: str and bytes; None: not needed yet
    cdef dict _disconnect               #: the message that ends receive(), or None
    cdef bint _told                     # receive() has given websocket.connect
    cdef object _status                 #: of a denial whose head waits for its body
    cdef list _headers                  #: likewise

    cdef bint is_full(self) noexcept
    cdef bint has_messages(self) noexcept
    cdef int feed(self, object message, Py_ssize_t size) except -1
    cdef int deliver(self, bint at_once) except -1
    cdef int peer_closed(self, object code, object reason) except -1
    cdef WebSocketChannel _wire(self)
    cdef int _open(self, dict message, str kind) except -1
    cdef int _message(self, dict message, str kind) except -1
    cdef int _close(self, dict message) except -1
    cdef int _begin_denial(self, dict message) except -1
    cdef int _deny(self, dict message, str kind) except -1
    cdef int _refuse(self, int status, bytes text) except -1
    cdef int _log(self, object outcome) except -1


cdef WebSocketExchange new_websocket_exchange(
    WebSocketChannel channel, Shared shared, dict scope)
