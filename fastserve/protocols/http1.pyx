"""HTTP/1.1 requests without I/O: bytes in, a parsed head and body out.

One RequestParser serves a connection, one message after the other. It is llhttp with
no lenient flag, and what RFC 9112 asks beyond it.

    phase      feed() does                                        then
    START      nothing: no byte has come                          HEAD
    HEAD       skips empty lines, takes request line and fields   BODY, or COMPLETE
    BODY       takes body, chunk extensions, trailers             COMPLETE
    COMPLETE   nothing; next() forgets the message                START
    FAILED     nothing, for ever; status and reason say why       -

Keep-alive is decided when the head is complete (RFC 9112 9.3); an upgrade is only
reported, and the parser goes on as HTTP.

Never: a socket, a clock, a log, an event loop, an application. No pointer into the
data fed outlives feed(): a token that goes on in the next read is copied.
"""

cimport cython
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE,
)
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t
from libc.string cimport memchr, memcmp

from fastserve.protocols cimport _c


DEF_LIMIT_LINE = 32 * 1024
DEF_LIMIT_HEAD = 128 * 1024
DEF_LIMIT_FIELDS = 256
DEF_LIMIT_EXTENSIONS = 16 * 1024

cdef enum:
    STOP = 24                   # HPE_USER: a callback that refuses the message

# The limits by the names of the settings that are theirs.
cdef str LINE = "limit_request_line"
cdef str FIELDS = "limit_header_count"
cdef str FIELDS_SIZE = "limit_header_size"
cdef str BODY_SIZE = "limit_request_body"
cdef str EXTENSIONS = "limit_chunk_extensions"


cdef tuple _intern_names():
    cdef size_t size
    cdef int i
    cdef list names = []
    for i in range(_c.fs_names_count):
        name = _c.fs_name_at(i, &size)
        names.append(PyBytes_FromStringAndSize(name, size))
    return tuple(names)


# Shared bytes of well-known field names: a header tuple holds one of these.
cdef tuple NAMES = _intern_names()
cdef bytes HOST = NAMES[_c.FS_NAME_HOST]
cdef bytes TRANSFER_ENCODING = NAMES[_c.FS_NAME_TRANSFER_ENCODING]
cdef bytes EXPECT = NAMES[_c.FS_NAME_EXPECT]
cdef bytes TE = NAMES[NAMES.index(b"te")]

cdef tuple METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")

cdef struct KnownMethod:
    const char *line            # with the blank that ends it
    size_t size

cdef KnownMethod[7] KNOWN
KNOWN[0] = KnownMethod(b"GET ", 4)
KNOWN[1] = KnownMethod(b"POST ", 5)
KNOWN[2] = KnownMethod(b"HEAD ", 5)
KNOWN[3] = KnownMethod(b"PUT ", 4)
KNOWN[4] = KnownMethod(b"DELETE ", 7)
KNOWN[5] = KnownMethod(b"PATCH ", 6)
KNOWN[6] = KnownMethod(b"OPTIONS ", 8)


# --- llhttp's callbacks: no work but the call -----------------------------------

cdef int cb_on_first(_c.llhttp_t *p, const char *at, size_t size) except -1:
    return (<RequestParser>p.data)._on_first(at, size)


cdef int cb_on_second(_c.llhttp_t *p, const char *at, size_t size) except -1:
    return (<RequestParser>p.data)._on_second(at, size)


cdef int cb_on_protocol(_c.llhttp_t *p, const char *at, size_t size) except -1:
    return (<RequestParser>p.data)._on_protocol(at)


cdef int cb_on_target(_c.llhttp_t *p) except -1:
    return (<RequestParser>p.data)._on_target()


cdef int cb_on_field(_c.llhttp_t *p) except -1:
    return (<RequestParser>p.data)._on_field()


cdef int cb_on_head(_c.llhttp_t *p) except -1:
    return (<RequestParser>p.data)._on_head()


cdef int cb_on_body(_c.llhttp_t *p, const char *at, size_t size) except -1:
    return (<RequestParser>p.data)._on_body(at, size)


cdef int cb_on_extension(_c.llhttp_t *p, const char *at, size_t size) except -1:
    return (<RequestParser>p.data)._on_extension(size)


cdef int cb_on_extension_name(_c.llhttp_t *p) except -1:
    return (<RequestParser>p.data)._on_extension_name()


