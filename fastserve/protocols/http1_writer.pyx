"""HTTP/1.1 answers without I/O: an application's status, headers and body as bytes.

One ResponseWriter serves a connection, one answer after the other: start() makes the
head and settles the framing, body() the rest. Header lines are checked while they are
copied, by csrc's writer.

    request, status        Content-Length    framing of the body
    HEAD, 1xx, 204, 304    any               none: the data are dropped
    HTTP/1.1 or 1.0        given             by length, and held to it
    HTTP/1.1               none              chunks
    HTTP/1.0               none              ends with the connection

Behind chunks alone there may be trailers.

Never: a socket, a clock, a log, an event loop; an answer that is framed twice.
"""

cimport cython
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE,
)
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.string cimport memcmp, memcpy, memmove

from fastserve.protocols cimport _c


cdef enum:
    SMALL = 16384               # a body up to this is copied behind its head
    STACK = 4096                # a head up to this is built on the stack

# What _frame() has met in the app's headers.
cdef enum:
    SEEN_LENGTH = 1
    SEEN_CODING = 2
    SEEN_CLOSE = 4
    SEEN_DATE = 8


# RFC 9110 6.5.1: framing, routing, authentication, what modifies the request or
# says how to read or to keep the content; and what is about the connection alone.
cdef frozenset NO_TRAILERS = frozenset(
    b"""
    age authorization cache-control connection content-encoding content-length
    content-range content-type cookie date expect expires host if-match
    if-modified-since if-none-match if-range if-unmodified-since keep-alive location
    max-forwards pragma proxy-authenticate proxy-authorization proxy-connection range
    retry-after set-cookie te trailer transfer-encoding upgrade vary warning
    www-authenticate
    """.split())


cdef tuple _make_status_lines():
    cdef char line[_c.FS_STATUS_LINE_MAX]
    cdef int status
    cdef list lines = []
    for status in range(100, 600):
        lines.append(line[:_c.fs_write_status_line(line, status)])
    return tuple(lines)


cdef tuple STATUS_LINES = _make_status_lines()


cdef Py_ssize_t _plain_size(object headers) except -2:
    """Bytes that the header lines take at most; -1 if they need _plain() first."""
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t i
    cdef object item, name, value

    if type(headers) is not list:
        return -1
    for i in range(PyList_GET_SIZE(headers)):
        item = <object>PyList_GET_ITEM(headers, i)
        if type(item) is not tuple or PyTuple_GET_SIZE(item) != 2:
            return -1
        name = <object>PyTuple_GET_ITEM(item, 0)
        value = <object>PyTuple_GET_ITEM(item, 1)
        if type(name) is not bytes or type(value) is not bytes:
            return -1
        size += PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value) + 4
    return size


def _plain(headers):
    """A list of (bytes, bytes) of what an app gave as headers, or RuntimeError."""
    plain = []
    try:
        for name, value in headers:
            plain.append((_as_bytes(name), _as_bytes(value)))
    except (TypeError, ValueError) as error:
        raise RuntimeError(
            "Response headers must be pairs of bytes: " + str(error)) from error
    return plain


