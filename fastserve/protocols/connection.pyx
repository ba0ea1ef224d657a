"""The asyncio protocol of one connection; its output apart, its socket's only writer.

Bytes go to the parser; a request whose head is complete becomes an exchange, whose
application is started here, in the callback that brought the bytes; what it sends
comes back through Channel's methods and goes out in as few writes as can be.

    answer owed   body open   then
    no            no          idle: the keep-alive deadline runs
    yes           yes         body goes to the exchange; over 64 KiB unread it pauses
    yes           no          further input waits: one answer at a time, in order
    no            yes         the rest of the body is read and dropped

Never: an exception that gets out of a callback, an application called from another
one's step, a byte of an error answer inside an answer that has begun.
"""

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE

from fastserve.protocols.deadlines cimport (
    FOR_BODY, FOR_HEAD, FOR_REQUEST, NO_DEADLINE, TO_END,
)
from fastserve.protocols.exchange cimport Exchange
from fastserve.protocols.http_exchange cimport new_http_exchange
from fastserve.protocols.http1 cimport BODY, COMPLETE, FAILED, START
from fastserve.protocols.http1_writer cimport is_event_stream
from fastserve.protocols.output cimport Output, reset
from fastserve.protocols.handover import hand_over, is_handshake
from fastserve.protocols.refusals import refusal, report, service_unavailable
from fastserve.protocols.scope cimport ScopeMaker, address, new_scope_maker, offered
from fastserve.protocols.shared cimport Shared
from fastserve.protocols.tls import tls_extension
from fastserve.protocols.websocket_connection cimport (
    WebSocketConnection, new_websocket_connection,
)
from fastserve.protocols.websocket_handshake import asks_for_websocket


cdef enum:
    HIGH_WATER = 65536          # bytes of body unread, or of input that waits
    BURST = 32                  # requests in one callback, then others have a turn
    SMALL = 4096                # bytes of a read that is served with its turn's others

cdef double LINGER = 2.0        # seconds in which input is dropped after a FIN