cdef int cb_on_value(_c.llhttp_t *p, const char *at, size_t size) except -1:
    return (<RequestParser>p.data)._on_extension_value(at, size)


cdef int cb_on_extension_value(_c.llhttp_t *p) except -1:
    return (<RequestParser>p.data)._on_extension_part()


cdef int cb_on_message(_c.llhttp_t *p) except -1:
    (<RequestParser>p.data).phase = COMPLETE
    return _c.HPE_PAUSED        # llhttp stops right behind the message


cdef _c.llhttp_settings_t SETTINGS
_c.llhttp_settings_init(&SETTINGS)
SETTINGS.on_url = cb_on_first
SETTINGS.on_url_complete = cb_on_target
SETTINGS.on_protocol = cb_on_protocol
SETTINGS.on_header_field = cb_on_first
SETTINGS.on_header_value = cb_on_second
SETTINGS.on_header_value_complete = cb_on_field
SETTINGS.on_headers_complete = cb_on_head
SETTINGS.on_body = cb_on_body
SETTINGS.on_chunk_extension_name = cb_on_extension
SETTINGS.on_chunk_extension_value = cb_on_value
SETTINGS.on_chunk_extension_name_complete = cb_on_extension_name
SETTINGS.on_chunk_extension_value_complete = cb_on_extension_value
SETTINGS.on_message_complete = cb_on_message


