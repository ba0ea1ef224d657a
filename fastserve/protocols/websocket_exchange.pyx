"""The ASGI side of one WebSocket: the events of its scope, receive and send.

What an application may send, and when:

    state        accept     http.response.*   send        close
    connecting   accepted   denying           error       denied, with 403
    accepted     error      error             accepted    closing
    closing      error      error             error       error
    denying      error      until complete    error       error

Once the peer has closed or is lost, send() raises ClientDisconnected, an OSError, and
receive() gives what came before, then websocket.disconnect as often as it is asked.

Never: a frame, a protocol module, a socket, a transport.
"""

cimport cython

from asyncio import CancelledError

from fastserve.protocols.awaitables cimport Waiter
from fastserve.protocols.utils import (
    ClientDisconnected, get_client_addr, get_path_with_query_string,
)


cdef enum:
    HIGH_WATER = 65536          # characters and bytes unread, then reading pauses


cdef class WebSocketChannel(Channel):
    """The wire as a WebSocketExchange sees it."""

    cdef int accept(self, object subprotocol, object headers) except -1:
        """Complete the handshake; nothing of it is on the wire if this raises."""
        raise NotImplementedError

    cdef int send_text(self, object text) except -1:
        raise NotImplementedError

    cdef int send_binary(self, object data) except -1:
        raise NotImplementedError

    cdef int send_close(self, object code, object reason) except -1:
        """Begin to close; the channel then waits for the peer's part, but not long."""
        raise NotImplementedError

    cdef int caught_up(self) except -1:
        """The application has had all messages, and asks for more."""
        raise NotImplementedError


