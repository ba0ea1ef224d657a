"""WebSocket without I/O: the frames of one connection in, messages out, and back.

RFC 6455 sections 5 to 7 on the server's side, and RFC 7692. feed() takes bytes as they
come and stops behind each event; the methods whose names end in _frame make the bytes
of a frame. The handshake is websocket_handshake's.

    event                   then
    GOT_TEXT, GOT_BINARY    take() gives the whole message, fragments joined
    GOT_PING, GOT_PONG      take() gives the payload; they may come between fragments
    GOT_CLOSE               the peer closes: close_answer(), if none was sent
    VIOLATION               the peer broke the rules: close_answer(), and an end

A violation is found as early as the bytes show it: a bad head at its first bad byte, a
message over the limit when its length is announced, bad UTF-8 when it can no longer
become good. Nothing is inflated beyond the limit.

Never: a socket, a clock, a log, an event loop, an application. No pointer into the
data fed outlives feed().
"""

cimport cython
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE,
)
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_AsUTF8String, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t
from libc.string cimport memcpy

import zlib

from fastserve.protocols.fast_deflate import compressobj as find_fast_compressobj

from fastserve.protocols cimport _c


cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void *PyUnicode_DATA(object text)
    bint PyUnicode_IS_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int _PyBytes_Resize(PyObject **bytes, Py_ssize_t size) except -1


DEF_MAX_SIZE = 16 * 1024 * 1024

cdef enum:
    SMALL = 16384               # a payload up to this is copied behind its head
    FIRST_ROOM = 65536          # bytes made ready for a message that was announced
    # A message below this goes out as it is. To deflate one of 256 bytes takes 6 us,
    # about as long as all else that it costs, and saves 200 bytes of one packet; and a
    # connection that sends but small ones never needs the 30 KB of a compressor.
    MIN_DEFLATED = 256
    LONG = 4096                 # a message from here on is for the fast compressor
    MAX_RESTARTS = 4            # deflate streams that may end inside a message

cdef int LEVEL = 6              # zlib's default
cdef int FAST_LEVEL = 1         # isal's; 3 makes 3 % less, in twice the time
cdef int MEMORY_LEVEL = 5       # with more, zlib takes longer when the window slides
cdef object COMPRESSOBJ = zlib.compressobj
cdef object DECOMPRESSOBJ = zlib.decompressobj
cdef object ZLIB_ERROR = zlib.error
cdef object SYNC_FLUSH = zlib.Z_SYNC_FLUSH
cdef object DEFLATED = zlib.DEFLATED
cdef object STRATEGY = zlib.Z_DEFAULT_STRATEGY

# What ends each flush of a compressor, and is not sent (RFC 7692 7.2.1).
cdef bytes TAIL = b"\x00\x00\xff\xff"

cdef _c.fs_ws_mask UNMASK = _c.fs_ws_mask_pick()

cdef dict HEAD_FAULTS = {
    _c.FS_WS_E_RESERVED: "a reserved bit is set",
    _c.FS_WS_E_OPCODE: "unknown opcode",
    _c.FS_WS_E_CONTINUATION: "nothing to continue",
    _c.FS_WS_E_INTERRUPTED: "a message inside another",
    _c.FS_WS_E_MASK: "a frame without a mask",
    _c.FS_WS_E_CONTROL: "a control frame is too long or in fragments",
    _c.FS_WS_E_LENGTH: "bad payload length",
}


