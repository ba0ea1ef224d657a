# One WebSocket's connection: what connection hands over when a handshake comes.

from libc.stdint cimport int64_t

from fastserve.protocols.http1_writer cimport ResponseWriter
from fastserve.protocols.output cimport Output
from fastserve.protocols.shared cimport Shared
from fastserve.protocols.websocket cimport WebSocket
from fastserve.protocols.websocket_exchange cimport (
    WebSocketChannel, WebSocketExchange,
)


cdef enum Waiting:
    NOTHING         # no deadline
    FOR_ACCEPT      # the application's, for a peer that has sent much before it
    TO_PING         # the next ping is due
    FOR_LIFE        # anything from the peer, after a ping
    FOR_LIFE_STILL  # likewise, when the time for it has passed
    FOR_CLOSE       # the peer's close frame, after ours
    TO_DROP         # input is dropped after a FIN, so that no RST overtakes it
    TO_LEAVE        # it is closed, and the peer has not taken all of it yet


cdef class WebSocketConnection(WebSocketChannel):
    cdef Shared _shared
    cdef readonly object transport      #: asyncio.Transport; None once it is lost
    cdef Output _output
    cdef ResponseWriter _writer
    cdef WebSocketExchange _exchange
    cdef WebSocket _frames
    cdef object _handshake              #: Handshake; None once it is complete
    cdef bytes _head                    #: of a denial, not written yet
    cdef bytes _owed_pong               #: payload of a ping not answered yet, or None
    cdef bytes _pending                 #: input that waits for the application
    cdef Py_ssize_t _pending_at
    cdef object _timer                  #: TimerHandle of a deadline under 1 s
    cdef Py_ssize_t _left               # bytes that the peer had not taken last time
    cdef double _pinged                 # loop.time() of the last ping
    cdef Waiting _waiting
    cdef bint _to_head                  # the request's method is HEAD
    cdef bint _closing                  # nothing more is read or written
    cdef bint _violated                 # the peer is to be told when the app has read
    cdef bint _finished                 # the last frame is written
    cdef bint _reading_paused
    cdef bint _writing_paused
    cdef object __weakref__

    cdef int begin(
        self, str method, bint http10, bytes rest, bint at_eof) except -1
    cdef int _begin(self, str method, bint http10, bytes rest) except -1
    cdef int _receive(self, bytes data) except -1
    cdef int _process(self, bytes data, Py_ssize_t at, bint at_once) except -1
    cdef Py_ssize_t _read(self, bytes data, Py_ssize_t at) except -1
    cdef int _take_control(self) except -1
    cdef int _answer_ping(self, bytes payload) except -1
    cdef int _answer_close(self) except -1
    cdef int _fail(self) except -1
    cdef int _refuse(self, int status, bytes text, list headers) except -1
    cdef int _go_on_reading(self) except -1
    cdef int _finish(self) except -1
    cdef int _close(self) except -1
    cdef int _leave(self) except -1
    cdef int _cut(self) except -1
    cdef int _lost(self) except -1
    cdef int _fault(self, object error) except -1
    cdef int _pause_reading(self) except -1
    cdef int _wait(self, Waiting waiting, double seconds) except -1
    cdef int _wait_no_more(self) except -1
    cdef int _time_is_over(self) except -1
    cdef int _ping(self) except -1
    cdef int _trace(self, str event) except -1


cdef WebSocketConnection new_websocket_connection(
    Shared shared, object transport, Output output, ResponseWriter writer, dict scope)