@cython.final
cdef class WebSocketExchange(Exchange):
    """One WebSocket as its application sees it."""

    cdef WebSocketChannel _wire(self):
        return <WebSocketChannel>self._channel

    # --- from the connection ------------------------------------------------------

    cdef bint is_full(self) noexcept:
        """Whether the application is to read first before more is taken in."""
        return self._queue is not None and self._disconnect is None and (
            len(self._queue) >= self._shared.ws_max_queue or self.unread > HIGH_WATER)

    cdef bint has_messages(self) noexcept:
        """Whether some wait that the application has not had."""
        return self._queue is not None and len(self._queue) > 0

    cdef int feed(self, object message, Py_ssize_t size) except -1:
        """A message of the peer's, str or bytes; deliver() comes after the last."""
        if self.state != ACCEPTED or self._disconnect is not None:
            return 0                    # we have closed: RFC 6455 1.4
        if self._queue is None:
            self._queue = []
        self._queue.append(message)
        self.unread += size
        return 0

    cdef int deliver(self, bint at_once) except -1:
        """Whoever waits for what was fed goes on.

        at_once: inside this call, which is then the loop's own.
        """
        cdef object held = self._receivers

        if held is None or not self._queue:
            return 0
        if not at_once or type(held) is not Waiter:
            return self._wake_receivers()
        self._receivers = None
        return (<Waiter>held).step()

    cdef int peer_closed(self, object code, object reason) except -1:
        """The WebSocket has ended; the first call says how. reason may be None."""
        if self._disconnect is None:
            self._disconnect = {"type": "websocket.disconnect", "code": code}
            if reason is not None:
                self._disconnect["reason"] = reason
        self.peer_finished()
        return self.resume_writing()    # a send() that waits is told, too

    # --- from the application -----------------------------------------------------

    cdef object _next_message(self):
        cdef object message

        if not self._told:
            self._told = True
            return {"type": "websocket.connect"}
        if not self._queue and self._disconnect is None:
            self._wire().caught_up()
        if self._queue:
            message = self._queue.pop(0)
            self.unread -= len(message)
            self._channel.resume_reading()
            if type(message) is str:
                return {"type": "websocket.receive", "text": message}
            return {"type": "websocket.receive", "bytes": message}
        return None if self._disconnect is None else self._disconnect.copy()

    cdef bint _must_wait(self) noexcept:
        return not (self._peer_finished or self._channel.is_writable())

    cdef int _send(self, object message) except -1:
        cdef str kind

        if self.disconnected:
            raise ClientDisconnected
        if type(message) is not dict:
            message = dict(message)
        kind = message["type"]
        if self.state == ACCEPTED:
            return self._message(<dict>message, kind)
        if self.state == CONNECTING:
            if self._peer_finished:
                raise ClientDisconnected
            return self._open(<dict>message, kind)
        if self.state == DENYING:
            return self._deny(<dict>message, kind)
        raise RuntimeError(
            f"Unexpected ASGI message '{kind}', after sending 'websocket.close'.")

    cdef int _message(self, dict message, str kind) except -1:
        cdef object data

        if kind == "websocket.send":
            if self._peer_finished:
                raise ClientDisconnected
            data = message.get("bytes")
            if data is not None:
                return self._wire().send_binary(data)
            data = message.get("text")
            if data is not None:
                return self._wire().send_text(data)
            raise RuntimeError(
                "ASGI message 'websocket.send' must have 'bytes' or 'text'.")
        if kind != "websocket.close":
            raise RuntimeError(
                "Expected ASGI message 'websocket.send' or 'websocket.close', "
                f"but got '{kind}'.")
        # The peer's close may come while the application is about to send its own.
        return 0 if self._peer_finished else self._close(message)

    cdef int _close(self, dict message) except -1:
        cdef object code = message.get("code", 1000)
        cdef object reason = message.get("reason") or ""
        if code is None:
            code = 1000
        self._wire().send_close(code, reason)
        self.state = CLOSING
        self._queue = None
        self.unread = 0
        self.peer_closed(code, reason)
        return self._channel.resume_reading()

    # --- before the handshake is complete -----------------------------------------

    cdef int _open(self, dict message, str kind) except -1:
        if kind == "websocket.accept":
            self._wire().accept(
                message.get("subprotocol"), message.get("headers") or ())
            self._log("[accepted]")
            self.state = ACCEPTED
            return self._channel.resume_reading()
        if kind == "websocket.close":
            self._log(403)
            return self._refuse(403, b"")
        if kind == "websocket.http.response.start":
            return self._begin_denial(message)
        raise RuntimeError(
            "Expected ASGI message 'websocket.accept', 'websocket.close' or "
            f"'websocket.http.response.start' but got '{kind}'.")

    cdef int _begin_denial(self, dict message) except -1:
        """Check the head; it goes out with the body, and may have to say its length."""
        cdef object status = message.get("status")
        cdef object name

        if isinstance(status, int) and 100 <= status < 200:
            raise RuntimeError(
                f"A WebSocket cannot be denied with {status}: no answer ends with it.")
        self._headers = list(message.get("headers") or ())
        self._channel.start(status, self._headers)
        self._status = status
        self.state = DENYING
        self._log(status)
        names = {bytes(name).lower() for name, _ in self._headers}
        if b"content-type" not in names:
            self._headers.append((b"content-type", b"text/plain; charset=utf-8"))
        if b"content-length" in names or b"transfer-encoding" in names:
            self._channel.start(self._status, self._headers)
            self._status = None
        return 0

    cdef int _deny(self, dict message, str kind) except -1:
        cdef object data = message.get("body", b"")
        cdef bint more = message.get("more_body", False)

        if kind != "websocket.http.response.body":
            raise RuntimeError(
                "Expected ASGI message 'websocket.http.response.body' but got "
                f"'{kind}'.")
        if self._status is not None:
            if not more:
                self._headers.append((b"content-length", b"%d" % len(data)))
            self._channel.start(self._status, self._headers)
            self._status = None
        self._channel.body(data, more)
        return 0 if more else self._end_denial()

    def _end_denial(self):
        self.state = DENIED
        self.peer_closed(1006, None)
        return 0

    cdef int _refuse(self, int status, bytes text) except -1:
        """A whole answer of our own in the handshake's place."""
        self.state = DENYING
        self._channel.start(status, [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
        ])
        self._channel.body(text, False)
        return self._end_denial()

    cdef int _log(self, object outcome) except -1:
        """uvicorn's line, which goes to the server's log and not to the access log."""
        self._shared.logger.info(
            '%s - "WebSocket %s" %s', get_client_addr(self.scope),
            get_path_with_query_string(self.scope), outcome)
        return 0

    # --- the end of the application -----------------------------------------------

    cdef bint _step_begins(self) noexcept:
        return not self.disconnected and self._channel.cork()

    cdef int _step_ends(self, bint corked) except -1:
        return self._channel.uncork() if corked else 0

    cdef int _app_returned(self, object result) except -1:
        if result is not None:
            self._shared.logger.error(
                "ASGI callable should return None, but returned '%s'.", result)
        if self._peer_finished:
            return 0
        if self.state == CONNECTING:
            self._shared.logger.error(
                "ASGI callable returned without completing handshake.")
            self._refuse(500, b"Internal Server Error")
        elif self.state == ACCEPTED:
            self._close({"code": 1000})
        elif self.state == DENYING:
            self._shared.logger.error(
                "ASGI callable returned without completing response.")
            self._channel.abort(self)
        return 0

    cdef int _log_failure(self, object error) except -1:
        """As uvicorn: all but what send() itself has raised, whoever has closed.

        Another OSError is about something else, though the peer is gone. That a task
        is cancelled then is no fault of its.
        """
        if isinstance(error, ClientDisconnected):
            return 0
        if isinstance(error, CancelledError) and self._peer_finished and (
                self.state != CLOSING and self.state != DENIED):
            self._shared.logger.debug("The client left: %r", error)
            return 0
        self._shared.logger.error("Exception in ASGI application\n", exc_info=error)
        return 0

    cdef int _app_failed(self, object error) except -1:
        self._log_failure(error)
        if self._peer_finished:
            return 0
        if self.state == CONNECTING:
            self._refuse(500, b"Internal Server Error")
        elif self.state == ACCEPTED:
            self._close({"code": 1011})
        elif self.state == DENYING:
            self._channel.abort(self)
        return 0


cdef WebSocketExchange new_websocket_exchange(
        WebSocketChannel channel, Shared shared, dict scope):
    cdef WebSocketExchange exchange = WebSocketExchange.__new__(WebSocketExchange)
    exchange._channel = channel
    exchange._shared = shared
    exchange.scope = scope
    return exchange