@cython.final
cdef class Connection(DeadlineChannel):
    """An asyncio protocol, by its methods; Server makes one a connection."""

    def __init__(self, Shared shared):
        self._shared = shared
        self._keep = True
        self._output = Output(shared)
        self._parser = RequestParser()
        self._parser.set_limits(
            shared.limit_request_line, shared.limit_header_size,
            shared.limit_header_count, shared.limit_request_body,
            shared.limit_chunk_extensions)
        self._writer = ResponseWriter()
        self._writer.close_is_said = not shared.keep_alive

    # --- asyncio's side -----------------------------------------------------------

    def connection_made(self, transport):
        self.transport = transport
        self._shared.connections.add(self)
        self._shared.refresh()
        try:
            self._output.open(transport)
            if transport.get_extra_info("sslcontext") is not None:
                self._tls = tls_extension(transport)
            self._wait(FOR_HEAD, self._shared.timeout_request_header)
        except Exception as error:
            self._fault(error)
        self._trace("HTTP connection made")
        if self._shared.stopping:
            self.shutdown()             # it was accepted before the listeners closed

    def data_received(self, data):
        cdef object transport = self.transport
        if (
            self._read is None and type(data) is bytes
            and PyBytes_GET_SIZE(data) <= SMALL and self._output.is_direct()
        ):
            self._read = data
            self._shared.serve_later(self)
            return
        try:
            if self._read is not None and self._serve_first(transport):
                transport.get_protocol().data_received(data)
            else:
                self._receive(data if type(data) is bytes else bytes(data))
        except Exception as error:
            self._fault(error)

    cdef bint _serve_first(self, object transport) except -1:
        """Serve what was read; whether another protocol has the transport since."""
        self.serve_read()
        return self.transport is not transport

    cdef int serve_read(self) except -1:
        cdef bytes data = self._read
        if data is None:
            return 0
        self._read = None
        try:
            return self._receive(data)
        except Exception as error:
            return self._fault(error)

    def eof_received(self):
        """True keeps the transport open for the answers that are still owed."""
        cdef object transport = self.transport
        try:
            if self._read is not None and self._serve_first(transport):
                return transport.get_protocol().eof_received()
            return self._receive_eof()
        except Exception as error:
            self._fault(error)
            return False

    def connection_lost(self, error):
        self._trace("HTTP connection lost")
        # What was read before is a request like any other; nobody gets its answer.
        self._eof = self._lost = True
        self._output.discard()
        self.serve_read()
        self._leave()

    def pause_writing(self):
        self._writing_paused = True
        self._output.wait_for_peer()

    def resume_writing(self):
        self._writing_paused = False
        self._output.wait_no_more()
        if self._exchange is not None:
            self._exchange.resume_writing()
        elif self._pending is not None:
            self._schedule()

    def shutdown(self):
        """Server.shutdown(): closed now if idle, else after the running answer.

        With Shared's grace it is kept for so long where the client expects that, and
        a request that comes meanwhile is answered with `Connection: close`.
        """
        self._stopping = True
        if self._shared.grace == 0:
            self._keep = False
        if self._exchange is None and self._pending is None and self._read is None:
            if self._shared.grace == 0:
                self._close_idle()
            elif not self._lingering and not self._closing:
                self._wait_idle()

    def say_disconnect(self, bint only_streams):
        """Server.shutdown(): receive() gives http.disconnect, and send() goes on.

        With only_streams, where the answer is an event stream: it never ends by itself.
        """
        cdef HttpExchange exchange = self._exchange
        if exchange is not None and (
                not only_streams or is_event_stream(exchange.head)):
            exchange.peer_finished()

    def idle_until(self):
        """The tick at which it would be closed; 0: it is not kept for a request."""
        return self.due if self._is_idle() else 0

    def hurry(self):
        """Close an idle one soon; what its client has sent by then is served."""
        if self._is_idle():
            self._shared.wheel.set_deadline(self, 0)

    cdef bint _is_idle(self) noexcept:
        return self._waiting == FOR_REQUEST and not self._closing and (
            self._read is None and self._pending is None)

    # --- input --------------------------------------------------------------------

    cdef int _receive(self, bytes data) except -1:
        if self._closing or self._lingering:
            return 0
        self._heard()
        if self._pending is not None:
            # A second read that waits: the peer has to wait too. So no more than
            # one read and 64 KiB is ever kept.
            self._pending = self._pending[self._pending_at:] + data
            self._ahead_end -= self._pending_at
            self._pending_at = 0
            return self._pause_reading()
        return self._process(data, 0)

    def _receive_eof(self):
        self._eof = True
        self._output.flush()
        if self._closing or self._lingering:
            return False
        if self._exchange is None:
            return self._pending is not None and self._tls is None
        if self._request_open:
            # The request will never be whole. What came of it is delivered first.
            self._cut()
            return False
        self._exchange.peer_finished()
        return self._tls is None        # TLS knows no half-closed connection

    def _continue(self):
        """Another turn for input that waited."""
        cdef bytes data = self._pending
        self._scheduled = False
        if self._closing or data is None or self._exchange is not None:
            return
        self._pending = None
        try:
            self._process(data, self._pending_at)
        except Exception as error:
            self._fault(error)

    cdef int _process(self, bytes data, Py_ssize_t at) except -1:
        """Parse and serve, then write what the answers of this turn have come to."""
        if self._ahead_end <= at:       # what was there has been served: count anew
            self._ahead_end = PyBytes_GET_SIZE(data)
            self._ahead = 0
        self._output.corked = True
        try:
            at = self._serve(data, at)
        finally:
            self._output.corked = False
        if at < PyBytes_GET_SIZE(data) and not self._closing and not self._lingering:
            self._pending = data
            self._pending_at = at
            if PyBytes_GET_SIZE(data) - at > HIGH_WATER:
                self._pause_reading()
        else:
            self._ahead_end = 0
            if self._reading_paused and (
                    self._exchange is None or self._exchange.unread <= HIGH_WATER):
                self.resume_reading()   # it was paused for what has had its turn now
        self._output.end_turn()
        return self._settle()

    cdef Py_ssize_t _serve(self, bytes data, Py_ssize_t at) except -1:
        """Serve the requests in data from offset at; returns where it stopped."""
        cdef RequestParser parser = self._parser
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef HttpExchange exchange
        cdef int begun = 0
        cdef object body
        cdef bint fresh, awaited

        while at < size and not self._closing and not self._lingering:
            if not self._request_open:
                if self._exchange is not None or self._writing_paused:
                    return at           # one answer at a time
                if begun == BURST:
                    return at
            at = parser.feed(data, at)
            if parser.phase == FAILED:
                report(self._shared, self.transport, parser, data)
                self._refuse(parser.status)
                return size
            if parser.phase < BODY:
                return size
            fresh = not self._request_open
            if fresh:
                if parser.upgrade:
                    if self._is_for_another():
                        self._hand_over(data[at:])
                        return size
                    if self._shared.websockets and asks_for_websocket(parser.headers):
                        self._switch(data[at:])
                        return size
                begun += 1
                self._ahead += 1
                self._begin()
                if (at < self._ahead_end
                        and self._ahead >= self._shared.limit_pipelined_requests):
                    self._end_pipeline()
            exchange = self._exchange
            body = parser.take_body()
            if body is not None and exchange is not None:
                # An app that waits for it takes it all at its next step.
                awaited = exchange.is_awaited()
                exchange.feed(<bytes>body)
                if exchange.unread > HIGH_WATER and not awaited:
                    self._pause_reading()
            if parser.phase == COMPLETE:
                self._request_open = False
                if exchange is not None:
                    exchange.end_of_body(parser.trailers)
                    if self._eof:
                        exchange.peer_finished()
                parser.next()
            if fresh:
                self._run(exchange)
            if self._exchange is None and not self._keep:
                return at               # nothing behind it is served
        return at

    cdef int _begin(self) except -1:
        """The head of a request is complete."""
        cdef RequestParser parser = self._parser
        cdef int offers = offered(self._shared, parser)

        if parser.upgrade and not parser.http10:
            self._shared.logger.warning("Unsupported upgrade request.")
        self._request_open = True
        self._waiting = NO_DEADLINE
        self._http10 = parser.http10
        self._to_head = parser.method == "HEAD"
        self._sent = False
        self._keep = (
            parser.keep_alive and self._shared.keep_alive and not self._stopping)
        self._exchange = new_http_exchange(
            self, self._shared, self._make_scope(offers), offers,
            parser.expect_continue)
        return 0

    cdef int _end_pipeline(self) except -1:
        """The last answer to a peer that has sent too many requests ahead.

        RFC 9112 9.3.2: it has to send again what was not answered.
        """
        cdef Shared shared = self._shared

        if self._keep:
            self._keep = False
            shared.report_limit(
                "limit_pipelined_requests", "sent more than %g requests ahead",
                shared.limit_pipelined_requests,
                self.transport.get_extra_info("peername"))
        return 0

    cdef int _run(self, HttpExchange exchange) except -1:
        cdef Shared shared = self._shared
        if shared.limit_concurrency >= 0 and shared.is_over_limit():
            shared.count_limit("limit_concurrency")
            shared.logger.warning("Exceeded concurrency limit.")
            return exchange.run(service_unavailable)
        return exchange.run(shared.app_for(exchange.scope["headers"]))

    cdef dict _make_scope(self, int offers):
        """The parsed request's scope, by a maker kept from the second one on."""
        cdef ScopeMaker maker = self._scopes
        if maker is None:
            maker = new_scope_maker(self._shared, self.transport, self._tls)
            if self._served:
                self._scopes = maker
            self._served = True
        return maker.make(self._parser, offers)

    cdef bint _is_for_another(self) except -1:
        """Whether the parsed request is the handshake of --ws's own protocol class."""
        cdef RequestParser parser = self._parser
        return (
            self._shared.websocket_class is not None and parser.phase == COMPLETE
            and not parser.http10 and is_handshake(parser.method, parser.headers))

    cdef int _hand_over(self, bytes rest) except -1:
        """Give the transport to --ws's own class, which reads the request again."""
        cdef RequestParser parser = self._parser
        if self._lost:
            return 0
        self._trace("Upgrading to WebSocket")
        self._output.flush()
        self.resume_reading()
        self._shared.connections.discard(self)
        hand_over(
            self._shared, self._shared.app_state, self.transport, parser.raw_path,
            parser.query_string, parser.headers, rest)
        return self._leave()

    cdef int _switch(self, bytes rest) except -1:
        """The request asks for a WebSocket: another protocol goes on with it."""
        cdef RequestParser parser = self._parser
        cdef Output output = self._output
        cdef WebSocketConnection protocol

        if self._lost:
            return 0
        self._trace("Upgrading to WebSocket")
        output.flush()                  # the answers before
        output.corked = False
        self._output = Output(self._shared)
        self.resume_reading()
        protocol = new_websocket_connection(
            self._shared, self.transport, output, self._writer,
            self._make_scope(0))
        if self._writing_paused:        # by the flush
            protocol.pause_writing()
        self._shared.connections.add(protocol)
        self.transport.set_protocol(protocol)
        protocol.begin(parser.method, parser.http10, rest, self._eof)
        return self._leave()

    # --- what follows an answer ---------------------------------------------------

    cdef int _settle(self) except -1:
        """Between callbacks: go on with what waits, go idle, or close."""
        if self._closing or self._lingering:
            return 0
        if self._exchange is not None:
            if not self._request_open:
                return 0
            if self._eof:
                return self._cut()      # the request will never be whole
            return self._wait_for_body()
        if self._parser.phase != START and not self._request_open:
            # Inside a head, which the peer may still complete.
            if self._eof:
                return self._close()
            if self._stopping:
                return self._wait_idle()
            if self._waiting == FOR_HEAD:
                return 0                # since its first byte, or since accept
            return self._wait(FOR_HEAD, self._shared.timeout_request_header)
        if not self._keep and (self._request_open or self._pending is not None):
            return self._linger()
        if self._pending is not None:
            return 0 if self._writing_paused else self._schedule()
        if self._eof or not self._keep:
            return self._close()
        self.resume_reading()
        return self._wait_idle()

    cdef int _wait_for_body(self) except -1:
        """More of a body has to come in time, unless it is not the peer's turn."""
        if self._waiting == FOR_BODY and self.due:
            return 0                    # only what the peer sends renews it
        if self._reading_paused or self._exchange.owes_continue:
            return 0
        return self._wait(FOR_BODY, self._shared.timeout_request_body)

    cdef int _schedule(self) except -1:
        """Go on in a callback of its own: never inside a step of an application."""
        if not self._scheduled:
            self._scheduled = True
            self._shared.loop.call_soon(self._continue, context=self._shared.context)
        return 0

    # --- what its deadlines ask ---------------------------------------------------

    cdef bint _is_owed(self) noexcept:
        if self._waiting != FOR_BODY:
            return self._exchange is None
        # While the application does not read, the peer cannot send.
        return (
            self._request_open and self._exchange is not None
            and not self._reading_paused)

    cdef bint _has_unserved(self) noexcept:
        return self._read is not None

    cdef bint _is_silent(self) noexcept:
        return self._parser.is_silent()

    cdef int _shrink(self) except -1:
        if self._parser.phase == START:         # inside a request nothing is to spare
            self._parser.forget()
        self._scopes = None
        self._served = False
        return 0

    cdef bint _is_read(self) except -1:
        if not self._output.is_buffered():
            return True
        self._output.wait_for_peer()
        return False

    # --- refusals -----------------------------------------------------------------

    cdef int _refuse(self, int status) except -1:
        """Answer with an error, if no answer has begun, and close."""
        cdef HttpExchange exchange = self._exchange
        cdef bytes text
        cdef list headers

        self._keep = False
        if exchange is not None:
            if exchange.started:
                return self._cut()
            self._exchange = None
            exchange.peer_left()
        elif self._request_open:
            return self._linger()       # its answer is out already
        self._sent = True
        headers, text = refusal(status)
        self._head = self._writer.start(
            status, headers, self._shared.default_lines(), self._shared.date_size,
            False, False, False)
        self._output.write(self._writer.body(self._head, text, False))
        self._head = None
        return self._linger()

    # --- Channel: what exchanges ask for ------------------------------------------

    cdef int start(self, object status, object headers) except -1:
        if self._request_open and self._exchange.owes_continue:
            # RFC 9110 10.1.1: a client that was not told to go on may send the body
            # or leave it out; what follows could be either.
            self._keep = False
        self._head = self._writer.start(
            status, headers, self._shared.default_lines(), self._shared.date_size,
            self._http10, self._to_head,
            self._keep and not self._stopping)
        return 0

    cdef int body(self, object data, bint more) except -1:
        cdef object piece = self._writer.body(self._head, data, more)
        if more and self._head is not None and self._exchange is not None:
            self._exchange.head = self._head
        self._output.streaming = more and self._head is None
        self._head = None
        if piece is not None:
            self._sent = True
            self._output.write(piece)
        return 0 if more else self._end_answer()

    cdef int trailers(self, object headers, bint more) except -1:
        cdef bytes piece = self._writer.trailers(headers, more)
        self._output.streaming = more
        if piece is not None:
            self._output.write(piece)
        return 0 if more else self._end_answer()

    cdef int informational(self, int status, object headers) except -1:
        if self._closing:
            return 0
        self._output.write(self._writer.interim(status, headers))
        return self._wait_for_body() if status == 100 else 0

    cdef int flush(self) except -1:
        if self._head is not None:
            self._sent = True
            self._output.write(self._head)
            if self._exchange is not None:
                self._exchange.head = self._head
            self._head = None
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
            self._settle()
        except Exception as error:
            self._fault(error)
        return 0

    cdef int abort(self, Exchange exchange) except -1:
        if self._closing:
            return 0
        self._keep = False
        if exchange is self._exchange:
            return self._cut()
        if self._exchange is None and not self._output.corked:
            return self._settle()
        return 0

    cdef int resume_reading(self) except -1:
        if self._reading_paused and not self._closing:
            self._reading_paused = False
            self.transport.resume_reading()
            if self._exchange is not None and self._request_open:
                self._wait_for_body()
        return 0

    cdef bint is_writable(self) noexcept:
        return not self._writing_paused

    # --- ends ---------------------------------------------------------------------

    cdef int _end_answer(self) except -1:
        self._exchange = None
        self._shared.total_requests += 1
        if not self._writer.keep_alive:
            self._keep = False
        if not self._output.corked:
            self._settle()
        return 0

    cdef int _cut(self) except -1:
        """End an answer that cannot be completed, so that it does not look whole."""
        cdef HttpExchange exchange = self._exchange
        self._exchange = None
        self._keep = False
        self._head = None
        self._output.flush()
        if exchange is not None:
            exchange.peer_left()
        if self._sent and self._writer.until_close:
            # A body that ends with the connection would look whole after a FIN.
            self._closing = True
            reset(self.transport)
            return self._release()
        if self._request_open and not self._eof:
            return self._linger()
        return self._close()

    cdef int _close(self) except -1:
        """Close when everything is written."""
        if not self._closing:
            self._closing = True
            self.due = 0
            self._output.close()
        return self._release()

    cdef int _close_idle(self) except -1:
        """Close, and do not wait for a TLS peer that owes its close_notify.

        One that keeps idle connections does not look at them: it would take the
        half minute that asyncio waits.
        """
        self._close()
        if self._tls is not None and self.transport is not None:
            self._wait(TO_END, LINGER)
        return 0

    cdef int _linger(self) except -1:
        """FIN now, then drop input for a while: RFC 9112 9.6.

        A close with input unread would be a RST, which may overtake the answer.
        """
        self._output.flush()
        self._pending = None
        if self._eof or self._closing or not self.transport.can_write_eof():
            return self._close()
        try:
            self.transport.write_eof()
        except OSError:  # asyncio's, if the peer's RST came first
            return self._close()
        self._lingering = True
        self.resume_reading()
        return self._wait(TO_END, LINGER)

    cdef int _leave(self) except -1:
        """The transport is lost, or another's."""
        self._closing = True
        self._output.leave()
        try:
            self._release()
        finally:
            self._shared.wheel.discard(self)
            self._shared.connections.discard(self)
            self.transport = None
        return 0

    cdef int _release(self) except -1:
        """Let go of what the connection holds, and tell the exchange."""
        cdef HttpExchange exchange = self._exchange
        self._exchange = None
        self._read = None
        self._pending = None
        self._head = None
        self._output.discard()
        self._scopes = None
        self._forget_timer()
        if exchange is not None:
            exchange.peer_left()
        return 0

    cdef int _pause_reading(self) except -1:
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()
        return 0

    cdef int _fault(self, object error) except -1:
        self._output.fail(error)
        self._closing = True
        return self._release()

    cdef int _trace(self, str text) except -1:
        if self._shared.is_tracing():
            self._shared.trace(
                address(self.transport.get_extra_info("peername")), text)
        return 0
