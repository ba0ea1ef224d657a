# HTTP/1.1 answers without I/O: the response writer of one connection.

from libc.stdint cimport int64_t


cdef bint is_event_stream(bytes head) except -1


cdef class ResponseWriter:
    # The connection's.
    cdef public bint close_is_said  # the default lines have a Connection: close
    # One response's framing.
    cdef readonly bint keep_alive   # False: the connection closes after it
    cdef readonly bint until_close  # the body ends with the connection
    cdef bint _no_body              # HEAD, 1xx, 204, 304
    cdef bint _chunked
    cdef bint _trailing             # the last chunk is written
    cdef int64_t _left              # bytes still owed to Content-Length, or -1

    cpdef bytes start(
        self, object status, object headers, bytes defaults, Py_ssize_t date_size,
        bint http10, bint to_head, bint keep_alive)
    cpdef object body(self, bytes head, object data, bint more)
    cpdef bytes trailers(self, object headers, bint more)
    cpdef bytes interim(self, int status, object headers)

    cdef Py_ssize_t _write_fields(
        self, char *out, Py_ssize_t room, list headers, int status,
        int *seen) except -1
    cdef int _frame(
        self, const char *name, Py_ssize_t n, const char *value, size_t v,
        int status, int *seen) except -1
    cdef int _read_length(
        self, const char *value, size_t v, int status, int *seen) except -1
    cdef Py_ssize_t _write_framing(self, char *out, bint http10, int seen) noexcept
    cdef bytes _small(self, bytes head, bytes data, bint more)
    cdef list _large(self, bytes head, bytes data, bint more)
