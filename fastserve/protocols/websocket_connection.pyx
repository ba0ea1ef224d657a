"""The asyncio protocol of a connection that has asked for a WebSocket.

connection hands the transport over with the parsed request; from then on it is here:
first the handshake, then frames, keep-alive pings and the close.

    _handshake   our close sent    then
    waits        -                 input is kept, up to 64 KiB, until the app accepts;
                                   a peer that sends more has --timeout-request-header
    None         no                messages go to the exchange; it pauses when full
    None         yes               messages are dropped; the peer has 10 s to close too

Never: an exception that gets out of a callback, a byte behind a close frame, a timer a
message.
"""

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE

from os import urandom

from fastserve.protocols.exchange cimport Exchange
from fastserve.protocols.websocket cimport (
    GOT_BINARY, GOT_CLOSE, GOT_NOTHING, GOT_PING, GOT_TEXT, VIOLATION,
)
from fastserve.protocols.websocket_exchange cimport CONNECTING, new_websocket_exchange
from fastserve.protocols.websocket_handshake import (
    HandshakeRefused, read_handshake, without_connection,
)


cdef enum:
    HIGH_WATER = 65536          # bytes that may come before the application accepts
    MESSAGE_TOO_BIG = 1009

# Seconds.
cdef double CLOSE_WAIT = 10.0   # for the peer's close frame, as uvicorn
cdef double GOING_AWAY = 1.0    # likewise, when the server shuts down
cdef double LINGER = 2.0        # in which input is dropped after a FIN
cdef double ONE_READ = 0.1      # in which the loop takes what the socket holds
cdef double GRANULARITY = 1.0   # what the wheel can be used for


