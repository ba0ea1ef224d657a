"""The ASGI side of one HTTP request and its response, with the extensions of HTTP.

What an application may send, and when; those in brackets only where the scope's
extensions list them:

    state       .start        .body                  [.early_hint]  [.trailers]
    fresh       -> started    RuntimeError           sent           RuntimeError
    started     RuntimeError  -> started, body sent  RuntimeError   RuntimeError
    body sent   RuntimeError  RuntimeError           RuntimeError   -> complete
    complete    RuntimeError  RuntimeError           RuntimeError   RuntimeError

"Body sent" is complete, unless the start said `trailers`. After the peer has left,
send() says nothing and receive() gives http.disconnect.

Never: a protocol module, a socket, a transport.
"""

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from cpython.unicode cimport PyUnicode_GET_LENGTH
from libc.string cimport memcmp

from fastserve.protocols.shared cimport EARLY_HINT, REQUEST_TRAILERS, TRAILERS


cdef extern from "Python.h":
    const void *PyUnicode_DATA(object)
    int PyUnicode_KIND(object)
    PyObject *PyDict_GetItemWithError(dict, object) except? NULL


cdef str START = "http.response.start"
cdef str BODY = "http.response.body"
cdef str HINT = "http.response.early_hint"
cdef str TRAILERS_TYPE = "http.response.trailers"
cdef tuple START_KEYS = ("type", "status", "headers")
cdef tuple BODY_KEYS = ("type", "body", "more_body")


cdef inline bint is_text(object given, str wanted) except -1:
    """given == wanted; wanted is ASCII. Types are never interned: they have dots."""
    if given is wanted:
        return True
    if type(given) is not str:
        return given == wanted
    return (
        PyUnicode_GET_LENGTH(given) == PyUnicode_GET_LENGTH(wanted)
        and PyUnicode_KIND(given) == 1
        and memcmp(PyUnicode_DATA(given), PyUnicode_DATA(wanted),
                   PyUnicode_GET_LENGTH(wanted)) == 0)


cdef int read_message(dict message, tuple keys, PyObject **found) except -1:
    """Borrowed values of the three keys, NULL for what message has not.

    A key that is written down in a program is interned, there as here: one walk that
    compares addresses costs a third of three lookups. Other keys are looked up.
    KeyError if the first one, the type, is missing.
    """
    cdef PyObject *key
    cdef PyObject *value
    cdef Py_ssize_t at = 0
    cdef int i

    found[0] = found[1] = found[2] = NULL
    while PyDict_Next(message, &at, &key, &value):
        if key == <PyObject *>PyTuple_GET_ITEM(keys, 0):
            found[0] = value
        elif key == <PyObject *>PyTuple_GET_ITEM(keys, 1):
            found[1] = value
        elif key == <PyObject *>PyTuple_GET_ITEM(keys, 2):
            found[2] = value
        else:
            for i in range(3):
                found[i] = PyDict_GetItemWithError(message, keys[i])
            break
    if found[0] == NULL:
        raise KeyError(keys[0])
    return 0