@cython.final
cdef class RequestParser:
    """Parses the requests of one connection.

    Limits are in bytes (request line, all fields together, body, chunk extensions of
    a body) and in fields; trailers count as fields; no limit_body: any length. The
    refusals are 414, 431, 413 and 400; `limit` then says which limit it was.
    """

    def __cinit__(self):
        _c.llhttp_init(&self._llhttp, _c.HTTP_REQUEST, &SETTINGS)
        self._llhttp.data = <void *>self
        self.phase = START

    def __init__(
        self, limit_line=DEF_LIMIT_LINE, limit_head=DEF_LIMIT_HEAD,
        limit_fields=DEF_LIMIT_FIELDS, limit_body=None,
        limit_extensions=DEF_LIMIT_EXTENSIONS,
    ):
        self.set_limits(
            limit_line, limit_head, limit_fields,
            UINT64_MAX if limit_body is None else limit_body, limit_extensions)

    cdef int set_limits(
            self, uint32_t line, uint32_t head, uint32_t fields, uint64_t body,
            uint32_t extensions) except -1:
        self._limit_line = line
        self._limit_head = head
        self._limit_fields = fields
        self._limit_body = body
        self._limit_extensions = extensions
        # Blanks are in no span: this bounds what lies between the spans.
        self._limit_whole_head = 2 * line + head
        return 0

    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t offset=0) except -1:
        """Parse data from offset up to the end of the message or of the data.

        Returns the offset of the first byte not taken. After it, look at phase, and
        take the body that came. A message that is COMPLETE needs next() first.
        """
        cdef const char *base
        cdef const char *end
        cdef const char *p
        cdef _c.llhttp_errno_t error

        if data is None or not 0 <= offset <= PyBytes_GET_SIZE(data):
            raise ValueError("feed() takes bytes, and an offset within them")
        if self.phase >= COMPLETE:
            return offset
        base = PyBytes_AS_STRING(data)
        end = base + PyBytes_GET_SIZE(data)
        p = base + offset
        self._base = base
        self._from = p
        self._size = PyBytes_GET_SIZE(data)
        self._data = <void *>data
        if self.method is None:
            p = self._take_method(p, end)
            if p == NULL:
                return self._size
        error = _c.llhttp_execute(&self._llhttp, p, end - p)
        if error == _c.HPE_PAUSED:
            return _c.llhttp_get_error_pos(&self._llhttp) - base
        if error == _c.HPE_OK:
            self._hold()
            self._before += end - self._from
            if self.phase == HEAD and self._before > self._limit_whole_head:
                self.offset = self._size
                self._refuse(431, "the head is too large", FIELDS_SIZE)
            return self._size
        self._fail(p)
        return self._size

    cpdef object take_body(self):
        """The body bytes since the last call: bytes, or None if there were none."""
        cdef object body = self._body
        self._body = None
        if type(body) is list:
            return b"".join(<list>body)
        return body

    cpdef int next(self) except -1:
        """Forget the COMPLETE message: feed() then begins another."""
        _c.llhttp_reset(&self._llhttp)
        self.phase = START
        self._used = True
        self.method = None
        self.headers = None
        self._authority = None
        self._body = None
        self.expect_continue = False
        self.upgrade = False
        self._target_taken = False
        self.chunked = False
        self.takes_trailers = False
        self.trailers = None
        self._hosts = 0
        self._codings = 0
        self._before = 0
        self._line_size = 0
        self._head_size = 0
        self._fields = 0
        self._body_size = 0
        self._extension_size = 0
        self._extension_part = 0
        return 0

    cdef bint is_silent(self) noexcept:
        """Whether nothing of a request has come, but for empty lines."""
        return self.method is None and self._held_first is None

    cpdef int forget(self) except -1:
        """Let go of what is kept to make the next request cheaper."""
        self._remembered = None
        self._used = False
        self.path = None
        self.raw_path = None
        self.query_string = None
        return 0

    # --- the method: any token (RFC 9110 9.1), while llhttp knows a fixed set ------

    cdef const char *_take_method(self, const char *p, const char *end) except? NULL:
        """Where llhttp goes on, or NULL: no byte is left, or the message is refused."""
        cdef size_t size
        cdef int i

        if self._held_first is not None:
            return self._take_split_method(p, end)
        p = self._skip_empty_lines(p, end)
        if p == NULL:
            if self.phase == START and self._line_size:
                self.phase = HEAD
            return NULL
        self._from = p
        for i in range(7):
            size = KNOWN[i].size
            if <size_t>(end - p) >= size and memcmp(p, KNOWN[i].line, size) == 0:
                self.method = <str>PyTuple_GET_ITEM(METHODS, i)
                self.phase = HEAD
                self.headers = []
                self._method_size = size - 1
                self._due = p + size - self._from
                return p
        size = _c.fs_token_length(p, end - p)
        if p + size == end and size <= self._limit_line:
            if size:
                self._held_first = bytearray(p[:size])
                self.phase = HEAD
            return NULL
        return self._take_any_method(p, size, p + size)

    cdef const char *_skip_empty_lines(
            self, const char *p, const char *end) except? NULL:
        """RFC 9112 2.2: empty lines before a request are ignored, bounded here."""
        while p < end:
            if self._half_line:
                if p[0] != c'\n':
                    break               # a bare CR is no line's end
                self._half_line = False
            elif p[0] == c'\r':
                self._half_line = True
            else:
                return p
            p += 1
            self._line_size += 1
        self.offset = p - self._base
        if self._half_line and p < end:
            self._refuse(400, "a bare CR before the request")
        elif self._line_size > self._limit_line:
            self._refuse(400, "too many empty lines before the request", LINE)
        return NULL

    cdef const char *_take_split_method(
            self, const char *p, const char *end) except? NULL:
        cdef size_t size = _c.fs_token_length(p, end - p)
        cdef bytearray held = self._held_first
        cdef bytes token

        held += p[:size]
        if p + size == end and <size_t>len(held) <= self._limit_line:
            return NULL
        self._held_first = None
        token = bytes(held)
        return self._take_any_method(PyBytes_AS_STRING(token), len(token), p + size)

    cdef const char *_take_any_method(
            self, const char *token, size_t size, const char *rest) except? NULL:
        self.offset = rest - self._base
        if size > self._limit_line:
            self._refuse(414, "the request line is too long", LINE)
            return NULL
        if size == 0 or rest[0] != c' ':
            self._refuse(400, "the method is no token with a blank behind it")
            return NULL
        self._method_size = size
        self.method = PyUnicode_DecodeASCII(token, size, NULL)
        self.phase = HEAD
        self.headers = []
        self._due = rest + 1 - self._from
        # llhttp takes another method's place: it decides nothing on it (CONNECT is
        # refused below, and the upgrade flag is cleared).
        _c.llhttp_execute(&self._llhttp, b"GET ", 4)
        return rest + 1

    # --- tokens that may come in several reads -------------------------------------

    cdef int _on_first(self, const char *at, size_t size) except -1:
        if self._held_first is not None:
            self._held_first += at[:size]
            size = len(self._held_first)
        else:
            self._first.at = at
            self._first.size = size
        if not self._target_taken:
            return self._on_target_span(at, size)
        if self._head_size + size > self._limit_head:
            return self._refuse(431, "a field name is too long", FIELDS_SIZE)
        return 0

    cdef int _on_target_span(self, const char *at, size_t size) except -1:
        # RFC 9112 3: one blank between the parts of the request line; llhttp takes
        # several. Positions count from the message's first read.
        cdef Py_ssize_t place = self._before + (at - self._from)

        if self._held_first is None and place != self._due:
            return self._refuse(400, "there are several blanks in the request line")
        # Two blanks and HTTP/1.x take 10 bytes more; the line's end is not counted.
        if self._method_size + size + 10 > self._limit_line:
            return self._refuse(414, "the request line is too long", LINE)
        if self._held_first is None:
            self._due = place
        self._end = self._due + size
        return 0

    cdef int _on_protocol(self, const char *at) except -1:
        # The span may come in pieces; after the first one nothing is due.
        if self._due >= 0:
            if self._before + (at - self._from) != self._end + 1:
                return self._refuse(
                    400, "there are several blanks in the request line")
            if at[0] != c'H':
                return self._refuse(400, "the protocol is not HTTP")
        self._due = -1
        return 0

    cdef int _on_second(self, const char *at, size_t size) except -1:
        if self._held_second is not None:
            self._held_second += at[:size]
            size = len(self._held_second)
        else:
            self._second.at = at
            self._second.size = size
        if self._head_size + size > self._limit_head:
            return self._refuse(431, "the fields are too large", FIELDS_SIZE)
        return 0

    cdef int _hold(self) except -1:
        """Copy what the read ended in; the next one goes on with it."""
        if self._first.at != NULL:
            self._held_first = bytearray(self._first.at[:self._first.size])
            self._first.at = NULL
        if self._second.at != NULL:
            self._held_second = bytearray(self._second.at[:self._second.size])
            self._second.at = NULL
        return 0

    # --- what the callbacks do; each returns 0, or STOP after a refusal ------------

    cdef int _refuse(self, int status, str reason, str limit=None) except -1:
        self.phase = FAILED
        self.status = status
        self.reason = reason
        self.limit = limit
        return STOP

    cdef int _fail(self, const char *p) except -1:
        """llhttp stopped: by itself, or because a callback refused."""
        cdef const char *at = _c.llhttp_get_error_pos(&self._llhttp)
        cdef const char *reason = _c.llhttp_get_error_reason(&self._llhttp)

        if at == NULL or at < self._base or at > self._base + self._size:
            at = p
        self.offset = at - self._base
        if self.phase != FAILED:
            self._refuse(400, reason.decode("ascii") if reason != NULL else "")
        return 0

    cdef int _on_target(self) except -1:
        cdef const char *p = self._first.at
        cdef size_t n = self._first.size
        cdef bytearray held = self._held_first
        cdef _c.fs_target target

        if held is not None:
            p = held
            n = len(held)
        self._first.at = NULL
        self._held_first = None
        self._target_taken = True
        if _c.fs_scan_target(p, n, &target) != 0 or self.method == "CONNECT":
            return self._refuse(400, "the request target has no form that is served")
        if target.form == _c.FS_TARGET_ASTERISK and self.method != "OPTIONS":
            return self._refuse(400, "the target * is for OPTIONS")
        if target.authority_len:
            self._authority = target.authority[:target.authority_len]
        self._take_path(&target)
        self._take_query(&target)
        return 0

    cdef int _take_path(self, _c.fs_target *target) except -1:
        # A client asks for the same path again more often than not.
        cdef bytes last = self.raw_path
        cdef size_t n = target.path_len
        cdef char *decoded
        cdef bytes room

        if (last is not None and <size_t>PyBytes_GET_SIZE(last) == n
                and memcmp(PyBytes_AS_STRING(last), target.path, n) == 0):
            return 0
        self.raw_path = PyBytes_FromStringAndSize(target.path, n)
        if not target.escaped:
            self.path = PyUnicode_DecodeASCII(target.path, n, NULL)
            return 0
        room = PyBytes_FromStringAndSize(NULL, n)
        decoded = PyBytes_AS_STRING(room)
        n = _c.fs_percent_decode(decoded, target.path, n)
        self.path = PyUnicode_DecodeUTF8(decoded, n, "replace")
        return 0

    cdef int _take_query(self, _c.fs_target *target) except -1:
        cdef bytes last = self.query_string
        cdef size_t n = target.query_len

        if (last is None or <size_t>PyBytes_GET_SIZE(last) != n
                or memcmp(PyBytes_AS_STRING(last), target.query, n) != 0):
            self.query_string = PyBytes_FromStringAndSize(target.query, n)
        return 0

    cdef int _on_field(self) except -1:
        cdef const char *name = self._first.at
        cdef const char *value = self._second.at
        cdef size_t n = self._first.size
        cdef size_t v = self._second.size if value != NULL else 0
        cdef bytearray held_name = self._held_first
        cdef bytearray held_value = self._held_second
        cdef Py_ssize_t place
        cdef object header, known, last = None

        if held_name is not None:
            name = held_name
            n = len(held_name)
            self._held_first = None
        if held_value is not None:
            value = held_value
            v = len(held_value)
            self._held_second = None
        self._first.at = NULL
        self._second.at = NULL
        _c.fs_trim(&value, &v)
        self._fields += 1
        self._head_size += n + v + 4
        if self._fields > self._limit_fields:
            return self._refuse(431, "there are too many fields", FIELDS)
        if self._head_size > self._limit_head:
            return self._refuse(431, "the fields are too large", FIELDS_SIZE)
        if self.phase != HEAD:
            return self._on_trailer(name, n, value, v)
        place = PyList_GET_SIZE(self.headers)
        if self._remembered is not None and place < PyList_GET_SIZE(self._remembered):
            last = <object>PyList_GET_ITEM(self._remembered, place)
        header = self._header(name, n, value, v, last)
        if header is None:
            return self._refuse(400, "a field name is no token")
        self.headers.append(header)
        known = <object>PyTuple_GET_ITEM(header, 0)
        if known is HOST and header is last:
            self._hosts += 1            # its value was found valid before
        elif (known is HOST or known is TRANSFER_ENCODING or known is EXPECT
                or known is TE):
            return self._on_known_field(known, <object>PyTuple_GET_ITEM(header, 1))
        return 0

    cdef object _header(
            self, const char *name, size_t n, const char *value, size_t v,
            object last):
        """The tuple of a header: last, which stood there before, if it is the same.

        None if the name is no token. Measured in bench/micro/test_parse.py: a
        remembered tuple saves two allocations and the look-up of the name.
        """
        cdef object known, kept
        cdef tuple header
        cdef int index

        if last is not None:
            known = <object>PyTuple_GET_ITEM(last, 0)
            kept = <object>PyTuple_GET_ITEM(last, 1)
            if (<size_t>PyBytes_GET_SIZE(kept) == v
                    and <size_t>PyBytes_GET_SIZE(known) == n
                    and memcmp(PyBytes_AS_STRING(kept), value, v) == 0
                    and _c.fs_name_equals(name, PyBytes_AS_STRING(known), n)):
                return last
        index = _c.fs_name_index(name, n)
        if index >= 0:
            known = <object>PyTuple_GET_ITEM(NAMES, index)
        else:
            known = PyBytes_FromStringAndSize(NULL, n)
            if _c.fs_lower_name(PyBytes_AS_STRING(known), name, n) != 0:
                return None
        header = (known, PyBytes_FromStringAndSize(value, v))
        if last is not None:
            self._remembered[PyList_GET_SIZE(self.headers)] = header
        elif self._used:
            # From the second request on: many connections see but one.
            if self._remembered is None:
                self._remembered = []
            self._remembered.append(header)
        return header

    cdef int _on_trailer(
            self, const char *name, size_t n, const char *value, size_t v) except -1:
        """Bounded like the headers, and kept out of them (RFC 9110 6.5.1)."""
        cdef bytes known = PyBytes_FromStringAndSize(NULL, n)
        if _c.fs_lower_name(PyBytes_AS_STRING(known), name, n) != 0:
            return self._refuse(400, "a field name is no token")
        if self.trailers is None:
            self.trailers = []
        self.trailers.append((known, PyBytes_FromStringAndSize(value, v)))
        return 0

    cdef int _on_known_field(self, object name, object value) except -1:
        cdef const char *p = PyBytes_AS_STRING(value)
        cdef size_t n = PyBytes_GET_SIZE(value)

        if name is HOST:
            self._hosts += 1
            if not _c.fs_host_is_valid(p, n):
                return self._refuse(400, "the Host field is not host[:port]")
        elif name is TRANSFER_ENCODING:
            self._codings += 1
            self.chunked = n == 7 and _c.fs_name_equals(p, b"chunked", 7)
        elif name is TE:
            self.takes_trailers |= _c.fs_list_has(p, n, b"trailers", 8)
        else:
            self.expect_continue = (
                n == 12 and _c.fs_name_equals(p, b"100-continue", 12))
        return 0

    cdef int _on_head(self) except -1:
        cdef int flags = self._llhttp.flags
        cdef int refused

        self.http10 = self._llhttp.http_minor == 0
        refused = self._check_head()
        if refused:
            return refused
        if self._llhttp.content_length > self._limit_body:
            return self._refuse(413, "the body is too large", BODY_SIZE)
        if self._authority is not None:
            self._take_authority()
        self.upgrade = (
            flags & _c.F_UPGRADE != 0 and flags & _c.F_CONNECTION_UPGRADE != 0)
        # An upgrade that is not taken is no upgrade (RFC 9110 7.8): without the flag
        # llhttp reads the body, and what follows it, as HTTP.
        self._llhttp.upgrade = 0
        self.keep_alive = not self.http10 and flags & _c.F_CONNECTION_CLOSE == 0
        self.expect_continue = self.expect_continue and not self.http10
        self.phase = BODY
        return 0

    cdef int _check_head(self) except -1:
        if self._llhttp.http_major != 1:
            return self._refuse(400, "the HTTP version is not 1.0 or 1.1")
        # RFC 9112 3.2: one Host, and on 1.1 not none.
        if self._hosts > 1:
            return self._refuse(400, "there are several Host fields")
        if self._hosts == 0 and not self.http10:
            return self._refuse(400, "the Host field is missing")
        if self._codings == 0:
            return 0
        # A tab behind "chunked" is no part of it, but llhttp does not know.
        self._llhttp.flags |= _c.F_CHUNKED
        # RFC 9112 6.1 and 6.3: any of these is how requests are smuggled.
        if self._codings > 1 or not self.chunked:
            return self._refuse(400, "the Transfer-Encoding is not chunked alone")
        if self.http10:
            return self._refuse(400, "Transfer-Encoding on HTTP/1.0")
        if self._llhttp.flags & _c.F_CONTENT_LENGTH:
            return self._refuse(400, "Transfer-Encoding with Content-Length")
        return 0

    cdef int _take_authority(self) except -1:
        """RFC 9112 3.2.2: the host of an absolute-form target replaces Host."""
        cdef tuple host = (HOST, self._authority)
        cdef Py_ssize_t i

        for i in range(len(self.headers)):
            if self.headers[i][0] is HOST:
                self.headers[i] = host
                return 0
        self.headers.append(host)
        return 0

    cdef int _on_body(self, const char *at, size_t size) except -1:
        cdef object chunk

        self._body_size += size
        if self._body_size > self._limit_body:
            return self._refuse(413, "the body is too large", BODY_SIZE)
        if at == self._base and <Py_ssize_t>size == self._size:
            chunk = <object>self._data      # a read that is nothing but body
        else:
            chunk = PyBytes_FromStringAndSize(at, size)
        if self._body is None:
            self._body = chunk
        elif type(self._body) is list:
            (<list>self._body).append(chunk)
        else:
            self._body = [self._body, chunk]
        return 0

    # RFC 9112 7.1.1: a name is a token; a value is one, or quoted. llhttp also takes
    # empty ones, and a quote in a value's middle. A name counts one byte more.
    cdef int _on_extension(self, size_t size) except -1:
        self._extension_part += size
        self._extension_size += size
        if self._extension_size > self._limit_extensions:
            return self._refuse(400, "the chunk extensions are too large", EXTENSIONS)
        return 0

    cdef int _on_extension_name(self) except -1:
        if self._on_extension_part() != 0 or self._on_extension(1) != 0:
            return STOP
        self._extension_part = 0
        return 0

    cdef int _on_extension_value(self, const char *at, size_t size) except -1:
        if self._extension_part == 0:
            self._quoted = size > 0 and at[0] == c'"'
        if not self._quoted and memchr(at, c'"', size) != NULL:
            return self._refuse(400, "a chunk extension's value is no token")
        return self._on_extension(size)

    cdef int _on_extension_part(self) except -1:
        """The end of a name or of a value."""
        if self._extension_part == 0:
            return self._refuse(400, "a chunk extension has an empty part")
        self._extension_part = 0
        return 0