def _as_bytes(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{value!r} is of type {type(value).__name__}")


cdef bytes _field_lines(list fields):
    """The lines of plain fields; RuntimeError for one that must not be sent."""
    cdef bytes name, value, line
    cdef list lines = []
    cdef Py_ssize_t size, written

    for name, value in fields:
        size = PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value) + 4
        line = PyBytes_FromStringAndSize(NULL, size)
        written = _c.fs_write_header(
            PyBytes_AS_STRING(line), size, PyBytes_AS_STRING(name),
            PyBytes_GET_SIZE(name), PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        _check_written(written)
        lines.append(line)
    return b"".join(lines)


cdef int _check_written(Py_ssize_t written) except -1:
    if written == _c.FS_E_NAME:
        raise RuntimeError("Invalid HTTP header name.")
    if written < 0:
        raise RuntimeError("Invalid HTTP header value.")
    return 0


cdef bint is_event_stream(bytes head) except -1:
    """Whether a head that was written says text/event-stream; head may be None."""
    cdef bytes value
    if head is None:
        return False
    value = head.partition(b"\r\ncontent-type:")[2].partition(b"\r\n")[0]
    return value.partition(b";")[0].strip().lower() == b"text/event-stream"


@cython.final
cdef class ResponseWriter:
    """Writes the answers of one connection: start() once, then body() until the end.

    Raises RuntimeError for what an app must not send; then nothing of that message
    may go out, and the connection cannot be used for another answer.
    """

    cpdef bytes start(
            self, object status, object headers, bytes defaults, Py_ssize_t date_size,
            bint http10, bint to_head, bint keep_alive):
        """The head of an answer, in uvicorn's order: date, server, the app's, framing.

        defaults are ready lines that come first, the first date_size bytes of them
        the Date line, which an app's own Date replaces. http10 and to_head say what
        the request was (its version, its method HEAD); keep_alive whether the
        connection could go on after it.
        """
        cdef char stack[STACK]
        cdef char *out = stack
        cdef bytes block = None
        cdef bytes line
        cdef Py_ssize_t size = _plain_size(headers)
        cdef Py_ssize_t room, used
        cdef int code, seen = SEEN_CLOSE if self.close_is_said else 0

        if defaults is None or not 0 <= date_size <= PyBytes_GET_SIZE(defaults):
            raise ValueError("defaults are bytes, and the Date line is within them")
        if not isinstance(status, int) or not 100 <= status <= 599:
            raise RuntimeError(
                f"Response status must be an int from 100 to 599, not {status!r}.")
        code = status
        if size < 0:
            headers = _plain(headers)
            size = _plain_size(headers)
        line = <bytes>PyTuple_GET_ITEM(STATUS_LINES, code - 100)
        # 64: "connection: close", "transfer-encoding: chunked" and an empty line.
        room = PyBytes_GET_SIZE(line) + PyBytes_GET_SIZE(defaults) + size + 64
        if room > STACK:
            block = PyBytes_FromStringAndSize(NULL, room)
            out = PyBytes_AS_STRING(block)
        used = PyBytes_GET_SIZE(line)
        memcpy(out, PyBytes_AS_STRING(line), used)
        memcpy(out + used, PyBytes_AS_STRING(defaults), PyBytes_GET_SIZE(defaults))
        used += PyBytes_GET_SIZE(defaults)

        self.keep_alive = keep_alive and code >= 200
        self.until_close = False
        self._no_body = to_head or code < 200 or code == 204 or code == 304
        self._chunked = False
        self._trailing = False
        self._left = -1
        used += self._write_fields(out + used, room - used, headers, code, &seen)
        if seen & SEEN_LENGTH and seen & SEEN_CODING:
            raise RuntimeError(
                "Content-Length and Transfer-Encoding exclude each other.")
        used += self._write_framing(out + used, http10, seen)
        if seen & SEEN_DATE and date_size:
            size = PyBytes_GET_SIZE(line)
            memmove(out + size, out + size + date_size, used - size - date_size)
            used -= date_size
        return PyBytes_FromStringAndSize(out, used)

    cpdef bytes interim(self, int status, object headers):
        """A whole interim answer, 1xx; its fields are checked as those of any."""
        cdef bytes line = <bytes>STATUS_LINES[status - 100]
        return line + _field_lines(_plain(headers)) + b"\r\n"

    cdef Py_ssize_t _write_fields(
            self, char *out, Py_ssize_t room, list headers, int status,
            int *seen) except -1:
        cdef Py_ssize_t used = 0
        cdef Py_ssize_t written, n, i
        cdef object item, name, value

        for i in range(PyList_GET_SIZE(headers)):
            item = <object>PyList_GET_ITEM(headers, i)
            name = <object>PyTuple_GET_ITEM(item, 0)
            value = <object>PyTuple_GET_ITEM(item, 1)
            n = PyBytes_GET_SIZE(name)
            written = _c.fs_write_header(
                out + used, room - used, PyBytes_AS_STRING(name), n,
                PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
            if written < 0:
                _check_written(written)
            if n == 4 or n == 10 or n == 14 or n == 17:
                if self._frame(out + used, n, PyBytes_AS_STRING(value),
                               PyBytes_GET_SIZE(value), status, seen):
                    continue        # not sent: the next line goes over it
            used += written
        return used

    cdef int _frame(
            self, const char *name, Py_ssize_t n, const char *value, size_t v,
            int status, int *seen) except -1:
        """Notes a header that bears on framing; name is lowered. 1: do not send it."""
        if n == 4:
            if memcmp(name, <const char *>b"date", 4) == 0:
                seen[0] |= SEEN_DATE
        elif n == 10:
            if memcmp(name, <const char *>b"connection", 10) == 0 and _c.fs_list_has(
                    value, v, b"close", 5):
                seen[0] |= SEEN_CLOSE
                self.keep_alive = False
        elif n == 14:
            if memcmp(name, <const char *>b"content-length", 14) == 0:
                return self._read_length(value, v, status, seen)
        elif memcmp(name, <const char *>b"transfer-encoding", 17) == 0:
            if status >= 200 and status != 204 and status != 304:
                if v != 7 or not _c.fs_name_equals(value, b"chunked", 7):
                    raise RuntimeError("Transfer-Encoding must be chunked, or absent.")
                seen[0] |= SEEN_CODING
            return 1                # written by _write_framing()
        return 0

    cdef int _read_length(
            self, const char *value, size_t v, int status, int *seen) except -1:
        cdef int64_t length = 0
        cdef size_t i

        if status < 200 or status == 204:
            return 1                # RFC 9110 8.6: never on these
        if v == 0 or v > 18:
            raise RuntimeError("Content-Length must be a decimal number.")
        for i in range(v):
            if value[i] < c'0' or value[i] > c'9':
                raise RuntimeError("Content-Length must be a decimal number.")
            length = length * 10 + (value[i] - c'0')
        if not seen[0] & SEEN_LENGTH:
            seen[0] |= SEEN_LENGTH
            self._left = length
            return 0
        if length != self._left:
            raise RuntimeError("Two Content-Length headers differ.")
        return 1

    cdef Py_ssize_t _write_framing(self, char *out, bint http10, int seen) noexcept:
        cdef char *p = out

        if seen & SEEN_LENGTH == 0 and not self._no_body:
            self._chunked = not http10
            self.until_close = http10
        if self.until_close:
            self.keep_alive = False
        if not self.keep_alive and seen & SEEN_CLOSE == 0:
            memcpy(p, <const char *>b"connection: close\r\n", 19)
            p += 19
        if self._chunked or (seen & SEEN_CODING and not http10):
            memcpy(p, <const char *>b"transfer-encoding: chunked\r\n", 28)
            p += 28
        memcpy(p, <const char *>b"\r\n", 2)
        return p + 2 - out

    cpdef object body(self, bytes head, object data, bint more):
        """What to write for a part of the body: bytes, a list of them, or None.

        head is the head that has not been written yet, or None. Of an answer
        without a body (HEAD, 1xx, 204, 304) the data are dropped.
        """
        cdef Py_ssize_t size

        if type(data) is not bytes:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise RuntimeError(
                    f"Response body must be bytes, not {type(data).__name__}.")
            data = bytes(data)
        if self._no_body:
            return head
        size = PyBytes_GET_SIZE(data)
        if self._left >= 0:
            if size > self._left:
                raise RuntimeError("Response content longer than Content-Length")
            self._left -= size
            if not more and self._left != 0:
                raise RuntimeError("Response content shorter than Content-Length")
        if size > SMALL:
            return self._large(head, data, more)
        if size == 0 and (more or not self._chunked):
            return head
        if head is None and not self._chunked:
            return data
        return self._small(head, data, more)

    cpdef bytes trailers(self, object headers, bint more):
        """What to write for trailer fields, the end of the body first, or None.

        All parts of the body had more to come. Chunks alone have room for trailers
        (RFC 9112 7.1.2): of another answer they are dropped.
        """
        cdef list fields = _plain(headers)
        cdef bytes lines, name

        for name, _ in fields:
            if name.lower() in NO_TRAILERS:
                raise RuntimeError(
                    f"The field {name.decode('latin-1')!r} must not be a trailer.")
        lines = _field_lines(fields)
        if not self._chunked:
            if self._left > 0 and not self._no_body:
                raise RuntimeError("Response content shorter than Content-Length")
            return None
        if not self._trailing:
            self._trailing = True
            lines = b"0\r\n" + lines
        return lines if more else lines + b"\r\n"

    cdef bytes _small(self, bytes head, bytes data, bint more):
        """Everything in one piece; for a small body a copy is the cheapest."""
        cdef char *p
        cdef bytes whole
        cdef char chunk[_c.FS_CHUNK_HEAD_MAX]
        cdef Py_ssize_t h = 0, c = 0, size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t total = size

        if head is not None:
            h = PyBytes_GET_SIZE(head)
            total += h
        if self._chunked:
            if size:
                c = _c.fs_write_chunk_head(chunk, size)
                total += c + 2
            if not more:
                total += 5
        whole = PyBytes_FromStringAndSize(NULL, total)
        p = PyBytes_AS_STRING(whole)
        if h:
            memcpy(p, PyBytes_AS_STRING(head), h)
        memcpy(p + h, chunk, c)
        memcpy(p + h + c, PyBytes_AS_STRING(data), size)
        p += h + c + size
        if c:
            memcpy(p, <const char *>b"\r\n", 2)
            p += 2
        if self._chunked and not more:
            memcpy(p, <const char *>b"0\r\n\r\n", 5)
        return whole

    cdef list _large(self, bytes head, bytes data, bint more):
        """Pieces for one gathering write: a large body is not copied."""
        cdef char chunk[_c.FS_CHUNK_HEAD_MAX]
        cdef bytes front = head if head is not None else b""

        if not self._chunked:
            return [data] if head is None else [head, data]
        front += chunk[:_c.fs_write_chunk_head(chunk, PyBytes_GET_SIZE(data))]
        return [front, data, b"\r\n" if more else b"\r\n0\r\n\r\n"]
