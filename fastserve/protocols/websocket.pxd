# WebSocket without I/O: the frames and messages of one connection.

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint64_t

from fastserve.protocols._c cimport fs_ws_head


cdef enum Event:
    GOT_NOTHING     # all of the data was taken, and more is needed
    GOT_TEXT        # take() gives the message as str
    GOT_BINARY      # take() gives the message as bytes
    GOT_PING        # take() gives the payload: pong_frame() answers it
    GOT_PONG        # take() gives the payload
    GOT_CLOSE       # close_code and close_reason are the peer's; nothing more is read
    VIOLATION       # close_code and close_reason are ours to send; likewise


cdef class WebSocket:
    # The last feed()'s.
    cdef readonly Event event
    cdef readonly int close_code    #: GOT_CLOSE, VIOLATION; 1005: the peer gave none
    cdef readonly str close_reason  #: likewise
    cdef object _message            # for take()
    # The connection's.
    cdef readonly bint close_sent   #: a close frame was made; no data frame may follow
    cdef bint _over                 # after GOT_CLOSE or VIOLATION
    cdef Py_ssize_t _max_size       # bytes of a message, as the application gets it
    cdef Py_ssize_t _max_deflated   # bytes of it on the wire, if it is compressed
    # One frame's.
    cdef fs_ws_head _head
    cdef int _rules                 # for fs_ws_read_head()
    cdef bint _in_frame             # its head is whole, its payload is not
    cdef uint64_t _done             # bytes of its payload that were taken
    cdef uint8_t[125] _control      # payload of a control frame
    # One message's, which may come in several frames and reads.
    cdef bint _is_text
    cdef bint _is_deflated
    cdef unsigned _utf8             # where the check of a text in pieces stands
    cdef Py_ssize_t _announced      # payload bytes that its heads have told of
    cdef PyObject *_room            # a bytes object that is filled piece by piece
    cdef Py_ssize_t _filled
    # permessage-deflate, if it was agreed on; contexts are made when they are needed.
    cdef int _client_bits
    cdef int _server_bits           # 0: nothing is compressed
    cdef bint _client_takeover
    cdef bint _server_takeover
    cdef int _streams               # that have ended in the message
    cdef object _inflater           #: zlib.decompressobj or None
    cdef object _deflater           #: zlib.compressobj or None
    cdef bytes _last_sent           # the window's worth of it, where no deflater has it

    cpdef int enable_deflate(
        self, int server_bits, int client_bits, bint server_takeover,
        bint client_takeover) except -1
    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t offset=*) except -1
    cpdef object take(self)
    cpdef object text_frame(self, object text)
    cpdef object binary_frame(self, object data)
    cpdef bytes ping_frame(self, bytes payload=*)
    cpdef bytes pong_frame(self, bytes payload)
    cpdef bytes close_frame(self, int code=*, str reason=*)
    cpdef bytes close_answer(self)
    cpdef int forget(self) except -1

    cdef int _begin_frame(self) except -1
    cdef int _take_payload(self, const uint8_t *p, size_t n) except -1
    cdef int _take_whole(self, const uint8_t *p, size_t n) except -1
    cdef int _take_piece(self, const uint8_t *p, size_t n, bint ends) except -1
    cdef int _take_deflated(self, const uint8_t *p, size_t n, bint ends) except -1
    cdef bytes _inflate(self, bytes piece, Py_ssize_t limit)
    cdef int _end_message(self) except -1
    cdef int _end_control(self) except -1
    cdef int _end_close(self, const char *p, Py_ssize_t n) except -1
    cdef int _got_text(self, const char *p, Py_ssize_t n) except -1
    cdef int _check_text(self, const uint8_t *p, size_t n) except -1
    cdef uint8_t *_make_room(self, Py_ssize_t n) except NULL
    cdef int _drop_room(self) except -1
    cdef int _fail(self, int code, str reason) except -1
    cdef int _fail_head(self, int error) except -1
    cdef object _data_frame(self, int opcode, bytes data)
    cdef object _deflated_frame(self, int opcode, bytes data)
    cdef object _take_deflater(self, Py_ssize_t size)
    cdef object _make_deflater(self, object compressobj, int level)
    cdef int _check_open(self) except -1