@cython.final
cdef class WebSocketConnection(WebSocketChannel):
    """An asyncio protocol, by its methods; new_websocket_connection() makes one."""

    # --- the handshake ------------------------------------------------------------

    cdef int begin(
            self, str method, bint http10, bytes rest, bint at_eof) except -1:
        """Check the handshake and run the application; rest came behind it.

        at_eof: the peer's end of input has come as well.
        """
        self._trace("connection made")
        self._to_head = method == "HEAD"
        try:
            self._begin(method, http10, rest)
            if at_eof:
                self._close()
            elif self._shared.stopping:
                self.shutdown()
        except Exception as error:
            self._fault(error)
        return 0

    cdef int _begin(self, str method, bint http10, bytes rest) except -1:
        cdef Shared shared = self._shared
        cdef dict scope = self._exchange.scope

        try:
            self._handshake = read_handshake(
                method, http10, scope["headers"], shared.config.ws_per_message_deflate)
        except HandshakeRefused as refusal:
            shared.logger.warning("Invalid WebSocket handshake: %s", refusal.text)
            return self._refuse(
                refusal.status, refusal.text.encode(), refusal.headers)
        scope["subprotocols"] = self._handshake.subprotocols
        if rest:
            self._pending = rest
        self._output.corked = True
        try:
            self._exchange.run(shared.app_for(scope["headers"]))
        finally:
            self._output.corked = False
        return self._output.end_turn()

    cdef int accept(self, object subprotocol, object headers) except -1:
        cdef object handshake = self._handshake
        cdef Shared shared = self._shared
        cdef bytes lines = shared.default_lines()
        cdef bytes head

        headers = handshake.response_headers(subprotocol, headers)
        if not shared.keep_alive:
            lines = without_connection(lines)
        self._writer.close_is_said = True       # a 101 goes on: nothing to say
        try:
            head = self._writer.start(
                101, headers, lines, shared.date_size, False, False, True)
        finally:
            self._writer.close_is_said = False
        self._output.write(head)
        self._frames = WebSocket(shared.config.ws_max_size)
        if handshake.deflate is not None:
            deflate = handshake.deflate
            self._frames.enable_deflate(
                deflate.server_bits, deflate.client_bits, deflate.server_takeover,
                deflate.client_takeover)
        self._handshake = None
        self._wait_no_more()
        if shared.ws_ping_interval > 0:
            self._wait(TO_PING, shared.ws_ping_interval)
        return 0

    cdef int _refuse(self, int status, bytes text, list headers) except -1:
        """The request cannot become a WebSocket: the application never sees it."""
        self.start(status, [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            *headers,
        ])
        return self.body(text, False)

    # --- asyncio's side -----------------------------------------------------------

    def data_received(self, data):
        try:
            self._receive(data if type(data) is bytes else bytes(data))
        except Exception as error:
            self._fault(error)

    def eof_received(self):
        """A WebSocket has no half-closed state: RFC 6455 7.1.5 calls this 1006."""
        try:
            self._close()
        except Exception as error:
            self._fault(error)
        return False

    def connection_lost(self, error):
        self._closing = True
        self.transport = None
        self._trace("connection lost")
        try:
            self._lost()
        finally:
            self._output.leave()
            self._shared.wheel.discard(self)
            self._shared.connections.discard(self)
            self._exchange = None       # it holds this: a cycle otherwise
            self._frames = None

    def pause_writing(self):
        self._writing_paused = True
        self._output.wait_for_peer()

    def resume_writing(self):
        cdef bytes payload = self._owed_pong

        self._writing_paused = False
        self._output.wait_no_more()
        self._owed_pong = None
        try:
            if payload is not None and not self._closing and not self._finished:
                self._answer_ping(payload)
        except Exception as error:
            self._fault(error)
        if self._exchange is not None:
            self._exchange.resume_writing()

    def shutdown(self):
        """Server.shutdown(): the peer is told, and has a second to close too."""
        if self._closing or self._finished:
            return
        try:
            if self._handshake is not None:
                if self._exchange.state == CONNECTING:
                    self._exchange.peer_closed(1006, None)
                    self._refuse(500, b"Internal Server Error", [])
            elif self._frames.close_sent:
                self._close()
            else:
                self._exchange.peer_closed(1012, None)
                self._output.write(self._frames.close_frame(1012))
                self._output.flush()
                self._wait(FOR_CLOSE, GOING_AWAY)
                self.resume_reading()
        except Exception as error:
            self._fault(error)

    # --- input --------------------------------------------------------------------

    cdef int _receive(self, bytes data) except -1:
        if self._closing or self._finished or self._violated:
            return 0
        if self._waiting == FOR_LIFE or self._waiting == FOR_LIFE_STILL:
            # Any bytes are life. The next ping comes as if this were its answer.
            self._wait(TO_PING, max(0.0, self._pinged + self._shared.ws_ping_interval
                                    - <double>self._shared.loop.time()))
        if self._pending is not None:
            self._pending = self._pending[self._pending_at:] + data
            self._pending_at = 0
        elif self._handshake is not None:
            self._pending = data
        else:
            return self._process(data, 0, True)
        if self._handshake is None:
            return self._pause_reading()
        if PyBytes_GET_SIZE(self._pending) > HIGH_WATER:
            self._pause_reading()
            # Its end would not be seen; RFC 6455 4.1 has it wait for the 101.
            if self._shared.timeout_request_header > 0:
                return self._wait(FOR_ACCEPT, self._shared.timeout_request_header)
        return 0

    cdef int _process(self, bytes data, Py_ssize_t at, bint at_once) except -1:
        """Read frames; what they are answered with goes out together.

        at_once: the loop has called, so that the application may be run from here.
        """
        cdef WebSocketExchange exchange = self._exchange
        cdef bint corked = self.cork()

        try:
            at = self._read(data, at)
            if at < PyBytes_GET_SIZE(data) and not (self._closing or self._finished):
                self._pending = data
                self._pending_at = at
                self._pause_reading()
            exchange.deliver(at_once)
        finally:
            if corked:
                self._output.corked = False
        return self._output.end_turn() if corked else 0

    cdef Py_ssize_t _read(self, bytes data, Py_ssize_t at) except -1:
        """Read frames from offset at; returns where it stopped."""
        cdef WebSocket frames = self._frames
        cdef WebSocketExchange exchange = self._exchange
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef object message

        while at < size and not (self._closing or self._finished):
            if exchange.is_full():
                return at
            at = frames.feed(data, at)
            if frames.event == GOT_TEXT or frames.event == GOT_BINARY:
                message = frames.take()
                exchange.feed(message, len(message))
            elif frames.event != GOT_NOTHING:
                self._take_control()
        if exchange.is_full():
            self._pause_reading()
        return at

    cdef int _take_control(self) except -1:
        cdef WebSocket frames = self._frames

        if frames.event == GOT_PING:
            self._answer_ping(frames.take())
        elif frames.event == GOT_CLOSE:
            self._answer_close()
            self._close()
        elif frames.event == VIOLATION:
            # What came before was good: the application may answer it first.
            if self._exchange.has_messages():
                self._violated = True
                self._pause_reading()
            else:
                self._fail()
        return 0

    cdef int _answer_ping(self, bytes payload) except -1:
        """While the peer does not read, its last ping waits for an answer.

        RFC 6455 5.5.3: that may stand for the answers to those before.
        """
        if self._frames.close_sent:
            return 0
        if self._writing_paused:
            self._owed_pong = payload
            return 0
        return self._output.write(self._frames.pong_frame(payload))

    cdef int _fail(self) except -1:
        """RFC 6455 7.1.7: the peer has broken the rules."""
        if self._frames.close_code == MESSAGE_TOO_BIG:
            self._shared.report_limit(
                "ws_max_size", "sent a message of more than %.12g bytes",
                self._shared.config.ws_max_size,
                self.transport.get_extra_info("peername"))
        self._answer_close()
        return self._finish()

    cdef int _answer_close(self) except -1:
        cdef WebSocket frames = self._frames
        self._exchange.peer_closed(frames.close_code, frames.close_reason)
        if not frames.close_sent:
            self._output.write(frames.close_answer())
        return 0

    # --- WebSocketChannel: what the exchange asks for -----------------------------

    cdef int start(self, object status, object headers) except -1:
        self._head = self._writer.start(
            status, headers, self._shared.default_lines(), self._shared.date_size,
            False, self._to_head, False)
        return 0

    cdef int body(self, object data, bint more) except -1:
        cdef object piece = self._writer.body(self._head, data, more)
        self._head = None
        if self._closing or self._finished:
            return 0
        if piece is not None:
            self._output.write(piece)
        return 0 if more else self._finish()

    cdef int send_text(self, object text) except -1:
        return self._output.write(self._frames.text_frame(text))

    cdef int send_binary(self, object data) except -1:
        return self._output.write(self._frames.binary_frame(data))

    cdef int send_close(self, object code, object reason) except -1:
        self._output.write(self._frames.close_frame(code, reason))
        if self._violated:
            return self._finish()       # nothing more is read of this peer's
        return self._wait(FOR_CLOSE, CLOSE_WAIT)

    cdef int caught_up(self) except -1:
        if self._violated and not (self._closing or self._finished):
            try:
                self._fail()
            except Exception as error:
                self._fault(error)
        return 0

    cdef bint cork(self) noexcept:
        if self._output.corked:
            return False
        self._output.corked = True
        return True

    cdef int uncork(self) except -1:
        self._output.corked = False
        try:
            self._output.end_turn()
        except Exception as error:
            self._fault(error)
        return 0

    cdef int abort(self, Exchange exchange) except -1:
        """A denial that cannot be completed."""
        return 0 if self._closing else self._cut()

    cdef int resume_reading(self) except -1:
        """The application has read: take in what waits, then go on."""
        if self._closing or self._violated or self._handshake is not None:
            return 0
        try:
            self._go_on_reading()
        except Exception as error:
            self._fault(error)          # no fault of the application, which calls this
        return 0

    cdef int _go_on_reading(self) except -1:
        cdef bytes data

        if self._pending is not None and not self._exchange.is_full():
            data = self._pending
            self._pending = None
            self._process(data, self._pending_at, False)
        if self._reading_paused and self._pending is None and not (
                self._closing or self._exchange.is_full()):
            self._reading_paused = False
            self.transport.resume_reading()
            if self._waiting == FOR_LIFE:       # it may wait in the socket
                self._wait(FOR_LIFE, self._shared.ws_ping_timeout)
        return 0

    cdef bint is_writable(self) noexcept:
        return not self._writing_paused

    # --- deadlines ----------------------------------------------------------------

    cdef int _wait(self, Waiting waiting, double seconds) except -1:
        cdef Shared shared = self._shared

        self._wait_no_more()
        self._waiting = waiting
        if seconds >= GRANULARITY:
            return shared.wheel.set_deadline(self, seconds)
        self._timer = shared.loop.call_later(
            seconds, self.time_out, context=shared.context)
        return 0

    cdef int _wait_no_more(self) except -1:
        self._waiting = NOTHING
        self.due = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return 0

    cdef int64_t on_tick(self, int64_t now) except -1:
        if self._waiting == NOTHING or not self.due:
            return 0
        if self.due > now:
            return self.due
        self.time_out()
        return 0                        # set_deadline() has found it another place

    def time_out(self):
        """A deadline has passed; called by the loop or the wheel."""
        self._timer = None
        try:
            self._time_is_over()
        except Exception as error:
            self._fault(error)

    cdef int _time_is_over(self) except -1:
        cdef Waiting waiting = self._waiting

        self._wait_no_more()
        if self._closing:
            return self._leave() if waiting == TO_LEAVE else 0
        if waiting == TO_PING:
            return self._ping()
        if waiting == FOR_ACCEPT:
            self._shared.report_limit(
                "timeout_request_header",
                "sent over 64 KiB before its WebSocket was accepted, over %g s ago",
                self._shared.timeout_request_header,
                self.transport.get_extra_info("peername"))
            return self._cut()
        if waiting == FOR_LIFE:
            # The loop may have been held up: it reads once more before this is true.
            return self._wait(FOR_LIFE_STILL, ONE_READ)
        if waiting != FOR_LIFE_STILL:
            return self._close()
        if self._reading_paused:
            # What the peer may have sent is unread: the application is slow.
            return self._wait(FOR_LIFE, self._shared.ws_ping_timeout)
        self._shared.count_limit("ws_ping_timeout")
        self._trace("keepalive ping timeout")
        self._exchange.peer_closed(1011, "keepalive ping timeout")
        self._output.write(
            self._frames.close_frame(1011, "keepalive ping timeout"))
        return self._finish()

    cdef int _ping(self) except -1:
        cdef Shared shared = self._shared

        if self._frames.close_sent:
            return 0
        self._frames.forget()           # nobody has needed it for a whole interval
        self._pinged = shared.loop.time()
        self._output.write(self._frames.ping_frame(urandom(4)))
        if shared.ws_ping_timeout > 0:
            return self._wait(FOR_LIFE, shared.ws_ping_timeout)
        return self._wait(TO_PING, shared.ws_ping_interval)

    # --- ends ---------------------------------------------------------------------

    cdef int _finish(self) except -1:
        """The last byte is written: FIN, then drop input for a while (RFC 9112 9.6)."""
        if self._finished or self._closing:
            return 0
        self._finished = True
        self._pending = None
        self._handshake = None
        self._output.flush()
        if not self.transport.can_write_eof():
            return self._close()
        try:
            self.transport.write_eof()
        except OSError:  # asyncio's, if the peer's RST came first
            return self._close()
        if self._reading_paused:
            self._reading_paused = False
            self.transport.resume_reading()
        return self._wait(TO_DROP, LINGER)

    cdef int _close(self) except -1:
        """Close when everything is written, if the peer takes it."""
        cdef Py_ssize_t left = 0

        self._output.flush()
        if not self._closing:
            self._closing = True
            left = self.transport.get_write_buffer_size()
            self.transport.close()
        self._lost()
        if left:
            self._left = left
            self._wait(TO_LEAVE, LINGER)
        return 0

    cdef int _leave(self) except -1:
        """Closed, and still here: does the peer take what was written?"""
        cdef Py_ssize_t left

        if self.transport is None:
            return 0
        left = self.transport.get_write_buffer_size()
        if left >= self._left or self._shared.stopping:
            self.transport.abort()
            return 0
        self._left = left
        return self._wait(TO_LEAVE, LINGER)

    cdef int _cut(self) except -1:
        """End at once, so that what is written does not look whole."""
        self._closing = True
        self._output.flush()
        self.transport.abort()
        return self._lost()

    cdef int _lost(self) except -1:
        """Let go of what the connection holds, and tell the exchange."""
        self._wait_no_more()
        self._pending = None
        self._output.discard()
        if self._exchange is None:
            return 0
        self._exchange.peer_closed(1006, None)
        return self._exchange.peer_left() if self.transport is None else 0

    cdef int _pause_reading(self) except -1:
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()
        return 0

    cdef int _fault(self, object error) except -1:
        self._output.fail(error)
        self._closing = True
        return self._lost()

    cdef int _trace(self, str event) except -1:
        if self._shared.is_tracing():
            self._shared.trace(
                self._exchange.scope["client"], f"WebSocket {event}")
        return 0


cdef WebSocketConnection new_websocket_connection(
        Shared shared, object transport, Output output, ResponseWriter writer,
        dict scope):
    """Takes over an open connection, and its request's scope; call begin() next."""
    cdef WebSocketConnection connection = WebSocketConnection.__new__(
        WebSocketConnection)
    connection._shared = shared
    connection.transport = transport
    connection._output = output
    connection._writer = writer
    del scope["method"]
    scope["type"] = "websocket"
    scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
    scope["asgi"]["spec_version"] = "2.4"
    scope["extensions"]["websocket.http.response"] = {}
    connection._exchange = new_websocket_exchange(connection, shared, scope)
    return connection