@cython.final
cdef class HttpExchange(Exchange):
    """One HTTP request and its response."""

    # --- from the connection ------------------------------------------------------

    cdef bint is_awaited(self) noexcept:
        """Whether a receive() waits for what comes next."""
        return self._receivers is not None

    cdef int feed(self, bytes data) except -1:
        """More of the request's body."""
        self.unread += PyBytes_GET_SIZE(data)
        if self._body is None:
            self._body = data
        elif type(self._body) is list:
            (<list>self._body).append(data)
        else:
            self._body = [self._body, data]
        if self._receivers is not None:
            self._wake_receivers()
        return 0

    cdef int end_of_body(self, list trailers) except -1:
        """The request is complete; trailers are those of a chunked body."""
        self._body_complete = True
        self._request_trailers = trailers
        if self._receivers is not None:
            self._wake_receivers()
        return 0

    # --- from the application -----------------------------------------------------

    cdef object _next_message(self):
        cdef object body
        cdef dict message

        if self.owes_continue:
            # RFC 9110 10.1.1: the client may go on, now that the app wants its body.
            self.owes_continue = False
            if not self.started and not self.disconnected:
                self._channel.informational(100, ())
        if self.complete:
            return {"type": "http.disconnect"}
        if self._body is not None or (
                self._body_complete and not self._body_delivered):
            body = self._body
            self._body = None
            self.unread = 0
            if body is None:
                body = b""
            elif type(body) is list:
                body = b"".join(<list>body)
            if self._body_complete:
                self._body_delivered = True
            elif not self._peer_finished:
                self._channel.resume_reading()
            message = {
                "type": "http.request",
                "body": body,
                "more_body": not self._body_complete,
            }
            if self._body_complete and self.offers & REQUEST_TRAILERS:
                message["trailers"] = self._request_trailers or []
            return message
        if self._peer_finished:
            return {"type": "http.disconnect"}
        if not self._body_complete:
            self._channel.resume_reading()
        return None

    cdef int _send(self, object message) except -1:
        if self.disconnected and not self.complete:
            return 0
        if type(message) is not dict:
            message = dict(message)
        if not self.started:
            return self._start(<dict>message)
        if not self.complete:
            return self._body_message(<dict>message)
        raise RuntimeError(
            f"Unexpected ASGI message '{message['type']}' sent, after response "
            "already completed.")

    cdef bint _must_wait(self) noexcept:
        return not (
            self.complete or self.disconnected or self._channel.is_writable())

    cdef int _start(self, dict message) except -1:
        cdef PyObject *found[3]
        cdef object kind, status, headers

        read_message(message, START_KEYS, found)
        kind = <object>found[0]
        if not is_text(kind, START):
            return self._unstarted(kind, message)
        status = None if found[1] == NULL else <object>found[1]
        headers = () if found[2] == NULL else <object>found[2]
        # A head that is refused counts as started: no 500 follows it.
        self.started = True
        self._refused = True
        self._begin_response(status, headers)
        self._refused = False
        self._wants_trailers = (
            self.offers & TRAILERS and message.get("trailers", False))
        if not self._call.running:
            self._flush_head()          # another task sends: its body may be far off
        return 0

    cdef int _unstarted(self, object kind, dict message) except -1:
        """A message before http.response.start that is not that one."""
        if not (self.offers & EARLY_HINT and is_text(kind, HINT)):
            raise RuntimeError(
                f"Expected ASGI message 'http.response.start', but got '{kind}'.")
        return self._channel.informational(
            103, [(b"link", link) for link in message["links"]])

    cdef int _begin_response(self, object status, object headers) except -1:
        self.started = True
        self._channel.start(status, headers)
        self.owes_continue = False
        self._head_waits = True
        return self._shared.log_access(self.scope, status)

    cdef int _body_message(self, dict message) except -1:
        cdef PyObject *found[3]
        cdef object kind, data
        cdef bint more

        read_message(message, BODY_KEYS, found)
        kind = <object>found[0]
        if self._body_sent:
            return self._trailers_message(kind, message)
        if not is_text(kind, BODY):
            raise RuntimeError(
                f"Expected ASGI message 'http.response.body', but got '{kind}'.")
        if self._refused:
            raise RuntimeError("The response cannot go on: its start was refused.")
        data = b"" if found[1] == NULL else <object>found[1]
        more = found[2] != NULL and <object>found[2]
        if self._wants_trailers and not more:
            self._channel.body(data, True)
            self._head_waits = False
            self._body_sent = True
            return 0
        self._channel.body(data, more)
        self._head_waits = False
        if not more:
            self._end_response()
        return 0

    cdef int _trailers_message(self, object kind, dict message) except -1:
        cdef bint more = message.get("more_trailers", False)

        if not is_text(kind, TRAILERS_TYPE):
            raise RuntimeError(
                f"Expected ASGI message 'http.response.trailers', but got '{kind}'.")
        self._channel.trailers(message.get("headers", ()), more)
        return 0 if more else self._end_response()

    cdef int _end_response(self) except -1:
        self.complete = True
        self._body = None
        return self._wake_receivers()

    cdef bint _step_begins(self) noexcept:
        # What one step sends goes out together.
        return not (self.complete or self.disconnected) and self._channel.cork()

    cdef int _step_ends(self, bint corked) except -1:
        if self._head_waits:
            self._flush_head()          # what was started must not wait with the app
        return self._channel.uncork() if corked else 0

    cdef int _flush_head(self) except -1:
        self._head_waits = False
        return 0 if self.disconnected else self._channel.flush()

    # --- the end of the application -----------------------------------------------

    cdef int _app_returned(self, object result) except -1:
        if result is not None:
            self._shared.logger.error(
                "ASGI callable should return None, but returned '%s'.", result)
            self._channel.abort(self)
        elif self.complete or self.disconnected:
            pass
        elif self._peer_finished:
            self._channel.abort(self)   # nobody to answer: not the app's fault
        elif not self.started:
            self._shared.logger.error(
                "ASGI callable returned without starting response.")
            self._answer_500()
        else:
            self._shared.logger.error(
                "ASGI callable returned without completing response.")
            self._channel.abort(self)
        return 0

    cdef int _app_failed(self, object error) except -1:
        self._log_failure(error)
        if self.started or self.disconnected:
            self._channel.abort(self)
        else:
            self._answer_500()
        return 0

    cdef int _answer_500(self) except -1:
        self._begin_response(500, [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"21"),
            (b"connection", b"close"),
        ])
        self._channel.body(b"Internal Server Error", False)
        self._head_waits = False
        return self._end_response()


cdef HttpExchange new_http_exchange(
        Channel channel, Shared shared, dict scope, int offers, bint wants_continue):
    cdef HttpExchange exchange = HttpExchange.__new__(HttpExchange)
    exchange._channel = channel
    exchange._shared = shared
    exchange.scope = scope
    exchange.owes_continue = wants_continue
    exchange.offers = offers
    return exchange