@cython.final
cdef class WebSocket:
    """One connection after its handshake, on the server's side.

    max_size is the limit of one message in bytes, as the application gets it. Methods
    that make frames raise RuntimeError for what an application must not send.
    """

    def __cinit__(self):
        self._utf8 = _c.FS_UTF8_OK

    def __init__(self, Py_ssize_t max_size=DEF_MAX_SIZE):
        self._max_size = min(max(max_size, 0), <int64_t>1 << 62)
        # zlib makes of n bytes never more than this, whatever its settings
        # (deflateBound), so that a message up to the limit is never refused.
        self._max_deflated = (
            self._max_size + (self._max_size >> 3) + (self._max_size >> 6) + 64)

    def __dealloc__(self):
        Py_XDECREF(self._room)

    cpdef int enable_deflate(
            self, int server_bits, int client_bits, bint server_takeover,
            bint client_takeover) except -1:
        """permessage-deflate as it was agreed on: windows in bits (8 to 15), and
        whether either side keeps its context from one message to the next.

        zlib has no deflate with a window of 8 bits: then nothing is compressed here,
        which every peer must accept, and what the peer compresses is inflated.
        """
        if not (8 <= server_bits <= 15 and 8 <= client_bits <= 15):
            raise ValueError("windows have 8 to 15 bits")
        self._rules |= _c.FS_WS_MAY_COMPRESS
        self._server_bits = server_bits if server_bits > 8 else 0
        self._client_bits = client_bits
        self._server_takeover = server_takeover
        self._client_takeover = client_takeover
        return 0

    # --- input --------------------------------------------------------------------

    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t offset=0) except -1:
        """Read data from offset up to the next event or the end of the data.

        Returns the offset of the first byte not taken. After it, look at event. After
        GOT_CLOSE and VIOLATION all further data are dropped.
        """
        cdef const uint8_t *base
        cdef const uint8_t *end
        cdef const uint8_t *p
        cdef Py_ssize_t size, taken
        cdef uint64_t left

        if data is None or not 0 <= offset <= PyBytes_GET_SIZE(data):
            raise ValueError("feed() takes bytes, and an offset within them")
        size = PyBytes_GET_SIZE(data)
        self.event = GOT_NOTHING
        self._message = None
        if self._over:
            return size
        base = <const uint8_t *>PyBytes_AS_STRING(data)
        end = base + size
        p = base + offset
        while p < end:
            if not self._in_frame:
                taken = _c.fs_ws_read_head(&self._head, p, end - p, self._rules)
                if taken == 0:
                    break
                if taken < 0:
                    self._fail_head(taken)
                    break
                p += taken
                self._begin_frame()
                if self._over:
                    break
            left = self._head.length - self._done
            taken = min(<uint64_t>(end - p), left)
            self._take_payload(p, taken)
            p += taken
            if self.event != GOT_NOTHING:
                return size if self._over else p - base
        return size

    cpdef object take(self):
        """What came with the event: str, bytes, or None; given once."""
        cdef object message = self._message
        self._message = None
        return message

    cdef int _begin_frame(self) except -1:
        """A head is whole: is there room for what it announces?"""
        cdef Py_ssize_t limit

        self._in_frame = True
        self._done = 0
        if self._head.opcode >= _c.FS_WS_CLOSE:
            return 0
        if self._head.opcode != _c.FS_WS_CONTINUATION:
            self._is_text = self._head.opcode == _c.FS_WS_TEXT
            self._is_deflated = self._head.rsv1
            self._announced = 0
            self._streams = 0
        limit = self._max_deflated if self._is_deflated else self._max_size
        if self._head.length > <uint64_t>(limit - self._announced):
            return self._fail(1009, "message too big")
        self._announced += self._head.length
        return 0

    cdef int _take_payload(self, const uint8_t *p, size_t n) except -1:
        """The next n bytes of the frame's payload, perhaps the last, perhaps none."""
        cdef bint frame_ends = self._done + n == self._head.length
        cdef bint ends = frame_ends and self._head.fin

        if self._head.opcode >= _c.FS_WS_CLOSE:
            UNMASK(self._control + self._done, p, n, self._head.key, self._done)
            if frame_ends:
                self._end_control()
        elif self._is_deflated:
            self._take_deflated(p, n, ends)
        elif ends and self._done == 0 and self._head.opcode != _c.FS_WS_CONTINUATION:
            self._take_whole(p, n)
        else:
            self._take_piece(p, n, ends)
        self._done += n
        if frame_ends:
            self._in_frame = False
            if self._head.opcode < _c.FS_WS_CLOSE:
                if self._head.fin:
                    self._rules &= ~_c.FS_WS_INSIDE
                else:
                    self._rules |= _c.FS_WS_INSIDE
        return 0

    cdef int _take_whole(self, const uint8_t *p, size_t n) except -1:
        """A message that is one frame in one read, as most are.

        It is unmasked into the object that the application gets. Most text is ASCII;
        if this one is not, what was made for ASCII is where it is decoded from.
        """
        cdef object text
        cdef bytes data
        cdef uint8_t *out

        if self._is_text:
            text = PyUnicode_New(n, 127)
            out = <uint8_t *>PyUnicode_DATA(text)
            if UNMASK(out, p, n, self._head.key, 0):
                return self._got_text(<const char *>out, n)
            self._message = text
            self.event = GOT_TEXT
            return 0
        data = PyBytes_FromStringAndSize(NULL, n)
        UNMASK(<uint8_t *>PyBytes_AS_STRING(data), p, n, self._head.key, 0)
        self._message = data
        self.event = GOT_BINARY
        return 0

    cdef int _take_piece(self, const uint8_t *p, size_t n, bint ends) except -1:
        cdef uint8_t *out
        cdef bint beyond_ascii

        if n:
            out = self._make_room(n)
            beyond_ascii = UNMASK(out, p, n, self._head.key, self._done)
            self._filled += n
            if beyond_ascii or self._utf8 != _c.FS_UTF8_OK:
                self._check_text(out, n)
        return self._end_message() if ends and not self._over else 0

    cdef int _take_deflated(self, const uint8_t *p, size_t n, bint ends) except -1:
        """Inflate what came, up to the limit (RFC 7692 7.2.2)."""
        cdef bytes piece, clear
        cdef Py_ssize_t limit = self._max_size - self._filled
        cdef Py_ssize_t size

        if n == 0 and not ends:
            return 0
        piece = PyBytes_FromStringAndSize(NULL, n + (4 if ends else 0))
        UNMASK(
            <uint8_t *>PyBytes_AS_STRING(piece), p, n, self._head.key, self._done)
        if ends:
            memcpy(PyBytes_AS_STRING(piece) + n, PyBytes_AS_STRING(TAIL), 4)
        try:
            clear = self._inflate(piece, limit + 1)
        except ZLIB_ERROR:
            return self._fail(1007, "compressed data are broken")
        size = PyBytes_GET_SIZE(clear)
        if size > limit:
            return self._fail(1009, "message too big")
        if ends and not self._client_takeover:
            self._inflater = None
        if ends and self._filled == 0 and self._utf8 == _c.FS_UTF8_OK:
            if self._is_text:
                return self._got_text(PyBytes_AS_STRING(clear), size)
            self._message = clear
            self.event = GOT_BINARY
            return 0
        if size:
            memcpy(self._make_room(size), PyBytes_AS_STRING(clear), size)
            self._filled += size
            self._check_text(<const uint8_t *>PyBytes_AS_STRING(clear), size)
        return self._end_message() if ends and not self._over else 0

    cdef bytes _inflate(self, bytes piece, Py_ssize_t limit):
        """At most limit bytes, over 0, of what piece inflates to; or zlib.error.

        A stream may end inside a message (RFC 7692 7.2.3.4); what follows is another,
        whose compressor has begun afresh as well. Peers that do so end one a message.
        """
        cdef bytes clear = b"", rest = piece

        while True:
            if self._inflater is None:
                self._inflater = DECOMPRESSOBJ(-self._client_bits)
            # Counted a message, not a piece: how it is cut must not matter.
            if self._streams > MAX_RESTARTS and rest != TAIL:
                raise ZLIB_ERROR("too many streams")
            clear += self._inflater.decompress(rest, limit - PyBytes_GET_SIZE(clear))
            if not self._inflater.eof:
                return clear
            rest = self._inflater.unused_data
            self._inflater = None
            self._streams += 1
            if rest == b"" or rest == TAIL or PyBytes_GET_SIZE(clear) == limit:
                return clear

    cdef int _end_message(self) except -1:
        """The message in the room is whole."""
        cdef Py_ssize_t size = self._filled
        cdef const char *p

        if self._utf8 != _c.FS_UTF8_OK:
            return self._fail(1007, "text that is not UTF-8")
        if self._is_text:
            p = NULL if size == 0 else PyBytes_AS_STRING(<object>self._room)
            self._got_text(p, size)
            return self._drop_room()
        self._message = b""
        if size:
            _PyBytes_Resize(&self._room, size)
            self._message = <object>self._room
        self.event = GOT_BINARY
        return self._drop_room()

    cdef int _end_control(self) except -1:
        cdef const char *p = <const char *>self._control
        cdef Py_ssize_t n = self._head.length

        if self._head.opcode == _c.FS_WS_CLOSE:
            return self._end_close(p, n)
        self._message = PyBytes_FromStringAndSize(p, n)
        self.event = GOT_PING if self._head.opcode == _c.FS_WS_PING else GOT_PONG
        return 0

    cdef int _end_close(self, const char *p, Py_ssize_t n) except -1:
        """RFC 6455 5.5.1 and 7.4: nothing, or a code and a reason in UTF-8."""
        cdef int code = 1005
        cdef str reason = ""

        if n == 1:
            return self._fail(1002, "half a close code")
        if n:
            code = self._control[0] << 8 | self._control[1]
            if not _c.fs_ws_code_is_valid(code):
                return self._fail(1002, "bad close code")
            try:
                reason = PyUnicode_DecodeUTF8(p + 2, n - 2, NULL)
            except UnicodeDecodeError:
                return self._fail(1007, "a close reason that is not UTF-8")
        self.event = GOT_CLOSE
        self.close_code = code
        self.close_reason = reason
        self._over = True
        return self._drop_room()

    cdef int _got_text(self, const char *p, Py_ssize_t n) except -1:
        try:
            self._message = PyUnicode_DecodeUTF8(p, n, NULL)
        except UnicodeDecodeError:
            return self._fail(1007, "text that is not UTF-8")
        self.event = GOT_TEXT
        return 0

    cdef int _check_text(self, const uint8_t *p, size_t n) except -1:
        """A piece of a text: may it still become one?"""
        if not self._is_text:
            return 0
        self._utf8 = _c.fs_utf8_check(self._utf8, p, n)
        if self._utf8 == _c.FS_UTF8_BAD:
            return self._fail(1007, "text that is not UTF-8")
        return 0

    cdef uint8_t *_make_room(self, Py_ssize_t n) except NULL:
        """Where the next n bytes of the message go.

        Memory follows the bytes that have come, not those that are announced; it
        doubles, so that all copying together is no more than the message.
        """
        cdef Py_ssize_t need = self._filled + n
        cdef Py_ssize_t size = 0
        cdef Py_ssize_t due
        cdef bytes room

        if self._room != NULL:
            size = PyBytes_GET_SIZE(<object>self._room)
        if need > size:
            size = max(2 * need, FIRST_ROOM if self._head.fin else 256)
            size = min(size, self._max_size)
            if self._head.fin and not self._is_deflated:
                due = self._head.length - self._done
                size = min(size, self._filled + due)
            if self._room == NULL:
                room = PyBytes_FromStringAndSize(NULL, size)
                Py_INCREF(room)
                self._room = <PyObject *>room
            else:
                _PyBytes_Resize(&self._room, size)
        return <uint8_t *>PyBytes_AS_STRING(<object>self._room) + self._filled

    cdef int _drop_room(self) except -1:
        Py_XDECREF(self._room)
        self._room = NULL
        self._filled = 0
        return 0

    cdef int _fail(self, int code, str reason) except -1:
        """RFC 6455 7.1.7: the connection is to be failed; nothing more is read."""
        self.event = VIOLATION
        self.close_code = code
        self.close_reason = reason
        self._over = True
        self._message = None
        self._inflater = None
        return self._drop_room()

    cdef int _fail_head(self, int error) except -1:
        return self._fail(1002, <str>HEAD_FAULTS[error])

    # --- output -------------------------------------------------------------------

    cpdef object text_frame(self, object text):
        """A text message as one frame: bytes, or [head, payload] if it is large.

        UnicodeEncodeError for a str that has no UTF-8 (lone surrogates).
        """
        cdef uint8_t head[_c.FS_WS_WRITTEN_MAX]
        cdef Py_ssize_t size, h
        cdef bytes frame

        self._check_open()
        if not isinstance(text, str):
            raise RuntimeError(
                f"A WebSocket text message must be str, not {type(text).__name__}.")
        size = PyUnicode_GET_LENGTH(text)
        if (not PyUnicode_IS_ASCII(text)
                or (self._server_bits and size >= MIN_DEFLATED)):
            return self._data_frame(_c.FS_WS_TEXT, PyUnicode_AsUTF8String(text))
        h = _c.fs_ws_write_head(head, _c.FS_WS_FIN | _c.FS_WS_TEXT, size)
        frame = PyBytes_FromStringAndSize(NULL, h + size)
        memcpy(PyBytes_AS_STRING(frame), head, h)
        memcpy(PyBytes_AS_STRING(frame) + h, PyUnicode_DATA(text), size)
        return frame

    cpdef object binary_frame(self, object data):
        """A binary message as one frame: bytes, or [head, payload] if it is large."""
        self._check_open()
        if type(data) is not bytes:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise RuntimeError(
                    "A WebSocket binary message must be bytes, not "
                    f"{type(data).__name__}.")
            data = bytes(data)
        return self._data_frame(_c.FS_WS_BINARY, <bytes>data)

    cpdef bytes ping_frame(self, bytes payload=b""):
        return control_frame(_c.FS_WS_PING, payload)

    cpdef bytes pong_frame(self, bytes payload):
        """The answer to a ping with this payload."""
        return control_frame(_c.FS_WS_PONG, payload)

    cpdef bytes close_frame(self, int code=1000, str reason=""):
        """The close frame of an application, or of the server for its own reasons.

        No data frame may be made after it. RuntimeError for a code or a reason that
        must not stand in one (RFC 6455 5.5.1 and 7.4).
        """
        cdef bytes text = (reason or "").encode()

        self._check_open()
        if not _c.fs_ws_code_is_valid(code):
            raise RuntimeError(
                f"A WebSocket close code must be 1000 to 1003, 1007 to 1014 or "
                f"3000 to 4999, not {code}.")
        if PyBytes_GET_SIZE(text) > _c.FS_WS_CONTROL_MAX - 2:
            raise RuntimeError("A WebSocket close reason must be at most 123 bytes.")
        self.close_sent = True
        return control_frame(_c.FS_WS_CLOSE, code.to_bytes(2, "big") + text)

    cpdef bytes close_answer(self):
        """The close frame that the last event calls for; b"" if one was sent before.

        After VIOLATION it says what was wrong. After GOT_CLOSE it is the peer's own
        again: RFC 6455 5.5.1 has its code echoed and leaves the reason open, but that
        is what a browser's page finds in the event of the close it has begun.
        """
        if self.close_sent:
            return b""
        if self.event == VIOLATION or self.close_code != 1005:
            return self.close_frame(self.close_code, self.close_reason)
        self.close_sent = True
        return control_frame(_c.FS_WS_CLOSE, b"")

    cpdef int forget(self) except -1:
        """Let go of what is kept to make the next message smaller.

        A fresh compressor goes on where the last one stopped, for it never refers to
        what was before.
        """
        self._deflater = None
        self._last_sent = None
        return 0

    cdef object _data_frame(self, int opcode, bytes data):
        cdef uint8_t head[_c.FS_WS_WRITTEN_MAX]
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t h
        cdef bytes frame

        if self._server_bits and size >= MIN_DEFLATED:
            return self._deflated_frame(opcode, data)
        h = _c.fs_ws_write_head(head, _c.FS_WS_FIN | opcode, size)
        if size > SMALL:
            return [PyBytes_FromStringAndSize(<const char *>head, h), data]
        frame = PyBytes_FromStringAndSize(NULL, h + size)
        memcpy(PyBytes_AS_STRING(frame), head, h)
        memcpy(PyBytes_AS_STRING(frame) + h, PyBytes_AS_STRING(data), size)
        return frame

    cdef object _deflated_frame(self, int opcode, bytes data):
        """RFC 7692 7.2.1: compressed, flushed, and without the flush's last bytes."""
        cdef uint8_t head[_c.FS_WS_WRITTEN_MAX]
        cdef int first = _c.FS_WS_FIN | _c.FS_WS_RSV1 | opcode
        cdef Py_ssize_t h, size, m
        cdef object deflater
        cdef bytes most, last, frame

        deflater = self._take_deflater(PyBytes_GET_SIZE(data))
        most = deflater.compress(data)
        last = deflater.flush(SYNC_FLUSH)
        if self._server_takeover:
            if self._deflater is None:
                self._last_sent = data[-(1 << self._server_bits):]
        else:
            self._deflater = None
        m = PyBytes_GET_SIZE(most)
        size = m + PyBytes_GET_SIZE(last) - PyBytes_GET_SIZE(TAIL)
        h = _c.fs_ws_write_head(head, first, size)
        frame = PyBytes_FromStringAndSize(NULL, h + size)
        memcpy(PyBytes_AS_STRING(frame), head, h)
        memcpy(PyBytes_AS_STRING(frame) + h, PyBytes_AS_STRING(most), m)
        memcpy(PyBytes_AS_STRING(frame) + h + m, PyBytes_AS_STRING(last), size - m)
        return frame

    cdef object _take_deflater(self, Py_ssize_t size):
        """What compresses the next message, of so many bytes.

        The window is in a compressor that is kept, or, behind one that was made for a
        message alone, in the end of that message. Long ones gain the most by a fast
        compressor, and lose the least without the window of short ones before them.
        """
        cdef object fast = None
        cdef object deflater

        if size >= LONG or not self._server_takeover:
            fast = find_fast_compressobj()
        if fast is None:
            if self._deflater is None:
                self._deflater = self._make_deflater(COMPRESSOBJ, LEVEL)
                self._last_sent = None
            return self._deflater
        deflater = self._make_deflater(fast, FAST_LEVEL)
        self._deflater = None
        return deflater

    cdef object _make_deflater(self, object compressobj, int level):
        if self._last_sent is None:
            return compressobj(level, DEFLATED, -self._server_bits, MEMORY_LEVEL)
        return compressobj(
            level, DEFLATED, -self._server_bits, MEMORY_LEVEL, STRATEGY,
            self._last_sent)

    cdef int _check_open(self) except -1:
        if self.close_sent:
            raise RuntimeError("A WebSocket frame cannot follow the close frame.")
        return 0


cdef bytes control_frame(int opcode, bytes payload):
    cdef uint8_t head[_c.FS_WS_WRITTEN_MAX]
    cdef Py_ssize_t h

    if PyBytes_GET_SIZE(payload) > _c.FS_WS_CONTROL_MAX:
        raise RuntimeError("A WebSocket control frame has at most 125 bytes.")
    h = _c.fs_ws_write_head(
        head, _c.FS_WS_FIN | opcode, PyBytes_GET_SIZE(payload))
    return head[:h] + payload
